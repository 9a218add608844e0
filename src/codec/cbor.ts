import { isUtf8 } from 'node:buffer'
import { decode, encode, rfc8949EncodeOptions, Tagged } from 'cborg'
import { CodecError } from './error.ts'

export { Tagged as CborTag }

export type CborKey = number | bigint | string
export type CborMap = ReadonlyMap<CborKey, Cbor>
/** A CBOR value as it is decoded. Integers beyond 2^53 are bigint; a tag is a `CborTag`. */
export type Cbor = null | boolean | number | bigint | string | Uint8Array | readonly Cbor[] | CborMap | Tagged

/** Bounds of one `decodeCbor`, and the tags that its reader knows. */
export interface CborLimits {
  /** Bytes of input. Default 1 MiB. */
  readonly size?: number
  /** Nested arrays, maps and tags. Default 16. */
  readonly depth?: number
  /** Items of all kinds together. Default 10 000. */
  readonly count?: number
  /** Any other tag is refused. Default none. */
  readonly tags?: readonly number[]
}

/**
 * One CBOR item (RFC 8949), strictly: definite lengths, shortest heads, no key twice, keys integers or text, text in
 * UTF-8, finite numbers, no simple value but false, true and null. Throws CodecError.
 */
export function decodeCbor(bytes: Uint8Array, limits: CborLimits = {}): Cbor {
  if (bytes.length > (limits.size ?? 0x10_0000)) {
    throw new CodecError('too-large', `${bytes.length} bytes of CBOR are more than the limit of this decoder`, 0)
  }
  const tags = limits.tags ?? []
  new Survey(bytes, limits.depth ?? 16, limits.count ?? 10_000, tags).run()
  try {
    return decode(bytes, {
      strict: true,
      useMaps: true,
      rejectDuplicateMapKeys: true,
      allowIndefinite: false,
      allowUndefined: false,
      allowInfinity: false,
      allowNaN: false,
      tags: Tagged.preserve(...tags),
    }) as Cbor
  } catch (cause) {
    const { message } = cause as Error
    throw new CodecError(message.includes('repeat map key') ? 'duplicate' : 'bad-value', message)
  }
}

export function isCborMap(value: Cbor | undefined): value is CborMap {
  return value instanceof Map
}

/** Deterministic CBOR (RFC 8949 section 4.2.1). */
export function encodeCbor(value: Cbor): Buffer {
  try {
    return Buffer.from(encode(value, rfc8949EncodeOptions))
  } catch (cause) {
    throw new CodecError('bad-value', (cause as Error).message)
  }
}

const MAJOR_BYTES = 2
const MAJOR_TEXT = 3
const MAJOR_ARRAY = 4
const MAJOR_MAP = 5
const MAJOR_TAG = 6
const MAJOR_SIMPLE = 7

/** Walks the heads without recursion before anything is built: cborg bounds neither depth nor count. */
class Survey {
  readonly #bytes: Uint8Array
  readonly #view: DataView
  readonly #depth: number
  readonly #tags: readonly number[]
  #count: number
  #pos = 0
  /** Items still to come of each open container, and whether it is a map. */
  readonly #open: { left: number; readonly map: boolean }[] = []

  constructor(bytes: Uint8Array, depth: number, count: number, tags: readonly number[]) {
    this.#bytes = bytes
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    this.#depth = depth
    this.#count = count
    this.#tags = tags
  }

  run(): void {
    this.#item()
    for (let top = this.#open.at(-1); top !== undefined; top = this.#open.at(-1)) {
      if (top.left === 0) {
        this.#open.pop()
        continue
      }
      // Keys are at the even places.
      const key = top.map && top.left % 2 === 0
      top.left--
      const major = this.#item()
      if (key && major > 1 && major !== MAJOR_TEXT) this.#fail('unsupported', 'map key is neither integer nor text')
    }
    if (this.#pos !== this.#bytes.length) this.#fail('trailing-bytes', 'bytes after the CBOR item')
  }

  /** Reads one head, and the bytes of a string. Returns the major type. */
  #item(): number {
    if (--this.#count < 0) this.#fail('too-many', 'too many CBOR items')
    if (this.#pos >= this.#bytes.length) this.#fail('truncated', 'CBOR item is missing')
    const head = this.#bytes[this.#pos]!
    const major = head >> 5
    if (major === MAJOR_SIMPLE) return this.#simple(head & 31)
    const argument = this.#argument(head & 31)
    if (major === MAJOR_BYTES || major === MAJOR_TEXT) this.#string(major, argument)
    else if (major === MAJOR_ARRAY) this.#enter(argument, false)
    else if (major === MAJOR_MAP) this.#enter(argument * 2, true)
    else if (major === MAJOR_TAG) {
      if (!this.#tags.includes(argument)) this.#fail('unsupported', `CBOR tag ${argument}`)
      this.#enter(1, false)
    }
    return major
  }

  #argument(minor: number): number {
    const start = ++this.#pos
    if (minor < 24) return minor
    if (minor === 31) this.#fail('not-minimal', 'indefinite length')
    if (minor > 27) this.#fail('bad-value', 'reserved CBOR head')
    const size = 1 << (minor - 24)
    if (start + size > this.#bytes.length) this.#fail('truncated', 'CBOR head is cut off')
    this.#pos += size
    if (size === 1) return this.#shortest(this.#view.getUint8(start), 24)
    if (size === 2) return this.#shortest(this.#view.getUint16(start), 0x100)
    if (size === 4) return this.#shortest(this.#view.getUint32(start), 0x1_0000)
    return this.#shortest(Number(this.#view.getBigUint64(start)), 0x1_0000_0000)
  }

  #shortest(argument: number, least: number): number {
    if (argument < least) this.#fail('not-minimal', 'CBOR head not in its shortest form')
    return argument
  }

  #simple(minor: number): number {
    const size = minor < 24 ? 0 : 1 << (minor - 24)
    // false, true, null, and floats of 2, 4 and 8 bytes
    const known = (minor >= 20 && minor <= 22) || (minor >= 25 && minor <= 27)
    if (!known) this.#fail('unsupported', `CBOR simple value or break (${minor})`)
    if (this.#pos + 1 + size > this.#bytes.length) this.#fail('truncated', 'CBOR float is cut off')
    this.#pos += 1 + size
    return MAJOR_SIMPLE
  }

  #string(major: number, length: number): void {
    const end = this.#pos + length
    if (end > this.#bytes.length) this.#fail('truncated', `CBOR string of ${length} bytes is cut off`)
    if (major === MAJOR_TEXT) {
      const text = this.#bytes.subarray(this.#pos, end)
      // cborg would replace bad sequences and drop a byte order mark.
      if (!isUtf8(text) || (text[0] === 0xef && text[1] === 0xbb && text[2] === 0xbf)) {
        this.#fail('bad-encoding', 'CBOR text is not plain UTF-8')
      }
    }
    this.#pos = end
  }

  #enter(items: number, map: boolean): void {
    if (this.#open.length >= this.#depth) this.#fail('too-deep', 'CBOR nested too deep')
    // No item is shorter than a byte: a count that the input cannot hold is not worth starting on.
    if (items > this.#bytes.length - this.#pos) this.#fail('truncated', `CBOR container of ${items} items is cut off`)
    this.#open.push({ left: items, map })
  }

  #fail(code: ConstructorParameters<typeof CodecError>[0], message: string): never {
    throw new CodecError(code, message, this.#pos)
  }
}
