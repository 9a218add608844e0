import { createECDH } from 'node:crypto'
import { CryptoError } from './error.ts'

export type PointCurve = 'P-256' | 'P-384' | 'P-521' | 'BP-256' | 'BP-384' | 'BP-512'

interface Parameters {
  /** OpenSSL's name. */
  readonly name: string
  /** Bytes of one coordinate. */
  readonly size: number
  readonly p: bigint
  readonly a: bigint
  readonly b: bigint
  /** Order of the group; the cofactor of all six is 1, so that a point on the curve is a point of the group. */
  readonly q: bigint
}

/** SEC 2 version 2 sections 2.4.2, 2.5.1, 2.6.1; RFC 5639 sections 3.4, 3.6, 3.7. A negative `a` stands for p + a. */
const curves: { readonly [C in PointCurve]: Parameters } = {
  'P-256': {
    name: 'prime256v1',
    size: 32,
    p: 0xffffffff00000001000000000000000000000000ffffffffffffffffffffffffn,
    a: -3n,
    b: 0x5ac635d8aa3a93e7b3ebbd55769886bc651d06b0cc53b0f63bce3c3e27d2604bn,
    q: 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n,
  },
  'P-384': {
    name: 'secp384r1',
    size: 48,
    p: 0xfffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffeffffffff0000000000000000ffffffffn,
    a: -3n,
    b: 0xb3312fa7e23ee7e4988e056be3f82d19181d9c6efe8141120314088f5013875ac656398d8a2ed19d2a85c8edd3ec2aefn,
    q: 0xffffffffffffffffffffffffffffffffffffffffffffffffc7634d81f4372ddf581a0db248b0a77aecec196accc52973n,
  },
  'P-521': {
    name: 'secp521r1',
    size: 66,
    p: 2n ** 521n - 1n,
    a: -3n,
    b: 0x51953eb9618e1c9a1f929a21a0b68540eea2da725b99b315f3b8b489918ef109e156193951ec7e937b1652c0bd3bb1bf073573df883d2c34f1ef451fd46b503f00n,
    q: 2n ** 521n - 1n - 0x5ae79787c40d069948033feb708f65a2fc44a36477663b851449048e16ec79bf6n,
  },
  'BP-256': {
    name: 'brainpoolP256r1',
    size: 32,
    p: 0xa9fb57dba1eea9bc3e660a909d838d726e3bf623d52620282013481d1f6e5377n,
    a: 0x7d5a0975fc2c3057eef67530417affe7fb8055c126dc5c6ce94a4b44f330b5d9n,
    b: 0x26dc5c6ce94a4b44f330b5d9bbd77cbf958416295cf7e1ce6bccdc18ff8c07b6n,
    q: 0xa9fb57dba1eea9bc3e660a909d838d718c397aa3b561a6f7901e0e82974856a7n,
  },
  'BP-384': {
    name: 'brainpoolP384r1',
    size: 48,
    p: 0x8cb91e82a3386d280f5d6f7e50e641df152f7109ed5456b412b1da197fb71123acd3a729901d1a71874700133107ec53n,
    a: 0x7bc382c63d8c150c3c72080ace05afa0c2bea28e4fb22787139165efba91f90f8aa5814a503ad4eb04a8c7dd22ce2826n,
    b: 0x04a8c7dd22ce28268b39b55416f0447c2fb77de107dcd2a62e880ea53eeb62d57cb4390295dbc9943ab78696fa504c11n,
    q: 0x8cb91e82a3386d280f5d6f7e50e641df152f7109ed5456b31f166e6cac0425a7cf3ab6af6b7fc3103b883202e9046565n,
  },
  'BP-512': {
    name: 'brainpoolP512r1',
    size: 64,
    p: 0xaadd9db8dbe9c48b3fd4e6ae33c9fc07cb308db3b3c9d20ed6639cca703308717d4d9b009bc66842aecda12ae6a380e62881ff2f2d82c68528aa6056583a48f3n,
    a: 0x7830a3318b603b89e2327145ac234cc594cbdd8d3df91610a83441caea9863bc2ded5d5aa8253aa10a2ef1c98b9ac8b57f1117a72bf2c7b9e7c1ac4d77fc94can,
    b: 0x3df91610a83441caea9863bc2ded5d5aa8253aa10a2ef1c98b9ac8b57f1117a72bf2c7b9e7c1ac4d77fc94cadc083e67984050b75ebae5dd2809bd638016f723n,
    q: 0xaadd9db8dbe9c48b3fd4e6ae33c9fc07cb308db3b3c9d20ed6639cca70330870553e5c414ca92619418661197fac10471db1d381085ddaddb58796829ca90069n,
  },
}

/** Order of the group that the curve's generator makes. */
export function groupOrder(curve: PointCurve): bigint {
  return curves[curve].q
}

