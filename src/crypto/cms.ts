import { hash, type KeyObject } from 'node:crypto'
import {
  type CmsAttribute,
  CmsAttributes,
  cmsOid,
  decodeSignedData,
  encodeSignedData,
  type SignedData,
  type SignerIdentifier,
  type SignerInfo,
  signedDataVersion,
} from '../codec/cms.ts'
import { decode, encode } from '../codec/der/codec.ts'
import { oid } from '../codec/der/oid.ts'
import { octetString } from '../codec/der/primitive.ts'
import { time } from '../codec/der/time.ts'
import { CodecError } from '../codec/error.ts'
import {
  type AlgorithmIdentifier,
  ecdsaWithSHA256,
  ecdsaWithSHA384,
  ecdsaWithSHA512,
  ed25519,
  keyOid,
  signatureAlgorithms,
} from '../codec/x509/algorithm.ts'
import type { Certificate } from '../codec/x509/certificate.ts'
import { certificateOf } from './certificate-cache.ts'
import { CryptoError } from './error.ts'
import { publicKeyOf } from './key.ts'
import { Recent } from './recent.ts'
import type { SignatureAlgorithm, Signer } from './signer.ts'
import { allowedAlgorithm, verifySignature } from './verify.ts'

type Digest = 'sha256' | 'sha384' | 'sha512'

const digestOid = {
  sha256: '2.16.840.1.101.3.4.2.1',
  sha384: '2.16.840.1.101.3.4.2.2',
  sha512: '2.16.840.1.101.3.4.2.3',
} as const
const digestByOid = new Map(Object.entries(digestOid).map(([name, id]) => [id as string, name as Digest]))

/** RFC 5753 section 2.1.1, RFC 8419 section 3: what a key signs with, and the digest that goes with it. */
const suites: Record<SignatureAlgorithm, { readonly digest: Digest; readonly identifier: AlgorithmIdentifier }> = {
  ES256: { digest: 'sha256', identifier: ecdsaWithSHA256.identifier },
  ES384: { digest: 'sha384', identifier: ecdsaWithSHA384.identifier },
  ES512: { digest: 'sha512', identifier: ecdsaWithSHA512.identifier },
  EdDSA: { digest: 'sha512', identifier: ed25519.identifier },
}

export interface SignCms {
  readonly content: Uint8Array
  /** eContentType. */
  readonly contentType: string
  readonly signer: Signer
  /** The signer's own first; all of them travel in the bag. */
  readonly certificates: readonly Certificate[]
  readonly signingTime?: Date
}

/** SignedData with one signer and signed attributes, DER. Throws `key-mismatch` when certificate and signer differ. */
export async function signCms({ content, contentType, signer, certificates, signingTime }: SignCms): Promise<Buffer> {
  const certificate = certificates[0]
  if (certificate === undefined) throw new CryptoError('key-mismatch', 'a signer without certificate')
  if (!signer.spkiDer.equals(certificate.spkiDer))
    throw new CryptoError('key-mismatch', 'the certificate is for another key')
  const { digest, identifier } = suites[signer.algorithm]
  const digestAlgorithm = { algorithm: digestOid[digest] }
  const attributes = signedAttributes(contentType, digest, hash(digest, content, 'buffer'), signingTime)
  const signature = await signer.sign(attributes)
  const signerInfo: SignerInfo = {
    version: 1,
    sid: {
      type: 'issuerAndSerialNumber',
      value: { issuer: certificate.issuer.der, serialNumber: certificate.serialNumber },
    },
    digestAlgorithm,
    signedAttrs: { der: attributes, value: [] },
    signatureAlgorithm: identifier,
    signature,
  }
  return encodeSignedData({
    version: signedDataVersion(contentType, [signerInfo]),
    digestAlgorithms: [digestAlgorithm],
    encapContentInfo: { eContentType: contentType, eContent: content },
    certificates: certificates.map(({ der }) => der),
    signerInfos: [signerInfo],
  })
}

const templates = new Map<string, Buffer>()

/**
 * RFC 5652 section 5.4: SET OF Attribute, DER, which is signed. Without a time all but the digest is always the same, and
 * the digest, in the longest of the attributes, comes last.
 */
function signedAttributes(contentType: string, digest: Digest, value: Uint8Array, signingTime?: Date): Buffer {
  if (signingTime !== undefined) return encodeAttributes(contentType, value, signingTime)
  const name = `${contentType} ${digest}`
  let template = templates.get(name)
  if (template === undefined) {
    template = encodeAttributes(contentType, value)
    if (!template.subarray(-value.length).equals(value)) return template
    if (templates.size < 64) templates.set(name, template)
  }
  const attributes = Buffer.from(template)
  attributes.set(value, attributes.length - value.length)
  return attributes
}

