import { decodeCertificate } from '../../codec/x509/certificate.ts'
import { type ComponentList, componentSnapshot, encodeComponents } from '../../domain/component.ts'
import type { DeclaredIntent } from '../../domain/declaration.ts'
import { type Device, type DeviceEvent, deviceId, evolveDevice } from '../../domain/device.ts'
import { type ErrorCode, OnboardingError } from '../../domain/error.ts'
import { streamName } from '../../domain/event.ts'
import type { SupplyChainState } from '../../domain/lifecycle-table.ts'
import { domainIds } from '../../domain/ownership.ts'
import type { Clock, Store, Tx } from '../../domain/port.ts'
import { rightOf } from '../../domain/right.ts'
import type { ManifestRecord, TrustedManufacturer } from '../../domain/site.ts'
import { keyHash, parseBootstrappingUri } from '../../protocol/dpp/uri.ts'
import { bindBootstrappingKey } from '../onboarding/bootstrapping.ts'
import { openManifest, type VerifiedManifest } from './manifest.ts'
import { listManufacturers, statementTrust, takeStatementCrl } from './trust.ts'

export interface ManifestImport {
  /** The file as the manufacturer signed it. */
  readonly bytes: Uint8Array
  readonly store: Store
  readonly clock: Clock
  /** Who imports, for the record. */
  readonly importedBy: string
  /** Absent: all that the site trusts. */
  readonly manufacturers?: readonly TrustedManufacturer[]
}

export interface ImportReport {
  readonly manifest: ManifestRecord
  readonly new: number
  /** Known before, and now with a newer declaration, another model, or off the queue of unexpected devices. */
  readonly updated: number
  readonly unchanged: number
  readonly refused: readonly { readonly serial: string; readonly code: ErrorCode }[]
}

type Unit = VerifiedManifest['units'][number]
type Outcome = 'new' | 'updated' | 'unchanged' | ErrorCode

/** Devices in one transaction: bounded, so that onboarding goes on meanwhile. */
const groupSize = 100

/**
 * Expects the devices of a shipment. All of the file is verified before anything is written; the devices then go in groups,
 * and a crash in between is healed by importing again. Older declarations than the ones known are refused one by one.
 *
 * Throws OnboardingError `manifest-invalid`, `manifest-too-large`.
 */
export async function importManifest(
  { bytes, store, clock, importedBy, manufacturers }: ManifestImport,
  onProgress: (done: number, of: number) => void = () => {},
): Promise<ImportReport> {
  const trust = statementTrust(manufacturers ?? (await listManufacturers(store)), new Date(clock()))
  const manifest = await openManifest(bytes, trust)
  // Before anything else: who may not sign any more signs nothing from here on.
  if (manifest.crl !== undefined) await takeStatementCrl(store, manifest.trustedAs, manifest.crl)
  const own = await ownDomains(store)
  const counts = { new: 0, updated: 0, unchanged: 0 }
  const refused: { serial: string; code: ErrorCode }[] = []
  for (let first = 0; first < manifest.units.length; first += groupSize) {
    const group = manifest.units.slice(first, first + groupSize)
    const said = { own, by: importedBy, at: clock() }
    const outcomes = await store.transaction(tx => expectGroup(tx, manifest, group, said))
    outcomes.forEach((outcome, i) => {
      if (outcome === 'new' || outcome === 'updated' || outcome === 'unchanged') counts[outcome]++
      else refused.push({ serial: group[i]!.serial, code: outcome })
    })
    onProgress(first + group.length, manifest.units.length)
  }
  const lists = componentLists(manifest)
  const record = await recordManifest(
    store,
    {
      id: manifest.hash,
      manufacturer: manifest.trustedAs,
      statedName: manifest.manufacturer,
      masaUrl: manifest.masaUrl,
      devices: manifest.units.length,
      importedAt: clock(),
      importedBy,
      ...(lists.size === 0 ? {} : { components: [...lists.keys()].sort() }),
    },
    lists,
  )
  return { manifest: record, ...counts, refused }
}

/** Ids of the roots that declarations know this site by, old and new; undefined where a site has no authority yet. */
export async function ownDomains(store: Store): Promise<readonly string[] | undefined> {
  const issuers = await store.read(tables => tables.issuer.find({}, { limit: 1000 }))
  const roots = issuers.filter(({ name }) => /^root(-\d+)?$/.test(name))
  if (roots.length === 0) return undefined
  return roots.flatMap(({ certificate }) => domainIds(decodeCertificate(Buffer.from(certificate, 'base64'))))
}

/** For whom and by whom a manifest is imported. */
interface Said {
  /** Ids that declarations know this site by. */
  readonly own: readonly string[] | undefined
  readonly by: string
  readonly at: number
}

async function expectGroup(tx: Tx, manifest: VerifiedManifest, group: readonly Unit[], said: Said): Promise<Outcome[]> {
  const outcomes: Outcome[] = []
  for (const unit of group) outcomes.push(await expectUnit(tx, manifest, unit, said))
  return outcomes
}

