import assert from 'node:assert/strict'
import { hash } from 'node:crypto'
import { describe, test } from 'node:test'
import { decodeJws } from '../../../src/codec/jws.ts'
import { generateKey } from '../../../src/crypto/key.ts'
import { keySigner } from '../../../src/crypto/signer.ts'
import { type DeviceInformationDeclaration, decodeDeclaration } from '../../../src/domain/declaration.ts'
import type { UnitRecord } from '../../../src/domain/manufacture.ts'
import { newestDeclaration, verifyDeclaration } from '../../../src/domain/ownership.ts'
import { makeUnits } from '../../../src/role/factory/line.ts'
import { type BuyerCard, buyerCard, sellUnits, shipmentManifest, withdrawUnit } from '../../../src/role/factory/sale.ts'
import { openManifest } from '../../../src/role/supply-chain/manifest.ts'
import { Crash, type Factory, now, PowerCut, withFactory } from './factory.ts'

function aBuyer(id = 'site-1'): BuyerCard {
  return buyerCard({ id, name: `Buyer ${id}`, certificates: [keySigner(generateKey('P-256'))] })
}

function withUnits(count: number, work: (factory: Factory) => Promise<void>): Promise<void> {
  return withFactory(async factory => {
    await makeUnits(factory.order({ count }))
    await work(factory)
  })
}

async function unitOf({ store }: Factory, serial: string): Promise<UnitRecord> {
  return (await store.read(tables => tables.unit.get(serial)))!
}

function declared({ declaration }: UnitRecord): DeviceInformationDeclaration {
  return decodeDeclaration(decodeJws(Buffer.from(declaration)).payload)
}

describe('a sale', () => {
  test('makes the buyer the owner, in the record and in a declaration that follows the one before', () =>
    withUnits(3, async factory => {
      const buyer = aBuyer()
      const helper = aBuyer('integrator')
      const first = declared(await unitOf(factory, 'B1-000002'))
      const progress: number[][] = []
      const selection = { serials: ['B1-000002', 'B1-000001', 'B1-000002'] }
      const sale = { buyer, authorizedOnboarders: [helper] }
      const report = await sellUnits(factory, selection, sale, (...step) => progress.push(step))
      assert.deepEqual(report, { sold: 2, unchanged: 0 })
      assert.deepEqual(progress, [[2, 2]])
      const unit = await unitOf(factory, 'B1-000002')
      assert.deepEqual([unit.owner, unit.declarationVersion, unit.version], ['site-1', 2, 4])
      assert.deepEqual(unit.domains, [...buyer.domains, ...helper.domains])
      const trust = { anchors: factory.manufacturer.masaAnchors, at: new Date(now) }
      const next = verifyDeclaration(Buffer.from(unit.declaration), trust)
      assert.deepEqual([next.owner, next.authorizedOnboarders, next.version], [buyer, [helper], 2])
      assert.equal(newestDeclaration(first, next), next)
      const events = await factory.store.history('unit/B1-000002', 3)
      assert.deepEqual(
        events.map(({ kind, body }) => [kind, body]),
        [
          [
            'ownership-transferred',
            {
              owner: 'site-1',
              from: 'Acme',
              declarationVersion: 2,
              declarationHash: hash('sha256', unit.declaration),
              domains: unit.domains,
            },
          ],
        ],
      )
      assert.equal((await unitOf(factory, 'B1-000003')).owner, 'Acme')
    }))

  test('repeated, changes nothing', () =>
    withUnits(2, async factory => {
      const sale = { buyer: aBuyer() }
      await sellUnits(factory, { batch: 'B1' }, sale)
      const before = await unitOf(factory, 'B1-000001')
      assert.deepEqual(await sellUnits(factory, { batch: 'B1' }, sale), { sold: 0, unchanged: 2 })
      assert.deepEqual(await unitOf(factory, 'B1-000001'), before)
    }))

  test('of a unit that is somebody else’s sells nothing at all', () =>
    withUnits(3, async factory => {
      await sellUnits(factory, { serials: ['B1-000003'] }, { buyer: aBuyer('first') })
      await assert.rejects(sellUnits(factory, { batch: 'B1' }, { buyer: aBuyer('second') }), {
        code: 'not-owner',
        detail: { serial: 'B1-000003', owner: 'first' },
      })
      assert.equal((await unitOf(factory, 'B1-000001')).owner, 'Acme')
    }))

  test('to two buyers at once: one of them has it', () =>
    withUnits(1, async factory => {
      const sales = ['first', 'second'].map(id => sellUnits(factory, { batch: 'B1' }, { buyer: aBuyer(id) }))
      const outcomes = await Promise.allSettled(sales)
      assert.deepEqual(outcomes.map(({ status }) => status).sort(), ['fulfilled', 'rejected'])
      assert.equal((await unitOf(factory, 'B1-000001')).declarationVersion, 2)
    }))

  test('cut off at any step and repeated, is complete', async () => {
    for (const after of [false, true]) {
      for (let steps = 0; steps < 3; steps++) {
        await withUnits(3, async factory => {
          const sale = { buyer: aBuyer() }
          const store = new PowerCut(steps, after).store(factory.store)
          await assert.rejects(sellUnits({ ...factory, store }, { batch: 'B1' }, sale), Crash)
          const sold = await factory.store.read(tables => tables.unit.count({ owner: 'site-1' }))
          assert.equal((await sellUnits(factory, { batch: 'B1' }, sale)).unchanged, sold)
          for (const serial of ['B1-000001', 'B1-000002', 'B1-000003']) {
            const unit = await unitOf(factory, serial)
            assert.deepEqual([unit.owner, unit.declarationVersion, unit.version], ['site-1', 2, 4])
          }
          assert.equal((await factory.store.verify()).integrity, 'pass')
        })
      }
    }
  })

  test('what cannot be sold', () =>
    withUnits(1, async factory => {
      const sale = { buyer: aBuyer() }
      await assert.rejects(sellUnits(factory, { serials: ['B1-000009'] }, sale), { code: 'unit-not-found' })
      await assert.rejects(sellUnits(factory, { batch: 'B9' }, sale), { code: 'not-found' })
      const nobody = { id: 'x', name: 'x', domains: [] }
      await assert.rejects(sellUnits(factory, { batch: 'B1' }, { buyer: nobody }), { code: 'input-invalid' })
      const withdrawn = await withdrawUnit(factory, 'B1-000001', 'quality')
      assert.equal(withdrawn.withdrawnAt, now)
      assert.deepEqual(await withdrawUnit(factory, 'B1-000001', 'again'), withdrawn)
      await assert.rejects(withdrawUnit(factory, 'B1-000009', 'quality'), { code: 'unit-not-found' })
      await assert.rejects(sellUnits(factory, { batch: 'B1' }, sale), { code: 'unit-withdrawn' })
      await assert.rejects(shipmentManifest(factory, { batch: 'B1' }, sale.buyer), { code: 'unit-withdrawn' })
    }))

  test('a unit that the line has not finished is not sold', () =>
    withFactory(async factory => {
      const port = { csr: factory.bench.csr.bind(factory.bench), install: async () => Promise.reject(new Crash()) }
      await assert.rejects(makeUnits(factory.order({ count: 1, port })), Crash)
      await assert.rejects(sellUnits(factory, { batch: 'B1' }, { buyer: aBuyer() }), { code: 'not-found' })
      await assert.rejects(sellUnits(factory, { serials: ['B1-000001'] }, { buyer: aBuyer() }), {
        code: 'unit-not-found',
      })
    }))
})

