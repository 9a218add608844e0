import type { Device } from '../../domain/device.ts'
import type { LifecycleActor, LifecycleState, TransitionId } from '../../domain/lifecycle.ts'
import {
  type LifecycleEvent,
  type LifecycleFact,
  type LifecycleFacts,
  type LifecycleTransition,
  possibleMoves,
} from '../../domain/lifecycle.ts'
import { lifecycleGuards } from '../../domain/lifecycle-guard.ts'
import { wordsFor } from '../../domain/lifecycle-words.ts'
import { type Ground, provenFacts } from './fact.ts'

export interface MissingFact {
  readonly fact: LifecycleFact
  readonly needed: boolean
  /** What has to be the case, in words. */
  readonly words: string
  /** `record`: it is otherwise now, by the record. `person`: somebody has to say it. */
  readonly from: 'record' | 'person'
}

/** One step that the table knows from where the device is. */
export interface AllowedStep {
  readonly transition: TransitionId
  readonly event: LifecycleEvent
  readonly to: LifecycleState
  /** Empty: anybody may report it. */
  readonly actors: readonly LifecycleActor[]
  /** `now`, `when-said`: as soon as somebody vouches for what is missing; `not-now`: the record says otherwise. */
  readonly verdict: 'now' | 'when-said' | 'not-now'
  readonly missing: readonly MissingFact[]
  readonly condition: string
  readonly effect: string
  /** In one sentence. */
  readonly words: string
}

/** Every step that the table knows from here, and what stands between. */
export function allowedSteps(device: Device, ground: Ground): readonly AllowedStep[] {
  const proven = provenFacts(device, ground)
  return possibleMoves(device.lifecycle).map(row => {
    const { id: transition, event, to, actors, condition, effect } = row
    const missing = nearest(row, proven)
    const blocked = missing.some(({ from }) => from === 'record')
    const verdict = blocked ? 'not-now' : missing.length > 0 ? 'when-said' : 'now'
    return {
      transition,
      event,
      to,
      actors,
      verdict,
      missing,
      condition,
      effect,
      words: sentence(verdict, missing, row),
    }
  })
}

/** What is missing of the way that the record leaves open, or else of the one with the fewest facts to go. */
function nearest({ guard }: LifecycleTransition, proven: LifecycleFacts): readonly MissingFact[] {
  if (guard === undefined) return []
  const ways = lifecycleGuards[guard].map((way: LifecycleFacts) =>
    (Object.keys(way) as LifecycleFact[])
      .filter(fact => proven[fact] !== way[fact])
      .map((fact): MissingFact => {
        const needed = way[fact] === true
        const from = proven[fact] === undefined ? 'person' : 'record'
        return { fact, needed, words: wordsFor(fact, needed), from }
      }),
  )
  const cost = (way: readonly MissingFact[]) => way.reduce((sum, { from }) => sum + (from === 'record' ? 100 : 1), 0)
  return ways.reduce((best, way) => (cost(way) < cost(best) ? way : best))
}

function sentence(
  verdict: AllowedStep['verdict'],
  missing: readonly MissingFact[],
  { actors }: LifecycleTransition,
): string {
  const who = actors.length === 0 ? 'anybody' : actors.join(' or ')
  if (verdict === 'now') return `Possible now, by ${who}.`
  const sayable = missing.filter(({ from }) => from === 'person').map(({ words }) => words)
  if (verdict === 'when-said') return `Possible, by ${who}, who says that ${sayable.join(' and ')}.`
  const now = missing.filter(({ from }) => from === 'record').map(({ fact, needed }) => wordsFor(fact, !needed))
  const besides = sayable.length === 0 ? '' : ` Besides, somebody has to say that ${sayable.join(' and ')}.`
  return `Not possible now: ${now.join(' and ')}.${besides}`
}
