import { type KeyObject, verify } from 'node:crypto'
import { CodecError } from '../codec/error.ts'
import { type AlgorithmIdentifier, type SignatureAlgorithm, signatureAlgorithm } from '../codec/x509/algorithm.ts'
import { CryptoError } from './error.ts'

export interface VerifyOptions {
  /** For vectors of a time when SHA-1 was good enough. Nothing in a running system sets it. */
  readonly allowSha1?: boolean
}

/**
 * Checks a signature over `data` (the message, not its digest): ECDSA as DER Ecdsa-Sig-Value with SHA-256, -384 or -512,
 * RSASSA-PKCS1-v1_5 with the same, Ed25519. Returns when it is good; throws CryptoError `bad-signature`,
 * `unsupported-algorithm`, `weak-algorithm` or `key-mismatch`. `publicKey` should come from `publicKeyOf`, which decides
 * what keys are strong enough.
 */
export function verifySignature(
  algorithm: AlgorithmIdentifier,
  publicKey: KeyObject,
  data: Uint8Array,
  signature: Uint8Array,
  options?: VerifyOptions,
): void {
  const { key, hash, name } = allowedAlgorithm(algorithm, options)
  if (publicKey.asymmetricKeyType !== key) {
    throw new CryptoError('key-mismatch', `${name} with a key of type ${publicKey.asymmetricKeyType ?? publicKey.type}`)
  }
  // No options object, no DER rewriting: OpenSSL refuses an Ecdsa-Sig-Value that is not strict DER by itself.
  if (!verify(hash, data, publicKey, signature))
    throw new CryptoError('bad-signature', `the ${name} signature is wrong`)
}

/** What the identifier means, when it is one that we accept. */
export function allowedAlgorithm(algorithm: AlgorithmIdentifier, options?: VerifyOptions): SignatureAlgorithm {
  const found = readAlgorithm(algorithm)
  if (found.hash === 'sha1' && options?.allowSha1 !== true)
    throw new CryptoError('weak-algorithm', `${found.name} is too weak`)
  return found
}

function readAlgorithm(algorithm: AlgorithmIdentifier): SignatureAlgorithm {
  try {
    return signatureAlgorithm(algorithm)
  } catch (cause) {
    if (!(cause instanceof CodecError)) throw cause
    throw new CryptoError('unsupported-algorithm', cause.message, { cause })
  }
}
