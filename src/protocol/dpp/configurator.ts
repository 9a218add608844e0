import { dppStatus } from './attribute.ts'
import { type AuthenticatedSession, capability, failureOf, sameOctets } from './authentication.ts'
import * as initiator from './authentication-initiator.ts'
import * as responder from './authentication-responder.ts'
import { maxConfigurations } from './configuration-check.ts'
import {
  type ConfigurationRequestMessage,
  type ConfigurationResponseMessage,
  openConfigurationRequest,
  openConfigurationResult,
  openConnectionStatus,
  sealConfigurationResponse,
} from './configuration-message.ts'
import { decodeConfigurationRequest } from './configuration-request.ts'
import type {
  Answered,
  Authenticated,
  Authenticating,
  Configured,
  Connecting,
  Effect,
  Failed,
  Input,
  Requested,
  State,
  Transition,
} from './configurator-state.ts'
import { type DppFrame, decodeFrame, dppFrame, encodeFrame, type Frame, type GasInitialRequest } from './frame.ts'
import { type DppKeyPair, type DppPublicKey, importPoint } from './key.ts'
import { newKeyTag } from './new-protocol-key.ts'

export type { ConfigurationOutcome, Effect, Input, State, Transition } from './configurator-state.ts'

/*
 * The Configurator's side of one onboarding (Easy Connect sections 6.3 and 6.4), without a socket, a clock or a store: from the
 * Authentication Request, its own or the Enrollee's, to the Configuration Result. What does not belong where it comes changes
 * nothing: a relay repeats, a device repeats, and neither must end an onboarding that is under way. What belongs there and
 * cannot be read ends it, without a word. There is never a comeback delay: a relay takes that for itself.
 */

export type InitiatorOptions = Omit<initiator.InitiatorOptions, 'capabilities'>
export type ResponderOptions = Omit<responder.ResponderOptions, 'capabilities'>

/** Never an Enrollee, whatever the peer offers: nobody configures a Configurator by the way. */
const { configurator: capabilities } = capability

/** After a Presence Announcement, or to an Enrollee that listens. Throws CryptoError `key-mismatch`. */
export function initiate(options: InitiatorOptions): Transition {
  return authenticating(initiator.begin({ ...options, capabilities }))
}

/** To an Authentication Request. @param frame of that type. Throws CryptoError `key-mismatch`. */
export function respond(options: ResponderOptions, frame: DppFrame): Transition {
  return authenticating(responder.begin({ ...options, capabilities }, frame.attributes))
}

/** From where authentication is over: after a reconfiguration. */
export function configure(session: AuthenticatedSession): Transition {
  return stay({ type: 'authenticated', session })
}

export function step(state: State, input: Input): Transition {
  if (state.type === 'finished' || state.type === 'failed') return stay(state)
  if (input.type === 'timed-out' || input.type === 'closed') return stay(ended(state, input.type))
  switch (state.type) {
    case 'authenticating':
      return authenticate(state, input)
    case 'requested':
      return decide(state, input)
    default:
      return input.type === 'received' ? receive(state, input.message) : stay(state)
  }
}

function stay(state: State): Transition {
  return { state, effects: [] }
}

/** After the configuration went out nobody knows whether it arrived; after the Result nothing can go wrong any more. */
function ended({ type }: State, how: 'timed-out' | 'closed'): State {
  if (type === 'configured') return { type: 'finished', outcome: 'unconfirmed' }
  return type === 'connecting' ? { type: 'finished', outcome: 'accepted' } : { type: 'failed', reason: how }
}

function authenticating({ state, effects }: initiator.Transition | responder.Transition): Transition {
  if (state.type === 'failed') return { state, effects }
  if (state.type !== 'authenticated') return { state: { type: 'authenticating', party: state }, effects }
  const { session } = state
  return { state: { type: 'authenticated', session }, effects: [...effects, { type: 'authenticated', session }] }
}

