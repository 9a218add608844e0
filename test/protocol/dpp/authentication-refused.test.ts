import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { sealAesSiv } from '../../../src/crypto/aes-siv.ts'
import { attribute, decodeAttributes, dppStatus, encodeAttributes } from '../../../src/protocol/dpp/attribute.ts'
import { type AuthenticationFailure, ownBootstrapping } from '../../../src/protocol/dpp/authentication.ts'
import * as initiator from '../../../src/protocol/dpp/authentication-initiator.ts'
import { readAuthenticationConfirm } from '../../../src/protocol/dpp/authentication-message.ts'
import * as responder from '../../../src/protocol/dpp/authentication-responder.ts'
import { agree, generateDppKey } from '../../../src/protocol/dpp/key.ts'
import { firstKey, secondKey } from '../../../src/protocol/dpp/key-schedule.ts'
import { type Change, type Forgery, flipped, forge, replaced, shortened, without } from './forge.ts'
import { dppFrameOf, initiatorOptions, responderOptions, scanned } from './party.ts'

/*
 * What a party of Easy Connect does with a message that has something wrong in it, made by somebody who has all the keys. The
 * Responder is silent; the Initiator too, but says so when roles or R-auth do not fit.
 */

const received = (message: Uint8Array) => ({ type: 'received', frame: dppFrameOf(message) }) as const
const attributesOf = (message: Uint8Array) => dppFrameOf(message).attributes

/** A mutual authentication up to each message, and the keys that wrap them. */
function exchange({ mutual = true, version = 2 } = {}) {
  const own = responderOptions('P-256', { version })
  const i = initiatorOptions(own.own, { version })
  const r = mutual ? { ...own, initiator: scanned(i.own) } : own
  const asked = initiator.begin(i)
  const request = sentBy(asked)
  const answered = responder.begin(r, attributesOf(request))
  const response = sentBy(answered)
  const confirmed = initiator.step(asked.state, received(response))
  const confirm = sentBy(confirmed)
  assert.ok(confirmed.state.type === 'authenticated')
  const k1 = firstKey('P-256', agree(i.protocolKey, i.responder.key))
  const k2 = secondKey('P-256', agree(i.protocolKey, r.protocolKey))
  const ke = confirmed.state.session.ke.reveal()
  return { i, r, asked, answered, confirmed, request, response, confirm, k1, k2, ke }
}

function sentBy({ effects }: initiator.Transition | responder.Transition): Buffer {
  const [effect, ...more] = effects
  assert.ok(effect?.type === 'send' && more.length === 0)
  return effect.message
}

function silent({ state, effects }: initiator.Transition | responder.Transition, reason: AuthenticationFailure): void {
  assert.deepEqual([state.type, effects], ['failed', []])
  assert.ok(state.type === 'failed')
  assert.equal(state.reason, reason, state.detail)
}

interface Case extends Forgery {
  readonly dpp: string
  readonly reason?: AuthenticationFailure
}

const stray = [[attribute.status, Buffer.of(0)]] as const
const offCurve = (name: 'initiatorProtocolKey' | 'responderProtocolKey') => flipped(name)
const zero = () => Buffer.of(0)

