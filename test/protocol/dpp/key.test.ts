import assert from 'node:assert/strict'
import { createECDH, createPublicKey, generateKeyPairSync, sign, verify } from 'node:crypto'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { CodecError } from '../../../src/codec/error.ts'
import type { Json } from '../../../src/codec/json.ts'
import { CryptoError, type CryptoErrorCode } from '../../../src/crypto/error.ts'
import { curveOfGroup, curves, type DppCurve } from '../../../src/protocol/dpp/curve.ts'
import {
  agree,
  agreeWithPoints,
  agreeWithSum,
  type DppKeyPair,
  dppKeyPair,
  exportDppKey,
  exportJwk,
  exportSpki,
  exportUncompressedSpki,
  generateDppKey,
  importDppKey,
  importJwk,
  importPoint,
  importScalar,
  importSpki,
  isSignedRaw,
  keyId,
  signRaw,
} from '../../../src/protocol/dpp/key.ts'
import { negatePoint } from '../../../src/protocol/dpp/point.ts'
import { octets, transcripts } from './vector.ts'

const refused = (code: CryptoErrorCode, call: () => unknown) =>
  assert.throws(call, error => error instanceof CryptoError && error.code === code)
const scalarOf = ({ privateKey }: DppKeyPair) => privateKey.export({ format: 'raw-private' })
const number = (curve: (typeof curves)[number], value: bigint) =>
  Buffer.from(value.toString(16).padStart(2 * curve.coordinateSize, '0'), 'hex')

for (const profile of curves) {
  const { curve, namedCurve, coordinateSize, equation } = profile
  describe(`a key on ${curve}`, () => {
    const own = generateDppKey(curve)
    const other = generateDppKey(curve)

    test('the equation of the table is that of its points', () => {
      const x = BigInt(`0x${own.point.subarray(0, coordinateSize).toString('hex')}`)
      const y = BigInt(`0x${own.point.subarray(coordinateSize).toString('hex')}`)
      const { p, a, b, q } = equation
      assert.equal((y * y - x * x * x - a * x - b) % p, 0n)
      assert.equal(curveOfGroup(profile.group), profile)
      // q - 1 times the generator is the generator upside down.
      const generator = importScalar(curve, number(profile, 1n))
      assert.deepEqual(importScalar(curve, number(profile, q - 1n)).point, negatePoint(curve, generator.point))
    })

    test('goes through SubjectPublicKeyInfo, point, JWK, scalar and SEC1 and stays the same', () => {
      const spki = exportSpki(own)
      assert.equal(createPublicKey({ key: spki, format: 'der', type: 'spki' }).equals(own.key), true)
      assert.deepEqual(exportUncompressedSpki(own), own.key.export({ format: 'der', type: 'spki' }))
      const uncompressed = own.key.export({ format: 'der', type: 'spki' })
      const readers = {
        spki: importSpki(spki),
        uncompressed: importSpki(uncompressed),
        point: importPoint(curve, own.point),
        jwk: importJwk({ ...exportJwk(own) }),
        scalar: importScalar(curve, scalarOf(own)),
        sec1: importDppKey(exportDppKey(own).reveal()),
        pkcs8: importDppKey(own.privateKey.export({ format: 'der', type: 'pkcs8' })),
        keyObject: dppKeyPair(own.privateKey),
      }
      for (const [name, key] of Object.entries(readers)) {
        assert.deepEqual([name, key.curve, key.point], [name, curve, own.point])
        assert.equal(key.key.equals(own.key), true, name)
      }
    })

    test('agrees with node:crypto as it computes on raw points', () => {
      const oracle = createECDH(namedCurve)
      oracle.setPrivateKey(scalarOf(own))
      const expected = oracle.computeSecret(Buffer.concat([Buffer.of(4), other.point]))
      assert.deepEqual(agree(own, other), expected)
      assert.deepEqual(agree(other, own), expected)
    })

    test('a sum of private keys and a sum of public keys agree', () => {
      const second = generateDppKey(curve)
      assert.deepEqual(agreeWithSum(own, second, other), agreeWithPoints(other, own, second))
      assert.deepEqual(agreeWithSum(own, own, other), agreeWithPoints(other, own, own))
      const opposite = importScalar(curve, number(profile, equation.q - BigInt(`0x${scalarOf(own).toString('hex')}`)))
      refused('malformed-key', () => agreeWithSum(own, opposite, other))
      refused('malformed-key', () => agreeWithPoints(other, own, opposite))
    })

    test('signs as node:crypto does for r|s, and takes nothing that is no signature of its own', () => {
      const data = Buffer.from('a Connector')
      const signature = signRaw(own, data)
      const { hash } = profile
      assert.ok(verify(hash, data, { key: own.key, dsaEncoding: 'ieee-p1363' }, signature))
      const theirs = sign(hash, data, { key: own.privateKey, dsaEncoding: 'ieee-p1363' })
      assert.ok(isSignedRaw(own, data, theirs))
      const [r, s] = [theirs.subarray(0, coordinateSize), theirs.subarray(coordinateSize)]
      const zero = Buffer.alloc(coordinateSize)
      const order = number(profile, equation.q)
      const wrong = [Buffer.alloc(0), theirs.subarray(1), Buffer.concat([theirs, Buffer.of(0)])]
      const outOfRange = [
        [zero, s],
        [r, zero],
        [order, s],
        [r, order],
        [s, r],
      ].map(halves => Buffer.concat(halves))
      for (const bad of [...wrong, ...outOfRange]) assert.equal(isSignedRaw(own, data, bad), false)
      assert.equal(isSignedRaw(other, data, theirs), false)
      assert.equal(isSignedRaw(own, Buffer.from('another'), theirs), false)
    })

    test('is refused off its curve, in the wrong length, and out of range', () => {
      const off = Buffer.from(own.point)
      off[off.length - 1]! ^= 1
      const spki = exportSpki(own)
      const hybrid = own.key.export({ format: 'der', type: 'spki' })
      hybrid[hybrid.length - 2 * coordinateSize - 1] = 6 + (own.point.at(-1)! & 1)
      const compressed4 = Buffer.from(spki)
      compressed4[spki.length - coordinateSize - 1] = 4
      refused('malformed-key', () => importPoint(curve, off))
      refused('malformed-key', () => importPoint(curve, Buffer.alloc(2 * coordinateSize)))
      refused('malformed-key', () => importPoint(curve, Buffer.alloc(2 * coordinateSize, 0xff)))
      refused('malformed-key', () => importPoint(curve, own.point.subarray(1)))
      refused('malformed-key', () => importPoint(curve, Buffer.alloc(0)))
      refused('malformed-key', () => importSpki(hybrid))
      refused('malformed-key', () => importSpki(compressed4))
      refused('unsupported-key', () => importSpki(spki.subarray(0, -1)))
      refused('unsupported-key', () => importSpki(Buffer.concat([spki, Buffer.of(0)])))
      for (const value of [0n, equation.q, equation.q + 1n]) {
        refused('malformed-key', () => importScalar(curve, number(profile, value)))
      }
      refused('malformed-key', () => importScalar(curve, scalarOf(own).subarray(1)))
      for (const foreign of curves) {
        if (foreign !== profile) refused('key-mismatch', () => agree(own, generateDppKey(foreign.curve)))
      }
    })
  })
}

