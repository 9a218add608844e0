import assert from 'node:assert/strict'
import { createPublicKey, generateKeyPairSync, type KeyObject } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { before, describe, test } from 'node:test'
import fc from 'fast-check'
import type { Cbor, CborKey } from '../../src/codec/cbor.ts'
import { coseSigningInput, decodeCoseSign1, encodeCoseHeader, encodeCoseSign1 } from '../../src/codec/cose.ts'
import { CodecError } from '../../src/codec/error.ts'
import { signCose, type VerifyCoseKey, verifyCose, verifyCoseSign1 } from '../../src/crypto/cose.ts'
import { ecdsaDerToRaw } from '../../src/crypto/ecdsa.ts'
import { CryptoError } from '../../src/crypto/error.ts'
import { generateKey } from '../../src/crypto/key.ts'
import { keySigner } from '../../src/crypto/signer.ts'
import { certify, type Entity } from './pki.ts'

const folder = new URL('../vector/cose/', import.meta.url)
const payload = Buffer.from('a1190993a0', 'hex')

let ca: Entity
let alice: Entity
let bob: Entity
before(async () => {
  ca = await certify({ subject: 'CA', ca: true })
  alice = await certify({ subject: 'alice', issuer: ca })
  bob = await certify({ subject: 'bob', signer: keySigner(generateKey('P-384')) })
})

const code = (expected: string) => (error: unknown) =>
  (error instanceof CryptoError || error instanceof CodecError) && error.code === expected
const refused = (expected: string, work: () => unknown) => assert.throws(work, code(expected))

interface Key {
  readonly kty: string
  readonly crv: string
  readonly x?: string
  readonly y?: string
  readonly x_hex?: string
}

function publicKey({ kty, crv, x, y, x_hex }: Key): KeyObject {
  const point = x ?? Buffer.from(x_hex!, 'hex').toString('base64url')
  return createPublicKey({ key: { kty, crv, x: point, ...(y !== undefined && { y }) }, format: 'jwk' })
}

test('cose-wg examples', async t => {
  for (const file of readdirSync(folder).filter(name => name.endsWith('.json'))) {
    const { title, fail, input, output } = JSON.parse(readFileSync(new URL(file, folder), 'utf8'))
    await t.test(`${file}: ${title}`, () => {
      const { key, external = '', unprotected } = input.sign0
      const options: VerifyCoseKey = {
        externalAad: Buffer.from(external, 'hex'),
        ...(unprotected?.alg !== undefined && { impliedAlgorithm: unprotected.alg }),
      }
      const verify = () => verifyCoseSign1(decodeCoseSign1(Buffer.from(output.cbor, 'hex')), publicKey(key), options)
      // We insist on tag 18.
      if (fail === true || file === 'sign-pass-03.json')
        assert.throws(verify, error => error instanceof CryptoError || error instanceof CodecError)
      else assert.equal(verify(), input.sign0.alg)
    })
  }
})

describe('signing', () => {
  test('with the certificates in an unprotected x5bag', async () => {
    const bytes = await signCose({ payload, signer: alice.signer, certificates: [alice.certificate, ca.certificate] })
    const message = decodeCoseSign1(bytes)
    assert.deepEqual([[...message.protected], [...message.unprotected.keys()]], [[[1, -7]], [32]])
    const verified = verifyCose(bytes)
    assert.deepEqual(Buffer.from(verified.payload), payload)
    assert.deepEqual(
      verified.certificates.map(({ der }) => der),
      [alice.certificate.der, ca.certificate.der],
    )
    assert.deepEqual([verified.algorithm, verified.noAlgorithm], ['ES256', false])
  })

  test('without certificates, for a reader who knows the signer', async () => {
    const bytes = await signCose({ payload, signer: alice.signer, certificates: [] })
    refused('key-mismatch', () => verifyCose(bytes))
    refused('bad-signature', () => verifyCose(bytes, { signers: [ca.certificate] }))
    assert.equal(
      verifyCose(bytes, { signers: [bob.certificate, alice.certificate] }).signerCertificate,
      alice.certificate,
    )
  })

  test('with external data that both sides know', async () => {
    const externalAad = Buffer.from('session')
    const bytes = await signCose({ payload, signer: alice.signer, certificates: [alice.certificate], externalAad })
    assert.ok(verifyCose(bytes, { externalAad }))
    refused('bad-signature', () => verifyCose(bytes))
  })

  test('with every kind of key', async () => {
    const keys = [generateKey('P-384'), generateKey('P-521'), generateKeyPairSync('ed25519').privateKey]
    for (const key of keys) {
      const { signer, certificate } = await certify({ subject: 'carol', signer: keySigner(key) })
      const bytes = await signCose({ payload, signer, certificates: [certificate] })
      assert.equal(verifyCose(bytes).algorithm, signer.algorithm)
    }
  })

  test('not with the certificate of another key', async () => {
    await assert.rejects(
      signCose({ payload, signer: alice.signer, certificates: [ca.certificate] }),
      code('key-mismatch'),
    )
  })
})

