import { type KeyObject, verify } from 'node:crypto'
import type { Cbor, CborKey } from '../codec/cbor.ts'
import {
  type CoseSign1,
  coseLabel,
  coseSigningInput,
  decodeCoseSign1,
  decodeCoseX509,
  encodeCoseHeader,
  encodeCoseSign1,
  encodeCoseX509,
} from '../codec/cose.ts'
import { CodecError } from '../codec/error.ts'
import type { Certificate } from '../codec/x509/certificate.ts'
import { certificateOf } from './certificate-cache.ts'
import { ecdsaDerToRaw, ecdsaRawToDer } from './ecdsa.ts'
import { CryptoError } from './error.ts'
import { publicKeyOf } from './key.ts'
import { ecProfile, type SignatureAlgorithm, type Signer } from './signer.ts'

/** RFC 9053 section 2. */
const algorithmIds: Record<SignatureAlgorithm, number> = { ES256: -7, EdDSA: -8, ES384: -35, ES512: -36 }
const algorithmNames = new Map<Cbor, SignatureAlgorithm>(
  (Object.keys(algorithmIds) as SignatureAlgorithm[]).map(name => [algorithmIds[name], name]),
)
const digests = { ES256: 'sha256', ES384: 'sha384', ES512: 'sha512' } as const

export interface SignCose {
  readonly payload: Uint8Array
  readonly signer: Signer
  /** The signer's own first; they travel in an unprotected x5bag. Empty: the reader has to know the signer. */
  readonly certificates: readonly Certificate[]
  readonly externalAad?: Uint8Array
}

/** A tagged COSE_Sign1, with the algorithm in its protected header. */
export async function signCose({ payload, signer, certificates, externalAad }: SignCose): Promise<Buffer> {
  if (certificates[0] !== undefined && !signer.spkiDer.equals(certificates[0].spkiDer)) {
    throw new CryptoError('key-mismatch', 'the certificate is for another key')
  }
  const protectedBytes = encodeCoseHeader(new Map([[coseLabel.alg, algorithmIds[signer.algorithm]]]))
  const unprotected = new Map<CborKey, Cbor>()
  if (certificates.length > 0) unprotected.set(coseLabel.x5bag, encodeCoseX509(certificates.map(({ der }) => der)))
  const der = await signer.sign(coseSigningInput(protectedBytes, payload, externalAad))
  const signature = signer.algorithm === 'EdDSA' ? der : ecdsaDerToRaw(der, ecProfile(signer.publicKey).size)
  return encodeCoseSign1({ protectedBytes, unprotected, payload, signature })
}

export interface VerifyCoseKey {
  /** Absent: ES256, ES384, ES512, EdDSA. */
  readonly algorithms?: readonly SignatureAlgorithm[]
  readonly externalAad?: Uint8Array
  /** For messages that do not name their algorithm in the protected header: what it is. Absent: they are refused. */
  readonly impliedAlgorithm?: SignatureAlgorithm
  /** Critical header labels that the caller understands and will act on. */
  readonly critical?: readonly CborKey[]
}

/** Verifies with a key that is known. Returns the algorithm; throws CodecError or CryptoError. */
export function verifyCoseSign1(message: CoseSign1, key: KeyObject, options: VerifyCoseKey = {}): SignatureAlgorithm {
  checkCritical(message, options.critical ?? [])
  const algorithm = algorithmOf(message, options)
  if (message.payload === undefined) throw new CodecError('unsupported', 'COSE_Sign1 without its payload')
  const form = verifierForm(algorithm, key, message.signature)
  const payload = message.payload
  const good = signedHeaders(message).some(header =>
    verify(form.digest, coseSigningInput(header, payload, options.externalAad), key, form.signature),
  )
  if (!good) throw new CryptoError('bad-signature', `the ${algorithm} signature is wrong`)
  return algorithm
}

/** RFC 9052 section 4.4: an empty protected map is signed as no bytes; early writers signed the map as they sent it. */
function signedHeaders({ protected: header, protectedBytes }: CoseSign1): readonly Uint8Array[] {
  if (header.size > 0) return [protectedBytes]
  return protectedBytes.length > 0 ? [new Uint8Array(), protectedBytes] : [protectedBytes]
}

function algorithmOf({ protected: header }: CoseSign1, options: VerifyCoseKey): SignatureAlgorithm {
  const named = header.get(coseLabel.alg)
  const algorithm = named === undefined ? options.impliedAlgorithm : algorithmNames.get(named)
  if (algorithm === undefined || (options.algorithms !== undefined && !options.algorithms.includes(algorithm))) {
    throw new CryptoError('unsupported-algorithm', 'the algorithm of the COSE message is not allowed')
  }
  return algorithm
}

