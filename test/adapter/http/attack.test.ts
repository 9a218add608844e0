import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { describe, type TestContext, test } from 'node:test'
import { connect } from 'node:tls'
import type { HttpLimits } from '../../../src/adapter/http/limit.ts'
import type { TlsListener } from '../../../src/adapter/http/tls-endpoint.ts'
import * as site from './site.ts'

/** A listener that counts what reaches its endpoint, and is asked at the end whether it still works. */
async function target(t: TestContext, limits: Partial<HttpLimits> = {}) {
  const paths: string[] = []
  const log = site.recordingLog()
  const endpoint = site.endpoint(({ path, body }) => {
    paths.push(path)
    return { status: 200, body: `${body.length}` }
  })
  const listener = await site.site(t, { endpoints: [endpoint], log, limits })
  return { listener, paths, log, port: listener.port }
}

async function stillWorks(t: TestContext, { port }: TlsListener): Promise<void> {
  const socket = await site.dial(t, port, { credential: site.idevid })
  socket.write(site.post('/alive', 'abc'))
  const { status, body } = await site.nextAnswer(socket)
  assert.deepEqual([status, body], [200, '3'])
}

/** Sends `chunk` again and again until the peer closes. */
function drip(socket: NodeJS.WritableStream & { destroyed: boolean }, chunk: string, every: number): void {
  const timer = setInterval(() => socket.write(chunk), every)
  ;(socket as unknown as NodeJS.EventEmitter).once('close', () => clearInterval(timer))
}

describe('slowness', () => {
  test('octets of a header, one by one', async t => {
    const { listener, paths, port } = await target(t, { headerTime: 100 })
    const socket = await site.dial(t, port)
    const text = site.untilClosed(socket)
    socket.write('GET / HTTP/1.1\r\nHost: x\r\nX: ')
    drip(socket, 'x', 10)
    assert.match(await text, /^HTTP\/1\.1 408 [\s\S]*request-too-slow: /)
    assert.deepEqual(paths, [])
    await stillWorks(t, listener)
  })

  test('octets of a body, one by one', async t => {
    const { listener, paths, port } = await target(t, { headerTime: 50, requestTime: 150 })
    const socket = await site.dial(t, port)
    const text = site.untilClosed(socket)
    socket.write('POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 60000\r\n\r\n')
    drip(socket, 'x', 10)
    assert.match(await text, /^HTTP\/1\.1 408 /)
    assert.deepEqual(paths, [])
    await stillWorks(t, listener)
  })

  test('chunks of a body, one by one', async t => {
    const { listener, port } = await target(t, { headerTime: 50, requestTime: 150 })
    const socket = await site.dial(t, port)
    const text = site.untilClosed(socket)
    socket.write('POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n')
    drip(socket, '1\r\nx\r\n', 10)
    assert.match(await text, /^HTTP\/1\.1 408 /)
    await stillWorks(t, listener)
  })

  test('nothing after the handshake', async t => {
    const { listener, port } = await target(t, { headerTime: 50 })
    assert.match(await site.untilClosed(await site.dial(t, port)), /^HTTP\/1\.1 408 /)
    await stillWorks(t, listener)
  })

  test('nothing at all', async t => {
    const { listener, port } = await target(t, { handshakeTime: 50 })
    assert.equal(await site.untilClosed(await site.dialPlain(t, port)), '')
    assert.equal(listener.counters.handshakesFailed, 1)
    await stillWorks(t, listener)
  })

  test('half a handshake', async t => {
    const { listener, port } = await target(t, { handshakeTime: 100 })
    const socket = await site.dialPlain(t, port)
    const text = site.untilClosed(socket)
    // A record of a ClientHello, of which the end never comes.
    socket.write(Buffer.from('16030100c8010000c40303', 'hex'))
    drip(socket, '\x01', 20)
    assert.equal(await text, '')
    assert.equal(listener.counters.handshakesFailed, 1)
    await stillWorks(t, listener)
  })

  test('an answer that is not fetched', async t => {
    const asked = Promise.withResolvers<void>()
    const endpoint = site.endpoint(() => {
      asked.resolve()
      return { status: 200, body: 'x'.repeat(0x200_0000) }
    })
    const listener = await site.site(t, { endpoints: [endpoint], limits: { stallTime: 100, drainTime: 600_000 } })
    const socket = await site.dial(t, listener.port)
    socket.pause()
    socket.write(site.post('/', ''))
    await asked.promise
    // Ends when every connection has ended.
    await listener.close()
  })

  test('an answer that is not fetched, with octets of a next request to keep the connection alive', async t => {
    const asked = Promise.withResolvers<void>()
    const endpoint = site.endpoint(() => {
      asked.resolve()
      return { status: 200, body: 'x'.repeat(0x200_0000) }
    })
    const limits = { stallTime: 200, headerTime: 100, requestTime: 100, drainTime: 600_000 }
    const listener = await site.site(t, { endpoints: [endpoint], limits })
    const socket = await site.dial(t, listener.port)
    socket.on('error', () => {})
    socket.pause()
    socket.write(`${site.post('/', '')}GET / HTTP/1.1\r\nHost: `)
    drip(socket, 'x', 20)
    await asked.promise
    await new Promise(resolve => socket.once('close', resolve))
    await listener.close()
  })
})

