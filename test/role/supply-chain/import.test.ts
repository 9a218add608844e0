import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { generateKey } from '../../../src/crypto/key.ts'
import { keySigner } from '../../../src/crypto/signer.ts'
import { type Device, deviceId, evolveDevice } from '../../../src/domain/device.ts'
import type { Store } from '../../../src/domain/port.ts'
import { createAdmission } from '../../../src/role/authorization/admission.ts'
import { makeUnits } from '../../../src/role/factory/line.ts'
import { type BuyerCard, buyerCard, sellUnits, shipmentManifest } from '../../../src/role/factory/sale.ts'
import { expectDevice, type ImportReport, importManifest } from '../../../src/role/supply-chain/import.ts'
import { distrustManufacturer, trustManufacturer } from '../../../src/role/supply-chain/trust.ts'
import { testPolicies } from '../../policy.ts'
import { openTestStore, type TestStore } from '../../store.ts'
import { Crash, type Factory, now, openFactory, PowerCut } from '../factory/factory.ts'

const clock = () => now

interface Scene {
  readonly factory: Factory
  readonly site: Store
  readonly buyer: BuyerCard
  readonly opened: TestStore
}

/** A factory with units that it sold to a site, and the site, which trusts the factory as `acme`. */
async function withSite(count: number, work: (scene: Scene) => Promise<void>): Promise<void> {
  const factory = await openFactory()
  const opened = await openTestStore({ clock })
  try {
    const buyer = aBuyer('site-1')
    await makeUnits(factory.order({ count }))
    await sellUnits(factory, { batch: 'B1' }, { buyer })
    await trust(opened.store, factory, 'acme')
    await work({ factory, site: opened.store, buyer, opened })
  } finally {
    await opened.close()
    await factory.opened.close()
  }
}

function aBuyer(id: string): BuyerCard {
  return buyerCard({ id, name: `Buyer ${id}`, certificates: [keySigner(generateKey('P-256'))] })
}

async function trust(store: Store, { manufacturer }: Factory, name: string): Promise<void> {
  const { deviceRoot, masaRoot } = manufacturer
  await trustManufacturer({ store, clock }, { name, anchors: [deviceRoot.der], masaAnchors: [masaRoot.der] }, 'root')
}

function bring(
  store: Store,
  bytes: Uint8Array,
  onProgress?: (done: number, of: number) => void,
): Promise<ImportReport> {
  return importManifest({ bytes, store, clock, importedBy: 'anna' }, onProgress)
}

function deviceOf(store: Store, serial: string, manufacturer = 'acme'): Promise<Device | undefined> {
  return store.read(tables => tables.device.get(deviceId(manufacturer, serial)))
}

const countsOf = ({ new: added, updated, unchanged, refused }: ImportReport) => [
  added,
  updated,
  unchanged,
  refused.length,
]

