import { Recent } from '../../crypto/recent.ts'
import { placeOf } from '../../domain/device-hold.ts'
import { OnboardingError } from '../../domain/error.ts'
import type { Clock } from '../../domain/port.ts'
import { createRateLimit } from '../../domain/rate-limit.ts'

/** What is known of those who connect, by the host that they connect from. Nothing of it decides who is let in. */
export interface RelayMemory {
  /** A chirp came from there: it was heard on the air. */
  seen(address: string): void
  /** Devices behind it cannot tell us whether they could connect. */
  isRelay(address: string): boolean
  /** Whether one more refusal from there goes into log and record. */
  mayComplain(address: string): boolean
}

const hour = 3_600_000
/** Refusals of one host that are written down. Whoever stands beside an access point can send through it what they like. */
const perMinute = 12
const hosts = 4096

export function createRelayMemory(clock: Clock): RelayMemory {
  const heard = new Recent<number>(hosts)
  const limit = createRateLimit({ perMinute, clock })
  return {
    seen: address => heard.set(placeOf(address), clock()),
    isRelay(address) {
      const at = heard.get(placeOf(address))
      return at !== undefined && Math.abs(clock() - at) < hour
    },
    mayComplain(address) {
      try {
        limit(placeOf(address))
        return true
      } catch (error) {
        if (error instanceof OnboardingError && error.code === 'rate-limited') return false
        throw error
      }
    },
  }
}
