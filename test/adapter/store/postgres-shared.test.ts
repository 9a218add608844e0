import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { Link } from '../../../src/adapter/store/link.ts'
import { openStore } from '../../../src/adapter/store/open.ts'
import { generateKey } from '../../../src/crypto/key.ts'
import { keySigner } from '../../../src/crypto/signer.ts'
import type { StoredEvent } from '../../../src/domain/event.ts'
import type { Store } from '../../../src/domain/port.ts'
import { needsPostgres, type PostgresServer, startPostgres } from '../../postgres.ts'
import { openTestStoreAt, silentLog } from '../../store.ts'
import { happened } from './sample.ts'

void describe('several writers of one PostgreSQL database', { ...needsPostgres(), timeout: 120_000 }, () => {
  let server: PostgresServer
  before(async () => {
    server = await startPostgres({ own: true })
  })
  after(() => server.stop())

  void test('everybody hears of everybody’s commits, each event once', async t => {
    const opened = await openTestStoreAt(await server.place())
    t.after(opened.close)
    const other = await opened.also()
    const heard: StoredEvent[] = []
    const all = new Promise<void>(resolve => {
      other.onCommit(events => {
        heard.push(...events)
        if (heard.length >= 60) resolve()
      })
    })
    await Promise.all(
      Array.from({ length: 30 }, async (_, n) => {
        await opened.store.transaction(tx => tx.append(`site/a${n}`, 0, [happened(n)]))
        await other.transaction(tx => tx.append(`site/b${n}`, 0, [happened(n)]))
      }),
    )
    await all
    assert.deepEqual(
      heard.map(event => event.stream).toSorted(),
      Array.from({ length: 30 }, (_, n) => [`site/a${n}`, `site/b${n}`])
        .flat()
        .toSorted(),
    )
    const { events } = await other.feed({}, 100)
    assert.equal(events.length, 60)
    assert.equal(new Set(events.map(event => event.lane)).size, 2)
  })

  void test('whoever listens for some nouns hears of them from others, past all the rest', async t => {
    const opened = await openTestStoreAt(await server.place())
    t.after(opened.close)
    const other = await opened.also()
    const heard: StoredEvent[] = []
    const last = new Promise<void>(resolve => {
      other.onCommit(
        events => {
          heard.push(...events)
          if (heard.at(-1)!.stream === 'manufacturer/last') resolve()
        },
        ['manufacturer'],
      )
    })
    for (let n = 0; n < 12; n++) {
      const noun = n % 4 === 0 ? 'manufacturer' : 'device'
      await opened.store.transaction(tx => tx.append(`${noun}/${n}`, 0, [happened(n)]))
    }
    await opened.store.transaction(tx => tx.append('manufacturer/last', 0, [happened(0)]))
    await last
    const streams = ['manufacturer/0', 'manufacturer/4', 'manufacturer/8', 'manufacturer/last']
    assert.deepEqual(
      heard.map(({ stream }) => stream),
      streams,
    )
  })

  void test('whoever loses against the others gets its turn', async t => {
    const opened = await openTestStoreAt(await server.place())
    t.after(opened.close)
    const stores = [opened.store, await opened.also(), await opened.also()]
    const count = (store: Store) =>
      store.transaction(async tx => {
        const value = ((await tx.setting.get('counter'))?.value ?? 0) as number
        await tx.append('site/counter', value, [happened(value)])
        await tx.setting.put({ name: 'counter', value: value + 1 })
      })
    await Promise.all(stores.flatMap(store => Array.from({ length: 60 }, () => count(store))))
    assert.equal((await opened.store.read(tables => tables.setting.get('counter')))?.value, 180)
    assert.equal((await opened.store.history('site/counter')).length, 180)
    assert.equal((await opened.store.verify()).integrity, 'pass')
  })

  void test('writers that take the same rows in opposite order all come through', async t => {
    const opened = await openTestStoreAt(await server.place())
    t.after(opened.close)
    const stores = [opened.store, await opened.also()]
    const put = (store: Store, name: string) => store.transaction(tx => tx.setting.put({ name, value: 1 }))
    for (let round = 0; round < 20; round++) {
      await Promise.all([
        ...['a', 'b'].map(name => put(stores[0]!, name)),
        ...['b', 'a'].map(name => put(stores[1]!, name)),
      ])
    }
    assert.equal(await opened.store.read(tables => tables.setting.count()), 2)
  })

  void test('an item of the outbox goes to one of two workers', async t => {
    const opened = await openTestStoreAt(await server.place())
    t.after(opened.close)
    const other = await opened.also()
    await opened.store.transaction(async tx => {
      for (let n = 0; n < 40; n++) await tx.enqueue('mail', n)
    })
    const claimed = (
      await Promise.all([opened.store, other].flatMap(store => [store.claim('mail', 15), store.claim('mail', 15)]))
    ).flat()
    const ids = claimed.map(item => item.id)
    assert.equal(new Set(ids).size, ids.length)
    const rest = await other.claim('mail', 40)
    assert.equal(claimed.length + rest.length, 40)
  })

  void test('connections cut in the middle of everything: each unit counts once', async t => {
    const place = await server.place()
    const opened = await openTestStoreAt(place)
    t.after(opened.close)
    const told: string[] = []
    opened.store.onCommit(events => told.push(...events.map(event => event.hash)))
    let cutting = true
    const cuts = (async () => {
      let n = 0
      while (cutting) {
        await place.execute(
          `select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'mooring' and datname = current_database()`,
        )
        n++
      }
      return n
    })()
    const write = async (name: string) => {
      // A second run of what was committed would find its own event and end in store-conflict.
      await opened.store.transaction(async tx => {
        await tx.setting.get(name)
        await tx.append(`site/${name}`, 0, [happened(1)])
        await tx.setting.insert({ name, value: 1 })
      })
    }
    const results = await Promise.allSettled(
      Array.from({ length: 20 }, async (_, n) => {
        for (let k = 0; k < 10; k++) await write(`${n}-${k}`)
      }),
    )
    cutting = false
    const number = await cuts
    for (const result of results) {
      // Nothing but running out of tries is an excuse.
      if (result.status === 'rejected') assert.equal(result.reason.code, 'store-unavailable', String(result.reason))
    }
    assert.ok(number > 3)
    assert.equal(new Set(told).size, told.length)
    const again = await opened.reopen()
    const verdict = await again.verify()
    assert.equal(verdict.integrity, 'pass', JSON.stringify(verdict))
    assert.equal(verdict.events, await again.read(tables => tables.setting.count()))
  })

  void test('a connection that hangs is given up, and another takes its place', async t => {
    const place = await server.place()
    const opened = await openTestStoreAt(place, { unitMilliseconds: 400 })
    t.after(opened.close)
    const { store } = opened
    await store.transaction(tx => tx.append('site/a', 0, [happened(1)]))
    const link = await Link.open(place.url, {})
    t.after(() => link.close())
    const ownerOf = async (lane: number) => {
      const [row] = await link.rows(
        `select pid from pg_locks where locktype = 'advisory' and objid = $1 ` +
          'and database = (select oid from pg_database where datname = current_database())',
        [lane],
      )
      return row!['pid'] as number
    }
    // Between two units: nobody notices.
    const first = await ownerOf(1)
    process.kill(first, 'SIGSTOP')
    await store.transaction(tx => tx.append('site/b', 0, [happened(2)]))
    // In the middle of one: what it has written stands in the way of another run, until the server lets go.
    const second = await ownerOf(2)
    const results = await Promise.allSettled([
      store.transaction(tx => tx.append('site/c', 0, [happened(3)])),
      store.transaction(async tx => {
        await tx.append('site/d', 0, [happened(4)])
        process.kill(second, 'SIGSTOP')
        await tx.setting.get('a')
      }),
      store.transaction(tx => tx.append('site/e', 0, [happened(5)])),
    ])
    for (const pid of [first, second]) process.kill(pid, 'SIGCONT')
    const kept = ['site/a', 'site/b']
    for (const [n, result] of results.entries()) {
      if (result.status === 'fulfilled') kept.push(`site/${'cde'[n]}`)
      else assert.match((result.reason as { code: string }).code, /^store-(unavailable|conflict)$/)
    }
    await store.transaction(tx => tx.append('site/f', 0, [happened(6)]))
    const { events } = await store.feed({}, 10)
    assert.deepEqual(
      events.map(event => event.stream),
      [...kept, 'site/f'],
    )
    assert.equal((await store.verify()).integrity, 'pass')
  })

  void test('a server that falls and stands up again loses nothing acknowledged', async t => {
    const opened = await openTestStoreAt(await server.place())
    t.after(opened.close)
    const { store } = opened
    const acknowledged: string[] = []
    let going = true
    const load = Promise.all(
      Array.from({ length: 16 }, async (_, n) => {
        for (let k = 0; going; k++) {
          const name = `${n}-${k}`
          try {
            await store.transaction(async tx => {
              await tx.append(`site/${name}`, 0, [happened(k)])
              await tx.setting.insert({ name, value: k })
            })
            acknowledged.push(name)
          } catch (error) {
            assert.equal((error as { code?: string }).code, 'store-unavailable')
          }
        }
      }),
    )
    for (let n = 0; n < 3; n++) {
      const before = acknowledged.length
      await until(() => acknowledged.length > before + 50)
      await server.restart()
    }
    const before = acknowledged.length
    await until(() => acknowledged.length > before)
    going = false
    await load
    const kept = new Set((await store.feed({}, 100_000)).events.map(event => event.stream))
    for (const name of acknowledged) assert.ok(kept.has(`site/${name}`), name)
    assert.equal((await store.verify()).integrity, 'pass')
  })

  void test('no server is an error with a name', async () => {
    const options = { signer: keySigner(generateKey('P-256')), clock: Date.now, log: silentLog }
    await assert.rejects(openStore('postgres:///nothing?host=/nowhere&user=x', options), { code: 'store-unavailable' })
    await assert.rejects(openStore('postgres://x@127.0.0.1:1/nothing', options), { code: 'store-unavailable' })
    await assert.rejects(openStore('mysql://x/y', options), TypeError)
  })
})

/** The load runs by itself; each turn of the event loop gives it time. */
async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise(resolve => setTimeout(resolve, 5))
}
