import assert from 'node:assert/strict'
import { before, describe, test } from 'node:test'
import { extendedKeyUsageOid } from '../../../src/codec/x509/extension.ts'
import { generateKey } from '../../../src/crypto/key.ts'
import { keySigner } from '../../../src/crypto/signer.ts'
import { type OpenedArtifact, openVoucherArtifact, signVoucherArtifact } from '../../../src/protocol/brski/artifact.ts'
import { checkRegistrarRequest, type RegistrarRequestContext } from '../../../src/protocol/brski/masa-check.ts'
import type { VoucherRequest } from '../../../src/protocol/brski/voucher.ts'
import { certify, type Entity, eku, now } from '../../crypto/pki.ts'
import {
  anchor,
  certificatesOf,
  crlOf,
  formats,
  nonce,
  type Parties,
  parties,
  pledgeRequestValue,
  registrarOf,
  registrarRequestValue,
  sealed,
  serial,
} from './party.ts'

let all: Parties
let prior: OpenedArtifact<'request'>
before(async () => {
  all = await parties()
  prior = await sealed('request', pledgeRequestValue(all), [all.pledge, all.manufacturer])
})

type Change = Parameters<typeof registrarRequestValue>[2]
const chain = (): [Entity, ...Entity[]] => [all.registrar, all.issuing, all.domain]
const asked = (change: Change = {}, signers = chain(), inside = prior) =>
  sealed('request', registrarRequestValue(all, inside, change), signers)
const check = (artifact: OpenedArtifact<'request'>, more: Partial<RegistrarRequestContext> = {}) =>
  checkRegistrarRequest(artifact, { at: now, deviceAnchors: anchor(all.manufacturer), ...more })
const refused = async (artifact: Promise<OpenedArtifact<'request'>>, code: string, rule?: string) => {
  const opened = await artifact
  assert.throws(
    () => check(opened),
    (error: { code?: string; detail?: { rule?: string } }) => {
      assert.equal(error.code, code)
      if (rule !== undefined) assert.equal(error.detail?.rule, rule)
      return true
    },
  )
}

for (const format of formats) {
  test(`${format}: proximity proven`, async () => {
    const request = await sealed('request', pledgeRequestValue(all), [all.pledge, all.manufacturer], format)
    const checked = check(await sealed('request', registrarRequestValue(all, request), chain(), format))
    assert.deepEqual([checked.assertion, checked.loggedReason, checked.serialNumber], ['proximity', undefined, serial])
    assert.deepEqual(Buffer.from(checked.nonce!), nonce)
    assert.deepEqual(checked.deviceCertificate?.der, all.pledge.certificate.der)
    assert.deepEqual(
      checked.registrarChain.map(({ der }) => der),
      certificatesOf(...chain()).map(({ der }) => der),
    )
    assert.deepEqual(Buffer.from(checked.prior!.bytes), request.bytes)
    assert.deepEqual(checked.quirksUsed, [])
  })
}

describe('no more than logged', () => {
  const reason = async (artifact: Promise<OpenedArtifact<'request'>>) => {
    const { assertion, loggedReason } = check(await artifact)
    assert.equal(assertion, 'logged')
    return loggedReason
  }

  test('without the request of the pledge', async () => {
    assert.equal(await reason(asked({ 'prior-signed-voucher-request': null })), 'no-prior-request')
    const nonceless = check(await asked({ 'prior-signed-voucher-request': null, nonce: null }))
    assert.equal(nonceless.nonce, undefined)
  })

  test('when the pledge asserts no proximity, or names nobody', async () => {
    const { assertion: _, ...silent } = pledgeRequestValue(all)
    assert.equal(
      await reason(asked({}, chain(), await sealed('request', silent, [all.pledge]))),
      'no-proximity-assertion',
    )
    const { 'proximity-registrar-cert': __, ...nobody } = pledgeRequestValue(all)
    assert.equal(
      await reason(asked({}, chain(), await sealed('request', nobody, [all.pledge]))),
      'no-proximity-certificate',
    )
  })

  test('when the pledge saw another registrar', async () => {
    const twin = await registrarOf(all.issuing)
    assert.equal(await reason(asked({}, [twin, all.issuing, all.domain])), 'proximity-mismatch')
    // A certificate that merely lies in the bag proves nothing: it has to be in the chain of the signer.
    assert.equal(await reason(asked({}, [twin, all.issuing, all.domain, all.registrar])), 'proximity-mismatch')
  })

  test('but a key of the chain will do, as the one of the CA that the pledge saw', async () => {
    const seen = await sealed(
      'request',
      pledgeRequestValue(all, { 'proximity-registrar-cert': all.issuing.certificate.der }),
      [all.pledge],
    )
    assert.equal(check(await asked({}, chain(), seen)).assertion, 'proximity')
  })

  test('the assertion that a registrar makes itself does not count', async () => {
    assert.equal(
      await reason(asked({ assertion: 'verified', 'prior-signed-voucher-request': null })),
      'no-prior-request',
    )
  })
})

