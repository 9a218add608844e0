import { encodeBase64 } from '../../codec/base64.ts'
import type { Certificate } from '../../codec/x509/certificate.ts'
import { extendedKeyUsageOid } from '../../codec/x509/extension.ts'
import { PathError, validatePath } from '../../crypto/path.ts'
import { cachedNameKey } from '../../crypto/trust.ts'
import type { CredentialRecord } from '../../domain/credential.ts'
import { OnboardingError } from '../../domain/error.ts'
import type { Clock, Peer, Store } from '../../domain/port.ts'
import type { Generation } from './authority.ts'
import type { CloneWatch } from './clone-watch.ts'
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
  /**
   * Undefined when the peer shows no certificate of this site. Throws OnboardingError `credential-not-in-force`.
   * @param grace milliseconds for which a credential that ran out is taken nevertheless: to be renewed, for nothing else
   */
  holder(peer: Peer, grace?: number): Promise<CredentialHolder | undefined>
}

export function createCredentialCheck(options: {
  readonly store: Store
  readonly clock: Clock
  /** Issuing CAs of this site and their roots, as they are now. */
  readonly generations: () => readonly Pick<Generation, 'certificate' | 'root'>[]
  readonly watch?: CloneWatch
}): CredentialCheck {
  const { store, clock, generations, watch } = options
  // TLS proves the key once a connection, and the path does not change while it lasts; the record is asked each time.
  const proven = new WeakMap<Peer, Certificate | undefined>()
  return {
    async holder(peer, grace = 0) {
      if (!proven.has(peer)) proven.set(peer, provenCertificate(peer, generations(), new Date(clock())))
      const certificate = proven.get(peer)
      if (certificate === undefined) return undefined
      const { serialHex } = certificate
      const [credential] = await store.read(tables => tables.credential.find({ serialHex }, { limit: 1 }))
      // The very certificate: another one with its number is not on record, whoever signed that.
      const own = credential?.certificate === encodeBase64(certificate.der)
      const inForce = own && credential?.status === 'issued' && clock() <= credential.notAfter + grace
      if (credential === undefined || !inForce) {
        if (own && credential !== undefined) await watch?.spent(credential, peer.address)
        const lapsed = credential?.status === 'issued' && clock() > credential.notAfter
        const status = credential !== undefined && own ? (lapsed ? 'expired' : credential.status) : 'unknown'
        throw new OnboardingError('credential-not-in-force', { serialHex, status })
      }
      await watch?.used(credential, peer.address)
      return { device: credential.device, credential, certificate }
    },
  }
}

/** How long it lasts is the record's to say: only there can it be told from what was revoked. */
function provenCertificate(
  peer: Peer,
  generations: readonly Pick<Generation, 'certificate' | 'root'>[],
  at: Date,
): Certificate | undefined {
  const leaf = clientCertificate(peer)
  // Most peers come with their birth certificate: no path has to be searched to see that it is not ours.
  const issuer = leaf && cachedNameKey(leaf.issuer)
  const generation = generations.find(({ certificate }) => cachedNameKey(certificate.subject) === issuer)
  if (leaf === undefined || generation === undefined) return undefined
  try {
    const chain = [leaf, generation.certificate]
    const anchors = [{ name: 'site', certificate: generation.root }]
    const purpose = [extendedKeyUsageOid.clientAuth]
    // A client may leave out what the server has anyway.
    return validatePath({ chain, anchors, at, purpose, ignoreLeafLifetime: true }).leaf
  } catch (error) {
    if (!(error instanceof PathError)) throw error
    // Of the issuing CA: nothing below it is good any more.
    if (error.code === 'expired') throw new OnboardingError('credential-not-in-force', { status: 'expired' })
    return undefined
  }
}
