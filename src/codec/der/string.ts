import { CodecError } from '../error.ts'
import type { Codec } from './codec.ts'
import type { Reader } from './reader.ts'

const UTF8_STRING = 0x0c
const PRINTABLE_STRING = 0x13
const TELETEX_STRING = 0x14
const IA5_STRING = 0x16
const UNIVERSAL_STRING = 0x1c
const BMP_STRING = 0x1e

const strict = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** One byte per character, each allowed by `allowed` (indexed by character code). */
function narrow(own: number, name: string, allowed: Uint8Array): Codec<string> {
  return {
    tags: [own],
    write(w, value, tag = own) {
      for (let i = 0; i < value.length; i++) {
        if (allowed[value.charCodeAt(i)] !== 1) throw new CodecError('bad-value', `character not allowed in ${name}`)
      }
      const mark = w.mark()
      w.latin1(value)
      w.close(tag, mark)
    },
    read(r, tag = own) {
      const start = r.pos
      const content = r.content(tag)
      for (let i = 0; i < content.length; i++) {
        if (allowed[content[i]!] !== 1) r.fail('bad-value', `character not allowed in ${name}`, start)
      }
      return content.toString('latin1')
    },
  }
}

const PRINTABLE = new Uint8Array(128)
for (const c of "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789 '()+,-./:=?")
  PRINTABLE[c.charCodeAt(0)] = 1

export const printableString: Codec<string> = narrow(PRINTABLE_STRING, 'PrintableString', PRINTABLE)

export const ia5String: Codec<string> = narrow(IA5_STRING, 'IA5String', new Uint8Array(128).fill(1))

/** True when `value` can be a PrintableString. */
export function isPrintable(value: string): boolean {
  for (let i = 0; i < value.length; i++) if (PRINTABLE[value.charCodeAt(i)] !== 1) return false
  return true
}

export const utf8String: Codec<string> = {
  tags: [UTF8_STRING],
  write(w, value, tag = UTF8_STRING) {
    const mark = w.mark()
    if (isAscii(value)) w.latin1(value)
    else if (value.isWellFormed()) w.octets(Buffer.from(value, 'utf8'))
    else throw new CodecError('bad-value', 'text with a lone surrogate')
    w.close(tag, mark)
  },
  read(r, tag = UTF8_STRING) {
    const start = r.pos
    return utf8(r, r.content(tag), start)
  },
}

function isAscii(value: string): boolean {
  for (let i = 0; i < value.length; i++) if (value.charCodeAt(i) > 0x7f) return false
  return true
}

function utf8(r: Reader, content: Buffer, start: number): string {
  try {
    return strict.decode(content)
  } catch {
    r.fail('bad-encoding', 'not UTF-8', start)
  }
}

// Device makers put `_`, `@` and `*` into PrintableStrings of names. The text is as clear, and no name is written again.
const LOOSE_PRINTABLE = narrow(PRINTABLE_STRING, 'PrintableString', new Uint8Array(127).fill(1, 0x20))

/**
 * RFC 5280 DirectoryString, and IA5String, which names carry too. Writes UTF8String; reads every form: TeletexString as
 * Latin-1, as is the practice (RFC 5280 appendix B tells CAs to write none), BMPString as UTF-16, UniversalString as UTF-32,
 * PrintableString with any visible ASCII character.
 */
export const directoryString: Codec<string> = {
  tags: [UTF8_STRING, PRINTABLE_STRING, TELETEX_STRING, IA5_STRING, UNIVERSAL_STRING, BMP_STRING],
  write(w, value) {
    utf8String.write(w, value)
  },
  read(r) {
    const start = r.pos
    const tag = r.peek()
    switch (tag) {
      case PRINTABLE_STRING:
        return LOOSE_PRINTABLE.read(r)
      case IA5_STRING:
        return ia5String.read(r)
      case TELETEX_STRING:
        return r.content(tag).toString('latin1')
      case BMP_STRING: {
        const content = r.content(tag)
        if (content.length % 2 !== 0) r.fail('bad-encoding', 'BMPString of an odd length', start)
        const text = Buffer.from(content).swap16().toString('utf16le')
        return text.isWellFormed() ? text : r.fail('bad-encoding', 'BMPString is not UTF-16', start)
      }
      case UNIVERSAL_STRING:
        return utf32(r, r.content(tag), start)
      default:
        return utf8String.read(r)
    }
  },
}

function utf32(r: Reader, content: Buffer, start: number): string {
  if (content.length % 4 !== 0) r.fail('bad-encoding', 'UniversalString not of whole characters', start)
  let text = ''
  for (let i = 0; i < content.length; i += 4) {
    const point = content.readUInt32BE(i)
    if (point > 0x10ffff || (point >= 0xd800 && point < 0xe000)) {
      r.fail('bad-encoding', 'UniversalString is not UTF-32', start)
    }
    text += String.fromCodePoint(point)
  }
  return text
}