describe('a key from elsewhere', () => {
  const own = generateDppKey('P-256')
  const jwk = exportJwk(own)

  test('is refused on another curve, of another type, or as anything else [dpp: qr_code_unsupported_curve]', () => {
    const foreign = generateKeyPairSync('ec', { namedCurve: 'secp256k1' })
    refused('unsupported-key', () => dppKeyPair(foreign.privateKey))
    refused('unsupported-key', () => importDppKey(foreign.privateKey.export({ format: 'der', type: 'sec1' })))
    refused('unsupported-key', () => importSpki(foreign.publicKey.export({ format: 'der', type: 'spki' })))
    const explicit = { namedCurve: 'P-256', paramEncoding: 'explicit' } as const
    const written = generateKeyPairSync('ec', explicit).publicKey.export({ format: 'der', type: 'spki' })
    refused('unsupported-key', () => importSpki(written))
    const edwards = generateKeyPairSync('ed25519').privateKey
    refused('unsupported-key', () => dppKeyPair(edwards))
    refused('malformed-key', () => importDppKey(Buffer.from('3003020100', 'hex')))
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), bytes => refused('unsupported-key', () => importSpki(bytes))),
    )
  })

  const jwks: Readonly<Record<string, Json>> = {
    'no object': 'EC',
    'no kty': { crv: 'P-256', x: jwk.x, y: jwk.y },
    'another kty': { ...jwk, kty: 'OKP' },
    'no crv': { kty: 'EC', x: jwk.x, y: jwk.y },
    'an unknown crv': { ...jwk, crv: 'secp256k1' },
    'another crv': { ...jwk, crv: 'BP-256' },
    'no x': { kty: 'EC', crv: 'P-256', y: jwk.y },
    'no y': { kty: 'EC', crv: 'P-256', x: jwk.x },
    'x padded': { ...jwk, x: `${jwk.x}=` },
    'x without its first octet': { ...jwk, x: Buffer.from(jwk.x, 'base64url').subarray(1).toString('base64url') },
    'another y': { ...jwk, y: generateDppKey('P-256').point.subarray(32).toString('base64url') },
  }
  for (const [name, value] of Object.entries(jwks)) {
    test(`as a JWK is refused: ${name}`, () => {
      assert.throws(
        () => importJwk(value),
        error => error instanceof CryptoError || error instanceof CodecError,
      )
    })
  }

  test('kid is that of hostap for the same C-sign key', () => {
    let compared = 0
    for (const { messages, inputs } of transcripts) {
      for (const { clear } of messages) {
        const object = clear?.['config_object']
        if (typeof object !== 'string') continue
        const { csign } = (JSON.parse(object) as { cred: { csign?: { kid: string; crv: DppCurve } } }).cred
        if (csign === undefined) continue
        assert.equal(keyId(importScalar(csign.crv, octets(inputs.c_sign))), csign.kid)
        compared++
      }
    }
    assert.ok(compared >= 20, `${compared} transcripts`)
  })
})
