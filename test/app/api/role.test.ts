import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { after, before, describe, test } from 'node:test'
import { api, type OperationName } from '../../../src/app/api/contract.ts'
import { rolesWith } from '../../../src/domain/authority.ts'
import { inputOf, openWorld, requestOf, type World } from './world.ts'

const roles = ['administrator', 'operator', 'auditor'] as const
const strangers = ['none', 'expired', 'revoked', 'garbage', 'malformed', 'other scheme'] as const
const names = Object.keys(api) as OperationName[]

/** By hand, for the three bundles: what came before the sixteen roles stays as it was. All cells: matrix.test.ts. */
const readers = ['administrator', 'operator', 'auditor']
const byHand: Readonly<Partial<Record<OperationName, readonly string[]>>> = {
  siteShow: readers,
  siteExamine: readers,
  deviceList: readers,
  deviceShow: readers,
  deviceHistory: readers,
  deviceExpect: ['administrator', 'operator'],
  deviceWithdraw: ['administrator', 'operator'],
  approvalList: readers,
  approvalGrant: ['administrator', 'operator'],
  approvalDeny: ['administrator', 'operator'],
  manufacturerList: readers,
  manufacturerTrust: ['administrator'],
  manufacturerDistrust: ['administrator'],
  manifestImport: ['administrator', 'operator'],
  manifestList: readers,
  recallImport: ['administrator', 'operator'],
  recallPreview: readers,
  recallList: readers,
  recallShow: readers,
  voucherList: readers,
  credentialList: readers,
  credentialRevoke: ['administrator', 'operator'],
  deviceReport: ['administrator', 'operator'],
  deviceResolveClone: ['administrator', 'operator'],
  authorityShow: readers,
  authorityRoll: ['administrator'],
  auditVerify: readers,
  auditCheckpoint: readers,
  eventList: readers,
  tokenList: ['administrator', 'auditor'],
  tokenCreate: ['administrator'],
  tokenRevoke: ['administrator'],
  errorList: [],
  health: [],
}

describe('who may do what', () => {
  let world: World
  let tokens: Record<string, string | undefined>

  before(async () => {
    // Strangers are refused so often here that they would be told to wait.
    world = await openWorld({ failuresPerMinute: 1_000_000 })
    const { tokens: good, makeToken, services, pass } = world
    const expired = await makeToken('administrator', 1)
    const revoked = await makeToken('administrator')
    await services.access.revoke(revoked.id, 'test')
    pass(86_400_000)
    tokens = {
      ...good,
      none: undefined,
      expired: expired.text,
      revoked: revoked.text,
      garbage: `mrg_${randomBytes(32).toString('base64url')}`,
      malformed: 'administrator',
      'other scheme': good.administrator,
    }
  })
  after(() => world.close())

  for (const name of names) {
    test(name, async () => {
      const may = rolesWith(api[name].authority).filter(each => (roles as readonly string[]).includes(each))
      assert.deepEqual(may, byHand[name] ?? may)
      for (const who of [...roles, ...strangers]) {
        const [path, init] = requestOf(name, inputOf(name), tokens[who])
        const headers = new Headers(init?.headers)
        if (who === 'other scheme') headers.set('authorization', `Basic ${tokens[who]}`)
        const { status, json } = await world.ask(path, {
          ...init,
          headers,
          token: who === 'other scheme' ? undefined : tokens[who],
        })
        const refused = ['not-authenticated', 'not-permitted'].includes(String(json['code'])) ? json['code'] : undefined
        const stranger = !(roles as readonly string[]).includes(who)
        if (api[name].authority.length === 0) assert.equal(status, 200, `${name} by ${who}`)
        else if (stranger) assert.deepEqual([status, refused], [401, 'not-authenticated'], `${name} by ${who}`)
        else if ((may as readonly string[]).includes(who)) assert.equal(refused, undefined, `${name} by ${who}`)
        else assert.deepEqual([status, refused], [403, 'not-permitted'], `${name} by ${who}`)
        assert.notEqual(status, 500, `${name} by ${who}`)
      }
    })
  }

  test('a refusal comes before the body is looked at', async () => {
    const init = { method: 'POST', body: '{', headers: { 'content-type': 'application/json' } }
    assert.equal((await world.ask('/v1/tokens', init)).status, 401)
    assert.equal((await world.ask('/v1/tokens', { ...init, token: tokens['auditor'] })).status, 403)
    assert.equal((await world.ask('/v1/tokens', { ...init, token: tokens['administrator'] })).status, 400)
  })

  test('a refusal says how to do better', async () => {
    const stranger = await world.ask('/v1/site')
    assert.equal(stranger.headers.get('www-authenticate'), 'Bearer realm="mooring"')
    const auditor = await world.ask('/v1/tokens', { method: 'POST', token: tokens['auditor'] })
    assert.match(auditor.headers.get('www-authenticate') ?? '', /insufficient_scope/)
    assert.deepEqual(auditor.json['facts'], {
      role: 'auditor',
      needed: 'role.assign or network.own or app.grant',
      roles: 'device-owner, network-owner, application-owner, administrator',
    })
  })
})

