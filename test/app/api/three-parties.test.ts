import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { type DeviceEvent, deviceId, evolveDevice } from '../../../src/domain/device.ts'
import { streamName } from '../../../src/domain/event.ts'
import { openWorld, requestOf, type World } from './world.ts'

/**
 * White paper section 5: panels on a roof are the solar company's, the network is the harbour's, the application the grid's.
 * Each does its own, and none the others'.
 */
describe('three organizations in one installation', () => {
  let world: World
  const tokens = new Map<string, string>()
  const roles = { solar: 'device-owner', harbour: 'network-administrator', grid: 'application-manager' } as const
  const id = deviceId('fjord', 'PANEL-1')

  before(async () => {
    world = await openWorld()
    for (const [party, role] of Object.entries(roles)) {
      tokens.set(party, (await world.makeToken(role, undefined, party)).text)
    }
    const terms = { manufacturer: 'fjord', serial: 'PANEL-1', model: '', source: 'test', declarationVersion: 1 }
    const event: DeviceEvent = { kind: 'device-expected', body: { ...terms, owner: 'solar', lifecycle: 'US.COM' } }
    await world.services.store.transaction(async tx => {
      await tx.append(streamName('device', id), 0, [event])
      await tx.device.insert(evolveDevice(undefined, event))
    })
  })
  after(() => world.close())

  const ask = (party: string, ...call: Parameters<typeof requestOf>) => {
    const [name, given] = call
    return world.ask(...requestOf(name, given, tokens.get(party)))
  }

  /** What is each party's own to do, and nobody else's of the three. */
  const own = {
    solar: ['tokenCreate', { body: { name: 'caretaker', roles: ['device-manager'] } }],
    harbour: ['manufacturerDistrust', { params: { name: 'nobody' } }],
    grid: ['deviceStep', { params: { id }, body: { event: 'execute', facts: { applicationInstalled: true } } }],
  } as const

  for (const [party, [name, given]] of Object.entries(own)) {
    test(`${name} is for ${party} alone [WP-R18]`, async () => {
      for (const other of Object.keys(own)) {
        const { status, json } = await ask(other, name, given)
        if (other !== party) assert.deepEqual([status, json['code']], [403, 'not-permitted'], `${name} by ${other}`)
        else assert.notEqual(status, 403, `${name} by ${other}: ${String(json['code'])}`)
      }
    })
  }

  test('all look at one device, whose owner is none of the network’s [WP-R18]', async () => {
    for (const party of Object.keys(own)) {
      const { status, json } = await ask(party, 'deviceShow', { params: { id } })
      assert.deepEqual([status, json['owner']], [200, 'solar'], party)
    }
    assert.equal(world.services.site.owner, 'harbour')
  })
})
