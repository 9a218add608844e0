import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { describe, test } from 'node:test'
import { openAesSiv } from '../../../src/crypto/aes-siv.ts'
import { Secret } from '../../../src/crypto/secret.ts'
import { decodeAttributes } from '../../../src/protocol/dpp/attribute.ts'
import { curves, type DppCurve } from '../../../src/protocol/dpp/curve.ts'
import { decodeFrame, dppFrame, frameHeader } from '../../../src/protocol/dpp/frame.ts'
import { importScalar } from '../../../src/protocol/dpp/key.ts'
import { isPkexCodeUsable, newPkexCode, pkexCodeSpent, pkexCodeTried } from '../../../src/protocol/dpp/pkex-code.ts'
import { encryptingElement, roleElement } from '../../../src/protocol/dpp/pkex-element.ts'
import type { PkexOptions } from '../../../src/protocol/dpp/pkex-initiator.ts'
import * as initiator from '../../../src/protocol/dpp/pkex-initiator.ts'
import * as responder from '../../../src/protocol/dpp/pkex-responder.ts'
import { tagged } from './case.ts'
import {
  bootstrap,
  exchange,
  flipped,
  kinds,
  macs,
  party,
  received,
  replacing,
  rewritten,
  sent,
  without,
} from './pkex-party.ts'

const hex = (text: string) => Buffer.from(text, 'hex')

interface Vector {
  readonly name: string
  readonly kind: string
  readonly pkex_version: 1 | 2
  readonly protocol_version: number
  readonly inputs: Record<string, string>
  readonly expected: Record<string, string>
}
const file = JSON.parse(readFileSync(new URL('../../vector/dpp/vector.json', import.meta.url), 'utf8')) as {
  vectors: readonly Vector[]
  pkex_role_elements: Record<DppCurve, Record<'Pi' | 'Pr', { x: string; y: string }>>
}

type Side = 'initiator' | 'responder'

/** Both parties as a vector has them. */
function recorded({ inputs, pkex_version, protocol_version }: Vector, side: Side): PkexOptions {
  const [own, ephemeral] = side === 'initiator' ? ['a', 'x'] : ['b', 'y']
  const curve = inputs['curve'] as DppCurve
  return {
    code: { code: new Secret(inputs['code']!), identifier: inputs['identifier']! },
    bootstrappingKey: importScalar(curve, hex(inputs[own!]!)),
    ephemeralKey: importScalar(curve, hex(inputs[ephemeral!]!)),
    protocolVersion: protocol_version,
    ...(pkex_version === 1 && { mac: hex(inputs[`mac_${side}`]!) }),
  }
}

function assertBootstrapped(left: PkexOptions, right: PkexOptions): void {
  const { answered, concluded } = bootstrap(left, right)
  assert.ok(answered.state.type === 'bootstrapped' && concluded.state.type === 'bootstrapped')
  assert.deepEqual(answered.state.peerKey.point, left.bootstrappingKey.point)
  assert.deepEqual(concluded.state.peerKey.point, right.bootstrappingKey.point)
  assert.deepEqual(kinds(concluded.effects), ['spend-code'])
  assert.deepEqual(kinds(answered.effects), ['spend-code', 'send'])
}

