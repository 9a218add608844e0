import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { readDpp } from '../../src/app/scim/dpp.ts'
import { ScimError } from '../../src/app/scim/failure.ts'
import { exportSpki, generateDppKey } from '../../src/protocol/dpp/key.ts'
import { trustManufacturer } from '../../src/role/supply-chain/trust.ts'
import { type Answer, type World, withWorld } from './api/world.ts'

const device = 'urn:ietf:params:scim:schemas:core:2.0:Device'
const dpp = 'urn:ietf:params:scim:schemas:extension:dpp:2.0:Device'
const birth = 'urn:mooring:scim:schemas:extension:birth:2.0:Device'

const fresh = () => exportSpki(generateDppKey('P-256')).toString('base64')
const extension = (more: object = {}) => ({
  dppVersion: 2,
  bootstrappingMethod: ['QR'],
  bootstrapKey: fresh(),
  deviceMacAddress: '2C:54:91:88:C9:F2',
  classChannel: ['81/1', '115/36'],
  serialNumber: '4774LH2b4044',
  ...more,
})

async function withScim(
  work: (world: World, ask: (method: string, path: string, body?: unknown) => Promise<Answer>) => Promise<void>,
): Promise<void> {
  await withWorld(async world => {
    await trustManufacturer(world.services, { name: 'acme', anchors: [world.services.site.root.der] }, 'root')
    const headers = { 'content-type': 'application/scim+json' }
    await work(world, (method, path, body) =>
      world.ask(`/scim/v2${path}`, {
        ...{ method, token: world.tokens.operator },
        ...(body === undefined ? {} : { body: JSON.stringify(body), headers }),
      }),
    )
    assert.equal((await world.services.store.verify()).integrity, 'pass')
  })
}

const body = (said: object, more: object = {}) => ({
  schemas: [device, dpp],
  displayName: 'Monitor',
  active: true,
  [dpp]: said,
  ...more,
})

describe('SCIM for devices of Wi-Fi Easy Connect', () => {
  test('expects a device by its key, and never shows the key', () =>
    withScim(async (world, ask) => {
      const said = extension()
      const made = await ask('POST', '/Devices', body(said))
      assert.equal(made.status, 201, made.text)
      assert.ok(!made.text.includes(said.bootstrapKey))
      const { bootstrapKey: _, ...shown } = said
      assert.deepEqual(made.json[dpp], shown)
      assert.deepEqual((made.json['schemas'] as string[]).includes(dpp), true)
      assert.equal((made.json[birth] as { manufacturer: string }).manufacturer, '(scanned)')
      const { items } = await world.call('dppKeyList', { query: {} })
      assert.equal(items[0]?.device, made.json['id'])
      assert.equal(items[0]?.standing, 'expected')
      const listed = await ask('GET', '/Devices')
      assert.deepEqual((listed.json['Resources'] as Record<string, unknown>[])[0]?.[dpp], shown)
      const { status } = await ask('GET', `/Schemas/${dpp}`)
      assert.equal(status, 200)
    }))

  test('with a birth extension it is one of a trusted manufacturer', () =>
    withScim(async (world, ask) => {
      const whose = { [birth]: { manufacturer: 'acme', serialNumber: '4774LH2b4044', model: 'Monitor' } }
      const made = await ask('POST', '/Devices', body(extension(), { schemas: [device, dpp, birth], ...whose }))
      assert.equal(made.status, 201, made.text)
      const { items } = await world.call('dppKeyList', { query: {} })
      assert.deepEqual([items[0]?.manufacturer, items[0]?.serial, items[0]?.model], ['acme', '4774LH2b4044', 'Monitor'])
      const foreign = { [birth]: { manufacturer: 'nobody', serialNumber: 'x' } }
      const said = extension({ serialNumber: 'x' })
      assert.equal(
        (await ask('POST', '/Devices', body(said, { schemas: [device, dpp, birth], ...foreign }))).status,
        404,
      )
      const other = { [birth]: { manufacturer: 'acme', serialNumber: 'y' } }
      assert.equal((await ask('POST', '/Devices', body(said, { schemas: [device, dpp, birth], ...other }))).status, 400)
    }))

  test('does not give a key to a second device, nor another key to the first', () =>
    withScim(async (_, ask) => {
      const said = extension()
      const made = await ask('POST', '/Devices', body(said))
      const again = await ask('POST', '/Devices', body({ ...said, serialNumber: 'other' }))
      assert.equal(again.status, 409, again.text)
      const path = `/Devices/${String(made.json['id'])}`
      const kept = await ask('PUT', path, body(said, { displayName: 'Hall' }))
      assert.deepEqual([kept.status, kept.json['displayName']], [200, 'Hall'])
      assert.equal((await ask('PUT', path, body(extension()))).status, 400)
    }))

  test('refuses what no device could be found by', () =>
    withScim(async (_, ask) => {
      for (const wrong of [
        { dppVersion: 4 },
        { dppVersion: '2' },
        { bootstrapKey: 'AAAA' },
        { bootstrapKey: fresh().slice(0, -8) },
        { bootstrapKey: undefined },
        { deviceMacAddress: '2C-54-91-88-C9-F2' },
        { classChannel: ['81'] },
        { classChannel: Array.from({ length: 33 }, () => '81/1') },
        { serialNumber: 'a;b' },
        { bootstrappingMethod: ['telepathy'] },
        { unknown: 1 },
      ]) {
        const { status, text } = await ask('POST', '/Devices', body(extension(wrong)))
        assert.equal(status, 400, `${JSON.stringify(wrong)} ${text}`)
      }
      assert.deepEqual((await ask('GET', '/Devices')).json['totalResults'], 0)
    }))

  test('may say anything', () => {
    const json = fc.jsonValue({ maxDepth: 2 }) as fc.Arbitrary<never>
    fc.assert(
      fc.property(json, value => {
        try {
          readDpp(value)
        } catch (error) {
          assert.ok(error instanceof ScimError)
        }
      }),
    )
    const keys = fc.record({ bootstrapKey: fc.base64String({ minLength: 40, maxLength: 200 }) })
    fc.assert(
      fc.property(keys, ({ bootstrapKey }) => {
        assert.throws(() => readDpp({ dppVersion: 2, bootstrapKey }), ScimError)
      }),
    )
  })
})
