import { CryptoError } from './error.ts'

/** Bytes of r and of s: for curves of 256, 384 and 512 bits, and for P-521. */
export type ScalarSize = 32 | 48 | 64 | 66

/*
 * Node converts between the two forms when sign() or verify() is given an options object, at a price per call
 * above the signature itself; these two functions cost less than a microsecond and refuse what OpenSSL lets pass.
 */

/**
 * Ecdsa-Sig-Value (RFC 5480 appendix A) to r || s as JWS and COSE have it (RFC 7518 section 3.4).
 * Throws `malformed-signature` unless the DER is strict and 0 < r, s < 2^(8 size).
 */
export function ecdsaDerToRaw(der: Uint8Array, size: ScalarSize): Buffer {
  let at = 2
  let length = der[1] ?? 0
  if (length === 0x81) {
    length = der[2] ?? 0
    if (length < 0x80) throw malformed('the length is not minimal')
    at = 3
  }
  if (der[0] !== 0x30 || length !== der.length - at) throw malformed('it is not one SEQUENCE')
  const raw = Buffer.alloc(2 * size)
  const middle = copyScalar(der, at, raw, 0, size)
  const end = copyScalar(der, middle, raw, size, size)
  if (end !== der.length) throw malformed('bytes follow s')
  return raw
}

/** Reads one INTEGER at `at`, writes it right-aligned into `raw[start, start + size)`, and answers where it ended. */
function copyScalar(der: Uint8Array, at: number, raw: Buffer, start: number, size: number): number {
  const length = der[at + 1] ?? 0
  let from = at + 2
  const end = from + length
  if (der[at] !== 0x02 || length === 0 || length > size + 1 || end > der.length)
    throw malformed('r or s is not an INTEGER')
  const first = der[from]!
  if (first >= 0x80) throw malformed('r or s is negative')
  if (first === 0) {
    if (length === 1) throw malformed('r or s is zero')
    if (der[from + 1]! < 0x80) throw malformed('r or s is not minimal')
    from++
  }
  if (end - from > size) throw malformed('r or s is too long for the curve')
  raw.set(der.subarray(from, end), start + size - (end - from))
  return end
}

/** r || s to a DER Ecdsa-Sig-Value. Throws `malformed-signature` unless r, s > 0 and `raw` is 2 size bytes; without size 64, 96 or 132. */
export function ecdsaRawToDer(raw: Uint8Array, size?: ScalarSize): Buffer {
  const lengths = size === undefined ? [64, 96, 132] : [2 * size]
  if (!lengths.includes(raw.length)) throw malformed(`it has ${raw.length} bytes`)
  const half = raw.length / 2
  const r = firstByte(raw, 0, half)
  const s = firstByte(raw, half, raw.length)
  const rLength = half - r + (raw[r]! >> 7)
  const sLength = raw.length - s + (raw[s]! >> 7)
  const body = 4 + rLength + sLength
  const header = body < 0x80 ? 2 : 3
  const der = Buffer.alloc(header + body)
  der[0] = 0x30
  if (header === 3) der[1] = 0x81
  der[header - 1] = body
  der[header] = 0x02
  der[header + 1] = rLength
  der.set(raw.subarray(r, half), header + 2 + rLength - (half - r))
  const second = header + 2 + rLength
  der[second] = 0x02
  der[second + 1] = sLength
  der.set(raw.subarray(s), der.length - (raw.length - s))
  return der
}

function firstByte(raw: Uint8Array, start: number, end: number): number {
  let at = start
  while (at < end && raw[at] === 0) at++
  if (at === end) throw malformed('r or s is zero')
  return at
}

function malformed(why: string): CryptoError {
  return new CryptoError('malformed-signature', `not an ECDSA signature: ${why}`)
}
