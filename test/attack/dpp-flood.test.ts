import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import type { Socket } from 'node:net'
import { test } from 'node:test'
import { encodeAttributes } from '../../src/protocol/dpp/attribute.ts'
import { capability, ownBootstrapping, peerBootstrapping } from '../../src/protocol/dpp/authentication.ts'
import * as initiator from '../../src/protocol/dpp/authentication-initiator.ts'
import { dppFrame, encodeFrame } from '../../src/protocol/dpp/frame.ts'
import { generateDppKey } from '../../src/protocol/dpp/key.ts'
import { begin } from '../../src/protocol/dpp/reconfiguration-enrollee.ts'
import { encodeRecord } from '../../src/protocol/dpp/record.ts'
import { chirpHash, parseBootstrappingUri } from '../../src/protocol/dpp/uri.ts'
import { type Controller, dial, gone, onboard, withController } from '../adapter/network/dpp-peer.ts'
import { initiatorOptions } from '../protocol/dpp/party.ts'
import * as pkex from '../protocol/dpp/pkex-party.ts'
import * as reconfiguration from '../protocol/dpp/reconfiguration-party.ts'
import { defineNetwork, newLamp } from '../role/onboarding/dpp-site.ts'

/*
 * Many who want nothing but that others get nothing. Whatever they do, a device that is expected comes in meanwhile, and
 * nothing of theirs stays.
 */

const chirp = (whose: Uint8Array) =>
  encodeRecord(
    encodeFrame({
      kind: 'dpp',
      type: dppFrame.presenceAnnouncement,
      attributes: encodeAttributes([['responderBootstrappingKeyHash', whose]]),
    }),
  )

async function assertServes(home: Controller): Promise<void> {
  const lamp = newLamp()
  await home.site.bootstrapping.add({ uri: lamp.uri }, 'somebody')
  const { state } = await onboard(home.listener, { lamp })
  assert.equal(state.type, 'configured')
}

test('chirps of devices that are not ours: each is closed at once, and none is on record', () =>
  withController(async home => {
    await defineNetwork(home.gate)
    const { events: before } = await home.gate.store.feed({}, 1000)
    for (let round = 0; round < 10; round++) {
      const sockets = await Promise.all(Array.from({ length: 15 }, () => dial(home.listener)))
      for (const socket of sockets) socket.write(chirp(randomBytes(32)))
      if (round === 5) await assertServes(home)
      await Promise.all(sockets.map(gone))
    }
    const { chirps, unknown, sessions } = home.site.service.counters
    assert.deepEqual([chirps, unknown, sessions], [151, 150, 1])
    assert.equal(home.site.service.sessions(), 0)
    const { events: after } = await home.gate.store.feed({}, 1000)
    const added = after.slice(before.length)
    assert.ok(
      added.every(({ kind }) => kind !== 'stranger-refused'),
      'they would fill the record',
    )
  }))

test('chirps in the name of an expected device, and nothing after them', () =>
  withController(async home => {
    await defineNetwork(home.gate)
    const lamp = newLamp()
    await home.site.bootstrapping.add({ uri: lamp.uri }, 'somebody')
    const hash = chirpHash(parseBootstrappingUri(lamp.uri))
    const sockets: Socket[] = []
    for (let n = 0; n < 40; n++) {
      const socket = await dial(home.listener)
      socket.on('error', () => {})
      socket.write(chirp(hash))
      sockets.push(socket)
    }
    while (home.site.service.counters.chirps < 40) await new Promise(resolve => setImmediate(resolve))
    assert.ok(home.site.service.sessions() <= 2, `${home.site.service.sessions()} sessions for one device`)
    const { state } = await onboard(home.listener, { lamp })
    assert.equal(state.type, 'configured', 'the device itself comes in')
    for (const socket of sockets) socket.destroy()
  }))