describe('a shipment', () => {
  test('lists the units that are the buyer’s, with all that a site needs', () =>
    withUnits(3, async factory => {
      const { manufacturer } = factory
      const buyer = aBuyer()
      await sellUnits(factory, { batch: 'B1' }, { buyer })
      const bytes = await shipmentManifest(factory, { batch: 'B1' }, buyer)
      const manifest = await openManifest(bytes, { anchors: manufacturer.masaAnchors, at: new Date(now) })
      assert.deepEqual(manifest.buyer, buyer)
      assert.deepEqual([manifest.manufacturer, manifest.trustedAs, manifest.issuedAt], ['Acme', 'Acme', now])
      assert.equal(manifest.masaUrl, 'https://masa.acme.example/.well-known/brski')
      assert.deepEqual(manifest.anchors, [Buffer.from(manufacturer.deviceRoot.der).toString('base64')])
      assert.deepEqual(manifest.masaAnchors, [Buffer.from(manufacturer.masaRoot.der).toString('base64')])
      assert.equal(manifest.units.length, 3)
      for (const { serial, model, keyHash, mudUrl, declared: declaration } of manifest.units) {
        const unit = await unitOf(factory, serial)
        assert.deepEqual([model, keyHash, mudUrl], ['Sensor', unit.keyHash, 'https://mud.acme.example/sensor.json'])
        assert.deepEqual(declaration, declared(unit))
      }
    }))

  test('does not list what is not the buyer’s', () =>
    withUnits(2, async factory => {
      const buyer = aBuyer()
      await sellUnits(factory, { serials: ['B1-000001'] }, { buyer })
      await assert.rejects(shipmentManifest(factory, { batch: 'B1' }, buyer), { code: 'not-owner' })
    }))

  test('holds no private key, in any form', () =>
    withUnits(1, async factory => {
      const { manufacturer, bench } = factory
      const bytes = await shipmentManifest(factory, { batch: 'B1' }, manufacturer.party)
      const text = bytes.toString('latin1')
      assert.doesNotMatch(text, /PRIVATE|"d"|"k"|secret/i)
      // The public key of the device is not in it either: only its hash.
      assert.ok(!text.includes(bench.key('B1-000001').spkiDer.toString('base64')))
    }))
})
