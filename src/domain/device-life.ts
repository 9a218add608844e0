import type { LifecycleState, TransitionId } from './lifecycle.ts'

/** What the record of a device says of its life, beyond the state. */
export interface DeviceLife {
  readonly lifecycle: LifecycleState
  /** The step by which it came into that state; absent while it is where its record began. */
  readonly entered?: { readonly transition: TransitionId; readonly at?: number }
  /** Beyond repair: nothing leads back into use (white paper section 4.2). */
  readonly broken?: true
  /** Somebody said, after it was decommissioned, that it holds its birth credential and nothing else. */
  readonly wiped?: { readonly by: string; readonly at: number }
  /** End of its birth certificate, when it was proven and ends at all. */
  readonly birthUntil?: number
  /** The birth certificate was found to have run out: no network can onboard it (WP-LG-2). */
  readonly shelfTimeOver?: true
  readonly handOver?: HandOver
}

/** A device on its way to another owner. What is done of it follows from the rest of the record. */
export interface HandOver {
  /** Id of the new owner, as manufacturers know it; or a name, for a device without a declaration. */
  readonly to: string
  readonly by: string
  readonly begunAt: number
  /** Who vouches for the change of owner: the ownership service, or a person. */
  readonly transferred?: { readonly by: string; readonly at: number }
}

/** Facts of the lifecycle as an event holds them. */
export type StatedFacts = Readonly<Record<string, boolean>>

export interface LifecycleMoved {
  readonly kind: 'lifecycle-moved'
  readonly body: {
    readonly transition: TransitionId
    readonly from: LifecycleState
    readonly to: LifecycleState
    readonly actor: string
    readonly at?: number
    /** Who asked for the step; absent for one that the site took by itself. */
    readonly by?: string
    /** The facts that the step rests on: what the record proved, and what the one who asked said. */
    readonly proven?: StatedFacts
    readonly said?: StatedFacts
    readonly reason?: string
  }
}

type Said = { readonly by: string; readonly at: number }

export type LifeEvent =
  | LifecycleMoved
  | { readonly kind: 'device-wiped'; readonly body: Said & { readonly reason?: string } }
  | { readonly kind: 'birth-credential-expired'; readonly body: { readonly until: number; readonly at: number } }
  | { readonly kind: 'hand-over-begun'; readonly body: Said & { readonly to: string; readonly reason?: string } }
  | { readonly kind: 'hand-over-transferred'; readonly body: Said }
  | { readonly kind: 'hand-over-ended'; readonly body: Said & { readonly outcome: 'completed' | 'cancelled' } }

/** A device that broke is decommissioned, and that leads to end of life only. */
const breaks: readonly TransitionId[] = ['T28', 'T30', 'T31', 'T32']

/** What an event of its life makes of a device. */
export function evolveLife<D extends DeviceLife>(device: D, event: LifeEvent): D {
  switch (event.kind) {
    case 'lifecycle-moved':
      // A step out of a state that the device is not in is no step of this device.
      return device.lifecycle === event.body.from ? entered(device, event.body) : device
    case 'device-wiped':
      return { ...device, wiped: { by: event.body.by, at: event.body.at } }
    case 'birth-credential-expired':
      return { ...device, shelfTimeOver: true }
    case 'hand-over-begun': {
      const { to, by, at } = event.body
      return { ...device, handOver: { to, by, begunAt: at } }
    }
    case 'hand-over-transferred': {
      const { by, at } = event.body
      const { handOver } = device
      return handOver === undefined ? device : { ...device, handOver: { ...handOver, transferred: { by, at } } }
    }
    case 'hand-over-ended': {
      const { handOver: _, ...rest } = device
      return rest as D
    }
  }
}

/** Something was put on the device again. */
export function unwiped<D extends DeviceLife>(device: D): D {
  if (device.wiped === undefined) return device
  const { wiped: _, ...rest } = device
  return rest as D
}

function entered<D extends DeviceLife>(device: D, { transition, to, at }: LifecycleMoved['body']): D {
  const broken = breaks.includes(transition) ? { broken: true as const } : {}
  // What was wiped away before it was decommissioned says nothing of what it holds now.
  const before = to === 'US.DEC' ? unwiped(device) : device
  return { ...before, lifecycle: to, entered: at === undefined ? { transition } : { transition, at }, ...broken }
}
