import { type Device, type DeviceEvent, evolveDevice, foldDevice } from '../../src/domain/device.ts'
import { Choice, type Fault } from './choice.ts'
import { bornEvent, decide, Findings, movedEvent } from './finding.ts'
import { type Attempt, type Oracle, openOracle } from './oracle.ts'
import { openStoreWalk, type StoreCounts } from './store-walk.ts'

export interface WalkOptions {
  readonly steps: number
  /** The same seed, the same walk. */
  readonly seed: number
  /** One step in so many goes through a real store. */
  readonly storeEvery?: number
  /** Each transition has to be taken so often; 100 at 100000 steps when absent. */
  readonly atLeast?: number
}

export interface WalkReport {
  readonly steps: number
  readonly seed: number
  readonly transitions: Readonly<Record<string, number>>
  /** By the code of the refusal. */
  readonly refused: Readonly<Record<string, number>>
  readonly faults: Readonly<Record<string, number>>
  /** Pairs of state and event that the table does not have, and how many of them were tried and refused. */
  readonly pairs: { readonly of: number; readonly refused: number }
  readonly lives: number
  readonly store: StoreCounts
  /** The first of what should not have happened; empty when all is well. */
  readonly unexpected: readonly string[]
}

/** Walks lives from research to end of life, honest steps and faults, each judged by the requirements. */
export async function runWalk(options: WalkOptions): Promise<WalkReport> {
  const { steps, seed, storeEvery = 50, atLeast = Math.floor(steps / 1000) } = options
  const oracle = openOracle()
  const choice = new Choice(oracle, seed)
  const findings = new Findings(oracle)
  const life = new Life(oracle, choice, findings)
  const stored = await openStoreWalk({ oracle, choice, findings })
  try {
    for (let step = 0; step < steps; step++) {
      const fault = choice.fault()
      findings.faults[fault] = (findings.faults[fault] ?? 0) + 1
      if (step % storeEvery === 0) await stored.step(fault)
      else life.step(fault)
    }
    const store = await stored.end()
    for (const [id, taken] of Object.entries(findings.transitions)) {
      if (taken < atLeast) findings.tell(`${id} was taken ${taken} times, less than ${atLeast}`)
    }
    const pairs = { of: findings.pairs, refused: findings.pairs - findings.untried }
    if (findings.untried > 0 && steps >= 50_000) findings.tell(`${findings.untried} pairs were never tried`)
    const { transitions, refused, faults, unexpected } = findings
    return { steps, seed, transitions, refused, faults, pairs, lives: life.lives + store.lives, store, unexpected }
  } finally {
    await stored.close()
  }
}

/** One device after the other, in memory: the fold of its events, and beside it the state that the oracle says. */
class Life {
  readonly #oracle: Oracle
  readonly #choice: Choice
  readonly #findings: Findings
  #events: DeviceEvent[] = []
  #device: Device
  /** By the oracle alone. */
  #due = 'SC.RDD'
  #last: Attempt | undefined
  lives = 1

  constructor(oracle: Oracle, choice: Choice, findings: Findings) {
    this.#oracle = oracle
    this.#choice = choice
    this.#findings = findings
    this.#device = this.#born()
  }

  step(fault: Fault): void {
    if (this.#due === 'US.EOL' && this.#choice.next() < 0.1) this.#endOfLife()
    const attempt = this.#choice.attempt(this.#due, fault, this.#last, this.#findings.wanted(this.#due))
    const outcome = decide(attempt, this.#device)
    this.#findings.judge(this.#oracle, attempt, outcome)
    const row = this.#oracle.judge(attempt)
    if (typeof outcome !== 'string') {
      const event = movedEvent(outcome, this.#events.length)
      this.#apply(event)
      // A replay of the event itself: it leads out of a state that the device has left, unless the step leads nowhere.
      if (fault === 'twice' && outcome.from !== outcome.to) this.#apply(event)
      this.#last = attempt
    }
    if (typeof row !== 'string') this.#due = row.to
    if (this.#device.lifecycle !== this.#due) {
      this.#findings.tell(`the fold says ${this.#device.lifecycle}, due ${this.#due}, after ${attempt.event}`)
      this.#due = this.#device.lifecycle
    }
  }

  #apply(event: DeviceEvent): void {
    this.#events.push(event)
    this.#device = evolveDevice(this.#device, event)
  }

  #born(): Device {
    this.#events = [bornEvent(`W-${this.lives}`)]
    this.#due = 'SC.RDD'
    this.#last = undefined
    return evolveDevice(undefined, this.#events[0]!)
  }

  /** The whole life once more from its events: the record alone has to say the same. */
  #endOfLife(): void {
    const again = foldDevice(this.#events)
    if (JSON.stringify(again) !== JSON.stringify(this.#device)) this.#findings.tell('the fold is not repeatable')
    this.lives++
    this.#device = this.#born()
  }
}
