import { type Cipheriv, createCipheriv, createSecretKey, timingSafeEqual } from 'node:crypto'
import { CryptoError } from './error.ts'
import { Secret } from './secret.ts'

/*
 * AES-SIV (RFC 5297), which OpenSSL has and node:crypto does not hand out. S2V is a chain of CMACs (RFC 4493), and each CMAC is
 * a CBC with a zero IV: one CBC cipher does them all when the first block of each undoes what the cipher would chain into it.
 * Node tells a key from bytes by catching errors, at five times the price of the cipher: it is given KeyObjects. Associated
 * data is a list: none, one that is empty, and two of which one is empty give three different results.
 */

/**
 * 32, 48 or 64 bytes: the first half authenticates, the second encrypts. What has to be made of a key before its first use is kept
 * for as long as the Secret is: a session key serves several times.
 */
export type AesSivKey = Uint8Array | Secret

const block = 16
const zeros = Buffer.alloc(block)
/** RFC 5297 section 7: 127 components, the plaintext being one. */
const maxComponents = 126

/**
 * @returns V | C: 16 bytes more than the plaintext
 * Throws CryptoError `unsupported-key`, or `unsupported-algorithm` for more than 126 components.
 */
export function sealAesSiv(key: AesSivKey, plaintext: Uint8Array, ...associatedData: readonly Uint8Array[]): Buffer {
  const prepared = prepare(key)
  const siv = s2v(prepared, plaintext, associatedData)
  return Buffer.concat([siv, counted(prepared, siv, plaintext)])
}

/** What was sealed. Throws as `sealAesSiv`, and CryptoError `bad-signature` when a bit of key, data or text is another. */
export function openAesSiv(key: AesSivKey, sealed: Uint8Array, ...associatedData: readonly Uint8Array[]): Buffer {
  if (sealed.length < block) throw new CryptoError('bad-signature', 'shorter than an AES-SIV tag')
  const prepared = prepare(key)
  const tag = sealed.subarray(0, block)
  const plaintext = counted(prepared, tag, sealed.subarray(block))
  if (timingSafeEqual(s2v(prepared, plaintext, associatedData), tag)) return plaintext
  plaintext.fill(0)
  throw new CryptoError('bad-signature', 'the wrapped data was altered, or made with another key')
}

interface Prepared {
  /** CMAC under the first half. Writes into the buffer that it is given. */
  readonly mac: (message: Buffer) => Buffer
  /** CMAC of a block of zeros, where each S2V begins. */
  readonly first: Buffer
  /** ECB under the second half, which encrypts counters. */
  readonly counter: Cipheriv
}

const known = new WeakMap<Secret, Prepared>()

function prepare(key: AesSivKey): Prepared {
  if (!(key instanceof Secret)) return fresh(key)
  // Throws when it was disposed of, whatever is known.
  const bytes = key.reveal()
  const prepared = known.get(key) ?? fresh(bytes)
  known.set(key, prepared)
  return prepared
}

function fresh(key: Uint8Array): Prepared {
  const half = key.length / 2
  const bits = half * 8
  if (half !== 16 && half !== 24 && half !== 32) {
    throw new CryptoError('unsupported-key', `an AES-SIV key of ${key.length} bytes`)
  }
  const mac = cmac(createCipheriv(`aes-${bits}-cbc`, createSecretKey(key.subarray(0, half)), zeros))
  const counter = createCipheriv(`aes-${bits}-ecb`, createSecretKey(key.subarray(half)), null)
  return { mac, first: mac(Buffer.alloc(block)), counter }
}

/** CTR, which is its own reverse. RFC 5297 section 2.6: two bits are cleared so that no counter of 32 or 64 bits carries. */
function counted({ counter }: Prepared, siv: Uint8Array, text: Uint8Array): Buffer {
  const blocks = Math.ceil(text.length / block)
  const stream = Buffer.allocUnsafe(blocks * block)
  for (let n = 0; n < blocks; n++) stream.set(siv, n * block)
  for (let at = 0; at < stream.length; at += block) {
    stream[at + 8]! &= 0x7f
    stream[at + 12]! &= 0x7f
    stream.writeUInt32BE(stream.readUInt32BE(at + 12) + at / block, at + 12)
  }
  const result = counter.update(stream).subarray(0, text.length)
  for (let at = 0; at < text.length; at++) result[at]! ^= text[at]!
  return result
}

/** RFC 5297 section 2.4. */
function s2v({ mac, first }: Prepared, plaintext: Uint8Array, associatedData: readonly Uint8Array[]): Buffer {
  if (associatedData.length > maxComponents) throw new CryptoError('unsupported-algorithm', 'too many components')
  let d = first
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

function cmac(cipher: Cipheriv): Prepared['mac'] {
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
