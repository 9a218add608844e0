import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { after, before, describe, test } from 'node:test'
import type { Authority } from '../../../src/domain/authority.ts'
import type { Store } from '../../../src/domain/port.ts'
import { type Caller, tokenCaller } from '../../../src/domain/site.ts'
import { createAccess } from '../../../src/role/authorization/access.ts'
import { createConfirmation } from '../../../src/role/authorization/confirmation.ts'
import { needsPostgres } from '../../postgres.ts'
import { openSharedTestStore, type TestStore } from '../../store.ts'
import { atEveryStep } from '../meanwhile.ts'

const authority: readonly Authority[] = ['network.own']

void describe('one word in two processes, at every step', { ...needsPostgres(), timeout: 120_000 }, () => {
  let opened: TestStore
  let other: Store
  let now = Date.parse('2026-11-20T08:00:00Z')
  const clock = () => now
  const people = new Map<string, Caller>()
  before(async () => {
    opened = await openSharedTestStore({ clock })
    other = await opened.also()
    const access = createAccess({ store: opened.store, clock, random: randomBytes })
    for (const name of ['alice', 'bob', 'carol']) {
      const { token } = await access.create({ name, roles: ['administrator'], by: 'test' })
      people.set(name, tokenCaller(token))
    }
    now += 1000
    await at(opened.store).set(true, 'test', authority)
  })
  after(async () => {
    assert.equal((await opened.store.verify()).firstBad, undefined)
    await opened.close()
  })

  const at = (store: Store) => createConfirmation({ store, clock, random: randomBytes })
  const person = (name: string) => people.get(name)!
  let asked = 0

  /** A request of Alice. */
  async function ask(): Promise<string> {
    const question = { operation: 'manufacturerDistrust', input: { params: { name: `m${++asked}` } } }
    const request = await at(opened.store).ask({ ...question, caller: person('alice'), role: 'administrator' })
    return request!.id
  }

  const ended = async (work: Promise<unknown>) => {
    try {
      await work
      return 'yes'
    } catch (error) {
      return (error as { code?: string }).code
    }
  }

  for (const meanwhile of ['confirm', 'decline'] as const) {
    test(`confirmed here while it is ${meanwhile === 'confirm' ? 'confirmed' : 'declined'} there: one counts`, async () => {
      const points = await atEveryStep(async hold => {
        const id = await ask()
        let there: string | undefined
        const store = hold(opened.store, async () => {
          there = await ended(at(other)[meanwhile](id, person('carol'), () => authority))
        })
        const here = await ended(at(store).confirm(id, person('bob'), () => authority))
        if (there === undefined) assert.equal(here, 'yes')
        else assert.deepEqual([there, here], ['yes', 'request-decided'])
      })
      assert.ok(points > 3)
    })
  }

  test('asked in two processes at once, it is one request or two, and each is done by itself', async () => {
    await atEveryStep(async hold => {
      const question = { operation: 'manufacturerDistrust', input: { params: { name: `m${++asked}` } } }
      const whole = { ...question, caller: person('alice'), role: 'administrator' as const }
      const ids: string[] = []
      const store = hold(opened.store, async () => void ids.push((await at(other).ask(whole))!.id))
      ids.push((await at(store).ask(whole))!.id)
      for (const id of new Set(ids)) await at(other).decline(id, person('alice'), () => authority)
    })
  })
})
