import type { Authority } from '../../domain/authority.ts'
import type { ConfirmationRequest } from '../../domain/confirmation.ts'
import { OnboardingError } from '../../domain/error.ts'
import type { Operation } from './contract/operation.ts'
import { api, type OperationName } from './contract.ts'

/** Of which both people need one when this input needs two people; undefined when it needs one. */
export function fourEyesAuthority(
  { fourEyes, authority }: Operation,
  input: unknown,
): readonly Authority[] | undefined {
  if (fourEyes === undefined) return undefined
  return fourEyes === true ? authority : fourEyes(input as Parameters<typeof fourEyes>[0])
}

/** The same for a request that was recorded, maybe by another version of this program. */
export function confirmingAuthority({ operation, input, wish }: ConfirmationRequest): readonly Authority[] {
  if (!Object.hasOwn(api, operation)) throw new OnboardingError('request-void', { rule: 'unknown', operation })
  const known: Operation = api[operation as OperationName]
  // Somebody changed the row: for a wish one person is enough, and what needs two cannot be wished for.
  if (wish === true && known.fourEyes !== undefined) throw new OnboardingError('request-void', { rule: 'altered' })
  return fourEyesAuthority(known, JSON.parse(input)) ?? known.authority
}