test('announcements of devices that come back, forged by who has heard the hash of our C-sign key', () =>
  withController(async home => {
    await defineNetwork(home.gate)
    await assertServes(home)
    const { pair: csign } = await home.site.keys.current('c-sign', 'P-256')
    const forged = () => {
      const device = reconfiguration.device({ csign, ppKey: generateDppKey('P-256') })
      return begin(device).effects[0]?.message ?? assert.fail()
    }
    const sockets = await Promise.all(Array.from({ length: 30 }, () => dial(home.listener)))
    for (const socket of sockets) {
      socket.on('error', () => {})
      socket.resume()
      socket.write(encodeRecord(forged()))
    }
    await assertServes(home)
    // The hash of another Configurator, and points that are none.
    for (const bad of [
      begin(reconfiguration.device(reconfiguration.home())).effects[0]!.message,
      pkex.rewritten(forged(), pkex.replacing('ePrimeId', pkex.flipped)),
      pkex.rewritten(forged(), pkex.replacing('aNonce', Buffer.alloc(64))),
    ]) {
      const socket = await dial(home.listener)
      socket.write(encodeRecord(bad))
      await gone(socket)
    }
    for (const socket of sockets) socket.destroy()
    while (home.site.service.sessions() > 0) await new Promise(resolve => setImmediate(resolve))
    const { events } = await home.gate.store.feed({}, 1000)
    assert.equal(events.filter(({ kind }) => kind === 'credential-issued').length, 2, 'only who is known got something')
  }))

test('authentications that are begun and left, by strangers who know our code', () =>
  withController(async home => {
    await defineNetwork(home.gate)
    const office = peerBootstrapping(parseBootstrappingUri(await home.site.ownUri()))
    const sockets: Socket[] = []
    for (let n = 0; n < 30; n++) {
      const own = ownBootstrapping(generateDppKey('P-256'))
      const options = initiatorOptions(own, { responder: office, own, capabilities: capability.enrollee })
      const [effect] = initiator.begin(options).effects
      assert.ok(effect?.type === 'send')
      const socket = await dial(home.listener)
      socket.on('error', () => {})
      socket.resume()
      socket.write(encodeRecord(effect.message))
      sockets.push(socket)
    }
    await assertServes(home)
    const waiting = home.site.service.waiting().length
    assert.ok(waiting < 30, `${waiting} wait for a person`)
    for (const socket of sockets) socket.destroy()
    while (home.site.service.sessions() > 0) await new Promise(resolve => setImmediate(resolve))
    assert.deepEqual(home.site.service.waiting(), [])
  }))

test('connections that send an octet now and then are closed when their time is over', () =>
  withController(
    async home => {
      await defineNetwork(home.gate)
      const sockets = await Promise.all(Array.from({ length: 20 }, () => dial(home.listener)))
      const record = chirp(randomBytes(32))
      let at = 0
      const drip = setInterval(() => {
        for (const socket of sockets) if (socket.writable) socket.write(record.subarray(at, at + 1))
        at++
      }, 20)
      try {
        await Promise.all(sockets.map(gone))
      } finally {
        clearInterval(drip)
      }
      assert.equal(home.listener.counters.timedOut, 20)
      assert.ok(at < record.length, 'before the record was whole')
      await assertServes(home)
    },
    { firstTime: 150 },
  ))

test('records of any claimed length: what is too long is not waited for', () =>
  withController(async home => {
    await defineNetwork(home.gate)
    const { malformed } = home.listener.counters
    for (const length of [0x5001, 0xffff, 0x10000, 0x7fff_ffff, 0xffff_ffff]) {
      const socket = await dial(home.listener)
      const head = Buffer.alloc(4)
      head.writeUInt32BE(length)
      socket.write(head)
      await gone(socket)
    }
    assert.equal(home.listener.counters.malformed - malformed, 5)
    const socket = await dial(home.listener)
    socket.on('error', () => {})
    socket.write(encodeRecord(Buffer.concat([Buffer.from('09506f9a1a010d', 'hex'), Buffer.alloc(0x4f00)])))
    await gone(socket)
    await assertServes(home)
  }))

test('more connections than one address may have are dropped, and others are served', () =>
  withController(
    async home => {
      await defineNetwork(home.gate)
      const sockets = await Promise.all(Array.from({ length: 8 }, () => dial(home.listener)))
      const more = await Promise.all(Array.from({ length: 10 }, () => dial(home.listener)))
      await Promise.all(more.map(gone))
      assert.equal(home.listener.counters.dropped, 10)
      for (const socket of sockets) socket.destroy()
      while (home.listener.open() > 0) await new Promise(resolve => setImmediate(resolve))
      await assertServes(home)
    },
    { connectionsOfAddress: 8 },
  ))
