import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { Secret } from '../../../src/crypto/secret.ts'
import { dppStatus } from '../../../src/protocol/dpp/attribute.ts'
import { ownBootstrapping, peerBootstrapping } from '../../../src/protocol/dpp/authentication.ts'
import { openBackup, sealBackup } from '../../../src/protocol/dpp/backup.ts'
import type { AcceptedConfiguration } from '../../../src/protocol/dpp/configuration-check.ts'
import { curves, type DppCurve } from '../../../src/protocol/dpp/curve.ts'
import {
  acceptPeerDiscovery,
  answerPeerDiscovery,
  encodePeerDiscoveryRequest,
} from '../../../src/protocol/dpp/introduction.ts'
import { type DppKeyPair, exportSpki, generateDppKey, keyId } from '../../../src/protocol/dpp/key.ts'
import { tagged } from './case.ts'
import { type Asked, connectorCredential, Meeting, noon, type Side, type Terms } from './meeting.ts'
import * as pkex from './pkex-party.ts'

/*
 * Whole onboardings, our Configurator and our Enrollee, from the first message to the last.
 */

const brief: Readonly<Record<DppCurve, string>> = {
  'P-256': 'p256',
  'P-384': 'p384',
  'P-521': 'p521',
  'BP-256': 'bp256',
  'BP-384': 'bp384',
  'BP-512': 'bp512',
}
const networkOf = (meeting: Meeting): AcceptedConfiguration => {
  const [network] = meeting.installed?.configurations ?? []
  return network ?? assert.fail('no network')
}

