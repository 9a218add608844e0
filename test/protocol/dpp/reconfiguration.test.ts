import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { decodeAttributes, dppStatus } from '../../../src/protocol/dpp/attribute.ts'
import {
  openConfigurationRequest,
  openConfigurationResponse,
  openConfigurationResult,
} from '../../../src/protocol/dpp/configuration-message.ts'
import { readConnector, signConnector } from '../../../src/protocol/dpp/connector.ts'
import { curves, type DppCurve } from '../../../src/protocol/dpp/curve.ts'
import type { DppFrame, GasInitialRequest } from '../../../src/protocol/dpp/frame.ts'
import { agreeWithSum, type DppKeyPair, generateDppKey, importScalar, keyId } from '../../../src/protocol/dpp/key.ts'
import * as configurator from '../../../src/protocol/dpp/reconfiguration-configurator.ts'
import * as enrollee from '../../../src/protocol/dpp/reconfiguration-enrollee.ts'
import { hideIdentity, revealIdentity } from '../../../src/protocol/dpp/reconfiguration-identity.ts'
import {
  decodeReconfigurationAnnouncement,
  decodeReconfigurationRequest,
  encodeReconfigurationAnnouncement,
  encodeReconfigurationRequest,
  openReconfigurationConfirm,
  openReconfigurationResponse,
  readReconfigurationResponse,
  sealReconfigurationConfirm,
  sealReconfigurationResponse,
} from '../../../src/protocol/dpp/reconfiguration-message.ts'
import { reconfigurationKey } from '../../../src/protocol/dpp/reconfiguration-session.ts'
import * as party from './reconfiguration-party.ts'
import { frameOf, messageOf, transcripts } from './transcript.ts'

const hex = (text: string) => Buffer.from(text, 'hex')
const { received } = party

/** The request of a Configurator that has just begun. */
function sentBy({ effects }: configurator.Transition): Buffer {
  const [effect] = effects
  assert.ok(effect?.type === 'send')
  return effect.message
}

/** The whole exchange of two honest parties. */
function reconfigure(device: enrollee.EnrolleeOptions, ours: configurator.ConfiguratorOptions, replaceKey = true) {
  const announced = enrollee.begin(device)
  const requested = configurator.begin(ours)
  const responded = enrollee.step(announced.state, received(sentBy(requested)))
  const [response] = responded.effects
  const identified = configurator.step(requested.state, received(response!.message))
  const allowed = configurator.step(identified.state, { type: 'allowed', replaceKey })
  const [confirm] = allowed.effects
  assert.ok(confirm?.type === 'send')
  const done = enrollee.step(responded.state, received(confirm.message))
  return { announced, requested, responded, identified, allowed, confirm: confirm.message, done }
}