function encodeAttributes(contentType: string, digest: Uint8Array, signingTime?: Date): Buffer {
  const attributes: CmsAttribute[] = [
    { type: cmsOid.contentType, values: [encode(oid, contentType)] },
    { type: cmsOid.messageDigest, values: [encode(octetString, digest)] },
  ]
  if (signingTime !== undefined) attributes.push({ type: cmsOid.signingTime, values: [encode(time, signingTime)] })
  return encode(CmsAttributes, attributes)
}

/** What was tolerated while reading. */
export type CmsNote = 'set-order' | 'version'

export interface VerifyCms {
  /** Where to look for a signer whose certificate is not in the message. */
  readonly signers?: readonly Certificate[]
}

export interface VerifiedCms {
  readonly contentType: string
  readonly content: Uint8Array
  readonly signerCertificate: Certificate
  /** The bag: the signer's own first, then the others as they came. */
  readonly certificates: readonly Certificate[]
  /** CRLs of the bag, DER. */
  readonly crls: readonly Uint8Array[]
  readonly signedAttrs: readonly CmsAttribute[]
  readonly signingTime?: Date
  readonly notes: readonly CmsNote[]
}

/** Each has to be read; no path is longer than 10. */
const MAX_CERTIFICATES = 16

/**
 * Reads a SignedData with content and one signer, and verifies signature, digest and content type. The path of the
 * signer's certificate is not looked at. Throws CodecError (malformed) or CryptoError (does not verify).
 */
export function verifyCms(der: Uint8Array, options: VerifyCms = {}): VerifiedCms {
  const { signedData, sorted } = decodeSignedData(der)
  const { encapContentInfo, signerInfos, crls = [] } = signedData
  const content = encapContentInfo.eContent
  if (content === undefined) throw new CodecError('unsupported', 'CMS message without its content')
  const signerInfo = signerInfos[0]
  // RFC 8366 section 5.4: one signer.
  if (signerInfo === undefined || signerInfos.length > 1) {
    throw new CodecError('unsupported', `CMS message with ${signerInfos.length} signers`)
  }
  const { certificates = [] } = signedData
  if (certificates.length > MAX_CERTIFICATES) throw new CodecError('too-many', 'too many certificates in a CMS message')
  const bag = certificates.map(x509Certificate)
  const signerCertificate = findSigner(signerInfo.sid, bag, options.signers)
  const attributes = verifySignerInfo(signerInfo, signerCertificate, encapContentInfo.eContentType, content)
  const notes: CmsNote[] = []
  if (!sorted) notes.push('set-order')
  if (!versionsFit(signedData, signerInfo)) notes.push('version')
  return {
    contentType: encapContentInfo.eContentType,
    content,
    signerCertificate,
    certificates: [signerCertificate, ...bag.filter(certificate => certificate !== signerCertificate)],
    crls,
    ...attributes,
    notes,
  }
}

function x509Certificate(der: Uint8Array): Certificate {
  if (der[0] !== 0x30) throw new CodecError('unsupported', 'CMS message with something else than X.509 certificates')
  return certificateOf(der)
}

function findSigner(
  sid: SignerIdentifier,
  bag: readonly Certificate[],
  others: readonly Certificate[] = [],
): Certificate {
  const found =
    bag.find(certificate => isSigner(sid, certificate)) ?? others.find(certificate => isSigner(sid, certificate))
  if (found === undefined) throw new CryptoError('key-mismatch', 'the certificate of the CMS signer is not known')
  return found
}

/** RFC 5652 section 5.3. */
function isSigner(sid: SignerIdentifier, certificate: Certificate): boolean {
  if (sid.type === 'subjectKeyIdentifier') {
    const own = certificate.subjectKeyIdentifier
    return own !== undefined && Buffer.compare(own, sid.value) === 0
  }
  const { issuer, serialNumber } = sid.value
  return (
    Buffer.compare(certificate.serialNumber, serialNumber) === 0 && Buffer.compare(certificate.issuer.der, issuer) === 0
  )
}

/** RFC 5652 section 5.3: version 1 names the signer by issuer and serial number, 3 by key identifier. */
function versionsFit({ version, encapContentInfo, signerInfos }: SignedData, signerInfo: SignerInfo): boolean {
  const expected = signerInfo.sid.type === 'subjectKeyIdentifier' ? 3 : 1
  return signerInfo.version === expected && version === signedDataVersion(encapContentInfo.eContentType, signerInfos)
}

