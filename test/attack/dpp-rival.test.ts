import assert from 'node:assert/strict'
import { hash } from 'node:crypto'
import { test } from 'node:test'
import { encodeAttributes } from '../../src/protocol/dpp/attribute.ts'
import { capability, ownBootstrapping, peerBootstrapping } from '../../src/protocol/dpp/authentication.ts'
import * as initiator from '../../src/protocol/dpp/authentication-initiator.ts'
import { dppFrame, encodeFrame } from '../../src/protocol/dpp/frame.ts'
import { generateDppKey } from '../../src/protocol/dpp/key.ts'
import { chirpHash, parseBootstrappingUri } from '../../src/protocol/dpp/uri.ts'
import type { Configurator } from '../../src/role/onboarding/configurator.ts'
import type { DppReceiver, DppService } from '../../src/role/onboarding/configurator-port.ts'
import { recordOnDevice } from '../../src/role/onboarding/device-record.ts'
import { removeNetwork } from '../../src/role/onboarding/network-directory.ts'
import { createWirelessAccess } from '../../src/role/onboarding/wireless-access.ts'
import { distrustManufacturer } from '../../src/role/supply-chain/trust.ts'
import { initiatorOptions } from '../protocol/dpp/party.ts'
import { withGate } from '../role/authorization/gate.ts'
import { configuredLamp } from '../role/onboarding/configured-lamp.ts'
import { deviceAt } from '../role/onboarding/dpp-device.ts'
import { returning } from '../role/onboarding/dpp-return.ts'
import { defineNetwork, dppSite, newLamp } from '../role/onboarding/dpp-site.ts'

/*
 * Somebody who has photographed a code, or heard a device on the air, is beside it when it comes: quick, and in its name. A
 * device takes a moment for its answer, and that moment is theirs.
 */

const responseType = dppFrame.authenticationResponse
const typeOf = (message: Uint8Array) => (message[0] === 9 ? message[6] : undefined)
const dpp = (type: number, attributes: Uint8Array) => encodeFrame({ kind: 'dpp', type, attributes })

function chirpOf(uri: string): Buffer {
  const hash = chirpHash(parseBootstrappingUri(uri))
  return dpp(dppFrame.presenceAnnouncement, encodeAttributes([['responderBootstrappingKeyHash', hash]]))
}

interface Rival {
  readonly heard: Buffer[]
  readonly receiver: DppReceiver
  closed: boolean
}

/** @param say what it begins with */
function rivalAt(service: DppService, say: Uint8Array, address = '198.51.100.66:6'): Rival {
  const heard: Buffer[] = []
  const receiver = service.connected({
    address,
    send: message => void heard.push(Buffer.from(message)),
    close() {
      rival.closed = true
    },
  })
  const rival: Rival = { heard, receiver, closed: false }
  receiver.received(say)
  return rival
}

const turn = () => new Promise(resolve => setImmediate(resolve))

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await turn()
}

/** Whoever speaks through it is held up before the message of that type, until `meanwhile` is over. */
function slowed(service: Configurator, type: number, meanwhile: () => Promise<void>): Configurator {
  return {
    ...service,
    connected(connection) {
      const receiver = service.connected(connection)
      let before: Promise<unknown> | undefined
      return {
        received(message) {
          if (typeOf(message) === type) before = meanwhile()
          if (before === undefined) receiver.received(message)
          else before = before.then(() => receiver.received(message))
        },
        closed: () => receiver.closed(),
      }
    },
  }
}

test('nonsense from who chirps in the name of a device ends its own connection, and the device comes in', () =>
  withGate(async gate => {
    const site = dppSite(gate)
    await defineNetwork(gate)
    const lamp = newLamp()
    await site.bootstrapping.add({ uri: lamp.uri }, 'somebody')
    const nonsense = [
      Buffer.of(9),
      dpp(responseType, Buffer.alloc(0)),
      dpp(responseType, Buffer.of(0, 0x10, 1, 0, 0)),
      dpp(
        responseType,
        encodeAttributes([
          ['status', Buffer.of(2)],
          ['responderBootstrappingKeyHash', Buffer.alloc(32, 1)],
          ['wrappedData', Buffer.alloc(40)],
        ]),
      ),
    ]
    const rivals: Rival[] = []
    const slow = slowed(site.service, responseType, async () => {
      for (const each of nonsense) {
        const rival = rivalAt(site.service, chirpOf(lamp.uri))
        rivals.push(rival)
        await until(() => rival.heard.length > 0)
        rival.receiver.received(each)
      }
    })
    const there = deviceAt(slow, { lamp }, gate.clock)
    await there.until(() => there.closedBy[0] === true)
    assert.equal(there.state().type, 'configured')
    assert.ok(rivals.length === 4 && rivals.every(({ closed }) => closed))
    assert.deepEqual([site.service.counters.sessions, site.service.counters.failed], [1, 0])
  }))

