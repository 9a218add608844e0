import type { Device, DeviceEvent } from '../../src/domain/device.ts'
import { OnboardingError } from '../../src/domain/error.ts'
import {
  type LifecycleActor,
  type LifecycleEvent,
  type LifecycleFacts,
  type LifecycleMove,
  move,
} from '../../src/domain/lifecycle.ts'
import type { Attempt, Oracle } from './oracle.ts'

const mostTold = 50

/** What a walk has seen. */
export class Findings {
  readonly transitions: Record<string, number>
  readonly refused: Record<string, number> = {}
  readonly faults: Record<string, number> = {}
  readonly unexpected: string[] = []
  readonly #untried: Map<string, Set<string>>
  readonly pairs: number

  constructor({ rows, states, events }: Oracle) {
    this.transitions = Object.fromEntries(rows.map(({ id }) => [id, 0]))
    const known = new Set(rows.map(({ from, event }) => `${from} ${event}`))
    const others = (state: string) => events.filter(event => !known.has(`${state} ${event}`))
    this.#untried = new Map(states.map(state => [state, new Set(others(state))]))
    this.pairs = this.untried
  }

  get untried(): number {
    return [...this.#untried.values()].reduce((sum, { size }) => sum + size, 0)
  }

  /** An event that this state was not tried with. */
  wanted(state: string): string | undefined {
    return this.#untried.get(state)?.values().next().value
  }

  tell(problem: string): void {
    if (this.unexpected.length < mostTold) this.unexpected.push(problem)
  }

  /** Holds what came of an attempt against what had to. */
  judge(oracle: Oracle, attempt: Attempt, outcome: Pick<LifecycleMove, 'transition' | 'from' | 'to'> | string): void {
    const { state, event } = attempt
    const due = oracle.judge(attempt)
    if (typeof outcome === 'string') {
      this.refused[outcome] = (this.refused[outcome] ?? 0) + 1
      if (due !== outcome) this.tell(`${told(attempt)}: refused ${outcome}, due ${dueText(due)}`)
      else if (due === 'lifecycle-transition-refused') this.#untried.get(state)?.delete(event)
      return
    }
    this.transitions[outcome.transition] = (this.transitions[outcome.transition] ?? 0) + 1
    const as = typeof due !== 'string' && due.id === outcome.transition && due.to === outcome.to && due.from === state
    if (!as || outcome.from !== state) this.tell(`${told(attempt)}: took ${outcome.transition}, due ${dueText(due)}`)
    if (!oracle.states.includes(outcome.to)) this.tell(`${outcome.to} is no state`)
  }
}

function told({ state, event, actor, facts }: Attempt): string {
  return `${state} ${event} by ${actor} ${JSON.stringify(facts)}`
}

function dueText(due: ReturnType<Oracle['judge']>): string {
  return typeof due === 'string' ? due : due.id
}

/** The decision itself; the code of its refusal. Whatever else it throws is let through. */
export function decide({ event, actor, facts }: Attempt, device: Device): LifecycleMove | string {
  try {
    return move(device.lifecycle, event as LifecycleEvent, actor as LifecycleActor, facts as LifecycleFacts)
  } catch (error) {
    if (error instanceof OnboardingError) return error.code
    throw error
  }
}

export function movedEvent({ transition, from, to, actor }: LifecycleMove, at: number): DeviceEvent {
  return { kind: 'lifecycle-moved', body: { transition, from, to, actor, at } }
}

/** A device at the beginning of its life, in the record of whoever makes it. */
export function bornEvent(serial: string): DeviceEvent & { readonly kind: 'device-expected' } {
  const body = { manufacturer: 'walk', serial, model: '', source: 'walk', owner: '', declarationVersion: 0 }
  return { kind: 'device-expected', body: { ...body, lifecycle: 'SC.RDD' } }
}
