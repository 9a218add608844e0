import assert from 'node:assert/strict'
import { hash } from 'node:crypto'
import { before, describe, test } from 'node:test'
import { extensionKinds, makeExtension } from '../../../src/codec/x509/extension.ts'
import { hardwareModuleName, otherName } from '../../../src/codec/x509/general-name.ts'
import { type OpenedArtifact, openVoucherArtifact, signVoucherArtifact } from '../../../src/protocol/brski/artifact.ts'
import { idevidIssuer } from '../../../src/protocol/brski/idevid.ts'
import { checkMasaAnswer, checkPledgeRequest } from '../../../src/protocol/brski/registrar-check.ts'
import type { Voucher, VoucherRequest } from '../../../src/protocol/brski/voucher.ts'
import { certify, type Entity } from '../../crypto/pki.ts'
import {
  certificatesOf,
  nonce,
  type Parties,
  parties,
  pledgeRequestValue,
  registrarOf,
  sealed,
  serial,
  voucherValue,
} from './party.ts'

let all: Parties
let request: OpenedArtifact<'request'>
before(async () => {
  all = await parties()
  request = await sealed('request', pledgeRequestValue(all), [all.pledge])
})

const check = (artifact: OpenedArtifact<'request'>, client: Entity = all.pledge, local: Entity = all.registrar) =>
  checkPledgeRequest(artifact, { clientCertificate: client.certificate, localCertificate: local.certificate.der })
const asked = (change: Partial<VoucherRequest>) =>
  sealed('request', { ...pledgeRequestValue(all), ...change }, [all.pledge])
const without = (name: keyof VoucherRequest) => {
  const { [name]: _, ...value } = pledgeRequestValue(all)
  return sealed('request', value as VoucherRequest, [all.pledge])
}

describe('a pledge voucher request', () => {
  test('in order', () => {
    const checked = check(request)
    assert.equal(checked.serialNumber, serial)
    assert.deepEqual(Buffer.from(checked.nonce), nonce)
    assert.deepEqual(checked.idevidIssuer, idevidIssuer(all.pledge.certificate))
    assert.equal(checked.request, request.value)
    assert.deepEqual(checked.quirksUsed, [])
  })

  test('signed by another than the TLS client', async () => {
    const other = await certify({ subject: { serialNumber: serial }, issuer: all.manufacturer })
    assert.throws(() => check(request, other), { code: 'signer-not-tls-client' })
    // Another certificate of the same key is the same device (RFC 8995 appendix C has three).
    const renewed = await certify({
      subject: { serialNumber: serial },
      issuer: all.manufacturer,
      signer: all.pledge.signer,
    })
    assert.equal(check(request, renewed).serialNumber, serial)
  })

  test('with a second signature', async () => {
    const two = { ...request, signatures: [...request.signatures, ...request.signatures] }
    assert.throws(() => check(two), { code: 'signer-not-tls-client', detail: { rule: 'signatures' } })
  })

  test('that names another registrar, or a renewed certificate of this one', async () => {
    const twin = await registrarOf(all.issuing)
    const renewed = await registrarOf(all.issuing, { signer: all.registrar.signer })
    for (const local of [twin, renewed]) {
      assert.throws(() => check(request, all.pledge, local), {
        code: 'proximity-mismatch',
        detail: { rule: 'certificate' },
      })
    }
  })

  test('that asserts no proximity, or names nobody', async () => {
    for (const artifact of [await without('assertion'), await asked({ assertion: 'agent-proximity' })]) {
      assert.throws(() => check(artifact), { code: 'proximity-mismatch', detail: { rule: 'assertion' } })
    }
    const nobody = await without('proximity-registrar-cert')
    assert.throws(() => check(nobody), { code: 'proximity-mismatch' })
  })

  test('that is for another serial number, though its signer is right', async () => {
    const other = await asked({ 'serial-number': 'JADA000000000' })
    assert.throws(() => check(other), {
      code: 'serial-mismatch',
      detail: { certificate: serial, message: 'JADA000000000' },
    })
    const nameless = await certify({ subject: 'Sensor', issuer: all.manufacturer, signer: all.pledge.signer })
    assert.throws(() => check(request, nameless), { code: 'idevid-serial-missing' })
  })

  test('of a device with its serial number in another place, which is noted', async () => {
    const module = otherName(hardwareModuleName, { hwType: '1.3.6.1.4.1.9', hwSerialNum: Buffer.from(serial) })
    const extensions = [makeExtension(extensionKinds.subjectAltName, [module])]
    const device = await certify({ subject: 'Sensor', issuer: all.manufacturer, extensions })
    const checked = check(await sealed('request', pledgeRequestValue(all), [device]), device)
    assert.deepEqual([checked.serialNumber, checked.quirksUsed], [serial, ['serial-hwmodule']])
  })

  test('without a nonce', async () => {
    const nonceless = await without('nonce')
    assert.throws(() => check(nonceless), { code: 'request-malformed' })
  })

  test('that names the registrar by key or by its digest', async () => {
    const { spkiDer } = all.registrar.certificate
    const digest = hash('sha256', spkiDer, 'buffer')
    const { 'proximity-registrar-cert': _, ...value } = pledgeRequestValue(all)
    const named = async (leaves: Partial<VoucherRequest>) => {
      const { signer } = all.pledge
      const certificates = certificatesOf(all.pledge)
      const whole: VoucherRequest = { ...value, ...leaves }
      const bytes = await signVoucherArtifact({
        format: 'voucher+cose',
        kind: 'request',
        value: whole,
        signer,
        certificates,
      })
      return openVoucherArtifact(bytes, { kind: 'request' })
    }
    assert.ok(check(await named({ 'proximity-registrar-pubk': spkiDer })))
    assert.ok(check(await named({ 'proximity-registrar-pubk-sha256': digest })))
    assert.ok(check(await named({ 'proximity-registrar-pubk': spkiDer, 'proximity-registrar-pubk-sha256': digest })))
    const wrong = [
      await named({ 'proximity-registrar-pubk': all.pledge.certificate.spkiDer }),
      await named({ 'proximity-registrar-pubk-sha256': Buffer.alloc(32) }),
      await named({ 'proximity-registrar-pubk': spkiDer, 'proximity-registrar-pubk-sha256': Buffer.alloc(32) }),
    ]
    for (const artifact of wrong) assert.throws(() => check(artifact), { code: 'proximity-mismatch' })
  })
})

