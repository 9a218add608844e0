import assert from 'node:assert/strict'
import { once } from 'node:events'
import { describe, type TestContext, test } from 'node:test'
import { Hono } from 'hono'
import { type ApiListenOptions, listenHttp } from '../../../src/adapter/http/api-server.ts'
import { OnboardingError } from '../../../src/domain/error.ts'
import * as site from './site.ts'

type Fetch = ApiListenOptions['fetch']

async function serve(t: TestContext, fetch: Fetch, more: Partial<ApiListenOptions> = {}) {
  const log = site.recordingLog()
  const limits = { drainTime: 0, ...more.limits }
  const listener = await listenHttp({ host: '127.0.0.1', port: 0, log, fetch, ...more, limits })
  t.after(() => listener.close())
  return { listener, log, port: listener.port, origin: `http://127.0.0.1:${listener.port}` }
}

describe('what the handler gets', () => {
  test('method, URL, headers, body and the address of the other end', async t => {
    const seen: unknown[] = []
    const { origin, port } = await serve(t, async (request, { address }) => {
      const { method, url, headers } = request
      seen.push([method, url, headers.get('x-a'), await request.text(), address.startsWith('127.0.0.1:')])
      return new Response(null, { status: 204 })
    })
    await fetch(`${origin}/a/b?c=d`, { method: 'POST', body: 'body', headers: { 'X-A': '1' } })
    await fetch(`${origin}/`)
    assert.deepEqual(seen, [
      ['POST', `http://127.0.0.1:${port}/a/b?c=d`, '1', 'body', true],
      ['GET', `http://127.0.0.1:${port}/`, null, '', true],
    ])
  })

  test('a body while it is still being sent', async t => {
    const first = Promise.withResolvers<string>()
    const { port } = await serve(t, async request => {
      let text = ''
      for await (const chunk of request.body!) {
        text += Buffer.from(chunk).toString()
        first.resolve(text)
      }
      return new Response(text)
    })
    const socket = await site.dialPlain(t, port)
    socket.write('POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n3\r\nabc\r\n')
    assert.equal(await first.promise, 'abc')
    socket.write('3\r\ndef\r\n0\r\n\r\n')
    assert.match(await site.untilClosed(socket), /\r\nabcdef\r\n/)
  })

  test('nothing of a body that is announced too large, no more than the limit of one that is not', async t => {
    const got: unknown[] = []
    const { port, origin } = await serve(
      t,
      async request => {
        try {
          got.push(await request.text())
        } catch (error) {
          got.push((error as OnboardingError).code)
          throw error
        }
        return new Response()
      },
      { limits: { body: 10 } },
    )
    const declared = await fetch(origin, { method: 'POST', body: 'x'.repeat(11) })
    assert.equal(declared.status, 413)
    assert.match(await declared.text(), /^request-too-large: /)
    const socket = await site.dialPlain(t, port)
    socket.write(
      'POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\nb\r\n12345678901\r\n0\r\n\r\n',
    )
    assert.match(await site.untilClosed(socket), /^HTTP\/1\.1 413 /)
    assert.equal((await fetch(origin, { method: 'POST', body: '1234567890' })).status, 200)
    assert.deepEqual(got, ['request-too-large', '1234567890'])
  })

  test('an answer before the body is read: the connection goes on', async t => {
    const { port } = await serve(
      t,
      request =>
        new Response('no', { status: request.method === 'POST' ? 401 : 200, headers: { 'Content-Length': '2' } }),
    )
    const socket = await site.dialPlain(t, port)
    for (let i = 0; i < 3; i++) {
      socket.write(site.post('/', 'x'.repeat(5000)))
      assert.equal((await site.nextAnswer(socket)).status, 401)
      socket.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n')
      assert.equal((await site.nextAnswer(socket)).status, 200)
    }
  })

  test('not what is no web request', async t => {
    const { port } = await serve(t, () => new Response('reached'))
    for (const [start, status] of [
      ['TRACE / HTTP/1.1\r\nHost: x', 405],
      ['GET / HTTP/1.1\r\nHost: a b', 400],
      ['GET ftp://x/ HTTP/1.1\r\nHost: x', 400],
    ] as const) {
      const socket = await site.dialPlain(t, port)
      socket.write(`${start}\r\nConnection: close\r\n\r\n`)
      assert.match(await site.untilClosed(socket), new RegExp(`^HTTP/1\\.1 ${status} `))
    }
  })
})