describe('the registrar', () => {
  test('may come with its certificate alone, or without its root', async () => {
    assert.equal(check(await asked({}, [all.registrar])).registrarChain.length, 1)
    assert.equal(check(await asked({}, [all.registrar, all.issuing])).registrarChain.length, 2)
  })

  test('needs id-kp-cmcRA, said in so many words', async () => {
    const { serverAuth, anyExtendedKeyUsage } = extendedKeyUsageOid
    for (const extensions of [[], [eku(serverAuth)], [eku(anyExtendedKeyUsage)]]) {
      const wrong = await registrarOf(all.issuing, { extensions })
      await refused(asked({}, [wrong, all.issuing, all.domain]), 'registrar-not-authorized', 'extended-key-usage')
    }
  })

  test('has a chain in force', async () => {
    const late = await registrarOf(all.issuing, { notAfter: new Date('2026-01-01T00:00:00Z') })
    await refused(asked({}, [late, all.issuing, all.domain]), 'registrar-not-authorized', 'expired')
    const ca = await certify({
      subject: 'Domain Issuing CA',
      issuer: all.domain,
      ca: 0,
      notBefore: new Date('2027-01-01T00:00:00Z'),
    })
    await refused(asked({}, [await registrarOf(ca), ca, all.domain]), 'registrar-not-authorized', 'not-yet-valid')
    const notCa = await certify({ subject: 'No CA', issuer: all.domain })
    await refused(asked({}, [await registrarOf(notCa), notCa, all.domain]), 'registrar-not-authorized', 'not-a-ca')
  })

  test('is not revoked, as far as it is known', async () => {
    const artifact = await asked()
    assert.ok(check(artifact))
    const revoked = [await crlOf(all.issuing, all.registrar.certificate.serialNumber)]
    assert.throws(() => check(artifact, { crls: revoked }), { code: 'registrar-not-authorized' })
    assert.ok(check(artifact, { crls: [await crlOf(all.issuing)] }))
  })

  test('is judged anew when time has passed or its certificates are others', async () => {
    const artifact = await asked()
    assert.ok(check(artifact))
    const late = new Date(all.registrar.certificate.validity.notAfter.getTime() + 1000)
    assert.throws(() => check(artifact, { at: late }), { code: 'registrar-not-authorized' })
    assert.throws(() => check(artifact, { at: new Date('2024-01-01T00:00:00Z') }), { code: 'registrar-not-authorized' })
    assert.throws(() => check(artifact, { at: new Date(Number.NaN) }), { code: 'registrar-not-authorized' })
    const fewer = await asked({}, [all.registrar])
    assert.equal(check(fewer).registrarChain.length, 1)
    assert.equal(check(artifact).registrarChain.length, 3)
  })

  test('may send a bag with strangers, and a CA with the name of its own', async () => {
    const stranger = await certify({ subject: 'Stranger', ca: true })
    const twin = await certify({ subject: 'Domain Root', ca: true })
    const { registrarChain } = check(await asked({}, [all.registrar, stranger, twin, all.issuing, all.domain]))
    assert.deepEqual(
      registrarChain.map(({ der }) => der),
      certificatesOf(...chain()).map(({ der }) => der),
    )
  })

  test('signs alone', async () => {
    const one = await asked()
    const two = { ...one, signatures: [...one.signatures, ...one.signatures] }
    assert.throws(() => check(two), { code: 'request-malformed' })
  })
})

