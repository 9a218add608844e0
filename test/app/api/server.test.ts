import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import * as z from 'zod'
import type { Handler, Handlers } from '../../../src/app/api/service.ts'
import { decodePemBlock } from '../../../src/codec/pem.ts'
import { decodeCertificate } from '../../../src/codec/x509/certificate.ts'
import { errorCatalogue } from '../../../src/domain/error.ts'
import { strictly, withWorld } from './world.ts'

describe('the check of replies', () => {
  test('sees a member that the contract does not have', () => {
    const schema = strictly(z.object({ items: z.array(z.object({ id: z.string() })), next: z.object({}).optional() }))
    assert.ok(schema.safeParse({ items: [{ id: 'a' }], next: {} }).success)
    assert.ok(!schema.safeParse({ items: [{ id: 'a', hash: 'b' }] }).success)
    assert.ok(!schema.safeParse({ items: [], next: { more: 1 } }).success)
  })
})

describe('the types of the contract', () => {
  test('refuse a handler that is missing, answers something else, or asks for what is not sent', async () => {
    // @ts-expect-error another answer
    const other: Handler<'health'> = async () => ({ status: 'fine' })
    // @ts-expect-error a member of the answer is missing
    const less: Handler<'manufacturerDistrust'> = async () => ({})
    // @ts-expect-error no such parameter
    const more: Handler<'deviceShow'> = async ({ params: { name } }) => name
    // @ts-expect-error all others are missing
    const few: Handlers = { health: async () => ({ status: 'ok' }) }
    assert.deepEqual(
      [other, less, more].map(each => typeof each),
      ['function', 'function', 'function'],
    )
    assert.deepEqual(await few.health({}, { id: '', by: '' }), { status: 'ok' })
  })
})

describe('site', () => {
  test('names itself, its certificates and its devices', () =>
    withWorld(async ({ call, services }) => {
      const site = await call('siteShow', {})
      assert.equal(site.network, 'harbour-iot')
      assert.equal(site.onboardingPort, 8443)
      const ders = site.certificates.map(pem => decodeCertificate(decodePemBlock('CERTIFICATE', pem)).der)
      const { registrar, issuing, root } = services.site
      assert.deepEqual(
        ders.map(der => Buffer.from(der)),
        [registrar, issuing, root].map(({ der }) => Buffer.from(der)),
      )
      assert.equal(
        Object.values(site.devices).reduce((sum, count) => sum + count),
        0,
      )
    }))

  test('anybody may ask for health and the catalogue', () =>
    withWorld(async ({ ask }) => {
      assert.deepEqual((await ask('/healthz')).json, { status: 'ok' })
      const { items } = (await ask('/v1/errors')).json as { items: { code: string }[] }
      assert.deepEqual(items.map(({ code }) => code).sort(), Object.keys(errorCatalogue).sort())
    }))

  test('is not healthy without its record', () =>
    withWorld(async ({ ask, services, log }) => {
      await services.store.close()
      const { status, json, headers } = await ask('/healthz')
      assert.equal(status, 503)
      assert.equal(json['code'], 'store-unavailable')
      assert.equal(headers.get('retry-after'), '5')
      assert.deepEqual(log.lines, [])
    }))
})

describe('tokens', () => {
  test('are shown once, work, and end', () =>
    withWorld(async ({ call, ask, pass, log }) => {
      const made = await call('tokenCreate', { body: { name: 'night-shift', roles: ['auditor'], lifetimeDays: 1 } })
      assert.match(made.token, /^mrg_[A-Za-z0-9_-]{43}$/)
      assert.equal(made.expiresAt, '2026-11-21T08:00:00.000Z')
      const list = JSON.stringify(await call('tokenList', {}))
      assert.ok(!list.includes(made.token))
      assert.ok(list.includes('night-shift'))
      assert.equal((await ask('/v1/site', { token: made.token })).status, 200)
      pass(86_400_000)
      assert.equal((await ask('/v1/site', { token: made.token })).json['code'], 'not-authenticated')
      assert.ok(!JSON.stringify(log.lines).includes(made.token))
    }))

  test('that are revoked end at once', () =>
    withWorld(async ({ call, ask, makeToken }) => {
      const { id, text } = await makeToken('operator')
      assert.equal((await ask('/v1/site', { token: text })).status, 200)
      const revoked = await call('tokenRevoke', { params: { id } })
      assert.equal(revoked.revokedAt, '2026-11-20T08:00:00.000Z')
      assert.equal((await ask('/v1/site', { token: text })).status, 401)
      assert.deepEqual(await call('tokenRevoke', { params: { id } }), revoked)
    }))
})

