import type { Certificate } from '../../codec/x509/certificate.ts'
import type { Curve } from '../../crypto/signer.ts'
import type { TrustAnchor } from '../../crypto/trust.ts'
import type { ErrorCode, ErrorDetail } from '../../domain/error.ts'
import type { Rung } from '../../domain/evidence.ts'
import type { State as EstState } from '../est/client.ts'
import type { CsrPlan } from '../est/csr-plan.ts'
import type { HttpReply, HttpRequest } from '../http.ts'
import type { ArtifactFormat } from './artifact.ts'
import type { Attempt, NetworkCredential, PledgeRecord } from './pledge-record.ts'
import type { RetrySchedule, Track } from './pledge-schedule.ts'
import type { Quirk } from './quirk.ts'
import type { Assertion, VoucherRequest } from './voucher.ts'

/** What a pledge is born with, and how its maker wants it to behave. */
export interface PledgeProfile {
  readonly serialNumber: string
  readonly idevid: Certificate
  /** Roots of the manufacturer: who may sign a voucher. */
  readonly anchors: readonly TrustAnchor[]
  readonly format: ArtifactFormat
  /** False: no lifetimes are judged and no created-on is written (RFC 8995 section 2.6.1). */
  readonly clockTrusted: boolean
  /** Absent: every assertion will do. */
  readonly assertions?: readonly Assertion[]
  /** Accept a voucher without nonce (RFC 8995 section 7.2). */
  readonly nonceless: boolean
  /** Of the network key, where the network leaves the choice. */
  readonly curve: Curve
  /** All that the key store can do. */
  readonly curves: readonly Curve[]
  readonly retry: RetrySchedule
  /** Additional EST path segment (RFC 7030 section 3.2.2). */
  readonly estLabel?: string
  /** Where to show oneself with the network credential, if this network has such a place; 404 is no harm. */
  readonly presencePath?: string
  readonly quirks?: readonly Quirk[]
}

/** Common to all states of a device that has power. */
export interface Base {
  readonly profile: PledgeProfile
  /** As it is, or is being, written to memory. */
  readonly record: PledgeRecord
  readonly tracks: readonly Track[]
  /** How often in a row our own network, proven to be it, has not taken the network credential; a power loss forgets them. */
  readonly denials?: number
}

/** A connection that is being opened or is open: whose turn it is, and where that led. */
export interface Course {
  readonly candidate: string
  readonly origin: string
}

/** An attempt whose request is signed, on the connection that the request names. */
export interface Underway extends Course {
  readonly attempt: Attempt
  /** What the registrar sent in TLS, its end-entity certificate first. */
  readonly chain: readonly Certificate[]
}

interface In<Type extends string> {
  readonly type: Type
  readonly base: Base
}

export interface Unpowered {
  readonly type: 'unpowered'
  readonly profile: PledgeProfile
}
/** Nothing to do until a timer or a new candidate. */
export type Unprovisioned = In<'unprovisioned'>
/** As unprovisioned, and a registrar has asked to be asked again (202). */
export type Waiting = In<'waiting'>
export type Seeking = In<'seeking'> & Course
/** TLS is up and nothing is trusted (RFC 8995 section 5.1); the request is being signed. */
export type Provisional = In<'provisional'> &
  Course & { readonly chain: readonly Certificate[]; readonly nonce: Uint8Array; readonly startedAt: number }
/** The signed request is being written to memory. */
export type Prepared = In<'prepared'> & Underway
export type Requested = In<'requested'> & Underway & { readonly redirected: boolean }
/** The voucher passed every check, the TLS chain fits its pin; being written to memory. */
export type Accepted = In<'accepted'> & Underway
/** The registrar is being told (RFC 8995 section 5.7). */
export type Pinned = In<'pinned'> & Underway
export type Enrolling = In<'enrolling'> & Underway & { readonly est: EstState }
/** The network credential passed every check; being written to memory in the place of the attempt. */
export type Issued = In<'issued'> & Underway & { readonly credential: NetworkCredential }
/** The registrar is being told that we do not follow it. */
export type Rejected = In<'rejected'> & { readonly candidate: string }
/** In possession of a credential that has not been shown to work yet. */
export type Enrolled = In<'enrolled'> & { readonly failures: number }
export type Reporting = In<'reporting'> & { readonly failures: number }
/** Being written that the registrar knows. */
export type Confirmed = In<'confirmed'> & { readonly failures: number }
/** The network is being shown the credential. */
export type Presented = In<'presented'> & { readonly failures: number }
/** Resting, until the credential has to be renewed. */
export type Connected = In<'connected'> & { readonly failures: number }
export type Renewing = In<'renewing'> & {
  readonly failures: number
  readonly chain?: readonly Certificate[]
  readonly est?: EstState
}
/** The new credential is being written over the old one, which `base` still has. */
export type Renewed = In<'renewed'> & { readonly failures: number; readonly credential: NetworkCredential }