describe('an onboarding', () => {
  const sides: readonly Side[] = ['configurator', 'enrollee']
  for (const initiator of sides) {
    for (const mutual of [false, true]) {
      test(`on each curve, begun by the ${initiator}, ${mutual ? 'mutual' : 'one-way'} [dpp: qr_code_auth_unicast, qr_code_auth_broadcast, qr_code_hostapd_init]`, () => {
        for (const { curve } of curves) {
          const meeting = new Meeting({ curve, initiator, mutual }).run().assertConfigured()
          assert.equal(meeting.effect('authenticated')?.session.mutual, mutual)
          assert.deepEqual(Buffer.from(networkOf(meeting).ssid).toString(), 'home')
        }
      })
    }
  }

  test('with an Enrollee of any version [dpp: hostapd_configurator, hostapd_configurator_responder]', () => {
    for (const initiator of sides) {
      for (const left of [2, 3]) {
        for (const right of [1, 2, 3]) {
          const version = { configurator: left, enrollee: right }
          const meeting = new Meeting({ initiator, version }).run().assertConfigured()
          const said = meeting.effect('authenticated')?.session.peerVersion
          assert.equal(said, right)
        }
      }
    }
  })

  test('of an access point, whichever side begins [dpp: ap_config, qr_code_auth_unicast_ap_enrollee, tcp_conf_init_hostapd_enrollee, qr_code_auth_enrollee_init_netrole]', () => {
    for (const initiator of sides) {
      const meeting = new Meeting({ initiator, netRole: 'ap' }).run().assertConfigured()
      assert.equal(meeting.effect('configuration-requested')?.request.netRole, 'ap')
      assert.deepEqual(networkOf(meeting).connector?.groups, [{ groupId: '*', netRole: 'ap' }])
    }
  })

  test('has a group of its own when the Configurator says so [dpp: qr_code_auth_responder_configurator_group_id]', () => {
    const groups = [{ groupId: 'garage', netRole: 'sta' }]
    const meeting = new Meeting({ initiator: 'enrollee', decide: (asked, own) => own.grant(asked, { groups }) })
    assert.deepEqual(networkOf(meeting.run().assertConfigured()).connector?.groups, groups)
  })

  test('says its MUD URL and its bands under ke [dpp: mud_url, mud_url_hostapd]', () => {
    for (const initiator of sides) {
      const request = { mudurl: 'https://example.com/lamp.json', bandSupport: [81, 115] }
      const meeting = new Meeting({ initiator, request }).run().assertConfigured()
      const asked = meeting.effect('configuration-requested')?.request
      assert.deepEqual([asked?.mudurl, asked?.bandSupport], [request.mudurl, request.bandSupport])
      for (const { message } of meeting.arrivals) assert.ok(!message.includes('lamp.json'))
    }
  })

  test('carries what others have put beside, both ways [dpp: config_dpp_gen_3rd_party]', () => {
    const decide = (asked: Asked, { csign }: Meeting) => {
      const connector = connectorCredential(csign, asked.netAccessKey, 'sta')
      const thirdParty = { 'org.example.api': { host: 'api.example.com' } }
      return own.give([{ ssid: Buffer.from('home'), cred: { akm: 'dpp', connector }, thirdParty }])
    }
    const own: Meeting = new Meeting({ request: { thirdParty: { 'org.example.model': 'L-7' } }, decide })
    own.run().assertConfigured()
    assert.deepEqual(own.effect('configuration-requested')?.request.thirdParty, { 'org.example.model': 'L-7' })
    assert.deepEqual(networkOf(own).thirdParty, { 'org.example.api': { host: 'api.example.com' } })
  })

  test('goes on when the answer comes late [dpp: qr_code_config_event_initiator, qr_code_config_event_initiator_slow, qr_code_config_event_responder, qr_code_config_event_initiator_both, tcp_qr_code_config_event_initiator]', () => {
    for (const initiator of sides) {
      const meeting = new Meeting({ initiator, decide: () => undefined }).run()
      assert.equal(meeting.configurator.type, 'requested')
      assert.equal(meeting.installed, undefined)
      meeting.tellConfigurator(meeting.grant(meeting.effect('configuration-requested')!))
      meeting.run().assertConfigured()
    }
  })

  test('ends when no answer comes, or a refusal does [dpp: qr_code_config_event_initiator_no_response, qr_code_config_event_initiator_failure]', () => {
    const silent = new Meeting({ decide: () => undefined }).run()
    silent.end()
    silent.assertNothing()
    const status = dppStatus.configureFailure
    const refused = new Meeting({ decide: () => ({ type: 'configuration-refused', status }) }).run().assertNothing()
    assert.deepEqual(refused.configurator, { type: 'finished', outcome: 'refused' })
    assert.deepEqual(refused.enrollee, {
      type: 'failed',
      during: 'configuration',
      failure: { reason: 'refused', status },
    })
  })

  test('fits into one record, however large it is [dpp: hostapd_configurator_fragmentation, hostapd_enrollee_fragmentation, config_fragmentation]', () => {
    const long = 'x'.repeat(12_000)
    const decide = (asked: Asked, { csign }: Meeting) => {
      const connector = connectorCredential(csign, asked.netAccessKey, 'sta')
      return meeting.give([{ ssid: Buffer.from('home'), cred: { akm: 'dpp', connector }, thirdParty: { long } }])
    }
    const meeting: Meeting = new Meeting({ request: { thirdParty: { long } }, decide })
    meeting.run().assertConfigured()
    assert.ok(meeting.arrivals.filter(({ message }) => message.length > 12_000).length >= 2)
    assert.deepEqual(networkOf(meeting).thirdParty, { long })
  })

  test('gives several networks, which the Enrollee takes together [dpp: hostapd_configurator_override_objects]', () => {
    const pass = new Secret('a long secret')
    const decide = (asked: Asked, { csign }: Meeting) => {
      const connector = connectorCredential(csign, asked.netAccessKey, 'sta')
      return meeting.give([
        { ssid: Buffer.from('home'), cred: { akm: 'dpp', connector }, thirdParty: {} },
        { ssid: Buffer.from('guest'), cred: { akm: 'sae', pass, connector }, thirdParty: {} },
      ])
    }
    const meeting: Meeting = new Meeting({ decide })
    meeting.run().assertConfigured()
    assert.deepEqual(
      meeting.installed?.configurations.map(({ cred }) => cred.akm),
      ['dpp', 'sae'],
    )
  })

  test('makes another Configurator, which can sign for the same network [dpp: configurator_enroll_conf, configurator_enrollee]', () => {
    const keys = { csign: generateDppKey('P-256'), ppKey: generateDppKey('P-256'), configurationTemplate: '{}' }
    const random = { salt: Buffer.alloc(64, 1), contentKey: Buffer.alloc(64, 2) }
    const meeting = new Meeting({
      netRole: 'configurator',
      mutual: true,
      decide: ({ session }) => {
        const exchange = { curve: session.curve, bk: session.bk.reveal() }
        return { type: 'backup-granted', envelopedData: sealBackup([keys], exchange, random) }
      },
    })
    meeting.run()
    assert.deepEqual(meeting.enrollee, { type: 'configured' })
    const { session } = meeting.effect('authenticated')!
    const exchange = { curve: session.curve, bk: session.bk.reveal() }
    const [brought] = openBackup(meeting.installed!.envelopedData!, exchange)
    assert.equal(keyId(brought!.csign), keyId(keys.csign))
  })

  test('follows a code that two people told each other: PKEX, then mutual authentication [dpp: pkex_config, pkex_config2]', () => {
    for (const { curve } of curves) {
      const [left, right] = [pkex.party(curve, 'secret', 'porch'), pkex.party(curve, 'secret', 'porch')]
      const { answered, concluded } = pkex.bootstrap(left, right)
      assert.ok(answered.state.type === 'bootstrapped' && concluded.state.type === 'bootstrapped')
      // Each has its own key, and the other's from PKEX: the hash is that of the key as a code would have it.
      const device = ownBootstrapping(answered.state.ownKey)
      const office = ownBootstrapping(concluded.state.ownKey)
      assert.deepEqual(peerBootstrapping({ publicKey: exportSpki(concluded.state.peerKey) }).hash, device.hash)
      const meeting = new Meeting({ curve, mutual: true, keys: { device, office } }).run().assertConfigured()
      assert.equal(meeting.effect('authenticated')?.session.mutual, true)
    }
  })

  test('begins with nobody when the Request is for another key [dpp: qr_code_hostapd_ignore_mismatch]', () => {
    const meeting = new Meeting({
      between: (message, _, index) => {
        if (index > 0) return [message]
        const altered = Buffer.from(message)
        altered[12]! ^= 1
        return [altered]
      },
    })
    meeting.run().assertNothing()
    assert.equal(meeting.arrivals.length, 1)
  })
})

