import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer as createHttps, type Server } from 'node:https'
import { type AddressInfo, createServer as createTcp, type Server as TcpServer } from 'node:net'
import { describe, type TestContext, test } from 'node:test'
import { createServer as createTls, type TLSSocket } from 'node:tls'
import {
  createMasaClient,
  type HttpsMasaClient,
  type MasaClientOptions,
} from '../../../src/adapter/http/masa-client.ts'
import { listenTls, type TlsListener } from '../../../src/adapter/http/tls-endpoint.ts'
import { encodeBase64 } from '../../../src/codec/base64.ts'
import { extendedKeyUsageOid, extensionKinds, makeExtension } from '../../../src/codec/x509/extension.ts'
import { generateKey } from '../../../src/crypto/key.ts'
import { keySigner } from '../../../src/crypto/signer.ts'
import { type ErrorCode, OnboardingError } from '../../../src/domain/error.ts'
import type { EndpointRequest, MasaRequest } from '../../../src/domain/port.ts'
import type { TrustedManufacturer } from '../../../src/domain/site.ts'
import { eku } from '../../crypto/pki.ts'
import * as site from './site.ts'

const { altNames, credential } = site
const maker = await site.hierarchy('maker')
const masa = await credential(maker, {
  subject: 'masa',
  extensions: [altNames('masa.test', '127.0.0.1'), eku(extendedKeyUsageOid.serverAuth)],
})

/** Names the maker's issuing CA, and brings its certificate, but was not signed by it. */
async function forged(): Promise<typeof masa> {
  const thief = { certificate: maker.issuing.certificate, signer: keySigner(generateKey('P-256')) }
  return credential({ ...maker, issuing: thief }, { subject: 'masa', extensions: [altNames('127.0.0.1')] })
}

const trusted: TrustedManufacturer = {
  name: 'maker',
  anchors: [encodeBase64(maker.root.certificate.der)],
  masaAnchors: [],
  masaPrivateAddress: true,
  ignoreIdevidLifetime: false,
  quirks: [],
  addedAt: 0,
}

function inquiry(port: number, more: Partial<TrustedManufacturer> = {}, host = '127.0.0.1'): MasaRequest {
  return {
    manufacturer: { ...trusted, ...more },
    baseUrl: `https://${host}:${port}/.well-known/brski`,
    body: Buffer.from('request'),
    contentType: 'application/voucher-cms+json',
    accept: 'application/voucher-cms+json',
  }
}

function client(t: TestContext, options: MasaClientOptions = {}): HttpsMasaClient {
  const made = createMasaClient({
    resolve: async () => [{ address: '127.0.0.1', family: 4 }],
    credential: site.registrar,
    ...options,
  })
  t.after(() => made.close())
  return made
}

async function serve(t: TestContext, handler: site.Handler, as = masa): Promise<TlsListener> {
  const log = site.recordingLog()
  const endpoints = [site.endpoint(handler)]
  const listener = await listenTls({ host: '127.0.0.1', port: 0, endpoints, log, ...as, limits: { drainTime: 0 } })
  t.after(() => listener.close())
  return listener
}

/** A server that does what no honest one does. */
async function misbehave(t: TestContext, server: TcpServer | Server): Promise<number> {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => server.close())
  return (server.address() as AddressInfo).port
}

/** A TLS server that answers each chunk that it gets. */
function talker(t: TestContext, answer: (socket: TLSSocket, nth: number) => void): Promise<number> {
  let nth = 0
  const server = createTls(site.pems(masa), socket => {
    t.after(() => socket.destroy())
    socket.on('error', () => {})
    socket.on('data', () => answer(socket, nth++))
  })
  return misbehave(t, server)
}

async function fails(work: Promise<unknown>, code: ErrorCode, detail: Record<string, unknown> = {}): Promise<void> {
  await assert.rejects(work, error => {
    assert.ok(error instanceof OnboardingError, String(error))
    assert.equal(error.code, code)
    for (const [name, value] of Object.entries(detail)) assert.equal(error.detail[name], value)
    return true
  })
}

const ok: site.Handler = () => ({
  status: 200,
  headers: { 'Content-Type': 'application/voucher-cms+json' },
  body: 'voucher',
})

