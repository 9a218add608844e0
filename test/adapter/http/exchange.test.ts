import assert from 'node:assert/strict'
import { describe, type TestContext, test } from 'node:test'
import { listenPlain } from '../../../src/adapter/http/tls-endpoint.ts'
import { OnboardingError } from '../../../src/domain/error.ts'
import type { Endpoint, EndpointRequest } from '../../../src/domain/port.ts'
import * as site from './site.ts'

/** A listener with this endpoint, and a connection to it. */
async function talk(t: TestContext, handler: site.Handler, limits: Parameters<typeof site.site>[1] = {}) {
  const log = site.recordingLog()
  const listener = await site.site(t, { endpoints: [site.endpoint(handler)], log, ...limits })
  const socket = await site.dial(t, listener.port)
  const ask = (text: string) => {
    socket.write(text)
    return site.nextAnswer(socket)
  }
  return { listener, socket, ask, log }
}

const line = (start: string, ...fields: readonly string[]) => [start, 'Host: registrar', ...fields, '', ''].join('\r\n')

describe('what an endpoint is asked', () => {
  test('path without query, lower-case field names, the whole body', async t => {
    const seen: EndpointRequest[] = []
    const { ask } = await talk(t, request => {
      seen.push(request)
      return { status: 204 }
    })
    await ask(site.post('/a/b?c=d', 'body', 'Content-Type: x/y', 'X-Two: 1', 'x-two: 2'))
    assert.equal(seen[0]!.method, 'POST')
    assert.equal(seen[0]!.path, '/a/b')
    assert.equal(Buffer.from(seen[0]!.body).toString(), 'body')
    assert.equal(seen[0]!.headers['content-type'], 'x/y')
    assert.equal(seen[0]!.headers['x-two'], '1, 2')
  })

  test('a chunked body in one piece', async t => {
    const { ask } = await talk(t, ({ body }) => ({ status: 200, body }))
    const head = line('POST / HTTP/1.1', 'Transfer-Encoding: chunked')
    assert.equal((await ask(`${head}3\r\nabc\r\n2;x=y\r\nde\r\n0\r\nTrailer: t\r\n\r\n`)).body, 'abcde')
  })

  test('HEAD as GET, answered without the body', async t => {
    const { socket, ask } = await talk(t, ({ method }) => ({ status: 200, body: method }))
    const head = new Promise<string>(resolve => socket.once('data', chunk => resolve(chunk.toString())))
    socket.write(line('HEAD / HTTP/1.1'))
    assert.match(await head, /^HTTP\/1\.1 200 OK\r\n(.+\r\n)*Content-Length: 3\r\n(.+\r\n)*\r\n$/)
    assert.equal((await ask(line('GET / HTTP/1.1'))).body, 'GET')
  })

  test('an absolute target', async t => {
    const { ask } = await talk(t, ({ path }) => ({ status: 200, body: path }))
    assert.equal((await ask(line('GET https://registrar:8443/a/b?c HTTP/1.1'))).body, '/a/b')
  })

  for (const target of ['*', 'registrar:443', 'a/b']) {
    test(`not a target: ${target}`, async t => {
      const { socket } = await talk(t, () => ({ status: 200 }))
      socket.write(line(`OPTIONS ${target} HTTP/1.1`, 'Connection: close'))
      assert.match(await site.untilClosed(socket), /^HTTP\/1\.1 400 /)
    })
  }

  test('100 Continue first, if the client waits for it', async t => {
    const { socket } = await talk(t, ({ body }) => ({ status: 200, body, close: true }))
    const goOn = new Promise<string>(resolve => socket.once('data', chunk => resolve(chunk.toString())))
    socket.write(line('POST / HTTP/1.1', 'Content-Length: 4', 'Expect: 100-continue'))
    assert.equal(await goOn, 'HTTP/1.1 100 Continue\r\n\r\n')
    socket.write('body')
    assert.match(await site.untilClosed(socket), /body$/)
  })

  test('no 100 Continue for a body that is too large', async t => {
    const { socket } = await talk(t, () => ({ status: 200 }), { limits: { body: 3, lingerTime: 60_000 } })
    socket.write(line('POST / HTTP/1.1', 'Content-Length: 4', 'Expect: 100-continue'))
    assert.match(await site.untilClosed(socket), /^HTTP\/1\.1 413 /)
  })

  test('another expectation is not met', async t => {
    const { ask } = await talk(t, () => ({ status: 200 }))
    assert.equal((await ask(line('GET / HTTP/1.1', 'Expect: the-unexpected'))).status, 417)
  })

  test('HTTP/1.0', async t => {
    const { socket } = await talk(t, () => ({ status: 200, body: 'ok' }))
    socket.write('GET / HTTP/1.0\r\n\r\n')
    assert.match(await site.untilClosed(socket), /^HTTP\/1\.1 200 OK\r\n(.+\r\n)*Connection: close\r\n(.+\r\n)*\r\nok$/)
  })
})

