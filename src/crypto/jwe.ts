import {
  createCipheriv,
  createDecipheriv,
  createPublicKey,
  diffieHellman,
  generateKeyPairSync,
  hash,
  type KeyObject,
  randomBytes,
} from 'node:crypto'
import { CodecError } from '../codec/error.ts'
import { isJsonObject, type Json } from '../codec/json.ts'
import { decodeJwe, encodeJwe } from '../codec/jwe.ts'
import { encodeJwsHeader } from '../codec/jws.ts'
import { CryptoError } from './error.ts'
import { ecProfile } from './signer.ts'

/*
 * JWE of one kind: ECDH-ES with Concat KDF (RFC 7518 section 4.6) and A256GCM, in Compact Serialization. A header that asks
 * for anything else is refused, so that nobody talks a reader into something weaker.
 */

const [alg, enc] = ['ECDH-ES', 'A256GCM'] as const
const [keyBytes, ivBytes, tagBytes] = [32, 12, 16] as const

/** @param to EC public key on P-256, P-384 or P-521; throws CryptoError `unsupported-key` for any other */
export function encryptJwe(
  plaintext: Uint8Array,
  { to, type }: { readonly to: KeyObject; readonly type: string },
): string {
  const { curve } = ecProfile(to)
  const ephemeral = generateKeyPairSync('ec', { namedCurve: curve })
  const { kty, crv, x, y } = ephemeral.publicKey.export({ format: 'jwk' }) as Record<string, string>
  const protectedText = encodeJwsHeader({ alg, enc, epk: { crv: crv!, kty: kty!, x: x!, y: y! }, typ: type })
  const key = agree(ephemeral.privateKey, to)
  const iv = randomBytes(ivBytes)
  const cipher = createCipheriv('aes-256-gcm', key, iv).setAAD(Buffer.from(protectedText))
  const ciphertext = Buffer.concat([cipher.update(plaintext), cipher.final()])
  key.fill(0)
  return encodeJwe({ protectedText, encryptedKey: new Uint8Array(), iv, ciphertext, tag: cipher.getAuthTag() })
}

/**
 * The plaintext, when it was encrypted to this key, as this type. Throws CodecError for what cannot be read, CryptoError
 * `unsupported-algorithm`, `key-mismatch`, `malformed-key`, and `bad-signature` when key or a single bit is another.
 */
export function decryptJwe(text: string, { key, type }: { readonly key: KeyObject; readonly type: string }): Buffer {
  const { header, protectedText, encryptedKey, iv, ciphertext, tag } = decodeJwe(text)
  if (header['alg'] !== alg || header['enc'] !== enc) {
    throw new CryptoError('unsupported-algorithm', 'the algorithms of the JWE are not allowed')
  }
  // RFC 7516 section 4.1.13, and what would change the key or the plaintext without our knowing.
  for (const name of ['crit', 'zip', 'apu', 'apv', 'b64']) {
    if (Object.hasOwn(header, name)) throw new CodecError('unsupported', `JWE header ${name} is not understood`)
  }
  if (header['typ'] !== type) throw new CryptoError('key-mismatch', `the JWE is not a ${type}`)
  if (encryptedKey.length > 0 || iv.length !== ivBytes || tag.length !== tagBytes) {
    throw new CodecError('bad-value', 'parts of a JWE have the wrong length')
  }
  const secret = agree(key, ephemeralKey(header['epk'], key))
  const decipher = createDecipheriv('aes-256-gcm', secret, iv, { authTagLength: tagBytes })
    .setAAD(Buffer.from(protectedText))
    .setAuthTag(tag)
  secret.fill(0)
  const plain = decipher.update(ciphertext)
  try {
    decipher.final()
    return plain
  } catch (cause) {
    plain.fill(0)
    throw new CryptoError('bad-signature', 'the JWE was altered, or encrypted to another key', { cause })
  }
}

/** On the curve of our own key: OpenSSL refuses a point that is not on it, which is what invalid-curve attacks live on. */
function ephemeralKey(epk: Json | undefined, own: KeyObject): KeyObject {
  const { crv, kty, x, y } = isJsonObject(epk) ? epk : {}
  const fits = kty === 'EC' && crv === ecProfile(own).curve && typeof x === 'string' && typeof y === 'string'
  if (!fits) throw new CryptoError('key-mismatch', 'the ephemeral key of the JWE is of another curve')
  try {
    return createPublicKey({ key: { kty, crv, x, y }, format: 'jwk' })
  } catch (cause) {
    throw new CryptoError('malformed-key', 'the ephemeral key of the JWE is no point of its curve', { cause })
  }
}

/** RFC 7518 section 4.6.2: one round of the Concat KDF, without PartyUInfo and PartyVInfo. */
function agree(privateKey: KeyObject, publicKey: KeyObject): Buffer {
  const shared = diffieHellman({ privateKey, publicKey })
  const key = concatKdf(shared)
  shared.fill(0)
  return key
}

function concatKdf(shared: Uint8Array): Buffer {
  const counted = (value: string) => Buffer.concat([uint32(value.length), Buffer.from(value)])
  const info = [counted(enc), counted(''), counted(''), uint32(keyBytes * 8)]
  return hash('sha256', Buffer.concat([uint32(1), shared, ...info]), 'buffer')
}

function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32BE(value)
  return bytes
}
