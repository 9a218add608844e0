import { createPrivateKey, createPublicKey, generateKeyPairSync, hash, type KeyObject } from 'node:crypto'
import { decode } from '../codec/der/codec.ts'
import { CodecError } from '../codec/error.ts'
import { type AlgorithmIdentifier, keyOid } from '../codec/x509/algorithm.ts'
import { SubjectPublicKeyInfo } from '../codec/x509/certificate.ts'
import { CryptoError } from './error.ts'
import { Recent } from './recent.ts'
import { type Curve, ecProfile } from './signer.ts'

/** A P-521 key in PKCS#8 PEM has under 400 bytes; the rest is room for EC parameters and text around it. */
const maxPrivateKeyBytes = 8192
/** RSA with 8192 bits has 1062. */
const maxSpkiBytes = 2048
const rsaBits = { min: 2048, max: 8192 }

/** A new private key. 0.02 ms for P-256, so synchronous. */
export function generateKey(curve: Curve): KeyObject {
  return generateKeyPairSync('ec', { namedCurve: curve }).privateKey
}

/**
 * Reads an unencrypted EC private key: PKCS#8 or SEC1, PEM or DER. Throws `malformed-key` when it is neither and
 * `unsupported-key` unless it is on P-256, P-384 or P-521.
 */
export function importPrivateKey(input: Uint8Array | string): KeyObject {
  if (input.length > maxPrivateKeyBytes) throw new CryptoError('malformed-key', 'the private key is too large')
  const key = parsePrivateKey(input)
  ecProfile(key)
  return key
}

/** A private key that a key store has sealed itself: EC, on any curve, in PKCS#8. Throws `malformed-key`. */
export function importStoredKey(pkcs8: Uint8Array): KeyObject {
  return parsePrivateKey(pkcs8)
}

function parsePrivateKey(input: Uint8Array | string): KeyObject {
  const key = typeof input === 'string' ? Buffer.from(input) : Buffer.from(input.buffer, input.byteOffset, input.length)
  const forms = key[0] === 0x30 ? (['pkcs8', 'sec1'] as const) : (['pem'] as const)
  for (const form of forms) {
    try {
      return createPrivateKey(form === 'pem' ? { key, format: 'pem' } : { key, format: 'der', type: form })
    } catch {
      // The message of OpenSSL says nothing to an operator, and the next form may fit.
    }
  }
  throw new CryptoError('malformed-key', 'not an unencrypted PKCS#8 or SEC1 private key, in PEM or DER')
}

/**
 * The key of a SubjectPublicKeyInfo in DER: EC on P-256, P-384 or P-521 with a named curve and an uncompressed point, RSA
 * from 2048 to 8192 bits, or Ed25519. Throws `malformed-key`, `unsupported-key` or `weak-key`.
 */
export function importPublicKey(spkiDer: Uint8Array): KeyObject {
  checkAlgorithm(decodeSpki(spkiDer))
  const key = parsePublicKey(spkiDer)
  if (key.asymmetricKeyType === 'rsa') checkRsa(key)
  return key
}

function parsePublicKey(spkiDer: Uint8Array): KeyObject {
  try {
    return withoutStackTraces(() => createPublicKey({ key: Buffer.from(spkiDer), format: 'der', type: 'spki' }))
  } catch (cause) {
    throw new CryptoError('malformed-key', 'not a valid public key', { cause })
  }
}

/** Node 24 tells a KeyObject from bytes by catching an error, four times over: their stack traces cost as much as the key. */
export function withoutStackTraces<T>(work: () => T): T {
  const { stackTraceLimit } = Error
  Error.stackTraceLimit = 0
  try {
    return work()
  } finally {
    Error.stackTraceLimit = stackTraceLimit
  }
}

type Spki = ReturnType<(typeof SubjectPublicKeyInfo)['read']>

function decodeSpki(spkiDer: Uint8Array): Spki {
  try {
    return decode(SubjectPublicKeyInfo, spkiDer, { size: maxSpkiBytes })
  } catch (cause) {
    if (!(cause instanceof CodecError)) throw cause
    throw new CryptoError('malformed-key', `not a SubjectPublicKeyInfo: ${cause.message}`, { cause })
  }
}

