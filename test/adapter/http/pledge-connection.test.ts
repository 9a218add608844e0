import assert from 'node:assert/strict'
import { once } from 'node:events'
import { type AddressInfo, createServer as createTcp, type Server } from 'node:net'
import { describe, type TestContext, test } from 'node:test'
import { createServer as createTls, type SecureVersion, type TLSSocket } from 'node:tls'
import { connectPledge, type PledgeConnectOptions } from '../../../src/adapter/http/pledge-connection.ts'
import { type ErrorCode, OnboardingError } from '../../../src/domain/error.ts'
import type { EndpointRequest } from '../../../src/domain/port.ts'
import type { HttpRequest } from '../../../src/protocol/http.ts'
import * as site from './site.ts'

const limits = { timeoutMs: 5000, maxBytes: 0x1_0000 }
const get: HttpRequest = { method: 'GET', path: '/echo', headers: { Accept: 'application/pkcs7-mime' } }
const bytes = (list: readonly Uint8Array[]) => list.map(der => Buffer.from(der))

async function pledge(t: TestContext, port: number, more: Partial<PledgeConnectOptions> = {}) {
  const connection = await connectPledge({ host: '127.0.0.1', port, credential: site.idevid, timeoutMs: 5000, ...more })
  t.after(() => connection.close())
  return connection
}

async function listening(t: TestContext, server: Server): Promise<number> {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => server.close())
  return (server.address() as AddressInfo).port
}

/** A TLS server that answers each chunk that it gets. */
function talker(t: TestContext, answer: (socket: TLSSocket, nth: number) => void, version: SecureVersion = 'TLSv1.3') {
  let nth = 0
  const server = createTls({ ...site.pems(site.registrar), maxVersion: version }, socket => {
    t.after(() => socket.destroy())
    socket.on('error', () => {})
    socket.on('data', () => answer(socket, nth++))
  })
  return listening(t, server)
}

async function fails(work: Promise<unknown>, code: ErrorCode, reason?: RegExp): Promise<void> {
  await assert.rejects(work, error => {
    assert.ok(error instanceof OnboardingError, String(error))
    assert.equal(error.code, code)
    if (reason !== undefined) assert.match(String(error.detail['reason'] ?? error.detail['rule']), reason)
    return true
  })
}

describe('a pledge', () => {
  test('takes any registrar, gets its whole chain, and says who it is', async t => {
    const seen: EndpointRequest[] = []
    const endpoint = site.endpoint(request => {
      seen.push(request)
      return { status: 200, headers: { 'Content-Type': 'text/plain', 'X-Twice': 'a' }, body: 'ok' }
    })
    const { port, counters } = await site.site(t, { endpoints: [endpoint] })
    const connection = await pledge(t, port)
    assert.deepEqual(bytes(connection.serverCertificates), bytes(site.registrar.certificateChain))
    assert.equal(connection.protocol, 'TLSv1.3')
    const body = Buffer.from('request')
    const reply = await connection.request(
      { method: 'POST', path: '/a', headers: { 'Content-Type': 'x/y' }, body },
      limits,
    )
    assert.equal(reply.status, 200)
    assert.equal(reply.headers['content-type'], 'text/plain')
    assert.equal(Buffer.from(reply.body).toString(), 'ok')
    await connection.request(get, limits)
    const [first, second] = seen
    assert.deepEqual(bytes(first!.peer.certificates), bytes(site.idevid.certificateChain))
    assert.equal(first!.headers['content-length'], '7')
    assert.equal(first!.headers['host'], `127.0.0.1:${port}`)
    assert.equal(second!.headers['accept'], 'application/pkcs7-mime')
    assert.equal(second!.headers['content-length'], undefined)
    assert.equal(first!.peer.connection, second!.peer.connection)
    assert.deepEqual(Buffer.from(first!.peer.channelBinding()!), Buffer.from(connection.channelBinding()!))
    assert.equal(counters.connections, 1)
  })

  test('sends a length even for an empty body', async t => {
    const { port } = await site.site(t)
    const reply = await (await pledge(t, port)).request({ method: 'POST', path: '/echo', headers: {} }, limits)
    assert.equal(JSON.parse(Buffer.from(reply.body).toString()).headers['content-length'], '0')
  })

  test('speaks TLS 1.2 where the registrar speaks no other', async t => {
    const port = await talker(t, socket => socket.write('HTTP/1.1 204 No Content\r\n\r\n'), 'TLSv1.2')
    const connection = await pledge(t, port)
    assert.equal(connection.protocol, 'TLSv1.2')
    assert.equal(connection.channelBinding()?.length, 12)
    assert.deepEqual(bytes(connection.serverCertificates), bytes(site.registrar.certificateChain))
    assert.equal((await connection.request(get, limits)).status, 204)
  })

  test('may keep silent about who it is', async t => {
    const seen: number[] = []
    const endpoint = site.endpoint(({ peer }) => {
      seen.push(peer.certificates.length)
      return { status: 204 }
    })
    const { port } = await site.site(t, { endpoints: [endpoint] })
    const connection = await connectPledge({ host: '127.0.0.1', port, timeoutMs: 5000 })
    t.after(() => connection.close())
    await connection.request(get, limits)
    assert.deepEqual(seen, [0])
  })

  test('omits SNI', async t => {
    const server = createTls(site.pems(site.registrar))
    const port = await listening(t, server)
    const [[accepted]] = await Promise.all([once(server, 'secureConnection'), pledge(t, port, { host: 'localhost' })])
    assert.equal((accepted as TLSSocket).servername, false)
    accepted.destroy()
  })

  test('asks one thing after the other', async t => {
    const order: string[] = []
    const endpoint = site.endpoint(async ({ path }) => {
      order.push(`+${path}`)
      await new Promise(setImmediate)
      order.push(`-${path}`)
      return { status: 204 }
    })
    const { port } = await site.site(t, { endpoints: [endpoint] })
    const connection = await pledge(t, port)
    await Promise.all(['/1', '/2', '/3'].map(path => connection.request({ ...get, path }, limits)))
    assert.deepEqual(order, ['+/1', '-/1', '+/2', '-/2', '+/3', '-/3'])
  })
})

