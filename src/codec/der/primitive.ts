import { CodecError } from '../error.ts'
import type { Codec } from './codec.ts'
import type { Reader } from './reader.ts'
import type { Writer } from './writer.ts'

function bad(message: string): never {
  throw new CodecError('bad-value', message)
}

/** BOOLEAN; X.690 11.1: TRUE is 0xFF. */
export const boolean: Codec<boolean> = {
  tags: [0x01],
  write(w, value, tag = 0x01) {
    const mark = w.mark()
    w.octet(value ? 0xff : 0)
    w.close(tag, mark)
  },
  read(r, tag = 0x01) {
    const start = r.pos
    const content = r.content(tag)
    if (content.length !== 1) r.fail('bad-value', 'BOOLEAN is not one octet', start)
    if (content[0] !== 0 && content[0] !== 0xff) r.fail('bad-value', 'BOOLEAN is neither 00 nor FF', start)
    return content[0] === 0xff
  },
}

export const nullValue: Codec<null> = {
  tags: [0x05],
  write(w, _value, tag = 0x05) {
    w.close(tag, w.mark())
  },
  read(r, tag = 0x05) {
    const start = r.pos
    if (r.content(tag).length !== 0) r.fail('bad-value', 'NULL has content', start)
    return null
  },
}

/** Content of an INTEGER in its one DER form (X.690 8.3.2). */
function integerContent(r: Reader, tag: number): Buffer {
  const start = r.pos
  const content = r.content(tag)
  if (content.length === 0) r.fail('bad-value', 'INTEGER is empty', start)
  if (content.length > 1) {
    const sign = content[1]! & 0x80
    if ((content[0] === 0 && sign === 0) || (content[0] === 0xff && sign !== 0)) {
      r.fail('not-minimal', 'INTEGER not in its shortest form', start)
    }
  }
  return content
}

/**
 * INTEGER >= 0 of any size as its big-endian magnitude without leading zeros (zero is one octet 00): serial numbers, key
 * numbers. A negative one is refused on reading (RFC 5280 4.1.2.2 forbids it for serial numbers). On writing, leading
 * zeros are dropped.
 */
export const integer: Codec<Uint8Array> = {
  tags: [0x02],
  write(w, value, tag = 0x02) {
    const last = value.length - 1
    if (last < 0) bad('INTEGER without octets')
    let first = 0
    while (first < last && value[first] === 0) first++
    const mark = w.mark()
    w.octets(first === 0 ? value : value.subarray(first))
    if (value[first]! & 0x80) w.octet(0)
    w.close(tag, mark)
  },
  read(r, tag = 0x02) {
    const start = r.pos
    const content = integerContent(r, tag)
    if (content[0]! & 0x80) r.fail('bad-value', 'INTEGER is negative', start)
    return content.length > 1 && content[0] === 0 ? content.subarray(1) : content
  },
}

/** INTEGER from 0 to 2^48 - 1 as a number: versions, counts, path lengths. */
export const smallInteger: Codec<number> = {
  tags: [0x02],
  write(w, value, tag = 0x02) {
    writeSmall(w, value, tag)
  },
  read(r, tag = 0x02) {
    return readSmall(r, tag)
  },
}

/** ENUMERATED from 0 to 2^48 - 1 as a number. */
export const enumerated: Codec<number> = {
  tags: [0x0a],
  write(w, value, tag = 0x0a) {
    writeSmall(w, value, tag)
  },
  read(r, tag = 0x0a) {
    return readSmall(r, tag)
  },
}

function writeSmall(w: Writer, value: number, tag: number): void {
  if (!(Number.isInteger(value) && value >= 0 && value < 2 ** 48)) bad('number outside 0 to 2^48 - 1')
  const mark = w.mark()
  let rest = value
  let octet: number
  do {
    octet = rest % 256
    w.octet(octet)
    rest = Math.floor(rest / 256)
  } while (rest > 0)
  if (octet & 0x80) w.octet(0)
  w.close(tag, mark)
}

