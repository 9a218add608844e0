import { hash } from 'node:crypto'
import { CodecError } from '../../codec/error.ts'
import { CryptoError } from '../../crypto/error.ts'
import { type BootstrappingKeyRecord, scannedManufacturer } from '../../domain/bootstrapping.ts'
import { type Device, type DeviceEvent, deviceId, evolveDevice } from '../../domain/device.ts'
import { OnboardingError } from '../../domain/error.ts'
import { streamName } from '../../domain/event.ts'
import type { Clock, Store, Tables, Tx } from '../../domain/port.ts'
import { type BootstrappingUri, chirpHash, keyHash, parseBootstrappingUri } from '../../protocol/dpp/uri.ts'
import { recordOnDevice } from './device-record.ts'

/** Somebody's word about a key: that it belongs to a device which this site shall take. */
export interface ScannedKey {
  /** `DPP:…;;` */
  readonly uri: string
  /** A trusted manufacturer, of whom the device then is; absent: nobody vouches for it but who scanned. */
  readonly manufacturer?: string
  /** As on its label; the key itself names a device that has none. */
  readonly serial?: string
  readonly model?: string
  /** `ap`: an access point, which devices shall take for one of this site; absent: what it was, or `sta`. */
  readonly netRole?: 'sta' | 'ap'
}

export interface BootstrappingAnswer {
  readonly key: BootstrappingKeyRecord
  readonly device: Device
}

export interface Bootstrapping {
  /**
   * Expects a device by its bootstrapping key. The same key again changes nothing. Throws OnboardingError
   * `bootstrapping-uri-invalid`, `bootstrapping-key-taken`, `device-has-bootstrapping-key`, `not-found` for a manufacturer
   * that is not trusted, `input-invalid`.
   */
  add(scanned: ScannedKey, by: string): Promise<BootstrappingAnswer>
  /** Active ones in order of their hash, after `after`; at most `limit`. */
  list(page?: { readonly after?: string; readonly limit?: number }): Promise<readonly BootstrappingKeyRecord[]>
  /** The key identifies nobody any more; the device stays on record. Throws OnboardingError `bootstrapping-key-unknown`. */
  remove(id: string, by: string): Promise<BootstrappingKeyRecord>
}

export function createBootstrapping({ store, clock }: { readonly store: Store; readonly clock: Clock }): Bootstrapping {
  return {
    async add(scanned, by) {
      const { uri, netRole } = scanned
      const decoded = openBootstrappingUri(uri)
      const { manufacturer = scannedManufacturer, serial = keyHash(decoded).toString('hex'), model = '' } = scanned
      checkName(manufacturer, serial)
      const source = `by ${by}`
      return store.transaction(async tx => {
        await expectScanned(tx, { manufacturer, serial, model, source })
        return bindBootstrappingKey(tx, {
          device: deviceId(manufacturer, serial),
          uri,
          source,
          by,
          at: clock(),
          ...(netRole === undefined ? {} : { netRole }),
        })
      })
    },
    list: (page = {}) => store.read(tables => tables.bootstrappingKey.find({ state: 'active' }, page)),
    remove: (id, by) => store.transaction(tx => removeKey(tx, id, by)),
  }
}

/** Throws OnboardingError `bootstrapping-uri-invalid`. */
export function openBootstrappingUri(text: string): BootstrappingUri {
  try {
    return parseBootstrappingUri(text)
  } catch (error) {
    if (!(error instanceof CodecError) && !(error instanceof CryptoError)) throw error
    throw new OnboardingError('bootstrapping-uri-invalid', { reason: error.message }, { cause: error })
  }
}

/** Who says that a key is a device's; `source` as in BootstrappingKeyRecord. The device is on record already. */
export interface KeyBinding {
  readonly device: string
  readonly uri: string
  readonly source: string
  readonly by: string
  readonly at: number
  /** What its manufacturer signed about it, for the device to verify: JWS in General JSON Serialization. */
  readonly declaration?: string
  /** Absent: what it was, or `sta`. */
  readonly netRole?: 'sta' | 'ap'
}

/**
 * As part of what else a unit of work writes. Throws OnboardingError `bootstrapping-uri-invalid`, `bootstrapping-key-taken`,
 * `device-has-bootstrapping-key`, `device-not-found`.
 */
export async function bindBootstrappingKey(
  tx: Tx,
  { device: id, uri, source, by, at, declaration, netRole }: KeyBinding,
): Promise<BootstrappingAnswer> {
  const decoded = openBootstrappingUri(uri)
  const told = {
    id: keyHash(decoded).toString('hex'),
    chirpHash: chirpHash(decoded).toString('hex'),
    uri,
    device: id,
    ...(netRole === undefined ? {} : { netRole }),
    ...(declaration === undefined ? {} : { declaration: hash('sha256', declaration) }),
    ...{ source, addedBy: by, addedAt: at, state: 'active' as const },
  }
  let known: BootstrappingKeyRecord | undefined
  const device = await recordOnDevice(tx, id, async ({ bootstrappingKey }) => {
    known = await tx.bootstrappingKey.get(told.id)
    if (known !== undefined && known.device !== id) throw taken(known)
    if (known !== undefined && says(known, told)) return []
    if (bootstrappingKey !== undefined && bootstrappingKey !== told.id) {
      throw new OnboardingError('device-has-bootstrapping-key', { device: id, key: bootstrappingKey })
    }
    const { id: key, chirpHash, netRole, source, declaration } = kept(known, told)
    const declared = declaration === undefined ? {} : { declaration }
    const body = { key, chirpHash, uriHash: hash('sha256', uri), netRole, source, by, ...declared }
    return [{ kind: 'bootstrapping-key-added', body }]
  })
  if (known !== undefined && says(known, told)) return { key: known, device }
  const key = kept(known, told)
  if (told.declaration !== undefined) await keepDeclaration(tx, told.declaration, declaration ?? '')
  if (known !== undefined) await tx.bootstrappingKey.put(key)
  else await insertKey(tx, key)
  return { key, device }
}

