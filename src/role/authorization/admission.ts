import type { Admission, AdmissionDecision, AdmissionReason, AdmissionRequest } from '../../domain/admission.ts'
import { scannedManufacturer } from '../../domain/bootstrapping.ts'
import type { CredentialPlan } from '../../domain/credential.ts'
import { type Device, type DeviceEvent, deviceId, evolveDevice } from '../../domain/device.ts'
import { OnboardingError } from '../../domain/error.ts'
import { streamName } from '../../domain/event.ts'
import type { EvidenceItem } from '../../domain/evidence.ts'
import { type DeviceIntent, isMudUrl, type JudgedIntent, judgeIntent } from '../../domain/intent.ts'
import { onboardingMoves } from '../../domain/lifecycle-onboarding.ts'
import { type DeviceTerms, factsHash, type PolicyBasis, type PolicyFacts, termsOf } from '../../domain/policy.ts'
import type { Clock, Store } from '../../domain/port.ts'
import type { RecallRecord } from '../../domain/recall.ts'
import { recallsAmong, recallsInForce } from '../supply-chain/recall-check.ts'
import { deviceFacts, policyNote } from './fact.ts'
import { violated } from './invariant.ts'
import type { LoadedPolicies, PolicyFailure, PolicyPoint } from './policy-point.ts'

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
export function createAdmission(
  store: Store,
  clock: Clock,
  policy: AdmissionPolicy,
  point: Pick<PolicyPoint, 'active' | 'failed'>,
): Admission {
  return {
    admit: request =>
      store.transaction(async tx => {
        const { manufacturer, serial } = request.identity
        const id = deviceId(manufacturer, serial)
        // The device first: of two processes the later one then finds what the other wrote.
        const [known, trusted, inForce, policies] = await Promise.all([
          tx.device.get(id),
          tx.manufacturer.get(manufacturer),
          recallsInForce(tx, manufacturer),
          point.active(tx),
        ])
        // Who identified the device may not have heard yet what was decided at another process.
        // What a person scanned has no manufacturer, and stands under a name that none can have.
        if (trusted === undefined && manufacturer !== scannedManufacturer)
          throw new OnboardingError('idevid-untrusted', { manufacturer })
        const recalls = await recallsAmong(tx, { manufacturer, serial, model: known?.model ?? '' }, inForce)
        const events = proceedings(known, request, clock(), { policy, policies, recalls })
        if (events.list.length === 0) return events.decision
        const device = events.list.reduce<Device | undefined>(evolveDevice, known)
        await tx.append(streamName('device', id), known?.version ?? 0, events.list)
        if (device !== undefined) await tx.device.put(device)
        if (events.failure !== undefined) await point.failed(tx, events.failure)
        return events.decision
      }),
  }
}

/** What is asked when somebody wants to come in. */
export interface AdmissionRules {
  readonly policy: AdmissionPolicy
  readonly policies: LoadedPolicies
  readonly recalls?: readonly RecallRecord[]
}

/** What an admission request does to a device's record. Pure. */
export function proceedings(
  known: Device | undefined,
  request: AdmissionRequest,
  at: number,
  rules: AdmissionRules,
): {
  readonly list: readonly DeviceEvent[]
  readonly decision: AdmissionDecision
  /** To be written down apart, because it concerns more than this device. */
  readonly failure?: PolicyFailure
} {
  const { identity, evidence, network } = request
  const { url: intent, bound } = conveyed(request)
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
  const { decision, basis, terms, failure } = decide(known, request, at, rules)
  // It has yet to prove who it is; then it is asked again, and that is what counts.
  if (evidence.claimed && decision.verdict === 'admit') return { list: [], decision }
  const judged = intent === undefined ? undefined : judgeIntent(intentNow(known, request))
  // Who is not let in asks again and again, with a new request each time if it likes: on record once a minute.
  const repeated = decision.verdict !== 'admit' && known?.refusal?.code === decision.code
  if (repeated && (list.length === 0 || wasHeard(known, at))) return { list: [], decision }
  // A clone must not write its key over the record of the genuine device.
  const cloned = decision.verdict === 'refuse' && decision.code === 'device-identity-cloned'
  // A birth certificate may be made anew for the same key, and name another MUD URL.
  const another = bound && intent !== undefined && intent !== known?.intent?.certificate
  if (identity.bootstrapping !== undefined) list.push(...bootstrappingEvents(request))
  else if (!cloned && (known?.birthKeyHash === undefined || another)) {
    const { certificateHash, keyHash, until } = identity
    const more = {
      ...(bound && intent !== undefined ? { mudUrl: intent } : {}),
      ...(until === undefined ? {} : { until }),
    }
    list.push({ kind: 'identity-proven', body: { certificateHash, keyHash, ...more } })
  }
  if (!cloned && !evidence.claimed && !bound && intent !== undefined && intent !== known?.intent?.request) {
    list.push({ kind: 'intent-stated', body: { mudUrl: intent } })
  }
  list.push({
    kind: 'admission-decided',
    body: {
      verdict: decision.verdict,
      reasons: decision.reasons.map(reason => ({ ...reason })),
      at,
      ...(decision.verdict === 'admit' ? {} : { code: decision.code }),
      ...(basis === undefined ? {} : { basis }),
      ...(terms === undefined ? {} : { terms }),
    },
  })
  if (decision.verdict === 'admit') {
    // Nobody expected it, and a policy lets it in: from now on that stands where a person's word would.
    if (standingOf(known) === 'waiting') list.push({ kind: 'admission-granted', body: { by: grantedBy(basis) } })
    list.push(...onboardingMoves(known, at))
  }
  list.push({
    kind: 'evidence-recorded',
    body: { attempt: evidence.attempt, transcript: evidence.transcript, items: evidenceOf(decision, request, judged) },
  })
  return { list, decision, ...(failure === undefined ? {} : { failure }) }
}

