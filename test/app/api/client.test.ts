import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { createClient } from '../../../src/app/api/client.ts'
import { OnboardingError } from '../../../src/domain/error.ts'
import { expectDevice } from '../../../src/role/supply-chain/import.ts'
import { trustManufacturer } from '../../../src/role/supply-chain/trust.ts'
import { openFactory } from '../../role/factory/factory.ts'
import { type World, withWorld } from './world.ts'

function clientOf({ server, tokens }: World, over: Partial<Parameters<typeof createClient>[0]> = {}) {
  const send: typeof fetch = (input, init) => server.fetch(new Request(input as string, init))
  return createClient({ url: 'http://site.test', token: tokens.administrator, fetch: send, ...over })
}

async function codeOf(work: Promise<unknown>): Promise<string> {
  const error = await work.then(
    () => undefined,
    (thrown: unknown) => thrown,
  )
  assert.ok(error instanceof OnboardingError, String(error))
  return error.code
}

const answering = (body: string | null, init?: ResponseInit) => ({ fetch: async () => new Response(body, init) })

describe('the client', () => {
  test('calls operations by their name, with types', () =>
    withWorld(async world => {
      const client = clientOf(world)
      const site = await client.siteShow()
      assert.equal(site.network, 'harbour-iot')
      assert.deepEqual((await client.deviceList({ query: { limit: 5, rung: 'connected' } })).items, [])
      const made = await client.tokenCreate({ body: { name: 'night-shift', roles: ['auditor'] } })
      const revoked = await client.tokenRevoke({ params: { id: made.id } })
      assert.equal(revoked.id, made.id)
      // @ts-expect-error no such role
      assert.equal(await codeOf(client.tokenCreate({ body: { name: 'x', role: 'root' } })), 'input-invalid')
      // @ts-expect-error a body is needed
      assert.equal(await codeOf(client.tokenCreate()), 'input-invalid')
    }))

  test('throws what the site answered', () =>
    withWorld(async world => {
      const id = '0'.repeat(24)
      const error = await clientOf(world)
        .deviceShow({ params: { id } })
        .catch((thrown: unknown) => thrown)
      assert.ok(error instanceof OnboardingError)
      assert.deepEqual([error.code, error.detail], ['device-not-found', { device: id }])
      assert.equal(await codeOf(clientOf(world, { token: 'mrg_x' }).siteShow()), 'not-authenticated')
      assert.equal(await codeOf(clientOf(world, { token: world.tokens.operator }).tokenList()), 'not-permitted')
    }))

  test('tells nobody there from somebody else there', () =>
    withWorld(async world => {
      const refused = () =>
        Promise.reject(Object.assign(new TypeError('fetch failed'), { cause: new Error('ECONNREFUSED') }))
      assert.equal(await codeOf(clientOf(world, { fetch: refused }).health()), 'service-unreachable')
      const others = [
        answering('<html>'),
        answering('<html>', { status: 502 }),
        answering('{"status":"fine"}'),
        answering('{}', { status: 404 }),
        answering('{"code":"of-the-future","title":"Newer"}', { status: 418 }),
        answering('[]'),
        answering(null),
      ]
      for (const other of others) assert.equal(await codeOf(clientOf(world, other).health()), 'service-answer-invalid')
      for (const url of ['ftp://site.test', 'site.test', 'http://user@site.test', 'http://site.test/?token=x']) {
        assert.equal(await codeOf(clientOf(world, { url }).health()), 'input-invalid', url)
      }
    }))

  test('follows no redirection with its token', () =>
    withWorld(async world => {
      const seen: (RequestInit | undefined)[] = []
      const send: typeof fetch = async (_, init) => {
        seen.push(init)
        return new Response('{"status":"ok"}')
      }
      await clientOf(world, { fetch: send }).health()
      assert.equal(seen[0]?.redirect, 'error')
    }))

  test('lets names be no paths', () =>
    withWorld(async world => {
      const urls: string[] = []
      const send: typeof fetch = async input => {
        urls.push(input as string)
        return new Response('{}')
      }
      const client = clientOf(world, { fetch: send, url: 'http://site.test/behind/a/proxy/' })
      await codeOf(client.manufacturerDistrust({ params: { name: '../tokens?x=1#' } }))
      assert.deepEqual(urls, ['http://site.test/behind/a/proxy/v1/manufacturers/..%2Ftokens%3Fx%3D1%23'])
    }))
})

describe('following', () => {
  test('goes on behind the last event after each break, and ends with the token', async () => {
    const factory = await openFactory({ name: 'Fjord Sensors' })
    await withWorld(async world => {
      const { services, makeToken, call, server } = world
      const anchors = [factory.manufacturer.deviceRoot.der]
      await trustManufacturer(services, { name: 'fjord', anchors }, 'test')
      const { id, text } = await makeToken('operator')
      const { cursor } = await call('eventList', { query: { limit: 1000 } })
      const breaks: (() => void)[] = []
      const breaking: typeof fetch = async (input, init) => {
        const cut = new AbortController()
        breaks.push(() => cut.abort(new Error('cable pulled')))
        const response = await server.fetch(new Request(input as string, init))
        if (response.body === null) return response
        const body = response.body.pipeThrough(new TransformStream(), { signal: cut.signal })
        return new Response(body, response)
      }
      const retries: unknown[] = []
      const pauses: number[] = []
      const events = clientOf(world, { token: text, fetch: breaking }).follow({
        cursor,
        onRetry: error => retries.push(error),
        sleep: async milliseconds => {
          pauses.push(milliseconds)
        },
      })
      const seen: string[] = []
      for (let n = 0; n < 4; n++) {
        const next = events.next()
        await expectDevice(services.store, { manufacturer: 'fjord', serial: `S-${n}` }, 'test')
        const { value } = await next
        seen.push(String(value?.event.body['serial']))
        breaks.pop()!()
      }
      assert.deepEqual(seen, ['S-0', 'S-1', 'S-2', 'S-3'])
      assert.equal(retries.length, 3)
      assert.deepEqual(pauses, [2000, 2000, 2000])
      await services.access.revoke(id, 'test')
      assert.equal(await codeOf(events.next()), 'not-authenticated')
    })
    await factory.opened.close()
  })

  test('throws when the first connection fails, and waits longer after each later failure', () =>
    withWorld(async world => {
      const refused = () => Promise.reject(new TypeError('fetch failed'))
      assert.equal(await codeOf(clientOf(world, { fetch: refused }).follow().next()), 'service-unreachable')
      let calls = 0
      const once: typeof fetch = () =>
        calls++ === 0
          ? Promise.resolve(new Response('retry: 1000\n\n', { headers: { 'content-type': 'text/event-stream' } }))
          : refused()
      const pauses: number[] = []
      const stop = new AbortController()
      const events = clientOf(world, { fetch: once }).follow({
        signal: stop.signal,
        sleep: async milliseconds => {
          if (pauses.push(milliseconds) === 8) stop.abort()
        },
      })
      assert.deepEqual(await events.next(), { done: true, value: undefined })
      assert.deepEqual(pauses, [1000, 2000, 4000, 8000, 16_000, 30_000, 30_000, 30_000])
    }))

  test('ends when told to', () =>
    withWorld(async world => {
      const stop = new AbortController()
      const { cursor } = await world.call('eventList', { query: { limit: 1000 } })
      const next = clientOf(world).follow({ cursor, signal: stop.signal }).next()
      stop.abort()
      assert.deepEqual(await next, { done: true, value: undefined })
    }))
})
