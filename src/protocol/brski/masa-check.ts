import type { CertificateList } from '../../codec/crl.ts'
import { CodecError } from '../../codec/error.ts'
import type { Certificate } from '../../codec/x509/certificate.ts'
import { extendedKeyUsageOid } from '../../codec/x509/extension.ts'
import { sameName } from '../../codec/x509/name.ts'
import { CryptoError } from '../../crypto/error.ts'
import { PathError, validatePath } from '../../crypto/path.ts'
import type { TrustAnchor } from '../../crypto/trust.ts'
import { OnboardingError } from '../../domain/error.ts'
import { coded, requestFailure } from '../../domain/failure.ts'
import { type OpenedArtifact, openVoucherArtifact } from './artifact.ts'
import { deviceSerialNumber, idevidIssuer } from './idevid.ts'
import { namesKey, namesRegistrar, same } from './proximity.ts'
import { type Quirk, Tolerance } from './quirk.ts'
import type { VoucherRequest } from './voucher.ts'

export interface RegistrarRequestContext {
  readonly at: Date
  /** Roots of our own devices: the signer of the prior request must chain to one. */
  readonly deviceAnchors: readonly TrustAnchor[]
  /** Device certificates to look among for the signer of a prior request that carries none (constrained BRSKI). */
  readonly deviceCertificates?: readonly Certificate[]
  /** RFC 8995 section 5.5.3: what is known of revocation in the registrar's domain. */
  readonly crls?: readonly CertificateList[]
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
  /** Of both requests. */
  readonly quirksUsed: readonly Quirk[]
}

const MAX_CHAIN = 10

/**
 * What a MASA checks of a registrar's voucher request: the registrar's chain and purpose, and, when the pledge's request
 * is in it, who signed that, and whether the two belong together. Whether the device exists, who owns it, whether the
 * registrar may ask and whether the nonce was seen before is the role's to know. Throws OnboardingError
 * `registrar-not-authorized`, `signature-invalid`, `idevid-untrusted`, `idevid-invalid`, `idevid-serial-missing`,
 * `serial-mismatch`, `request-malformed`.
 */
export function checkRegistrarRequest(
  artifact: OpenedArtifact<'request'>,
  context: RegistrarRequestContext,
): CheckedRegistrarRequest {
  const request = artifact.value
  const tolerance = new Tolerance(context.quirks)
  const chain = checkRegistrar(artifact, context)
  // RFC 8366bis section 6.1: MUST be there.
  if (request['idevid-issuer'] === undefined && !tolerance.accepts('rvr-no-idevid-issuer'))
    throw malformed('idevid-issuer', 'missing')
  const prior = openPrior(artifact, context)
  const deviceCertificate = prior && checkDevice(request, prior, context, tolerance)
  if (prior !== undefined) checkNonce(request, prior.value)
  const loggedReason = reasonForLogged(prior?.value, chain)
  return {
    serialNumber: request['serial-number'],
    ...(request.nonce !== undefined && { nonce: request.nonce }),
    ...(request['idevid-issuer'] !== undefined && { idevidIssuer: request['idevid-issuer'] }),
    assertion: loggedReason === undefined ? 'proximity' : 'logged',
    ...(loggedReason !== undefined && { loggedReason }),
    ...(prior !== undefined && { prior }),
    ...(deviceCertificate !== undefined && { deviceCertificate }),
    registrarCertificate: artifact.signerCertificate,
    registrarChain: chain,
    request,
    quirksUsed: [...new Set([...artifact.quirksUsed, ...(prior?.quirksUsed ?? []), ...tolerance.used])],
  }
}

function malformed(rule: string, reason: string): OnboardingError {
  return new OnboardingError('request-malformed', { rule, reason })
}

interface AcceptedRegistrar {
  readonly bag: readonly Certificate[]
  readonly chain: readonly Certificate[]
  readonly from: number
  readonly until: number
}

/** Octets of certificates; a registrar with two CAs has 2000. */
const maxKept = 0x2000

/** The same registrar asks for device after device: its chain is validated once, and again when something differs. */
const accepted = new WeakMap<Certificate, AcceptedRegistrar>()

function checkRegistrar(
  { signatures, certificates: bag }: OpenedArtifact<'request'>,
  { at, crls }: RegistrarRequestContext,
): readonly Certificate[] {
  if (signatures.length !== 1) throw malformed('signature', `${signatures.length} of them`)
  // Revocation may change while the chain stays the same.
  if (crls !== undefined) return registrarChain(bag, at, crls)
  const known = accepted.get(bag[0]!)
  const now = at.getTime()
  if (known !== undefined && sameList(known.bag, bag) && now >= known.from && now <= known.until) return known.chain
  const chain = registrarChain(bag, at)
  const from = Math.max(...chain.map(({ validity }) => validity.notBefore.getTime()))
  const until = Math.min(...chain.map(({ validity }) => validity.notAfter.getTime()))
  // Strangers, too, have chains that hold, and fill bags: what is kept of them must not be large.
  if (bag.reduce((sum, { der }) => sum + der.length, 0) <= maxKept) accepted.set(bag[0]!, { bag, chain, from, until })
  return chain
}

/** The very same objects: `certificateOf` gives equal certificates one object. */
function sameList(a: readonly Certificate[], b: readonly Certificate[]): boolean {
  return a.length === b.length && a.every((certificate, i) => certificate === b[i])
}