function grantedBy(basis: PolicyBasis | undefined): string {
  return `policy ${basis?.policies.join(', ') ?? ''}`
}

function wasHeard({ lastHeardAt }: Device, at: number): boolean {
  return lastHeardAt !== undefined && Math.abs(at - lastHeardAt) < 60_000
}

/** What the answer rests on, for the record. */
interface Answer {
  readonly decision: AdmissionDecision
  readonly basis?: PolicyBasis
  readonly terms?: DeviceTerms
  readonly failure?: PolicyFailure
}

function decide(
  known: Device | undefined,
  request: AdmissionRequest,
  at: number,
  { policy, policies, recalls = [] }: AdmissionRules,
): Answer {
  const { identity } = request
  const device = deviceId(identity.manufacturer, identity.serial)
  const reasons: AdmissionReason[] = [manufacturerReason(identity)]
  const violation = violated(known, {
    identity,
    owners: policy.owners,
    recalls,
    heard: { address: request.evidence.address, at },
  })
  if (violation !== undefined) {
    const { rule, code, note } = violation
    return { decision: { verdict: 'refuse', device, code, reasons: [...reasons, { rule, holds: false, note }] } }
  }
  reasons.push(...knownReasons(known))
  const judged = judgeIntent(intentNow(known, request))
  if (judged.verdict === 'differs') reasons.push({ rule: 'intent', holds: false, note: judged.note })
  const facts = admissionFacts(known, request, at, policy)
  const asked = policies.decide('admit', facts)
  const { version } = policies
  const basis = { version, policies: asked.policies, facts, factsHash: factsHash(facts) }
  reasons.push({ rule: 'policy', holds: asked.verdict === 'permit', note: policyNote(version, asked) })
  if (asked.failure !== undefined) {
    const failure = { ...asked.failure, version, device, question: 'admit', at } as const
    return { decision: { verdict: 'refuse', device, code: 'policy-failed', reasons }, basis, failure }
  }
  if (asked.verdict === 'refuse')
    return { decision: { verdict: 'refuse', device, code: 'policy-refused', reasons }, basis }
  if (asked.verdict === 'wait') {
    const code = standingOf(known) === 'waiting' ? 'device-unexpected' : 'policy-waits'
    const { retryAfterSeconds } = policy
    return { decision: { verdict: 'wait', device, code, retryAfterSeconds, reasons }, basis }
  }
  const terms = termsOf(asked)
  const plan: CredentialPlan = {
    kind: 'network',
    lifetimeDays: terms.lifetimeDays ?? policy.credentialLifetimeDays,
    network: policy.network,
    ...(terms.segment === undefined ? {} : { segment: terms.segment }),
  }
  const hadVoucher = known?.voucher !== undefined
  const asks = policies.set?.asks('admit', 'history') === true ? ({ asksHistory: true } as const) : {}
  return { decision: { verdict: 'admit', device, plan, hadVoucher, reasons, ...asks }, basis, terms }
}

