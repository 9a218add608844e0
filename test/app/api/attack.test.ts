import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import fc from 'fast-check'
import { networkOf } from '../../../src/app/api/authentication.ts'
import { decodeCursor, encodeCursor } from '../../../src/app/api/cursor.ts'
import { OnboardingError } from '../../../src/domain/error.ts'
import { openWorld, type World } from './world.ts'

let world: World
before(async () => {
  world = await openWorld({ failuresPerMinute: 1_000_000 })
})
after(() => world.close())

const json = { 'content-type': 'application/json' }

async function post(path: string, body: string | Uint8Array | ReadableStream, headers: Record<string, string> = json) {
  const init = { method: 'POST', body, headers, token: world.tokens.administrator, duplex: 'half' } as RequestInit
  const { status, json: answer } = await world.ask(path, init)
  return { status, code: answer['code'], facts: answer['facts'] as Record<string, unknown> }
}

describe('bodies', () => {
  test('that are too large are refused by what they announce and by what comes', async () => {
    const big = `{"name":"${'a'.repeat(70_000)}","role":"auditor"}`
    assert.deepEqual(await post('/v1/tokens', big), {
      status: 413,
      code: 'request-too-large',
      facts: { limit: 65_536 },
    })
    let pulled = 0
    const endless = new ReadableStream<Uint8Array>({
      pull(controller) {
        pulled++
        controller.enqueue(new Uint8Array(16_384).fill(0x20))
      },
    })
    assert.equal((await post('/v1/tokens', endless)).code, 'request-too-large')
    assert.ok(pulled < 10)
    assert.equal((await post(`/v1/approvals/${'0'.repeat(24)}/grant`, ' '.repeat(2000))).code, 'request-too-large')
  })

  test('that are no JSON, too deep, too many or ambiguous are refused', async () => {
    const bodies: readonly (readonly [string, string])[] = [
      ['{', 'bad-encoding'],
      ['[]', 'bad-value'],
      ['null', 'bad-value'],
      ['"x"', 'bad-value'],
      [`${'[['.repeat(15_000)}`, 'bad-encoding'],
      [`{"a":${'['.repeat(5000)}${']'.repeat(5000)}}`, 'too-deep'],
      [`{"a":[${'0,'.repeat(20_000)}0]}`, 'too-many'],
      ['{"name":"a","name":"b","role":"auditor"}', 'duplicate'],
      ['{"__proto__":{"role":"administrator"},"name":"a","role":"auditor"}', 'bad-value'],
      ['{"name":"\\ud800","role":"auditor"}', 'bad-encoding'],
      ['\ufeff{"name":"a","role":"auditor"}', 'bad-encoding'],
    ]
    for (const [body, rule] of bodies) {
      const answer = await post('/v1/tokens', body)
      assert.deepEqual(
        [answer.status, answer.code, answer.facts['rule']],
        [400, 'request-malformed', rule],
        body.slice(0, 40),
      )
    }
    assert.equal((await post('/v1/tokens', new Uint8Array([0x7b, 0xff, 0x7d]))).code, 'request-malformed')
  })

  test('of another type are refused', async () => {
    const body = '{"name":"a","roles":["auditor"]}'
    for (const type of [
      'text/plain',
      'application/x-www-form-urlencoded',
      'application/json; charset=utf-16',
      'application/jsonp',
    ]) {
      assert.equal((await post('/v1/tokens', body, { 'content-type': type })).code, 'media-type-unknown', type)
    }
    assert.equal((await post('/v1/tokens', body, { 'content-type': 'Application/JSON; charset=UTF-8' })).status, 200)
  })

  test('with members of the wrong type or of no name in the contract are refused, and not repeated', async () => {
    const secret = 'hunter2-secret-in-the-wrong-place'
    const cases: readonly (readonly [unknown, string])[] = [
      [{ name: 'a', roles: ['root'] }, 'roles.0'],
      [{ name: 'a', roles: [] }, 'roles'],
      [{ name: 'a', roles: 'auditor' }, 'roles'],
      [{ name: 'a', role: 'auditor' }, 'roles'],
      [{ name: 'a' }, 'roles'],
      [{ roles: ['auditor'] }, 'name'],
      [{ name: 1, roles: ['auditor'] }, 'name'],
      [{ name: ['a'], roles: ['auditor'] }, 'name'],
      [{ name: { toString: 'a' }, roles: ['auditor'] }, 'name'],
      [{ name: '../../etc/passwd', roles: ['auditor'] }, 'name'],
      [{ name: 'a\r\nx-admin: 1', roles: ['auditor'] }, 'name'],
      [{ name: 'a\n', roles: ['auditor'] }, 'name'],
      [{ name: 'a'.repeat(65), roles: ['auditor'] }, 'name'],
      [{ name: secret.repeat(5), roles: ['auditor'] }, 'name'],
      [{ name: 'a', roles: ['auditor'], lifetimeDays: 0 }, 'lifetimeDays'],
      [{ name: 'a', roles: ['auditor'], lifetimeDays: 1.5 }, 'lifetimeDays'],
      [{ name: 'a', roles: ['auditor'], lifetimeDays: '30' }, 'lifetimeDays'],
      [{ name: 'a', roles: ['auditor'], hash: '0' }, 'hash'],
      [{ name: 'a', roles: ['auditor'], constructor: {} }, 'constructor'],
    ]
    for (const [body, field] of cases) {
      const { status, code, facts } = await post('/v1/tokens', JSON.stringify(body))
      assert.deepEqual([status, code, facts['field']], [400, 'input-invalid', field], JSON.stringify(body))
      assert.ok(!JSON.stringify(facts).includes(secret))
    }
    const anchor = {
      at: 0,
      lanes: [{ lane: 'main', sequence: 1, hash: '', extra: 1 }],
      previous: '',
      key: '',
      signature: '',
    }
    const nested = await post('/v1/audit/verification', JSON.stringify({ anchor }))
    assert.equal(nested.facts['field'], 'anchor.lanes.0.extra')
  })

  test('where none is expected are refused', async () => {
    const path = `/v1/approvals/${'0'.repeat(24)}/grant`
    assert.equal((await post(path, '{}')).code, 'device-not-found')
    assert.equal((await post(path, '{"by":"me"}')).code, 'input-invalid')
  })

  test('an anchor that is none is a verdict or a refusal, and no fault of ours', async () => {
    const { json: checkpoint } = await world.ask('/v1/audit/checkpoints', {
      method: 'POST',
      token: world.tokens.auditor,
    })
    for (const change of [
      { key: 'AAAA' },
      { key: 'ä' },
      { signature: '' },
      { signature: '%' },
      { at: 1.5 },
      { at: -1e300 },
      { previous: '\0' },
      { lanes: [] },
    ]) {
      const { status } = await post('/v1/audit/verification', JSON.stringify({ anchor: { ...checkpoint, ...change } }))
      assert.ok(status < 500, JSON.stringify(change))
    }
  })
})