describe('the request of the pledge', () => {
  test('is signed by a device of ours', async () => {
    const foreign = await certify({ subject: 'Foreign Root', ca: true })
    const device = await certify({ subject: { serialNumber: serial }, issuer: foreign })
    const inside = await sealed('request', pledgeRequestValue(all), [device, foreign])
    await refused(asked({}, chain(), inside), 'idevid-untrusted')
    const forged = await certify({ subject: 'Manufacturer Root', ca: true })
    const copy = await certify({ subject: { serialNumber: serial }, issuer: forged })
    await refused(asked({}, chain(), await sealed('request', pledgeRequestValue(all), [copy])), 'idevid-untrusted')
  })

  test('is signed at all, and can be read', async () => {
    const broken = Buffer.from(prior.bytes)
    broken[broken.length - 1]! ^= 1
    await refused(asked({ 'prior-signed-voucher-request': broken }), 'signature-invalid')
    await refused(asked({ 'prior-signed-voucher-request': Buffer.from('3000', 'hex') }), 'request-malformed')
    const voucherInside = await sealed('request', registrarRequestValue(all, prior), chain())
    // A registrar's request around a registrar's request: the inner signer is no device.
    await refused(asked({}, chain(), voucherInside), 'idevid-untrusted')
  })

  test('is about the same device as the rest', async () => {
    await refused(asked({ 'serial-number': 'JADA000000000' }), 'serial-mismatch')
    const lying = await sealed('request', pledgeRequestValue(all, { 'serial-number': 'JADA000000000' }), [all.pledge])
    await refused(asked({}, chain(), lying), 'serial-mismatch')
    await refused(asked({ 'serial-number': 'JADA000000000' }, chain(), lying), 'serial-mismatch')
    const nameless = await certify({ subject: 'Sensor', issuer: all.manufacturer })
    await refused(
      asked({}, chain(), await sealed('request', pledgeRequestValue(all), [nameless])),
      'idevid-serial-missing',
    )
  })

  test('has the nonce of the rest', async () => {
    await refused(asked({ nonce: Buffer.alloc(16) }), 'request-malformed', 'nonce')
    const { nonce: _, ...nonceless } = pledgeRequestValue(all)
    await refused(asked({}, chain(), await sealed('request', nonceless, [all.pledge])), 'request-malformed', 'nonce')
    assert.equal(check(await asked({ nonce: null })).nonce, undefined)
  })

  test('fits the idevid-issuer, which may be missing', async () => {
    await refused(asked({ 'idevid-issuer': Buffer.from('0400', 'hex') }), 'request-malformed', 'idevid-issuer')
    const checked = check(await asked({ 'idevid-issuer': null }))
    assert.deepEqual(checked.quirksUsed, ['rvr-no-idevid-issuer'])
  })

  test('names its registrar with a certificate that can be read', async () => {
    const unreadable = { 'proximity-registrar-cert': Buffer.from('MAoECAABAgMEBQYH', 'base64') }
    const inside = await sealed('request', pledgeRequestValue(all, unreadable), [all.pledge])
    await refused(asked({}, chain(), inside), 'request-malformed', 'proximity-registrar-cert')
  })

  test('may come from a device whose certificate has run out, where that is allowed', async () => {
    const old = await certify({
      subject: { serialNumber: serial },
      issuer: all.manufacturer,
      signer: keySigner(generateKey('P-256')),
      notAfter: new Date('2026-01-01T00:00:00Z'),
    })
    const inside = await sealed('request', pledgeRequestValue(all), [old])
    const artifact = await asked({ 'idevid-issuer': null }, chain(), inside)
    assert.throws(() => check(artifact), { code: 'idevid-invalid' })
    assert.ok(check(artifact, { quirks: ['idevid-finite-life'] }).quirksUsed.includes('idevid-finite-life'))
  })

  test('may lack its certificate when the MASA knows the device, or the registrar sends it along', async () => {
    const value = pledgeRequestValue(all)
    const { signer } = all.pledge
    const bytes = await signVoucherArtifact({
      format: 'voucher+cose',
      kind: 'request',
      value,
      signer,
      certificates: [],
    })
    const inside = openVoucherArtifact(bytes, { kind: 'request', signers: certificatesOf(all.pledge) })
    const around = (more: Entity[]): Promise<OpenedArtifact<'request'>> =>
      sealed('request', registrarRequestValue(all, inside) as VoucherRequest, [...chain(), ...more], 'voucher+cose')
    await refused(around([]), 'signature-invalid')
    assert.equal(check(await around([]), { deviceCertificates: certificatesOf(all.pledge) }).assertion, 'proximity')
    assert.equal(check(await around([all.pledge])).assertion, 'proximity')
  })
})