describe('every answer', () => {
  test('has an id and the headers that keep a browser from being clever', () =>
    withWorld(async ({ ask, tokens }) => {
      const answers = [
        await ask('/healthz'),
        await ask('/v1/site'),
        await ask('/nothing'),
        await ask('/v1/site', { token: tokens.auditor }),
        await ask('/v1/site', { method: 'OPTIONS', headers: { origin: 'https://evil.example' } }),
      ]
      assert.deepEqual(
        answers.map(({ status }) => status),
        [200, 401, 404, 200, 405],
      )
      const ids = answers.map(({ headers }) => headers.get('x-request-id'))
      assert.equal(new Set(ids).size, answers.length)
      for (const { headers } of answers) {
        assert.match(headers.get('x-request-id') ?? '', /^[0-9a-f]{18}$/)
        assert.equal(headers.get('x-content-type-options'), 'nosniff')
        assert.equal(headers.get('cache-control'), 'no-store')
        assert.match(headers.get('content-security-policy') ?? '', /default-src 'none'/)
        assert.deepEqual(
          [...headers.keys()].filter(name => name.startsWith('access-control')),
          [],
        )
      }
    }))

  test('that refuses is a problem of the catalogue', () =>
    withWorld(async ({ ask, tokens }) => {
      const { status, headers, json } = await ask(`/v1/devices/${'0'.repeat(24)}`, { token: tokens.auditor })
      assert.equal(status, 404)
      assert.equal(headers.get('content-type'), 'application/problem+json')
      assert.deepEqual(json, {
        type: 'urn:mooring:error:device-not-found',
        title: errorCatalogue['device-not-found'].title,
        status: 404,
        detail: errorCatalogue['device-not-found'].cause,
        code: 'device-not-found',
        action: errorCatalogue['device-not-found'].action,
        facts: { device: '0'.repeat(24) },
        instance: `urn:mooring:request:${headers.get('x-request-id')}`,
      })
    }))

  test('to a fault of ours tells its id and nothing else', () =>
    withWorld(
      async ({ ask, tokens, log }) => {
        const { status, json, text, headers } = await ask(`/v1/approvals/${'0'.repeat(24)}/grant`, {
          method: 'POST',
          token: tokens.operator,
        })
        assert.equal(status, 500)
        assert.equal(json['code'], 'internal')
        assert.ok(!text.includes('insides'))
        assert.ok(!text.includes('server.ts'))
        const id = headers.get('x-request-id')
        assert.deepEqual(json['facts'], { id })
        const [line] = log.lines.filter(({ level }) => level === 'error')
        assert.equal(line?.facts['id'], id)
        assert.match(String(line?.facts['err']), /insides/)
      },
      {
        services: {
          approval: {
            grant: () => Promise.reject(new TypeError('our insides')),
            deny: () => Promise.reject(new TypeError('our insides')),
            withdraw: () => Promise.reject(new TypeError('our insides')),
          },
        },
      },
    ))

  test('to another method names those that there are', () =>
    withWorld(async ({ ask }) => {
      const { status, headers, json } = await ask('/v1/devices', { method: 'PATCH' })
      assert.equal(status, 405)
      assert.equal(headers.get('allow'), 'GET, POST')
      assert.equal(json['code'], 'method-not-allowed')
      assert.equal((await ask('/openapi.json', { method: 'POST' })).headers.get('allow'), 'GET')
    }))

  test('to HEAD is the answer to GET without its body', () =>
    withWorld(async ({ ask, tokens, server }) => {
      const { status, text } = await ask('/healthz', { method: 'HEAD' })
      assert.equal(status, 200)
      assert.equal(text, '')
      const stream = await server.fetch(
        new Request('http://site.test/v1/events', {
          method: 'HEAD',
          headers: { accept: 'text/event-stream', authorization: `Bearer ${tokens.auditor}` },
        }),
      )
      assert.equal(stream.headers.get('content-type'), 'application/json')
    }))
})
