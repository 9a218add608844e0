import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { checkStay } from '../../src/role/onboarding/standing.ts'
import { everything, expected, inside, withGate } from '../role/authorization/gate.ts'

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
})
