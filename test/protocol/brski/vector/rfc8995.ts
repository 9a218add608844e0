/** Folder rfc8995-appendix-c. */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test from 'node:test'
import { decodeSignedData } from '../../../../src/codec/cms.ts'
import { CodecError } from '../../../../src/codec/error.ts'
import { decodeJson, decodeJsonObject } from '../../../../src/codec/json.ts'
import { encodePem } from '../../../../src/codec/pem.ts'
import { type Certificate, decodeCertificate } from '../../../../src/codec/x509/certificate.ts'
import { extendedKeyUsageOid } from '../../../../src/codec/x509/extension.ts'
import { PathError, validatePath } from '../../../../src/crypto/path.ts'
import { type OpenedArtifact, openVoucherArtifact } from '../../../../src/protocol/brski/artifact.ts'
import { decodeAuditLog, domainId } from '../../../../src/protocol/brski/audit-log.ts'
import { deviceSerialNumber, idevidIssuer } from '../../../../src/protocol/brski/idevid.ts'
import { checkRegistrarRequest } from '../../../../src/protocol/brski/masa-check.ts'
import { checkVoucher, verifyPinned } from '../../../../src/protocol/brski/pledge-check.ts'
import { Tolerance } from '../../../../src/protocol/brski/quirk.ts'
import { checkMasaAnswer, checkPledgeRequest } from '../../../../src/protocol/brski/registrar-check.ts'
import { decodeTelemetry } from '../../../../src/protocol/brski/telemetry.ts'
import { decodeJsonContent } from '../../../../src/protocol/brski/voucher-content.ts'
import { needs } from '../../../peer.ts'
import { anchors, folder, hex, spkiOf } from './file.ts'

const { bytes, text, certificate, key, base64 } = folder('rfc8995-appendix-c')
const at = new Date('2021-04-13T21:43:30Z')

const manufacturerCa = certificate('certs/manufacturer-idevid-ca')
const masa = certificate('certs/masa-voucher-signer')
const registrarCa = certificate('certs/registrar-ca')
const registrar = certificate('certs/registrar')
const printed = certificate('certs/pledge-idevid-printed')
const embedded = certificate('certs/pledge-idevid-embedded-in-pvr')
const repository = certificate('certs/pledge-idevid-repository')

const pvrDer = bytes('messages/pledge-voucher-request.cms.der')
const rvrDer = bytes('messages/registrar-voucher-request.cms.der')
const voucherDer = bytes('messages/voucher.cms.der')
const pvr = openVoucherArtifact(pvrDer, { kind: 'request' })
const rvr = openVoucherArtifact(rvrDer, { kind: 'request' })
const voucher = openVoucherArtifact(voucherDer, { kind: 'voucher' })

const chains = (leaf: Certificate, anchor: Certificate, when = at) =>
  validatePath({ chain: [leaf], anchors: anchors(anchor), at: when }).anchor.certificate === anchor
const pathCode = (code: string) => (error: unknown) => error instanceof PathError && error.code === code

/** What the RFC prints as eContentType, which is not the one that it demands. */
function idDataVersion1(der: Buffer, payload: string): void {
  const { signedData } = decodeSignedData(der)
  assert.equal(signedData.version, 1)
  assert.equal(signedData.encapContentInfo.eContentType, '1.2.840.113549.1.7.1')
  assert.deepEqual(Buffer.from(signedData.encapContentInfo.eContent!), bytes(`messages/${payload}.payload.json`))
}

function usesQuirks(artifact: OpenedArtifact<'request' | 'voucher'>): void {
  assert.deepEqual(artifact.quirksUsed, ['cms-id-data', 'nonce-base64url-unpadded'])
  assert.equal(hex(artifact.value.nonce), 'fbf5c4f732bdabc2e5d6aca532d2ca7a')
  assert.deepEqual(artifact.ignoredMembers, [])
}

test('RFC 8995 C.1: keys belong to their certificates', () => {
  for (const name of ['manufacturer-idevid-ca', 'masa-voucher-signer', 'registrar-ca', 'registrar']) {
    assert.deepEqual(spkiOf(key(`keys/${name}`)), Buffer.from(certificate(`certs/${name}`).spkiDer), name)
  }
  const pledge = spkiOf(key('keys/pledge-idevid'))
  // Three certificates for one key and one serialNumber.
  for (const idevid of [printed, embedded, repository]) {
    assert.deepEqual(pledge, Buffer.from(idevid.spkiDer))
    assert.equal(deviceSerialNumber(idevid), '00-D0-E5-F2-00-02')
  }
  assert.deepEqual(
    [printed, embedded, repository].map(({ serialHex }) => serialHex),
    ['2aec41d4', '0d83afd9', '1f18fee7'],
  )
})

