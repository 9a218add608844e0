import { CryptoError } from '../../crypto/error.ts'
import type { Secret } from '../../crypto/secret.ts'
import { type AttributeList, decodeAttributes, dppStatus } from './attribute.ts'
import {
  type AuthenticatedSession,
  type AuthenticationFailed,
  capability,
  type DppRole,
  failed,
  failureOf,
  kept,
  type OwnBootstrapping,
  type PeerBootstrapping,
  responderRole,
  sameOctets,
} from './authentication.ts'
import {
  type AuthenticationRequest,
  openAuthenticationRequest,
  openFailureNonce,
  openInitiatorTag,
  readAuthenticationConfirm,
  readAuthenticationRequest,
  sealAuthenticationRefusal,
  sealAuthenticationResponse,
  sealResponderTag,
} from './authentication-message.ts'
import { curveProfile } from './curve.ts'
import { dppFrame, type Frame } from './frame.ts'
import { agree, agreeWithSum, type DppKeyPair, type DppPublicKey, importPoint } from './key.ts'
import { firstKey, secondKey, sessionKeys } from './key-schedule.ts'

/*
 * The Responder of Easy Connect authentication (section 6.3): it has shown its code. Whoever knows that may ask; if the Responder
 * has scanned the Initiator's code, too, authentication is mutual.
 */

export interface ResponderOptions {
  /** The one that the Request asks for. */
  readonly own: OwnBootstrapping
  /** Made for this exchange, on the curve of `own`. */
  readonly protocolKey: DppKeyPair
  /** Random, as long as the curve has it. */
  readonly nonce: Uint8Array
  /** Bits of `capability`: what we would be. */
  readonly capabilities: number
  /** What we speak. */
  readonly version: number
  /** Of the Initiator, as the Request calls it, when it was scanned: then authentication is mutual. */
  readonly initiator?: PeerBootstrapping
  /** It has yet to be scanned: the Initiator is told to wait. */
  readonly awaitInitiator?: boolean
}

/** The Initiator knows our code, and is asked to wait until we know its. */
export interface Awaiting {
  readonly type: 'awaiting'
  readonly asked: Asked
}

/** The Response was sent. */
export interface Responded {
  readonly type: 'responded'
  readonly session: AuthenticatedSession
  readonly k2: Secret
  readonly initiatorTag: Uint8Array
  readonly responderHash: Uint8Array
  readonly initiatorHash?: Uint8Array
  readonly nonce: Uint8Array
  /** The frame. */
  readonly response: Buffer
}

export interface Authenticated {
  readonly type: 'authenticated'
  readonly session: AuthenticatedSession
}

export type State = Awaiting | Responded | Authenticated | AuthenticationFailed

export type Input =
  | { readonly type: 'received'; readonly frame: Frame }
  /** The Initiator's code was scanned. */
  | { readonly type: 'initiator-scanned'; readonly initiator: PeerBootstrapping }
  | { readonly type: 'timed-out' }

export type Effect = { readonly type: 'send'; readonly message: Buffer }

export interface Transition {
  readonly state: State
  readonly effects: readonly Effect[]
}

/** A Request that we could open: its sender knows our bootstrapping key. */
interface Asked {
  readonly options: ResponderOptions
  readonly request: AuthenticationRequest
  readonly initiatorProtocolKey: DppPublicKey
  readonly initiatorNonce: Uint8Array
  readonly role: DppRole
  readonly m: Secret
  readonly k1: Secret
}

/**
 * Which of our keys a Request asks for, and what its sender calls itself: for whoever has to find `own` and `initiator`.
 * Throws CodecError. @param attributes of the frame
 */
export function askedFor(attributes: Uint8Array): Pick<AuthenticationRequest, 'responderHash' | 'initiatorHash'> {
  return readAuthenticationRequest(decodeAttributes(attributes))
}

/**
 * Takes a Request. A hostile one leads to `failed` and is not answered, but for NOT_COMPATIBLE, which only who knows our key
 * gets. Throws CryptoError `key-mismatch` when our own keys do not fit together. @param attributes of the frame
 */
export function begin(options: ResponderOptions, attributes: Uint8Array): Transition {
  const { own, protocolKey, nonce } = options
  const { curve } = own.pair
  if (protocolKey.curve !== curve || nonce.length !== curveProfile(curve).nonceSize) {
    throw new CryptoError('key-mismatch', `an authentication on ${curve} with a key or nonce for another curve`)
  }
  try {
    return requested(options, decodeAttributes(attributes))
  } catch (error) {
    return stay(failureOf(error))
  }
}

export function step(state: State, input: Input): Transition {
  if (state.type !== 'awaiting' && state.type !== 'responded') return stay(state)
  if (input.type === 'timed-out') return stay(failed('timed-out'))
  if (input.type === 'initiator-scanned') return scanned(state, input.initiator)
  const { frame } = input
  // Anything else, also another Request, changes nothing: an exchange is under way.
  if (state.type === 'awaiting' || frame.kind !== 'dpp' || frame.type !== dppFrame.authenticationConfirm) {
    return stay(state)
  }
  try {
    return stay(confirmed(state, decodeAttributes(frame.attributes)))
  } catch (error) {
    return stay(failureOf(error))
  }
}

function stay(state: State): Transition {
  return { state, effects: [] }
}