describe("the MASA's answer", () => {
  const answer = (change: Partial<Record<keyof Voucher, unknown>> = {}) =>
    sealed('voucher', voucherValue(all, change), [all.masa])
  const refused = (rule: string) => ({ code: 'masa-answer-invalid', detail: { rule } })

  test('in order', async () => {
    const chain = certificatesOf(all.registrar, all.issuing, all.domain)
    const voucher = checkMasaAnswer(await answer(), { serialNumber: serial, nonce, chain })
    assert.equal(voucher['serial-number'], serial)
    assert.ok(checkMasaAnswer(await answer({ nonce: undefined }), { serialNumber: serial }))
  })

  test('for another device, or for another nonce', async () => {
    const voucher = await answer()
    assert.throws(() => checkMasaAnswer(voucher, { serialNumber: 'other', nonce }), refused('serial-number'))
    assert.throws(() => checkMasaAnswer(voucher, { serialNumber: serial, nonce: Buffer.alloc(16) }), refused('nonce'))
    assert.throws(() => checkMasaAnswer(voucher, { serialNumber: serial }), refused('nonce'))
    const nonceless = await answer({ nonce: undefined })
    assert.throws(() => checkMasaAnswer(nonceless, { serialNumber: serial, nonce }), refused('nonce'))
  })

  test('that pins somebody else, or nothing that can be read', async () => {
    const context = { serialNumber: serial, nonce, chain: certificatesOf(all.registrar) }
    const domainPinned = await answer()
    assert.throws(() => checkMasaAnswer(domainPinned, context), refused('pin'))
    const garbage = await answer({ 'pinned-domain-cert': Buffer.from('MAoECAABAgMEBQYH', 'base64') })
    assert.throws(() => checkMasaAnswer(garbage, context), refused('pin'))
  })
})
