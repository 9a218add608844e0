import { encodeAttributes } from './attribute.ts'
import {
  type AuthenticatedSession,
  type AuthenticationFailed,
  capability,
  ownBootstrapping,
  type PeerBootstrapping,
} from './authentication.ts'
import * as initiator from './authentication-initiator.ts'
import * as responder from './authentication-responder.ts'
import type { ConfigurationRequest } from './configuration-request.ts'
import { curveProfile } from './curve.ts'
import {
  beginConfiguration,
  type ConfigurationEffect,
  type ConfigurationEvent,
  type ConfigurationFailed,
  type ConfigurationState,
  stepConfiguration,
} from './enrollee-configuration.ts'
import { dppFrame, encodeFrame, type Frame } from './frame.ts'
import type { DppKeyPair } from './key.ts'
import * as reconfiguration from './reconfiguration-enrollee.ts'
import { chirpHash } from './uri.ts'

/*
 * An Enrollee on one connection, from its first word to its networks. It begins itself when it has scanned the Configurator's
 * code; otherwise it announces its presence and waits to be asked by somebody who has scanned its own.
 */

/** What it asks for once it is authenticated. */
export interface Wish {
  readonly request: Omit<ConfigurationRequest, 'pkcs10'>
  /** Absent: 0, as over TCP. */
  readonly dialogToken?: number
  /** False: a device without a clock. */
  readonly clockTrusted: boolean
}

export interface EnrolleeOptions extends Wish {
  /** The bootstrapping key; a throw-away one on the Configurator's curve when nobody could have scanned it. */
  readonly bootstrapping: DppKeyPair
  /** As in the URI on the label: SubjectPublicKeyInfo in DER. */
  readonly publicKey: Uint8Array
  /** Made for this exchange: on the curve of the Responder's bootstrapping key. */
  readonly protocolKey: DppKeyPair
  /** The Configurator's code, if it was scanned: then authentication is mutual. */
  readonly configurator?: PeerBootstrapping
  /** Announcing: whoever asks is told to wait until its code was scanned. */
  readonly awaitConfigurator?: boolean
  /** What we speak: 1 to 3. */
  readonly version: number
}

export interface Announced {
  readonly type: 'announced'
  readonly options: EnrolleeOptions
}
export interface Initiating {
  readonly type: 'initiating'
  readonly options: EnrolleeOptions
  readonly authentication: initiator.State
}
export interface Responding {
  readonly type: 'responding'
  readonly options: EnrolleeOptions
  readonly authentication: responder.State
}
/** It was configured before, and asks the same Configurator again. */
export interface Returning {
  readonly type: 'returning'
  readonly options: Wish
  readonly authentication: reconfiguration.State
}
export interface Configuring {
  readonly type: 'configuring'
  readonly session: AuthenticatedSession
  readonly configuration: Exclude<ConfigurationState, { type: 'done' | 'failed' }>
}
/** Nothing more to say on this connection. */
export interface Configured {
  readonly type: 'configured'
}
export interface EnrolleeFailed {
  readonly type: 'failed'
  readonly during: 'authentication' | 'configuration'
  readonly failure: Omit<AuthenticationFailed, 'type'> | Omit<ConfigurationFailed, 'type'>
}

export type State = Announced | Initiating | Responding | Returning | Configuring | Configured | EnrolleeFailed

/** `at`: milliseconds since 1970; `random`: 32 octets, new each time. */
export type Input = Event & Moment
interface Moment {
  readonly at: number
  readonly random: Uint8Array
}
export type Event =
  | ConfigurationEvent
  /** Of the Configurator who was told to wait. */
  | { readonly type: 'configurator-scanned'; readonly configurator: PeerBootstrapping }
  /** Nobody has answered: say it again, or the same on another connection. */
  | { readonly type: 'announcement-lost' }

export type Effect =
  | ConfigurationEffect
  /** Somebody has to scan our code at the Configurator: `initiating`; or its code at ours. */
  | { readonly type: 'peer-pending' }
  | { readonly type: 'authenticated'; readonly mutual: boolean; readonly peerVersion: number }

export interface Transition {
  readonly state: State
  readonly effects: readonly Effect[]
}

/** Begins with a Configurator whose code was scanned. Throws CryptoError `key-mismatch` for keys on two curves. */
export function initiate(
  options: EnrolleeOptions & { readonly configurator: PeerBootstrapping },
  moment: Moment,
): Transition {
  const { bootstrapping, publicKey, protocolKey, configurator, version } = options
  const { nonceSize } = curveProfile(configurator.key.curve)
  const { state, effects } = initiator.begin({
    responder: configurator,
    own: ownBootstrapping(bootstrapping, publicKey),
    protocolKey,
    nonce: Uint8Array.from(moment.random.subarray(0, nonceSize)),
    // Both roles offered would let a Configurator make us one.
    capabilities: capability.enrollee,
    version,
  })
  return { state: { type: 'initiating', options, authentication: state }, effects }
}

/** Presence Announcement (Easy Connect section 6.2): who has our URI knows who we are. */
export function announce(options: EnrolleeOptions): Transition {
  return { state: { type: 'announced', options }, effects: [chirp(options)] }
}

function chirp({ publicKey }: EnrolleeOptions): Effect {
  const attributes = encodeAttributes([['responderBootstrappingKeyHash', chirpHash({ publicKey })]])
  return {
    type: 'send',
    message: encodeFrame({ kind: 'dpp', type: dppFrame.presenceAnnouncement, attributes }),
  }
}

