import type { ErrorCode } from './error.ts'

/** The steps of network-layer onboarding, white paper Table 3-3, in its order; the id is that of the requirement. */
export const evidenceSteps = {
  'onboarding-mode-entered': { id: 'WP-T33.01', title: 'Device in onboarding mode' },
  introduced: { id: 'WP-T33.02', title: 'Trusted introduction of bootstrapping information' },
  registered: { id: 'WP-T33.03', title: 'Device registered with the network' },
  'declaration-sent': { id: 'WP-T33.04', title: 'Declaration sent to the device' },
  'device-authenticated': { id: 'WP-T33.05', title: 'Device authenticated' },
  'network-authenticated': { id: 'WP-T33.06', title: 'Network authenticated' },
  'channel-established': { id: 'WP-T33.07', title: 'Secure channel established' },
  'intent-conveyed': { id: 'WP-T33.08', title: 'Device intent conveyed' },
  'intent-enforced': { id: 'WP-T33.09', title: 'Device intent enforced' },
  'credential-provisioned': { id: 'WP-T33.10', title: 'Network credential provisioned' },
  'application-bootstrapped': { id: 'WP-T33.11', title: 'Application-layer information provisioned' },
} as const satisfies Record<string, { readonly id: `WP-T33.${string}`; readonly title: string }>

export type EvidenceStep = keyof typeof evidenceSteps

/**
 * `implicit`: nothing showed it, and what came after rests on it all the same. `simulated`: it ran, but on something that
 * stands in for the real thing, and says so.
 */
export type EvidenceResult = 'pass' | 'fail' | 'implicit' | 'simulated' | 'not-applicable'

export type EvidenceItem = {
  readonly step: EvidenceStep
  readonly result: EvidenceResult
  /** Reason code; always present with `fail`. */
  readonly code?: ErrorCode
  /** Why, or by what means, in a few words. */
  readonly note?: string
}

/** The ladder that a person sees climb; each rung rests on evidence steps. */
export const rungs = ['expected', 'heard', 'authenticated', 'authorized', 'credentialed', 'connected'] as const

export type Rung = (typeof rungs)[number]

/** `a` or `b`, whichever is higher on the ladder. */
export function higherRung(a: Rung, b: Rung): Rung {
  return rungs.indexOf(a) >= rungs.indexOf(b) ? a : b
}

/** `a` or `b`, whichever is lower on the ladder. */
export function lowerRung(a: Rung, b: Rung): Rung {
  return higherRung(a, b) === a ? b : a
}

/** `to` if it is the next rung above `from`; otherwise `from`, because a rung rests on the one beneath it. */
export function climbedRung(from: Rung, to: Rung): Rung {
  return rungs.indexOf(to) === rungs.indexOf(from) + 1 ? to : from
}
