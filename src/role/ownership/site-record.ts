import { type Device, deviceId } from '../../domain/device.ts'
import { OnboardingError } from '../../domain/error.ts'
import { streamName } from '../../domain/event.ts'
import { mayTransferOwnership } from '../../domain/lifecycle.ts'
import { type OfferRecord, offeredBody } from '../../domain/offer.ts'
import { openOwnershipRequest } from '../../domain/ownership-request.ts'
import type { Store, Tables, Tx } from '../../domain/port.ts'
import { mayOnboardHere } from '../../domain/right.ts'
import type { ManifestRecord, TrustedManufacturer } from '../../domain/site.ts'

import { masaBaseUrl } from '../../protocol/brski/endpoint.ts'

/** Where requests about a manufacturer's devices go, and what it calls itself. */
export interface OwnershipPlace {
  readonly manufacturer: TrustedManufacturer
  readonly statedName: string
  readonly baseUrl: string
}

/**
 * The place of a manufacturer that the site trusts under `name`, from the manifests that it imported.
 * @throws OnboardingError `not-found`
 */
export async function placeOf(store: Store, name: string): Promise<OwnershipPlace> {
  const { manufacturer, manifests } = await store.read(async tables => ({
    manufacturer: await tables.manufacturer.get(name),
    manifests: await manifestsOf(tables, name),
  }))
  const manifest = manifests.findLast(({ statedName, masaUrl }) => statedName !== undefined && masaUrl !== undefined)
  const baseUrl = manufacturer?.masaUrl ?? manifest?.masaUrl
  if (manufacturer === undefined || manifest?.statedName === undefined || baseUrl === undefined) {
    throw new OnboardingError('not-found', { manufacturer: name, reason: 'no manifest of it was imported' })
  }
  return { manufacturer, statedName: manifest.statedName, baseUrl: masaBaseUrl(baseUrl) }
}

/** In order of import. */
async function manifestsOf(tables: Tables, manufacturer: string): Promise<readonly ManifestRecord[]> {
  const all = await tables.manifest.find({ manufacturer }, { limit: 1000 })
  return all.toSorted((a, b) => a.importedAt - b.importedAt)
}

/** Devices of one manufacturer. Throws OnboardingError `device-not-found`, `input-invalid`. */
export async function devicesOf(store: Store, ids: readonly string[]): Promise<readonly [Device, ...Device[]]> {
  const wanted = [...new Set(ids)]
  const found = await store.read(tables => Promise.all(wanted.map(id => tables.device.get(id))))
  const devices = found.map((device, n) => {
    if (device === undefined) throw new OnboardingError('device-not-found', { device: wanted[n] ?? '' })
    return device
  })
  const [first, ...others] = devices
  if (first === undefined || others.some(({ manufacturer }) => manufacturer !== first.manufacturer)) {
    throw new OnboardingError('input-invalid', { field: 'devices', rule: 'of one manufacturer, and at least one' })
  }
  return [first, ...others]
}

/** The device's right to be given away, as far as this site knows; the manufacturer judges once more. */
export interface OfferedState {
  readonly serial: string
  readonly version: number
  readonly lifecycle: string
  readonly wiped: boolean
  readonly onboarded: boolean
}

/**
 * What the owner states of a device that it offers (white paper section 4.1).
 * @throws OnboardingError `not-owner`, `lifecycle-transition-refused`, `lifecycle-guard-unmet`
 */
export async function offeredState(store: Store, device: Device, owners: readonly string[]): Promise<OfferedState> {
  const { id, serial, lifecycle, declarationVersion: version } = device
  const credentials = await store.read(tables => tables.credential.find({ device: id }, { limit: 1000 }))
  const onboarded = credentials.some(({ kind, status }) => kind === 'network' && status !== 'planned')
  // What no network ever onboarded holds nothing to wipe; what was, is wiped when somebody has seen to it since.
  const wiped = device.wiped !== undefined || !onboarded
  requireOwner(device, owners)
  const permission = mayTransferOwnership(lifecycle, { byOwner: true, wiped, onboarded })
  if (!permission.allowed) throw new OnboardingError(permission.code, { device: id, serial, reason: permission.reason })
  return { serial, version, lifecycle, wiped, onboarded }
}

/** Throws OnboardingError `not-owner`: by the declaration, the device is not ours, or it has none. */
export function requireOwner(device: Device, owners: readonly string[]): void {
  const { id, right, declarationVersion } = device
  const ours = right === undefined ? mayOnboardHere(device, owners) : right === 'owner'
  if (!ours || declarationVersion === 0) throw new OnboardingError('not-owner', { device: id, owner: device.owner })
}

/** An offer that this site made: written down before anybody else can know of it. */
export async function recordOwnOffer(tx: Tx, offer: OfferRecord, by: string): Promise<OfferRecord> {
  const known = await tx.offer.get(offer.id)
  if (known !== undefined) return known
  const body = { ...offeredBody(offer), by }
  await tx.append(streamName('offer', offer.id), 0, [{ kind: 'ownership-offered', body }])
  await tx.offer.insert(offer)
  return offer
}

/**
 * What has become of the offer. That somebody accepted it shows in the declarations of its devices, each of a later version
 * than was offered; what an answer says of that beside them counts for nothing.
 */
export async function recordOutcome(
  tx: Tx,
  id: string,
  state: OfferRecord['state'],
  versions?: readonly number[],
): Promise<OfferRecord | undefined> {
  const known = await tx.offer.get(id)
  if (known === undefined || known.state !== 'open' || state === 'open') return known
  if (state === 'accepted' && !(await haveMoved(tx, known))) return known
  const event =
    state === 'accepted'
      ? { kind: 'offer-accepted', body: { versions: [...(versions ?? [])] } }
      : { kind: 'offer-revoked', body: {} }
  const version = await tx.append(streamName('offer', id), known.version, [event])
  const next = { ...known, state, version, ...(state === 'accepted' ? { versions: [...(versions ?? [])] } : {}) }
  await tx.offer.put(next)
  return next
}

async function haveMoved(tx: Tx, { manufacturer, request }: OfferRecord): Promise<boolean> {
  const { request: offer } = openOwnershipRequest(Buffer.from(request))
  if (offer.action !== 'offer') return false
  for (const { serial, version } of offer.devices) {
    const device = await tx.device.get(deviceId(manufacturer, serial))
    if (device === undefined || device.declarationVersion <= version) return false
  }
  return true
}
