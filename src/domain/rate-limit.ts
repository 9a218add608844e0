import { Recent } from '../crypto/recent.ts'
import { OnboardingError } from './error.ts'
import type { Clock } from './port.ts'

/** Keys remembered, at least; the oldest are forgotten, which at worst forgives a requester among thousands. */
const minKeys = 10_000

/** A token bucket for each key. The returned function throws OnboardingError `rate-limited` for one request too many. */
export function createRateLimit({ perMinute, clock }: { readonly perMinute: number; readonly clock: Clock }) {
  const buckets = new Recent<{ tokens: number; at: number }>(minKeys)
  return (key: string): void => {
    const at = clock()
    const seen = buckets.get(key)
    const refilled = seen === undefined ? perMinute : seen.tokens + (Math.max(0, at - seen.at) * perMinute) / 60_000
    const tokens = Math.min(perMinute, refilled)
    buckets.set(key, { tokens: Math.max(0, tokens - 1), at })
    if (tokens < 1) throw new OnboardingError('rate-limited', { perMinute })
  }
}
