import type { CsrAttrs } from '../../codec/csrattrs.ts'
import { CodecError } from '../../codec/error.ts'
import { CryptoError } from '../../crypto/error.ts'
import type { Secret } from '../../crypto/secret.ts'
import { OnboardingError } from '../../domain/error.ts'
import { dppStatus } from './attribute.ts'
import { type AcceptedConfiguration, acceptConfigurations } from './configuration-check.ts'
import {
  type ConfigurationResponseMessage,
  type ConnectionStatus,
  openConfigurationResponse,
  sealConfigurationRequest,
  sealConfigurationResult,
  sealConnectionStatus,
} from './configuration-message.ts'
import { type ConfigurationRequest, encodeConfigurationRequest } from './configuration-request.ts'
import { curveProfile, type DppCurve } from './curve.ts'
import { challengePassword, decodeCsrAttributes } from './enterprise.ts'
import { dppFrame, encodeFrame, type Frame, type GasInitialResponse } from './frame.ts'
import type { DppKeyPair, DppPublicKey } from './key.ts'
import { newKeyTag } from './new-protocol-key.ts'

/*
 * The Enrollee's side of configuration (Easy Connect section 6.4), after authentication or reconfiguration: it asks, is told to
 * come back, to make a CSR or a new key, and in the end has networks or none.
 */

/** What went before; an AuthenticatedSession is one. */
export interface ConfigurationSession {
  readonly curve: DppCurve
  readonly ke: Secret
  /** Absent after a reconfiguration: no secrets are derived then but ke. */
  readonly bk?: Secret
  readonly peerVersion: number
  readonly ownProtocolKey: DppKeyPair
}

export interface ConfigurationOptions {
  readonly session: ConfigurationSession
  readonly request: Omit<ConfigurationRequest, 'pkcs10'>
  /** Of the GAS exchange: 0 over TCP. */
  readonly dialogToken: number
  /** False: a device without a clock, which judges no expiry. */
  readonly clockTrusted: boolean
}

interface Asking {
  readonly options: ConfigurationOptions
  /** The key that the Connector will be for: the protocol key, or the one that NEW_KEY_NEEDED asked for. */
  readonly netAccessKey: DppKeyPair
  readonly pkcs10?: Uint8Array
}

/** The request is out. `comeback`: it was answered with a delay, and asked after. */
export interface Requested extends Asking {
  readonly type: 'requested'
  readonly enrolleeNonce: Uint8Array
  readonly comeback: boolean
  /** How many times we were told to come back. */
  readonly comebacks: number
}
export interface Deferred extends Omit<Requested, 'type'> {
  readonly type: 'deferred'
}
/** A CSR is being made. */
export interface CsrAwaited extends Asking {
  readonly type: 'csr-awaited'
}
export interface KeyAwaited extends Asking {
  readonly type: 'key-awaited'
  readonly configuratorKey: DppPublicKey
}
/** The device is looking at what it was given, and storing it. */
export interface Granted {
  readonly type: 'granted'
  readonly options: ConfigurationOptions
  readonly enrolleeNonce: Uint8Array
  readonly sendConnectionStatus: boolean
}
/** The device has it, and may say whether it could connect. */
export interface Installed extends Omit<Granted, 'type'> {
  readonly type: 'installed'
}
export interface Done {
  readonly type: 'done'
}
export interface ConfigurationFailed {
  readonly type: 'failed'
  readonly reason: ConfigurationFailure
  /** What the Configurator said, of `dppStatus`. */
  readonly status?: number
  readonly error?: OnboardingError
  readonly detail?: string
}

export type ConfigurationFailure =
  /** The answer cannot be read, is for another request, or was made with another key. */
  | 'malformed'
  | 'unopenable'
  | 'mismatched'
  /** The Configurator says no. */
  | 'refused'
  /** We say no: `error` tells why. */
  | 'rejected'
  /** The device could not do its part: CSR, key. */
  | 'incapable'
  | 'timed-out'

export type ConfigurationState =
  | Requested
  | Deferred
  | CsrAwaited
  | KeyAwaited
  | Granted
  | Installed
  | Done
  | ConfigurationFailed

/** `at`: milliseconds since 1970; `random`: 32 octets, new each time. */
export type ConfigurationInput = ConfigurationEvent & { readonly at: number; readonly random: Uint8Array }

export type ConfigurationEvent =
  | { readonly type: 'received'; readonly frame: Frame }
  | { readonly type: 'timer-fired' }
  | { readonly type: 'csr-made'; readonly pkcs10: Uint8Array }
  | { readonly type: 'key-made'; readonly key: DppKeyPair }
  /** CSR or key could not be made. */
  | { readonly type: 'device-failed' }
  /** Durable: from here on the device may say so. */
  | { readonly type: 'configuration-installed' }
  | { readonly type: 'configuration-rejected'; readonly error: OnboardingError }
  | { readonly type: 'connection-tried'; readonly status: ConnectionStatus }
  | { readonly type: 'timed-out' }