/** Signed by alice under these headers. */
async function under(
  header: Map<CborKey, Cbor>,
  unprotected: Map<CborKey, Cbor> = new Map(),
  sent = encodeCoseHeader(header),
) {
  const der = await alice.signer.sign(coseSigningInput(sent, payload))
  return encodeCoseSign1({ protectedBytes: sent, unprotected, payload, signature: ecdsaDerToRaw(der, 32) })
}
const signers = () => ({ signers: [alice.certificate] })

describe('refusing', () => {
  test('algorithms that are unknown, symmetric, of the wrong type or not allowed', async () => {
    for (const alg of [5, -999, 'ES256', 'unknown', null]) {
      const bytes = await under(new Map<CborKey, Cbor>([[1, alg]]))
      refused('unsupported-algorithm', () => verifyCose(bytes, signers()))
    }
    const bytes = await under(new Map([[1, -7]]))
    refused('unsupported-algorithm', () => verifyCose(bytes, { ...signers(), algorithms: ['ES384'] }))
    refused('key-mismatch', () => verifyCose(bytes, { signers: [] }))
  })

  test('a message that does not name its algorithm, unless told to take it', async () => {
    const bytes = await under(new Map())
    refused('unsupported-algorithm', () => verifyCose(bytes, signers()))
    assert.equal(verifyCose(bytes, { ...signers(), acceptNoAlgorithm: true }).noAlgorithm, true)
    // As early writers signed it: the empty map itself.
    const early = await under(new Map(), new Map(), Buffer.of(0xa0))
    assert.equal(verifyCose(early, { ...signers(), acceptNoAlgorithm: true }).noAlgorithm, true)
    refused('unsupported-algorithm', () => verifyCose(early, signers()))
  })

  test('critical headers that are not understood', async () => {
    const critical = (crit: Cbor, ...more: [CborKey, Cbor][]) =>
      under(new Map<CborKey, Cbor>([[1, -7], [2, crit], ...more]))
    const cases: [Promise<Buffer>, string][] = [
      [critical([99], [99, 1]), 'unsupported'],
      [critical(['x'], ['x', 1]), 'unsupported'],
      [critical([99]), 'bad-value'],
      [critical([]), 'bad-value'],
      [critical(1), 'bad-value'],
    ]
    for (const [message, expected] of cases) {
      const bytes = await message
      refused(expected, () => verifyCose(bytes, signers()))
    }
    const known = await critical([1, 4], [4, Buffer.of(1)])
    assert.ok(verifyCose(known, signers()))
    const named = await critical([99], [99, 1])
    assert.ok(verifyCose(named, { ...signers(), critical: [99] }))
    const unprotected = await under(new Map([[1, -7]]), new Map([[2, [1]]]))
    refused('bad-value', () => verifyCose(unprotected, signers()))
  })

  test('a detached payload, a signature of the wrong length, a key of another type', async () => {
    const message = decodeCoseSign1(await under(new Map([[1, -7]])))
    const verify = (change: Partial<typeof message>, entity = alice) =>
      verifyCose(encodeCoseSign1({ ...message, ...change }), { signers: [entity.certificate] })
    refused('unsupported', () => verify({ payload: undefined }))
    refused('malformed-signature', () => verify({ signature: message.signature.subarray(1) }))
    refused('malformed-signature', () => verify({}, bob))
    refused('bad-signature', () => verify({ payload: Buffer.of(0xa0) }))
  })

  test('too many certificates, and what is none', async () => {
    const bag = (value: Cbor) => under(new Map([[1, -7]]), new Map<CborKey, Cbor>([[32, value]]))
    const many = await bag(Array.from({ length: 11 }, () => alice.certificate.der))
    refused('too-many', () => verifyCose(many))
    const none = await bag(Buffer.from('0500', 'hex'))
    refused('bad-tag', () => verifyCose(none))
  })
})

test('a damaged message: verified as it was, or refused', async () => {
  const message = await signCose({ payload, signer: alice.signer, certificates: [alice.certificate] })
  const change = fc.tuple(fc.nat(message.length - 1), fc.integer({ min: 1, max: 255 }))
  fc.assert(
    fc.property(fc.array(change, { minLength: 1, maxLength: 3 }), changes => {
      const damaged = Buffer.from(message)
      for (const [at, bits] of changes) damaged[at]! ^= bits
      try {
        assert.deepEqual(Buffer.from(verifyCose(damaged).payload), payload)
      } catch (error) {
        if (!(error instanceof CodecError || error instanceof CryptoError)) throw error
      }
    }),
    { numRuns: 500 },
  )
})