test('RFC 8995 C.1: chains of MASA signer and registrar', () => {
  assert.ok(chains(masa, manufacturerCa))
  assert.ok(chains(registrar, registrarCa))
  assert.throws(() => chains(registrar, manufacturerCa), pathCode('untrusted'))
  assert.throws(() => chains(registrar, registrarCa, new Date('2026-11-20T00:00:00Z')), pathCode('expired'))
})

test('RFC 8995 C.1.4: a registrar certificate for cmcRA only, without SubjectKeyIdentifier', () => {
  assert.deepEqual(registrar.extendedKeyUsage, [extendedKeyUsageOid.cmcRA])
  assert.equal(registrar.extensions.find(({ id }) => id === '2.5.29.37')?.critical, true)
  const purpose = (oid: string) =>
    validatePath({ chain: [registrar], anchors: anchors(registrarCa), at, purpose: [oid] })
  assert.equal(purpose(extendedKeyUsageOid.cmcRA).leaf, registrar)
  assert.throws(() => purpose(extendedKeyUsageOid.serverAuth), pathCode('extended-key-usage'))
  assert.equal(registrar.subjectKeyIdentifier, undefined)
  assert.equal(domainId(registrar), 'Oy6w2vS8ar8m/FtEHuzs7sl7LSD3pW9yTCgCecoIL3M=')
  assert.equal(domainId(registrarCa), 'uaX2yxHhB6RJLKcIxnwQvIezdCY=')
})

test('RFC 8995 C.1.5: the printed IDevID is of another CA of the same name, and younger than the messages', () => {
  const later = new Date('2021-05-01T00:00:00Z')
  assert.deepEqual(printed.issuer.der, manufacturerCa.subject.der)
  assert.throws(() => chains(printed, manufacturerCa, later), pathCode('bad-signature'))
  assert.equal(printed.validity.notBefore.toISOString().slice(0, 10), '2021-04-26')
  assert.notDeepEqual(pvr.signerCertificate.der, printed.der)
  assert.ok(chains(repository, manufacturerCa, later))
  assert.throws(() => chains(repository, manufacturerCa), pathCode('not-yet-valid'))
})

test('RFC 8995 C.2.1: the IDevID inside the request', () => {
  assert.deepEqual(pvr.signerCertificate.der, embedded.der)
  assert.ok(chains(embedded, manufacturerCa))
  assert.equal(embedded.masaUrl, 'highway-test.example.com:9443')
  assert.equal(embedded.validity.notAfter.toISOString(), '2999-12-31T00:00:00.000Z')
  assert.equal(embedded.authorityKeyIdentifier, undefined)
  // RFC 8366bis 6.1: without it, the SHA-1 of the device's own key takes its place, in the same form.
  assert.equal(hex(idevidIssuer(embedded)), `0418301680144588cc9696006437b0ba23656464540806 6c56ad`.replace(' ', ''))
})

test('RFC 8995 C.2.1: pledge voucher request', () => {
  idDataVersion1(pvrDer, 'pledge-voucher-request')
  usesQuirks(pvr)
  assert.deepEqual(base64('messages/pledge-voucher-request.cms.b64'), pvrDer)
  assert.equal(pvr.value['created-on']?.toISOString(), '2021-04-13T21:43:23.747Z')
  const checked = checkPledgeRequest(pvr, { clientCertificate: embedded, localCertificate: registrar.der })
  assert.equal(checked.serialNumber, '00-D0-E5-F2-00-02')
})

test('RFC 8995 C.2.2: registrar voucher request, and proximity proven by it', () => {
  idDataVersion1(rvrDer, 'registrar-voucher-request')
  usesQuirks(rvr)
  assert.deepEqual(base64('messages/registrar-voucher-request.cms.b64'), rvrDer)
  assert.ok(chains(rvr.signerCertificate, registrarCa))
  assert.deepEqual(
    rvr.certificates.map(({ der }) => hex(der)),
    [hex(registrar.der), hex(registrarCa.der)],
  )
  assert.deepEqual(Buffer.from(rvr.value['prior-signed-voucher-request']!), pvrDer)
  assert.equal(rvr.value['idevid-issuer'], undefined)
  const checked = checkRegistrarRequest(rvr, { at, deviceAnchors: anchors(manufacturerCa) })
  assert.equal(checked.assertion, 'proximity')
  assert.deepEqual(checked.deviceCertificate?.der, embedded.der)
  assert.ok(checked.quirksUsed.includes('rvr-no-idevid-issuer'))
})

