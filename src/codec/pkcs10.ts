import { decode, encode, type Infer } from './der/codec.ts'
import { oid } from './der/oid.ts'
import { bitString, smallInteger } from './der/primitive.ts'
import { directoryString, isPrintable, printableString, utf8String } from './der/string.ts'
import { any, element, implicit, sequence, setOf, signed } from './der/structure.ts'
import { CodecError } from './error.ts'
import { AlgorithmIdentifier } from './x509/algorithm.ts'
import { SubjectPublicKeyInfo } from './x509/certificate.ts'
import {
  type Extension,
  Extensions,
  type KnownExtensions,
  readKnownExtensions,
  refuseDuplicates,
} from './x509/extension.ts'
import { Name } from './x509/name.ts'

/** RFC 2986 4.1; each value is the DER of what the type defines. */
export const Attribute = sequence({ type: oid, values: setOf(any, { min: 1 }) })
export type Attribute = Infer<typeof Attribute>

/** Object identifiers of request attributes (RFC 2985, RFC 7030, RFC 6402). */
export const requestAttribute = {
  challengePassword: '1.2.840.113549.1.9.7',
  extensionRequest: '1.2.840.113549.1.9.14',
  smimeCapabilities: '1.2.840.113549.1.9.15',
  decryptKeyID: '1.2.840.113549.1.9.16.2.37',
  asymmDecryptKeyID: '1.2.840.113549.1.9.16.2.54',
  changeSubjectName: '1.3.6.1.5.5.7.7.36',
} as const

const CertificationRequestInfo = sequence({
  version: smallInteger,
  subject: Name,
  subjectPKInfo: signed(SubjectPublicKeyInfo),
  // Some clients do not sort them; the signature covers the bytes as they are, so nothing hangs on the order.
  attributes: implicit(0, setOf(Attribute, { order: 'any' })),
})

const SignedRequest = sequence({
  certificationRequestInfo: signed(CertificationRequestInfo),
  signatureAlgorithm: AlgorithmIdentifier,
  signature: bitString,
})

/** A PKCS #10 request as it was read; nothing about it has been verified. Byte values are views into `der`. */
export interface CertificationRequest {
  readonly der: Uint8Array
  /** CertificationRequestInfo: the bytes that `signature` covers. */
  readonly infoDer: Uint8Array
  readonly subject: Name
  /** SubjectPublicKeyInfo. */
  readonly spkiDer: Uint8Array
  readonly publicKeyAlgorithm: AlgorithmIdentifier
  readonly subjectPublicKey: Uint8Array
  /** All attributes in their order, no type twice. */
  readonly attributes: readonly Attribute[]
  /** Of extensionRequest; empty when there is none. */
  readonly extensions: readonly Extension[]
  /** Values of those `extensions` that are known. */
  readonly requested: KnownExtensions
  readonly challengePassword: string | undefined
  readonly signatureAlgorithm: AlgorithmIdentifier
  readonly signature: Uint8Array
}

const LIMITS = { size: 0x1_0000, depth: 16, count: 2000 }

/**
 * Reads a CertificationRequest. Throws CodecError unless it is strict DER of RFC 2986 with no attribute and no extension
 * twice. Verifies nothing, its signature included. `der` is copied.
 */
export function decodeCertificationRequest(der: Uint8Array): CertificationRequest {
  if (der.length > LIMITS.size) throw new CodecError('too-large', 'request larger than 64 KiB', 0)
  const own = Buffer.from(der)
  const { certificationRequestInfo, signatureAlgorithm, signature } = decode(SignedRequest, own, LIMITS)
  const { version, subject, subjectPKInfo, attributes } = certificationRequestInfo.value
  if (version !== 0) throw new CodecError('unsupported', `request version ${version + 1}`)
  refuseRepeated(attributes)
  const extensionRequest = soleValue(attributes, requestAttribute.extensionRequest)
  const extensions = extensionRequest === undefined ? [] : decode(Extensions, extensionRequest)
  const password = soleValue(attributes, requestAttribute.challengePassword)
  return Object.freeze({
    der: own,
    infoDer: certificationRequestInfo.der,
    subject,
    spkiDer: subjectPKInfo.der,
    publicKeyAlgorithm: subjectPKInfo.value.algorithm,
    subjectPublicKey: subjectPKInfo.value.subjectPublicKey,
    attributes,
    extensions,
    requested: readKnownExtensions(extensions, own),
    challengePassword: password && decode(directoryString, password),
    signatureAlgorithm,
    signature,
  })
}

function refuseRepeated(attributes: readonly Attribute[]): void {
  const seen = new Set<string>()
  for (const { type } of attributes) {
    if (seen.has(type)) throw new CodecError('duplicate', `attribute ${type} is there twice`)
    seen.add(type)
  }
}

/** RFC 2985 5.4.1, 5.4.2: both attributes are SINGLE VALUE. */
function soleValue(attributes: readonly Attribute[], type: string): Uint8Array | undefined {
  const values = attributes.find(attribute => attribute.type === type)?.values
  if (values !== undefined && values.length > 1) throw new CodecError('duplicate', `attribute ${type} has two values`)
  return values?.[0]
}

/** What a client asks for. `subject` and `spkiDer` are DER. */
export interface CertificationRequestFields {
  readonly subject: Uint8Array
  /** SubjectPublicKeyInfo. */
  readonly spkiDer: Uint8Array
  readonly extensions?: readonly Extension[]
  readonly challengePassword?: string
  /** Further attributes. */
  readonly attributes?: readonly Attribute[]
}

const WrittenInfo = sequence({
  version: smallInteger,
  subject: element(0x30),
  subjectPKInfo: element(0x30),
  attributes: implicit(0, setOf(Attribute)),
})

const WrittenRequest = sequence({
  certificationRequestInfo: element(0x30),
  signatureAlgorithm: AlgorithmIdentifier,
  signature: bitString,
})

/** DER of the CertificationRequestInfo, which is what gets signed. */
export function encodeCertificationRequestInfo(fields: CertificationRequestFields): Buffer {
  const attributes = [...(fields.attributes ?? [])]
  if (fields.extensions !== undefined && fields.extensions.length > 0) {
    refuseDuplicates(fields.extensions)
    attributes.push({ type: requestAttribute.extensionRequest, values: [encode(Extensions, fields.extensions)] })
  }
  if (fields.challengePassword !== undefined) {
    attributes.push({ type: requestAttribute.challengePassword, values: [passwordValue(fields.challengePassword)] })
  }
  refuseRepeated(attributes)
  return encode(WrittenInfo, {
    version: 0,
    subject: fields.subject,
    subjectPKInfo: fields.spkiDer,
    attributes,
  })
}

// RFC 2985 5.4.1: PrintableString when it can be, UTF8String otherwise.
function passwordValue(password: string): Buffer {
  return encode(isPrintable(password) ? printableString : utf8String, password)
}

/** The request from its info, the signature algorithm and the signature over the info. */
export function encodeCertificationRequest(
  infoDer: Uint8Array,
  algorithm: AlgorithmIdentifier,
  signature: Uint8Array,
): Buffer {
  return encode(WrittenRequest, { certificationRequestInfo: infoDer, signatureAlgorithm: algorithm, signature })
}
