import { CodecError } from '../../codec/error.ts'
import { openAesSiv, sealAesSiv } from '../../crypto/aes-siv.ts'
import {
  type AttributeList,
  type AttributeValue,
  decodeAttributes,
  dppStatus,
  encodeAttributes,
  groupValue,
  octet,
} from './attribute.ts'
import { type ConnectionStatus, decodeConnectionStatus, encodeConnectionStatus } from './configuration-message.ts'
import { curveOfGroup, curveProfile, type DppCurve } from './curve.ts'
import { dppFrame, encodeFrame, frameHeader } from './frame.ts'
import { type DppPublicKey, importPoint } from './key.ts'

/*
 * The four messages of reconfiguration (Easy Connect section 6.5): a device that was configured once asks for another
 * configuration and shows its Connector instead of a bootstrapping key.
 */

const csignHashSize = 32

export interface ReconfigurationAnnouncement {
  /** Which Configurator is meant: SHA-256 of 04|x|y of its C-sign key, which is its kid. */
  readonly csignHash: Uint8Array
  /** Of the device's netAccessKey. */
  readonly curve: DppCurve
  /** a * G. */
  readonly aNonce: DppPublicKey
  /** E-id + a * ppKey. */
  readonly ePrimeId: DppPublicKey
}

/** A whole frame. */
export function encodeReconfigurationAnnouncement(announcement: ReconfigurationAnnouncement): Buffer {
  const { csignHash, curve, aNonce, ePrimeId } = announcement
  return frame(dppFrame.reconfigurationAnnouncement, [
    ['cSignKeyHash', csignHash],
    ['finiteCyclicGroup', groupValue(curveProfile(curve).group)],
    ['aNonce', aNonce.point],
    ['ePrimeId', ePrimeId.point],
  ])
}

/**
 * Nothing in it is proven: anybody can repeat one that was heard. A-NONCE and E'-id are on the curve of the ppKey, which is
 * not that of the netAccessKey when the C-sign key is on another one: `ppCurve` says which.
 *
 * Throws CodecError, or CryptoError `malformed-key` for a point off the curve.
 */
export function decodeReconfigurationAnnouncement(
  attributes: Uint8Array,
  ppCurve: (csignHash: Uint8Array) => DppCurve | undefined,
): ReconfigurationAnnouncement | undefined {
  const list = decodeAttributes(attributes)
  const csignHash = list.need('cSignKeyHash', csignHashSize)
  const profile = curveOfGroup(list.group())
  if (profile === undefined) throw new CodecError('unsupported', 'a netAccessKey on a group that is not known')
  const [aNonce, ePrimeId] = [list.need('aNonce'), list.need('ePrimeId')]
  const curve = ppCurve(csignHash)
  if (curve === undefined) return undefined
  return {
    csignHash,
    curve: profile.curve,
    aNonce: pointOf(curve, aNonce, 'A-NONCE'),
    ePrimeId: pointOf(curve, ePrimeId, "E'-id"),
  }
}

function pointOf(curve: DppCurve, value: Uint8Array, name: string): DppPublicKey {
  if (value.length === 2 * curveProfile(curve).coordinateSize) return importPoint(curve, value)
  throw new CodecError('bad-value', `${name} has ${value.length} octets`)
}

export interface ReconfigurationRequest {
  readonly transaction: number
  readonly version: number
  /** The Configurator's own, compact JWS. */
  readonly connector: string
  readonly configuratorNonce: Uint8Array
}

/** A whole frame. */
export function encodeReconfigurationRequest(request: ReconfigurationRequest): Buffer {
  const { transaction, version, connector, configuratorNonce } = request
  return frame(dppFrame.reconfigurationAuthenticationRequest, [
    ['transactionId', octet(transaction)],
    ['protocolVersion', octet(version)],
    ['connector', Buffer.from(connector)],
    ['configuratorNonce', configuratorNonce],
  ])
}

/** Throws CodecError. @param curve of the netAccessKey */
export function decodeReconfigurationRequest(curve: DppCurve, attributes: Uint8Array): ReconfigurationRequest {
  const list = decodeAttributes(attributes)
  return {
    ...headOf(list),
    connector: textOf(list.need('connector')),
    configuratorNonce: list.need('configuratorNonce', curveProfile(curve).nonceSize),
  }
}

export interface ReconfigurationResponse {
  readonly transaction: number
  /** The device's. */
  readonly version: number
  /** The device's, compact JWS. It may have expired: that is a reason to ask. */
  readonly connector: string
  readonly enrolleeNonce: Uint8Array
  /** What becomes the netAccessKey, unless the old one stays. */
  readonly protocolKey: DppPublicKey
}

/** Under ke. */
export interface ResponseSecrets {
  readonly configuratorNonce: Uint8Array
  readonly connectionStatus: ConnectionStatus
}

