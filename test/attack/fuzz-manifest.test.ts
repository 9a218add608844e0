import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { after, before, describe, it } from 'node:test'
import fc from 'fast-check'
import { OnboardingError } from '../../src/domain/error.ts'
import { buyerCard, shipmentManifest } from '../../src/role/factory/sale.ts'
import { importManifest } from '../../src/role/supply-chain/import.ts'
import { openManifest } from '../../src/role/supply-chain/manifest.ts'
import { trustManufacturer } from '../../src/role/supply-chain/trust.ts'
import { buyer, type Neighbourhood, openNeighbourhood } from '../role/onboarding/neighbourhood.ts'
import { edited, edits, runs } from './mutation.ts'

describe('manifests and anchors that were tampered with', () => {
  let home: Neighbourhood
  before(async () => {
    home = await openNeighbourhood({ units: 3 })
  })
  after(async () => {
    assert.equal((await home.site.verify()).integrity, 'pass')
    await home.close()
  })

  it('are refused by code, and nothing of them is imported', async () => {
    const card = buyerCard({ id: buyer, name: 'Owner', certificates: [home.authority.root] })
    const clock = () => home.now.value
    const shop = { manufacturer: home.manufacturer, store: home.factory, clock, random: randomBytes }
    const original = await shipmentManifest(shop, { batch: 'B1' }, card)
    const anchors = home.manufacturer.masaAnchors
    await openManifest(original, { anchors, at: new Date(home.now.value) })
    await fc.assert(
      fc.asyncProperty(edits, async changes => {
        const bytes = edited(original, changes)
        if (bytes.equals(original)) return
        await assert.rejects(importManifest({ bytes, store: home.site, clock, importedBy: 'x' }), refusal)
      }),
      { numRuns: runs },
    )
    assert.equal(await home.site.read(tables => tables.device.count()), 0)
  })

  it('anchors, too', async () => {
    const der = home.manufacturer.deviceRoot.der
    const clock = () => home.now.value
    await fc.assert(
      fc.asyncProperty(edits, async changes => {
        try {
          await trustManufacturer({ store: home.site, clock }, { name: 'fuzz', anchors: [edited(der, changes)] }, 'x')
        } catch (error) {
          refusal(error)
        }
      }),
      { numRuns: runs },
    )
  })
})

function refusal(error: unknown): true {
  assert.ok(error instanceof OnboardingError, String((error as Error).stack))
  assert.notEqual(error.code, 'internal')
  assert.ok(error.entry.status >= 400 && error.entry.status < 500, error.code)
  return true
}
