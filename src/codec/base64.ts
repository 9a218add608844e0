import { CodecError } from './error.ts'

const MAX_TEXT = 0x100_0000

/** RFC 4648 4, padded, on one line. */
export function encodeBase64(bytes: Uint8Array): string {
  return view(bytes).toString('base64')
}

/**
 * RFC 4648 4 to the letter: padded, nothing between the characters, no bits left over. Throws CodecError `bad-encoding`, or
 * `too-large` above 16 MiB of text.
 */
export function decodeBase64(text: string): Buffer {
  return decodeOnly('base64', text, /[^A-Za-z0-9+/=]/)
}

/** A body of EST: base64 in which CR, LF, SP and TAB do not count (RFC 8951 3.1). Otherwise as strict as `decodeBase64`. */
export function decodeEstBase64(text: string): Buffer {
  if (text.length > MAX_TEXT) throw new CodecError('too-large', 'base64 text larger than 16 MiB', 0)
  return decodeBase64(text.replace(/[\r\n \t]+/g, ''))
}

/** RFC 4648 5 without padding, as JOSE has it (RFC 7515 2). */
export function encodeBase64Url(bytes: Uint8Array): string {
  return view(bytes).toString('base64url')
}

/** RFC 7515 2: no padding, nothing between the characters, no bits left over. Throws as `decodeBase64` does. */
export function decodeBase64Url(text: string): Buffer {
  return decodeOnly('base64url', text, /[^A-Za-z0-9_-]/)
}

function view(bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}

// Buffer.from skips what it does not know and forgives missing padding and left-over bits. Each byte string has exactly
// one strict text, so what does not come out again as it went in was not strict.
function decodeOnly(encoding: 'base64' | 'base64url', text: string, foreign: RegExp): Buffer {
  if (text.length > MAX_TEXT) throw new CodecError('too-large', 'base64 text larger than 16 MiB', 0)
  const bytes = Buffer.from(text, encoding)
  if (bytes.toString(encoding) !== text) {
    const at = text.search(foreign)
    if (at >= 0) throw new CodecError('bad-encoding', `character outside the ${encoding} alphabet`, at)
    throw new CodecError('bad-encoding', `${encoding} with wrong padding, length or last character`, text.length)
  }
  return bytes
}
