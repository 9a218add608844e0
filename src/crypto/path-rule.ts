import type { CertificateList } from '../codec/crl.ts'
import type { Certificate } from '../codec/x509/certificate.ts'
import { extendedKeyUsageOid, extensionKinds } from '../codec/x509/extension.ts'
import { formatName } from '../codec/x509/name.ts'
import { verifyCrl } from './crl.ts'
import { CryptoError } from './error.ts'
import { checkNames, constrainNames, type NameEffort, nameEffort, noNameConstraints } from './name-constraint.ts'
import { PathError, type PathErrorCode } from './path-error.ts'
import { cachedNameKey } from './trust.ts'

export interface PathRules {
  readonly at: Date
  /**
   * Extended key usages of which the leaf needs one; absent: any use. A leaf without the extension has all but cmcRA,
   * cmcCA, OCSPSigning and timeStamping.
   */
  readonly purpose?: readonly string[] | undefined
  /** For renewal and for devices whose clock or whose IDevID has run out: only the leaf's own validity is not looked at. */
  readonly ignoreLeafLifetime?: boolean | undefined
  /** Absent: revocation is not looked at. Given: an issuer's CRL must be its own and current; issuers without one pass. */
  readonly crls?: readonly CertificateList[] | undefined
}

/**
 * RFC 5280 6.1.3 to 6.1.5 over `path` (leaf first, signatures verified) under `anchor`. Throws PathError. When the leaf is
 * the anchor itself, `path` is that one certificate.
 */
export function checkPath(
  path: readonly Certificate[],
  anchor: Certificate,
  rules: PathRules,
  effort: NameEffort = nameEffort(),
): void {
  const leaf = path[0]!
  let depth = Number.POSITIVE_INFINITY
  let names = noNameConstraints(effort)
  if (leaf !== anchor) {
    // RFC 5280 6.1.1 leaves the anchor's extensions to us; like RFC 5937 we hold it to the limits that it sets itself.
    checkAuthority(anchor, anchor)
    checkExtensions(anchor)
    depth = anchor.basicConstraints?.pathLenConstraint ?? depth
    names = constrainNames(names, anchor)
  }
  for (let i = path.length - 1; i >= 0; i--) {
    const certificate = path[i]!
    const issuer = path[i + 1] ?? anchor
    checkLifetime(certificate, rules, i === 0)
    if (rules.crls !== undefined && certificate !== anchor) checkRevocation(certificate, issuer, rules.crls, rules.at)
    // RFC 5280 6.1.3: a CA may issue itself a new key under its own name, whatever names it may certify.
    const selfIssued = isSelfIssued(certificate)
    if (i === 0 || !selfIssued) checkNames(names, certificate)
    checkExtensions(certificate)
    if (i === 0) break
    checkAuthority(certificate, anchor)
    if (!selfIssued && --depth < 0) throw refusal('path-length', certificate, 'more CAs follow than the issuer allows')
    depth = Math.min(depth, certificate.basicConstraints?.pathLenConstraint ?? depth)
    names = constrainNames(names, certificate)
  }
  if (rules.purpose !== undefined) checkPurpose(path, anchor, rules.purpose)
}

function isSelfIssued({ subject, issuer }: Certificate): boolean {
  return cachedNameKey(subject) === cachedNameKey(issuer)
}

function checkLifetime(certificate: Certificate, { at, ignoreLeafLifetime }: PathRules, isLeaf: boolean): void {
  if (isLeaf && ignoreLeafLifetime === true) return
  const { notBefore, notAfter } = certificate.validity
  // Turned around, so that a clock that tells no time refuses.
  if (!(at >= notBefore)) throw refusal('not-yet-valid', certificate, `valid from ${notBefore.toISOString()} on`)
  if (!(at <= notAfter)) throw refusal('expired', certificate, `valid until ${notAfter.toISOString()}`)
}

/** RFC 5280 6.1.4 k, n. Before version 3 a certificate could not say that it is a CA: being a root and an anchor does. */
function checkAuthority(certificate: Certificate, anchor: Certificate): void {
  const { basicConstraints, keyUsage, version } = certificate
  const oldRoot = version !== 3 && certificate === anchor && isSelfIssued(certificate)
  if (basicConstraints?.cA !== true && !oldRoot) throw refusal('not-a-ca', certificate, 'it may not issue certificates')
  if (keyUsage?.includes('keyCertSign') === false) {
    throw refusal('key-usage', certificate, 'its key usage does not allow signing certificates')
  }
}

/**
 * Processed here or, for the key identifiers, subjectAltName, MASA and MUD URL, of no say in whether a path is valid.
 * certificatePolicies has no say either, as we demand no policy (RFC 5280 6.1.1 c, e); policyConstraints could, and so is
 * not in this list, nor are inhibitAnyPolicy and policyMappings.
 */
const processed = new Set<string>(Object.values(extensionKinds).map(({ id }) => id))
/** RFC 5280 4.2.1.4: in a critical extension, qualifiers too must be understood: CPS pointer and user notice. */
const policyQualifiers = new Set(['1.3.6.1.5.5.7.2.1', '1.3.6.1.5.5.7.2.2'])

