import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { connect, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { createClient } from '../../../src/app/api/client.ts'
import { listenApi } from '../../../src/app/api/listen.ts'
import { openSite, type Site } from '../../../src/app/site.ts'
import { expectDevice } from '../../../src/role/supply-chain/import.ts'
import { trustManufacturer } from '../../../src/role/supply-chain/trust.ts'
import { partyStore, silentLog } from '../../store.ts'

let directory: string
let site: Site
let token: string
let listener: Awaited<ReturnType<typeof listenApi>>

before(async () => {
  directory = await mkdtemp(join(tmpdir(), 'mooring-api-'))
  const place = { host: '127.0.0.1', port: 0 }
  site = await openSite({
    network: 'harbour-iot',
    owner: 'harbour',
    data: join(directory, 'site'),
    log: silentLog,
    ...place,
    ...(await partyStore()),
  })
  token = (await site.firstToken())!.revealText()
  listener = await listenApi(site, place)
})

after(async () => {
  await listener.close()
  await site.close()
  await rm(directory, { recursive: true })
})

const client = () => createClient({ url: `http://127.0.0.1:${listener.port}`, token })

/** Octets as they are, to a server that may be rude to. */
async function raw(...pieces: readonly string[]): Promise<Socket> {
  const socket = connect(listener.port, '127.0.0.1')
  await once(socket, 'connect')
  for (const piece of pieces) socket.write(piece)
  return socket
}

async function answerTo(...pieces: readonly string[]): Promise<string> {
  const socket = await raw(...pieces)
  let text = ''
  for await (const chunk of socket) text += String(chunk)
  return text
}

const head = (line: string, ...fields: readonly string[]) =>
  [
    `${line} HTTP/1.1`,
    'Host: site.test',
    'Connection: close',
    `Authorization: Bearer ${token}`,
    ...fields,
    '',
    '',
  ].join('\r\n')

describe('the API over a socket', () => {
  test('answers the client', async () => {
    assert.equal((await client().siteShow()).network, 'harbour-iot')
    const made = await client().tokenCreate({ body: { name: 'x', roles: ['auditor'] } })
    assert.equal((await client().tokenRevoke({ params: { id: made.id } })).id, made.id)
    await assert.rejects(client().deviceShow({ params: { id: '0'.repeat(24) } }), { code: 'device-not-found' })
    const stranger = createClient({ url: `http://127.0.0.1:${listener.port}` })
    await assert.rejects(stranger.siteShow(), { code: 'not-authenticated' })
    await assert.rejects(createClient({ url: 'http://127.0.0.1:1' }).health(), { code: 'service-unreachable' })
  })

  test('takes no more of a body than the operation wants', async () => {
    const body = 'x'.repeat(100_000)
    const announced = await answerTo(
      head('POST /v1/tokens', 'Content-Type: application/json', `Content-Length: ${body.length}`),
      body,
    )
    assert.match(announced, /^HTTP\/1.1 413 /)
    assert.match(announced, /"code":"request-too-large"/)
    const chunk = `${body.length.toString(16)}\r\n${body}\r\n`
    const chunked = await answerTo(
      head('POST /v1/tokens', 'Content-Type: application/json', 'Transfer-Encoding: chunked'),
      chunk,
      '0\r\n\r\n',
    )
    assert.match(chunked, /^HTTP\/1.1 413 /)
  })

  test('answers what no browser would send', async () => {
    assert.match(await answerTo(head('GET /v1/devices/..%2f..%2fetc')), /^HTTP\/1.1 400 [\s\S]*"input-invalid"/)
    assert.match(await answerTo(head('GET http://other.test/v1/site')), /^HTTP\/1.1 200 /)
    assert.match(await answerTo(head('GET /v1/site?x=%0d%0aSet-Cookie:a')), /^HTTP\/1.1 400 /)
    assert.match(await answerTo(head('TRACE /v1/site')), /^HTTP\/1.1 (405|501|400) /)
    assert.match(await answerTo(head('GET /v1/site', 'X: a\nb')), /^HTTP\/1.1 400 /)
  })

  test('takes a manifest that is larger than any other body', async () => {
    const manifest = Buffer.alloc(12_000_000, 0x41).toString('base64')
    await assert.rejects(client().manifestImport({ body: { manifest } }), { code: 'manifest-invalid' })
  })

  test('lets follow what happens, until the client leaves', async () => {
    await trustManufacturer(site, { name: 'fjord', anchors: [site.authority.root.der] }, 'test')
    const { cursor } = await client().eventList({ query: { limit: 1000 } })
    const stop = new AbortController()
    const events = client().follow({ cursor, signal: stop.signal })
    const next = events.next()
    await expectDevice(site.store, { manufacturer: 'fjord', serial: 'S-1' }, 'test')
    assert.equal((await next).value?.event.kind, 'device-expected')
    const waiting = events.next()
    stop.abort()
    assert.deepEqual(await waiting, { done: true, value: undefined })
  })

  test('ends streams when it closes, and does not wait for clients that do not read', async () => {
    const other = await listenApi(site, { host: '127.0.0.1', port: 0 })
    const lazy = connect(other.port, '127.0.0.1')
    lazy.write(head('GET /v1/events', 'Accept: text/event-stream'))
    lazy.pause()
    const reader = createClient({ url: `http://127.0.0.1:${other.port}`, token }).follow({
      sleep: async () => {},
      onRetry: () => {},
    })
    assert.equal((await reader.next()).done, false)
    const closed = other.close()
    const { cursor } = await client().eventList({ query: { limit: 1000 } })
    assert.ok(cursor)
    await closed
    lazy.destroy()
    await reader.return()
  })

  test('does not wait for connections on which nothing was asked', async () => {
    const other = await listenApi(site, { host: '127.0.0.1', port: 0 })
    const silent = connect(other.port, '127.0.0.1')
    await once(silent, 'connect')
    const url = `http://127.0.0.1:${other.port}`
    await createClient({ url, token }).health()
    const gone = once(silent, 'close')
    await other.close()
    await gone
  })
})
