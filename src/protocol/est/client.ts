import { decodeEstBase64, encodeBase64 } from '../../codec/base64.ts'
import { type CsrAttrs, decodeCsrAttrs } from '../../codec/csrattrs.ts'
import { type Certificate, decodeCertificate } from '../../codec/x509/certificate.ts'
import { type ErrorCode, type ErrorDetail, OnboardingError } from '../../domain/error.ts'
import { coded, type FailureCodes } from '../../domain/failure.ts'
import { type HttpReply, type HttpRequest, mediaType, retryAfter } from '../http.ts'
import { type CsrDefaults, type CsrPlan, planCsr } from './csr-plan.ts'
import { acceptDomain, acceptIssued, type DomainCertificates, decodeCertificates, domainOf } from './issued.ts'

/**
 * The client of EST (RFC 7030, as RFC 8951 and RFC 9908 correct it), from CA certificates to the client's own. It runs on
 * a connection whose server is already authenticated: in BRSKI by the pin of the voucher (RFC 8995 section 5.9).
 */
export interface EstProfile {
  /** simplereenroll goes over a connection that was opened with the certificate to be renewed. */
  readonly operation: 'simpleenroll' | 'simplereenroll'
  /** Additional path segment of RFC 7030 section 3.2.2. */
  readonly label?: string
  readonly defaults: CsrDefaults
  readonly clockTrusted: boolean
  /** What the authenticated server sent in TLS, its end-entity certificate first. */
  readonly serverChain: readonly Certificate[]
}

/** What must survive a power loss, so that the same request is sent again (RFC 7030 section 4.2.3). All DER. */
export interface Enrolment {
  readonly csr: Uint8Array
  /** SubjectPublicKeyInfo. */
  readonly spki: Uint8Array
  /** Of the domain: anchors first, then intermediates. */
  readonly anchors: readonly Uint8Array[]
  readonly intermediates: readonly Uint8Array[]
}

/** CA certificates were asked for. */
export interface Unanchored {
  readonly type: 'unanchored'
  readonly profile: EstProfile
}
/** CSR attributes were asked for. */
export interface Anchored {
  readonly type: 'anchored'
  readonly profile: EstProfile
  readonly domain: DomainCertificates
}
/** Key and CSR are being made. */
export interface Planned {
  readonly type: 'planned'
  readonly profile: EstProfile
  readonly domain: DomainCertificates
}
/** The request is being written to memory, before anybody hears of it. */
export interface Prepared {
  readonly type: 'prepared'
  readonly profile: EstProfile
  readonly domain: DomainCertificates
  readonly enrolment: Enrolment
}
/** The request was sent. */
export interface Submitted {
  readonly type: 'submitted'
  readonly profile: EstProfile
  readonly domain: DomainCertificates
  readonly enrolment: Enrolment
}
/** 202: the same request is to be sent again with `resume`, not before `waitMs` have passed. */
export interface Waiting {
  readonly type: 'waiting'
  readonly enrolment: Enrolment
  readonly waitMs: number
}
export interface Enrolled {
  readonly type: 'enrolled'
  readonly certificate: Certificate
  readonly chain: readonly Certificate[]
  readonly domain: DomainCertificates
}
export interface Rejected {
  readonly type: 'rejected'
  readonly code: ErrorCode
  readonly detail: ErrorDetail
  /** The same request may succeed later: `resume`. */
  readonly transient: boolean
  /** What the server asked for, if it did. */
  readonly waitMs?: number
}

export type State = Unanchored | Anchored | Planned | Prepared | Submitted | Waiting | Enrolled | Rejected

/** `at`: milliseconds since 1970. */
export type Input = { readonly at: number } & (
  | { readonly type: 'replied'; readonly reply: HttpReply }
  | { readonly type: 'csr-made'; readonly csr: Uint8Array; readonly spki: Uint8Array }
  | { readonly type: 'persisted' }
)

export type Effect =
  | { readonly type: 'send'; readonly request: HttpRequest }
  /** A fresh key, and a request signed with it. */
  | { readonly type: 'make-csr'; readonly plan: CsrPlan }
  | { readonly type: 'persist'; readonly enrolment: Enrolment }

export interface Transition {
  readonly state: State
  readonly effects: readonly Effect[]
}

const answerFailure: FailureCodes = {
  malformed: 'registrar-answer-invalid',
  signature: 'registrar-answer-invalid',
  path: 'certificate-invalid',
}
const maxBodyBytes = 0x4_0000
/** RFC 7030 section 4.2.3 sets no limit; nobody is helped by a client that sleeps for a year. */
const maxWaitMs = 3_600_000
const defaultWaitMs = 60_000

export function begin(profile: EstProfile): Transition {
  return { state: { type: 'unanchored', profile }, effects: [ask(profile, 'cacerts')] }
}

/** After a 202, a lost connection or a power loss: the same request again. */
export function resume(profile: EstProfile, enrolment: Enrolment): Transition {
  return guarded(() => {
    const domain = domainOf(enrolment.anchors.map(decodeCertificate), enrolment.intermediates.map(decodeCertificate))
    return submit(profile, domain, enrolment)
  })
}

