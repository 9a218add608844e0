import type { ErrorCode } from './error.ts'

/** Why a device is kept out for now. */
export type HoldKind = 'clone' | 'lost' | 'broken'

/** Somewhere on the network that a device was heard from: a host, without its port. */
export interface Sighting {
  readonly place: string
  readonly at: number
}

export interface DeviceHold {
  readonly kind: HoldKind
  readonly at: number
  readonly by: string
  readonly reason?: string
  /** Of a suspected clone: where its identity was used, oldest first. */
  readonly places?: readonly Sighting[]
}

/** What holds say of a device. */
export interface HeldDevice {
  /** Its credentials open nothing, and it gets none, until this is lifted. */
  readonly hold?: DeviceHold
  /** A copy of its birth identity is about: it counts from this place until then, and nowhere later. */
  readonly birthBound?: { readonly place: string; readonly until: number }
}

export type HoldEvent =
  | {
      readonly kind: 'device-held'
      readonly body: {
        readonly hold: HoldKind
        readonly at: number
        readonly by: string
        readonly reason?: string
        readonly places?: readonly { readonly place: string; readonly at: number }[]
      }
    }
  | {
      readonly kind: 'device-hold-lifted'
      readonly body: {
        readonly hold: HoldKind
        readonly at: number
        readonly by: string
        readonly birthBound?: { readonly place: string; readonly until: number }
      }
    }

export function evolveHold<D extends HeldDevice>(device: D, event: HoldEvent): D {
  if (event.kind === 'device-held') {
    const { hold: kind, ...rest } = event.body
    return { ...device, hold: { kind, ...rest } }
  }
  const { hold: _, ...rest } = device
  const { birthBound } = event.body
  return { ...rest, ...(birthBound === undefined ? {} : { birthBound }) } as D
}

const codes = { clone: 'device-clone-suspected', lost: 'device-lost', broken: 'device-broken' } as const

/** Why the device is kept out; undefined when it is not. */
export function holdRefusal({ hold }: HeldDevice): ErrorCode | undefined {
  return hold && codes[hold.kind]
}

/** Whether the birth identity of a device still proves who it is, heard from that address. */
export function birthRefusal({ birthBound }: HeldDevice, address: string, at: number): ErrorCode | undefined {
  if (birthBound === undefined) return undefined
  const holds = birthBound.place === placeOf(address) && at <= birthBound.until
  return holds ? undefined : 'birth-identity-copied'
}

/** The host in `10.0.0.7:50123` or `fe80::1:50123`; an IPv4 address in the clothes of IPv6 is that IPv4 address. */
export function placeOf(address: string): string {
  return address
    .replace(/:\d+$/, '')
    .replace(/^\[|\]$/g, '')
    .replace(/^::ffff:(?=\d+\.)/i, '')
    .toLowerCase()
}

/** No device is at two places by turns: after this many changes within the window two of them share one identity. */
const changes = 3
export const sightingWindow = 600_000

/**
 * The sightings with one more; those that are too old to say anything are gone. One place to another is a device that moved,
 * or its lease that ended.
 */
export function sighted(before: readonly Sighting[], next: Sighting): readonly Sighting[] {
  const recent = before.filter(({ at }) => Math.abs(next.at - at) <= sightingWindow)
  if (recent.at(-1)?.place === next.place) return [...recent.slice(0, -1), next]
  return [...recent.slice(-changes), next]
}

/** Whether these are two devices: the same two places by turns, of one kind of address, A B A B. */
export function takesTurns(sightings: readonly Sighting[]): boolean {
  if (sightings.length <= changes) return false
  const [a, b, c, d] = sightings.slice(-changes - 1).map(({ place }) => place)
  // One host has an address of each family, and uses both.
  const sameFamily = a?.includes(':') === b?.includes(':')
  return sameFamily && a === c && b === d && a !== b
}
