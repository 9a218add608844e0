import { type CredentialRecord, holdCredential, releaseCredential, revokeCredential } from '../../domain/credential.ts'
import type { Device, DeviceEvent } from '../../domain/device.ts'
import { type HoldKind, placeOf, type Sighting } from '../../domain/device-hold.ts'
import { OnboardingError } from '../../domain/error.ts'
import type { Clock, Store, Tx } from '../../domain/port.ts'
import { recordOnDevice } from './device-record.ts'
import type { Revocation } from './revocation.ts'

export interface HoldOptions {
  readonly store: Store
  readonly clock: Clock
  readonly revocation: Pick<Revocation, 'publishWith'>
}

/** What people can say about a device. */
export type DeviceReport = 'lost' | 'found' | 'stolen' | 'broken' | 'repaired'

/** What people found out about a device whose identity was used in two places. */
export type CloneResolution =
  /** The device at this place is the genuine one; its birth identity was copied, too, or may have been. */
  | { readonly type: 'genuine-at'; readonly place: string; readonly minutes: number }
  /** Only the network key was copied; who can prove the birth identity is genuine. */
  | { readonly type: 'network-key-only' }
  /** A mistake: it was one device. */
  | { readonly type: 'one-device' }
  | { readonly type: 'neither' }

export interface DeviceHolds {
  /** Two devices use the identity: both are kept out until somebody says which one is genuine. Repeating it changes nothing. */
  suspectClone(device: string, reason: string, places: readonly Sighting[]): Promise<void>
  resolveClone(device: string, resolution: CloneResolution, by: string): Promise<Device>
  report(device: string, what: DeviceReport, by: string, reason?: string): Promise<Device>
}

type Decision = (
  device: Device,
  credentials: { readonly issued: readonly CredentialRecord[]; readonly held: readonly CredentialRecord[] },
) => { readonly events: readonly DeviceEvent[]; readonly credentials: readonly CredentialRecord[] }

/** Holding and letting go of devices, each with its credentials and the revocation list that says so, in one transaction. */
export function createDeviceHolds({ store, clock, revocation }: HoldOptions): DeviceHolds {
  const at = () => clock()
  async function settle(id: string, decide: Decision): Promise<Device> {
    let after: Device | undefined
    await revocation.publishWith(async tx => {
      let changed: readonly CredentialRecord[] = []
      after = await recordOnDevice(tx, id, async device => {
        const [issued, held] = await Promise.all([credentialsOf(tx, id, 'issued'), credentialsOf(tx, id, 'held')])
        const { events, credentials } = decide(device, { issued, held })
        changed = credentials
        return events
      })
      for (const credential of changed) await tx.credential.put(credential)
    })
    if (after === undefined) throw new OnboardingError('internal')
    return after
  }
  return {
    async suspectClone(id, reason, places) {
      const device = await store.read(tables => tables.device.get(id))
      if (device?.hold !== undefined) return
      const body = { hold: 'clone', at: at(), by: 'clone detection', reason, places: [...places] } as const
      await settle(id, (current, { issued }) =>
        current.hold === undefined ? held([{ kind: 'device-held', body }], issued, body) : nothing,
      )
    },
    resolveClone: (id, resolution, by) =>
      settle(id, (device, credentials) => {
        if (device.hold?.kind !== 'clone') throw new OnboardingError('device-not-held', { device: id, hold: 'clone' })
        return resolved(device, credentials, { resolution, by, at: at() })
      }),
    report: (id, what, by, reason) =>
      settle(id, (device, credentials) =>
        reported(device, credentials, { what, by, at: at(), ...(reason === undefined ? {} : { reason }) }),
      ),
  }
}

const nothing = { events: [], credentials: [] } as const

function held(
  first: readonly DeviceEvent[],
  issued: readonly CredentialRecord[],
  { at, by }: { at: number; by: string },
) {
  const events: DeviceEvent[] = issued.map(({ id: credential }) => ({
    kind: 'credential-held',
    body: { credential, by },
  }))
  return { events: [...first, ...events], credentials: issued.map(record => holdCredential(record, at)) }
}

