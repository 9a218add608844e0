import assert from 'node:assert/strict'
import { test } from 'node:test'
import { curves } from '../../../src/protocol/dpp/curve.ts'
import { decodeFrame } from '../../../src/protocol/dpp/frame.ts'
import { profiles } from '../../../src/role/authorization/profile/profile.ts'
import { type Gate, withGate } from '../authorization/gate.ts'
import { deviceAt } from './dpp-device.ts'
import { defineNetwork, dppSite, newLamp } from './dpp-site.ts'

const strangers = async (gate: Gate) => {
  const { events } = await gate.store.feed({}, 1000)
  return events.filter(({ kind }) => kind === 'stranger-refused').map(({ body }) => body['code'])
}

test('a device that chirps is asked, and configured; through a relay it is not asked for its connection', () =>
  withGate(async gate => {
    const site = dppSite(gate)
    await defineNetwork(gate)
    const lamp = newLamp()
    const { device } = await site.bootstrapping.add({ uri: lamp.uri }, 'somebody')
    const there = deviceAt(site.service, { lamp, dialogToken: 7 }, gate.clock)
    await there.until(() => there.closedBy[0] === true)
    assert.equal(there.state().type, 'configured')
    assert.equal(there.got[0]?.cred.akm, 'dpp')
    await there.until(() => site.service.sessions() === 0)
    const known = await gate.device(device.id)
    assert.deepEqual([known?.rung, known?.lifecycle], ['credentialed', 'US.NLO'])
    const items = (await gate.events(device.id, 'evidence-recorded')).flatMap(
      ({ body }) => body['items'] as readonly { readonly step: string; readonly result: string }[],
    )
    assert.equal(items.find(({ step }) => step === 'network-authenticated')?.result, 'implicit')
  }))

for (const { curve } of curves) {
  test(`a device that has scanned our code begins itself, on ${curve}; authentication is mutual, and it says it is connected`, () =>
    withGate(async gate => {
      const site = dppSite(gate)
      await defineNetwork(gate, { netAccessKeyCurve: curve })
      const lamp = newLamp(curve)
      const { device } = await site.bootstrapping.add({ uri: lamp.uri }, 'somebody')
      const configurator = await site.ownUri(curve)
      const there = deviceAt(site.service, { lamp, configurator }, gate.clock)
      await there.until(() => there.closedBy[0] === true)
      assert.equal(there.state().type, 'configured')
      await there.until(() => site.service.sessions() === 0)
      assert.equal((await gate.device(device.id))?.rung, 'connected')
    }))
}

test('a network on another curve gets a new key from a device of version 3, and an older one a reason', () =>
  withGate(async gate => {
    const site = dppSite(gate)
    await defineNetwork(gate, { netAccessKeyCurve: 'P-256' })
    const [lamp, old] = [newLamp('P-384'), newLamp('P-384')]
    await site.bootstrapping.add({ uri: lamp.uri }, 'somebody')
    const { device } = await site.bootstrapping.add({ uri: old.uri }, 'somebody')
    const there = deviceAt(site.service, { lamp }, gate.clock)
    await there.until(() => there.closedBy[0] === true)
    assert.equal(there.got[0]?.connector?.netAccessKey.curve, 'P-256')
    const refused = deviceAt(site.service, { lamp: old, version: 2 }, gate.clock)
    await refused.until(() => refused.closedBy[0] === true)
    assert.equal(refused.state().type, 'failed')
    assert.equal((await gate.device(device.id))?.refusal?.code, 'network-curve-differs')
  }))

test('chirps of others are closed at once, without an answer and without a record', () =>
  withGate(async gate => {
    const site = dppSite(gate)
    const there = deviceAt(site.service, { lamp: newLamp() }, gate.clock)
    await there.until(() => there.closedBy[0] === true)
    assert.deepEqual(there.heard, [[]])
    assert.equal(site.service.counters.unknown, 1)
    assert.deepEqual(await strangers(gate), [])
  }))

test('a device that chirps again on a new connection is asked the same there, and goes on', () =>
  withGate(async gate => {
    const site = dppSite(gate)
    await defineNetwork(gate)
    const lamp = newLamp()
    await site.bootstrapping.add({ uri: lamp.uri }, 'somebody')
    const there = deviceAt(site.service, { lamp, silent: true }, gate.clock)
    const twin = deviceAt(site.service, { lamp, silent: true }, gate.clock)
    await there.until(() => there.heard[0]!.length > 0 && twin.heard[0]!.length > 0)
    assert.deepEqual(twin.heard[0]![0], there.heard[0]![0], 'octet for octet')
    there.input({ type: 'received', frame: decodeFrame(there.heard[0]![0]!) })
    await there.until(() => twin.closedBy[0] === true)
    assert.equal(site.service.counters.authenticated, 1, 'the first answer counts, the other connection is closed')
  }))

