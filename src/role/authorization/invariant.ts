import type { AdmissionReason, ProvenIdentity } from '../../domain/admission.ts'
import type { Device } from '../../domain/device.ts'
import { birthRefusal, holdRefusal } from '../../domain/device-hold.ts'
import type { ErrorCode } from '../../domain/error.ts'
import { lifeRefusal } from '../../domain/lifecycle-onboarding.ts'
import type { RecallRecord } from '../../domain/recall.ts'
import { mayOnboardHere } from '../../domain/right.ts'

/** What forbids a device whatever the policies of a site say. */
export interface Violation {
  readonly rule: AdmissionReason['rule']
  readonly code: ErrorCode
  readonly note: string
}

/**
 * These are asked before any policy, and no policy is asked when one is broken: two devices under one identity, what people
 * decided, and whose the device is.
 */
export function violated(
  known: Device | undefined,
  facts: {
    /** As it was proven now; absent when the device did not ask. */
    readonly identity?: Pick<ProvenIdentity, 'keyHash' | 'bootstrapping'>
    readonly owners: readonly string[]
    readonly recalls: readonly RecallRecord[]
    /** Where it asked from, and when; absent when it did not ask. */
    readonly heard?: { readonly address: string; readonly at: number }
  },
): Violation | undefined {
  const { identity, owners, recalls } = facts
  const { birthKeyHash, expectedKeyHash, standing, owner = '' } = known ?? {}
  // A bootstrapping key is looked up in the record, and its device with it; a birth certificate says itself whose it is.
  const born = identity?.bootstrapping === undefined ? identity : undefined
  if (identity !== undefined && born === undefined && known?.bootstrappingKey !== identity.keyHash) {
    const note = 'the key is not on record for this device any more'
    return { rule: 'identity-unique', code: 'bootstrapping-key-unknown', note }
  }
  const cloned = (note: string): Violation => ({ rule: 'identity-unique', code: 'device-identity-cloned', note })
  if (born !== undefined && birthKeyHash !== undefined && birthKeyHash !== born.keyHash) {
    return cloned('another key is on record for this serial number')
  }
  if (born !== undefined && expectedKeyHash !== undefined && expectedKeyHash !== born.keyHash) {
    return cloned("the manufacturer's manifest names another key")
  }
  const [recall] = recalls
  if (recall !== undefined) {
    const note = `recalled by the manufacturer (${recall.reason}, recall ${recall.id})`
    return { rule: 'recall', code: 'device-recalled', note }
  }
  if (standing === 'withdrawn') return { rule: 'standing', code: 'device-withdrawn', note: 'withdrawn' }
  const held = known === undefined ? undefined : holdRefusal(known)
  if (held !== undefined) return { rule: 'standing', code: held, note: `held: ${known?.hold?.kind}` }
  const { heard } = facts
  const byBirth = identity?.bootstrapping === undefined
  const copied = byBirth && known && heard ? birthRefusal(known, heard.address, heard.at) : undefined
  if (copied !== undefined) return { rule: 'identity-unique', code: copied, note: 'a copy of this identity is about' }
  if (standing === 'denied') return { rule: 'standing', code: 'device-denied', note: 'denied by a person' }
  const over = known === undefined ? undefined : lifeRefusal(known)
  if (over !== undefined) return { rule: 'lifecycle', code: over, note: `the device is in ${known?.lifecycle}` }
  if (known !== undefined && !mayOnboardHere(known, owners)) {
    return { rule: 'ownership', code: 'owner-mismatch', note: `declaration names ${owner}` }
  }
  return undefined
}
