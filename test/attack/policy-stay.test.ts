import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { generateKey } from '../../src/crypto/key.ts'
import { keySigner } from '../../src/crypto/signer.ts'
import { checkStay } from '../../src/role/onboarding/standing.ts'
import { everything, expected, inside, withGate } from '../role/authorization/gate.ts'
import { openLifeScene } from '../role/lifecycle/scene.ts'
import { pledgeOf } from '../role/onboarding/neighbourhood.ts'

const forbidOld = (more = '') =>
  `${everything}@id("no-old") ${more} forbid(principal, action == Action::"stay", resource) when { principal.model == "Old" };`

describe('a device that may not stay', () => {
  it('does not come back in by onboarding once more, with or without its credential', async () => {
    for (const source of [forbidOld(), forbidOld('@credential("revoke")')]) {
      await withGate(async gate => {
        const old = await inside(gate.store, 'A1', 'harbour', 'Old')
        await gate.activate(source)
        await gate.reconfirmations.run()
        const refused = async () => {
          const device = await gate.device(old)
          assert.throws(() => checkStay(device!), { code: 'policy-refused' })
        }
        await refused()
        // Devices do that by themselves, when their network keeps refusing them.
        const decision = await gate.ask('A1')
        await refused()
        assert.equal(decision.verdict, 'refuse')
        assert.equal(decision.verdict === 'refuse' && decision.code, 'policy-refused')
        // Nor does one get in for the time until somebody looks.
        await expected(gate.store, 'A2', 'harbour', 'Old')
        assert.equal((await gate.ask('A2')).verdict, 'refuse')
        // With the policy goes what it forbade.
        await gate.activate(everything)
        assert.equal((await gate.ask('A1')).verdict, 'admit')
      })
    }
  })

  it('gets no other credential for the voucher of the day before: the one that a policy ended stays the last', async () => {
    const scene = await openLifeScene(1)
    try {
      const { id } = await scene.onboard('B1-000001')
      const at = scene.home.now.value
      const facts = { device: id, serial: 'B1-000001', manufacturer: 'acme', model: '', standing: 'expected' } as const
      const place = { owner: '', lifecycle: 'US.OPR', posture: 'suspect', network: 'home', site: '' } as const
      const basis = {
        version: '000001',
        policies: ['no-suspects'],
        facts: { ...facts, ...place, protocol: 'brski', now: Math.floor(at / 1000) },
        factsHash: '0'.repeat(64),
      } as const
      const terms = { services: [], maintain: false }
      await scene.record(id, { kind: 'stay-decided', body: { verdict: 'refuse', basis, terms, revoke: true, at } })
      const { credential } = await scene.device(id)
      await scene.revocation.revoke(credential!, 'privilegeWithdrawn', 'policy no-suspects')
      const issued = () => scene.store.read(tables => tables.credential.count({ device: id, status: 'issued' }))
      assert.equal(await issued(), 0)
      const pledge = pledgeOf(scene.home, scene.home.unit('B1-000001'))
      const reply = await pledge.enroll(keySigner(generateKey('P-256')))
      assert.equal(await issued(), 0)
      assert.match(String(reply.body), /^policy-refused/)
    } finally {
      await scene.close()
    }
  })
})