describe('size', () => {
  test('a body that is announced too large: the refusal arrives although the client goes on sending', async t => {
    const { listener, paths, port } = await target(t)
    const socket = await site.dial(t, port)
    const text = site.untilClosed(socket)
    socket.write('POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 300000\r\n\r\n')
    socket.write(Buffer.alloc(300_000))
    assert.match(await text, /^HTTP\/1\.1 413 [\s\S]*Connection: close[\s\S]*request-too-large: Request too large\n$/)
    assert.deepEqual(paths, [])
    await stillWorks(t, listener)
  })

  test('a body that is announced too large and never ends', async t => {
    const { listener, port } = await target(t, { lingerTime: 50 })
    const socket = await site.dial(t, port)
    const text = site.untilClosed(socket)
    socket.write('POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9007199254740991\r\n\r\n')
    drip(socket, 'x', 10)
    assert.match(await text, /^HTTP\/1\.1 413 /)
    await stillWorks(t, listener)
  })

  test('a body that turns out too large', async t => {
    const { listener, paths, port } = await target(t)
    const socket = await site.dial(t, port)
    const text = site.untilClosed(socket)
    socket.write('POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n')
    for (let i = 0; i < 20; i++) socket.write(`4000\r\n${'x'.repeat(0x4000)}\r\n`)
    socket.write('0\r\n\r\n')
    assert.match(await text, /^HTTP\/1\.1 413 /)
    assert.deepEqual(paths, [])
    await stillWorks(t, listener)
  })

  test('the largest body that there may be', async t => {
    const { port } = await target(t)
    const socket = await site.dial(t, port)
    socket.write(site.post('/', 'x'.repeat(0x1_0000)))
    assert.equal((await site.nextAnswer(socket)).body, '65536')
  })

  test('endless header', async t => {
    const { listener, port } = await target(t)
    const socket = await site.dial(t, port)
    const text = site.untilClosed(socket)
    socket.write(`GET / HTTP/1.1\r\nHost: x\r\n${'X: y\r\n'.repeat(5000)}`)
    assert.match(await text, /^HTTP\/1\.1 431 /)
    await stillWorks(t, listener)
  })
})

