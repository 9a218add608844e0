import assert from 'node:assert/strict'
import { hash } from 'node:crypto'
import { before, describe, test } from 'node:test'
import { extendedKeyUsageOid } from '../../../src/codec/x509/extension.ts'
import {
  countersignVoucher,
  type OpenedArtifact,
  openVoucherArtifact,
  signVoucherArtifact,
} from '../../../src/protocol/brski/artifact.ts'
import { idevidIssuer } from '../../../src/protocol/brski/idevid.ts'
import {
  type AcceptedVoucher,
  checkVoucher,
  type PinnedContext,
  type VoucherContext,
  verifyPinned,
} from '../../../src/protocol/brski/pledge-check.ts'
import type { Voucher } from '../../../src/protocol/brski/voucher.ts'
import { certify, type Entity, eku, now } from '../../crypto/pki.ts'
import {
  anchor,
  certificatesOf,
  crlOf,
  formats,
  nonce,
  type Parties,
  parties,
  registrarOf,
  sealed,
  voucherValue,
} from './party.ts'

let all: Parties
let other: Entity
before(async () => {
  all = await parties()
  other = await registrarOf(all.issuing)
})

type Change = Partial<Record<keyof Voucher, unknown>>
const voucher = (change: Change = {}, signers: [Entity, ...Entity[]] = [all.masa]) =>
  sealed('voucher', voucherValue(all, change), signers)
const context = (): VoucherContext => ({
  anchors: anchor(all.manufacturer),
  idevid: all.pledge.certificate,
  nonce,
  at: now,
  clockTrusted: true,
})
const accept = (artifact: OpenedArtifact<'voucher'>, more: Partial<VoucherContext> = {}) =>
  checkVoucher(artifact, { ...context(), ...more })
const ruled = (code: string, rule: string) => (error: { code?: string; detail?: { rule?: string } }) => {
  assert.deepEqual([error.code, error.detail?.rule], [code, rule])
  return true
}
const refused = (artifact: OpenedArtifact<'voucher'>, rule: string, more: Partial<VoucherContext> = {}) =>
  assert.throws(() => accept(artifact, more), ruled('voucher-invalid', rule))

