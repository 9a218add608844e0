import { CodecError } from '../../codec/error.ts'

/*
 * What one TCP connection of Easy Connect carries: records with a length in front, each an 802.11 Public Action frame
 * without its Category octet. Authentication and its like are DPP frames, configuration travels in GAS.
 */

export const dppFrame = {
  authenticationRequest: 0,
  authenticationResponse: 1,
  authenticationConfirm: 2,
  peerDiscoveryRequest: 5,
  peerDiscoveryResponse: 6,
  pkexVersion1ExchangeRequest: 7,
  pkexExchangeResponse: 8,
  pkexCommitRevealRequest: 9,
  pkexCommitRevealResponse: 10,
  configurationResult: 11,
  connectionStatusResult: 12,
  presenceAnnouncement: 13,
  reconfigurationAnnouncement: 14,
  reconfigurationAuthenticationRequest: 15,
  reconfigurationAuthenticationResponse: 16,
  reconfigurationAuthenticationConfirm: 17,
  pkexExchangeRequest: 18,
} as const

/** A DPP frame. `type` is of `dppFrame`, or one that we do not know. */
export interface DppFrame {
  readonly kind: 'dpp'
  readonly type: number
  /** Encoded attributes. */
  readonly attributes: Uint8Array
}
export interface GasInitialRequest {
  readonly kind: 'gas-initial-request'
  readonly dialogToken: number
  readonly attributes: Uint8Array
}
export interface GasInitialResponse {
  readonly kind: 'gas-initial-response'
  readonly dialogToken: number
  /** 802.11 status code: 0 is success. */
  readonly statusCode: number
  /** In TU (1.024 ms); not 0: come back after it, there are no attributes yet. */
  readonly comebackDelay: number
  readonly attributes: Uint8Array
}
export interface GasComebackRequest {
  readonly kind: 'gas-comeback-request'
  readonly dialogToken: number
}
export interface GasComebackResponse extends Omit<GasInitialResponse, 'kind'> {
  readonly kind: 'gas-comeback-response'
  /** Number of the fragment, and in bit 7 whether more follow. Not used over TCP. */
  readonly fragment: number
}
/** Any other Public Action: ignored. */
export interface OtherFrame {
  readonly kind: 'other'
  readonly action: number
}

export type GasFrame = GasInitialRequest | GasInitialResponse | GasComebackRequest | GasComebackResponse
export type Frame = DppFrame | GasFrame | OtherFrame

const action = { dpp: 9, initialRequest: 10, initialResponse: 11, comebackRequest: 12, comebackResponse: 13 } as const

/** OUI of the Wi-Fi Alliance, type of Easy Connect, crypto suite 1. */
const dppHead = Buffer.from('506f9a1a01', 'hex')
/** Advertisement Protocol element. The octet at 2 is a limit on responses that nobody means. */
const advertisement = Buffer.from('6c087fdd05506f9a1a01', 'hex')
const limitOctet = 2

/**
 * The six octets OUI, type, suite, frame type: the first component of associated data of what the frame wraps.
 */
export function frameHeader(type: number): Buffer {
  return Buffer.concat([dppHead, Buffer.of(type)])
}

/** Throws CodecError: `truncated`, `trailing-bytes`, or `unsupported` for a vendor frame or GAS query that is not DPP's. */
export function decodeFrame(message: Uint8Array): Frame {
  const reader = new Reader(message)
  const octet = reader.octet()
  switch (octet) {
    case action.dpp: {
      if (!dppHead.equals(reader.take(dppHead.length))) throw new CodecError('unsupported', 'not a DPP frame', 1)
      return { kind: 'dpp', type: reader.octet(), attributes: reader.rest() }
    }
    case action.initialRequest: {
      const dialogToken = reader.octet()
      return { kind: 'gas-initial-request', dialogToken, attributes: query(reader) }
    }
    case action.initialResponse: {
      const head = { dialogToken: reader.octet(), statusCode: reader.uint16() }
      return { kind: 'gas-initial-response', ...head, comebackDelay: reader.uint16(), attributes: query(reader) }
    }
    case action.comebackRequest: {
      const dialogToken = reader.octet()
      reader.end()
      return { kind: 'gas-comeback-request', dialogToken }
    }
    case action.comebackResponse: {
      const head = { dialogToken: reader.octet(), statusCode: reader.uint16(), fragment: reader.octet() }
      return { kind: 'gas-comeback-response', ...head, comebackDelay: reader.uint16(), attributes: query(reader) }
    }
    default:
      return { kind: 'other', action: octet }
  }
}

function query(reader: Reader): Uint8Array {
  const at = reader.at
  const element = Buffer.from(reader.take(advertisement.length))
  element[limitOctet] = advertisement[limitOctet]!
  if (!advertisement.equals(element)) throw new CodecError('unsupported', 'a GAS query that is not for DPP', at)
  const attributes = reader.take(reader.uint16())
  reader.end()
  return attributes
}

/** Throws CodecError `unsupported` for an `other`, `too-large` for attributes that no length field holds. */
export function encodeFrame(frame: Frame): Buffer {
  switch (frame.kind) {
    case 'dpp':
      return Buffer.concat([Buffer.of(action.dpp), dppHead, Buffer.of(frame.type), frame.attributes])
    case 'gas-initial-request':
      return gas([action.initialRequest, frame.dialogToken], frame.attributes)
    case 'gas-initial-response':
      return gas([action.initialResponse, frame.dialogToken, ...times(frame)], frame.attributes)
    case 'gas-comeback-request':
      return Buffer.of(action.comebackRequest, frame.dialogToken)
    case 'gas-comeback-response': {
      const [low, high, ...comeback] = times(frame)
      const head = [action.comebackResponse, frame.dialogToken, low!, high!, frame.fragment, ...comeback]
      return gas(head, frame.attributes)
    }
    case 'other':
      throw new CodecError('unsupported', 'a Public Action that is not ours to write')
  }
}

function times({ statusCode, comebackDelay }: Pick<GasInitialResponse, 'statusCode' | 'comebackDelay'>): number[] {
  return [...uint16(statusCode), ...uint16(comebackDelay)]
}

function gas(head: readonly number[], attributes: Uint8Array): Buffer {
  if (attributes.length > 0xffff) throw new CodecError('too-large', 'more attributes than a GAS message holds')
  return Buffer.concat([Buffer.from(head), advertisement, Buffer.from(uint16(attributes.length)), attributes])
}

function uint16(value: number): [low: number, high: number] {
  return [value & 0xff, value >> 8]
}

class Reader {
  readonly #bytes: Uint8Array
  at = 0

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes
  }

  take(size: number): Uint8Array {
    const end = this.at + size
    if (end > this.#bytes.length) throw new CodecError('truncated', 'the frame ends too early', this.#bytes.length)
    const taken = this.#bytes.subarray(this.at, end)
    this.at = end
    return taken
  }

  octet(): number {
    return this.take(1)[0]!
  }

  uint16(): number {
    const [low, high] = this.take(2)
    return low! | (high! << 8)
  }

  rest(): Uint8Array {
    return this.take(this.#bytes.length - this.at)
  }

  end(): void {
    if (this.at < this.#bytes.length) throw new CodecError('trailing-bytes', 'octets after the frame', this.at)
  }
}
