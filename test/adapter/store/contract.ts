import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import type { StoreOptions } from '../../../src/adapter/store/store.ts'
import type { StoredEvent } from '../../../src/domain/event.ts'
import { entryHash, ledgerEntry } from '../../../src/domain/ledger.ts'
import type { OutboxItem, Store } from '../../../src/domain/port.ts'
import { openTestStoreAt, type StorePlace, type TestStore } from '../../store.ts'
import { memoryContract } from './memory.ts'
import { aCredential, aDevice, aUnit, happened } from './sample.ts'

/** What every store owes its callers, whichever database is behind it. */
export function storeContract(place: () => Promise<StorePlace>): void {
  const withStore: WithStore = (name, work, options = {}) => {
    void test(name, async () => {
      const opened = await openTestStoreAt(await place(), options)
      try {
        await work(opened)
      } finally {
        await opened.close()
      }
    })
  }
  unitContract(withStore)
  versionContract(withStore)
  uniquenessContract(withStore)
  searchContract(withStore)
  feedContract(withStore)
  outboxContract(withStore)
  endingContract(withStore)
  checkpointContract(withStore)
  memoryContract(withStore)
}

type WithStore = (name: string, work: (opened: TestStore) => Promise<void>, options?: Partial<StoreOptions>) => void

function unitContract(withStore: WithStore): void {
  withStore('a unit of work is there whole, also after reopening', async ({ store, reopen }) => {
    const { device, events } = aDevice('SN1')
    const version = await store.transaction(async tx => {
      await tx.device.put(device)
      return tx.append(`device/${device.id}`, 0, events)
    })
    assert.equal(version, events.length)
    const again = await reopen()
    assert.deepEqual(await again.read(tables => tables.device.get(device.id)), device)
    const history = await again.history(`device/${device.id}`)
    assert.deepEqual(
      history.map(({ kind, body }) => ({ kind, body })),
      events,
    )
    assert.deepEqual(
      history.map(event => event.version),
      events.map((_, n) => n + 1),
    )
    for (const event of history) assert.equal(entryHash(ledgerEntry(event)), event.hash)
  })

  withStore('a unit that fails leaves nothing, and its neighbours in the batch everything', async ({ store }) => {
    const results = await Promise.allSettled(
      Array.from({ length: 40 }, (_, n) =>
        store.transaction(async tx => {
          await tx.setting.put({ name: `s${n}`, value: n })
          await tx.append(`site/s${n}`, 0, [happened(n), happened(n + 1)])
          await tx.enqueue('topic', n)
          if (n % 3 === 0) throw new RangeError('on purpose')
        }),
      ),
    )
    for (const [n, result] of results.entries()) {
      assert.equal(result.status, n % 3 === 0 ? 'rejected' : 'fulfilled')
      if (result.status === 'rejected') assert.ok(result.reason instanceof RangeError)
      const kept = n % 3 === 0 ? undefined : { name: `s${n}`, value: n }
      assert.deepEqual(await store.read(tables => tables.setting.get(`s${n}`)), kept)
      assert.equal((await store.history(`site/s${n}`)).length, n % 3 === 0 ? 0 : 2)
    }
    assert.equal((await store.claim('topic', 100)).length, 26)
    assert.equal((await store.verify()).integrity, 'pass')
  })

  withStore('reads inside a unit see its own writes, others do not before the commit', async ({ store }) => {
    await store.transaction(async tx => {
      await tx.setting.put({ name: 'a', value: 1 })
      assert.deepEqual(await tx.setting.get('a'), { name: 'a', value: 1 })
      assert.equal(await tx.setting.count(), 1)
      assert.equal(await store.read(tables => tables.setting.get('a')), undefined)
      await tx.setting.remove('a')
      assert.equal(await tx.setting.get('a'), undefined)
    })
    await assert.rejects(
      store.read(tables => tables.setting.put({ name: 'a', value: 1 })),
      TypeError,
    )
  })
}

