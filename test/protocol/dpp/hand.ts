import assert from 'node:assert/strict'
import { type AuthenticatedSession, capability } from '../../../src/protocol/dpp/authentication.ts'
import * as initiator from '../../../src/protocol/dpp/authentication-initiator.ts'
import * as responder from '../../../src/protocol/dpp/authentication-responder.ts'
import {
  openConfigurationResponse,
  sealConfigurationRequest,
  sealConfigurationResult,
  sealConnectionStatus,
} from '../../../src/protocol/dpp/configuration-message.ts'
import { encodeConfigurationRequest } from '../../../src/protocol/dpp/configuration-request.ts'
import {
  type Effect,
  initiate,
  respond,
  type State,
  step,
  type Transition,
} from '../../../src/protocol/dpp/configurator.ts'
import type { DppCurve } from '../../../src/protocol/dpp/curve.ts'
import { dppFrame, encodeFrame } from '../../../src/protocol/dpp/frame.ts'
import { dppFrameOf, initiatorOptions, nonceOf, responderOptions, scanned } from './party.ts'

export const sent = ({ effects }: Transition): Buffer[] =>
  effects.flatMap(effect => (effect.type === 'send' ? [effect.message] : []))
export const only = (transition: Transition): Buffer => {
  const [message, ...more] = sent(transition)
  assert.ok(message !== undefined && more.length === 0, JSON.stringify(transition.state))
  return message
}
export const effect = <T extends Effect['type']>(
  { effects, state }: Transition,
  type: T,
): Extract<Effect, { type: T }> => {
  const found = effects.find((each): each is Extract<Effect, { type: T }> => each.type === type)
  assert.ok(found, `no ${type} in ${state.type}`)
  return found
}
export const received = (message: Uint8Array) => ({ type: 'received', message }) as const
export const unchanged = (state: State, message: Uint8Array) =>
  assert.deepEqual(step(state, received(message)), { state, effects: [] })

/** An Enrollee that we move by hand, so that it can do what a well-behaved one does not. */
export class Hand {
  readonly session: AuthenticatedSession
  readonly nonce: Buffer
  #token = 7

  constructor(session: AuthenticatedSession) {
    this.session = session
    this.nonce = nonceOf(session.curve)
  }

  ask(over: { netRole?: 'sta' | 'ap' | 'configurator'; pkcs10?: Uint8Array; json?: Uint8Array; newKey?: NewKey } = {}) {
    const request = { name: 'Lamp', netRole: over.netRole ?? 'sta', thirdParty: {} } as const
    const pkcs10 = over.pkcs10 === undefined ? {} : { pkcs10: over.pkcs10 }
    const attributes = sealConfigurationRequest(this.session, {
      enrolleeNonce: this.nonce,
      request: over.json ?? encodeConfigurationRequest({ ...request, ...pkcs10 }),
      ...(over.newKey && { newKey: over.newKey }),
    })
    return encodeFrame({ kind: 'gas-initial-request', dialogToken: this.#token, attributes })
  }

  read(message: Uint8Array) {
    // GAS Initial Response: token echoed, no delay.
    assert.deepEqual([...message.subarray(0, 6)], [11, this.#token, 0, 0, 0, 0])
    return openConfigurationResponse(this.session, message.subarray(18))
  }

  result(status: number, enrolleeNonce: Uint8Array = this.nonce) {
    const attributes = sealConfigurationResult(this.session, { status, enrolleeNonce })
    return encodeFrame({ kind: 'dpp', type: dppFrame.configurationResult, attributes })
  }

  connection(result: number, enrolleeNonce: Uint8Array = this.nonce) {
    const attributes = sealConnectionStatus(this.session, { result, enrolleeNonce })
    return encodeFrame({ kind: 'dpp', type: dppFrame.connectionStatusResult, attributes })
  }
}

export interface NewKey {
  readonly point: Uint8Array
  readonly tag: Uint8Array
}

interface Setting {
  readonly curve?: DppCurve
  readonly mutual?: boolean
  readonly version?: number
}

/** We ask: the way of a chirp. */
export function asInitiator({ curve = 'P-256', mutual = false, version = 3 }: Setting = {}) {
  const enrollee = responderOptions(curve, { version })
  const { capabilities: _, ...options } = initiatorOptions(enrollee.own)
  const asked = initiate(options)
  const known = mutual ? { initiator: scanned(options.own) } : {}
  const answered = responder.begin({ ...enrollee, ...known }, dppFrameOf(only(asked)).attributes)
  assert.ok(answered.effects[0])
  const authenticated = step(asked.state, received(answered.effects[0].message))
  const done = responder.step(answered.state, { type: 'received', frame: dppFrameOf(only(authenticated)) })
  assert.ok(done.state.type === 'authenticated')
  return { state: authenticated.state, hand: new Hand(done.state.session), transition: authenticated }
}

/** We are asked: the way of an Enrollee that has scanned our code. */
export function asResponder({ curve = 'P-256', mutual = false, version = 3 }: Setting = {}) {
  const { capabilities: _, ...options } = responderOptions(curve)
  const enrollee = initiatorOptions(options.own, { capabilities: capability.enrollee, version })
  const asked = initiator.begin(enrollee)
  const known = mutual ? { initiator: scanned(enrollee.own) } : {}
  assert.ok(asked.effects[0]?.type === 'send')
  const answered = respond({ ...options, ...known }, dppFrameOf(asked.effects[0].message))
  const confirmed = initiator.step(asked.state, { type: 'received', frame: dppFrameOf(only(answered)) })
  assert.ok(confirmed.state.type === 'authenticated' && confirmed.effects[0]?.type === 'send')
  const transition = step(answered.state, received(confirmed.effects[0].message))
  return { state: transition.state, hand: new Hand(confirmed.state.session), transition }
}
