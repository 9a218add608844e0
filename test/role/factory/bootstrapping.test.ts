import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { createQrCodeReader } from '../../../src/adapter/image/qr-code.ts'
import { generateKey } from '../../../src/crypto/key.ts'
import { keySigner } from '../../../src/crypto/signer.ts'
import { deviceId } from '../../../src/domain/device.ts'
import type { Store } from '../../../src/domain/port.ts'
import type { DppCurve } from '../../../src/protocol/dpp/curve.ts'
import { type DppKeyPair, exportSpki, generateDppKey } from '../../../src/protocol/dpp/key.ts'
import { keyHash, parseBootstrappingUri } from '../../../src/protocol/dpp/uri.ts'
import { checkBootstrappingUri } from '../../../src/protocol/dpp/uri-check.ts'
import { type BootstrappingFields, composeUri } from '../../../src/role/factory/bootstrapping.ts'
import { labelSvg } from '../../../src/role/factory/label.ts'
import { makeUnits } from '../../../src/role/factory/line.ts'
import { buyerCard, sellUnits, shipmentManifest } from '../../../src/role/factory/sale.ts'
import { createBootstrapping } from '../../../src/role/onboarding/bootstrapping.ts'
import { importManifest } from '../../../src/role/supply-chain/import.ts'
import { trustManufacturer } from '../../../src/role/supply-chain/trust.ts'
import { greyPng } from '../../adapter/image/png.ts'
import { needs } from '../../peer.ts'
import { openTestStore } from '../../store.ts'
import { Bench, type Factory, now, withFactory } from './factory.ts'

const clock = () => now
const dpp = { curve: 'P-256', channels: ['81/6', '115/36'], firstMac: '0200000001fe' } as const

/** Devices that make a bootstrapping key as well. */
class WirelessBench extends Bench {
  readonly pairs = new Map<string, DppKeyPair>()
  /** What a device says in place of what it should. */
  said: (serial: string, uri: string) => string = (_, uri) => uri

  async bootstrap(serial: string, curve: DppCurve, fields: BootstrappingFields): Promise<string> {
    const pair = this.pairs.get(serial) ?? generateDppKey(curve)
    this.pairs.set(serial, pair)
    return this.said(serial, composeUri(pair.key.export({ type: 'spki', format: 'der' }), fields))
  }
}

function orderOf(factory: Factory, port: WirelessBench, count = 3) {
  return factory.order({ count, port, dpp })
}

async function uriOf({ store }: Factory, serial: string): Promise<string> {
  return (await store.read(tables => tables.unit.get(serial)))?.bootstrappingUri ?? ''
}