describe('paths and queries', () => {
  const get = (path: string) => world.ask(path, { token: world.tokens.administrator })

  test('lead nowhere but to what they name', async () => {
    const ids = [
      '..',
      '%2e%2e%2fsite',
      '..%2f..%2fetc%2fpasswd',
      '%00',
      '%ff',
      '%',
      'a%0d%0ax-admin:1',
      'A'.repeat(24),
      '0'.repeat(25),
      '0'.repeat(3000),
      "0' or '1'='1",
    ]
    for (const id of ids) {
      const { status, headers } = await get(`/v1/devices/${id}`)
      assert.ok([400, 404, 200].includes(status), id)
      assert.equal(headers.get('x-admin'), null)
      // `..` is gone before we see it: what is left is another path of the same API.
      if (status === 200) assert.ok(['..'].includes(id), id)
    }
    assert.equal((await get('/v1/devices/')).status, 404)
    assert.equal((await get('//v1/site')).status, 404)
    assert.equal((await get('/v1/site/')).status, 404)
    assert.equal((await get('/V1/site')).status, 404)
    assert.equal((await get('/v1/manufacturers/fjord')).status, 405)
  })

  test('with unknown, repeated or senseless parameters are refused', async () => {
    const cases: readonly (readonly [string, string])[] = [
      ['limit=0', 'limit'],
      ['limit=1001', 'limit'],
      ['limit=abc', 'limit'],
      ['limit=1&limit=2', 'limit'],
      ['rung=top', 'rung'],
      ['nothing=1', 'nothing'],
      ['__proto__=1', '__proto__'],
      ['constructor=1', 'constructor'],
      [`after=${'a'.repeat(129)}`, 'after'],
      ['manufacturer=%00', 'manufacturer'],
      [`${'x'.repeat(300)}=1`, 'x'.repeat(100)],
    ]
    for (const [query, field] of cases) {
      const { status, json: answer } = await get(`/v1/devices?${query}`)
      assert.deepEqual(
        [status, answer['code'], (answer['facts'] as { field: string }).field],
        [400, 'input-invalid', field],
        query,
      )
    }
    assert.equal((await get('/v1/site?token=mrg_x')).status, 400)
    assert.equal((await get('/v1/devices?after=%27%20or%201%3D1--')).status, 200)
  })

  test('a token counts in its header only, and whole', async () => {
    const { administrator } = world.tokens
    const asked = async (headers: Record<string, string>, query = '') =>
      (await world.ask(`/v1/site${query}`, { headers })).status
    assert.equal(await asked({}, `?access_token=${administrator}`), 401)
    assert.equal(await asked({ cookie: `token=${administrator}` }), 401)
    assert.equal(await asked({ 'x-api-key': administrator }), 401)
    assert.equal(await asked({ authorization: administrator }), 401)
    assert.equal(await asked({ authorization: `Bearer ${administrator}x` }), 401)
    assert.equal(await asked({ authorization: `Bearer ${administrator.slice(0, -1)}` }), 401)
    assert.equal(await asked({ authorization: `Bearer ${administrator} ${administrator}` }), 401)
    assert.equal(await asked({ authorization: `Bearer ${'a'.repeat(10_000)}` }), 401)
    assert.equal(await asked({ authorization: `bearer ${administrator}` }), 200)
  })
})