/** RFC 9053 section 2.1: the algorithm is a hash, the key says the curve. */
function verifierForm(algorithm: SignatureAlgorithm, key: KeyObject, signature: Uint8Array) {
  if (key.asymmetricKeyType !== (algorithm === 'EdDSA' ? 'ed25519' : 'ec')) {
    throw new CryptoError('key-mismatch', `${algorithm} with a key of another type`)
  }
  if (algorithm === 'EdDSA') return { digest: null, signature }
  if (signature.length !== 2 * ecProfile(key).size) {
    throw new CryptoError('malformed-signature', `${signature.length} bytes for ${algorithm}`)
  }
  return { digest: digests[algorithm], signature: ecdsaRawToDer(signature) }
}

const processed: readonly CborKey[] = [
  coseLabel.alg,
  coseLabel.contentType,
  coseLabel.kid,
  coseLabel.x5bag,
  coseLabel.x5chain,
]

/** RFC 9052 section 3.1. */
function checkCritical(message: CoseSign1, understood: readonly CborKey[]): void {
  if (message.unprotected.has(coseLabel.crit)) throw new CodecError('bad-value', 'crit in the unprotected COSE header')
  const crit = message.protected.get(coseLabel.crit)
  if (crit === undefined) return
  if (!Array.isArray(crit) || crit.length === 0) throw new CodecError('bad-value', 'COSE crit is not a list of labels')
  for (const label of crit as readonly CborKey[]) {
    if (!message.protected.has(label)) throw new CodecError('bad-value', `critical COSE header ${label} is missing`)
    if (!processed.includes(label) && !understood.includes(label)) {
      throw new CodecError('unsupported', `critical COSE header ${label} is not understood`)
    }
  }
}

export interface VerifyCose extends Omit<VerifyCoseKey, 'impliedAlgorithm'> {
  /** Tried before those that the message carries: a certificate that the caller knows. At most 8 in all are tried. */
  readonly signers?: readonly Certificate[]
  /** Accept a message without algorithm: the one that belongs to the signer's key is taken. */
  readonly acceptNoAlgorithm?: boolean
}

export interface VerifiedCose {
  readonly payload: Uint8Array
  readonly algorithm: SignatureAlgorithm
  readonly signerCertificate: Certificate
  /** The signer's own first, then x5bag and x5chain as they came. */
  readonly certificates: readonly Certificate[]
  /** True: the message did not name its algorithm. */
  readonly noAlgorithm: boolean
}

const MAX_CERTIFICATES = 10

/**
 * Reads a tagged COSE_Sign1 and verifies it with whichever certificate among `signers`, x5bag and x5chain fits. The path
 * is not looked at. Throws CodecError or CryptoError.
 */
export function verifyCose(bytes: Uint8Array, options: VerifyCose = {}): VerifiedCose {
  const message = decodeCoseSign1(bytes)
  const bag = bagOf(message)
  const candidates = [...(options.signers ?? []), ...bag].slice(0, 8)
  if (candidates.length === 0) throw new CryptoError('key-mismatch', 'the certificate of the COSE signer is not known')
  for (const [i, signerCertificate] of candidates.entries()) {
    try {
      const algorithm = verifyWith(message, signerCertificate, options)
      return {
        payload: message.payload!,
        algorithm,
        signerCertificate,
        certificates: [signerCertificate, ...bag.filter(certificate => certificate !== signerCertificate)],
        noAlgorithm: !message.protected.has(coseLabel.alg),
      }
    } catch (error) {
      if (!(error instanceof CryptoError) || i === candidates.length - 1) throw error
    }
  }
  throw new CryptoError('bad-signature', 'no certificate fits the COSE signature')
}

function verifyWith(message: CoseSign1, certificate: Certificate, options: VerifyCose): SignatureAlgorithm {
  const key = publicKeyOf(certificate)
  const implied = options.acceptNoAlgorithm
    ? { impliedAlgorithm: key.asymmetricKeyType === 'ed25519' ? ('EdDSA' as const) : ecProfile(key).algorithm }
    : {}
  return verifyCoseSign1(message, key, { ...options, ...implied })
}

function bagOf({ protected: signed, unprotected }: CoseSign1): Certificate[] {
  const list = [signed, unprotected].flatMap(header =>
    [coseLabel.x5bag, coseLabel.x5chain].flatMap(label => decodeCoseX509(header.get(label))),
  )
  if (list.length > MAX_CERTIFICATES) throw new CodecError('too-many', 'too many certificates in a COSE message')
  return list.map(certificateOf)
}