function revoked(
  first: readonly DeviceEvent[],
  ended: readonly CredentialRecord[],
  {
    at,
    by,
    reason,
  }: { readonly at: number; readonly by: string; readonly reason: 'keyCompromise' | 'cessationOfOperation' },
) {
  const events: DeviceEvent[] = ended.map(({ id: credential }) => ({
    kind: 'credential-revoked',
    body: { credential, reason, by },
  }))
  return { events: [...first, ...events], credentials: ended.map(record => revokeCredential(record, { at, reason })) }
}

function resolved(
  device: Device,
  { issued, held }: Parameters<Decision>[1],
  { resolution, by, at }: { readonly resolution: CloneResolution; readonly by: string; readonly at: number },
): ReturnType<Decision> {
  const lifted = (birthBound?: { place: string; until: number }): DeviceEvent => ({
    kind: 'device-hold-lifted',
    body: { hold: 'clone', at, by, ...(birthBound === undefined ? {} : { birthBound }) },
  })
  const all = [...issued, ...held]
  const facts = { at, by, reason: 'keyCompromise' } as const
  switch (resolution.type) {
    case 'one-device':
      return released(device, [lifted()], held, by)
    case 'network-key-only':
      return revoked([lifted()], all, facts)
    case 'genuine-at': {
      const place = placeOf(resolution.place)
      return revoked([lifted({ place, until: at + resolution.minutes * 60_000 })], all, facts)
    }
    case 'neither':
      return revoked([lifted(), { kind: 'device-withdrawn', body: { by, reason: 'clone' } }], all, facts)
  }
}

/** What a recall holds stays held. */
function released(device: Device, first: readonly DeviceEvent[], held: readonly CredentialRecord[], by: string) {
  if (device.recalls !== undefined) return { events: first, credentials: [] }
  const events: DeviceEvent[] = held.map(({ id: credential }) => ({
    kind: 'credential-released',
    body: { credential, by },
  }))
  return { events: [...first, ...events], credentials: held.map(releaseCredential) }
}

function reported(
  device: Device,
  { issued, held: onHold }: Parameters<Decision>[1],
  {
    what,
    by,
    at,
    reason,
  }: { readonly what: DeviceReport; readonly by: string; readonly at: number; readonly reason?: string },
): ReturnType<Decision> {
  const { id, hold } = device
  const more = reason === undefined ? {} : { reason }
  const begun = (kind: HoldKind): DeviceEvent => ({ kind: 'device-held', body: { hold: kind, at, by, ...more } })
  const requireHold = (kind: HoldKind): DeviceEvent => {
    if (hold?.kind !== kind) throw new OnboardingError('device-not-held', { device: id, hold: kind })
    return { kind: 'device-hold-lifted', body: { hold: kind, at, by } }
  }
  // A suspicion is not forgotten because the device is now said to be lost.
  const free = () => {
    if (hold?.kind === 'clone') throw new OnboardingError('device-clone-suspected', { device: id })
  }
  switch (what) {
    case 'lost':
      free()
      return hold?.kind === 'lost' ? nothing : held([begun('lost')], issued, { at, by })
    case 'found':
      return released(device, [requireHold('lost')], onHold, by)
    case 'broken':
      free()
      if (hold?.kind === 'broken') return nothing
      return revoked([begun('broken')], [...issued, ...onHold], { at, by, reason: 'cessationOfOperation' })
    case 'repaired':
      return { events: [requireHold('broken')], credentials: [] }
    case 'stolen': {
      const said = { by, reason: reason === undefined ? 'stolen' : `stolen: ${reason}` }
      const withdrawn: DeviceEvent[] = device.standing === 'withdrawn' ? [] : [{ kind: 'device-withdrawn', body: said }]
      return revoked(withdrawn, [...issued, ...onHold], { at, by, reason: 'keyCompromise' })
    }
  }
}

async function credentialsOf(tx: Tx, device: string, status: 'issued' | 'held'): Promise<readonly CredentialRecord[]> {
  const found = await tx.credential.find({ device, status }, { limit: 1000 })
  return found.filter(({ kind }) => kind !== 'birth')
}
