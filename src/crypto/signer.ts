import { createPublicKey, type KeyObject, sign } from 'node:crypto'
import {
  type AlgorithmIdentifier,
  ecdsaWithSHA256,
  ecdsaWithSHA384,
  ecdsaWithSHA512,
  ed25519,
} from '../codec/x509/algorithm.ts'
import type { ScalarSize } from './ecdsa.ts'
import { CryptoError } from './error.ts'

export type SignatureAlgorithm = 'ES256' | 'ES384' | 'ES512' | 'EdDSA'
export type Curve = 'P-256' | 'P-384' | 'P-521'

/** What a certificate, request, CRL or CMS message says about a signature that a Signer made. */
export const algorithmIdentifier: { readonly [A in SignatureAlgorithm]: AlgorithmIdentifier } = {
  ES256: ecdsaWithSHA256.identifier,
  ES384: ecdsaWithSHA384.identifier,
  ES512: ecdsaWithSHA512.identifier,
  EdDSA: ed25519.identifier,
}

/** A private key that can be used but not seen: a file, a PKCS#11 token, a TPM or a KMS. */
export interface Signer {
  readonly algorithm: SignatureAlgorithm
  readonly publicKey: KeyObject
  /** SubjectPublicKeyInfo, DER. */
  readonly spkiDer: Buffer
  /**
   * Hashes and signs `data` (the message, not its digest). ECDSA answers a DER Ecdsa-Sig-Value (RFC 5480), EdDSA the 64
   * raw bytes. Rejects when the token behind it fails.
   */
  sign(data: Uint8Array): Promise<Buffer>
}

/** `agree`: for ECDH, as the key is that others scan (Wi-Fi Easy Connect); a token may not sign with it. `sign` when absent. */
export type KeyUse = 'sign' | 'agree'

/** Where private keys live, by label. Labels: 1-64 characters of `A-Z a-z 0-9 . _ -`, starting with a letter or digit. */
export interface KeyStore {
  readonly kind: 'file' | 'pkcs11' | 'memory'
  /** True when no process can read the private key out. */
  readonly hardwareBacked: boolean
  /** Rejects when the label is taken: a key is never overwritten. */
  generate(label: string, curve: Curve, use?: KeyUse): Promise<Signer>
  open(label: string): Promise<Signer | undefined>
  /**
   * The private key as OpenSSL needs it for TLS; undefined when the label is absent. The method is absent where no key can
   * leave its store: a TLS server then needs a key of another store.
   */
  tlsKey?(label: string): Promise<KeyObject | undefined>
  /**
   * Takes in an EC private key that was made elsewhere, on any curve. Rejects when the label is taken. Absent where no key can
   * be brought in.
   */
  adopt?(label: string, privateKey: KeyObject): Promise<void>
  list(): Promise<string[]>
  /** No error when the label is absent. */
  remove(label: string): Promise<void>
}

/** The key of that label, made at the first call. */
export async function establishKey(keys: KeyStore, label: string, curve: Curve, use?: KeyUse): Promise<Signer> {
  const known = await keys.open(label)
  if (known !== undefined) return known
  try {
    return await keys.generate(label, curve, use)
  } catch (error) {
    // Another process with the same keys was faster: its key counts.
    const made = await keys.open(label)
    if (made === undefined) throw error
    return made
  }
}

export interface EcProfile {
  readonly curve: Curve
  readonly algorithm: SignatureAlgorithm
  readonly digest: 'sha256' | 'sha384' | 'sha512'
  /** Bytes of one coordinate, and of r or s. */
  readonly size: ScalarSize
}

/** By OpenSSL's curve name, as `asymmetricKeyDetails.namedCurve` says it. */
const profiles: ReadonlyMap<string, EcProfile> = new Map([
  ['prime256v1', { curve: 'P-256', algorithm: 'ES256', digest: 'sha256', size: 32 }],
  ['secp384r1', { curve: 'P-384', algorithm: 'ES384', digest: 'sha384', size: 48 }],
  ['secp521r1', { curve: 'P-521', algorithm: 'ES512', digest: 'sha512', size: 66 }],
])

/** Curve, hash and sizes of an EC key; throws `unsupported-key` for any other key or curve. */
export function ecProfile(key: KeyObject): EcProfile {
  const profile = profiles.get(key.asymmetricKeyDetails?.namedCurve ?? '')
  if (key.asymmetricKeyType !== 'ec' || profile === undefined) {
    throw new CryptoError(
      'unsupported-key',
      `no ECDSA with ${key.asymmetricKeyDetails?.namedCurve ?? key.asymmetricKeyType ?? key.type}`,
    )
  }
  return profile
}

/** Signs with a key in memory. The KeyObject is held, so that a signature costs no key parsing. */
export function keySigner(privateKey: KeyObject): Signer {
  if (privateKey.type !== 'private') throw new CryptoError('unsupported-key', 'a signer needs a private key')
  const ed = privateKey.asymmetricKeyType === 'ed25519'
  const profile = ed ? undefined : ecProfile(privateKey)
  const algorithm = profile?.algorithm ?? 'EdDSA'
  const digest = profile?.digest ?? null
  const publicKey = createPublicKey(privateKey)
  const spkiDer = publicKey.export({ type: 'spki', format: 'der' })
  return {
    algorithm,
    publicKey,
    spkiDer,
    async sign(data) {
      return sign(digest, data, privateKey)
    },
  }
}
