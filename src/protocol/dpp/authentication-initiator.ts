import type { AesSivKey } from '../../crypto/aes-siv.ts'
import { CryptoError } from '../../crypto/error.ts'
import type { Secret } from '../../crypto/secret.ts'
import { type AttributeList, decodeAttributes, dppStatus } from './attribute.ts'
import {
  type AuthenticatedSession,
  type AuthenticationFailed,
  capability,
  failed,
  failureOf,
  initiatorRole,
  kept,
  type OwnBootstrapping,
  type PeerBootstrapping,
  sameOctets,
} from './authentication.ts'
import {
  type AuthenticationResponse,
  openAuthenticationRefusal,
  openAuthenticationResponse,
  openResponderTag,
  readAuthenticationResponse,
  sealAuthenticationConfirm,
  sealAuthenticationRequest,
} from './authentication-message.ts'
import { curveProfile } from './curve.ts'
import { dppFrame, type Frame } from './frame.ts'
import { agree, agreeWithPoints, type DppKeyPair, importPoint } from './key.ts'
import { firstKey, type SessionKeys, secondKey, sessionKeys } from './key-schedule.ts'
import type { DppChannel } from './uri.ts'

/*
 * The Initiator of Easy Connect authentication (section 6.3): it has scanned the Responder's code, and is certain of the Responder
 * when this is over. The Responder is certain of it only if it has scanned a code, too.
 */

export interface InitiatorOptions {
  readonly responder: PeerBootstrapping
  /** On the curve of the Responder's key; a throw-away one when nobody could know ours. */
  readonly own: OwnBootstrapping
  /** Made for this exchange, on the same curve. */
  readonly protocolKey: DppKeyPair
  /** Random, as long as the curve has it. */
  readonly nonce: Uint8Array
  /** Bits of `capability`: what we would be. */
  readonly capabilities: number
  /** What we speak. */
  readonly version: number
  /** Where we will listen afterwards; only on the air. */
  readonly channel?: DppChannel
}

/** The Request was sent. */
export interface Requested {
  readonly type: 'requested'
  readonly options: InitiatorOptions
  readonly m: Secret
  readonly k1: Secret
  /** The frame, to be sent again as it is. */
  readonly request: Buffer
  /** The Responder has said that its user has yet to scan our code. */
  readonly pending: boolean
}

export interface Authenticated {
  readonly type: 'authenticated'
  readonly session: AuthenticatedSession
}

export type State = Requested | Authenticated | AuthenticationFailed

export type Input =
  | { readonly type: 'received'; readonly frame: Frame }
  /** No answer, or the connection is another one now: the same request goes out again. */
  | { readonly type: 'request-lost' }
  /** Nobody waits any longer. */
  | { readonly type: 'timed-out' }

export type Effect =
  | { readonly type: 'send'; readonly message: Buffer }
  /** RESPONSE_PENDING: a person has to do something on the other side. Go on waiting. */
  | { readonly type: 'peer-pending' }

export interface Transition {
  readonly state: State
  readonly effects: readonly Effect[]
}

/** Throws CryptoError `key-mismatch` when the keys are on two curves. */
export function begin(options: InitiatorOptions): Transition {
  const { responder, own, protocolKey, nonce, capabilities, version, channel } = options
  const { curve } = responder.key
  if (own.pair.curve !== curve || nonce.length !== curveProfile(curve).nonceSize) {
    throw new CryptoError('key-mismatch', `an authentication on ${curve} with a key or nonce for another curve`)
  }
  const m = agree(protocolKey, responder.key)
  const k1 = firstKey(curve, m)
  const request = sealAuthenticationRequest(k1, {
    responderHash: responder.hash,
    initiatorHash: own.hash,
    initiatorProtocolKey: protocolKey.point,
    ...(channel === undefined ? {} : { channel }),
    version,
    initiatorNonce: nonce,
    capabilities,
  })
  return {
    state: { type: 'requested', options, m: kept(m), k1: kept(k1), request, pending: false },
    effects: [{ type: 'send', message: request }],
  }
}

export function step(state: State, input: Input): Transition {
  if (state.type !== 'requested') return stay(state)
  if (input.type === 'timed-out') return stay(failed('timed-out'))
  if (input.type === 'request-lost') return { state, effects: [{ type: 'send', message: state.request }] }
  const { frame } = input
  // Whatever else comes in between is not for this party, or comes twice.
  if (frame.kind !== 'dpp' || frame.type !== dppFrame.authenticationResponse) return stay(state)
  try {
    return responded(state, decodeAttributes(frame.attributes))
  } catch (error) {
    return stay(failureOf(error))
  }
}

