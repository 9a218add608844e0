import assert from 'node:assert/strict'
import { randomInt } from 'node:crypto'
import { test } from 'node:test'
import { setTimeout } from 'node:timers/promises'
import { generateKey } from '../../../src/crypto/key.ts'
import { keySigner } from '../../../src/crypto/signer.ts'
import { needsPostgres } from '../../postgres.ts'
import { openTestStoreAt, postgresPlace, sqlitePlace, type TestStore } from '../../store.ts'
import { assertKept, startWriting, type WritingProcess } from './process.ts'

const key = generateKey('P-256')
const signer = keySigner(key)
const pem = key.export({ type: 'pkcs8', format: 'pem' }).toString()

/** Long enough for some batches, so that the kill falls anywhere in one. */
const anyMoment = () => setTimeout(randomInt(5, 150))

async function assertSound(opened: TestStore, processes: readonly WritingProcess[]): Promise<void> {
  const kept = await assertKept(opened.store, processes)
  const verdict = await opened.store.verify()
  assert.equal(verdict.integrity, 'pass', JSON.stringify(verdict.firstBad))
  assert.equal(verdict.completeness, 'unanchored')
  assert.ok(kept > 0)
}

test('SQLite: nothing acknowledged is lost to kill -9', { timeout: 60_000 }, async t => {
  const opened = await openTestStoreAt(await sqlitePlace(), { signer })
  t.after(opened.close)
  await opened.store.close()
  const processes: WritingProcess[] = []
  for (let n = 0; n < 8; n++) {
    const writing = await startWriting(opened.url, `p${n}`, pem)
    processes.push(writing)
    await writing.reached(1)
    await anyMoment()
    await writing.kill()
  }
  const store = await opened.reopen()
  await assertSound({ ...opened, store }, processes)
})

test('PostgreSQL: two processes at once lose and double nothing', { timeout: 60_000, ...needsPostgres() }, async t => {
  const opened = await openTestStoreAt(await postgresPlace(), { signer })
  t.after(opened.close)
  const processes = await Promise.all(['a', 'b'].map(name => startWriting(opened.url, name, pem)))
  await Promise.all(processes.map(process => process.reached(300)))
  await Promise.all(processes.map(process => process.end()))
  await assertSound(opened, processes)
  const { events } = await opened.store.feed({}, 100_000)
  assert.deepEqual([...new Set(events.map(event => event.lane))].toSorted(), ['lane-1', 'lane-2'])
  assert.equal(new Set(events.map(event => `${event.stream} ${event.version}`)).size, events.length)
})

test('PostgreSQL: nothing acknowledged is lost to kill -9', { timeout: 60_000, ...needsPostgres() }, async t => {
  const opened = await openTestStoreAt(await postgresPlace(), { signer })
  t.after(opened.close)
  const processes: WritingProcess[] = []
  const steady = await startWriting(opened.url, 'steady', pem)
  processes.push(steady)
  for (let n = 0; n < 6; n++) {
    const writing = await startWriting(opened.url, `p${n}`, pem)
    processes.push(writing)
    await writing.reached(1)
    await anyMoment()
    await writing.kill()
  }
  await steady.end()
  await assertSound(opened, processes)
  const { events } = await opened.store.feed({}, 100_000)
  // Lanes are taken over from the dead: there are not more than processes lived at once, give or take a slow funeral.
  assert.ok(new Set(events.map(event => event.lane)).size <= 4)
})
