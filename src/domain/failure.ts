import { CodecError } from '../codec/error.ts'
import { CryptoError } from '../crypto/error.ts'
import { PathError } from '../crypto/path.ts'
import { type ErrorCode, OnboardingError } from './error.ts'

export interface FailureCodes {
  /** For bytes that cannot be read. */
  readonly malformed: ErrorCode
  /** For a signature, key or algorithm that is not acceptable. */
  readonly signature: ErrorCode
  /** For a chain that ends in no anchor, or breaks a rule on its way. */
  readonly path: ErrorCode
}

export const requestFailure: FailureCodes = {
  malformed: 'request-malformed',
  signature: 'signature-invalid',
  path: 'idevid-invalid',
}

/**
 * Runs `work` and names what the codec or crypto rooms threw by a code of the catalogue. Other errors pass: they are
 * faults of ours and must not be told to a peer as his.
 */
export function withCodes<T>(codes: FailureCodes, work: () => T): T {
  try {
    return work()
  } catch (error) {
    throw coded(error, codes)
  }
}

/** The OnboardingError for an error of the codec or crypto rooms, or the error itself. */
export function coded(error: unknown, codes: FailureCodes): unknown {
  if (error instanceof CodecError) {
    return new OnboardingError(codes.malformed, { rule: error.code, reason: error.message }, { cause: error })
  }
  if (error instanceof CryptoError) {
    return new OnboardingError(codes.signature, { rule: error.code, reason: error.message }, { cause: error })
  }
  if (error instanceof PathError) {
    return new OnboardingError(codes.path, { rule: error.code, subject: error.subject }, { cause: error })
  }
  return error
}
