import { decodeBase64Url, encodeBase64Url } from '../../codec/base64.ts'
import { CodecError } from '../../codec/error.ts'
import { decodeJsonObject, type Json } from '../../codec/json.ts'
import { openAesSiv, sealAesSiv } from '../../crypto/aes-siv.ts'
import type { Secret } from '../../crypto/secret.ts'
import {
  type AttributeList,
  type AttributeValue,
  decodeAttributes,
  dppStatus,
  encodeAttributes,
  groupValue,
  octet,
  present,
} from './attribute.ts'
import { curveOfGroup, curveProfile, type DppCurve } from './curve.ts'
import { dppFrame, frameHeader } from './frame.ts'
import { type DppPublicKey, importPoint } from './key.ts'

/*
 * The messages after authentication (Easy Connect section 6.4). All their secrets are under ke, and each wraps with other
 * associated data: none for the request, the Status attribute for the response, header and an empty component for results.
 */

/** What authentication left behind. The curve decides how long a nonce is. */
export interface Session {
  readonly curve: DppCurve
  readonly ke: Secret
}

export interface ConfigurationRequestMessage {
  readonly enrolleeNonce: Uint8Array
  /** As `encodeConfigurationRequest` writes it. */
  readonly request: Uint8Array
  /** Answer to NEW_KEY_NEEDED, version 3: the point of the new protocol key, and the proof of its private half. */
  readonly newKey?: { readonly point: Uint8Array; readonly tag: Uint8Array }
}

/** Attributes of a GAS Initial Request. */
export function sealConfigurationRequest({ ke }: Session, message: ConfigurationRequestMessage): Buffer {
  const { enrolleeNonce, request, newKey } = message
  const clear = encodeAttributes([
    ['enrolleeNonce', enrolleeNonce],
    ...(newKey === undefined
      ? []
      : ([
          ['initiatorProtocolKey', newKey.point],
          ['initiatorAuthenticatingTag', newKey.tag],
        ] as const)),
    ['configurationRequestObject', request],
  ])
  return encodeAttributes([['wrappedData', sealAesSiv(ke, clear)]])
}

/** Throws CodecError, or CryptoError `bad-signature` when ke does not open it. */
export function openConfigurationRequest({ curve, ke }: Session, attributes: Uint8Array): ConfigurationRequestMessage {
  const inner = decodeAttributes(openAesSiv(ke, decodeAttributes(attributes).need('wrappedData')))
  const point = inner.get('initiatorProtocolKey')
  return {
    enrolleeNonce: nonceOf(inner, curve),
    request: inner.need('configurationRequestObject'),
    ...(point !== undefined && { newKey: { point, tag: inner.need('initiatorAuthenticatingTag') } }),
  }
}

export interface ConfigurationResponseMessage {
  readonly status: number
  readonly enrolleeNonce: Uint8Array
  /** Status ok: as `encodeConfigurationObject` writes them. */
  readonly objects?: readonly Uint8Array[]
  /** Status ok, to another Configurator: DPPEnvelopedData. */
  readonly envelopedData?: Uint8Array
  /** The Enrollee is to say whether it could connect; stations of version 2 on direct connections only. */
  readonly sendConnectionStatus?: boolean
  /** Status CSR_NEEDED: base64 text of CsrAttrs. */
  readonly csrAttributes?: Uint8Array
  /** Status NEW_KEY_NEEDED: the Configurator's key, on the curve that the network wants. */
  readonly newKey?: DppPublicKey
}

/** Attributes of a GAS Initial or Comeback Response. */
export function sealConfigurationResponse({ ke }: Session, message: ConfigurationResponseMessage): Buffer {
  const { status, enrolleeNonce, objects = [], envelopedData, csrAttributes, newKey } = message
  const outer = encodeAttributes([['status', octet(status)]])
  const list: AttributeValue[] = [['enrolleeNonce', enrolleeNonce]]
  if (newKey !== undefined) {
    list.push(['finiteCyclicGroup', groupValue(curveProfile(newKey.curve).group)])
    list.push(['responderProtocolKey', newKey.point])
  }
  for (const object of objects) list.push(['configurationObject', object])
  if (envelopedData !== undefined) list.push(['envelopedData', envelopedData])
  if (message.sendConnectionStatus === true) list.push(['sendConnectionStatus', present])
  if (csrAttributes !== undefined) list.push(['csrAttributesRequest', csrAttributes])
  const wrapped = sealAesSiv(ke, encodeAttributes(list), outer)
  return Buffer.concat([outer, encodeAttributes([['wrappedData', wrapped]])])
}

