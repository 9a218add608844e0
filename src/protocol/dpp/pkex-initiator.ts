import type { Secret } from '../../crypto/secret.ts'
import { type AttributeList, decodeAttributes } from './attribute.ts'
import { sameOctets } from './authentication.ts'
import { curveProfile, type DppCurve } from './curve.ts'
import { dppFrame, type Frame } from './frame.ts'
import type { DppKeyPair, DppPublicKey } from './key.ts'
import { addPublicKeys, subtractPublicKeys } from './multiple.ts'
import { encryptingElement, type PkexCode } from './pkex-element.ts'
import { isRefusal, openReveal, type PkexBinding, pkexKey, pkexSecret, pkexTag, sealReveal } from './pkex-key.ts'
import {
  curveWanted,
  decodeExchangeResponse,
  encodeExchangeRequest,
  encryptedPoint,
  type PkexExchangeResponse,
  type PkexVersion,
} from './pkex-message.ts'

/**
 * The Initiator of PKEX: two parties that share a code learn each other's bootstrapping keys. It goes on with an authentication
 * in which it is the Initiator again, now always mutual.
 */
export interface PkexOptions {
  readonly code: PkexCode
  /** What the peer is to learn. It sets the curve. */
  readonly bootstrappingKey: DppKeyPair
  /** Made for this exchange, on the curve of `bootstrappingKey`. */
  readonly ephemeralKey: DppKeyPair
  readonly protocolVersion: number
  /** Own MAC address, six octets: version 1. Absent: version 2, which needs none. */
  readonly mac?: Uint8Array
}

/** Exchange Request was sent. */
export interface Requested {
  readonly type: 'requested'
  readonly options: PkexOptions
  readonly encryptedKey: DppPublicKey
  readonly message: Buffer
}
/** Commit-Reveal Request was sent: whoever answered can tell now whether the code is his. */
export interface Revealed {
  readonly type: 'revealed'
  readonly options: PkexOptions
  readonly z: Secret
  readonly peerEphemeral: DppPublicKey
  readonly peerMac: Uint8Array
  readonly message: Buffer
}
export interface Bootstrapped {
  readonly type: 'bootstrapped'
  readonly peerKey: DppPublicKey
  readonly ownKey: DppKeyPair
}
export interface Failed {
  readonly type: 'failed'
  /** `curve-mismatch`: begin again with a key on `curve`, if there is one. `code-mismatch`: or somebody guesses. */
  readonly reason: 'curve-mismatch' | 'code-mismatch'
  readonly curve?: DppCurve
}

export type State = Requested | Revealed | Bootstrapped | Failed

export type Input =
  /** `mac`: of the peer, in version 1. */
  | { readonly type: 'received'; readonly frame: Frame; readonly mac?: Uint8Array }
  /** Nothing came: what was sent last is sent again. */
  | { readonly type: 'timed-out' }

export type Effect =
  | { readonly type: 'send'; readonly message: Buffer }
  /** Count a try at the code (`pkexCodeTried`), and keep the count before anything that follows is sent. */
  | { readonly type: 'count-try' }
  /** The code is gone (`pkexCodeSpent`). */
  | { readonly type: 'spend-code' }

export interface Transition {
  readonly state: State
  readonly effects: readonly Effect[]
}

const noMac = new Uint8Array()

/** With a code that `isPkexCodeUsable`. */
export function begin(options: PkexOptions): Transition {
  const { code, bootstrappingKey, ephemeralKey, protocolVersion, mac } = options
  const { curve } = bootstrappingKey
  const encryptedKey = addPublicKeys(ephemeralKey, encryptingElement(curve, 'initiator', code, mac))
  const message = encodeExchangeRequest({
    version: versionOf(options),
    ...(mac === undefined && { protocolVersion }),
    group: curveProfile(curve).group,
    ...(code.identifier !== undefined && { identifier: code.identifier }),
    encryptedKey: encryptedKey.point,
  })
  return { state: { type: 'requested', options, encryptedKey, message }, effects: [{ type: 'send', message }] }
}