describe('importing a manifest', () => {
  test('expects each device, with owner, model, key and MUD URL', () =>
    withSite(3, async ({ factory, site, buyer }) => {
      const progress: number[][] = []
      const bytes = await shipmentManifest(factory, { batch: 'B1' }, buyer)
      const report = await bring(site, bytes, (...step) => progress.push(step))
      assert.deepEqual(countsOf(report), [3, 0, 0, 0])
      assert.deepEqual(progress, [[3, 3]])
      assert.deepEqual(
        { ...report.manifest, id: 'x' },
        {
          id: 'x',
          manufacturer: 'acme',
          statedName: 'Acme',
          masaUrl: 'https://masa.acme.example/.well-known/brski',
          devices: 3,
          importedAt: now,
          importedBy: 'anna',
        },
      )
      const unit = await factory.store.read(tables => tables.unit.get('B1-000002'))
      assert.deepEqual(await deviceOf(site, 'B1-000002'), {
        id: deviceId('acme', 'B1-000002'),
        manufacturer: 'acme',
        serial: 'B1-000002',
        model: 'Sensor',
        version: 1,
        lifecycle: 'SC.SHL',
        rung: 'expected',
        standing: 'expected',
        owner: 'site-1',
        declarationVersion: 2,
        expectedKeyHash: unit?.keyHash,
        mudUrl: 'https://mud.acme.example/sensor.json',
        intent: { manifest: 'https://mud.acme.example/sensor.json' },
      })
      const [event] = await site.history(`device/${deviceId('acme', 'B1-000002')}`)
      assert.equal(event?.body['source'], `manifest/${report.manifest.id}`)
      assert.deepEqual(
        (await site.history(`manifest/${report.manifest.id}`)).map(({ kind }) => kind),
        ['manifest-imported'],
      )
      assert.equal((await site.verify()).integrity, 'pass')
    }))

  test('twice is once', () =>
    withSite(2, async ({ factory, site, buyer }) => {
      const bytes = await shipmentManifest(factory, { batch: 'B1' }, buyer)
      const first = await bring(site, bytes)
      const device = await deviceOf(site, 'B1-000001')
      const again = await bring(site, bytes)
      assert.deepEqual(countsOf(again), [0, 0, 2, 0])
      assert.deepEqual(again.manifest, first.manifest)
      assert.deepEqual(await deviceOf(site, 'B1-000001'), device)
      assert.equal(await site.read(tables => tables.manifest.count()), 1)
    }))

  test('two at once', () =>
    withSite(2, async ({ factory, site, buyer }) => {
      const bytes = await shipmentManifest(factory, { batch: 'B1' }, buyer)
      const reports = await Promise.all([bring(site, bytes), bring(site, bytes)])
      assert.deepEqual(reports[0].manifest, reports[1].manifest)
      assert.equal((await deviceOf(site, 'B1-000001'))?.version, 1)
    }))

  test('cut off at any step and repeated, is complete and without doubles', () =>
    withSite(250, async ({ factory, buyer }) => {
      const bytes = await shipmentManifest(factory, { batch: 'B1' }, buyer)
      for (const after of [false, true]) {
        for (let steps = 0; steps < 4; steps++) {
          const opened = await openTestStore({ clock })
          const { store } = opened
          await trust(store, factory, 'acme')
          await assert.rejects(bring(new PowerCut(steps, after).store(store), bytes), Crash)
          const before = await store.read(tables => tables.device.count())
          assert.equal(before, Math.min(250, 100 * (steps + Number(after))))
          assert.equal(await store.read(tables => tables.manifest.count()), Number(steps === 3 && after))
          assert.deepEqual(countsOf(await bring(store, bytes)), [250 - before, 0, before, 0])
          assert.equal(await store.read(tables => tables.device.count({ manufacturer: 'acme' })), 250)
          assert.equal((await deviceOf(store, 'B1-000250'))?.version, 1)
          await opened.close()
        }
      }
    }))

  test('a newer declaration brings the new owner; the older manifest does not bring the old one back', () =>
    withSite(2, async ({ factory, site, buyer }) => {
      const maker = factory.manufacturer.party
      await makeUnits(factory.order({ batch: 'B2', count: 2 }))
      const before = await shipmentManifest(factory, { batch: 'B2' }, maker)
      assert.deepEqual(countsOf(await bring(site, before)), [2, 0, 0, 0])
      assert.equal((await deviceOf(site, 'B2-000001'))?.owner, 'Acme')
      await sellUnits(factory, { serials: ['B2-000001'] }, { buyer })
      const sold = await shipmentManifest(factory, { serials: ['B2-000001'] }, buyer)
      assert.deepEqual(countsOf(await bring(site, sold)), [0, 1, 0, 0])
      assert.equal((await deviceOf(site, 'B2-000001'))?.owner, 'site-1')
      const replayed = await bring(site, before)
      assert.deepEqual(countsOf(replayed), [0, 0, 1, 1])
      assert.deepEqual(replayed.refused, [{ serial: 'B2-000001', code: 'declaration-stale' }])
      const device = await deviceOf(site, 'B2-000001')
      assert.deepEqual([device?.owner, device?.declarationVersion, device?.version], ['site-1', 2, 2])
    }))

  test('two declarations of one version: the one known first stays', () =>
    withSite(1, async ({ factory, site, buyer }) => {
      await bring(site, await shipmentManifest(factory, { batch: 'B1' }, buyer))
      // The factory restored an old backup and sold the unit again.
      const twin = await openFactory()
      const { store } = twin
      const unit = (await factory.store.read(tables => tables.unit.get('B1-000001')))!
      await makeUnits(twin.order({ count: 1 }))
      const other = (await store.read(tables => tables.unit.get('B1-000001')))!
      const { idevid, keyHash } = unit
      await store.transaction(tx => tx.unit.put({ ...other, idevid, keyHash }))
      const office = { ...twin, manufacturer: { ...twin.manufacturer, manifest: factory.manufacturer.manifest } }
      const rival = aBuyer('rival')
      await sellUnits(office, { batch: 'B1' }, { buyer: rival })
      const report = await bring(site, await shipmentManifest(office, { batch: 'B1' }, rival))
      assert.deepEqual(report.refused, [{ serial: 'B1-000001', code: 'declaration-invalid' }])
      assert.equal((await deviceOf(site, 'B1-000001'))?.owner, 'site-1')
      await twin.opened.close()
    }))

  test('a device that waits is waited for no longer; one that was denied stays denied', () =>
    withSite(2, async ({ factory, site, buyer }) => {
      for (const [serial, denied] of [
        ['B1-000001', false],
        ['B1-000002', true],
      ] as const) {
        const unit = (await factory.store.read(tables => tables.unit.get(serial)))!
        const heard = { manufacturer: 'acme', serial, attempt: 'a', protocol: 'brski', address: '192.0.2.1', at: now }
        const events = [
          { kind: 'device-heard', body: heard },
          { kind: 'identity-proven', body: { certificateHash: 'c', keyHash: unit.keyHash } },
          ...(denied ? [{ kind: 'admission-denied', body: { by: 'anna' } } as const] : []),
        ] as const
        const device = events.reduce<Device | undefined>(evolveDevice, undefined)!
        await site.transaction(async tx => {
          await tx.append(`device/${device.id}`, 0, events)
          await tx.device.put(device)
        })
      }
      const bytes = await shipmentManifest(factory, { batch: 'B1' }, buyer)
      assert.deepEqual(countsOf(await bring(site, bytes)), [0, 2, 0, 0])
      assert.equal((await deviceOf(site, 'B1-000001'))?.standing, 'expected')
      assert.equal((await deviceOf(site, 'B1-000002'))?.standing, 'denied')
    }))

  test('a device that proved another key before is reported and not touched', () =>
    withSite(1, async ({ factory, site, buyer }) => {
      const heard = {
        manufacturer: 'acme',
        serial: 'B1-000001',
        attempt: 'a',
        protocol: 'brski',
        address: 'x',
        at: now,
      }
      const events = [
        { kind: 'device-heard', body: heard },
        { kind: 'identity-proven', body: { certificateHash: 'c', keyHash: 'f'.repeat(64) } },
      ] as const
      const device = events.reduce<Device | undefined>(evolveDevice, undefined)!
      await site.transaction(async tx => {
        await tx.append(`device/${device.id}`, 0, events)
        await tx.device.put(device)
      })
      const report = await bring(site, await shipmentManifest(factory, { batch: 'B1' }, buyer))
      assert.deepEqual(report.refused, [{ serial: 'B1-000001', code: 'device-identity-cloned' }])
      assert.deepEqual(await deviceOf(site, 'B1-000001'), device)
    }))

  test('a device with another key than on the manifest is refused at its first contact', () =>
    withSite(1, async ({ factory, site, buyer }) => {
      await bring(site, await shipmentManifest(factory, { batch: 'B1' }, buyer))
      const policy = { network: 'n', owners: ['site-1'], credentialLifetimeDays: 1, retryAfterSeconds: 1 }
      const admission = createAdmission(site, clock, policy, testPolicies())
      const unit = (await factory.store.read(tables => tables.unit.get('B1-000001')))!
      const ask = (keyHash: string, attempt: string) =>
        admission.admit({
          identity: { manufacturer: 'acme', serial: 'B1-000001', certificateHash: 'c', keyHash },
          network: { id: 'n', protocol: 'brski' },
          evidence: { attempt, transcript: 't', address: '192.0.2.1' },
        })
      const clone = await ask('f'.repeat(64), 'one')
      assert.deepEqual([clone.verdict, 'code' in clone && clone.code], ['refuse', 'device-identity-cloned'])
      assert.equal((await ask(unit.keyHash, 'two')).verdict, 'admit')
    }))
})

