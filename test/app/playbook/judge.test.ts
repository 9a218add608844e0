import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { DemonstrationResult } from '../../../src/app/playbook/demonstration.ts'
import { type Claim, judge, settleImplicit } from '../../../src/app/playbook/judge.ts'
import { type BuildId, type CapabilityId, capabilities } from '../../../src/domain/playbook.ts'

const event = { ledger: 'l', stream: 's', version: 1, kind: 'k', lane: 'main', sequence: 1, at: 0, hash: 'h' }

function result(
  polarity: 'positive' | 'negative',
  outcome: 'held' | 'failed' | 'skipped' = 'held',
  id: CapabilityId = 'S1.C1',
): DemonstrationResult {
  const head = { capability: id, name: `${polarity}-one`, polarity, title: 'a title' }
  return outcome === 'held' ? { ...head, outcome, seen: 'it', events: [event] } : { ...head, outcome, reason: 'why' }
}

const claims: Record<Claim['type'], Claim> = {
  demonstrated: { type: 'demonstrated', note: 'note' },
  simulated: { type: 'simulated', note: 'note' },
  implicit: { type: 'implicit', by: 'S1.C2', note: 'note' },
  'not-yet': { type: 'not-yet', note: 'note' },
}

function verdictOn(
  id: CapabilityId,
  claim: Claim['type'],
  results: readonly DemonstrationResult[],
  build: BuildId = 'brski-wired',
) {
  return judge(capabilities.find(capability => capability.id === id)!, build, claims[claim], results)
}

describe('a verdict', () => {
  it('is a pass when positive and negative demonstrations held', () => {
    const both = [result('positive'), result('negative'), result('positive', 'failed', 'S1.C2')]
    const { verdict, reason, evidence } = verdictOn('S1.C1', 'demonstrated', both)
    assert.deepEqual([verdict, reason, evidence.length], ['pass', 'note', 2])
  })

  for (const [what, results] of Object.entries({
    'nothing ran': [],
    'there is no negative demonstration': [result('positive')],
    'there is no positive demonstration': [result('negative')],
    'one failed': [result('positive'), result('negative'), result('negative', 'failed')],
    'one was skipped': [result('positive'), result('negative'), result('positive', 'skipped')],
    'only others held': [result('positive', 'held', 'S1.C2'), result('negative', 'held', 'S1.C2')],
  })) {
    it(`is a failure when ${what}`, () => {
      assert.equal(verdictOn('S1.C1', 'demonstrated', results).verdict, 'fail')
      assert.equal(verdictOn('S1.C1', 'simulated', results).verdict, 'fail')
    })
  }

  it('of a simulation is never a pass', () => {
    assert.equal(verdictOn('S1.C1', 'simulated', [result('positive'), result('negative')]).verdict, 'simulated')
  })

  it('is not yet, whatever there is of it, unless that failed', () => {
    assert.equal(verdictOn('S1.C1', 'not-yet', [result('positive'), result('negative')]).verdict, 'not-yet')
    assert.equal(verdictOn('S1.C1', 'not-yet', [result('positive', 'failed')]).verdict, 'fail')
  })

  it('is not applicable where the protocol leaves no room, whatever is claimed', () => {
    const both = [result('positive', 'held', 'S0.C2'), result('negative', 'held', 'S0.C2')]
    const { verdict, reason } = verdictOn('S0.C2', 'demonstrated', both, 'thread')
    assert.equal(verdict, 'not-applicable')
    assert.match(reason, /Thread/)
  })

  it('that is implicit falls with the one that it rests on', () => {
    const all = {
      ...Object.fromEntries(capabilities.map(({ id }) => [id, claims['not-yet']])),
      'S1.C1': claims.implicit,
    }
    const settled = (base: readonly DemonstrationResult[]) =>
      settleImplicit(
        [verdictOn('S1.C1', 'implicit', []), verdictOn('S1.C2', 'demonstrated', base)],
        all as Record<CapabilityId, Claim>,
      )[0]?.verdict
    const [positive, negative] = [result('positive', 'held', 'S1.C2'), result('negative', 'held', 'S1.C2')]
    assert.equal(settled([positive, negative]), 'implicit')
    assert.equal(settled([positive]), 'fail')
  })
})