describe('what the client gets', () => {
  test('status, headers, several cookies, body', async t => {
    const { origin } = await serve(t, () => {
      const headers = new Headers({ 'X-A': '1' })
      headers.append('Set-Cookie', 'a=1')
      headers.append('Set-Cookie', 'b=2')
      return new Response('text', { status: 418, headers })
    })
    const answer = await fetch(origin)
    assert.equal(answer.status, 418)
    assert.equal(answer.headers.get('x-a'), '1')
    assert.deepEqual(answer.headers.getSetCookie(), ['a=1', 'b=2'])
    assert.equal(await answer.text(), 'text')
  })

  test('no body for HEAD, 204 and where there is none', async t => {
    const { origin } = await serve(
      t,
      request =>
        new Response(request.method === 'HEAD' ? 'text' : null, { status: request.url.endsWith('204') ? 204 : 200 }),
    )
    assert.equal(await (await fetch(origin, { method: 'HEAD' })).text(), '')
    assert.equal((await fetch(`${origin}/204`)).headers.get('content-length'), null)
    assert.equal((await fetch(origin)).headers.get('content-length'), '0')
  })

  test('500 with an id and nothing more when the handler fails', async t => {
    const { origin, log } = await serve(t, () => {
      throw new Error('secret')
    })
    const answer = await fetch(origin)
    assert.equal(answer.status, 500)
    const text = await answer.text()
    assert.match(text, /^internal: A fault of ours \([0-9a-f-]{36}\)\n$/)
    assert.ok(text.includes(String(log.lines.at(-1)?.facts['id'])))
  })

  test('a cut connection, and no seeming end, when a body fails half way', async t => {
    const { origin, log } = await serve(t, () => {
      const pieces = ['half', undefined]
      return new Response(
        new ReadableStream({
          pull(controller) {
            const piece = pieces.shift()
            if (piece === undefined) controller.error(new Error('broken'))
            else controller.enqueue(new TextEncoder().encode(piece))
          },
        }),
      )
    })
    await assert.rejects((await fetch(origin)).text())
    assert.equal(log.lines.at(-1)?.level, 'error')
  })

  test('the answers of hono', async t => {
    const app = new Hono()
    app.post('/devices/:id', async context =>
      context.json({ id: context.req.param('id'), ...(await context.req.json()) }),
    )
    const { origin } = await serve(t, request => app.fetch(request))
    const answer = await fetch(`${origin}/devices/7`, { method: 'POST', body: '{"a":1}' })
    assert.deepEqual(await answer.json(), { id: '7', a: 1 })
    assert.equal((await fetch(`${origin}/other`)).status, 404)
  })

  test('503 when too much is asked at once', async t => {
    const asked = Promise.withResolvers<void>()
    const free = Promise.withResolvers<Response>()
    const { origin, listener } = await serve(
      t,
      () => {
        asked.resolve()
        return free.promise
      },
      { limits: { inFlight: 1 } },
    )
    const slow = fetch(origin)
    await asked.promise
    const refused = await fetch(origin)
    assert.deepEqual([refused.status, refused.headers.get('retry-after')], [503, '5'])
    free.resolve(new Response('done'))
    assert.equal(await (await slow).text(), 'done')
    assert.equal(listener.counters.postponed, 1)
  })
})

