import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { CodecError } from '../../src/codec/error.ts'
import { CryptoError } from '../../src/crypto/error.ts'
import { OnboardingError } from '../../src/domain/error.ts'
import { dppStatus } from '../../src/protocol/dpp/attribute.ts'
import { capability, ownBootstrapping } from '../../src/protocol/dpp/authentication.ts'
import * as initiator from '../../src/protocol/dpp/authentication-initiator.ts'
import * as responder from '../../src/protocol/dpp/authentication-responder.ts'
import * as configurator from '../../src/protocol/dpp/configurator.ts'
import { readConnector, verifyConnector } from '../../src/protocol/dpp/connector.ts'
import { curveProfile, curves, type DppCurve } from '../../src/protocol/dpp/curve.ts'
import { decodeFrame, encodeFrame } from '../../src/protocol/dpp/frame.ts'
import {
  exportJwk,
  exportSpki,
  generateDppKey,
  importJwk,
  importPoint,
  importScalar,
  importSpki,
} from '../../src/protocol/dpp/key.ts'
import { RecordSplitter } from '../../src/protocol/dpp/record.ts'
import { looseConnector, party } from '../protocol/dpp/configuration.ts'
import { type Asked, connectorCredential, Meeting, noon } from '../protocol/dpp/meeting.ts'
import { dppFrameOf, initiatorOptions, nonceOf, responderOptions, scanned } from '../protocol/dpp/party.ts'

/*
 * Attacks on Easy Connect as somebody makes them who is on the air between the two, or has a key or a Connector of his own.
 */

describe('replay', () => {
  test('of a whole onboarding to the Configurator gets nothing', () => {
    const old = new Meeting({ initiator: 'enrollee' }).run().assertConfigured()
    // The same Configurator, whose own part of each exchange is new.
    const options = { own: old.office, protocolKey: generateDppKey('P-256'), nonce: nonceOf('P-256'), version: 3 }
    const said = old.arrivals.filter(({ from }) => from === 'enrollee').map(({ message }) => message)
    let { state, effects } = configurator.respond(options, dppFrameOf(said[0]!))
    assert.deepEqual(
      effects.map(({ type }) => type),
      ['send'],
      'who asked cannot be known yet',
    )
    for (const message of said.slice(1)) {
      ;({ state, effects } = configurator.step(state, { type: 'received', message }))
      assert.deepEqual(effects, [])
    }
    assert.equal(state.type, 'failed')
  })

  test('of a Configuration Request is answered as before, and decided once', () => {
    let decisions = 0
    const meeting = new Meeting({
      decide: (asked, own) => {
        decisions++
        return own.grant(asked)
      },
      between: (message, from) => (from === 'enrollee' && message[0] === 10 ? [message, message] : [message]),
    })
    meeting.run()
    assert.equal(decisions, 1)
    const answers = meeting.arrivals.filter(({ message }) => message[0] === 11).map(({ message }) => message)
    assert.equal(answers.length, 2)
    assert.deepEqual(answers[0], answers[1])
  })

  test('of every message, twice each, changes nothing [dpp: two_initiators, duplicated_auth_resp, duplicated_auth_conf]', () => {
    for (const initiator of ['configurator', 'enrollee'] as const) {
      new Meeting({ initiator, mutual: true, between: message => [message, message] }).run().assertConfigured()
    }
  })

  test('of the refusal of another exchange does not end this one', () => {
    const refused = new Meeting({ decide: () => ({ type: 'configuration-refused', status: 5 }) }).run()
    const refusal = refused.arrivals.find(({ message }) => message[0] === 11)!.message
    const meeting = new Meeting({ between: (message, _, index) => (index === 4 ? [refusal] : [message]) }).run()
    meeting.assertNothing()
    assert.ok(meeting.enrollee.type === 'failed')
    assert.equal(meeting.enrollee.failure.reason, 'unopenable', 'another key, not “refused”')
  })
})