function readSmall(r: Reader, tag: number): number {
  const start = r.pos
  const content = integerContent(r, tag)
  if (content[0]! & 0x80) r.fail('bad-value', 'number is negative', start)
  if (content.length > 7 || (content.length === 7 && content[0] !== 0)) r.fail('too-large', 'number too large', start)
  let value = 0
  for (let i = 0; i < content.length; i++) value = value * 256 + content[i]!
  return value
}

export const octetString: Codec<Uint8Array> = {
  tags: [0x04],
  write(w, value, tag = 0x04) {
    const mark = w.mark()
    w.octets(value)
    w.close(tag, mark)
  },
  read(r, tag = 0x04) {
    return r.content(tag)
  },
}

/** BIT STRING of whole octets (keys, signatures); unused bits are refused. */
export const bitString: Codec<Uint8Array> = {
  tags: [0x03],
  write(w, value, tag = 0x03) {
    const mark = w.mark()
    w.octets(value)
    w.octet(0)
    w.close(tag, mark)
  },
  read(r, tag = 0x03) {
    const start = r.pos
    const content = r.content(tag)
    if (content.length === 0) r.fail('bad-value', 'BIT STRING is empty', start)
    if (content[0] !== 0) r.fail('bad-value', 'BIT STRING is not whole octets', start)
    return content.subarray(1)
  },
}

/** BIT STRING of any length: `unused` (0 to 7) bits at the end of `bytes` do not count and are zero (X.690 11.2.1). */
export const bits: Codec<{ readonly bytes: Uint8Array; readonly unused: number }> = {
  tags: [0x03],
  write(w, { bytes, unused }, tag = 0x03) {
    if (!unusedBitsFit(bytes, 0, unused)) bad('unused bits of a BIT STRING')
    const mark = w.mark()
    w.octets(bytes)
    w.octet(unused)
    w.close(tag, mark)
  },
  read(r, tag = 0x03) {
    const start = r.pos
    const content = r.content(tag)
    if (content.length === 0 || !unusedBitsFit(content, 1, content[0]!)) {
      r.fail('bad-value', 'unused bits of a BIT STRING', start)
    }
    return { bytes: content.subarray(1), unused: content[0]! }
  },
}

function unusedBitsFit(bytes: Uint8Array, from: number, unused: number): boolean {
  if (!(unused >= 0 && unused <= 7)) return false
  if (bytes.length === from) return unused === 0
  return (bytes[bytes.length - 1]! & ((1 << unused) - 1)) === 0
}

/**
 * BIT STRING with named bits, as the list of names that are set. X.690 11.2.2: trailing zero bits are not encoded. A bit
 * without a name is refused. At most 16 names; order of the list does not matter on writing and is bit order on reading.
 *
 * @example const KeyUsage = flags(['digitalSignature', 'nonRepudiation'])
 */
export function flags<const Names extends readonly string[]>(names: Names): Codec<readonly Names[number][]> {
  if (names.length > 16) throw new TypeError('flags: more than 16 names')
  return {
    tags: [0x03],
    write(w, value, tag = 0x03) {
      let set = 0
      for (let i = 0; i < value.length; i++) {
        const bit = names.indexOf(value[i]!)
        if (bit < 0) bad(`no bit is named ${value[i]}`)
        set |= 0x8000 >> bit
      }
      const mark = w.mark()
      if (set === 0) {
        w.octet(0)
      } else {
        const lowest = 31 - Math.clz32(set & -set)
        if (lowest < 8) w.octet(set & 0xff)
        w.octet(set >> 8)
        w.octet(lowest & 7)
      }
      w.close(tag, mark)
    },
    read(r, tag = 0x03) {
      const start = r.pos
      const content = r.content(tag)
      if (content.length === 0 || !unusedBitsFit(content, 1, content[0]!)) {
        r.fail('bad-value', 'unused bits of a BIT STRING', start)
      }
      const count = (content.length - 1) * 8 - content[0]!
      if (count > 0 && !isSet(content, count - 1)) r.fail('not-minimal', 'named bits end in zeros', start)
      if (count > names.length) r.fail('bad-value', `bit ${count - 1} has no name`, start)
      return names.filter((_, bit) => bit < count && isSet(content, bit))
    },
  }
}

const isSet = (content: Uint8Array, bit: number) => ((content[1 + (bit >> 3)]! << (bit & 7)) & 0x80) !== 0
