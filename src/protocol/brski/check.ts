import type { Certificate } from '../../codec/x509/certificate.ts'
import type { TrustAnchor } from '../../crypto/trust.ts'
import type { OpenedArtifact } from './artifact.ts'
import type { Quirk } from './quirk.ts'
import type { Assertion, Voucher, VoucherRequest } from './voucher.ts'

export interface PledgeRequestContext {
  /** End-entity certificate that the pledge proved in TLS. Its path is validated elsewhere. */
  readonly clientCertificate: Certificate
  /** Our own end-entity certificate on this connection, DER. */
  readonly localCertificate: Uint8Array
  readonly quirks?: readonly Quirk[]
}

export interface CheckedPledgeRequest {
  /** From the certificate, never from the request. */
  readonly serialNumber: string
  readonly nonce: Uint8Array
  /** For the registrar's own request: AuthorityKeyIdentifier of the IDevID, or its stand-in. */
  readonly idevidIssuer: Uint8Array
  readonly request: VoucherRequest
}

/**
 * What a registrar checks of a pledge's voucher request. Throws OnboardingError `signer-not-tls-client`,
 * `proximity-mismatch`, `serial-mismatch`, `idevid-serial-missing`, `request-malformed`.
 */
export declare function checkPledgeRequest(
  artifact: OpenedArtifact<'request'>,
  context: PledgeRequestContext,
): CheckedPledgeRequest

export interface RegistrarRequestContext {
  readonly at: Date
  /** Roots of our own devices: the signer of the prior request must chain to one. */
  readonly deviceAnchors: readonly TrustAnchor[]
  readonly quirks?: readonly Quirk[]
}

/** Why a voucher can say no more than `logged`. */
export type LoggedReason =
  | 'no-prior-request'
  | 'no-proximity-assertion'
  | 'no-proximity-certificate'
  | 'proximity-mismatch'

export interface CheckedRegistrarRequest {
  readonly serialNumber: string
  /** Absent: a nonceless voucher is asked for. */
  readonly nonce?: Uint8Array
  readonly idevidIssuer?: Uint8Array
  /** The strongest assertion that the evidence carries. */
  readonly assertion: 'proximity' | 'logged'
  /** Present with `logged`. */
  readonly loggedReason?: LoggedReason
  /** The pledge's own request, verified; its signer chains to one of our device anchors. */
  readonly prior?: OpenedArtifact<'request'>
  /** IDevID that signed the prior request. */
  readonly deviceCertificate?: Certificate
  readonly registrarCertificate: Certificate
  /** Registrar first, up to and with the temporary anchor; the choices for pinned-domain-cert. */
  readonly registrarChain: readonly Certificate[]
  readonly request: VoucherRequest
  /** Of the prior request. */
  readonly quirksUsed: readonly Quirk[]
}

/**
 * What a MASA checks of a registrar's voucher request. Whether the device exists, who owns it, whether the registrar may
 * ask and whether the nonce was seen before is the role's to know.
 */
export declare function checkRegistrarRequest(
  artifact: OpenedArtifact<'request'>,
  context: RegistrarRequestContext,
): CheckedRegistrarRequest

export interface VoucherAnswerContext {
  readonly serialNumber: string
  /** As sent in the registrar's request; absent when it had none. */
  readonly nonce?: Uint8Array
}

/** What a registrar checks of the MASA's answer before it hands it on. Throws OnboardingError `masa-answer-invalid`. */
export declare function checkMasaAnswer(artifact: OpenedArtifact<'voucher'>, context: VoucherAnswerContext): Voucher

export interface VoucherContext {
  /** Roots of the manufacturer, built into the pledge. */
  readonly anchors: readonly TrustAnchor[]
  /** The pledge's own IDevID: serial number and issuer are taken from it. */
  readonly idevid: Certificate
  /** The nonce of the request that this voucher answers; absent when the pledge sent none. */
  readonly nonce?: Uint8Array
  readonly at: Date
  /** False: a device without a clock it may believe; expires-on and certificate lifetimes are not judged. */
  readonly clockTrusted: boolean
  /** Absent: every assertion. */
  readonly assertions?: readonly Assertion[]
  /** May a voucher without nonce be accepted (RFC 8995 section 7.2)? Absent: no. */
  readonly nonceless?: boolean
  readonly quirks?: readonly Quirk[]
}

/** Whom the voucher tells the pledge to trust, most specific first (RFC 8366bis section 6.3). */
export type Pin =
  | { readonly type: 'certificate'; readonly certificate: Certificate }
  | { readonly type: 'public-key'; readonly spki: Uint8Array }
  | { readonly type: 'public-key-sha256'; readonly digest: Uint8Array }

export interface AcceptedVoucher {
  readonly voucher: Voucher
  readonly pin: Pin
}

/** What a pledge checks of a voucher. Throws OnboardingError `voucher-invalid` (detail `rule`) or `voucher-expired`. */
export declare function checkVoucher(artifact: OpenedArtifact<'voucher'>, context: VoucherContext): AcceptedVoucher

export interface PinnedContext {
  readonly at: Date
  /** False: lifetimes are not judged (RFC 8995 section 2.6.1). */
  readonly clockTrusted: boolean
}

/**
 * RFC 8995 section 5.6.2: the provisional TLS connection becomes an authenticated one. Throws OnboardingError
 * `network-not-authorized`.
 * @param tlsChain what the registrar sent in TLS, its end-entity certificate first
 * @returns the registrar's certificate
 */
export declare function verifyPinned(
  tlsChain: readonly Certificate[],
  accepted: AcceptedVoucher,
  context: PinnedContext,
): Certificate

/** RFC 8995 section 2.3.1: 2.5.4.5 of the subject, else a hardwareModuleName. Throws `idevid-serial-missing`. */
export declare function deviceSerialNumber(certificate: Certificate, quirks?: readonly Quirk[]): string

/** RFC 8366bis section 6.1: the whole AKI extension value with its OCTET STRING header. */
export declare function idevidIssuer(certificate: Certificate): Buffer
