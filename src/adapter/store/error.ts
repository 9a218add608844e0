import { type ErrorDetail, OnboardingError } from '../../domain/error.ts'
import { SqlError } from './sql.ts'

/** What a caller of the store is told. */
export function storeError(error: unknown): unknown {
  if (!(error instanceof SqlError)) return error
  const cause = { cause: error }
  switch (error.kind) {
    case 'unique':
      return new OnboardingError('store-exists', { constraint: error.constraint }, cause)
    case 'conflict':
      return new OnboardingError('store-conflict', {}, cause)
    case 'full':
      return new OnboardingError('store-full', {}, cause)
    case 'lost':
    case 'aborted':
      return new OnboardingError('store-unavailable', { reason: error.message }, cause)
    case 'damaged':
      return new OnboardingError('ledger-altered', { reason: error.message }, cause)
    case 'other':
      return error
  }
}

export function unavailable(reason: string, detail: ErrorDetail = {}): OnboardingError {
  return new OnboardingError('store-unavailable', { reason, ...detail })
}
