import assert from 'node:assert/strict'
import { generateKeyPairSync } from 'node:crypto'
import { before, describe, test } from 'node:test'
import fc from 'fast-check'
import * as jose from 'jose'
import { encodeBase64, encodeBase64Url } from '../../src/codec/base64.ts'
import { CodecError } from '../../src/codec/error.ts'
import type { JsonObject } from '../../src/codec/json.ts'
import { decodeJws, encodeJws, encodeJwsHeader, jwsSigningInput } from '../../src/codec/jws.ts'
import { ecdsaDerToRaw } from '../../src/crypto/ecdsa.ts'
import { CryptoError } from '../../src/crypto/error.ts'
import { countersignJws, signJws, type VerifyJws, verifyJws } from '../../src/crypto/jws.ts'
import { generateKey } from '../../src/crypto/key.ts'
import { keySigner, type SignatureAlgorithm } from '../../src/crypto/signer.ts'
import { certify, type Entity } from './pki.ts'

const payload = Buffer.from('{"ietf-voucher:voucher":{}}')
const header = { typ: 'voucher-jws+json' }

let ca: Entity
let alice: Entity
let bob: Entity
before(async () => {
  ca = await certify({ subject: 'CA', ca: true })
  alice = await certify({ subject: 'alice', issuer: ca })
  bob = await certify({ subject: 'bob', issuer: ca, signer: keySigner(generateKey('P-384')) })
})

const by = ({ signer, certificate }: Entity, ...more: Entity[]) => ({
  signer,
  certificates: [certificate, ...more.map(entity => entity.certificate)],
})
const code = (expected: string) => (error: unknown) =>
  (error instanceof CryptoError || error instanceof CodecError) && error.code === expected
const refused = (expected: string, bytes: Uint8Array, options?: VerifyJws) =>
  assert.throws(() => verifyJws(bytes, options), code(expected))

/** Signed with exactly this protected header, by alice unless told otherwise. */
async function withHeader(members: JsonObject, entity = alice, unprotected: JsonObject = {}): Promise<Buffer> {
  const protectedText = encodeJwsHeader(members)
  const payloadText = encodeBase64Url(payload)
  const der = await entity.signer.sign(jwsSigningInput(protectedText, payloadText))
  const signature = ecdsaDerToRaw(der, entity === bob ? 48 : 32)
  return encodeJws({ payloadText, signatures: [{ protectedText, protected: {}, header: unprotected, signature }] })
}
const x5c = (...entities: Entity[]) => entities.map(({ certificate }) => encodeBase64(certificate.der))

describe('signing', () => {
  test('one signature with chain, which verifies', async () => {
    const bytes = await signJws({ payload, header, ...by(alice, ca) })
    const verified = verifyJws(bytes)
    assert.deepEqual(Buffer.from(verified.payload), payload)
    const [signature] = verified.signatures
    assert.equal(signature?.algorithm, 'ES256')
    assert.deepEqual(signature?.header, { alg: 'ES256', typ: 'voucher-jws+json', x5c: x5c(alice, ca) })
    assert.deepEqual(
      signature?.certificates.map(({ der }) => der),
      [alice.certificate.der, ca.certificate.der],
    )
  })

  test('a second one over the same payload leaves the first as it is', async () => {
    const first = await signJws({ payload, header, ...by(alice) })
    const both = await countersignJws(first, { header, ...by(bob) })
    assert.deepEqual(decodeJws(both).signatures[0], decodeJws(first).signatures[0])
    const { signatures } = verifyJws(both)
    assert.deepEqual(
      signatures.map(({ algorithm }) => algorithm),
      ['ES256', 'ES384'],
    )
    assert.deepEqual(signatures[1]?.signerCertificate.der, bob.certificate.der)
  })

  test('with every kind of key', async () => {
    const keys = [generateKey('P-384'), generateKey('P-521'), generateKeyPairSync('ed25519').privateKey]
    const algorithms: SignatureAlgorithm[] = ['ES384', 'ES512', 'EdDSA']
    for (const [i, key] of keys.entries()) {
      const entity = await certify({ subject: 'carol', signer: keySigner(key) })
      const bytes = await signJws({ payload, ...by(entity) })
      assert.equal(verifyJws(bytes, { algorithms: [algorithms[i]!] }).signatures[0]?.algorithm, algorithms[i])
    }
  })

  test('not with the certificate of another key', async () => {
    await assert.rejects(
      signJws({ payload, signer: alice.signer, certificates: [ca.certificate] }),
      code('key-mismatch'),
    )
  })
})