function requested(options: ResponderOptions, list: AttributeList): Transition {
  const { own, capabilities: ours } = options
  const { curve } = own.pair
  const request = readAuthenticationRequest(list)
  if (!sameOctets(request.responderHash, own.hash)) return stay(failed('mismatched', 'the R-hash is not of this key'))
  const initiatorProtocolKey = importPoint(curve, request.initiatorProtocolKey)
  const m = agree(own.pair, initiatorProtocolKey)
  const k1 = firstKey(curve, m)
  const { initiatorNonce, capabilities } = openAuthenticationRequest(k1, curve, list)
  if ((capabilities & (capability.enrollee | capability.configurator)) === 0) {
    return stay(failed('malformed', 'the Initiator has no role'))
  }
  const role = responderRole(capabilities, ours)
  const refuse = (status: number) => {
    const secrets = { initiatorNonce, capabilities: role === undefined ? ours : capability[role] }
    const head = { status, responderHash: own.hash, version: answeredVersion(options, request) }
    return { type: 'send' as const, message: sealAuthenticationRefusal(k1, { ...head, ...secrets }) }
  }
  if (role === undefined) {
    return { state: failed('not-compatible'), effects: [refuse(dppStatus.notCompatible)] }
  }
  const pending = options.initiator === undefined && options.awaitInitiator === true
  const effects = pending ? [refuse(dppStatus.responsePending)] : []
  const asked = { options, request, initiatorProtocolKey, initiatorNonce, role, m: kept(m), k1: kept(k1) }
  return pending ? { state: { type: 'awaiting', asked }, effects } : respond(asked, options.initiator)
}

/** Our version, to a peer that has said its own: those of version 1 do not know the attribute. */
function answeredVersion({ version }: ResponderOptions, request: AuthenticationRequest): number {
  return request.version === 1 ? 1 : version
}

function scanned(state: Awaiting | Responded, initiator: PeerBootstrapping): Transition {
  if (state.type !== 'awaiting') return stay(state)
  const { asked } = state
  if (!sameOctets(asked.request.initiatorHash, initiator.hash)) return stay(state)
  try {
    return respond(asked, initiator)
  } catch (error) {
    return stay(failureOf(error))
  }
}

function respond(asked: Asked, initiator: PeerBootstrapping | undefined): Transition {
  const { options, request, initiatorProtocolKey, initiatorNonce, role } = asked
  const { own, protocolKey, nonce } = options
  const { curve } = own.pair
  if (initiator !== undefined && !sameOctets(initiator.hash, request.initiatorHash)) {
    return stay(failed('mismatched', 'the I-hash is another than that of the code that was scanned'))
  }
  const n = agree(protocolKey, initiatorProtocolKey)
  const k2 = secondKey(curve, n)
  const keys = sessionKeys({
    curve,
    initiatorNonce,
    responderNonce: nonce,
    m: asked.m.reveal(),
    n,
    ...(initiator && {
      mutual: {
        initiatorBootstrappingKey: initiator.key.point,
        l: agreeWithSum(own.pair, protocolKey, initiator.key),
      },
    }),
    responderBootstrappingKey: own.pair.point,
    initiatorProtocolKey: initiatorProtocolKey.point,
    responderProtocolKey: protocolKey.point,
  })
  const ke = kept(keys.ke)
  const hashes = { responderHash: own.hash, ...(initiator && { initiatorHash: initiator.hash }) }
  const response = sealAuthenticationResponse(k2, {
    ...hashes,
    responderProtocolKey: protocolKey.point,
    version: answeredVersion(options, request),
    responderNonce: nonce,
    initiatorNonce,
    capabilities: capability[role],
    wrappedTag: sealResponderTag(ke, keys.responderTag),
  })
  const session: AuthenticatedSession = {
    curve,
    role,
    mutual: initiator !== undefined,
    peerVersion: request.version,
    ke,
    bk: kept(keys.bk),
    ownProtocolKey: protocolKey,
    peerProtocolKey: initiatorProtocolKey,
  }
  const { initiatorTag } = keys
  return {
    state: { type: 'responded', session, k2: kept(k2), initiatorTag, ...hashes, nonce, response },
    effects: [{ type: 'send', message: response }],
  }
}

function confirmed(state: Responded, list: AttributeList): State {
  const { session, k2, initiatorTag, nonce } = state
  const { curve } = session
  const confirm = readAuthenticationConfirm(list)
  if (!sameOctets(confirm.responderHash, state.responderHash)) return failed('mismatched', 'the R-hash is another')
  // The Initiator names itself exactly when we did.
  const [named, expected] = [confirm.initiatorHash ?? new Uint8Array(), state.initiatorHash ?? new Uint8Array()]
  if (!sameOctets(named, expected)) return failed('mismatched', 'the I-hash is another')
  const { status } = confirm
  if (status !== dppStatus.ok) {
    const theirs = openFailureNonce(k2, curve, list)
    if (!sameOctets(theirs, nonce)) return failed('mismatched', 'the R-nonce is another')
    return { type: 'failed', reason: status === dppStatus.notCompatible ? 'not-compatible' : 'refused', status }
  }
  const tag = openInitiatorTag(session.ke, curve, list)
  return sameOctets(tag, initiatorTag) ? { type: 'authenticated', session } : failed('not-authentic')
}
