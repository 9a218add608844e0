import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { describe, test } from 'node:test'
import { requestOf, type World, withWorld } from './world.ts'

async function actions({ services }: World): Promise<readonly Record<string, unknown>[]> {
  const found: Record<string, unknown>[] = []
  for (let cursor = {}; ; ) {
    const page = await services.store.feed(cursor, 1000)
    found.push(...page.events.filter(({ kind }) => kind === 'action-taken').map(({ body }) => body))
    if (page.events.length === 0) return found
    cursor = page.cursor
  }
}

describe('what somebody does', () => {
  test('is on record: who, as which role, what, and how it ended; looking is not [WP-LG-8]', () =>
    withWorld(async world => {
      const { ask, call, tokens, makeToken } = world
      const owner = (await makeToken('device-owner', undefined, 'harbour')).text
      await call('deviceList', {}, owner)
      await call('tokenCreate', { body: { name: 'shift', roles: ['device-installer'] } }, owner)
      await ask(...requestOf('tokenCreate', { body: { name: 'shift', roles: ['administrator'] } }, owner))
      await ask(...requestOf('manufacturerDistrust', { params: { name: 'fjord' } }, owner))
      await ask(...requestOf('manufacturerDistrust', { params: { name: 'fjord' } }, tokens.administrator))
      await ask('/v1/tokens', {
        method: 'POST',
        token: owner,
        body: '{',
        headers: { 'content-type': 'application/json' },
      })
      const seen = await actions(world)
      const who = /^device-owner-1 \(token\/[0-9a-f]{18}\)$/
      assert.deepEqual(
        seen.map(({ operation, outcome, role, party, target }) => [operation, outcome, role, party, target]),
        [
          ['tokenCreate', 'done', 'device-owner', 'harbour', undefined],
          ['tokenCreate', 'role-not-assignable', 'device-owner', 'harbour', undefined],
          ['manufacturerDistrust', 'not-permitted', undefined, 'harbour', undefined],
          ['manufacturerDistrust', 'not-found', 'administrator', 'administrator-1', 'fjord'],
          ['tokenCreate', 'request-malformed', 'device-owner', 'harbour', undefined],
        ],
      )
      for (const { by } of seen.slice(0, 3)) assert.match(String(by), who)
      assert.match(String(seen[0]?.['input']), /^[0-9a-f]{64}$/)
      assert.equal((await call('auditVerify', { body: {} })).integrity, 'pass')
    }))

  test('is recorded without what was sent: a secret in the wrong place stays out of the ledger', () =>
    withWorld(async world => {
      const secret = 'hunter2-in-the-wrong-place'
      const { ask, tokens } = world
      const body = { manufacturer: 'fjord', serial: secret }
      await ask(...requestOf('deviceExpect', { body }, tokens.operator))
      await ask(`/v1/devices/${secret}/withdrawal?x=${secret}`, { method: 'POST', token: tokens.auditor })
      await ask('/v1/tokens', { token: `mrg_${secret}` })
      assert.ok((await actions(world)).length >= 2)
      assert.ok(!JSON.stringify(await actions(world)).includes(secret))
    }))

  test('a flood of refusals does not fill the ledger, and is counted', () =>
    withWorld(
      async world => {
        const { ask, call, tokens, pass } = world
        const refused = () => ask(...requestOf('manufacturerDistrust', { params: { name: 'x' } }, tokens.auditor))
        const guess = (from: number) =>
          ask('/v1/devices', {
            token: `mrg_${randomBytes(32).toString('base64url')}`,
            from: { address: `192.0.2.${from}:4711` },
          })
        for (let n = 0; n < 300; n++) await refused()
        for (let n = 0; n < 200; n++) await guess(n)
        // Who floods takes nothing from who does not.
        await call('deviceExpect', { body: { manufacturer: 'fjord', serial: '1' } }, tokens.operator).catch(() => {})
        const seen = await actions(world)
        assert.equal(seen.filter(({ outcome }) => outcome === 'not-permitted').length, 30)
        assert.equal(seen.filter(({ outcome }) => outcome === 'not-authenticated').length, 30)
        assert.equal(seen.at(-1)?.['operation'], 'deviceExpect')
        pass(60_000)
        for (let n = 0; n < 50; n++) await refused()
        const later = (await actions(world)).slice(seen.length)
        assert.deepEqual(
          later.map(({ unrecorded }) => unrecorded),
          [270, ...Array(5).fill(undefined)],
        )
        // What is done is there, all of it.
        for (let n = 0; n < 60; n++) await call('tokenCreate', { body: { name: `t${n}`, roles: ['auditor'] } })
        assert.equal((await actions(world)).filter(({ outcome }) => outcome === 'done').length, 60)
      },
      { failuresPerMinute: 1_000_000 },
    ))

  test('stays done when it cannot be recorded, and the log says so', () =>
    withWorld(async ({ log, services, call }) => {
      const { store } = services
      const transaction = store.transaction.bind(store)
      let made = false
      store.transaction = (async work => {
        if (made) throw new Error('disk full')
        made = true
        return transaction(work)
      }) as typeof store.transaction
      await call('tokenCreate', { body: { name: 'x', roles: ['auditor'] } })
      store.transaction = transaction
      assert.ok(log.lines.some(({ message }) => message === 'action could not be recorded'))
    }))
})
