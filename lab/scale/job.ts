import type { House } from '../all-in-one/house.ts'
import { houseSaleJob } from './job/house-sale.ts'
import { importJob } from './job/import.ts'
import { policyActivationJob } from './job/policy-activation.ts'
import { policyPreviewJob } from './job/policy-preview.ts'
import { recallJob } from './job/recall.ts'
import { renewalJob } from './job/renewal.ts'
import type { Ground, Stage } from './place.ts'

/** What a job tells while it runs. */
export interface Telling {
  readonly progress: (done: number, of: number) => void
  /** Somebody outside was told that this is done: from now on it must not be lost. */
  readonly acknowledge: (what: string) => void
  /** Told in an earlier life of the process. */
  readonly acknowledged: ReadonlySet<string>
}

/** What is not as it should be; nothing of it may be. */
export interface Findings {
  /** Acknowledged, and not on record. */
  readonly lost: readonly string[]
  /** Neither done nor left undone, or done twice. */
  readonly half: readonly string[]
}

/** Work on many devices, which may be killed at any moment and run again. */
export interface Job {
  readonly name: string
  readonly title: string
  /** What it starts from. */
  readonly stage: Stage
  /** Goes on from where the record is. @returns how many it was about */
  run(house: House, ground: Ground, telling: Telling): Promise<number>
  /** Right after a kill: is all that was acknowledged there, and is nothing in between? */
  inspect(house: House, ground: Ground, acknowledged: ReadonlySet<string>): Promise<Findings>
  /** After its end: is everything done, once? */
  conclude(house: House, ground: Ground, acknowledged: ReadonlySet<string>): Promise<Findings>
}

export const jobs: readonly Job[] = [
  importJob,
  renewalJob,
  recallJob,
  policyPreviewJob,
  policyActivationJob,
  houseSaleJob,
]
