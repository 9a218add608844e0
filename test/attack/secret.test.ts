import assert from 'node:assert/strict'
import { dirname, join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { inspect } from 'node:util'
import { openFileKeyStore } from '../../src/adapter/key/file.ts'
import { api } from '../../src/app/api/contract.ts'
import { createApi } from '../../src/app/api/server.ts'
import { buildStage, type Stage } from '../../src/app/demo/stage.ts'
import { contentsOf, occursIn, privateNumber } from '../../src/app/playbook/secret-search.ts'
import type { KeyStore } from '../../src/crypto/signer.ts'
import { recordingLog } from '../app/api/world.ts'
import { rungsOf, watch } from '../role/device/workbench.ts'

describe('secrets of site, manufacturers and devices', () => {
  const log = recordingLog()
  let stage: Stage
  let directory: string
  const secrets = new Map<string, Buffer>()

  before(async () => {
    const terms = { owner: 'harbour', network: 'harbour', units: 2, unlisted: [], foreign: ['F26-000002'], log }
    stage = await buildStage(terms, () => {})
    directory = dirname(stage.site.data)
    for (const serial of ['F26-000001', 'K26-000001']) {
      const pledge = await stage.pledge(serial)
      assert.equal(rungsOf(await watch(pledge.onboard([stage.origin]))).at(-1), 'connected')
      await watch(pledge.renew())
    }
    // Refusals tell more than successes.
    const refused = await (await stage.pledge('F26-000002')).onboard([stage.origin]).next()
    assert.ok(refused.value !== undefined)
    await collect()
  })
  after(() => stage.close())

  async function collect(): Promise<void> {
    for (const name of ['site', ...stage.makers.map(({ trustedAs }) => trustedAs)]) {
      await add(name, await openFileKeyStore({ directory: join(directory, name, 'keys') }))
    }
    for (const { housings } of stage.makers) {
      for (const [serial, { keys }] of housings) await add(serial, keys)
    }
    secrets.set('first token', Buffer.from((await stage.site.firstToken())?.revealText() ?? ''))
  }

  async function add(name: string, keys: KeyStore): Promise<void> {
    for (const label of await keys.list()) secrets.set(`${name} ${label}`, await privateNumber(keys, label))
  }

  function searchIn(haystack: Buffer, where: string): void {
    for (const [name, secret] of secrets) assert.ok(!occursIn(haystack, secret), `${name} is in ${where}`)
  }

  it('are there to be found', () => {
    assert.ok(secrets.size >= 20, [...secrets.keys()].join())
    for (const [name, secret] of secrets) assert.ok(secret.length >= 32, name)
    const [first] = secrets.values()
    assert.ok(first !== undefined && occursIn(Buffer.from(`x${first.toString('base64')}`), first))
  })

  it('lie in no file, not even where keys are kept [WP-M6.05]', async () => {
    searchIn(await contentsOf(directory), 'a file')
  })

  it('are in no log line [WP-M6.05]', () => {
    assert.ok(log.lines.length > 0)
    searchIn(Buffer.from(JSON.stringify(log.lines)), 'the log')
    searchIn(Buffer.from(inspect(log.lines, { depth: 20, maxArrayLength: null })), 'the log, inspected')
  })

  it('are in no event, and in nothing that can be looked into [WP-M6.05]', async () => {
    for (const store of [stage.site.store, ...stage.makers.map(({ site }) => site.store)]) {
      const { events } = await store.feed({}, 10_000)
      searchIn(Buffer.from(JSON.stringify(events)), 'an event')
    }
    const everything = { site: stage.site, makers: stage.makers.map(({ site }) => site.manufacturer) }
    searchIn(Buffer.from(inspect(everything, { depth: 8, showHidden: true })), 'an inspected object')
    searchIn(Buffer.from(JSON.stringify([stage.site.authority, everything.makers])), 'the JSON of an object')
  })

  it('are in no answer of the API [WP-M6.05]', async () => {
    const { site } = stage
    const facts = {
      network: site.network,
      owner: site.owner,
      version: '0',
      registrar: site.authority.registrar.certificate,
      issuing: site.authority.issuing.certificate,
      root: site.authority.root,
      onboardingPort: site.port,
    }
    const server = createApi({ ...site, site: facts })
    const authorization = `Bearer ${(await site.firstToken())?.revealText() ?? ''}`
    const device = stage.device('F26-000001')
    let answered = 0
    for (const [name, { method, path }] of Object.entries(api)) {
      if (method !== 'GET' || name === 'eventStream' || path === '/v1/events') continue
      const url = `https://site.example${path.replace('{id}', device).replace('{name}', 'x')}`
      const answer = await server.fetch(new Request(url, { headers: { authorization } }))
      if (answer.status === 200) answered++
      searchIn(Buffer.from(await answer.text()), `the answer of ${path}`)
    }
    server.close()
    assert.ok(answered >= 8, `${answered} answers`)
  })
})
