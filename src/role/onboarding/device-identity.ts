import { hash } from 'node:crypto'
import type { Certificate } from '../../codec/x509/certificate.ts'
import { certificateOf } from '../../crypto/certificate-cache.ts'
import { PathError, type ValidatedPath, validatePath } from '../../crypto/path.ts'
import { cachedNameKey } from '../../crypto/trust.ts'
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
  const certificate = clientCertificate(peer)
  if (certificate === undefined) throw new OnboardingError('idevid-missing')
  const entry =
    knownMaker(certificate, snapshot, at) ?? trustedManufacturer(clientChain(peer), certificate, snapshot, at)
  const serial = deviceSerialNumber(certificate, entry.quirks)
  return {
    certificate,
    entry,
    identity: {
      manufacturer: entry.manufacturer.name,
      serial,
      certificateHash: hash('sha256', certificate.der, 'hex'),
      keyHash: hash('sha256', certificate.spkiDer, 'hex'),
      ...lifetime(certificate, entry),
    },
  }
}

/** 99991231235959Z says that there is no end (RFC 5280 section 4.1.2.5; IEEE 802.1AR section 8.7). */
const noEnd = Date.UTC(9999, 11, 31)

function lifetime({ validity }: Certificate, { manufacturer }: DirectoryEntry): Pick<ProvenIdentity, 'until'> {
  const until = validity.notAfter.getTime()
  return manufacturer.ignoreIdevidLifetime || until >= noEnd ? {} : { until }
}

/**
 * Certificates between device and anchor, by the name of the device's issuer, as the last device of that issuer had them.
 * To have the whole chain from TLS costs a quarter of what the handshake costs, and it is the same for all of a model.
 */
const intermediates = new WeakMap<DirectorySnapshot, Map<string, readonly Certificate[]>>()
/** Only what a trusted manufacturer signed gets in; a maker has a handful of issuing CAs. */
const maxIssuers = 1024

/** Undefined for everything that needs a closer look: that look is `trustedManufacturer`. */
function knownMaker(certificate: Certificate, snapshot: DirectorySnapshot, at: Date): DirectoryEntry | undefined {
  const above = intermediates.get(snapshot)?.get(cachedNameKey(certificate.issuer))
  if (above === undefined) return undefined
  try {
    const { anchor } = validatePath({ chain: [certificate, ...above], anchors: snapshot.anchors, at })
    return snapshot.entry(anchor.name)
  } catch (error) {
    if (!(error instanceof PathError)) throw error
    return undefined
  }
}

function remember({ path, leaf }: ValidatedPath, snapshot: DirectorySnapshot): void {
  const known = intermediates.get(snapshot) ?? new Map<string, readonly Certificate[]>()
  intermediates.set(snapshot, known)
  if (known.size < maxIssuers) known.set(cachedNameKey(leaf.issuer), path.slice(1))
}

function trustedManufacturer(
  chain: readonly Certificate[],
  leaf: Certificate,
  snapshot: DirectorySnapshot,
  at: Date,
): DirectoryEntry {
  const validate = (ignoreLeafLifetime: boolean) => {
    const path = validatePath({ chain: [leaf, ...chain.slice(1)], anchors: snapshot.anchors, at, ignoreLeafLifetime })
    remember(path, snapshot)
    return snapshot.entry(path.anchor.name)
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

/** What the TLS client has proven to hold the key of. */
export function clientCertificate(peer: Peer): Certificate | undefined {
  const der = peer.certificate ?? peer.certificates[0]
  return der === undefined ? undefined : withCodes(requestFailure, () => certificateOf(der))
}

/** The chain that the TLS client sent, decoded. */
function clientChain(peer: Peer): Certificate[] {
  return withCodes(requestFailure, () => peer.certificates.map(certificateOf))
}