export type ConfigurationEffect =
  | { readonly type: 'send'; readonly message: Buffer }
  | { readonly type: 'set-timer'; readonly milliseconds: number }
  /** Sign a PKCS #10 request with this key, with this challengePassword in it, and with what the Configurator wants. */
  | { readonly type: 'make-csr'; readonly key: DppKeyPair; readonly password: Secret; readonly attributes: CsrAttrs }
  | { readonly type: 'make-key'; readonly curve: DppCurve }
  /** Take it or leave it, and store it before saying so. */
  | {
      readonly type: 'install'
      readonly configurations: readonly AcceptedConfiguration[]
      /** The same as they came. */
      readonly objects: readonly Uint8Array[]
      readonly netAccessKey: DppKeyPair
      /** What a Configurator gives to another one. */
      readonly envelopedData?: Uint8Array
    }
  /** The Configurator wants to hear how connecting went. */
  | { readonly type: 'try-connection' }

export interface ConfigurationTransition {
  readonly state: ConfigurationState
  readonly effects: readonly ConfigurationEffect[]
}

/** A time unit of 802.11. */
const tuMs = 1.024
/** Two minutes at the delay that hostap names. */
const maxComebacks = 240
const maxDelayMs = 60_000

export function beginConfiguration(
  options: ConfigurationOptions,
  moment: { readonly random: Uint8Array },
): ConfigurationTransition {
  return ask({ options, netAccessKey: options.session.ownProtocolKey }, moment.random)
}

/** Each request has its own E-nonce. */
function ask(asking: Asking, random: Uint8Array, configuratorKey?: DppPublicKey): ConfigurationTransition {
  const { options, netAccessKey, pkcs10 } = asking
  const { session, request, dialogToken } = options
  const enrolleeNonce = Uint8Array.from(random.subarray(0, curveProfile(session.curve).nonceSize))
  const newKey =
    configuratorKey === undefined ? undefined : newKeyOf(session, enrolleeNonce, netAccessKey, configuratorKey)
  const attributes = sealConfigurationRequest(session, {
    enrolleeNonce,
    request: encodeConfigurationRequest({ ...request, ...(pkcs10 !== undefined && { pkcs10 }) }),
    ...(newKey !== undefined && { newKey }),
  })
  const message = encodeFrame({ kind: 'gas-initial-request', dialogToken, attributes })
  return {
    state: { ...asking, type: 'requested', enrolleeNonce, comeback: false, comebacks: 0 },
    effects: [{ type: 'send', message }],
  }
}

function newKeyOf(
  { curve, bk }: ConfigurationSession,
  nonce: Uint8Array,
  own: DppKeyPair,
  configurator: DppPublicKey,
): { readonly point: Uint8Array; readonly tag: Uint8Array } | undefined {
  if (bk === undefined) return undefined
  return { point: own.point, tag: newKeyTag({ curve, bk }, nonce, { own, configurator, enrollee: own }) }
}

export function stepConfiguration(state: ConfigurationState, input: ConfigurationInput): ConfigurationTransition {
  if (state.type === 'done' || state.type === 'failed') return stay(state)
  if (input.type === 'timed-out') return stay({ type: 'failed', reason: 'timed-out' })
  switch (state.type) {
    case 'requested':
      return input.type === 'received' ? answered(state, input.frame, input.at) : stay(state)
    case 'deferred':
      return input.type === 'timer-fired' ? comeBack(state) : stay(state)
    case 'csr-awaited':
      if (input.type === 'csr-made') return ask({ ...asking(state), pkcs10: input.pkcs10 }, input.random)
      return input.type === 'device-failed' ? stay({ type: 'failed', reason: 'incapable' }) : stay(state)
    case 'key-awaited':
      if (input.type === 'key-made')
        return ask({ ...asking(state), netAccessKey: input.key }, input.random, state.configuratorKey)
      return input.type === 'device-failed' ? stay({ type: 'failed', reason: 'incapable' }) : stay(state)
    case 'granted':
      return decided(state, input)
    case 'installed':
      return input.type === 'connection-tried' ? tell(state, input.status) : stay(state)
  }
}

function stay(state: ConfigurationState): ConfigurationTransition {
  return { state, effects: [] }
}

function asking({ options, netAccessKey, pkcs10 }: Asking): Asking {
  return { options, netAccessKey, ...(pkcs10 !== undefined && { pkcs10 }) }
}

function answered(state: Requested, frame: Frame, at: number): ConfigurationTransition {
  const expected = state.comeback ? 'gas-comeback-response' : 'gas-initial-response'
  // Whatever else comes in between is for somebody else, or comes twice.
  if (frame.kind !== expected || frame.dialogToken !== state.options.dialogToken) return stay(state)
  if (frame.statusCode !== 0) return stay({ type: 'failed', reason: 'malformed', detail: 'the GAS query was refused' })
  if (frame.comebackDelay !== 0) return defer(state, frame)
  try {
    return judged(state, openConfigurationResponse(state.options.session, frame.attributes), at)
  } catch (error) {
    return stay(failureOf(error))
  }
}

