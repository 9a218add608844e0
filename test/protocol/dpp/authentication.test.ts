import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { decodeAttributes, dppStatus } from '../../../src/protocol/dpp/attribute.ts'
import {
  type AuthenticatedSession,
  type AuthenticationFailed,
  capability,
  initiatorRole,
  ownBootstrapping,
  responderRole,
} from '../../../src/protocol/dpp/authentication.ts'
import * as initiator from '../../../src/protocol/dpp/authentication-initiator.ts'
import {
  openAuthenticationRefusal,
  openAuthenticationRequest,
  openAuthenticationResponse,
  openInitiatorTag,
  openResponderTag,
  readAuthenticationConfirm,
  readAuthenticationRequest,
  readAuthenticationResponse,
  sealAuthenticationConfirm,
  sealAuthenticationRefusal,
  sealAuthenticationRequest,
  sealAuthenticationResponse,
  sealResponderTag,
} from '../../../src/protocol/dpp/authentication-message.ts'
import * as responder from '../../../src/protocol/dpp/authentication-responder.ts'
import { curves } from '../../../src/protocol/dpp/curve.ts'
import { dppFrame } from '../../../src/protocol/dpp/frame.ts'
import { generateDppKey, importScalar } from '../../../src/protocol/dpp/key.ts'
import { dppFrameOf, initiatorOptions, messageOf, nonceOf, responderOptions, scanned } from './party.ts'
import { type AuthenticationVector, authentications, octets, type Transcript, transcripts } from './vector.ts'

const received = (message: Uint8Array) => ({ type: 'received', frame: dppFrameOf(message) }) as const
const attributesOf = (message: Uint8Array) => dppFrameOf(message).attributes

type Transition = initiator.Transition | responder.Transition
const sent = ({ effects }: Transition): Buffer[] =>
  effects.flatMap(effect => (effect.type === 'send' ? [effect.message] : []))
const only = (transition: Transition): Buffer => {
  const [message, ...more] = sent(transition)
  assert.ok(message !== undefined && more.length === 0, `${sent(transition).length} messages`)
  return message
}
const sessionOf = ({ state }: Transition): AuthenticatedSession => {
  assert.ok(state.type === 'authenticated' || state.type === 'responded', JSON.stringify(state))
  return state.session
}
const failureOf = ({ state }: Transition): AuthenticationFailed => {
  assert.ok(state.type === 'failed', state.type)
  return state
}

describe('the published authentications, octet for octet', () => {
  const vectorParties = ({ inputs, mutual, protocol_version: version, ...vector }: AuthenticationVector) => {
    const { curve } = inputs
    const key = (which: 'bR' | 'bI' | 'pR' | 'pI') => importScalar(curve, octets(inputs[which]))
    const [bR, bI] = [ownBootstrapping(key('bR')), ownBootstrapping(key('bI'))]
    const [operatingClass, channel] = octets(vector.channel_attribute)
    return {
      initiator: {
        responder: scanned(bR),
        own: bI,
        protocolKey: key('pI'),
        nonce: octets(inputs.I_nonce),
        capabilities: vector.I_capabilities,
        version,
        channel: { operatingClass: operatingClass!, channel: channel! },
      },
      responder: {
        own: bR,
        protocolKey: key('pR'),
        nonce: octets(inputs.R_nonce),
        capabilities: vector.R_capabilities,
        version,
        ...(mutual && { initiator: scanned(bI) }),
      },
    }
  }

  for (const vector of authentications) {
    test(`${vector.name} [dpp: test_vector_p_256, test_vector_p_256_b, test_vector_p_521]`, () => {
      const { expected } = vector
      // On the air the Category octet comes first.
      const frame = (name: string) => octets(expected[name]).subarray(1)
      const parties = vectorParties(vector)
      const asked = initiator.begin(parties.initiator)
      assert.deepEqual(only(asked), frame('auth_req'))
      const answered = responder.begin(parties.responder, attributesOf(only(asked)))
      assert.deepEqual(only(answered), frame('auth_resp'))
      const confirmed = initiator.step(asked.state, received(only(answered)))
      assert.deepEqual(only(confirmed), frame('auth_conf'))
      const { wrapped_I_auth: wrapped } = expected
      const inConfirm = decodeAttributes(attributesOf(only(confirmed))).need('wrappedData')
      assert.equal(Buffer.from(inConfirm).toString('hex'), wrapped)
      const done = responder.step(answered.state, received(only(confirmed)))
      for (const session of [sessionOf(confirmed), sessionOf(done)]) {
        assert.equal(session.ke.reveal().toString('hex'), expected['ke'])
        assert.equal(session.bk.reveal().toString('hex'), expected['bk'])
        assert.deepEqual([session.mutual, session.peerVersion], [vector.mutual, vector.protocol_version])
      }
      assert.deepEqual([sessionOf(confirmed).role, sessionOf(done).role], ['configurator', 'enrollee'])
    })
  }
})

