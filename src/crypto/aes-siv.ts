import { createCipheriv, createSecretKey, timingSafeEqual } from 'node:crypto'
import { CryptoError } from './error.ts'

/*
 * AES-SIV (RFC 5297), which OpenSSL has and node:crypto does not hand out. S2V is a chain of CMACs (RFC 4493), and each CMAC is
 * a CBC with a zero IV: one CBC cipher does them all when the first block of each undoes what the cipher would chain into it.
 * Node tells a key from bytes by catching errors, at five times the price of the cipher: it is given KeyObjects. Associated
 * data is a list: none, one that is empty, and two of which one is empty give three different results.
 */

const block = 16
const zeros = Buffer.alloc(block)
/** RFC 5297 section 7: 127 components, the plaintext being one. */
const maxComponents = 126

/**
 * @param key 32, 48 or 64 bytes: the first half authenticates, the second encrypts
 * @returns V | C: 16 bytes more than the plaintext
 * Throws CryptoError `unsupported-key`, or `unsupported-algorithm` for more than 126 components.
 */
export function sealAesSiv(key: Uint8Array, plaintext: Uint8Array, ...associatedData: readonly Uint8Array[]): Buffer {
  const siv = s2v(key, plaintext, associatedData)
  const sealed = Buffer.allocUnsafe(block + plaintext.length)
  siv.copy(sealed)
  counted(key, siv, plaintext).copy(sealed, block)
  return sealed
}

/** What was sealed. Throws as `sealAesSiv`, and CryptoError `bad-signature` when a bit of key, data or text is another. */
export function openAesSiv(key: Uint8Array, sealed: Uint8Array, ...associatedData: readonly Uint8Array[]): Buffer {
  if (sealed.length < block) throw new CryptoError('bad-signature', 'shorter than an AES-SIV tag')
  const tag = sealed.subarray(0, block)
  const plaintext = counted(key, tag, sealed.subarray(block))
  if (timingSafeEqual(s2v(key, plaintext, associatedData), tag)) return plaintext
  plaintext.fill(0)
  throw new CryptoError('bad-signature', 'the wrapped data was altered, or made with another key')
}

/** CTR, which is its own reverse. RFC 5297 section 2.6: two bits are cleared so that no counter of 32 or 64 bits carries. */
function counted(key: Uint8Array, siv: Uint8Array, text: Uint8Array): Buffer {
  const start = Buffer.from(siv)
  start[8]! &= 0x7f
  start[12]! &= 0x7f
  return createCipheriv(`aes-${keyBits(key)}-ctr`, createSecretKey(key.subarray(key.length / 2)), start).update(text)
}

function keyBits(key: Uint8Array): number {
  if (key.length === 32 || key.length === 48 || key.length === 64) return key.length * 4
  throw new CryptoError('unsupported-key', `an AES-SIV key of ${key.length} bytes`)
}

/** RFC 5297 section 2.4. */
function s2v(key: Uint8Array, plaintext: Uint8Array, associatedData: readonly Uint8Array[]): Buffer {
  if (associatedData.length > maxComponents) throw new CryptoError('unsupported-algorithm', 'too many components')
  const mac = cmac(key)
  let d = mac(Buffer.alloc(block))
  for (const component of associatedData) d = xor(double(d), mac(Buffer.from(component)))
  const last = Buffer.alloc(Math.max(block, plaintext.length))
  last.set(plaintext)
  if (plaintext.length >= block) xor(last.subarray(-block), d)
  else {
    last[plaintext.length] = 0x80
    xor(last, double(d))
  }
  const siv = mac(last)
  last.fill(0)
  return siv
}

/** CMAC under the first half of the key, again and again. The function it gives writes into the buffer that it is given. */
function cmac(key: Uint8Array): (message: Buffer) => Buffer {
  const half = createSecretKey(key.subarray(0, key.length / 2))
  const cipher = createCipheriv(`aes-${keyBits(key)}-cbc`, half, zeros)
  cipher.setAutoPadding(false)
  let chained = cipher.update(zeros)
  const whole = double(chained)
  const padded = double(whole)
  return message => {
    const fits = message.length > 0 && message.length % block === 0
    const input = fits ? message : pad(message)
    xor(input.subarray(-block), fits ? whole : padded)
    xor(input, chained)
    chained = cipher.update(input).subarray(-block)
    return Buffer.from(chained)
  }
}

function pad(message: Uint8Array): Buffer {
  const input = Buffer.alloc(message.length + block - (message.length % block))
  input.set(message)
  input[message.length] = 0x80
  return input
}

/** Over the 16 bytes of `from`, into `target`. */
function xor(target: Buffer, from: Buffer): Buffer {
  for (let at = 0; at < block; at++) target[at]! ^= from[at]!
  return target
}

/** Multiplication by x in GF(2^128), RFC 5297 section 2.3, without a branch on what is secret. */
function double(value: Buffer): Buffer {
  const twice = Buffer.allocUnsafe(block)
  let carry = (value[0]! >> 7) * 0x87
  for (let at = block - 1; at >= 0; at--) {
    twice[at] = ((value[at]! << 1) & 0xff) ^ carry
    carry = value[at]! >> 7
  }
  return twice
}
