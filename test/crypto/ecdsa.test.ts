import assert from 'node:assert/strict'
import { generateKeyPairSync, sign, verify } from 'node:crypto'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { ecdsaDerToRaw, ecdsaRawToDer, type ScalarSize } from '../../src/crypto/ecdsa.ts'
import { CryptoError } from '../../src/crypto/error.ts'

const sizes: ReadonlyArray<[curve: string, size: ScalarSize, digest: string]> = [
  ['P-256', 32, 'sha256'],
  ['P-384', 48, 'sha384'],
  ['P-521', 66, 'sha512'],
]
const malformed = (error: unknown) => error instanceof CryptoError && error.code === 'malformed-signature'

for (const [curve, size, digest] of sizes) {
  test(`${curve}: node accepts each form that we convert`, () => {
    const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: curve })
    for (let i = 0; i < 40; i++) {
      const data = Buffer.from(`message ${i}`)
      const der = sign(digest, data, privateKey)
      const raw = ecdsaDerToRaw(der, size)
      assert.equal(raw.length, 2 * size)
      assert.ok(verify(digest, data, { key: publicKey, dsaEncoding: 'ieee-p1363' }, raw))
      assert.deepEqual(ecdsaRawToDer(raw), der)
    }
  })

  test(`${curve}: every r || s survives the way there and back`, () => {
    const scalar = fc
      .uint8Array({ minLength: 1, maxLength: size })
      .filter(bytes => bytes.some(byte => byte !== 0))
      .map(bytes => Buffer.concat([Buffer.alloc(size - bytes.length), bytes]))
    fc.assert(
      fc.property(scalar, scalar, (r, s) => {
        const raw = Buffer.concat([r, s])
        assert.deepEqual(ecdsaDerToRaw(ecdsaRawToDer(raw), size), raw)
      }),
    )
  })
}

describe('refused as DER', () => {
  const refused: Record<string, string> = {
    empty: '',
    'a lone tag': '30',
    'no integers': '3000',
    'a SET': '3106020101020101',
    'only r': '3003020101',
    'trailing bytes after the SEQUENCE': '300602010102010100',
    'trailing bytes inside': '3008020101020101' + '0500',
    'truncated s': '30060201010202' + '01',
    'length beyond the end': '3007020101020101',
    'long form for a short length': '308106020101020101',
    'indefinite length': '30800201010201010000',
    'r zero': '3006020100020101',
    's zero': '3006020101020100',
    'r negative': '3006020180020101',
    's not minimal': '300702010102020001',
    'r empty': '30050200020101',
    's as OCTET STRING': '3006020101040101',
    'r too long': `3027022200ff${'11'.repeat(32)}020101`,
  }
  for (const [name, hex] of Object.entries(refused)) {
    test(name, () => {
      assert.throws(() => ecdsaDerToRaw(Buffer.from(hex, 'hex'), 32), malformed)
    })
  }
  test('a P-384 signature read as P-256', () => {
    const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-384' })
    assert.throws(() => ecdsaDerToRaw(sign('sha384', Buffer.alloc(1), privateKey), 32), malformed)
  })
  test('any bytes: a value that encodes back, or malformed-signature', () => {
    const near = fc.tuple(fc.uint8Array({ maxLength: 40 }), fc.uint8Array({ maxLength: 40 })).map(([r, s]) => {
      const body = Buffer.from([0x02, r.length, ...r, 0x02, s.length, ...s])
      return Buffer.from([0x30, body.length, ...body])
    })
    fc.assert(
      fc.property(fc.oneof(near, fc.uint8Array({ maxLength: 160 })), bytes => {
        let raw: Buffer
        try {
          raw = ecdsaDerToRaw(bytes, 32)
        } catch (error) {
          assert.ok(malformed(error))
          return
        }
        assert.deepEqual(ecdsaRawToDer(raw), Buffer.from(bytes))
      }),
      { numRuns: 2000 },
    )
  })
})

describe('refused as r || s', () => {
  for (const length of [0, 1, 63, 65, 128, 131, 133]) {
    test(`${length} bytes`, () => {
      assert.throws(() => ecdsaRawToDer(Buffer.alloc(length, 1)), malformed)
    })
  }
  test('r zero, s zero', () => {
    const one = Buffer.alloc(32, 1)
    assert.throws(() => ecdsaRawToDer(Buffer.concat([Buffer.alloc(32), one])), malformed)
    assert.throws(() => ecdsaRawToDer(Buffer.concat([one, Buffer.alloc(32)])), malformed)
  })
})
