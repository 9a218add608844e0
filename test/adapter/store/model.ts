import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { Setting, Store, Tables, Tx } from '../../../src/domain/port.ts'
import { openTestStoreAt, type StorePlace } from '../../store.ts'
import { aCredential, happened } from './sample.ts'

/** Random units of work against a model of the store that is a few maps. */

type Step =
  | { readonly do: 'append'; readonly stream: number; readonly behind: number; readonly count: number }
  | { readonly do: 'put'; readonly name: number; readonly value: number }
  | { readonly do: 'insert'; readonly name: number; readonly value: number }
  | { readonly do: 'remove'; readonly name: number }
  | {
      readonly do: 'credential'
      readonly id: number
      readonly request: number
      readonly key: number
      readonly device: number
    }
  | { readonly do: 'enqueue'; readonly topic: number }
  | { readonly do: 'fail' }

const small = fc.nat({ max: 3 })

const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({
    do: fc.constant('append' as const),
    stream: small,
    behind: fc.nat({ max: 1 }),
    count: fc.nat({ max: 3 }),
  }),
  fc.record({ do: fc.constant('put' as const), name: small, value: fc.nat() }),
  fc.record({ do: fc.constant('insert' as const), name: small, value: fc.nat() }),
  fc.record({ do: fc.constant('remove' as const), name: small }),
  fc.record({ do: fc.constant('credential' as const), id: small, request: small, key: small, device: small }),
  fc.record({ do: fc.constant('enqueue' as const), topic: small }),
  fc.record({ do: fc.constant('fail' as const) }),
)

const units = fc.array(fc.array(step, { minLength: 1, maxLength: 6 }), { minLength: 1, maxLength: 12 })

interface Model {
  readonly streams: Map<string, number>
  readonly settings: Map<string, Setting>
  readonly credentials: Map<string, ReturnType<typeof aCredential>>
  readonly keys: Map<string, string>
  readonly outbox: Map<string, number>
}

function copyOf(model: Model): Model {
  return {
    streams: new Map(model.streams),
    settings: new Map(model.settings),
    credentials: new Map(model.credentials),
    keys: new Map(model.keys),
    outbox: new Map(model.outbox),
  }
}

/** @returns the code with which the unit must fail, if it must */
function applyStep(model: Model, each: Step): string | undefined {
  switch (each.do) {
    case 'append': {
      const stream = `site/${each.stream}`
      const version = model.streams.get(stream) ?? 0
      if (each.behind > version) return undefined
      if (each.behind > 0 && each.count > 0) return 'store-conflict'
      if (each.count > 0) model.streams.set(stream, version + each.count)
      return undefined
    }
    case 'put':
      model.settings.set(`${each.name}`, { name: `${each.name}`, value: each.value })
      return undefined
    case 'insert':
      if (model.settings.has(`${each.name}`)) return 'store-exists'
      model.settings.set(`${each.name}`, { name: `${each.name}`, value: each.value })
      return undefined
    case 'remove':
      model.settings.delete(`${each.name}`)
      return undefined
    case 'credential': {
      const record = credentialOf(each)
      const holder = model.keys.get(record.keyHash) ?? record.device
      const clash = [...model.credentials.values()].some(
        ({ id, requestHash }) => id !== record.id && requestHash === record.requestHash,
      )
      if (holder !== record.device || clash) return 'store-exists'
      model.credentials.set(record.id, record)
      model.keys.set(record.keyHash, record.device)
      return undefined
    }
    case 'enqueue':
      model.outbox.set(`${each.topic}`, (model.outbox.get(`${each.topic}`) ?? 0) + 1)
      return undefined
    case 'fail':
      return 'on-purpose'
  }
}

function credentialOf(each: Extract<Step, { do: 'credential' }>) {
  const id = `${each.id}`
  return { ...aCredential(id, `${each.device}`), requestHash: `${each.request}`, keyHash: `${each.key}` }
}

async function runStep(tx: Tx, model: Model, each: Step): Promise<void> {
  switch (each.do) {
    case 'append': {
      const stream = `site/${each.stream}`
      const version = model.streams.get(stream) ?? 0
      if (each.behind > version) return
      await tx.append(
        stream,
        version - each.behind,
        Array.from({ length: each.count }, (_, n) => happened(version + n + 1)),
      )
      return
    }
    case 'put':
      return tx.setting.put({ name: `${each.name}`, value: each.value })
    case 'insert':
      return tx.setting.insert({ name: `${each.name}`, value: each.value })
    case 'remove':
      return tx.setting.remove(`${each.name}`)
    case 'credential':
      return tx.credential.put(credentialOf(each))
    case 'enqueue':
      return tx.enqueue(`${each.topic}`, null)
    case 'fail':
      throw Object.assign(new Error('on purpose'), { code: 'on-purpose' })
  }
}

/** Runs the units all at once: they take their turns in the order in which they were given. */
async function runUnits(store: Store, all: readonly (readonly Step[])[]): Promise<Model> {
  let model: Model = {
    streams: new Map(),
    settings: new Map(),
    credentials: new Map(),
    keys: new Map(),
    outbox: new Map(),
  }
  const runs = all.map(steps => {
    const before = model
    const after = copyOf(model)
    let expected: string | undefined
    const done: { each: Step; seen: Model }[] = []
    for (const each of steps) {
      done.push({ each, seen: copyOf(after) })
      expected = applyStep(after, each)
      if (expected !== undefined) break
    }
    model = expected === undefined ? after : before
    const result = store.transaction(async tx => {
      for (const { each, seen } of done) {
        await runStep(tx, seen, each)
      }
    })
    return { expected, result }
  })
  const results = await Promise.allSettled(runs.map(run => run.result))
  for (const [n, result] of results.entries()) {
    const code = result.status === 'rejected' ? (result.reason as { code?: string }).code : undefined
    assert.equal(code, runs[n]!.expected)
  }
  return model
}

async function assertModel(store: Store, model: Model): Promise<void> {
  const byKey = <T>(map: Map<string, T>) => [...map].toSorted(([a], [b]) => (a < b ? -1 : 1)).map(([, value]) => value)
  await store.read(async (tables: Tables) => {
    assert.deepEqual(await tables.setting.find({}), byKey(model.settings))
    assert.deepEqual(await tables.credential.find({}), byKey(model.credentials))
  })
  let events = 0
  for (let n = 0; n < 4; n++) {
    const length = model.streams.get(`site/${n}`) ?? 0
    const history = await store.history(`site/${n}`)
    assert.deepEqual(
      history.map(event => event.body['n']),
      Array.from({ length }, (_, k) => k + 1),
    )
    assert.equal((await store.claim(`${n}`, 100)).length, model.outbox.get(`${n}`) ?? 0)
    events += length
  }
  const { firstBad, ...verdict } = await store.verify(await store.checkpoint())
  assert.deepEqual([verdict.completeness, verdict.events], ['pass', events])
  // The model's credentials come without events, and that is all that is wrong.
  const stray = model.credentials.size
  assert.equal(firstBad?.reason, stray === 0 ? undefined : `${stray} of the current state of credential have no events`)
}

export function storeModel(place: () => Promise<StorePlace>, numRuns: number): void {
  void test('random units of work leave what a model of the store says', async () => {
    await fc.assert(
      fc.asyncProperty(units, async all => {
        const opened = await openTestStoreAt(await place())
        try {
          await assertModel(opened.store, await runUnits(opened.store, all))
        } finally {
          await opened.close()
        }
      }),
      { numRuns },
    )
  })
}