describe('whose devices they are', () => {
  test('a manifest counts only under the name of the anchor that it chains to', () =>
    withSite(1, async ({ factory, site, buyer }) => {
      await bring(site, await shipmentManifest(factory, { batch: 'B1' }, buyer))
      const known = await deviceOf(site, 'B1-000001')
      // Another trusted manufacturer claims the same name and the same serial number.
      const thief = await openFactory({ name: 'Acme' })
      await makeUnits(thief.order({ count: 1 }))
      const owner = aBuyer('thief')
      await sellUnits(thief, { batch: 'B1' }, { buyer: owner })
      await trust(site, thief, 'other')
      const report = await bring(site, await shipmentManifest(thief, { batch: 'B1' }, owner))
      assert.equal(report.manifest.manufacturer, 'other')
      assert.deepEqual(await deviceOf(site, 'B1-000001'), known)
      assert.equal((await deviceOf(site, 'B1-000001', 'other'))?.owner, 'thief')
      await thief.opened.close()
    }))

  test('nothing is written for a manifest that does not verify', () =>
    withSite(2, async ({ factory, site, buyer }) => {
      const bytes = await shipmentManifest(factory, { batch: 'B1' }, buyer)
      const altered = Buffer.from(bytes)
      altered[altered.length - 10]! ^= 1
      await assert.rejects(bring(site, altered), { code: 'manifest-invalid' })
      await distrustManufacturer(site, 'acme', 'root')
      await assert.rejects(bring(site, bytes), { code: 'manifest-invalid' })
      assert.equal(await site.read(tables => tables.device.count()), 0)
      assert.equal(await site.read(tables => tables.manifest.count()), 0)
    }))

  test('only the given manufacturers count when some are given', () =>
    withSite(1, async ({ factory, site, buyer }) => {
      const bytes = await shipmentManifest(factory, { batch: 'B1' }, buyer)
      const request = { bytes, store: site, clock, importedBy: 'anna', manufacturers: [] }
      await assert.rejects(importManifest(request), { code: 'manifest-invalid' })
    }))
})

