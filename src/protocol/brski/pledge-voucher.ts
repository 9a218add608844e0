import { CodecError } from '../../codec/error.ts'
import { type Certificate, decodeCertificate } from '../../codec/x509/certificate.ts'
import { OnboardingError } from '../../domain/error.ts'
import { coded, withCodes } from '../../domain/failure.ts'
import { type HttpReply, type HttpRequest, mediaType, retryAfter } from '../http.ts'
import { openVoucherArtifact } from './artifact.ts'
import { brskiPath, formatOf, mediaTypeOf } from './endpoint.ts'
import { checkVoucher, verifyPinned } from './pledge-check.ts'
import { beginEnrolment, resumeEnrolment } from './pledge-enrolment.ts'
import { type Attempt, withAttempt, withDeclaration } from './pledge-record.ts'
import { replaceTrack } from './pledge-schedule.ts'
import {
  attemptOf,
  demote,
  type Failure,
  lost,
  type Moment,
  park,
  refusal,
  refuse,
  report,
  stay,
} from './pledge-search.ts'
import type {
  Accepted,
  Base,
  Effect,
  Input,
  Pinned,
  PledgeProfile,
  Prepared,
  Provisional,
  Requested,
  Seeking,
  Transition,
  Underway,
} from './pledge-state.ts'
import { encodeTelemetry } from './telemetry.ts'
import type { VoucherRequest } from './voucher.ts'

/** RFC 8995 section 5.6: so that no registrar keeps a device waiting. */
const maxWaitMs = 60_000
/** Against a server that would have us ask without a pause. */
const minWaitMs = 1_000
const maxVoucherBytes = 0x1_0000
const maxChain = 10
/** It goes into the request and into memory. */
const maxRegistrarBytes = 0x2000
const nonceBytes = 32

const voucherFailure = { malformed: 'voucher-invalid', signature: 'voucher-invalid', path: 'voucher-invalid' } as const

export function seeking(state: Seeking, input: Input): Transition {
  if (input.type === 'connection-failed') return unreachable(state, input)
  return input.type === 'connected' ? meet(state, input.chain, input) : stay(state)
}

function unreachable({ base, candidate }: Seeking, moment: Moment): Transition {
  return refuse(base, candidate, { code: 'registrar-unreachable', keep: true }, moment)
}

/** RFC 8995 section 5.1: any certificate is good enough to ask, none is good enough to be trusted. */
function meet(state: Seeking, sent: readonly Uint8Array[], moment: Moment): Transition {
  const { base, candidate, origin } = state
  const chain = readChain(sent)
  const registrar = chain?.[0]
  if (chain === undefined || registrar === undefined || registrar.der.length > maxRegistrarBytes) {
    const failure: Failure = { code: 'registrar-answer-invalid', detail: { rule: 'certificate' }, keep: true }
    return refuse(base, candidate, failure, moment)
  }
  const heard = report({ type: 'climbed', rung: 'heard', candidate })
  const attempt = attemptOf(base, candidate)
  // Section 5: a connection that is opened again has to show the same certificate. A request for another is a new request.
  if (attempt !== undefined && equal(attempt.registrar, registrar.der)) {
    const going = again({ base, candidate, origin, chain, attempt }, moment)
    return { state: going.state, effects: [heard, ...going.effects] }
  }
  const nonce = Uint8Array.from(moment.random.subarray(0, nonceBytes))
  const value = requestValue(base.profile, nonce, registrar.der, moment.at)
  return {
    state: { type: 'provisional', base, candidate, origin, chain, nonce, startedAt: moment.at },
    effects: [heard, { type: 'sign-request', value }],
  }
}

function readChain(chain: readonly Uint8Array[]): Certificate[] | undefined {
  try {
    return chain.slice(0, maxChain).map(decodeCertificate)
  } catch (error) {
    if (error instanceof CodecError) return undefined
    throw error
  }
}

/** RFC 8995 section 5.2. */
function requestValue(profile: PledgeProfile, nonce: Uint8Array, registrar: Uint8Array, at: number): VoucherRequest {
  return {
    assertion: 'proximity',
    'serial-number': profile.serialNumber,
    nonce,
    'proximity-registrar-cert': registrar,
    ...(profile.clockTrusted ? { 'created-on': new Date(at) } : {}),
  }
}

