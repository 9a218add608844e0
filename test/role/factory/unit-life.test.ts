import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { generateKey } from '../../../src/crypto/key.ts'
import { keySigner } from '../../../src/crypto/signer.ts'
import { OnboardingError } from '../../../src/domain/error.ts'
import type { LifecycleEvent, LifecycleFacts } from '../../../src/domain/lifecycle.ts'
import { makeUnits } from '../../../src/role/factory/line.ts'
import { buyerCard, sellUnits, withdrawUnit } from '../../../src/role/factory/sale.ts'
import { moveUnits, unitTimeline } from '../../../src/role/factory/unit-life.ts'
import { declareIntents } from '../../../src/role/manufacturer/declared-intent.ts'
import { type Factory, withFactory } from './factory.ts'

const batch = { batch: 'B1' }
const buyer = buyerCard({ id: 'site-1', name: 'Site', certificates: [keySigner(generateKey('P-256'))] })

function withUnits(count: number, work: (factory: Factory) => Promise<void>): Promise<void> {
  return withFactory(async factory => {
    await makeUnits(factory.order({ count }))
    await work(factory)
    await factory.store.checkpoint()
    assert.equal((await factory.store.verify()).integrity, 'pass')
  })
}

const take = (factory: Factory, event: LifecycleEvent, facts: LifecycleFacts = {}) =>
  moveUnits(factory, batch, { event, facts, by: 'line-1' })

const refused = (code: string) => (error: unknown) => {
  assert.ok(error instanceof OnboardingError, String(error))
  assert.equal(error.code, code)
  return true
}

async function stateOf({ store }: Factory, serial = 'B1-000001'): Promise<string | undefined> {
  return (await store.read(tables => tables.unit.get(serial)))?.lifecycle
}

describe('the life of a unit', () => {
  it('goes from the line to the shelf and to its owner, and is a timeline [WP-LT-T01, WP-LT-T04 to WP-LT-T10]', () =>
    withUnits(3, async factory => {
      assert.deepEqual(await take(factory, 'release', { homologationCertified: true }), { moved: 3, unchanged: 0 })
      for (const event of ['store', 'ship', 'arrive-rebrander'] as const) await take(factory, event)
      const intent = { mudUrl: 'https://mud.quay.example/sensor.json', keeper: buyer }
      await declareIntents(factory, batch, intent)
      await take(factory, 'rebrand-done')
      await take(factory, 'shelve')
      await assert.rejects(take(factory, 'acquire'), refused('lifecycle-guard-unmet'), 'nobody owns it but its maker')
      await sellUnits(factory, batch, { buyer })
      assert.equal(await stateOf(factory), 'SC.SHL', 'sold, and where it was')
      await take(factory, 'acquire')
      const { entries } = await unitTimeline(factory.store, 'B1-000001', { after: 0, limit: 100 })
      assert.deepEqual(
        entries.map(({ transition, state }) => `${transition} ${state}`),
        [
          'T01 SC.MFG',
          'T04 SC.TRN',
          'T07 SC.STO',
          'T08 SC.TRN',
          'T05 SC.RBR',
          'T06 SC.TRN',
          'T09 SC.SHL',
          'T10 US.INS',
        ],
      )
      assert.deepEqual(entries[1]?.said, { homologationCertified: true })
      assert.deepEqual(entries[1]?.proven, { birthCredentialInstalled: true })
      await assert.rejects(
        take(factory, 'enter-onboarding-mode'),
        refused('lifecycle-transition-refused'),
        'its owner’s record',
      )
    }))

  it('is handed to an integrator only while the declaration names it, and comes back without [WP-LT-T02, WP-LT-T03]', () =>
    withUnits(1, async factory => {
      await assert.rejects(take(factory, 'hand-to-integrator'), refused('lifecycle-guard-unmet'))
      const lie = { integratorAuthorized: true }
      await assert.rejects(take(factory, 'hand-to-integrator', lie), refused('lifecycle-fact-contradicted'))
      await sellUnits(factory, batch, { buyer })
      await take(factory, 'hand-to-integrator')
      const back = { integratorDisconnected: true, integratorCredentialsRemoved: true }
      await assert.rejects(take(factory, 'return-from-integrator', back), refused('lifecycle-guard-unmet'))
      const claim = { ...back, authorityReturned: true }
      await assert.rejects(take(factory, 'return-from-integrator', claim), refused('lifecycle-fact-contradicted'))
      assert.equal(await stateOf(factory), 'SC.INT')
    }))

  it('changes nothing when one of a batch cannot go, and is finished by asking again', () =>
    withUnits(3, async factory => {
      const facts = { homologationCertified: true }
      const first = { serials: ['B1-000002'] }
      await moveUnits(factory, first, { event: 'release', facts, by: 'line-1' })
      assert.deepEqual(await take(factory, 'release', facts), { moved: 2, unchanged: 1 }, 'as after a crash')
      assert.deepEqual(await take(factory, 'release', facts), { moved: 0, unchanged: 3 })
      await moveUnits(factory, first, { event: 'shelve', by: 'line-1' })
      await assert.rejects(take(factory, 'store'), refused('lifecycle-transition-refused'))
      assert.equal(await stateOf(factory), 'SC.TRN', 'the others stayed')
    }))

  it('is no way for a unit that was withdrawn, or that nobody made', () =>
    withUnits(1, async factory => {
      const step = { event: 'release', facts: { homologationCertified: true }, by: 'line-1' } as const
      await assert.rejects(moveUnits(factory, { serials: ['nobody'] }, step), refused('unit-not-found'))
      await assert.rejects(unitTimeline(factory.store, 'nobody', { after: 0, limit: 1 }), refused('unit-not-found'))
      const actor = 'logistics'
      await assert.rejects(moveUnits(factory, batch, { ...step, actor }), refused('lifecycle-actor-refused'))
      await withdrawUnit(factory, 'B1-000001', 'test')
      await assert.rejects(moveUnits(factory, batch, step), refused('unit-withdrawn'))
    }))
})
