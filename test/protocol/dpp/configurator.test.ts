import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { describe, test } from 'node:test'
import { CodecError } from '../../../src/codec/error.ts'
import { dppStatus, encodeAttributes } from '../../../src/protocol/dpp/attribute.ts'
import { capability, ownBootstrapping } from '../../../src/protocol/dpp/authentication.ts'
import * as initiator from '../../../src/protocol/dpp/authentication-initiator.ts'
import * as responder from '../../../src/protocol/dpp/authentication-responder.ts'
import { initiate, respond, step } from '../../../src/protocol/dpp/configurator.ts'
import { curves } from '../../../src/protocol/dpp/curve.ts'
import { dppFrame, encodeFrame } from '../../../src/protocol/dpp/frame.ts'
import { type DppKeyPair, type DppPublicKey, generateDppKey } from '../../../src/protocol/dpp/key.ts'
import { newKeyTag } from '../../../src/protocol/dpp/new-protocol-key.ts'
import { tagged } from './case.ts'
import { asInitiator, asResponder, effect, Hand, type NewKey, only, received, sent, unchanged } from './hand.ts'
import { dppFrameOf, initiatorOptions, nonceOf, responderOptions, scanned } from './party.ts'

const object = (text = 'one') => Buffer.from(JSON.stringify({ 'wi-fi_tech': 'infra', discovery: { ssid: text } }))
const granted = (over: { connectionStatus?: boolean; objects?: readonly Uint8Array[] } = {}) =>
  ({ type: 'configuration-granted', objects: [object()], ...over }) as const