describe('a recorded reconfiguration', () => {
  for (const { name, curve, inputs, expected, messages } of transcripts.filter(each => /reconfig/.test(each.name))) {
    const frames = messages.map(frameOf) as DppFrame[]
    const [announced, asked, answered, confirmed, requested, configured, result] = frames
    const key = (input: string): DppKeyPair => importScalar(curve, hex(inputs[input]!))
    const [cR, pR, pp, csign] = [key('cR'), key('pR'), key('pp'), key('c_sign')]
    const request = () => decodeReconfigurationRequest(curve, asked!.attributes)
    const ke = hex(expected['ke']!)

    test(`${name}: is read, opened and written again, octet by octet`, () => {
      const announcement = decodeReconfigurationAnnouncement(announced!.attributes, hash => {
        assert.equal(Buffer.from(hash).toString('base64url'), keyId(csign))
        return pp.curve
      })
      assert.ok(announcement !== undefined)
      assert.equal(announcement.curve, curve)
      assert.equal(revealIdentity(announcement, pp).point.toString('hex'), expected['E_id'])
      assert.deepEqual(encodeReconfigurationAnnouncement(announcement), messageOf(messages[0]!))

      assert.deepEqual(encodeReconfigurationRequest(request()), messageOf(messages[1]!))

      const list = decodeAttributes(answered!.attributes)
      const response = readReconfigurationResponse(curve, list)
      assert.deepEqual(response.protocolKey.point, pR.point)
      const peer = readConnector(request().connector).netAccessKey
      const m = agreeWithSum(cR, pR, peer)
      assert.equal(m.toString('hex'), expected['Mx'])
      assert.deepEqual(reconfigurationKey(curve, request().configuratorNonce, response.enrolleeNonce, m), ke)
      const secrets = openReconfigurationResponse(ke, curve, list)
      assert.deepEqual(secrets.connectionStatus, { result: 10 })
      assert.deepEqual(sealReconfigurationResponse(ke, response, secrets), messageOf(messages[2]!))

      const { status, ...confirm } = openReconfigurationConfirm(ke, curve, confirmed!.attributes)
      assert.deepEqual([status, confirm.replaceKey], [0, true])
      assert.deepEqual(sealReconfigurationConfirm(ke, status, confirm), messageOf(messages[3]!))
    })

    test(`${name}: our Enrollee takes it, with the recorded keys and nonces, and is configured [dpp: reconfig_connector]`, () => {
      const list = decodeAttributes(answered!.attributes)
      const { enrolleeNonce, connector, version } = readReconfigurationResponse(curve, list)
      const begun = enrollee.begin({
        csign: { key: csign, kid: keyId(csign) },
        ppKey: pp,
        connector,
        netAccessKey: cR,
        identity: generateDppKey(pp.curve),
        a: generateDppKey(pp.curve),
        protocolKey: pR,
        nonce: enrolleeNonce,
        version,
        connectionStatus: { result: 10 },
      })
      const responded = enrollee.step(begun.state, { type: 'received', frame: asked! })
      assert.deepEqual(responded.effects[0]?.message, messageOf(messages[2]!), 'the recorded response')
      const done = enrollee.step(responded.state, { type: 'received', frame: confirmed! })
      assert.ok(done.state.type === 'authenticated')
      const { session } = done.state
      assert.deepEqual([session.role, session.peerVersion], ['enrollee', 2])
      assert.deepEqual(session.ownProtocolKey.point, pR.point)
      assert.deepEqual(session.ke.reveal(), ke)

      const { enrolleeNonce: asking } = openConfigurationRequest(
        session,
        (requested as unknown as GasInitialRequest).attributes,
      )
      const response = openConfigurationResponse(session, configured!.attributes)
      assert.deepEqual([response.status, response.enrolleeNonce], [0, asking])
      const text = /"signedConnector":"([^"]+)"/.exec(Buffer.from(response.objects![0]!).toString())![1]!
      assert.deepEqual(readConnector(text).netAccessKey.point, pR.point, 'the new netAccessKey is the protocol key')
      assert.deepEqual(openConfigurationResult(session, result!.attributes), { status: 0, enrolleeNonce: asking })
    })
  }
})

