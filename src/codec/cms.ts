import { type Codec, decode, encode, type Infer } from './der/codec.ts'
import { oid } from './der/oid.ts'
import { integer, octetString, smallInteger } from './der/primitive.ts'
import { any, choice, element, explicit, implicit, optional, sequence, setOf, signed } from './der/structure.ts'
import { CodecError } from './error.ts'
import { AlgorithmIdentifier } from './x509/algorithm.ts'

/** Content types (RFC 5652 sections 4, 5.1; RFC 8366 section 5.4) and attributes (RFC 5652 section 11). */
export const cmsOid = {
  data: '1.2.840.113549.1.7.1',
  signedData: '1.2.840.113549.1.7.2',
  /** id-ct-animaJSONVoucher */
  animaJsonVoucher: '1.2.840.113549.1.9.16.1.40',
  contentType: '1.2.840.113549.1.9.3',
  messageDigest: '1.2.840.113549.1.9.4',
  signingTime: '1.2.840.113549.1.9.5',
} as const

export const IssuerAndSerialNumber = sequence({ issuer: element(0x30), serialNumber: integer })

export const SignerIdentifier = choice({
  issuerAndSerialNumber: IssuerAndSerialNumber,
  subjectKeyIdentifier: implicit(0, octetString),
})
export type SignerIdentifier = Infer<typeof SignerIdentifier>

/** Sorted by `encodeSignedData` without copying what is large, checked by `decodeSignedData`. */
const rawSet = setOf(any, { order: 'any' })

/** `order`: RFC 5652 wants DER for attributes and leaves the rest to BER, so that many writers sort nothing. */
function schemas(order: 'der' | 'any') {
  const Attribute = sequence({ type: oid, values: setOf(any, { order }) })
  const SignerInfo = sequence({
    version: smallInteger,
    sid: SignerIdentifier,
    digestAlgorithm: AlgorithmIdentifier,
    signedAttrs: optional(implicit(0, signed(setOf(Attribute, { order })))),
    signatureAlgorithm: AlgorithmIdentifier,
    signature: octetString,
    unsignedAttrs: optional(implicit(1, setOf(Attribute, { order }))),
  })
  const SignedData = sequence({
    version: smallInteger,
    digestAlgorithms: setOf(AlgorithmIdentifier, { order }),
    encapContentInfo: sequence({ eContentType: oid, eContent: optional(explicit(0, octetString)) }),
    certificates: optional(implicit(0, rawSet)),
    crls: optional(implicit(1, rawSet)),
    signerInfos: setOf(SignerInfo, { order }),
  })
  return {
    Attributes: setOf(Attribute, { order }),
    ContentInfo: sequence({ contentType: oid, content: explicit(0, SignedData) }),
    SignedData,
    SignerInfo,
    Attribute,
  }
}

const der = schemas('der')
const unsorted = schemas('any')

export type CmsAttribute = Infer<typeof der.Attribute>
export type SignerInfo = Infer<typeof der.SignerInfo>
/** RFC 5652 section 5.1. Certificates and CRLs are their exact bytes. */
export type SignedData = Infer<typeof der.SignedData>

/** SET OF Attribute: what a signature covers (RFC 5652 section 5.4). */
export const CmsAttributes: Codec<readonly CmsAttribute[]> = der.Attributes

export interface DecodedSignedData {
  readonly signedData: SignedData
  /** False: some SET OF was not in the order of DER. */
  readonly sorted: boolean
}

const LIMITS = { size: 0x4_0000, depth: 24, count: 2000 }

/** Reads a ContentInfo with SignedData: strict DER but for the order within SET OF. Throws CodecError. */
export function decodeSignedData(bytes: Uint8Array): DecodedSignedData {
  try {
    const signedData = readContent(der.ContentInfo, bytes)
    return { signedData, sorted: ascending(signedData.certificates) && ascending(signedData.crls) }
  } catch (error) {
    if (!(error instanceof CodecError) || error.code !== 'bad-order') throw error
    return { signedData: readContent(unsorted.ContentInfo, bytes), sorted: false }
  }
}

function readContent(codec: typeof der.ContentInfo, bytes: Uint8Array): SignedData {
  const { contentType, content } = decode(codec, bytes, LIMITS)
  if (contentType !== cmsOid.signedData) throw new CodecError('unsupported', `CMS content type ${contentType}`)
  return content
}

function ascending(list: readonly Uint8Array[] = []): boolean {
  return list.every((item, i) => i === 0 || Buffer.compare(list[i - 1]!, item) <= 0)
}

function sorted(list: readonly Uint8Array[]): readonly Uint8Array[] {
  return list.toSorted((a, b) => Buffer.compare(a, b))
}

/** @param order `given`: certificates stay where they are, for readers that take the first one for the sender's own */
export function encodeSignedData(signedData: SignedData, order: 'der' | 'given' = 'der'): Buffer {
  if (order === 'given') return encode(der.ContentInfo, { contentType: cmsOid.signedData, content: signedData })
  const { certificates, crls } = signedData
  const content = {
    ...signedData,
    ...(certificates !== undefined && { certificates: sorted(certificates) }),
    ...(crls !== undefined && { crls: sorted(crls) }),
  }
  return encode(der.ContentInfo, { contentType: cmsOid.signedData, content })
}

/** The version that RFC 5652 section 5.1 gives to a SignedData of plain certificates and CRLs. */
export function signedDataVersion(contentType: string, signerInfos: readonly { readonly version: number }[]): 1 | 3 {
  return contentType === cmsOid.data && signerInfos.every(({ version }) => version === 1) ? 1 : 3
}

export interface CertsOnly {
  /** X.509 certificates, DER, in the order in which they came. */
  readonly certificates: readonly Uint8Array[]
  readonly crls: readonly Uint8Array[]
}

/** RFC 5652 section 5.2, as EST answers (RFC 7030 section 4.1.3): SignedData without content and without signers. */
export function encodeCertsOnly(message: Partial<CertsOnly> & { readonly order?: 'der' | 'given' }): Buffer {
  const { certificates, crls = [], order } = message
  const signedData = {
    version: 1,
    digestAlgorithms: [],
    encapContentInfo: { eContentType: cmsOid.data },
    ...(certificates !== undefined && certificates.length > 0 && { certificates }),
    ...(crls.length > 0 && { crls }),
    signerInfos: [],
  }
  return encodeSignedData(signedData, order)
}

/** Reads a certs-only message. Throws CodecError; also when somebody signed it, since then it is something else. */
export function decodeCertsOnly(bytes: Uint8Array): CertsOnly {
  const { certificates = [], crls = [], signerInfos, encapContentInfo } = decodeSignedData(bytes).signedData
  if (signerInfos.length > 0) throw new CodecError('bad-value', 'certs-only message with a signer')
  if (encapContentInfo.eContent !== undefined) throw new CodecError('bad-value', 'certs-only message with content')
  if (certificates.some(certificate => certificate[0] !== 0x30)) {
    throw new CodecError('unsupported', 'certs-only message with something else than X.509 certificates')
  }
  return { certificates, crls }
}