function versionContract(withStore: WithStore): void {
  withStore('a stale version runs the unit again, and a version that stays stale is a conflict', async ({ store }) => {
    await store.transaction(tx => tx.append('site/x', 0, [happened(0)]))
    let runs = 0
    await store.transaction(async tx => {
      runs++
      // The first run decides on what it read long ago.
      await tx.append('site/x', runs === 1 ? 0 : 1, [happened(1)])
    })
    assert.equal(runs, 2)
    await assert.rejects(
      store.transaction(tx => tx.append('site/x', 1, [happened(2)])),
      { code: 'store-conflict' },
    )
    await assert.rejects(
      store.transaction(tx => tx.append('site/x', 7, [happened(2)])),
      { code: 'store-conflict' },
    )
    await assert.rejects(
      store.transaction(async tx => {
        await tx.append('site/x', 0, [happened(2)]).catch(() => undefined)
        await tx.setting.put({ name: 'swallowed', value: true })
      }),
      { code: 'store-conflict' },
    )
    assert.equal(await store.read(tables => tables.setting.get('swallowed')), undefined)
    assert.deepEqual(
      (await store.history('site/x')).map(event => event.body['n']),
      [0, 1],
    )
    assert.equal((await store.verify()).integrity, 'pass')
  })

  withStore('many units on one stream lose nothing', async ({ store }) => {
    await Promise.all(
      Array.from({ length: 100 }, () =>
        store.transaction(async tx => {
          const counter = (await tx.setting.get('counter')) ?? { name: 'counter', value: 0 }
          const value = (counter.value as number) + 1
          await tx.append('site/counter', value - 1, [happened(value)])
          await tx.setting.put({ name: 'counter', value })
        }),
      ),
    )
    assert.equal((await store.read(tables => tables.setting.get('counter')))?.value, 100)
    assert.deepEqual(
      (await store.history('site/counter')).map(event => event.body['n']),
      Array.from({ length: 100 }, (_, n) => n + 1),
    )
  })
}