/** The same registrar as before: the same request, or what follows on the voucher that it answered with. */
function again(underway: Underway & { readonly base: Base }, moment: Moment): Transition {
  const { base, candidate, attempt } = underway
  if (attempt.voucher === undefined) return ask({ ...underway, type: 'prepared' })
  const judged = judge(underway, attempt.voucher, moment.at)
  if ('failure' in judged) return refuse(base, candidate, judged.failure, moment)
  return attempt.enrolment === undefined
    ? announce({ ...underway, type: 'accepted' }, [])
    : resumeEnrolment({ ...underway, type: 'pinned' }, attempt.enrolment, moment)
}

export function provisional(state: Provisional, input: Input): Transition {
  const { base, candidate, origin, chain, nonce, startedAt } = state
  if (input.type === 'key-failed') return refuse(base, candidate, { code: 'device-key-failed' }, input)
  if (input.type !== 'request-signed') return stay(state)
  const registrar = chain[0]!.der
  const attempt: Attempt = { candidate, origin, request: input.request, nonce, registrar, startedAt }
  const record = withAttempt(base.record, attempt)
  return {
    state: { type: 'prepared', base: { ...base, record }, candidate, origin, chain, attempt },
    effects: [{ type: 'persist', record }],
  }
}

export function prepared(state: Prepared, input: Input): Transition {
  if (input.type === 'persist-failed') return storageFailed(state, input)
  return input.type === 'persisted' ? ask(state) : stay(state)
}

function storageFailed({ base, candidate }: Prepared, moment: Moment): Transition {
  return refuse(base, candidate, { code: 'device-storage-failed' }, moment)
}

function ask(state: Prepared, path: string = brskiPath.requestVoucher, redirected = false): Transition {
  const type = mediaTypeOf(state.base.profile.format)
  const request: HttpRequest = {
    method: 'POST',
    path,
    headers: { 'content-type': type, accept: type },
    body: state.attempt.request,
  }
  return { state: { ...state, type: 'requested', redirected }, effects: [{ type: 'send', request }] }
}

export function requested(state: Requested, input: Input): Transition {
  const { base, candidate } = state
  if (input.type === 'connection-lost') return refuse(base, candidate, lost(input), input)
  if (input.type !== 'replied') return stay(state)
  const { reply } = input
  if (reply.status === 200) return receive(state, reply, input)
  if (reply.status === 202) {
    const wait = retryAfter(reply, input.at) ?? maxWaitMs
    return park(base, candidate, Math.min(Math.max(wait, minWaitMs), maxWaitMs), input)
  }
  if (reply.status >= 300 && reply.status < 400) return redirect(state, reply, input)
  return refuse(base, candidate, refusedBy(reply, input.at), input)
}

function refusedBy(reply: HttpReply, at: number): Failure {
  const { status } = reply
  if (status < 400) return { code: 'registrar-answer-invalid', detail: { rule: 'status', status } }
  const waitMs = retryAfter(reply, at)
  return {
    code: 'registrar-refused',
    detail: { status, reason: shownText(reply.body) },
    // Overload and outage say nothing about the request; anything else does.
    keep: status >= 500,
    ...(waitMs === undefined ? {} : { waitMs }),
  }
}

/** What a stranger wrote, fit for a log. */
function shownText(body: Uint8Array): string {
  return Buffer.from(body.subarray(0, 200))
    .toString('latin1')
    .replace(/[^\x20-\x7e]/g, ' ')
    .trim()
}

/** RFC 8995 section 5.6: at most one hop. Another origin is another registrar, which needs a request of its own. */
function redirect(state: Requested, reply: HttpReply, moment: Moment): Transition {
  const { base, candidate, origin } = state
  const wrong = (rule: string) =>
    refuse(base, candidate, { code: 'registrar-answer-invalid', detail: { rule, status: reply.status } }, moment)
  if (state.redirected || origin !== candidate) return wrong('second-redirect')
  const location = reply.headers['location'] ?? ''
  if (location === '' || location.length > 1000 || !URL.canParse(location, origin)) return wrong('location')
  const target = new URL(location, origin)
  if (target.protocol !== 'https:' || target.username !== '' || target.password !== '') return wrong('location')
  if (target.origin === origin) {
    return ask({ ...state, type: 'prepared' }, `${target.pathname}${target.search}`, true)
  }
  const track = base.tracks.find(known => known.candidate === candidate) ?? { candidate, failures: 0, due: moment.at }
  const record = { ...base.record, attempts: base.record.attempts.filter(({ candidate: name }) => name !== candidate) }
  const moved = { ...base, record, tracks: replaceTrack(base.tracks, { ...track, hop: target.origin }) }
  return {
    state: { type: 'seeking', base: moved, candidate, origin: target.origin },
    effects: [{ type: 'disconnect' }, { type: 'connect', origin: target.origin, credential: 'birth' }],
  }
}