export type State =
  | Unpowered
  | Unprovisioned
  | Waiting
  | Seeking
  | Provisional
  | Prepared
  | Requested
  | Accepted
  | Pinned
  | Enrolling
  | Issued
  | Rejected
  | Enrolled
  | Reporting
  | Confirmed
  | Presented
  | Connected
  | Renewing
  | Renewed

/** What happened, when (milliseconds since 1970), and 32 fresh random bytes. */
export type Input = {
  readonly at: number
  readonly random: Uint8Array
} /** `record`: as decoded from memory; absent on the first day. */ & (
  | { readonly type: 'power-restored'; readonly record?: PledgeRecord }
  /** All candidates now known, best first. */
  | { readonly type: 'candidates-found'; readonly candidates: readonly string[] }
  /** `chain`: DER, the server's end-entity certificate first; TLS has proven that key. */
  | { readonly type: 'connected'; readonly chain: readonly Uint8Array[] }
  | { readonly type: 'connection-failed' }
  /** `unreadable`: what came was no answer at all, or one beyond all bounds. */
  | { readonly type: 'connection-lost'; readonly unreadable?: boolean }
  | { readonly type: 'request-signed'; readonly request: Uint8Array }
  | { readonly type: 'csr-made'; readonly csr: Uint8Array; readonly spki: Uint8Array }
  /** Of either signing or making a key. */
  | { readonly type: 'key-failed' }
  | { readonly type: 'persisted' }
  | { readonly type: 'persist-failed' }
  | { readonly type: 'replied'; readonly reply: HttpReply }
  | { readonly type: 'timer-fired' }
  | { readonly type: 'renewal-asked' }
)

/**
 * At most one effect of a step is answered by an input: connect, send, sign-request, make-csr, persist and set-timer are;
 * the others are done and forgotten.
 */
export type Effect =
  /** With the birth or the network credential; any server certificate will do, the machine judges it. */
  | { readonly type: 'connect'; readonly origin: string; readonly credential: 'birth' | 'network' }
  | { readonly type: 'send'; readonly request: HttpRequest }
  | { readonly type: 'disconnect' }
  /** With the birth key. */
  | { readonly type: 'sign-request'; readonly value: VoucherRequest }
  | { readonly type: 'make-csr'; readonly keyLabel: string; readonly plan: CsrPlan }
  | { readonly type: 'persist'; readonly record: PledgeRecord }
  /** Network keys that are not among these are of no use any more. */
  | { readonly type: 'keep-keys'; readonly labels: readonly string[] }
  | { readonly type: 'set-timer'; readonly milliseconds: number }
  | { readonly type: 'report'; readonly progress: Progress }

/** What the device can tell a person who watches. */
export type Progress =
  | { readonly type: 'trying'; readonly candidate: string }
  | { readonly type: 'climbed'; readonly rung: Rung; readonly candidate: string }
  /** The registrar asks for patience (202). */
  | { readonly type: 'waiting'; readonly candidate: string; readonly milliseconds: number }
  | { readonly type: 'refused'; readonly candidate: string; readonly code: ErrorCode; readonly detail: ErrorDetail }
  /** Nobody is due before. */
  | { readonly type: 'resting'; readonly milliseconds: number }
  /** Deviations from the standard that were put up with. */
  | { readonly type: 'tolerated'; readonly candidate: string; readonly quirks: readonly string[] }
  | { readonly type: 'renewed'; readonly notAfter: number }
  /** A credential that ran out before it could be renewed. */
  | { readonly type: 'expired' }
  /** The network that gave the credential does not take it any more; the device starts from its birth. */
  | { readonly type: 'disowned'; readonly denials: number }

export interface Transition {
  readonly state: State
  readonly effects: readonly Effect[]
}