function uniquenessContract(withStore: WithStore): void {
  withStore('what is unique stays unique', async ({ store }) => {
    const { device } = aDevice('SN1')
    const credential = aCredential('a', device.id)
    await store.transaction(async tx => {
      await tx.credential.insert(credential)
      await tx.unit.insert(aUnit('SN1'))
    })
    const taken = [
      [credential, 'id'],
      [{ ...aCredential('b', device.id), serialHex: credential.serialHex }, 'serialHex'],
      [{ ...aCredential('b', device.id), requestHash: credential.requestHash }, 'requestHash'],
      [{ ...aCredential('b', 'another device'), keyHash: credential.keyHash }, 'keyHash'],
    ] as const
    for (const [record, constraint] of taken) {
      const detail = { table: 'credential', constraint }
      await assert.rejects(
        store.transaction(tx => tx.credential.insert(record)),
        { code: 'store-exists', detail },
      )
    }
    await assert.rejects(
      store.transaction(tx => tx.unit.insert({ ...aUnit('SN2'), keyHash: aUnit('SN1').keyHash })),
      { code: 'store-exists', detail: { table: 'unit', constraint: 'keyHash' } },
    )
    for (const put of [taken[1], taken[2], taken[3]]) {
      await assert.rejects(
        store.transaction(tx => tx.credential.put(put[0])),
        { code: 'store-exists' },
      )
    }
    // A renewal with the same key (RFC 7030 section 4.2.2).
    const renewed = { ...aCredential('b', device.id), keyHash: credential.keyHash }
    await store.transaction(tx => tx.credential.insert(renewed))
    assert.equal(await store.read(tables => tables.credential.count({ keyHash: credential.keyHash })), 2)
  })

  withStore(
    'what is seldom written is found anew after each write, and not after one that was undone',
    async ({ store }) => {
      const state = (version: number) => ({ name: 'set', version, drafts: 0 })
      const ask = () => store.transaction(async tx => (await tx.policyState.get('set'))?.version)
      assert.deepEqual([await ask(), await ask()], [undefined, undefined])
      const within = await store.transaction(async tx => {
        const before = await tx.policyState.get('set')
        await tx.policyState.put(state(1))
        const after = await tx.policyState.get('set')
        await tx.policyState.remove('set')
        const removed = await tx.policyState.get('set')
        await tx.policyState.put(state(2))
        return [before, after?.version, removed]
      })
      assert.deepEqual(within, [undefined, 1, undefined])
      assert.equal(await ask(), 2)
      await assert.rejects(
        store.transaction(async tx => {
          await tx.policyState.put(state(3))
          assert.equal((await tx.policyState.get('set'))?.version, 3)
          throw new Error('undone')
        }),
        /undone/,
      )
      assert.equal(await ask(), 2)
      const all = () => store.transaction(tx => tx.policyState.find({}))
      assert.equal((await all()).length, 1)
      await Promise.all([
        store.transaction(tx => tx.policyState.put({ ...state(1), name: 'other' })),
        all().then(found => assert.equal(found.length, 2)),
        store.transaction(tx => tx.policyState.remove('set')),
        all().then(found => assert.equal(found.length, 1)),
      ])
      assert.equal(await ask(), undefined)
    },
  )

  withStore('a unit may go on after store-exists from insert, not after one from put', async ({ store }) => {
    await store.transaction(tx => tx.credential.insert(aCredential('a', 'd')))
    const clash = { ...aCredential('b', 'd'), requestHash: aCredential('a', 'd').requestHash }
    const found = await store.transaction(async tx => {
      try {
        await tx.credential.insert(clash)
        return undefined
      } catch {
        await tx.setting.put({ name: 'seen', value: true })
        return (await tx.credential.find({ requestHash: clash.requestHash }))[0]
      }
    })
    assert.equal(found?.id, 'a')
    assert.deepEqual(await store.read(tables => tables.setting.get('seen')), { name: 'seen', value: true })
    await assert.rejects(
      store.transaction(async tx => {
        await tx.credential.put(clash)
        await tx.credential.count().catch(() => 0)
        await tx.setting.put({ name: 'never', value: true }).catch(() => undefined)
      }),
      { code: 'store-exists' },
    )
    assert.equal(await store.read(tables => tables.setting.get('never')), undefined)
  })
}

function searchContract(withStore: WithStore): void {
  withStore('find filters, pages in key order and counts', async ({ store }) => {
    const devices = Array.from({ length: 30 }, (_, n) => ({
      ...aDevice(`SN${n}`).device,
      owner: n % 2 === 0 ? 'even' : 'ödd',
      model: `${n}`,
    }))
    await store.transaction(async tx => {
      for (const device of devices) await tx.device.put(device)
    })
    const even = devices.filter(device => device.owner === 'even').sort((a, b) => (a.id < b.id ? -1 : 1))
    await store.read(async ({ device }) => {
      assert.deepEqual(await device.find({ owner: 'even' }), even)
      const first = await device.find({ owner: 'even' }, { limit: 6 })
      const rest = await device.find({ owner: 'even' }, { after: first.at(-1)!.id })
      assert.deepEqual([...first, ...rest], even)
      assert.equal(await device.count({ owner: 'ödd' }), 15)
      assert.equal(await device.count({ owner: 'ödd', serial: 'SN3' }), 1)
      assert.equal(await device.count({ owner: 'even', serial: 'SN3' }), 0)
      assert.equal(await device.count(), 30)
      assert.deepEqual(await device.find({ serial: 'SN7' }), [devices[7]])
      assert.equal((await device.find({}, { limit: 0 })).length, 0)
      const unknown = { 'id = id or owner': 'x' } as Record<string, string>
      await assert.rejects(device.find(unknown), TypeError)
    })
  })

  withStore('text that the databases would keep differently is refused', async ({ store }) => {
    for (const name of ['a\0b', 'half \ud800 pair']) {
      await assert.rejects(
        store.transaction(tx => tx.setting.put({ name, value: 1 })),
        TypeError,
      )
      await assert.rejects(
        store.transaction(tx => tx.append(`site/${name}`, 0, [happened(1)])),
        TypeError,
      )
    }
    const value = 'nul \0, quotes " \\ and 💡 ￿'
    await store.transaction(async tx => {
      await tx.setting.put({ name: "Robert'); drop table event;--", value })
      await tx.append('site/text', 0, [{ kind: 'written', body: { value } }])
    })
    assert.equal((await store.history('site/text'))[0]?.body['value'], value)
    assert.equal((await store.verify()).integrity, 'pass')
  })
}

