import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { type House, openHouse } from '../../lab/all-in-one/house.ts'
import { jobs } from '../../lab/scale/job.ts'
import { type Ground, onboard, readGround, sell } from '../../lab/scale/place.ts'
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

describe('whoever holds the work to account', () => {
  const jobOf = (name: string) => jobs.find(job => job.name === name)!

  async function withHouse(work: (house: House, ground: Ground) => Promise<void>): Promise<void> {
    const data = await mkdtemp(join(tmpdir(), 'mooring-scale-'))
    const house = await openHouse({ data })
    try {
      await sell(house, data, 60, () => {})
      await onboard(house, data, () => {})
      await work(house, readGround(data))
    } finally {
      await house.close()
      await rm(data, { recursive: true, force: true })
    }
  }

  it('misses what was acknowledged and is not there, and sees what stands in between', { timeout: 60_000 }, () =>
    withHouse(async (house, ground) => {
      const [{ serial, id }] = ground.devices as [Ground['devices'][number]]
      const found = async (name: string, ...acknowledged: string[]) => {
        const { lost, half } = await jobOf(name).inspect(house, ground, new Set(acknowledged))
        return [lost.length, half.length]
      }
      assert.deepEqual(await found('renewals', serial), [1, 0])
      assert.deepEqual(await found('recall', 'imported'), [1, 0])
      assert.deepEqual(await found('house-sale', `cleared ${serial}`), [1, 0])
      assert.deepEqual(await found('house-sale', 'told'), [50, 0])
      for (const job of ['renewals', 'recall', 'policy-activation', 'house-sale']) {
        const { lost } = await jobOf(job).conclude(house, ground, new Set())
        assert.ok(lost.length > 0, `${job} is not done`)
      }
      // Somebody ends a credential behind the back of all work.
      await house.site.store.transaction(async tx => {
        const [credential] = await tx.credential.find({ device: id })
        await tx.credential.put({ ...credential!, status: 'revoked' })
      })
      assert.deepEqual(await found('renewals'), [0, 1])
      assert.deepEqual(await found('house-sale'), [0, 1])
      assert.deepEqual(await found('policy-preview'), [0, 1])
      assert.deepEqual(await found('policy-activation', 'activated'), [1, 1])
      // One unit of the house goes to the buyer alone.
      await house.maker.store.transaction(async tx => {
        const unit = await tx.unit.get(serial)
        await tx.unit.put({ ...unit!, owner: 'buyer-1' })
      })
      assert.deepEqual(await found('house-sale'), [0, 2])
    }),
  )
})
