import type { Infer } from '../der/codec.ts'
import { oid } from '../der/oid.ts'
import { any, optional, sequence } from '../der/structure.ts'
import { CodecError } from '../error.ts'

/** RFC 5280 4.1.1.2; `parameters` is the DER of whatever the algorithm defines. */
export const AlgorithmIdentifier = sequence({ algorithm: oid, parameters: optional(any) })
export type AlgorithmIdentifier = Infer<typeof AlgorithmIdentifier>

/** The names of RFC 5758, RFC 4055 and RFC 8410. */
export type SignatureAlgorithmName =
  | 'ecdsa-with-SHA256'
  | 'ecdsa-with-SHA384'
  | 'ecdsa-with-SHA512'
  | 'sha1WithRSAEncryption'
  | 'sha256WithRSAEncryption'
  | 'sha384WithRSAEncryption'
  | 'sha512WithRSAEncryption'
  | 'Ed25519'

export interface SignatureAlgorithm {
  readonly name: SignatureAlgorithmName
  readonly key: 'ec' | 'rsa' | 'ed25519'
  /** null: the algorithm hashes by itself. */
  readonly hash: 'sha1' | 'sha256' | 'sha384' | 'sha512' | null
  readonly identifier: AlgorithmIdentifier
}

const NULL_PARAMETERS = Buffer.from([0x05, 0x00])

function known(
  name: SignatureAlgorithmName,
  key: SignatureAlgorithm['key'],
  hash: SignatureAlgorithm['hash'],
  algorithm: string,
): SignatureAlgorithm {
  // RFC 4055 5: NULL parameters for RSA; RFC 5758 3.2 and RFC 8410 3: none for the others.
  const identifier = key === 'rsa' ? { algorithm, parameters: NULL_PARAMETERS } : { algorithm }
  return Object.freeze({ name, key, hash, identifier: Object.freeze(identifier) })
}

export const ecdsaWithSHA256: SignatureAlgorithm = known('ecdsa-with-SHA256', 'ec', 'sha256', '1.2.840.10045.4.3.2')
export const ecdsaWithSHA384: SignatureAlgorithm = known('ecdsa-with-SHA384', 'ec', 'sha384', '1.2.840.10045.4.3.3')
export const ecdsaWithSHA512: SignatureAlgorithm = known('ecdsa-with-SHA512', 'ec', 'sha512', '1.2.840.10045.4.3.4')
export const ed25519: SignatureAlgorithm = known('Ed25519', 'ed25519', null, '1.3.101.112')

/** All that can be read. New signatures use ECDSA or Ed25519; SHA-1 is there so that it can be refused by name. */
export const signatureAlgorithms: readonly SignatureAlgorithm[] = [
  ecdsaWithSHA256,
  ecdsaWithSHA384,
  ecdsaWithSHA512,
  ed25519,
  known('sha1WithRSAEncryption', 'rsa', 'sha1', '1.2.840.113549.1.1.5'),
  known('sha256WithRSAEncryption', 'rsa', 'sha256', '1.2.840.113549.1.1.11'),
  known('sha384WithRSAEncryption', 'rsa', 'sha384', '1.2.840.113549.1.1.12'),
  known('sha512WithRSAEncryption', 'rsa', 'sha512', '1.2.840.113549.1.1.13'),
]

const byOid = new Map(signatureAlgorithms.map(entry => [entry.identifier.algorithm, entry]))

/**
 * What an AlgorithmIdentifier of a signature means. Throws CodecError `unsupported` for an algorithm not listed above and
 * `bad-value` for parameters that it must not have. RSA may lack its NULL (RFC 4055 2.1).
 */
export function signatureAlgorithm({ algorithm, parameters }: AlgorithmIdentifier): SignatureAlgorithm {
  const found = byOid.get(algorithm)
  if (found === undefined) throw new CodecError('unsupported', `signature algorithm ${algorithm}`)
  const allowed = parameters === undefined || (found.key === 'rsa' && NULL_PARAMETERS.equals(parameters))
  if (!allowed) throw new CodecError('bad-value', `${found.name} with parameters`)
  return found
}

export function sameAlgorithm(a: AlgorithmIdentifier, b: AlgorithmIdentifier): boolean {
  if (a.algorithm !== b.algorithm) return false
  if (a.parameters === undefined || b.parameters === undefined) return a.parameters === b.parameters
  return Buffer.compare(a.parameters, b.parameters) === 0
}

/** Object identifiers of SubjectPublicKeyInfo and its parameters (RFC 5480, RFC 8017, RFC 8410). */
export const keyOid = {
  ecPublicKey: '1.2.840.10045.2.1',
  secp256r1: '1.2.840.10045.3.1.7',
  secp384r1: '1.3.132.0.34',
  secp521r1: '1.3.132.0.35',
  rsaEncryption: '1.2.840.113549.1.1.1',
  ed25519: '1.3.101.112',
} as const
