import assert from 'node:assert/strict'
import { createPublicKey, generateKeyPairSync, hash, type JsonWebKey, type KeyObject } from 'node:crypto'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { decodeCertificate } from '../../src/codec/x509/certificate.ts'
import { CryptoError, type CryptoErrorCode } from '../../src/crypto/error.ts'
import { generateKey, importPrivateKey, importPublicKey, keyIdentifier, publicKeyOf } from '../../src/crypto/key.ts'
import { ecProfile, keySigner } from '../../src/crypto/signer.ts'
import { certify } from './pki.ts'

const refusal = (code: CryptoErrorCode) => (error: unknown) => {
  assert.ok(error instanceof CryptoError, String(error))
  assert.equal(error.code, code)
  return true
}
const spkiOf = (key: KeyObject) => key.export({ type: 'spki', format: 'der' })
const publicOf = (key: KeyObject) => spkiOf(createPublicKey(key))

describe('private keys', () => {
  for (const curve of ['P-256', 'P-384', 'P-521'] as const) {
    test(`${curve}: PKCS#8 and SEC1, PEM and DER`, () => {
      const key = generateKey(curve)
      assert.equal(ecProfile(key).curve, curve)
      for (const type of ['pkcs8', 'sec1'] as const) {
        assert.ok(importPrivateKey(key.export({ type, format: 'pem' })).equals(key))
        assert.ok(importPrivateKey(Buffer.from(key.export({ type, format: 'pem' }))).equals(key))
        assert.ok(importPrivateKey(key.export({ type, format: 'der' })).equals(key))
      }
    })
  }
  test('refused: other keys, encrypted ones, public ones, none', () => {
    const pem = { type: 'pkcs8', format: 'pem' } as const
    const other = (key: KeyObject) => key.export(pem).toString()
    for (const namedCurve of ['secp256k1', 'secp224r1', 'brainpoolP256r1']) {
      assert.throws(
        () => importPrivateKey(other(generateKeyPairSync('ec', { namedCurve }).privateKey)),
        refusal('unsupported-key'),
      )
    }
    assert.throws(
      () => importPrivateKey(other(generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey)),
      refusal('unsupported-key'),
    )
    assert.throws(() => importPrivateKey(other(generateKeyPairSync('ed25519').privateKey)), refusal('unsupported-key'))
    const sealed = generateKey('P-256').export({ ...pem, cipher: 'aes-256-cbc', passphrase: 'x' })
    assert.throws(() => importPrivateKey(sealed), refusal('malformed-key'))
    assert.throws(() => importPrivateKey(publicOf(generateKey('P-256'))), refusal('malformed-key'))
    for (const nothing of ['', 'x', Buffer.alloc(0), Buffer.from('30', 'hex')]) {
      assert.throws(() => importPrivateKey(nothing), refusal('malformed-key'))
    }
    assert.throws(() => importPrivateKey(`${other(generateKey('P-256'))}${' '.repeat(9000)}`), refusal('malformed-key'))
  })
  test('a signer needs a private EC or Ed25519 key', async () => {
    assert.throws(() => keySigner(createPublicKey(generateKey('P-256'))), refusal('unsupported-key'))
    assert.throws(
      () => keySigner(generateKeyPairSync('ec', { namedCurve: 'secp256k1' }).privateKey),
      refusal('unsupported-key'),
    )
    assert.throws(
      () => keySigner(generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey),
      refusal('unsupported-key'),
    )
    const ed = keySigner(generateKeyPairSync('ed25519').privateKey)
    assert.equal(ed.algorithm, 'EdDSA')
    assert.equal((await ed.sign(Buffer.from('x'))).length, 64)
  })
})