/**
 * RFC 8995 section 5.5.2: the MASA cannot know every domain; the CA that came along is a temporary anchor. Section 5.5.4:
 * the signer has id-kp-cmcRA. Answers the registrar's chain with that anchor; strangers in the bag are left out. Throws OnboardingError
 * `registrar-not-authorized`.
 */
export function registrarChain(
  bag: readonly Certificate[],
  at: Date,
  crls?: readonly CertificateList[],
): readonly Certificate[] {
  const anchors = bag.filter(certificate => isTop(certificate, bag))
  try {
    const { path, anchor } = validatePath({
      chain: bag,
      anchors: anchors.map(certificate => ({ name: 'domain', certificate })),
      at,
      purpose: [extendedKeyUsageOid.cmcRA],
      crls,
    })
    return path.includes(anchor.certificate) ? path : [...path, anchor.certificate]
  } catch (error) {
    if (!(error instanceof PathError)) throw error
    throw new OnboardingError(
      'registrar-not-authorized',
      { rule: error.code, subject: error.subject },
      { cause: error },
    )
  }
}

/** Self-issued, or issued by nobody in the bag. */
function isTop(certificate: Certificate, bag: readonly Certificate[]): boolean {
  return isNamedIssuer(certificate, certificate) || !bag.some(other => isNamedIssuer(other, certificate))
}

const isNamedIssuer = (issuer: Certificate, { issuer: name }: Certificate) => sameName(issuer.subject, name)

/** RFC 8995 section 5.5.5: the pledge's request as the registrar got it, and its signature. */
function openPrior(
  artifact: OpenedArtifact<'request'>,
  { deviceCertificates = [], quirks = [] }: RegistrarRequestContext,
): OpenedArtifact<'request'> | undefined {
  const bytes = artifact.value['prior-signed-voucher-request']
  if (bytes === undefined) return undefined
  try {
    const prior = openWith(bytes, quirks, () => [
      ...deviceCertificates,
      ...artifact.certificates.slice(1).filter(isEndEntity),
    ])
    if (prior.signatures.length !== 1) throw malformed('prior-signed-voucher-request', 'more than one signature')
    return prior
  } catch (error) {
    throw coded(error, requestFailure)
  }
}

const isEndEntity = ({ basicConstraints }: Certificate) => basicConstraints?.cA !== true

/** A constrained pledge sends no certificate; who else may have signed is looked at only then. */
function openWith(
  bytes: Uint8Array,
  quirks: readonly Quirk[],
  others: () => readonly Certificate[],
): OpenedArtifact<'request'> {
  try {
    return openVoucherArtifact(bytes, { kind: 'request', quirks })
  } catch (error) {
    if (!(error instanceof CryptoError) || error.code !== 'key-mismatch') throw error
    return openVoucherArtifact(bytes, { kind: 'request', quirks, signers: others() })
  }
}

/** RFC 8995 section 5.5.5: a device of ours signed it, and all agree on which. */
function checkDevice(
  request: VoucherRequest,
  prior: OpenedArtifact<'request'>,
  { at, deviceAnchors }: RegistrarRequestContext,
  tolerance: Tolerance,
): Certificate {
  const device = prior.signerCertificate
  try {
    const ignoreLeafLifetime = tolerance.allows('idevid-finite-life')
    validatePath({ chain: prior.certificates.slice(0, MAX_CHAIN), anchors: deviceAnchors, at, ignoreLeafLifetime })
  } catch (error) {
    throw untrustedDevice(error)
  }
  if (device.validity.notAfter < at) tolerance.accepts('idevid-finite-life')
  const serialNumber = deviceSerialNumber(device, tolerance)
  for (const message of [request['serial-number'], prior.value['serial-number']]) {
    if (message !== serialNumber)
      throw new OnboardingError('serial-mismatch', { certificate: serialNumber, message: message.slice(0, 80) })
  }
  const issuer = request['idevid-issuer']
  if (issuer !== undefined && !same(issuer, idevidIssuer(device)))
    throw malformed('idevid-issuer', 'not that of the device')
  return device
}

function untrustedDevice(error: unknown): unknown {
  if (!(error instanceof PathError)) return error
  const foreign = error.code === 'untrusted' || error.code === 'bad-signature'
  const detail = { rule: error.code, subject: error.subject }
  return new OnboardingError(foreign ? 'idevid-untrusted' : 'idevid-invalid', detail, { cause: error })
}

/** RFC 8995 section 5.5.6: a nonce is the pledge's, or there is none. */
function checkNonce({ nonce }: VoucherRequest, prior: VoucherRequest): void {
  if (nonce === undefined) return
  if (prior.nonce === undefined || !same(nonce, prior.nonce)) throw malformed('nonce', 'not that of the pledge')
}

/**
 * RFC 8995 section 5.5.5: proximity is proven when the pledge saw, in TLS, a key of the chain that the registrar signs
 * with; anything less is worth `logged`.
 */
function reasonForLogged(prior: VoucherRequest | undefined, chain: readonly Certificate[]): LoggedReason | undefined {
  if (prior === undefined) return 'no-prior-request'
  if (prior.assertion !== 'proximity') return 'no-proximity-assertion'
  if (!namesRegistrar(prior)) return 'no-proximity-certificate'
  return chain.some(({ spkiDer }) => proves(prior, spkiDer)) ? undefined : 'proximity-mismatch'
}

function proves(prior: VoucherRequest, spkiDer: Uint8Array): boolean {
  try {
    return namesKey(prior, spkiDer)
  } catch (error) {
    if (error instanceof CodecError) throw malformed('proximity-registrar-cert', error.message)
    throw error
  }
}