test('who is alone with its nonsense ends the session, as before', () =>
  withGate(async gate => {
    const site = dppSite(gate)
    const lamp = newLamp()
    await site.bootstrapping.add({ uri: lamp.uri }, 'somebody')
    const rival = rivalAt(site.service, chirpOf(lamp.uri))
    await until(() => rival.heard.length > 0)
    rival.receiver.received(Buffer.of(9))
    await until(() => rival.closed && site.service.sessions() === 0)
    assert.equal(site.service.counters.failed, 1)
  }))

test('many chirps in the name of a device do not push it out of its own session', () =>
  withGate(async gate => {
    const site = dppSite(gate)
    await defineNetwork(gate)
    const lamp = newLamp()
    await site.bootstrapping.add({ uri: lamp.uri }, 'somebody')
    const rivals: Rival[] = []
    const slow = slowed(site.service, responseType, async () => {
      for (let n = 0; n < 40; n++) rivals.push(rivalAt(site.service, chirpOf(lamp.uri), `198.51.100.66:${n + 1}`))
      await until(() => rivals.every(({ heard, closed }) => heard.length > 0 || closed))
    })
    const there = deviceAt(slow, { lamp }, gate.clock)
    await there.until(() => there.closedBy[0] === true)
    assert.equal(there.state().type, 'configured')
    assert.ok(rivals.filter(({ closed }) => !closed).length === 0, 'the others are let go of then')
  }))

test('many requests in the name of a device do not end the one that it has begun elsewhere', () =>
  withGate(async gate => {
    const site = dppSite(gate)
    await defineNetwork(gate)
    const lamp = newLamp()
    await site.bootstrapping.add({ uri: lamp.uri }, 'somebody')
    const configurator = await site.ownUri()
    const office = peerBootstrapping(parseBootstrappingUri(configurator))
    const device = peerBootstrapping(parseBootstrappingUri(lamp.uri))
    // Under its name, with another key, and silent from then on.
    const begun = () => {
      const own = { ...ownBootstrapping(generateDppKey('P-256')), hash: device.hash }
      const [effect] = initiator.begin(
        initiatorOptions(own, { responder: office, own, capabilities: capability.enrollee }),
      ).effects
      return effect?.type === 'send' ? effect.message : assert.fail()
    }
    const slow = slowed(site.service, dppFrame.authenticationConfirm, async () => {
      const rivals = Array.from({ length: 24 }, () => rivalAt(site.service, begun()))
      await until(() => rivals.every(({ heard, closed }) => heard.length > 0 || closed))
    })
    const there = deviceAt(slow, { lamp, configurator }, gate.clock)
    await there.until(() => there.closedBy[0] === true)
    assert.equal(there.state().type, 'configured')
  }))

test('an announcement that is repeated by who has heard it, and nonsense after it, leave the device that comes back alone', () =>
  withGate(async gate => {
    const site = dppSite(gate)
    await defineNetwork(gate)
    const { there } = await configuredLamp(gate, site)
    let heard: Uint8Array | undefined
    const overheard: Configurator = {
      ...site.service,
      connected(connection) {
        const receiver = site.service.connected(connection)
        return {
          ...receiver,
          received(message) {
            heard ??= message
            receiver.received(message)
          },
        }
      },
    }
    const rivals: Rival[] = []
    const slow = slowed(overheard, dppFrame.reconfigurationAuthenticationResponse, async () => {
      for (let n = 0; n < 8; n++) {
        const rival = rivalAt(site.service, heard ?? assert.fail(), `198.51.100.66:${n + 1}`)
        rivals.push(rival)
        await until(() => rival.heard.length > 0)
        if (n % 2 === 0) rival.receiver.received(dpp(dppFrame.reconfigurationAuthenticationResponse, Buffer.alloc(0)))
      }
    })
    const back = returning(slow, there, gate.clock)
    await back.until(() => back.closed() && site.service.sessions() === 0)
    assert.equal(back.got.length, 1)
    assert.ok(rivals.length === 8 && rivals.every(({ closed }) => closed))
  }))

test('a Connector that is revoked while its device comes back by it gets no other', () =>
  withGate(async gate => {
    const site = dppSite(gate)
    await defineNetwork(gate)
    const { device, there } = await configuredLamp(gate, site)
    const access = createWirelessAccess(gate)
    // It has shown the Connector, was told to go on, and takes its time.
    const gas: Configurator = {
      ...site.service,
      connected(connection) {
        const receiver = site.service.connected(connection)
        return {
          ...receiver,
          received(message) {
            if (message[0] !== 10) receiver.received(message)
            else void access.revoke(device.id, 'somebody').then(() => receiver.received(message))
          },
        }
      },
    }
    const back = returning(gas, there, gate.clock)
    await back.until(() => back.closed() && site.service.sessions() === 0)
    assert.deepEqual(back.got, [])
    assert.equal((await gate.events(device.id, 'credential-issued')).length, 1)
    assert.equal((await gate.device(device.id))?.refusal?.code, 'connector-not-in-force')
  }))

