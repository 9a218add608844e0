import assert from 'node:assert/strict'
import { chmod, stat, writeFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import { test } from 'node:test'
import { openSqlite } from '../../../src/adapter/store/sqlite.ts'
import { createStore } from '../../../src/adapter/store/store.ts'
import { generateKey } from '../../../src/crypto/key.ts'
import { keySigner } from '../../../src/crypto/signer.ts'
import { OnboardingError } from '../../../src/domain/error.ts'
import type { Store } from '../../../src/domain/port.ts'
import { openTestStoreAt, silentLog, sqlitePlace } from '../../store.ts'
import { happened } from './sample.ts'

const options = { signer: keySigner(generateKey('P-256')), clock: Date.now, log: silentLog }

test('files are closed to others, also when they were open before', async () => {
  const place = await sqlitePlace()
  const opened = await openTestStoreAt(place)
  const file = place.url.replace('sqlite:', '')
  try {
    const mode = async (path: string) => ((await stat(path)).mode & 0o777).toString(8)
    await opened.store.transaction(tx => tx.setting.put({ name: 'a', value: 1 }))
    assert.equal(await mode(dirname(file)), '700')
    for (const suffix of ['', '-wal', '-shm', '-lock']) assert.equal(await mode(`${file}${suffix}`), '600')
    await opened.store.close()
    await chmod(file, 0o644)
    await opened.reopen()
    assert.equal(await mode(file), '600')
  } finally {
    await opened.close()
  }
})

test('a second process is refused, and served when the first has gone', async () => {
  const opened = await openTestStoreAt(await sqlitePlace())
  try {
    await assert.rejects(opened.also(), (error: unknown) => {
      assert.ok(error instanceof OnboardingError)
      // Who it is that has to be stopped.
      assert.deepEqual([error.code, error.detail['pid']], ['store-locked', process.pid])
      return true
    })
    await opened.store.transaction(tx => tx.setting.put({ name: 'a', value: 1 }))
    const again = await opened.reopen()
    assert.deepEqual(await again.read(tables => tables.setting.get('a')), { name: 'a', value: 1 })
  } finally {
    await opened.close()
  }
})

test('a database of a newer Mooring is refused', async () => {
  const place = await sqlitePlace()
  const opened = await openTestStoreAt(place)
  try {
    await opened.store.close()
    await place.execute('update schema_version set version = 99')
    await assert.rejects(opened.reopen(), { code: 'store-version', detail: { found: 99, known: 1 } })
    await place.execute('update schema_version set version = 1')
    await opened.reopen()
  } finally {
    await opened.close()
  }
})

test('a database of an older Mooring is brought up to date, once, whole or not at all', async () => {
  const place = await sqlitePlace()
  const file = place.url.replace('sqlite:', '')
  const first = await openTestStoreAt(place)
  await first.store.transaction(tx => tx.setting.put({ name: 'kept', value: 1 }))
  await first.store.close()
  const broken = { version: 3, statements: () => ['create table newer(name text)', 'this is not sql'] }
  const step = { version: 2, statements: () => ['alter table voucher add column note text'] }
  await assert.rejects(openSqlite(file, [step, broken]))
  for (let n = 0; n < 2; n++) {
    const engine = await openSqlite(file, [step])
    const store = await createStore(engine, options)
    assert.deepEqual(await store.read(tables => tables.setting.get('kept')), { name: 'kept', value: 1 })
    await store.close()
  }
  await place.execute('select note from voucher')
  await assert.rejects(first.reopen(), { code: 'store-version' })
  await place.remove()
})

test('a file that is no database is refused', async () => {
  const place = await sqlitePlace()
  const opened = await openTestStoreAt(place)
  await opened.store.close()
  const file = place.url.replace('sqlite:', '')
  await writeFile(file, 'x'.repeat(10_000))
  await assert.rejects(opened.reopen(), { code: 'ledger-altered' })
  await opened.close()
})

interface SmallStore {
  readonly store: Store
  /** Room for so many pages from here on. */
  readonly grow: (pages: number) => void
  readonly close: () => Promise<void>
}

/** A store whose file may grow by `pages` more pages. */
async function smallStore(pages: number): Promise<SmallStore> {
  const place = await sqlitePlace()
  const engine = await openSqlite(place.url.replace('sqlite:', ''))
  const store = await createStore(engine, { ...options, schedule: () => () => {} })
  const grow = (more: number) => {
    const count = engine.database.prepare('pragma page_count').get()?.['page_count'] as number
    engine.database.exec(`pragma max_page_count = ${count + more}`)
  }
  grow(pages)
  const close = async () => {
    await store.close()
    await place.remove()
  }
  return { store, grow, close }
}

test('a full disk refuses what does not fit, keeps what was acknowledged, and ends with the lack of room', async () => {
  const { store, grow, close } = await smallStore(10)
  const acknowledged: string[] = []
  const refused: string[] = []
  const write = async (name: string) => {
    try {
      await store.transaction(async tx => {
        await tx.append(`site/${name}`, 0, [{ kind: 'written', body: { text: 'x'.repeat(3000) } }])
        await tx.setting.put({ name, value: 'y'.repeat(3000) })
      })
      acknowledged.push(name)
    } catch (error) {
      assert.equal((error as { code?: string }).code, 'store-full')
      refused.push(name)
    }
  }
  // Some of these batches fit only in part.
  for (let n = 0; n < 5; n++) {
    await Promise.all(Array.from({ length: 8 }, (_, k) => write(`${n}-${k}`)))
  }
  assert.ok(acknowledged.length > 0 && refused.length > 0, `${acknowledged.length} of 40 fitted`)
  const kept = async () =>
    store.read(async tables => (await tables.setting.find({}, { limit: 1000 })).map(({ name }) => name))
  assert.deepEqual(await kept(), acknowledged.toSorted())
  assert.equal((await store.verify()).integrity, 'pass')
  grow(1000)
  await write('after')
  assert.equal(acknowledged.at(-1), 'after')
  const anchor = await store.checkpoint()
  assert.deepEqual(await store.verify(anchor), {
    integrity: 'pass',
    completeness: 'pass',
    events: acknowledged.length,
    checkpoints: 1,
  })
  await close()
})

test('a large unit that does not fit takes no small one with it', async () => {
  const { store, close } = await smallStore(40)
  const results = await Promise.allSettled([
    store.transaction(tx => tx.append('site/a', 0, [happened(1)])),
    store.transaction(tx => tx.setting.put({ name: 'large', value: 'x'.repeat(1_000_000) })),
    store.transaction(tx => tx.append('site/b', 0, [happened(2)])),
  ])
  assert.deepEqual(
    results.map(result => result.status),
    ['fulfilled', 'rejected', 'fulfilled'],
  )
  assert.equal((await store.history('site/a')).length + (await store.history('site/b')).length, 2)
  assert.equal((await store.verify()).events, 2)
  await close()
})
