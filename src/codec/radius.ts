import { CodecError } from './error.ts'

/** Packet codes of RFC 2865, 2866, 5176 and 5997. */
export const radiusCode = {
  accessRequest: 1,
  accessAccept: 2,
  accessReject: 3,
  accountingRequest: 4,
  accountingResponse: 5,
  accessChallenge: 11,
  statusServer: 12,
  disconnectRequest: 40,
  disconnectAck: 41,
  disconnectNak: 42,
  coaRequest: 43,
  coaAck: 44,
  coaNak: 45,
} as const

/** Attribute types that this software reads or writes. */
export const radiusAttribute = {
  userName: 1,
  nasIpAddress: 4,
  nasPort: 5,
  serviceType: 6,
  filterId: 11,
  framedMtu: 12,
  replyMessage: 18,
  state: 24,
  class: 25,
  vendorSpecific: 26,
  sessionTimeout: 27,
  terminationAction: 29,
  calledStationId: 30,
  callingStationId: 31,
  nasIdentifier: 32,
  proxyState: 33,
  acctStatusType: 40,
  acctInputOctets: 42,
  acctOutputOctets: 43,
  acctSessionId: 44,
  acctSessionTime: 46,
  acctTerminateCause: 49,
  acctMultiSessionId: 50,
  acctInputGigawords: 52,
  acctOutputGigawords: 53,
  eventTimestamp: 55,
  nasPortType: 61,
  tunnelType: 64,
  tunnelMediumType: 65,
  tunnelPassword: 69,
  eapMessage: 79,
  messageAuthenticator: 80,
  tunnelPrivateGroupId: 81,
  acctInterimInterval: 85,
  nasPortId: 87,
  nasIpv6Address: 95,
  errorCause: 101,
} as const

/** RFC 2865 section 3: a packet has 20 octets of header and at most 4,096 in all. */
export const radiusHeader = 20
export const maxRadiusPacket = 4096
/** An attribute's length field counts its own two octets. */
export const maxAttributeValue = 253
/** A real request has some 20 and an EAP message of 17 pieces; nothing honest comes near. */
const maxAttributes = 256

export interface RadiusAttribute {
  readonly type: number
  /** At most 253 octets. */
  readonly value: Uint8Array
}

export interface RadiusPacket {
  readonly code: number
  readonly identifier: number
  /** 16 octets; what they mean depends on the code. */
  readonly authenticator: Uint8Array
  /** In the order of the packet: it matters for Proxy-State, Class and the pieces of an EAP message. */
  readonly attributes: readonly RadiusAttribute[]
}

/**
 * Reads one packet from a datagram, RFC 2865 section 3: octets beyond its length field are padding. The values are views of
 * the input. Throws CodecError.
 */
export function decodeRadius(datagram: Uint8Array): RadiusPacket {
  const bytes = Buffer.from(datagram.buffer, datagram.byteOffset, datagram.length)
  if (bytes.length < radiusHeader) throw new CodecError('truncated', 'RADIUS header', bytes.length)
  const length = bytes.readUInt16BE(2)
  if (length < radiusHeader) throw new CodecError('bad-value', 'RADIUS length below the header', 2)
  if (length > maxRadiusPacket) throw new CodecError('too-large', 'RADIUS packet above 4096 octets', 2)
  if (length > bytes.length) throw new CodecError('truncated', 'RADIUS packet shorter than its length field', 2)
  const packet = bytes.subarray(0, length)
  return {
    code: packet[0]!,
    identifier: packet[1]!,
    authenticator: packet.subarray(4, radiusHeader),
    attributes: attributesOf(packet, radiusHeader),
  }
}

function attributesOf(packet: Buffer, start: number): readonly RadiusAttribute[] {
  const attributes: RadiusAttribute[] = []
  for (let at = start; at < packet.length; ) {
    if (attributes.length === maxAttributes) throw new CodecError('too-many', 'RADIUS attributes', at)
    const length = packet[at + 1]
    if (length === undefined) throw new CodecError('truncated', 'RADIUS attribute without a length', at)
    // Two is an empty value: RFC 3579 section 2.1 has it for EAP-Start.
    if (length < 2) throw new CodecError('bad-value', 'length of a RADIUS attribute', at + 1)
    if (at + length > packet.length) throw new CodecError('truncated', 'RADIUS attribute', at)
    attributes.push({ type: packet[at]!, value: packet.subarray(at + 2, at + length) })
    at += length
  }
  return attributes
}

