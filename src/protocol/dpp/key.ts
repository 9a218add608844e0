import {
  createPrivateKey,
  createPublicKey,
  diffieHellman,
  generateKeyPairSync,
  hash,
  type KeyObject,
  sign,
  verify,
} from 'node:crypto'
import { decodeBase64Url, encodeBase64Url } from '../../codec/base64.ts'
import { CodecError } from '../../codec/error.ts'
import { isJsonObject, type Json } from '../../codec/json.ts'
import { ecdsaDerToRaw, ecdsaRawToDer } from '../../crypto/ecdsa.ts'
import { CryptoError } from '../../crypto/error.ts'
import { withoutStackTraces } from '../../crypto/key.ts'
import { Recent } from '../../crypto/recent.ts'
import { Secret } from '../../crypto/secret.ts'
import { type CurveProfile, curveNamed, curveOfKey, curveProfile, curves, type DppCurve } from './curve.ts'
import { addPoints, addScalars, isScalar } from './point.ts'

/** A public key: of bootstrapping, of the protocol, of a Connector. Made only here, so its point is on its curve. */
export interface DppPublicKey {
  readonly curve: DppCurve
  /** x|y, as attributes carry it. */
  readonly point: Buffer
  readonly key: KeyObject
}

export interface DppKeyPair extends DppPublicKey {
  readonly privateKey: KeyObject
}

/** JWK of a public key (RFC 7518 section 6.2). Brainpool curves have names of Easy Connect's own. */
export interface DppJwk {
  readonly kty: 'EC'
  readonly crv: DppCurve
  readonly x: string
  readonly y: string
}

const uncompressed = Buffer.of(0x04)

export function generateDppKey(curve: DppCurve): DppKeyPair {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: curveProfile(curve).namedCurve })
  return { curve, point: pointOf(publicKey), key: publicKey, privateKey }
}

/** @param privateKey EC, on one of the six curves; throws CryptoError `unsupported-key` for any other */
export function dppKeyPair(privateKey: KeyObject): DppKeyPair {
  const profile = curveOfKey(privateKey.asymmetricKeyDetails?.namedCurve)
  if (profile === undefined) throw new CryptoError('unsupported-key', 'a key on no curve of Easy Connect')
  const key = createPublicKey(privateKey)
  return { curve: profile.curve, point: pointOf(key), key, privateKey }
}

/**
 * @param scalar the private key as a number, big-endian, as long as a coordinate
 * Throws CryptoError `malformed-key` unless it is that long and 0 < scalar < q: OpenSSL would take zero.
 */
export function importScalar(curve: DppCurve, scalar: Uint8Array): DppKeyPair {
  const { coordinateSize } = curveProfile(curve)
  if (scalar.length !== coordinateSize || !isScalar(curve, scalar)) {
    throw new CryptoError('malformed-key', `not a private key on ${curve}`)
  }
  return dppKeyPair(privateKeyOf(curve, scalar))
}

/** A private key as a file has it: PKCS#8 or SEC1 in DER. Throws CryptoError `malformed-key` or `unsupported-key`. */
export function importDppKey(der: Uint8Array): DppKeyPair {
  for (const type of ['pkcs8', 'sec1'] as const) {
    let key: KeyObject
    try {
      key = createPrivateKey({ key: Buffer.from(der), format: 'der', type })
    } catch {
      continue
    }
    return dppKeyPair(key)
  }
  throw new CryptoError('malformed-key', 'not an EC private key in DER')
}

/** SEC1 in DER: what hostap's `key=` and `ppkey=` take in hexadecimal. */
export function exportDppKey({ privateKey }: DppKeyPair): Secret {
  const der = privateKey.export({ type: 'sec1', format: 'der' })
  const secret = new Secret(der)
  der.fill(0)
  return secret
}

/** @param point x|y; throws CryptoError `malformed-key` unless it has the right length and is on the curve */
export function importPoint(curve: DppCurve, point: Uint8Array): DppPublicKey {
  const { coordinateSize } = curveProfile(curve)
  if (point.length !== 2 * coordinateSize) throw new CryptoError('malformed-key', `not a point of ${curve}: its length`)
  const own = Buffer.from(point)
  return { curve, point: own, key: publicKeyOf(curve, Buffer.concat([uncompressed, own])) }
}

interface SpkiHead {
  readonly profile: CurveProfile
  readonly head: Buffer
  /** Bytes of the encoded point. */
  readonly pointSize: number
}

