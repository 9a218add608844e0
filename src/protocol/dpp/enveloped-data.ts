import { decode, encode } from '../../codec/der/codec.ts'
import { oid } from '../../codec/der/oid.ts'
import { octetString, smallInteger } from '../../codec/der/primitive.ts'
import { explicit, implicit, optional, sequence, setOf } from '../../codec/der/structure.ts'
import { CodecError } from '../../codec/error.ts'
import { openAesSiv, sealAesSiv } from '../../crypto/aes-siv.ts'
import { dppOid } from './key-package.ts'

/*
 * DPPEnvelopedData: CMS EnvelopedData (RFC 5652 section 6) with one recipient, who knows a password (section 6.2.4). PBKDF2
 * (RFC 8018) makes the key that wraps the content key; both layers are AES-SIV without associated data. The two context
 * tags of the recipient are explicit here, as every peer writes them.
 */

export type PasswordHash = 'sha256' | 'sha384' | 'sha512'

/** How a password becomes a key. */
export interface PasswordDerivation {
  readonly hash: PasswordHash
  readonly salt: Uint8Array
  readonly iterations: number
  /** Bytes: of the key, and of the content key. */
  readonly keySize: 32 | 48 | 64
}

export interface EnvelopedData {
  readonly derivation: PasswordDerivation
  readonly encryptedKey: Uint8Array
  readonly encryptedContent: Uint8Array
}

const pbkdf2Oid = '1.2.840.113549.1.5.12'

/** RFC 8018 appendix B.1.2; key sizes and AES-SIV names of Easy Connect go with the hash. */
const profiles = [
  { hash: 'sha256', keySize: 32, prf: '1.2.840.113549.2.9', siv: '1.2.840.113549.1.9.16.3.22' },
  { hash: 'sha384', keySize: 48, prf: '1.2.840.113549.2.10', siv: '1.2.840.113549.1.9.16.3.23' },
  { hash: 'sha512', keySize: 64, prf: '1.2.840.113549.2.11', siv: '1.2.840.113549.1.9.16.3.24' },
] as const

const Algorithm = sequence({ algorithm: oid })
const Pbkdf2 = sequence({
  algorithm: oid,
  parameters: sequence({
    salt: octetString,
    iterationCount: smallInteger,
    keyLength: optional(smallInteger),
    prf: Algorithm,
  }),
})
const PasswordRecipient = sequence({
  version: smallInteger,
  keyDerivation: explicit(0, Pbkdf2),
  keyEncryption: Algorithm,
  encryptedKey: octetString,
})
const Enveloped = sequence({
  version: smallInteger,
  recipients: setOf(explicit(3, PasswordRecipient), { min: 1 }),
  content: sequence({ type: oid, algorithm: Algorithm, encryptedContent: implicit(0, octetString) }),
})

const limits = { size: 0x2_0000, depth: 12, count: 16 }
const saltSize = 64

/** Everything that is random in one envelope. */
export interface EnvelopeKeys {
  /** What PBKDF2 made of the password. */
  readonly keyEncryptionKey: Uint8Array
  /** As long as `derivation.keySize`. */
  readonly contentKey: Uint8Array
}

export function passwordDerivation(hash: PasswordHash, salt: Uint8Array, iterations: number): PasswordDerivation {
  return { hash, salt, iterations, keySize: profileOf(hash).keySize }
}

export function sealEnvelopedData(
  content: Uint8Array,
  derivation: PasswordDerivation,
  { keyEncryptionKey, contentKey }: EnvelopeKeys,
): Buffer {
  const { prf, siv } = profileOf(derivation.hash)
  const { salt, iterations, keySize } = derivation
  if (salt.length !== saltSize) throw new CodecError('bad-value', `a salt of ${salt.length} bytes`)
  const parameters = { salt, iterationCount: iterations, keyLength: keySize, prf: { algorithm: prf } }
  return encode(Enveloped, {
    version: 3,
    recipients: [
      {
        version: 0,
        keyDerivation: { algorithm: pbkdf2Oid, parameters },
        keyEncryption: { algorithm: siv },
        encryptedKey: sealAesSiv(keyEncryptionKey, contentKey),
      },
    ],
    content: {
      type: dppOid.keyPackage,
      algorithm: { algorithm: siv },
      encryptedContent: sealAesSiv(contentKey, content),
    },
  })
}

/**
 * @param maxIterations what the reader is willing to spend: the writer of an envelope chooses the price of opening it
 * Throws CodecError.
 */
export function decodeEnvelopedData(der: Uint8Array, maxIterations: number): EnvelopedData {
  const { version, recipients, content } = decode(Enveloped, der, limits)
  const [recipient, another] = recipients
  if (version !== 3) throw new CodecError('unsupported', `EnvelopedData of version ${version}`)
  if (another !== undefined || recipient!.version !== 0)
    throw new CodecError('unsupported', 'recipients of an envelope')
  const { keyDerivation, keyEncryption, encryptedKey } = recipient!
  const { salt, iterationCount, keyLength, prf } = keyDerivation.parameters
  const profile = profiles.find(each => each.prf === prf.algorithm)
  if (keyDerivation.algorithm !== pbkdf2Oid || profile === undefined) {
    throw new CodecError('unsupported', 'the key derivation of an envelope')
  }
  if (keyEncryption.algorithm !== profile.siv || content.algorithm.algorithm !== profile.siv) {
    throw new CodecError('unsupported', 'the encryption of an envelope')
  }
  if (keyLength !== undefined && keyLength !== profile.keySize) throw new CodecError('bad-value', 'key of an envelope')
  if (content.type !== dppOid.keyPackage) throw new CodecError('unsupported', 'an envelope without a key package')
  if (salt.length !== saltSize) throw new CodecError('bad-value', `a salt of ${salt.length} bytes`)
  if (iterationCount < 1000) throw new CodecError('bad-value', 'too few iterations of PBKDF2')
  if (iterationCount > maxIterations) throw new CodecError('too-many', 'too many iterations of PBKDF2')
  return {
    derivation: { hash: profile.hash, salt, iterations: iterationCount, keySize: profile.keySize },
    encryptedKey,
    encryptedContent: content.encryptedContent,
  }
}

/** The content. Throws CryptoError `bad-signature` when the password was another, or a bit was altered. */
export function openEnvelopedData(
  { encryptedKey, encryptedContent }: EnvelopedData,
  keyEncryptionKey: Uint8Array,
): Buffer {
  const contentKey = openAesSiv(keyEncryptionKey, encryptedKey)
  try {
    return openAesSiv(contentKey, encryptedContent)
  } finally {
    contentKey.fill(0)
  }
}

function profileOf(hash: PasswordHash) {
  return profiles.find(each => each.hash === hash)!
}