describe('an honest MASA', () => {
  test('gets the request with the registrar’s certificate, and its answer comes back', async t => {
    const seen: EndpointRequest[] = []
    const { port } = await serve(t, request => {
      seen.push(request)
      return { status: 406, headers: { 'Content-Type': 'text/plain' }, body: 'device-unknown-to-masa: no' }
    })
    const answer = await client(t).requestVoucher(inquiry(port))
    assert.deepEqual(
      { ...answer, body: Buffer.from(answer.body).toString() },
      { status: 406, contentType: 'text/plain', body: 'device-unknown-to-masa: no' },
    )
    const [request] = seen
    assert.equal(request!.method, 'POST')
    assert.equal(request!.path, '/.well-known/brski/requestvoucher')
    assert.equal(request!.headers['accept'], 'application/voucher-cms+json')
    assert.equal(request!.headers['content-type'], 'application/voucher-cms+json')
    assert.equal(request!.headers['content-length'], '7')
    assert.equal(request!.headers['host'], `127.0.0.1:${port}`)
    assert.equal(Buffer.from(request!.body).toString(), 'request')
    assert.deepEqual(
      request!.peer.certificates.map(der => Buffer.from(der)),
      site.registrar.certificateChain.map(der => Buffer.from(der)),
    )
  })

  test('is told its name in SNI, an address is not', async t => {
    const names: (string | false)[] = []
    const server = createHttps(site.pems(masa), (_, response) => response.end())
    server.on('secureConnection', socket => names.push(socket.servername ?? ''))
    const port = await misbehave(t, server)
    const asker = client(t)
    await asker.requestVoucher(inquiry(port, {}, 'masa.test'))
    await asker.requestVoucher(inquiry(port))
    assert.deepEqual(names, ['masa.test', false])
  })

  test('keeps its connection, but not for other terms or another credential', async t => {
    const { port, counters } = await serve(t, ok)
    const asker = client(t)
    for (let i = 0; i < 3; i++) await asker.requestVoucher(inquiry(port))
    await asker.requestAuditLog(inquiry(port))
    assert.equal(counters.connections, 1)
    await asker.requestVoucher(
      inquiry(port, { anchors: [...trusted.anchors, encodeBase64(site.domain.root.certificate.der)] }),
    )
    assert.equal(counters.connections, 2)
    asker.setCredential(site.idevid)
    await asker.requestVoucher(inquiry(port))
    assert.equal(counters.connections, 3)
  })

  test('gets no more connections at once than it should', async t => {
    const three = site.barrier(3)
    const { port, counters } = await serve(t, async () => {
      await three.arrive()
      return { status: 204 }
    })
    const asker = client(t, { limits: { connectionsPerHost: 3 } })
    const answers = await Promise.all(Array.from({ length: 30 }, () => asker.requestVoucher(inquiry(port))))
    assert.ok(answers.every(({ status }) => status === 204))
    assert.equal(counters.connections, 3)
  })

  test('may have closed the connection that we kept', async t => {
    const port = await talker(t, (socket, nth) => {
      if (nth === 1) socket.destroy()
      else socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok')
    })
    const asker = client(t)
    for (let i = 0; i < 2; i++) assert.equal((await asker.requestVoucher(inquiry(port))).status, 200)
  })
})

describe('who the MASA is', () => {
  const cases: readonly [string, Promise<typeof masa>, string][] = [
    ['of another CA', credential(site.domain, { subject: 'masa', extensions: [altNames('127.0.0.1')] }), 'untrusted'],
    ['of a forger', forged(), 'bad-signature'],
    [
      'of another name',
      credential(maker, { subject: 'masa', extensions: [altNames('other.test', '127.0.0.2')] }),
      'host-name',
    ],
    ['of that name in the subject only', credential(maker, { subject: '127.0.0.1' }), 'host-name'],
    [
      'no TLS server',
      credential(maker, { subject: 'masa', extensions: [altNames('127.0.0.1'), eku(extendedKeyUsageOid.clientAuth)] }),
      'extended-key-usage',
    ],
    [
      'past its time',
      credential(maker, { subject: 'masa', extensions: [altNames('127.0.0.1')], notAfter: new Date('2026-01-01') }),
      'expired',
    ],
  ]
  for (const [what, made, rule] of cases) {
    test(`${what}: it never sees the request`, async t => {
      const { port, counters } = await serve(t, ok, await made)
      const clock = () => Date.parse('2026-11-20T12:00:00Z')
      await fails(client(t, { clock }).requestVoucher(inquiry(port)), 'masa-untrusted', { rule, host: '127.0.0.1' })
      assert.equal(counters.requests, 0)
    })
  }

  const names: readonly [string, string, boolean][] = [
    ['masa.test', 'masa.test', true],
    ['masa.test', 'masa.test.', true],
    ['masa.test', 'MASA.test', true],
    ['masa.test', 'a.masa.test', false],
    ['*.masa.test', 'a.masa.test', true],
    ['*.masa.test', 'masa.test', false],
    ['*.masa.test', 'a.b.masa.test', false],
    ['m*.test', 'masa.test', false],
  ]
  for (const [named, asked, fits] of names) {
    test(`a certificate for ${named} is ${fits ? '' : 'not '}for ${asked}`, async t => {
      const extensions = [makeExtension(extensionKinds.subjectAltName, [{ type: 'dNSName', value: named }])]
      const { port } = await serve(t, ok, await credential(maker, { subject: 'masa.test', extensions }))
      const answer = client(t).requestVoucher(inquiry(port, {}, asked))
      if (fits) assert.equal((await answer).status, 200)
      else await fails(answer, 'masa-untrusted', { rule: 'host-name' })
    })
  }

  test('its own anchors, when there are any, count instead of those of the IDevID', async t => {
    const { port } = await serve(t, ok)
    const other = encodeBase64(site.domain.root.certificate.der)
    const asker = client(t)
    await fails(asker.requestVoucher(inquiry(port, { masaAnchors: [other] })), 'masa-untrusted', { rule: 'untrusted' })
    assert.equal(
      (await asker.requestVoucher(inquiry(port, { masaAnchors: trusted.anchors, anchors: [other] }))).status,
      200,
    )
  })
})