describe('the Responder is silent about a Request with', () => {
  const cases: readonly Case[] = [
    { dpp: 'proto_auth_req_no_r_bootstrap_key', outer: without('responderBootstrappingKeyHash') },
    { dpp: 'proto_auth_req_invalid_r_bootstrap_key', outer: shortened('responderBootstrappingKeyHash') },
    { dpp: 'proto_auth_req_no_i_bootstrap_key', outer: without('initiatorBootstrappingKeyHash') },
    { dpp: 'proto_auth_req_invalid_i_bootstrap_key', outer: shortened('initiatorBootstrappingKeyHash') },
    { dpp: 'proto_auth_req_no_i_proto_key', outer: without('initiatorProtocolKey') },
    { dpp: 'proto_auth_req_invalid_i_proto_key', outer: offCurve('initiatorProtocolKey') },
    { dpp: 'proto_auth_req_no_i_nonce', inner: without('initiatorNonce') },
    { dpp: 'proto_auth_req_invalid_i_nonce', inner: shortened('initiatorNonce') },
    { dpp: 'proto_auth_req_no_i_capab', inner: without('initiatorCapabilities') },
    { dpp: 'proto_zero_i_capab', inner: replaced('initiatorCapabilities', zero) },
    { dpp: 'proto_auth_req_no_wrapped_data', outer: without('wrappedData') },
    { dpp: 'proto_after_wrapped_data_auth_req', after: stray },
    { dpp: 'truncated_attr', octets: attributes => attributes.subarray(0, -1) },
  ]
  for (const each of cases) {
    test(`${each.dpp} [dpp: ${each.dpp}]`, () => {
      const { r, request, k1 } = exchange()
      silent(responder.begin(r, attributesOf(forge(request, k1, each))), each.reason ?? 'malformed')
    })
  }

  const more: Readonly<Record<string, [change: Forgery, reason: AuthenticationFailure]>> = {
    'the hash of another key': [{ outer: flipped('responderBootstrappingKeyHash') }, 'mismatched'],
    'a protocol key cut by an octet': [{ outer: shortened('initiatorProtocolKey') }, 'malformed'],
    'a protocol key of zeros': [{ outer: replaced('initiatorProtocolKey', () => Buffer.alloc(64)) }, 'malformed'],
    'an empty protocol key': [{ outer: replaced('initiatorProtocolKey', () => Buffer.alloc(0)) }, 'malformed'],
    'another protocol key': [
      { outer: replaced('initiatorProtocolKey', () => generateDppKey('P-256').point) },
      'unopenable',
    ],
    'version 0': [{ outer: replaced('protocolVersion', zero) }, 'malformed'],
    'an empty version': [{ outer: replaced('protocolVersion', () => Buffer.alloc(0)) }, 'malformed'],
    'octets behind it': [{ octets: attributes => Buffer.concat([attributes, Buffer.of(0)]) }, 'malformed'],
  }
  for (const [name, [change, reason]] of Object.entries(more)) {
    test(name, () => {
      const { r, request, k1 } = exchange()
      silent(responder.begin(r, attributesOf(forge(request, k1, change))), reason)
    })
  }

  test('any bit flipped', () => {
    const { r, request } = exchange()
    const attributes = attributesOf(request)
    for (let bit = 0; bit < attributes.length * 8; bit++) {
      const altered = Buffer.from(attributes)
      altered[bit >> 3]! ^= 1 << (bit & 7)
      const { state, effects } = responder.begin(r, altered)
      assert.deepEqual([state.type, effects], ['failed', []], `bit ${bit}`)
    }
  })

  test('a key on another curve, or a Response in its place', () => {
    const { r, response } = exchange()
    const other = initiatorOptions(ownBootstrapping(generateDppKey('P-384')))
    silent(responder.begin(r, attributesOf(sentBy(initiator.begin(other)))), 'mismatched')
    silent(responder.begin(r, attributesOf(response)), 'malformed')
  })

  test('an unknown attribute more, and goes on', () => {
    const { r, request, k1 } = exchange()
    const unknown: Change = list => [[0xfff0, Buffer.from('later')], ...list]
    const { state } = responder.begin(r, attributesOf(forge(request, k1, { outer: unknown, inner: unknown })))
    assert.equal(state.type, 'responded')
  })
})