describe('reflection', () => {
  test('of a Request does not make its sender answer itself', () => {
    const own = ownBootstrapping(generateDppKey('P-256'))
    const options = { ...initiatorOptions(own), responder: scanned(own), own }
    const asked = initiator.begin(options)
    const [effect] = asked.effects
    assert.ok(effect?.type === 'send')
    const r = { ...responderOptions('P-256'), own, capabilities: capability.configurator }
    const reflected = responder.begin(r, dppFrameOf(effect.message).attributes)
    assert.ok(reflected.state.type === 'failed' && reflected.state.reason === 'not-compatible')
    const turned = Buffer.from(effect.message)
    turned[6] = 1
    const back = initiator.step(asked.state, { type: 'received', frame: decodeFrame(turned) })
    assert.deepEqual([back.state.type, back.effects], ['failed', []])
  })

  test('of each message to its sender is not taken', () => {
    const meeting = new Meeting({ mutual: true }).run().assertConfigured()
    for (const [index, { from, message }] of meeting.arrivals.entries()) {
      const own = meeting.arrivals.slice(index + 1).find(each => each.from !== from)
      if (own === undefined) continue
      const { state, effects } = own.receive(message)
      assert.deepEqual(effects, [], `message ${index}`)
      assert.ok(state.type === 'failed' || state.type === own.before.type, `message ${index}: ${state.type}`)
    }
  })

  test('of the tag: the Responder’s proof is not the Initiator’s', () => {
    const meeting = new Meeting({ between: (message, _, index) => (index === 2 ? [] : [message]) }).run()
    const [, response] = meeting.arrivals
    const confirm = Buffer.from(response!.message)
    confirm[6] = 2
    meeting.deliver({ from: 'configurator', message: confirm })
    meeting.assertNothing()
    assert.equal(meeting.enrollee.type, 'failed')
  })
})

describe('points that are no keys', () => {
  const p = (curve: DppCurve) => curveProfile(curve).equation.p
  const encoded = (curve: DppCurve, x: bigint, y: bigint) => {
    const digits = 2 * curveProfile(curve).coordinateSize
    return Buffer.from([x, y].map(value => value.toString(16).padStart(digits, '0')).join(''), 'hex')
  }
  /** Off the curve in every way: each would lead to a group in which a private key can be guessed bit by bit. */
  const bad = (curve: DppCurve): Readonly<Record<string, Buffer>> => {
    const { point } = generateDppKey(curve)
    const { coordinateSize } = curveProfile(curve)
    const x = BigInt(`0x${point.subarray(0, coordinateSize).toString('hex')}`)
    const y = BigInt(`0x${point.subarray(coordinateSize).toString('hex')}`)
    return {
      infinity: Buffer.alloc(2 * coordinateSize),
      'x and y of all ones': Buffer.alloc(2 * coordinateSize, 0xff),
      'another curve of the same field': encoded(curve, x, (y + 1n) % p(curve)),
      'order two: y is zero': encoded(curve, x, 0n),
      'x and y exchanged': encoded(curve, y, x),
      'the field itself': encoded(curve, p(curve), p(curve)),
      'a cut point': point.subarray(1),
      'a long point': Buffer.concat([point, Buffer.of(0)]),
      nothing: Buffer.alloc(0),
    }
  }
  const refused = (error: unknown) => error instanceof CryptoError || error instanceof CodecError

  for (const { curve, coordinateSize } of curves) {
    test(`are refused on ${curve}, wherever a point comes in`, () => {
      for (const [what, point] of Object.entries(bad(curve))) {
        assert.throws(() => importPoint(curve, point), { code: 'malformed-key' }, what)
        const [x, y] = [point.subarray(0, coordinateSize), point.subarray(coordinateSize)]
        const jwk = { kty: 'EC', crv: curve, x: x.toString('base64url'), y: y.toString('base64url') }
        assert.throws(() => importJwk(jwk), refused, what)
        const spki = exportSpki(generateDppKey(curve))
        const whole = Buffer.concat([spki.subarray(0, spki.length - coordinateSize - 1), Buffer.of(4), point])
        assert.throws(() => importSpki(whole), refused, what)
      }
    })

    test(`on ${curve}: no compressed point without a root, no hybrid form, no scalar out of range`, () => {
      const spki = exportSpki(generateDppKey(curve))
      let without = 0
      for (let attempt = 0; attempt < 64; attempt++) {
        const altered = Buffer.from(spki)
        altered[altered.length - 1]! ^= attempt
        try {
          importSpki(altered)
        } catch (error) {
          assert.ok(refused(error))
          without++
        }
      }
      assert.ok(without > 5, 'half of all x have no y')
      for (const form of [0, 1, 4, 5, 6, 7]) {
        const hybrid = Buffer.from(spki)
        hybrid[hybrid.length - coordinateSize - 1] = form
        assert.throws(() => importSpki(hybrid), refused)
      }
      const { q } = curveProfile(curve).equation
      for (const scalar of [0n, q, q + 1n]) {
        const octets = Buffer.from(scalar.toString(16).padStart(2 * coordinateSize, '0'), 'hex')
        assert.throws(() => importScalar(curve, octets), { code: 'malformed-key' })
      }
    })
  }

  test('end an authentication without a word, from either side', () => {
    for (const initiator of ['configurator', 'enrollee'] as const) {
      const { arrivals } = new Meeting({ initiator, mutual: true }).run().assertConfigured()
      for (const index of [0, 1]) {
        const { message, receive } = arrivals[index]!
        const at = message.indexOf(index === 0 ? Buffer.from('03104000', 'hex') : Buffer.from('09104000', 'hex')) + 4
        for (const point of Object.values(bad('P-256')).filter(({ length }) => length === 64)) {
          const altered = Buffer.from(message)
          point.copy(altered, at)
          const { state, effects } = receive(altered)
          assert.deepEqual([state.type, effects], ['failed', []])
        }
      }
    }
  })
})

