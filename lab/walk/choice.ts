import type { Attempt, Facts, Oracle, OracleRow } from './oracle.ts'

/** What is wrong with an attempt, if anything. */
export const faults = [
  'none',
  'wrong-state',
  'wrong-actor',
  'missing-fact',
  'contrary-fact',
  'unknown-name',
  'twice',
] as const
export type Fault = (typeof faults)[number]

/** Names that no table has, and that a careless lookup would find all the same. */
const unknownNames = ['__proto__', 'constructor', 'toString', '', 'T01', 'US.OPR', 'connect ', 'CONNECT', 'explode']

/** Chooses attempts by a seed: honest ones in the main, and every kind of fault among them. */
export class Choice {
  readonly #oracle: Oracle
  #state: number

  constructor(oracle: Oracle, seed: number) {
    this.#oracle = oracle
    this.#state = seed >>> 0
  }

  /** 0 to below 1: mulberry32. */
  next(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0
    let t = this.#state
    t = Math.imul(t ^ (t >>> 15), t | 1)
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32
  }

  one<T>(list: readonly T[]): T {
    return list[Math.floor(this.next() * list.length)]!
  }

  fault(): Fault {
    return this.next() < 0.55 ? 'none' : this.one(faults.slice(1))
  }

  /** `last`: what was done before, for the fault `twice`. `wanted`: an event that this state was not yet tried with. */
  attempt(state: string, fault: Fault, last: Attempt | undefined, wanted: string | undefined): Attempt {
    const { actors, events } = this.#oracle
    if (fault === 'twice' && last !== undefined) return { ...last, state }
    if (fault === 'unknown-name') {
      return { state, event: this.one(unknownNames), actor: this.one(actors), facts: this.#everything() }
    }
    const row = this.one(this.#oracle.rowsFrom(state))
    if (fault === 'wrong-state' || row === undefined) {
      const event = wanted ?? this.one(events)
      // With the facts and the actor of a place where the event does exist: only the state is wrong.
      const elsewhere = this.one(this.#oracle.rows.filter(each => each.event === event))
      return { state, event, actor: this.#actorOf(elsewhere), facts: this.#factsOf(elsewhere) }
    }
    const honest = { state, event: row.event, actor: this.#actorOf(row), facts: this.#factsOf(row) }
    if (fault === 'wrong-actor') return { ...honest, actor: this.one([...actors, 'device-user', '__proto__']) }
    if (fault === 'missing-fact') return { ...honest, facts: this.#without(honest.facts) }
    if (fault === 'contrary-fact') return { ...honest, facts: this.#contrary(honest.facts) }
    return honest
  }

  #actorOf(row: OracleRow): string {
    const actors = this.#oracle.actorsOf(row)
    return this.one(actors.length === 0 ? this.#oracle.actors : actors)
  }

  /** The facts of one way, and some that nobody asked for. */
  #factsOf({ when }: OracleRow): Facts {
    const noise = this.#oracle.facts.filter(() => this.next() < 0.1).map(fact => [fact, this.next() < 0.5] as const)
    return { ...Object.fromEntries(noise), ...this.one(when) }
  }

  #everything(): Facts {
    return Object.fromEntries(this.#oracle.facts.map(fact => [fact, this.next() < 0.5]))
  }

  #without(facts: Facts): Facts {
    const gone = this.one(Object.keys(facts))
    return Object.fromEntries(Object.entries(facts).filter(([fact]) => fact !== gone))
  }

  #contrary(facts: Facts): Facts {
    const turned = this.one(Object.keys(facts))
    return turned === undefined ? facts : { ...facts, [turned]: facts[turned] === false }
  }
}
