import type { CredentialRecord } from '../../domain/credential.ts'
import { OnboardingError } from '../../domain/error.ts'
import type { Tables } from '../../domain/port.ts'
import { isWireless } from './wireless-access.ts'

/**
 * Whether who shows that Connector may have another for it. Asked when it is shown, and again in the moment of the plan and of
 * the signature: what is revoked in between gets nothing. Throws OnboardingError `connector-not-in-force`.
 * @param shown undefined: we have signed it, and it is not on record
 */
export async function requireReturning(
  tables: Pick<Tables, 'credential'>,
  shown: CredentialRecord | undefined,
): Promise<CredentialRecord> {
  const all = shown === undefined ? [] : await tables.credential.find({ device: shown.device }, { limit: 1000 })
  // Of a device whose newest was taken away, an older one is worth nothing either. What was planned only it never had.
  const newest = all
    .filter(record => isWireless(record) && !['planned', 'superseded'].includes(record.status))
    .reduce((a, b) => (b.notBefore > a.notBefore ? b : a), shown as CredentialRecord)
  if (shown === undefined || !mayComeBack(shown) || !mayComeBack(newest)) {
    throw new OnboardingError('connector-not-in-force', { status: shown?.status ?? 'unknown' })
  }
  return shown
}

/** One that ran out, or that a newer one was to replace, still says who its holder is; one that was taken away does not. */
function mayComeBack({ status, revocationReason }: CredentialRecord): boolean {
  return status === 'issued' || (status === 'revoked' && revocationReason === 'superseded')
}
