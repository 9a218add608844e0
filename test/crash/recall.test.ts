import assert from 'node:assert/strict'
import { it } from 'node:test'
import { isSound, runRecallLab } from '../../lab/recall/run.ts'

/** The short form of `npm run recall`. */
it('a recall whose process is killed in the middle ends whole, and nothing is ever half-done', async () => {
  const report = await runRecallLab({ devices: 600, recalled: 60, kills: 2 })
  assert.equal(report.kills, 2, 'the work was over before it could be interrupted')
  assert.ok(isSound(report), JSON.stringify(report))
})