function authenticate(state: Authenticating, input: Input): Transition {
  const { party } = state
  if (input.type === 'initiator-scanned' && party.type !== 'requested') {
    return authenticating(responder.step(party, input))
  }
  if (input.type === 'request-lost' && party.type === 'requested') return authenticating(initiator.step(party, input))
  if (input.type !== 'received') return stay(state)
  const frame = readFrame(input.message)
  if (frame.type === 'failed') return stay(frame)
  const received = { type: 'received', frame: frame.frame } as const
  return authenticating(party.type === 'requested' ? initiator.step(party, received) : responder.step(party, received))
}

function readFrame(message: Uint8Array): { readonly type: 'read'; readonly frame: Frame } | Failed {
  try {
    return { type: 'read', frame: decodeFrame(message) }
  } catch (error) {
    return failureOf(error)
  }
}

function receive(state: Authenticated | Configured | Connecting, message: Uint8Array): Transition {
  const read = readFrame(message)
  if (read.type === 'failed') return stay(read)
  const { frame } = read
  try {
    if (frame.kind === 'gas-initial-request') return state.type === 'connecting' ? stay(state) : asked(state, frame)
    if (frame.kind !== 'dpp' || state.type === 'authenticated') return stay(state)
    return state.type === 'configured' ? resulted(state, frame) : connected(state, frame)
  } catch (error) {
    const failure = failureOf(error)
    return stay(state.type === 'authenticated' ? failure : ended(state, 'closed'))
  }
}

/** The Enrollee, or its access point, has not heard our answer: it is the same as before. */
function repeated(last: Answered, { attributes, dialogToken }: GasInitialRequest): Effect[] {
  if (!sameOctets(last.attributes, attributes)) return []
  return [{ type: 'send', message: gasResponse(dialogToken, last.response) }]
}

function gasResponse(dialogToken: number, attributes: Uint8Array): Buffer {
  return encodeFrame({ kind: 'gas-initial-response', dialogToken, statusCode: 0, comebackDelay: 0, attributes })
}

function asked(state: Authenticated | Configured, frame: GasInitialRequest): Transition {
  if (state.last !== undefined) {
    const effects = repeated(state.last, frame)
    if (effects.length > 0 || state.type === 'configured') return { state, effects }
  }
  if (state.type === 'configured') return stay(state)
  const { session } = state
  const message = openConfigurationRequest(session, frame.attributes)
  const request = decodeConfigurationRequest(message.request)
  const netAccessKey = netAccessKeyOf(state, message)
  if (netAccessKey === undefined)
    return stay({ type: 'failed', reason: 'not-authentic', detail: 'no new protocol key' })
  const { attributes, dialogToken } = frame
  const { enrolleeNonce } = message
  return {
    state: { type: 'requested', session, netAccessKey, attributes, dialogToken, enrolleeNonce },
    effects: [{ type: 'configuration-requested', session, request, netAccessKey }],
  }
}

/** The protocol key of the exchange, or the new one that was asked for: undefined when its proof is missing or wrong. */
function netAccessKeyOf(state: Authenticated, message: ConfigurationRequestMessage): DppPublicKey | undefined {
  const { session, ourNewKey, netAccessKey } = state
  if (ourNewKey === undefined) return netAccessKey ?? session.peerProtocolKey
  const { newKey, enrolleeNonce } = message
  if (newKey === undefined) return undefined
  const enrollee = importPoint(ourNewKey.curve, newKey.point)
  const expected = newKeyTag(session, enrolleeNonce, { own: ourNewKey, configurator: ourNewKey, enrollee })
  return sameOctets(newKey.tag, expected) ? enrollee : undefined
}