function feedContract(withStore: WithStore): void {
  withStore('history and feed page through everything once', async ({ store }) => {
    for (let n = 0; n < 5; n++) {
      await Promise.all(
        ['a', 'b', 'c'].map(stream => store.transaction(tx => tx.append(`site/${stream}`, n, [happened(n)]))),
      )
    }
    assert.deepEqual(
      (await store.history('site/b', 2, 2)).map(event => event.version),
      [3, 4],
    )
    const seen: StoredEvent[] = []
    let cursor = {}
    for (;;) {
      const page = await store.feed(cursor, 4)
      if (page.events.length === 0) break
      seen.push(...page.events)
      cursor = page.cursor
    }
    assert.equal(seen.length, 15)
    assert.equal(new Set(seen.map(event => event.hash)).size, 15)
    assert.deepEqual(
      seen.map(event => event.at),
      seen.map(event => event.at).sort((a, b) => a - b),
    )
  })

  withStore('listeners hear of each commit once, and not of what failed', async ({ store }) => {
    const heardEvents: StoredEvent[] = []
    store.onCommit(() => {
      throw new Error('a listener that fails')
    })
    const stop = store.onCommit(events => heardEvents.push(...events))
    await Promise.allSettled([
      store.transaction(tx => tx.append('site/a', 0, [happened(1), happened(2)])),
      store.transaction(async tx => {
        await tx.append('site/b', 0, [happened(3)])
        throw new Error('on purpose')
      }),
      store.transaction(tx => tx.setting.put({ name: 'a', value: 1 })),
    ])
    stop()
    await store.transaction(tx => tx.append('site/a', 2, [happened(4)]))
    assert.deepEqual(heardEvents, await store.history('site/a', 0, 2))
  })

  withStore('a listener for some nouns hears of their streams alone', async ({ store }) => {
    const heardStreams: string[][] = []
    const stop = store.onCommit(events => heardStreams.push(events.map(({ stream }) => stream)), ['issuer', 'token'])
    await store.transaction(async tx => {
      await tx.append('site/a', 0, [happened(1)])
      await tx.append('token/a', 0, [happened(2)])
      await tx.append('tokens/a', 0, [happened(2)])
      await tx.append('issuer/a', 0, [happened(3)])
    })
    await store.transaction(tx => tx.append('site/a', 1, [happened(4)]))
    stop()
    assert.deepEqual(heardStreams, [['token/a', 'issuer/a']])
  })
}

function outboxContract(withStore: WithStore): void {
  let now = 1_000_000
  const options = { clock: () => now, leaseMilliseconds: 1000 }
  const name = 'the outbox gives each item to one worker, again after its lease, until it is settled'
  const work = async ({ store }: TestStore) => {
    await store.transaction(async tx => {
      for (let n = 0; n < 5; n++) await tx.enqueue('mail', { n })
      await tx.enqueue('mail', { n: 'later' }, now + 500)
      await tx.enqueue('other', null)
    })
    const bodies = (items: readonly OutboxItem[]) => items.map(item => (item.body as { n: unknown }).n)
    const claims = await Promise.all([store.claim('mail', 3), store.claim('mail', 3)])
    // Which of two workers comes first is chance.
    const [first, second] = claims[0].length === 3 ? claims : ([claims[1], claims[0]] as const)
    assert.deepEqual([...bodies(first), ...bodies(second)], [0, 1, 2, 3, 4])
    assert.deepEqual(await store.claim('mail', 3), [])
    now += 500
    assert.deepEqual(bodies(await store.claim('mail', 3)), ['later'])
    for (const item of first.slice(1)) await store.settle(item.id, 'done')
    await store.settle(second[0]!.id, { retryAt: now + 100 })
    now += 501
    const again = await store.claim('mail', 9)
    assert.deepEqual(bodies(again), [0, 4, 3])
    assert.deepEqual(
      again.map(item => item.attempt),
      [2, 2, 2],
    )
  }
  withStore(name, work, options)
}

