import { KeyStoreError } from '../../adapter/key/error.ts'
import { CodecError } from '../../codec/error.ts'
import { OnboardingError, type Problem, problem } from '../../domain/error.ts'
import type { Log } from '../../domain/port.ts'

/** RFC 9457, with the id of the request as `instance`. */
export interface ApiProblem extends Problem {
  readonly instance: string
}

/** What a caller is told of a failure. What it should not know, and we must, goes to the log under the same id. */
export function failureProblem(error: unknown, request: { readonly id: string; readonly log: Log }): ApiProblem {
  const { id, log } = request
  const instance = `urn:mooring:request:${id}`
  const known = knownFailure(error)
  if (known !== undefined) return { ...problem(known), instance }
  log.error({ id, err: error }, 'request failed')
  return { ...problem(new OnboardingError('internal', { id })), instance }
}

/** The failure as a caller may know it; undefined for a fault of ours. */
export function knownFailure(error: unknown): OnboardingError | undefined {
  // Its detail speaks of our insides.
  if (error instanceof OnboardingError) return error.code === 'internal' ? undefined : error
  if (error instanceof KeyStoreError) return new OnboardingError('key-store-failed', { rule: error.code })
  if (error instanceof CodecError) {
    return new OnboardingError('request-malformed', { rule: error.code, reason: error.message }, { cause: error })
  }
  return undefined
}