function decide(state: Requested, input: Input): Transition {
  const { session } = state
  switch (input.type) {
    case 'configuration-granted':
      return grant(state, checked(input.objects, session), input.connectionStatus === true && session.peerVersion >= 2)
    case 'backup-granted':
      return send(state, { status: dppStatus.ok, envelopedData: input.envelopedData })
    case 'csr-needed':
      return again(state, { status: dppStatus.csrNeeded, csrAttributes: input.csrAttributes }, {})
    case 'new-key-needed':
      return session.peerVersion >= 3 ? askForKey(state, input.key) : refuse(state, dppStatus.configureFailure)
    case 'configuration-refused':
      return refuse(state, input.status)
    // Whatever the Enrollee repeats: its answer is being made.
    default:
      return stay(state)
  }
}

/** Easy Connect section 6.4.2: version 1 knows one object. */
function checked(objects: readonly Uint8Array[], { peerVersion }: AuthenticatedSession): readonly Uint8Array[] {
  const most = peerVersion === 1 ? 1 : maxConfigurations
  if (objects.length === 0 || objects.length > most) {
    throw new RangeError(`${objects.length} configuration objects to a peer of version ${peerVersion}`)
  }
  return objects
}

type Response = Omit<ConfigurationResponseMessage, 'enrolleeNonce'>

function answer({ session, enrolleeNonce, attributes, dialogToken }: Requested, response: Response) {
  const sealed = sealConfigurationResponse(session, { ...response, enrolleeNonce })
  const last: Answered = { attributes, response: sealed }
  const sent: Effect = { type: 'send', message: gasResponse(dialogToken, sealed) }
  return { last, sent }
}

function grant(state: Requested, objects: readonly Uint8Array[], connectionStatus: boolean): Transition {
  return send(state, { status: dppStatus.ok, objects, ...(connectionStatus && { sendConnectionStatus: true }) })
}

function send(state: Requested, response: Response): Transition {
  const { session, enrolleeNonce } = state
  const { last, sent } = answer(state, response)
  if (session.peerVersion === 1) {
    const effects: Effect[] = [sent, { type: 'configuration-resulted', status: dppStatus.ok }]
    return { state: { type: 'finished', outcome: 'accepted' }, effects }
  }
  const connectionStatus = response.sendConnectionStatus === true
  return { state: { type: 'configured', session, enrolleeNonce, last, connectionStatus }, effects: [sent] }
}

/** The Enrollee will ask once more, with a nonce of its own. */
function again(state: Requested, response: Response, next: Pick<Authenticated, 'ourNewKey'>): Transition {
  const { session, netAccessKey } = state
  const { last, sent } = answer(state, response)
  return { state: { type: 'authenticated', session, netAccessKey, last, ...next }, effects: [sent] }
}

function askForKey(state: Requested, key: DppKeyPair): Transition {
  return again(state, { status: dppStatus.newKeyNeeded, newKey: key }, { ourNewKey: key })
}

function refuse(state: Requested, status: number): Transition {
  const { sent } = answer(state, { status })
  return { state: { type: 'finished', outcome: 'refused' }, effects: [sent] }
}

function resulted(state: Configured, frame: DppFrame): Transition {
  if (frame.type !== dppFrame.configurationResult) return stay(state)
  const { session, enrolleeNonce } = state
  const result = openConfigurationResult(session, frame.attributes)
  if (!sameOctets(result.enrolleeNonce, enrolleeNonce)) return stay(state)
  const { status } = result
  const effects: Effect[] = [{ type: 'configuration-resulted', status }]
  if (status !== dppStatus.ok) return { state: { type: 'finished', outcome: 'rejected' }, effects }
  if (!state.connectionStatus) return { state: { type: 'finished', outcome: 'accepted' }, effects }
  return { state: { type: 'connecting', session, enrolleeNonce }, effects }
}

function connected(state: Connecting, frame: DppFrame): Transition {
  if (frame.type !== dppFrame.connectionStatusResult) return stay(state)
  const { session, enrolleeNonce } = state
  const { enrolleeNonce: nonce, ...status } = openConnectionStatus(session, frame.attributes)
  if (!sameOctets(nonce, enrolleeNonce)) return stay(state)
  return { state: { type: 'finished', outcome: 'accepted' }, effects: [{ type: 'connection-reported', status }] }
}
