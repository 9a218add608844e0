import { CodecError } from '../../codec/error.ts'
import { type AesSivKey, openAesSiv, sealAesSiv } from '../../crypto/aes-siv.ts'
import {
  type AttributeList,
  type AttributeName,
  type AttributeValue,
  decodeAttributes,
  dppStatus,
  encodeAttributes,
  octet,
} from './attribute.ts'
import { curveProfile, type DppCurve } from './curve.ts'
import { dppFrame, encodeFrame, frameHeader } from './frame.ts'
import type { DppChannel } from './uri.ts'

/*
 * The three messages of authentication (Easy Connect section 6.3), each as what everybody can read and what is wrapped. What is
 * wrapped is bound to the header of its frame and to all that stands before it; only R-auth within has no associated data.
 */

const hashSize = 32

export interface AuthenticationRequest {
  readonly responderHash: Uint8Array
  readonly initiatorHash: Uint8Array
  /** x|y, not yet known to be on a curve. */
  readonly initiatorProtocolKey: Uint8Array
  readonly channel?: DppChannel
  /** 1 when the peer says nothing of it. */
  readonly version: number
}

/** Under k1. Capabilities: bit 0 Enrollee, bit 1 Configurator. */
export interface RequestSecrets {
  readonly initiatorNonce: Uint8Array
  readonly capabilities: number
}

/** A whole frame. */
export function sealAuthenticationRequest(k1: AesSivKey, request: AuthenticationRequest & RequestSecrets): Buffer {
  const { channel, version } = request
  const before: AttributeValue[] = [
    ['responderBootstrappingKeyHash', request.responderHash],
    ['initiatorBootstrappingKeyHash', request.initiatorHash],
    ['initiatorProtocolKey', request.initiatorProtocolKey],
  ]
  if (channel !== undefined) before.push(['channel', Uint8Array.of(channel.operatingClass, channel.channel)])
  before.push(...versionAttribute(version))
  return sealFrame(dppFrame.authenticationRequest, k1, before, [
    ['initiatorNonce', request.initiatorNonce],
    ['initiatorCapabilities', octet(request.capabilities)],
  ])
}

/** Throws CodecError. Nothing in it is proven: `openAuthenticationRequest` with the key that it leads to does that. */
export function readAuthenticationRequest(list: AttributeList): AuthenticationRequest {
  list.need('wrappedData')
  const channel = list.get('channel')
  return {
    responderHash: list.need('responderBootstrappingKeyHash', hashSize),
    initiatorHash: list.need('initiatorBootstrappingKeyHash', hashSize),
    initiatorProtocolKey: list.need('initiatorProtocolKey'),
    ...(channel === undefined ? {} : { channel: readChannel(channel) }),
    version: readVersion(list),
  }
}

/** Throws CodecError, or CryptoError `bad-signature` when k1 is not that of the sender. */
export function openAuthenticationRequest(k1: AesSivKey, curve: DppCurve, list: AttributeList): RequestSecrets {
  const inner = openWrapped(dppFrame.authenticationRequest, k1, list)
  return {
    initiatorNonce: inner.need('initiatorNonce', curveProfile(curve).nonceSize),
    capabilities: inner.octet('initiatorCapabilities'),
  }
}

export interface AuthenticationResponse {
  readonly status: number
  readonly responderHash: Uint8Array
  /** There when the Responder knows the Initiator's bootstrapping key: authentication is mutual. */
  readonly initiatorHash?: Uint8Array
  /** 1 when the peer says nothing of it, and left out when this is 1. */
  readonly version: number
}

/** Status OK, under k2. */
export interface ResponseSecrets {
  readonly responderNonce: Uint8Array
  readonly initiatorNonce: Uint8Array
  readonly capabilities: number
  /** R-auth, wrapped under ke. */
  readonly wrappedTag: Uint8Array
}

/** A whole frame, status OK. @param responderProtocolKey x|y */
export function sealAuthenticationResponse(
  k2: AesSivKey,
  response: Omit<AuthenticationResponse, 'status'> & ResponseSecrets & { readonly responderProtocolKey: Uint8Array },
): Buffer {
  const before: AttributeValue[] = [
    ...responseHead({ ...response, status: dppStatus.ok }),
    ['responderProtocolKey', response.responderProtocolKey],
    ...versionAttribute(response.version),
  ]
  return sealFrame(dppFrame.authenticationResponse, k2, before, [
    ['responderNonce', response.responderNonce],
    ['initiatorNonce', response.initiatorNonce],
    ['responderCapabilities', octet(response.capabilities)],
    ['wrappedData', response.wrappedTag],
  ])
}

/** Any other status: no protocol key, no nonce of the Responder, and k1. */
export type RefusalSecrets = Pick<ResponseSecrets, 'initiatorNonce' | 'capabilities'>

export function sealAuthenticationRefusal(k1: AesSivKey, response: AuthenticationResponse & RefusalSecrets): Buffer {
  const before = [...responseHead(response), ...versionAttribute(response.version)]
  return sealFrame(dppFrame.authenticationResponse, k1, before, [
    ['initiatorNonce', response.initiatorNonce],
    ['responderCapabilities', octet(response.capabilities)],
  ])
}

function responseHead({ status, responderHash, initiatorHash }: Omit<AuthenticationResponse, 'version'>) {
  const head: AttributeValue[] = [
    ['status', octet(status)],
    ['responderBootstrappingKeyHash', responderHash],
  ]
  if (initiatorHash !== undefined) head.push(['initiatorBootstrappingKeyHash', initiatorHash])
  return head
}

