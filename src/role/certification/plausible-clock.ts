import { OnboardingError } from '../../domain/error.ts'

/** Before this there was no Mooring: a clock that shows it was never set, as on a machine without a battery. */
const earliest = Date.UTC(2026, 0, 1)

/**
 * The time itself, when a root can be made at it: one of 1970 would have run out before its first use, and cannot be
 * renewed. Throws OnboardingError `clock-wrong`.
 */
export function plausibleTime(at: number): number {
  if (at >= earliest) return at
  throw new OnboardingError('clock-wrong', { clock: new Date(at).toISOString() })
}
