import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { streamName } from '../../../src/domain/event.ts'
import { makeUnits } from '../../../src/role/factory/line.ts'
import { sellUnits, shipmentManifest } from '../../../src/role/factory/sale.ts'
import { createOwnershipService } from '../../../src/role/manufacturer/ownership-service.ts'
import { importManifest } from '../../../src/role/supply-chain/import.ts'
import { silentLog } from '../../store.ts'
import { type Factory, now, openFactory } from '../factory/factory.ts'
import { type OwnershipSite, openOwnershipSite } from './site.ts'

const clock = () => now
const by = 'anna'
const serial = 'B1-000001'

describe('a device that goes to an integrator and comes back, and is sold on', () => {
  let factory: Factory
  const sites: OwnershipSite[] = []

  before(async () => {
    factory = await openFactory()
    const { manufacturer, store } = factory
    const service = createOwnershipService({ manufacturer, store, clock, log: silentLog })
    for (const id of ['harbour', 'integrator', 'orchard']) {
      const site = await openOwnershipSite(id, { clock, service: () => service })
      await site.trust(manufacturer)
      sites.push(site)
    }
    await makeUnits(factory.order({ count: 1 }))
    const harbour = sites[0]!
    const buyer = harbour.ownership.card()
    await sellUnits(factory, { batch: 'B1' }, { buyer })
    const bytes = await shipmentManifest(factory, { batch: 'B1' }, buyer)
    await importManifest({ bytes, store: harbour.store, clock, importedBy: by })
  })
  after(() => Promise.all([factory.opened.close(), ...sites.map(site => site.close())]))

  async function give(from: OwnershipSite, to: OwnershipSite): Promise<void> {
    const { id } = await from.device(serial)
    const { file, offer } = await from.ownership.offer({ devices: [id], days: 7, by })
    await to.ownership.accept({ offer: file, by })
    await from.ownership.refreshOffer({ offer: offer.id, by })
  }

  it('changes hands by one and the same mechanism each time, and whoever gave it away has no right left [WP-LG-5]', async () => {
    const [harbour, integrator, orchard] = sites as [OwnershipSite, OwnershipSite, OwnershipSite]
    const ways = [
      [harbour, integrator],
      [integrator, harbour],
      [harbour, orchard],
    ] as const
    const traces: string[] = []
    for (const [from, to] of ways) {
      const before = (await factory.store.read(tables => tables.unit.get(serial)))!.version ?? 0
      await give(from, to)
      const events = await factory.store.history(streamName('unit', serial), before)
      traces.push(events.map(({ kind, body }) => `${kind} with ${Object.keys(body).sort().join(' ')}`).join())
      assert.equal((await factory.store.read(tables => tables.unit.get(serial)))?.owner, to.id)
      assert.equal((await to.device(serial)).owner, to.id)
      const { id, owner } = await from.device(serial)
      assert.equal(owner, to.id)
      await assert.rejects(from.ownership.offer({ devices: [id], days: 7, by }), { code: 'not-owner' })
    }
    assert.equal(new Set(traces).size, 1, 'to an integrator, back and to a buyer leave the same trace')
    assert.match(traces[0]!, /ownership-transferred/)
  })
})