describe('access point and station of one network', () => {
  const combinations: readonly { dpp: string; exchange: DppCurve; csign: DppCurve }[] = [
    { dpp: 'ap_config_p256_p256', exchange: 'P-256', csign: 'P-256' },
    { dpp: 'ap_config_p256_p384', exchange: 'P-256', csign: 'P-384' },
    { dpp: 'ap_config_p256_p521', exchange: 'P-256', csign: 'P-521' },
    { dpp: 'ap_config_p384_p256', exchange: 'P-384', csign: 'P-256' },
    { dpp: 'ap_config_p384_p384', exchange: 'P-384', csign: 'P-384' },
    { dpp: 'ap_config_p384_p521', exchange: 'P-384', csign: 'P-521' },
    { dpp: 'ap_config_p521_p256', exchange: 'P-521', csign: 'P-256' },
    { dpp: 'ap_config_p521_p384', exchange: 'P-521', csign: 'P-384' },
    { dpp: 'ap_config_p521_p521', exchange: 'P-521', csign: 'P-521' },
    { dpp: 'ap_config_bp256_bp256', exchange: 'BP-256', csign: 'BP-256' },
    { dpp: 'ap_config_bp384_bp384', exchange: 'BP-384', csign: 'BP-384' },
    { dpp: 'ap_config_bp512_bp512', exchange: 'BP-512', csign: 'BP-512' },
    { dpp: 'ap_config_p256_bp256', exchange: 'P-256', csign: 'BP-256' },
    { dpp: 'ap_config_bp256_p256', exchange: 'BP-256', csign: 'P-256' },
    { dpp: 'ap_config_p521_bp512', exchange: 'P-521', csign: 'BP-512' },
    { dpp: 'ap_config_bp512_p521', exchange: 'BP-512', csign: 'P-521' },
  ]

  /** Onboards as `netRole`; answers what it needs for an introduction. */
  function joined(terms: Terms, csign: DppKeyPair) {
    const decide = (asked: Asked, own: Meeting) => {
      const connector = connectorCredential(csign, asked.netAccessKey, asked.request.netRole)
      return own.give([{ ssid: Buffer.from('home'), cred: { akm: 'dpp', connector }, thirdParty: {} }])
    }
    const meeting = new Meeting({ ...terms, decide }).run().assertConfigured()
    const { connector } = networkOf(meeting)
    return {
      csign: { key: csign, kid: keyId(csign) },
      connector: connector ?? assert.fail(),
      netAccessKey: meeting.installed!.netAccessKey,
      at: new Date(noon),
    }
  }

  for (const { dpp, exchange, csign } of combinations) {
    test(tagged(`onboarded on ${brief[exchange]} under a C-sign key on ${brief[csign]} let each other in`, dpp), () => {
      const key = generateDppKey(csign)
      const ap = joined({ curve: exchange, netRole: 'ap', initiator: 'enrollee' }, key)
      const sta = joined({ curve: exchange }, key)
      const attributes = (message: Uint8Array) => message.subarray(7)
      const answer = answerPeerDiscovery(ap, attributes(encodePeerDiscoveryRequest(sta, 1)))
      const introduction = acceptPeerDiscovery(sta, 1, attributes(answer.message))
      assert.deepEqual(introduction.pmk.reveal(), answer.introduction?.pmk.reveal())
    })
  }

  test('on two curves do not, which is why a network pins one', () => {
    const key = generateDppKey('P-256')
    const ap = joined({ curve: 'P-384', netRole: 'ap' }, key)
    const sta = joined({ curve: 'P-256' }, key)
    const answer = answerPeerDiscovery(ap, encodePeerDiscoveryRequest(sta, 1).subarray(7))
    assert.equal(answer.introduction, undefined)
  })

  test('a station asks for a new key on the curve of the network, and is let in', () => {
    const key = generateDppKey('P-256')
    const ap = joined({ curve: 'P-384', netRole: 'ap' }, key)
    let asked = false
    const decide = (each: Asked, own: Meeting) => {
      if (!asked) {
        asked = true
        return { type: 'new-key-needed', key: generateDppKey('P-384') } as const
      }
      const connector = connectorCredential(key, each.netAccessKey, 'sta')
      return own.give([{ ssid: Buffer.from('home'), cred: { akm: 'dpp', connector }, thirdParty: {} }])
    }
    const meeting = new Meeting({ decide }).run().assertConfigured()
    const { netAccessKey, configurations } = meeting.installed!
    assert.equal(netAccessKey.curve, 'P-384')
    const sta = { ...ap, connector: configurations[0]!.connector!, netAccessKey }
    const answer = answerPeerDiscovery(ap, encodePeerDiscoveryRequest(sta, 1).subarray(7))
    assert.ok(answer.introduction !== undefined)
  })

  test('an access point for passwords is told the password [dpp: ap_config_sae]', () => {
    const pass = new Secret('a long secret')
    const meeting = new Meeting({
      netRole: 'ap',
      decide: (_, own) => own.give([{ ssid: Buffer.from('home'), cred: { akm: 'sae', pass }, thirdParty: {} }]),
    })
    const { cred } = networkOf(meeting.run().assertConfigured())
    assert.deepEqual([cred.akm, cred.pass?.equals(pass)], ['sae', true])
  })
})

