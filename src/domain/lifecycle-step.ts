import type { LifecycleMoved, StatedFacts } from './device-life.ts'
import { OnboardingError } from './error.ts'
import {
  type LifecycleActor,
  type LifecycleEvent,
  type LifecycleFact,
  type LifecycleFacts,
  type LifecycleMove,
  type LifecycleState,
  type LifecycleTransition,
  move,
  possibleMoves,
} from './lifecycle.ts'
import { lifecycleGuards } from './lifecycle-guard.ts'
import { wordsFor } from './lifecycle-words.ts'

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

/** Whose step it is: a device of a site, or a unit of a factory. */
export interface StepSubject {
  readonly noun: 'device' | 'unit'
  readonly name: string
  readonly state: LifecycleState
}

/**
 * A step by what the record proves and what somebody says, with both as they go on record. The record's word counts before
 * anybody's. @throws OnboardingError `lifecycle-fact-contradicted`, `lifecycle-transition-refused`,
 * `lifecycle-actor-refused`, `lifecycle-guard-unmet`
 */
export function takeStep(
  subject: StepSubject,
  request: StepRequest,
  proven: LifecycleFacts,
  at: number,
): { readonly move: LifecycleMove; readonly body: LifecycleMoved['body'] } {
  const { event, by, reason = '' } = request
  // A decision that has a reason on record is on record.
  const said = { ...request.facts, ...(reason === '' ? {} : { decisionRecorded: true }) }
  requireTruth(subject, said, proven)
  const row = possibleMoves(subject.state).find(each => each.event === event)
  const actor = request.actor ?? usualActor(row)
  const taken = move(subject.state, event, actor, { ...said, ...proven })
  const asked = askedBy(row)
  const { transition, from, to } = taken
  const body = {
    ...{ transition, from, to, actor, at, by },
    ...member('proven', only(proven, asked)),
    ...member('said', only(said, asked, proven)),
    ...(reason === '' ? {} : { reason }),
  }
  return { move: taken, body }
}

function requireTruth({ noun, name }: StepSubject, said: LifecycleFacts, proven: LifecycleFacts): void {
  for (const fact of Object.keys(said) as LifecycleFact[]) {
    const [claimed, known] = [said[fact], proven[fact]]
    if (claimed === undefined || known === undefined || claimed === known) continue
    throw new OnboardingError('lifecycle-fact-contradicted', {
      ...{ [noun]: name, fact, claimed: wordsFor(fact, claimed), record: wordsFor(fact, known) },
    })
  }
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
