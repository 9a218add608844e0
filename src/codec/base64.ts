import { CodecError } from './error.ts'

// Per character code: its six bits, or one of these.
const OTHER = 0xff
const SPACE = 0xfe
const PAD = 0xfd

function table(alphabet: string, spaces: string): Uint8Array {
  const values = new Uint8Array(256).fill(OTHER)
  for (let i = 0; i < 64; i++) values[alphabet.charCodeAt(i)] = i
  for (const c of spaces) values[c.charCodeAt(0)] = SPACE
  values['='.charCodeAt(0)] = PAD
  return values
}

const LETTERS = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789'
const STRICT = table(`${LETTERS}+/`, '')
const SPACED = table(`${LETTERS}+/`, '\r\n \t')
const URL_SAFE = table(`${LETTERS}-_`, '')

/** RFC 4648 4, padded, on one line. */
export function encodeBase64(bytes: Uint8Array): string {
  return view(bytes).toString('base64')
}

/**
 * RFC 4648 4 to the letter: padded, nothing between the characters, no bits left over. Throws CodecError `bad-encoding`.
 */
export function decodeBase64(text: string): Buffer {
  return decodeWith(STRICT, text, true)
}

/** A body of EST: base64 in which CR, LF, SP and TAB do not count (RFC 8951 3.1). Otherwise as strict as `decodeBase64`. */
export function decodeEstBase64(text: string): Buffer {
  return decodeWith(SPACED, text, true)
}

/** RFC 4648 5 without padding, as JOSE has it (RFC 7515 2). */
export function encodeBase64Url(bytes: Uint8Array): string {
  return view(bytes).toString('base64url')
}

/** RFC 7515 2: no padding, nothing between the characters, no bits left over. Throws CodecError `bad-encoding`. */
export function decodeBase64Url(text: string): Buffer {
  return decodeWith(URL_SAFE, text, false)
}

function view(bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}

// Buffer.from skips what it does not know and forgives missing padding and left-over bits, so that many texts would mean
// the same bytes; this reads one text only.
function decodeWith(values: Uint8Array, text: string, padded: boolean): Buffer {
  const out = Buffer.allocUnsafe(Math.floor((text.length * 3) / 4))
  let length = 0
  let group = 0
  let count = 0
  let pads = 0
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i)
    const value = code < 256 ? values[code]! : OTHER
    if (value < 64) {
      if (pads > 0) throw new CodecError('bad-encoding', 'base64 goes on after its padding', i)
      group = (group << 6) | value
      if (++count % 4 === 0) {
        out[length++] = group >> 16
        out[length++] = (group >> 8) & 0xff
        out[length++] = group & 0xff
        group = 0
      }
    } else if (value === PAD && padded) {
      pads++
    } else if (value !== SPACE) {
      throw new CodecError('bad-encoding', 'character outside the base64 alphabet', i)
    }
  }
  const rest = count % 4
  if (rest === 1 || (padded ? pads !== (4 - rest) % 4 : pads !== 0)) {
    throw new CodecError('bad-encoding', 'base64 has the wrong length', text.length)
  }
  if (rest === 2) {
    if (group & 0x0f) throw new CodecError('bad-encoding', 'base64 has bits left over', text.length)
    out[length++] = group >> 4
  } else if (rest === 3) {
    if (group & 0x03) throw new CodecError('bad-encoding', 'base64 has bits left over', text.length)
    out[length++] = group >> 10
    out[length++] = (group >> 2) & 0xff
  }
  return out.subarray(0, length)
}
