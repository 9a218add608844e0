/** Folder constrained-voucher-31. */
import assert from 'node:assert/strict'
import test from 'node:test'
import { decodeCoseSign1, decodeCoseX509 } from '../../../../src/codec/cose.ts'
import { type Certificate, decodeCertificate } from '../../../../src/codec/x509/certificate.ts'
import { extendedKeyUsageOid } from '../../../../src/codec/x509/extension.ts'
import { validatePath } from '../../../../src/crypto/path.ts'
import { openVoucherArtifact, withoutCoseCertificates } from '../../../../src/protocol/brski/artifact.ts'
import { checkRegistrarRequest } from '../../../../src/protocol/brski/masa-check.ts'
import { checkVoucher, verifyPinned } from '../../../../src/protocol/brski/pledge-check.ts'
import type { Quirk } from '../../../../src/protocol/brski/quirk.ts'
import { checkMasaAnswer, checkPledgeRequest } from '../../../../src/protocol/brski/registrar-check.ts'
import { decodeCborTelemetry } from '../../../../src/protocol/brski/telemetry.ts'
import type { ArtifactKind } from '../../../../src/protocol/brski/voucher.ts'
import { anchors, folder, hex, spkiOf } from './file.ts'

const { bytes, text, certificate, key } = folder('constrained-voucher-31')
const at = new Date('2022-12-06T20:24:00Z')
const printedAt = new Date('2022-12-10T00:00:00Z')

const pledge = certificate('certs/pledge')
const registrar = certificate('certs/registrar')
const masaCa = certificate('certs/masa-ca')
const masaServer = certificate('certs/masa')
const domainCa = certificate('certs/domain-ca')

const pvrBytes = bytes('messages/pledge-voucher-request.cose.cbor')
const rvrBytes = bytes('messages/registrar-voucher-request.cose.cbor')
const voucherBytes = bytes('messages/voucher.cose.cbor')
const masaAnswer = bytes('messages/voucher-with-unprotected-x5bag.cose.cbor')

const open = <K extends ArtifactKind>(file: Buffer, kind: K, ...signers: Certificate[]) =>
  openVoucherArtifact(file, { kind, signers })
const pvr = open(pvrBytes, 'request', pledge)
const rvr = open(rvrBytes, 'request')
const voucher = open(voucherBytes, 'voucher', masaCa)
const keyMismatch = { name: 'CryptoError', code: 'key-mismatch' }

test('constrained-voucher: listings, payloads, algorithm', () => {
  const rows = [
    ['pledge-voucher-request', pvrBytes, 201],
    ['registrar-voucher-request', rvrBytes, 1604],
    ['voucher', voucherBytes, 724],
  ] as const
  for (const [name, file, size] of rows) {
    assert.equal(file.length, size)
    assert.equal(text(`messages/${name}.cose.hex`).replace(/\s/g, '').toLowerCase(), hex(file))
    const message = decodeCoseSign1(file)
    assert.deepEqual(Buffer.from(message.payload!), bytes(`messages/${name}.payload.cbor`))
    assert.deepEqual([...message.protected], [[1, -7]])
  }
})

test('constrained-voucher: certificates and keys', () => {
  for (const name of ['pledge', 'registrar', 'masa-ca', 'masa', 'domain-ca']) {
    assert.deepEqual(spkiOf(key(`keys/${name}`)), Buffer.from(certificate(`certs/${name}`).spkiDer), name)
  }
  const { cmcRA, serverAuth, clientAuth } = extendedKeyUsageOid
  assert.deepEqual(registrar.extendedKeyUsage, [cmcRA, serverAuth, clientAuth])
  assert.ok(validatePath({ chain: [pledge], anchors: anchors(masaCa), at: printedAt }))
  assert.ok(validatePath({ chain: [registrar], anchors: anchors(domainCa), at: printedAt, purpose: [cmcRA] }))
  assert.equal(pledge.validity.notAfter.toISOString(), '9999-12-31T12:50:47.000Z')
  assert.equal(registrar.validity.notAfter.toISOString().slice(0, 7), '2025-12')
  assert.equal(masaServer.validity.notBefore.getUTCFullYear(), 2026)
})

test('constrained-voucher: pledge request without a clock and with a short nonce', () => {
  assert.deepEqual(pvr.quirksUsed, [])
  assert.equal(pvr.value['created-on'], undefined)
  assert.equal(pvr.value.nonce?.length, 8)
  assert.deepEqual(Buffer.from(pvr.value['proximity-registrar-pubk']!), Buffer.from(registrar.spkiDer))
  assert.throws(() => open(pvrBytes, 'request'), keyMismatch)
  assert.throws(() => open(pvrBytes, 'request', registrar), { name: 'CryptoError', code: 'bad-signature' })
  const checked = checkPledgeRequest(pvr, { clientCertificate: pledge, localCertificate: registrar.der })
  assert.equal(checked.serialNumber, 'JADA123456789')
})