/** Throws CodecError, or CryptoError `bad-signature` when ke does not open it, which includes the status. */
export function openConfigurationResponse(
  { curve, ke }: Session,
  attributes: Uint8Array,
): ConfigurationResponseMessage {
  const outer = decodeAttributes(attributes)
  const status = outer.octet('status')
  // The Status attribute alone counts, whatever else stands before Wrapped Data.
  const head = encodeAttributes([['status', octet(status)]])
  const inner = decodeAttributes(openAesSiv(ke, outer.need('wrappedData'), head))
  const objects = inner.all('configurationObject')
  const envelopedData = inner.get('envelopedData')
  const csrAttributes = inner.get('csrAttributesRequest')
  if (status === dppStatus.csrNeeded && csrAttributes === undefined)
    throw new CodecError('bad-value', 'CSR_NEEDED without CSR attributes')
  return {
    status,
    enrolleeNonce: nonceOf(inner, curve),
    ...(objects.length > 0 && { objects }),
    ...(envelopedData !== undefined && { envelopedData }),
    ...(inner.get('sendConnectionStatus') !== undefined && { sendConnectionStatus: true }),
    ...(csrAttributes !== undefined && { csrAttributes }),
    ...(status === dppStatus.newKeyNeeded && { newKey: newKeyOf(inner) }),
  }
}

function newKeyOf(inner: AttributeList): DppPublicKey {
  const profile = curveOfGroup(inner.group())
  if (profile === undefined) throw new CodecError('unsupported', 'NEW_KEY_NEEDED on a group that is not known')
  return importPoint(profile.curve, inner.need('responderProtocolKey', 2 * profile.coordinateSize))
}

export interface ConfigurationResultMessage {
  readonly status: number
  readonly enrolleeNonce: Uint8Array
}

/** Attributes of a Configuration Result. */
export function sealConfigurationResult(session: Session, message: ConfigurationResultMessage): Buffer {
  const { status, enrolleeNonce } = message
  return sealResult(session, dppFrame.configurationResult, [
    ['status', octet(status)],
    ['enrolleeNonce', enrolleeNonce],
  ])
}

/** Throws CodecError, or CryptoError `bad-signature`. */
export function openConfigurationResult(session: Session, attributes: Uint8Array): ConfigurationResultMessage {
  const inner = openResult(session, dppFrame.configurationResult, attributes)
  return { status: inner.octet('status'), enrolleeNonce: nonceOf(inner, session.curve) }
}

/** What a station says after it tried to connect: attribute 101C. */
export interface ConnectionStatus {
  /** Of `dppStatus`: ok, authenticationFailure for a wrong credential, noAccessPoint ... */
  readonly result: number
  readonly ssid?: Uint8Array
  /** Channels on which it looked, as in a bootstrapping URI. */
  readonly channelList?: string
}

export interface ConnectionStatusMessage extends ConnectionStatus {
  readonly enrolleeNonce: Uint8Array
}

/** Attributes of a Connection Status Result. */
export function sealConnectionStatus(session: Session, message: ConnectionStatusMessage): Buffer {
  return sealResult(session, dppFrame.connectionStatusResult, [
    ['enrolleeNonce', message.enrolleeNonce],
    ['connectionStatus', encodeConnectionStatus(message)],
  ])
}

/** Throws CodecError, or CryptoError `bad-signature`. */
export function openConnectionStatus(session: Session, attributes: Uint8Array): ConnectionStatusMessage {
  const inner = openResult(session, dppFrame.connectionStatusResult, attributes)
  const status = decodeConnectionStatus(inner.need('connectionStatus'))
  return { ...status, enrolleeNonce: nonceOf(inner, session.curve) }
}

/** Attribute 101C, which reconfiguration carries too. */
export function encodeConnectionStatus({ result, ssid, channelList }: ConnectionStatus): Buffer {
  return Buffer.from(
    JSON.stringify({
      result,
      ...(ssid !== undefined && { ssid64: encodeBase64Url(ssid) }),
      ...(channelList !== undefined && { channelList }),
    }),
  )
}

const statusLimits = { size: 4096, depth: 4, count: 100 }

/** Throws CodecError. */
export function decodeConnectionStatus(bytes: Uint8Array): ConnectionStatus {
  const { result, ssid64, channelList } = decodeJsonObject(bytes, statusLimits)
  if (typeof result !== 'number' || !Number.isInteger(result) || result < 0 || result > 0xff)
    throw new CodecError('bad-value', 'connection status without result')
  return {
    result,
    ...(ssid64 !== undefined && { ssid: ssidOf(ssid64) }),
    ...(typeof channelList === 'string' && { channelList }),
  }
}

function ssidOf(ssid64: Json): Buffer {
  const ssid = typeof ssid64 === 'string' ? decodeBase64Url(ssid64) : undefined
  if (ssid === undefined || ssid.length > 32) throw new CodecError('bad-value', 'ssid64 is no SSID')
  return ssid
}

function sealResult({ ke }: Session, type: number, list: readonly AttributeValue[]): Buffer {
  // The second component is empty, which is not the same as none.
  const wrapped = sealAesSiv(ke, encodeAttributes(list), frameHeader(type), present)
  return encodeAttributes([['wrappedData', wrapped]])
}

function openResult({ ke }: Session, type: number, attributes: Uint8Array): AttributeList {
  const outer = decodeAttributes(attributes)
  const wrapped = outer.need('wrappedData')
  return decodeAttributes(openAesSiv(ke, wrapped, frameHeader(type), outer.beforeWrapped))
}

function nonceOf(inner: AttributeList, curve: DppCurve): Uint8Array {
  return inner.need('enrolleeNonce', curveProfile(curve).nonceSize)
}
