import { join } from 'node:path'
import type { Command } from 'commander'
import { openFileKeyStore } from '../../adapter/key/file.ts'
import { passphraseFromEnvironment } from '../../adapter/key/master-key.ts'
import { openStore } from '../../adapter/store/open.ts'
import type { StoreOptions } from '../../adapter/store/store.ts'
import { openLog } from '../../adapter/telemetry/log.ts'
import { OnboardingError } from '../../domain/error.ts'
import type { Store } from '../../domain/port.ts'
import { type StorePlace, storePlace, type Task, withStore } from './command.ts'
import { dataDirectory, readSiteFile, requireRecordAt } from './data.ts'

/** Options of commands that can do without a running site. */
export interface OfflineOptions extends StorePlace {
  readonly offline?: boolean
  readonly data?: string
}

export function withOffline(command: Command): Command {
  return withStore(command.option('--offline', 'work on the data directory itself, while the site is stopped'))
}

/** A stopped site: its record, and who it is. */
export interface OfflineRecord {
  readonly store: Store
  readonly data: string
}

/** What opens the store of a site at rest. Throws OnboardingError `data-missing` where there is no site. */
export async function recordOptions({
  io,
  options,
}: Task<OfflineOptions>): Promise<{ readonly data: string; readonly url: string; readonly store: StoreOptions }> {
  const data = dataDirectory('site', options.data, io)
  const notFound = () => new OnboardingError('data-missing', { site: data })
  // Nothing is made where nothing is: a mistyped path must not become a new site.
  const site = await readSiteFile(data)
  if (site === undefined) throw notFound()
  const place = storePlace(options, io.env)
  const file = join(data, 'site.db')
  await requireRecordAt(site, { store: place, file })
  const signer = await openLedgerKey(data, io)
  if (signer === undefined) throw notFound()
  const url = place ?? `sqlite:${file}`
  return { data, url, store: { signer, clock: Date.now, log: openLog({ level: 'error' }) } }
}

/** Runs `work` on the record of a stopped site. Throws OnboardingError `data-missing`, `store-locked` while the site runs. */
export async function withRecord<T>(
  task: Task<OfflineOptions>,
  work: (record: OfflineRecord) => Promise<T>,
): Promise<T> {
  const { data, url, store: options } = await recordOptions(task)
  const store = await openStore(url, options)
  try {
    return await work({ store, data })
  } finally {
    await store.close()
  }
}

/** Undefined where there is none; none is made. */
export async function openLedgerKey(data: string, { env }: Pick<Task<object>['io'], 'env'>) {
  const passphrase = passphraseFromEnvironment(env)
  const directory = join(data, 'keys')
  const keys = await openFileKeyStore(passphrase === undefined ? { directory } : { directory, passphrase })
  return keys.open('ledger')
}