describe('a Configurator', () => {
  for (const { curve } of curves) {
    for (const [way, begin] of Object.entries({ asInitiator, asResponder })) {
      for (const mutual of [false, true]) {
        test(`configures on ${curve}, ${way}, ${mutual ? 'mutual' : 'one-way'}`, () => {
          const { state, hand, transition } = begin({ curve, mutual })
          const { session } = effect(transition, 'authenticated')
          assert.deepEqual([session.role, session.mutual, session.peerVersion], ['configurator', mutual, 3])
          const asked = step(state, received(hand.ask()))
          const question = effect(asked, 'configuration-requested')
          assert.deepEqual([question.request.name, question.request.netRole], ['Lamp', 'sta'])
          assert.deepEqual(question.netAccessKey.point, hand.session.ownProtocolKey.point)
          const answered = step(asked.state, granted())
          const { status, objects } = hand.read(only(answered))
          assert.deepEqual([status, objects], [dppStatus.ok, [object()]])
          const done = step(answered.state, received(hand.result(dppStatus.ok)))
          assert.deepEqual(done.state, { type: 'finished', outcome: 'accepted' })
          assert.equal(effect(done, 'configuration-resulted').status, dppStatus.ok)
        })
      }
    }
  }

  test('is no Enrollee, whatever is offered to it [dpp: qr_code_auth_responder_configurator]', () => {
    const { capabilities: _, ...options } = responderOptions('P-256')
    const peer = initiator.begin(initiatorOptions(options.own, { capabilities: capability.configurator }))
    assert.ok(peer.effects[0]?.type === 'send')
    const { state, effects } = respond(options, dppFrameOf(peer.effects[0].message))
    assert.ok(state.type === 'failed' && state.reason === 'not-compatible')
    assert.equal(effects.length, 1)
    const both = initiator.begin(initiatorOptions(options.own, { capabilities: 3 }))
    assert.ok(both.effects[0]?.type === 'send')
    const answered = respond(options, dppFrameOf(both.effects[0].message))
    const confirmed = initiator.step(both.state, { type: 'received', frame: dppFrameOf(only(answered)) })
    assert.ok(confirmed.state.type === 'authenticated' && confirmed.state.session.role === 'enrollee')
  })

  test('asks an Enrollee to wait for its code to be scanned, and goes on when it is', () => {
    const { capabilities: _, ...options } = responderOptions('P-256', { awaitInitiator: true })
    const enrollee = initiatorOptions(options.own, { capabilities: capability.enrollee })
    const asked = initiator.begin(enrollee)
    assert.ok(asked.effects[0]?.type === 'send')
    const request = asked.effects[0].message
    const pending = respond(options, dppFrameOf(request))
    const waiting = initiator.step(asked.state, { type: 'received', frame: dppFrameOf(only(pending)) })
    unchanged(pending.state, request)
    const answered = step(pending.state, { type: 'initiator-scanned', initiator: scanned(enrollee.own) })
    const confirmed = initiator.step(waiting.state, { type: 'received', frame: dppFrameOf(only(answered)) })
    assert.ok(confirmed.effects[0]?.type === 'send')
    const done = step(answered.state, received(confirmed.effects[0].message))
    assert.equal(effect(done, 'authenticated').session.mutual, true)
  })

  test('hears that its own code has to be scanned first', () => {
    const enrollee = responderOptions('P-256', { awaitInitiator: true })
    const { capabilities: _, ...options } = initiatorOptions(enrollee.own)
    const asked = initiate(options)
    const pending = responder.begin(enrollee, dppFrameOf(only(asked)).attributes)
    assert.ok(pending.effects[0])
    const waiting = step(asked.state, received(pending.effects[0].message))
    effect(waiting, 'peer-pending')
    const scannedNow = responder.step(pending.state, { type: 'initiator-scanned', initiator: scanned(options.own) })
    assert.ok(scannedNow.effects[0])
    assert.equal(
      effect(step(waiting.state, received(scannedNow.effects[0].message)), 'authenticated').session.mutual,
      true,
    )
  })

  test('asks for a certification request first, and answers it at once [dpp: enterprise, enterprise_tcp]', () => {
    const { state, hand } = asResponder()
    const first = step(state, received(hand.ask()))
    const csrAttributes = Buffer.from('MAsGCSqGSIb3DQEJBw==')
    const needed = step(first.state, { type: 'csr-needed', csrAttributes })
    const response = hand.read(only(needed))
    assert.deepEqual([response.status, Buffer.from(response.csrAttributes!)], [dppStatus.csrNeeded, csrAttributes])
    // The relay has not heard it.
    assert.deepEqual(sent(step(needed.state, received(hand.ask()))), [only(needed)])
    const next = new Hand(hand.session)
    const second = step(needed.state, received(next.ask({ pkcs10: Buffer.from('3000', 'hex') })))
    assert.deepEqual(effect(second, 'configuration-requested').request.pkcs10, Buffer.from('3000', 'hex'))
    const answered = step(second.state, granted())
    assert.equal(next.read(only(answered)).status, dppStatus.ok)
    // The result has to be for the last request.
    unchanged(answered.state, hand.result(dppStatus.ok))
    assert.equal(step(answered.state, received(next.result(dppStatus.ok))).state.type, 'finished')
  })

  test('a bad certification request is the end of it [dpp: enterprise_reject]', () => {
    const { state, hand } = asResponder()
    const needed = step(step(state, received(hand.ask())).state, { type: 'csr-needed', csrAttributes: Buffer.from('') })
    const next = new Hand(hand.session)
    const second = step(needed.state, received(next.ask({ pkcs10: Buffer.of(0x30, 0) })))
    const refused = step(second.state, { type: 'configuration-refused', status: dppStatus.csrBad })
    assert.equal(next.read(only(refused)).status, dppStatus.csrBad)
    assert.deepEqual(refused.state, { type: 'finished', outcome: 'refused' })
  })

  test('wants a new key on the curve of the network, and the proof of it', () => {
    const pc = generateDppKey('P-384')
    const pe = generateDppKey('P-384')
    const begin = () => {
      const { state, hand } = asInitiator()
      const first = step(state, received(hand.ask()))
      const needed = step(first.state, { type: 'new-key-needed', key: pc })
      const { status, newKey } = hand.read(only(needed))
      assert.equal(status, dppStatus.newKeyNeeded)
      assert.deepEqual(newKey?.point, pc.point)
      return { needed, next: new Hand(hand.session) }
    }
    const proof = (hand: Hand, configurator: DppPublicKey, own: DppKeyPair): NewKey => ({
      point: own.point,
      tag: newKeyTag(hand.session, hand.nonce, { own, configurator, enrollee: own }),
    })
    const { needed, next } = begin()
    const second = step(needed.state, received(next.ask({ newKey: proof(next, pc, pe) })))
    assert.deepEqual(effect(second, 'configuration-requested').netAccessKey.point, pe.point)
    // Asked for a certificate, too: the new key stays the one.
    const csr = step(second.state, { type: 'csr-needed', csrAttributes: Buffer.from('') })
    const third = new Hand(next.session)
    const last = step(csr.state, received(third.ask({ pkcs10: Buffer.of(0x30, 0) })))
    assert.deepEqual(effect(last, 'configuration-requested').netAccessKey.point, pe.point)

    const wrong: Readonly<Record<string, (hand: Hand) => NewKey | undefined>> = {
      'no key at all': () => undefined,
      'somebody else’s key': hand => ({ ...proof(hand, pc, pe), point: generateDppKey('P-384').point }),
      'a tag cut short': hand => ({ ...proof(hand, pc, pe), tag: proof(hand, pc, pe).tag.subarray(1) }),
      'a key on the first curve': hand => ({ ...proof(hand, pc, pe), point: generateDppKey('P-256').point }),
      'a key off its curve': hand => ({ ...proof(hand, pc, pe), point: Buffer.alloc(96, 1) }),
      'a proof for another request': hand => proof(new Hand(hand.session), pc, pe),
      'a proof towards another Configurator': hand => proof(hand, generateDppKey('P-384'), pe),
    }
    for (const [name, make] of Object.entries(wrong)) {
      const { needed, next } = begin()
      const newKey = make(next)
      const refused = step(needed.state, received(next.ask(newKey === undefined ? {} : { newKey })))
      assert.deepEqual([name, refused.state.type, refused.effects], [name, 'failed', []])
    }
  })

  test('wants no new key of a peer that does not know of it', () => {
    const { state, hand } = asInitiator({ version: 2 })
    const first = step(state, received(hand.ask()))
    const refused = step(first.state, { type: 'new-key-needed', key: generateDppKey('P-384') })
    assert.equal(hand.read(only(refused)).status, dppStatus.configureFailure)
    assert.deepEqual(refused.state, { type: 'finished', outcome: 'refused' })
  })

  test('says no with a status, and that is all [dpp: enrollee_reject_config]', () => {
    for (const status of [dppStatus.configureFailure, dppStatus.configurePending]) {
      const { state, hand } = asResponder()
      const refused = step(step(state, received(hand.ask())).state, { type: 'configuration-refused', status })
      const response = hand.read(only(refused))
      assert.deepEqual([response.status, response.objects], [status, undefined])
      assert.deepEqual(refused.state, { type: 'finished', outcome: 'refused' })
    }
  })

  test('hands a backup to another Configurator', () => {
    const { state, hand } = asInitiator({ mutual: true })
    const asked = step(state, received(hand.ask({ netRole: 'configurator' })))
    assert.equal(effect(asked, 'configuration-requested').request.netRole, 'configurator')
    const answered = step(asked.state, { type: 'backup-granted', envelopedData: Buffer.from('sealed') })
    assert.deepEqual(Buffer.from(hand.read(only(answered)).envelopedData!), Buffer.from('sealed'))
  })

  test('two objects, up to ten, and one to version 1 [dpp: config_legacy_gen_two_conf]', () => {
    const two = [object('one'), object('two')]
    const { state, hand } = asInitiator()
    const asked = step(state, received(hand.ask())).state
    assert.deepEqual(hand.read(only(step(asked, granted({ objects: two })))).objects, two)
    for (const objects of [[], Array(11).fill(object())])
      assert.throws(() => step(asked, granted({ objects })), RangeError)
    const old = asInitiator({ version: 1 })
    const first = step(old.state, received(old.hand.ask())).state
    assert.throws(() => step(first, granted({ objects: two })), RangeError)
  })

  test('a peer of version 1 says nothing of a result: done when it is sent [dpp: hostapd_configurator_enrollee_v1]', () => {
    const { state, hand } = asInitiator({ version: 1 })
    const answered = step(step(state, received(hand.ask())).state, granted({ connectionStatus: true }))
    assert.equal(hand.read(only(answered)).sendConnectionStatus, undefined)
    assert.equal(effect(answered, 'configuration-resulted').status, dppStatus.ok)
    assert.deepEqual(answered.state, { type: 'finished', outcome: 'accepted' })
  })

  const statuses = [
    { result: dppStatus.ok, dpp: 'conn_status_success' },
    { result: dppStatus.authenticationFailure, dpp: 'conn_status_wrong_passphrase' },
    { result: dppStatus.noAccessPoint, dpp: 'conn_status_no_ap' },
    { result: dppStatus.noMatch, dpp: 'conn_status_connector_mismatch' },
  ]
  for (const each of statuses) {
    test(tagged(`hears how connecting went: ${each.result}`, each.dpp), () => {
      const { state, hand } = asResponder()
      const answered = step(step(state, received(hand.ask())).state, granted({ connectionStatus: true }))
      assert.equal(hand.read(only(answered)).sendConnectionStatus, true)
      // Not before the result, and only with the nonce of this request.
      unchanged(answered.state, hand.connection(each.result))
      const resulted = step(answered.state, received(hand.result(dppStatus.ok)))
      assert.equal(resulted.state.type, 'connecting')
      unchanged(resulted.state, hand.connection(each.result, nonceOf('P-256')))
      unchanged(resulted.state, hand.ask())
      const done = step(resulted.state, received(hand.connection(each.result)))
      assert.equal(effect(done, 'connection-reported').status.result, each.result)
      assert.deepEqual(done.state, { type: 'finished', outcome: 'accepted' })
    })
  }

  test('hears that the Enrollee does not want it [dpp: enrollee_ap_reject_config]', () => {
    const { state, hand } = asResponder()
    const answered = step(step(state, received(hand.ask({ netRole: 'ap' }))).state, granted({ connectionStatus: true }))
    const done = step(answered.state, received(hand.result(dppStatus.configurationRejected)))
    assert.equal(effect(done, 'configuration-resulted').status, dppStatus.configurationRejected)
    assert.deepEqual(done.state, { type: 'finished', outcome: 'rejected' })
  })
})