test('constrained-voucher: registrar request with older certificates of the same keys, and without the IDevID chain', () => {
  assert.deepEqual(rvr.signerCertificate.spkiDer, registrar.spkiDer)
  assert.notDeepEqual(rvr.signerCertificate.der, registrar.der)
  assert.deepEqual(open(rvrBytes, 'request', registrar).signerCertificate, registrar)
  const bag = decodeCoseX509(decodeCoseSign1(rvrBytes).unprotected.get(32)).map(decodeCertificate)
  assert.deepEqual(
    bag.map(({ spkiDer }) => hex(spkiDer)),
    [hex(registrar.spkiDer), hex(domainCa.spkiDer)],
  )
  assert.ok(
    validatePath({ chain: rvr.certificates, anchors: anchors(bag[1]!), at, purpose: [extendedKeyUsageOid.cmcRA] }),
  )
  assert.deepEqual(Buffer.from(rvr.value['prior-signed-voucher-request']!), pvrBytes)
  assert.equal(hex(rvr.value['idevid-issuer']?.subarray(0, 6)), '041830168014')
  const deviceAnchors = anchors(masaCa)
  const newer = open(rvrBytes, 'request', registrar)
  assert.throws(() => checkRegistrarRequest(newer, { at: printedAt, deviceAnchors }), { code: 'signature-invalid' })
  const checked = checkRegistrarRequest(newer, { at: printedAt, deviceAnchors, deviceCertificates: [pledge] })
  assert.deepEqual([checked.assertion, checked.serialNumber], ['proximity', 'JADA123456789'])
})

test('constrained-voucher: voucher for another nonce, pinning an older certificate, without x5bag', () => {
  assert.equal(hex(voucher.value.nonce)?.toUpperCase(), '57EED786AD404907')
  assert.throws(() => open(voucherBytes, 'voucher'), keyMismatch)
  const pin = decodeCertificate(voucher.value['pinned-domain-cert']!)
  assert.deepEqual(pin.spkiDer, domainCa.spkiDer)
  const context = { anchors: anchors(masaCa), idevid: pledge, at: printedAt, clockTrusted: true }
  assert.throws(() => checkVoucher(voucher, { ...context, nonce: pvr.value.nonce! }), { detail: { rule: 'nonce' } })
  const serialNumber = 'JADA123456789'
  assert.throws(() => checkMasaAnswer(voucher, { serialNumber, nonce: pvr.value.nonce! }), {
    detail: { rule: 'nonce' },
  })
  const accepted = checkVoucher(voucher, { ...context, nonce: voucher.value.nonce! })
  assert.equal(verifyPinned([registrar, domainCa], accepted, { at: printedAt, clockTrusted: true }), registrar)
})

test('constrained-voucher: what a registrar receives, and what it hands on', () => {
  const received = open(masaAnswer, 'voucher')
  assert.equal(masaAnswer.length, 1231)
  assert.deepEqual(received.signerCertificate.spkiDer, masaCa.spkiDer)
  assert.deepEqual(received.value, voucher.value)
  assert.deepEqual(withoutCoseCertificates(masaAnswer), voucherBytes)
})

test('constrained-voucher: telemetry, with integers as keys of reason-context', () => {
  const read = (name: string) => {
    const file = bytes(`telemetry/${name}.cbor`)
    return [file.length, decodeCborTelemetry(file)] as const
  }
  const base = { version: 1, unknownMembers: [] }
  assert.deepEqual(read('voucher-status-failure'), [
    107,
    {
      ...base,
      status: false,
      reason: 'Informative human-readable error message',
      'reason-context': { '0': 'Additional information' },
    },
  ])
  assert.deepEqual(read('enroll-status-success'), [18, { ...base, status: true }])
  const reason = '<Informative human readable error message>'
  assert.deepEqual(read('enroll-status-failure'), [69, { ...base, status: false, reason }])
})

test('constrained-voucher: messages from before the IANA registration need two quirks', () => {
  const rows = [
    ['pledge-voucher-request', 'request', 'pledge'],
    ['registrar-voucher-request', 'request', 'registrar'],
    ['voucher', 'voucher', 'masa'],
  ] as const
  for (const [name, kind, role] of rows) {
    const file = bytes(`legacy-sids/${name}.cose.cbor`)
    const signers = [certificate(`legacy-sids/${role}`)]
    const read = (...quirks: Quirk[]) => openVoucherArtifact(file, { kind, signers, quirks })
    const message = read('legacy-sids', 'cose-no-alg')
    assert.deepEqual(message.quirksUsed.slice(0, 2), ['cose-no-alg', 'legacy-sids'])
    assert.deepEqual(message.ignoredMembers, [])
    assert.equal(message.value['serial-number'], '00-D0-E5-F2-00-03')
    assert.equal(message.value.nonce?.length, 16)
    assert.equal(message.value['created-on']?.getUTCMilliseconds(), 0)
    assert.throws(() => read('legacy-sids'), { name: 'CryptoError', code: 'unsupported-algorithm' })
    assert.throws(() => read('cose-no-alg'), { name: 'CodecError', code: 'bad-value' })
  }
})