function stay(state: State): Transition {
  return { state, effects: [] }
}

function responded(state: Requested, list: AttributeList): Transition {
  const response = readAuthenticationResponse(list)
  const { responder, own } = state.options
  if (!sameOctets(response.responderHash, responder.hash)) return stay(failed('mismatched', 'the R-hash is another'))
  const { initiatorHash } = response
  if (initiatorHash !== undefined && !sameOctets(initiatorHash, own.hash)) {
    return stay(failed('mismatched', 'the I-hash is another'))
  }
  return response.status === dppStatus.ok ? accepted(state, response, list) : declined(state, response, list)
}

/** Only who has the Responder's key can say no: the answer is under k1, with our nonce in it. */
function declined(state: Requested, { status }: AuthenticationResponse, list: AttributeList): Transition {
  const { responder, nonce } = state.options
  const { initiatorNonce } = openAuthenticationRefusal(state.k1, responder.key.curve, list)
  if (!sameOctets(initiatorNonce, nonce)) return stay(failed('mismatched', 'the I-nonce is another'))
  if (status === dppStatus.responsePending) {
    return { state: { ...state, pending: true }, effects: [{ type: 'peer-pending' }] }
  }
  return stay({ type: 'failed', reason: status === dppStatus.notCompatible ? 'not-compatible' : 'refused', status })
}

function accepted(state: Requested, response: AuthenticationResponse, list: AttributeList): Transition {
  const { responder, own, protocolKey, nonce, capabilities } = state.options
  const { curve } = responder.key
  const { coordinateSize } = curveProfile(curve)
  const peerKey = importPoint(curve, list.need('responderProtocolKey', 2 * coordinateSize))
  const n = agree(protocolKey, peerKey)
  const k2 = secondKey(curve, n)
  const secrets = openAuthenticationResponse(k2, curve, list)
  if (!sameOctets(secrets.initiatorNonce, nonce)) return stay(failed('mismatched', 'the I-nonce is another'))
  if ((secrets.capabilities & (capability.enrollee | capability.configurator)) === 0) {
    return stay(failed('malformed', 'the Responder has no role'))
  }
  const confirm = { responderHash: responder.hash, initiatorHash: response.initiatorHash }
  const refuse = (reason: 'not-compatible' | 'not-authentic', status: number): Transition => ({
    state: { type: 'failed', reason },
    effects: [{ type: 'send', message: sealConfirm(k2, { ...confirm, status, value: secrets.responderNonce }) }],
  })
  const role = initiatorRole(secrets.capabilities, capabilities)
  if (role === undefined) return refuse('not-compatible', dppStatus.notCompatible)
  const mutual = response.initiatorHash !== undefined
  const keys = sessionKeys({
    curve,
    initiatorNonce: nonce,
    responderNonce: secrets.responderNonce,
    m: state.m.reveal(),
    n,
    ...(mutual && {
      mutual: {
        initiatorBootstrappingKey: own.pair.point,
        l: agreeWithPoints(own.pair, responder.key, peerKey),
      },
    }),
    responderBootstrappingKey: responder.key.point,
    initiatorProtocolKey: protocolKey.point,
    responderProtocolKey: peerKey.point,
  })
  const ke = kept(keys.ke)
  if (!isAuthentic(ke, keys, state.options, secrets.wrappedTag)) {
    return refuse('not-authentic', dppStatus.authenticationFailure)
  }
  const message = sealConfirm(ke, { ...confirm, status: dppStatus.ok, value: keys.initiatorTag })
  const session: AuthenticatedSession = {
    curve,
    role,
    mutual,
    peerVersion: response.version,
    ke,
    bk: kept(keys.bk),
    ownProtocolKey: protocolKey,
    peerProtocolKey: peerKey,
  }
  return { state: { type: 'authenticated', session }, effects: [{ type: 'send', message }] }
}

function isAuthentic(
  ke: Secret,
  { responderTag }: SessionKeys,
  { responder }: InitiatorOptions,
  wrapped: Uint8Array,
): boolean {
  try {
    return sameOctets(openResponderTag(ke, responder.key.curve, wrapped), responderTag)
  } catch (error) {
    failureOf(error)
    return false
  }
}

interface Confirm {
  readonly status: number
  readonly responderHash: Uint8Array
  readonly initiatorHash: Uint8Array | undefined
  readonly value: Uint8Array
}

function sealConfirm(key: AesSivKey, { initiatorHash, ...confirm }: Confirm): Buffer {
  return sealAuthenticationConfirm(key, { ...confirm, ...(initiatorHash === undefined ? {} : { initiatorHash }) })
}
