import { CodecError } from './error.ts'

/** RFC 3748 section 4. */
export const eapCode = { request: 1, response: 2, success: 3, failure: 4 } as const

/** RFC 3748 section 5 and RFC 5216. */
export const eapType = { identity: 1, notification: 2, nak: 3, tls: 13, expandedNak: 254 } as const

/** A fragment of EAP-TLS in one EAP message in one RADIUS packet. */
const maxEap = 4096

export interface EapPacket {
  readonly code: number
  readonly identifier: number
  /** Of requests and responses. */
  readonly type?: number
  /** What follows the type. */
  readonly data: Uint8Array
}

/** Reads one EAP packet; octets beyond its length are link-layer padding (RFC 3748 section 4.1). Throws CodecError. */
export function decodeEap(input: Uint8Array): EapPacket {
  const bytes = Buffer.from(input.buffer, input.byteOffset, input.length)
  if (bytes.length < 4) throw new CodecError('truncated', 'EAP header', bytes.length)
  const length = bytes.readUInt16BE(2)
  if (length > bytes.length) throw new CodecError('truncated', 'EAP packet shorter than its length field', 2)
  if (length > maxEap) throw new CodecError('too-large', 'EAP packet above 4096 octets', 2)
  const [code, identifier] = [bytes[0]!, bytes[1]!]
  if (code === eapCode.success || code === eapCode.failure) {
    if (length !== 4) throw new CodecError('bad-value', 'EAP success or failure with data', 2)
    return { code, identifier, data: bytes.subarray(4, 4) }
  }
  if (code !== eapCode.request && code !== eapCode.response) throw new CodecError('unsupported', 'EAP code', 0)
  if (length < 5) throw new CodecError('truncated', 'EAP packet without a type', 2)
  return { code, identifier, type: bytes[4]!, data: bytes.subarray(5, length) }
}

export function encodeEap({ code, identifier, type, data }: EapPacket): Buffer {
  const head = type === undefined ? 4 : 5
  const bytes = Buffer.alloc(head + data.length)
  bytes[0] = code
  bytes[1] = identifier
  bytes.writeUInt16BE(bytes.length, 2)
  if (type !== undefined) bytes[4] = type
  bytes.set(data, head)
  return bytes
}

/** RFC 5216 section 3.1. */
const flag = { length: 0x80, more: 0x40, start: 0x20 } as const

/** What stands in the data of an EAP-TLS packet. */
export interface EapTlsData {
  readonly start: boolean
  readonly more: boolean
  /** Of the whole TLS message, in the first of several fragments; who sends one alone may leave it out. */
  readonly total?: number
  readonly fragment: Uint8Array
}

/** Throws CodecError. No data at all is an acknowledgement, as some peers send it without the octet of flags. */
export function decodeEapTls(data: Uint8Array): EapTlsData {
  if (data.length === 0) return { start: false, more: false, fragment: data }
  const bytes = Buffer.from(data.buffer, data.byteOffset, data.length)
  const flags = bytes[0]!
  const hasLength = (flags & flag.length) !== 0
  if (hasLength && bytes.length < 5) throw new CodecError('truncated', 'length of a TLS message in EAP', 1)
  const fragment = bytes.subarray(hasLength ? 5 : 1)
  const start = (flags & flag.start) !== 0
  const more = (flags & flag.more) !== 0
  if (more && fragment.length === 0) throw new CodecError('bad-value', 'an empty fragment before others', 0)
  return { start, more, fragment, ...(hasLength ? { total: bytes.readUInt32BE(1) } : {}) }
}

export function encodeEapTls({ start, more, total, fragment }: EapTlsData): Buffer {
  const head = total === undefined ? 1 : 5
  const bytes = Buffer.alloc(head + fragment.length)
  bytes[0] = (total === undefined ? 0 : flag.length) | (more ? flag.more : 0) | (start ? flag.start : 0)
  if (total !== undefined) bytes.writeUInt32BE(total, 1)
  bytes.set(fragment, head)
  return bytes
}
