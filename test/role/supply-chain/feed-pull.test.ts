import assert from 'node:assert/strict'
import { hash, randomBytes } from 'node:crypto'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { CodecError } from '../../../src/codec/error.ts'
import { encodeCanonicalJson } from '../../../src/codec/json.ts'
import { generateKey } from '../../../src/crypto/key.ts'
import { keySigner } from '../../../src/crypto/signer.ts'
import { OnboardingError } from '../../../src/domain/error.ts'
import type { FeedItem, SubscriptionRecord } from '../../../src/domain/feed.ts'
import type { FeedClient, Store } from '../../../src/domain/port.ts'
import { makeUnits } from '../../../src/role/factory/line.ts'
import { issueRecall } from '../../../src/role/factory/recall.ts'
import { type BuyerCard, buyerCard, sellUnits, shipmentManifest } from '../../../src/role/factory/sale.ts'
import { decodeFeedList, feedStart } from '../../../src/role/supply-chain/feed-message.ts'
import { runFeedWork } from '../../../src/role/supply-chain/feed-pull.ts'
import { subscribe, unsubscribe } from '../../../src/role/supply-chain/subscription.ts'
import { trustManufacturer } from '../../../src/role/supply-chain/trust.ts'
import { openTestStore, silentLog } from '../../store.ts'
import { Crash, type Factory, now, openFactory, PowerCut } from '../factory/factory.ts'

/** A feed without a network: what it lists and what its files are. */
class Feed implements Pick<FeedClient, 'get'> {
  items: FeedItem[] = []
  files = new Map<string, Buffer>()
  asked: string[] = []
  pageSize = 100
  failure: OnboardingError | undefined

  add(kind: FeedItem['kind'], file: Buffer): FeedItem {
    const id = String(this.items.length + 1).padStart(12, '0')
    const item = { id, kind, sha256: hash('sha256', file), bytes: file.length }
    this.items.push(item)
    this.files.set(id, file)
    return item
  }

  async get({ url, etag }: Parameters<FeedClient['get']>[0]) {
    this.asked.push(url)
    if (this.failure !== undefined) throw this.failure
    const [, what, id] = /\/(after|file)\/(\d+)$/.exec(url)!
    if (what === 'file') {
      const body = this.files.get(id!)
      if (body === undefined) throw new OnboardingError('feed-refused', { status: 404 })
      return { body }
    }
    const after = this.items.filter(item => item.id > id!)
    if (after.length === 0 && etag === `"${id}"`) return undefined
    const items = after.slice(0, this.pageSize)
    const list = { version: 1, manufacturer: 'Acme', buyer: 'site-1', items, more: after.length > items.length }
    return { body: Buffer.from(encodeCanonicalJson(list)) }
  }
}

interface Scene {
  readonly factory: Factory
  readonly buyer: BuyerCard
  readonly site: Store
  readonly feed: Feed
  readonly time: { now: number }
  readonly pull: (store?: Store) => Promise<SubscriptionRecord>
  readonly manifest: (batch: string, from?: Factory) => Promise<Buffer>
}

async function withScene(work: (scene: Scene) => Promise<void>): Promise<void> {
  const factory = await openFactory()
  const time = { now }
  const clock = () => time.now
  const opened = await openTestStore({ clock })
  const { store } = opened
  try {
    const { deviceRoot, masaRoot } = factory.manufacturer
    await trustManufacturer(
      { store, clock },
      { name: 'acme', anchors: [deviceRoot.der], masaAnchors: [masaRoot.der] },
      'r',
    )
    const buyer = buyerCard({ id: 'site-1', name: 'Site', certificates: [keySigner(generateKey('P-256'))] })
    const feed = new Feed()
    const url = 'https://masa.acme.example/feed'
    const terms = { manufacturer: 'acme', url, interval: 3_600_000, treatment: 'hold', privateAddress: false } as const
    await subscribe({ store, clock }, terms, 'anna')
    await work({
      factory,
      buyer,
      site: store,
      feed,
      time,
      async pull(over = store) {
        await runFeedWork({ store: over, clock, random: randomBytes, log: silentLog, client: feed, onRecall() {} })
        return (await store.read(tables => tables.subscription.get('acme')))!
      },
      async manifest(batch, from = factory) {
        await makeUnits(from.order({ batch, count: 3 }))
        await sellUnits(from, { batch }, { buyer })
        return shipmentManifest(from, { batch }, buyer)
      },
    })
    const verdict = await store.verify()
    assert.equal(verdict.integrity, 'pass', JSON.stringify(verdict.firstBad))
  } finally {
    await opened.close()
    await factory.opened.close()
  }
}