/** A body that never ends, and what became of it. */
function endless(type = 'text/event-stream') {
  let pulled = 0
  const cancelled = Promise.withResolvers<void>()
  const body = new ReadableStream<Uint8Array>({
    pull(controller) {
      pulled++
      controller.enqueue(Buffer.from(`data: ${'x'.repeat(0x1_0000)}\n\n`))
    },
    cancel: () => cancelled.resolve(),
  })
  return {
    answer: new Response(body, { headers: { 'Content-Type': type } }),
    cancelled: cancelled.promise,
    pulled: () => pulled,
  }
}

describe('event streams', () => {
  test('reach the client piece by piece', async t => {
    let send: (text: string) => void = () => {}
    const body = new ReadableStream<Uint8Array>({
      start(controller) {
        send = text => controller.enqueue(Buffer.from(text))
      },
    })
    const { origin } = await serve(t, () => new Response(body, { headers: { 'Content-Type': 'text/event-stream' } }))
    const reader = (await fetch(origin)).body!.getReader()
    for (const text of ['data: 1\n\n', 'data: 2\n\n']) {
      send(text)
      assert.equal(Buffer.from((await reader.read()).value!).toString(), text)
    }
    await reader.cancel()
  })

  test('are cancelled when the client goes', async t => {
    const stream = endless()
    const signals: AbortSignal[] = []
    const { origin } = await serve(t, request => {
      signals.push(request.signal)
      return stream.answer
    })
    const leave = new AbortController()
    const answer = await fetch(origin, { signal: leave.signal })
    assert.equal(answer.status, 200)
    leave.abort()
    await stream.cancelled
    assert.equal(signals[0]?.aborted, true)
  })

  test('wait for a client that does not read, and give it up in the end', async t => {
    const stream = endless('text/plain')
    const { port } = await serve(t, () => stream.answer, { limits: { stallTime: 200 } })
    const socket = await site.dialPlain(t, port)
    socket.pause()
    socket.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n')
    await stream.cancelled
    // What the kernel's buffers hold, and no more.
    assert.ok(stream.pulled() < 500, `${stream.pulled()} pieces`)
  })

  test('end when the listener closes', async t => {
    const stream = endless()
    const { listener, origin } = await serve(t, () => stream.answer, { limits: { drainTime: 600_000 } })
    const reader = (await fetch(origin)).body!.getReader()
    await reader.read()
    const closed = listener.close()
    await stream.cancelled
    while (!(await reader.read()).done);
    await closed
  })
})

test('over TLS, for a client without a certificate, with a credential that may change', async t => {
  const { listener, port } = await serve(t, request => new Response(request.url), { tls: site.registrar })
  const ask = async () => {
    const socket = await site.dial(t, port)
    const shown = socket.getPeerCertificate().raw
    socket.write('GET /a HTTP/1.1\r\nHost: x:1\r\nConnection: close\r\n\r\n')
    return { shown, text: await site.untilClosed(socket) }
  }
  const before = await ask()
  assert.match(before.text, /https:\/\/x:1\/a/)
  assert.deepEqual(before.shown, Buffer.from(site.registrar.certificateChain[0]!))
  const next = await site.credential(site.domain, { subject: 'next' })
  listener.setCredential(next)
  assert.deepEqual((await ask()).shown, Buffer.from(next.certificateChain[0]!))
})

test('a port in use', async t => {
  const { port } = await serve(t, () => new Response())
  await assert.rejects(
    listenHttp({ host: '127.0.0.1', port, log: site.recordingLog(), fetch: () => new Response() }),
    error => error instanceof OnboardingError && error.code === 'port-in-use',
  )
})

test('a client that leaves while the handler thinks', async t => {
  const asked = Promise.withResolvers<AbortSignal>()
  const stream = endless()
  const free = Promise.withResolvers<Response>()
  const { port, log } = await serve(t, request => {
    asked.resolve(request.signal)
    return free.promise
  })
  const socket = await site.dialPlain(t, port)
  socket.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n')
  const signal = await asked.promise
  const aborted = once(signal, 'abort')
  socket.destroy()
  await aborted
  free.resolve(stream.answer)
  await stream.cancelled
  assert.deepEqual(
    log.lines.filter(({ level }) => level === 'error'),
    [],
  )
})
