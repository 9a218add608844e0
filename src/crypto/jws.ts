import { type KeyObject, verify } from 'node:crypto'
import { decodeBase64, encodeBase64, encodeBase64Url } from '../codec/base64.ts'
import { CodecError } from '../codec/error.ts'
import type { Json, JsonObject } from '../codec/json.ts'
import { decodeJws, encodeJws, encodeJwsHeader, type Jws, type JwsSignature, jwsSigningInput } from '../codec/jws.ts'
import type { Certificate } from '../codec/x509/certificate.ts'
import { certificateOf } from './certificate-cache.ts'
import { ecdsaDerToRaw, ecdsaRawToDer } from './ecdsa.ts'
import { CryptoError } from './error.ts'
import { publicKeyOf } from './key.ts'
import { ecProfile, type SignatureAlgorithm, type Signer } from './signer.ts'

export interface SignJws {
  readonly payload: Uint8Array
  /** Protected members beside alg and x5c, such as typ. */
  readonly header?: JsonObject
  readonly signer: Signer
  /** The signer's own first; they travel as x5c. */
  readonly certificates: readonly Certificate[]
}

/** A JWS in General JSON Serialization with one signature. */
export async function signJws({ payload, ...by }: SignJws): Promise<Buffer> {
  const payloadText = encodeBase64Url(payload)
  return encodeJws({ payloadText, signatures: [await makeSignature(payloadText, by)] })
}

/** Adds a signature over the same payload (BRSKI-PRM: the registrar countersigns). What is there is kept byte for byte. */
export async function countersignJws(bytes: Uint8Array, by: Omit<SignJws, 'payload'>): Promise<Buffer> {
  const { payloadText, signatures } = decodeJws(bytes)
  return encodeJws({ payloadText, signatures: [...signatures, await makeSignature(payloadText, by)] })
}

async function makeSignature(payloadText: string, by: Omit<SignJws, 'payload'>): Promise<JwsSignature> {
  const { header, signer, certificates } = by
  if (certificates[0] !== undefined && !signer.spkiDer.equals(certificates[0].spkiDer)) {
    throw new CryptoError('key-mismatch', 'the certificate is for another key')
  }
  const x5c = certificates.map(({ der }) => encodeBase64(der))
  const members = { ...header, alg: signer.algorithm, ...(x5c.length > 0 && { x5c }) }
  const protectedText = encodeJwsHeader(members)
  const signature = await signer.sign(jwsSigningInput(protectedText, payloadText))
  return {
    protectedText,
    protected: members,
    header: {},
    signature: signer.algorithm === 'EdDSA' ? signature : ecdsaDerToRaw(signature, ecProfile(signer.publicKey).size),
  }
}

export interface VerifyJws {
  /** Absent: ES256, ES384, ES512. */
  readonly algorithms?: readonly SignatureAlgorithm[]
  /** Critical header members that the caller understands and will act on. */
  readonly critical?: readonly string[]
  /** Where to look for the signer of a signature without x5c; at most 8 are tried. */
  readonly signers?: readonly Certificate[]
}

export interface VerifiedJwsSignature {
  readonly header: JsonObject
  readonly algorithm: SignatureAlgorithm
  readonly signerCertificate: Certificate
  /** x5c, the signer's own first; the signer alone when there was none. */
  readonly certificates: readonly Certificate[]
}

export interface VerifiedJws {
  readonly payload: Uint8Array
  /** In the order of the message; every one of them verifies. */
  readonly signatures: readonly VerifiedJwsSignature[]
}

const DEFAULT_ALGORITHMS: readonly SignatureAlgorithm[] = ['ES256', 'ES384', 'ES512']
const MAX_CERTIFICATES = 10

/**
 * Reads a JWS and verifies each of its signatures with the key of its x5c, or of one of `signers`. One bad signature
 * spoils all. Paths are not looked at. Throws CodecError (malformed, unknown critical member) or CryptoError.
 */
export function verifyJws(bytes: Uint8Array, options: VerifyJws = {}): VerifiedJws {
  const jws = decodeJws(bytes)
  return { payload: jws.payload, signatures: jws.signatures.map(entry => verifyOne(jws, entry, options)) }
}

