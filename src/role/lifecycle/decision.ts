import type { Device, DeviceEvent } from '../../domain/device.ts'
import type { StatedFacts } from '../../domain/device-life.ts'
import { OnboardingError } from '../../domain/error.ts'
import {
  type LifecycleActor,
  type LifecycleEvent,
  type LifecycleFact,
  type LifecycleFacts,
  type LifecycleMove,
  type LifecycleTransition,
  move,
  possibleMoves,
} from '../../domain/lifecycle.ts'
import { lifecycleGuards } from '../../domain/lifecycle-guard.ts'
import { isOwnedHere, mayOnboardHere } from '../../domain/right.ts'
import { type Ground, provenFacts, wordsFor } from './fact.ts'

/** A step as somebody asks for it. */
export interface StepRequest {
  readonly event: LifecycleEvent
  /** In whose place; the first that the table names for the step, and that is somebody, when absent. */
  readonly actor?: LifecycleActor
  /** What the one who asks vouches for. */
  readonly facts?: LifecycleFacts
  readonly by: string
  readonly reason?: string
}

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
  const { event, by, reason = '' } = request
  const said = { ...request.facts, ...(reason === '' ? {} : { decisionRecorded: true }) }
  const proven = provenFacts(device, ground)
  const row = possibleMoves(device.lifecycle).find(each => each.event === event)
  requireTruth(device.id, said, proven)
  const actor = request.actor ?? usualActor(row)
  const taken = move(device.lifecycle, event, actor, { ...said, ...proven })
  checkOwner(device, event, ground)
  if (device.handOver !== undefined && device.lifecycle === 'US.DEC' && event !== 'repurpose-new-owner') {
    throw new OnboardingError('hand-over-under-way', { device: device.id, to: device.handOver.to })
  }
  const asked = askedBy(row)
  const body = {
    ...{ transition: taken.transition, from: taken.from, to: taken.to, actor, at: ground.at, by },
    ...member('proven', only(proven, asked)),
    ...member('said', only(said, asked, proven)),
    ...(reason === '' ? {} : { reason }),
  }
  return {
    move: taken,
    events: [{ kind: 'lifecycle-moved', body }, ...aftermath(device, taken, { by, at: ground.at })],
  }
}

function requireTruth(device: string, said: LifecycleFacts, proven: LifecycleFacts): void {
  for (const fact of Object.keys(said) as LifecycleFact[]) {
    const [claimed, known] = [said[fact], proven[fact]]
    if (claimed === undefined || known === undefined || claimed === known) continue
    throw new OnboardingError('lifecycle-fact-contradicted', {
      ...{ device, fact, claimed: wordsFor(fact, claimed), record: wordsFor(fact, known) },
    })
  }
}

function checkOwner(device: Device, event: LifecycleEvent, { owners }: Ground): void {
  const { id, owner } = device
  const foreign =
    (onboardersOnly.includes(event) && !mayOnboardHere(device, owners)) ||
    (ownersOnly.includes(event) && !isOwnedHere(device, owners))
  if (foreign) throw new OnboardingError('owner-mismatch', { device: id, owner })
}

/** Who asks is somebody, and nothing that happens by itself. */
function usualActor(row: LifecycleTransition | undefined): LifecycleActor {
  return row?.actors.find(actor => actor !== 'automatic') ?? 'device-manager'
}

/** The names of all facts that the step's condition looks at. */
function askedBy(row: LifecycleTransition | undefined): readonly string[] {
  const alternatives: readonly LifecycleFacts[] = row?.guard === undefined ? [] : lifecycleGuards[row.guard]
  return alternatives.flatMap(Object.keys)
}

/** Those of the facts that were asked for, and that `but` does not say already. */
function only(facts: LifecycleFacts, asked: readonly string[], but: LifecycleFacts = {}): StatedFacts {
  const entries = Object.entries(facts).filter(([fact]) => asked.includes(fact) && !Object.hasOwn(but, fact))
  return Object.fromEntries(entries)
}

function member(name: 'proven' | 'said', facts: StatedFacts) {
  return Object.keys(facts).length === 0 ? {} : { [name]: facts }
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
