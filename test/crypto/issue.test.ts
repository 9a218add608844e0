import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { hash, X509Certificate } from 'node:crypto'
import { before, describe, test } from 'node:test'
import { Certificate as PkiCertificate } from 'pkijs'
import { NO_EXPIRY } from '../../src/codec/der/time.ts'
import { CodecError } from '../../src/codec/error.ts'
import { encodePem } from '../../src/codec/pem.ts'
import { decodeCertificate } from '../../src/codec/x509/certificate.ts'
import { extensionKinds, makeExtension } from '../../src/codec/x509/extension.ts'
import { encodeName } from '../../src/codec/x509/name.ts'
import { CryptoError, type CryptoErrorCode } from '../../src/crypto/error.ts'
import {
  type CertificateTemplate,
  caExtensions,
  type Issuer,
  issueCertificate,
  prepareCertificate,
  randomSerialNumber,
  signCertificate,
} from '../../src/crypto/issue.ts'
import { generateKey, keyIdentifier } from '../../src/crypto/key.ts'
import { keySigner } from '../../src/crypto/signer.ts'
import { needs } from '../peer.ts'
import { judge } from './oracle.ts'
import { begin, certify, end, now } from './pki.ts'

const refusal = (code: CryptoErrorCode) => (error: unknown) => {
  assert.ok(error instanceof CryptoError, String(error))
  assert.equal(error.code, code)
  return true
}
const validity = { notBefore: begin, notAfter: end }

async function root(curve: 'P-256' | 'P-384' | 'P-521', pathLen?: number): Promise<Issuer> {
  const signer = keySigner(generateKey(curve))
  const der = await issueCertificate({
    subject: encodeName({ organizationName: 'Example', commonName: `Root ${curve}` }),
    spkiDer: signer.spkiDer,
    issuer: { certificate: 'self', signer },
    ...validity,
    extensions: caExtensions(pathLen),
  })
  return { certificate: decodeCertificate(der), signer }
}

describe('a hierarchy', () => {
  for (const curve of ['P-256', 'P-384', 'P-521'] as const) {
    test(`${curve}: root, issuing CA, device; verified by us and by openssl`, async () => {
      const top = await root(curve)
      const signer = keySigner(generateKey(curve))
      const intermediate = decodeCertificate(
        await issueCertificate({
          subject: encodeName({ commonName: 'Issuing CA' }),
          spkiDer: signer.spkiDer,
          issuer: top,
          ...validity,
          extensions: caExtensions(0),
        }),
      )
      const device = decodeCertificate(
        await issueCertificate({
          subject: encodeName({ serialNumber: 'JADA123456789' }),
          spkiDer: keySigner(generateKey('P-256')).spkiDer,
          issuer: { certificate: intermediate, signer },
          notBefore: begin,
          notAfter: NO_EXPIRY,
          extensions: [makeExtension(extensionKinds.masaUrl, 'masa.example.com:9443')],
        }),
      )
      judge({ chain: [device, intermediate], anchors: [{ name: 'x', certificate: top.certificate }], at: now }, 'ok')
      assert.equal(device.validity.notAfter.toISOString(), '9999-12-31T23:59:59.000Z')
      assert.deepEqual(device.subjectKeyIdentifier, Buffer.from(keyIdentifier(device.spkiDer)))
      assert.deepEqual(device.authorityKeyIdentifier?.keyIdentifier, intermediate.subjectKeyIdentifier)
      assert.deepEqual(top.certificate.authorityKeyIdentifier?.keyIdentifier, top.certificate.subjectKeyIdentifier)
      assert.ok(new X509Certificate(device.der).verify(signer.publicKey))
    })
  }

  test('other readers see what was meant', async t => {
    const { certificate } = await root('P-256', 1)
    const read = PkiCertificate.fromBER(Buffer.from(certificate.der))
    assert.deepEqual(
      read.subject.typesAndValues.map(({ value }) => String(value.valueBlock.value)),
      ['Example', 'Root P-256'],
    )
    assert.equal(Buffer.from(read.serialNumber.valueBlock.valueHexView).toString('hex'), certificate.serialHex)
    assert.equal(read.notAfter.value.getTime(), end.getTime())
    assert.equal(await read.verify(read), true)
    await t.test('openssl', needs('openssl'), () => {
      const text = execFileSync('openssl', ['x509', '-noout', '-text'], {
        input: encodePem('CERTIFICATE', certificate.der),
      }).toString()
      assert.match(text, /Version: 3/)
      assert.match(text, /X509v3 Basic Constraints: critical\s+CA:TRUE, pathlen:1/)
      assert.match(text, /X509v3 Key Usage: critical\s+Certificate Sign, CRL Sign/)
      assert.match(text, /X509v3 Subject Key Identifier/)
      assert.match(text, /X509v3 Authority Key Identifier/)
    })
  })
})

