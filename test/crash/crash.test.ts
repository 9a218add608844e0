import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { isSound, runCrash } from '../../lab/crash/run.ts'
import { needsPostgres } from '../postgres.ts'

/** The short form of `npm run crash`: as many kills as a test suite has time for. */
describe('a site that is killed while devices onboard', () => {
  for (const store of ['sqlite', 'postgres'] as const) {
    const options = store === 'postgres' ? needsPostgres() : {}
    it(`remembers on ${store} all that it has told them`, options, async () => {
      const report = await runCrash({ kills: 5, store, seed: 20261120, concurrency: 8 })
      assert.equal(report.kills, 5)
      assert.ok(report.acknowledged > 0, 'nothing was acknowledged: the load never ran')
      assert.ok(isSound(report), JSON.stringify(report))
    })
  }
})
