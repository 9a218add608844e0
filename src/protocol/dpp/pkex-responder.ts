import type { Secret } from '../../crypto/secret.ts'
import { type AttributeList, decodeAttributes } from './attribute.ts'
import { sameOctets } from './authentication.ts'
import { curveProfile } from './curve.ts'
import { type DppFrame, dppFrame } from './frame.ts'
import type { DppPublicKey } from './key.ts'
import { addPublicKeys, subtractPublicKeys } from './multiple.ts'
import { encryptingElement } from './pkex-element.ts'
import type { Bootstrapped, Effect, Input, PkexOptions } from './pkex-initiator.ts'
import { isRefusal, openReveal, type PkexBinding, pkexKey, pkexSecret, pkexTag, sealReveal } from './pkex-key.ts'
import {
  decodeExchangeRequest,
  encodeExchangeResponse,
  encryptedPoint,
  type PkexExchangeRequest,
} from './pkex-message.ts'

/*
 * The Responder of PKEX. It speaks version 1 when it is given its own MAC address, else version 2. After it has
 * bootstrapped, the peer begins an authentication.
 */

/** Nothing has come yet. */
export interface Listening {
  readonly type: 'listening'
  readonly options: PkexOptions
}
/** Exchange Response was sent. */
export interface Exchanged {
  readonly type: 'exchanged'
  readonly options: PkexOptions
  readonly request: DppFrame
  readonly response: Buffer
  readonly z: Secret
  readonly peerEphemeral: DppPublicKey
  readonly peerMac: Uint8Array
}
/** As of the Initiator; what was sent last is kept, since the answer may have been lost. */
export interface Answered extends Bootstrapped {
  readonly request: DppFrame
  readonly response: Buffer
}
export interface Failed {
  readonly type: 'failed'
  readonly reason: 'code-mismatch'
}

export type State = Listening | Exchanged | Answered | Failed

export interface Transition {
  readonly state: State
  readonly effects: readonly Effect[]
}

const noMac = new Uint8Array()

/** With a code that `isPkexCodeUsable`. */
export function begin(options: PkexOptions): State {
  return { type: 'listening', options }
}

/**
 * Which code an Exchange Request of version 2 is for, for whoever keeps several: its identifier, or undefined when it names
 * none. Throws CodecError. @param attributes of the frame
 */
export function identifierAsked(attributes: Uint8Array): string | undefined {
  return decodeExchangeRequest(dppFrame.pkexExchangeRequest, decodeAttributes(attributes)).identifier
}

/** A message that is not waited for, or cannot be read, changes nothing and is not answered. */
export function step(state: State, input: Input): Transition {
  if (input.type !== 'received' || input.frame.kind !== 'dpp') return stay(state)
  const { frame, mac = noMac } = input
  try {
    switch (state.type) {
      case 'listening':
        return exchange(state, frame, mac)
      case 'exchanged':
        return repeated(state, frame) ?? reveal(state, frame)
      case 'bootstrapped':
        return repeated(state, frame) ?? stay(state)
      case 'failed':
        return stay(state)
    }
  } catch (error) {
    if (!isRefusal(error)) throw error
    return stay(state)
  }
}

function stay(state: State): Transition {
  return { state, effects: [] }
}

/** Our answer was lost: the same one again, which says nothing new. */
function repeated(state: Exchanged | Answered, { type, attributes }: DppFrame): Transition | undefined {
  if (state.request.type !== type || Buffer.compare(state.request.attributes, attributes) !== 0) return undefined
  return { state, effects: [{ type: 'send', message: state.response }] }
}

