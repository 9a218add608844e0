import { CryptoError } from '../../crypto/error.ts'
import { curveProfile } from './curve.ts'
import { agree, type DppPublicKey, importPoint, importScalar } from './key.ts'
import { addPoints, invert, modulo, negatePoint, read, write } from './point.ts'

/**
 * scalar * point with its y, which ECDH keeps to itself: OpenSSL computes the x of k*P and of (k+1)*P, and the two together
 * give y, since x((k+1)P) is the x of a sum in which y is the only unknown. Throws CryptoError `malformed-key` for a
 * multiple of the order, which is at infinity.
 */
export function multiplyPoint(point: DppPublicKey, scalar: bigint): DppPublicKey {
  const { curve } = point
  const profile = curveProfile(curve)
  const { p, a, b, q } = profile.equation
  const k = modulo(scalar, q)
  if (k === 0n) throw new CryptoError('malformed-key', 'a multiple of a point is at infinity')
  if (k === q - 1n) return importPoint(curve, negatePoint(curve, point.point))
  const multipleX = (factor: bigint) => read(agree(importScalar(curve, write(profile, factor)), point))
  const [x, y] = [point.point.subarray(0, profile.coordinateSize), point.point.subarray(profile.coordinateSize)].map(
    read,
  )
  const [x1, x2] = [multipleX(k), multipleX(k + 1n)]
  const numerator = (x! + x1) * (x! * x1 + a) + 2n * b - x2 * (x! - x1) ** 2n
  const y1 = modulo(numerator * invert(2n * y!, p), p)
  return importPoint(curve, Buffer.concat([write(profile, x1), write(profile, y1)]))
}

/** left + right. Throws CryptoError `malformed-key` at infinity. */
export function addPublicKeys(left: DppPublicKey, right: DppPublicKey): DppPublicKey {
  return importPoint(left.curve, addPoints(sameCurve(left, right), left.point, right.point))
}

/** left - right. Throws as `addPublicKeys`. */
export function subtractPublicKeys(left: DppPublicKey, right: DppPublicKey): DppPublicKey {
  const curve = sameCurve(left, right)
  return importPoint(curve, addPoints(curve, left.point, negatePoint(curve, right.point)))
}

function sameCurve(left: DppPublicKey, right: DppPublicKey): DppPublicKey['curve'] {
  if (left.curve === right.curve) return left.curve
  throw new CryptoError('key-mismatch', `a point of ${left.curve} and one of ${right.curve} have no sum`)
}
