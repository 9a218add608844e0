import type { Secret } from '../../crypto/secret.ts'
import { decodeAttributes, dppStatus } from './attribute.ts'
import { type AuthenticatedSession, type AuthenticationFailed, failed, kept, sameOctets } from './authentication.ts'
import type { ConnectionStatus } from './configuration-message.ts'
import { type Connector, verifyConnector } from './connector.ts'
import type { DppCurve } from './curve.ts'
import { dppFrame, type Frame } from './frame.ts'
import { agreeWithPoints, type DppKeyPair, type DppPublicKey } from './key.ts'
import {
  encodeReconfigurationRequest,
  openReconfigurationResponse,
  type ReconfigurationResponse,
  readReconfigurationResponse,
  sealReconfigurationConfirm,
} from './reconfiguration-message.ts'
import {
  reconfigurationFailure,
  reconfigurationKey,
  reconfigurationSession,
  requireCurve,
  requireNonce,
} from './reconfiguration-session.ts'

/*
 * The Configurator of a reconfiguration. It has heard an announcement, asks, and knows the device by its Connector: by the
 * netAccessKey in it, of which the device proves to have the private half. The caller decides what becomes of the device.
 */

export interface ConfiguratorOptions {
  /** Of the announcement: of the device's netAccessKey. */
  readonly curve: DppCurve
  /** What the device's Connector has to be signed with. */
  readonly csign: DppPublicKey
  /** Our own, with netRole `configurator`, of that key. */
  readonly connector: string
  /** Its netAccessKey, on `curve`. */
  readonly netAccessKey: DppKeyPair
  /** C-nonce: random, as long as the curve has it. */
  readonly nonce: Uint8Array
  readonly transaction: number
  readonly version: number
}

/** Reconfiguration Authentication Request was sent. */
export interface Requested {
  readonly type: 'requested'
  readonly options: ConfiguratorOptions
  readonly request: Buffer
}
/** The device has proven itself; what is to become of it is being decided. */
export interface Identified {
  readonly type: 'identified'
  readonly options: ConfiguratorOptions
  readonly ke: Secret
  readonly connector: Connector
  readonly response: ReconfigurationResponse
}
/** It goes on with its Configuration Request. */
export interface Authenticated {
  readonly type: 'authenticated'
  readonly session: AuthenticatedSession
}

export type State = Requested | Identified | Authenticated | AuthenticationFailed

export type Input =
  | { readonly type: 'received'; readonly frame: Frame }
  /** The caller's answer to `identified`. `replaceKey`: the protocol key of this exchange becomes the netAccessKey. */
  | { readonly type: 'allowed'; readonly replaceKey: boolean }
  /** @param status of `dppStatus`, not ok: the device is told, and goes away */
  | { readonly type: 'refused'; readonly status: number }
  | { readonly type: 'request-lost' }
  | { readonly type: 'timed-out' }

export type Effect =
  | { readonly type: 'send'; readonly message: Buffer }
  /** Who it is: find the device by `connector.netAccessKey`. Its expiry was not looked at. */
  | { readonly type: 'identified'; readonly connector: Connector; readonly connectionStatus: ConnectionStatus }

export interface Transition {
  readonly state: State
  readonly effects: readonly Effect[]
}

/** Throws CryptoError `key-mismatch` when our keys or nonce do not fit the curve of the announcement. */
export function begin(options: ConfiguratorOptions): Transition {
  const { curve, netAccessKey, nonce, connector, transaction, version } = options
  requireCurve(curve, netAccessKey, 'the Configurator’s netAccessKey')
  requireNonce(curve, nonce)
  const request = encodeReconfigurationRequest({ transaction, version, connector, configuratorNonce: nonce })
  return { state: { type: 'requested', options, request }, effects: [{ type: 'send', message: request }] }
}

/** Inputs that the state does not wait for change nothing. */
export function step(state: State, input: Input): Transition {
  if (state.type !== 'requested' && state.type !== 'identified') return stay(state)
  if (input.type === 'timed-out') return stay(failed('timed-out'))
  if (state.type === 'identified') {
    if (input.type === 'allowed') return allow(state, input.replaceKey)
    return input.type === 'refused' ? refuse(state, input.status) : stay(state)
  }
  if (input.type === 'request-lost') return { state, effects: [{ type: 'send', message: state.request }] }
  if (input.type !== 'received') return stay(state)
  const { frame } = input
  if (frame.kind !== 'dpp' || frame.type !== dppFrame.reconfigurationAuthenticationResponse) return stay(state)
  try {
    return identify(state, frame.attributes)
  } catch (error) {
    return stay(reconfigurationFailure(error))
  }
}

function stay(state: State): Transition {
  return { state, effects: [] }
}

function identify({ options }: Requested, attributes: Uint8Array): Transition {
  const { curve, csign, netAccessKey, nonce, transaction } = options
  const list = decodeAttributes(attributes)
  const response = readReconfigurationResponse(curve, list)
  if (response.transaction !== transaction) return stay(failed('mismatched', 'the transaction is another'))
  // Without a time: a Connector that has run out is what most devices come with.
  const connector = verifyConnector(response.connector, { csign })
  requireCurve(curve, connector.netAccessKey, 'the device’s netAccessKey')
  if (connector.groups.every(({ netRole }) => netRole === 'configurator')) {
    return stay(failed('mismatched', 'the Connector is of a Configurator'))
  }
  // Our own request, sent back by somebody who has no Connector.
  if (connector.netAccessKey.point.equals(netAccessKey.point)) {
    return stay(failed('mismatched', 'the Connector is our own'))
  }
  const m = agreeWithPoints(netAccessKey, connector.netAccessKey, response.protocolKey)
  const ke = reconfigurationKey(curve, nonce, response.enrolleeNonce, m)
  m.fill(0)
  const { configuratorNonce, connectionStatus } = openReconfigurationResponse(ke, curve, list)
  if (!sameOctets(configuratorNonce, nonce)) return stay(failed('mismatched', 'the C-nonce is another'))
  return {
    state: { type: 'identified', options, ke: kept(ke), connector, response },
    effects: [{ type: 'identified', connector, connectionStatus }],
  }
}

function allow(state: Identified, replaceKey: boolean): Transition {
  const { options, ke, connector, response } = state
  const message = confirm(state, dppStatus.ok, replaceKey)
  const session = reconfigurationSession(ke, 'configurator', response.version, {
    own: options.netAccessKey,
    peer: replaceKey ? response.protocolKey : connector.netAccessKey,
  })
  return { state: { type: 'authenticated', session }, effects: [{ type: 'send', message }] }
}

function refuse(state: Identified, status: number): Transition {
  const message = confirm(state, status === dppStatus.ok ? dppStatus.configureFailure : status, false)
  return { state: failed('refused', 'by us'), effects: [{ type: 'send', message }] }
}

function confirm({ options, ke, response }: Identified, status: number, replaceKey: boolean): Buffer {
  return sealReconfigurationConfirm(ke.reveal(), status, {
    transaction: options.transaction,
    version: response.version,
    configuratorNonce: options.nonce,
    enrolleeNonce: response.enrolleeNonce,
    replaceKey,
  })
}