function endingContract(withStore: WithStore): void {
  const options = { unitMilliseconds: 200 }
  const name = 'a unit that waits for something else fails at its deadline and holds nobody up for ever'
  const work = async ({ store }: TestStore) => {
    let late: Promise<unknown> | undefined
    const stalled = store.transaction(async tx => {
      await tx.setting.put({ name: 'stalled', value: 1 })
      await new Promise(resolve => setTimeout(resolve, 400))
      late = tx.setting.put({ name: 'late', value: 1 })
      await late
    })
    const neighbour = store.transaction(tx => tx.setting.put({ name: 'neighbour', value: 1 }))
    await assert.rejects(stalled, { code: 'store-unavailable' })
    await neighbour
    const end = store.transaction(async tx => [await tx.setting.get('stalled'), await tx.setting.get('neighbour')])
    assert.deepEqual(await end, [undefined, { name: 'neighbour', value: 1 }])
    await new Promise<void>(resolve => {
      const wait = () => (late === undefined ? setTimeout(wait, 5) : resolve())
      wait()
    })
    await assert.rejects(late!, TypeError)
  }
  withStore(name, work, options)

  withStore('close lets units under way finish and refuses new ones', async ({ store, reopen }) => {
    const under = Array.from({ length: 200 }, (_, n) =>
      store.transaction(tx => tx.append(`site/${n}`, 0, [happened(n)])),
    )
    const closed = store.close()
    await assert.rejects(
      store.transaction(tx => tx.append('site/late', 0, [happened(0)])),
      { code: 'store-unavailable' },
    )
    await assert.rejects(
      store.read(tables => tables.setting.count()),
      { code: 'store-unavailable' },
    )
    await closed
    await Promise.all(under)
    const again = await reopen()
    const verdict = await again.verify()
    assert.deepEqual(verdict, { integrity: 'pass', completeness: 'unanchored', events: 200, checkpoints: 1 })
  })
}

function checkpointContract(withStore: WithStore): void {
  const due: (() => void)[] = []
  const schedule = (work: () => void) => {
    due.push(work)
    return () => {}
  }
  const options = { schedule, checkpointEvents: 10 }
  const name = 'checkpoints come by themselves: by number of events, by time, and at close'
  const work = async ({ store, reopen }: TestStore) => {
    const append = (stream: string, count: number) =>
      store.transaction(tx =>
        tx.append(
          `site/${stream}`,
          0,
          Array.from({ length: count }, (_, n) => happened(n)),
        ),
      )
    const checkpoints = async () => (await store.verify()).checkpoints
    await append('a', 10)
    await untilCheckpoints(store, 1)
    await append('b', 1)
    assert.equal(await checkpoints(), 1)
    assert.equal(due.length, 1)
    due[0]!()
    await untilCheckpoints(store, 2)
    await append('c', 1)
    const again = await reopen()
    assert.deepEqual(await again.verify(), {
      integrity: 'pass',
      completeness: 'unanchored',
      events: 12,
      checkpoints: 3,
    })
  }
  withStore(name, work, options)
}

/** A checkpoint is made behind the back of whoever caused it. */
async function untilCheckpoints(store: Store, wanted: number): Promise<void> {
  for (let n = 0; n < 1000; n++) {
    if ((await store.verify()).checkpoints === wanted) return
    await setImmediate()
  }
  assert.fail(`there are not ${wanted} checkpoints`)
}
