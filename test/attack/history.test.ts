import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { afterEach, beforeEach, describe, it } from 'node:test'
import { generateKey } from '../../src/crypto/key.ts'
import { keySigner } from '../../src/crypto/signer.ts'
import type { IssuedVoucherRecord } from '../../src/domain/manufacture.ts'
import { judgeHistory } from '../../src/domain/masa-log.ts'
import type { EndpointReply } from '../../src/domain/port.ts'
import { domainId } from '../../src/protocol/brski/audit-log.ts'
import { createApproval } from '../../src/role/authorization/approval.ts'
import { expectUnit, type Neighbourhood, openNeighbourhood, pledgeOf } from '../role/onboarding/neighbourhood.ts'

const codeOf = (reply: EndpointReply) => String(reply.body).split(':', 1)[0]
const serial = 'B1-000001'
const other = randomBytes(20).toString('base64')

/** RFC 8995 section 5.8: what the log of the MASA says of other networks. */
describe('a device that other networks had', () => {
  let home: Neighbourhood
  let id: string
  let asked: number
  beforeEach(async () => {
    home = await openNeighbourhood({ units: 1, profile: 'enterprise' })
    id = await expectUnit(home, serial)
    asked = 0
    const honest = home.masaClient.log
    home.masaClient.log = async request => {
      asked++
      return honest(request)
    }
  })
  afterEach(async () => {
    assert.equal((await home.site.verify()).integrity, 'pass')
    await home.close()
  })

  /** As the MASA wrote down when another network asked. */
  async function gaveTo(domain: string, nonce: string | null): Promise<void> {
    const record: IssuedVoucherRecord = {
      ...{ id: randomBytes(32).toString('hex'), serial, domain, domainKey: randomBytes(32).toString('hex'), nonce },
      ...{ assertion: 'logged', loggedAt: home.now.value - 86_400_000, pledgeRequest: null, declarationVersion: 1 },
    }
    await home.factory.transaction(async tx => {
      await tx.append(`pledge/${record.id}`, 0, [{ kind: 'voucher-logged', body: { ...record } }])
      await tx.issuedVoucher.insert(record)
    })
  }
  const device = async () => (await home.site.read(tables => tables.device.get(id)))!
  const pledge = () => pledgeOf(home, home.unit(serial))
  const vouchers = () => home.site.read(tables => tables.voucher.count({ device: id }))
  async function findings() {
    const events = await home.site.history(`device/${id}`, 0, 1000)
    const items = events.flatMap(({ kind, body }) =>
      kind === 'evidence-recorded' ? (body['items'] as { code?: string; note?: string; result: string }[]) : [],
    )
    return items.filter(({ note }) => note !== undefined && /log of the MASA|networks? /.test(note))
  }

  it('none: the log is read once, by the profile that asks for it, and the voucher is handed on', async () => {
    const client = pledge()
    const request = await client.voucherRequest()
    assert.equal((await client.post(request)).status, 200)
    assert.deepEqual([asked, (await device()).history?.verdict, await vouchers()], [1, 'clean', 1])
    // The same again is answered from the record.
    assert.equal((await client.post(request)).status, 200)
    assert.equal(asked, 1)
  })

  it('is not asked for by a site whose policies do not', async () => {
    const plain = await openNeighbourhood({ units: 1 })
    try {
      await expectUnit(plain, serial)
      plain.masaClient.log = async () => assert.fail('nobody wants to know')
      const client = pledgeOf(plain, plain.unit(serial))
      assert.equal((await client.post(await client.voucherRequest())).status, 200)
    } finally {
      await plain.close()
    }
  })

  it('with a nonce: a warning, and evidence with its code', async () => {
    await gaveTo(other, randomBytes(16).toString('base64'))
    const client = pledge()
    assert.equal((await client.post(await client.voucherRequest())).status, 200)
    const { history } = await device()
    assert.deepEqual([history?.verdict, history?.others, history?.nonceless], ['foreign', 1, 0])
    assert.deepEqual(
      (await findings()).map(({ result, code }) => [result, code]),
      [['pass', 'device-history-foreign']],
    )
    const [event] = (await home.site.history(`device/${id}`, 0, 1000)).filter(({ kind }) => kind === 'history-read')
    assert.deepEqual(event?.body['domains'], [other])
  })

  it('without one: it waits for a person, gets no voucher and no certificate, and the MASA is not asked in vain', async () => {
    await gaveTo(other, null)
    const client = pledge()
    const request = await client.voucherRequest()
    assert.equal((await client.post(request)).status, 202)
    assert.deepEqual([await vouchers(), (await device()).refusal?.code, asked], [0, 'policy-waits', 1])
    assert.equal(codeOf(await client.enroll(keySigner(generateKey('P-256')))), 'enroll-before-voucher')
    assert.equal((await client.post(request)).status, 202)
    assert.equal((await client.post(await client.voucherRequest())).status, 202)
    assert.equal(asked, 1)
    assert.deepEqual(
      (await findings()).map(({ result, code }) => [result, code]),
      [['fail', 'device-history-open']],
    )
    // A person knows the other network.
    await createApproval(home.site).grant(id, 'anna')
    assert.equal((await client.post(await client.voucherRequest())).status, 200)
    assert.deepEqual([await vouchers(), asked], [1, 2])
  })

  it('under our own name in the log: what the log cannot show, since it names networks by what their certificates claim', async () => {
    await gaveTo(domainId(home.authority.issuing.certificate), null)
    const client = pledge()
    assert.equal((await client.post(await client.voucherRequest())).status, 200)
    // RFC 8995 section 5.8.2. The MASA itself gives vouchers by keys, and not by such names.
    assert.equal((await device()).history?.verdict, 'clean')
  })

  it('a MASA without a log, or with one that leaves out what it just gave, says nothing: unavailable, and so recorded', async () => {
    const answers = {
      'status 404': { status: 404, contentType: '', body: new Uint8Array() },
      'masa-answer-invalid': { status: 200, contentType: 'application/json', body: Buffer.from('{"version":1}') },
      'the voucher that it just gave is not in it': {
        status: 200,
        contentType: 'application/json',
        body: Buffer.from('{"version":1,"events":[]}'),
      },
    }
    for (const [reason, answer] of Object.entries(answers)) {
      home.masaClient.log = async () => answer
      const client = pledge()
      assert.equal((await client.post(await client.voucherRequest())).status, 200)
      assert.equal((await device()).history?.verdict, 'unavailable')
      const read = (await home.site.history(`device/${id}`, 0, 1000)).filter(({ kind }) => kind === 'history-read')
      assert.equal(read.at(-1)?.body['reason'], reason)
      assert.equal((await findings()).at(-1)?.result, 'not-applicable')
    }
  })

  it('is judged by the newest and the worst, and by what was left out', () => {
    const [date, own, nonce] = [new Date(1), new Set(['me']), 'n']
    const about = { own, nonce, at: 5, attempt: 'a' }
    const mine = { date, domainID: 'me', nonce }
    const of = (domainID: string, its: string | null, at = 1) => ({ date: new Date(at), domainID, nonce: its })
    const verdict = (events: readonly ReturnType<typeof of>[], truncation = {}) =>
      judgeHistory({ events: [mine, ...events], truncation }, about)
    assert.equal(verdict([]).verdict, 'clean')
    assert.equal(verdict([of('me', null)]).verdict, 'clean', 'our own, for a day without a network')
    assert.equal(verdict([], { arbitrary: 1 }).verdict, 'foreign')
    assert.equal(verdict([of('x', 'n2')]).verdict, 'foreign')
    assert.equal(verdict([of('x', 'n2', 9), of('y', null, 3)]).verdict, 'open')
    assert.equal(
      judgeHistory({ events: [of('x', nonce)] }, about).verdict,
      'unavailable',
      'somebody else’s with our nonce',
    )
    const many = verdict(Array.from({ length: 40 }, (_, n) => of(`d${n}`, 'n', n)))
    assert.deepEqual([many.others, many.newest, many.domains.length, many.domains[0]], [40, 39, 8, 'd39'])
  })
})