function receive(state: Requested, reply: HttpReply, moment: Moment): Transition {
  const judged = judgeReply(state, reply, moment.at)
  if ('failure' in judged) return decline(state, judged.failure, moment)
  const attempt = { ...state.attempt, voucher: Uint8Array.from(reply.body) }
  const record = withDeclaration(withAttempt(state.base.record, attempt), judged.declarationVersion)
  const { candidate, origin, chain } = state
  const base = { ...state.base, record }
  return {
    state: { type: 'accepted', base, candidate, origin, chain, attempt },
    effects: [...judged.effects, { type: 'persist', record }],
  }
}

type Judgement =
  | { readonly effects: readonly Effect[]; readonly declarationVersion: number | undefined }
  | { readonly failure: Failure }

function judgeReply(state: Requested, reply: HttpReply, at: number): Judgement {
  const { body } = reply
  if (formatOf(mediaType(reply)) !== state.base.profile.format) return invalid('media-type')
  if (body.length > maxVoucherBytes) return invalid('too-large')
  return judge(state, body, at)
}

function invalid(rule: string): Judgement {
  return { failure: { code: 'voucher-invalid', detail: { rule } } }
}

/** RFC 8995 sections 5.6.1 and 5.6.2: the voucher for this request, then the TLS chain for this voucher. */
function judge(state: Underway & { readonly base: Base }, voucher: Uint8Array, at: number): Judgement {
  const { profile, record } = state.base
  const { candidate, attempt, chain } = state
  const { declarationVersion: known } = record
  const quirks = profile.quirks ?? []
  const { clockTrusted, assertions } = profile
  try {
    return withCodes(voucherFailure, () => {
      const artifact = openVoucherArtifact(voucher, { kind: 'voucher', format: profile.format, quirks })
      const accepted = checkVoucher(artifact, {
        anchors: profile.anchors,
        idevid: profile.idevid,
        nonce: attempt.nonce,
        at: new Date(at),
        clockTrusted,
        nonceless: profile.nonceless,
        preferredPin: 'certificate',
        quirks,
        ...(assertions === undefined ? {} : { assertions }),
        ...(known === undefined ? {} : { declarationVersion: known }),
      })
      verifyPinned(chain, accepted, { at: new Date(at), clockTrusted })
      const { quirksUsed } = artifact
      return {
        effects: quirksUsed.length === 0 ? [] : [report({ type: 'tolerated', candidate, quirks: quirksUsed })],
        declarationVersion: accepted.voucher['mooring-ownership:declaration-version'],
      }
    })
  } catch (cause) {
    const error = coded(cause, voucherFailure)
    if (!(error instanceof OnboardingError)) throw error
    return { failure: { code: error.code, detail: error.detail } }
  }
}

/** RFC 8995 section 5.7: told that it is refused, and nothing that would help to do better. */
function decline(state: Requested, failure: Failure, moment: Moment): Transition {
  const { candidate } = state
  const base = demote(state.base, candidate, failure, moment)
  return {
    state: { type: 'rejected', base, candidate },
    effects: [refusal(candidate, failure), voucherStatus({ status: false, reason: 'voucher not accepted' })],
  }
}

function voucherStatus(telemetry: { readonly status: boolean; readonly reason?: string }): Effect {
  const headers = { 'content-type': 'application/json' }
  const body = encodeTelemetry(telemetry)
  return { type: 'send', request: { method: 'POST', path: brskiPath.voucherStatus, headers, body } }
}

export function accepted(state: Accepted, input: Input): Transition {
  const { base, candidate } = state
  if (input.type === 'persist-failed') return refuse(base, candidate, { code: 'device-storage-failed' }, input)
  if (input.type !== 'persisted') return stay(state)
  return announce(state, [
    report({ type: 'climbed', rung: 'authenticated', candidate }),
    report({ type: 'climbed', rung: 'authorized', candidate }),
  ])
}

function announce(state: Accepted, first: readonly Effect[]): Transition {
  return { state: { ...state, type: 'pinned' }, effects: [...first, voucherStatus({ status: true })] }
}

/** The answer to telemetry is not looked at (section 5.7). */
export function pinned(state: Pinned, input: Input): Transition {
  const { base, candidate } = state
  if (input.type === 'connection-lost') {
    return refuse(base, candidate, { code: 'registrar-unreachable', keep: true }, input)
  }
  return input.type === 'replied' ? beginEnrolment(state, input) : stay(state)
}

function equal(a: Uint8Array, b: Uint8Array): boolean {
  return Buffer.compare(a, b) === 0
}
