import { CodecError, type CodecErrorCode } from '../error.ts'

/** Bounds of one `decode`. */
export interface Limits {
  /** Bytes of input. Default 1 MiB. */
  readonly size?: number
  /** Nested constructed elements. Default 32. */
  readonly depth?: number
  /** Elements of all SEQUENCE OF and SET OF together. Default 10 000. */
  readonly count?: number
}

/**
 * A cursor over strict DER. One reader serves a whole decode: `enter` narrows `end` to the element's content and `leave`
 * widens it again. Byte values are views into the input, never copies.
 */
export class Reader {
  readonly bytes: Buffer
  pos = 0
  /** End of the enclosing element. */
  end: number
  #depth: number
  #count: number

  constructor(bytes: Uint8Array, limits: Limits = {}) {
    if (bytes.length > (limits.size ?? 0x10_0000)) {
      throw new CodecError('too-large', `${bytes.length} bytes are more than the limit of this decoder`, 0)
    }
    this.bytes = Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    this.end = bytes.length
    this.#depth = limits.depth ?? 32
    this.#count = limits.count ?? 10_000
  }

  fail(code: CodecErrorCode, message: string, offset = this.pos): never {
    throw new CodecError(code, message, offset)
  }

  get more(): boolean {
    return this.pos < this.end
  }

  /** Identifier octet of the next element; -1 at the end of the enclosing one. */
  peek(): number {
    return this.pos < this.end ? this.bytes[this.pos]! : -1
  }

  /** Reads an identifier, which must be `tag`, and a length. Returns where the content ends; `pos` is at its start. */
  header(tag: number): number {
    const { bytes, pos, end } = this
    if (pos >= end) this.fail('truncated', `element ${hex(tag)} is missing`)
    if (bytes[pos] !== tag) this.fail('bad-tag', `expected element ${hex(tag)}, found ${hex(bytes[pos]!)}`)
    // X.690 8.1.2.4: no standard used here has tag numbers above 30.
    if ((tag & 0x1f) === 0x1f) this.fail('unsupported', 'tag number above 30')
    if (pos + 2 > end) this.fail('truncated', 'length is missing')
    let length = bytes[pos + 1]!
    let start = pos + 2
    if (length >= 0x80) {
      const octets = length & 0x7f
      // X.690 10.1: DER lengths are definite and in the fewest octets.
      if (octets === 0) this.fail('not-minimal', 'indefinite length', pos + 1)
      if (octets > 4) this.fail('too-large', `length of ${octets} octets`, pos + 1)
      if (start + octets > end) this.fail('truncated', 'length is cut off', pos + 1)
      length = 0
      for (let i = 0; i < octets; i++) length = length * 256 + bytes[start + i]!
      if (length < 0x80 || bytes[start] === 0) this.fail('not-minimal', 'length not in its shortest form', pos + 1)
      start += octets
    }
    if (start + length > end) this.fail('truncated', `content of ${length} bytes is cut off`)
    this.pos = start
    return start + length
  }

  /** Enters a constructed element; give the result to `leave`. */
  enter(tag: number): number {
    const outer = this.end
    const end = this.header(tag)
    if (--this.#depth < 0) this.fail('too-deep', 'elements nested too deep')
    this.end = end
    return outer
  }

  leave(outer: number): void {
    if (this.pos !== this.end) this.fail('trailing-bytes', 'unexpected element')
    this.end = outer
    this.#depth++
  }

  /** Counts one more element of a list. */
  tally(): void {
    if (--this.#count < 0) this.fail('too-many', 'too many elements')
  }

  /** Content of the next element, which must be `tag`, as a view. */
  content(tag: number): Buffer {
    const end = this.header(tag)
    const view = this.bytes.subarray(this.pos, end)
    this.pos = end
    return view
  }

  /** The next element, whatever it is, header included, as a view. */
  element(): Buffer {
    const start = this.pos
    const tag = this.peek()
    // X.690 8.1.2.5, 10.2: of the universal types some are always constructed and DER never constructs the others.
    if (tag < 0x40 && tag >= 0 && UNIVERSAL[tag] !== 1) this.fail('bad-tag', `no DER element begins with ${hex(tag)}`)
    this.pos = this.header(tag)
    return this.bytes.subarray(start, this.pos)
  }
}

const CONSTRUCTED = [0x08, 0x0b, 0x10, 0x11, 0x1d]
// By identifier octet; 0 and 15 are reserved. 31 is left to `header`, which says what is wrong with it.
const UNIVERSAL = new Uint8Array(0x40)
for (let number = 1; number < 0x20; number++) {
  if (number !== 0x0f) UNIVERSAL[CONSTRUCTED.includes(number) ? number | 0x20 : number] = 1
}

const hex = (octet: number) => `0x${octet.toString(16).padStart(2, '0')}`