/** Throws CodecError `too-large` for a value above 253 octets or a packet above 4,096, `bad-value` for another header. */
export function encodeRadius({ code, identifier, authenticator, attributes }: RadiusPacket): Buffer {
  if (authenticator.length !== 16) throw new CodecError('bad-value', 'RADIUS authenticator of another length')
  if ((code & 255) !== code || (identifier & 255) !== identifier)
    throw new CodecError('bad-value', 'RADIUS code or identifier above 255')
  const length = attributes.reduce((sum, { value }) => sum + 2 + value.length, radiusHeader)
  if (length > maxRadiusPacket) throw new CodecError('too-large', 'RADIUS packet above 4096 octets')
  const packet = Buffer.alloc(length)
  packet[0] = code
  packet[1] = identifier
  packet.writeUInt16BE(length, 2)
  packet.set(authenticator, 4)
  let at = radiusHeader
  for (const { type, value } of attributes) {
    if (value.length > maxAttributeValue) throw new CodecError('too-large', `RADIUS attribute ${type} above 253 octets`)
    packet[at] = type
    packet[at + 1] = value.length + 2
    packet.set(value, at + 2)
    at += value.length + 2
  }
  return packet
}

/** The first value of that type. */
export function attributeValue(packet: Pick<RadiusPacket, 'attributes'>, type: number): Uint8Array | undefined {
  return packet.attributes.find(attribute => attribute.type === type)?.value
}

/** Pieces of one message in their order, as EAP-Message has it (RFC 3579 section 3.1). Undefined when there is none. */
export function joinedValue(packet: Pick<RadiusPacket, 'attributes'>, type: number): Buffer | undefined {
  const pieces = packet.attributes.filter(attribute => attribute.type === type)
  return pieces.length === 0 ? undefined : Buffer.concat(pieces.map(({ value }) => value))
}

/** A message as so many attributes of at most 253 octets. */
export function splitValue(type: number, message: Uint8Array): readonly RadiusAttribute[] {
  const pieces: RadiusAttribute[] = []
  for (let at = 0; at < message.length; at += maxAttributeValue)
    pieces.push({ type, value: message.subarray(at, at + maxAttributeValue) })
  return pieces
}

export function textAttribute(type: number, text: string): RadiusAttribute {
  return { type, value: Buffer.from(text, 'utf8') }
}

/** RFC 2865 section 5: four octets, most significant first. */
export function integerAttribute(type: number, value: number): RadiusAttribute {
  const octets = Buffer.alloc(4)
  octets.writeUInt32BE(value)
  return { type, value: octets }
}

/** The value of an attribute of four octets. Throws CodecError `bad-value` for another length. */
export function integerValue(value: Uint8Array): number {
  if (value.length !== 4) throw new CodecError('bad-value', 'RADIUS integer of another length')
  return Buffer.from(value.buffer, value.byteOffset, 4).readUInt32BE()
}

/** RFC 2865 section 5.26: one attribute of a vendor inside Vendor-Specific. */
export function vendorAttribute(vendor: number, type: number, value: Uint8Array): RadiusAttribute {
  const octets = Buffer.alloc(6 + value.length)
  octets.writeUInt32BE(vendor)
  octets[4] = type
  octets[5] = value.length + 2
  octets.set(value, 6)
  return { type: radiusAttribute.vendorSpecific, value: octets }
}

/** RFC 3580 section 3.31 and RFC 2868: the three attributes that name a VLAN, without a tag. */
export function vlanAttributes(vlan: number): readonly RadiusAttribute[] {
  return [
    integerAttribute(radiusAttribute.tunnelType, 13),
    integerAttribute(radiusAttribute.tunnelMediumType, 6),
    textAttribute(radiusAttribute.tunnelPrivateGroupId, String(vlan)),
  ]
}

/** Records of a stream (RFC 6613 section 2.1): the length field of the header delimits them. */
export interface RadiusRecords {
  readonly packets: readonly Buffer[]
  /** The beginning of a packet whose rest has yet to come. */
  readonly rest: Buffer
}

/** Splits what came over TLS. Throws CodecError for a length that no packet has: the connection must be closed then. */
export function splitRadiusStream(bytes: Buffer): RadiusRecords {
  const packets: Buffer[] = []
  let at = 0
  while (bytes.length - at >= 4) {
    const length = bytes.readUInt16BE(at + 2)
    if (length < radiusHeader || length > maxRadiusPacket)
      throw new CodecError('bad-value', 'length of a RADIUS packet in a stream', at + 2)
    if (bytes.length - at < length) break
    packets.push(bytes.subarray(at, at + length))
    at += length
  }
  return { packets, rest: bytes.subarray(at) }
}