describe('roles', () => {
  const authenticate = (offered: number, ours: number) => {
    const r = responderOptions('P-256', { capabilities: ours })
    const [effect] = initiator.begin(initiatorOptions(r.own, { capabilities: offered })).effects
    assert.ok(effect?.type === 'send')
    return responder.begin(r, dppFrameOf(effect.message).attributes).state
  }

  test('two Enrollees or two Configurators do not come together', () => {
    for (const both of [capability.enrollee, capability.configurator]) {
      const state = authenticate(both, both)
      assert.ok(state.type === 'failed' && state.reason === 'not-compatible')
    }
  })

  test('bits that mean nothing make no role', () => {
    for (const offered of [0, 4, 0x80, 0xfc]) assert.equal(authenticate(offered, 3).type, 'failed')
  })

  test('an Enrollee asks nobody who wants to be one too, and hands out nothing', () => {
    const { arrivals } = new Meeting({ initiator: 'enrollee' }).run().assertConfigured()
    // The Response of an Enrollee, where a Configurator's should be.
    const r = responderOptions('P-256')
    const before = arrivals[1]!.before as unknown as { authentication: initiator.Requested }
    const { options } = before.authentication
    const [effect] = initiator.begin({ ...options, responder: scanned(r.own), capabilities: 3 }).effects
    assert.ok(effect?.type === 'send')
    const answer = responder.begin(r, dppFrameOf(effect.message).attributes)
    assert.ok(answer.effects[0])
    const { state } = arrivals[1]!.receive(answer.effects[0].message)
    assert.equal(state.type, 'failed')
  })

  test('our Configurator sends no configuration before it is asked for one under ke', () => {
    const meeting = new Meeting({ between: (message, _, index) => (index < 3 ? [message] : []) }).run()
    assert.equal(meeting.configurator.type, 'authenticated')
    assert.deepEqual(
      meeting.configuratorEffects.map(({ type }) => type),
      ['send', 'send', 'authenticated'],
    )
  })
})

describe('versions', () => {
  test('are bound to the exchange: nobody between the two lowers them', () => {
    for (const initiator of ['configurator', 'enrollee'] as const) {
      for (const index of [0, 1]) {
        const meeting = new Meeting({
          initiator,
          between: (message, _, at) => {
            const found = message.indexOf(Buffer.from('1910010003', 'hex'))
            if (at !== index) return [message]
            assert.ok(found > 0)
            const lowered = Buffer.from(message)
            lowered[found + 4] = 2
            return [lowered]
          },
        })
        meeting.run().assertNothing()
      }
    }
  })

  test('nor takes them out', () => {
    const meeting = new Meeting({
      between: (message, _, at) => {
        const found = message.indexOf(Buffer.from('1910010003', 'hex'))
        return at === 0 ? [Buffer.concat([message.subarray(0, found), message.subarray(found + 5)])] : [message]
      },
    })
    meeting.run().assertNothing()
  })
})

