import { CodecError } from '../../codec/error.ts'
import { type Certificate, decodeCertificate } from '../../codec/x509/certificate.ts'
import { extendedKeyUsageOid } from '../../codec/x509/extension.ts'
import { PathError } from '../../crypto/path.ts'
import type { Enrolled as EstEnrolled } from '../est/client.ts'
import type { CsrPlan } from '../est/csr-plan.ts'
import { domainOf, validateInDomain } from '../est/issued.ts'
import type { HttpReply } from '../http.ts'
import { brskiPath } from './endpoint.ts'
import {
  keyLabels,
  type NetworkCredential,
  nextKeyLabel,
  type PledgeRecord,
  withoutCredential,
} from './pledge-record.ts'
import { backoff, fraction } from './pledge-schedule.ts'
import { type Failure, leave, lost, type Moment, refusal, report, stay } from './pledge-search.ts'
import type { Base, Confirmed, Effect, Enrolled, Input, Presented, Reporting, Transition } from './pledge-state.ts'
import { encodeTelemetry } from './telemetry.ts'

/*
 * Life with a network credential: showing that it works, telling the registrar, resting until it has to be renewed.
 */

/** So that a clock which jumps is noticed within a day. */
const maxRestMs = 86_400_000

/** A base whose record has a credential; every function here is called with one. */
export function credentialIn({ record }: Base): NetworkCredential {
  if (record.credential === undefined) throw new TypeError('no network credential in this state')
  return record.credential
}

export function credentialOf(
  { certificate, chain, domain }: EstEnrolled,
  keyLabel: string,
  at: number,
): Omit<NetworkCredential, 'origin' | 'registrar'> {
  return {
    keyLabel,
    certificate: certificate.der,
    chain: chain.map(({ der }) => der),
    anchors: domain.anchors.map(anchor => anchor.certificate.der),
    intermediates: domain.intermediates.map(({ der }) => der),
    obtainedAt: at,
    reported: false,
  }
}

/** A fresh key under the next label, after those of enrolments that came to nothing are gone. */
export function keyEffects(record: PledgeRecord, plan: CsrPlan): Effect[] {
  return [
    { type: 'keep-keys', labels: keyLabels(record) },
    { type: 'make-csr', keyLabel: nextKeyLabel(record), plan },
  ]
}

export function connectEffect(base: Base): Effect {
  return { type: 'connect', origin: credentialIn(base).origin, credential: 'network' }
}

/** Opens a new connection with the network credential (RFC 8995 section 5.9.4). */
export function enter(base: Base, failures = 0): Transition {
  return { state: { type: 'enrolled', base, failures }, effects: [connectEffect(base)] }
}

export function enrolled(state: Enrolled, input: Input): Transition {
  const { base } = state
  if (input.type === 'timer-fired') return { state, effects: [connectEffect(base)] }
  if (input.type === 'connection-failed') return retry(state, { code: 'registrar-unreachable' }, input)
  if (input.type !== 'connected') return stay(state)
  if (authenticate(base, input.chain, input.at) === undefined) {
    return retry(state, { code: 'network-not-authorized' }, input)
  }
  if (credentialIn(base).reported) return present(state, input)
  return { state: { ...state, type: 'reporting' }, effects: [enrollStatus({ status: true })] }
}

/**
 * The server on the other end belongs to the domain that enrolled us, and is the registrar of that day or says that it is
 * one (RFC 7030 section 3.6.1). Its chain, or undefined.
 */
export function authenticate(base: Base, sent: readonly Uint8Array[], at: number): Certificate[] | undefined {
  return isServerOfDomain(credentialIn(base), sent, { at, clockTrusted: base.profile.clockTrusted })
}

/** The same for whoever has the credential and no machine. */
export function isServerOfDomain(
  { anchors, intermediates, registrar }: Pick<NetworkCredential, 'anchors' | 'intermediates' | 'registrar'>,
  sent: readonly Uint8Array[],
  { at, clockTrusted }: { readonly at: number; readonly clockTrusted: boolean },
): Certificate[] | undefined {
  try {
    const chain = sent.slice(0, 10).map(decodeCertificate)
    const [server] = chain
    if (server === undefined) return undefined
    const domain = domainOf(anchors.map(decodeCertificate), intermediates.map(decodeCertificate))
    const same = Buffer.compare(server.der, registrar) === 0
    const context = { at: new Date(at), clockTrusted }
    validateInDomain(chain, domain, context, same ? undefined : [extendedKeyUsageOid.cmcRA])
    return chain
  } catch (error) {
    if (error instanceof CodecError || error instanceof PathError) return undefined
    throw error
  }
}

/**
 * Tries again later. A credential that has run out meanwhile is given up, and so is one that its own network has often
 * refused: it was revoked, or ran out by another clock than ours. The device then starts from its birth.
 */
function retry(state: Enrolled | Reporting | Presented, failure: Failure, moment: Moment): Transition {
  const base = withDenial(state.base, failure)
  const failures = state.failures + 1
  const first = refusal(credentialIn(base).origin, failure)
  if (hasExpired(base, moment.at)) return startOver(base, moment, [first])
  if (base !== state.base && isDisowned(base)) return disown(base, moment, [first])
  const milliseconds = backoff(base.profile.retry, failures, moment.random)
  return {
    state: { type: 'enrolled', base, failures },
    effects: [
      first,
      { type: 'disconnect' },
      report({ type: 'resting', milliseconds }),
      { type: 'set-timer', milliseconds },
    ],
  }
}

