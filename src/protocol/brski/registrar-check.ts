import { CodecError } from '../../codec/error.ts'
import type { Certificate } from '../../codec/x509/certificate.ts'
import { certificateOf } from '../../crypto/certificate-cache.ts'
import { OnboardingError } from '../../domain/error.ts'
import type { OpenedArtifact } from './artifact.ts'
import { deviceSerialNumber, idevidIssuer } from './idevid.ts'
import { namesKey, same, spkiDigest } from './proximity.ts'
import { type Quirk, Tolerance } from './quirk.ts'
import type { Voucher, VoucherRequest } from './voucher.ts'

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
  /** Of the request and of the IDevID; to be logged by name. */
  readonly quirksUsed: readonly Quirk[]
}

/**
 * What a registrar checks of a pledge's voucher request. Throws OnboardingError `signer-not-tls-client`,
 * `proximity-mismatch`, `serial-mismatch`, `idevid-serial-missing`, `request-malformed`.
 */
export function checkPledgeRequest(
  artifact: OpenedArtifact<'request'>,
  context: PledgeRequestContext,
): CheckedPledgeRequest {
  const { clientCertificate, localCertificate, quirks } = context
  const request = artifact.value
  checkSigner(artifact, clientCertificate)
  checkProximity(request, localCertificate)
  const tolerance = new Tolerance(quirks)
  const serialNumber = deviceSerialNumber(clientCertificate, tolerance)
  checkSerial(request, serialNumber)
  return {
    serialNumber,
    nonce: checkedNonce(request),
    idevidIssuer: idevidIssuer(clientCertificate),
    request,
    quirksUsed: [...artifact.quirksUsed, ...tolerance.used],
  }
}

/** RFC 8995 section 5.2: the pledge signs with the key of the IDevID that it authenticates with. */
function checkSigner({ signatures, signerCertificate }: OpenedArtifact<'request'>, client: Certificate): void {
  const rule = signatures.length === 1 ? 'key' : 'signatures'
  if (rule === 'signatures' || !same(signerCertificate.spkiDer, client.spkiDer)) {
    throw new OnboardingError('signer-not-tls-client', { rule })
  }
}

/** RFC 8995 section 5.2: proximity is asserted, of the certificate that we showed on this very connection. */
function checkProximity(request: VoucherRequest, localCertificate: Uint8Array): void {
  if (request.assertion !== 'proximity') throw new OnboardingError('proximity-mismatch', { rule: 'assertion' })
  const shown = request['proximity-registrar-cert']
  // Compared as bytes, so that what a stranger calls a certificate need not be read.
  const named =
    shown === undefined
      ? namesKey(request, certificateOf(localCertificate).spkiDer)
      : same(shown, localCertificate) && namesKey(request, certificateOf(localCertificate).spkiDer)
  if (!named) throw new OnboardingError('proximity-mismatch', { rule: 'certificate' })
}

/** RFC 8995 section 5.5: the certificate says who the device is; the request must not say otherwise. */
function checkSerial(request: VoucherRequest, serialNumber: string): void {
  const claimed = request['serial-number']
  if (claimed !== serialNumber)
    throw new OnboardingError('serial-mismatch', { certificate: serialNumber, message: claimed.slice(0, 80) })
}

/** RFC 8995 section 5.2: a pledge's request MUST have one. */
function checkedNonce({ nonce }: VoucherRequest): Uint8Array {
  if (nonce === undefined) throw new OnboardingError('request-malformed', { rule: 'nonce', reason: 'missing' })
  return nonce
}

export interface MasaAnswerContext {
  readonly serialNumber: string
  /** As sent in the registrar's request; absent when it had none. */
  readonly nonce?: Uint8Array
  /** Our own chain, the end-entity certificate first: when given, the voucher must pin something of it. */
  readonly chain?: readonly Certificate[]
}

/**
 * What a registrar checks of the MASA's answer before it hands it on unchanged (RFC 8995 section 5.6): a voucher that the
 * pledge would refuse is better refused here. The signer's path is validated elsewhere. Throws OnboardingError
 * `masa-answer-invalid` (detail `rule`).
 */
export function checkMasaAnswer(artifact: OpenedArtifact<'voucher'>, context: MasaAnswerContext): Voucher {
  const voucher = artifact.value
  if (voucher['serial-number'] !== context.serialNumber) throw invalidAnswer('serial-number')
  const asked = context.nonce
  const answered = voucher.nonce
  const fits = asked === undefined || answered === undefined ? asked === answered : same(asked, answered)
  if (!fits) throw invalidAnswer('nonce')
  if (context.chain !== undefined && !pinsOneOf(voucher, context.chain)) throw invalidAnswer('pin')
  return voucher
}

function invalidAnswer(rule: string): OnboardingError {
  return new OnboardingError('masa-answer-invalid', { rule })
}

function pinsOneOf(voucher: Voucher, chain: readonly Certificate[]): boolean {
  const key = voucher['pinned-domain-pubk'] ?? pinnedKey(voucher['pinned-domain-cert'])
  const digest = voucher['pinned-domain-pubk-sha256'] ?? (key && spkiDigest(key))
  return digest !== undefined && chain.some(({ spkiDer }) => same(spkiDigest(spkiDer), digest))
}

function pinnedKey(der: Uint8Array | undefined): Uint8Array | undefined {
  if (der === undefined) return undefined
  try {
    return certificateOf(der).spkiDer
  } catch (error) {
    if (error instanceof CodecError) throw invalidAnswer('pin')
    throw error
  }
}