describe('pulling a feed', () => {
  test('page by page, when it is due and not before; nothing new costs one question', () =>
    withScene(async ({ feed, pull, manifest, time, site }) => {
      feed.pageSize = 1
      for (const batch of ['B1', 'B2', 'B3']) feed.add('manifest', await manifest(batch))
      const { state } = await pull()
      assert.deepEqual([state.manifests, state.cursor], [3, '000000000003'])
      assert.equal(await site.read(tables => tables.device.count()), 9)
      const asked = feed.asked.length
      await pull()
      assert.equal(feed.asked.length, asked, 'not due')
      time.now += 3_600_000 * 1.1
      await pull()
      assert.equal(feed.asked.length, asked + 1)
    }))

  test('a bad publication does not hold up the recall behind it, is told, and is tried again', () =>
    withScene(async ({ factory, feed, pull, manifest, time, site }) => {
      const good = await manifest('B1')
      const altered = Buffer.from(good)
      altered[altered.length - 20] = altered[altered.length - 20]! ^ 1
      const bad = feed.add('manifest', altered)
      feed.add('recall', (await issueRecall(factory, { reason: 'safety', batches: ['B1'] })).file)
      const { state } = await pull()
      assert.equal(state.failure, undefined)
      assert.deepEqual([state.recalls, state.manifests], [1, 0])
      assert.deepEqual(
        state.refused.map(({ publication, code }) => [publication.id, code]),
        [[bad.id, 'manifest-invalid']],
      )
      // The manufacturer mends it under the same number and hash of its list: another file is still not what was announced.
      feed.files.set(bad.id, good)
      time.now += 4_000_000
      assert.equal((await pull()).state.refused[0]?.code, 'feed-answer-invalid')
      feed.files.set(bad.id, altered)
      feed.add('manifest', good)
      time.now += 4_000_000
      const after = await pull()
      assert.equal(after.state.manifests, 1)
      assert.equal(await site.read(tables => tables.device.count()), 3)
      const [recall] = await site.read(tables => tables.recall.find({}))
      assert.equal(recall?.treatment, 'hold')
    }))

  test('what another manufacturer signed is refused, though the site trusts that one, too', () =>
    withScene(async ({ site, feed, pull, manifest }) => {
      const other = await openFactory({ name: 'Bolt' })
      const { deviceRoot, masaRoot } = other.manufacturer
      const bolt = { name: 'bolt', anchors: [deviceRoot.der], masaAnchors: [masaRoot.der] }
      await trustManufacturer({ store: site, clock: () => now }, bolt, 'r')
      feed.add('manifest', await manifest('B7', other))
      feed.add('recall', (await issueRecall(other, { reason: 'safety', batches: ['B7'] })).file)
      const { state } = await pull()
      assert.deepEqual(
        state.refused.map(({ code }) => code),
        ['manifest-invalid', 'recall-invalid'],
      )
      assert.equal(await site.read(tables => tables.device.count()), 0)
      await other.opened.close()
    }))

  test('a failure is told with a code, and tried again after longer and longer pauses', () =>
    withScene(async ({ feed, pull, manifest, time }) => {
      feed.failure = new OnboardingError('feed-unreachable', { host: 'masa.acme.example', reason: 'timeout' })
      const pauses: number[] = []
      for (let n = 0; n < 8; n++) {
        const { state } = await pull()
        assert.deepEqual(
          [state.failure?.code, state.failure?.reason, state.failure?.times],
          ['feed-unreachable', 'timeout', n + 1],
        )
        pauses.push(state.nextAt! - time.now)
        time.now = state.nextAt!
      }
      assert.ok(pauses[0]! < 70_000 && pauses[3]! > pauses[0]! * 4)
      assert.ok(pauses.every(pause => pause <= 3_600_000 * 1.1))
      feed.failure = undefined
      feed.add('manifest', await manifest('B1'))
      const { state } = await pull()
      assert.deepEqual([state.failure, state.manifests], [undefined, 1])
    }))

  test('cut off at any step and repeated, is complete and without doubles', () =>
    withScene(async ({ factory, feed, pull, manifest, time, site }) => {
      feed.add('manifest', await manifest('B1'))
      feed.add('recall', (await issueRecall(factory, { reason: 'defect', serials: ['B1-000001'] })).file)
      let cuts = 0
      for (let steps = 0; ; steps++) {
        const cut = await pull(new PowerCut(steps, steps % 2 === 1).store(site)).then(
          () => false,
          error => error instanceof Crash,
        )
        if (!cut) break
        cuts++
        // Longer than the lease of what the dead process had claimed.
        time.now += 4_000_000
      }
      assert.ok(cuts > 3)
      const { state } = await pull()
      assert.equal(state.cursor, '000000000002')
      assert.equal(await site.read(tables => tables.device.count()), 3)
      assert.equal(await site.read(tables => tables.recall.count()), 1)
      assert.equal(await site.read(tables => tables.manifest.count()), 1)
    }))

  test('that never ends holds up no other, and no shutdown', () =>
    withScene(async ({ site, feed, pull }) => {
      let asked = 0
      const liar = async ({ url }: Parameters<FeedClient['get']>[0]) => {
        if (++asked > 10_000) throw new Error('it is still being read')
        const [, what, id] = /\/(after|file)\/(\d+)$/.exec(url)!
        if (what === 'file') throw new OnboardingError('feed-refused', { status: 404 })
        const next = String(Number(id) + 1).padStart(12, '0')
        const items = [{ id: next, kind: 'recall', sha256: '0'.repeat(64), bytes: 1 }]
        const list = { version: 1, manufacturer: 'Acme', buyer: 'site-1', items, more: true }
        return { body: Buffer.from(encodeCanonicalJson(list)) }
      }
      const honest = feed.get.bind(feed)
      feed.get = asking => (asking.url.includes('bolt') ? honest(asking) : liar(asking))
      const other = await openFactory({ name: 'Bolt' })
      const { deviceRoot, masaRoot } = other.manufacturer
      const bolt = { name: 'bolt', anchors: [deviceRoot.der], masaAnchors: [masaRoot.der] }
      await trustManufacturer({ store: site, clock: () => now }, bolt, 'r')
      const url = 'https://masa.bolt.example/feed'
      const terms = {
        manufacturer: 'bolt',
        url,
        interval: 3_600_000,
        treatment: 'hold',
        privateAddress: false,
      } as const
      await subscribe({ store: site, clock: () => now }, terms, 'anna')
      await makeUnits(other.order({ batch: 'B7', count: 1 }))
      feed.add('recall', (await issueRecall(other, { reason: 'safety', batches: ['B7'] })).file)
      const { state } = await pull()
      assert.equal(await site.read(tables => tables.recall.count({ manufacturer: 'bolt' })), 1)
      assert.ok(asked < 1000, `${asked} questions in one go`)
      assert.ok(state.cursor > feedStart && state.nextAt! > now, 'it goes on from there, later')
      assert.ok(state.refused.length <= 32)
      await other.opened.close()
    }))

  test('ends with the subscription', () =>
    withScene(async ({ feed, pull, site, time }) => {
      await unsubscribe(site, 'acme', 'anna')
      time.now += 40_000_000
      await pull()
      assert.deepEqual(feed.asked, [])
      await assert.rejects(unsubscribe(site, 'acme', 'anna'), { code: 'not-found' })
    }))
})

test('the list of a feed: of arbitrary bytes nothing but CodecError, and no list that goes back', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), bytes => {
      assert.throws(() => decodeFeedList(bytes, feedStart), CodecError)
    }),
  )
  const item = { id: '000000000002', kind: 'recall', sha256: '0'.repeat(64), bytes: 1 }
  const list = (more: object) =>
    Buffer.from(JSON.stringify({ version: 1, manufacturer: 'a', buyer: 'b', items: [item], more: false, ...more }))
  assert.equal(decodeFeedList(list({}), feedStart).items.length, 1)
  for (const wrong of [
    { items: [item, item] },
    { items: [], more: true },
    { extra: 1 },
    { items: Array(101).fill(item) },
  ]) {
    assert.throws(() => decodeFeedList(list(wrong), feedStart), CodecError)
  }
  assert.throws(() => decodeFeedList(list({}), item.id), CodecError)
})
