import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { isWhole, runSteps } from '../../lab/crash/step/run.ts'
import { stepTasks } from '../../lab/crash/step/task.ts'

/** The short form of the later phases of `npm run crash`, which tries every moment. */
describe('a process that is killed (-9)', () => {
  const every = { 'hand-over': 13, 'rollover-root': 5, 'rollover-issuing': 5 } as const
  for (const task of stepTasks) {
    it(`while ${task.title} leaves nothing half done, and done again it ends whole`, async () => {
      const stride = every[task.name as keyof typeof every]
      // Another moment on another day would be another test: the same ones each time.
      const report = await runSteps(task, { first: 4, every: stride })
      assert.ok(report.kills >= 2, 'it was over before it could be interrupted')
      assert.ok(isWhole(report), JSON.stringify(report))
    })
  }
})
