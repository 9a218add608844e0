import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { afterEach, beforeEach, describe, it } from 'node:test'
import { memoryKeyStore } from '../../src/adapter/key/memory.ts'
import { decodeCertificateList } from '../../src/codec/crl.ts'
import { generateKey } from '../../src/crypto/key.ts'
import { keySigner, type Signer } from '../../src/crypto/signer.ts'
import { OnboardingError } from '../../src/domain/error.ts'
import type { EndpointReply } from '../../src/domain/port.ts'
import { createRateLimit } from '../../src/domain/rate-limit.ts'
import { setUpManufacturer } from '../../src/role/factory/manufacturer-setup.ts'
import { setUpAuthority } from '../../src/role/onboarding/authority.ts'
import { presencePath } from '../../src/role/onboarding/presence.ts'
import { createRevocation } from '../../src/role/onboarding/revocation.ts'
import {
  expectUnit,
  type Neighbourhood,
  openNeighbourhood,
  pledgeOf,
  testPeer,
} from '../role/onboarding/neighbourhood.ts'
import { openTestStore } from '../store.ts'

const codeOf = (reply: EndpointReply) => String(reply.body).split(':', 1)[0]
const day = 86_400_000
const year = 365 * day

describe('a clock that is years off', () => {
  let home: Neighbourhood
  beforeEach(async () => {
    home = await openNeighbourhood({ units: 2 })
  })
  afterEach(() => home.close())

  const revocation = () =>
    createRevocation({
      store: home.site,
      clock: () => home.now.value,
      issuers: () => [home.authority.issuing],
      crlValidity: day,
    })

  async function onboarded(serial: string) {
    const id = await expectUnit(home, serial)
    const pledge = pledgeOf(home, home.unit(serial))
    assert.equal((await pledge.post(await pledge.voucherRequest())).status, 200)
    assert.equal((await pledge.enroll(keySigner(generateKey('P-256')))).status, 200)
    const credentials = await home.site.read(tables => tables.credential.find({ device: id }))
    return { id, pledge, credential: credentials[0]?.id ?? '' }
  }

  for (const [name, off] of [
    ['behind', -30 * year],
    ['ahead', 30 * year],
  ] as const) {
    it(`${name}: refuses by code, and goes on when it is right again`, async () => {
      const { pledge } = await onboarded('B1-000001')
      await expectUnit(home, 'B1-000002')
      const other = pledgeOf(home, home.unit('B1-000002'))
      const request = await other.voucherRequest()
      const right = home.now.value
      home.now.value += off
      const replies = [
        await other.post(request),
        await other.post(await other.voucherRequest()),
        await pledge.enroll(keySigner(generateKey('P-256'))),
      ]
      for (const reply of replies) {
        assert.ok(reply.status >= 400 && reply.status < 500, `${reply.status}`)
        assert.notEqual(codeOf(reply), 'internal')
      }
      home.now.value = right
      const later = await other.post(request)
      assert.equal(later.status, 200, String(later.body))
      assert.equal((await home.site.verify()).integrity, 'pass')
    })

    it(`${name}: leaves no CRL behind that nobody believes`, async () => {
      const right = home.now.value
      home.now.value += off / 10
      await revocation().crl()
      home.now.value = right
      const { thisUpdate, nextUpdate } = decodeCertificateList(await revocation().crl())
      assert.equal(thisUpdate.getTime(), right)
      assert.equal(nextUpdate?.getTime(), right + day)
    })
  }

  it('stops nobody at a limit for years', () => {
    let now = home.now.value + 10 * year
    const limit = createRateLimit({ perMinute: 60, clock: () => now })
    for (let i = 0; i < 60; i++) limit('a')
    assert.throws(() => limit('a'), { code: 'rate-limited' })
    now -= 10 * year
    assert.throws(() => limit('a'), { code: 'rate-limited' })
    now += 1000
    limit('a')
  })
})

