import type { Admission, AdmissionDecision, AdmissionReason, AdmissionRequest } from '../../domain/admission.ts'
import { type Device, type DeviceEvent, deviceId, evolveDevice } from '../../domain/device.ts'
import { type ErrorCode, OnboardingError } from '../../domain/error.ts'
import { streamName } from '../../domain/event.ts'
import type { EvidenceItem } from '../../domain/evidence.ts'
import { lifeRefusal, onboardingMoves } from '../../domain/lifecycle-onboarding.ts'
import type { Clock, Store } from '../../domain/port.ts'
import type { RecallRecord } from '../../domain/recall.ts'
import { recallsOf } from '../supply-chain/recall-check.ts'

export interface AdmissionPolicy {
  /** Identifier of the network that devices join. */
  readonly network: string
  /** Ids of the owners on whose behalf this site onboards; a device whose declaration names another is refused. */
  readonly owners: readonly string[]
  readonly credentialLifetimeDays: number
  /** For how long a credential that ran out may still be renewed in place; 0 when absent: the device onboards again. */
  readonly renewalGraceDays?: number
  /** How long a waiting device is told to stay away, seconds. RFC 8995 section 5.6 caps the pledge's wait at 60. */
  readonly retryAfterSeconds: number
}

/**
 * Answers the one question of onboarding from the record of the device and the site's policy, and writes who asked, what
 * was proven and what was decided in the same transaction. A device that nobody has heard of gets a record and waits.
 * Throws OnboardingError `idevid-untrusted` for one whose manufacturer is not trusted any more.
 */
export function createAdmission(store: Store, clock: Clock, policy: AdmissionPolicy): Admission {
  return {
    admit: request =>
      store.transaction(async tx => {
        const { manufacturer, serial } = request.identity
        const id = deviceId(manufacturer, serial)
        const [known, trusted] = await Promise.all([tx.device.get(id), tx.manufacturer.get(manufacturer)])
        // Who identified the device may not have heard yet what was decided at another process.
        if (trusted === undefined) throw new OnboardingError('idevid-untrusted', { manufacturer })
        // After the device: of two processes the later one then finds what the other wrote.
        const recalls = await recallsOf(tx, { manufacturer, serial, model: known?.model ?? '' })
        const events = proceedings(known, request, clock(), policy, recalls)
        if (events.list.length === 0) return events.decision
        const device = events.list.reduce<Device | undefined>(evolveDevice, known)
        await tx.append(streamName('device', id), known?.version ?? 0, events.list)
        if (device !== undefined) await tx.device.put(device)
        return events.decision
      }),
  }
}

/** What an admission request does to a device's record. Pure. */
export function proceedings(
  known: Device | undefined,
  request: AdmissionRequest,
  at: number,
  policy: AdmissionPolicy,
  recalls: readonly RecallRecord[] = [],
): { readonly list: readonly DeviceEvent[]; readonly decision: AdmissionDecision } {
  const { identity, evidence, network, intent } = request
  const list: DeviceEvent[] = []
  if (known?.attempt?.id !== evidence.attempt) {
    list.push({
      kind: 'device-heard',
      body: {
        manufacturer: identity.manufacturer,
        serial: identity.serial,
        attempt: evidence.attempt,
        protocol: network.protocol,
        address: evidence.address,
        at,
      },
    })
  }
  const decision = decide(known, request, policy, recalls)
  // Who is not let in asks again and again, with a new request each time if it likes: on record once a minute.
  const repeated = decision.verdict !== 'admit' && known?.refusal?.code === decision.code
  if (repeated && (list.length === 0 || wasHeard(known, at))) return { list: [], decision }
  // A clone must not write its key over the record of the genuine device.
  const cloned = decision.verdict === 'refuse' && decision.code === 'device-identity-cloned'
  if (!cloned && known?.birthKeyHash === undefined) {
    const { certificateHash, keyHash, until } = identity
    const more = { ...(intent === undefined ? {} : { mudUrl: intent }), ...(until === undefined ? {} : { until }) }
    list.push({ kind: 'identity-proven', body: { certificateHash, keyHash, ...more } })
  }
  list.push({
    kind: 'admission-decided',
    body: {
      verdict: decision.verdict,
      reasons: decision.reasons.map(reason => ({ ...reason })),
      at,
      ...(decision.verdict === 'admit' ? {} : { code: decision.code }),
    },
  })
  if (decision.verdict === 'admit') list.push(...onboardingMoves(known, at))
  list.push({
    kind: 'evidence-recorded',
    body: { attempt: evidence.attempt, transcript: evidence.transcript, items: evidenceOf(decision, intent) },
  })
  return { list, decision }
}

