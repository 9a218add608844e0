import { CodecError } from '../../codec/error.ts'

/** DPP attributes, by the names of the specification: an identifier and a length of two octets each, low octet first. */
export const attribute = {
  status: 0x1000,
  initiatorBootstrappingKeyHash: 0x1001,
  responderBootstrappingKeyHash: 0x1002,
  initiatorProtocolKey: 0x1003,
  wrappedData: 0x1004,
  initiatorNonce: 0x1005,
  initiatorCapabilities: 0x1006,
  responderNonce: 0x1007,
  responderCapabilities: 0x1008,
  responderProtocolKey: 0x1009,
  initiatorAuthenticatingTag: 0x100a,
  responderAuthenticatingTag: 0x100b,
  configurationObject: 0x100c,
  connector: 0x100d,
  configurationRequestObject: 0x100e,
  bootstrappingKey: 0x100f,
  ownNetAccessKeyHash: 0x1011,
  finiteCyclicGroup: 0x1012,
  encryptedKey: 0x1013,
  enrolleeNonce: 0x1014,
  codeIdentifier: 0x1015,
  transactionId: 0x1016,
  bootstrappingInformation: 0x1017,
  channel: 0x1018,
  protocolVersion: 0x1019,
  envelopedData: 0x101a,
  sendConnectionStatus: 0x101b,
  connectionStatus: 0x101c,
  reconfigurationFlags: 0x101d,
  cSignKeyHash: 0x101e,
  csrAttributesRequest: 0x101f,
  aNonce: 0x1020,
  ePrimeId: 0x1021,
  configuratorNonce: 0x1022,
} as const

export type AttributeName = keyof typeof attribute
/** One of them as it is to be written. */
export type AttributeValue = readonly [name: AttributeName, value: Uint8Array]

/** DPP status, as it stands in the Status attribute. */
export const dppStatus = {
  ok: 0,
  notCompatible: 1,
  authenticationFailure: 2,
  unwrappingFailure: 3,
  badGroup: 4,
  configureFailure: 5,
  responsePending: 6,
  invalidConnector: 7,
  noMatch: 8,
  configurationRejected: 9,
  noAccessPoint: 10,
  configurePending: 11,
  csrNeeded: 12,
  csrBad: 13,
  newKeyNeeded: 14,
} as const

/** Nothing in Easy Connect comes near; ten configuration objects are allowed, everything else occurs once. */
const maxAttributes = 64
const headSize = 4

/** Attributes as they arrived. Of one that may occur once the first counts; unknown ones are there and in nobody's way. */
export class AttributeList {
  readonly #values: ReadonlyMap<number, readonly Uint8Array[]>
  /** The octets before the Wrapped Data attribute: associated data of what it holds. All octets when there is none. */
  readonly beforeWrapped: Uint8Array

  constructor(values: ReadonlyMap<number, readonly Uint8Array[]>, beforeWrapped: Uint8Array) {
    this.#values = values
    this.beforeWrapped = beforeWrapped
  }

  get(name: AttributeName): Uint8Array | undefined {
    return this.#values.get(attribute[name])?.[0]
  }

  all(name: AttributeName): readonly Uint8Array[] {
    return this.#values.get(attribute[name]) ?? []
  }

  /** Throws CodecError `bad-value` when it is missing, or when a length was given and it has another. */
  need(name: AttributeName, length?: number): Uint8Array {
    const value = this.get(name)
    if (value === undefined) throw new CodecError('bad-value', `no ${name} attribute`)
    if (length !== undefined && value.length !== length) {
      throw new CodecError('bad-value', `${name} has ${value.length} octets, not ${length}`)
    }
    return value
  }

  /** An attribute of one octet, as a number. Throws as `need`. */
  octet(name: AttributeName): number {
    return this.need(name, 1)[0]!
  }

  /** "Finite Cyclic Group": two octets, low one first. Throws as `need`. */
  group(): number {
    const [low, high] = this.need('finiteCyclicGroup', 2)
    return low! | (high! << 8)
  }
}

/**
 * The whole of `bytes` as attributes. The values are views of it. Throws CodecError `truncated`, `trailing-bytes`, `bad-order`
 * when anything follows Wrapped Data, and `too-many` above 64.
 */
export function decodeAttributes(bytes: Uint8Array): AttributeList {
  const values = new Map<number, Uint8Array[]>()
  let wrappedAt = -1
  let count = 0
  let at = 0
  while (at < bytes.length) {
    if (wrappedAt >= 0) throw new CodecError('bad-order', 'an attribute follows Wrapped Data', at)
    if (bytes.length - at < headSize) throw new CodecError('trailing-bytes', 'octets after the last attribute', at)
    if (++count > maxAttributes) throw new CodecError('too-many', `more than ${maxAttributes} attributes`, at)
    const id = bytes[at]! | (bytes[at + 1]! << 8)
    const end = at + headSize + (bytes[at + 2]! | (bytes[at + 3]! << 8))
    if (end > bytes.length) throw new CodecError('truncated', 'an attribute is longer than its message', at)
    if (id === attribute.wrappedData) wrappedAt = at
    const value = bytes.subarray(at + headSize, end)
    const known = values.get(id)
    if (known === undefined) values.set(id, [value])
    else known.push(value)
    at = end
  }
  return new AttributeList(values, wrappedAt < 0 ? bytes : bytes.subarray(0, wrappedAt))
}

/** In the order given. Throws CodecError `too-large` for a value above 65535 octets. */
export function encodeAttributes(list: readonly AttributeValue[]): Buffer {
  const size = list.reduce((sum, [, value]) => sum + headSize + value.length, 0)
  const bytes = Buffer.allocUnsafe(size)
  let at = 0
  for (const [name, value] of list) {
    if (value.length > 0xffff) throw new CodecError('too-large', `${name} has ${value.length} octets`)
    at = bytes.writeUInt16LE(attribute[name], at)
    at = bytes.writeUInt16LE(value.length, at)
    bytes.set(value, at)
    at += value.length
  }
  return bytes
}

/** A value of one octet. */
export function octet(value: number): Uint8Array {
  return Uint8Array.of(value)
}

/** A "Finite Cyclic Group". */
export function groupValue(group: number): Uint8Array {
  return Uint8Array.of(group & 0xff, group >> 8)
}

/** An attribute without a value. */
export const present = new Uint8Array()