describe('what comes twice, or where it does not belong, changes nothing', () => {
  test('to the Configurator that has asked [dpp: controller_relay_chirp_duplicate, duplicated_auth_resp]', () => {
    const enrollee = responderOptions('P-256')
    const { capabilities: _, ...options } = initiatorOptions(enrollee.own)
    const asked = initiate(options)
    const chirp = encodeFrame({
      kind: 'dpp',
      type: dppFrame.presenceAnnouncement,
      attributes: encodeAttributes([['responderBootstrappingKeyHash', randomBytes(32)]]),
    })
    for (const message of [chirp, only(asked), Buffer.of(4), Buffer.from('0c00', 'hex')])
      unchanged(asked.state, message)
    // On a new connection of the same device it is the same request.
    assert.deepEqual(only(step(asked.state, { type: 'request-lost' })), only(asked))
    const answered = responder.begin(enrollee, dppFrameOf(only(asked)).attributes)
    assert.ok(answered.effects[0])
    const authenticated = step(asked.state, received(answered.effects[0].message))
    for (const message of [chirp, answered.effects[0].message]) unchanged(authenticated.state, message)
    assert.deepEqual(step(authenticated.state, { type: 'request-lost' }).effects, [])
  })

  test('to the Configurator that was asked [dpp: two_initiators, duplicated_auth_conf]', () => {
    const { state, hand, transition } = asResponder()
    assert.equal(transition.state.type, 'authenticated')
    const other = initiator.begin(initiatorOptions(ownBootstrapping(generateDppKey('P-256'))))
    assert.ok(other.effects[0]?.type === 'send')
    unchanged(state, other.effects[0].message)
    const asked = step(state, received(hand.ask()))
    for (const message of [hand.ask(), other.effects[0].message, hand.result(0)]) unchanged(asked.state, message)
    const answered = step(asked.state, granted())
    // Asked again, because the answer was lost: the same answer, and no second decision.
    const repeated = step(answered.state, received(hand.ask()))
    assert.deepEqual([repeated.state, sent(repeated)], [answered.state, sent(answered)])
    unchanged(answered.state, new Hand(hand.session).ask())
    unchanged(answered.state, hand.result(dppStatus.ok, nonceOf('P-256')))
    const done = step(answered.state, received(hand.result(dppStatus.ok)))
    for (const message of [hand.ask(), hand.result(dppStatus.ok)]) unchanged(done.state, message)
    assert.deepEqual(step(done.state, { type: 'closed' }).state, done.state)
  })

  test('and a late decision finds nobody', () => {
    const { state, hand } = asResponder()
    const asked = step(state, received(hand.ask()))
    const gone = step(asked.state, { type: 'closed' })
    assert.deepEqual(gone.state, { type: 'failed', reason: 'closed' })
    assert.deepEqual(step(gone.state, granted()), gone)
    assert.deepEqual(step(state, granted()), { state, effects: [] })
  })
})

