import { hash, hkdfSync } from 'node:crypto'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { openFileKeyStore } from '../adapter/key/file.ts'
import { openStore } from '../adapter/store/open.ts'
import { Secret } from '../crypto/secret.ts'
import { establishKey, type KeyStore, type Signer } from '../crypto/signer.ts'
import { OnboardingError } from '../domain/error.ts'
import type { Clock, Log, Store, Tx } from '../domain/port.ts'

export interface RecordOptions {
  /** Directory of keys and of the embedded store; made with mode 0700. */
  readonly data: string
  /** Where the record is. */
  readonly storeUrl: string
  /** Opens the keys in `data`; without it only file modes protect them. */
  readonly passphrase?: Secret | undefined
  readonly clock: Clock
  readonly log: Log
}

/** What a party has before it does anything: its keys and its record. */
export interface PartyRecord {
  readonly keys: KeyStore
  readonly store: Store
  /** Seals what only this party may read. As secret as its keys, and lost with them. */
  readonly sealKey: Secret
}

/** Opens or begins a party's record. Throws OnboardingError `keys-differ`, `store-…`, and KeyStoreError. */
export async function openRecord({ data, storeUrl, passphrase, clock, log }: RecordOptions): Promise<PartyRecord> {
  mkdirSync(data, { recursive: true, mode: 0o700 })
  const directory = join(data, 'keys')
  const keys = await openFileKeyStore(passphrase === undefined ? { directory } : { directory, passphrase })
  const ledger = await establishKey(keys, 'ledger', 'P-256')
  const store = await openStore(storeUrl, { signer: ledger, clock, log })
  try {
    await requireOurs(store, ledger)
    return { keys, store, sealKey: await sealKeyOf(keys) }
  } catch (error) {
    await store.close()
    throw error
  }
}

/** From the key of the ledger, which all processes of a party share: it is there as long as the record is. */
export async function sealKeyOf(keys: KeyStore): Promise<Secret> {
  const ledger = await keys.tlsKey?.('ledger')
  if (ledger === undefined) throw new OnboardingError('issuer-key-missing', { label: 'ledger' })
  const pkcs8 = ledger.export({ type: 'pkcs8', format: 'der' })
  const derived = Buffer.from(hkdfSync('sha256', pkcs8, '', 'mooring sealed declarations 1', 32))
  const key = new Secret(derived)
  pkcs8.fill(0)
  derived.fill(0)
  return key
}

/** Names the key that signs checkpoints: by it processes that share a record know that they share the keys, too. */
const ledgerKeyMark = 'ledger-key'

/**
 * Any number of processes may share one record, but they are one party and have one set of keys: a process with keys of
 * its own would sign checkpoints that no other accepts, and could use no certificate of the party. It is refused before it
 * writes anything.
 */
async function requireOurs(store: Store, { spkiDer }: Signer): Promise<void> {
  const own = hash('sha256', spkiDer, 'hex')
  const known = await store.read(tables => tables.setting.get(ledgerKeyMark))
  const kept = known?.value ?? (await store.transaction(tx => claim(tx, own)))
  if (kept !== own) throw new OnboardingError('keys-differ', { expected: String(kept), found: own })
}

async function claim(tx: Tx, own: string): Promise<unknown> {
  const known = await tx.setting.get(ledgerKeyMark)
  if (known !== undefined) return known.value
  try {
    await tx.setting.insert({ name: ledgerKeyMark, value: own })
    return own
  } catch (error) {
    // Another process that starts for the first time was faster.
    if (!(error instanceof OnboardingError) || error.code !== 'store-exists') throw error
    return (await tx.setting.get(ledgerKeyMark))?.value
  }
}
