import { cmsOid } from '../../codec/cms.ts'
import { decodeCoseSign1, encodeCoseSign1 } from '../../codec/cose.ts'
import { CodecError } from '../../codec/error.ts'
import type { Certificate } from '../../codec/x509/certificate.ts'
import { signCms, verifyCms } from '../../crypto/cms.ts'
import { signCose, verifyCose } from '../../crypto/cose.ts'
import { countersignJws, signJws, verifyJws } from '../../crypto/jws.ts'
import type { Signer } from '../../crypto/signer.ts'
import { type Quirk, Tolerance } from './quirk.ts'
import type { ArtifactKind, ArtifactValue, VoucherVersion } from './voucher.ts'
import { decodeCborContent, decodeJsonContent, encodeCborContent, encodeJsonContent } from './voucher-content.ts'

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
 * who that signer is: validate the path (`registrar-check.ts`, `masa-check.ts`, `pledge-check.ts`).
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

const JWS_TYPE = 'voucher-jws+json'
const MAX_SIZE = 0x2_0000

/** Signs a voucher or request. Rejects with CodecError for a value that may not be written, or when the signer fails. */
export async function signVoucherArtifact<K extends ArtifactKind>(request: SignRequest<K>): Promise<Buffer> {
  const { format, kind, value, signer, certificates, version = 'rfc8366' } = request
  if (format === 'voucher+cose') return signCose({ payload: encodeCborContent(value, kind), signer, certificates })
  const content = encodeJsonContent(value, kind, version)
  if (format === 'voucher-cms+json') {
    return signCms({ content, contentType: cmsOid.animaJsonVoucher, signer, certificates })
  }
  return signJws({ payload: content, header: { typ: JWS_TYPE }, signer, certificates })
}

/**
 * BRSKI-PRM section 7.3.6: the registrar adds its signature to the voucher of the MASA. Of the containers only JWS can
 * carry it; throws CodecError for another.
 */
export async function countersignVoucher(
  bytes: Uint8Array,
  by: { readonly signer: Signer; readonly certificates: readonly Certificate[] },
): Promise<Buffer> {
  return countersignJws(bytes, { header: { typ: JWS_TYPE }, ...by })
}

/** The voucher without the certificates of its unprotected header, as a pledge gets it (constrained-voucher section 9.2). */
export function withoutCoseCertificates(bytes: Uint8Array): Buffer {
  return encodeCoseSign1({ ...decodeCoseSign1(bytes), unprotected: new Map() })
}

/** What a container gives up once its signatures are verified. */
interface OpenedContainer {
  readonly content: Uint8Array
  readonly signatures: readonly [ArtifactSignature, ...ArtifactSignature[]]
}

/** Reads and verifies. Throws CodecError (malformed) or CryptoError (signature, key, algorithm). */
export function openVoucherArtifact<K extends ArtifactKind>(
  bytes: Uint8Array,
  request: OpenRequest<K>,
): OpenedArtifact<K> {
  if (bytes.length > MAX_SIZE) throw new CodecError('too-large', `voucher artifact of ${bytes.length} bytes`, 0)
  const { kind, format = formatFromBytes(bytes), signers = [] } = request
  const tolerance = new Tolerance(request.quirks)
  const { content, signatures } = openers[format](bytes, signers, tolerance)
  const decoded =
    format === 'voucher+cose'
      ? decodeCborContent(content, kind, tolerance)
      : decodeJsonContent(content, kind, request.version ?? 'rfc8366', tolerance)
  return {
    kind,
    format,
    value: decoded.value,
    signerCertificate: signatures[0].signerCertificate,
    certificates: signatures[0].certificates,
    signatures,
    bytes,
    quirksUsed: tolerance.used,
    ignoredMembers: decoded.ignoredMembers,
  }
}

function formatFromBytes(bytes: Uint8Array): ArtifactFormat {
  if (bytes[0] === 0x30) return 'voucher-cms+json'
  if (bytes[0] === 0xd2) return 'voucher+cose'
  if (bytes[0] === 0x7b) return 'voucher-jws+json'
  throw new CodecError('bad-tag', 'neither CMS nor JWS nor COSE', 0)
}

type Opener = (bytes: Uint8Array, signers: readonly Certificate[], tolerance: Tolerance) => OpenedContainer

const openers: Record<ArtifactFormat, Opener> = {
  'voucher-cms+json': openCms,
  'voucher-jws+json': openJws,
  'voucher+cose': openCose,
}

/** RFC 8366 section 5.4. */
function openCms(bytes: Uint8Array, signers: readonly Certificate[], tolerance: Tolerance): OpenedContainer {
  const { contentType, content, signerCertificate, certificates, notes } = verifyCms(bytes, { signers })
  if (contentType !== cmsOid.animaJsonVoucher) {
    const idData = contentType === cmsOid.data && tolerance.accepts('cms-id-data')
    if (!idData) throw new CodecError('unsupported', `CMS content type ${contentType} is not that of a voucher`)
  }
  if (notes.includes('set-order')) require(tolerance, 'cms-set-order', 'a SET OF of the CMS message is not sorted')
  if (notes.includes('version')) require(tolerance, 'cms-version', 'the CMS message has the wrong version')
  return { content, signatures: [{ signerCertificate, certificates }] }
}

/** draft-ietf-anima-jws-voucher section 3. */
function openJws(bytes: Uint8Array, signers: readonly Certificate[], tolerance: Tolerance): OpenedContainer {
  const { payload, signatures } = verifyJws(bytes, { signers })
  for (const { header, certificates } of signatures) {
    if (header['typ'] === undefined) require(tolerance, 'jws-no-typ', 'JWS voucher without typ')
    else if (header['typ'] !== JWS_TYPE) throw new CodecError('unsupported', 'the JWS is not of type voucher-jws+json')
    if (certificates.length === 1) tolerance.accepts('x5c-leaf-only')
  }
  return { content: payload, signatures: [signatures[0]!, ...signatures.slice(1)] }
}

/** draft-ietf-anima-constrained-voucher section 6.8. */
function openCose(bytes: Uint8Array, signers: readonly Certificate[], tolerance: Tolerance): OpenedContainer {
  const opened = verifyCose(bytes, { signers, acceptNoAlgorithm: tolerance.allows('cose-no-alg') })
  if (opened.noAlgorithm) tolerance.accepts('cose-no-alg')
  const { signerCertificate, certificates } = opened
  return { content: opened.payload, signatures: [{ signerCertificate, certificates }] }
}

function require(tolerance: Tolerance, quirk: Quirk, rule: string): void {
  if (!tolerance.accepts(quirk)) throw new CodecError('bad-value', rule)
}
