import { decodeBase64Url, encodeBase64Url } from './base64.ts'
import { CodecError } from './error.ts'
import { decodeJsonObject, encodeCanonicalJson, isJsonObject, type Json, type JsonObject } from './json.ts'

/** One signature of a JWS. `protected` is what its bytes say; nothing has been verified. */
export interface JwsSignature {
  /** The protected header as it was signed: base64url text. */
  readonly protectedText: string
  readonly protected: JsonObject
  /** Unprotected header; no name of it occurs in the protected one. */
  readonly header: JsonObject
  readonly signature: Uint8Array
}

/** A JWS in General JSON Serialization (RFC 7515 section 7.2.1). */
export interface Jws {
  /** The payload as it was signed: base64url text. */
  readonly payloadText: string
  readonly payload: Uint8Array
  /** At least one. */
  readonly signatures: readonly JwsSignature[]
}

const LIMITS = { size: 0x4_0000, depth: 8, count: 2000 }
const MAX_SIGNATURES = 8

/**
 * Reads a JWS in General JSON Serialization; the compact and the flattened form are not among the containers of a voucher
 * (draft-ietf-anima-jws-voucher section 3.1). Throws CodecError. Unknown members are passed over (RFC 7515 section 7.2.1).
 */
export function decodeJws(bytes: Uint8Array): Jws {
  const { payload, signatures } = decodeJsonObject(bytes, LIMITS)
  if (typeof payload !== 'string') throw new CodecError('bad-value', 'JWS without payload')
  if (!Array.isArray(signatures) || signatures.length === 0) {
    throw new CodecError('bad-value', 'not a JWS in General JSON Serialization')
  }
  if (signatures.length > MAX_SIGNATURES) throw new CodecError('too-many', 'too many signatures in a JWS')
  return {
    payloadText: payload,
    payload: decodeBase64Url(payload),
    signatures: signatures.map(decodeSignature),
  }
}

function decodeSignature(entry: Json): JwsSignature {
  if (!isJsonObject(entry)) throw new CodecError('bad-value', 'JWS signature is not an object')
  const { protected: protectedText, header = {}, signature } = entry
  if (typeof protectedText !== 'string') throw new CodecError('bad-value', 'JWS signature without protected header')
  if (typeof signature !== 'string') throw new CodecError('bad-value', 'JWS without signature')
  if (!isJsonObject(header)) throw new CodecError('bad-value', 'JWS header is not an object')
  const protectedHeader = decodeJsonObject(decodeBase64Url(protectedText), LIMITS)
  // RFC 7515 section 7.2.1: the names of the two headers are disjoint.
  for (const name of Object.keys(header)) {
    if (Object.hasOwn(protectedHeader, name)) throw new CodecError('duplicate', `JWS header ${name} is there twice`)
  }
  return { protectedText, protected: protectedHeader, header, signature: decodeBase64Url(signature) }
}

/** What a signature covers (RFC 7515 section 5.1). */
export function jwsSigningInput(protectedText: string, payloadText: string): Buffer {
  return Buffer.from(`${protectedText}.${payloadText}`, 'latin1')
}

export function encodeJwsHeader(header: JsonObject): string {
  return encodeBase64Url(Buffer.from(encodeCanonicalJson(header)))
}

/** General JSON Serialization; headers and payload are written as the texts that were signed. */
export function encodeJws(jws: Pick<Jws, 'payloadText' | 'signatures'>): Buffer {
  const signatures = jws.signatures.map(({ protectedText, header, signature }) => ({
    ...(Object.keys(header).length > 0 && { header }),
    protected: protectedText,
    signature: encodeBase64Url(signature),
  }))
  return Buffer.from(encodeCanonicalJson({ payload: jws.payloadText, signatures }))
}