describe('what a client is answered', () => {
  test('the first endpoint that knows the path', async t => {
    const endpoints: Endpoint[] = ['a', 'b'].map(name =>
      site.endpoint(({ path }) => (path.endsWith(name) ? { status: 200, body: `${name}: ${path}` } : undefined)),
    )
    const { port } = await site.site(t, { endpoints })
    const socket = await site.dial(t, port)
    for (const [path, body] of [
      ['/a', 'a: /a'],
      ['/b', 'b: /b'],
    ] as const) {
      socket.write(line(`GET ${path} HTTP/1.1`))
      assert.equal((await site.nextAnswer(socket)).body, body)
    }
  })

  test('404 for a path of nobody, 405 for a method of nobody', async t => {
    const { port } = await site.site(t)
    const socket = await site.dial(t, port)
    socket.write(line('GET /other HTTP/1.1'))
    const missing = await site.nextAnswer(socket)
    assert.deepEqual([missing.status, missing.body], [404, 'not-found: Not found\n'])
    const only = site.endpoint(({ method }) => (method === 'POST' ? { status: 204 } : undefined))
    const second = await site.site(t, {
      endpoints: [{ ...only, methods: path => (path === '/a' ? ['GET', 'POST'] : undefined) }],
    })
    const other = await site.dial(t, second.port)
    other.write(line('DELETE /a HTTP/1.1'))
    const answer = await site.nextAnswer(other)
    assert.equal(answer.status, 405)
    assert.match(answer.head, /\r\nAllow: GET, POST, HEAD\r\n/)
    assert.match(answer.body, /^method-not-allowed: /)
  })

  test('an OnboardingError: its status, its code and title in plain text', async t => {
    const { ask, log } = await talk(t, () => {
      throw new OnboardingError('proximity-mismatch', { serial: 'JADA1' })
    })
    const { status, head, body } = await ask(site.post('/', ''))
    assert.equal(status, 401)
    assert.match(head, /\r\nContent-Type: text\/plain; charset=utf-8\r\n/)
    assert.equal(body, 'proximity-mismatch: Proximity not proven\n')
    const logged = log.lines.find(({ text }) => text === 'request refused')
    assert.equal(logged?.level, 'info')
    assert.equal(logged?.facts['serial'], 'JADA1')
  })

  test('Retry-After with 202 and 503', async t => {
    for (const code of ['device-unexpected', 'masa-unreachable'] as const) {
      const { ask } = await talk(t, () => {
        throw new OnboardingError(code)
      })
      assert.match((await ask(site.post('/', ''))).head, /\r\nRetry-After: 5\r\n/)
    }
  })

  test('a fault of ours: 500 with an id that is in the log, and nothing else of it', async t => {
    const { ask, log } = await talk(t, () => {
      throw new Error('secret detail')
    })
    const { status, body } = await ask(site.post('/', ''))
    assert.equal(status, 500)
    const id = /^internal: A fault of ours \(([0-9a-f-]{36})\)\n$/.exec(body)?.[1]
    const logged = log.lines.find(({ level }) => level === 'error')
    assert.equal(logged?.facts['id'], id)
    assert.match(String(logged?.facts['err']), /secret detail/)
    assert.equal((await ask(site.post('/', ''))).status, 500)
  })

  test('a header that cannot be written is a fault of ours', async t => {
    const { ask, log } = await talk(t, () => ({ status: 200, headers: { Location: 'a\r\nX-Injected: b' }, body: 'x' }))
    const { status, head } = await ask(site.post('/', ''))
    assert.equal(status, 500)
    assert.doesNotMatch(head, /Injected/)
    assert.equal(log.lines.at(-1)?.level, 'error')
  })

  test('bytes and text, with a length; 204 without', async t => {
    const replies = [
      { status: 200, body: Buffer.from([0, 255]) },
      { status: 200, body: 'ü' },
      { status: 200 },
      { status: 204, body: 'not to be seen' },
    ]
    const { ask } = await talk(t, () => replies.shift())
    const [bytes, text, none, empty] = [
      await ask(site.post('/', '')),
      await ask(site.post('/', '')),
      await ask(site.post('/', '')),
      await ask(site.post('/', '')),
    ]
    assert.equal(bytes!.body, '\x00\xff')
    assert.match(text!.head, /Content-Length: 2\r\nContent-Type: text\/plain; charset=utf-8/)
    assert.match(none!.head, /Content-Length: 0/)
    assert.doesNotMatch(empty!.head, /Content-Length/)
  })

  test('and the connection closed, where the endpoint wants that', async t => {
    const { socket } = await talk(t, () => ({ status: 401, body: 'no', close: true }))
    socket.write(site.post('/', ''))
    assert.match(await site.untilClosed(socket), /^HTTP\/1\.1 401 .*\r\n(.+\r\n)*Connection: close\r\n(.+\r\n)*\r\nno$/)
  })
})

