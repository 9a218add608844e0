import { OnboardingError } from '../../domain/error.ts'
import { type Check, type CheckStatus, type Finding, worst } from './check.ts'
import { checks as allChecks } from './checks.ts'
import type { Party, Patient, ReadablePatient } from './patient.ts'
import { probeMasas } from './probe.ts'

export interface Result extends Finding {
  readonly id: string
  readonly title: string
}

export interface Examination {
  readonly party: Party
  readonly at: number
  /** Whether the process that serves the site looked, or somebody from outside. */
  readonly running: boolean
  readonly status: CheckStatus
  readonly counts: Readonly<Record<CheckStatus, number>>
  readonly checks: readonly Result[]
}

/**
 * Looks at everything, one check after the other. It never rejects: a check that cannot be made is a finding, too.
 * @param onCheck called before each
 */
export async function examine(
  patient: Patient,
  onCheck: (title: string) => void = () => {},
  checks: readonly Check[] = allChecks,
): Promise<Examination> {
  const results: Result[] = []
  const readable = readablePatient(patient)
  for (const check of checks.filter(({ party }) => party.includes(patient.party))) {
    const { id, title } = check
    onCheck(title)
    results.push({ id, title, ...(await findingOf(check, patient, readable)) })
  }
  const statuses = results.map(({ status }) => status)
  const count = (wanted: CheckStatus) => statuses.filter(status => status === wanted).length
  return {
    party: patient.party,
    at: patient.clock(),
    running: patient.running !== undefined,
    status: worst(statuses),
    counts: { ok: count('ok'), warn: count('warn'), fail: count('fail'), skipped: count('skipped') },
    checks: results,
  }
}

async function findingOf(check: Check, patient: Patient, readable: ReadablePatient | undefined): Promise<Finding> {
  try {
    if (check.needs === 'nothing') return await check.run(patient)
    if (check.needs === 'data') {
      const { data } = patient
      if (data === undefined) return { status: 'skipped', finding: 'The data directory is not known here.' }
      return await check.run({ ...patient, data })
    }
    if (readable === undefined) return { status: 'skipped', finding: 'The record cannot be read.' }
    return await check.run(readable)
  } catch (error) {
    return failedCheck(error)
  }
}

/** A look that breaks off is no clean bill of health. */
function failedCheck(error: unknown): Finding {
  const known = error instanceof OnboardingError
  const { code } = error as NodeJS.ErrnoException
  return {
    status: 'fail',
    finding: known ? `The check could not be made: ${error.entry.title}.` : 'The check could not be made.',
    action: known ? error.entry.action : 'Mend what the evidence names, and run `mooring doctor` again.',
    evidence: [known ? error.code : typeof code === 'string' ? code : String(error)],
  }
}

function readablePatient(patient: Patient): ReadablePatient | undefined {
  const { record } = patient
  if (record instanceof Error) return undefined
  let condition: ReturnType<ReadablePatient['condition']> | undefined
  let probes: ReturnType<ReadablePatient['probes']> | undefined
  const readable: ReadablePatient = {
    ...patient,
    record,
    condition() {
      condition ??= record.condition()
      return condition
    },
    probes() {
      probes ??= probeMasas(readable)
      return probes
    },
  }
  return readable
}
