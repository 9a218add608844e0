/** One figure with what it is held against. `floor` and `ratio` are null for a figure that has no floor. */
export interface Line {
  readonly bench: string
  readonly metric: string
  readonly value: number
  readonly unit: string
  readonly floor: number | null
  /** Value over floor. */
  readonly ratio: number | null
  /** What the ratio, or with `valueBar` the value, has to keep to; in `--json` left out. */
  readonly bar?: Bar
}

export type Bar = { readonly most: number } | { readonly least: number }

export type Suite = () => AsyncGenerator<Line, void, void>

export function line(
  bench: string,
  metric: string,
  figure: { readonly value: number; readonly unit: string; readonly floor?: number; readonly bar?: Bar },
): Line {
  const { value, unit, floor, bar } = figure
  const against = floor === undefined ? { floor: null, ratio: null } : { floor, ratio: value / floor }
  return { bench, metric, value, unit, ...against, ...(bar === undefined ? {} : { bar }) }
}

export function median(values: readonly number[]): number {
  return quantile(values, 0.5)
}

export function quantile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN
}

/**
 * CPU time of one call of each, microseconds: the median over rounds in which they take turns, so that whatever else the
 * machine does hits all alike.
 */
export async function takeTurns(
  calls: readonly ((n: number) => unknown)[],
  { rounds = 41, perRound = 300, warmUp = 3 } = {},
): Promise<number[]> {
  const times: number[][] = calls.map(() => [])
  for (let round = -warmUp; round < rounds; round++) {
    for (const [which, call] of calls.entries()) {
      const start = process.cpuUsage()
      for (let n = 0; n < perRound; n++) await call(n)
      const { user, system } = process.cpuUsage(start)
      if (round >= 0) times[which]!.push((user + system) / perRound)
    }
  }
  return times.map(median)
}
