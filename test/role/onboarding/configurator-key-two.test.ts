import assert from 'node:assert/strict'
import { test } from 'node:test'
import { memoryKeyStore } from '../../../src/adapter/key/memory.ts'
import type { KeyStore } from '../../../src/crypto/signer.ts'
import { createConfiguratorKeys } from '../../../src/role/onboarding/configurator-key.ts'
import { needsPostgres } from '../../postgres.ts'
import { openSharedTestStore } from '../../store.ts'
import { heldUp } from '../meanwhile.ts'

/** What two processes of one site make at once: each holds its own connection, and both the same keys. */
test('two processes that need the first key at once agree on one, at every step', needsPostgres(), async () => {
  const opened = await openSharedTestStore()
  const other = await opened.also()
  try {
    for (let point = 0, more = true; more; point++) {
      const keys = memoryKeyStore()
      const use = (['c-sign', 'pp', 'bootstrapping'] as const)[point % 3]!
      const curve = (['P-256', 'P-384', 'P-521', 'BP-256'] as const)[Math.floor(point / 3)]!
      const there = createConfiguratorKeys({ store: other, keys, clock: Date.now })
      const held = heldUp(opened.store, point, () => there.current(use, curve))
      const here = createConfiguratorKeys({ store: held.store, keys, clock: Date.now })
      const [mine, theirs] = [await here.current(use, curve), await there.current(use, curve)]
      assert.equal(mine.record.id, theirs.record.id, `held up before step ${point}`)
      const all = await other.read(tables => tables.configuratorKey.find({ use, state: 'current' }, { limit: 10 }))
      assert.equal(all.filter(record => record.curve === curve).length, 1)
      more = held.wasHeldUp()
      here.close()
      there.close()
    }
    assert.equal((await opened.store.verify()).integrity, 'pass')
  } finally {
    await opened.close()
  }
})

/** Both list what is taken before either of them has kept its own. */
test('and neither fails because the other took the name that it wanted', needsPostgres(), async () => {
  const opened = await openSharedTestStore()
  const other = await opened.also()
  try {
    const keys = memoryKeyStore()
    const waiting: (() => void)[] = []
    const together: KeyStore = {
      ...keys,
      async list() {
        const listed = await keys.list()
        if (waiting.length < 2) {
          await new Promise<void>(resolve => {
            waiting.push(resolve)
            if (waiting.length === 2) for (const go of waiting) go()
          })
        }
        return listed
      },
    }
    const both = [opened.store, other].map(store => createConfiguratorKeys({ store, keys: together, clock: Date.now }))
    const [mine, theirs] = await Promise.all(both.map(each => each.current('c-sign', 'P-256')))
    assert.equal(mine?.record.id, theirs?.record.id)
    for (const each of both) each.close()
  } finally {
    await opened.close()
  }
})