describe('two steps', () => {
  let ca: Issuer
  let template: CertificateTemplate
  before(async () => {
    ca = await root('P-256')
    const subject = encodeName({ commonName: 'device' })
    template = { subject, spkiDer: keySigner(generateKey('P-256')).spkiDer, issuer: ca, ...validity, extensions: [] }
  })

  test('what is recorded names what is signed', async () => {
    const prepared = prepareCertificate(template)
    assert.equal(prepared.hash, hash('sha256', prepared.tbsDer))
    const first = decodeCertificate(await signCertificate(prepared, ca.signer))
    const again = decodeCertificate(await signCertificate(prepared, ca.signer))
    for (const certificate of [first, again]) {
      assert.deepEqual(Buffer.from(certificate.tbsDer), prepared.tbsDer)
      assert.equal(certificate.serialHex, prepared.serialHex)
    }
  })
  test('a serial number that was chosen', () => {
    const serialHex = (hex: string) =>
      prepareCertificate({ ...template, serialNumber: Buffer.from(hex, 'hex') }).serialHex
    assert.equal(serialHex('01'), '01')
    assert.equal(serialHex('0001ff'), '01ff')
    assert.equal(serialHex('7f'.repeat(20)), '7f'.repeat(20))
    for (const hex of ['', '00', 'ff'.repeat(20), '01'.repeat(21)]) assert.throws(() => serialHex(hex), CodecError)
  })
  test('serial numbers differ, are positive and 16 octets long', () => {
    const seen = new Set<string>()
    for (let i = 0; i < 2000; i++) {
      const serial = randomSerialNumber()
      assert.equal(serial.length, 16)
      assert.equal(serial[0]! >> 6, 1)
      seen.add(serial.toString('hex'))
    }
    assert.equal(seen.size, 2000)
  })
  test('another key does not sign what was prepared for the CA', async () => {
    const prepared = prepareCertificate(template)
    await assert.rejects(signCertificate(prepared, keySigner(generateKey('P-256'))), refusal('key-mismatch'))
    await assert.rejects(signCertificate(prepared, keySigner(generateKey('P-384'))), refusal('key-mismatch'))
  })

  test('refused: what no verifier would accept', async () => {
    const refused = (change: Partial<CertificateTemplate>, code: CryptoErrorCode) =>
      assert.throws(() => prepareCertificate({ ...template, ...change }), refusal(code))
    refused({ notAfter: new Date(begin.getTime() - 1) }, 'malformed-template')
    refused({ notBefore: new Date('nonsense') }, 'malformed-template')
    refused({ subject: encodeName({}) }, 'malformed-template')
    refused({ issuer: { ...ca, signer: keySigner(generateKey('P-256')) } }, 'key-mismatch')
    refused({ issuer: { certificate: 'self', signer: ca.signer } }, 'key-mismatch')
    refused({ spkiDer: Buffer.from('3000', 'hex') }, 'malformed-key')
    const device = await certify({ subject: 'device', issuer: { ...ca } })
    refused({ issuer: device }, 'malformed-template')
    const mute = await certify({
      subject: 'CA',
      ca: true,
      extensions: [makeExtension(extensionKinds.keyUsage, ['cRLSign' as const])],
    })
    refused({ issuer: mute }, 'malformed-template')
    const last = await certify({ subject: 'CA', ca: 0 })
    refused({ issuer: last, extensions: caExtensions() }, 'malformed-template')
    prepareCertificate({ ...template, issuer: last })
    const given = makeExtension(extensionKinds.subjectKeyIdentifier, Buffer.alloc(20))
    assert.throws(() => prepareCertificate({ ...template, extensions: [given] }), CodecError)
  })
  test('an empty name with a critical subjectAltName', async () => {
    const altName = (critical: boolean) =>
      makeExtension(extensionKinds.subjectAltName, [{ type: 'dNSName', value: 'a.example' }], critical)
    const nameless = { ...template, subject: encodeName({}) }
    assert.throws(
      () => prepareCertificate({ ...nameless, extensions: [altName(false)] }),
      refusal('malformed-template'),
    )
    const der = await issueCertificate({ ...nameless, extensions: [altName(true)] })
    judge({ chain: [decodeCertificate(der)], anchors: [{ name: 'x', certificate: ca.certificate }], at: now }, 'ok')
  })
})
