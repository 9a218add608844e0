import type { ErrorCode } from './error.ts'
import { OnboardingError } from './error.ts'
import { type LifecycleFacts, unmetFacts } from './lifecycle-guard.ts'
import {
  type LifecycleActor,
  type LifecycleEvent,
  type LifecycleState,
  lifecycleTransitions,
  type TransitionEntry,
  type TransitionId,
} from './lifecycle-table.ts'

export type { LifecycleFact, LifecycleFacts } from './lifecycle-guard.ts'
export type { LifecycleActor, LifecycleEvent, LifecycleState, TransitionId } from './lifecycle-table.ts'

/** A step taken: the body of the event `lifecycle-moved`, with what has to follow from it. */
export interface LifecycleMove {
  readonly transition: TransitionId
  readonly from: LifecycleState
  readonly event: LifecycleEvent
  readonly to: LifecycleState
  readonly actor: LifecycleActor
  /** What the step brings about, in words; empty when nothing more. */
  readonly effect: string
}

/** One row of the table, typed by its names. */
export interface LifecycleTransition extends TransitionEntry {
  readonly id: TransitionId
  readonly event: LifecycleEvent
}

const transitions: readonly LifecycleTransition[] = lifecycleTransitions

/** The steps that the table knows from `state`, whether or not their conditions hold now. */
export function possibleMoves(state: LifecycleState): readonly LifecycleTransition[] {
  return transitions.filter(transition => transition.from === state)
}

/**
 * The step that `event` makes from `state`.
 * @throws OnboardingError `lifecycle-transition-refused` when the table has no such pair, `lifecycle-actor-refused` when
 * the step is another party's, `lifecycle-guard-unmet` when its condition does not hold or is not known to hold
 */
export function move(
  state: LifecycleState,
  event: LifecycleEvent,
  actor: LifecycleActor,
  facts: LifecycleFacts,
): LifecycleMove {
  const transition = transitions.find(row => row.from === state && row.event === event)
  if (transition === undefined) throw new OnboardingError('lifecycle-transition-refused', { state, event })
  const { id, to, actors, guard, effect } = transition
  if (actors.length > 0 && !actors.includes(actor)) {
    throw new OnboardingError('lifecycle-actor-refused', { state, event, actor, expected: actors.join(' or ') })
  }
  const unmet = guard === undefined ? [] : unmetFacts(guard, facts)
  if (guard !== undefined && unmet.length > 0) {
    throw new OnboardingError('lifecycle-guard-unmet', { state, event, guard, unmet: unmet.join(' ') })
  }
  return { transition: id, from: state, event, to, actor, effect }
}

/** Answer to a question that may be asked before anything is done. */
export type Permission =
  | { readonly allowed: true }
  | { readonly allowed: false; readonly code: ErrorCode; readonly reason: string }

export interface OwnershipChange {
  /** The requester has proven to be the owner that the newest declaration names. */
  readonly byOwner: boolean
  /** Nothing is left on the device but its bootstrapping credentials. */
  readonly wiped: boolean
  /** A network has onboarded the device since it was acquired or last decommissioned. */
  readonly onboarded: boolean
}

const beforeUse: readonly LifecycleState[] = ['SC.MFG', 'SC.INT', 'SC.RBR', 'SC.TRN', 'SC.STO', 'SC.SHL', 'US.INS']

/**
 * Event E1: the owner alone, before any onboarding or after decommissioning and never between, and only a wiped device.
 * An integrator's short onboarding does not count, as long as it was wiped away (white paper section 4.1). There is
 * nothing to hand over in research, and nothing left to at end of life.
 */
export function mayTransferOwnership(state: LifecycleState, change: OwnershipChange): Permission {
  const { byOwner, wiped, onboarded } = change
  if (!byOwner) return refusal('not-owner', 'the owner alone transfers a device')
  if (state !== 'US.DEC' && !beforeUse.includes(state)) {
    return refusal('lifecycle-transition-refused', `a device in ${state} cannot change owner`)
  }
  if (state === 'US.INS' && onboarded) {
    return refusal('lifecycle-guard-unmet', 'the device was onboarded: decommission it first')
  }
  return wiped ? { allowed: true } : refusal('lifecycle-guard-unmet', 'the device still holds data of its owner')
}

/** Events E2 and E3: the owner alone, at any time. An authorized onboarder cannot appoint another (section 5). */
export function mayChangeOnboarders(change: Pick<OwnershipChange, 'byOwner'>): Permission {
  return change.byOwner ? { allowed: true } : refusal('not-owner', 'the owner alone authorizes onboarders')
}

function refusal(code: ErrorCode, reason: string): Permission {
  return { allowed: false, code, reason }
}