describe('the recorded authentications', () => {
  const part = ({ messages }: Transcript, type: number) =>
    messages.map(({ data }) => messageOf(data)).filter(message => message[0] === 9 && message[6] === type)
  const recorded = transcripts.filter(({ messages }) =>
    messages.some(({ message }) => message === 'Authentication Request'),
  )

  for (const transcript of recorded) {
    const { name, curve, mutual, inputs, expected } = transcript
    const { authenticationRequest, authenticationResponse, authenticationConfirm } = dppFrame
    const [request] = part(transcript, authenticationRequest)
    const responses = part(transcript, authenticationResponse)
    const [confirm] = part(transcript, authenticationConfirm)
    const key = (scalar: string | undefined) => importScalar(curve, octets(scalar))

    test(`${name}: every message is opened, and sealed again octet for octet`, () => {
      const [k1, k2, ke] = ['k1', 'k2', 'ke'].map(which => octets(expected[which] ?? ''))
      const asked = decodeAttributes(attributesOf(request!))
      const question = { ...readAuthenticationRequest(asked), ...openAuthenticationRequest(k1!, curve, asked) }
      assert.deepEqual(sealAuthenticationRequest(k1!, question), request)
      for (const message of responses) {
        const list = decodeAttributes(attributesOf(message))
        const answer = readAuthenticationResponse(list)
        if (answer.status !== dppStatus.ok) {
          const secrets = openAuthenticationRefusal(k1!, curve, list)
          assert.deepEqual(sealAuthenticationRefusal(k1!, { ...answer, ...secrets }), message)
          continue
        }
        const secrets = openAuthenticationResponse(k2!, curve, list)
        const tag = openResponderTag(ke!, curve, secrets.wrappedTag)
        assert.equal(Buffer.from(tag).toString('hex'), expected['R_auth'])
        const responderProtocolKey = list.need('responderProtocolKey')
        const wrappedTag = sealResponderTag(ke!, tag)
        assert.deepEqual(
          sealAuthenticationResponse(k2!, { ...answer, ...secrets, responderProtocolKey, wrappedTag }),
          message,
        )
      }
      if (confirm === undefined) return
      const list = decodeAttributes(attributesOf(confirm))
      const value = openInitiatorTag(ke!, curve, list)
      assert.equal(Buffer.from(value).toString('hex'), expected['I_auth'])
      assert.deepEqual(sealAuthenticationConfirm(ke!, { ...readAuthenticationConfirm(list), value }), confirm)
    })

    const opened = openAuthenticationRequest(octets(expected['k1']), curve, decodeAttributes(attributesOf(request!)))
    const { initiatorNonce, capabilities } = opened

    if (inputs.pI !== undefined) {
      test(`${name}: our Initiator with the recorded randomness`, () => {
        const start = initiator.begin({
          responder: scanned(ownBootstrapping(key(inputs.bR))),
          own: ownBootstrapping(key(inputs.bI)),
          protocolKey: key(inputs.pI),
          nonce: Buffer.from(initiatorNonce),
          capabilities,
          version: 2,
        })
        assert.deepEqual(only(start), request)
        let { state } = start
        for (const message of responses.slice(0, -1)) {
          const waiting = initiator.step(state, received(message))
          assert.deepEqual(waiting.effects, [{ type: 'peer-pending' }])
          state = waiting.state
        }
        const end = initiator.step(state, received(responses.at(-1)!))
        assert.deepEqual(only(end), confirm)
        const session = sessionOf(end)
        assert.equal(session.ke.reveal().toString('hex'), expected['ke'])
        assert.deepEqual([session.mutual, session.peerVersion, session.role], [mutual, 2, 'enrollee'])
      })
    }

    if (inputs.pR !== undefined) {
      test(`${name}: our Responder with the recorded randomness`, () => {
        const list = decodeAttributes(attributesOf(responses[0]!))
        const { responderNonce } = openAuthenticationResponse(octets(expected['k2']), curve, list)
        const answered = responder.begin(
          {
            own: ownBootstrapping(key(inputs.bR)),
            protocolKey: key(inputs.pR),
            nonce: Buffer.from(responderNonce),
            capabilities: capability.enrollee,
            version: 2,
          },
          attributesOf(request!),
        )
        assert.deepEqual(only(answered), responses[0])
        const done = responder.step(answered.state, received(confirm!))
        assert.equal(sessionOf(done).ke.reveal().toString('hex'), expected['ke'])
        assert.equal(done.state.type, 'authenticated')
      })
    }

    const first = readAuthenticationResponse(decodeAttributes(attributesOf(responses[0]!)))
    if (first.status !== dppStatus.ok) {
      test(`${name}: our Responder refuses or puts off as hostap did`, () => {
        const answered = responder.begin(
          responderOptions(curve, {
            own: ownBootstrapping(key(inputs.bR)),
            capabilities: capability.configurator,
            version: 2,
            awaitInitiator: true,
          }),
          attributesOf(request!),
        )
        assert.deepEqual(only(answered), responses[0])
        assert.equal(answered.state.type, first.status === dppStatus.responsePending ? 'awaiting' : 'failed')
      })
    }
  }
})

