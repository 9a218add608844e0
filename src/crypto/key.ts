import { createPrivateKey, generateKeyPairSync, type KeyObject } from 'node:crypto'
import { CryptoError } from './error.ts'
import { type Curve, ecProfile } from './signer.ts'

/** A P-521 key in PKCS#8 PEM has under 400 bytes; the rest is room for EC parameters and text around it. */
const maxPrivateKeyBytes = 8192

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

function parsePrivateKey(input: Uint8Array | string): KeyObject {
  const bytes =
    typeof input === 'string' ? Buffer.from(input) : Buffer.from(input.buffer, input.byteOffset, input.length)
  const forms = bytes[0] === 0x30 ? (['pkcs8', 'sec1'] as const) : (['pem'] as const)
  for (const form of forms) {
    try {
      return createPrivateKey(
        form === 'pem' ? { key: bytes, format: 'pem' } : { key: bytes, format: 'der', type: form },
      )
    } catch {
      // The message of OpenSSL says nothing to an operator, and the next form may fit.
    }
  }
  throw new CryptoError('malformed-key', 'not an unencrypted PKCS#8 or SEC1 private key, in PEM or DER')
}
