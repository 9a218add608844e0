import { decode, encode } from '../der/codec.ts'
import { bitString, bits, integer, smallInteger } from '../der/primitive.ts'
import { defaulted, element, explicit, implicit, optional, sequence, signed } from '../der/structure.ts'
import { time } from '../der/time.ts'
import { CodecError } from '../error.ts'
import { AlgorithmIdentifier, sameAlgorithm } from './algorithm.ts'
import { type Extension, Extensions, type KnownExtensions, readKnownExtensions, refuseDuplicates } from './extension.ts'
import { Name } from './name.ts'

const Validity = sequence({ notBefore: time, notAfter: time })
/** Both ends belong to it. */
export type Validity = { readonly notBefore: Date; readonly notAfter: Date }

/** RFC 5280 4.1.2.7. */
export const SubjectPublicKeyInfo = sequence({ algorithm: AlgorithmIdentifier, subjectPublicKey: bitString })

const uniqueIdentifiers = {
  issuerUniqueID: optional(implicit(1, bits)),
  subjectUniqueID: optional(implicit(2, bits)),
}

const TBSCertificate = sequence({
  version: defaulted(explicit(0, smallInteger), 0),
  serialNumber: integer,
  signature: AlgorithmIdentifier,
  issuer: Name,
  validity: Validity,
  subject: Name,
  subjectPublicKeyInfo: signed(SubjectPublicKeyInfo),
  ...uniqueIdentifiers,
  extensions: optional(explicit(3, Extensions)),
})

const SignedCertificate = sequence({
  tbsCertificate: signed(TBSCertificate),
  signatureAlgorithm: AlgorithmIdentifier,
  signatureValue: bitString,
})

/**
 * An X.509 certificate as it was read; nothing about it has been verified. Byte values are views into `der`. The known
 * extensions are members by name (`keyUsage`, `subjectAltName`, `masaUrl`, ...), absent when the certificate has none.
 */
export interface Certificate extends KnownExtensions {
  readonly der: Uint8Array
  /** The bytes that `signature` covers. */
  readonly tbsDer: Uint8Array
  readonly version: 1 | 2 | 3
  /** Big-endian magnitude without leading zeros. */
  readonly serialNumber: Uint8Array
  /** `serialNumber` in lower-case hexadecimal, two digits an octet. */
  readonly serialHex: string
  readonly issuer: Name
  readonly subject: Name
  readonly validity: Validity
  /** SubjectPublicKeyInfo. */
  readonly spkiDer: Uint8Array
  readonly publicKeyAlgorithm: AlgorithmIdentifier
  /** Content of the subjectPublicKey BIT STRING: what RFC 5280 4.2.1.2 hashes for a key identifier. */
  readonly subjectPublicKey: Uint8Array
  readonly signatureAlgorithm: AlgorithmIdentifier
  readonly signature: Uint8Array
  /** All extensions in their order, known or not. */
  readonly extensions: readonly Extension[]
}

// Larger than any certificate met, small enough that a flood of them costs little.
const LIMITS = { size: 0x1_0000, depth: 16, count: 2000 }

/**
 * Reads a certificate. Throws CodecError unless it is strict DER of RFC 5280's Certificate with well-formed known
 * extensions, none twice, and the same algorithm in both places. Verifies nothing. `der` is copied.
 */
export function decodeCertificate(der: Uint8Array): Certificate {
  if (der.length > LIMITS.size) throw new CodecError('too-large', 'certificate larger than 64 KiB', 0)
  const own = Buffer.from(der)
  const { tbsCertificate, signatureAlgorithm, signatureValue } = decode(SignedCertificate, own, LIMITS)
  const tbs = tbsCertificate.value
  // RFC 5280 4.1.1.2
  if (!sameAlgorithm(tbs.signature, signatureAlgorithm)) throw new CodecError('bad-value', 'two signature algorithms')
  // RFC 5280 4.1.2.1
  if (tbs.version > 2) throw new CodecError('unsupported', `certificate version ${tbs.version + 1}`)
  const extensions = tbs.extensions ?? []
  // RFC 5280 4.1.2.8, 4.1.2.9
  if (extensions.length > 0 && tbs.version !== 2) throw new CodecError('bad-value', 'extensions before version 3')
  if ((tbs.issuerUniqueID ?? tbs.subjectUniqueID) && tbs.version === 0) {
    throw new CodecError('bad-value', 'unique identifiers in version 1')
  }
  return Object.freeze({
    der: own,
    tbsDer: tbsCertificate.der,
    version: (tbs.version + 1) as 1 | 2 | 3,
    serialNumber: tbs.serialNumber,
    serialHex: Buffer.from(tbs.serialNumber).toString('hex'),
    issuer: tbs.issuer,
    subject: tbs.subject,
    validity: tbs.validity,
    spkiDer: tbs.subjectPublicKeyInfo.der,
    publicKeyAlgorithm: tbs.subjectPublicKeyInfo.value.algorithm,
    subjectPublicKey: tbs.subjectPublicKeyInfo.value.subjectPublicKey,
    signatureAlgorithm,
    signature: signatureValue,
    extensions,
    ...readKnownExtensions(extensions, own),
  })
}

/** What a CA says in a version 3 certificate. Names and key are DER; names come from `encodeName` or `Name.der`. */
export interface TbsCertificateFields {
  /** 1 to 20 octets, big-endian, not zero (RFC 5280 4.1.2.2). */
  readonly serialNumber: Uint8Array
  readonly signature: AlgorithmIdentifier
  readonly issuer: Uint8Array
  readonly validity: Validity
  readonly subject: Uint8Array
  /** SubjectPublicKeyInfo. */
  readonly spkiDer: Uint8Array
  readonly extensions: readonly Extension[]
}

// Names and key are written as they come, without a detour over their values.
const WrittenTBSCertificate = sequence({
  version: explicit(0, smallInteger),
  serialNumber: integer,
  signature: AlgorithmIdentifier,
  issuer: element(0x30),
  validity: Validity,
  subject: element(0x30),
  subjectPublicKeyInfo: element(0x30),
  extensions: optional(explicit(3, Extensions)),
})

const WrittenCertificate = sequence({
  tbsCertificate: element(0x30),
  signatureAlgorithm: AlgorithmIdentifier,
  signatureValue: bitString,
})

/** DER of the TBSCertificate, which is what gets signed. Throws CodecError `bad-value` or `duplicate`. */
export function encodeTbsCertificate(fields: TbsCertificateFields): Buffer {
  const { serialNumber, signature, issuer, validity, subject, spkiDer, extensions } = fields
  checkSerialNumber(serialNumber)
  refuseDuplicates(extensions)
  return encode(WrittenTBSCertificate, {
    version: 2,
    serialNumber,
    signature,
    issuer,
    validity,
    subject,
    subjectPublicKeyInfo: spkiDer,
    ...(extensions.length > 0 && { extensions }),
  })
}

function checkSerialNumber(serial: Uint8Array): void {
  const octets = serial.length + (serial[0]! >= 0x80 ? 1 : 0)
  if (serial.length === 0 || octets > 20) throw new CodecError('bad-value', 'serial number is not 1 to 20 octets')
  if (serial.every(octet => octet === 0)) throw new CodecError('bad-value', 'serial number is zero')
}

/** The certificate from its TBSCertificate, the algorithm named in it, and the signature over it. */
export function encodeCertificate(tbsDer: Uint8Array, algorithm: AlgorithmIdentifier, signature: Uint8Array): Buffer {
  return encode(WrittenCertificate, {
    tbsCertificate: tbsDer,
    signatureAlgorithm: algorithm,
    signatureValue: signature,
  })
}