describe('where the MASA is', () => {
  const nowhere = { masaPrivateAddress: false }
  for (const host of ['127.0.0.1', '[::1]', '2130706433', '0x7f.1', 'localhost', 'masa.test', '[::ffff:127.0.0.1]']) {
    test(`${host} is refused unless the operator allows it`, async t => {
      const { port, counters } = await serve(t, ok)
      await fails(client(t).requestVoucher(inquiry(port, nowhere, host)), 'masa-address-refused')
      assert.equal(counters.connections, 0)
    })
  }

  for (const baseUrl of [
    'http://masa.test',
    'https://user:secret@masa.test',
    'https://user@masa.test',
    'ftp://masa.test',
    'masa.test',
    '',
  ]) {
    test(`not https alone: ${baseUrl || '(nothing)'}`, async t => {
      await fails(client(t).requestVoucher({ ...inquiry(1), baseUrl }), 'masa-address-refused')
    })
  }

  test('a name is asked for once a connection, and no second answer counts', async t => {
    const { port } = await serve(t, ok)
    let asked = 0
    const resolve = async () => [{ address: asked++ === 0 ? '127.0.0.1' : '192.0.2.1', family: 4 }]
    const asker = client(t, { resolve })
    for (let i = 0; i < 2; i++) assert.equal((await asker.requestVoucher(inquiry(port, {}, 'masa.test'))).status, 200)
    assert.equal(asked, 1)
  })
})

describe('a MASA that is down, slow or lying', () => {
  const short = { limits: { connectTime: 100, totalTime: 200 } }

  test('nobody listens', async t => {
    const listener = await serve(t, ok)
    await listener.close()
    await fails(client(t).requestVoucher(inquiry(listener.port)), 'masa-unreachable', { reason: 'ECONNREFUSED' })
  })

  test('the name has no address', async t => {
    const resolve = async () => {
      throw Object.assign(new Error('none'), { code: 'ENOTFOUND' })
    }
    await fails(client(t, { resolve }).requestVoucher(inquiry(1, {}, 'masa.test')), 'masa-unreachable', {
      reason: 'ENOTFOUND',
      host: 'masa.test',
    })
  })

  test('the name server does not answer', async t => {
    const asker = client(t, { ...short, resolve: () => new Promise(() => {}) })
    await fails(asker.requestVoucher(inquiry(1, {}, 'masa.test')), 'masa-unreachable', { reason: 'timeout' })
  })

  test('it takes the connection and says nothing', async t => {
    const port = await misbehave(
      t,
      createTcp(socket => t.after(() => socket.destroy())),
    )
    await fails(client(t, short).requestVoucher(inquiry(port)), 'masa-unreachable', { reason: 'timeout' })
  })

  test('it speaks no TLS', async t => {
    const port = await misbehave(
      t,
      createTcp(socket => socket.on('error', () => {}).end('SSH-2.0-x\r\n')),
    )
    await fails(client(t).requestVoucher(inquiry(port)), 'masa-unreachable')
  })

  test('it takes the request and says nothing', async t => {
    await fails(client(t, short).requestVoucher(inquiry(await talker(t, () => {}))), 'masa-unreachable', {
      reason: 'timeout',
    })
  })

  test('it trickles its answer', async t => {
    const port = await talker(t, socket => {
      socket.write('HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n')
      const drip = setInterval(() => socket.write('x'), 20)
      socket.on('close', () => clearInterval(drip))
    })
    await fails(client(t, short).requestVoucher(inquiry(port)), 'masa-unreachable', { reason: 'timeout' })
  })

  test('while others wait in line, they give up in time', async t => {
    const port = await talker(t, () => {})
    const asker = client(t, { limits: { ...short.limits, connectionsPerHost: 1 } })
    await Promise.all(
      [1, 2, 3].map(() => fails(asker.requestVoucher(inquiry(port)), 'masa-unreachable', { reason: 'timeout' })),
    )
  })

  const answers: readonly [string, string, ErrorCode, Record<string, unknown>][] = [
    [
      'an announced flood',
      'HTTP/1.1 200 OK\r\nContent-Length: 65537\r\n\r\n',
      'masa-answer-invalid',
      { rule: 'too-large' },
    ],
    [
      'a flood',
      `HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n${`8000\r\n${'x'.repeat(0x8000)}\r\n`.repeat(3)}`,
      'masa-answer-invalid',
      { rule: 'too-large' },
    ],
    ['endless header', `HTTP/1.1 200 OK\r\nX: ${'x'.repeat(20_000)}\r\n\r\n`, 'masa-answer-invalid', { rule: 'http' }],
    ['no HTTP', 'hello\r\n\r\n', 'masa-answer-invalid', { rule: 'http' }],
    [
      'two lengths',
      'HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nok',
      'masa-answer-invalid',
      { rule: 'http' },
    ],
    [
      'compressed',
      'HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 2\r\n\r\nok',
      'masa-answer-invalid',
      { rule: 'content-encoding' },
    ],
  ]
  for (const [what, text, code, detail] of answers) {
    test(what, async t => {
      await fails(client(t).requestVoucher(inquiry(await talker(t, socket => socket.write(text)))), code, detail)
    })
  }

  test('cut off in the middle', async t => {
    const port = await talker(t, socket => socket.end('HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf'))
    await fails(client(t).requestVoucher(inquiry(port)), 'masa-unreachable')
  })
})

