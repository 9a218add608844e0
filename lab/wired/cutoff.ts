import { setTimeout as pause } from 'node:timers/promises'
import type { Visit, WiredBench } from './bench.ts'
import { place } from './namespace.ts'

export interface CutoffReport {
  readonly n: number
  /** From the call that decides to the last packet that was forwarded, either way. */
  readonly median_s: number
  readonly max_s: number
  readonly causes: Readonly<Record<string, { readonly n: number; readonly median_s: number; readonly max_s: number }>>
  /** From the start of the supplicant to the first packet. */
  readonly entered_s: number
  /** Ways that were open and should not have been. */
  readonly leaks: number
}

type Cause = (bench: WiredBench, visit: Visit) => Promise<unknown>

const causes: Readonly<Record<string, Cause>> = {
  revoked: ({ house }, { credential }) => house.site.revocation.revoke(credential, 'keyCompromise', 'lab'),
  withdrawn: ({ house }, { device }) => house.site.approval.withdraw(device, 'lab', 'lab'),
}

/** Traffic is watched for so long after a decision: whatever is forwarded later than the bar shows. Milliseconds. */
const watched = 2500

/** Lets devices in one after the other, and cuts each off while its packets flow. */
export async function runCutoff(bench: WiredBench, rounds: number, say: (line: string) => void): Promise<CutoffReport> {
  const taken: { readonly cause: string; readonly seconds: number }[] = []
  const entered: number[] = []
  let leaks = 0
  for (let n = 0; n < rounds; n++) {
    const names = Object.keys(causes)
    const cause = names[n % names.length]!
    const visit = await bench.visit(n)
    try {
      entered.push(visit.entered)
      // What is not its segment, and what is closed to everybody.
      if (n === 0 && (await bench.tries(place.gateway.onServer, 9)) === 'open') leaks++
      const decided = Date.now()
      await causes[cause]!(bench, visit)
      await pause(watched)
      const last = Math.max(...[...visit.arrived(), ...visit.answered()].filter(at => at > 0), decided)
      const seconds = round((last - decided) / 1000)
      taken.push({ cause, seconds })
      if ((await bench.tries(place.server.address, 7)) === 'open') leaks++
      say(`${String(n + 1).padStart(4)}  in after ${round(visit.entered)} s  ${cause}: last packet after ${seconds} s`)
    } finally {
      await visit.leave()
    }
  }
  const of = (cause?: string) =>
    taken.filter(each => cause === undefined || each.cause === cause).map(each => each.seconds)
  const figures = (seconds: readonly number[]) => ({
    n: seconds.length,
    median_s: median(seconds),
    max_s: Math.max(...seconds),
  })
  return {
    ...figures(of()),
    causes: Object.fromEntries(
      Object.keys(causes)
        .filter(name => of(name).length > 0)
        .map(name => [name, figures(of(name))]),
    ),
    entered_s: round(median(entered)),
    leaks,
  }
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  const middle = sorted.length >> 1
  return sorted.length % 2 === 1 ? sorted[middle]! : round((sorted[middle - 1]! + sorted[middle]!) / 2)
}

function round(value: number): number {
  return Math.round(value * 1000) / 1000
}
