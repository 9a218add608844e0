import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { curveProfile, curves, type DppCurve } from '../../../src/protocol/dpp/curve.ts'
import { type DppKeyPair, importPoint, importScalar } from '../../../src/protocol/dpp/key.ts'
import { addPublicKeys, multiplyPoint, subtractPublicKeys } from '../../../src/protocol/dpp/multiple.ts'

/** scalar * G, as OpenSSL has it. */
function times(curve: DppCurve, scalar: bigint): DppKeyPair {
  const { coordinateSize } = curveProfile(curve)
  return importScalar(curve, Buffer.from(scalar.toString(16).padStart(2 * coordinateSize, '0'), 'hex'))
}

const malformed = { code: 'malformed-key' }

for (const { curve, equation } of curves) {
  const { q } = equation
  const runs = { numRuns: curve === 'P-256' ? 40 : 8 }
  const scalar = fc.bigInt({ min: 2n, max: q - 2n })

  describe(`points of ${curve}`, () => {
    test('add up as OpenSSL multiplies the generator', () => {
      fc.assert(
        fc.property(scalar, scalar, (k, l) => {
          fc.pre(k !== l && (k + l) % q !== 0n)
          const [left, right] = [times(curve, k), times(curve, l)]
          assert.deepEqual(addPublicKeys(left, right).point, times(curve, (k + l) % q).point)
          assert.deepEqual(subtractPublicKeys(left, right).point, times(curve, (k - l + q) % q).point)
        }),
        runs,
      )
      assert.deepEqual(addPublicKeys(times(curve, 21n), times(curve, 21n)).point, times(curve, 42n).point)
    })

    test('are multiplied with their y', () => {
      fc.assert(
        fc.property(scalar, scalar, (k, l) => {
          assert.deepEqual(multiplyPoint(times(curve, k), l).point, times(curve, (k * l) % q).point)
        }),
        runs,
      )
      for (const k of [1n, 2n, 3n, q - 3n, q - 2n, q - 1n, q + 1n]) {
        assert.deepEqual(multiplyPoint(times(curve, 5n), k).point, times(curve, (5n * k) % q).point, `${k}`)
      }
    })

    test('have no sum and no multiple at infinity', () => {
      assert.throws(() => addPublicKeys(times(curve, 5n), times(curve, q - 5n)), malformed)
      assert.throws(() => subtractPublicKeys(times(curve, 5n), times(curve, 5n)), malformed)
      for (const k of [0n, q, 2n * q]) assert.throws(() => multiplyPoint(times(curve, 5n), k), malformed)
    })

    test('are of one curve, on it and of its length', () => {
      const good = times(curve, 5n).point
      const other = curves.find(each => each.curve !== curve)!.curve
      assert.throws(() => addPublicKeys(times(curve, 5n), times(other, 5n)), { code: 'key-mismatch' })
      const off = Buffer.from(good)
      off[off.length - 1]! ^= 1
      for (const bad of [
        off,
        Buffer.alloc(good.length),
        Buffer.alloc(good.length, 0xff),
        good.subarray(1),
        Buffer.alloc(0),
      ])
        assert.throws(() => importPoint(curve, bad), malformed)
    })
  })
}
