import assert from 'node:assert/strict'
import { createHmac, hkdfSync } from 'node:crypto'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { sealResponderTag } from '../../../src/protocol/dpp/authentication-message.ts'
import { curveProfile, curves } from '../../../src/protocol/dpp/curve.ts'
import {
  agree,
  agreeWithPoints,
  agreeWithSum,
  exportSpki,
  importScalar,
  importSpki,
} from '../../../src/protocol/dpp/key.ts'
import { dppHmac, firstKey, hkdf, hkdfExpand, secondKey, sessionKeys } from '../../../src/protocol/dpp/key-schedule.ts'
import { chirpHash, keyHash } from '../../../src/protocol/dpp/uri.ts'
import { authentications, octets } from './vector.ts'

describe('HMAC and HKDF', () => {
  const any = fc.uint8Array({ maxLength: 200 })
  for (const { curve, hash, hashSize } of curves) {
    test(`of ${curve} are those of node:crypto`, () => {
      fc.assert(
        fc.property(any, any, any, fc.integer({ min: 1, max: 300 }), (key, data, info, length) => {
          assert.deepEqual(dppHmac(curve, key, data, info), createHmac(hash, key).update(data).update(info).digest())
          assert.deepEqual(hkdf(curve, key, data, info), Buffer.from(hkdfSync(hash, data, key, info, hashSize)))
          const zeros = Buffer.alloc(hashSize)
          assert.deepEqual(hkdf(curve, undefined, data, info), hkdf(curve, zeros, data, info))
          const extracted = createHmac(hash, key).update(data).digest()
          const expected = Buffer.from(hkdfSync(hash, data, key, info, length))
          assert.deepEqual(hkdfExpand(curve, extracted, info, length), expected)
        }),
        { numRuns: 50 },
      )
    })
  }
})

describe('authentication vectors: keys, hashes and tags', () => {
  for (const { name, mutual, inputs, expected } of authentications) {
    test(name, () => {
      const { curve } = inputs
      const key = (which: 'bR' | 'bI' | 'pR' | 'pI') => importScalar(curve, octets(inputs[which]))
      const [bR, bI, pR, pI] = [key('bR'), key('bI'), key('pR'), key('pI')]
      for (const [which, pair] of Object.entries({ BR: bR, BI: bI, PR: pR, PI: pI })) {
        assert.equal(pair.point.toString('hex'), inputs.public[which as 'BR'])
      }
      const [m, n] = [agree(pI, bR), agree(pI, pR)]
      assert.deepEqual([agree(bR, pI), agree(pR, pI)], [m, n])
      const l = agreeWithSum(bR, pR, bI)
      assert.deepEqual(agreeWithPoints(bI, bR, pR), l)
      const keys = sessionKeys({
        curve,
        initiatorNonce: octets(inputs.I_nonce),
        responderNonce: octets(inputs.R_nonce),
        m,
        n,
        ...(mutual ? { mutual: { initiatorBootstrappingKey: bI.point, l } } : {}),
        responderBootstrappingKey: bR.point,
        initiatorProtocolKey: pI.point,
        responderProtocolKey: pR.point,
      })
      const initiator = { publicKey: exportSpki(bI) }
      const responder = { publicKey: exportSpki(bR) }
      const computed: Readonly<Record<string, Uint8Array>> = {
        R_spki: responder.publicKey,
        I_pkhash: keyHash(initiator),
        R_pkhash: keyHash(responder),
        I_pkhash_chirp: chirpHash(initiator),
        R_pkhash_chirp: chirpHash(responder),
        Mx: m,
        Nx: n,
        ...(mutual ? { Lx: l } : {}),
        k1: firstKey(curve, m),
        k2: secondKey(curve, n),
        bk: keys.bk,
        ke: keys.ke,
        R_auth: keys.responderTag,
        I_auth: keys.initiatorTag,
        wrapped_R_auth: sealResponderTag(keys.ke, keys.responderTag),
      }
      // Frames, and what is wrapped in them, are those of the machines: authentication.test.ts.
      const framed = ['auth_req', 'auth_resp', 'auth_conf', 'wrapped_I_auth']
      const wanted = Object.entries(expected).filter(([which]) => !framed.includes(which))
      const found = Object.entries(computed).map(([which, value]) => [which, Buffer.from(value).toString('hex')])
      assert.deepEqual(Object.fromEntries(found), Object.fromEntries(wanted))
      assert.deepEqual(importSpki(octets(expected['R_spki'])).point, bR.point)
      assert.equal(keys.ke.length, curveProfile(curve).hashSize)
    })
  }
})
