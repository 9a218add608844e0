import { hash } from 'node:crypto'
import { type Certificate, decodeCertificate } from '../../codec/x509/certificate.ts'
import { PathError, validatePath } from '../../crypto/path.ts'
import type { ProvenIdentity } from '../../domain/admission.ts'
import { OnboardingError } from '../../domain/error.ts'
import { requestFailure, withCodes } from '../../domain/failure.ts'
import type { Clock, Peer } from '../../domain/port.ts'
import { deviceSerialNumber } from '../../protocol/brski/idevid.ts'
import type { DirectoryEntry, DirectorySnapshot, ManufacturerDirectory } from './manufacturer-directory.ts'

export interface BirthIdentity {
  readonly identity: ProvenIdentity
  readonly certificate: Certificate
  readonly entry: DirectoryEntry
}

/**
 * Whom a TLS client with a birth certificate has proven to be. The result is kept per connection: TLS proved the key
 * once, and a device sends several requests over one connection.
 */
export function createBirthIdentification(directory: ManufacturerDirectory, clock: Clock) {
  const known = new WeakMap<Peer, { readonly snapshot: DirectorySnapshot; readonly identity: BirthIdentity }>()
  return async (peer: Peer): Promise<BirthIdentity> => {
    const snapshot = await directory.current()
    const seen = known.get(peer)
    if (seen?.snapshot === snapshot) return seen.identity
    const identity = identify(peer, snapshot, new Date(clock()))
    known.set(peer, { snapshot, identity })
    return identity
  }
}

function identify(peer: Peer, snapshot: DirectorySnapshot, at: Date): BirthIdentity {
  const chain = clientChain(peer)
  const certificate = chain[0]
  if (certificate === undefined) throw new OnboardingError('idevid-missing')
  const entry = trustedManufacturer(chain, snapshot, at)
  const serial = deviceSerialNumber(certificate, entry.quirks)
  return {
    certificate,
    entry,
    identity: {
      manufacturer: entry.manufacturer.name,
      serial,
      certificateHash: hash('sha256', certificate.der, 'hex'),
      keyHash: hash('sha256', certificate.spkiDer, 'hex'),
    },
  }
}

function trustedManufacturer(chain: readonly Certificate[], snapshot: DirectorySnapshot, at: Date): DirectoryEntry {
  const validate = (ignoreLeafLifetime: boolean) => {
    const { anchor } = validatePath({ chain, anchors: snapshot.anchors, at, ignoreLeafLifetime })
    return snapshot.entry(anchor.name)
  }
  try {
    const entry = validate(false)
    if (entry !== undefined) return entry
  } catch (error) {
    if (!(error instanceof PathError)) throw error
    // RFC 8995 section 2.6.2: whether a lapsed IDevID still counts is the operator's choice, per manufacturer.
    if (error.code === 'expired') {
      const lapsed = withCodes(requestFailure, () => validate(true))
      if (lapsed?.manufacturer.ignoreIdevidLifetime) return lapsed
    }
    if (error.code !== 'untrusted' && error.code !== 'bad-signature') {
      throw new OnboardingError('idevid-invalid', { rule: error.code, subject: error.subject }, { cause: error })
    }
    const code = snapshot.claimed(chain) ? 'idevid-forged' : 'idevid-untrusted'
    throw new OnboardingError(code, { subject: error.subject }, { cause: error })
  }
  throw new OnboardingError('idevid-untrusted')
}

/** The chain that the TLS client sent, decoded. */
export function clientChain(peer: Peer): Certificate[] {
  return withCodes(requestFailure, () => peer.certificates.map(decodeCertificate))
}
