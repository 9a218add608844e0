import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { openStore } from '../src/adapter/store/open.ts'
import type { StoreOptions } from '../src/adapter/store/store.ts'
import { generateKey } from '../src/crypto/key.ts'
import { keySigner, type Signer } from '../src/crypto/signer.ts'
import type { Log, Store } from '../src/domain/port.ts'
import { type PostgresServer, startPostgres } from './postgres.ts'

/** A fresh, empty store that is gone after `close`. */
export interface TestStore {
  readonly store: Store
  readonly url: string
  readonly place: StorePlace
  readonly signer: Signer
  /** Closes the store and opens what it left behind. */
  readonly reopen: (options?: Partial<StoreOptions>) => Promise<Store>
  /** Another connection to the same data; only PostgreSQL has it. */
  readonly also: (options?: Partial<StoreOptions>) => Promise<Store>
  readonly close: () => Promise<void>
}

export const silentLog: Log = { info() {}, warn() {}, error() {} }

/** A place for a store: `url` names nothing yet. */
export interface StorePlace {
  readonly url: string
  /** Runs SQL behind the back of the store, as somebody with access to the database would. */
  readonly execute: (statement: string) => Promise<void>
  readonly remove: () => Promise<void>
}

export async function sqlitePlace(): Promise<StorePlace> {
  const directory = await mkdtemp(join(tmpdir(), 'mooring-store-'))
  const file = join(directory, 'data', 'store.db')
  return {
    url: `sqlite:${file}`,
    async execute(statement) {
      const database = new DatabaseSync(file)
      database.exec(statement)
      database.close()
    },
    remove: () => rm(directory, { recursive: true, force: true }),
  }
}

let server: Promise<PostgresServer> | undefined

/** In a server that this process starts once and that ends with it. */
export async function postgresPlace(): Promise<StorePlace> {
  server ??= startPostgres()
  return (await server).place()
}

/** Which database tests run over; a test may be about the one or the other alone. */
export function testDatabase(): 'sqlite' | 'postgres' {
  const wanted = process.env['MOORING_TEST_STORE'] ?? 'sqlite'
  if (wanted !== 'sqlite' && wanted !== 'postgres') throw new Error(`MOORING_TEST_STORE=${wanted} is not a store`)
  return wanted
}

/** On SQLite, or on PostgreSQL with `MOORING_TEST_STORE=postgres`: any test of roles and app can run over either. */
export async function openTestStore(options: Partial<StoreOptions> = {}): Promise<TestStore> {
  return openTestStoreAt(await (testDatabase() === 'postgres' ? postgresPlace() : sqlitePlace()), options)
}

/** On PostgreSQL, whatever the run is over: it takes several processes. */
export async function openSharedTestStore(options: Partial<StoreOptions> = {}): Promise<TestStore> {
  return openTestStoreAt(await postgresPlace(), options)
}

/**
 * For parties that open their store themselves: options that give each a database of its own, the same one when it is
 * asked for again. On SQLite none: there the store is a file beside the party's keys.
 */
export function partyStores(): { readonly storeUrl?: (party: string) => Promise<string> } {
  if (testDatabase() === 'sqlite') return {}
  const urls = new Map<string, Promise<string>>()
  return {
    storeUrl(party) {
      const url = urls.get(party) ?? postgresPlace().then(place => place.url)
      urls.set(party, url)
      return url
    },
  }
}

/** As `partyStores`, for one party. */
export async function partyStore(): Promise<{ readonly storeUrl?: string }> {
  return testDatabase() === 'sqlite' ? {} : { storeUrl: (await postgresPlace()).url }
}

export async function openTestStoreAt(place: StorePlace, options: Partial<StoreOptions> = {}): Promise<TestStore> {
  const signer = options.signer ?? keySigner(generateKey('P-256'))
  const defaults = { signer, clock: Date.now, log: silentLog }
  const opened: Store[] = []
  const open = async (more: Partial<StoreOptions> = {}) => {
    const store = await openStore(place.url, { ...defaults, ...options, ...more })
    opened.push(store)
    return store
  }
  const store = await open()
  return {
    store,
    url: place.url,
    place,
    signer,
    async reopen(more) {
      for (const each of opened.splice(0)) await each.close()
      return open(more)
    },
    also: open,
    async close() {
      for (const each of opened.splice(0)) await each.close()
      await place.remove()
    },
  }
}