test('a code that is not ours to answer for is refused without a word', () =>
  withGate(async gate => {
    const site = dppSite(gate)
    const lamp = newLamp()
    await site.bootstrapping.add({ uri: lamp.uri }, 'somebody')
    const there = deviceAt(site.service, { lamp, configurator: newLamp().uri }, gate.clock)
    await there.until(() => there.closedBy[0] === true)
    assert.deepEqual(there.heard, [[]])
    assert.equal(site.service.counters.unknown, 1)
  }))

test('who knows our code and is not known waits, until a person scans its code', () =>
  withGate(async gate => {
    const site = dppSite(gate)
    await defineNetwork(gate)
    const lamp = newLamp()
    const there = deviceAt(site.service, { lamp, configurator: await site.ownUri() }, gate.clock)
    await there.until(() => site.service.waiting().length === 1 && there.heard[0]!.length === 1)
    await site.bootstrapping.add({ uri: lamp.uri }, 'somebody')
    await there.until(() => there.closedBy[0] === true)
    assert.equal(there.state().type, 'configured')
    assert.deepEqual(site.service.waiting(), [])
  }))

test('nobody waits for ever', () =>
  withGate(async gate => {
    const site = dppSite(gate)
    const there = deviceAt(site.service, { lamp: newLamp(), configurator: await site.ownUri() }, gate.clock)
    await there.until(() => site.service.waiting().length === 1)
    site.passTime()
    await there.until(() => there.closedBy[0] === true)
    assert.deepEqual([site.service.waiting(), site.service.sessions()], [[], 0])
  }))

test('a device that waits for a person gets no answer, chirps on, and comes in when it is let in', () =>
  withGate(async gate => {
    await gate.activate(profiles.enterprise)
    const site = dppSite(gate)
    await defineNetwork(gate, { segments: [{ name: 'guests', group: 'guests' }] })
    const lamp = newLamp()
    const { device } = await site.bootstrapping.add({ uri: lamp.uri }, 'somebody')
    const there = deviceAt(site.service, { lamp }, gate.clock)
    await there.until(() => there.closedBy[0] === true)
    assert.deepEqual(there.heard, [[]], 'a refusal would be the last word for it')
    assert.deepEqual(
      [(await gate.device(device.id))?.awaits, (await gate.device(device.id))?.rung],
      ['person', 'heard'],
    )
    await gate.approval.grant(device.id, 'somebody')
    there.again()
    await there.until(() => there.closedBy[1] === true)
    assert.equal(there.state().type, 'configured')
  }))

test('a device that was denied gets no answer, whoever begins', () =>
  withGate(async gate => {
    const site = dppSite(gate)
    await defineNetwork(gate)
    const lamp = newLamp()
    const { device } = await site.bootstrapping.add({ uri: lamp.uri }, 'somebody')
    await gate.approval.deny(device.id, 'somebody')
    for (const more of [{}, { configurator: await site.ownUri() }]) {
      const there = deviceAt(site.service, { lamp, ...more }, gate.clock)
      await there.until(() => there.closedBy[0] === true)
      assert.deepEqual(there.heard, [[]])
    }
    assert.equal((await gate.device(device.id))?.refusal?.code, 'device-denied')
  }))

test('the same request again gets the same answer', () =>
  withGate(async gate => {
    const site = dppSite(gate)
    await defineNetwork(gate)
    const lamp = newLamp()
    const { device } = await site.bootstrapping.add({ uri: lamp.uri }, 'somebody')
    const there = deviceAt(site.service, { lamp, configurator: await site.ownUri() }, gate.clock)
    await there.until(() => there.sent.some(message => message[0] === 10))
    const asked = there.sent.find(message => message[0] === 10)!
    there.raw(asked)
    there.raw(asked)
    await there.until(() => there.closedBy[0] === true)
    assert.equal((await gate.events(device.id, 'credential-issued')).length, 1)
    const answers = there.heard[0]!.filter(message => message[0] === 11)
    for (const answer of answers) assert.deepEqual(answer, answers[0])
  }))

test('half-open exchanges under a device’s name do not keep the device out', () =>
  withGate(async gate => {
    const site = dppSite(gate)
    await defineNetwork(gate)
    const [lamp, other] = [newLamp(), newLamp()]
    await site.bootstrapping.add({ uri: lamp.uri }, 'somebody')
    const configurator = await site.ownUri()
    // Whoever has heard its hash can begin in its name, and get no further.
    const impostors = Array.from({ length: 12 }, () =>
      deviceAt(site.service, { lamp: { ...other, uri: lamp.uri }, configurator }, gate.clock),
    )
    const there = deviceAt(site.service, { lamp, configurator }, gate.clock)
    await there.until(() => there.closedBy[0] === true)
    assert.equal(there.state().type, 'configured')
    await there.until(() => impostors.every(({ closedBy }) => closedBy[0] === true))
    for (const { got } of impostors) assert.deepEqual(got, [])
    assert.ok(site.service.sessions() <= 16)
    assert.equal(site.service.counters.authenticated, 1)
  }))

