import type { KeyStore } from '../../crypto/signer.ts'
import type { ConfiguratorKeyRecord, ConfiguratorKeyUse } from '../../domain/configurator-key.ts'
import { OnboardingError } from '../../domain/error.ts'
import { streamName } from '../../domain/event.ts'
import type { Clock, Store } from '../../domain/port.ts'
import type { DppCurve } from '../../protocol/dpp/curve.ts'
import { type DppKeyPair, dppKeyPair, exportSpki, generateDppKey } from '../../protocol/dpp/key.ts'

/** A key of the Configurator with its private half. */
export interface ConfiguratorKey {
  readonly record: ConfiguratorKeyRecord
  readonly pair: DppKeyPair
}

export interface ConfiguratorKeys {
  /** The current key of that use and curve, made when there is none. Throws OnboardingError `keys-differ`. */
  current(use: ConfiguratorKeyUse, curve: DppCurve): Promise<ConfiguratorKey>
  /** All of a use that there have ever been, current ones first. */
  all(use: ConfiguratorKeyUse): Promise<readonly ConfiguratorKey[]>
  /**
   * The next key of that use and curve. What is signed with the one before stays good until it ends, but devices with Connectors
   * of two C-sign keys do not meet: each has to be reconfigured.
   */
  rotate(use: ConfiguratorKeyUse, curve: DppCurve, by: string): Promise<ConfiguratorKey>
  /** Puts a key that was made elsewhere in the place of the current one. */
  adopt(use: ConfiguratorKeyUse, pair: DppKeyPair, by: string): Promise<ConfiguratorKey>
  close(): void
}

interface Options {
  readonly store: Store
  readonly keys: KeyStore
  readonly clock: Clock
}

/** The Configurator's keys: private halves in the key store, everything else on record. */
export function createConfiguratorKeys(options: Options): ConfiguratorKeys {
  const { store } = options
  // A private key is read once; what it is used for says the record.
  const pairs = new Map<string, DppKeyPair>()
  let current = new Map<string, ConfiguratorKey>()
  let finding = new Map<string, Promise<ConfiguratorKey>>()
  const stopListening = store.onCommit(() => {
    // Another map: what was looked up before the change goes into the one that nobody asks any more.
    current = new Map()
    finding = new Map()
  }, ['configurator'])

  async function held(record: ConfiguratorKeyRecord): Promise<ConfiguratorKey> {
    const known = pairs.get(record.id)
    if (known !== undefined) return { record, pair: known }
    const pair = await storedPair(options.keys, record.id)
    if (pair === undefined || exportSpki(pair).toString('base64') !== record.spki) {
      throw new OnboardingError('keys-differ', { label: record.id })
    }
    pairs.set(record.id, pair)
    return { record, pair }
  }

  async function find(use: ConfiguratorKeyUse, curve: DppCurve): Promise<ConfiguratorKey> {
    const records = await store.read(tables => tables.configuratorKey.find({ use, state: 'current' }))
    const known = records.find(record => record.curve === curve)
    return held(known ?? (await establish(options, use, generateDppKey(curve), { source: 'made', by: 'first use' })))
  }

  async function replace(use: ConfiguratorKeyUse, pair: DppKeyPair, how: Establishment): Promise<ConfiguratorKey> {
    return held(await establish(options, use, pair, { ...how, replaces: true }))
  }

  return {
    async current(use, curve) {
      const place = `${use} ${curve}`
      const cache = current
      const cached = cache.get(place)
      if (cached !== undefined) return cached
      // Of many devices that come at once to a new site, the first one has the key made.
      const found = finding.get(place) ?? find(use, curve).finally(() => finding.delete(place))
      finding.set(place, found)
      const key = await found
      cache.set(place, key)
      return key
    },
    async all(use) {
      const records = await store.read(tables => tables.configuratorKey.find({ use }, { limit: 1000 }))
      const newest = records.toSorted((a, b) => a.state.localeCompare(b.state) || b.establishedAt - a.establishedAt)
      return Promise.all(newest.map(held))
    },
    rotate: (use, curve, by) => replace(use, generateDppKey(curve), { source: 'made', by }),
    adopt: (use, pair, by) => replace(use, pair, { source: 'imported', by }),
    close: stopListening,
  }
}

interface Establishment {
  readonly source: ConfiguratorKeyRecord['source']
  readonly by: string
  /** The key before it becomes a former one; otherwise a key that is there stays. */
  readonly replaces?: boolean
}

/**
 * The private key is kept before the record says that there is one; a key that a crash left behind is in nobody's way. All keys of
 * a use and curve share a stream: of two processes that establish one at once, the later finds what the earlier did.
 */
async function establish(
  { store, keys, clock }: Options,
  use: ConfiguratorKeyUse,
  pair: DppKeyPair,
  { source, by, replaces = false }: Establishment,
): Promise<ConfiguratorKeyRecord> {
  const { curve } = pair
  const name = `dpp-${use}-${curve.toLowerCase()}`
  const id = await keep(keys, name, pair)
  return store.transaction(async tx => {
    const all = await tx.configuratorKey.find({ use }, { limit: 1000 })
    const ofCurve = all.filter(record => record.curve === curve)
    const current = ofCurve.filter(({ state }) => state === 'current')
    if (current[0] !== undefined && !replaces) return current[0]
    const spki = exportSpki(pair).toString('base64')
    const before = Math.max(0, ...ofCurve.map(({ version }) => version))
    const version = await tx.append(streamName('configurator', name), before, [
      ...current.map(({ id: key }) => ({ kind: 'configurator-key-retired' as const, body: { key, by } })),
      { kind: 'configurator-key-established', body: { key: id, use, curve, spki, source, by } },
    ])
    for (const known of current) await tx.configuratorKey.put({ ...known, state: 'former', version })
    const made = { id, use, curve, spki, state: 'current', source, establishedAt: clock(), establishedBy: by } as const
    const record = { ...made, version }
    await tx.configuratorKey.insert(record)
    return record
  })
}

/** Under the next free label, which another process may want, too. */
async function keep(keys: KeyStore, name: string, { privateKey }: DppKeyPair): Promise<string> {
  if (keys.adopt === undefined) throw new OnboardingError('internal', { reason: 'no key can be brought in there' })
  const taken = new Set(await keys.list())
  for (let generation = 1; ; generation++) {
    const label = `${name}-${generation}`
    if (taken.has(label)) continue
    try {
      await keys.adopt(label, privateKey)
      return label
    } catch (error) {
      if ((error as { readonly code?: unknown }).code !== 'label-taken') throw error
    }
  }
}

async function storedPair(keys: KeyStore, label: string): Promise<DppKeyPair | undefined> {
  const privateKey = await keys.tlsKey?.(label)
  return privateKey && dppKeyPair(privateKey)
}