describe('units for Wi-Fi Easy Connect', () => {
  test('each have a key of their own, and a URI that says where and which they are', () =>
    withFactory(async factory => {
      const port = new WirelessBench()
      await makeUnits(orderOf(factory, port))
      const uris = await Promise.all(['B1-000001', 'B1-000002', 'B1-000003'].map(serial => uriOf(factory, serial)))
      assert.deepEqual(
        uris.map(text => text.replace(/K:.*/, '')),
        [
          'DPP:C:81/6,115/36;M:0200000001fe;I:SN=B1-000001;V:2;',
          'DPP:C:81/6,115/36;M:0200000001ff;I:SN=B1-000002;V:2;',
          'DPP:C:81/6,115/36;M:020000000200;I:SN=B1-000003;V:2;',
        ],
      )
      for (const [n, text] of uris.entries()) {
        const uri = parseBootstrappingUri(text)
        assert.deepEqual(Buffer.from(uri.publicKey), exportSpki(port.pairs.get(`B1-00000${n + 1}`)!))
        assert.deepEqual(
          checkBootstrappingUri(text).findings.map(({ rule }) => rule),
          ['mac-local'],
        )
      }
      assert.equal((await factory.store.verify()).integrity, 'pass')
    }))

  test('are resumed with the same terms and no others', () =>
    withFactory(async factory => {
      const port = new WirelessBench()
      await makeUnits(orderOf(factory, port))
      await makeUnits(orderOf(factory, port))
      for (const change of [
        { ...dpp, channels: [] },
        { ...dpp, firstMac: '020000000000' },
        { ...dpp, version: 3 },
      ]) {
        await assert.rejects(makeUnits({ ...orderOf(factory, port), dpp: change }), { code: 'batch-differs' })
      }
      for (const wrong of [
        { ...dpp, firstMac: '010000000000' },
        { ...dpp, firstMac: '0200000001' },
        { ...dpp, firstMac: '020000ffffff' },
        { ...dpp, channels: ['81/15'] },
        { ...dpp, version: 4 },
      ]) {
        const order = { ...orderOf(factory, port), batch: 'B2', dpp: wrong }
        await assert.rejects(makeUnits(order), { code: 'input-invalid' }, JSON.stringify(wrong))
      }
    }))

  test('that could not be found, or are two in one, are not finished', () =>
    withFactory(async factory => {
      const port = new WirelessBench()
      const twin = generateDppKey('P-256')
      const large = exportSpki(generateDppKey('P-384')).toString('base64')
      const wrong: Record<string, (uri: string) => string> = {
        'B1-000001': uri => uri.replace(/M:[^;]*/, 'M:00aabbccddee'),
        'B1-000002': uri => uri.replace(/C:[^;]*/, 'C:81/99'),
        'B1-000003': uri => uri.replace(/K:[^;]*/, 'K:AAAA'),
        'B1-000004': uri => uri.replace(/V:2/, 'V:9'),
        'B1-000005': uri => uri.replace(/K:[^;]*/, `K:${large}`),
        'B1-000006': uri => uri.replace(/K:[^;]*/, `K:${exportSpki(twin).toString('base64')}`),
        'B1-000007': uri => uri.replace(/K:[^;]*/, `K:${exportSpki(twin).toString('base64')}`),
      }
      port.said = (serial, uri) => wrong[serial]?.(uri) ?? uri
      const { batch, refused } = await makeUnits({ ...orderOf(factory, port, 8), concurrency: 1 })
      assert.equal(batch.made, 2)
      assert.deepEqual(
        refused.map(({ serial, error }) => [serial.slice(-1), error.code]),
        [
          ['1', 'bootstrapping-uri-invalid'],
          ['2', 'bootstrapping-uri-invalid'],
          ['3', 'bootstrapping-uri-invalid'],
          ['4', 'bootstrapping-uri-invalid'],
          ['5', 'bootstrapping-uri-invalid'],
          ['7', 'unit-key-reused'],
        ],
      )
      port.said = (_, uri) => uri
      const healed = await makeUnits(orderOf(factory, port, 8))
      assert.deepEqual([healed.batch.made, healed.refused.length], [8, 0])
    }))
})

/** A factory that sold three such units to a site that trusts it. */
async function sold(
  work: (scene: { factory: Factory; site: Store; manifest: () => Promise<Buffer> }) => Promise<void>,
) {
  await withFactory(async factory => {
    const opened = await openTestStore({ clock })
    try {
      const buyer = buyerCard({ id: 'site-1', name: 'Site', certificates: [keySigner(generateKey('P-256'))] })
      await makeUnits(orderOf(factory, new WirelessBench()))
      await sellUnits(factory, { batch: 'B1' }, { buyer })
      const { deviceRoot, masaRoot } = factory.manufacturer
      const terms = { name: 'acme', anchors: [deviceRoot.der], masaAnchors: [masaRoot.der] }
      await trustManufacturer({ store: opened.store, clock }, terms, 'root')
      const manifest = () => shipmentManifest(factory, { batch: 'B1' }, buyer)
      await work({ factory, site: opened.store, manifest })
      assert.equal((await opened.store.verify()).integrity, 'pass')
    } finally {
      await opened.close()
    }
  })
}

