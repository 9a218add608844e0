import { type RevocationReason, revocationReasons } from './crl.ts'
import { decode, encode, type Infer } from './der/codec.ts'
import { oid } from './der/oid.ts'
import { bitString, enumerated, integer, nullValue, octetString, smallInteger } from './der/primitive.ts'
import { any, choice, defaulted, element, explicit, implicit, optional, sequence, sequenceOf } from './der/structure.ts'
import { generalizedTime } from './der/time.ts'
import { CodecError } from './error.ts'
import { AlgorithmIdentifier } from './x509/algorithm.ts'
import { type Extension, Extensions, findExtension, refuseDuplicates } from './x509/extension.ts'

/** Object identifiers of RFC 6960 and RFC 9654. */
export const ocspOid = {
  basic: '1.3.6.1.5.5.7.48.1.1',
  nonce: '1.3.6.1.5.5.7.48.1.2',
  /** In a responder's certificate: it lives too short for anybody to ask about it (RFC 6960 section 4.2.2.2.1). */
  noCheck: '1.3.6.1.5.5.7.48.1.5',
} as const

/** RFC 6960 section 4.1.1: which certificate is asked about, by hashes of its issuer. */
export const CertID = sequence({
  hashAlgorithm: AlgorithmIdentifier,
  issuerNameHash: octetString,
  issuerKeyHash: octetString,
  serialNumber: integer,
})
export type CertID = Infer<typeof CertID>

const Request = sequence({ reqCert: CertID, singleRequestExtensions: optional(explicit(0, Extensions)) })

const TBSRequest = sequence({
  version: defaulted(explicit(0, smallInteger), 0),
  requestorName: optional(explicit(1, any)),
  requestList: sequenceOf(Request, { min: 1 }),
  requestExtensions: optional(explicit(2, Extensions)),
})

/** The signature of a requestor is read over: whoever asks may ask. */
const SignedOcspRequest = sequence({ tbsRequest: TBSRequest, optionalSignature: optional(explicit(0, any)) })

export interface OcspRequest {
  readonly certificates: readonly CertID[]
  /** Of the extension, without its own header (RFC 9654 section 2.1). */
  readonly nonce?: Uint8Array
}

/** What one who relies on certificates asks, unsigned. */
export function encodeOcspRequest(certificates: readonly CertID[]): Buffer {
  const requestList = certificates.map(reqCert => ({ reqCert }))
  return encode(SignedOcspRequest, { tbsRequest: { version: 0, requestList } })
}

/** A request for a network has one or two; a relying party with a whole list can ask twice. */
const maxCertificates = 16
const LIMITS = { size: 0x2000, depth: 12, count: 600 }
/** RFC 9654 section 2.1. */
const maxNonce = 128

/** Reads an OCSPRequest of at most 8 KiB. Throws CodecError, also for what a responder must refuse as malformed. */
export function decodeOcspRequest(der: Uint8Array): OcspRequest {
  if (der.length > LIMITS.size) throw new CodecError('too-large', 'OCSP request larger than 8 KiB', 0)
  const { tbsRequest } = decode(SignedOcspRequest, Buffer.from(der), LIMITS)
  const { version, requestList, requestExtensions = [] } = tbsRequest
  if (version !== 0) throw new CodecError('unsupported', 'OCSP version')
  if (requestList.length > maxCertificates) throw new CodecError('too-many', 'certificates in an OCSP request')
  refuseDuplicates(requestExtensions)
  for (const { singleRequestExtensions = [] } of requestList) refuseDuplicates(singleRequestExtensions)
  // RFC 6960 section 4.4: unknown ones are ignored unless they are critical.
  const all = [requestExtensions, ...requestList.map(({ singleRequestExtensions = [] }) => singleRequestExtensions)]
  const strange = all.flat().find(({ id, critical }) => critical && id !== ocspOid.nonce)
  if (strange !== undefined) throw new CodecError('unsupported', `critical OCSP extension ${strange.id}`)
  const nonce = nonceIn(requestExtensions)
  return { certificates: requestList.map(({ reqCert }) => reqCert), ...(nonce === undefined ? {} : { nonce }) }
}

function nonceIn(extensions: readonly Extension[]): Uint8Array | undefined {
  const extension = findExtension(extensions, { id: ocspOid.nonce })
  if (extension === undefined) return undefined
  const nonce = decode(octetString, extension.value)
  if (nonce.length === 0 || nonce.length > maxNonce) throw new CodecError('bad-value', 'length of the nonce')
  return nonce
}