function exchange(state: Listening, frame: DppFrame, peerMac: Uint8Array): Transition {
  const { options } = state
  const { code, bootstrappingKey, mac, protocolVersion } = options
  const { curve } = bootstrappingKey
  const type = mac === undefined ? dppFrame.pkexExchangeRequest : dppFrame.pkexVersion1ExchangeRequest
  if (frame.type !== type) return stay(state)
  const request = decodeExchangeRequest(type, decodeAttributes(frame.attributes))
  if (request.identifier !== code.identifier) return stay(state)
  if (mac !== undefined && peerMac.length !== mac.length) return stay(state)
  const common = {
    ...(mac === undefined && { protocolVersion }),
    ...(code.identifier !== undefined && { identifier: code.identifier }),
  }
  const { group } = curveProfile(curve)
  if (request.group !== group) {
    return {
      state,
      effects: [{ type: 'send', message: encodeExchangeResponse({ status: 'bad-group', ...common, group }) }],
    }
  }
  const m = encryptedPoint(curve, request.encryptedKey)
  const peerEphemeral = unveiled(m, encryptingElement(curve, 'initiator', code, peerMac))
  // M = Qi says nothing but "I have guessed": a try, without an answer.
  if (peerEphemeral === undefined)
    return { state: { type: 'failed', reason: 'code-mismatch' }, effects: [{ type: 'count-try' }] }
  return agreed(state, frame, { request, m, peerEphemeral, peerMac, common })
}

/** M - Qi; undefined at infinity. */
function unveiled(m: DppPublicKey, element: DppPublicKey): DppPublicKey | undefined {
  return m.point.equals(element.point) ? undefined : subtractPublicKeys(m, element)
}

interface Exchange {
  readonly request: PkexExchangeRequest
  readonly m: DppPublicKey
  readonly peerEphemeral: DppPublicKey
  readonly peerMac: Uint8Array
  readonly common: { readonly protocolVersion?: number; readonly identifier?: string }
}

function agreed({ options }: Listening, frame: DppFrame, exchange: Exchange): Transition {
  const { code, bootstrappingKey, ephemeralKey, mac } = options
  const { m, peerEphemeral, peerMac, common } = exchange
  const { curve } = bootstrappingKey
  const n = addPublicKeys(ephemeralKey, encryptingElement(curve, 'responder', code, mac))
  const z = pkexKey({
    curve,
    k: pkexSecret(ephemeralKey, peerEphemeral),
    binding: bindingOf(options, exchange),
    m: m.point,
    n: n.point,
    code: code.code,
  })
  const response = encodeExchangeResponse({ status: 'ok', ...common, encryptedKey: n.point })
  return {
    state: { type: 'exchanged', options, request: frame, response, z, peerEphemeral, peerMac },
    effects: [{ type: 'send', message: response }],
  }
}

function bindingOf({ mac, protocolVersion }: PkexOptions, { request, peerMac }: Exchange): PkexBinding {
  if (mac !== undefined) return { initiator: peerMac, responder: mac }
  return { initiator: Uint8Array.of(request.protocolVersion!), responder: Uint8Array.of(protocolVersion) }
}

function reveal(state: Exchanged, frame: DppFrame): Transition {
  if (frame.type !== dppFrame.pkexCommitRevealRequest) return stay(state)
  const list = decodeAttributes(frame.attributes)
  // Without it nobody has guessed.
  list.need('wrappedData')
  const { options, z, peerEphemeral } = state
  const { ephemeralKey, bootstrappingKey, mac = noMac } = options
  const peerKey = revealedKey(state, list)
  if (peerKey === undefined) {
    return { state: { type: 'failed', reason: 'code-mismatch' }, effects: [{ type: 'count-try' }] }
  }
  const v = pkexTag(pkexSecret(bootstrappingKey, peerEphemeral), mac, bootstrappingKey, peerEphemeral, ephemeralKey)
  const response = sealReveal('responder', z.reveal(), bootstrappingKey, v)
  return {
    state: { type: 'bootstrapped', peerKey, ownKey: bootstrappingKey, request: frame, response },
    effects: [{ type: 'spend-code' }, { type: 'send', message: response }],
  }
}

/** The Initiator's bootstrapping key; undefined when its code was another. */
function revealedKey({ options, z, peerEphemeral, peerMac }: Exchanged, list: AttributeList): DppPublicKey | undefined {
  const { ephemeralKey, bootstrappingKey } = options
  try {
    const { key, tag } = openReveal('initiator', bootstrappingKey.curve, z.reveal(), list)
    const u = pkexTag(pkexSecret(ephemeralKey, key), peerMac, key, ephemeralKey, peerEphemeral)
    return sameOctets(u, tag) ? key : undefined
  } catch (error) {
    if (!isRefusal(error)) throw error
    return undefined
  }
}
