import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { afterEach, beforeEach, describe, it } from 'node:test'
import { decodeCertsOnly } from '../../src/codec/cms.ts'
import { type Certificate, decodeCertificate } from '../../src/codec/x509/certificate.ts'
import { encodeName } from '../../src/codec/x509/name.ts'
import { createCsr } from '../../src/crypto/csr.ts'
import { generateKey } from '../../src/crypto/key.ts'
import { validatePath } from '../../src/crypto/path.ts'
import { keySigner, type Signer } from '../../src/crypto/signer.ts'
import { OnboardingError } from '../../src/domain/error.ts'
import type { EndpointReply } from '../../src/domain/port.ts'
import { brskiPath } from '../../src/protocol/brski/endpoint.ts'
import { createApproval } from '../../src/role/authorization/approval.ts'
import { issueRecall } from '../../src/role/factory/recall.ts'
import { createCredentialIssuer, openCsr } from '../../src/role/onboarding/network-credential.ts'
import { presencePath } from '../../src/role/onboarding/presence.ts'
import { createRevocation } from '../../src/role/onboarding/revocation.ts'
import { importRecall } from '../../src/role/supply-chain/recall-import.ts'
import { certify } from '../crypto/pki.ts'
import {
  buyer,
  expectUnit,
  type Neighbourhood,
  openNeighbourhood,
  pledgeOf,
  testPeer,
} from '../role/onboarding/neighbourhood.ts'
import { obligingMasa } from './maker.ts'

const codeOf = (reply: EndpointReply) => String(reply.body).split(':', 1)[0]
const day = 86_400_000
const renewal = '/.well-known/est/simplereenroll'
const enrolment = '/.well-known/est/simpleenroll'

function certificateIn(reply: EndpointReply): Certificate {
  assert.equal(reply.status, 200, String(reply.body))
  const { certificates } = decodeCertsOnly(Buffer.from(String(reply.body), 'base64'))
  return decodeCertificate(certificates[0] ?? new Uint8Array())
}

