import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { type Device, deviceId } from '../../../src/domain/device.ts'
import type { OnboardingError } from '../../../src/domain/error.ts'
import { factsHash } from '../../../src/domain/policy.ts'
import type { Store } from '../../../src/domain/port.ts'
import { failureSetting } from '../../../src/role/authorization/policy-point.ts'
import { profiles } from '../../../src/role/authorization/profile/profile.ts'
import { everything, expected, type Gate, openGate, withGate } from './gate.ts'

const deviceOf = (store: Store, id: string): Promise<Device | undefined> => store.read(tables => tables.device.get(id))

describe('admission by policy', () => {
  test('records what it rests on, and what the device was granted', () =>
    withGate(async gate => {
      const { store } = gate
      await gate.activate(profiles.enterprise)
      const id = await expected(store, 'A1', 'harbour')
      const decision = await gate.ask('A1')
      assert.equal(decision.verdict, 'admit')
      assert.deepEqual(decision.verdict === 'admit' && decision.plan, {
        kind: 'network',
        lifetimeDays: 90,
        network: 'harbour-iot',
        segment: 'devices',
      })
      const device = await deviceOf(store, id)
      assert.deepEqual(device?.terms, {
        segment: 'devices',
        lifetimeDays: 90,
        services: ['application', 'time'],
        maintain: true,
      })
      const decided = (await store.history(`device/${id}`)).find(({ kind }) => kind === 'admission-decided')
      const basis = decided?.body['basis'] as { version: string; policies: string[]; facts: never; factsHash: string }
      assert.deepEqual([basis.version, basis.policies], ['000001', ['enterprise-owned']])
      assert.equal(basis.factsHash, factsHash(basis.facts))
    }))

  test('makes a device wait that policy wants a person for, and lets it in when one has said so', () =>
    withGate(async gate => {
      await gate.activate(profiles.enterprise)
      const id = await expected(gate.store, 'A1')
      const decision = await gate.ask('A1')
      assert.deepEqual([decision.verdict, decision.verdict === 'wait' && decision.code], ['wait', 'policy-waits'])
      await gate.approval.grant(id, 'somebody')
      assert.equal((await gate.ask('A1')).verdict, 'admit')
      assert.equal((await deviceOf(gate.store, id))?.terms?.segment, 'guests')
    }))

  test('lets in whom nobody expected where a policy says so, and says on whose word', () =>
    withGate(async gate => {
      assert.equal((await gate.ask('B1')).verdict, 'wait')
      await gate.activate(everything)
      assert.equal((await gate.ask('B1')).verdict, 'admit')
      const id = deviceId('fjord', 'B1')
      assert.equal((await deviceOf(gate.store, id))?.standing, 'approved')
      const granted = (await gate.store.history(`device/${id}`)).find(({ kind }) => kind === 'admission-granted')
      assert.deepEqual(granted?.body, { by: 'policy policy-1' })
    }))

  test('refuses where no policy permits', () =>
    withGate(async gate => {
      await expected(gate.store, 'A1', 'harbour')
      await gate.activate('')
      const decision = await gate.ask('A1')
      assert.deepEqual([decision.verdict, decision.verdict === 'refuse' && decision.code], ['refuse', 'policy-refused'])
    }))

  test('goes back to what counted before', () =>
    withGate(async gate => {
      await assert.rejects(
        gate.versions.rollback('test'),
        (error: OnboardingError) => error.code === 'policy-not-found',
      )
      await gate.versions.establish('home')
      assert.equal(await gate.versions.establish('enterprise'), false)
      await expected(gate.store, 'A1')
      await gate.activate('')
      assert.equal((await gate.ask('A1')).verdict, 'refuse')
      const back = await gate.versions.rollback('test')
      assert.deepEqual([back.id, back.name], ['000001', 'home'])
      gate.pass(120_000)
      assert.equal((await gate.ask('A1')).verdict, 'admit')
      // The same text is the same version.
      const again = await gate.versions.draft({ name: 'other', source: profiles.home, by: 'test' })
      assert.equal(again.id, '000001')
    }))
})

