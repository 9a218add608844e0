import type { KeyObject } from 'node:crypto'
import { CodecError } from '../codec/error.ts'
import {
  type CertificationRequest,
  type CertificationRequestFields,
  decodeCertificationRequest,
  encodeCertificationRequest,
  encodeCertificationRequestInfo,
} from '../codec/pkcs10.ts'
import { CryptoError } from './error.ts'
import { publicKeyOf } from './key.ts'
import { algorithmIdentifier, type Signer } from './signer.ts'
import { type VerifyOptions, verifySignature } from './verify.ts'

/** A request whose sender has shown that it holds the private key. Who the sender is, and what it may have, is open. */
export interface VerifiedCsr {
  readonly request: CertificationRequest
  readonly publicKey: KeyObject
  /** Its type alone says so; the codec's CertificationRequest has nothing of the sort. */
  readonly possession: 'proven'
}

/** A PKCS #10 request for the signer's key, in DER. */
export async function createCsr(fields: Omit<CertificationRequestFields, 'spkiDer'>, signer: Signer): Promise<Buffer> {
  const infoDer = encodeCertificationRequestInfo({ ...fields, spkiDer: signer.spkiDer })
  return encodeCertificationRequest(infoDer, algorithmIdentifier[signer.algorithm], await signer.sign(infoDer))
}

export interface CsrOptions extends VerifyOptions {
  /** The only key that the request may be for. It was judged by who names it, so that its curve may be one that `publicKeyOf` refuses. */
  readonly expectedKey?: KeyObject
}

/**
 * Reads a request of at most 64 KiB and checks its proof of possession (RFC 2986 4.2). Throws CryptoError:
 * `malformed-request` when it cannot be read, `key-mismatch` when it is for another key than the expected one, else what
 * `publicKeyOf` and `verifySignature` throw.
 */
export function verifyCsr(der: Uint8Array, options: CsrOptions = {}): VerifiedCsr {
  const request = read(der)
  const { expectedKey } = options
  const publicKey = expectedKey === undefined ? publicKeyOf(request) : requireKey(request, expectedKey)
  verifySignature(request.signatureAlgorithm, publicKey, request.infoDer, request.signature, options)
  return { request, publicKey, possession: 'proven' }
}

function requireKey({ spkiDer }: CertificationRequest, expected: KeyObject): KeyObject {
  if (expected.export({ type: 'spki', format: 'der' }).equals(spkiDer)) return expected
  throw new CryptoError('key-mismatch', 'the request is for another key than the expected one')
}

function read(der: Uint8Array): CertificationRequest {
  try {
    return decodeCertificationRequest(der)
  } catch (cause) {
    if (!(cause instanceof CodecError)) throw cause
    throw new CryptoError('malformed-request', `not a certification request: ${cause.message}`, { cause })
  }
}
