/**
 * Writes DER from the last byte to the first, so that every length is known when its header is written and nothing is
 * measured or moved. Codecs call `mark`, write their content backwards, then `close`.
 */
export class Writer {
  bytes: Buffer
  /** Index of the first byte written. */
  pos: number

  constructor(size = 2048) {
    this.bytes = Buffer.allocUnsafeSlow(size)
    this.pos = size
  }

  /** How much has been written; give it to `close`. */
  mark(): number {
    return this.bytes.length - this.pos
  }

  octet(value: number): void {
    if (this.pos === 0) this.#grow(1)
    this.bytes[--this.pos] = value
  }

  octets(value: Uint8Array): void {
    const length = value.length
    if (this.pos < length) this.#grow(length)
    this.pos -= length
    this.bytes.set(value, this.pos)
  }

  /** Text whose characters are all below U+0100, one byte each. */
  latin1(value: string): void {
    const length = value.length
    if (this.pos < length) this.#grow(length)
    this.pos -= length
    const { bytes, pos } = this
    // A native call costs more than this loop for the short strings of certificates.
    for (let i = 0; i < length; i++) bytes[pos + i] = value.charCodeAt(i)
  }

  /** Puts identifier and length before what was written since `mark`. */
  close(tag: number, mark: number): void {
    if (this.pos < 6) this.#grow(6)
    const bytes = this.bytes
    let length = bytes.length - this.pos - mark
    let pos = this.pos
    if (length < 0x80) {
      bytes[--pos] = length
    } else {
      let octets = 0
      for (; length > 0; length >>>= 8, octets++) bytes[--pos] = length & 0xff
      bytes[--pos] = 0x80 | octets
    }
    bytes[--pos] = tag
    this.pos = pos
  }

  /** A copy of what was written; the writer is empty again. */
  take(): Buffer {
    const result = Buffer.from(this.bytes.subarray(this.pos))
    this.pos = this.bytes.length
    return result
  }

  #grow(need: number): void {
    const old = this.bytes
    const extra = Math.max(old.length, need)
    this.bytes = Buffer.allocUnsafeSlow(old.length + extra)
    old.copy(this.bytes, this.pos + extra, this.pos)
    this.pos += extra
  }
}