describe('load', () => {
  test('more requests than are taken at once are told to come back', async t => {
    const two = site.barrier(2)
    const free = Promise.withResolvers<void>()
    const endpoint = site.endpoint(async () => {
      void two.arrive()
      await free.promise
      return { status: 204 }
    })
    const listener = await site.site(t, { endpoints: [endpoint], limits: { inFlight: 2, retryAfter: 7 } })
    const sockets = await Promise.all([1, 2, 3].map(() => site.dial(t, listener.port)))
    const [first, second, third] = sockets.map(socket => () => {
      socket.write(site.post('/', ''))
      return site.nextAnswer(socket)
    })
    const slow = [first!(), second!()]
    await two.complete
    const { status, head, body } = await third!()
    assert.equal(status, 503)
    assert.match(head, /\r\nRetry-After: 7\r\n/)
    assert.match(body, /^overloaded: /)
    free.resolve()
    assert.deepEqual(
      (await Promise.all(slow)).map(answer => answer.status),
      [204, 204],
    )
    // Its connection is still good.
    assert.equal((await third!()).status, 204)
    assert.equal(listener.counters.postponed, 1)
  })

  test('one connection cannot take all the places by not waiting for answers', async t => {
    const free = Promise.withResolvers<void>()
    const { socket, listener } = await talk(
      t,
      async ({ path }) => {
        if (path === '/') await free.promise
        return { status: 204 }
      },
      { limits: { inFlightPerConnection: 2 } },
    )
    const other = await site.dial(t, listener.port)
    const text = site.untilClosed(socket)
    socket.write(site.post('/', '').repeat(3) + site.post('/', '', 'Connection: close'))
    // All four came in one piece; once somebody who asked after them is answered, they were looked at.
    other.write(site.post('/free', ''))
    assert.equal((await site.nextAnswer(other)).status, 204)
    assert.equal(listener.counters.postponed, 2)
    free.resolve()
    assert.deepEqual((await text).match(/HTTP\/1\.1 \d+/g), [
      'HTTP/1.1 204',
      'HTTP/1.1 204',
      'HTTP/1.1 503',
      'HTTP/1.1 503',
    ])
  })

  test('a connection serves so many requests and no more', async t => {
    const { socket } = await talk(t, () => ({ status: 204 }), { limits: { requestsPerConnection: 3 } })
    for (let i = 0; i < 2; i++) {
      socket.write(site.post('/', ''))
      assert.match((await site.nextAnswer(socket)).head, /keep-alive/)
    }
    socket.write(site.post('/', ''))
    assert.match(await site.untilClosed(socket), /^HTTP\/1\.1 204 [\s\S]*Connection: close/)
  })

  test('a connection without requests is closed', async t => {
    const { socket, ask } = await talk(t, () => ({ status: 204 }), { limits: { idleTime: 50 } })
    await ask(site.post('/', ''))
    assert.equal(await site.untilClosed(socket), '')
  })
})

describe('closing', () => {
  test('finishes what is under way, and takes nothing new', async t => {
    const asked = Promise.withResolvers<void>()
    const free = Promise.withResolvers<void>()
    const { socket, listener } = await talk(
      t,
      async () => {
        asked.resolve()
        await free.promise
        return { status: 200, body: 'done' }
      },
      { limits: { drainTime: 60_000 } },
    )
    const idle = await site.dial(t, listener.port)
    idle.write(site.post('/', '', 'X: 1').slice(0, 20))
    const text = site.untilClosed(socket)
    socket.write(site.post('/', ''))
    await asked.promise
    const closed = listener.close()
    assert.equal(listener.close(), closed)
    await assert.rejects(site.dial(t, listener.port), { code: 'ECONNREFUSED' })
    free.resolve()
    assert.match(await text, /Connection: close[\s\S]*done$/)
    idle.destroy()
    await closed
  })

  test('does not wait for ever: neither for an endpoint nor for a handshake', async t => {
    const asked = Promise.withResolvers<void>()
    const { socket, listener } = await talk(
      t,
      () => {
        asked.resolve()
        return new Promise(() => {})
      },
      { limits: { drainTime: 20 } },
    )
    const mute = await site.dialPlain(t, listener.port)
    const text = site.untilClosed(socket)
    const silent = site.untilClosed(mute)
    socket.write(site.post('/', ''))
    await asked.promise
    await listener.close()
    assert.equal(await text, '')
    assert.equal(await silent, '')
  })
})

test('without TLS: the same, for a peer without certificates', async t => {
  const seen: EndpointRequest[] = []
  const endpoint = site.endpoint(request => {
    seen.push(request)
    return { status: 200, body: 'crl' }
  })
  const listener = await listenPlain({ host: '127.0.0.1', port: 0, endpoints: [endpoint], log: site.recordingLog() })
  t.after(() => listener.close())
  const socket = await site.dialPlain(t, listener.port)
  socket.write(line('GET /crl HTTP/1.1'))
  assert.equal((await site.nextAnswer(socket)).body, 'crl')
  const [{ peer } = assert.fail()] = seen
  assert.deepEqual(peer.certificates, [])
  assert.equal(peer.channelBinding(), undefined)
  assert.equal(peer.address, `127.0.0.1:${socket.localPort}`)
})