function manufacturerReason({ manufacturer, bootstrapping }: AdmissionRequest['identity']): AdmissionReason {
  const rule = 'manufacturer-trusted'
  if (bootstrapping === undefined) return { rule, holds: true, note: `birth certificate chains to ${manufacturer}` }
  const { source } = bootstrapping
  if (source.startsWith('manifest/'))
    return { rule, holds: true, note: `bootstrapping key is on a manifest of ${manufacturer}` }
  return { rule, holds: false, note: `bootstrapping key was put on record ${source}` }
}

function knownReasons(known: Device | undefined): AdmissionReason[] {
  const owned: AdmissionReason[] =
    known === undefined || known.owner === ''
      ? []
      : [{ rule: 'ownership', holds: true, note: `declaration names ${known.owner}` }]
  const standing = standingOf(known)
  if (standing === 'waiting')
    return [{ rule: 'device-expected', holds: false, note: 'on no manifest of this site' }, ...owned]
  return standing === 'approved'
    ? [{ rule: 'device-approved', holds: true, note: 'approved by a person' }, ...owned]
    : [{ rule: 'device-expected', holds: true, note: 'on a manifest of this site' }, ...owned]
}

function standingOf(known: Device | undefined): Device['standing'] {
  return known?.standing ?? 'waiting'
}

/** What is no MUD URL is no intent, and does not get into the record. */
function conveyed({ intent: url, intentFrom }: AdmissionRequest) {
  return { url: url !== undefined && isMudUrl(url) ? url : undefined, bound: intentFrom === 'certificate' }
}

/** What is on record, and what the device says now. */
function intentNow(known: Device | undefined, request: AdmissionRequest): DeviceIntent {
  const { url, bound } = conveyed(request)
  return { ...known?.intent, ...(url === undefined ? {} : bound ? { certificate: url } : { request: url }) }
}

function admissionFacts(
  known: Device | undefined,
  request: AdmissionRequest,
  at: number,
  policy: AdmissionPolicy,
): PolicyFacts {
  const { identity, network } = request
  const { manufacturer, serial } = identity
  const unheard = {
    id: deviceId(manufacturer, serial),
    manufacturer,
    serial,
    model: '',
    standing: 'waiting',
    owner: '',
    lifecycle: 'SC.SHL',
  } as const
  const { protocol } = network
  return deviceFacts(
    { ...(known ?? unheard), intent: intentNow(known, request) },
    { network: policy.network, site: policy.owners[0] ?? '', protocol, at },
  )
}

function evidenceOf(
  decision: AdmissionDecision,
  { identity, evidence }: AdmissionRequest,
  intent: JudgedIntent | undefined,
): EvidenceItem[] {
  const items: EvidenceItem[] = [
    { step: 'onboarding-mode-entered', result: 'pass', note: 'sent an onboarding message' },
    ...(evidence.claimed ? [] : authenticationEvidence(identity)),
  ]
  const registered: EvidenceItem =
    decision.verdict === 'admit'
      ? { step: 'registered', result: 'pass' }
      : { step: 'registered', result: 'fail', code: decision.code }
  items.push(registered)
  if (intent !== undefined) {
    const { code, note } = intent
    items.push({
      step: 'intent-conveyed',
      ...(code === undefined ? { result: 'pass' } : { result: 'fail', code }),
      note,
    })
  }
  return items
}

function authenticationEvidence({ bootstrapping }: AdmissionRequest['identity']): EvidenceItem[] {
  const step = 'device-authenticated'
  if (bootstrapping === undefined) return [{ step, result: 'pass', note: 'IDevID path and proof of possession' }]
  const { source, mutual } = bootstrapping
  const shown = source.startsWith('manifest/') ? 'by a manifest of its manufacturer' : 'by a person'
  return [
    { step: 'introduced', result: 'pass', note: `bootstrapping key on record ${shown}` },
    { step, result: 'pass', note: 'proof of possession of the bootstrapping key' },
    // One-way, a device goes with whoever knows its key: a photograph of its code is enough.
    mutual
      ? { step: 'network-authenticated', result: 'pass', note: 'the device knows the key of this network' }
      : { step: 'network-authenticated', result: 'implicit', note: 'one-way: the device takes whoever knows its code' },
    { step: 'channel-established', result: 'pass', note: 'key of the authentication, AES-SIV' },
  ]
}

function bootstrappingEvents({ identity, evidence }: AdmissionRequest): DeviceEvent[] {
  const { keyHash: key, bootstrapping } = identity
  if (bootstrapping === undefined || evidence.claimed) return []
  return [{ kind: 'bootstrapping-key-proven', body: { key, mutual: bootstrapping.mutual } }]
}