function checkExtensions(certificate: Certificate): void {
  for (const { id, critical } of certificate.extensions) {
    if (!critical) continue
    const known = processed.has(id)
    const qualified = id === extensionKinds.certificatePolicies.id && hasStrangeQualifier(certificate)
    if (known && !qualified) continue
    throw refusal(
      'unknown-critical-extension',
      certificate,
      `it has a critical extension that is not understood: ${id}`,
    )
  }
}

function hasStrangeQualifier({ certificatePolicies = [] }: Certificate): boolean {
  return certificatePolicies.some(({ policyQualifiers: qualifiers = [] }) =>
    qualifiers.some(({ policyQualifierId }) => !policyQualifiers.has(policyQualifierId)),
  )
}

/** An authority over others must be spelled out in the leaf: no EKU at all, or any EKU, does not give it (RFC 6402 2.10). */
const spelledOut = new Set<string>([
  extendedKeyUsageOid.cmcCA,
  extendedKeyUsageOid.cmcRA,
  extendedKeyUsageOid.OCSPSigning,
  extendedKeyUsageOid.timeStamping,
])

/**
 * One of the purposes must be allowed by the leaf and by every CA above it that has an extendedKeyUsage. The latter is not
 * in RFC 5280, but is what OpenSSL, browsers and the CA/Browser Forum do: how a CA is confined to devices, say.
 */
function checkPurpose(path: readonly Certificate[], anchor: Certificate, purposes: readonly string[]): void {
  const leaf = path[0]!
  const { extendedKeyUsage: own, keyUsage } = leaf
  const ofLeaf = purposes.filter(purpose => allows(own, purpose, spelledOut.has(purpose)))
  if (ofLeaf.length === 0) throw refusal('extended-key-usage', leaf, `it is not for ${purposes.join(' or ')}`)
  const allowed = keyUsage === undefined || keyUsage.includes('digitalSignature') || keyUsage.includes('nonRepudiation')
  // RFC 5280 4.2.1.12: each purpose comes with its key usages; all that we know of signs.
  if (!allowed) throw refusal('key-usage', leaf, 'its key usage does not allow signing')
  const authorities = leaf === anchor ? [] : [...path.slice(1), anchor]
  let left = ofLeaf
  for (const authority of authorities) {
    left = left.filter(purpose => allows(authority.extendedKeyUsage, purpose, false))
    if (left.length === 0) throw refusal('extended-key-usage', authority, `it may not issue for ${ofLeaf.join(' or ')}`)
  }
}

function allows(usages: readonly string[] | undefined, purpose: string, explicitly: boolean): boolean {
  if (usages?.includes(purpose)) return true
  return !explicitly && (usages === undefined || usages.includes(extendedKeyUsageOid.anyExtendedKeyUsage))
}

/**
 * RFC 5280 6.3 with the CRLs at hand. An issuer without one is not asked about; an issuer whose CRL does not tell (its
 * signature wrong, its time over) refuses, since somebody who can damage a CRL must not thereby revive a certificate.
 */
function checkRevocation(
  certificate: Certificate,
  issuer: Certificate,
  crls: readonly CertificateList[],
  at: Date,
): void {
  const name = cachedNameKey(certificate.issuer)
  const candidates = crls.filter(crl => cachedNameKey(crl.issuer) === name && !isOfAnotherKey(crl, issuer))
  if (candidates.length === 0) return
  let newest: CertificateList | undefined
  let failure: unknown
  for (const candidate of candidates) {
    try {
      const { list } = verifyCrl(candidate, issuer)
      if (list.thisUpdate <= at && (newest === undefined || list.thisUpdate > newest.thisUpdate)) newest = list
    } catch (error) {
      if (!(error instanceof CryptoError)) throw error
      failure = error
    }
  }
  if (newest === undefined) throw refusal('crl-stale', certificate, 'no CRL of its issuer could be used', failure)
  // RFC 5280 5.1.2.5 demands nextUpdate: without it a CRL would never end.
  if (newest.nextUpdate === undefined || newest.nextUpdate < at) {
    throw refusal(
      'crl-stale',
      certificate,
      `the CRL of its issuer ended ${newest.nextUpdate?.toISOString() ?? 'never'}`,
    )
  }
  const entry = newest.revoked.get(certificate.serialHex)
  if (entry !== undefined) throw refusal('revoked', certificate, `revoked (${entry.reason})`)
}

function isOfAnotherKey(crl: CertificateList, issuer: Certificate): boolean {
  const named = crl.authorityKeyIdentifier?.keyIdentifier
  const own = issuer.subjectKeyIdentifier
  return named !== undefined && own !== undefined && Buffer.compare(named, own) !== 0
}

export function refusal(code: PathErrorCode, certificate: Certificate, message: string, cause?: unknown): PathError {
  const options = cause === undefined ? undefined : { cause }
  return new PathError(code, message, formatName(certificate.subject), options)
}