/** What somebody says of a key: of what it is in the network, and of what its manufacturer declared, only where they know. */
type ToldKey = Omit<BootstrappingKeyRecord, 'netRole'> & Partial<Pick<BootstrappingKeyRecord, 'netRole'>>

/** What is on record already says the same, or more: a person who scans the code of a device takes no declaration away. */
function says(known: BootstrappingKeyRecord, { declaration, netRole }: ToldKey): boolean {
  return (
    known.state === 'active' &&
    (netRole === undefined || known.netRole === netRole) &&
    (declaration === undefined || known.declaration === declaration)
  )
}

/**
 * With what was known before and nobody has said otherwise: an access point stays one when its code comes again, in whatever
 * way, and keeps what its manufacturer declared when it is named as one.
 */
function kept(known: BootstrappingKeyRecord | undefined, told: ToldKey): BootstrappingKeyRecord {
  if (known?.state !== 'active') return { netRole: 'sta', ...told }
  const { netRole, declaration, source } = known
  const vouched = declaration === undefined || told.declaration !== undefined ? {} : { declaration, source }
  return { netRole, ...told, ...vouched }
}

async function keepDeclaration(tx: Tx, id: string, text: string): Promise<void> {
  if ((await tx.document.get(id)) !== undefined) return
  await tx.document.insert({ id, file: Buffer.from(text).toString('base64') })
}

/** What its manufacturer signed about the device of that key; undefined when nothing is on record. */
export async function declarationOf(
  tables: Pick<Tables, 'document'>,
  { declaration }: BootstrappingKeyRecord,
): Promise<string | undefined> {
  const document = declaration === undefined ? undefined : await tables.document.get(declaration)
  return document && Buffer.from(document.file, 'base64').toString()
}

/** The key on record by the hash that an authentication names. */
export async function activeKey(
  tables: Pick<Tables, 'bootstrappingKey'>,
  id: string,
): Promise<BootstrappingKeyRecord | undefined> {
  const record = await tables.bootstrappingKey.get(id)
  return record?.state === 'active' ? record : undefined
}

/** The key on record by the hash in a presence announcement. */
export async function chirpingKey(
  tables: Pick<Tables, 'bootstrappingKey'>,
  chirp: string,
): Promise<BootstrappingKeyRecord | undefined> {
  const [record] = await tables.bootstrappingKey.find({ chirpHash: chirp, state: 'active' }, { limit: 1 })
  return record
}

/** Another process may have put the same key on record meanwhile, for another device. */
async function insertKey(tx: Tx, key: BootstrappingKeyRecord): Promise<void> {
  try {
    await tx.bootstrappingKey.insert(key)
  } catch (error) {
    if (!(error instanceof OnboardingError) || error.code !== 'store-exists') throw error
    throw new OnboardingError('bootstrapping-key-taken', { key: key.id }, { cause: error })
  }
}

function taken({ id, device }: BootstrappingKeyRecord): OnboardingError {
  return new OnboardingError('bootstrapping-key-taken', { key: id, device })
}

async function removeKey(tx: Tx, id: string, by: string): Promise<BootstrappingKeyRecord> {
  const known = await activeKey(tx, id)
  if (known === undefined) throw new OnboardingError('bootstrapping-key-unknown', { key: id })
  let current: BootstrappingKeyRecord | undefined = known
  await recordOnDevice(tx, known.device, async () => {
    current = await activeKey(tx, id)
    return current === undefined ? [] : [{ kind: 'bootstrapping-key-removed', body: { key: id, by } }]
  })
  const removed = { ...known, state: 'removed' as const }
  if (current !== undefined) await tx.bootstrappingKey.put(removed)
  return removed
}

/** A person who has the device at hand and scans it wants it in: one that waits is let in by it, any other stays as it is. */
async function expectScanned(
  tx: Tx,
  terms: { readonly manufacturer: string; readonly serial: string; readonly model: string; readonly source: string },
): Promise<void> {
  const { manufacturer, serial, source } = terms
  const id = deviceId(manufacturer, serial)
  const known = await tx.device.get(id)
  if (manufacturer !== scannedManufacturer && (await tx.manufacturer.get(manufacturer)) === undefined) {
    throw new OnboardingError('not-found', { manufacturer })
  }
  if (known !== undefined && known.standing !== 'waiting') return
  const model = terms.model === '' ? (known?.model ?? '') : terms.model
  const event: DeviceEvent = {
    kind: 'device-expected',
    body: { manufacturer, serial, model, source, owner: '', declarationVersion: 0 },
  }
  const device = evolveDevice(known, event)
  await tx.append(streamName('device', id), known?.version ?? 0, [event])
  await tx.device.put(device)
}

function checkName(manufacturer: string, serial: string): void {
  if (!/^[^\p{C}]{1,64}$/u.test(serial) || serial.trim() !== serial) {
    throw new OnboardingError('input-invalid', { field: 'serial', rule: '1 to 64 visible characters' })
  }
  if (!/^[^\p{C}]{1,64}$/u.test(manufacturer)) {
    throw new OnboardingError('input-invalid', { field: 'manufacturer', rule: 'the name of one that is trusted' })
  }
}
