import { handOverTask } from './hand-over.ts'
import type { Strike } from './moment.ts'
import { issuingRolloverTask, rootRolloverTask } from './rollover.ts'

/** Work of several transactions, of which a process may die at any moment, and which is then done again from its start. */
export interface StepTask {
  readonly name: string
  readonly title: string
  /** What it starts from, in an empty directory. */
  prepare(data: string): Promise<void>
  run(data: string, strike: Strike): Promise<void>
  /** After a death: is everything done or undone? @returns what is neither, and ledgers that do not verify */
  inspect(data: string): Promise<Inspection>
  /** After its end: is all of it done, once? */
  conclude(data: string): Promise<Inspection>
}

export interface Inspection {
  readonly half: readonly string[]
  readonly unsound: readonly string[]
}

export const stepTasks: readonly StepTask[] = [handOverTask, rootRolloverTask, issuingRolloverTask]
