import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { inspectStore } from '../../../src/adapter/store/inspect.ts'
import { OnboardingError } from '../../../src/domain/error.ts'
import { openTestStore, sqlitePlace, type TestStore, testDatabase } from '../../store.ts'

const start = Date.parse('2026-11-20T08:00:00Z')

async function withStore(work: (opened: TestStore) => Promise<void>): Promise<void> {
  const opened = await openTestStore({ clock: () => start })
  try {
    await work(opened)
  } finally {
    await opened.close()
  }
}

async function happen({ store }: TestStore, count: number, from = 0): Promise<void> {
  for (let n = from; n < from + count; n++) {
    await store.transaction(tx => tx.append(`site/${n}`, 0, [{ kind: 'thing-happened', body: { n } }]))
  }
}

describe('the condition of a store', () => {
  test('counts what is there and verifies its end', () =>
    withStore(async opened => {
      const { store } = opened
      await happen(opened, 3)
      await store.checkpoint()
      await happen(opened, 2, 3)
      await store.transaction(tx => tx.enqueue('webhook', {}, start - 1000))
      const found = await store.condition()
      assert.equal(found.kind, testDatabase())
      assert.deepEqual([found.events, found.firstEventAt, found.lastEventAt], [5, start, start])
      assert.deepEqual(found.end, { sound: true, events: 2 })
      assert.deepEqual(found.lastCheckpoint, { number: 1, at: start })
      assert.deepEqual(found.outbox, [{ topic: 'webhook', items: 1, tried: 0, attempts: 0, oldestDue: start - 1000 }])
      assert.deepEqual(found.strays, { devices: [], credentials: [] })
      assert.ok(found.bytes > 0)
      assert.equal(found.schemaVersion, found.knownSchemaVersion)
      const names = testDatabase() === 'sqlite' ? ['journal_mode'] : ['fsync', 'synchronous_commit', 'full_page_writes']
      assert.deepEqual(Object.keys(found.settings), names)
    }))

  for (const [what, statement] of [
    ['an event altered', `update event set body = '{"n":9}' where stream = 'site/4'`],
    ['an event taken out', "delete from event where stream = 'site/3'"],
    ['the event that a checkpoint names altered', "update event set hash = 'x' where stream = 'site/2'"],
    ['all events cut off', 'delete from event'],
    ['a forged checkpoint', 'update checkpoint set at = at + 1'],
    ['a checkpoint by another key', "update checkpoint set key = 'AAAA'"],
  ] as const) {
    test(`shows ${what}`, () =>
      withStore(async opened => {
        await happen(opened, 3)
        await opened.store.checkpoint()
        await happen(opened, 2, 3)
        await opened.place.execute(statement)
        const { end } = await opened.store.condition()
        assert.equal(end.sound, false)
        assert.ok((end.reason ?? '').length > 0)
      }))
  }
})

describe('an inspection', () => {
  test('sees what the store has, beside it, and cannot write', () =>
    withStore(async opened => {
      await happen(opened, 2)
      const inspection = inspectStore(opened.url, [opened.signer.spkiDer])
      assert.deepEqual(await inspection.condition(), await opened.store.condition())
      assert.equal((await inspection.verify()).integrity, 'pass')
      assert.equal((await inspection.history('site/0')).length, 1)
      await inspection.read(async tables => {
        assert.deepEqual(await tables.setting.find({}), [])
        await assert.rejects(tables.setting.put({ name: 'x', value: 1 }), TypeError)
      })
      assert.equal(await opened.store.read(tables => tables.setting.get('x')), undefined)
    }))

  test('makes nothing where nothing is', async () => {
    const place = await sqlitePlace()
    const inspection = inspectStore(place.url, [])
    await assert.rejects(inspection.condition(), (error: unknown) => {
      return error instanceof OnboardingError && error.code === 'not-found'
    })
    await assert.rejects(inspection.condition())
    await place.remove()
  })
})