const CertStatus = choice({
  good: implicit(0, nullValue),
  revoked: implicit(
    1,
    sequence({ revocationTime: generalizedTime, revocationReason: optional(explicit(0, enumerated)) }),
  ),
  unknown: implicit(2, nullValue),
})

const SingleResponse = sequence({
  certID: CertID,
  certStatus: CertStatus,
  thisUpdate: generalizedTime,
  nextUpdate: optional(explicit(0, generalizedTime)),
  singleExtensions: optional(explicit(1, Extensions)),
})

/** byKey alone: the name of a responder says nothing that its certificate does not. */
const ResponseData = sequence({
  version: defaulted(explicit(0, smallInteger), 0),
  responderID: explicit(2, octetString),
  producedAt: generalizedTime,
  responses: sequenceOf(SingleResponse),
  responseExtensions: optional(explicit(1, Extensions)),
})

const BasicOCSPResponse = sequence({
  tbsResponseData: element(0x30),
  signatureAlgorithm: AlgorithmIdentifier,
  signature: bitString,
  certs: optional(explicit(0, sequenceOf(element(0x30)))),
})

const OCSPResponse = sequence({
  responseStatus: enumerated,
  responseBytes: optional(explicit(0, sequence({ responseType: oid, response: octetString }))),
})

/** RFC 6960 section 4.2.1. */
export const ocspStatus = {
  successful: 0,
  malformedRequest: 1,
  internalError: 2,
  tryLater: 3,
  sigRequired: 5,
  unauthorized: 6,
} as const

export type OcspAnswer =
  | { readonly type: 'good' | 'unknown' }
  | { readonly type: 'revoked'; readonly at: Date; readonly reason: RevocationReason }

export interface OcspResponseFields {
  /** SHA-1 of the responder's key bits. */
  readonly responderKeyHash: Uint8Array
  readonly producedAt: Date
  readonly nextUpdate: Date
  readonly answers: readonly { readonly certificate: CertID; readonly answer: OcspAnswer }[]
  readonly nonce?: Uint8Array
}

/** DER of the ResponseData, which is what gets signed. */
export function encodeOcspResponseData(fields: OcspResponseFields): Buffer {
  const { responderKeyHash, producedAt, nextUpdate, answers, nonce } = fields
  return encode(ResponseData, {
    version: 0,
    responderID: responderKeyHash,
    producedAt,
    responses: answers.map(({ certificate, answer }) => ({
      certID: certificate,
      certStatus: statusOf(answer),
      thisUpdate: producedAt,
      nextUpdate,
    })),
    ...(nonce === undefined
      ? {}
      : { responseExtensions: [{ id: ocspOid.nonce, critical: false, value: encode(octetString, nonce) }] }),
  })
}

function statusOf(answer: OcspAnswer): Infer<typeof CertStatus> {
  if (answer.type !== 'revoked') return { type: answer.type, value: null }
  const code = revocationReasons.indexOf(answer.reason)
  const reason = code > 0 ? { revocationReason: code } : {}
  return { type: 'revoked', value: { revocationTime: answer.at, ...reason } }
}

export function encodeOcspResponse(
  data: Uint8Array,
  algorithm: AlgorithmIdentifier,
  signature: Uint8Array,
  certificates: readonly Uint8Array[],
): Buffer {
  const response = encode(BasicOCSPResponse, {
    tbsResponseData: data,
    signatureAlgorithm: algorithm,
    signature,
    certs: certificates,
  })
  const responseBytes = { responseType: ocspOid.basic, response }
  return encode(OCSPResponse, { responseStatus: ocspStatus.successful, responseBytes })
}

/** Without a signature: it says nothing about any certificate. */
export function encodeOcspError(status: Exclude<keyof typeof ocspStatus, 'successful'>): Buffer {
  return encode(OCSPResponse, { responseStatus: ocspStatus[status] })
}

export interface OcspResponse {
  readonly status: number
  readonly data?: Infer<typeof ResponseData>
}

/** Reads a response; nothing about it has been verified. Throws CodecError. */
export function decodeOcspResponse(der: Uint8Array): OcspResponse {
  const { responseStatus, responseBytes } = decode(OCSPResponse, der, { size: 0x4000, depth: 16, count: 2000 })
  if (responseBytes === undefined) return { status: responseStatus }
  if (responseBytes.responseType !== ocspOid.basic) throw new CodecError('unsupported', 'OCSP response type')
  const { tbsResponseData } = decode(BasicOCSPResponse, responseBytes.response)
  return { status: responseStatus, data: decode(ResponseData, tbsResponseData) }
}
