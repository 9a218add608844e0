import assert from 'node:assert/strict'
import type { Store, Tx } from '../../../src/domain/port.ts'
import type { TestStore } from '../../store.ts'

type WithStore = (name: string, work: (opened: TestStore) => Promise<void>) => void

const set = (value: number) => (tx: Tx) => tx.setting.put({ name: 'count', value })

/** What a unit of work reads, and what the database has. */
async function bothViews(store: Store): Promise<readonly unknown[]> {
  const inside = await store.transaction(tx => tx.setting.get('count'))
  const outside = await store.read(tables => tables.setting.get('count'))
  return [inside?.value, outside?.value]
}

/** A store may remember rows, and must not remember what never came to be. */
export function memoryContract(withStore: WithStore): void {
  withStore('a unit reads what the one before it wrote, in the same batch and in a later one', async ({ store }) => {
    const [, inBatch] = await Promise.all([store.transaction(set(1)), store.transaction(tx => tx.setting.get('count'))])
    assert.equal(inBatch?.value, 1)
    assert.deepEqual(await bothViews(store), [1, 1])
  })

  withStore('what a unit wrote before it failed, nobody reads', async ({ store }) => {
    await store.transaction(set(1))
    const failing = store.transaction(async tx => {
      await set(2)(tx)
      assert.equal((await tx.setting.get('count'))?.value, 2)
      throw new RangeError('on purpose')
    })
    const neighbours = [failing, store.transaction(tx => tx.setting.get('count')), store.transaction(set(3))]
    const [failed, seen] = await Promise.allSettled(neighbours)
    assert.equal(failed?.status, 'rejected')
    assert.deepEqual(seen, { status: 'fulfilled', value: { name: 'count', value: 1 } })
    assert.deepEqual(await bothViews(store), [3, 3])
  })

  withStore('a row that was removed is gone, and can come back', async ({ store }) => {
    await store.transaction(set(1))
    await store.transaction(async tx => {
      await tx.setting.remove('count')
      assert.equal(await tx.setting.get('count'), undefined)
    })
    assert.deepEqual(await bothViews(store), [undefined, undefined])
    await assert.rejects(
      store.transaction(async tx => {
        await set(5)(tx)
        await tx.setting.remove('count')
        throw new RangeError('on purpose')
      }),
    )
    assert.deepEqual(await bothViews(store), [undefined, undefined])
    await store.transaction(set(6))
    assert.deepEqual(await bothViews(store), [6, 6])
  })
}
