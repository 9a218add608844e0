import { decodeEstBase64 } from '../../codec/base64.ts'
import { decodeCertsOnly } from '../../codec/cms.ts'
import { CodecError } from '../../codec/error.ts'
import { type Certificate, decodeCertificate } from '../../codec/x509/certificate.ts'
import { extendedKeyUsageOid } from '../../codec/x509/extension.ts'
import { formatName, sameName } from '../../codec/x509/name.ts'
import { CryptoError } from '../../crypto/error.ts'
import { publicKeyOf } from '../../crypto/key.ts'
import { PathError, type ValidatedPath, validatePath } from '../../crypto/path.ts'
import type { TrustAnchor } from '../../crypto/trust.ts'
import { verifySignature } from '../../crypto/verify.ts'
import { OnboardingError } from '../../domain/error.ts'

/** A domain has a root, a few issuing CAs and, while one rolls over, three certificates more (RFC 7030 section 4.1.3). */
const maxCertificates = 12
/** What path validation takes. */
const maxPath = 10
/** A certificate that begins to be valid this soon is taken: its issuer's clock is ahead of ours. */
const clockSkewMs = 5 * 60_000

/** Certificates of a base64 certs-only body (RFC 7030 section 4.1.3, RFC 8951). Throws CodecError. */
export function decodeCertificates(body: Uint8Array): Certificate[] {
  const { certificates } = decodeCertsOnly(decodeEstBase64(Buffer.from(body).toString('latin1')))
  if (certificates.length === 0) throw new CodecError('bad-value', 'no certificate in the answer')
  if (certificates.length > maxCertificates) throw new CodecError('too-many', 'more certificates than a domain has')
  return certificates.map(decodeCertificate)
}

/** The CA certificates of a domain: where trust begins, and what helps to get there. */
export interface DomainCertificates {
  readonly anchors: readonly TrustAnchor[]
  readonly intermediates: readonly Certificate[]
}

export interface DomainContext {
  readonly at: Date
  /** False: a device without a clock (RFC 8995 section 2.6.1). */
  readonly clockTrusted: boolean
}

/**
 * Takes a cacerts answer as the trust anchors of the domain. They must be CAs, and the server that handed them out must
 * belong to them: a domain that its own registrar is no part of could never be recognised again at renewal. Throws
 * OnboardingError `domain-certificates-invalid`.
 * @param serverChain what the authenticated server sent in TLS, its end-entity certificate first
 */
export function acceptDomain(
  certificates: readonly Certificate[],
  serverChain: readonly Certificate[],
  context: DomainContext,
): DomainCertificates {
  const outsider = certificates.find(certificate => certificate.basicConstraints?.cA !== true)
  if (outsider !== undefined) throw refused('not-a-ca', formatName(outsider.subject))
  const roots = certificates.filter(isRoot)
  const tops = roots.length > 0 ? roots : certificates.filter(certificate => !hasIssuerIn(certificate, certificates))
  const domain = domainOf(
    tops,
    certificates.filter(certificate => !tops.includes(certificate)),
  )
  try {
    validateInDomain(serverChain, domain, context)
  } catch (error) {
    if (error instanceof PathError) throw refused(error.code, error.subject)
    throw error
  }
  return domain
}

export function domainOf(anchors: readonly Certificate[], intermediates: readonly Certificate[]): DomainCertificates {
  return {
    anchors: anchors.map(certificate => ({ name: formatName(certificate.subject), certificate })),
    intermediates,
  }
}

/** Path of an end-entity certificate to the anchors of the domain. Throws PathError. */
export function validateInDomain(
  chain: readonly Certificate[],
  domain: DomainCertificates,
  { at, clockTrusted }: DomainContext,
  purpose?: readonly string[],
): ValidatedPath {
  const whole = [...chain.slice(0, maxPath), ...domain.intermediates].slice(0, maxPath)
  const moment = clockTrusted ? at : youngest([...whole, ...domain.anchors.map(anchor => anchor.certificate)])
  return validatePath({
    chain: whole,
    anchors: domain.anchors,
    at: moment,
    ...(purpose === undefined ? {} : { purpose }),
  })
}

/**
 * Without a clock, lifetimes are judged at the first moment of the youngest certificate, when all of them were in force if
 * they ever were together.
 */
function youngest(certificates: readonly Certificate[]): Date {
  return new Date(Math.max(...certificates.map(({ validity }) => validity.notBefore.getTime())))
}

function refused(rule: string, subject: string): OnboardingError {
  return new OnboardingError('domain-certificates-invalid', { rule, subject })
}

/** Signed by its own key; a certificate of a rollover has the same two names and another signer. */
function isRoot(certificate: Certificate): boolean {
  if (!sameName(certificate.issuer, certificate.subject)) return false
  try {
    verifySignature(certificate.signatureAlgorithm, publicKeyOf(certificate), certificate.tbsDer, certificate.signature)
    return true
  } catch (error) {
    if (error instanceof CryptoError) return false
    throw error
  }
}

function hasIssuerIn(certificate: Certificate, set: readonly Certificate[]): boolean {
  return set.some(other => other !== certificate && sameName(certificate.issuer, other.subject))
}

export interface IssuedCertificate {
  readonly certificate: Certificate
  /** From its issuer up to, and without, the anchor: what the device sends along in TLS. */
  readonly chain: readonly Certificate[]
}

/**
 * The client certificate of an enrolment answer (RFC 7030 section 4.2.3): for our key, no CA, fit for TLS clients, issued
 * in the domain and in force. Throws OnboardingError `certificate-invalid`.
 * @param spki SubjectPublicKeyInfo of the key that the request was made for
 */
export function acceptIssued(
  certificates: readonly Certificate[],
  spki: Uint8Array,
  domain: DomainCertificates,
  { at, clockTrusted }: DomainContext,
): IssuedCertificate {
  const [certificate, second] = certificates.filter(candidate => equal(candidate.spkiDer, spki))
  if (certificate === undefined) throw invalid('another-key')
  if (second !== undefined) throw invalid('two-certificates')
  if (certificate.basicConstraints?.cA === true) throw invalid('is-a-ca')
  if (certificate.keyUsage?.includes('digitalSignature') === false) throw invalid('key-usage')
  const others = certificates.filter(candidate => candidate !== certificate)
  try {
    const context = { at: withinSkew(certificate, at), clockTrusted }
    const { path } = validateInDomain([certificate, ...others], domain, context, [extendedKeyUsageOid.clientAuth])
    return { certificate, chain: path.slice(1) }
  } catch (error) {
    if (error instanceof PathError) throw invalid(error.code, error)
    throw error
  }
}

function withinSkew({ validity }: Certificate, at: Date): Date {
  const ahead = validity.notBefore.getTime() - at.getTime()
  return ahead > 0 && ahead <= clockSkewMs ? validity.notBefore : at
}

function invalid(rule: string, cause?: unknown): OnboardingError {
  return new OnboardingError('certificate-invalid', { rule }, { cause })
}

function equal(a: Uint8Array, b: Uint8Array): boolean {
  return Buffer.compare(a, b) === 0
}