test('RFC 8995 C.2.3: voucher, logged although proximity is proven, pinning the registrar itself', () => {
  idDataVersion1(voucherDer, 'voucher')
  usesQuirks(voucher)
  assert.deepEqual(base64('messages/voucher.cms.b64'), voucherDer)
  assert.deepEqual(voucher.signerCertificate.der, masa.der)
  assert.deepEqual(Buffer.from(voucher.value['pinned-domain-cert']!), Buffer.from(registrar.der))
  assert.equal(voucher.value.assertion, 'logged')
  const serialNumber = '00-D0-E5-F2-00-02'
  checkMasaAnswer(voucher, { serialNumber, nonce: pvr.value.nonce!, chain: [registrar, registrarCa] })
  const accepted = checkVoucher(voucher, {
    anchors: anchors(manufacturerCa),
    idevid: embedded,
    nonce: pvr.value.nonce!,
    at,
    clockTrusted: true,
  })
  assert.deepEqual(accepted.pin, { type: 'certificate', certificate: decodeCertificate(registrar.der) })
  assert.equal(verifyPinned([registrar, registrarCa], accepted, { at, clockTrusted: true }), registrar)
})

test('RFC 8995 C.2: openssl agrees, with purpose any for the registrar', needs('openssl'), () => {
  const rows = [
    ['pledge-voucher-request', manufacturerCa],
    ['registrar-voucher-request', registrarCa],
    ['voucher', manufacturerCa],
  ] as const
  const directory = mkdtempSync(join(tmpdir(), 'mooring-vector-'))
  try {
    for (const [name, { der }] of rows) {
      const message = join(directory, 'message')
      writeFileSync(message, bytes(`messages/${name}.cms.der`))
      writeFileSync(join(directory, 'ca'), encodePem('CERTIFICATE', der))
      const options = [
        '-inform',
        'DER',
        '-in',
        message,
        '-CAfile',
        join(directory, 'ca'),
        '-attime',
        `${at.getTime() / 1000}`,
      ]
      options.push('-certfile', join(directory, 'masa'))
      writeFileSync(join(directory, 'masa'), text('certs/masa-voucher-signer.cert.pem'))
      const verify = (...more: string[]) =>
        execFileSync('openssl', ['cms', '-verify', ...options, ...more], { stdio: 'pipe' })
      assert.deepEqual(verify('-purpose', 'any'), bytes(`messages/${name}.payload.json`))
      if (name === 'registrar-voucher-request') assert.throws(() => verify())
    }
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
})

test('RFC 8995 C.2.3: JSON wrapped at 60 columns, as printed, is not JSON', () => {
  const wrapped = text('messages/voucher.payload.json').replace(/.{60}/g, '$&\n')
  assert.throws(() => decodeJson(wrapped), { name: 'CodecError', code: 'bad-encoding' })
})

test('RFC 8995 5.8.1: an audit log with numbers as strings and nonces in two alphabets', () => {
  const log = decodeAuditLog(bytes('json/section-5-8-1-audit-log.json'))
  assert.deepEqual(log.quirksUsed, ['audit-numbers-as-strings'])
  assert.equal(log.version, 1)
  assert.deepEqual(log.truncation, { 'nonced duplicates': 0, 'nonceless duplicates': 1, arbitrary: 2 })
  assert.deepEqual(
    log.events.map(({ nonce }) => nonce),
    ['VOUFT-WwrEv0NuAQEHoV7Q', 'f4G6Vi1t8nKo/FieCVgpBg=='],
  )
  assert.equal(log.events[0]?.truncated, 0)
  assert.equal(log.events[1]?.date.toISOString(), '2017-05-15T21:25:55.644Z')
})

test('RFC 8995 5.7, 5.9.4: telemetry', () => {
  const reason = 'Informative human readable message'
  for (const [file, status] of [
    ['section-5-7-voucher-status', false],
    ['section-5-9-4-enroll-status', true],
  ] as const) {
    assert.deepEqual(decodeTelemetry(bytes(`json/${file}.json`)), {
      version: 1,
      status,
      reason,
      'reason-context': { additional: 'JSON' },
      unknownMembers: [],
    })
  }
})

test('RFC 8995 5.6: the illustrative voucher is none', () => {
  const file = bytes('json/section-5-6-voucher-illustrative.json')
  const members = decodeJsonObject(file)['ietf-voucher:voucher'] as Record<string, string>
  assert.equal(members['created-on'], undefined)
  assert.throws(() => decodeJsonContent(file, 'voucher', 'rfc8366', new Tolerance()), CodecError)
  const complete = (more: object) =>
    Buffer.from(
      JSON.stringify({ 'ietf-voucher:voucher': { ...members, 'created-on': '2021-04-13T21:43:30Z', ...more } }),
    )
  const read = (more: object) => decodeJsonContent(complete(more), 'voucher', 'rfc8366', new Tolerance())
  assert.throws(() => read({}), /pinned-domain-cert is not base64/)
  assert.equal(read({ 'pinned-domain-cert': Buffer.from(registrar.der).toString('base64') }).value.assertion, 'logged')
  // Base64 to the letter, and still no certificate.
  assert.throws(() => read({ 'pinned-domain-cert': 'base64encodedvalueA=' }), CodecError)
})
