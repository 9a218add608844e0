import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { Findings } from '../../lab/walk/finding.ts'
import { openOracle } from '../../lab/walk/oracle.ts'
import { runWalk } from '../../lab/walk/walk.ts'

/** The short form of `npm run walk`. The oracle holds its copy against the requirements, where they are at hand. */
describe('a walk over the lifecycle', () => {
  it('finds nothing unexpected, refuses every pair outside the table and takes every transition [WP-LT-*]', async () => {
    const report = await runWalk({ steps: 50_000, seed: 20261120, storeEvery: 250 })
    assert.deepEqual(report.unexpected, [])
    assert.equal(Object.keys(report.transitions).length, 36)
    for (const [id, taken] of Object.entries(report.transitions)) assert.ok(taken >= 50, `${id} ${taken}`)
    assert.deepEqual(report.pairs, { of: 491, refused: 491 })
    for (const code of ['lifecycle-transition-refused', 'lifecycle-actor-refused', 'lifecycle-guard-unmet']) {
      assert.ok((report.refused[code] ?? 0) > 0, code)
    }
    assert.ok(report.store.died > 0 && report.store.raced > 0)
    assert.equal(report.store.integrity, 'pass')
  })

  it('is the same again with the same seed', async () => {
    const walk = () => runWalk({ steps: 2000, seed: 7, storeEvery: 200 })
    const [one, other] = [await walk(), await walk()]
    assert.deepEqual(one.transitions, other.transitions)
    assert.deepEqual(one.refused, other.refused)
  })

  it('says so when a transition is taken too seldom', async () => {
    const { unexpected } = await runWalk({ steps: 100, seed: 7, atLeast: 1 })
    assert.match(unexpected.join('\n'), /T\d\d was taken 0 times/)
  })
})

describe('the judge of the walk', () => {
  const oracle = openOracle()
  const honest = { state: 'US.NLO', event: 'connect', actor: 'device-manager', facts: { networkCredentialValid: true } }
  const taken = { transition: 'T14', from: 'US.NLO', to: 'US.COM' } as const
  const problems = (attempt: typeof honest, outcome: Parameters<Findings['judge']>[2]) => {
    const findings = new Findings(oracle)
    findings.judge(oracle, attempt, outcome)
    return findings.unexpected.length
  }

  it('lets pass what is due', () => {
    assert.equal(problems(honest, taken), 0)
    assert.equal(problems({ ...honest, actor: 'logistics' }, 'lifecycle-actor-refused'), 0)
    assert.equal(problems({ ...honest, state: 'US.EOL' }, 'lifecycle-transition-refused'), 0)
    assert.equal(problems({ ...honest, facts: { networkCredentialValid: false } }, 'lifecycle-guard-unmet'), 0)
  })

  it('sees every other outcome', () => {
    assert.equal(problems(honest, 'lifecycle-guard-unmet'), 1)
    assert.equal(problems(honest, { ...taken, to: 'US.OPR' }), 1)
    assert.equal(problems(honest, { ...taken, transition: 'T15' }), 1)
    assert.equal(problems(honest, { ...taken, from: 'US.INS' }), 1)
    assert.equal(problems({ ...honest, actor: 'logistics' }, taken), 1)
    assert.equal(problems({ ...honest, actor: 'logistics' }, 'lifecycle-guard-unmet'), 1)
    assert.equal(problems({ ...honest, facts: { networkCredentialValid: false } }, taken), 1)
    assert.equal(problems({ ...honest, state: 'US.EOL' }, { ...taken, from: 'US.INS' }), 1)
  })
})