const curveParameters: readonly { readonly der: Buffer; readonly pointBytes: number }[] = [
  { der: Buffer.from('06082a8648ce3d030107', 'hex'), pointBytes: 65 },
  { der: Buffer.from('06052b81040022', 'hex'), pointBytes: 97 },
  { der: Buffer.from('06052b81040023', 'hex'), pointBytes: 133 },
]

/**
 * OpenSSL would take more: parameters written out (RFC 5480 2.1.1 forbids them; CVE-2020-0601 is what they lead to) and
 * compressed points (which would give one key two encodings, and so two identifiers).
 */
function checkAlgorithm({ algorithm, subjectPublicKey }: Spki): void {
  switch (algorithm.algorithm) {
    case keyOid.ecPublicKey:
      checkPoint(algorithm, subjectPublicKey)
      break
    case keyOid.rsaEncryption:
      requireParameters(algorithm, '0500')
      break
    case keyOid.ed25519:
      requireParameters(algorithm, undefined)
      break
    default:
      throw new CryptoError('unsupported-key', `no public keys of type ${algorithm.algorithm}`)
  }
}

function checkPoint({ parameters }: AlgorithmIdentifier, point: Uint8Array): void {
  const curve = curveParameters.find(({ der }) => parameters !== undefined && der.equals(parameters))
  if (curve === undefined) throw new CryptoError('unsupported-key', 'an EC key that is not on P-256, P-384 or P-521')
  if (point.length !== curve.pointBytes || point[0] !== 0x04) {
    throw new CryptoError('unsupported-key', 'an EC key that is not an uncompressed point of its curve')
  }
}

function requireParameters({ algorithm, parameters }: AlgorithmIdentifier, hex: string | undefined): void {
  const found = parameters && Buffer.from(parameters).toString('hex')
  if (found !== hex) throw new CryptoError('malformed-key', `wrong parameters in a key of type ${algorithm}`)
}

function checkRsa(key: KeyObject): void {
  const { modulusLength = 0, publicExponent = 0n } = key.asymmetricKeyDetails ?? {}
  if (modulusLength < rsaBits.min) throw new CryptoError('weak-key', `an RSA key of ${modulusLength} bits`)
  if (modulusLength > rsaBits.max) throw new CryptoError('unsupported-key', `an RSA key of ${modulusLength} bits`)
  // A long exponent makes one verification cost as much as thousands.
  if (publicExponent < 3n || publicExponent % 2n === 0n || publicExponent > 0xffff_ffffn) {
    throw new CryptoError('weak-key', 'an RSA key with an exponent that is even, 1 or over 32 bits')
  }
}

/** SHA-1 of the key bits (RFC 5280 4.2.1.2 method 1): a name for the key, not a protection of it. 20 bytes. */
export function keyIdentifier(spkiDer: Uint8Array): Buffer {
  return hash('sha1', decodeSpki(spkiDer).subjectPublicKey, 'buffer')
}

interface KeyHolder {
  readonly spkiDer: Uint8Array
}

/**
 * Parsing a key costs as much as verifying with it. Two steps: the object that was asked about before, else the same key
 * in another object. The second is bounded, since strangers choose what is in it.
 */
const byHolder = new WeakMap<KeyHolder, KeyObject>()
const bySpki = new Recent<KeyObject>(512)

/** The public key of a certificate or request, as `importPublicKey` and cached. */
export function publicKeyOf(holder: KeyHolder): KeyObject {
  const known = byHolder.get(holder)
  if (known !== undefined) return known
  const { spkiDer } = holder
  const name = Buffer.from(spkiDer.buffer, spkiDer.byteOffset, spkiDer.length).toString('latin1')
  let key = bySpki.get(name)
  if (key === undefined) {
    key = importPublicKey(spkiDer)
    bySpki.set(name, key)
  }
  byHolder.set(holder, key)
  return key
}
