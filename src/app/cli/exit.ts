import type { ErrorCode } from '../../domain/error.ts'

/** What the exit code of every command means; stable, for scripts. */
export const exitCode = {
  done: 0,
  /** Refused or failed; the code of the catalogue is printed. */
  failed: 1,
  /** The command line cannot be understood. */
  usage: 2,
  /** What was to be verified is not as it should be: a ledger, a birth certificate. */
  unverified: 3,
  /** No site answers. */
  unreachable: 4,
  /** No valid token, or one whose role does not suffice. */
  notPermitted: 5,
  /** Ended by SIGINT or SIGTERM before it was done. */
  interrupted: 130,
} as const

export function exitCodeOf(code: ErrorCode): number {
  if (code === 'service-unreachable') return exitCode.unreachable
  if (code === 'not-authenticated' || code === 'not-permitted' || code === 'too-many-attempts') {
    return exitCode.notPermitted
  }
  return exitCode.failed
}