/** With the backoff between them these take minutes: nobody's passing mistake makes a device give up its credential. */
const maxDenials = 8

/**
 * Counts a refusal of the credential itself. Only a server that has passed `authenticate` gets a request, so whoever
 * answers belongs to the network that gave the credential; strangers at its address can refuse for ever.
 */
export function withDenial(base: Base, { code, detail }: Failure): Base {
  const status = detail?.['status']
  const denied = code === 'registrar-refused' && (status === 401 || status === 403)
  return denied ? { ...base, denials: (base.denials ?? 0) + 1 } : base
}

export function isDisowned({ denials = 0 }: Base): boolean {
  return denials >= maxDenials
}

function disown(base: Base, moment: Moment, first: readonly Effect[]): Transition {
  return backToBirth(base, moment, [...first, report({ type: 'disowned', denials: base.denials ?? 0 })])
}

function withoutDenials(base: Base): Base {
  const { denials: _, ...rest } = base
  return rest
}

export function hasExpired(base: Base, at: number): boolean {
  if (!base.profile.clockTrusted) return false
  return at > decodeCertificate(credentialIn(base).certificate).validity.notAfter.getTime()
}

export function startOver(base: Base, moment: Moment, first: readonly Effect[]): Transition {
  return backToBirth(base, moment, [...first, report({ type: 'expired' })])
}

function backToBirth(base: Base, { at }: Moment, first: readonly Effect[]): Transition {
  const { origin } = credentialIn(base)
  const tracks = base.tracks.length > 0 ? base.tracks : [{ candidate: origin, failures: 0, due: at }]
  return leave({ ...withoutDenials(base), record: withoutCredential(base.record), tracks }, at, first)
}

export function enrollStatus(telemetry: { readonly status: boolean; readonly reason?: string }): Effect {
  const headers = { 'content-type': 'application/json' }
  const body = encodeTelemetry(telemetry)
  return { type: 'send', request: { method: 'POST', path: brskiPath.enrollStatus, headers, body } }
}

export function reporting(state: Reporting, input: Input): Transition {
  const { base, failures } = state
  if (input.type === 'connection-lost') return retry(state, lost(input), input)
  if (input.type !== 'replied') return stay(state)
  const refused = unwelcome(input.reply, 'enrollstatus')
  if (refused !== undefined) return retry(state, refused, input)
  const record = { ...base.record, credential: { ...credentialIn(base), reported: true } }
  return { state: { type: 'confirmed', base: { ...base, record }, failures }, effects: [{ type: 'persist', record }] }
}

/** Not known, or not now. Any other answer, 404 first of all, is that of a network which does not ask for this. */
function unwelcome({ status }: HttpReply, operation: string): Failure | undefined {
  const refused = status >= 500 || status === 401 || status === 403
  return refused ? { code: 'registrar-refused', detail: { status, operation } } : undefined
}

/** When it could not be written, the registrar hears it again after the next power loss. */
export function confirmed(state: Confirmed, input: Input): Transition {
  return input.type === 'persisted' || input.type === 'persist-failed' ? present(state, input) : stay(state)
}

function present({ base, failures }: Enrolled | Confirmed, moment: Moment): Transition {
  const { presencePath: path } = base.profile
  if (path === undefined) return isDisowned(base) ? disown(base, moment, []) : settle(base, moment)
  return {
    state: { type: 'presented', base, failures },
    effects: [{ type: 'send', request: { method: 'GET', path, headers: {} } }],
  }
}

export function presented(state: Presented, input: Input): Transition {
  if (input.type === 'connection-lost') return retry(state, lost(input), input)
  if (input.type !== 'replied') return stay(state)
  const { base, failures } = state
  const refused = unwelcome(input.reply, 'presence')
  if (refused !== undefined) return retry(state, refused, input)
  if (!isDisowned(base)) return settle(base, input)
  // It came to ask, because its renewals are refused: a yes, and not the silence of a network without such a place.
  const { status } = input.reply
  if (status < 200 || status > 299) return disown(base, input, [])
  return settle(base, input, failures + 1, base.profile.retry.maxMs)
}

function settle(base: Base, moment: Moment, failures = 0, waitMs?: number): Transition {
  const candidate = credentialIn(base).origin
  const { state, effects } = rest(withoutDenials(base), failures, moment.at, waitMs)
  const climbed = report({ type: 'climbed', rung: 'connected', candidate })
  return { state, effects: [climbed, { type: 'disconnect' }, ...effects] }
}

export function rest(base: Base, failures: number, at: number, waitMs?: number): Transition {
  const wait = waitMs ?? Math.max(0, renewalDue(base) - at)
  return {
    state: { type: 'connected', base, failures },
    effects: [{ type: 'set-timer', milliseconds: Math.min(wait, maxRestMs) }],
  }
}

/**
 * Between six and seven tenths of the lifetime, by chance that the certificate itself carries, so that devices enrolled
 * together do not all come back together and each keeps to its own moment.
 */
export function renewalDue(base: Base): number {
  const { certificate: der, obtainedAt } = credentialIn(base)
  const { validity, signature } = decodeCertificate(der)
  const from = base.profile.clockTrusted ? validity.notBefore.getTime() : obtainedAt
  const lifetime = validity.notAfter.getTime() - validity.notBefore.getTime()
  return Math.round(from + lifetime * (0.6 + 0.1 * fraction(signature.subarray(-4))))
}
