import type { ProvenIdentity } from '../../domain/admission.ts'
import type { Device } from '../../domain/device.ts'
import { birthRefusal, holdRefusal } from '../../domain/device-hold.ts'
import { OnboardingError } from '../../domain/error.ts'
import { lifeRefusal } from '../../domain/lifecycle-onboarding.ts'
import { mayOnboardHere } from '../../domain/right.ts'

/** What people decided counts at once, also for a device that still holds a voucher or a credential. */
export function checkStanding(device: Device): void {
  const { id, standing } = device
  const over = lifeRefusal(device)
  if (over !== undefined) throw new OnboardingError(over, { device: id })
  const held = holdRefusal(device)
  if (held !== undefined) throw new OnboardingError(held, { device: id })
  if (standing === 'withdrawn') throw new OnboardingError('device-withdrawn', { device: id })
  if (standing === 'denied') throw new OnboardingError('device-denied', { device: id })
  if (standing === 'waiting') throw new OnboardingError('enroll-before-voucher', { device: id })
}

/** A birth identity of which there is a copy proves nothing, unless a person has said where the genuine device is. */
export function checkBirthPlace(device: Device, address: string, at: number): void {
  const copied = birthRefusal(device, address, at)
  if (copied !== undefined) throw new OnboardingError(copied, { device: device.id })
}

/** A device that may not stay by the policies keeps its credential, and it opens nothing. */
export function checkStay({ id, stay }: Device): void {
  if (stay?.verdict === 'refuse') throw new OnboardingError('policy-refused', { device: id, asked: 'stay' })
}

/** A declaration that came after the voucher may have given the device to somebody else. */
export function checkOwner(device: Device, owners: readonly string[]): void {
  if (!mayOnboardHere(device, owners)) throw new OnboardingError('owner-mismatch', { device: device.id })
}

/** Whoever has another key under the same serial number must not speak for the device, or write its history. */
export function checkBirthKey({ id, birthKeyHash, expectedKeyHash }: Device, { keyHash }: ProvenIdentity): void {
  if ((birthKeyHash ?? expectedKeyHash ?? keyHash) !== keyHash)
    throw new OnboardingError('device-identity-cloned', { device: id })
}
