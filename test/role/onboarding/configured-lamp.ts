import assert from 'node:assert/strict'
import type { Gate } from '../authorization/gate.ts'
import { deviceAt } from './dpp-device.ts'
import { type DppSite, newLamp } from './dpp-site.ts'

/** A lamp that chirped behind a relay, and has its Connector. */
export async function configuredLamp(gate: Gate, site: DppSite) {
  const lamp = newLamp()
  const { key, device } = await site.bootstrapping.add({ uri: lamp.uri }, 'somebody')
  const there = deviceAt(site.service, { lamp, dialogToken: 7 }, gate.clock)
  await there.until(() => there.closedBy[0] === true && site.service.sessions() === 0)
  assert.equal(there.state().type, 'configured')
  return { key, device, there, lamp }
}
