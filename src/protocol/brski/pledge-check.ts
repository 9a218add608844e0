import type { CertificateList } from '../../codec/crl.ts'
import { CodecError } from '../../codec/error.ts'
import type { Certificate } from '../../codec/x509/certificate.ts'
import { extendedKeyUsageOid } from '../../codec/x509/extension.ts'
import { certificateOf } from '../../crypto/certificate-cache.ts'
import { PathError, validatePath } from '../../crypto/path.ts'
import type { TrustAnchor } from '../../crypto/trust.ts'
import { type ErrorDetail, OnboardingError } from '../../domain/error.ts'
import type { ArtifactSignature, OpenedArtifact } from './artifact.ts'
import { deviceSerialNumber, idevidIssuer } from './idevid.ts'
import { same, spkiDigest } from './proximity.ts'
import type { Quirk } from './quirk.ts'
import type { Assertion, Voucher } from './voucher.ts'

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
  /** The kind of pin to take when there are several: that in which the pledge named the registrar. */
  readonly preferredPin?: Pin['type']
  readonly quirks?: readonly Quirk[]
  /** The newest declaration that the pledge has heard of: what was given by an older one is void. */
  readonly declarationVersion?: number
}

/** Whom the voucher tells the pledge to trust. */
export type Pin =
  | { readonly type: 'certificate'; readonly certificate: Certificate }
  | { readonly type: 'public-key'; readonly spki: Uint8Array }
  | { readonly type: 'public-key-sha256'; readonly digest: Uint8Array }

export interface AcceptedVoucher {
  readonly voucher: Voucher
  readonly pin: Pin
}

/**
 * What a pledge checks of a voucher (RFC 8995 section 5.6.1, RFC 8366 section 5.3). Throws OnboardingError
 * `voucher-invalid` (detail `rule`), `voucher-expired` or `declaration-stale`.
 */
export function checkVoucher(artifact: OpenedArtifact<'voucher'>, context: VoucherContext): AcceptedVoucher {
  const voucher = artifact.value
  const signer = manufacturerSignature(artifact.signatures, context)
  if (voucher['serial-number'] !== deviceSerialNumber(context.idevid, context.quirks)) throw invalid('serial-number')
  checkNonce(voucher, context)
  const issuer = voucher['idevid-issuer']
  if (issuer !== undefined && !same(issuer, idevidIssuer(context.idevid))) throw invalid('idevid-issuer')
  checkAssertion(voucher, context)
  checkExpiry(voucher, context)
  checkDeclaration(voucher, context)
  const accepted = { voucher, pin: pinOf(voucher, context.preferredPin) }
  checkCountersignatures(
    artifact.signatures.filter(signature => signature !== signer),
    accepted,
    context,
  )
  return accepted
}

function invalid(rule: string, detail: ErrorDetail = {}, cause?: unknown): OnboardingError {
  return new OnboardingError('voucher-invalid', { ...detail, rule }, { cause })
}

/**
 * RFC 8995 section 5.6.1: signed by the manufacturer. Of several signatures (BRSKI-PRM) one must be. Without a clock the
 * chain is judged as of the day on which the signer's certificate begins (section 2.6.1).
 */
function manufacturerSignature(signatures: readonly ArtifactSignature[], context: VoucherContext): ArtifactSignature {
  let failure: unknown
  for (const signature of signatures) {
    const at = context.clockTrusted ? context.at : signature.signerCertificate.validity.notBefore
    try {
      validatePath({ chain: signature.certificates, anchors: context.anchors, at })
      return signature
    } catch (error) {
      if (!(error instanceof PathError)) throw error
      failure = error
    }
  }
  const detail = failure instanceof PathError ? { path: failure.code, subject: failure.subject } : {}
  throw invalid('signer', detail, failure)
}

/** RFC 8366 section 5.3: equal when present. A voucher without nonce can be replayed; who accepts it has said so. */
function checkNonce(voucher: Voucher, context: VoucherContext): void {
  if (voucher.nonce === undefined) {
    if (context.nonceless !== true) throw invalid('nonceless')
  } else if (context.nonce === undefined || !same(voucher.nonce, context.nonce)) {
    throw invalid('nonce')
  }
}

/** RFC 8366 section 5.3: acceptable by local policy. */
function checkAssertion({ assertion }: Voucher, { assertions }: VoucherContext): void {
  if (assertions === undefined || (assertion !== undefined && assertions.includes(assertion))) return
  throw invalid('assertion', { assertion: assertion ?? 'none' })
}

/** RFC 8366 section 5.3. A pledge without a clock cannot judge it (RFC 8995 section 2.6.1). */
function checkExpiry(voucher: Voucher, { at, clockTrusted }: VoucherContext): void {
  const expiresOn = voucher['expires-on']
  // Turned around, so that a clock that tells no time refuses.
  if (!clockTrusted || expiresOn === undefined || at <= expiresOn) return
  throw new OnboardingError('voucher-expired', { expired: expiresOn.toISOString() })
}