describe('a voucher', () => {
  for (const format of formats) {
    test(`${format}: in order`, async () => {
      const artifact = await sealed('voucher', voucherValue(all), [all.masa, all.manufacturer], format)
      const { pin } = accept(artifact)
      assert.deepEqual(pin.type === 'certificate' && pin.certificate.der, all.domain.certificate.der)
    })
  }

  test('of somebody who is not the manufacturer', async () => {
    const liar = await certify({ subject: 'Manufacturer Root', ca: true })
    const fake = await certify({ subject: 'MASA', issuer: liar })
    refused(await voucher({}, [fake, liar]), 'signer')
    refused(await voucher({}, [all.registrar, all.issuing, all.domain]), 'signer')
    refused(await voucher(), 'signer', { anchors: [] })
  })

  test('for another device', async () => refused(await voucher({ 'serial-number': 'JADA000000000' }), 'serial-number'))

  test('for another nonce, or with one that nobody sent', async () => {
    refused(await voucher({ nonce: Buffer.alloc(16) }), 'nonce')
    const { nonce: _, ...unasked } = context()
    const artifact = await voucher()
    assert.throws(() => checkVoucher(artifact, unasked), ruled('voucher-invalid', 'nonce'))
  })

  test('without nonce: only where the device may take one', async () => {
    const nonceless = await voucher({ nonce: undefined })
    refused(nonceless, 'nonceless')
    assert.ok(accept(nonceless, { nonceless: true }))
  })

  test('for a device of another issuer', async () => {
    assert.ok(accept(await voucher({ 'idevid-issuer': idevidIssuer(all.pledge.certificate) })))
    refused(await voucher({ 'idevid-issuer': idevidIssuer(all.registrar.certificate) }), 'idevid-issuer')
  })

  test('with an assertion that the device does not accept', async () => {
    const logged = await voucher({ assertion: 'logged' })
    assert.ok(accept(logged, { assertions: ['logged', 'proximity'] }))
    refused(logged, 'assertion', { assertions: ['verified', 'proximity'] })
    const { signer } = all.masa
    const { assertion: _, ...silent } = voucherValue(all)
    const bytes = await signVoucherArtifact({
      format: 'voucher+cose',
      kind: 'voucher',
      value: silent,
      signer,
      certificates: certificatesOf(all.masa),
    })
    refused(openVoucherArtifact(bytes, { kind: 'voucher' }), 'assertion', { assertions: ['proximity'] })
  })

  test('that has run out, as far as the device has a clock', async () => {
    const nonceless = { nonceless: true }
    const stale = await voucher({ nonce: undefined, 'expires-on': new Date(now.getTime() - 1000) })
    assert.throws(() => accept(stale, nonceless), { code: 'voucher-expired' })
    assert.ok(accept(stale, { ...nonceless, clockTrusted: false }))
    const fresh = await voucher({ nonce: undefined, 'expires-on': new Date(now.getTime() + 1000) })
    assert.ok(accept(fresh, nonceless))
    assert.throws(() => accept(fresh, { ...nonceless, at: new Date(Number.NaN) }), { name: 'OnboardingError' })
  })

  test('signed with a certificate that has run out, as far as the device has a clock', async () => {
    const old = await certify({ subject: 'MASA', issuer: all.manufacturer, notAfter: new Date('2026-01-01T00:00:00Z') })
    const artifact = await voucher({}, [old])
    refused(artifact, 'signer')
    assert.ok(accept(artifact, { clockTrusted: false }))
  })

  test('without a pin, or with one that cannot be read', async () => {
    const { signer } = all.masa
    const { 'pinned-domain-cert': _, ...value } = voucherValue(all)
    const unpinned = (format: 'voucher+cose' | 'voucher-jws+json') =>
      signVoucherArtifact({
        format,
        kind: 'voucher',
        value,
        signer,
        certificates: certificatesOf(all.masa),
        version: 'rfc8366bis',
      })
    refused(openVoucherArtifact(await unpinned('voucher+cose'), { kind: 'voucher' }), 'pin')
    refused(openVoucherArtifact(await unpinned('voucher-jws+json'), { kind: 'voucher', version: 'rfc8366bis' }), 'pin')
    refused(await voucher({ 'pinned-domain-cert': Buffer.from('MAoECAABAgMEBQYH', 'base64') }), 'pin')
  })

  test('with several pins: the kind that the device prefers, else the shortest', async () => {
    const { spkiDer, der } = all.registrar.certificate
    const value = voucherValue(all, {
      'pinned-domain-cert': der,
      'pinned-domain-pubk': spkiDer,
      'pinned-domain-pubk-sha256': hash('sha256', spkiDer, 'buffer'),
    })
    const artifact = await sealed('voucher', value, [all.masa], 'voucher+cose')
    assert.equal(accept(artifact).pin.type, 'public-key-sha256')
    for (const preferredPin of ['certificate', 'public-key', 'public-key-sha256'] as const) {
      const accepted = accept(artifact, { preferredPin })
      assert.equal(accepted.pin.type, preferredPin)
      assert.ok(verifyPinned(certificatesOf(all.registrar), accepted, { at: now, clockTrusted: true }))
      const others = certificatesOf(other)
      assert.throws(() => verifyPinned(others, accepted, { at: now, clockTrusted: true }), {
        code: 'network-not-authorized',
      })
    }
  })

  test('countersigned: by the domain that it pins, and by nobody else', async () => {
    const { bytes } = await sealed('voucher', voucherValue(all), [all.masa], 'voucher-jws+json')
    const by = (...chain: [Entity, ...Entity[]]) =>
      countersignVoucher(bytes, { signer: chain[0].signer, certificates: certificatesOf(...chain) })
    const both = openVoucherArtifact(await by(all.registrar, all.issuing), { kind: 'voucher' })
    assert.ok(accept(both))
    const evil = await certify({ subject: 'Domain Root', ca: true })
    const wrong = openVoucherArtifact(await by(await registrarOf(evil), evil), { kind: 'voucher' })
    refused(wrong, 'countersignature')
  })
})