describe('a machine whose clock was never set', () => {
  it('makes no root that has run out before its first use', async t => {
    const opened = await openTestStore()
    t.after(opened.close)
    let now = 0
    const clock = () => now
    const keys = memoryKeyStore()
    const site = { store: opened.store, keys, clock, network: 'home', hosts: [], curve: 'P-256' } as const
    await assert.rejects(setUpAuthority(site), { code: 'clock-wrong' })
    const maker = { name: 'Acme', store: opened.store, keys, clock, random: randomBytes, masaUrl: 'masa.example' }
    await assert.rejects(setUpManufacturer(maker), { code: 'clock-wrong' })
    assert.equal(await opened.store.read(tables => tables.issuer.count()), 0)
    now = Date.UTC(2026, 10, 20)
    const { root } = await setUpAuthority(site)
    now = 0
    assert.deepEqual((await setUpAuthority(site)).root.der, root.der, 'what was made in time is found at any time')
  })
})

describe('a revocation', () => {
  let home: Neighbourhood
  beforeEach(async () => {
    home = await openNeighbourhood({ units: 2 })
  })
  afterEach(() => home.close())

  const revocation = () =>
    createRevocation({
      store: home.site,
      clock: () => home.now.value,
      issuers: () => [home.authority.issuing],
      crlValidity: day,
    })

  async function credentialOf(serial: string) {
    const id = await expectUnit(home, serial)
    const pledge = pledgeOf(home, home.unit(serial))
    assert.equal((await pledge.post(await pledge.voucherRequest())).status, 200)
    assert.equal((await pledge.enroll(keySigner(generateKey('P-256')))).status, 200)
    const [record] = await home.site.read(tables => tables.credential.find({ device: id }))
    assert.ok(record !== undefined)
    return record
  }

  it('whose CRL was lost in a crash stands in the next CRL that is asked for', async () => {
    await revocation().crl()
    const { id, serialHex } = await credentialOf('B1-000001')
    const signer = home.authority.issuing.signer as { sign: Signer['sign'] }
    const sign = signer.sign
    signer.sign = async () => {
      throw new Error('power cut')
    }
    await assert.rejects(revocation().revoke(id, 'keyCompromise', 'anna'), /power cut/)
    signer.sign = sign
    const crl = decodeCertificateList(await revocation().crl())
    assert.ok(crl.revoked.has(serialHex))
    const again = await revocation().crl()
    assert.deepEqual(Buffer.from(again), Buffer.from(crl.der), 'and is made once')
  })

  it('is in force while a hundred others ask for the CRL', async () => {
    const first = await credentialOf('B1-000001')
    const second = await credentialOf('B1-000002')
    const one = revocation()
    const asked = Array.from({ length: 50 }, () => one.crl())
    const both = [one.revoke(first.id, 'keyCompromise', 'a'), one.revoke(second.id, 'superseded', 'b')]
    await Promise.all([...both, ...asked, ...Array.from({ length: 50 }, () => one.crl())])
    const { revoked } = decodeCertificateList(await one.crl())
    assert.deepEqual([...revoked.keys()].toSorted(), [first.serialHex, second.serialHex].toSorted())
    const peer = testPeer([Buffer.from(first.certificate ?? '', 'base64')], home.authority.registrar.certificate.der)
    const reply = await pledgeOf(home, home.unit('B1-000001'), { peer }).request('GET', presencePath, '', '')
    assert.equal(codeOf(reply), 'credential-not-in-force')
    assert.equal((await home.site.verify()).integrity, 'pass')
  })

  it('leaves the CRL when its certificate has expired', async () => {
    const record = await credentialOf('B1-000001')
    await revocation().revoke(record.id, 'keyCompromise', 'anna')
    home.now.value = record.notAfter + 2 * day
    assert.equal(decodeCertificateList(await revocation().crl()).revoked.size, 0)
  })

  it('of nothing is an error', async () => {
    await assert.rejects(revocation().revoke('0'.repeat(64), 'keyCompromise', 'anna'), (error: unknown) => {
      assert.ok(error instanceof OnboardingError)
      assert.equal(error.code, 'not-found')
      return true
    })
  })
})