interface Affine {
  readonly x: bigint
  readonly y: bigint
}

/**
 * The sum of two points, each as x|y. Not in constant time: for public points, and for sums that are public. Throws
 * `malformed-key` when a point is not on the curve, and when the sum is the point at infinity, which no x|y can say.
 */
export function addPoints(curve: PointCurve, left: Uint8Array, right: Uint8Array): Buffer {
  return encodePoint(curve, sum(curve, decodePoint(curve, left), decodePoint(curve, right)))
}

/** left - right, as `addPoints`. */
export function subtractPoints(curve: PointCurve, left: Uint8Array, right: Uint8Array): Buffer {
  return addPoints(curve, left, negatePoint(curve, right))
}

export function negatePoint(curve: PointCurve, point: Uint8Array): Buffer {
  const { x, y } = decodePoint(curve, point)
  return encodePoint(curve, { x, y: modulo(-y, curves[curve].p) })
}

/**
 * scalar * point with its y, which ECDH keeps to itself: OpenSSL computes the x of k*P and of (k+1)*P, and both
 * together give y, since x((k+1)P) is the x of a sum in which y is the only unknown. Throws as `addPoints` does, also
 * for a multiple of the order.
 */
export function multiplyPoint(curve: PointCurve, point: Uint8Array, scalar: bigint): Buffer {
  const { p, a, b, q } = curves[curve]
  const { x, y } = decodePoint(curve, point)
  const k = modulo(scalar, q)
  if (k === 0n) throw atInfinity()
  if (k === q - 1n) return negatePoint(curve, point)
  const x1 = multipleX(curve, point, k)
  const x2 = multipleX(curve, point, k + 1n)
  const numerator = (x + x1) * (x * x1 + a) + 2n * b - x2 * (x - x1) ** 2n
  return encodePoint(curve, { x: x1, y: modulo(numerator * inverse(2n * y, p), p) })
}

/** scalar * point, x only: what ECDH gives. `scalar` in [1, q - 1]. */
function multipleX(curve: PointCurve, point: Uint8Array, scalar: bigint): bigint {
  const { name, size } = curves[curve]
  const ecdh = createECDH(name)
  ecdh.setPrivateKey(encodeInteger(scalar, size))
  return decodeInteger(ecdh.computeSecret(Buffer.concat([Buffer.of(4), point])))
}

/** Throws `malformed-key` unless x|y has the length of the curve and is a point on it. */
export function checkPoint(curve: PointCurve, point: Uint8Array): void {
  decodePoint(curve, point)
}

function decodePoint(curve: PointCurve, point: Uint8Array): Affine {
  const { p, a, b, size } = curves[curve]
  if (point.length !== 2 * size) throw new CryptoError('malformed-key', `a point of ${point.length} bytes on ${curve}`)
  const [x, y] = [decodeInteger(point.subarray(0, size)), decodeInteger(point.subarray(size))]
  if (x >= p || y >= p || modulo(x ** 3n + a * x + b - y * y, p) !== 0n) {
    throw new CryptoError('malformed-key', `a point that is not on ${curve}`)
  }
  return { x, y }
}

function encodePoint(curve: PointCurve, { x, y }: Affine): Buffer {
  const { size } = curves[curve]
  return Buffer.concat([encodeInteger(x, size), encodeInteger(y, size)])
}

function sum(curve: PointCurve, left: Affine, right: Affine): Affine {
  const { p, a } = curves[curve]
  if (left.x === right.x && left.y !== right.y) throw atInfinity()
  const [rise, run] =
    left.x === right.x ? [3n * left.x * left.x + a, 2n * left.y] : [right.y - left.y, right.x - left.x]
  const slope = modulo(rise * inverse(run, p), p)
  const x = modulo(slope * slope - left.x - right.x, p)
  return { x, y: modulo(slope * (left.x - x) - left.y, p) }
}

function atInfinity(): CryptoError {
  return new CryptoError('malformed-key', 'the point at infinity')
}

function modulo(value: bigint, p: bigint): bigint {
  const rest = value % p
  return rest < 0n ? rest + p : rest
}

/** Extended Euclid; `value` is not a multiple of the prime, since no point of these curves has y = 0. */
function inverse(value: bigint, p: bigint): bigint {
  let [r0, r1, t0, t1] = [p, modulo(value, p), 0n, 1n]
  while (r1 !== 0n) {
    const quotient = r0 / r1
    ;[r0, r1] = [r1, r0 - quotient * r1]
    ;[t0, t1] = [t1, t0 - quotient * t1]
  }
  return modulo(t0, p)
}

function decodeInteger(bytes: Uint8Array): bigint {
  return BigInt(`0x${Buffer.from(bytes).toString('hex')}`)
}

function encodeInteger(value: bigint, size: number): Buffer {
  return Buffer.from(value.toString(16).padStart(2 * size, '0'), 'hex')
}