describe('tokens of nobody', () => {
  test('are told to wait after too many, and only their address, and only for a while', async () => {
    const world = await openWorld({ failuresPerMinute: 3 })
    const { ask, tokens, pass, log } = world
    try {
      const guess = () => `mrg_${randomBytes(32).toString('base64url')}`
      const from = (address: string) => ({ from: { address } })
      assert.equal((await ask('/v1/site', { token: tokens.operator, ...from('192.0.2.7:1') })).status, 200)
      for (let n = 0; n < 3; n++) assert.equal((await ask('/v1/site', { token: guess() })).status, 401)
      const refused = await ask('/v1/site', { token: guess(), ...from('192.0.2.7:9') })
      assert.equal(refused.status, 429)
      assert.equal(refused.json['code'], 'too-many-attempts')
      assert.equal(refused.headers.get('retry-after'), '60')
      // Not even the right one, if it comes from there for the first time; the one that is in use goes on.
      assert.equal((await ask('/v1/site', { token: tokens.administrator })).status, 429)
      assert.equal((await ask('/v1/site', { token: tokens.operator })).status, 200)
      assert.equal((await ask('/v1/site', { token: tokens.administrator, ...from('192.0.2.8:1') })).status, 200)
      assert.equal((await ask('/v1/site')).status, 401)
      pass(21_000)
      assert.equal((await ask('/v1/site', { token: guess() })).status, 401)
      pass(60_000)
      assert.equal((await ask('/v1/site', { token: guess() })).status, 401)
      const warnings = log.lines.filter(({ level }) => level === 'warn')
      assert.deepEqual(
        warnings.map(({ facts }) => facts['left']),
        [2, 1, 0, 0, 2],
      )
      assert.ok(!JSON.stringify(log.lines).includes('mrg_'))
    } finally {
      await world.close()
    }
  })
})

describe('what auditors look at', () => {
  test('is on record, once a minute and operation; what others look at is not', async () => {
    const world = await openWorld()
    const { ask, call, tokens, pass, services } = world
    try {
      const reads = async () => {
        const { events } = await services.store.feed({}, 1000)
        return events.filter(({ kind }) => kind === 'record-read').map(({ body }) => body['operation'])
      }
      for (const token of [tokens.auditor, tokens.operator, tokens.administrator]) {
        await ask('/v1/devices', { token })
        await ask('/v1/devices?limit=2', { token })
      }
      await call('voucherList', {}, tokens.auditor)
      assert.deepEqual(await reads(), ['deviceList', 'voucherList'])
      pass(60_000)
      await call('deviceList', {}, tokens.auditor)
      assert.deepEqual(await reads(), ['deviceList', 'voucherList', 'deviceList'])
      // The stream of the token itself is as it was: it can still be revoked.
      const [auditor] = (await call('tokenList', {})).items.filter(({ roles }) => roles.includes('auditor'))
      await call('tokenRevoke', { params: { id: auditor!.id } })
      assert.equal((await call('auditVerify', { body: {} })).integrity, 'pass')
    } finally {
      await world.close()
    }
  })
})