/** Inputs that the state does not wait for change nothing. */
export function step(state: State, input: Input): Transition {
  return guarded(() => {
    switch (state.type) {
      case 'unanchored':
        return input.type === 'replied' ? anchor(state, input.reply, input.at) : stay(state)
      case 'anchored':
        return input.type === 'replied' ? plan(state, input.reply, input.at) : stay(state)
      case 'planned':
        return input.type === 'csr-made' ? prepare(state, input) : stay(state)
      case 'prepared':
        return input.type === 'persisted' ? submit(state.profile, state.domain, state.enrolment) : stay(state)
      case 'submitted':
        return input.type === 'replied' ? conclude(state, input.reply, input.at) : stay(state)
      case 'waiting':
      case 'enrolled':
      case 'rejected':
        return stay(state)
    }
  })
}

function guarded(work: () => Transition): Transition {
  try {
    return work()
  } catch (cause) {
    const error = coded(cause, answerFailure)
    if (!(error instanceof OnboardingError)) throw error
    return { state: { type: 'rejected', code: error.code, detail: error.detail, transient: false }, effects: [] }
  }
}

function stay(state: State): Transition {
  return { state, effects: [] }
}

/** RFC 7030 section 4.1.3. */
function anchor({ profile }: Unanchored, reply: HttpReply, at: number): Transition {
  if (reply.status !== 200) return refused(reply, at, 'cacerts')
  const { serverChain, clockTrusted } = profile
  const domain = acceptDomain(certificatesOf(reply), serverChain, { at: new Date(at), clockTrusted })
  return { state: { type: 'anchored', profile, domain }, effects: [ask(profile, 'csrattrs')] }
}

/** RFC 7030 section 4.5.2: none is said by 204, by 404 and by an empty list. */
function plan({ profile, domain }: Anchored, reply: HttpReply, at: number): Transition {
  const none = reply.status === 204 || reply.status === 404
  if (!none && reply.status !== 200) return refused(reply, at, 'csrattrs')
  const attrs = none || reply.body.length === 0 ? undefined : attributesOf(reply)
  const effect: Effect = { type: 'make-csr', plan: planCsr(attrs, profile.defaults) }
  return { state: { type: 'planned', profile, domain }, effects: [effect] }
}

function prepare({ profile, domain }: Planned, made: { csr: Uint8Array; spki: Uint8Array }): Transition {
  const enrolment: Enrolment = {
    csr: made.csr,
    spki: made.spki,
    anchors: domain.anchors.map(({ certificate }) => certificate.der),
    intermediates: domain.intermediates.map(certificate => certificate.der),
  }
  return { state: { type: 'prepared', profile, domain, enrolment }, effects: [{ type: 'persist', enrolment }] }
}

function submit(profile: EstProfile, domain: DomainCertificates, enrolment: Enrolment): Transition {
  const request: HttpRequest = {
    method: 'POST',
    path: pathOf(profile, profile.operation),
    // RFC 8951 section 3.1: one line, and no Content-Transfer-Encoding.
    headers: { 'content-type': 'application/pkcs10', accept: 'application/pkcs7-mime' },
    body: Buffer.from(encodeBase64(enrolment.csr), 'latin1'),
  }
  return { state: { type: 'submitted', profile, domain, enrolment }, effects: [{ type: 'send', request }] }
}

function conclude(state: Submitted, reply: HttpReply, at: number): Transition {
  const { profile, domain, enrolment } = state
  if (reply.status === 202) {
    const waitMs = Math.min(retryAfter(reply, at) ?? defaultWaitMs, maxWaitMs)
    return { state: { type: 'waiting', enrolment, waitMs }, effects: [] }
  }
  if (reply.status !== 200) return refused(reply, at, profile.operation)
  const context = { at: new Date(at), clockTrusted: profile.clockTrusted }
  const issued = acceptIssued(certificatesOf(reply), enrolment.spki, domain, context)
  return { state: { type: 'enrolled', ...issued, domain }, effects: [] }
}

function refused(reply: HttpReply, at: number, operation: string): Transition {
  const { status } = reply
  const transient = status >= 500 || status === 408 || status === 429
  const wait = retryAfter(reply, at)
  const state: Rejected = {
    type: 'rejected',
    // A redirection is not followed: another origin would need a person (RFC 7030 section 3.2.1).
    code: status >= 400 ? 'registrar-refused' : 'registrar-answer-invalid',
    detail: { status, operation },
    transient,
    ...(wait === undefined ? {} : { waitMs: Math.min(wait, maxWaitMs) }),
  }
  return { state, effects: [] }
}

function certificatesOf(reply: HttpReply): Certificate[] {
  requireBody(reply, 'application/pkcs7-mime')
  return decodeCertificates(reply.body)
}

function attributesOf(reply: HttpReply): CsrAttrs {
  requireBody(reply, 'application/csrattrs')
  return decodeCsrAttrs(decodeEstBase64(Buffer.from(reply.body).toString('latin1')))
}

function requireBody(reply: HttpReply, type: string): void {
  if (reply.body.length > maxBodyBytes) throw new OnboardingError('registrar-answer-invalid', { rule: 'too-large' })
  if (mediaType(reply) !== type) {
    throw new OnboardingError('registrar-answer-invalid', { rule: 'media-type', expected: type })
  }
}

function ask(profile: EstProfile, operation: 'cacerts' | 'csrattrs'): Effect {
  return { type: 'send', request: { method: 'GET', path: pathOf(profile, operation), headers: {} } }
}

function pathOf({ label }: EstProfile, operation: string): string {
  return label === undefined ? `/.well-known/est/${operation}` : `/.well-known/est/${label}/${operation}`
}