describe('our two parties', () => {
  const cases = {
    oneWay: {
      'P-256': { dpp: ['qr_code_auth_mutual_not_used', 'qr_code_curve_prime256v1'] },
      'P-384': { dpp: ['qr_code_curve_secp384r1'] },
      'P-521': { dpp: ['qr_code_curve_secp521r1'] },
      'BP-256': { dpp: ['qr_code_curve_brainpoolP256r1'] },
      'BP-384': { dpp: ['qr_code_curve_brainpoolP384r1'] },
      'BP-512': { dpp: ['qr_code_curve_brainpoolP512r1'] },
    },
    mutual: {
      'P-256': {
        dpp: ['qr_code_auth_mutual', 'qr_code_auth_mutual_p_256', 'duplicated_auth_resp', 'duplicated_auth_conf'],
      },
      'P-384': { dpp: ['qr_code_auth_mutual_p_384'] },
      'P-521': { dpp: ['qr_code_auth_mutual_p_521'] },
      'BP-256': { dpp: ['qr_code_auth_mutual_bp_256'] },
      'BP-384': { dpp: ['qr_code_auth_mutual_bp_384'] },
      'BP-512': { dpp: ['qr_code_auth_mutual_bp_512'] },
    },
  } as const
  for (const { curve } of curves) {
    for (const mutual of [false, true]) {
      const { dpp } = cases[mutual ? 'mutual' : 'oneWay'][curve]
      test(`on ${curve}, ${mutual ? 'mutual' : 'one-way'} [dpp: ${dpp.join(', ')}]`, () => {
        const r = responderOptions(curve)
        const i = initiatorOptions(r.own)
        const asked = initiator.begin(i)
        const options = mutual ? { ...r, initiator: scanned(i.own) } : r
        const answered = responder.begin(options, attributesOf(only(asked)))
        const confirmed = initiator.step(asked.state, received(only(answered)))
        const done = responder.step(answered.state, received(only(confirmed)))
        const [left, right] = [sessionOf(confirmed), sessionOf(done)]
        assert.equal(done.state.type, 'authenticated')
        assert.ok(left.ke.equals(right.ke) && left.bk.equals(right.bk))
        assert.deepEqual([left.mutual, right.mutual], [mutual, mutual])
        assert.deepEqual(left.peerProtocolKey.point, right.ownProtocolKey.point)
        assert.deepEqual(right.peerProtocolKey.point, left.ownProtocolKey.point)
        // What comes again, or late, changes nothing.
        for (const message of [only(asked), only(answered), only(confirmed)]) {
          assert.deepEqual(initiator.step(confirmed.state, received(message)), { state: confirmed.state, effects: [] })
          assert.deepEqual(responder.step(done.state, received(message)), { state: done.state, effects: [] })
        }
      })
    }
  }

  test('of different versions: each learns the number of the other, and version 1 hears of none', () => {
    for (const [ours, theirs] of [
      [1, 3],
      [3, 1],
      [2, 3],
      [3, 2],
      [1, 1],
    ] as const) {
      const r = responderOptions('P-256', { version: theirs })
      const asked = initiator.begin(initiatorOptions(r.own, { version: ours }))
      const answered = responder.begin(r, attributesOf(only(asked)))
      const confirmed = initiator.step(asked.state, received(only(answered)))
      assert.equal(sessionOf(answered).peerVersion, ours)
      assert.equal(sessionOf(confirmed).peerVersion, ours === 1 ? 1 : theirs)
      const version = decodeAttributes(attributesOf(only(answered))).get('protocolVersion')
      assert.equal(version?.[0], ours === 1 || theirs === 1 ? undefined : theirs)
    }
  })

  test('share the roles that are there, and else part without saying more [dpp: qr_code_auth_initiator_enrollee, qr_code_auth_initiator_either_1, qr_code_auth_initiator_either_2, qr_code_auth_initiator_either_3, qr_code_auth_incompatible_roles]', () => {
    const { enrollee, configurator } = capability
    const both = enrollee | configurator
    for (const [offered, ours, role] of [
      [configurator, enrollee, 'enrollee'],
      [enrollee, configurator, 'configurator'],
      [both, both, 'enrollee'],
      [both, configurator, 'configurator'],
      [both | 0xf0, enrollee, 'enrollee'],
      [configurator, configurator, undefined],
      [enrollee, enrollee, undefined],
      [0, both, undefined],
    ] as const) {
      assert.equal(responderRole(offered, ours), role)
    }
    assert.equal(initiatorRole(enrollee, both), 'configurator')
    assert.equal(initiatorRole(configurator, both), 'enrollee')
    for (const theirs of [0, both]) assert.equal(initiatorRole(theirs, both), undefined)
    assert.equal(initiatorRole(enrollee, enrollee), undefined)

    const r = responderOptions('P-256', { capabilities: configurator })
    const asked = initiator.begin(initiatorOptions(r.own))
    const answered = responder.begin(r, attributesOf(only(asked)))
    assert.equal(failureOf(answered).reason, 'not-compatible')
    const refused = initiator.step(asked.state, received(only(answered)))
    assert.deepEqual(failureOf(refused), { type: 'failed', reason: 'not-compatible', status: dppStatus.notCompatible })
    assert.deepEqual(refused.effects, [])
  })

  test('wait while a person scans the code of the Initiator, and then know each other [dpp: qr_code_auth_mutual2, qr_code_auth_hostapd_mutual2]', () => {
    const r = responderOptions('P-384', { awaitInitiator: true })
    const i = initiatorOptions(r.own)
    const asked = initiator.begin(i)
    const pending = responder.begin(r, attributesOf(only(asked)))
    const waiting = initiator.step(asked.state, received(only(pending)))
    assert.deepEqual(waiting.effects, [{ type: 'peer-pending' }])
    const stranger = scanned(ownBootstrapping(generateDppKey('P-384')))
    const other = responder.step(pending.state, { type: 'initiator-scanned', initiator: stranger })
    assert.deepEqual(other, { state: pending.state, effects: [] })
    const answered = responder.step(pending.state, { type: 'initiator-scanned', initiator: scanned(i.own) })
    const confirmed = initiator.step(waiting.state, received(only(answered)))
    const done = responder.step(answered.state, received(only(confirmed)))
    assert.ok(done.state.type === 'authenticated' && done.state.session.mutual)
  })

  test('repeat the request as it was, and end when time is up [dpp: auth_req_retries, proto_stop_at_auth_req, proto_stop_at_auth_resp]', () => {
    const r = responderOptions('P-256')
    const asked = initiator.begin(initiatorOptions(r.own))
    assert.deepEqual(only(initiator.step(asked.state, { type: 'request-lost' })), only(asked))
    assert.equal(failureOf(initiator.step(asked.state, { type: 'timed-out' })).reason, 'timed-out')
    const answered = responder.begin(r, attributesOf(only(asked)))
    assert.equal(failureOf(responder.step(answered.state, { type: 'timed-out' })).reason, 'timed-out')
  })

  test('do not start with keys or nonces that do not fit together [dpp: qr_code_auth_mutual_curve_mismatch]', () => {
    const r = responderOptions('P-256')
    const i = initiatorOptions(r.own)
    for (const over of [
      { own: ownBootstrapping(generateDppKey('P-384')) },
      { protocolKey: generateDppKey('BP-256') },
      { nonce: nonceOf('P-384') },
    ]) {
      assert.throws(() => initiator.begin({ ...i, ...over }))
      if (!('own' in over))
        assert.throws(() => responder.begin({ ...r, ...over }, attributesOf(only(initiator.begin(i)))))
    }
  })
})
