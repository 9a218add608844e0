import type { Device } from '../../domain/device.ts'
import type { LifecycleFacts } from '../../domain/lifecycle.ts'
import { isOwnedHere, mayOnboardHere } from '../../domain/right.ts'

/** What the record is read against. */
export interface Ground {
  /** Ids of the owners on whose behalf this site keeps devices. */
  readonly owners: readonly string[]
  /** The device has a network credential that is issued and in its lifetime. */
  readonly credentialInForce: boolean
  readonly at: number
}

/**
 * What the record of a device proves, one way or the other. What is not among it nobody here can see, and somebody has to
 * say it.
 */
export function provenFacts(device: Device, { owners, credentialInForce, at }: Ground): LifecycleFacts {
  const { standing, lifecycle, entered } = device
  return {
    registered: standing === 'expected' || standing === 'approved',
    networkCredentialValid: credentialInForce,
    onboardedBeforeInstallation: entered?.transition === 'T13' && credentialInForce,
    ...ownership(device, owners),
    ...birth(device, at),
    ...(device.broken ? { functional: false, repairable: false } : {}),
    ...(device.wiped === undefined ? {} : { wiped: true, sensitiveDataRemoved: true }),
    // Who still has a way into a network was not wiped, whatever people believe.
    ...(credentialInForce ? { wiped: false, integratorCredentialsRemoved: false } : {}),
    ...(lifecycle === 'US.NLO' && wasRefused(device) ? { attemptEnded: true } : {}),
  }
}

/** A declaration names one owner; without one, what people say has to do. */
function ownership(device: Device, owners: readonly string[]): LifecycleFacts {
  const declared = device.owner !== ''
  const decommissioned = device.lifecycle === 'US.DEC'
  const ours = isOwnedHere(device, owners)
  // Whom its owner lets onboard it gets it in the owner's place.
  const here = mayOnboardHere(device, owners)
  const transferred = decommissioned ? device.handOver?.transferred !== undefined || !ours : here
  return {
    networkAuthorized: here,
    declarationSupported: declared,
    ...(declared || (decommissioned && transferred) ? { ownershipTransferred: transferred } : {}),
  }
}

function birth({ birthKeyHash, birthUntil, shelfTimeOver }: Device, at: number): LifecycleFacts {
  if (shelfTimeOver) return { birthCredentialExpired: true }
  if (birthUntil !== undefined) return { birthCredentialExpired: at > birthUntil }
  // Proven, and without an end that the site would heed.
  return birthKeyHash === undefined ? {} : { birthCredentialExpired: false }
}

function wasRefused({ refusal, entered }: Device): boolean {
  return refusal !== undefined && refusal.at >= (entered?.at ?? 0)
}
