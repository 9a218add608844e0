import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { readEventStream, type ServerSentEvent } from '../../../src/app/api/event-source.ts'
import { createEventStreams, type StreamLimits } from '../../../src/app/api/event-stream.ts'
import { expectDevice } from '../../../src/role/supply-chain/import.ts'
import { trustManufacturer } from '../../../src/role/supply-chain/trust.ts'
import { openFactory } from '../../role/factory/factory.ts'
import { openWorld, recordingLog, type World, withWorld } from './world.ts'

/** Times that a test can wait for; what is not under test is far away. */
const quick: Partial<StreamLimits> = { heartbeat: 60_000, gather: 1, stall: 60_000 }

async function addDevice({ services }: World, serial: string): Promise<void> {
  await expectDevice(services.store, { manufacturer: 'fjord', serial }, 'test')
}

async function withDevices(
  work: (world: World) => Promise<void>,
  streams: Partial<StreamLimits> = quick,
): Promise<void> {
  const factory = await openFactory({ name: 'Fjord Sensors' })
  const world = await openWorld({ streams })
  try {
    const anchors = [factory.manufacturer.deviceRoot.der]
    await trustManufacturer(world.services, { name: 'fjord', anchors }, 'test')
    await work(world)
  } finally {
    await world.close()
    await factory.opened.close()
  }
}

async function open(
  world: World,
  headers: Record<string, string> = {},
  token = world.tokens.operator,
): Promise<Response> {
  const all = { accept: 'text/event-stream', authorization: `Bearer ${token}`, ...headers }
  return world.server.fetch(new Request('http://site.test/v1/events', { headers: all }))
}

/** The next `count` events, after which the stream is left. */
async function take(response: Response, count: number): Promise<ServerSentEvent[]> {
  const taken: ServerSentEvent[] = []
  if (count === 0) return taken
  for await (const event of readEventStream(response.body!)) {
    taken.push(event)
    if (taken.length === count) break
  }
  return taken
}

const serialOf = ({ data }: ServerSentEvent): unknown => (JSON.parse(data) as { body: { serial?: string } }).body.serial

describe('live events', () => {
  test('are those on record and then those that come', () =>
    withDevices(async world => {
      await addDevice(world, 'A-1')
      const { cursor } = await world.call('eventList', { query: { limit: 1000 } })
      await addDevice(world, 'A-2')
      const response = await open(world, { 'last-event-id': cursor })
      assert.equal(response.headers.get('content-type'), 'text/event-stream')
      assert.equal(response.headers.get('cache-control'), 'no-store')
      const events = readEventStream(response.body!)
      const next = async () => serialOf((await events.next()).value as ServerSentEvent)
      assert.equal(await next(), 'A-2')
      const coming = next()
      await addDevice(world, 'A-3')
      assert.equal(await coming, 'A-3')
      await Promise.all(['A-4', 'A-5', 'A-6'].map(serial => addDevice(world, serial)))
      assert.deepEqual([await next(), await next(), await next()].map(String).sort(), ['A-4', 'A-5', 'A-6'])
      await events.return()
    }))

  test('go on behind any of them without one twice or left out', () =>
    withDevices(async world => {
      for (let n = 0; n < 9; n++) await addDevice(world, `B-${n}`)
      const all = await take(await open(world), 14)
      assert.equal(all.length, 14)
      for (const [n, { id }] of all.entries()) {
        const rest = await take(await open(world, { 'last-event-id': id }), all.length - n - 1)
        assert.deepEqual(rest, all.slice(n + 1))
      }
      const [first] = all
      const viaQuery = await world.server.fetch(
        new Request(`http://site.test/v1/events?cursor=${first!.id}`, {
          headers: { accept: 'text/event-stream', authorization: `Bearer ${world.tokens.auditor}` },
        }),
      )
      assert.deepEqual(await take(viaQuery, 1), all.slice(1, 2))
    }))

  test('from a place that was never given are refused', () =>
    withWorld(async world => {
      const response = await open(world, { 'last-event-id': 'nonsense' })
      assert.equal(response.status, 400)
      assert.equal(response.headers.get('content-type'), 'application/problem+json')
    }))

  test('a quiet stream gives signs of life', () =>
    withWorld(
      async world => {
        const { cursor } = await world.call('eventList', { query: { limit: 1000 } })
        const response = await open(world, { 'last-event-id': cursor })
        const reader = response.body!.getReader()
        const texts: string[] = []
        while (texts.length < 3) texts.push(Buffer.from((await reader.read()).value!).toString())
        assert.deepEqual(texts, ['retry: 2000\n\n', ': \n\n', ': \n\n'])
        await reader.cancel()
      },
      { streams: { ...quick, heartbeat: 5 } },
    ))

  test('end with the token', () =>
    withDevices(async world => {
      const { id, text } = await world.makeToken('auditor')
      const { cursor } = await world.call('eventList', { query: { limit: 1000 } })
      const response = await open(world, { 'last-event-id': cursor }, text)
      const events = readEventStream(response.body!)
      // The stream itself is recorded as something that an auditor looked at, and so is seen by it.
      assert.match(((await events.next()).value as ServerSentEvent).data, /record-read/)
      const ending = events.next()
      await world.call('tokenRevoke', { params: { id } })
      await addDevice(world, 'after the end')
      assert.deepEqual(await ending, { done: true, value: undefined })
    }))

  test('end when the server closes', () =>
    withWorld(
      async world => {
        const { cursor } = await world.call('eventList', { query: { limit: 1000 } })
        const response = await open(world, { 'last-event-id': cursor })
        const ending = take(response, 1)
        world.server.close()
        assert.deepEqual(await ending, [])
      },
      { streams: quick },
    ))
})

