import type { Command } from 'commander'
import { OnboardingError } from '../../domain/error.ts'
import { policyLimits } from '../../domain/policy.ts'
import { profileNames } from '../../role/authorization/profile/profile.ts'
import { readInputFile } from './file.ts'

/** What policies are looked at: a version, a file, or those that count. */
export interface CandidateOptions {
  readonly number?: string
  readonly file?: string
}

export interface Candidate {
  readonly version?: string
  readonly source?: string
}

export function withCandidate(command: Command): Command {
  return command
    .option('--number <number>', 'a version on record; the one that counts when absent')
    .option('--file <file>', 'policies in Cedar that are on no record')
}

export async function candidateOf({ number, file }: CandidateOptions): Promise<Candidate> {
  if (number !== undefined && file !== undefined) {
    throw new OnboardingError('input-invalid', { field: 'file', rule: 'a version or a file, not both' })
  }
  if (file !== undefined) return { source: await policyFile(file) }
  return number === undefined ? {} : { version: versionNumber(number) }
}

export async function policyFile(path: string): Promise<string> {
  const bytes = await readInputFile(path, policyLimits.bytes)
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  } catch (cause) {
    throw new OnboardingError('file-unreadable', { path, reason: 'not UTF-8' }, { cause })
  }
}

/** Throws OnboardingError `input-invalid`. */
export function versionNumber(text: string): string {
  if (/^[1-9]\d{0,5}$/.test(text)) return text
  throw new OnboardingError('input-invalid', { field: 'version', rule: `a number, or ${profileNames.join(' or ')}` })
}