async function expectUnit(
  tx: Tx,
  { trustedAs, hash }: VerifiedManifest,
  unit: Unit,
  { own, by, at }: Said,
): Promise<Outcome> {
  const known = await tx.device.get(deviceId(trustedAs, unit.serial))
  const { serial, model, keyHash, mudUrl, declared, components } = unit
  const refusal = known === undefined ? undefined : refusalOf(known, unit)
  if (refusal !== undefined) return refusal
  const taken = await bootstrappingRefusal(tx, deviceId(trustedAs, unit.serial), known, unit)
  if (taken !== undefined) return taken
  const right = own === undefined ? undefined : rightOf(declared, own)
  if (known !== undefined && known.right === right && isCurrent(known, unit)) return 'unchanged'
  const onboarders = declared.authorizedOnboarders.map(({ id }) => id)
  const { id } = await expect(tx, known, {
    manufacturer: trustedAs,
    serial,
    model,
    source: `manifest/${hash}`,
    owner: declared.owner.id,
    declarationVersion: declared.version,
    keyHash,
    ...(right === undefined ? {} : { right }),
    ...(onboarders.length === 0 ? {} : { onboarders }),
    ...(mudUrl === undefined ? {} : { mudUrl }),
    ...(declared.intent === undefined ? {} : { intent: intentOf(declared.intent) }),
    ...(components === undefined ? {} : { components: componentSnapshot(components) }),
  })
  const { bootstrapping: uri, declaration } = unit
  if (uri !== undefined) {
    const source = `manifest/${hash}`
    await bindBootstrappingKey(tx, {
      device: id,
      uri,
      source,
      by,
      at,
      ...(declaration === undefined ? {} : { declaration }),
    })
  }
  return known === undefined ? 'new' : 'updated'
}

/** A key that is another device's, or another one of this device: the one on record stays, and people find out which is right. */
async function bootstrappingRefusal(
  tx: Tx,
  id: string,
  known: Device | undefined,
  { bootstrapping }: Unit,
): Promise<ErrorCode | undefined> {
  if (bootstrapping === undefined) return undefined
  const key = keyOf(bootstrapping)
  const holder = await tx.bootstrappingKey.get(key)
  if (holder !== undefined && holder.device !== id) return 'bootstrapping-key-taken'
  const other = known?.bootstrappingKey
  return other === undefined || other === key ? undefined : 'device-has-bootstrapping-key'
}

function keyOf(uri: string): string {
  return keyHash(parseBootstrappingUri(uri)).toString('hex')
}

function refusalOf(known: Device, { declared, keyHash }: Unit): ErrorCode | undefined {
  const key = known.birthKeyHash ?? known.expectedKeyHash
  if (key !== undefined && key !== keyHash) return 'device-identity-cloned'
  if (declared.version < known.declarationVersion) return 'declaration-stale'
  // Two declarations of one version: the manufacturer contradicts itself, and the one known first stays.
  const forked = declared.version === known.declarationVersion && declared.owner.id !== known.owner
  return forked ? 'declaration-invalid' : undefined
}

function isCurrent(known: Device, unit: Unit): boolean {
  const { declared, model, keyHash, mudUrl, components, bootstrapping } = unit
  return (
    known.standing !== 'waiting' &&
    known.declarationVersion === declared.version &&
    known.model === model &&
    known.expectedKeyHash === keyHash &&
    (mudUrl === undefined || known.intent?.manifest === mudUrl) &&
    (components === undefined || known.expectedComponents === componentSnapshot(components)) &&
    (bootstrapping === undefined || known.bootstrappingKey === keyOf(bootstrapping))
  )
}

function intentOf({ keeper, mudUrl }: DeclaredIntent) {
  return { mudUrl, keeper: keeper.name }
}

async function expect(
  tx: Tx,
  known: Device | undefined,
  body: (DeviceEvent & { readonly kind: 'device-expected' })['body'],
): Promise<Device> {
  const event: DeviceEvent = { kind: 'device-expected', body }
  const device = evolveDevice(known, event)
  await tx.append(streamName('device', device.id), known?.version ?? 0, [event])
  await tx.device.put(device)
  return device
}

/** By snapshot. */
function componentLists({ units }: VerifiedManifest): ReadonlyMap<string, ComponentList> {
  const seen = new Set<ComponentList>()
  for (const { components } of units) if (components !== undefined) seen.add(components)
  return new Map([...seen].map(list => [componentSnapshot(list), list]))
}

/** Written last: a manifest on record is one that was imported to its end. */
function recordManifest(
  store: Store,
  record: ManifestRecord,
  lists: ReadonlyMap<string, ComponentList>,
): Promise<ManifestRecord> {
  return store.transaction(async tx => {
    const known = await tx.manifest.get(record.id)
    if (known !== undefined) return known
    await tx.append(streamName('manifest', record.id), 0, [{ kind: 'manifest-imported', body: { ...record } }])
    await tx.manifest.insert(record)
    for (const [id, list] of lists) await tx.document.put({ id, file: encodeComponents(list).toString('base64') })
    return record
  })
}

/**
 * Expects one device that is on no manifest. A device that waits for approval is let in by it; one that is known stays as
 * it is. Throws OnboardingError `not-found` for a manufacturer that is not trusted, `input-invalid` for a serial number.
 */
export async function expectDevice(
  store: Store,
  device: {
    readonly manufacturer: string
    readonly serial: string
    readonly model?: string
    /** Where its record begins: whoever makes, integrates or rebrands it meets it before the shelf. */
    readonly lifecycle?: SupplyChainState
  },
  by: string,
): Promise<Device> {
  const { manufacturer, serial, model = '', lifecycle } = device
  if (!/^[^\p{C}]{1,64}$/u.test(serial) || serial.trim() !== serial) {
    throw new OnboardingError('input-invalid', { field: 'serial', rule: '1 to 64 visible characters' })
  }
  return store.transaction(async tx => {
    if ((await tx.manufacturer.get(manufacturer)) === undefined) {
      throw new OnboardingError('not-found', { manufacturer })
    }
    const known = await tx.device.get(deviceId(manufacturer, serial))
    if (known !== undefined && known.standing !== 'waiting') return known
    return expect(tx, known, {
      manufacturer,
      serial,
      model: model === '' ? (known?.model ?? '') : model,
      source: `by ${by}`,
      owner: '',
      declarationVersion: 0,
      ...(lifecycle === undefined ? {} : { lifecycle }),
    })
  })
}