describe('a party that falls silent', () => {
  const stops: readonly { dpp: string | readonly string[]; what: string; initiator: Side; index: number }[] = [
    { dpp: ['proto_stop_at_auth_req'], what: 'before the Request', initiator: 'configurator', index: 0 },
    {
      dpp: ['proto_stop_at_auth_resp', 'auth_req_stop_after_ack'],
      what: 'before the Response',
      initiator: 'configurator',
      index: 1,
    },
    {
      dpp: ['proto_stop_at_auth_conf', 'proto_stop_at_auth_conf_tx', 'hostapd_auth_conf_timeout'],
      what: 'before the Confirm, as the Configurator',
      initiator: 'configurator',
      index: 2,
    },
    {
      dpp: ['proto_stop_at_auth_conf_tx2', 'proto_stop_after_auth_hostapd'],
      what: 'before the Confirm, as the Enrollee',
      initiator: 'enrollee',
      index: 2,
    },
    {
      dpp: ['proto_stop_at_conf_req', 'gas_timeout'],
      what: 'before the Configuration Request',
      initiator: 'configurator',
      index: 3,
    },
    {
      dpp: ['hostapd_enrollee_gas_timeout', 'gas_timeout_handling'],
      what: 'before the Configuration Response',
      initiator: 'configurator',
      index: 4,
    },
  ]
  for (const { dpp, what, initiator, index } of stops) {
    test(tagged(`${what} leaves nothing behind but a time-out`, dpp), () => {
      const meeting = new Meeting({ initiator, between: (message, _, at) => (at >= index ? [] : [message]) }).run()
      assert.equal(meeting.arrivals.length, index)
      meeting.assertNothing()
      meeting.end()
      meeting.assertNothing()
      assert.equal(meeting.enrollee.type, 'failed')
      assert.ok(['failed', 'finished'].includes(meeting.configurator.type))
    })
  }

  test('before the Result leaves the Configurator unsure, and the Enrollee configured', () => {
    const meeting = new Meeting({ between: (message, _, at) => (at === 5 ? [] : [message]) }).run()
    meeting.end()
    assert.deepEqual(meeting.configurator, { type: 'finished', outcome: 'unconfirmed' })
    assert.deepEqual(meeting.enrollee, { type: 'configured' })
  })
})