describe('a flood', () => {
  test('of streams is refused, and room is given back', () =>
    withWorld(
      async world => {
        const streams = await Promise.all([1, 2, 3].map(() => open(world)))
        const refused = await open(world)
        assert.equal(refused.status, 503)
        assert.equal(refused.headers.get('retry-after'), '5')
        assert.equal(((await refused.json()) as { code: string }).code, 'overloaded')
        await streams[0]!.body!.cancel()
        assert.equal((await open(world)).status, 200)
        assert.equal((await open(world)).status, 503)
      },
      { streams: { ...quick, streams: 3 } },
    ))

  test('of events is not kept for a client that does not read: it is dropped', () =>
    withDevices(async world => {
      for (let n = 0; n < 30; n++) await addDevice(world, `C-${n}`)
      const { store } = world.services
      let reads = 0
      const feed: typeof store.feed = (cursor, limit) => {
        reads++
        return store.feed(cursor, limit)
      }
      const told = Promise.withResolvers<string>()
      const streams = createEventStreams({
        store: { feed, onCommit: listener => store.onCommit(listener) },
        log: { ...recordingLog(), info: (_, message) => told.resolve(message) },
        limits: { ...quick, batch: 10, stall: 20 },
      })
      const reader = streams.open({}, async () => true).getReader()
      await reader.read()
      assert.equal(streams.count(), 1)
      assert.match(await told.promise, /dropped/)
      await assert.rejects(reader.read(), /does not read/)
      assert.equal(reads, 1)
      assert.equal(streams.count(), 0)
      streams.close()
    }))

  test('of commits wakes streams that are gone no more', () =>
    withDevices(async world => {
      const streams = createEventStreams({ store: world.services.store, log: recordingLog(), limits: quick })
      const reader = streams.open({}, async () => true).getReader()
      await reader.read()
      await reader.cancel()
      assert.equal(streams.count(), 0)
      await addDevice(world, 'D-1')
      streams.close()
    }))
})

describe('the reader of event streams', () => {
  const bodyOf = (...chunks: readonly string[]) =>
    new ReadableStream<Uint8Array>({
      start(controller) {
        for (const chunk of chunks) controller.enqueue(Buffer.from(chunk, 'latin1'))
        controller.close()
      },
    })
  const read = async (...chunks: readonly string[]) => {
    const retries: number[] = []
    const events: ServerSentEvent[] = []
    for await (const event of readEventStream(bodyOf(...chunks), time => retries.push(time))) events.push(event)
    return { events, retries }
  }

  test('takes events however they are cut', async () => {
    const utf8 = Buffer.from('é').toString('latin1')
    const text = `retry: 100\n\n: hello\n\nid: a\ndata: {"x":"${utf8}"}\n\nid: b\ndata: one\ndata:two\n\r\n`
    const whole = await read(text)
    assert.deepEqual(whole, { events: [{ id: 'a', data: '{"x":"é"}' }], retries: [100] })
    for (let at = 1; at < text.length; at++) assert.deepEqual(await read(text.slice(0, at), text.slice(at)), whole)
    assert.deepEqual((await read('id: b\ndata: one\ndata:two\r\n\r\n\n\n')).events.length, 1)
  })

  test('keeps no end of it', async () => {
    await assert.rejects(read(...Array.from({ length: 20 }, () => 'x'.repeat(100_000))), RangeError)
  })
})
