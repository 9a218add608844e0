import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { OnboardingError } from '../../../src/domain/error.ts'
import { changedTopic } from '../../../src/domain/policy.ts'
import { explainDecision } from '../../../src/role/authorization/explanation.ts'
import { failureSetting } from '../../../src/role/authorization/policy-point.ts'
import { previewPolicies } from '../../../src/role/authorization/preview.ts'
import { profiles } from '../../../src/role/authorization/profile/profile.ts'
import { recordOnDevice } from '../../../src/role/onboarding/device-record.ts'
import { everything, expected, type Gate, inside, withGate } from './gate.ts'

const noOld = `${everything}@id("no-old") @advice("No longer supported.") forbid(principal, action == Action::"stay", resource) when { principal.model == "Old" };`
const endOld = noOld.replace('@id("no-old")', '@id("end-old") @credential("revoke")')

const issued = ({ store }: Gate, device: string) =>
  store.read(tables => tables.credential.count({ device, status: 'issued' }))

describe('the right to stay', () => {
  test('is asked again when other policies count, and recorded with what it rests on', () =>
    withGate(async gate => {
      const [old, young, shelf] = [
        await inside(gate.store, 'A1', 'harbour', 'Old'),
        await inside(gate.store, 'A2'),
        await expected(gate.store, 'A3', 'harbour', 'Old'),
      ]
      await gate.activate(noOld)
      await gate.reconfirmations.run()
      const done = await gate.reconfirmations.progress()
      assert.deepEqual(
        [done?.state, done?.cause, done?.checked, done?.changed, done?.refused, done?.revoked],
        ['done', 'activation', 3, 2, 1, 0],
      )
      const [decided] = await gate.events(old, 'stay-decided')
      assert.equal(decided?.body['verdict'], 'refuse')
      assert.match(JSON.stringify(decided?.body), /waits for network access/)
      assert.deepEqual((await gate.device(old))?.stay?.policies, ['no-old'])
      assert.equal((await gate.device(young))?.stay?.verdict, 'permit')
      assert.equal((await gate.device(shelf))?.stay, undefined)
      // The credential stays unless the policy says otherwise.
      assert.equal(await issued(gate, old), 1)
      // Nothing new, nothing written.
      const before = (await gate.device(old))?.version
      await gate.reconfirmations.start('asked')
      await gate.reconfirmations.run()
      assert.equal((await gate.device(old))?.version, before)
      await gate.versions.activate((await gate.versions.draft({ name: 'all', source: everything, by: 't' })).id, 't')
      await gate.reconfirmations.run()
      assert.equal((await gate.device(old))?.stay?.verdict, 'permit')
    }))

  test('ends the credential where a policy says so', () =>
    withGate(async gate => {
      const old = await inside(gate.store, 'A1', 'harbour', 'Old')
      const young = await inside(gate.store, 'A2')
      await gate.activate(endOld)
      await gate.reconfirmations.run()
      assert.deepEqual([await issued(gate, old), await issued(gate, young)], [0, 1])
      const [revoked] = await gate.events(old, 'credential-revoked')
      assert.equal(revoked?.body['by'], 'policy end-old')
      assert.equal((await gate.device(old))?.credential, undefined)
    }))

  test('is asked again as time passes', () =>
    withGate(async gate => {
      const source = `${everything}@id("night") forbid(principal, action == Action::"stay", resource) when { context.hour >= 20 };`
      const id = await inside(gate.store, 'A1')
      await gate.activate(source)
      await gate.reconfirmations.run()
      assert.equal((await gate.device(id))?.stay?.verdict, 'permit')
      gate.pass(11 * 3_600_000)
      await gate.reconfirmations.run()
      assert.equal((await gate.reconfirmations.progress())?.cause, 'period')
      assert.equal((await gate.device(id))?.stay?.verdict, 'refuse')
    }))

  test('goes on where a process died, and two processes do it once', () =>
    withGate(async gate => {
      const count = 230
      const ids: string[] = []
      for (let n = 0; n < count; n++)
        ids.push(await inside(gate.store, `D${n}`, 'harbour', n % 2 === 0 ? 'Old' : 'New'))
      await gate.activate(noOld)
      const fatal = new Error('power')
      const { store } = gate
      let left = 1
      const dying = {
        ...store,
        read: store.read.bind(store),
        transaction: (work: Parameters<typeof store.transaction>[0]) =>
          left-- > 0 ? store.transaction(work) : Promise.reject(fatal),
      } as typeof store
      const { createReconfirmations } = await import('../../../src/role/authorization/reconfirmation.ts')
      const { clock, point, place, revocation } = gate
      const first = createReconfirmations({ store: dying, clock, point, place, revocation, period: 3_600_000 })
      await assert.rejects(first.run(), fatal)
      assert.deepEqual((await gate.reconfirmations.progress())?.checked, 100)
      const second = gate.process().reconfirmations
      await Promise.all([gate.reconfirmations.run(), second.run()])
      const done = await second.progress()
      assert.deepEqual([done?.state, done?.checked, done?.changed, done?.refused], ['done', count, count, count / 2])
      for (const id of ids) assert.equal((await gate.events(id, 'stay-decided')).length, 1)
    }))

  test('is left as it is where a policy fails, loudly', () =>
    withGate(async gate => {
      const id = await inside(gate.store, 'A1')
      await gate.activate(everything)
      await gate.reconfirmations.run()
      const before = await gate.device(id)
      const failing = `${everything}@id("sum") forbid(principal, action == Action::"stay", resource) when { context.now * 9007199254740991 > 0 };`
      await gate.activate(failing)
      await gate.reconfirmations.run()
      assert.deepEqual(await gate.device(id), before)
      assert.equal((await gate.reconfirmations.progress())?.failed, 1)
      const setting = await gate.store.read(tables => tables.setting.get(failureSetting))
      assert.equal((setting?.value as { policy: string } | undefined)?.policy, 'sum')
      assert.ok(gate.log.lines.some(({ level, facts }) => level === 'error' && facts['policy'] === 'sum'))
    }))

  test('follows what others state of a device, also after a crash', () =>
    withGate(async gate => {
      const id = await inside(gate.store, 'A1')
      await gate.activate(profiles.enterprise)
      await gate.reconfirmations.run()
      // As the comparison of components does it: the statement, and the work that follows, in one transaction.
      await gate.store.transaction(async tx => {
        const body = { posture: 'suspect', by: 'comparison of components' } as const
        await recordOnDevice(tx, id, () => [{ kind: 'posture-stated', body }])
        await tx.enqueue(changedTopic, { device: id })
      })
      await gate.process().reconfirmations.run()
      assert.equal((await gate.device(id))?.stay?.verdict, 'refuse')
    }))

  test('follows the posture of the device at once', () =>
    withGate(async gate => {
      const id = await inside(gate.store, 'A1')
      await gate.activate(profiles.enterprise)
      await gate.reconfirmations.run()
      const suspect = await gate.reconfirmations.statePosture(id, { posture: 'suspect', by: 'guard', reason: 'odd' })
      assert.deepEqual([suspect.stay?.verdict, suspect.stay?.policies], ['refuse', ['enterprise-suspect-out']])
      const [stated] = await gate.events(id, 'posture-stated')
      assert.deepEqual(stated?.body, { posture: 'suspect', by: 'guard', reason: 'odd' })
      const good = await gate.reconfirmations.statePosture(id, { posture: 'good', by: 'guard' })
      assert.equal(good.stay?.verdict, 'permit')
      // At home it stays, apart.
      await gate.activate(profiles.home)
      await gate.reconfirmations.statePosture(id, { posture: 'suspect', by: 'guard' })
      assert.deepEqual([(await gate.device(id))?.terms?.segment], ['quarantine'])
      const moves = await gate.events(id, 'stay-decided')
      assert.match(JSON.stringify(moves.at(-1)?.body), /segment quarantine waits for network access/)
    }))
})

