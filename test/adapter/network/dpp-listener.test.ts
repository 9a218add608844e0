import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { describe, test } from 'node:test'
import type { DppLimits } from '../../../src/adapter/network/dpp-limit.ts'
import { type DppListener, listenDpp } from '../../../src/adapter/network/dpp-listener.ts'
import { OnboardingError } from '../../../src/domain/error.ts'
import { encodeRecord } from '../../../src/protocol/dpp/record.ts'
import type { DppConnection } from '../../../src/role/onboarding/configurator-port.ts'
import { silentLog } from '../../store.ts'

interface Party {
  readonly listener: DppListener
  /** What arrived, and `closed`, in order. */
  readonly heard: string[]
  readonly connections: DppConnection[]
  /** Resolves when so much was heard. */
  readonly until: (count: number) => Promise<void>
}

async function withListener(
  work: (party: Party) => Promise<void>,
  limits: Partial<DppLimits> = {},
  host = '127.0.0.1',
): Promise<void> {
  const heard: string[] = []
  const connections: DppConnection[] = []
  const waiting: { readonly count: number; readonly resolve: () => void }[] = []
  const hear = (what: string) => {
    heard.push(what)
    for (const each of waiting) if (heard.length >= each.count) each.resolve()
  }
  const listener = await listenDpp({
    host,
    port: 0,
    log: silentLog,
    limits,
    service: {
      connected(connection) {
        connections.push(connection)
        return {
          received(message) {
            hear(Buffer.from(message).toString())
            if (message.length < 1000) connection.send(Buffer.from(`re ${Buffer.from(message).toString()}`))
          },
          closed: () => hear('closed'),
        }
      },
    },
  })
  const until = (count: number) =>
    heard.length >= count
      ? Promise.resolve()
      : new Promise<void>(resolve => {
          waiting.push({ count, resolve })
        })
  try {
    await work({ listener, heard, connections, until })
  } finally {
    await listener.close()
  }
}

async function dial({ port }: DppListener, host = '127.0.0.1'): Promise<Socket> {
  const socket = connect({ port, host })
  await once(socket, 'connect')
  return socket
}

async function closed(socket: Socket): Promise<void> {
  socket.resume()
  if (!socket.closed) await once(socket, 'close')
}

describe('the listener of the Controller', () => {
  for (const host of ['127.0.0.1', '::1']) {
    test(`cuts records wherever TCP did, and answers each, on ${host}`, () =>
      withListener(
        async ({ listener, heard, connections }) => {
          const socket = await dial(listener, host)
          const bytes = Buffer.concat([encodeRecord(Buffer.from('one')), encodeRecord(Buffer.from('two'))])
          for (const octet of bytes) socket.write(Buffer.of(octet))
          const wanted = Buffer.concat(['re one', 're two'].map(text => encodeRecord(Buffer.from(text))))
          let got = Buffer.alloc(0)
          for await (const chunk of socket) {
            got = Buffer.concat([got, chunk as Buffer])
            if (got.length >= wanted.length) break
          }
          assert.deepEqual(got, wanted)
          assert.deepEqual(heard.slice(0, 2), ['one', 'two'])
          assert.match(connections[0]!.address, host === '::1' ? /^\[::1\]:\d+$/ : /^127\.0\.0\.1:\d+$/)
        },
        {},
        host,
      ))
  }

  test('closes on a record that is too long, or empty, before any of it is read', () =>
    withListener(
      async ({ listener, heard }) => {
        for (const head of [
          [0, 0, 1, 1],
          [0, 0, 0, 0],
          [0xff, 0xff, 0xff, 0xff],
        ]) {
          const socket = await dial(listener)
          socket.write(Buffer.from(head))
          await closed(socket)
        }
        assert.deepEqual(heard, [])
        assert.equal(listener.counters.malformed, 3)
      },
      { record: 256 },
    ))

  test('closes what says nothing, and what says no more', () =>
    withListener(
      async ({ listener, heard, until }) => {
        await closed(await dial(listener))
        const socket = await dial(listener)
        socket.write(encodeRecord(Buffer.from('hello')))
        await until(1)
        socket.write(Buffer.of(0, 0))
        await closed(socket)
        await until(2)
        assert.deepEqual(heard, ['hello', 'closed'])
        assert.equal(listener.counters.timedOut, 2)
      },
      { firstTime: 60, idleTime: 60 },
    ))

  test('takes so many connections, and so many of one address', () =>
    withListener(
      async ({ listener, until }) => {
        const first = await dial(listener)
        first.write(encodeRecord(Buffer.from('here')))
        await until(1)
        const second = await dial(listener)
        await closed(second)
        assert.equal(listener.counters.dropped, 1)
        first.destroy()
        await until(2)
        const third = await dial(listener)
        third.write(encodeRecord(Buffer.from('again')))
        await until(3)
        third.destroy()
      },
      { connectionsOfAddress: 1 },
    ))

  test('drops who asks and asks, and does not read the answers', () =>
    withListener(
      async ({ listener, connections, until }) => {
        const socket = await dial(listener)
        socket.write(encodeRecord(Buffer.from('x')))
        await until(1)
        socket.pause()
        const much = Buffer.alloc(0x4000)
        // The kernel takes some before it begins to pile up here.
        for (let n = 0; n < 2000; n++) connections[0]!.send(much)
        await until(2)
        socket.destroy()
      },
      { backlog: 0x8000 },
    ))

  test('says when its port is taken', () =>
    withListener(async ({ listener }) => {
      const again = listenDpp({
        host: '127.0.0.1',
        port: listener.port,
        log: silentLog,
        service: { connected: () => ({ received() {}, closed() {} }) },
      })
      await assert.rejects(again, (error: unknown) => error instanceof OnboardingError && error.code === 'port-in-use')
    }))
})
