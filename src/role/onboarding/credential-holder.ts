import { encodeBase64 } from '../../codec/base64.ts'
import type { Certificate } from '../../codec/x509/certificate.ts'
import { extendedKeyUsageOid } from '../../codec/x509/extension.ts'
import { PathError, validatePath } from '../../crypto/path.ts'
import { cachedNameKey } from '../../crypto/trust.ts'
import type { CredentialRecord } from '../../domain/credential.ts'
import { OnboardingError } from '../../domain/error.ts'
import type { Clock, Peer, Store } from '../../domain/port.ts'
import { clientCertificate } from './device-identity.ts'

export interface CredentialHolder {
  readonly device: string
  readonly credential: CredentialRecord
  readonly certificate: Certificate
}

/**
 * Who holds a network credential of this site. A path is not enough: the record has to say that the credential is in
 * force, so that a revocation works at once and not with the next CRL.
 */
export interface CredentialCheck {
  /** Undefined when the peer shows no certificate of this site. Throws OnboardingError `credential-not-in-force`. */
  holder(peer: Peer): Promise<CredentialHolder | undefined>
}

export function createCredentialCheck(options: {
  readonly store: Store
  readonly clock: Clock
  readonly root: Certificate
  readonly issuing: Certificate
}): CredentialCheck {
  const { store, clock, root, issuing } = options
  const anchors = [{ name: 'site', certificate: root }]
  // TLS proves the key once a connection, and the path does not change while it lasts; the record is asked each time.
  const proven = new WeakMap<Peer, Certificate | undefined>()
  return {
    async holder(peer) {
      if (!proven.has(peer)) proven.set(peer, provenCertificate(peer, anchors, issuing, new Date(clock())))
      const certificate = proven.get(peer)
      if (certificate === undefined) return undefined
      const { serialHex } = certificate
      const [credential] = await store.read(tables => tables.credential.find({ serialHex }, { limit: 1 }))
      // The very certificate: another one with its number is not on record, whoever signed that.
      const own = credential?.certificate === encodeBase64(certificate.der)
      const inForce = own && credential?.status === 'issued' && clock() <= credential.notAfter
      if (credential === undefined || !inForce) {
        const status = credential !== undefined && own ? credential.status : 'unknown'
        throw new OnboardingError('credential-not-in-force', { serialHex, status })
      }
      return { device: credential.device, credential, certificate }
    },
  }
}

function provenCertificate(
  peer: Peer,
  anchors: Parameters<typeof validatePath>[0]['anchors'],
  issuing: Certificate,
  at: Date,
): Certificate | undefined {
  const leaf = clientCertificate(peer)
  // Most peers come with their birth certificate: no path has to be searched to see that it is not ours.
  if (leaf === undefined || cachedNameKey(leaf.issuer) !== cachedNameKey(issuing.subject)) return undefined
  try {
    // A client may leave out what the server has anyway.
    return validatePath({ chain: [leaf, issuing], anchors, at, purpose: [extendedKeyUsageOid.clientAuth] }).leaf
  } catch (error) {
    if (!(error instanceof PathError)) throw error
    if (error.code === 'expired') throw new OnboardingError('credential-not-in-force', { status: 'expired' })
    return undefined
  }
}
