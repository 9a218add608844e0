import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import type { DeviceEvent } from '../../../src/domain/device.ts'
import { type LifecycleState, possibleMoves } from '../../../src/domain/lifecycle.ts'
import { lifecycleStates } from '../../../src/domain/lifecycle-table.ts'
import { type LifeScene, openLifeScene } from './scene.ts'

/** The shortest way through the table from the beginning of all. */
function wayTo(state: LifecycleState): ReturnType<typeof possibleMoves> {
  const ways = new Map<LifecycleState, ReturnType<typeof possibleMoves>>([['SC.RDD', []]])
  for (const [from, way] of ways) {
    for (const row of possibleMoves(from)) if (!ways.has(row.to)) ways.set(row.to, [...way, row])
  }
  return ways.get(state) ?? []
}

describe('a state of life', () => {
  let scene: LifeScene
  before(async () => {
    scene = await openLifeScene(1)
  })
  after(() => scene.close())

  for (const state of Object.keys(lifecycleStates) as LifecycleState[]) {
    it(`${state} is the only one of its device, and is shown with its time, its actor and its evidence [WP-LS-${state}]`, async () => {
      const id = await scene.place(`S-${state}`, 'SC.RDD')
      const way = wayTo(state)
      const moved = way.map(({ id: transition, from, to, actors }): DeviceEvent => {
        const body = { transition, from, to, actor: actors[0] ?? '', by: 'test', said: {} }
        return { kind: 'lifecycle-moved', body }
      })
      if (moved.length > 0) await scene.record(id, ...moved)
      assert.equal((await scene.device(id)).lifecycle, state)
      const { entries } = await scene.lifecycle.timeline(id, { after: 0, limit: 100 })
      assert.deepEqual(
        entries.map(entry => entry.state),
        ['SC.RDD', ...way.map(({ to }) => to)],
      )
      const now = entries.filter(({ until }) => until === undefined)
      assert.deepEqual(
        now.map(entry => entry.state),
        [state],
        'one state has no end, and it is this',
      )
      const [shown] = now
      assert.equal(shown?.since, scene.home.now.value)
      assert.equal(shown?.actor, way.at(-1)?.actors[0])
      const [event] = await scene.store.history(`device/${id}`, (shown?.version ?? 0) - 1, 1)
      assert.equal(event?.hash, shown?.hash)
    })
  }
})