describe('a registrar that is gone, slow or lying', () => {
  test('nobody listens', async t => {
    const listener = await site.site(t)
    await listener.close()
    await fails(pledge(t, listener.port), 'registrar-unreachable', /ECONNREFUSED/)
  })

  test('takes the connection and says nothing', async t => {
    const port = await listening(
      t,
      createTcp(socket => t.after(() => socket.destroy())),
    )
    await fails(pledge(t, port, { timeoutMs: 50 }), 'registrar-unreachable', /timeout/)
  })

  test('is given up when the device is told to stop', async t => {
    const port = await listening(
      t,
      createTcp(socket => t.after(() => socket.destroy())),
    )
    const stop = new AbortController()
    const waiting = pledge(t, port, { signal: stop.signal })
    stop.abort()
    await fails(waiting, 'registrar-unreachable')
    await fails(pledge(t, port, { signal: stop.signal }), 'registrar-unreachable')
  })

  test('is given up in the middle of a request', async t => {
    const asked = Promise.withResolvers<void>()
    const port = await talker(t, () => asked.resolve())
    const stop = new AbortController()
    const connection = await pledge(t, port, { signal: stop.signal })
    const waiting = connection.request(get, limits)
    await asked.promise
    stop.abort()
    await fails(waiting, 'registrar-unreachable')
  })

  test('answers too late, and the late answer is not taken for that of the next request', async t => {
    const port = await talker(t, () => {})
    const connection = await pledge(t, port)
    await fails(connection.request(get, { ...limits, timeoutMs: 50 }), 'registrar-unreachable', /timeout/)
    await fails(connection.request(get, limits), 'registrar-unreachable')
  })

  test('hangs up: no second connection is opened', async t => {
    let connections = 0
    const server = createTls(site.pems(site.registrar), socket => {
      connections++
      socket.on('error', () => {})
      socket.once('data', () => socket.end('HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok'))
    })
    const connection = await pledge(t, await listening(t, server))
    assert.equal((await connection.request(get, limits)).status, 200)
    await fails(connection.request(get, limits), 'registrar-unreachable')
    assert.equal(connections, 1)
  })

  const answers: readonly [string, string, ErrorCode][] = [
    ['an announced flood', 'HTTP/1.1 200 OK\r\nContent-Length: 65537\r\n\r\n', 'registrar-answer-invalid'],
    [
      'a flood',
      `HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n${`8000\r\n${'x'.repeat(0x8000)}\r\n`.repeat(3)}`,
      'registrar-answer-invalid',
    ],
    ['endless header', `HTTP/1.1 200 OK\r\nX: ${'x'.repeat(20_000)}\r\n\r\n`, 'registrar-answer-invalid'],
    ['no HTTP', 'hello\r\n\r\n', 'registrar-answer-invalid'],
    [
      'both lengths',
      'HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n',
      'registrar-answer-invalid',
    ],
  ]
  for (const [what, text, code] of answers) {
    test(what, async t => {
      const connection = await pledge(t, await talker(t, socket => socket.write(text)))
      await fails(connection.request(get, limits), code)
    })
  }

  test('cut off in the middle', async t => {
    const port = await talker(t, socket => socket.end('HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf'))
    await fails((await pledge(t, port)).request(get, limits), 'registrar-unreachable')
  })

  test('speaks old TLS', async t => {
    const server = createTls({
      ...site.pems(site.registrar),
      minVersion: 'TLSv1',
      maxVersion: 'TLSv1.1',
      ciphers: 'DEFAULT@SECLEVEL=0',
    })
    server.on('tlsClientError', () => {})
    await fails(pledge(t, await listening(t, server)), 'registrar-unreachable', /SSL/)
  })
})