test('a network that is removed while a device is being configured for it gets no device', () =>
  withGate(async gate => {
    const site = dppSite(gate)
    await defineNetwork(gate)
    const lamp = newLamp()
    const { device } = await site.bootstrapping.add({ uri: lamp.uri }, 'somebody')
    const find = site.configuration.find.bind(site.configuration)
    Object.assign(site.configuration, {
      find: async (need: Parameters<typeof find>[0]) => {
        const found = await find(need)
        await removeNetwork(gate, 'lamps', 'somebody')
        return found
      },
    })
    const there = deviceAt(site.service, { lamp }, gate.clock)
    await there.until(() => there.closedBy[0] === true)
    assert.deepEqual(there.got, [])
    assert.equal((await gate.device(device.id))?.refusal?.code, 'network-undefined')
    assert.equal(await gate.store.read(tables => tables.credential.count({ network: 'lamps' })), 0)
  }))

test('a configuration that was planned and never sent does not close the way back', () =>
  withGate(async gate => {
    const site = dppSite(gate)
    await defineNetwork(gate)
    const { there, device } = await configuredLamp(gate, site)
    const [record] = await gate.store.read(tables => tables.credential.find({ device: device.id }, { limit: 10 }))
    gate.pass(1000)
    // What a process leaves that ends between its plan and its signature.
    const tbs = Buffer.from('never signed')
    const names = { id: hash('sha256', tbs), serialHex: 'f'.repeat(32), requestHash: 'f'.repeat(64) }
    const { certificate: _, network: __, access: ___, ...rest } = record!
    const planned = {
      ...{ ...rest, ...names },
      tbs: tbs.toString('base64'),
      status: 'planned' as const,
      notBefore: gate.clock(),
    }
    const { id: credential, serialHex, notAfter } = planned
    await gate.store.transaction(async tx => {
      await recordOnDevice(tx, device.id, () => [
        { kind: 'credential-planned', body: { credential, serialHex, notAfter } },
      ])
      await tx.credential.insert(planned)
    })
    const back = returning(site.service, there, gate.clock)
    await back.until(() => back.closed() && site.service.sessions() === 0)
    assert.equal(back.got.length, 1)
  }))

test('a record that cannot be read while somebody waits ends nothing: neither the process nor the wait', () =>
  withGate(async gate => {
    const site = dppSite(gate)
    await defineNetwork(gate)
    const lamp = newLamp()
    const there = deviceAt(site.service, { lamp, configurator: await site.ownUri() }, gate.clock)
    await until(() => site.service.waiting().length === 1)
    const unhandled: unknown[] = []
    const note = (error: unknown) => void unhandled.push(error)
    process.on('unhandledRejection', note)
    const read = gate.store.read.bind(gate.store)
    let failed = 0
    gate.store.read = () => {
      failed++
      return Promise.reject(new Error('the database is gone'))
    }
    try {
      await site.bootstrapping.add({ uri: lamp.uri }, 'somebody')
      await until(() => failed > 0)
      for (let n = 0; n < 5; n++) await turn()
    } finally {
      gate.store.read = read
      process.off('unhandledRejection', note)
    }
    assert.deepEqual(unhandled, [])
    assert.equal(site.service.waiting().length, 1)
    // Once more, when the record is there again.
    const [key] = await site.bootstrapping.list()
    await site.bootstrapping.remove(key!.id, 'somebody')
    await site.bootstrapping.add({ uri: lamp.uri }, 'somebody')
    await there.until(() => there.closedBy[0] === true)
    assert.equal(there.state().type, 'configured')
  }))

test('nor does a manufacturer who is not trusted any more, while a device of theirs waits', () =>
  withGate(async gate => {
    const site = dppSite(gate)
    await defineNetwork(gate)
    const lamp = newLamp()
    const there = deviceAt(site.service, { lamp, configurator: await site.ownUri() }, gate.clock)
    await until(() => site.service.waiting().length === 1)
    const unhandled: unknown[] = []
    const note = (error: unknown) => void unhandled.push(error)
    process.on('unhandledRejection', note)
    try {
      // Who waits is looked up after both.
      await Promise.all([
        site.bootstrapping.add({ uri: lamp.uri, manufacturer: 'fjord', serial: 'A1' }, 'somebody'),
        distrustManufacturer(gate.store, 'fjord', 'root'),
      ])
      for (let n = 0; n < 50; n++) await turn()
    } finally {
      process.off('unhandledRejection', note)
    }
    assert.deepEqual(unhandled, [])
    assert.deepEqual([there.got, site.service.waiting().length], [[], 1])
  }))
