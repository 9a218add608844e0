import type { ErrorCode } from '../../domain/error.ts'

/** What a demonstration came to, as `--json` prints it. */
export interface DemoOutcome {
  readonly onboarded: readonly string[]
  readonly refused: readonly { readonly device: string; readonly code: ErrorCode }[]
  /** Devices that took a network which is not their owner's. */
  readonly misled: readonly { readonly device: string; readonly network: string }[]
  readonly seconds: number
}

/** Each part of the cast with the end that it has to come to. */
export interface ExpectedOutcome {
  readonly onboarded: readonly string[]
  readonly refused: readonly { readonly device: string; readonly code: ErrorCode }[]
  readonly misled: readonly { readonly device: string; readonly network: string }[]
}

/** Every way in which the outcome differs from what was expected; empty when it is exactly that. */
export function differences(outcome: Omit<DemoOutcome, 'seconds'>, expected: ExpectedOutcome): string[] {
  const list: string[] = []
  for (const device of expected.onboarded) {
    if (!outcome.onboarded.includes(device)) list.push(`${device} was to be onboarded and was not`)
  }
  for (const device of outcome.onboarded) {
    if (!expected.onboarded.includes(device)) list.push(`${device} was onboarded and must not be`)
  }
  const key = ({ device, code }: { readonly device: string; readonly code: string }) => `${device}: ${code}`
  const [wanted, got] = [expected.refused, outcome.refused].map(refusals => refusals.map(key).sort())
  for (const each of wanted ?? []) if (!got?.includes(each)) list.push(`missing refusal ${each}`)
  for (const each of got ?? []) if (!wanted?.includes(each)) list.push(`unexpected refusal ${each}`)
  if (wanted?.length !== got?.length) list.push(`${got?.length} refusals in place of ${wanted?.length}`)
  const taken = ({ misled }: ExpectedOutcome) => misled.map(({ device, network }) => `${device} by the ${network}`)
  const [meant, found] = [taken(expected), taken({ ...expected, misled: outcome.misled })]
  for (const each of meant) if (!found.includes(each)) list.push(`was to be misled and was not: ${each}`)
  for (const each of found) if (!meant.includes(each)) list.push(`was misled and must not be: ${each}`)
  return list
}
