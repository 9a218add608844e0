import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import type { EndpointReply } from '../../src/domain/port.ts'
import { brskiPath } from '../../src/protocol/brski/endpoint.ts'
import { certify } from '../crypto/pki.ts'
import {
  expectUnit,
  type Neighbourhood,
  openNeighbourhood,
  pledgeOf,
  testPeer,
} from '../role/onboarding/neighbourhood.ts'

const codeOf = (reply: EndpointReply) => String(reply.body).split(':', 1)[0]

describe('a voucher request that somebody copied', () => {
  let home: Neighbourhood
  before(async () => {
    home = await openNeighbourhood({ units: 4 })
  })
  after(() => home.close())

  const registrar = () => home.authority.registrar.certificate.der

  it('gets the same voucher for its own device, on any connection', async () => {
    const unit = home.unit('B1-000001')
    await expectUnit(home, unit.serial)
    const pledge = pledgeOf(home, unit)
    const request = await pledge.voucherRequest()
    const first = await pledge.post(request)
    assert.equal(first.status, 200)
    assert.deepEqual((await pledgeOf(home, unit).post(request)).body, first.body)
  })

  it('gets nothing for anybody else, before, while or after the device is answered', async () => {
    const unit = home.unit('B1-000002')
    await expectUnit(home, unit.serial)
    await expectUnit(home, 'B1-000003')
    const pledge = pledgeOf(home, unit)
    const request = await pledge.voucherRequest()
    const stranger = await certify({ subject: 'stranger' })
    const thieves = [
      pledgeOf(home, home.unit('B1-000003')),
      pledgeOf(home, unit, { peer: testPeer([], registrar()) }),
      pledgeOf(home, unit, { peer: testPeer([stranger.certificate.der], registrar()) }),
    ]
    const expected = ['signer-not-tls-client', 'idevid-missing', 'idevid-untrusted']
    const steal = () => Promise.all(thieves.map(thief => thief.post(request)))

    // Those who came first must not answer for the device, and those who come meanwhile must not share its answer.
    const early = steal()
    const honest = pledge.post(request)
    const meanwhile = steal()
    assert.deepEqual((await early).map(codeOf), expected)
    assert.equal((await honest).status, 200, String((await honest).body))
    assert.deepEqual((await meanwhile).map(codeOf), expected)
    assert.deepEqual((await steal()).map(codeOf), expected)
  })

  it('is refused when the registrar shows another certificate', async () => {
    const unit = home.unit('B1-000001')
    const pledge = pledgeOf(home, unit)
    const request = await pledge.voucherRequest()
    assert.equal((await pledge.post(request)).status, 200)
    const renewed = await certify({ subject: 'home registrar 2' })
    const later = pledgeOf(home, unit, { peer: testPeer(unit.chain, renewed.certificate.der) })
    const reply = await later.post(request)
    assert.equal(codeOf(reply), 'proximity-mismatch')
    assert.equal(reply.close, true)
  })

  it('asked many times at once is one voucher, and one question to the MASA', async () => {
    const unit = home.unit('B1-000004')
    const id = await expectUnit(home, unit.serial)
    const honest = home.masaClient.answer
    let asked = 0
    home.masaClient.answer = request => {
      asked++
      return honest(request)
    }
    const pledge = pledgeOf(home, unit)
    const request = await pledge.voucherRequest()
    const replies = await Promise.all(Array.from({ length: 20 }, () => pledge.post(request)))
    home.masaClient.answer = honest
    assert.equal(new Set(replies.map(({ body }) => Buffer.from(body ?? '').toString('hex'))).size, 1)
    assert.equal(asked, 1)
    assert.equal(await home.site.read(tables => tables.voucher.count({ device: id })), 1)
  })
})

describe('the record under a flood', () => {
  let home: Neighbourhood
  before(async () => {
    home = await openNeighbourhood({ units: 4 })
  })
  after(() => home.close())

  async function growth(work: () => Promise<unknown>): Promise<number> {
    const before = (await home.site.verify()).events
    await work()
    return (await home.site.verify()).events - before
  }

  it('of strangers keeps some a minute', async () => {
    const stranger = await certify({ subject: 'stranger' })
    const grown = await growth(async () => {
      for (let i = 0; i < 400; i++) {
        const peer = testPeer([stranger.certificate.der], home.authority.registrar.certificate.der)
        const pledge = pledgeOf(home, home.unit('B1-000001'), { peer })
        assert.equal(codeOf(await pledge.post(Buffer.from([i]))), 'idevid-untrusted')
      }
    })
    assert.ok(grown <= 120, `${grown} events`)
  })

  it('of a device that may not come in keeps little, however often it asks', async () => {
    home.now.value += 60_000
    for (const serial of ['B1-000001', 'B1-000002']) {
      // One that nobody expects, one that belongs to somebody else.
      if (serial === 'B1-000002') await expectUnit(home, serial, 'somebody else')
      const pledge = pledgeOf(home, home.unit(serial))
      const statuses = new Set<number>()
      const grown = await growth(async () => {
        for (let i = 0; i < 200; i++) {
          const reply = await pledge.post(await pledge.voucherRequest())
          statuses.add(reply.status)
        }
      })
      assert.ok(statuses.has(429), [...statuses].join())
      assert.ok(grown <= 4 + 120, `${grown} events`)
      home.now.value += 60_000
      const more = await growth(async () => {
        for (let i = 0; i < 50; i++) await pledge.post(await pledge.voucherRequest())
      })
      assert.ok(more <= 4 + 50, `${more} events`)
    }
  })

  it('of an onboarded device is bounded, too', async () => {
    home.now.value += 120_000
    const unit = home.unit('B1-000003')
    await expectUnit(home, unit.serial)
    const pledge = pledgeOf(home, unit)
    assert.equal((await pledge.post(await pledge.voucherRequest())).status, 200)
    const grown = await growth(async () => {
      for (let i = 0; i < 300; i++) await pledge.status(brskiPath.voucherStatus, i % 2 === 0)
    })
    assert.ok(grown <= 2 * 60 + 120, `${grown} events`)
    home.now.value += 60_000
    assert.equal((await pledge.status(brskiPath.voucherStatus, true)).status, 200, 'a minute later it may speak again')
    assert.equal((await home.site.verify()).integrity, 'pass')
  })
})
