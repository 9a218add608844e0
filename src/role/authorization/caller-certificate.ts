import { hash } from 'node:crypto'
import { type CertificateList, decodeCertificateList } from '../../codec/crl.ts'
import type { Certificate } from '../../codec/x509/certificate.ts'
import { extendedKeyUsageOid } from '../../codec/x509/extension.ts'
import { formatName } from '../../codec/x509/name.ts'
import { certificateOf } from '../../crypto/certificate-cache.ts'
import { PathError, type PathErrorCode, validatePath } from '../../crypto/path.ts'
import { Recent } from '../../crypto/recent.ts'
import type { TrustAnchor } from '../../crypto/trust.ts'
import { type ErrorCode, OnboardingError } from '../../domain/error.ts'
import { coded } from '../../domain/failure.ts'
import type { Clock, Store, Tables } from '../../domain/port.ts'
import { type Caller, type CallerAuthority, type CertificateCaller, certificateCaller } from '../../domain/site.ts'

/** What a caller is told of a path that does not hold. Any other reason: `caller-certificate-invalid`. */
const codes: Partial<Record<PathErrorCode, ErrorCode>> = {
  untrusted: 'caller-untrusted',
  'bad-signature': 'caller-untrusted',
  expired: 'caller-expired',
  'not-yet-valid': 'caller-expired',
  revoked: 'caller-revoked',
  'crl-stale': 'caller-status-unknown',
}

const invalid = {
  malformed: 'caller-certificate-invalid',
  signature: 'caller-certificate-invalid',
  path: 'caller-certificate-invalid',
} as const

/** Names in one certificate that are looked for; a certificate with more is about something else than a person. */
const maxIdentities = 8

/**
 * Who calls with a certificate, of which TLS proved the key and nothing else. The path has to end at an authority that the site
 * trusts for callers - not for devices, not for manufacturers - and that authority has to certify an identity that was let in.
 * Throws OnboardingError `caller-…`.
 * @param chain as TLS carried it, end entity first
 */
export async function certifiedCaller(
  { store, clock }: { readonly store: Store; readonly clock: Clock },
  chain: readonly Uint8Array[],
): Promise<Caller> {
  const certificates = readChain(chain)
  const at = clock()
  return store.read(async tables => {
    const authorities = await trustedAuthorities(tables)
    const authority = authorityOf(certificates, authorities, at)
    const found = await admitted(tables, authority, identitiesOf(certificates[0]!), at)
    return certificateCaller(found)
  })
}

function readChain(chain: readonly Uint8Array[]): Certificate[] {
  try {
    return chain.map(certificateOf)
  } catch (error) {
    throw coded(error, invalid)
  }
}

async function trustedAuthorities(tables: Tables): Promise<readonly CallerAuthority[]> {
  const all = await tables.callerAuthority.find({}, { limit: 1000 })
  return all.filter(({ removedAt }) => removedAt === undefined)
}

/** Name of the authority under which the path holds. */
function authorityOf(chain: readonly Certificate[], authorities: readonly CallerAuthority[], at: number): string {
  const anchors: TrustAnchor[] = authorities.flatMap(({ name, anchors }) =>
    anchors.map(text => ({ name, certificate: certificateOf(Buffer.from(text, 'base64')) })),
  )
  try {
    const { leaf, anchor } = validatePath({
      chain,
      anchors,
      at: new Date(at),
      purpose: [extendedKeyUsageOid.clientAuth],
      crls: authorities.flatMap(({ crls }) => crls.map(crlOf)),
    })
    // A CA speaks for others, and its key is used for that.
    if (leaf.basicConstraints?.cA === true || leaf.keyUsage?.includes('digitalSignature') === false) {
      throw new OnboardingError('caller-certificate-invalid', { subject: formatName(leaf.subject), rule: 'key-usage' })
    }
    return anchor.name
  } catch (error) {
    if (!(error instanceof PathError)) throw coded(error, invalid)
    const code = codes[error.code] ?? 'caller-certificate-invalid'
    throw new OnboardingError(code, { subject: error.subject, rule: error.code }, { cause: error })
  }
}

const lists = new Recent<CertificateList>(32)

/** Read once: verification remembers the list, and one of 16 MiB is not read for each call. */
function crlOf(text: string): CertificateList {
  const key = hash('sha256', text)
  const known = lists.get(key) ?? decodeCertificateList(Buffer.from(text, 'base64'))
  lists.set(key, known)
  return known
}

async function admitted(
  tables: Tables,
  authority: string,
  identities: readonly string[],
  at: number,
): Promise<CertificateCaller> {
  const found: CertificateCaller[] = []
  for (const identity of identities) found.push(...(await tables.caller.find({ authority, identity }, { limit: 2 })))
  const standing = found.filter(
    ({ removedAt, expiresAt }) => removedAt === undefined && (expiresAt === undefined || expiresAt > at),
  )
  if (standing.length === 1) return standing[0]!
  const subject = identities[0] ?? ''
  if (standing.length > 1) throw new OnboardingError('caller-ambiguous', { authority, identity: subject })
  throw new OnboardingError('caller-unknown', { authority, identity: subject })
}

/** `subject:…`, `email:…`, `uri:…`: by what a certificate may be let in. */
export function identitiesOf({ subject, subjectAltName = [] }: Certificate): readonly string[] {
  const name = formatName(subject)
  const identities = name === '' ? [] : [`subject:${name}`]
  for (const each of subjectAltName) {
    if (each.type === 'rfc822Name') identities.push(emailIdentity(each.value))
    if (each.type === 'uniformResourceIdentifier') identities.push(`uri:${each.value}`)
  }
  return [...new Set(identities)].slice(0, maxIdentities)
}

/** RFC 5280 7.5: the part before the @ counts letter by letter, the host does not. */
function emailIdentity(address: string): string {
  const at = address.lastIndexOf('@')
  return `email:${address.slice(0, at + 1)}${address.slice(at + 1).toLowerCase()}`
}

/** An identity as a person wrote it, in the form in which it is looked for. Throws OnboardingError `input-invalid`. */
export function readableIdentity(text: string): string {
  const [, kind, value = ''] = /^(subject|email|uri):(.+)$/su.exec(text) ?? []
  const bad = kind === undefined || value.length > 500 || /\p{C}/u.test(value)
  if (bad || (kind === 'email' && !/^[^@\s]+@[^@\s]+$/.test(value))) {
    throw new OnboardingError('input-invalid', { field: 'identity', rule: 'email:…, uri:… or subject:CN=…,O=…' })
  }
  return kind === 'email' ? emailIdentity(value) : text
}
