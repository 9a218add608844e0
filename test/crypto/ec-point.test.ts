import assert from 'node:assert/strict'
import { createECDH, ECDH, randomBytes } from 'node:crypto'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import {
  addPoints,
  checkPoint,
  groupOrder,
  multiplyPoint,
  negatePoint,
  type PointCurve,
  subtractPoints,
} from '../../src/crypto/ec-point.ts'

const names: { readonly [C in PointCurve]: string } = {
  'P-256': 'prime256v1',
  'P-384': 'secp384r1',
  'P-521': 'secp521r1',
  'BP-256': 'brainpoolP256r1',
  'BP-384': 'brainpoolP384r1',
  'BP-512': 'brainpoolP512r1',
}
const curves = Object.keys(names) as PointCurve[]

/** scalar * G, as OpenSSL has it. */
function times(curve: PointCurve, scalar: bigint): Buffer {
  const ecdh = createECDH(names[curve])
  const size = { 'P-256': 32, 'P-384': 48, 'P-521': 66, 'BP-256': 32, 'BP-384': 48, 'BP-512': 64 }[curve]
  ecdh.setPrivateKey(Buffer.from(scalar.toString(16).padStart(2 * size, '0'), 'hex'))
  return ecdh.getPublicKey().subarray(1)
}

const scalar = (curve: PointCurve) => fc.bigInt({ min: 2n, max: groupOrder(curve) - 2n })
const off = (curve: PointCurve) => {
  const point = Buffer.from(times(curve, 7n))
  point[point.length - 1]! ^= 1
  return point
}
const malformed = { code: 'malformed-key' }

for (const curve of curves) {
  const q = groupOrder(curve)
  const runs = { numRuns: curve.startsWith('P-256') ? 40 : 8 }

  describe(`points of ${curve}`, () => {
    test('add up as OpenSSL multiplies the generator', () => {
      fc.assert(
        fc.property(scalar(curve), scalar(curve), (k, l) => {
          fc.pre(k !== l && (k + l) % q !== 0n)
          assert.deepEqual(addPoints(curve, times(curve, k), times(curve, l)), times(curve, (k + l) % q))
          assert.deepEqual(subtractPoints(curve, times(curve, k), times(curve, l)), times(curve, (k - l + q) % q))
        }),
        runs,
      )
    })

    test('are doubled, and negated', () => {
      assert.deepEqual(addPoints(curve, times(curve, 21n), times(curve, 21n)), times(curve, 42n))
      assert.deepEqual(negatePoint(curve, times(curve, 21n)), times(curve, q - 21n))
    })

    test('are multiplied with their y', () => {
      fc.assert(
        fc.property(scalar(curve), scalar(curve), (k, l) => {
          assert.deepEqual(multiplyPoint(curve, times(curve, k), l), times(curve, (k * l) % q))
        }),
        runs,
      )
      for (const k of [1n, 2n, 3n, q - 3n, q - 2n, q - 1n, q + 1n]) {
        assert.deepEqual(multiplyPoint(curve, times(curve, 5n), k), times(curve, (5n * k) % q), `${k}`)
      }
    })

    test('have no sum and no multiple at infinity', () => {
      assert.throws(() => addPoints(curve, times(curve, 5n), times(curve, q - 5n)), malformed)
      assert.throws(() => subtractPoints(curve, times(curve, 5n), times(curve, 5n)), malformed)
      for (const k of [0n, q, 2n * q]) assert.throws(() => multiplyPoint(curve, times(curve, 5n), k), malformed)
    })

    test('are on the curve, in range and of its length, or refused everywhere', () => {
      const good = times(curve, 5n)
      const zero = Buffer.alloc(good.length)
      const ones = Buffer.alloc(good.length, 0xff)
      const long = Buffer.concat([good, Buffer.alloc(1)])
      for (const bad of [off(curve), zero, ones, good.subarray(1), long, Buffer.alloc(0), randomBytes(good.length)]) {
        assert.throws(() => checkPoint(curve, bad), malformed)
        assert.throws(() => addPoints(curve, good, bad), malformed)
        assert.throws(() => addPoints(curve, bad, good), malformed)
        assert.throws(() => subtractPoints(curve, good, bad), malformed)
        assert.throws(() => multiplyPoint(curve, bad, 5n), malformed)
      }
      checkPoint(curve, good)
    })

    test('agree with what OpenSSL makes of a compressed point', () => {
      const point = multiplyPoint(curve, times(curve, 11n), 13n)
      const compressed = ECDH.convertKey(
        Buffer.concat([Buffer.of(4), point]),
        names[curve],
        undefined,
        undefined,
        'compressed',
      ) as Buffer
      assert.deepEqual(compressed.subarray(1), point.subarray(0, point.length / 2))
    })
  })
}
