import { CodecError } from '../../codec/error.ts'
import { type AttributeList, type AttributeValue, dppStatus, encodeAttributes, groupValue, octet } from './attribute.ts'
import { curveOfGroup, curveProfile, type DppCurve } from './curve.ts'
import { dppFrame, encodeFrame } from './frame.ts'
import { type DppPublicKey, importPoint } from './key.ts'

/** Version 1 binds MAC addresses into everything and has no version attribute; over TCP there are none, so only version 2. */
export type PkexVersion = 1 | 2

export interface PkexExchangeRequest {
  readonly version: PkexVersion
  /** Protocol version of the Initiator; absent in version 1. */
  readonly protocolVersion?: number
  readonly group: number
  readonly identifier?: string
  /** M, x|y, as it came: of a group that may be none of ours. */
  readonly encryptedKey: Uint8Array
}

const maxIdentifier = 80

/** Throws CodecError for a missing attribute and for one of the wrong length. */
export function decodeExchangeRequest(type: number, list: AttributeList): PkexExchangeRequest {
  const version = type === dppFrame.pkexExchangeRequest ? 2 : 1
  return {
    version,
    ...(version === 2 && { protocolVersion: protocolVersionOf(list) }),
    group: list.group(),
    ...identifierOf(list),
    encryptedKey: list.need('encryptedKey'),
  }
}

export function encodeExchangeRequest({
  version,
  protocolVersion,
  group,
  identifier,
  encryptedKey,
}: PkexExchangeRequest): Buffer {
  const attributes = encodeAttributes([
    ...versionAttribute(protocolVersion),
    ['finiteCyclicGroup', groupValue(group)],
    ...identifierAttribute(identifier),
    ['encryptedKey', encryptedKey],
  ])
  const type = version === 2 ? dppFrame.pkexExchangeRequest : dppFrame.pkexVersion1ExchangeRequest
  return encodeFrame({ kind: 'dpp', type, attributes })
}

export type PkexExchangeResponse =
  | {
      readonly status: 'ok'
      readonly protocolVersion?: number
      readonly identifier?: string
      readonly encryptedKey: Uint8Array
    }
  /** The Responder has a key on another curve, and says on which. */
  | {
      readonly status: 'bad-group'
      readonly protocolVersion?: number
      readonly identifier?: string
      readonly group: number
    }

/** Throws CodecError for a missing attribute, one of the wrong length, and a status that says neither yes nor which group. */
export function decodeExchangeResponse(version: PkexVersion, list: AttributeList): PkexExchangeResponse {
  const status = list.octet('status')
  const common = { ...(version === 2 && { protocolVersion: protocolVersionOf(list) }), ...identifierOf(list) }
  if (status === dppStatus.badGroup) return { status: 'bad-group', ...common, group: list.group() }
  if (status !== dppStatus.ok) throw new CodecError('unsupported', `status ${status} in a PKEX Exchange Response`)
  return { status: 'ok', ...common, encryptedKey: list.need('encryptedKey') }
}

export function encodeExchangeResponse(response: PkexExchangeResponse): Buffer {
  const { status, protocolVersion, identifier } = response
  const attributes = encodeAttributes([
    ['status', octet(status === 'ok' ? dppStatus.ok : dppStatus.badGroup)],
    ...versionAttribute(protocolVersion),
    ...identifierAttribute(identifier),
    status === 'ok' ? ['encryptedKey', response.encryptedKey] : ['finiteCyclicGroup', groupValue(response.group)],
  ])
  return encodeFrame({ kind: 'dpp', type: dppFrame.pkexExchangeResponse, attributes })
}

/** The Encrypted Key attribute as a point. Throws CodecError `bad-value`, CryptoError `malformed-key`. */
export function encryptedPoint(curve: DppCurve, value: Uint8Array): DppPublicKey {
  if (value.length !== 2 * curveProfile(curve).coordinateSize) {
    throw new CodecError('bad-value', `an encrypted key of ${value.length} octets on ${curve}`)
  }
  return importPoint(curve, value)
}

/** Number of the group, as a curve; undefined for a group that Easy Connect does not have. */
export function curveWanted(group: number): DppCurve | undefined {
  return curveOfGroup(group)?.curve
}

function versionAttribute(version: number | undefined): AttributeValue[] {
  return version === undefined ? [] : [['protocolVersion', octet(version)]]
}

function identifierAttribute(identifier: string | undefined): AttributeValue[] {
  return identifier === undefined ? [] : [['codeIdentifier', Buffer.from(identifier)]]
}

function protocolVersionOf(list: AttributeList): number {
  const version = list.octet('protocolVersion')
  if (version === 0) throw new CodecError('bad-value', 'protocol version 0')
  return version
}

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

function identifierOf(list: AttributeList): { readonly identifier?: string } {
  const value = list.get('codeIdentifier')
  if (value === undefined) return {}
  if (value.length === 0 || value.length > maxIdentifier) {
    throw new CodecError('bad-value', `a code identifier of ${value.length} octets`)
  }
  try {
    return { identifier: utf8.decode(value) }
  } catch {
    throw new CodecError('bad-encoding', 'a code identifier that is not UTF-8')
  }
}
