import assert from 'node:assert/strict'
import { sign } from 'node:crypto'
import test from 'node:test'
import * as pkijs from 'pkijs'
import {
  crlExtensionKinds,
  decodeCertificateList,
  encodeCertificateList,
  encodeTbsCertList,
} from '../../../src/codec/crl.ts'
import {
  decodeCertificationRequest,
  encodeCertificationRequest,
  encodeCertificationRequestInfo,
} from '../../../src/codec/pkcs10.ts'
import { ecdsaWithSHA256 } from '../../../src/codec/x509/algorithm.ts'
import { type Certificate, decodeCertificate } from '../../../src/codec/x509/certificate.ts'
import { extensionKinds, makeExtension } from '../../../src/codec/x509/extension.ts'
import { formatName } from '../../../src/codec/x509/name.ts'
import { makeCertificate, party, publishedCertificates } from './make.ts'

// @peculiar/x509 wants the reflect-metadata polyfill for its service registry; these three are all that it calls.
const metadata = new WeakMap<object, Map<unknown, unknown>>()
const lookUp = (key: unknown, target: object) => metadata.get(target)?.get(key)
Object.assign(Reflect, {
  getMetadata: lookUp,
  getOwnMetadata: lookUp,
  defineMetadata(key: unknown, value: unknown, target: object) {
    metadata.set(target, (metadata.get(target) ?? new Map<unknown, unknown>()).set(key, value))
  },
})
const peculiar = await import('@peculiar/x509')

const hex = (bytes: ArrayBuffer | Uint8Array) => Buffer.from(bytes as Uint8Array).toString('hex')

const ca = party('CA')
const leaf = party('Leaf')
const extensions = [
  makeExtension(extensionKinds.basicConstraints, { cA: true, pathLenConstraint: 2 }),
  makeExtension(extensionKinds.keyUsage, ['keyCertSign', 'cRLSign', 'decipherOnly']),
  makeExtension(extensionKinds.extendedKeyUsage, ['1.3.6.1.5.5.7.3.1', '1.3.6.1.5.5.7.3.28']),
  makeExtension(extensionKinds.subjectKeyIdentifier, Buffer.alloc(20, 7)),
  makeExtension(extensionKinds.subjectAltName, [
    { type: 'dNSName', value: 'a.example' },
    { type: 'iPAddress', value: Buffer.from([192, 0, 2, 1]) },
  ]),
  makeExtension(extensionKinds.masaUrl, 'masa.example'),
]
const ours = makeCertificate(ca, leaf, { extensions })

function agreeWithPeculiar(read: Certificate, der: Buffer): void {
  const theirs = new peculiar.X509Certificate(der)
  assert.equal(theirs.serialNumber, read.serialHex)
  assert.equal(theirs.notBefore.getTime(), read.validity.notBefore.getTime())
  assert.equal(theirs.notAfter.getTime(), read.validity.notAfter.getTime())
  assert.equal(hex(theirs.publicKey.rawData), hex(read.spkiDer))
  assert.equal(hex(theirs.subjectName.toArrayBuffer()), hex(read.subject.der))
  assert.equal(hex(theirs.issuerName.toArrayBuffer()), hex(read.issuer.der))
  assert.deepEqual(
    Array.from(theirs.extensions, ({ type, critical, value }) => [type, critical, hex(value)]),
    read.extensions.map(({ id, critical, value }) => [id, critical, hex(value)]),
  )
}

function agreeWithPkijs(read: Certificate, der: Buffer): void {
  const theirs = pkijs.Certificate.fromBER(der)
  assert.equal(hex(theirs.tbsView), hex(read.tbsDer))
  assert.equal(theirs.version + 1, read.version)
  assert.equal(theirs.signatureAlgorithm.algorithmId, read.signatureAlgorithm.algorithm)
  assert.equal(hex(theirs.signatureValue.valueBlock.valueHexView), hex(read.signature))
  assert.equal(hex(theirs.subjectPublicKeyInfo.subjectPublicKey.valueBlock.valueHexView), hex(read.subjectPublicKey))
  const attributes = read.subject.rdns.flat().map(({ type, value }) => [type, value])
  assert.deepEqual(
    theirs.subject.typesAndValues.map(({ type, value }) => [String(type), value.valueBlock.value as string]),
    attributes,
  )
  assert.deepEqual(
    (theirs.extensions ?? []).map(({ extnID }) => extnID),
    read.extensions.map(({ id }) => id),
  )
}

for (const [path, der] of [...publishedCertificates(), ['one of ours', ours] as const]) {
  test(`${path}: @peculiar/x509 and pkijs read the same`, () => {
    const read = decodeCertificate(der)
    agreeWithPeculiar(read, der)
    agreeWithPkijs(read, der)
  })
}