function verifySignerInfo(
  signerInfo: SignerInfo,
  certificate: Certificate,
  contentType: string,
  content: Uint8Array,
): Pick<VerifiedCms, 'signedAttrs' | 'signingTime'> {
  const { signedAttrs, signature } = signerInfo
  // RFC 8366bis section 6.4: without them, a message over attributes could be passed off as one over content.
  if (signedAttrs === undefined) throw new CryptoError('unsupported-algorithm', 'CMS signer without signed attributes')
  const { digest, identifier } = suiteOf(signerInfo)
  const attributes = signedAttrs.value
  if (decode(oid, attributeValue(attributes, cmsOid.contentType)) !== contentType) {
    throw new CryptoError('bad-signature', 'the signed content type is another')
  }
  const signed = decode(octetString, attributeValue(attributes, cmsOid.messageDigest))
  if (!hash(digest, content, 'buffer').equals(signed))
    throw new CryptoError('bad-signature', 'the signed digest is another')
  verifyAttributes(identifier, certificate, signedAttrs, signature)
  const timeDer = optionalValue(attributes, cmsOid.signingTime)
  return { signedAttrs: attributes, ...(timeDer !== undefined && { signingTime: decode(time, timeDer) }) }
}

function verifyAttributes(
  identifier: AlgorithmIdentifier,
  certificate: Certificate,
  signedAttrs: NonNullable<SignerInfo['signedAttrs']>,
  signature: Uint8Array,
): void {
  const key = publicKeyOf(certificate)
  const asCarried = Buffer.from(signedAttrs.der)
  asCarried[0] = 0x31
  try {
    verifyOnce(identifier, key, asCarried, signature)
  } catch (error) {
    // RFC 5652 section 5.4: the DER encoding is what is signed; a writer who did not sort may still have signed it sorted.
    const sorted = encode(CmsAttributes, signedAttrs.value)
    if (!(error instanceof CryptoError) || error.code !== 'bad-signature' || sorted.equals(asCarried)) throw error
    verifySignature(identifier, key, sorted, signature)
  }
}

interface GoodSignature {
  readonly algorithm: string
  readonly key: KeyObject
  readonly attributes: Buffer
}

/** By signature: a voucher request comes to the registrar, within another one to the MASA of the same process, and again. */
const goodSignatures = new Recent<GoodSignature>(256)

/** @param attributes nobody else holds */
function verifyOnce(identifier: AlgorithmIdentifier, key: KeyObject, attributes: Buffer, signature: Uint8Array): void {
  // Which hash, the algorithm says alone: RSASSA-PSS, whose parameters say it, is not accepted.
  const { algorithm } = identifier
  const name = Buffer.from(signature).toString('latin1')
  const good = goodSignatures.get(name)
  if (good?.algorithm === algorithm && good.key === key && good.attributes.equals(attributes)) return
  verifySignature(identifier, key, attributes, signature)
  goodSignatures.set(name, { algorithm, key, attributes })
}

/** The digest, and the signature algorithm with its hash. RFC 8933 section 3.1: one and the same hash for both. */
function suiteOf({ digestAlgorithm, signatureAlgorithm }: SignerInfo): {
  digest: Digest
  identifier: AlgorithmIdentifier
} {
  const digest = digestByOid.get(digestAlgorithm.algorithm)
  if (digest === undefined) throw new CryptoError('unsupported-algorithm', `CMS digest ${digestAlgorithm.algorithm}`)
  // RFC 3370 section 3.2: RSA may be named by its key type alone, the digest says the rest.
  const identifier =
    signatureAlgorithm.algorithm === keyOid.rsaEncryption
      ? signatureAlgorithms.find(({ key, hash }) => key === 'rsa' && hash === digest)!.identifier
      : signatureAlgorithm
  const { hash: signed, name } = allowedAlgorithm(identifier)
  if (signed !== digest && signed !== null)
    throw new CryptoError('unsupported-algorithm', `${name} over a digest of ${digest}`)
  return { digest, identifier }
}

/** RFC 5652 section 11: an attribute occurs once and has one value. */
function optionalValue(attributes: readonly CmsAttribute[], type: string): Uint8Array | undefined {
  let found: Uint8Array | undefined
  for (const attribute of attributes) {
    if (attribute.type !== type) continue
    if (found !== undefined || attribute.values.length !== 1)
      throw new CodecError('duplicate', `CMS attribute ${type} twice`)
    found = attribute.values[0]
  }
  return found
}

function attributeValue(attributes: readonly CmsAttribute[], type: string): Uint8Array {
  return optionalValue(attributes, type) ?? absent(type)
}

function absent(type: string): never {
  throw new CodecError('bad-value', `CMS attribute ${type} is missing`)
}
