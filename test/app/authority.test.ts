import assert from 'node:assert/strict'
import { X509Certificate } from 'node:crypto'
import { describe, it } from 'node:test'
import { buildStage } from '../../src/app/demo/stage.ts'
import { watch } from '../role/device/workbench.ts'
import { partyStores, silentLog } from '../store.ts'
import { withWorld } from './api/world.ts'

describe('rolling over the authority of a running site', () => {
  it('takes every device along, over real sockets: whoever renews, whoever was away, whoever is new [S5.C2]', async () => {
    const terms = {
      owner: 'harbour',
      network: 'harbour',
      units: 3,
      unlisted: [],
      foreign: [],
      log: silentLog,
      ...partyStores(),
    }
    const stage = await buildStage(terms, () => {})
    try {
      const [renewing, away, fresh] = ['F26-000001', 'K26-000001', 'F26-000002'] as const
      const first = await stage.pledge(renewing)
      await watch(first.onboard([stage.origin]))
      await watch((await stage.pledge(away)).onboard([stage.origin]))
      const { siteAuthority } = stage.site
      assert.equal(await siteAuthority.roll('root', 'test'), 'root-2')
      assert.equal(await siteAuthority.roll('root', 'test'), 'root-3')
      assert.equal(stage.site.authority.issuing.name, 'issuing-3')
      assert.ok((await watch(first.renew())).some(({ type }) => type === 'renewed'))
      // It has never heard of the new roots, and is recognised, and recognises.
      const progress = await watch((await stage.pledge(away)).onboard([stage.origin]))
      assert.deepEqual(
        progress.flatMap(news => (news.type === 'refused' ? [news.code] : [])),
        [],
      )
      // Bought when the owner was known by the first root.
      const late = await stage.pledge(fresh)
      await watch(late.onboard([stage.origin]))
      assert.equal(late.status().rung, 'connected')
      for (const serial of [renewing, away, fresh]) {
        const device = await stage.site.store.read(tables => tables.device.get(stage.device(serial)))
        assert.equal(device?.rung, 'connected', serial)
      }
      const verdict = await stage.site.store.verify()
      assert.equal(verdict.integrity, 'pass')
    } finally {
      await stage.close()
    }
  })

  it('is made with OpenSSL-readable certificates: the new root is certified by the old one', async () => {
    await withWorld(async ({ services }) => {
      await services.siteAuthority.roll('root', 'test')
      const { roots, crosses, registrar } = services.siteAuthority.current()
      const [root2, root1] = roots.map(({ der }) => new X509Certificate(der))
      const [cross] = crosses.map(({ der }) => new X509Certificate(der))
      assert.ok(root1 && root2 && cross)
      assert.ok(cross.verify(root1.publicKey) && root2.verify(root2.publicKey))
      assert.ok(cross.publicKey.equals(root2.publicKey) && !cross.publicKey.equals(root1.publicKey))
      assert.deepEqual(
        registrar.chain.map(({ der }) => new X509Certificate(der).subject.replaceAll('\n', ' ')),
        [
          'O=harbour-iot CN=harbour-iot issuing CA 2',
          'O=harbour-iot CN=harbour-iot root 2',
          'O=harbour-iot CN=harbour-iot root',
        ],
      )
    })
  })
})

describe('the API of the authority', () => {
  it('says in a dry run whom it would concern, and makes nothing', async () => {
    await withWorld(async ({ call }) => {
      const before = await call('authorityShow', {})
      const dry = await call('authorityRoll', { body: { kind: 'root', dryRun: true } })
      assert.deepEqual([dry.dryRun, dry.made, dry.affected.devices], [true, undefined, 0])
      assert.deepEqual(await call('authorityShow', {}), before)
    })
  })

  it('shows generations, and warns before they end', async () => {
    await withWorld(async ({ call, pass }) => {
      assert.equal((await call('authorityRoll', { body: { kind: 'issuing' } })).made, 'issuing-2')
      const shown = await call('authorityShow', {})
      assert.deepEqual(
        shown.issuing.map(({ name, issues, keyHere }) => [name, issues, keyHere]),
        [
          ['issuing-2', true, true],
          ['issuing-1', false, true],
        ],
      )
      assert.deepEqual(shown.warnings, [])
      pass(9.5 * 365 * 86_400_000)
      assert.deepEqual(
        (await call('authorityShow', {})).warnings.map(({ warning, name }) => [warning, name]),
        [['ending', 'issuing-2']],
      )
    })
  })
})
