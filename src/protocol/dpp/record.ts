import { CodecError } from '../../codec/error.ts'

/** What a record may hold at most: the limit of hostap, and thirty times what an onboarding needs. */
export const maxRecordSize = 0xffff
const headSize = 4

/** A message with its length in front, big-endian, as it goes over TCP. Throws CodecError `too-large`. */
export function encodeRecord(message: Uint8Array): Buffer {
  if (message.length > maxRecordSize) throw new CodecError('too-large', `a record of ${message.length} octets`)
  const record = Buffer.allocUnsafe(headSize + message.length)
  record.writeUInt32BE(message.length)
  record.set(message, headSize)
  return record
}

/** Cuts what arrives on one connection into messages, wherever TCP cut it. Holds one record at most, and no more than that. */
export class RecordSplitter {
  readonly #limit: number
  readonly #head = Buffer.alloc(headSize)
  #headFilled = 0
  #body: Buffer | undefined
  #bodyFilled = 0

  constructor(limit = maxRecordSize) {
    this.#limit = limit
  }

  /**
   * The messages that are whole now, in order, without their lengths. Throws CodecError `too-large` for a length above the
   * limit and `bad-value` for an empty record: nothing after that can be understood, the connection has to be closed.
   */
  push(chunk: Uint8Array): Buffer[] {
    const messages: Buffer[] = []
    let at = 0
    while (at < chunk.length) {
      if (this.#body === undefined) {
        this.#head[this.#headFilled++] = chunk[at++]!
        if (this.#headFilled === headSize) this.#open()
        continue
      }
      const part = chunk.subarray(at, at + this.#body.length - this.#bodyFilled)
      this.#body.set(part, this.#bodyFilled)
      this.#bodyFilled += part.length
      at += part.length
      if (this.#bodyFilled === this.#body.length) messages.push(this.#close(this.#body))
    }
    return messages
  }

  #open(): void {
    const size = this.#head.readUInt32BE()
    if (size > this.#limit) throw new CodecError('too-large', `a record of ${size} octets`, 0)
    if (size === 0) throw new CodecError('bad-value', 'an empty record', 0)
    this.#body = Buffer.allocUnsafe(size)
    this.#bodyFilled = 0
  }

  #close(message: Buffer): Buffer {
    this.#body = undefined
    this.#headFilled = 0
    return message
  }
}
