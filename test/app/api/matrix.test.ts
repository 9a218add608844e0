import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { listenHttp } from '../../../src/adapter/http/api-server.ts'
import type { HttpListener } from '../../../src/adapter/http/listener.ts'
import type { Operation } from '../../../src/app/api/contract/operation.ts'
import { api, type OperationName } from '../../../src/app/api/contract.ts'
import { authorities, functionalRoleNames, roleNames, rolesWith, roleWith } from '../../../src/domain/authority.ts'
import { silentLog } from '../../store.ts'
import { inputOf, openWorld, requestOf, type World } from './world.ts'

/** Sixteen roles and three bundles by every operation there is, each cell through the server as it listens. */
describe('the authority matrix', () => {
  let world: World
  let listener: HttpListener
  const tokens = new Map<string, string>()

  before(async () => {
    world = await openWorld()
    for (const role of roleNames) tokens.set(role, (await world.makeToken(role)).text)
    const fetch = (request: Request, from: { readonly address: string }) => world.server.fetch(request, from)
    listener = await listenHttp({ host: '127.0.0.1', port: 0, fetch, log: silentLog })
  })
  after(async () => {
    await listener.close()
    await world.close()
  })

  for (const name of Object.keys(api) as OperationName[]) {
    const { authority }: Operation = api[name]

    test(`${name} has an entry that names authorities`, () => {
      assert.ok(
        Array.isArray(authority),
        `${name} says nowhere who may call it: give it \`authority\` in src/app/api/contract/, with names of src/domain/authority.ts`,
      )
      for (const each of authority)
        assert.ok(Object.hasOwn(authorities, each), `${name}: no authority is called ${each}`)
      const nobody = `${name} is for anybody, without a token; only health and the error catalogue are`
      if (authority.length === 0) assert.ok(['health', 'errorList'].includes(name), nobody)
      else
        assert.ok(
          functionalRoleNames.some(role => roleWith([role], authority)),
          `${name}: none of the sixteen may`,
        )
    })

    test(`${name}, by everybody [WP-R01 to WP-R16, WP-LG-8]`, async () => {
      const may = new Set<string>(authority.length === 0 ? roleNames : rolesWith(authority))
      for (const role of roleNames) {
        const [path, { headers, method = 'GET', body = null } = {}] = requestOf(name, inputOf(name))
        const answer = await fetch(`http://127.0.0.1:${listener.port}${path}`, {
          method,
          body,
          headers: { ...(headers as Record<string, string>), authorization: `Bearer ${tokens.get(role)}` },
        })
        const json = (await answer.json()) as { code?: string; facts?: Record<string, string> }
        if (may.has(role)) {
          // What is asked for need not exist; a bad signature, say, is refused for itself and not for who asks.
          assert.ok(!['not-permitted', 'not-authenticated'].includes(json.code ?? ''), `${name} by ${role}`)
          assert.ok(answer.status !== 500, `${name} by ${role}: ${json.code}`)
        } else {
          assert.deepEqual([answer.status, json.code], [403, 'not-permitted'], `${name} by ${role}`)
          assert.deepEqual([json.facts?.['role'], json.facts?.['needed']], [role, authority.join(' or ').slice(0, 512)])
        }
      }
    })
  }
})
