import type { Device, DeviceEvent } from '../../domain/device.ts'
import { OnboardingError } from '../../domain/error.ts'
import type { LifecycleEvent, LifecycleMove } from '../../domain/lifecycle.ts'
import { type StepRequest, takeStep } from '../../domain/lifecycle-step.ts'
import { isOwnedHere, mayOnboardHere } from '../../domain/right.ts'
import { type Ground, provenFacts } from './fact.ts'

export interface Decision {
  readonly move: LifecycleMove
  readonly events: readonly DeviceEvent[]
}

/** Steps that take a device off the network: its credentials end before the record says that it is off. */
export const isolating: readonly string[] = ['T23', 'T27', 'T28', 'T29', 'T30', 'T31', 'T32']

/** Steps by which this network gets or keeps the device: not for one that its declaration gives to others. */
const onboardersOnly: readonly LifecycleEvent[] = ['install-after-onboarding', 'connect', 're-onboard']
/** Who is only let onboard a device has no say in what becomes of it. */
const ownersOnly: readonly LifecycleEvent[] = [
  'retire',
  'repurpose-same-owner-new-network',
  'repurpose-same-network-new-role',
]

/**
 * What a step would do to a device. The record's word counts before anybody's.
 * @throws OnboardingError `lifecycle-fact-contradicted`, `lifecycle-transition-refused`, `lifecycle-actor-refused`,
 * `lifecycle-guard-unmet`, `owner-mismatch`, `hand-over-under-way`
 */
export function decideStep(device: Device, request: StepRequest, ground: Ground): Decision {
  const { event, by } = request
  const subject = { noun: 'device', name: device.id, state: device.lifecycle } as const
  const { move, body } = takeStep(subject, request, provenFacts(device, ground), ground.at)
  checkOwner(device, event, ground)
  if (device.handOver !== undefined && device.lifecycle === 'US.DEC' && event !== 'repurpose-new-owner') {
    throw new OnboardingError('hand-over-under-way', { device: device.id, to: device.handOver.to })
  }
  return { move, events: [{ kind: 'lifecycle-moved', body }, ...aftermath(device, move, { by, at: ground.at })] }
}

function checkOwner(device: Device, event: LifecycleEvent, { owners }: Ground): void {
  const { id, owner } = device
  const foreign =
    (onboardersOnly.includes(event) && !mayOnboardHere(device, owners)) ||
    (ownersOnly.includes(event) && !isOwnedHere(device, owners))
  if (foreign) throw new OnboardingError('owner-mismatch', { device: id, owner })
}

/** What else is on record once the step is taken. */
function aftermath(device: Device, { transition }: LifecycleMove, said: { by: string; at: number }): DeviceEvent[] {
  if (transition !== 'T36') return []
  const events: DeviceEvent[] = []
  if (device.handOver !== undefined) {
    events.push({ kind: 'hand-over-ended', body: { outcome: 'completed', ...said } })
  }
  // A declaration that names another owner keeps it out; where there is none, the site has to remember by itself.
  if (device.owner === '') events.push({ kind: 'admission-denied', body: { by: said.by } })
  return events
}