function wasHeard({ lastHeardAt }: Device, at: number): boolean {
  return lastHeardAt !== undefined && Math.abs(at - lastHeardAt) < 60_000
}

function decide(
  known: Device | undefined,
  request: AdmissionRequest,
  policy: AdmissionPolicy,
  recalls: readonly RecallRecord[],
): AdmissionDecision {
  const { identity } = request
  const device = deviceId(identity.manufacturer, identity.serial)
  const reasons: AdmissionReason[] = [
    { rule: 'manufacturer-trusted', holds: true, note: `birth certificate chains to ${identity.manufacturer}` },
  ]
  const refuse = (rule: AdmissionReason['rule'], code: ErrorCode, note: string): AdmissionDecision => ({
    verdict: 'refuse',
    device,
    code,
    reasons: [...reasons, { rule, holds: false, note }],
  })

  if (known?.birthKeyHash !== undefined && known.birthKeyHash !== identity.keyHash) {
    return refuse('identity-unique', 'device-identity-cloned', 'another key is on record for this serial number')
  }
  if (known?.expectedKeyHash !== undefined && known.expectedKeyHash !== identity.keyHash) {
    return refuse('identity-unique', 'device-identity-cloned', "the manufacturer's manifest names another key")
  }
  const [recall] = recalls
  if (recall !== undefined) {
    return refuse('recall', 'device-recalled', `recalled by the manufacturer (${recall.reason}, recall ${recall.id})`)
  }
  if (known?.standing === 'withdrawn') return refuse('standing', 'device-withdrawn', 'withdrawn')
  if (known?.standing === 'denied') return refuse('standing', 'device-denied', 'denied by a person')
  const over = known === undefined ? undefined : lifeRefusal(known)
  if (over !== undefined) return refuse('lifecycle', over, `the device is in ${known?.lifecycle}`)
  if (known !== undefined && known.owner !== '' && !policy.owners.includes(known.owner)) {
    return refuse('ownership', 'owner-mismatch', `declaration names ${known.owner}`)
  }
  if (known === undefined || known.standing === 'waiting') {
    return {
      verdict: 'wait',
      device,
      code: 'device-unexpected',
      retryAfterSeconds: policy.retryAfterSeconds,
      reasons: [...reasons, { rule: 'device-expected', holds: false, note: 'on no manifest of this site' }],
    }
  }
  reasons.push(
    known.standing === 'approved'
      ? { rule: 'device-approved', holds: true, note: 'approved by a person' }
      : { rule: 'device-expected', holds: true, note: 'on a manifest of this site' },
  )
  if (known.owner !== '') reasons.push({ rule: 'ownership', holds: true, note: `declaration names ${known.owner}` })
  return {
    verdict: 'admit',
    device,
    plan: { kind: 'network', lifetimeDays: policy.credentialLifetimeDays, network: policy.network },
    reasons,
  }
}

function evidenceOf(decision: AdmissionDecision, intent: string | undefined): EvidenceItem[] {
  const items: EvidenceItem[] = [
    { step: 'onboarding-mode-entered', result: 'pass', note: 'sent an onboarding message' },
    { step: 'device-authenticated', result: 'pass', note: 'IDevID path and proof of possession' },
  ]
  const registered: EvidenceItem =
    decision.verdict === 'admit'
      ? { step: 'registered', result: 'pass' }
      : { step: 'registered', result: 'fail', code: decision.code }
  items.push(registered)
  if (intent !== undefined)
    items.push({ step: 'intent-conveyed', result: 'pass', note: 'MUD URL in the birth certificate' })
  return items
}
