import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { jobs } from '../../lab/scale/job.ts'
import { isSound, type JobReport, runScale, type ScaleReport } from '../../lab/scale/run.ts'

/** The short form of `npm run scale`. */
describe('work on many devices', () => {
  it('is done once and whole, also when its process is killed in the middle', { timeout: 110_000 }, async () => {
    const seen = new Map<string, number>()
    const report = await runScale({
      devices: 150,
      jobs,
      kills: 1,
      onProgress: (what, done, of) => {
        assert.ok(done >= 0 && done <= of, what)
        seen.set(what, (seen.get(what) ?? 0) + 1)
      },
    })
    for (const { job, title, count, lost, halfDone, verifyFailures, problems } of report.jobs) {
      assert.deepEqual([lost, halfDone, verifyFailures, problems], [0, 0, 0, []], job)
      assert.ok(count > 0 && (seen.get(title) ?? 0) > 0, job)
    }
    assert.ok(isSound(report))
    // A small job may be over before the blow falls; not all of them.
    assert.ok(report.jobs.some(({ kills }) => kills > 0))
  })

  it('is not sound when anything is lost, half done, or not on record as it was', () => {
    const job: JobReport = {
      ...{
        job: 'x',
        title: 'x',
        count: 1,
        seconds: 1,
        kills: 1,
        lost: 0,
        halfDone: 0,
        verifyFailures: 0,
        problems: [],
      },
    }
    const report = (change: Partial<JobReport>): ScaleReport => {
      return { devices: 1, prepareSeconds: 1, jobs: [job, { ...job, ...change }] }
    }
    assert.ok(isSound(report({})))
    for (const change of [{ lost: 1 }, { halfDone: 1 }, { verifyFailures: 1 }]) assert.ok(!isSound(report(change)))
  })
})