describe('PKEX', () => {
  for (const vector of file.vectors.filter(({ kind }) => kind === 'pkex')) {
    const { expected } = vector
    const [left, right] = [recorded(vector, 'initiator'), recorded(vector, 'responder')]
    const curve = vector.inputs['curve'] as DppCurve

    test(`${vector.name}: every octet as recorded [dpp: pkex_test_vector]`, () => {
      const qi = encryptingElement(curve, 'initiator', left.code, left.mac)
      const qr = encryptingElement(curve, 'responder', right.code, right.mac)
      assert.equal(qi.point.toString('hex'), expected['Qi'])
      assert.equal(qr.point.toString('hex'), expected['Qr'])
      const so = bootstrap(left, right)
      assert.ok(so.requested.state.type === 'requested' && so.exchanged.state.type === 'exchanged')
      assert.equal(so.requested.state.encryptedKey.point.toString('hex'), expected['M'])
      assert.equal(so.exchanged.state.z.reveal().toString('hex'), expected['z'])
      const attributes = (message: Uint8Array) => Buffer.from(message.subarray(7)).toString('hex')
      assert.equal(attributes(so.request), expected['exchange_req_attrs'])
      assert.equal(attributes(so.response), expected['exchange_resp_attrs'])
      assert.equal(so.request[6], vector.pkex_version === 1 ? 7 : 18)
      const wrapped = (message: Uint8Array) => attributes(message).slice(8)
      assert.equal(wrapped(so.commit), expected['commit_reveal_req_cipher'])
      assert.equal(wrapped(so.reveal), expected['commit_reveal_resp_cipher'])
      const z = hex(expected['z']!)
      const open = (message: Uint8Array, type: number, number: number) =>
        openAesSiv(z, message.subarray(11), frameHeader(type), Buffer.of(number)).toString('hex')
      assert.equal(open(so.commit, dppFrame.pkexCommitRevealRequest, 0), expected['commit_reveal_req_clear'])
      assert.equal(open(so.reveal, dppFrame.pkexCommitRevealResponse, 1), expected['commit_reveal_resp_clear'])
      assert.equal(so.concluded.state.type, 'bootstrapped')
    })
  }

  test('has the role-specific elements of all six curves', () => {
    for (const { curve } of curves) {
      const { Pi, Pr } = file.pkex_role_elements[curve]
      assert.equal(roleElement(curve, 'initiator').point.toString('hex'), Pi.x + Pi.y)
      assert.equal(roleElement(curve, 'responder').point.toString('hex'), Pr.x + Pr.y)
    }
  })

  const eachCurve: readonly { dpp: string | readonly string[]; what: string; curve: DppCurve }[] = [
    {
      dpp: ['pkex', 'pkex_p256', 'pkex_v2', 'pkex_v2_hostapd_responder', 'pkex_v2_hostapd_initiator'],
      what: 'two parties learn each other’s keys on P-256, in both versions',
      curve: 'P-256',
    },
    { dpp: 'pkex_p384', what: 'and on P-384', curve: 'P-384' },
    { dpp: 'pkex_p521', what: 'and on P-521', curve: 'P-521' },
    { dpp: 'pkex_bp256', what: 'and on brainpoolP256r1', curve: 'BP-256' },
    { dpp: 'pkex_bp384', what: 'and on brainpoolP384r1', curve: 'BP-384' },
    { dpp: 'pkex_bp512', what: 'and on brainpoolP512r1', curve: 'BP-512' },
  ]
  for (const each of eachCurve) {
    test(tagged(each.what, each.dpp), () => {
      assertBootstrapped(party(each.curve, 'secret', 'key'), party(each.curve, 'secret', 'key'))
      assertBootstrapped(
        party(each.curve, 'secret', 'key', macs.initiator),
        party(each.curve, 'secret', 'key', macs.responder),
      )
    })
  }

  test('version 1 binds the MAC addresses [dpp: pkex_hostapd_responder, pkex_hostapd_initiator]', () => {
    const [left, right] = [party('P-256', 'secret', 'k', macs.initiator), party('P-256', 'secret', 'k', macs.responder)]
    assertBootstrapped(left, right)
    const requested = initiator.begin(left)
    const moved = { ...left, mac: flipped(macs.initiator) }
    const exchanged = responder.step(responder.begin(right), received(sent(requested.effects), moved))
    const revealed = initiator.step(requested.state, received(sent(exchanged.effects), right))
    const refused = responder.step(exchanged.state, received(sent(revealed.effects), moved))
    assert.deepEqual(refused.state, { type: 'failed', reason: 'code-mismatch' })
    const nobody = responder.step(responder.begin(right), {
      type: 'received',
      frame: decodeFrame(sent(requested.effects)),
    })
    assert.deepEqual([nobody.state.type, nobody.effects], ['listening', []])
  })

  test('a code needs no identifier [dpp: pkex_no_identifier]', () => {
    assertBootstrapped(party('P-256', 'secret'), party('P-256', 'secret'))
  })

  test('who names another code, or none, gets no answer [dpp: pkex_identifier_mismatch, pkex_identifier_mismatch2, pkex_identifier_mismatch3]', () => {
    for (const [asked, own] of [
      ['one', 'two'],
      ['one', undefined],
      [undefined, 'two'],
      ['one', 'one '],
    ] as const) {
      const requested = initiator.begin(party('P-256', 'secret', asked))
      const right = party('P-256', 'secret', own)
      const result = responder.step(responder.begin(right), received(sent(requested.effects), right))
      assert.deepEqual([result.state.type, result.effects], ['listening', []])
    }
  })

  test('an answer that names another code is not taken', () => {
    const [left, right] = [party('P-256', 'secret', 'one'), party('P-256', 'secret', 'one')]
    const { requested, response } = exchange(left, right)
    for (const change of [replacing('codeIdentifier', Buffer.from('two')), without('codeIdentifier')]) {
      const result = initiator.step(requested.state, received(rewritten(response, change), right))
      assert.deepEqual([result.state.type, result.effects], ['requested', []])
    }
  })

  test('the Responder says which code it is asked for', () => {
    assert.equal(
      responder.identifierAsked(sent(initiator.begin(party('P-256', 's', 'porch')).effects).subarray(7)),
      'porch',
    )
    assert.equal(responder.identifierAsked(sent(initiator.begin(party('P-256', 's')).effects).subarray(7)), undefined)
  })

  test('another code is found out at Commit-Reveal, once [dpp: pkex_code_mismatch]', () => {
    const [left, right] = [party('P-256', 'secret', 'k'), party('P-256', 'Secret', 'k')]
    const { exchanged, commit } = exchange(left, right)
    const refused = responder.step(exchanged.state, received(commit, left))
    assert.deepEqual(refused.state, { type: 'failed', reason: 'code-mismatch' })
    assert.deepEqual(kinds(refused.effects), ['count-try'])
    assert.deepEqual(responder.step(refused.state, received(commit, left)).effects, [])
  })

  test('five tries end a code, and one success does [dpp: pkex_code_mismatch_limit]', () => {
    let life = newPkexCode
    for (let tries = 0; tries < 5; tries++) {
      assert.ok(isPkexCodeUsable(life))
      life = pkexCodeTried(life)
    }
    assert.ok(!isPkexCodeUsable(life))
    assert.ok(!isPkexCodeUsable(pkexCodeSpent(newPkexCode)))
  })

  test('the Initiator counts a try before its proof can be tried', () => {
    const { revealed } = exchange(party('P-256', 'secret'), party('P-256', 'other'))
    assert.deepEqual(kinds(revealed.effects), ['count-try', 'send'])
    const again = initiator.step(revealed.state, { type: 'timed-out' })
    assert.deepEqual(kinds(again.effects), ['send'], 'the same proof again is no new try')
    assert.deepEqual(sent(again.effects), sent(revealed.effects))
  })

  test('a Responder on another curve says so, and the Initiator begins again on it [dpp: pkex_curve_mismatch, pkex_nak_curve_change, pkex_nak_curve_change2]', () => {
    const [left, right] = [party('P-256', 'secret', 'k'), party('P-384', 'secret', 'k')]
    const requested = initiator.begin(left)
    const refused = responder.step(responder.begin(right), received(sent(requested.effects), left))
    assert.equal(refused.state.type, 'listening', 'it goes on listening')
    const list = decodeAttributes(sent(refused.effects).subarray(7))
    assert.deepEqual([list.octet('status'), list.group(), list.get('encryptedKey')], [4, 20, undefined])
    const told = initiator.step(requested.state, received(sent(refused.effects), right))
    assert.deepEqual(told.state, { type: 'failed', reason: 'curve-mismatch', curve: 'P-384' })
    assertBootstrapped(party('P-384', 'secret', 'k'), right)
  })

  test('a refusal of our own curve is none, one of an unknown group leaves nothing to try [dpp: pkex_curve_mismatch_failure, pkex_curve_mismatch_failure2]', () => {
    const [left, right] = [party('P-256', 'secret', 'k'), party('P-384', 'secret', 'k')]
    const requested = initiator.begin(left)
    const refused = sent(responder.step(responder.begin(right), received(sent(requested.effects), left)).effects)
    const group = (value: number) => rewritten(refused, replacing('finiteCyclicGroup', Buffer.of(value, 0)))
    assert.equal(initiator.step(requested.state, received(group(19), right)).state.type, 'requested')
    assert.deepEqual(initiator.step(requested.state, received(group(14), right)).state, {
      type: 'failed',
      reason: 'curve-mismatch',
    })
    const none = rewritten(refused, without('finiteCyclicGroup'))
    assert.equal(initiator.step(requested.state, received(none, right)).state.type, 'requested')
  })

  test('without an answer the same request goes out again [dpp: pkex_no_responder, pkex_hostapd_initiator_no_response, pkex_after_retry, proto_stop_at_pkex_exchange_resp]', () => {
    const [left, right] = [party('P-256', 'secret'), party('P-256', 'secret')]
    const requested = initiator.begin(left)
    const again = initiator.step(requested.state, { type: 'timed-out' })
    assert.deepEqual(sent(again.effects), sent(requested.effects))
    const exchanged = responder.step(responder.begin(right), received(sent(again.effects), left))
    assert.equal(exchanged.state.type, 'exchanged')
    const repeated = responder.step(exchanged.state, received(sent(requested.effects), left))
    assert.deepEqual(sent(repeated.effects), sent(exchanged.effects), 'the same answer, with no second key')
  })

  test('a peer that falls silent can go on later: each message has one answer [dpp: proto_stop_at_pkex_cr_req, proto_stop_at_pkex_cr_resp]', () => {
    const [left, right] = [party('P-256', 'secret'), party('P-256', 'secret')]
    const { revealed, answered, reveal, commit } = bootstrap(left, right)
    assert.deepEqual(sent(initiator.step(revealed.state, { type: 'timed-out' }).effects), commit)
    assert.deepEqual(sent(responder.step(answered.state, received(commit, left)).effects), reveal)
  })

  test('a peer of version 1 does not hear version 2; version 1 reaches it [dpp: pkex_hostapd_initiator_fallback]', () => {
    const old = party('P-256', 'secret', 'k', macs.responder)
    const requested = initiator.begin(party('P-256', 'secret', 'k'))
    const deaf = responder.step(responder.begin(old), received(sent(requested.effects), old))
    assert.deepEqual([deaf.state.type, deaf.effects], ['listening', []])
    assertBootstrapped(party('P-256', 'secret', 'k', macs.initiator), old)
  })

  test('a version 2 Responder does not go down to version 1', () => {
    const requested = initiator.begin(party('P-256', 'secret', 'k', macs.initiator))
    const right = party('P-256', 'secret', 'k')
    const deaf = responder.step(responder.begin(right), {
      type: 'received',
      frame: decodeFrame(sent(requested.effects)),
      mac: macs.initiator,
    })
    assert.deepEqual([deaf.state.type, deaf.effects], ['listening', []])
  })
})
