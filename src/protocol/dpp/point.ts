import { CryptoError } from '../../crypto/error.ts'
import { type CurveProfile, curveProfile, type DppCurve } from './curve.ts'

/*
 * The little arithmetic that node:crypto has no operation for: adding two points, and scalars modulo the order. Points are x|y,
 * big-endian, each coordinate as long as the field. Not in constant time: what passes through here is public, or a sum with
 * a scalar that is thrown away after one exchange.
 */

/** Throws CryptoError `malformed-key` for a sum at infinity, which no honest pair of keys has. */
export function addPoints(curve: DppCurve, left: Uint8Array, right: Uint8Array): Buffer {
  const profile = curveProfile(curve)
  const { p, a } = profile.equation
  const [x1, y1] = coordinates(profile, left)
  const [x2, y2] = coordinates(profile, right)
  if (x1 === x2 && (y1 + y2) % p === 0n) throw new CryptoError('malformed-key', 'the sum of two points is at infinity')
  const slope = x1 === x2 ? (3n * x1 * x1 + a) * invert(2n * y1, p) : (y2 - y1) * invert(x2 - x1, p)
  const x = modulo(slope * slope - x1 - x2, p)
  return joined(profile, x, modulo(slope * (x1 - x) - y1, p))
}

/** The point with the other y. */
export function negatePoint(curve: DppCurve, point: Uint8Array): Buffer {
  const profile = curveProfile(curve)
  const [x, y] = coordinates(profile, point)
  return joined(profile, x, modulo(-y, profile.equation.p))
}

/** (left + right) mod q, as long as the field; undefined when that is 0. */
export function addScalars(curve: DppCurve, left: Uint8Array, right: Uint8Array): Buffer | undefined {
  const profile = curveProfile(curve)
  const sum = (read(left) + read(right)) % profile.equation.q
  return sum === 0n ? undefined : write(profile, sum)
}

/** Whether 0 < scalar < q. */
export function isScalar(curve: DppCurve, scalar: Uint8Array): boolean {
  const value = read(scalar)
  return value > 0n && value < curveProfile(curve).equation.q
}

function coordinates({ coordinateSize }: CurveProfile, point: Uint8Array): [x: bigint, y: bigint] {
  return [read(point.subarray(0, coordinateSize)), read(point.subarray(coordinateSize))]
}

function joined(profile: CurveProfile, x: bigint, y: bigint): Buffer {
  return Buffer.concat([write(profile, x), write(profile, y)])
}

export function read(bytes: Uint8Array): bigint {
  return BigInt(`0x0${Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('hex')}`)
}

export function write({ coordinateSize }: CurveProfile, value: bigint): Buffer {
  return Buffer.from(value.toString(16).padStart(2 * coordinateSize, '0'), 'hex')
}

export function modulo(value: bigint, p: bigint): bigint {
  const rest = value % p
  return rest < 0n ? rest + p : rest
}

/** Extended Euclid. `value` is never a multiple of p here. */
export function invert(value: bigint, p: bigint): bigint {
  let [low, high] = [modulo(value, p), p]
  let [factor, other] = [1n, 0n]
  while (low > 1n) {
    const quotient = high / low
    ;[low, high] = [high - quotient * low, low]
    ;[factor, other] = [other - quotient * factor, factor]
  }
  return factor
}
