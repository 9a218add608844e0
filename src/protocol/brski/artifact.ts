import type { Certificate } from '../../codec/x509/certificate.ts'
import type { Signer } from '../../crypto/signer.ts'
import type { Quirk } from './quirk.ts'
import type { ArtifactKind, ArtifactValue, VoucherVersion } from './voucher.ts'

/** The three containers of one voucher core; the names are the media subtypes. */
export type ArtifactFormat = 'voucher-cms+json' | 'voucher-jws+json' | 'voucher+cose'

export interface SignRequest<K extends ArtifactKind> {
  readonly format: ArtifactFormat
  readonly kind: K
  readonly value: ArtifactValue[K]
  readonly signer: Signer
  /** The signer's certificate first, then what else shall travel: in a request they are the pin hint (RFC 8995 section 5.5). */
  readonly certificates: readonly Certificate[]
  /** Absent: rfc8366 for CMS and JWS, rfc8366bis for COSE, which has no other. */
  readonly version?: VoucherVersion
}

export interface OpenRequest<K extends ArtifactKind> {
  readonly kind: K
  /** Absent: told from the first byte. */
  readonly format?: ArtifactFormat
  /** Quirks beyond the ones that are on for everybody. */
  readonly quirks?: readonly Quirk[]
  /** Where to look for a signer that the message itself does not carry: the TLS client certificate, a known MASA signer. */
  readonly signers?: readonly Certificate[]
  readonly version?: VoucherVersion
}

/** One good signature. CMS and COSE have one, JWS one or more (BRSKI-PRM: the registrar countersigns). */
export interface ArtifactSignature {
  readonly signerCertificate: Certificate
  /** What travels with this signature, the signer's own first. */
  readonly certificates: readonly Certificate[]
}

/**
 * A voucher or a request whose every signature verifies with the key of its signer's certificate. Nothing is said about
 * who that signer is: validate the path (`check.ts`).
 */
export interface OpenedArtifact<K extends ArtifactKind> {
  readonly kind: K
  readonly format: ArtifactFormat
  readonly value: ArtifactValue[K]
  /** Of the first signature. */
  readonly signerCertificate: Certificate
  /** Of the first signature: the signer's own first, then the rest of the bag as it came. */
  readonly certificates: readonly Certificate[]
  readonly signatures: readonly ArtifactSignature[]
  /** The message exactly as it came. */
  readonly bytes: Uint8Array
  /** To be logged by name. */
  readonly quirksUsed: readonly Quirk[]
  /** Members that the model does not know, or that mean nothing in this kind: read past. */
  readonly ignoredMembers: readonly string[]
}

/** Signs a voucher or request. Throws CodecError for a value that may not be written, rejects when the signer fails. */
export declare function signVoucherArtifact<K extends ArtifactKind>(request: SignRequest<K>): Promise<Buffer>

/** Reads and verifies. Throws CodecError (malformed) or CryptoError (signature, key, algorithm). */
export declare function openVoucherArtifact<K extends ArtifactKind>(
  bytes: Uint8Array,
  request: OpenRequest<K>,
): OpenedArtifact<K>