describe('anything at all', () => {
  test('is answered below 500', async () => {
    const segment = fc.oneof(fc.constantFrom('v1', 'devices', 'tokens', 'events', 'manufacturers'), fc.webSegment())
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom('GET', 'POST', 'PUT', 'DELETE'),
        fc.array(segment, { maxLength: 5 }),
        fc.webQueryParameters(),
        fc.json(),
        async (method, path, query, body) => {
          const init = method === 'GET' ? {} : { body, headers: json }
          const { status } = await world.ask(`/${path.join('/')}?${query}`, {
            method,
            ...init,
            token: world.tokens.administrator,
          })
          assert.ok(status < 500)
        },
      ),
      { numRuns: 300 },
    )
    assert.deepEqual(
      world.log.lines.filter(({ level }) => level === 'error'),
      [],
    )
  })

  test('is a cursor that was given, or none', () => {
    fc.assert(
      fc.property(fc.dictionary(fc.stringMatching(/^[a-z0-9-]{1,12}$/), fc.nat(), { maxKeys: 20 }), cursor => {
        assert.deepEqual(decodeCursor(encodeCursor(cursor)), { ...cursor })
      }),
    )
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string(),
          fc.base64String().map(text => text.replaceAll('=', '')),
        ),
        text => {
          try {
            decodeCursor(text)
          } catch (error) {
            assert.ok(error instanceof OnboardingError)
          }
        },
      ),
    )
  })

  test('an address is counted by the network that one machine may have', () => {
    const cases = {
      '192.0.2.7:4711': '192.0.2.7',
      '192.0.2.7': '192.0.2.7',
      '[2001:db8:1:2:3:4:5:6]:4711': '2001:db8:1:2',
      '2001:db8:1:2::1': '2001:db8:1:2',
      '[2001:0db8:0001:0002::]:1': '2001:db8:1:2',
      '[fe80::1%eth0]:1': 'fe80:0:0:0',
      '[::1]:4711': '0:0:0:0',
      unknown: 'unknown',
    }
    for (const [address, network] of Object.entries(cases)) assert.equal(networkOf(address), network, address)
  })
})
