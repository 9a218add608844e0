import assert from 'node:assert/strict'
import { createPublicKey, generateKeyPairSync, sign } from 'node:crypto'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { type SignatureAlgorithmName, signatureAlgorithms } from '../../src/codec/x509/algorithm.ts'
import { CryptoError, type CryptoErrorCode } from '../../src/crypto/error.ts'
import { generateKey } from '../../src/crypto/key.ts'
import { algorithmIdentifier, keySigner } from '../../src/crypto/signer.ts'
import { verifySignature } from '../../src/crypto/verify.ts'

const data = Buffer.from('data')
const refusal = (code: CryptoErrorCode) => (error: unknown) => error instanceof CryptoError && error.code === code
const identifierOf = (name: SignatureAlgorithmName) => signatureAlgorithms.find(each => each.name === name)!.identifier

describe('good signatures', () => {
  for (const curve of ['P-256', 'P-384', 'P-521'] as const) {
    test(`${curve}, with each hash`, async () => {
      const key = generateKey(curve)
      const signer = keySigner(key)
      verifySignature(algorithmIdentifier[signer.algorithm], signer.publicKey, data, await signer.sign(data))
      for (const bits of ['256', '384', '512'] as const) {
        verifySignature(identifierOf(`ecdsa-with-SHA${bits}`), signer.publicKey, data, sign(`sha${bits}`, data, key))
      }
    })
  }
  test('Ed25519', async () => {
    const signer = keySigner(generateKeyPairSync('ed25519').privateKey)
    verifySignature(algorithmIdentifier.EdDSA, signer.publicKey, data, await signer.sign(data))
  })
  test('RSA, SHA-1 only where it is asked for', () => {
    const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
    for (const bits of ['256', '384', '512'] as const) {
      verifySignature(
        identifierOf(`sha${bits}WithRSAEncryption`),
        publicKey,
        data,
        sign(`sha${bits}`, data, privateKey),
      )
    }
    const old = identifierOf('sha1WithRSAEncryption')
    const signature = sign('sha1', data, privateKey)
    assert.throws(() => verifySignature(old, publicKey, data, signature), refusal('weak-algorithm'))
    assert.throws(
      () => verifySignature(old, publicKey, data, signature, { allowSha1: false }),
      refusal('weak-algorithm'),
    )
    verifySignature(old, publicKey, data, signature, { allowSha1: true })
    assert.throws(
      () => verifySignature(old, publicKey, Buffer.from('x'), signature, { allowSha1: true }),
      refusal('bad-signature'),
    )
  })
})

describe('refused', () => {
  const key = generateKey('P-256')
  const publicKey = createPublicKey(key)
  const es256 = algorithmIdentifier.ES256
  const good = sign('sha256', data, key)
  test('other data, another key, another hash', () => {
    assert.throws(() => verifySignature(es256, publicKey, Buffer.from('Data'), good), refusal('bad-signature'))
    assert.throws(
      () => verifySignature(es256, createPublicKey(generateKey('P-256')), data, good),
      refusal('bad-signature'),
    )
    assert.throws(() => verifySignature(algorithmIdentifier.ES384, publicKey, data, good), refusal('bad-signature'))
  })
  test('a key of another type', () => {
    const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 }).publicKey
    assert.throws(() => verifySignature(es256, rsa, data, good), refusal('key-mismatch'))
    assert.throws(
      () => verifySignature(identifierOf('sha256WithRSAEncryption'), publicKey, data, good),
      refusal('key-mismatch'),
    )
    assert.throws(() => verifySignature(algorithmIdentifier.EdDSA, publicKey, data, good), refusal('key-mismatch'))
  })
  test('algorithms that are not on the list', () => {
    // MD5 with RSA, ECDSA with SHA-1, RSASSA-PSS, and ES256 with parameters.
    for (const algorithm of ['1.2.840.113549.1.1.4', '1.2.840.10045.4.1', '1.2.840.113549.1.1.10']) {
      assert.throws(() => verifySignature({ algorithm }, publicKey, data, good), refusal('unsupported-algorithm'))
    }
    const odd = { ...es256, parameters: Buffer.from('0500', 'hex') }
    assert.throws(() => verifySignature(odd, publicKey, data, good), refusal('unsupported-algorithm'))
  })
  test('every other encoding of the same r and s, and everything that is none', () => {
    const long = Buffer.concat([Buffer.from([0x30, 0x81]), good.subarray(1)])
    const padded = Buffer.concat([good.subarray(0, 3), Buffer.of(good[3]! + 1, 0), good.subarray(4)])
    padded.writeUInt8(padded.readUInt8(1) + 1, 1)
    for (const other of [
      long,
      padded,
      Buffer.concat([good, Buffer.of(0)]),
      Buffer.alloc(0),
      Buffer.alloc(64),
      good.subarray(1),
    ]) {
      assert.throws(() => verifySignature(es256, publicKey, data, other), refusal('bad-signature'))
    }
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), bytes => {
        assert.throws(() => verifySignature(es256, publicKey, data, bytes), refusal('bad-signature'))
      }),
    )
  })
})