function verifyOne(jws: Jws, entry: JwsSignature, options: VerifyJws): VerifiedJwsSignature {
  const header = entry.protected
  checkCritical(header['crit'], entry, options.critical ?? [])
  const algorithm = (options.algorithms ?? DEFAULT_ALGORITHMS).find(allowed => allowed === header['alg'])
  if (algorithm === undefined) throw new CryptoError('unsupported-algorithm', 'the algorithm of the JWS is not allowed')
  const chain = decodeX5c(header['x5c'])
  const candidates = chain.length > 0 ? chain.slice(0, 1) : (options.signers ?? []).slice(0, 8)
  const data = jwsSigningInput(entry.protectedText, jws.payloadText)
  const signerCertificate = candidates.find((candidate, i) =>
    verifies(algorithm, candidate, data, entry.signature, i === candidates.length - 1),
  )
  if (signerCertificate === undefined)
    throw new CryptoError('key-mismatch', 'the certificate of the JWS signer is not known')
  return { header, algorithm, signerCertificate, certificates: chain.length > 0 ? chain : [signerCertificate] }
}

/** True when it is good; false when it is not and there is another candidate; throws for the last. */
function verifies(
  algorithm: SignatureAlgorithm,
  certificate: Certificate,
  data: Uint8Array,
  signature: Uint8Array,
  last: boolean,
): boolean {
  try {
    verifyJwsSignature(algorithm, publicKeyOf(certificate), data, signature)
    return true
  } catch (error) {
    if (last || !(error instanceof CryptoError)) throw error
    return false
  }
}

/** RFC 7518 section 3.4, RFC 8037: the algorithm names the curve too. */
function verifyJwsSignature(
  algorithm: SignatureAlgorithm,
  key: KeyObject,
  data: Uint8Array,
  signature: Uint8Array,
): void {
  const { digest, der } = algorithm === 'EdDSA' ? ed25519Form(key, signature) : ecdsaForm(algorithm, key, signature)
  if (!verify(digest, data, key, der)) throw new CryptoError('bad-signature', `the ${algorithm} signature is wrong`)
}

function ed25519Form(key: KeyObject, signature: Uint8Array): { digest: null; der: Uint8Array } {
  if (key.asymmetricKeyType !== 'ed25519') throw new CryptoError('key-mismatch', 'EdDSA with a key of another type')
  return { digest: null, der: signature }
}

function ecdsaForm(
  algorithm: SignatureAlgorithm,
  key: KeyObject,
  signature: Uint8Array,
): { digest: string; der: Uint8Array } {
  if (key.asymmetricKeyType !== 'ec') throw new CryptoError('key-mismatch', `${algorithm} with a key of another type`)
  const profile = ecProfile(key)
  if (profile.algorithm !== algorithm)
    throw new CryptoError('key-mismatch', `${algorithm} with a key on ${profile.curve}`)
  if (signature.length !== 2 * profile.size)
    throw new CryptoError('malformed-signature', `${signature.length} bytes for ${algorithm}`)
  return { digest: profile.digest, der: ecdsaRawToDer(signature) }
}

const registered = new Set(['alg', 'jku', 'jwk', 'kid', 'x5u', 'x5c', 'x5t', 'x5t#S256', 'typ', 'cty', 'crit'])

/** RFC 7515 section 4.1.11. */
function checkCritical(crit: Json | undefined, entry: JwsSignature, understood: readonly string[]): void {
  if (Object.hasOwn(entry.header, 'crit')) throw new CodecError('bad-value', 'crit in the unprotected header')
  if (crit === undefined) return
  if (!Array.isArray(crit) || crit.length === 0) throw new CodecError('bad-value', 'crit is not a list of names')
  for (const name of crit) {
    if (typeof name !== 'string' || registered.has(name))
      throw new CodecError('bad-value', 'crit names what it must not')
    if (!Object.hasOwn(entry.protected, name)) throw new CodecError('bad-value', `critical header ${name} is missing`)
    if (!understood.includes(name)) throw new CodecError('unsupported', `critical header ${name} is not understood`)
  }
  if (new Set(crit).size !== crit.length) throw new CodecError('duplicate', 'crit names a header twice')
}

/** RFC 7515 section 4.1.6: base64 (not base64url) of DER, the signer's own first. */
function decodeX5c(x5c: Json | undefined): readonly Certificate[] {
  if (x5c === undefined) return []
  if (!Array.isArray(x5c) || x5c.length === 0) throw new CodecError('bad-value', 'x5c is not a list of certificates')
  if (x5c.length > MAX_CERTIFICATES) throw new CodecError('too-many', 'too many certificates in x5c')
  return x5c.map(item => {
    if (typeof item !== 'string') throw new CodecError('bad-value', 'x5c is not a list of certificates')
    return certificateOf(decodeBase64(item))
  })
}
