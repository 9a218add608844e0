import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { OnboardingError } from '../../../src/domain/error.ts'
import type { MasaAnswer, MasaClient } from '../../../src/domain/port.ts'
import { openVoucherArtifact } from '../../../src/protocol/brski/artifact.ts'
import { expectUnit, type Neighbourhood, openNeighbourhood, pledgeOf } from '../onboarding/neighbourhood.ts'

describe('a MASA whose answer was lost on the way', () => {
  let home: Neighbourhood
  let reach: MasaClient['requestVoucher']
  before(async () => {
    home = await openNeighbourhood({ units: 3 })
    reach = home.masaClient.answer
  })
  after(() => home.close())

  const logged = (serial: string) => home.factory.read(tables => tables.issuedVoucher.find({ serial }))

  /** The next answer is signed and never arrives. */
  function loseNextAnswer(): { readonly lost: MasaAnswer[] } {
    const lost: MasaAnswer[] = []
    home.masaClient.answer = async request => {
      lost.push(await reach(request))
      home.masaClient.answer = reach
      throw new OnboardingError('masa-unreachable')
    }
    return { lost }
  }

  it('answers the same request of a pledge again, from the entry that it has', async () => {
    const unit = home.unit('B1-000001')
    await expectUnit(home, unit.serial)
    const pledge = pledgeOf(home, unit)
    const request = await pledge.voucherRequest()
    const { lost } = loseNextAnswer()
    assert.ok((await pledge.post(request)).status >= 500)
    home.now.value += 60_000
    const answer = await pledge.post(request)
    assert.equal(answer.status, 200, String(answer.body))
    const open = (body: Uint8Array) => openVoucherArtifact(body, { kind: 'voucher' }).value
    assert.deepEqual(open(Buffer.from(answer.body ?? '')), open(lost[0]!.body))
    assert.equal((await logged(unit.serial)).length, 1, 'one voucher, one entry')
  })

  it('refuses a nonce that comes in another request of the pledge', async () => {
    const unit = home.unit('B1-000002')
    await expectUnit(home, unit.serial)
    const pledge = pledgeOf(home, unit)
    const nonce = Buffer.alloc(16, 7)
    assert.equal((await pledge.post(await pledge.voucherRequest({ nonce }))).status, 200)
    const other = await pledge.voucherRequest({ nonce, 'created-on': new Date(home.now.value + 1000) })
    assert.match(String((await pledge.post(other)).body), /^nonce-replayed:/)
    assert.equal((await logged(unit.serial)).length, 1)
  })

  it('refuses a unit that was withdrawn since the answer was lost', async () => {
    const unit = home.unit('B1-000003')
    await expectUnit(home, unit.serial)
    const pledge = pledgeOf(home, unit)
    const request = await pledge.voucherRequest()
    loseNextAnswer()
    await pledge.post(request)
    await home.factory.transaction(async tx => {
      const record = await tx.unit.get(unit.serial)
      if (record !== undefined) await tx.unit.put({ ...record, withdrawnAt: home.now.value })
    })
    assert.match(String((await pledge.post(request)).body), /^device-withdrawn:/)
  })
})
