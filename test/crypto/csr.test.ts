import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { generateKeyPairSync } from 'node:crypto'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { CertificationRequest } from 'pkijs'
import { decodePem, encodePem } from '../../src/codec/pem.ts'
import { encodeCertificationRequest, encodeCertificationRequestInfo } from '../../src/codec/pkcs10.ts'
import { extensionKinds, makeExtension } from '../../src/codec/x509/extension.ts'
import { encodeName } from '../../src/codec/x509/name.ts'
import { createCsr, verifyCsr } from '../../src/crypto/csr.ts'
import { CryptoError, type CryptoErrorCode } from '../../src/crypto/error.ts'
import { generateKey } from '../../src/crypto/key.ts'
import { algorithmIdentifier, keySigner } from '../../src/crypto/signer.ts'
import { needs } from '../peer.ts'
import { curveSigner, rsaSigner, type TestSigner } from './pki.ts'

const refusal = (code: CryptoErrorCode) => (error: unknown) => {
  assert.ok(error instanceof CryptoError, String(error))
  assert.equal(error.code, code)
  return true
}
const fields = {
  subject: encodeName({ serialNumber: 'JADA123456789' }),
  extensions: [makeExtension(extensionKinds.extendedKeyUsage, ['1.3.6.1.5.5.7.3.2'])],
  challengePassword: 'tls-unique',
}

/** Whatever is asked for, sense or nonsense. */
async function request(spkiDer: Uint8Array, by: TestSigner): Promise<Buffer> {
  const info = encodeCertificationRequestInfo({ subject: fields.subject, spkiDer })
  return encodeCertificationRequest(info, by.identifier ?? algorithmIdentifier[by.algorithm], await by.sign(info))
}

describe('made by us', () => {
  for (const curve of ['P-256', 'P-384', 'P-521'] as const) {
    test(`${curve}: accepted by us, pkijs and openssl`, async t => {
      const signer = keySigner(generateKey(curve))
      const der = await createCsr(fields, signer)
      const { request: read, publicKey, possession } = verifyCsr(der)
      assert.equal(possession, 'proven')
      assert.ok(publicKey.equals(signer.publicKey))
      assert.equal(read.challengePassword, 'tls-unique')
      assert.deepEqual(read.requested.extendedKeyUsage, ['1.3.6.1.5.5.7.3.2'])
      assert.equal(await CertificationRequest.fromBER(der).verify(), true)
      await t.test('openssl', needs('openssl'), () => {
        const input = encodePem('CERTIFICATE REQUEST', der)
        const shown = execFileSync('openssl', ['req', '-verify', '-noout', '-subject'], {
          input,
          stdio: 'pipe',
        }).toString()
        assert.match(shown, /serialNumber = JADA123456789/)
      })
    })
  }
})

test('made by openssl', needs('openssl'), () => {
  const newKey = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-384', '-noenc', '-keyout', '/dev/null']
  const made = execFileSync('openssl', ['req', '-new', ...newKey, '-subj', '/serialNumber=X1', '-pubkey'], {
    stdio: 'pipe',
  })
  const [publicPem, requestPem] = decodePem(made.toString())
  const { request: read, publicKey } = verifyCsr(requestPem!.bytes)
  assert.deepEqual(publicKey.export({ type: 'spki', format: 'der' }), publicPem!.bytes)
  assert.equal(read.subject.rdns[0]?.[0]?.value, 'X1')
})

describe('refused', () => {
  const signer = keySigner(generateKey('P-256'))
  test("somebody else's key: no proof of possession", async () => {
    const other = keySigner(generateKey('P-256'))
    assert.throws(() => verifyCsr(Buffer.alloc(0)), refusal('malformed-request'))
    const der = await request(other.spkiDer, signer)
    assert.throws(() => verifyCsr(der), refusal('bad-signature'))
  })
  test('weak and strange keys, SHA-1', async () => {
    const requests: [CryptoErrorCode, Promise<Buffer>][] = [
      ['weak-key', request(rsaSigner(1024).spkiDer, rsaSigner(2048))],
      ['unsupported-key', request(curveSigner('secp256k1').spkiDer, signer)],
      [
        'unsupported-key',
        request(generateKeyPairSync('x25519').publicKey.export({ type: 'spki', format: 'der' }), signer),
      ],
    ]
    for (const [code, der] of requests) {
      const bytes = await der
      assert.throws(() => verifyCsr(bytes), refusal(code))
    }
    const old = rsaSigner(2048, 'sha1')
    const der = await request(old.spkiDer, old)
    assert.throws(() => verifyCsr(der), refusal('weak-algorithm'))
    assert.equal(verifyCsr(der, { allowSha1: true }).possession, 'proven')
    const rsa = rsaSigner(2048)
    verifyCsr(await request(rsa.spkiDer, rsa))
  })
  test('another key than the expected one, which may be on a curve that is refused otherwise', async () => {
    const [own, other] = [curveSigner('brainpoolP256r1'), curveSigner('brainpoolP256r1')]
    const der = await request(own.spkiDer, own)
    assert.throws(() => verifyCsr(der), refusal('unsupported-key'))
    assert.equal(verifyCsr(der, { expectedKey: own.publicKey }).publicKey, own.publicKey)
    assert.throws(() => verifyCsr(der, { expectedKey: other.publicKey }), refusal('key-mismatch'))
    const stolen = await request(own.spkiDer, other)
    assert.throws(() => verifyCsr(stolen, { expectedKey: own.publicKey }), refusal('bad-signature'))
  })
  test('too large', () => {
    assert.throws(() => verifyCsr(Buffer.alloc(70_000, 0x30)), refusal('malformed-request'))
  })
  test('damage anywhere', async () => {
    const der = await createCsr(fields, signer)
    for (let at = 0; at < der.length; at++) {
      const copy = Buffer.from(der)
      copy.writeUInt8(copy.readUInt8(at) ^ 0x01, at)
      assert.throws(() => verifyCsr(copy), CryptoError, `byte ${at}`)
    }
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 400 }), bytes => {
        assert.throws(() => verifyCsr(bytes), refusal('malformed-request'))
      }),
    )
  })
})
