import assert from 'node:assert/strict'
import { test } from 'node:test'
import { changeNetwork, termsOf } from '../../../src/role/onboarding/network-directory.ts'
import { createWirelessAccess } from '../../../src/role/onboarding/wireless-access.ts'
import { type Gate, withGate } from '../authorization/gate.ts'
import { configuredLamp } from './configured-lamp.ts'
import { returning } from './dpp-return.ts'
import { defineNetwork, dppSite } from './dpp-site.ts'

const statuses = async (gate: Gate, device: string) => {
  const all = await gate.store.read(tables => tables.credential.find({ device }))
  return all.toSorted((a, b) => a.notBefore - b.notBefore).map(({ status }) => status)
}

test('a device comes back by its Connector, and gets what the policies and the network say now', () =>
  withGate(async gate => {
    const site = dppSite(gate)
    await defineNetwork(gate)
    const { device, there } = await configuredLamp(gate, site)
    gate.pass(60_000)
    await changeNetwork(
      gate,
      'lamps',
      before => ({ ...termsOf(before), ssid64: Buffer.from('lamps 2').toString('base64url') }),
      'me',
    )
    const back = returning(site.service, there, gate.clock)
    await back.until(() => back.closed() && site.service.sessions() === 0)
    assert.equal(back.state().type, 'done')
    assert.equal(Buffer.from(back.got[0]!.ssid).toString(), 'lamps 2')
    assert.notDeepEqual(back.netAccessKeys[0]!.point, there.netAccessKeys[0]!.point, 'for a new key')
    assert.deepEqual(await statuses(gate, device.id), ['revoked', 'issued'])
    gate.pass(60_000)
    const again = returning(site.service, back, gate.clock)
    await again.until(() => again.closed() && site.service.sessions() === 0)
    assert.equal(again.state().type, 'done')
  }))

test('also when its Connector has run out, and when somebody wanted it to come back', () =>
  withGate(async gate => {
    const site = dppSite(gate)
    await defineNetwork(gate, { connectorLifetimeDays: 1 })
    const { device, there } = await configuredLamp(gate, site)
    const access = createWirelessAccess(gate)
    const ended = await access.reconfigure(device.id, 'somebody')
    assert.deepEqual(
      ended.credentials.map(({ form, network }) => [form, network]),
      [['connector', 'lamps']],
    )
    gate.pass(2 * 86_400_000)
    const back = returning(site.service, there, gate.clock)
    await back.until(() => back.closed() && site.service.sessions() === 0)
    assert.equal(back.state().type, 'done')
  }))

test('whose Connector was revoked is refused, with an older one of the same device, too', () =>
  withGate(async gate => {
    const site = dppSite(gate)
    await defineNetwork(gate)
    const { device, there } = await configuredLamp(gate, site)
    gate.pass(60_000)
    const back = returning(site.service, there, gate.clock)
    await back.until(() => back.closed() && site.service.sessions() === 0)
    const access = createWirelessAccess(gate)
    const [ended] = (await access.revoke(device.id, 'somebody')).credentials
    assert.ok((ended?.takenUntil ?? 0) > gate.clock(), 'said plainly: until then access points take it')
    for (const shown of [there, back]) {
      const refused = returning(site.service, shown, gate.clock)
      await refused.until(() => refused.closed() && site.service.sessions() === 0)
      assert.equal(refused.state().type, 'failed')
      assert.deepEqual(refused.got, [])
    }
    await assert.rejects(access.revoke(device.id, 'somebody'), /not-found|Not found|nothing/i)
    const { events } = await gate.store.feed({}, 1000)
    const refusals = events.filter(({ kind }) => kind === 'stranger-refused').map(({ body }) => body['code'])
    assert.deepEqual(refusals, ['connector-not-in-force', 'connector-not-in-force'])
  }))

test('withdrawal and the removal of its bootstrapping key close this way, too', () =>
  withGate(async gate => {
    const site = dppSite(gate)
    await defineNetwork(gate)
    const denied = await configuredLamp(gate, site)
    const forgotten = await configuredLamp(gate, site)
    await gate.approval.deny(denied.device.id, 'somebody')
    await site.bootstrapping.remove(forgotten.key.id, 'somebody')
    for (const { there } of [denied, forgotten]) {
      const back = returning(site.service, there, gate.clock)
      await back.until(() => back.closed() && site.service.sessions() === 0)
      assert.equal(back.state().type, 'failed')
      assert.deepEqual(back.got, [])
    }
  }))

test('a device of another Configurator is closed at once, and one of a former C-sign key gets the new one', () =>
  withGate(async gate => {
    const site = dppSite(gate)
    await defineNetwork(gate)
    const { there } = await configuredLamp(gate, site)
    await withGate(async elsewhere => {
      const other = dppSite(elsewhere)
      const lost = returning(other.service, there, elsewhere.clock)
      await lost.until(() => lost.closed())
      assert.deepEqual(lost.heard, [])
      assert.equal(other.service.counters.unknown, 1)
    })
    gate.pass(60_000)
    const next = await site.keys.rotate('c-sign', 'P-256', 'somebody')
    const back = returning(site.service, there, gate.clock)
    await back.until(() => back.closed() && site.service.sessions() === 0)
    assert.equal(back.state().type, 'done')
    assert.deepEqual(back.got[0]?.cred.connector?.csign.point, next.pair.point)
  }))

test('who holds a Connector without its key gets nothing', () =>
  withGate(async gate => {
    const site = dppSite(gate)
    await defineNetwork(gate)
    const { there } = await configuredLamp(gate, site)
    const other = await configuredLamp(gate, site)
    const thief = returning(site.service, { got: there.got, netAccessKeys: other.there.netAccessKeys }, gate.clock)
    await thief.until(() => thief.closed() && site.service.sessions() === 0)
    assert.deepEqual(thief.got, [])
    const { events } = await gate.store.feed({}, 1000)
    const refusals = events.filter(({ kind }) => kind === 'stranger-refused').map(({ body }) => body['code'])
    assert.deepEqual(refusals, ['dpp-authentication-failed'])
  }))