describe('enrolment under attack', () => {
  let home: Neighbourhood
  beforeEach(async () => {
    home = await openNeighbourhood({ units: 3 })
  })
  afterEach(() => home.close())

  const approval = () => createApproval(home.site)
  const revocation = () =>
    createRevocation({
      store: home.site,
      clock: () => home.now.value,
      issuers: () => [home.authority.issuing],
      crlValidity: day,
    })
  const credentials = () => home.site.read(tables => tables.credential.find({}))
  const newKey = () => keySigner(generateKey('P-256'))

  async function vouched(serial: string) {
    const unit = home.unit(serial)
    const id = await expectUnit(home, serial)
    const pledge = pledgeOf(home, unit)
    const answer = await pledge.post(await pledge.voucherRequest())
    assert.equal(answer.status, 200, String(answer.body))
    return { unit, id, pledge }
  }

  /** An onboarded device, and itself on a connection with its network credential. */
  async function onboarded(serial: string, key: Signer = newKey()) {
    const scene = await vouched(serial)
    const ldevid = certificateIn(await scene.pledge.enroll(key))
    return { ...scene, key, ldevid, connected: withCredential(scene.unit, ldevid) }
  }

  function withCredential(unit: Parameters<typeof pledgeOf>[1], ldevid: Certificate) {
    return pledgeOf(home, unit, { peer: testPeer([ldevid.der], home.authority.registrar.certificate.der) })
  }

  async function renew(pledge: ReturnType<typeof pledgeOf>, ldevid: Certificate, key: Signer) {
    const csr = await createCsr({ subject: Buffer.from(ldevid.subject.der) }, key)
    return pledge.request('POST', renewal, 'application/pkcs10', csr.toString('base64'))
  }

  /** Runs `work` when the issuing CA is about to sign: after the plan, before the certificate. */
  function beforeSignature(work: () => Promise<unknown>): void {
    const signer = home.authority.issuing.signer as { sign: Signer['sign'] }
    const sign = signer.sign
    signer.sign = async data => {
      signer.sign = sign
      await work()
      return sign(data)
    }
  }

  it('a device that is withdrawn while its certificate is being signed does not get it', async () => {
    const { id, pledge } = await vouched('B1-000001')
    beforeSignature(() => approval().withdraw(id, 'anna'))
    assert.equal(codeOf(await pledge.enroll(newKey())), 'device-withdrawn')
    assert.deepEqual(
      (await credentials()).map(({ status }) => status),
      ['planned'],
    )
  })

  it('a device that is withdrawn while the MASA is asked does not get its voucher', async () => {
    const unit = home.unit('B1-000001')
    const id = await expectUnit(home, unit.serial)
    const honest = home.masaClient.answer
    home.masaClient.answer = async request => {
      await approval().withdraw(id, 'anna')
      return honest(request)
    }
    const pledge = pledgeOf(home, unit)
    const request = await pledge.voucherRequest()
    assert.equal(codeOf(await pledge.post(request)), 'device-withdrawn')
    assert.equal(codeOf(await pledge.post(request)), 'device-withdrawn')
    assert.equal(await home.site.read(tables => tables.voucher.count({ device: id })), 0)
  })

  it('a device that is recalled while the MASA is asked does not get its voucher [WP-M6.01]', async () => {
    const unit = home.unit('B1-000001')
    const id = await expectUnit(home, unit.serial)
    const notice = await issueRecall(
      { manufacturer: home.manufacturer, store: home.factory, clock: () => home.now.value, random: randomBytes },
      { reason: 'vulnerability', note: 'Unsigned updates.', reference: 'ACME-7', models: ['Lamp'] },
    )
    const honest = home.masaClient.answer
    home.masaClient.answer = async request => {
      const answer = await honest(request)
      const clock = () => home.now.value
      await importRecall({ bytes: notice.file, store: home.site, clock, importedBy: 'anna', treatment: 'revoke' })
      return answer
    }
    const pledge = pledgeOf(home, unit)
    const request = await pledge.voucherRequest()
    assert.equal(codeOf(await pledge.post(request)), 'device-recalled')
    assert.equal(codeOf(await pledge.post(request)), 'device-recalled')
    assert.equal(await home.site.read(tables => tables.voucher.count({ device: id })), 0)
    const device = await home.site.read(tables => tables.device.get(id))
    assert.deepEqual([device?.voucher, device?.refusal?.code], [undefined, 'device-recalled'])
  })

  it('a site that was left behind signs neither a first credential nor the next one, and revokes all the same', async () => {
    await home.close()
    let left = false
    home = await openNeighbourhood({
      units: 3,
      mayIssue() {
        if (left) throw new OnboardingError('site-elsewhere')
      },
    })
    const inside = await onboarded('B1-000001')
    const outside = await vouched('B1-000002')
    left = true
    assert.equal(codeOf(await outside.pledge.enroll(newKey())), 'site-elsewhere')
    assert.equal(codeOf(await renew(inside.connected, inside.ldevid, newKey())), 'site-elsewhere')
    assert.equal((await inside.connected.request('GET', presencePath, '', '')).status, 200, 'who is in stays in')
    const [first] = await credentials()
    await revocation().revoke(first?.id ?? '', 'keyCompromise', 'anna')
    assert.equal(codeOf(await inside.connected.request('GET', presencePath, '', '')), 'credential-not-in-force')
    assert.equal((await credentials()).length, 1)
  })

  it('a credential that is revoked while its renewal is being signed is not renewed', async () => {
    const { ldevid, connected } = await onboarded('B1-000001')
    const [first] = await credentials()
    beforeSignature(() => revocation().revoke(first?.id ?? '', 'keyCompromise', 'anna'))
    assert.equal(codeOf(await renew(connected, ldevid, newKey())), 'credential-not-in-force')
    assert.equal((await credentials()).filter(({ status }) => status === 'issued').length, 0)
  })

  it('a revoked credential opens nothing [S3.C2, WP-M6.01]', async () => {
    const { ldevid, connected } = await onboarded('B1-000001')
    assert.equal((await connected.request('GET', presencePath, '', '')).status, 200)
    const [first] = await credentials()
    await revocation().revoke(first?.id ?? '', 'keyCompromise', 'anna')
    await everythingIsRefused(connected, ldevid)
    // Nor does a new connection with it.
    await everythingIsRefused(withCredential(home.unit('B1-000001'), ldevid), ldevid)
  })

  it('an expired credential opens nothing, on an old connection either', async () => {
    const { ldevid, connected } = await onboarded('B1-000001')
    assert.equal((await connected.request('GET', presencePath, '', '')).status, 200)
    home.now.value = ldevid.validity.notAfter.getTime() + 1
    await everythingIsRefused(connected, ldevid)
    await everythingIsRefused(withCredential(home.unit('B1-000001'), ldevid), ldevid)
  })

  async function everythingIsRefused(connected: ReturnType<typeof pledgeOf>, ldevid: Certificate) {
    const replies = [
      await connected.request('GET', presencePath, '', ''),
      await connected.status(brskiPath.enrollStatus, true),
      await renew(connected, ldevid, newKey()),
    ]
    assert.deepEqual(replies.map(codeOf), new Array(3).fill('credential-not-in-force'))
    assert.deepEqual(
      replies.map(({ status }) => status),
      new Array(3).fill(403),
    )
  }

  it('a withdrawn device gets nothing with its voucher, nor with a credential that nobody revoked yet', async () => {
    const before = await vouched('B1-000001')
    await approval().withdraw(before.id, 'anna')
    assert.equal(codeOf(await before.pledge.enroll(newKey())), 'device-withdrawn')
    assert.equal(codeOf(await before.pledge.post(await before.pledge.voucherRequest())), 'device-withdrawn')
    for (const [serial, decision, code] of [
      ['B1-000002', 'withdraw', 'device-withdrawn'],
      ['B1-000003', 'deny', 'device-denied'],
    ] as const) {
      const { id, ldevid, connected, pledge } = await onboarded(serial)
      await approval()[decision](id, 'anna')
      assert.equal(codeOf(await connected.request('GET', presencePath, '', '')), code)
      assert.equal(codeOf(await renew(connected, ldevid, newKey())), code)
      assert.equal(codeOf(await pledge.enroll(newKey())), code)
    }
  })

  it('a device that went to another owner after its voucher, or since its last renewal, gets no credential', async () => {
    const { pledge } = await vouched('B1-000001')
    const { ldevid, connected } = await onboarded('B1-000002')
    await expectUnit(home, 'B1-000001', 'somebody else')
    await expectUnit(home, 'B1-000002', 'somebody else')
    assert.equal(codeOf(await pledge.enroll(newKey())), 'owner-mismatch')
    assert.equal(codeOf(await renew(connected, ldevid, newKey())), 'owner-mismatch')
    await expectUnit(home, 'B1-000001', buyer)
    assert.equal((await pledge.enroll(newKey())).status, 200)
  })

  it('one key is one device’s, and the key of a revoked credential nobody’s', async () => {
    const { unit, key, pledge } = await onboarded('B1-000001')
    const other = await vouched('B1-000002')
    const csr = (await createCsr({ subject: encodeName({ serialNumber: unit.serial }) }, key)).toString('base64')
    const send = (from: typeof pledge) => from.request('POST', enrolment, 'application/pkcs10', csr)
    assert.equal((await send(pledge)).status, 200)
    const stolen = await send(other.pledge)
    assert.equal(codeOf(stolen), 'csr-invalid')
    assert.match(String(stolen.body), /key-in-use/)
    assert.equal(codeOf(await other.pledge.enroll(key)), 'csr-invalid')
    for (const { id } of await credentials()) await revocation().revoke(id, 'keyCompromise', 'anna')
    // The same bytes, and other bytes with the same key.
    assert.equal(codeOf(await send(pledge)), 'csr-invalid')
    assert.equal(codeOf(await pledge.enroll(key)), 'csr-invalid')
    assert.equal((await pledge.enroll(newKey())).status, 200)
  })

  it('a key that the sender does not hold, or that is a birth key, gets nothing [WP-M6.01]', async () => {
    const { unit, pledge } = await vouched('B1-000001')
    const victim = home.unit('B1-000002')
    const borrowed: Signer = { ...victim.signer, sign: data => unit.signer.sign(data) }
    assert.equal(codeOf(await pledge.enroll(borrowed)), 'csr-invalid')
    assert.equal(codeOf(await pledge.enroll(unit.signer)), 'csr-reuses-birth-key')
    assert.deepEqual(await credentials(), [])
  })

  it('many requests with one CSR at once are one credential', async () => {
    const { pledge } = await vouched('B1-000001')
    const csr = (await createCsr({ subject: encodeName({ commonName: 'x' }) }, newKey())).toString('base64')
    const send = () => pledge.request('POST', enrolment, 'application/pkcs10', csr)
    const replies = await Promise.all(Array.from({ length: 16 }, send))
    assert.equal(new Set(replies.map(reply => certificateIn(reply).serialHex)).size, 1)
    assert.equal((await credentials()).length, 1)
    assert.equal((await home.site.verify()).integrity, 'pass')
  })

  it('a plan that was not signed is signed as it was planned, after the crash too', async () => {
    const { pledge } = await vouched('B1-000001')
    const csr = (await createCsr({ subject: encodeName({ commonName: 'x' }) }, newKey())).toString('base64')
    const send = () => pledge.request('POST', enrolment, 'application/pkcs10', csr)
    beforeSignature(async () => {
      throw new Error('power cut')
    })
    await assert.rejects(send(), /power cut/)
    const [plan] = await credentials()
    home.now.value += day
    const certificate = certificateIn(await send())
    assert.equal(certificate.serialHex, plan?.serialHex)
    assert.deepEqual(Buffer.from(certificate.tbsDer).toString('base64'), plan?.tbs)
    assert.equal((await credentials()).length, 1)
  })

  it('a plan of a CA that is gone, or that lay until it ran out, is made anew', async () => {
    const { id, pledge } = await vouched('B1-000001')
    const key = newKey()
    const csr = await createCsr({ subject: encodeName({ commonName: 'x' }) }, key)
    const send = () => pledge.request('POST', enrolment, 'application/pkcs10', csr.toString('base64'))
    beforeSignature(async () => {
      throw new Error('power cut')
    })
    await assert.rejects(send(), /power cut/)
    const old = home.authority.issuing
    const signer = newKey()
    const next = await certify({ subject: 'issuing CA 2', signer, ca: 0 })
    const issuing = { certificate: next.certificate, signer, name: 'issuing-2' }
    const issuer = createCredentialIssuer({ store: home.site, clock: () => home.now.value, issuing })
    const plan = { kind: 'network', lifetimeDays: 30, network: 'home' } as const
    const issued = await issuer.issue({ device: id, csr: openCsr(csr), plan, authorize() {} })
    const { anchor } = validatePath({
      chain: [decodeCertificate(issued)],
      anchors: [{ name: 'next', certificate: next.certificate }],
      at: new Date(home.now.value),
    })
    assert.equal(anchor.name, 'next')
    assert.notEqual(old.name, issuing.name)

    const other = await vouched('B1-000002')
    const second = (await createCsr({ subject: encodeName({ commonName: 'y' }) }, newKey())).toString('base64')
    const again = () => other.pledge.request('POST', enrolment, 'application/pkcs10', second)
    beforeSignature(async () => {
      throw new Error('power cut')
    })
    await assert.rejects(again(), /power cut/)
    home.now.value += 400 * day
    home.masaClient.answer = obligingMasa(home, home.manufacturer.voucher)
    assert.equal((await other.pledge.post(await other.pledge.voucherRequest())).status, 200)
    assert.ok(certificateIn(await again()).validity.notAfter.getTime() > home.now.value)
  })

  it('the same CSR byte for byte renews, as signatures may be deterministic, and a lost answer is answered again', async () => {
    const { unit, ldevid, key, pledge } = await onboarded('B1-000001')
    const csr = (await createCsr({ subject: Buffer.from(ldevid.subject.der) }, key)).toString('base64')
    const send = (from: typeof pledge, path: string) => from.request('POST', path, 'application/pkcs10', csr)
    const first = certificateIn(await send(pledge, enrolment))
    let current = first
    const serials = new Set([first.serialHex])
    for (let year = 0; year < 3; year++) {
      home.now.value += 300 * day
      const connected = withCredential(unit, current)
      assert.equal((await connected.request('GET', presencePath, '', '')).status, 200)
      const next = certificateIn(await send(connected, renewal))
      assert.equal(certificateIn(await send(connected, renewal)).serialHex, next.serialHex, 'asked twice')
      assert.ok(next.validity.notAfter > current.validity.notAfter)
      serials.add(next.serialHex)
      current = next
    }
    assert.equal(serials.size, 4)
    home.now.value += 400 * day
    home.masaClient.answer = obligingMasa(home, home.manufacturer.voucher)
    assert.equal((await pledge.post(await pledge.voucherRequest())).status, 200)
    const anew = certificateIn(await send(pledge, enrolment))
    assert.ok(anew.validity.notAfter.getTime() > home.now.value, 'an expired certificate is no answer')
    assert.equal((await home.site.verify()).integrity, 'pass')
  })

  it('whoever has another key under the serial number neither enrols nor reports', async () => {
    const { id, unit, pledge } = await vouched('B1-000001')
    // As if the genuine device had another key: then this one is the clone.
    await home.site.transaction(async tx => {
      const device = await tx.device.get(id)
      if (device === undefined) return
      const { birthKeyHash: _, ...blank } = device
      await tx.device.put({ ...blank, birthKeyHash: '0'.repeat(64) })
    })
    const before = await home.site.read(tables => tables.device.get(id))
    assert.equal(codeOf(await pledge.enroll(newKey())), 'device-identity-cloned')
    assert.equal(codeOf(await pledge.status(brskiPath.voucherStatus, false)), 'device-identity-cloned')
    assert.equal(codeOf(await pledge.status(brskiPath.enrollStatus, false)), 'device-identity-cloned')
    assert.deepEqual(await home.site.read(tables => tables.device.get(id)), before, unit.serial)
  })

  it('a voucher of a clock that was years ahead does not last for years', async () => {
    home.now.value += 200 * day
    const { pledge } = await vouched('B1-000001')
    home.now.value -= 200 * day
    assert.equal(codeOf(await pledge.enroll(newKey())), 'enroll-before-voucher')
  })
})