function versionOf({ mac }: PkexOptions): PkexVersion {
  return mac === undefined ? 2 : 1
}

/** What the state does not wait for changes nothing, and neither does a message that cannot be read: anybody may send one. */
export function step(state: State, input: Input): Transition {
  if (state.type !== 'requested' && state.type !== 'revealed') return stay(state)
  if (input.type === 'timed-out') return { state, effects: [{ type: 'send', message: state.message }] }
  const { frame } = input
  if (frame.kind !== 'dpp') return stay(state)
  try {
    const list = decodeAttributes(frame.attributes)
    if (state.type === 'requested') {
      if (frame.type !== dppFrame.pkexExchangeResponse) return stay(state)
      const response = decodeExchangeResponse(versionOf(state.options), list)
      return answered(state, response, input.mac ?? noMac)
    }
    return frame.type === dppFrame.pkexCommitRevealResponse ? conclude(state, list) : stay(state)
  } catch (error) {
    if (!isRefusal(error)) throw error
    return stay(state)
  }
}

function stay(state: State): Transition {
  return { state, effects: [] }
}

function answered(state: Requested, response: PkexExchangeResponse, peerMac: Uint8Array): Transition {
  const { options } = state
  const { code, bootstrappingKey, ephemeralKey, mac } = options
  const { curve } = bootstrappingKey
  if (response.identifier !== code.identifier) return stay(state)
  if (mac !== undefined && peerMac.length !== mac.length) return stay(state)
  if (response.status === 'bad-group') return mismatched(state, response.group)
  const n = encryptedPoint(curve, response.encryptedKey)
  const peerEphemeral = subtractPublicKeys(n, encryptingElement(curve, 'responder', code, peerMac))
  const z = pkexKey({
    curve,
    k: pkexSecret(ephemeralKey, peerEphemeral),
    binding: bindingOf(options, response, peerMac),
    m: state.encryptedKey.point,
    n: n.point,
    code: code.code,
  })
  const u = pkexTag(
    pkexSecret(bootstrappingKey, peerEphemeral),
    mac ?? noMac,
    bootstrappingKey,
    peerEphemeral,
    ephemeralKey,
  )
  const message = sealReveal('initiator', z.reveal(), bootstrappingKey, u)
  return {
    state: { type: 'revealed', options, z, peerEphemeral, peerMac, message },
    effects: [{ type: 'count-try' }, { type: 'send', message }],
  }
}

function bindingOf(options: PkexOptions, response: PkexExchangeResponse, peerMac: Uint8Array): PkexBinding {
  if (options.mac !== undefined) return { initiator: options.mac, responder: peerMac }
  return { initiator: Uint8Array.of(options.protocolVersion), responder: Uint8Array.of(response.protocolVersion!) }
}

function mismatched(state: Requested, group: number): Transition {
  const curve = curveWanted(group)
  // A peer on our own curve has nothing to complain of.
  if (curve === state.options.bootstrappingKey.curve) return stay(state)
  const failed: Failed = { type: 'failed', reason: 'curve-mismatch', ...(curve !== undefined && { curve }) }
  return { state: failed, effects: [] }
}

function conclude(state: Revealed, list: AttributeList): Transition {
  const { options, z, peerEphemeral, peerMac } = state
  const { ephemeralKey, bootstrappingKey } = options
  list.need('wrappedData')
  try {
    const { key, tag } = openReveal('responder', bootstrappingKey.curve, z.reveal(), list)
    const v = pkexTag(pkexSecret(ephemeralKey, key), peerMac, key, ephemeralKey, peerEphemeral)
    if (!sameOctets(v, tag)) return codeMismatch()
    return {
      state: { type: 'bootstrapped', peerKey: key, ownKey: bootstrappingKey },
      effects: [{ type: 'spend-code' }],
    }
  } catch (error) {
    if (!isRefusal(error)) throw error
    return codeMismatch()
  }
}

/** The try was counted when Commit-Reveal Request left. */
function codeMismatch(): Transition {
  return { state: { type: 'failed', reason: 'code-mismatch' }, effects: [] }
}
