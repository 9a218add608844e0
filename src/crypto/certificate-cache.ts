import { type Certificate, decodeCertificate } from '../codec/x509/certificate.ts'
import { Recent } from './recent.ts'

// Strangers choose what comes in: bounded in number and in bytes.
const MAX_ENTRIES = 256
const MAX_BYTES = 4096
const TAIL = 24

const cache = new Recent<Certificate>(MAX_ENTRIES)

/**
 * `decodeCertificate`, remembering: the same registrar, MASA and CA certificates come with every message, and reading one
 * anew costs more than verifying with it. Found by its last bytes, which are signature, then compared in full.
 */
export function certificateOf(der: Uint8Array): Certificate {
  const bytes = Buffer.isBuffer(der) ? der : Buffer.from(der.buffer, der.byteOffset, der.byteLength)
  const key = bytes.toString('latin1', Math.max(0, bytes.length - TAIL))
  const known = cache.get(key)
  if (known !== undefined && bytes.equals(known.der)) return known
  const certificate = decodeCertificate(bytes)
  if (bytes.length <= MAX_BYTES) cache.set(key, certificate)
  return certificate
}