describe('what is no request', () => {
  const head = 'POST /first HTTP/1.1\r\nHost: x\r\n'
  const smuggled = 'GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n'
  const bad: readonly [string, string][] = [
    [
      'two ways to tell the length',
      `${head}Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n${smuggled}`,
    ],
    [
      'the same, the other way round',
      `${head}Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n${smuggled}`,
    ],
    ['two lengths', `${head}Content-Length: 0\r\nContent-Length: 40\r\n\r\n${smuggled}`],
    ['the same length twice', `${head}Content-Length: 0\r\nContent-Length: 0\r\n\r\n${smuggled}`],
    ['a list of lengths', `${head}Content-Length: 0, 0\r\n\r\n${smuggled}`],
    ['a negative length', `${head}Content-Length: -1\r\n\r\n${smuggled}`],
    ['a signed length', `${head}Content-Length: +0\r\n\r\n${smuggled}`],
    ['a length in hexadecimal', `${head}Content-Length: 0x0\r\n\r\n${smuggled}`],
    ['a length beyond all numbers', `${head}Content-Length: 99999999999999999999999\r\n\r\n`],
    ['another coding after chunked', `${head}Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n${smuggled}`],
    ['an unknown coding', `${head}Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n${smuggled}`],
    ['a space before the colon', `${head}Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n${smuggled}`],
    ['a folded field', `${head}X: a\r\n Content-Length: 40\r\n\r\n${smuggled}`],
    ['a field without colon', `${head}Nonsense\r\n\r\n`],
    ['a NUL', `${head}X: a\0b\r\n\r\n`],
    ['a CR alone', `${head}X: a\rContent-Length: 40\r\n\r\n${smuggled}`],
    ['an LF alone', `${head}X: a\nContent-Length: 40\r\n\r\n${smuggled}`],
    ['a chunk size beyond all numbers', `${head}Transfer-Encoding: chunked\r\n\r\nfffffffffffffffffff\r\n`],
    ['a negative chunk size', `${head}Transfer-Encoding: chunked\r\n\r\n-1\r\n`],
    ['a chunk without its end', `${head}Transfer-Encoding: chunked\r\n\r\n1\r\nab\r\n0\r\n\r\n${smuggled}`],
    ['endless chunk extensions', `${head}Transfer-Encoding: chunked\r\n\r\n1;${'x'.repeat(20_000)}\r\n`],
    ['no Host', 'GET / HTTP/1.1\r\n\r\n'],
    ['two Hosts', 'GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n'],
    ['no method', ' / HTTP/1.1\r\nHost: x\r\n\r\n'],
    ['an unknown method', 'STEAL / HTTP/1.1\r\nHost: x\r\n\r\n'],
    ['another protocol', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'],
    ['another version', 'GET / HTTP/9.9\r\nHost: x\r\n\r\n'],
    [
      'octets',
      randomBytes(200)
        .toString('latin1')
        .replace(/^[A-Z]/, '\0'),
    ],
  ]
  for (const [what, text] of bad) {
    test(what, async t => {
      const { listener, paths, port } = await target(t)
      const socket = await site.dial(t, port)
      const answer = site.untilClosed(socket)
      socket.write(text, 'latin1')
      assert.match(await answer, /^HTTP\/1\.1 (400|413) /)
      assert.deepEqual(paths, [])
      assert.ok(listener.counters.malformed <= 1)
      await stillWorks(t, listener)
    })
  }

  test('after an answer that is under way: the connection ends, the answer is not spoiled', async t => {
    const asked = Promise.withResolvers<void>()
    const endpoint = site.endpoint(() => {
      asked.resolve()
      return new Promise(() => {})
    })
    const { port } = await site.site(t, { endpoints: [endpoint] })
    const socket = await site.dial(t, port)
    const text = site.untilClosed(socket)
    socket.write(site.post('/', ''))
    await asked.promise
    socket.write('\0\0\0\0\r\n\r\n')
    assert.equal(await text, '')
  })
})

describe('what is no TLS', () => {
  const bad: readonly [string, Buffer][] = [
    ['HTTP', Buffer.from('GET / HTTP/1.1\r\nHost: x\r\n\r\n')],
    ['SSH', Buffer.from('SSH-2.0-OpenSSH_9.2\r\n')],
    ['octets', Buffer.concat([Buffer.of(0xff), randomBytes(1000)])],
    ['a record of 65535 octets', Buffer.concat([Buffer.from('160301ffff01', 'hex'), Buffer.alloc(0xffff)])],
    ['SSL 2', Buffer.from('802e0100020015000000100100800200800600400400800700c0', 'hex')],
    ['an alert', Buffer.from('15030100020228', 'hex')],
    ['application data', Buffer.from('170303000100', 'hex')],
  ]
  for (const [what, octets] of bad) {
    test(what, async t => {
      const { listener, port, log } = await target(t)
      const socket = await site.dialPlain(t, port)
      const closed = site.untilClosed(socket)
      socket.end(octets)
      await closed
      assert.equal(listener.counters.handshakesFailed, 1)
      assert.equal(log.lines.filter(({ text }) => text === 'TLS handshake failed').length, 1)
      await stillWorks(t, listener)
    })
  }

  test('octets in the middle of a connection', async t => {
    const { listener, paths, port } = await target(t)
    const raw = await site.dialPlain(t, port)
    const socket = connect({ socket: raw, rejectUnauthorized: false })
    await once(socket, 'secureConnect')
    const closed = site.untilClosed(socket)
    socket.write('POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n', () => raw.write(randomBytes(100)))
    await closed
    assert.deepEqual(paths, [])
    await stillWorks(t, listener)
  })
})

describe('crowds', () => {
  test('two hundred at once', async t => {
    const { listener, paths, port } = await target(t)
    const answers = Array.from({ length: 200 }, async () => {
      const socket = await site.dial(t, port, { credential: site.idevid })
      socket.write(site.post('/', 'x'))
      const answer = await site.nextAnswer(socket)
      socket.end()
      return answer.status
    })
    assert.deepEqual(new Set(await Promise.all(answers)), new Set([200]))
    assert.equal(paths.length, 200)
    await stillWorks(t, listener)
  })

  test('more than are served are told to come back, more than that are dropped', async t => {
    const { listener, paths, port } = await target(t, { connections: 4 })
    const sockets = await Promise.all([1, 2, 3, 4].map(() => site.dial(t, port)))
    const fifth = await site.dial(t, port)
    const text = site.untilClosed(fifth)
    fifth.write(site.post('/', ''))
    const waiting = await text
    assert.match(waiting, /^HTTP\/1\.1 503 [\s\S]*Retry-After: 5[\s\S]*overloaded: /)
    assert.match(waiting, /Connection: close/)
    assert.deepEqual(paths, [])
    const again = await site.dial(t, port)
    await assert.rejects(site.dial(t, port))
    assert.equal(listener.counters.dropped, 1)
    assert.equal(listener.counters.postponed, 1)
    for (const socket of [...sockets, again]) await new Promise(resolve => socket.once('close', resolve).destroy())
    await stillWorks(t, listener)
  })

  test('those who leave in the middle of a body', async t => {
    const { listener, paths, port } = await target(t)
    for (let i = 0; i < 20; i++) {
      const socket = await site.dial(t, port)
      await new Promise(sent => socket.write('POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nxxx', sent))
      if (i % 2 === 0) socket.end()
      else socket.destroy()
    }
    await stillWorks(t, listener)
    assert.deepEqual(paths, ['/alive'])
  })
})
