import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { createDeviceHolds } from '../../src/role/onboarding/device-hold.ts'
import type { Revocation } from '../../src/role/onboarding/revocation.ts'
import { trustManufacturer } from '../../src/role/supply-chain/trust.ts'
import { withWorld } from './api/world.ts'

describe('reports and clones over the API', () => {
  it('a device is reported lost and found, and says in between why it is kept out', async () => {
    await withWorld(async ({ call, ask, tokens, services }) => {
      await trustManufacturer(services, { name: 'fjord', anchors: [services.site.root.der] }, 'test')
      const device = await call('deviceExpect', { body: { manufacturer: 'fjord', serial: 'S-1', model: 'Lamp' } })
      const lost = await call('deviceReport', {
        params: { id: device.id },
        body: { what: 'lost', reason: 'on the train' },
      })
      assert.deepEqual([lost.hold?.kind, lost.hold?.reason], ['lost', 'on the train'])
      const path = `/v1/devices/${device.id}/clone-resolution`
      const headers = { 'content-type': 'application/json' }
      const token = tokens.administrator
      const refuse = async (body: object) =>
        (await ask(path, { method: 'POST', token, headers, body: JSON.stringify(body) })).json.code
      assert.equal(await refuse({ resolution: 'one-device' }), 'device-not-held')
      assert.equal(await refuse({ resolution: 'genuine-at' }), 'input-invalid')
      assert.equal(await refuse({ resolution: 'neither', place: '192.0.2.1' }), 'input-invalid')
      assert.equal((await call('deviceReport', { params: { id: device.id }, body: { what: 'found' } })).hold, undefined)
    })
  })

  it('two devices with one identity are shown with their places, and resolved', async () => {
    await withWorld(async ({ call, services }) => {
      await trustManufacturer(services, { name: 'fjord', anchors: [services.site.root.der] }, 'test')
      const device = await call('deviceExpect', { body: { manufacturer: 'fjord', serial: 'S-2', model: 'Lamp' } })
      const { store, clock, revocation } = services
      const holds = createDeviceHolds({ store, clock, revocation: revocation as Revocation })
      await holds.suspectClone(device.id, 'two-places-by-turns', [{ place: '192.0.2.7', at: 1_700_000_000_000 }])
      const shown = await call('deviceShow', { params: { id: device.id } })
      assert.deepEqual(shown.hold?.places, [{ place: '192.0.2.7', at: '2023-11-14T22:13:20.000Z' }])
      const body = { resolution: 'genuine-at', place: '192.0.2.7', minutes: 60 } as const
      const resolved = await call('deviceResolveClone', { params: { id: device.id }, body })
      assert.deepEqual([resolved.hold, resolved.birthBound?.place], [undefined, '192.0.2.7'])
    })
  })
})
