import { hash } from 'node:crypto'
import { certificateOf } from '../../crypto/certificate-cache.ts'
import type { VoucherRequest } from './voucher.ts'

/** The registrar as a pledge names it in its request: by certificate, or in constrained uses by its key or its digest. */
type ProximityLeaves = Pick<
  VoucherRequest,
  'proximity-registrar-cert' | 'proximity-registrar-pubk' | 'proximity-registrar-pubk-sha256'
>

export function namesRegistrar(request: ProximityLeaves): boolean {
  return (
    request['proximity-registrar-cert'] !== undefined ||
    request['proximity-registrar-pubk'] !== undefined ||
    request['proximity-registrar-pubk-sha256'] !== undefined
  )
}

/**
 * True when the request names a registrar, and all that it says of it belongs to the key `spkiDer` (RFC 8995 section
 * 5.5.5 compares keys, not certificates). Throws CodecError when the certificate in the request is malformed.
 */
export function namesKey(request: ProximityLeaves, spkiDer: Uint8Array): boolean {
  const certificate = request['proximity-registrar-cert']
  const key = request['proximity-registrar-pubk']
  const digest = request['proximity-registrar-pubk-sha256']
  return (
    namesRegistrar(request) &&
    (certificate === undefined || same(certificateOf(certificate).spkiDer, spkiDer)) &&
    (key === undefined || same(key, spkiDer)) &&
    (digest === undefined || same(digest, spkiDigest(spkiDer)))
  )
}

/** SHA-256 of a SubjectPublicKeyInfo: what the -pubk-sha256 leaves hold. */
export function spkiDigest(spkiDer: Uint8Array): Buffer {
  return hash('sha256', spkiDer, 'buffer')
}

/** Equal bytes; not for secrets. */
export function same(a: Uint8Array, b: Uint8Array): boolean {
  return Buffer.compare(a, b) === 0
}