describe('reconfiguration', () => {
  for (const { curve } of curves) {
    test(`both sides agree on ${curve}, whatever the curve of the C-sign key [dpp: ap_config_reconfig_configurator, reconfig_hostapd_configurator]`, () => {
      for (const other of ['P-256', curve] as DppCurve[]) {
        const home = party.home(other)
        const [device, ours] = [party.device(home, curve), party.configurator(home, curve)]
        for (const replaceKey of [true, false]) {
          const { announced, identified, allowed, done } = reconfigure(device, ours, replaceKey)
          assert.ok(allowed.state.type === 'authenticated' && done.state.type === 'authenticated')
          const [left, right] = [done.state.session, allowed.state.session]
          assert.deepEqual(left.ke.reveal(), right.ke.reveal())
          const named = replaceKey ? device.protocolKey : device.netAccessKey
          assert.deepEqual([left.ownProtocolKey.point, right.peerProtocolKey.point], [named.point, named.point])
          assert.deepEqual([left.role, right.role, right.peerVersion], ['enrollee', 'configurator', 2])
          const [effect] = identified.effects
          assert.ok(effect?.type === 'identified')
          assert.deepEqual(effect.connector.netAccessKey.point, device.netAccessKey.point, 'known by its Connector')
          assert.deepEqual(effect.connectionStatus, { result: 10 })
          assert.ok(announced.state.type === 'announced')
          const frame = received(announced.state.announcement).frame as DppFrame
          const heard = decodeReconfigurationAnnouncement(frame.attributes, () => home.ppKey.curve)!
          assert.deepEqual(revealIdentity(heard, home.ppKey).point, device.identity.point)
        }
      }
    })
  }

  test('an announcement says nothing to who has not the ppKey, and looks different each time', () => {
    const home = party.home()
    const device = party.device(home)
    const first = hideIdentity(device.identity, home.ppKey, generateDppKey('P-256'))
    const second = hideIdentity(device.identity, home.ppKey, generateDppKey('P-256'))
    assert.notDeepEqual(first.ePrimeId.point, second.ePrimeId.point)
    assert.deepEqual(revealIdentity(first, home.ppKey).point, revealIdentity(second, home.ppKey).point)
    assert.notDeepEqual(revealIdentity(first, generateDppKey('P-256')).point, device.identity.point)
  })

  test('an announcement for a Configurator that is not ours is nobody’s [dpp: configurator_id_unknown]', () => {
    const { attributes } = received(enrollee.begin(party.device(party.home())).effects[0]!.message).frame as DppFrame
    assert.equal(
      decodeReconfigurationAnnouncement(attributes, () => undefined),
      undefined,
    )
  })

  test('a lost announcement or request goes out again as it was [dpp: reconfig_retries]', () => {
    const home = party.home()
    const announced = enrollee.begin(party.device(home))
    const again = enrollee.step(announced.state, { type: 'announcement-due' })
    assert.deepEqual(again.effects, announced.effects)
    const requested = configurator.begin(party.configurator(home))
    assert.deepEqual(configurator.step(requested.state, { type: 'request-lost' }).effects, requested.effects)
    assert.equal(configurator.step(requested.state, { type: 'timed-out' }).state.type, 'failed')
    assert.equal(enrollee.step(announced.state, { type: 'timed-out' }).state.type, 'failed')
  })

  test('a Connector that has run out is no hindrance to the device, but is to the Configurator', () => {
    const home = party.home()
    const past = new Date('2020-01-01T00:00:00Z')
    const at = new Date('2026-01-01T00:00:00Z')
    assert.equal(
      reconfigure({ ...party.device(home, 'P-256', { expiry: past }), at }, party.configurator(home)).done.state.type,
      'authenticated',
    )
    const announced = enrollee.begin({ ...party.device(home), at })
    const requested = configurator.begin(party.configurator(home, 'P-256', { expiry: past }))
    const heard = enrollee.step(announced.state, received(sentBy(requested)))
    assert.deepEqual([heard.state.type, heard.effects], ['announced', []])
  })

  test('the groups of a Connector are nobody’s hindrance: a device goes from one to another [dpp: reconfig_connector_different_groups]', () => {
    const home = party.home()
    const [device, ours] = [party.device(home), party.configurator(home)]
    const connector = (groupId: string, netAccessKey: DppKeyPair, netRole: string) =>
      signConnector({ groups: [{ groupId, netRole }], netAccessKey }, { key: home.csign.privateKey, csign: home.csign })
    const { identified, done } = reconfigure(
      { ...device, connector: connector('garage', device.netAccessKey, 'sta') },
      { ...ours, connector: connector('office', ours.netAccessKey, 'configurator') },
    )
    assert.equal(done.state.type, 'authenticated')
    const [effect] = identified.effects
    assert.deepEqual(effect?.type === 'identified' && effect.connector.groups, [{ groupId: 'garage', netRole: 'sta' }])
  })

  test('a device that is refused is told so', () => {
    const home = party.home()
    const announced = enrollee.begin(party.device(home))
    const requested = configurator.begin(party.configurator(home))
    const responded = enrollee.step(announced.state, received(sentBy(requested)))
    const identified = configurator.step(requested.state, received(responded.effects[0]!.message))
    for (const [said, heard] of [
      [dppStatus.configureFailure, dppStatus.configureFailure],
      [dppStatus.noMatch, dppStatus.noMatch],
      [dppStatus.ok, dppStatus.configureFailure],
    ] as const) {
      const refused = configurator.step(identified.state, { type: 'refused', status: said })
      assert.equal(refused.state.type, 'failed')
      const [effect] = refused.effects
      assert.ok(effect?.type === 'send')
      assert.deepEqual(enrollee.step(responded.state, received(effect.message)).state, {
        type: 'failed',
        reason: 'refused',
        status: heard,
      })
    }
  })

  test('keys that do not fit together are ours to notice', () => {
    const home = party.home()
    const mismatch = { code: 'key-mismatch' }
    assert.throws(() => enrollee.begin({ ...party.device(home), protocolKey: generateDppKey('P-384') }), mismatch)
    assert.throws(() => enrollee.begin({ ...party.device(home), a: generateDppKey('P-384') }), mismatch)
    assert.throws(() => enrollee.begin({ ...party.device(home), ppKey: generateDppKey('P-384') }), mismatch)
    assert.throws(() => enrollee.begin({ ...party.device(home), nonce: Buffer.alloc(15) }), mismatch)
    assert.throws(() => configurator.begin({ ...party.configurator(home), nonce: Buffer.alloc(15) }), mismatch)
    assert.throws(() => configurator.begin({ ...party.configurator(home), curve: 'P-384' }), mismatch)
    assert.throws(
      () =>
        revealIdentity(
          hideIdentity(generateDppKey('P-384'), generateDppKey('P-384'), generateDppKey('P-384')),
          home.ppKey,
        ),
      mismatch,
    )
  })
})
