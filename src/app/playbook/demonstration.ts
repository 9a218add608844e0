import { OnboardingError } from '../../domain/error.ts'
import type { CapabilityId } from '../../domain/playbook.ts'

/** `positive`: what shall work, works. `negative`: what must not work, does not. */
export type Polarity = 'positive' | 'negative'

/** An event that a verdict rests on: where it lies, and the hash by which it is the same one. */
export interface EventReference {
  /** Name of the ledger among those of the run. */
  readonly ledger: string
  readonly stream: string
  readonly version: number
  readonly kind: string
  readonly lane: string
  readonly sequence: number
  /** Milliseconds since 1970. */
  readonly at: number
  readonly hash: string
}

/** What a demonstration came to see. */
export interface Observation {
  readonly seen: string
  readonly events: readonly EventReference[]
}

export interface DemonstrationHead {
  readonly capability: CapabilityId
  /** Kebab-case, unique within the capability. */
  readonly name: string
  readonly polarity: Polarity
  readonly title: string
}

export interface Demonstration<Lab> extends DemonstrationHead {
  /** Makes it happen and looks at what happened. Throws when that is not what the title says. */
  readonly run: (lab: Lab) => Promise<Observation>
}

export type DemonstrationResult = DemonstrationHead &
  (({ readonly outcome: 'held' } & Observation) | { readonly outcome: 'failed' | 'skipped'; readonly reason: string })

/** Says that something was not as it has to be. */
export class NotShown extends Error {
  override readonly name = 'NotShown'
}

/** `fact` is what has to hold, in words. */
export function hold(condition: boolean, fact: string): asserts condition {
  if (!condition) throw new NotShown(`does not hold: ${fact}`)
}

export function equal<T extends string | number | boolean | undefined>(actual: T, expected: T, fact: string): void {
  hold(actual === expected, `${fact} is ${String(expected)} (it is ${String(actual)})`)
}

/** Runs one. Whatever it throws is a failure, and so are silence for longer than `limitMs` and a success without evidence. */
export async function demonstrate<Lab>(
  demonstration: Demonstration<Lab>,
  lab: Lab,
  limitMs: number,
): Promise<DemonstrationResult> {
  const head = headOf(demonstration)
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new NotShown(`no result after ${limitMs / 1000} s`)), limitMs)
  })
  try {
    const { seen, events } = await Promise.race([demonstration.run(lab), late])
    hold(events.length > 0, 'an event of a ledger is behind it')
    return { ...head, outcome: 'held', seen, events }
  } catch (error) {
    return { ...head, outcome: 'failed', reason: reasonOf(error) }
  } finally {
    clearTimeout(timer)
  }
}

export function skipped<Lab>(demonstration: Demonstration<Lab>, reason: string): DemonstrationResult {
  return { ...headOf(demonstration), outcome: 'skipped', reason }
}

function headOf({ capability, name, polarity, title }: DemonstrationHead): DemonstrationHead {
  return { capability, name, polarity, title }
}

export function reasonOf(error: unknown): string {
  if (error instanceof OnboardingError) return `${error.code}: ${error.message}`
  return error instanceof Error ? error.message : String(error)
}
