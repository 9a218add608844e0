/** Folder jws-voucher-16. */
import assert from 'node:assert/strict'
import test from 'node:test'
import { decodeJws } from '../../../../src/codec/jws.ts'
import { type Certificate, decodeCertificate } from '../../../../src/codec/x509/certificate.ts'
import { attributeValues } from '../../../../src/codec/x509/name.ts'
import { validatePath } from '../../../../src/crypto/path.ts'
import { openVoucherArtifact } from '../../../../src/protocol/brski/artifact.ts'
import { checkRegistrarRequest } from '../../../../src/protocol/brski/masa-check.ts'
import { checkVoucher } from '../../../../src/protocol/brski/pledge-check.ts'
import { namesKey } from '../../../../src/protocol/brski/proximity.ts'
import { checkPledgeRequest } from '../../../../src/protocol/brski/registrar-check.ts'
import { anchors, compact, folder, hex, spkiOf } from './file.ts'

const { bytes, certificate, key } = folder('jws-voucher-16')
const at = new Date('2024-11-29T09:35:00Z')

const manufacturerCa = certificate('certs/manufacturer-ca')
const domainCa = certificate('certs/domain-ca')
const idevid = certificate('certs/pledge-idevid')
const masa = certificate('certs/masa-voucher-signer')
const rvrSigner = certificate('certs/registrar-voucher-request-signer')

const pvrBytes = bytes('messages/pledge-voucher-request.jws.json')
const pvr = openVoucherArtifact(pvrBytes, { kind: 'request' })
const rvr = openVoucherArtifact(bytes('messages/registrar-voucher-request.jws.json'), { kind: 'request' })
const voucher = openVoucherArtifact(bytes('messages/voucher.jws.json'), { kind: 'voucher' })

const isUnder = (leaf: Certificate, anchor: Certificate) =>
  validatePath({ chain: [leaf], anchors: anchors(anchor), at }).leaf === leaf

test('jws-voucher 8: pairs match, printed certificates are x5c[0], each alone', () => {
  const rows = [
    ['pledge-idevid', idevid, pvr],
    ['registrar-voucher-request-signer', rvrSigner, rvr],
    ['masa-voucher-signer', masa, voucher],
  ] as const
  for (const [name, signer, message] of rows) {
    assert.deepEqual(spkiOf(key(`keys/${name}`)), Buffer.from(signer.spkiDer), name)
    assert.deepEqual(message.signerCertificate.der, signer.der)
    // The draft demands the chain.
    assert.deepEqual([message.certificates.length, message.quirksUsed], [1, ['x5c-leaf-only']])
    assert.equal(decodeJws(message.bytes).signatures[0]?.protected['alg'], 'ES256')
  }
  assert.ok(isUnder(idevid, manufacturerCa))
  assert.ok(isUnder(masa, manufacturerCa))
  assert.ok(isUnder(rvrSigner, domainCa))
})

test('jws-voucher 8: pledge request without assertion', () => {
  assert.equal(pvr.value.assertion, undefined)
  const localCertificate = pvr.value['proximity-registrar-cert']!
  assert.throws(() => checkPledgeRequest(pvr, { clientCertificate: idevid, localCertificate }), {
    code: 'proximity-mismatch',
    detail: { rule: 'assertion' },
  })
})

test('jws-voucher 8: registrar request, whose chain does not hold the key that the pledge saw', () => {
  assert.deepEqual(Buffer.from(rvr.value['prior-signed-voucher-request']!), compact(pvrBytes))
  assert.equal(hex(rvr.value['idevid-issuer']?.subarray(0, 6)), '041830168014')
  assert.equal(hex(rvr.value['idevid-issuer']?.subarray(6)), hex(manufacturerCa.subjectKeyIdentifier))
  const shown = decodeCertificate(pvr.value['proximity-registrar-cert']!)
  assert.ok(isUnder(shown, domainCa))
  assert.deepEqual(attributeValues(shown.subject, 'organizationalUnitName'), ['MySubsidary'])
  assert.notDeepEqual(shown.spkiDer, rvrSigner.spkiDer)
  const checked = checkRegistrarRequest(rvr, { at, deviceAnchors: anchors(manufacturerCa) })
  assert.deepEqual([checked.assertion, checked.loggedReason], ['logged', 'no-proximity-assertion'])
  // Were it asserted, it would still not be proven.
  assert.ok(!checked.registrarChain.some(({ spkiDer }) => namesKey(pvr.value, spkiDer)))
  assert.ok(namesKey(pvr.value, shown.spkiDer))
})

test('jws-voucher 8: voucher, logged as it must be, pinning the domain CA', () => {
  assert.equal(voucher.value.assertion, 'logged')
  assert.deepEqual(Buffer.from(voucher.value['pinned-domain-cert']!), Buffer.from(domainCa.der))
  const accepted = checkVoucher(voucher, {
    anchors: anchors(manufacturerCa),
    idevid,
    nonce: pvr.value.nonce!,
    at,
    clockTrusted: true,
  })
  assert.equal(accepted.pin.type, 'certificate')
})
