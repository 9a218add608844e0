import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Engine, SqlError, type WriteSession } from '../../../src/adapter/store/sql.ts'
import { Writer } from '../../../src/adapter/store/writer.ts'
import { silentLog } from '../../store.ts'
import { happened } from './sample.ts'

/** A database that does nothing but fail when and how it is told to. */
interface Script {
  /** Errors of the next commits; undefined for one that succeeds. */
  readonly commits: (SqlError | undefined)[]
  /** What became of a commit whose answer was lost. */
  readonly committed?: () => boolean
}

const lost = () => new SqlError('lost', 'the connection is gone')

function scripted({ commits, committed }: Script): { engine: Engine; calls: string[] } {
  const calls: string[] = []
  const session = (): WriteSession => {
    let usable = true
    return {
      lane: 'lane-1',
      exclusive: false,
      get usable() {
        return usable
      },
      rows: async () => [],
      run: async () => 1,
      step: () => calls.push('step'),
      async undo() {
        calls.push('undo')
      },
      async begin(alone) {
        calls.push(alone ? 'begin alone' : 'begin')
      },
      inTransaction: () => usable,
      async commit() {
        calls.push('commit')
        const error = commits.shift()
        if (error === undefined) return
        usable = error.kind !== 'lost'
        throw error
      },
      async rollback() {
        calls.push('rollback')
      },
      mark: () => '7',
      abandon() {
        usable = false
      },
    }
  }
  let current = session()
  const refuse = () => Promise.reject(new Error('not in the script'))
  const engine: Engine = {
    dialect: 'postgres',
    gatherMilliseconds: 0,
    skipLocked: '',
    async writer() {
      if (!current.usable) current = session()
      return current
    },
    async committed(mark) {
      assert.equal(mark, '7')
      calls.push('committed?')
      if (committed === undefined) throw lost()
      return committed()
    },
    snapshot: refuse,
    survey: refuse,
    announce() {},
    async onAnnounce() {},
    async close() {},
  }
  return { engine, calls }
}

/** Three units at once, and how often each ran. */
async function threeUnits(script: Script) {
  const { engine, calls } = scripted(script)
  const told: number[] = []
  const runs = [0, 0, 0]
  const committed = (events: readonly { sequence: number }[]) => told.push(...events.map(event => event.sequence))
  const writer = new Writer({ engine, clock: () => 1, log: silentLog, committed, deadline: 250 })
  const results = await Promise.allSettled(
    runs.map((_, n) =>
      writer.submit(async tx => {
        runs[n]!++
        await tx.append(`site/${n}`, 0, [happened(n)])
        return n
      }),
    ),
  )
  await writer.close()
  const codes = results.map(result => (result.status === 'fulfilled' ? result.value : result.reason.code))
  return { codes, runs, told, calls }
}

test('a commit whose answer was lost, and that came through, is not run again', async () => {
  const { codes, runs, told } = await threeUnits({ commits: [lost()], committed: () => true })
  assert.deepEqual(
    [codes, runs, told],
    [
      [0, 1, 2],
      [1, 1, 1],
      [1, 2, 3],
    ],
  )
})

test('a commit whose answer was lost, and that did not come through, is run again on another connection', async () => {
  const { codes, runs, told, calls } = await threeUnits({ commits: [lost()], committed: () => false })
  assert.deepEqual(
    [codes, runs, told],
    [
      [0, 1, 2],
      [2, 2, 2],
      [1, 2, 3],
    ],
  )
  assert.deepEqual(calls, ['begin', 'commit', 'committed?', 'begin', 'commit'])
})

test('a commit of which nobody knows is neither run again nor called done', async () => {
  const { codes, runs, told } = await threeUnits({ commits: [lost()] })
  assert.deepEqual([codes, runs, told], [Array(3).fill('store-unavailable'), [1, 1, 1], []])
})

test('a commit that is still open is asked for until it is decided', async () => {
  let asked = 0
  const committed = () => {
    if (++asked < 3) throw lost()
    return true
  }
  const { codes, runs } = await threeUnits({ commits: [lost()], committed })
  assert.deepEqual([codes, runs, asked], [[0, 1, 2], [1, 1, 1], 3])
})

test('a commit that is refused is told to all of the batch, and the chain goes on from where it was', async () => {
  const { engine } = scripted({ commits: [new SqlError('full', 'no room')] })
  const told: number[] = []
  const committed = (events: readonly { sequence: number }[]) => told.push(...events.map(event => event.sequence))
  const writer = new Writer({ engine, clock: () => 1, log: silentLog, committed })
  const append = (name: string) => writer.submit(tx => tx.append(`site/${name}`, 0, [happened(1)]))
  const refused = await Promise.allSettled([append('a'), append('b')])
  for (const result of refused) assert.equal(result.status === 'rejected' && result.reason.code, 'store-full')
  await append('c')
  assert.deepEqual(told, [1])
})

test('units are put into savepoints only after one of a batch had to be undone', async () => {
  const { engine, calls } = scripted({ commits: [] })
  const writer = new Writer({ engine, clock: () => 1, log: silentLog, committed() {} })
  const unit = (n: number, fails: boolean) =>
    writer.submit(async tx => {
      await tx.append(`site/${n}`, 0, [happened(n)])
      if (fails) throw new RangeError('on purpose')
    })
  await Promise.all([unit(1, false), unit(2, false)])
  assert.deepEqual(calls.splice(0), ['begin', 'commit'])
  const mixed = await Promise.allSettled([unit(3, false), unit(4, true), unit(5, false)])
  assert.deepEqual(
    mixed.map(({ status }) => status),
    ['fulfilled', 'rejected', 'fulfilled'],
  )
  assert.deepEqual(calls.splice(0), ['begin', 'rollback', 'begin', 'step', 'step', 'undo', 'step', 'commit'])
})

test('a listener that fails changes nothing for those who wait', async () => {
  const { engine } = scripted({ commits: [] })
  const committed = () => {
    throw new Error('on purpose')
  }
  const writer = new Writer({ engine, clock: () => 1, log: silentLog, committed })
  assert.equal(await writer.submit(tx => tx.append('site/a', 0, [happened(1)])), 1)
  await writer.close()
})