describe('refusing', () => {
  test('one bad signature among two', async () => {
    const both = await countersignJws(await signJws({ payload, header, ...by(alice) }), { header, ...by(bob) })
    const jws = decodeJws(both)
    for (const broken of [0, 1]) {
      const signatures = jws.signatures.map((entry, i) => {
        const signature = Buffer.from(entry.signature)
        if (i === broken) signature[3]! ^= 1
        return { ...entry, signature }
      })
      refused('bad-signature', encodeJws({ ...jws, signatures }))
    }
  })

  test('another payload', async () => {
    const jws = decodeJws(await signJws({ payload, ...by(alice) }))
    refused('bad-signature', encodeJws({ ...jws, payloadText: encodeBase64Url(Buffer.from('{}')) }))
  })

  test('algorithms that are none, symmetric, unknown or not allowed', async () => {
    for (const alg of ['none', 'HS256', 'RS256', 'es256', 1, undefined]) {
      refused('unsupported-algorithm', await withHeader({ ...(alg !== undefined && { alg }), x5c: x5c(alice) }))
    }
    refused('unsupported-algorithm', await withHeader({ alg: 'ES256', x5c: x5c(alice) }), { algorithms: ['ES384'] })
    const ed = await certify({ subject: 'ed', signer: keySigner(generateKeyPairSync('ed25519').privateKey) })
    refused('unsupported-algorithm', await signJws({ payload, ...by(ed) }))
  })

  test('an algorithm with a key on another curve, or of another type', async () => {
    refused('key-mismatch', await withHeader({ alg: 'ES256', x5c: x5c(bob) }, bob))
    refused('key-mismatch', await withHeader({ alg: 'ES384', x5c: x5c(alice) }))
    refused('key-mismatch', await withHeader({ alg: 'EdDSA', x5c: x5c(alice) }), { algorithms: ['EdDSA'] })
  })

  test('a signature of the wrong length, or in DER', async () => {
    const jws = decodeJws(await signJws({ payload, ...by(alice) }))
    const [entry] = jws.signatures
    const with_ = (signature: Uint8Array) => encodeJws({ ...jws, signatures: [{ ...entry!, signature }] })
    refused('malformed-signature', with_(entry!.signature.subarray(1)))
    refused('malformed-signature', with_(Buffer.alloc(64)))
    refused(
      'malformed-signature',
      with_(await alice.signer.sign(jwsSigningInput(entry!.protectedText, jws.payloadText))),
    )
  })

  test('critical members that are not understood, or that must not be critical', async () => {
    const base = { alg: 'ES256', x5c: x5c(alice) }
    const cases: [JsonObject, string][] = [
      [{ crit: ['created-on'], 'created-on': 'x' }, 'unsupported'],
      [{ crit: ['b64'], b64: false }, 'unsupported'],
      [{ crit: [] }, 'bad-value'],
      [{ crit: 'exp' }, 'bad-value'],
      [{ crit: ['alg'] }, 'bad-value'],
      [{ crit: [1] }, 'bad-value'],
      [{ crit: ['absent'] }, 'bad-value'],
    ]
    for (const [members, expected] of cases) refused(expected, await withHeader({ ...base, ...members }))
    refused('bad-value', await withHeader(base, alice, { crit: ['x'] }))
    const critical = { ...base, crit: ['created-on'], 'created-on': '2026-11-20T12:00:00Z' }
    assert.equal(verifyJws(await withHeader(critical), { critical: ['created-on'] }).signatures.length, 1)
    refused('duplicate', await withHeader({ ...critical, crit: ['created-on', 'created-on'] }), {
      critical: ['created-on'],
    })
  })

  test('a chain that is none', async () => {
    for (const chain of [[], 'x', [1], {}]) refused('bad-value', await withHeader({ alg: 'ES256', x5c: chain }))
    refused(
      'bad-encoding',
      await withHeader({ alg: 'ES256', x5c: [encodeBase64Url(alice.certificate.der).slice(0, -1)] }),
    )
    refused('bad-tag', await withHeader({ alg: 'ES256', x5c: ['BQA='] }))
    refused('too-many', await withHeader({ alg: 'ES256', x5c: Array.from({ length: 11 }, () => x5c(alice)[0]!) }))
  })

  test('a signer that nobody knows', async () => {
    const bare = await withHeader({ alg: 'ES256' })
    refused('key-mismatch', bare)
    refused('bad-signature', bare, { signers: [ca.certificate] })
    const verified = verifyJws(bare, { signers: [bob.certificate, ca.certificate, alice.certificate] })
    assert.equal(verified.signatures[0]?.signerCertificate, alice.certificate)
    // With x5c it is the first of that chain and nobody else.
    refused('bad-signature', await withHeader({ alg: 'ES256', x5c: x5c(ca, alice) }), { signers: [alice.certificate] })
  })
})

test('jose verifies what we sign', async () => {
  const both = await countersignJws(await signJws({ payload, header, ...by(alice) }), { header, ...by(bob) })
  const jws = JSON.parse(both.toString())
  for (const [i, { publicKey }] of [alice.signer, bob.signer].entries()) {
    const verified = await jose.generalVerify({ payload: jws.payload, signatures: [jws.signatures[i]] }, publicKey)
    assert.deepEqual(Buffer.from(verified.payload), payload)
  }
})

test('we verify what jose signs, which jose takes for good when one of two signatures is', async () => {
  const sign = new jose.GeneralSign(payload)
  for (const [entity, alg] of [
    [alice, 'ES256'],
    [bob, 'ES384'],
  ] as const) {
    const key = generateKey(alg === 'ES256' ? 'P-256' : 'P-384')
    const { certificate } = await certify({ subject: alg, issuer: ca, signer: keySigner(key) })
    assert.notDeepEqual(certificate.der, entity.certificate.der)
    sign.addSignature(key).setProtectedHeader({ alg, x5c: [encodeBase64(certificate.der)] })
  }
  const jws = await sign.sign()
  assert.equal(verifyJws(Buffer.from(JSON.stringify(jws))).signatures.length, 2)
  const [first, second] = jws.signatures
  const half = { ...jws, signatures: [first!, { ...second!, signature: first!.signature }] }
  refused('malformed-signature', Buffer.from(JSON.stringify(half)))
})

test('a damaged message: verified as it was, or refused', async () => {
  const message = await signJws({ payload, header, ...by(alice, ca) })
  const change = fc.tuple(fc.nat(message.length - 1), fc.integer({ min: 1, max: 127 }))
  fc.assert(
    fc.property(fc.array(change, { minLength: 1, maxLength: 3 }), changes => {
      const damaged = Buffer.from(message)
      for (const [at, bits] of changes) damaged[at]! ^= bits
      try {
        assert.deepEqual(Buffer.from(verifyJws(damaged).payload), payload)
      } catch (error) {
        if (!(error instanceof CodecError || error instanceof CryptoError)) throw error
      }
    }),
    { numRuns: 500 },
  )
})