describe('public keys', () => {
  test('EC, RSA and Ed25519', () => {
    const keys = [
      ...(['P-256', 'P-384', 'P-521'] as const).map(curve => createPublicKey(generateKey(curve))),
      generateKeyPairSync('rsa', { modulusLength: 2048 }).publicKey,
      generateKeyPairSync('rsa', { modulusLength: 2048, publicExponent: 3 }).publicKey,
      generateKeyPairSync('ed25519').publicKey,
    ]
    for (const key of keys) assert.ok(importPublicKey(spkiOf(key)).equals(key))
  })
  test('refused: weak and strange keys', () => {
    assert.throws(
      () => importPublicKey(spkiOf(generateKeyPairSync('rsa', { modulusLength: 1024 }).publicKey)),
      refusal('weak-key'),
    )
    for (const namedCurve of ['secp256k1', 'secp224r1', 'brainpoolP256r1']) {
      const { publicKey } = generateKeyPairSync('ec', { namedCurve })
      assert.throws(() => importPublicKey(spkiOf(publicKey)), refusal('unsupported-key'))
    }
    assert.throws(() => importPublicKey(spkiOf(generateKeyPairSync('x25519').publicKey)), refusal('unsupported-key'))
    assert.throws(() => importPublicKey(spkiOf(generateKeyPairSync('ed448').publicKey)), refusal('unsupported-key'))
    const pss = generateKeyPairSync('rsa-pss', { modulusLength: 2048 }).publicKey
    assert.throws(() => importPublicKey(spkiOf(pss)), refusal('unsupported-key'))
  })
  test('refused: parameters of P-256 written out', () => {
    const { publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256', paramEncoding: 'explicit' })
    assert.throws(() => importPublicKey(spkiOf(publicKey)), refusal('unsupported-key'))
  })
  test('refused: RSA exponents that are even, 1, or as long as the modulus', () => {
    const jwk = generateKeyPairSync('rsa', { modulusLength: 2048 }).publicKey.export({ format: 'jwk' })
    const withExponent = (e: string): JsonWebKey => ({ ...jwk, e: Buffer.from(e, 'hex').toString('base64url') })
    for (const e of ['01', '010000', `01${'00'.repeat(30)}01`]) {
      const key = createPublicKey({ key: withExponent(e), format: 'jwk' })
      assert.throws(() => importPublicKey(spkiOf(key)), refusal('weak-key'))
    }
  })
  test('refused: a compressed point, a point off the curve', () => {
    const spki = publicOf(generateKey('P-256'))
    const header = Buffer.from('3039301306072a8648ce3d020106082a8648ce3d030107032200', 'hex')
    const compressed = Buffer.concat([header, Buffer.of(2 + (spki.at(-1)! & 1)), spki.subarray(-64, -32)])
    // OpenSSL would take it.
    assert.equal(createPublicKey({ key: compressed, format: 'der', type: 'spki' }).type, 'public')
    assert.throws(() => importPublicKey(compressed), refusal('unsupported-key'))
    const off = Buffer.from(spki)
    off.writeUInt8(off.readUInt8(off.length - 1) ^ 1, off.length - 1)
    assert.throws(() => importPublicKey(off), refusal('malformed-key'))
  })
  test('refused: anything that is not one whole SubjectPublicKeyInfo', () => {
    const spki = publicOf(generateKey('P-256'))
    assert.throws(() => importPublicKey(Buffer.concat([spki, Buffer.of(0)])), refusal('malformed-key'))
    assert.throws(() => importPublicKey(spki.subarray(0, -1)), refusal('malformed-key'))
    assert.throws(() => importPublicKey(Buffer.alloc(100_000, 0x30)), refusal('malformed-key'))
    const place = fc.record({ at: fc.nat(spki.length - 1), value: fc.nat(255) })
    fc.assert(
      fc.property(fc.array(place, { minLength: 1, maxLength: 3 }), changes => {
        const copy = Buffer.from(spki)
        for (const { at, value } of changes) copy.writeUInt8(value, at)
        try {
          importPublicKey(copy)
        } catch (error) {
          assert.ok(error instanceof CryptoError, String(error))
        }
      }),
      { numRuns: 1000 },
    )
  })
})

describe('key identifier', () => {
  test('SHA-1 of the key bits: the last 65 bytes for P-256', () => {
    const spki = publicOf(generateKey('P-256'))
    assert.deepEqual(keyIdentifier(spki), hash('sha1', spki.subarray(-65), 'buffer'))
    assert.throws(() => keyIdentifier(Buffer.from('3000', 'hex')), refusal('malformed-key'))
  })
})

describe('cache', () => {
  test('one KeyObject for one key, however often its certificate is read', async () => {
    const { certificate } = await certify({ subject: 'x', ca: true })
    const again = decodeCertificate(certificate.der)
    assert.equal(publicKeyOf(certificate), publicKeyOf(certificate))
    assert.equal(publicKeyOf(again), publicKeyOf(certificate))
  })
  test('it stays small, and keeps what is used', () => {
    const used = { spkiDer: publicOf(generateKey('P-256')) }
    const first = publicKeyOf(used)
    for (let i = 0; i < 1500; i++) {
      publicKeyOf({ spkiDer: publicOf(generateKey('P-256')) })
      if (i % 500 === 0) assert.equal(publicKeyOf({ ...used }), first)
    }
    assert.equal(publicKeyOf({ ...used }), first)
    for (let i = 0; i < 1100; i++) publicKeyOf({ spkiDer: publicOf(generateKey('P-256')) })
    assert.notEqual(publicKeyOf({ ...used }), first)
    // The holder itself keeps its key.
    assert.equal(publicKeyOf(used), first)
  })
})