describe('expecting one device by hand', () => {
  test('of a trusted manufacturer, once', () =>
    withSite(1, async ({ site }) => {
      const device = await expectDevice(site, { manufacturer: 'acme', serial: 'X1', model: 'Sensor' }, 'anna')
      assert.deepEqual(
        [device.standing, device.owner, device.declarationVersion, device.model, device.version],
        ['expected', '', 0, 'Sensor', 1],
      )
      assert.deepEqual(await expectDevice(site, { manufacturer: 'acme', serial: 'X1' }, 'bert'), device)
      const [event] = await site.history(`device/${device.id}`)
      assert.equal(event?.body['source'], 'by anna')
    }))

  test('and its manifest may follow', () =>
    withSite(1, async ({ factory, site, buyer }) => {
      await expectDevice(site, { manufacturer: 'acme', serial: 'B1-000001' }, 'anna')
      assert.deepEqual(
        countsOf(await bring(site, await shipmentManifest(factory, { batch: 'B1' }, buyer))),
        [0, 1, 0, 0],
      )
      assert.equal((await deviceOf(site, 'B1-000001'))?.owner, 'site-1')
    }))

  test('not of a stranger, and not without a serial number', () =>
    withSite(1, async ({ site }) => {
      await assert.rejects(expectDevice(site, { manufacturer: 'evil', serial: 'X1' }, 'anna'), { code: 'not-found' })
      for (const serial of ['', ' X1', 'X\n1', 'x'.repeat(65)]) {
        await assert.rejects(expectDevice(site, { manufacturer: 'acme', serial }, 'anna'), { code: 'input-invalid' })
      }
    }))
})