test('octets that are no message end the connection, and nothing else', () =>
  withGate(async gate => {
    const site = dppSite(gate)
    for (const octets of [
      [9],
      [9, 0x50, 0x6f, 0x9a, 0x1a, 1, 13],
      [9, 0x50, 0x6f, 0x9a, 0x1a, 1, 0, 1],
      [10, 0],
      [77],
    ]) {
      let closed = false
      const receiver = site.service.connected({
        address: '192.0.2.8:1',
        send() {},
        close: () => {
          closed = true
        },
      })
      receiver.received(Uint8Array.from(octets))
      while (!closed) await new Promise(resolve => setImmediate(resolve))
    }
    assert.equal(site.service.sessions(), 0)
  }))

test('a device that goes away in the middle leaves nothing behind', () =>
  withGate(async gate => {
    const site = dppSite(gate)
    await defineNetwork(gate)
    const lamp = newLamp()
    const { device } = await site.bootstrapping.add({ uri: lamp.uri }, 'somebody')
    const there = deviceAt(site.service, { lamp, stopAt: 'authenticated' }, gate.clock)
    await there.until(() => site.service.counters.authenticated === 1)
    there.hangUp()
    await there.until(() => site.service.sessions() === 0)
    assert.equal((await gate.device(device.id))?.credential, undefined)
    assert.equal((await gate.device(device.id))?.rung, 'expected')
  }))

test('many access points bring many devices at once, while others send what is not ours', () =>
  withGate(async gate => {
    const site = dppSite(gate)
    await defineNetwork(gate, { akm: 'psk+sae' })
    const lamps = Array.from({ length: 24 }, () => newLamp())
    for (const { uri } of lamps) await site.bootstrapping.add({ uri }, 'somebody')
    const noise = Array.from({ length: 100 }, (_, n) =>
      deviceAt(site.service, { lamp: newLamp(), address: `198.51.100.${n}:1` }, gate.clock),
    )
    const devices = lamps.map((lamp, n) =>
      deviceAt(site.service, { lamp, dialogToken: 5, address: `192.0.2.${n}:1` }, gate.clock),
    )
    const [first] = devices
    await first!.until(() => [...devices, ...noise].every(({ closedBy }) => closedBy[0] === true))
    await first!.until(() => site.service.sessions() === 0)
    assert.deepEqual(new Set(devices.map(device => device.state().type)), new Set(['configured']))
    assert.equal(new Set(devices.map(({ got }) => got[0]?.cred.pass?.revealText())).size, lamps.length)
    assert.equal(site.service.counters.unknown, noise.length)
    assert.deepEqual(await strangers(gate), [])
  }))

test('a device that waits for a person at the Controller is told to, and goes on when it is let in', () =>
  withGate(async gate => {
    await gate.activate(profiles.enterprise)
    const site = dppSite(gate)
    await defineNetwork(gate, { segments: [{ name: 'guests', group: 'guests' }] })
    const lamp = newLamp()
    const { device } = await site.bootstrapping.add({ uri: lamp.uri }, 'somebody')
    const there = deviceAt(site.service, { lamp, configurator: await site.ownUri() }, gate.clock)
    await there.until(() => site.service.waiting().length === 1 && there.heard[0]!.length === 1)
    await gate.approval.grant(device.id, 'somebody')
    await there.until(() => there.closedBy[0] === true)
    assert.equal(there.state().type, 'configured')
  }))

test('strangers who wait are bounded, of one host and in all', () =>
  withGate(async gate => {
    const site = dppSite(gate)
    const configurator = await site.ownUri()
    const from = (address: string) => deviceAt(site.service, { lamp: newLamp(), configurator, address }, gate.clock)
    const crowd = Array.from({ length: 20 }, () => from('198.51.100.7:1'))
    await crowd[0]!.until(() => crowd.filter(({ closedBy }) => closedBy[0] === true).length === 12)
    assert.equal(site.service.waiting().length, 8)
    const elsewhere = Array.from({ length: 80 }, (_, n) => from(`203.0.113.${n}:1`))
    await crowd[0]!.until(() => elsewhere.filter(({ closedBy }) => closedBy[0] === true).length === 80 - 56)
    assert.equal(site.service.waiting().length, 64)
    site.passTime()
    await crowd[0]!.until(() => site.service.sessions() === 0)
    assert.deepEqual(site.service.waiting(), [])
  }))

test('whoever closes the Configurator finds on record what devices have said', () =>
  withGate(async gate => {
    const site = dppSite(gate)
    await defineNetwork(gate)
    const lamp = newLamp()
    const { device } = await site.bootstrapping.add({ uri: lamp.uri }, 'somebody')
    const there = deviceAt(site.service, { lamp, dialogToken: 5 }, gate.clock)
    await there.until(() => there.state().type === 'configured')
    await site.service.close()
    assert.equal(site.service.sessions(), 0)
    assert.equal((await gate.events(device.id, 'enroll-status-reported')).length, 1)
  }))