describe('the Initiator is silent about a Response with', () => {
  const cases: readonly Case[] = [
    { dpp: 'proto_auth_resp_no_status', outer: without('status') },
    { dpp: 'proto_auth_resp_no_r_bootstrap_key', outer: without('responderBootstrappingKeyHash') },
    { dpp: 'proto_auth_resp_invalid_r_bootstrap_key', outer: shortened('responderBootstrappingKeyHash') },
    { dpp: 'proto_auth_resp_invalid_i_bootstrap_key', outer: shortened('initiatorBootstrappingKeyHash') },
    { dpp: 'proto_auth_resp_no_r_proto_key', outer: without('responderProtocolKey') },
    { dpp: 'proto_auth_resp_invalid_r_proto_key', outer: offCurve('responderProtocolKey') },
    { dpp: 'proto_auth_resp_no_r_nonce', inner: without('responderNonce') },
    { dpp: 'proto_auth_resp_no_i_nonce', inner: without('initiatorNonce') },
    { dpp: 'proto_auth_resp_i_nonce_mismatch', inner: flipped('initiatorNonce'), reason: 'mismatched' },
    { dpp: 'proto_auth_resp_no_r_capab', inner: without('responderCapabilities') },
    { dpp: 'proto_zero_r_capab', inner: replaced('responderCapabilities', zero) },
    { dpp: 'proto_auth_resp_no_wrapped_data', outer: without('wrappedData') },
    { dpp: 'proto_after_wrapped_data_auth_resp', after: stray },
    // A status that is not OK is under k1, which this is not.
    { dpp: 'proto_auth_resp_invalid_status', outer: replaced('status', () => Buffer.of(0xff)), reason: 'unopenable' },
  ]
  for (const each of cases) {
    test(`${each.dpp} [dpp: ${each.dpp}]`, () => {
      const { asked, response, k2 } = exchange()
      silent(initiator.step(asked.state, received(forge(response, k2, each))), each.reason ?? 'malformed')
    })
  }

  test('the hash of another key, or an I-hash of somebody else', () => {
    const { asked, response, k2 } = exchange()
    for (const name of ['responderBootstrappingKeyHash', 'initiatorBootstrappingKeyHash'] as const) {
      silent(initiator.step(asked.state, received(forge(response, k2, { outer: flipped(name) }))), 'mismatched')
    }
  })

  test('any bit flipped', () => {
    const { asked, response } = exchange()
    for (let bit = 0; bit < attributesOf(response).length * 8; bit++) {
      const altered = Buffer.from(response)
      altered[7 + (bit >> 3)]! ^= 1 << (bit & 7)
      const { state, effects } = initiator.step(asked.state, received(altered))
      assert.deepEqual([state.type, effects], ['failed', []], `bit ${bit}`)
    }
  })

  const refusals: readonly Case[] = [
    { dpp: 'proto_auth_resp_status_no_status', outer: without('status') },
    { dpp: 'proto_auth_resp_status_no_r_bootstrap_key', outer: without('responderBootstrappingKeyHash') },
    { dpp: 'proto_auth_resp_status_invalid_r_bootstrap_key', outer: shortened('responderBootstrappingKeyHash') },
    {
      dpp: 'proto_auth_resp_status_invalid_i_bootstrap_key',
      outer: list => [[attribute.initiatorBootstrappingKeyHash, Buffer.alloc(31)], ...list],
    },
    { dpp: 'proto_auth_resp_status_no_i_nonce', inner: without('initiatorNonce') },
    { dpp: 'auth_resp_status_failure', inner: flipped('initiatorNonce'), reason: 'mismatched' },
  ]
  for (const each of refusals) {
    test(`no to it, and ${each.dpp} [dpp: ${each.dpp}]`, () => {
      const { asked, i, r, request } = exchange()
      const configurator = { ...r, capabilities: i.capabilities }
      const refusal = sentBy(responder.begin(configurator, attributesOf(request)))
      const k1 = firstKey('P-256', agree(i.protocolKey, i.responder.key))
      silent(initiator.step(asked.state, received(forge(refusal, k1, each))), each.reason ?? 'malformed')
    })
  }

  test('no to it, without the I-hash, which says no all the same [dpp: proto_auth_resp_status_no_i_bootstrap_key]', () => {
    const { asked, i, r, request } = exchange()
    const refusal = sentBy(responder.begin({ ...r, capabilities: i.capabilities }, attributesOf(request)))
    assert.equal(decodeAttributes(attributesOf(refusal)).get('initiatorBootstrappingKeyHash'), undefined)
    silent(initiator.step(asked.state, received(refusal)), 'not-compatible')
  })
})

describe('the Initiator says what is wrong with a Response that has', () => {
  const told = (forged: Buffer, status: number, reason: AuthenticationFailure, of: ReturnType<typeof exchange>) => {
    const { state, effects } = initiator.step(of.asked.state, received(forged))
    assert.ok(state.type === 'failed')
    assert.equal(state.reason, reason)
    const [effect] = effects
    assert.ok(effect?.type === 'send' && effects.length === 1)
    assert.equal(readAuthenticationConfirm(decodeAttributes(attributesOf(effect.message))).status, status)
    // The Responder opens it, and knows.
    const heard = responder.step(of.answered.state, received(effect.message))
    return heard
  }

  test('roles that do not fit: NOT_COMPATIBLE [dpp: proto_auth_resp_incompatible_r_capab, qr_code_auth_incompatible_roles2]', () => {
    for (const capabilities of [2, 3]) {
      const of = exchange()
      const change = { inner: replaced('responderCapabilities', () => Buffer.of(capabilities)) }
      const heard = told(forge(of.response, of.k2, change), dppStatus.notCompatible, 'not-compatible', of)
      assert.deepEqual(heard.state, { type: 'failed', reason: 'not-compatible', status: dppStatus.notCompatible })
    }
  })

  const wrongTags: Readonly<Record<string, (ke: Uint8Array) => Uint8Array>> = {
    'another tag': ke => sealAesSiv(ke, encodeAttributes([['responderAuthenticatingTag', Buffer.alloc(32)]])),
    'no tag': ke => sealAesSiv(ke, encodeAttributes([])),
    'a short tag': ke => sealAesSiv(ke, encodeAttributes([['responderAuthenticatingTag', Buffer.alloc(31)]])),
    'a tag under another key': () => sealAesSiv(Buffer.alloc(32), Buffer.alloc(36)),
    'associated data where none belongs': ke => sealAesSiv(ke, Buffer.alloc(36), Buffer.alloc(0)),
  }
  for (const [name, wrapped] of Object.entries(wrongTags)) {
    test(`${name}: AUTH_FAILURE [dpp: proto_auth_resp_no_r_auth, proto_auth_resp_r_auth_mismatch, auth_resp_aes_siv_issue]`, () => {
      const of = exchange()
      const change = { inner: replaced('wrappedData', () => wrapped(of.ke)) }
      const heard = told(forge(of.response, of.k2, change), dppStatus.authenticationFailure, 'not-authentic', of)
      assert.deepEqual(heard.state, { type: 'failed', reason: 'refused', status: dppStatus.authenticationFailure })
    })
  }

  test('no I-hash where mutual keys were used: another R-auth [dpp: proto_auth_resp_no_i_bootstrap_key]', () => {
    const of = exchange()
    const change = { outer: without('initiatorBootstrappingKeyHash') }
    told(forge(of.response, of.k2, change), dppStatus.authenticationFailure, 'not-authentic', of)
  })

  test('its own Request thrown back: nobody is authenticated by a mirror', () => {
    const { asked, request } = exchange()
    const { state, effects } = initiator.step(asked.state, received(request))
    assert.deepEqual([state, effects], [asked.state, []])
  })
})