/**
 * White paper section 2.7: who may onboard is what the newest declaration says. A voucher with the nonce of this attempt is
 * new by itself, also from a MASA that names no version; one without could be of any day.
 */
function checkDeclaration(voucher: Voucher, { declarationVersion: known }: VoucherContext): void {
  if (known === undefined) return
  const version = voucher['mooring-ownership:declaration-version']
  if (version === undefined) {
    if (voucher.nonce === undefined) throw invalid('declaration-version')
  } else if (version < known) {
    throw new OnboardingError('declaration-stale', { version, known })
  }
}

/** RFC 8366bis section 6.3: the preferred kind, else digest, key, certificate. */
function pinOf(voucher: Voucher, preferred: Pin['type'] | undefined): Pin {
  const pins: Pin[] = []
  const digest = voucher['pinned-domain-pubk-sha256']
  if (digest !== undefined) pins.push({ type: 'public-key-sha256', digest })
  const spki = voucher['pinned-domain-pubk']
  if (spki !== undefined) pins.push({ type: 'public-key', spki })
  const der = voucher['pinned-domain-cert']
  if (der !== undefined) pins.push({ type: 'certificate', certificate: pinnedCertificate(der) })
  const pin = pins.find(({ type }) => type === preferred) ?? pins[0]
  // RFC 8995 section 5.6.1: without a pin there is nothing to trust.
  if (pin === undefined) throw invalid('pin')
  return pin
}

function pinnedCertificate(der: Uint8Array): Certificate {
  try {
    return certificateOf(der)
  } catch (error) {
    if (error instanceof CodecError) throw invalid('pin', { reason: error.message }, error)
    throw error
  }
}

/** BRSKI-PRM section 7.3.6: whoever else signed belongs to the domain that the manufacturer pinned. */
function checkCountersignatures(
  signatures: readonly ArtifactSignature[],
  accepted: AcceptedVoucher,
  context: VoucherContext,
): void {
  for (const { certificates } of signatures) {
    try {
      verifyPinned(certificates, accepted, context)
    } catch (error) {
      if (error instanceof OnboardingError) throw invalid('countersignature', error.detail, error)
      throw error
    }
  }
}

export interface PinnedContext {
  readonly at: Date
  /** False: lifetimes are not judged (RFC 8995 section 2.6.1). */
  readonly clockTrusted: boolean
  /** What is known of revocation in the domain; needed when the voucher demands the check. */
  readonly crls?: readonly CertificateList[]
}

/**
 * RFC 8995 section 5.6.2: the provisional TLS connection becomes an authenticated one. Below a pinned CA the registrar
 * has to have id-kp-cmcRA, or else every device of the domain could pose as one (RFC 7030 section 3.6.1). Throws
 * OnboardingError `network-not-authorized`.
 * @param tlsChain what the registrar sent in TLS, its end-entity certificate first
 * @returns the registrar's certificate
 */
export function verifyPinned(
  tlsChain: readonly Certificate[],
  { voucher, pin }: AcceptedVoucher,
  context: PinnedContext,
): Certificate {
  const registrar = tlsChain[0]
  if (registrar === undefined) throw unauthorized('certificate')
  // RFC 8366 section 5.3: MUST verify. Without the means to, the answer is no.
  if (voucher['domain-cert-revocation-checks'] === true && context.crls === undefined)
    throw unauthorized('revocation-unknown')
  const at = context.clockTrusted ? context.at : registrar.validity.notBefore
  const anchor =
    pin.type === 'certificate' && !same(pin.certificate.spkiDer, registrar.spkiDer) ? pin.certificate : undefined
  if (anchor === undefined && !isPinnedKey(registrar, pin)) throw unauthorized('pin')
  // The pinned end entity is its own anchor; renewed with the same key, it is still the pinned one.
  const anchors = [{ name: 'pinned-domain', certificate: anchor ?? registrar }]
  const purpose = anchor === undefined ? undefined : [extendedKeyUsageOid.cmcRA]
  try {
    // RFC 8366 section 5.3: false means MUST NOT.
    const crls = voucher['domain-cert-revocation-checks'] === false ? undefined : context.crls
    return validatePath({ chain: tlsChain, anchors, at, purpose, crls }).leaf
  } catch (error) {
    if (!(error instanceof PathError)) throw error
    throw unauthorized(error.code, { subject: error.subject }, error)
  }
}

function isPinnedKey({ spkiDer }: Certificate, pin: Pin): boolean {
  if (pin.type === 'certificate') return same(pin.certificate.spkiDer, spkiDer)
  return pin.type === 'public-key' ? same(pin.spki, spkiDer) : same(pin.digest, spkiDigest(spkiDer))
}

function unauthorized(rule: string, detail: ErrorDetail = {}, cause?: unknown): OnboardingError {
  return new OnboardingError('network-not-authorized', { ...detail, rule }, { cause })
}
