import { hash } from 'node:crypto'
import { type CurveProfile, curveProfile, type DppCurve } from './curve.ts'

/*
 * Hash, HMAC and HKDF as a curve has them, and what authentication derives with them. HMAC (RFC 2104) is spelled out with hashes
 * in one call: an Hmac object and its key are four times the price, and garbage of the kind that is dear to collect. Every
 * output has the length of one hash unless it says otherwise.
 */

export function dppHash(curve: DppCurve, ...parts: readonly Uint8Array[]): Buffer {
  return hash(curveProfile(curve).hash, Buffer.concat(parts), 'buffer')
}

export function dppHmac(curve: DppCurve, key: Uint8Array, ...parts: readonly Uint8Array[]): Buffer {
  const { hash: algorithm } = curveProfile(curve)
  const size = algorithm === 'sha256' ? 64 : 128
  const short = key.length > size ? hash(algorithm, key, 'buffer') : key
  const inner = Buffer.concat([Buffer.alloc(size, 0x36), ...parts])
  const outer = Buffer.alloc(size, 0x5c)
  for (let at = 0; at < short.length; at++) {
    inner[at]! ^= short[at]!
    outer[at]! ^= short[at]!
  }
  const digest = hash(algorithm, inner, 'buffer')
  const mac = hash(algorithm, Buffer.concat([outer, digest]), 'buffer')
  inner.fill(0)
  outer.fill(0)
  return mac
}

/** HKDF (RFC 5869), one hash long. @param salt undefined: as many zeros as a hash is long */
export function hkdf(
  curve: DppCurve,
  salt: Uint8Array | undefined,
  secret: Uint8Array,
  info: string | Uint8Array,
): Buffer {
  const pseudoRandomKey = hkdfExtract(curve, salt, secret)
  const key = hkdfExpand(curve, pseudoRandomKey, info)
  pseudoRandomKey.fill(0)
  return key
}

function hkdfExtract(curve: DppCurve, salt: Uint8Array | undefined, secret: Uint8Array): Buffer {
  return dppHmac(curve, salt ?? Buffer.alloc(curveProfile(curve).hashSize), secret)
}

/** HKDF-Expand (RFC 5869 section 2.3). @param length octets, one hash unless given */
export function hkdfExpand(curve: DppCurve, key: Uint8Array, info: string | Uint8Array, length?: number): Buffer {
  const { hashSize } = curveProfile(curve)
  const wanted = length ?? hashSize
  const text = typeof info === 'string' ? Buffer.from(info) : info
  const blocks: Buffer[] = []
  for (let count = 1; (count - 1) * hashSize < wanted; count++) {
    blocks.push(dppHmac(curve, key, blocks.at(-1) ?? Buffer.alloc(0), text, Buffer.of(count)))
  }
  return blocks.length === 1 && wanted === hashSize ? blocks[0]! : Buffer.concat(blocks).subarray(0, wanted)
}

/** k1. @param m x of pI * BR */
export function firstKey(curve: DppCurve, m: Uint8Array): Buffer {
  return hkdf(curve, undefined, m, 'first intermediate key')
}

/** k2. @param n x of pI * PR */
export function secondKey(curve: DppCurve, n: Uint8Array): Buffer {
  return hkdf(curve, undefined, n, 'second intermediate key')
}

/** What both parties know at the end: points as x|y. BI is there when authentication is mutual, and L.x with it. */
export interface Agreement {
  readonly curve: DppCurve
  readonly initiatorNonce: Uint8Array
  readonly responderNonce: Uint8Array
  readonly m: Uint8Array
  readonly n: Uint8Array
  readonly mutual?: { readonly initiatorBootstrappingKey: Uint8Array; readonly l: Uint8Array }
  readonly responderBootstrappingKey: Uint8Array
  readonly initiatorProtocolKey: Uint8Array
  readonly responderProtocolKey: Uint8Array
}

export interface SessionKeys {
  /** What later secrets of this exchange are derived from. */
  readonly bk: Buffer
  /** Wraps everything from here on. */
  readonly ke: Buffer
  readonly responderTag: Buffer
  readonly initiatorTag: Buffer
}

export function sessionKeys(agreement: Agreement): SessionKeys {
  const { curve, initiatorNonce, responderNonce, m, n, mutual } = agreement
  const secrets = mutual === undefined ? [m, n] : [m, n, mutual.l]
  const bk = dppHmac(curve, Buffer.concat([initiatorNonce, responderNonce]), ...secrets)
  return { bk, ke: hkdfExpand(curve, bk, 'DPP Key'), ...authenticatingTags(agreement) }
}

/** R-auth and I-auth: each party says with its tag that it has seen the same nonces and keys. */
function authenticatingTags(agreement: Agreement): Pick<SessionKeys, 'responderTag' | 'initiatorTag'> {
  const { curve, initiatorNonce, responderNonce, mutual } = agreement
  const profile = curveProfile(curve)
  const pi = xOf(profile, agreement.initiatorProtocolKey)
  const pr = xOf(profile, agreement.responderProtocolKey)
  const br = xOf(profile, agreement.responderBootstrappingKey)
  const bi = mutual === undefined ? [] : [xOf(profile, mutual.initiatorBootstrappingKey)]
  return {
    responderTag: dppHash(curve, initiatorNonce, responderNonce, pi, pr, ...bi, br, Buffer.of(0)),
    initiatorTag: dppHash(curve, responderNonce, initiatorNonce, pr, pi, br, ...bi, Buffer.of(1)),
  }
}

function xOf({ coordinateSize }: CurveProfile, point: Uint8Array): Uint8Array {
  return point.subarray(0, coordinateSize)
}
