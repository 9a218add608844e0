import type { DeviceLife, LifecycleMoved } from './device-life.ts'
import type { ErrorCode } from './error.ts'
import { type LifecycleActor, type LifecycleEvent, type LifecycleFacts, move } from './lifecycle.ts'

/** What the steps of onboarding rest on, of a device's record. */
export interface OnboardingLife extends DeviceLife {
  readonly owner: string
  /** Id of the current network credential, and the end of its lifetime. */
  readonly credential?: string
  readonly credentialUntil?: number
}

/**
 * Why no network may onboard or serve the device at all, whatever it proves: it is isolated from its decommissioning until
 * somebody repurposes it, and for good at the end of its life.
 */
export function lifeRefusal({ lifecycle }: Pick<DeviceLife, 'lifecycle'>): ErrorCode | undefined {
  if (lifecycle === 'US.DEC') return 'device-decommissioned'
  return lifecycle === 'US.EOL' ? 'device-retired' : undefined
}

type Way = readonly (readonly [DeviceLife['lifecycle'], LifecycleEvent, LifecycleActor])[]

/** In the order in which a device can come by them. */
const intoOnboarding: Way = [
  ['SC.SHL', 'acquire', 'device-purchaser'],
  ['US.INS', 'enter-onboarding-mode', 'device-onboarder'],
  // Operational without a usable credential it is off the network, and gets a new one: that is this maintenance.
  ['US.OPR', 'disconnect-for-maintenance', 'device-manager'],
  ['US.MTD', 're-onboard', 'device-onboarder'],
]

const renewing: readonly DeviceLife['lifecycle'][] = ['US.OPR', 'US.MTD']

/**
 * What being admitted does to a life: from the shelf, from installation or from maintenance into onboarding. A device that
 * is in use with a credential that is still good gets another in place, and its state stays (docs/lifecycle.md).
 */
export function onboardingMoves(device: OnboardingLife | undefined, at: number): LifecycleMoved[] {
  const usable = device?.credential !== undefined && at <= (device.credentialUntil ?? Number.POSITIVE_INFINITY)
  const facts: LifecycleFacts = {
    birthCredentialExpired: false,
    networkAuthorized: true,
    registered: true,
    networkCredentialValid: usable,
    disconnectionNeeded: true,
    ...(device !== undefined && device.owner !== '' ? { ownershipTransferred: true } : { declarationSupported: false }),
  }
  const moves: LifecycleMoved[] = []
  let state = device?.lifecycle ?? 'SC.SHL'
  for (const [from, event, actor] of intoOnboarding) {
    if (state !== from || (usable && renewing.includes(from))) continue
    const moved = moveEvent(state, event, actor, facts, at)
    moves.push(moved)
    state = moved.body.to
  }
  return moves
}

/** A device that shows a network credential in force is connected: T14, or T15 for one that was installed after onboarding. */
export function connectionMoves({ lifecycle, entered }: DeviceLife, at: number): LifecycleMoved[] {
  const sealed = lifecycle === 'US.INS' && entered?.transition === 'T13'
  if (lifecycle !== 'US.NLO' && !sealed) return []
  const facts = { networkCredentialValid: true, onboardedBeforeInstallation: sealed }
  return [moveEvent(lifecycle, 'connect', 'device-manager', facts, at)]
}

function moveEvent(
  state: DeviceLife['lifecycle'],
  event: LifecycleEvent,
  actor: LifecycleActor,
  facts: LifecycleFacts,
  at: number,
): LifecycleMoved {
  const { transition, from, to } = move(state, event, actor, facts)
  return { kind: 'lifecycle-moved', body: { transition, from, to, actor, at } }
}