/** A whole frame. */
export function sealReconfigurationResponse(
  ke: Uint8Array,
  response: ReconfigurationResponse,
  secrets: ResponseSecrets,
): Buffer {
  const before: AttributeValue[] = [
    ['transactionId', octet(response.transaction)],
    ['protocolVersion', octet(response.version)],
    ['connector', Buffer.from(response.connector)],
    ['enrolleeNonce', response.enrolleeNonce],
    ['responderProtocolKey', response.protocolKey.point],
  ]
  return sealed(dppFrame.reconfigurationAuthenticationResponse, ke, before, [
    ['configuratorNonce', secrets.configuratorNonce],
    ['connectionStatus', encodeConnectionStatus(secrets.connectionStatus)],
  ])
}

/** Throws CodecError, or CryptoError `malformed-key`. Proven by nothing but `openReconfigurationResponse`. */
export function readReconfigurationResponse(curve: DppCurve, list: AttributeList): ReconfigurationResponse {
  list.need('wrappedData')
  return {
    ...headOf(list),
    connector: textOf(list.need('connector')),
    enrolleeNonce: list.need('enrolleeNonce', curveProfile(curve).nonceSize),
    protocolKey: pointOf(curve, list.need('responderProtocolKey'), 'the protocol key'),
  }
}

/** Throws CodecError, or CryptoError `bad-signature` when it was wrapped with another key. */
export function openReconfigurationResponse(ke: Uint8Array, curve: DppCurve, list: AttributeList): ResponseSecrets {
  const inner = opened(dppFrame.reconfigurationAuthenticationResponse, ke, list)
  return {
    configuratorNonce: inner.need('configuratorNonce', curveProfile(curve).nonceSize),
    connectionStatus: decodeConnectionStatus(inner.need('connectionStatus')),
  }
}

export interface ReconfigurationConfirm {
  readonly transaction: number
  /** The device's, once more: so nobody between them has lowered it. */
  readonly version: number
  readonly configuratorNonce: Uint8Array
  readonly enrolleeNonce: Uint8Array
  /** Whether the protocol key of the response takes the place of the netAccessKey. */
  readonly replaceKey: boolean
}

const replaceKeyFlag = 1

/** A whole frame. @param status of `dppStatus`; ok, or why not */
export function sealReconfigurationConfirm(ke: Uint8Array, status: number, confirm: ReconfigurationConfirm): Buffer {
  return sealed(
    dppFrame.reconfigurationAuthenticationConfirm,
    ke,
    [['status', octet(status)]],
    [
      ['transactionId', octet(confirm.transaction)],
      ['protocolVersion', octet(confirm.version)],
      ['configuratorNonce', confirm.configuratorNonce],
      ['enrolleeNonce', confirm.enrolleeNonce],
      ['reconfigurationFlags', octet(confirm.replaceKey ? replaceKeyFlag : 0)],
    ],
  )
}

/** Throws CodecError, or CryptoError `bad-signature`. */
export function openReconfigurationConfirm(
  ke: Uint8Array,
  curve: DppCurve,
  attributes: Uint8Array,
): ReconfigurationConfirm & { readonly status: number } {
  const list = decodeAttributes(attributes)
  const status = list.octet('status')
  const inner = opened(dppFrame.reconfigurationAuthenticationConfirm, ke, list)
  const { nonceSize } = curveProfile(curve)
  return {
    status,
    ...headOf(inner),
    configuratorNonce: inner.need('configuratorNonce', nonceSize),
    enrolleeNonce: inner.need('enrolleeNonce', nonceSize),
    // Its other bits have no meaning yet.
    replaceKey: status === dppStatus.ok && (inner.octet('reconfigurationFlags') & replaceKeyFlag) !== 0,
  }
}

/** Reconfiguration exists since version 2. */
function headOf(list: AttributeList): { readonly transaction: number; readonly version: number } {
  const version = list.octet('protocolVersion')
  if (version < 2) throw new CodecError('unsupported', `reconfiguration in version ${version}`)
  return { transaction: list.octet('transactionId'), version }
}

function textOf(value: Uint8Array): string {
  return Buffer.from(value).toString('latin1')
}

function frame(type: number, list: readonly AttributeValue[]): Buffer {
  return encodeFrame({ kind: 'dpp', type, attributes: encodeAttributes(list) })
}

function sealed(
  type: number,
  ke: Uint8Array,
  before: readonly AttributeValue[],
  inner: readonly AttributeValue[],
): Buffer {
  const head = encodeAttributes(before)
  const wrapped = sealAesSiv(ke, encodeAttributes(inner), frameHeader(type), head)
  return encodeFrame({
    kind: 'dpp',
    type,
    attributes: Buffer.concat([head, encodeAttributes([['wrappedData', wrapped]])]),
  })
}

function opened(type: number, ke: Uint8Array, list: AttributeList): AttributeList {
  return decodeAttributes(openAesSiv(ke, list.need('wrappedData'), frameHeader(type), list.beforeWrapped))
}
