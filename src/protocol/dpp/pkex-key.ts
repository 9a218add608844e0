import { CodecError } from '../../codec/error.ts'
import { openAesSiv, sealAesSiv } from '../../crypto/aes-siv.ts'
import { CryptoError } from '../../crypto/error.ts'
import type { Secret } from '../../crypto/secret.ts'
import { type AttributeList, decodeAttributes, encodeAttributes } from './attribute.ts'
import { kept } from './authentication.ts'
import { curveProfile, type DppCurve } from './curve.ts'
import { dppFrame, encodeFrame, frameHeader } from './frame.ts'
import { agree, type DppKeyPair, type DppPublicKey, importPoint } from './key.ts'
import { dppHmac, hkdf } from './key-schedule.ts'
import type { PkexRole } from './pkex-element.ts'

/** What z binds besides K: the MAC addresses in version 1, the protocol versions in version 2. Initiator first. */
export interface PkexBinding {
  readonly initiator: Uint8Array
  readonly responder: Uint8Array
}

export interface PkexAgreement {
  readonly curve: DppCurve
  /** x of x * Y. */
  readonly k: Uint8Array
  readonly binding: PkexBinding
  /** M and N, x|y. */
  readonly m: Uint8Array
  readonly n: Uint8Array
  readonly code: Secret
}

/** z, which wraps Commit and Reveal: HKDF with the salt of zeros. */
export function pkexKey({ curve, k, binding, m, n, code }: PkexAgreement): Secret {
  const { coordinateSize } = curveProfile(curve)
  const parts = [binding.initiator, binding.responder, xOf(coordinateSize, m), xOf(coordinateSize, n), code.reveal()]
  const info = Buffer.concat(parts)
  const z = kept(hkdf(curve, undefined, k, info))
  info.fill(0)
  return z
}

/**
 * u of the Initiator, v of the Responder: HMAC(J.x or L.x, [MAC |] own bootstrapping key | the other's ephemeral key |
 * own ephemeral key), x of each. It ties the bootstrapping key to the exchange.
 *
 * @param secret J.x or L.x
 * @param mac of the party whose tag it is; empty in version 2
 */
export function pkexTag(
  secret: Uint8Array,
  mac: Uint8Array,
  bootstrapping: DppPublicKey,
  theirs: DppPublicKey,
  own: DppPublicKey,
): Buffer {
  const { coordinateSize } = curveProfile(bootstrapping.curve)
  const points = [bootstrapping, theirs, own].map(({ point }) => xOf(coordinateSize, point))
  return dppHmac(bootstrapping.curve, secret, mac, ...points)
}

const revealing = {
  initiator: { type: dppFrame.pkexCommitRevealRequest, number: 0, tag: 'initiatorAuthenticatingTag' },
  responder: { type: dppFrame.pkexCommitRevealResponse, number: 1, tag: 'responderAuthenticatingTag' },
} as const

/** Commit-Reveal Request or Response: nothing but a wrapped bootstrapping key and its tag. */
export function sealReveal(role: PkexRole, z: Uint8Array, key: DppKeyPair, tag: Uint8Array): Buffer {
  const { type, number, tag: name } = revealing[role]
  const clear = encodeAttributes([
    ['bootstrappingKey', key.point],
    [name, tag],
  ])
  const wrapped = sealAesSiv(z, clear, frameHeader(type), Buffer.of(number))
  return encodeFrame({ kind: 'dpp', type, attributes: encodeAttributes([['wrappedData', wrapped]]) })
}

export interface Revealed {
  readonly key: DppPublicKey
  readonly tag: Uint8Array
}

/** Throws CodecError for what is malformed, CryptoError for another z and for a key that is no point. */
export function openReveal(role: PkexRole, curve: DppCurve, z: Uint8Array, list: AttributeList): Revealed {
  const { type, number, tag: name } = revealing[role]
  const wrapped = list.need('wrappedData')
  const clear = decodeAttributes(openAesSiv(z, wrapped, frameHeader(type), Buffer.of(number)))
  const { coordinateSize, hashSize } = curveProfile(curve)
  const tag = clear.need(name, hashSize)
  return { key: importPoint(curve, clear.need('bootstrappingKey', 2 * coordinateSize)), tag }
}

/** x of own * theirs: K, J and L. */
export const pkexSecret = agree

/** Every way in which a peer's message can be wrong: it is then as if it had not come, or the code was wrong. */
export function isRefusal(error: unknown): boolean {
  return error instanceof CodecError || error instanceof CryptoError
}

function xOf(size: number, point: Uint8Array): Uint8Array {
  return point.subarray(0, size)
}
