import assert from 'node:assert/strict'
import { test } from 'node:test'
import { listenDpp } from '../../../src/adapter/network/dpp-listener.ts'
import { decodeCertificate } from '../../../src/codec/x509/certificate.ts'
import { defineNetwork, newLamp } from '../../role/onboarding/dpp-site.ts'
import { silentLog } from '../../store.ts'
import { type Controller, dial, gone, onboard, type TcpTerms, withController } from './dpp-peer.ts'

/*
 * The whole Controller behind its port: listener, Configurator, admission, record; and our Enrollee at the other end of a
 * connection, alone or behind a relay.
 */

async function known({ site, gate }: Controller, netRole?: 'ap') {
  const lamp = newLamp('P-256')
  const { device } = await site.bootstrapping.add({ uri: lamp.uri, ...(netRole && { netRole }) }, 'somebody')
  return { lamp, device: () => gate.device(device.id) }
}

/** Onboards a device that is on record. */
async function arrive(home: Controller, terms: Partial<TcpTerms> & { own?: boolean } = {}, netRole?: 'ap') {
  const { lamp, device } = await known(home, netRole)
  const { own = false, ...more } = terms
  const configurator = own ? { configurator: await home.site.ownUri() } : {}
  const request = netRole && { request: { netRole } }
  const enrollee = await onboard(home.listener, { lamp, ...configurator, ...request, ...more })
  while (home.site.service.sessions() > 0) await new Promise(resolve => setImmediate(resolve))
  return { ...enrollee, device: await device() }
}

test('a device that connects itself is configured, on whatever port the Controller has [dpp: tcp, tcp_port, tcp_mutual, tcp_conf_init]', () =>
  withController(async home => {
    await defineNetwork(home.gate)
    assert.notEqual(home.listener.port, 8908)
    const asked = await arrive(home, { own: true })
    const chirped = await arrive(home)
    for (const { state, got } of [chirped, asked]) {
      assert.equal(state.type, 'configured')
      assert.equal(got[0]?.cred.akm, 'dpp')
    }
    // Who chirps is taken to be behind a relay, which says no more.
    assert.deepEqual([chirped.device?.rung, asked.device?.rung], ['credentialed', 'connected'])
    assert.equal(home.site.service.counters.authenticated, 2)
  }))

test('whatever the curve of a device’s key, the Controller asks and answers with one of its own on it [dpp: qr_code_curve_select]', () =>
  withController(async home => {
    await defineNetwork(home.gate)
    for (const curve of ['P-384', 'BP-256', 'P-521'] as const) {
      const lamp = newLamp(curve)
      await home.site.bootstrapping.add({ uri: lamp.uri }, 'somebody')
      const { state, got } = await onboard(home.listener, { lamp })
      assert.equal(state.type, 'configured')
      assert.equal(got[0]?.connector?.netAccessKey.curve, 'P-256', 'the network has one curve')
    }
  }))

test('a chirp through a relay leads to a configuration, and to no question about the connection [dpp: chirp, chirp_configurator, chirp_configurator_inits, controller_relay, controller_relay_chirp]', () =>
  withController(async home => {
    await defineNetwork(home.gate)
    for (const own of [false, true]) {
      const { state, got, device } = await arrive(home, { relayed: true, own })
      assert.equal(state.type, 'configured')
      assert.equal(got.length, 1)
      assert.equal(device?.rung, 'credentialed', 'a relay closes before it could say more')
    }
  }))

test('an access point is configured as one, chirping or asking; a lamp that says it is one is not [dpp: chirp_ap, tcp_mutual_hostapd_conf]', () =>
  withController(async home => {
    await defineNetwork(home.gate)
    for (const own of [false, true]) {
      const { state, got } = await arrive(home, { own }, 'ap')
      assert.equal(state.type, 'configured')
      assert.ok(got[0]?.connector?.groups.every(({ netRole }) => netRole === 'ap'))
    }
    const { state, got } = await arrive(home, { request: { netRole: 'ap' } })
    assert.deepEqual([state.type, got], ['failed', []])
  }))