/** A SubjectPublicKeyInfo of these keys has one form for each curve, up to its point: RFC 5480 section 2, named curves only. */
function spkiHead(profile: CurveProfile, pointSize: number): SpkiHead {
  const ecPublicKey = Buffer.from('06072a8648ce3d0201', 'hex')
  const algorithm = sequence(0x30, [ecPublicKey, profile.oid], 0)
  const bits = sequence(0x03, [Buffer.of(0)], pointSize)
  return { profile, pointSize, head: sequence(0x30, [algorithm, bits], pointSize) }
}

/** Tag, length with `more` bytes to come, and what is in it. */
function sequence(tag: number, content: readonly Uint8Array[], more: number): Buffer {
  const length = content.reduce((sum, { length }) => sum + length, more)
  return Buffer.concat([length < 0x80 ? [tag, length] : [tag, 0x81, length], ...content].map(part => Buffer.from(part)))
}

const spkiHeads = {
  compressed: curves.map(profile => spkiHead(profile, 1 + profile.coordinateSize)),
  uncompressed: curves.map(profile => spkiHead(profile, 1 + 2 * profile.coordinateSize)),
} as const

/** One device is looked up several times in one exchange; strangers choose what is in it, so it is bounded. */
const bySpki = new Recent<DppPublicKey>(512)

/**
 * The key of a SubjectPublicKeyInfo in DER, point compressed or not. Throws CryptoError `unsupported-key` for anything but
 * an EC key on one of the six curves by name, and `malformed-key` for no point of it.
 */
export function importSpki(der: Uint8Array): DppPublicKey {
  const name = Buffer.from(der.buffer, der.byteOffset, der.length).toString('latin1')
  const known = bySpki.get(name)
  if (known !== undefined) return known
  const imported = readSpki(der)
  bySpki.set(name, imported)
  return imported
}

function readSpki(der: Uint8Array): DppPublicKey {
  const fits = ({ head, pointSize }: SpkiHead) =>
    der.length === head.length + pointSize && head.equals(der.subarray(0, head.length))
  const found = spkiHeads.compressed.find(fits) ?? spkiHeads.uncompressed.find(fits)
  if (found === undefined) throw new CryptoError('unsupported-key', 'not an EC key on a curve of Easy Connect')
  const { curve } = found.profile
  const encoded = der.subarray(found.head.length)
  // OpenSSL would also take hybrid points, and so give one key a third encoding.
  const forms = found.pointSize === 1 + found.profile.coordinateSize ? [0x02, 0x03] : [0x04]
  if (!forms.includes(encoded[0]!)) throw new CryptoError('malformed-key', 'the form of the point is not allowed')
  const key = publicKeyOf(curve, encoded)
  return { curve, point: pointOf(key), key }
}

/** SubjectPublicKeyInfo in DER with a compressed point: what a bootstrapping URI carries. */
export function exportSpki({ curve, point }: Pick<DppPublicKey, 'curve' | 'point'>): Buffer {
  const { head, profile } = spkiHeads.compressed.find(({ profile }) => profile.curve === curve)!
  return Buffer.concat([head, Buffer.of(0x02 | (point.at(-1)! & 1)), point.subarray(0, profile.coordinateSize)])
}

/** The same with an uncompressed point: as certificates and requests have it. */
export function exportUncompressedSpki({ curve, point }: Pick<DppPublicKey, 'curve' | 'point'>): Buffer {
  const { head } = spkiHeads.uncompressed.find(({ profile }) => profile.curve === curve)!
  return Buffer.concat([head, uncompressed, point])
}

export function exportJwk({ curve, point }: Pick<DppPublicKey, 'curve' | 'point'>): DppJwk {
  const { coordinateSize } = curveProfile(curve)
  const [x, y] = [point.subarray(0, coordinateSize), point.subarray(coordinateSize)]
  return { kty: 'EC', crv: curve, x: encodeBase64Url(x), y: encodeBase64Url(y) }
}

/** Throws CodecError for another kind of JSON, CryptoError `unsupported-key` or `malformed-key` for another kind of key. */
export function importJwk(jwk: Json | undefined): DppPublicKey {
  if (!isJsonObject(jwk)) throw new CodecError('bad-value', 'a JWK is not an object')
  const { kty, crv, x, y } = jwk
  if (kty !== 'EC') throw new CryptoError('unsupported-key', 'kty of a JWK is not EC')
  const profile = typeof crv === 'string' ? curveNamed(crv) : undefined
  if (profile === undefined) throw new CryptoError('unsupported-key', 'crv of a JWK is no curve of Easy Connect')
  if (typeof x !== 'string' || typeof y !== 'string') throw new CodecError('bad-value', 'a JWK without x and y')
  const [left, right] = [decodeBase64Url(x), decodeBase64Url(y)]
  if (left.length !== profile.coordinateSize || right.length !== profile.coordinateSize) {
    throw new CryptoError('malformed-key', 'x or y of a JWK has the wrong length')
  }
  return importPoint(profile.curve, Buffer.concat([left, right]))
}

