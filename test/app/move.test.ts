import assert from 'node:assert/strict'
import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import { writeSiteFile } from '../../src/app/cli/data.ts'
import { buildStage } from '../../src/app/demo/stage.ts'
import { createSuccession, lookElsewhere } from '../../src/app/elsewhere.ts'
import { openSite, type Site } from '../../src/app/site.ts'
import { watch } from '../role/device/workbench.ts'
import { silentLog } from '../store.ts'
import { mooring } from './cli/terminal.ts'

const directory = await mkdtemp(join(tmpdir(), 'mooring-move-'))
after(() => rm(directory, { recursive: true }))
const place = (name: string) => join(directory, name)
const found = { format: 'mooring-site 1', network: 'harbour', owner: 'harbour' } as const

const reopened = (data: string, port: number) =>
  openSite({ network: 'harbour', owner: 'harbour', data, host: '127.0.0.1', port, log: silentLog })

const lookFrom = (site: Site, port: number) =>
  lookElsewhere({
    ...{ store: site.store, clock: site.clock, authority: () => site.authority },
    ...{ hosts: ['127.0.0.1'], port },
  })

describe('a site on another machine', () => {
  it('goes on there with all of its devices, and not on the old one', async () => {
    const terms = { owner: 'harbour', network: 'harbour', units: 2, unlisted: [], foreign: [], log: silentLog }
    const stage = await buildStage(terms, () => {})
    const old = stage.site.data
    const { port } = stage.site
    try {
      await writeSiteFile(old, found)
      const [staying, renewing, fresh] = ['F26-000001', 'K26-000001', 'F26-000002'] as const
      for (const serial of [staying, renewing]) await watch((await stage.pledge(serial)).onboard([stage.origin]))
      const running = await mooring(['move', place('too-early'), '--data', old, '--json'])
      assert.deepEqual([running.code, (running.json()['error'] as { code: string }).code], [1, 'store-locked'])
      const { root } = stage.site.authority
      await stage.site.close()

      const moved = await mooring(['move', place('safe'), '--data', old, '--json'])
      assert.equal(moved.code, 0, moved.stdout)
      const up = await mooring(['up', '--data', old, '--json'])
      assert.equal((up.json()['error'] as { code: string }).code, 'site-moved')
      const again = await mooring(['move', place('safe-2'), '--data', old, '--json'])
      assert.equal((again.json()['error'] as { code: string }).code, 'site-moved')

      const data = place('new')
      const restored = await mooring(['restore', place('safe'), '--data', data, '--json'])
      assert.equal(restored.code, 0, restored.stdout)
      assert.deepEqual(
        (await readdir(join(data, 'keys'))).filter(name => name.startsWith('registrar')),
        [],
        'the key that the old machine has stays there',
      )
      const site = await reopened(data, port)
      try {
        assert.deepEqual(Buffer.from(site.authority.root.der), Buffer.from(root.der))
        assert.equal(site.authority.registrarLabel, 'registrar-2')
        // What they have opens the door, is renewed, and whoever is new comes in.
        for (const serial of [staying, renewing, fresh]) {
          const pledge = await stage.pledge(serial)
          const progress = await watch(pledge.onboard([stage.origin]))
          assert.deepEqual(
            progress.flatMap(news => (news.type === 'refused' ? [news.code] : [])),
            [],
            serial,
          )
          assert.equal(pledge.status().state, 'connected', serial)
        }
        const progress = await watch((await stage.pledge(renewing)).renew())
        assert.ok(progress.some(({ type }) => type === 'renewed'))
        assert.equal((await site.store.verify()).integrity, 'pass')
        assert.deepEqual(await lookFrom(site, port), [], 'it finds itself at its name')

        // The old one is made to start after all, elsewhere, and finds out that it was left behind.
        assert.equal((await mooring(['move', '--cancel', '--data', old, '--json'])).code, 0)
        const ghost = await reopened(old, 0)
        try {
          assert.deepEqual(
            (await lookFrom(ghost, port)).map(({ kind }) => kind),
            ['newer'],
          )
          // It issues nothing any more: what it would sign, the other does not know.
          const [stopped, going] = [createSuccession(silentLog), createSuccession(silentLog)]
          stopped.heed(await lookFrom(ghost, port))
          going.heed(await lookFrom(site, ghost.port))
          assert.throws(() => stopped.requireCurrent(), { code: 'site-elsewhere' })
          going.requireCurrent()
          // And the new one, where the name still leads to the old machine.
          assert.deepEqual(
            (await lookFrom(site, ghost.port)).map(({ kind }) => kind),
            ['older'],
          )
        } finally {
          await ghost.close()
        }
      } finally {
        await site.close()
      }
    } finally {
      await stage.close()
    }
  })

  it('that was left behind issues again when the other has been gone for a while, and not at the first silence', () => {
    const succession = createSuccession(silentLog)
    const newer = { host: 'registrar.harbour.example', kind: 'newer', serialHex: '01' } as const
    const stopped = () => assert.throws(() => succession.requireCurrent(), { code: 'site-elsewhere' })
    succession.requireCurrent()
    succession.heed([{ ...newer, kind: 'older' }])
    succession.requireCurrent()
    succession.heed([newer])
    for (let n = 0; n < 2; n++) {
      stopped()
      succession.heed([])
    }
    succession.heed([newer])
    for (let n = 0; n < 3; n++) {
      stopped()
      succession.heed([])
    }
    succession.requireCurrent()
  })

  it('is not told from a stranger that only has its name', async () => {
    const one = await reopened(place('one'), 0)
    const other = await reopened(place('other'), 0)
    try {
      assert.deepEqual(await lookFrom(one, other.port), [], 'another root says nothing about this site')
      assert.deepEqual(await lookFrom(one, 1), [], 'nor does nobody')
    } finally {
      await one.close()
      await other.close()
    }
  })
})