describe('Connectors', () => {
  const install = (decide: (asked: Asked, own: Meeting) => configurator.Input) => {
    const meeting = new Meeting({ decide }).run()
    assert.equal(meeting.installed, undefined)
    assert.ok(meeting.enrollee.type === 'failed')
    assert.equal(meeting.effect('configuration-resulted')?.status, dppStatus.configurationRejected)
    assert.deepEqual(meeting.configurator, { type: 'finished', outcome: 'rejected' })
  }
  const withConnector = (own: Meeting, connector: ReturnType<typeof connectorCredential>) =>
    own.give([{ ssid: Buffer.from('home'), cred: { akm: 'dpp', connector }, thirdParty: {} }])

  test('of another Configurator than the csign beside it are refused, and the Configurator hears so', () => {
    install((asked, own) => {
      const theirs = connectorCredential(generateDppKey('P-256'), asked.netAccessKey, 'sta')
      const ours = connectorCredential(own.csign, asked.netAccessKey, 'sta')
      return withConnector(own, { ...ours, signedConnector: theirs.signedConnector })
    })
  })

  test('for somebody else’s key are refused', () => {
    install((_, own) => withConnector(own, connectorCredential(own.csign, generateDppKey('P-256'), 'sta')))
  })

  test('that have run out are refused', () => {
    const expiry = new Date(noon - 1000)
    install((asked, own) => withConnector(own, connectorCredential(own.csign, asked.netAccessKey, 'sta', { expiry })))
  })

  test('are not verified with an algorithm or a key that they bring along', () => {
    const who = party()
    for (const header of [{ alg: 'none' }, { alg: 'HS256' }, { jwk: exportJwk(party().csign), alg: 'ES384' }]) {
      const text = looseConnector(who, { header })
      assert.throws(() => verifyConnector(text, { csign: who.csign }), OnboardingError)
    }
  })

  test('with a signature of zeros or ones, or of another length, are refused', () => {
    const who = party()
    const good = looseConnector(who)
    const [head, payload] = good.split('.')
    for (const octets of [Buffer.alloc(64), Buffer.alloc(64, 0xff), Buffer.alloc(63), Buffer.alloc(0)]) {
      const text = `${head}.${payload}.${octets.toString('base64url')}`
      assert.throws(() => verifyConnector(text, { csign: who.csign }), OnboardingError)
    }
  })

  test('of any size are read within bounds', () => {
    for (const text of ['.'.repeat(20_000), 'a'.repeat(50_000), `${'A'.repeat(0x4000)}.A.A`, '..', 'e30.e30.']) {
      assert.throws(() => readConnector(text), OnboardingError)
    }
  })
})

describe('what one-way authentication does not prevent, and what does', () => {
  test('an evil twin with a photographed code is Configurator to a device that knows nobody', () => {
    // The twin has the device's URI and nothing else. This is how the protocol is: mutual authentication or a signed declaration helps.
    const meeting = new Meeting().run().assertConfigured()
    assert.equal(meeting.effect('authenticated')?.session.mutual, false)
  })

  test('a device that has scanned its Configurator answers no twin', () => {
    const honest = ownBootstrapping(generateDppKey('P-256'))
    const device = responderOptions('P-256', { initiator: scanned(honest) })
    const twin = initiator.begin(initiatorOptions(device.own))
    const [effect] = twin.effects
    assert.ok(effect?.type === 'send')
    const { state, effects } = responder.begin(device, dppFrameOf(effect.message).attributes)
    assert.ok(state.type === 'failed' && state.reason === 'mismatched')
    assert.deepEqual(effects, [])
    // Nor one that says it is the honest one: it has not that key.
    const claiming = initiator.begin({
      ...initiatorOptions(device.own),
      own: { pair: generateDppKey('P-256'), hash: honest.hash },
    })
    const [claim] = claiming.effects
    assert.ok(claim?.type === 'send')
    const answered = responder.begin(device, dppFrameOf(claim.message).attributes)
    assert.ok(answered.effects[0])
    const next = initiator.step(claiming.state, { type: 'received', frame: decodeFrame(answered.effects[0].message) })
    assert.ok(next.state.type === 'failed' && next.state.reason === 'not-authentic')
  })
})

describe('sizes', () => {
  test('no record above 65535 octets is waited for, and none without any', () => {
    for (const head of ['00010000', 'ffffffff', '00000000']) {
      assert.throws(() => new RecordSplitter().push(Buffer.from(head, 'hex')), CodecError)
    }
  })

  test('more attributes than any message has are not read', () => {
    const many = Buffer.concat(Array.from({ length: 65 }, () => Buffer.from('ff100000', 'hex')))
    const message = encodeFrame({ kind: 'dpp', type: 0, attributes: many })
    const { state } = configurator.step(configurator.configure(sessionOf()).state, { type: 'received', message })
    assert.equal(state.type, 'authenticated', 'a frame that is not waited for is not looked into')
    const options = responderOptions('P-256')
    assert.equal(responder.begin(options, many).state.type, 'failed')
  })

  test('an object of any depth or size leaves the Enrollee without a network', () => {
    for (const objects of [
      [Buffer.from(`${'['.repeat(5000)}${']'.repeat(5000)}`)],
      [Buffer.from(`{"a":${'{"a":'.repeat(200)}1${'}'.repeat(200)}}`)],
      [Buffer.alloc(60_000, 0x20)],
    ]) {
      const meeting = new Meeting({
        decide: () => ({ type: 'configuration-granted', objects }),
      }).run()
      assert.equal(meeting.installed, undefined)
      assert.equal(meeting.enrollee.type, 'failed')
    }
  })
})

function sessionOf() {
  return new Meeting().run().effect('authenticated')?.session ?? assert.fail()
}
