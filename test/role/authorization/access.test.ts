import assert from 'node:assert/strict'
import { hash, randomBytes } from 'node:crypto'
import { describe, test } from 'node:test'
import { tokenCaller } from '../../../src/domain/site.ts'
import { createAccess } from '../../../src/role/authorization/access.ts'
import { openTestStore } from '../../store.ts'

const clock = () => Date.parse('2026-11-20T08:00:00Z')

describe('a token', () => {
  test('from before there were several roles goes on working, as what it was', async () => {
    const { store, close } = await openTestStore({ clock })
    try {
      for (const role of ['administrator', 'operator', 'auditor'] as const) {
        const text = `mrg_${randomBytes(32).toString('base64url')}`
        const tokenHash = hash('sha256', text, 'hex')
        const id = randomBytes(9).toString('hex')
        await store.transaction(async tx => {
          await tx.token.insert({ id, name: 'night-shift', role, hash: tokenHash, createdAt: 1 })
          const body = { name: 'night-shift', role, tokenHash, by: 'test' }
          await tx.append(`token/${id}`, 0, [{ kind: 'token-created', body }])
        })
        const access = createAccess({ store, clock, random: randomBytes })
        const known = await access.authenticate(text)
        assert.deepEqual(tokenCaller(known), {
          id: `token/${id}`,
          name: 'night-shift',
          party: 'night-shift',
          roles: [role],
        })
      }
      assert.deepEqual((await store.verify()).firstBad, undefined)
    } finally {
      await close()
    }
  })

  test('whose roles, party or maker were changed in the table shows in the ledger', async () => {
    for (const change of [{ roles: ['administrator' as const] }, { party: 'bob' }, { madeBy: 'token/other' }]) {
      const { store, close } = await openTestStore({ clock })
      try {
        const access = createAccess({ store, clock, random: randomBytes })
        const terms = { name: 'alice', party: 'alice', roles: ['device-user' as const], by: 'test', madeBy: 'token/a' }
        const { token } = await access.create(terms)
        assert.equal((await store.verify()).integrity, 'pass')
        await store.transaction(tx => tx.token.put({ ...token, ...change }))
        const { integrity, firstBad } = await store.verify()
        assert.equal(integrity, 'fail')
        assert.match(firstBad?.reason ?? '', new RegExp(`^${Object.keys(change)[0]} of token`))
      } finally {
        await close()
      }
    }
  })
})