describe('redirects', () => {
  const moved = (location: string, status = 307) => ({ status, headers: { Location: location } })

  test('on its own origin are followed, but not for ever', async t => {
    let left = 2
    const { port, counters } = await serve(t, ({ path }) =>
      left-- > 0 ? moved(`${path}/x`) : { status: 200, body: path },
    )
    const asker = client(t)
    const answer = await asker.requestVoucher(inquiry(port))
    assert.equal(Buffer.from(answer.body).toString(), '/.well-known/brski/requestvoucher/x/x')
    left = 1000
    await fails(asker.requestVoucher(inquiry(port)), 'masa-answer-invalid', { rule: 'redirect' })
    assert.equal(counters.requests, 3 + 4)
  })

  test('lead to one other origin, which gets the same request', async t => {
    const seen: EndpointRequest[] = []
    const last = await serve(t, request => {
      seen.push(request)
      return { status: 200 }
    })
    const first = await serve(t, () => moved(`https://127.0.0.1:${last.port}/elsewhere`, 308))
    assert.equal((await client(t).requestVoucher(inquiry(first.port))).status, 200)
    assert.deepEqual(
      [seen[0]!.method, seen[0]!.path, Buffer.from(seen[0]!.body).toString()],
      ['POST', '/elsewhere', 'request'],
    )
  })

  test('not to a second one', async t => {
    const last = await serve(t, ok)
    const second = await serve(t, () => moved(`https://127.0.0.1:${last.port}/`))
    const first = await serve(t, () => moved(`https://127.0.0.1:${second.port}/`))
    await fails(client(t).requestVoucher(inquiry(first.port)), 'masa-answer-invalid', { rule: 'redirect' })
    assert.equal(last.counters.connections, 0)
  })

  test('not to a host that the manufacturer does not vouch for', async t => {
    const other = await serve(
      t,
      ok,
      await credential(site.domain, { subject: 'x', extensions: [altNames('127.0.0.1')] }),
    )
    const first = await serve(t, () => moved(`https://127.0.0.1:${other.port}/`))
    await fails(client(t).requestVoucher(inquiry(first.port)), 'masa-untrusted')
    assert.equal(other.counters.requests, 0)
  })

  for (const location of ['http://127.0.0.1/', 'file:///etc/passwd', 'https://a:b@127.0.0.1/']) {
    test(`not to ${location}`, async t => {
      const { port } = await serve(t, () => moved(location))
      await fails(client(t).requestVoucher(inquiry(port)), 'masa-address-refused')
    })
  }

  test('an audit log that is already made is fetched', async t => {
    const { port } = await serve(t, ({ method, path, body }) =>
      method === 'POST'
        ? moved('/log/0123456789', 201)
        : { status: 200, headers: { 'Content-Type': 'application/json' }, body: `${method} ${path} ${body.length}` },
    )
    const answer = await client(t).requestAuditLog(inquiry(port))
    assert.equal(Buffer.from(answer.body).toString(), 'GET /log/0123456789 0')
    assert.equal((await client(t).requestVoucher(inquiry(port))).status, 201)
  })
})