/** Throws CodecError. Nothing in it is proven yet. */
export function readAuthenticationResponse(list: AttributeList): AuthenticationResponse {
  list.need('wrappedData')
  return {
    status: list.octet('status'),
    responderHash: list.need('responderBootstrappingKeyHash', hashSize),
    ...initiatorHashOf(list),
    version: readVersion(list),
  }
}

/** Throws CodecError, or CryptoError `bad-signature`. */
export function openAuthenticationResponse(k2: AesSivKey, curve: DppCurve, list: AttributeList): ResponseSecrets {
  const inner = openWrapped(dppFrame.authenticationResponse, k2, list)
  const { nonceSize } = curveProfile(curve)
  return {
    responderNonce: inner.need('responderNonce', nonceSize),
    initiatorNonce: inner.need('initiatorNonce', nonceSize),
    capabilities: inner.octet('responderCapabilities'),
    wrappedTag: inner.need('wrappedData'),
  }
}

/** Throws CodecError, or CryptoError `bad-signature`. */
export function openAuthenticationRefusal(k1: AesSivKey, curve: DppCurve, list: AttributeList): RefusalSecrets {
  const inner = openWrapped(dppFrame.authenticationResponse, k1, list)
  return {
    initiatorNonce: inner.need('initiatorNonce', curveProfile(curve).nonceSize),
    capabilities: inner.octet('responderCapabilities'),
  }
}

/** R-auth as it goes into a Response. */
export function sealResponderTag(ke: AesSivKey, tag: Uint8Array): Buffer {
  return sealAesSiv(ke, encodeAttributes([['responderAuthenticatingTag', tag]]))
}

/** Throws CodecError, or CryptoError `bad-signature`. */
export function openResponderTag(ke: AesSivKey, curve: DppCurve, wrapped: Uint8Array): Uint8Array {
  return tagOf(decodeAttributes(openAesSiv(ke, wrapped)), 'responderAuthenticatingTag', curve)
}

export type AuthenticationConfirm = Omit<AuthenticationResponse, 'version'>

/** A whole frame. `tag` is I-auth, the key ke; with a status that is not OK it is R-nonce, the key k2. */
export function sealAuthenticationConfirm(
  key: AesSivKey,
  confirm: AuthenticationConfirm & { readonly value: Uint8Array },
): Buffer {
  const name = confirm.status === dppStatus.ok ? 'initiatorAuthenticatingTag' : 'responderNonce'
  return sealFrame(dppFrame.authenticationConfirm, key, responseHead(confirm), [[name, confirm.value]])
}

/** Throws CodecError. Nothing in it is proven yet. */
export function readAuthenticationConfirm(list: AttributeList): AuthenticationConfirm {
  list.need('wrappedData')
  return {
    status: list.octet('status'),
    responderHash: list.need('responderBootstrappingKeyHash', hashSize),
    ...initiatorHashOf(list),
  }
}

/** I-auth of a Confirm with status OK. Throws CodecError, or CryptoError `bad-signature`. */
export function openInitiatorTag(ke: AesSivKey, curve: DppCurve, list: AttributeList): Uint8Array {
  return tagOf(openWrapped(dppFrame.authenticationConfirm, ke, list), 'initiatorAuthenticatingTag', curve)
}

/** R-nonce of a Confirm with another status. Throws CodecError, or CryptoError `bad-signature`. */
export function openFailureNonce(k2: AesSivKey, curve: DppCurve, list: AttributeList): Uint8Array {
  const inner = openWrapped(dppFrame.authenticationConfirm, k2, list)
  return inner.need('responderNonce', curveProfile(curve).nonceSize)
}

function tagOf(list: AttributeList, name: AttributeName, curve: DppCurve): Uint8Array {
  return list.need(name, curveProfile(curve).hashSize)
}

function initiatorHashOf(list: AttributeList): { readonly initiatorHash?: Uint8Array } {
  if (list.get('initiatorBootstrappingKeyHash') === undefined) return {}
  return { initiatorHash: list.need('initiatorBootstrappingKeyHash', hashSize) }
}

function versionAttribute(version: number): AttributeValue[] {
  return version > 1 ? [['protocolVersion', octet(version)]] : []
}

/** Who says nothing of a version has version 1; who says 0 has none. */
function readVersion(list: AttributeList): number {
  if (list.get('protocolVersion') === undefined) return 1
  const version = list.octet('protocolVersion')
  if (version === 0) throw new CodecError('bad-value', 'protocol version 0')
  return version
}

function readChannel(value: Uint8Array): DppChannel {
  if (value.length < 2) throw new CodecError('bad-value', 'a channel of less than two octets')
  return { operatingClass: value[0]!, channel: value[1]! }
}

function sealFrame(type: number, key: AesSivKey, before: readonly AttributeValue[], inner: AttributeValue[]): Buffer {
  const head = encodeAttributes(before)
  const wrapped = sealAesSiv(key, encodeAttributes(inner), frameHeader(type), head)
  const attributes = Buffer.concat([head, encodeAttributes([['wrappedData', wrapped]])])
  return encodeFrame({ kind: 'dpp', type, attributes })
}

function openWrapped(type: number, key: AesSivKey, list: AttributeList): AttributeList {
  return decodeAttributes(openAesSiv(key, list.need('wrappedData'), frameHeader(type), list.beforeWrapped))
}