test('a device gets a certificate through a relay, in the same exchange and without a delay [dpp: enterprise_tcp, enterprise_tcp2, enterprise_1400ms, enterprise_2400ms, enterprise_5000ms]', () =>
  withController(async home => {
    await defineNetwork(home.gate, { akm: 'dot1x', dot1x: { serverName: 'radius.harbour.example' } })
    for (const terms of [{ relayed: true }, { own: true }]) {
      const { state, got, heard } = await arrive(home, terms)
      assert.equal(state.type, 'configured')
      const leaf = decodeCertificate(got[0]!.cred.entCreds!.certBag[0]!)
      assert.ok(leaf.spkiDer.length > 0)
      const answers = heard.filter(message => message[0] === 11)
      assert.equal(answers.length, 2)
      for (const answer of answers) assert.deepEqual([...answer.subarray(2, 6)], [0, 0, 0, 0], 'no comeback')
    }
  }))

const results: readonly { dpp: string; what: string; result: number; rung: string }[] = [
  { dpp: 'conn_status_success_hostapd_configurator', what: 'that it is connected', result: 0, rung: 'connected' },
  { dpp: 'conn_status_assoc_reject', what: 'that it was turned away', result: 2, rung: 'credentialed' },
  { dpp: 'conn_status_no_ap', what: 'that there is no access point', result: 10, rung: 'credentialed' },
]
for (const { dpp, what, result, rung } of results) {
  test(`a device says ${what} [dpp: ${dpp}]`, () =>
    withController(async home => {
      await defineNetwork(home.gate)
      const { state, device } = await arrive(home, { own: true, connection: result })
      assert.equal(state.type, 'configured')
      assert.equal(device?.rung, rung)
    }))
}

test('two devices behind one relay do not disturb each other, nor one that falls silent [dpp: relay_incomplete_connections]', () =>
  withController(async home => {
    await defineNetwork(home.gate)
    const half = await dial(home.listener)
    half.write(Buffer.from('000000ff09', 'hex'))
    const empty = await dial(home.listener)
    const all = await Promise.all(Array.from({ length: 8 }, () => arrive(home, { relayed: true })))
    for (const { state } of all) assert.equal(state.type, 'configured')
    for (const socket of [half, empty]) socket.destroy()
  }))

test('what is no message ends its connection and nobody else’s [dpp: controller_rx_failure]', () =>
  withController(async home => {
    await defineNetwork(home.gate)
    for (const octets of ['00000001', '0000000109', '00000007 09506f9a1a01ff', '0000000109', 'ffffffff', '00000000']) {
      const socket = await dial(home.listener)
      socket.write(Buffer.from(octets.replace(' ', ''), 'hex'))
      if (octets === '00000001') socket.end()
      await gone(socket)
    }
    assert.equal((await arrive(home)).state.type, 'configured')
  }))

test('the Controller is closed and opened again, and its port is another’s no more [dpp: tcp_controller_management_hostapd, tcp_controller_management_hostapd2, tcp_controller_start_failure]', () =>
  withController(async home => {
    await defineNetwork(home.gate)
    const { service } = home.site
    const options = { host: '127.0.0.1', port: home.listener.port, service, log: silentLog }
    await assert.rejects(listenDpp(options), { code: 'port-in-use' })
    await home.listener.close()
    await assert.rejects(dial(home.listener), { code: 'ECONNREFUSED' })
    const again = await listenDpp(options)
    const { lamp } = await known(home)
    assert.equal((await onboard(again, { lamp })).state.type, 'configured')
    await again.close()
    await again.close()
  }))

test('a device that finds no Controller, or the end of one, is not configured [dpp: tcp_init_failure]', () =>
  withController(async home => {
    const { lamp } = await known(home)
    const { port } = home.listener
    await home.listener.close()
    await assert.rejects(onboard({ port }, { lamp }), { code: 'ECONNREFUSED' })
  }))
