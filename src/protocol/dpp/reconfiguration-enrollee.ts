import type { Secret } from '../../crypto/secret.ts'
import { OnboardingError } from '../../domain/error.ts'
import { dppStatus } from './attribute.ts'
import { type AuthenticatedSession, type AuthenticationFailed, failed, kept, sameOctets } from './authentication.ts'
import type { ConnectionStatus } from './configuration-message.ts'
import { type Connector, verifyConnector } from './connector.ts'
import { dppFrame, type Frame } from './frame.ts'
import type { SigningKey } from './jwk.ts'
import { agreeWithSum, type DppKeyPair, type DppPublicKey, keyId } from './key.ts'
import { hideIdentity } from './reconfiguration-identity.ts'
import {
  decodeReconfigurationRequest,
  encodeReconfigurationAnnouncement,
  openReconfigurationConfirm,
  type ReconfigurationRequest,
  sealReconfigurationResponse,
} from './reconfiguration-message.ts'
import {
  reconfigurationFailure,
  reconfigurationKey,
  reconfigurationSession,
  requireCurve,
  requireNonce,
} from './reconfiguration-session.ts'

/*
 * The device of a reconfiguration: it was configured once, and its network does not let it in any more. It announces itself
 * and answers only a Configurator whose Connector its own C-sign key has signed.
 */

export interface EnrolleeOptions {
  /** Came with the configuration, as did the two that follow. */
  readonly csign: SigningKey
  readonly ppKey: DppPublicKey
  /** Own Connector, and the key in it. */
  readonly connector: string
  readonly netAccessKey: DppKeyPair
  /** E-id: a random point on the curve of the ppKey, kept for as long as the ppKey is. */
  readonly identity: DppPublicKey
  /** Made for this announcement, on the curve of the ppKey. */
  readonly a: DppKeyPair
  /** Made for this exchange, on the curve of the netAccessKey. */
  readonly protocolKey: DppKeyPair
  /** E-nonce: random, as long as the curve of the netAccessKey has it. */
  readonly nonce: Uint8Array
  readonly version: number
  /** Why it asks. */
  readonly connectionStatus: ConnectionStatus
  /** Absent: a device without a clock. */
  readonly at?: Date
}

/** Announcement was sent. */
export interface Announced {
  readonly type: 'announced'
  readonly options: EnrolleeOptions
  readonly announcement: Buffer
}
/** Reconfiguration Authentication Response was sent. */
export interface Responded {
  readonly type: 'responded'
  readonly options: EnrolleeOptions
  readonly request: ReconfigurationRequest
  readonly configurator: Connector
  readonly ke: Secret
  readonly response: Buffer
}
/** It goes on with its Configuration Request. */
export interface Authenticated {
  readonly type: 'authenticated'
  readonly session: AuthenticatedSession
}

export type State = Announced | Responded | Authenticated | AuthenticationFailed

export type Input =
  | { readonly type: 'received'; readonly frame: Frame }
  | { readonly type: 'announcement-due' }
  | { readonly type: 'timed-out' }

export type Effect = { readonly type: 'send'; readonly message: Buffer }

export interface Transition {
  readonly state: State
  readonly effects: readonly Effect[]
}

/** Throws CryptoError `key-mismatch` when keys or nonce do not fit together. */
export function begin(options: EnrolleeOptions): Transition {
  const { csign, ppKey, netAccessKey, identity, a, protocolKey, nonce } = options
  requireCurve(netAccessKey.curve, protocolKey, 'the protocol key')
  requireNonce(netAccessKey.curve, nonce)
  requireCurve(csign.key.curve, ppKey, 'the ppKey')
  const announcement = encodeReconfigurationAnnouncement({
    csignHash: Buffer.from(keyId(csign.key), 'base64url'),
    curve: netAccessKey.curve,
    ...hideIdentity(identity, ppKey, a),
  })
  return {
    state: { type: 'announced', options, announcement },
    effects: [{ type: 'send', message: announcement }],
  }
}

/** Inputs that the state does not wait for change nothing. */
export function step(state: State, input: Input): Transition {
  if (state.type !== 'announced' && state.type !== 'responded') return stay(state)
  if (input.type === 'timed-out') return stay(failed('timed-out'))
  if (input.type === 'announcement-due') {
    return state.type === 'announced'
      ? { state, effects: [{ type: 'send', message: state.announcement }] }
      : stay(state)
  }
  const { frame } = input
  if (frame.kind !== 'dpp') return stay(state)
  if (state.type === 'announced') {
    return frame.type === dppFrame.reconfigurationAuthenticationRequest ? hear(state, frame.attributes) : stay(state)
  }
  if (frame.type !== dppFrame.reconfigurationAuthenticationConfirm) return stay(state)
  try {
    return stay(conclude(state, frame.attributes))
  } catch (error) {
    return stay(reconfigurationFailure(error))
  }
}

function stay(state: State): Transition {
  return { state, effects: [] }
}

/** Everybody can send a request: one that is not of our Configurator is as if it had not come. */
function hear(state: Announced, attributes: Uint8Array): Transition {
  try {
    return respond(state.options, attributes)
  } catch (error) {
    reconfigurationFailure(error)
    return stay(state)
  }
}

function respond(options: EnrolleeOptions, attributes: Uint8Array): Transition {
  const { csign, netAccessKey, protocolKey, nonce, version, connectionStatus, at } = options
  const { curve } = netAccessKey
  const request = decodeReconfigurationRequest(curve, attributes)
  const configurator = verifyConnector(request.connector, {
    csign: csign.key,
    kid: csign.kid,
    ...(at !== undefined && { at }),
  })
  requireConfigurator(configurator)
  requireCurve(curve, configurator.netAccessKey, 'the Configurator’s netAccessKey')
  const m = agreeWithSum(netAccessKey, protocolKey, configurator.netAccessKey)
  const ke = reconfigurationKey(curve, request.configuratorNonce, nonce, m)
  m.fill(0)
  const response = sealReconfigurationResponse(
    ke,
    { transaction: request.transaction, version, connector: options.connector, enrolleeNonce: nonce, protocolKey },
    { configuratorNonce: request.configuratorNonce, connectionStatus },
  )
  return {
    state: { type: 'responded', options, request, configurator, ke: kept(ke), response },
    effects: [{ type: 'send', message: response }],
  }
}

function conclude(state: Responded, attributes: Uint8Array): State {
  const { options, request, configurator, ke } = state
  const { netAccessKey, protocolKey, nonce, version } = options
  const confirm = openReconfigurationConfirm(ke.reveal(), netAccessKey.curve, attributes)
  if (confirm.transaction !== request.transaction) return failed('mismatched', 'the transaction is another')
  if (confirm.version !== version) return failed('mismatched', 'the version is not what we said')
  if (!sameOctets(confirm.configuratorNonce, request.configuratorNonce)) return failed('mismatched', 'another C-nonce')
  if (!sameOctets(confirm.enrolleeNonce, nonce)) return failed('mismatched', 'the E-nonce is another')
  if (confirm.status !== dppStatus.ok) return { type: 'failed', reason: 'refused', status: confirm.status }
  const session = reconfigurationSession(ke, 'enrollee', request.version, {
    own: confirm.replaceKey ? protocolKey : netAccessKey,
    peer: configurator.netAccessKey,
  })
  return { type: 'authenticated', session }
}

/** Every station of the network has a Connector of our Configurator; only a Configurator's has this role. */
function requireConfigurator({ groups }: Connector): void {
  if (groups.some(({ netRole }) => netRole === 'configurator')) return
  throw new OnboardingError('connector-invalid', { rule: 'netRole' })
}
