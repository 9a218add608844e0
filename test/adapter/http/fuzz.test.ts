import assert from 'node:assert/strict'
import { connect } from 'node:net'
import { test } from 'node:test'
import fc from 'fast-check'
import { isPermitted } from '../../../src/adapter/http/address-guard.ts'
import { listenHttp } from '../../../src/adapter/http/api-server.ts'
import { listenPlain } from '../../../src/adapter/http/tls-endpoint.ts'
import * as site from './site.ts'

const pieces = fc.oneof(
  fc.constantFrom(
    'GET',
    'POST',
    ' ',
    '/echo',
    '/',
    'HTTP/1.1',
    'HTTP/1.0',
    '\r\n',
    '\r\n\r\n',
    '\n',
    '\r',
    ':',
    ';',
    ',',
  ),
  fc.constantFrom(
    'Host: x',
    'Content-Length: 5',
    'Content-Length: -1',
    'Transfer-Encoding: chunked',
    'Connection: close',
  ),
  fc.constantFrom(
    'Expect: 100-continue',
    'Upgrade: h2c',
    '5\r\nabcde\r\n',
    '0\r\n\r\n',
    'http://a:b@c/',
    'CONNECT a:1',
    '*',
  ),
  fc.string({ unit: 'binary', maxLength: 20 }),
)
const streams = fc.oneof(
  fc.array(pieces, { maxLength: 30 }).map(list => list.join('')),
  // A sound request with one octet changed.
  fc.tuple(fc.nat(), fc.nat(255)).map(([at, octet]) => {
    const sound = Buffer.from(site.post('/echo', 'abcde', 'Content-Type: text/plain', 'Connection: close'))
    sound[at % sound.length] = octet
    return sound.toString('latin1')
  }),
)

/** All that is answered to these octets, until the connection is closed. */
function say(port: number, octets: string): Promise<string> {
  return new Promise(resolve => {
    const socket = connect({ host: '127.0.0.1', port, allowHalfOpen: true })
    let text = ''
    socket.on('data', chunk => {
      text += chunk.toString('latin1')
    })
    socket.on('error', () => {})
    socket.on('close', () => resolve(text))
    socket.on('end', () => socket.end())
    // Most of what came before is at an end with this, so that nobody has to wait for a timeout.
    socket.write(`${octets}\r\n\r\nGET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`, 'latin1')
  })
}

async function survives(port: number): Promise<void> {
  const statuses = new Set<string>()
  const property = fc.asyncProperty(streams, async octets => {
    const answer = await say(port, octets)
    assert.match(answer, /^(HTTP\/1\.1 [1-4]\d\d |$)/)
    statuses.add(answer.slice(9, 12))
  })
  await fc.assert(property, { numRuns: 300 })
  // Else nothing was tried.
  assert.ok(statuses.has('200') && statuses.has('400'), [...statuses].join())
}

const limits = { headerTime: 50, requestTime: 50, idleTime: 50, lingerTime: 10, drainTime: 0 }

test('whatever octets come: HTTP or nothing is answered, never a fault of ours, and the door stays open', async t => {
  const log = site.recordingLog()
  const listener = await listenPlain({ host: '127.0.0.1', port: 0, endpoints: [site.echo], log, limits })
  t.after(() => listener.close())
  await survives(listener.port)
  assert.deepEqual(
    log.lines.filter(({ level }) => level !== 'info'),
    [],
  )
})

test('whatever octets come: the same for the API', async t => {
  const log = site.recordingLog()
  const fetch = async (request: Request) => new Response(`${request.method} ${(await request.text()).length}`)
  const listener = await listenHttp({ host: '127.0.0.1', port: 0, log, fetch, limits })
  t.after(() => listener.close())
  await survives(listener.port)
  assert.deepEqual(
    log.lines.filter(({ level }) => level !== 'info'),
    [],
  )
})

test('an address is permitted, or not, whatever it is', () => {
  const addresses = fc.oneof(
    fc.ipV4(),
    fc.ipV6(),
    fc.string(),
    fc.ipV4Extended(),
    fc.ipV4().map(v4 => `::ffff:${v4}`),
  )
  fc.assert(
    fc.property(addresses, address => {
      // Whatever a stranger may be sent to, the operator's friends may be sent to as well.
      if (isPermitted(address, false)) assert.equal(isPermitted(address, true), true)
    }),
  )
  fc.assert(
    fc.property(fc.ipV4(), v4 => {
      for (const near of [false, true]) assert.equal(isPermitted(`::ffff:${v4}`, near), isPermitted(v4, near))
    }),
  )
})