describe('an exchange ends without an answer', () => {
  const bad = (json: unknown) => Buffer.from(typeof json === 'string' ? json : JSON.stringify(json))
  const requests = [
    { name: 'no JSON', json: bad('{'), dpp: 'proto_conf_req_invalid_config_attr_obj' },
    { name: 'no name', json: bad({ 'wi-fi_tech': 'infra', netRole: 'sta' }) },
    { name: 'another technology', json: bad({ name: 'x', 'wi-fi_tech': 'p2p', netRole: 'sta' }) },
    { name: 'another role', json: bad({ name: 'x', 'wi-fi_tech': 'infra', netRole: 'gateway' }) },
  ]
  for (const each of requests) {
    test(tagged(`when the request has ${each.name}`, each.dpp), () => {
      const { state, hand } = asResponder()
      const { state: after, effects } = step(state, received(hand.ask({ json: each.json })))
      assert.deepEqual([after.type, effects], ['failed', []])
    })
  }

  const rewritten = (hand: Hand, change: (attributes: Buffer) => Buffer) => {
    const message = hand.ask()
    const attributes = change(Buffer.from(message.subarray(14)))
    return encodeFrame({ kind: 'gas-initial-request', dialogToken: 7, attributes })
  }
  const stray = encodeAttributes([['status', Buffer.of(0)]])
  const framings = [
    { name: 'nothing wrapped', change: () => stray, dpp: 'proto_conf_req_no_wrapped_data' },
    {
      name: 'an attribute behind Wrapped Data',
      change: (own: Buffer) => Buffer.concat([own, stray]),
      dpp: 'proto_after_wrapped_data_conf_req',
    },
    { name: 'an octet less', change: (own: Buffer) => own.subarray(0, -1) },
    {
      name: 'a bit flipped',
      change: (own: Buffer) => Buffer.concat([own.subarray(0, -1), Buffer.of(own.at(-1)! ^ 1)]),
    },
  ]
  for (const each of framings) {
    test(tagged(`when the request has ${each.name}`, each.dpp), () => {
      const { state, hand } = asResponder()
      const { state: after, effects } = step(state, received(rewritten(hand, each.change)))
      assert.deepEqual([after.type, effects], ['failed', []])
    })
  }

  test('when the request is under another key, or a frame cannot be read', () => {
    const { state } = asResponder()
    const { hand } = asResponder()
    const { state: after, effects } = step(state, received(hand.ask()))
    assert.ok(after.type === 'failed' && after.reason === 'unopenable')
    assert.deepEqual(effects, [])
    for (const message of ['', '09', '0a00', '09506f9a1a02']) {
      assert.equal(step(state, received(Buffer.from(message, 'hex'))).state.type, 'failed')
    }
  })

  test('when time is up or the peer is gone; but what was sent may have arrived [dpp: gas_timeout, proto_stop_at_conf_req, proto_stop_at_auth_conf]', () => {
    for (const how of ['timed-out', 'closed'] as const) {
      const { state, hand } = asResponder()
      assert.deepEqual(step(state, { type: how }).state, { type: 'failed', reason: how })
      const asked = step(state, received(hand.ask()))
      assert.deepEqual(step(asked.state, { type: how }).state, { type: 'failed', reason: how })
      const answered = step(asked.state, granted({ connectionStatus: true }))
      assert.deepEqual(step(answered.state, { type: how }).state, { type: 'finished', outcome: 'unconfirmed' })
      const resulted = step(answered.state, received(hand.result(dppStatus.ok)))
      assert.deepEqual(step(resulted.state, { type: how }).state, { type: 'finished', outcome: 'accepted' })
    }
  })

  test('and a result that cannot be read leaves the configuration unconfirmed', () => {
    const { state, hand } = asResponder()
    const answered = step(step(state, received(hand.ask())).state, granted())
    const forged = asResponder().hand.result(dppStatus.ok)
    assert.deepEqual(step(answered.state, received(forged)).state, { type: 'finished', outcome: 'unconfirmed' })
  })

  test('errors of our own are not taken for the peer’s', () => {
    const { state, hand } = asResponder()
    const asked = step(state, received(hand.ask()))
    const objects = [Buffer.alloc(70_000)]
    assert.throws(() => step(asked.state, granted({ objects })), CodecError)
  })
})