describe('a manifest with bootstrapping keys', () => {
  const bring = (store: Store, bytes: Uint8Array) => importManifest({ bytes, store, clock, importedBy: 'anna' })

  test('expects each device by its key, with what its manufacturer declared', () =>
    sold(async ({ factory, site, manifest }) => {
      const bytes = await manifest()
      const report = await bring(site, bytes)
      assert.deepEqual([report.new, report.refused], [3, []])
      const uri = await uriOf(factory, 'B1-000002')
      const id = keyHash(parseBootstrappingUri(uri)).toString('hex')
      const record = await site.read(tables => tables.bootstrappingKey.get(id))
      assert.deepEqual(
        { ...record, chirpHash: '', declaration: '' },
        {
          ...{ id, uri, device: deviceId('acme', 'B1-000002'), netRole: 'sta', state: 'active', addedBy: 'anna' },
          ...{ source: `manifest/${report.manifest.id}`, addedAt: now, chirpHash: '', declaration: '' },
        },
      )
      const declaration = await site.read(tables => tables.document.get(record!.declaration!))
      assert.match(Buffer.from(declaration!.file, 'base64').toString(), /^\{"payload":/)
      assert.equal((await bring(site, bytes)).unchanged, 3, 'the same again is no change')
    }))

  test('does not take a key from another device, and says of which unit that was', () =>
    sold(async ({ factory, site, manifest }) => {
      const bootstrapping = createBootstrapping({ store: site, clock })
      await bootstrapping.add({ uri: await uriOf(factory, 'B1-000001') }, 'mallory')
      const second = composeUri(exportSpki(generateDppKey('P-256')), { version: 2 })
      await bootstrapping.add({ uri: second, manufacturer: 'acme', serial: 'B1-000002' }, 'anna')
      const report = await bring(site, await manifest())
      assert.deepEqual(report.new, 1)
      assert.deepEqual(report.refused, [
        { serial: 'B1-000001', code: 'bootstrapping-key-taken' },
        { serial: 'B1-000002', code: 'device-has-bootstrapping-key' },
      ])
    }))

  test('with a URI that is none, or one for two units, is refused whole', () =>
    sold(async ({ factory, site, manifest }) => {
      const unit = (await factory.store.read(tables => tables.unit.get('B1-000001')))!
      const other = await uriOf(factory, 'B1-000002')
      for (const bootstrappingUri of ['DPP:V:2;;', other]) {
        await factory.store.transaction(tx => tx.unit.put({ ...unit, bootstrappingUri }))
        await assert.rejects(bring(site, await manifest()), { code: 'manifest-invalid' })
      }
      assert.equal(await site.read(tables => tables.device.count()), 0)
    }))
})

/** The code of a label as a picture. */
function labelPng(svg: string): Buffer {
  const [, scale, path] = /scale\(([\d.]+)\)[^>]* d="([^"]+)"/.exec(svg) ?? []
  const size = Math.round(28 / Number(scale))
  const dark = new Set<string>()
  for (const [, column, row, run] of path!.matchAll(/M(\d+) (\d+)h(\d+)v1h-\d+z/g)) {
    for (let n = 0; n < Number(run); n++) dark.add(`${Number(column) + n} ${row}`)
  }
  return greyPng(size * 5, size * 5, (x, y) => (dark.has(`${Math.floor(x / 5)} ${Math.floor(y / 5)}`) ? 0 : 255))
}

describe('a label for Wi-Fi Easy Connect', () => {
  const pair = generateDppKey('P-521')
  const fields = { mac: '020000000101', information: `SN=${'S'.repeat(40)}`, version: 3 }
  const bootstrappingUri = composeUri(exportSpki(pair), fields)
  const label = { manufacturer: 'Acme', model: 'Lamp', serial: 'B1-000001', keyHash: 'a1'.repeat(32), bootstrappingUri }

  test('carries the URI, and the beginning of the hash by which the device is known', async () => {
    const svg = labelSvg(label)
    assert.deepEqual(await createQrCodeReader().read(labelPng(svg)), [bootstrappingUri])
    const digits = keyHash(parseBootstrappingUri(bootstrappingUri)).toString('hex').slice(0, 16)
    assert.ok(svg.includes(digits.match(/..../g)!.join(' ')))
    assert.ok(svg.includes('Wi-Fi Easy Connect'))
  })

  test('is read by another reader', needs('zbarimg'), () => {
    const directory = mkdtempSync(join(tmpdir(), 'mooring-label-'))
    try {
      const file = join(directory, 'label.png')
      writeFileSync(file, labelPng(labelSvg(label)))
      const read = execFileSync('zbarimg', ['-q', '--raw', file], {
        encoding: 'utf8',
        stdio: ['ignore', 'pipe', 'ignore'],
      })
      assert.equal(read.trim(), bootstrappingUri)
    } finally {
      rmSync(directory, { recursive: true })
    }
  })
})