describe('a preview', () => {
  test('says what would change, writes nothing, and an activation does just that', () =>
    withGate(async gate => {
      const { store, clock, point, place } = gate
      const old = await inside(store, 'A1', 'harbour', 'Old')
      await inside(store, 'A2')
      const shelf = await expected(store, 'A3', '')
      const withdrawn = await inside(store, 'A4', 'harbour', 'Old')
      await gate.approval.withdraw(withdrawn, 'test')
      await gate.activate(profiles.home)
      await gate.reconfirmations.run()
      const source = `${profiles.enterprise}@id("no-old") forbid(principal, action == Action::"stay", resource) when { principal.model == "Old" };`
      const { id } = await gate.versions.draft({ name: 'next', source, by: 'test' })
      const version = (await store.read(tables => tables.policy.get(id)))!
      const before = (await store.feed({}, 1000)).events.length
      const found: string[] = []
      let next: string | undefined
      do {
        const page = await previewPolicies(
          { store, clock, point, place },
          point.open(version),
          next === undefined ? { limit: 1 } : { limit: 1, after: next },
        )
        assert.ok(page.checked <= 1)
        found.push(...page.impacts.map(({ device, effect }) => `${device} ${effect}`))
        next = page.next
      } while (next !== undefined)
      assert.equal((await store.feed({}, 1000)).events.length, before)
      const young = (await store.read(tables => tables.device.find({ serial: 'A2' })))[0]!.id
      assert.deepEqual(found.sort(), [`${old} drop`, `${shelf} wait`, `${young} change-terms`].sort())
      await gate.versions.activate(id, 'test')
      await gate.reconfirmations.run()
      assert.equal((await gate.device(old))?.stay?.verdict, 'refuse')
      assert.equal((await gate.ask('A3')).verdict, 'wait')
    }))
})

describe('an explanation', () => {
  test('takes the decision of the record again, on the facts of then', () =>
    withGate(async gate => {
      const { store, point } = gate
      const id = await expected(store, 'A1', 'harbour')
      await assert.rejects(
        explainDecision({ store, point }, id),
        (error: OnboardingError) => error.code === 'not-found',
      )
      await gate.activate(profiles.enterprise)
      await gate.ask('A1')
      await gate.activate('')
      gate.pass(86_400_000)
      const found = await explainDecision({ store, point }, id)
      assert.deepEqual(
        [found.verdict, found.factsIntact, found.reproduced, found.deciding.map(({ id: policy }) => policy)],
        ['admit', true, true, ['enterprise-owned']],
      )
      assert.equal(found.basis?.facts.owner, 'harbour')
      assert.deepEqual(await explainDecision({ store, point }, id, found.event), found)
      await assert.rejects(
        explainDecision({ store, point }, id, 1),
        (error: OnboardingError) => error.code === 'not-found',
      )
    }))

  test('of what no policy decides names no policy', () =>
    withGate(async gate => {
      const { store, point } = gate
      const id = await expected(store, 'A1', 'thief')
      await gate.activate(everything)
      await gate.ask('A1')
      const found = await explainDecision({ store, point }, id)
      assert.deepEqual([found.code, found.basis, found.deciding], ['owner-mismatch', undefined, []])
    }))
})
