/** Folder rfc8366bis. */
import assert from 'node:assert/strict'
import test from 'node:test'
import { decodeSignedData } from '../../../../src/codec/cms.ts'
import { decodeJsonObject, type JsonObject } from '../../../../src/codec/json.ts'
import { type Certificate, decodeCertificate } from '../../../../src/codec/x509/certificate.ts'
import { PathError, validatePath } from '../../../../src/crypto/path.ts'
import { openVoucherArtifact } from '../../../../src/protocol/brski/artifact.ts'
import { deviceSerialNumber, idevidIssuer } from '../../../../src/protocol/brski/idevid.ts'
import { type Structure, structures } from '../../../../src/protocol/brski/voucher.ts'
import { anchors, folder, hex, spkiOf } from './file.ts'

const { bytes, certificate, key, base64 } = folder('rfc8366bis')
const appendixC = folder('rfc8995-appendix-c')
const at = new Date('2022-07-10T21:09:00Z')

const manufacturerCa = appendixC.certificate('certs/manufacturer-idevid-ca')
const rsaCa = certificate('certs/manufacturer-rsa-ca')
const masa = certificate('certs/masa-voucher-signer')
const idevid = certificate('certs/pledge-idevid')

const isUnder = (leaf: Certificate, anchor: Certificate, when: Date) =>
  validatePath({ chain: [leaf], anchors: anchors(anchor), at: when }).leaf === leaf
const pathCode = (code: string) => (error: unknown) => error instanceof PathError && error.code === code

test('RFC 8366bis: keys belong to their certificates', () => {
  const pairs = [
    ['manufacturer-rsa-ca', rsaCa],
    ['masa-voucher-signer', masa],
    ['pledge-idevid', idevid],
  ] as const
  for (const [name, { spkiDer }] of pairs) assert.deepEqual(spkiOf(key(`keys/${name}`)), Buffer.from(spkiDer), name)
})

test('RFC 8366bis: CMS request of the IDevID 1F18FEE7, under the CA of RFC 8995', () => {
  const der = bytes('messages/pledge-voucher-request.cms.der')
  assert.deepEqual(base64('messages/pledge-voucher-request.cms.b64'), der)
  const request = openVoucherArtifact(der, { kind: 'request' })
  assert.equal(request.signerCertificate.serialHex, '1f18fee7')
  assert.deepEqual(request.signerCertificate.der, idevid.der)
  assert.ok(isUnder(request.signerCertificate, manufacturerCa, at))
  // The draft demands the ANIMA content type.
  assert.ok(request.quirksUsed.includes('cms-id-data'))
  const { eContent } = decodeSignedData(der).signedData.encapContentInfo
  assert.deepEqual(Buffer.from(eContent!), bytes('messages/pledge-voucher-request.payload.json'))
  assert.equal(request.value['created-on']?.toISOString(), '2022-07-10T21:08:18.598Z')
})

test('RFC 8366bis: CMS voucher, logged, pinning an end entity', () => {
  const der = bytes('messages/voucher.cms.der')
  assert.deepEqual(base64('messages/voucher.cms.b64'), der)
  const voucher = openVoucherArtifact(der, { kind: 'voucher' })
  assert.deepEqual(voucher.signerCertificate.der, masa.der)
  assert.deepEqual(masa.der, appendixC.certificate('certs/masa-voucher-signer').der)
  assert.ok(isUnder(masa, manufacturerCa, at))
  assert.ok(voucher.quirksUsed.includes('cms-id-data'))
  assert.equal(voucher.value.assertion, 'logged')
  assert.notEqual(decodeCertificate(voucher.value['pinned-domain-cert']!).basicConstraints?.cA, true)
  const { eContent } = decodeSignedData(der).signedData.encapContentInfo
  assert.deepEqual(Buffer.from(eContent!), bytes('messages/voucher.payload.json'))
})

test('RFC 8366bis: JWS voucher, with hexadecimal as base64 and a signer that had run out', () => {
  const voucher = openVoucherArtifact(bytes('messages/voucher.jws.json'), { kind: 'voucher' })
  assert.equal(voucher.format, 'voucher-jws+json')
  assert.deepEqual(voucher.quirksUsed, ['x5c-leaf-only'])
  assert.equal(voucher.certificates.length, 1)
  assert.equal(voucher.value.nonce?.length, 24)
  assert.equal(hex(voucher.value.nonce), Buffer.from('62a2e7693d82fcda2624de58fb6722e5', 'base64').toString('hex'))
  const createdOn = voucher.value['created-on']!
  assert.equal(createdOn.toISOString(), '2025-10-15T00:00:00.000Z')
  assert.throws(() => isUnder(voucher.signerCertificate, manufacturerCa, createdOn), pathCode('expired'))
})

test('RFC 8366bis: a CA with the name of the real one, another key, and a month to live', () => {
  assert.deepEqual(rsaCa.subject.der, manufacturerCa.subject.der)
  assert.notDeepEqual(rsaCa.spkiDer, manufacturerCa.spkiDer)
  assert.equal(rsaCa.publicKeyAlgorithm.algorithm, '1.2.840.113549.1.1.1')
  const { notBefore, notAfter } = rsaCa.validity
  assert.ok(notAfter.getTime() - notBefore.getTime() < 32 * 86_400_000)
  for (const leaf of [idevid, masa]) assert.throws(() => isUnder(leaf, rsaCa, at), pathCode('bad-signature'))
})

test('RFC 8366bis: AuthorityKeyIdentifier of a vendor IDevID', () => {
  const vendor = certificate('certs/idevid-with-authority-key-identifier')
  const issuer = idevidIssuer(vendor)
  assert.equal(hex(issuer.subarray(0, 6)), '041830168014')
  assert.equal(hex(issuer.subarray(6)), hex(vendor.authorityKeyIdentifier?.keyIdentifier))
  assert.equal(vendor.masaUrl, undefined)
  const [, serial] = /^PID:\S+ SN:(\S+)$/.exec(deviceSerialNumber(vendor)) ?? assert.fail()
  assert.equal(deviceSerialNumber(vendor, ['serial-pid-sn']), serial)
  assert.deepEqual(
    vendor.subjectAltName?.map(({ type }) => type),
    ['otherName'],
  )
})

test('RFC 8366bis: SIDs', () => {
  const files = [
    ['sid/ietf-voucher-2025-12-18.sid.json', structures.voucher, 17],
    ['sid/ietf-voucher-request-2025-12-18.sid.json', structures.request, 24],
  ] as const
  for (const [file, structure, count] of files) {
    const { item } = decodeJsonObject(bytes(file))['ietf-sid-file:sid-file'] as JsonObject
    const items = item as readonly JsonObject[]
    assert.equal(items.length, count)
    // Printed as JSON strings.
    const bySid = new Map(items.map(({ identifier, sid }) => [Number(sid as string), identifier]))
    assert.deepEqual(bySid, tableOf(structure))
  }
})

function tableOf(structure: Structure): Map<number, string> {
  const root = `/${structure.root}`
  const leaves = Object.entries(structure.leaves).flatMap(([name, { delta }]) =>
    delta === null ? [] : [[structure.sid + delta, `${root}/${name}`]],
  )
  return new Map([
    [structure.sid - 1, structure.root.split(':')[0]!],
    [structure.sid, root],
    ...(leaves as [number, string][]),
  ])
}
