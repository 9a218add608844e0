import type { Party, Patient, ReadablePatient } from './patient.ts'

export type CheckStatus = 'ok' | 'warn' | 'fail' | 'skipped'

/** What one check came to. */
export interface Finding {
  readonly status: CheckStatus
  /** What was found, in a sentence. May hold text of strangers. */
  readonly finding: string
  /** What to do about it; only with `warn` and `fail`. */
  readonly action?: string
  /** What it rests on, a line each. May hold text of strangers. */
  readonly evidence?: readonly string[]
}

interface About {
  readonly id: string
  readonly title: string
  /** What it looks at and when it complains, for the document. */
  readonly about: string
  readonly party: readonly Party[]
}

/** One look at one thing. It changes nothing. */
export type Check = About &
  (
    | { readonly needs: 'nothing'; run(patient: Patient): Promise<Finding> }
    | { readonly needs: 'data'; run(patient: Patient & { readonly data: string }): Promise<Finding> }
    | { readonly needs: 'record'; run(patient: ReadablePatient): Promise<Finding> }
  )

export const both: readonly Party[] = ['site', 'manufacturer']
export const site: readonly Party[] = ['site']

/** Lines of evidence; a thousand devices with one trouble are told by the first few and their number. */
const shown = 8

export function ok(finding: string, evidence?: readonly string[]): Finding {
  return { status: 'ok', finding, ...evidenceOf(evidence) }
}

export function warn(finding: string, action: string, evidence?: readonly string[]): Finding {
  return { status: 'warn', finding, action, ...evidenceOf(evidence) }
}

export function fail(finding: string, action: string, evidence?: readonly string[]): Finding {
  return { status: 'fail', finding, action, ...evidenceOf(evidence) }
}

export function skipped(finding: string): Finding {
  return { status: 'skipped', finding }
}

function evidenceOf(lines: readonly string[] = []): Pick<Finding, 'evidence'> {
  if (lines.length === 0) return {}
  const rest = lines.length - shown
  return { evidence: rest <= 0 ? lines : [...lines.slice(0, shown), `… and ${rest} more`] }
}

/** Of several, the worst. */
export function worst(statuses: readonly CheckStatus[]): CheckStatus {
  for (const each of ['fail', 'warn', 'ok'] as const) if (statuses.includes(each)) return each
  return 'skipped'
}

/** `3 days`, `5 hours`, for people; of either sign. */
export function duration(milliseconds: number): string {
  const amount = Math.abs(milliseconds)
  const units = [
    ['year', 365 * 86_400_000],
    ['day', 86_400_000],
    ['hour', 3_600_000],
    ['minute', 60_000],
  ] as const
  const [name, size] = units.find(([unit, each]) => amount >= each * (unit === 'year' ? 2 : 1)) ?? ['second', 1000]
  const count = Math.floor(amount / size)
  return `${count} ${name}${count === 1 ? '' : 's'}`
}

/** `1.5 GB`, for people. */
export function size(bytes: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB'] as const
  let n = 0
  for (let rest = bytes; rest >= 1000 && n < units.length - 1; rest /= 1000) n++
  const amount = bytes / 1000 ** n
  return `${n === 0 || amount >= 100 ? Math.round(amount) : amount.toFixed(1)} ${units[n]}`
}

export function counted(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`
}