function defer(
  state: Requested,
  { comebackDelay }: Pick<GasInitialResponse, 'comebackDelay'>,
): ConfigurationTransition {
  const milliseconds = Math.ceil(comebackDelay * tuMs)
  if (state.comebacks === maxComebacks || milliseconds > maxDelayMs)
    return stay({ type: 'failed', reason: 'timed-out' })
  return { state: { ...state, type: 'deferred' }, effects: [{ type: 'set-timer', milliseconds }] }
}

function comeBack(state: Deferred): ConfigurationTransition {
  const { dialogToken } = state.options
  const message = encodeFrame({ kind: 'gas-comeback-request', dialogToken })
  return {
    state: { ...state, type: 'requested', comeback: true, comebacks: state.comebacks + 1 },
    effects: [{ type: 'send', message }],
  }
}

function judged(state: Requested, response: ConfigurationResponseMessage, at: number): ConfigurationTransition {
  if (Buffer.compare(response.enrolleeNonce, state.enrolleeNonce) !== 0)
    return stay({ type: 'failed', reason: 'mismatched', detail: 'the E-nonce is another' })
  const { status, csrAttributes, newKey } = response
  const { session } = state.options
  const { bk, ownProtocolKey } = session
  // Each may be asked for once: a Configurator that asks again would do so for ever.
  if (status === dppStatus.csrNeeded && csrAttributes !== undefined && state.pkcs10 === undefined && bk !== undefined)
    return makeCsr(state, bk, csrAttributes)
  const asksForKey = status === dppStatus.newKeyNeeded && newKey !== undefined && bk !== undefined
  if (asksForKey && state.netAccessKey === ownProtocolKey)
    return {
      state: { ...asking(state), type: 'key-awaited', configuratorKey: newKey },
      effects: [{ type: 'make-key', curve: newKey.curve }],
    }
  if (status !== dppStatus.ok) return stay({ type: 'failed', reason: 'refused', status })
  return grant(state, response, at)
}

function makeCsr(state: Requested, bk: Secret, csrAttributes: Uint8Array): ConfigurationTransition {
  const attributes = decodeCsrAttributes(csrAttributes)
  const password = challengePassword(state.options.session.curve, bk.reveal())
  return {
    state: { ...asking(state), type: 'csr-awaited' },
    effects: [{ type: 'make-csr', key: state.netAccessKey, password, attributes }],
  }
}

function grant(state: Requested, response: ConfigurationResponseMessage, at: number): ConfigurationTransition {
  const { options, netAccessKey, enrolleeNonce } = state
  const { objects = [], envelopedData, sendConnectionStatus = false } = response
  const granted: Granted = { type: 'granted', options, enrolleeNonce, sendConnectionStatus }
  try {
    const backup = options.request.netRole === 'configurator' && envelopedData !== undefined
    const context = { netAccessKey, ...(options.clockTrusted && { at: new Date(at) }) }
    const configurations = backup && objects.length === 0 ? [] : acceptConfigurations(objects, context)
    return {
      state: granted,
      effects: [{ type: 'install', configurations, objects, netAccessKey, ...(backup && { envelopedData }) }],
    }
  } catch (error) {
    if (!(error instanceof OnboardingError)) throw error
    return reject(granted, error)
  }
}

function decided(state: Granted, input: ConfigurationInput): ConfigurationTransition {
  if (input.type === 'configuration-rejected') return reject(state, input.error)
  if (input.type !== 'configuration-installed') return stay(state)
  const effects = result(state, dppStatus.ok)
  if (!state.sendConnectionStatus) return { state: { type: 'done' }, effects }
  return { state: { ...state, type: 'installed' }, effects: [...effects, { type: 'try-connection' }] }
}

function reject(state: Granted, error: OnboardingError): ConfigurationTransition {
  return {
    state: { type: 'failed', reason: 'rejected', error },
    effects: result(state, dppStatus.configurationRejected),
  }
}

/** A peer of version 1 knows no result: what it sent is what it believes. */
function result({ options, enrolleeNonce }: Granted | Installed, status: number): ConfigurationEffect[] {
  const { session } = options
  if (session.peerVersion < 2) return []
  const attributes = sealConfigurationResult(session, { status, enrolleeNonce })
  const message = encodeFrame({ kind: 'dpp', type: dppFrame.configurationResult, attributes })
  return [{ type: 'send', message }]
}

function tell({ options, enrolleeNonce }: Installed, status: ConnectionStatus): ConfigurationTransition {
  const attributes = sealConnectionStatus(options.session, { ...status, enrolleeNonce })
  const message = encodeFrame({ kind: 'dpp', type: dppFrame.connectionStatusResult, attributes })
  return { state: { type: 'done' }, effects: [{ type: 'send', message }] }
}

/** For what a hostile or broken peer can cause; any other error is ours and goes on. */
function failureOf(error: unknown): ConfigurationFailed {
  if (error instanceof CodecError) return { type: 'failed', reason: 'malformed', detail: error.message }
  if (!(error instanceof CryptoError)) throw error
  const reason = error.code === 'bad-signature' ? 'unopenable' : 'malformed'
  return { type: 'failed', reason, detail: error.message }
}