/** `kid` of a C-sign key: base64url of the SHA-256 of 04|x|y. */
export function keyId({ point }: Pick<DppPublicKey, 'point'>): string {
  return encodeBase64Url(hash('sha256', Buffer.concat([uncompressed, point]), 'buffer'))
}

/** x of privateKey * publicKey. Throws CryptoError `key-mismatch` when they are on two curves. */
export function agree(own: DppKeyPair, other: DppPublicKey): Buffer {
  return agreed(own.privateKey, own.curve, other)
}

/**
 * x of (first + second) * other, the two being private keys: L at the Responder, M of a reconfiguration at the Enrollee.
 * The sum never leaves this function but as a KeyObject.
 */
export function agreeWithSum(first: DppKeyPair, second: DppKeyPair, other: DppPublicKey): Buffer {
  const { curve } = first
  if (second.curve !== curve) throw new CryptoError('key-mismatch', 'two keys of one party are on two curves')
  const scalars = [first, second].map(({ privateKey }) => privateKey.export({ format: 'raw-private' }))
  const sum = addScalars(curve, scalars[0]!, scalars[1]!)
  if (sum === undefined) throw new CryptoError('malformed-key', 'two private keys cancel each other')
  const privateKey = privateKeyOf(curve, sum)
  for (const scalar of [...scalars, sum]) scalar.fill(0)
  return agreed(privateKey, curve, other)
}

/** x of privateKey * (first + second): the other party's view of `agreeWithSum`. */
export function agreeWithPoints(own: DppKeyPair, first: DppPublicKey, second: DppPublicKey): Buffer {
  const { curve } = own
  if (first.curve !== curve || second.curve !== curve) throw new CryptoError('key-mismatch', 'keys on two curves')
  return agree(own, importPoint(curve, addPoints(curve, first.point, second.point)))
}

/** r|s over the hash of the curve, as a Connector has it. Node's own option for that form costs a second signature. */
export function signRaw({ curve, privateKey }: Pick<DppKeyPair, 'curve' | 'privateKey'>, data: Uint8Array): Buffer {
  const { hash: algorithm, coordinateSize } = curveProfile(curve)
  return ecdsaDerToRaw(sign(algorithm, data, privateKey), coordinateSize)
}

/** Whether r|s is a signature of this key: false also for one of another length, or with r or s out of range. */
export function isSignedRaw({ curve, key }: DppPublicKey, data: Uint8Array, signature: Uint8Array): boolean {
  const { hash: algorithm, coordinateSize } = curveProfile(curve)
  if (signature.length !== 2 * coordinateSize) return false
  const isZero = (half: Uint8Array) => half.every(octet => octet === 0)
  if (isZero(signature.subarray(0, coordinateSize)) || isZero(signature.subarray(coordinateSize))) return false
  return verify(algorithm, data, key, ecdsaRawToDer(signature, coordinateSize))
}

function agreed(privateKey: KeyObject, curve: DppCurve, { key, curve: theirs }: DppPublicKey): Buffer {
  if (theirs !== curve) throw new CryptoError('key-mismatch', `a key on ${theirs} cannot agree with one on ${curve}`)
  return diffieHellman({ privateKey, publicKey: key })
}

function pointOf(key: KeyObject): Buffer {
  return key.export({ format: 'raw-public' }).subarray(1)
}

function privateKeyOf(curve: DppCurve, scalar: Uint8Array): KeyObject {
  const { namedCurve } = curveProfile(curve)
  const key = Buffer.from(scalar)
  const privateKey = withoutStackTraces(() =>
    createPrivateKey({ key, format: 'raw-private', asymmetricKeyType: 'ec', namedCurve }),
  )
  key.fill(0)
  return privateKey
}

/** OpenSSL refuses a point off the curve, but takes infinity: callers give it none that has the length of infinity. */
function publicKeyOf(curve: DppCurve, encoded: Uint8Array): KeyObject {
  const { namedCurve } = curveProfile(curve)
  const key = Buffer.from(encoded)
  try {
    return withoutStackTraces(() => createPublicKey({ key, format: 'raw-public', asymmetricKeyType: 'ec', namedCurve }))
  } catch (cause) {
    throw new CryptoError('malformed-key', `not a point of ${curve}`, { cause })
  }
}