/** Waits without a word: on air, or where the other side connects to us. */
export function listen(options: EnrolleeOptions): Transition {
  return { state: { type: 'announced', options }, effects: [] }
}

/**
 * Reconfig Announcement (Easy Connect section 6.5): for a device whose network does not let it in any more. Only a Configurator
 * with a Connector by the same C-sign key is answered. Throws CryptoError `key-mismatch` for keys that do not fit together.
 */
export function reannounce(again: reconfiguration.EnrolleeOptions, options: Wish): Transition {
  const { state, effects } = reconfiguration.begin(again)
  return { state: { type: 'returning', options, authentication: state }, effects }
}

export function step(state: State, input: Input): Transition {
  switch (state.type) {
    case 'announced':
      return announced(state, input)
    case 'initiating':
      return initiating(state, input)
    case 'responding':
      return responding(state, input)
    case 'returning':
      return returning(state, input)
    case 'configuring':
      return configuring(state, input)
    case 'configured':
    case 'failed':
      return { state, effects: [] }
  }
}

function announced(state: Announced, input: Input): Transition {
  const { options } = state
  if (input.type === 'announcement-lost') return { state, effects: [chirp(options)] }
  if (input.type === 'timed-out') return fail('authentication', { reason: 'timed-out' })
  if (input.type !== 'received' || !isRequest(input.frame)) return { state, effects: [] }
  const { bootstrapping, publicKey, protocolKey, configurator, version, awaitConfigurator = false } = options
  const { nonceSize } = curveProfile(bootstrapping.curve)
  const begun = responder.begin(
    {
      own: ownBootstrapping(bootstrapping, publicKey),
      protocolKey,
      nonce: Uint8Array.from(input.random.subarray(0, nonceSize)),
      capabilities: capability.enrollee,
      version,
      ...(configurator !== undefined && { initiator: configurator }),
      awaitInitiator: awaitConfigurator,
    },
    input.frame.attributes,
  )
  const waits: Effect[] = begun.state.type === 'awaiting' ? [{ type: 'peer-pending' }] : []
  return settled({ type: 'responding', options, authentication: begun.state }, [...begun.effects, ...waits], input)
}

function isRequest(frame: Frame): frame is Frame & { readonly kind: 'dpp' } {
  return frame.kind === 'dpp' && frame.type === dppFrame.authenticationRequest
}

function initiating({ options, authentication }: Initiating, input: Input): Transition {
  const told = input.type === 'announcement-lost' ? ({ type: 'request-lost' } as const) : input
  if (told.type !== 'received' && told.type !== 'request-lost' && told.type !== 'timed-out')
    return { state: { type: 'initiating', options, authentication }, effects: [] }
  const { state, effects } = initiator.step(authentication, told)
  return settled({ type: 'initiating', options, authentication: state }, effects, input)
}

function responding({ options, authentication }: Responding, input: Input): Transition {
  const told =
    input.type === 'configurator-scanned'
      ? ({ type: 'initiator-scanned', initiator: input.configurator } as const)
      : input
  if (told.type !== 'received' && told.type !== 'initiator-scanned' && told.type !== 'timed-out')
    return { state: { type: 'responding', options, authentication }, effects: [] }
  const { state, effects } = responder.step(authentication, told)
  return settled({ type: 'responding', options, authentication: state }, effects, input)
}

function returning({ options, authentication }: Returning, input: Input): Transition {
  const told = input.type === 'announcement-lost' ? ({ type: 'announcement-due' } as const) : input
  if (told.type !== 'received' && told.type !== 'announcement-due' && told.type !== 'timed-out')
    return { state: { type: 'returning', options, authentication }, effects: [] }
  const { state, effects } = reconfiguration.step(authentication, told)
  return settled({ type: 'returning', options, authentication: state }, effects, input)
}

/** Goes on to configuration when authentication is over. */
function settled(state: Initiating | Responding | Returning, effects: readonly Effect[], moment: Moment): Transition {
  const { authentication, options } = state
  if (authentication.type === 'failed') {
    const { type: _, ...failure } = authentication
    return { state: { type: 'failed', during: 'authentication', failure }, effects }
  }
  if (authentication.type !== 'authenticated') return { state, effects }
  const { session } = authentication
  const { request, dialogToken = 0, clockTrusted } = options
  const begun = beginConfiguration({ session, request, dialogToken, clockTrusted }, moment)
  const { mutual, peerVersion } = session
  return {
    state: configurationState(session, begun.state),
    effects: [...effects, { type: 'authenticated', mutual, peerVersion }, ...begun.effects],
  }
}

function configuring({ session, configuration }: Configuring, input: Input): Transition {
  if (input.type === 'configurator-scanned' || input.type === 'announcement-lost')
    return { state: { type: 'configuring', session, configuration }, effects: [] }
  const { state, effects } = stepConfiguration(configuration, input)
  return { state: configurationState(session, state), effects }
}

function configurationState(session: AuthenticatedSession, state: ConfigurationState): State {
  if (state.type === 'done') return { type: 'configured' }
  if (state.type !== 'failed') return { type: 'configuring', session, configuration: state }
  const { type: _, ...failure } = state
  return { type: 'failed', during: 'configuration', failure }
}

function fail(during: EnrolleeFailed['during'], failure: EnrolleeFailed['failure']): Transition {
  return { state: { type: 'failed', during, failure }, effects: [] }
}