describe('no policy overrides', () => {
  const cases: Readonly<Record<string, (gate: Gate) => Promise<string>>> = {
    'device-withdrawn': async ({ store, approval }) => {
      await approval.withdraw(await expected(store, 'X', 'harbour'), 'test')
      return 'X'
    },
    'device-denied': async ({ store, approval }) => {
      await approval.deny(await expected(store, 'X', 'harbour'), 'test')
      return 'X'
    },
    'owner-mismatch': async ({ store }) => {
      await expected(store, 'X', 'thief')
      return 'X'
    },
    'device-identity-cloned': async gate => {
      await expected(gate.store, 'X', 'harbour')
      await gate.ask('X', { keyHash: 'b'.repeat(64) })
      return 'X'
    },
  }
  for (const [code, prepare] of Object.entries(cases)) {
    test(code, () =>
      withGate(async gate => {
        await gate.activate(everything)
        const decision = await gate.ask(await prepare(gate))
        assert.deepEqual([decision.verdict, decision.verdict === 'refuse' && decision.code], ['refuse', code])
        assert.ok(decision.reasons.every(({ rule }) => rule !== 'policy'))
      }),
    )
  }

  test('the trust in a manufacturer [WP-M6.02]', () =>
    withGate(async gate => {
      await gate.activate(everything)
      await assert.rejects(
        gate.ask('X', { manufacturer: 'stranger' }),
        (error: OnboardingError) => error.code === 'idevid-untrusted',
      )
    }))
})

describe('a policy that fails', () => {
  const failing = `${everything}@id("sum") permit(principal, action == Action::"admit", resource) when { context.now * 9007199254740991 > 0 };`

  test('lets nobody in, loudly, until another one counts', () =>
    withGate(async gate => {
      const id = await expected(gate.store, 'A1', 'harbour')
      await gate.activate(failing)
      const decision = await gate.ask('A1')
      assert.deepEqual([decision.verdict, decision.verdict === 'refuse' && decision.code], ['refuse', 'policy-failed'])
      const setting = () => gate.store.read(tables => tables.setting.get(failureSetting))
      const failure = (await setting())?.value as Record<string, unknown>
      assert.deepEqual([failure['policy'], failure['version'], failure['device']], ['sum', '000001', id])
      assert.ok(gate.log.lines.some(({ level, facts }) => level === 'error' && facts['policy'] === 'sum'))
      assert.equal((await deviceOf(gate.store, id))?.refusal?.code, 'policy-failed')
      await gate.activate(everything)
      assert.equal(await setting(), undefined)
      gate.pass(120_000)
      assert.equal((await gate.ask('A1')).verdict, 'admit')
    }))

  test('of which the text on record was altered lets nobody in, and the ledger shows it', async () => {
    const gate = await openGate()
    try {
      await expected(gate.store, 'A1', 'harbour')
      await gate.activate(everything)
      await gate.store.transaction(async tx => {
        const version = await tx.policy.get('000001')
        await tx.policy.put({ ...version!, source: `${everything} ` })
      })
      // Another process, that has read nothing yet.
      const decision = await gate.ask('A1', {}, gate.process())
      assert.deepEqual([decision.verdict, decision.verdict === 'refuse' && decision.code], ['refuse', 'policy-failed'])
      const { integrity, firstBad } = await gate.store.verify()
      assert.equal(integrity, 'fail')
      assert.match(firstBad?.reason ?? '', /policy/)
    } finally {
      await gate.opened.close()
    }
  })

  test('another active version put into the record by hand shows', async () => {
    const gate = await openGate()
    try {
      await gate.activate('')
      await gate.activate(everything)
      await gate.store.transaction(async tx => {
        const state = await tx.policyState.get('set')
        const { sourceHash } = (await tx.policy.get('000001'))!
        await tx.policyState.put({ ...state!, active: '000001', activeHash: sourceHash })
      })
      assert.equal((await gate.store.verify()).integrity, 'fail')
    } finally {
      await gate.opened.close()
    }
  })
})
