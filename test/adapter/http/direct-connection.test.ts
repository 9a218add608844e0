import assert from 'node:assert/strict'
import { once } from 'node:events'
import { describe, test } from 'node:test'
import type { HttpLimits } from '../../../src/adapter/http/limit.ts'
import * as site from './site.ts'

const get = (path: string) => `GET ${path} HTTP/1.1\r\nHost: x\r\n\r\n`
const large = Buffer.alloc(1 << 20, 'x')
const huge = Buffer.alloc(32 << 20, 'x')

/** A listener whose answers are large, and the paths that its endpoint was asked for. */
async function target(t: Parameters<typeof site.site>[0], limits: Partial<HttpLimits> = {}) {
  const paths: string[] = []
  const endpoint = site.endpoint(({ path }) => {
    paths.push(path)
    return { status: 200, body: path === '/small' ? 'small' : path === '/huge' ? huge : large }
  })
  return { paths, ...(await site.site(t, { endpoints: [endpoint], limits })) }
}

describe('a peer that is answered without node:http', () => {
  test('and does not read is not asked for more than the connection takes, and gets every answer when it does', async t => {
    const { port, paths } = await target(t)
    const deaf = await site.dial(t, port)
    deaf.pause()
    const other = await site.dial(t, port)
    for (let n = 0; n < 30; n++) {
      deaf.write(get('/large'))
      // When this is answered, what came before it has been.
      other.write(get('/small'))
      await site.nextAnswer(other)
    }
    assert.ok(paths.filter(path => path === '/large').length < 20)
    let octets = 0
    const all = new Promise<void>(resolve => {
      deaf.on('data', (chunk: Buffer) => {
        octets += chunk.length
        if (octets >= 30 * large.length) resolve()
      })
    })
    deaf.resume()
    await all
    assert.equal(paths.filter(path => path === '/large').length, 30)
  })

  test('is asked nothing more after the last answer of its connection', async t => {
    const { port, paths } = await target(t, { requestsPerConnection: 1 })
    const deaf = await site.dial(t, port)
    deaf.on('error', () => {})
    deaf.pause()
    const other = () => site.dial(t, port)
    for (let n = 0; n < 5; n++) {
      deaf.write(get('/huge'))
      const socket = await other()
      socket.write(get('/small'))
      await site.nextAnswer(socket)
    }
    assert.deepEqual(
      paths.filter(path => path !== '/small'),
      ['/huge'],
    )
  })

  test('gets its answer whole when the listener closes meanwhile', async t => {
    const listener = await target(t, { drainTime: 10_000 })
    const deaf = await site.dial(t, listener.port)
    deaf.pause()
    deaf.write(get('/huge'))
    const other = await site.dial(t, listener.port)
    other.write(get('/small'))
    await site.nextAnswer(other)
    const closed = listener.close()
    await once(other, 'close')
    let octets = 0
    deaf.on('data', (chunk: Buffer) => {
      octets += chunk.length
    })
    deaf.resume()
    await once(deaf, 'close')
    assert.ok(octets > huge.length)
    await closed
  })
})