test('@peculiar/x509 understands our extensions and verifies our signature', async () => {
  const theirs = new peculiar.X509Certificate(ours)
  const constraints = theirs.getExtension(peculiar.BasicConstraintsExtension)
  assert.deepEqual([constraints?.ca, constraints?.pathLength, constraints?.critical], [true, 2, true])
  const usages = peculiar.KeyUsageFlags
  const usage = usages.keyCertSign | usages.cRLSign | usages.decipherOnly
  assert.equal(theirs.getExtension(peculiar.KeyUsagesExtension)?.usages, usage)
  const purposes = Array.from(theirs.getExtension(peculiar.ExtendedKeyUsageExtension)?.usages ?? [])
  assert.deepEqual(purposes, ['1.3.6.1.5.5.7.3.1', '1.3.6.1.5.5.7.3.28'])
  const names = theirs.getExtension(peculiar.SubjectAlternativeNameExtension)?.names.toJSON()
  assert.deepEqual(names, [
    { type: 'dns', value: 'a.example' },
    { type: 'ip', value: '192.0.2.1' },
  ])
  const publicKey = new peculiar.PublicKey(ca.spkiDer)
  assert.equal(await theirs.verify({ publicKey, signatureOnly: true }), true)
})

test('requests: theirs read by us, ours by them', async () => {
  const keys = await crypto.subtle.generateKey({ name: 'ECDSA', namedCurve: 'P-256' }, true, ['sign', 'verify'])
  const theirs = await peculiar.Pkcs10CertificateRequestGenerator.create({
    name: 'CN=Unit 7,O=Example',
    keys,
    signingAlgorithm: { name: 'ECDSA', hash: 'SHA-256' },
    extensions: [new peculiar.KeyUsagesExtension(peculiar.KeyUsageFlags.digitalSignature, true)],
    attributes: [new peculiar.ChallengePasswordAttribute('secret')],
  })
  const read = decodeCertificationRequest(Buffer.from(theirs.rawData))
  assert.equal(formatName(read.subject), 'O=Example,CN=Unit 7')
  assert.deepEqual([read.challengePassword, read.requested.keyUsage], ['secret', ['digitalSignature']])

  const info = encodeCertificationRequestInfo({
    subject: leaf.name,
    spkiDer: leaf.spkiDer,
    extensions: extensions.slice(0, 2),
    challengePassword: 'abc',
  })
  const der = encodeCertificationRequest(info, ecdsaWithSHA256.identifier, sign('sha256', info, leaf.privateKey))
  const again = new peculiar.Pkcs10CertificateRequest(der)
  assert.equal(await again.verify(), true)
  assert.deepEqual(
    Array.from(again.extensions, ({ type }) => type),
    ['2.5.29.19', '2.5.29.15'],
  )
  assert.equal(await pkijs.CertificationRequest.fromBER(der).verify(), true)
})

test('revocation lists: ours read by them, theirs by us', async () => {
  const at = new Date('2026-11-20T00:00:00Z')
  const tbs = encodeTbsCertList({
    signature: ecdsaWithSHA256.identifier,
    issuer: ca.name,
    thisUpdate: at,
    nextUpdate: new Date('2050-01-01T00:00:00Z'),
    revoked: [{ serialNumber: Buffer.from('00ff', 'hex'), revocationDate: at, reason: 'cACompromise' }],
    extensions: [makeExtension(crlExtensionKinds.cRLNumber, Buffer.from([5]))],
  })
  const der = encodeCertificateList(tbs, ecdsaWithSHA256.identifier, sign('sha256', tbs, ca.privateKey))
  const list = new peculiar.X509Crl(der)
  assert.deepEqual(
    list.entries.map(({ serialNumber, reason, revocationDate }) => [serialNumber, reason, revocationDate]),
    [['ff', peculiar.X509CrlReason.cACompromise, at]],
  )
  assert.equal(list.nextUpdate?.toISOString(), '2050-01-01T00:00:00.000Z')
  assert.equal(await list.verify({ publicKey: new peculiar.PublicKey(ca.spkiDer) }), true)
  assert.equal(hex(pkijs.CertificateRevocationList.fromBER(der).tbsView), hex(tbs))

  const signingKey = await crypto.subtle.importKey(
    'pkcs8',
    ca.privateKey.export({ type: 'pkcs8', format: 'der' }),
    { name: 'ECDSA', namedCurve: 'P-256' },
    false,
    ['sign'],
  )
  const theirs = await peculiar.X509CrlGenerator.create({
    issuer: 'CN=CA',
    thisUpdate: at,
    nextUpdate: new Date('2026-12-20T00:00:00Z'),
    signingAlgorithm: { name: 'ECDSA', hash: 'SHA-256' },
    signingKey,
    entries: [{ serialNumber: '0a0b', revocationDate: at, reason: peculiar.X509CrlReason.superseded }],
  })
  const read = decodeCertificateList(Buffer.from(theirs.rawData))
  assert.equal(read.revoked.get('0a0b')?.reason, 'superseded')
  assert.deepEqual(read.thisUpdate, at)
})