describe('the Responder drops the exchange at a Confirm with', () => {
  const cases: readonly Case[] = [
    { dpp: 'proto_auth_conf_no_status', outer: without('status') },
    { dpp: 'proto_auth_conf_invalid_status', outer: replaced('status', () => Buffer.of(0xff)), reason: 'unopenable' },
    { dpp: 'proto_auth_conf_no_r_bootstrap_key', outer: without('responderBootstrappingKeyHash') },
    { dpp: 'proto_auth_conf_invalid_r_bootstrap_key', outer: shortened('responderBootstrappingKeyHash') },
    {
      dpp: 'proto_auth_conf_no_i_bootstrap_key',
      outer: without('initiatorBootstrappingKeyHash'),
      reason: 'mismatched',
    },
    { dpp: 'proto_auth_conf_invalid_i_bootstrap_key', outer: shortened('initiatorBootstrappingKeyHash') },
    { dpp: 'proto_auth_conf_no_i_auth', inner: without('initiatorAuthenticatingTag') },
    { dpp: 'proto_auth_conf_no_wrapped_data', outer: without('wrappedData') },
    { dpp: 'proto_auth_conf_i_auth_mismatch', inner: flipped('initiatorAuthenticatingTag'), reason: 'not-authentic' },
    { dpp: 'proto_after_wrapped_data_auth_conf', after: stray },
  ]
  for (const each of cases) {
    test(`${each.dpp} [dpp: ${each.dpp}]`, () => {
      const { answered, confirm, ke } = exchange()
      silent(responder.step(answered.state, received(forge(confirm, ke, each))), each.reason ?? 'malformed')
    })
  }

  test('an I-hash in one-way authentication', () => {
    const { answered, confirm, ke, i } = exchange({ mutual: false })
    const named: Change = list => [[attribute.initiatorBootstrappingKeyHash, i.own.hash], ...list]
    silent(responder.step(answered.state, received(forge(confirm, ke, { outer: named }))), 'mismatched')
  })

  test('any bit flipped', () => {
    const { answered, confirm } = exchange()
    for (let bit = 0; bit < attributesOf(confirm).length * 8; bit++) {
      const altered = Buffer.from(confirm)
      altered[7 + (bit >> 3)]! ^= 1 << (bit & 7)
      const { state } = responder.step(answered.state, received(altered))
      assert.equal(state.type, 'failed', `bit ${bit}`)
    }
  })

  test('a failure that is not under k2, or with another R-nonce', () => {
    const { answered, asked, response, k2, confirm, ke } = exchange()
    const failing = { inner: replaced('responderCapabilities', () => Buffer.of(2)) }
    const { effects } = initiator.step(asked.state, received(forge(response, k2, failing)))
    const [effect] = effects
    assert.ok(effect?.type === 'send')
    const forged = forge(effect.message, k2, { inner: flipped('responderNonce') })
    silent(responder.step(answered.state, received(forged)), 'mismatched')
    const status = replaced('status', () => Buffer.of(dppStatus.notCompatible))
    silent(responder.step(answered.state, received(forge(confirm, ke, { outer: status }))), 'unopenable')
  })

  test('a Response or a second Request in its place, and goes on [dpp: proto_auth_conf_replaced_by_resp, two_initiators]', () => {
    const { answered, request, response, confirm, r } = exchange()
    const other = sentBy(initiator.begin(initiatorOptions(r.own)))
    for (const message of [request, response, other]) {
      assert.deepEqual(responder.step(answered.state, received(message)), { state: answered.state, effects: [] })
    }
    assert.equal(responder.step(answered.state, received(confirm)).state.type, 'authenticated')
  })
})
