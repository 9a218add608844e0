import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { OnboardingError } from '../../../src/domain/error.ts'
import {
  createHandOver,
  type HandOverService,
  type HandOverStatus,
  type OwnershipTransfer,
} from '../../../src/role/lifecycle/hand-over.ts'
import { buyer } from '../onboarding/neighbourhood.ts'
import { type LifeScene, openLifeScene, refusedWith } from './scene.ts'

const by = 'anna (token/1)'
const to = 'bob'

describe('handing a device over', () => {
  let scene: LifeScene
  let n = 0
  before(async () => {
    scene = await openLifeScene(1)
  })
  after(() => scene.close())

  const service = (ownership?: OwnershipTransfer): HandOverService =>
    createHandOver({
      store: scene.store,
      clock: () => scene.home.now.value,
      lifecycle: scene.lifecycle,
      owners: [buyer],
      ...(ownership === undefined ? {} : { ownership }),
    })
  const states = ({ steps }: HandOverStatus) => steps.map(({ state }) => state).join(' ')
  const place = (state: Parameters<LifeScene['place']>[1], owner = buyer) => scene.place(`H-${++n}`, state, owner)
  const reset = { wiped: true }

  it('is one action that goes on from where it stands, and waits for what only others can do [WP-LG-3, WP-LT-T29, WP-LT-T36]', async () => {
    const { id, certificate } = await scene.onboard('B1-000001')
    let asked = 0
    let sold = false
    const ownership: OwnershipTransfer = {
      async transfer(request) {
        asked++
        assert.deepEqual([request.device.id, request.to, request.by], [id, to, by])
        return sold ? { state: 'done' } : { state: 'waiting', words: 'Bob has not accepted yet.' }
      },
    }
    const begun = await service(ownership).advance(id, { to, by })
    assert.equal(states(begun), 'waiting later later later')
    assert.match(begun.steps[0]!.words, /`execute`.*applicationInstalled/)
    assert.equal((await scene.show(certificate)).status, 200, 'nothing has happened to it yet')

    const off = await service(ownership).advance(id, { by, facts: { applicationInstalled: true } })
    assert.equal(states(off), 'done waiting later later')
    assert.equal((await scene.show(certificate)).status, 403)
    assert.match(String((await scene.knock('B1-000001')).body), /device-decommissioned/)

    const wiped = await service(ownership).advance(id, { by, facts: reset })
    assert.equal(states(wiped), 'done done waiting later')
    assert.equal(wiped.steps[2]?.words, 'Bob has not accepted yet.')
    // Another process, later: everything is in the record.
    assert.equal(states(await service().status(id)), 'done done waiting later')
    sold = true
    const done = await service(ownership).advance(id, { by })
    assert.equal(done.state, 'completed')
    assert.equal(asked, 2)
    const device = await scene.device(id)
    assert.equal(device.lifecycle, 'US.INS')
    assert.equal(device.entered?.transition, 'T36')
    assert.equal((await service().status(id)).state, 'none')
    const kinds = (await scene.store.history(`device/${id}`, 0, 200)).map(({ kind }) => kind)
    for (const kind of ['hand-over-begun', 'device-wiped', 'hand-over-transferred', 'hand-over-ended']) {
      assert.equal(kinds.filter(each => each === kind).length, 1, kind)
    }
    assert.equal(device.attempt, undefined, 'where it was is not kept at hand')
    assert.equal(device.connectedAt, undefined)
  })

  it('waits, and says why, where no ownership service is wired', async () => {
    const id = await place('US.OPR')
    await service().advance(id, { to, by })
    const status = await service().advance(id, { by, facts: reset })
    assert.equal(states(status), 'done done waiting later')
    assert.match(status.steps[2]!.words, /no ownership service is wired/)
    // The manufacturer's next manifest names the new owner.
    const body = { manufacturer: 'acme', serial: `H-${n}`, model: '', source: 'test', owner: to, declarationVersion: 3 }
    await scene.record(id, { kind: 'device-expected', body })
    assert.equal((await service().advance(id, { by })).state, 'completed')
  })

  it('does not complete to somebody else than it was begun for', async () => {
    const id = await place('US.UNS')
    await service().advance(id, { to, by })
    await service().advance(id, { by, facts: reset })
    const body = {
      manufacturer: 'acme',
      serial: `H-${n}`,
      model: '',
      source: 'test',
      owner: 'eve',
      declarationVersion: 3,
    }
    await scene.record(id, { kind: 'device-expected', body })
    const status = await service().advance(id, { by })
    assert.equal(states(status), 'done done waiting later')
    assert.match(status.steps[2]!.words, /names eve, and not bob/)
  })

  it('of a device without a declaration rests on a person, and this network does not take it again', async () => {
    const id = await place('US.OPR', '')
    await service().advance(id, { to, by })
    const waiting = await service().advance(id, { by, facts: reset })
    assert.match(waiting.steps[2]!.words, /Say that the ownership has passed/)
    const done = await service().advance(id, { by, facts: { ownershipTransferred: true } })
    assert.equal(done.state, 'completed')
    assert.equal((await scene.device(id)).standing, 'denied')
  })

  it('can be cancelled until the ownership has passed', async () => {
    const id = await place('US.OPR', '')
    await service().advance(id, { to, by })
    assert.equal((await service().cancel(id, by)).state, 'none')
    assert.equal((await scene.device(id)).lifecycle, 'US.DEC', 'it stays off')
    await service().advance(id, { to: 'carol', by, facts: reset })
    await scene.record(id, { kind: 'hand-over-transferred', body: { by, at: 0 } })
    await assert.rejects(service().cancel(id, by), refusedWith('lifecycle-guard-unmet'))
  })

  describe('attacks', () => {
    it('to another one than it was begun for, to oneself, to nobody', async () => {
      const id = await place('US.OPR')
      await assert.rejects(service().advance(id, { by }), refusedWith('input-invalid', { field: 'to' }))
      await assert.rejects(service().advance(id, { to: buyer, by }), refusedWith('input-invalid', { field: 'to' }))
      await service().advance(id, { to, by })
      await assert.rejects(service().advance(id, { to: 'eve', by }), refusedWith('hand-over-under-way', { to }))
    })

    it("of somebody else's device, of one that is broken, and out of a state that has no way", async () => {
      const foreign = await place('US.OPR', 'stranger')
      await assert.rejects(service().advance(foreign, { to, by }), refusedWith('owner-mismatch'))
      const broken = await place('US.OPR')
      const facts = { functional: false, repairable: false }
      await scene.lifecycle.step(broken, { event: 'break', facts, by })
      await assert.rejects(service().advance(broken, { to, by }), refusedWith('lifecycle-guard-unmet'))
      for (const state of ['US.EOL', 'US.NLO', 'SC.SHL'] as const) {
        const id = await place(state)
        await assert.rejects(service().advance(id, { to, by }), refusedWith('lifecycle-transition-refused', { state }))
      }
    })

    it('with a wipe that was before the device left the network [WP-M6.12]', async () => {
      const id = await place('US.OPR')
      const status = await service().advance(id, { to, by, facts: reset })
      assert.equal(states(status), 'done waiting later later')
    })

    it('past its steps: repurposed for ourselves meanwhile, or transferred by a claim', async () => {
      const id = await place('US.OPR')
      await service().advance(id, { to, by })
      await service().advance(id, { by, facts: reset })
      const step = { event: 'repurpose-same-owner-new-network', facts: { functional: true }, by } as const
      await assert.rejects(scene.lifecycle.step(id, step), refusedWith('hand-over-under-way'))
      const claim = await service().advance(id, { by, facts: { ownershipTransferred: true } })
      assert.equal(states(claim), 'done done waiting later', 'a declaration is not talked away')
      const early = { event: 'repurpose-new-owner', facts: { functional: true }, by } as const
      await assert.rejects(scene.lifecycle.step(id, early), refusedWith('lifecycle-guard-unmet'))
    })

    it('with an ownership service that refuses: nothing is said to be done', async () => {
      const refusing = service({
        transfer: () => Promise.reject(new OnboardingError('not-owner')),
      })
      const id = await place('US.DEC')
      await assert.rejects(refusing.advance(id, { to, by, facts: reset }), refusedWith('not-owner'))
      assert.equal(states(await refusing.status(id)), 'done done waiting later')
    })

    it('twice at once: one transfer is on record, and one repurposing', async () => {
      const id = await place('US.DEC')
      const ownership: OwnershipTransfer = { transfer: async () => ({ state: 'done' }) }
      await Promise.allSettled([1, 2, 3].map(() => service(ownership).advance(id, { to, by, facts: reset })))
      const status = await service(ownership).status(id)
      const final = status.state === 'none' ? status : await service(ownership).advance(id, { by })
      assert.notEqual(final.state, 'under-way')
      const events = await scene.store.history(`device/${id}`, 0, 100)
      assert.equal(events.filter(({ kind }) => kind === 'hand-over-transferred').length, 1)
      assert.equal(events.filter(({ body }) => body['transition'] === 'T36').length, 1)
    })
  })

  it('leaves a record that verifies', async () => {
    await scene.store.checkpoint()
    assert.equal((await scene.store.verify()).integrity, 'pass')
  })
})