describe('the network', () => {
  const pinned = async (change: Change = {}): Promise<AcceptedVoucher> => accept(await voucher(change))
  const verify = (accepted: AcceptedVoucher, chain: readonly Entity[], more: Partial<PinnedContext> = {}) =>
    verifyPinned(certificatesOf(...chain), accepted, { at: now, clockTrusted: true, ...more })
  const unauthorized = (rule: string) => ruled('network-not-authorized', rule)

  test('below the pinned CA', async () => {
    const accepted = await pinned()
    assert.equal(verify(accepted, [all.registrar, all.issuing]), all.registrar.certificate)
    assert.throws(() => verify(accepted, [all.registrar]), unauthorized('untrusted'))
    assert.throws(() => verify(accepted, []), unauthorized('certificate'))
  })

  test('of an evil twin', async () => {
    const root = await certify({ subject: 'Domain Root', ca: true })
    const ca = await certify({ subject: 'Domain Issuing CA', issuer: root, ca: 0 })
    const twin = await registrarOf(ca)
    const accepted = await pinned()
    assert.throws(() => verify(accepted, [twin, ca, root]), unauthorized('bad-signature'))
    const exact = await pinned({ 'pinned-domain-cert': all.registrar.certificate.der })
    assert.throws(() => verify(exact, [twin, ca, root]), { code: 'network-not-authorized' })
  })

  test('below the pinned CA, but not a registrar: a device of the domain', async () => {
    const device = await certify({
      subject: 'device',
      issuer: all.issuing,
      extensions: [eku(extendedKeyUsageOid.clientAuth)],
    })
    const accepted = await pinned()
    assert.throws(() => verify(accepted, [device, all.issuing]), unauthorized('extended-key-usage'))
  })

  test('that is pinned itself, also with a new certificate of its key', async () => {
    const accepted = await pinned({ 'pinned-domain-cert': all.registrar.certificate.der })
    assert.ok(verify(accepted, [all.registrar]))
    const renewed = await registrarOf(all.issuing, { signer: all.registrar.signer })
    assert.equal(verify(accepted, [renewed, all.issuing]), renewed.certificate)
    // Pinned by the manufacturer, it needs no purpose.
    const plain = await certify({ subject: 'plain', issuer: all.issuing })
    assert.ok(verify(await pinned({ 'pinned-domain-cert': plain.certificate.der }), [plain]))
  })

  test('whose certificate has run out, as far as the device has a clock', async () => {
    const late = await registrarOf(all.issuing, { notAfter: new Date('2026-01-01T00:00:00Z') })
    const accepted = await pinned()
    assert.throws(() => verify(accepted, [late, all.issuing]), unauthorized('expired'))
    assert.ok(verify(accepted, [late, all.issuing], { clockTrusted: false }))
    const exact = await pinned({ 'pinned-domain-cert': late.certificate.der })
    assert.throws(() => verify(exact, [late]), unauthorized('expired'))
  })

  test('whose revocation has to be looked at, or must not be', async () => {
    const clean = [await crlOf(all.issuing)]
    const revoked = [await crlOf(all.issuing, all.registrar.certificate.serialNumber)]
    const must = await pinned({ 'domain-cert-revocation-checks': true })
    assert.throws(() => verify(must, [all.registrar, all.issuing]), unauthorized('revocation-unknown'))
    assert.ok(verify(must, [all.registrar, all.issuing], { crls: clean }))
    assert.throws(() => verify(must, [all.registrar, all.issuing], { crls: revoked }), unauthorized('revoked'))
    const usual = await pinned()
    assert.throws(() => verify(usual, [all.registrar, all.issuing], { crls: revoked }), unauthorized('revoked'))
    const mustNot = await pinned({ 'domain-cert-revocation-checks': false })
    assert.ok(verify(mustNot, [all.registrar, all.issuing], { crls: revoked }))
  })
})
