import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { OnboardingError } from '../../../src/domain/error.ts'
import { dppStatus } from '../../../src/protocol/dpp/attribute.ts'
import { type AuthenticatedSession, capability, ownBootstrapping } from '../../../src/protocol/dpp/authentication.ts'
import * as initiator from '../../../src/protocol/dpp/authentication-initiator.ts'
import * as responder from '../../../src/protocol/dpp/authentication-responder.ts'
import {
  type ConfigurationResponseMessage,
  openConfigurationRequest,
  openConfigurationResult,
  openConnectionStatus,
  sealConfigurationResponse,
} from '../../../src/protocol/dpp/configuration-message.ts'
import { decodeConfigurationRequest } from '../../../src/protocol/dpp/configuration-request.ts'
import { signConnector } from '../../../src/protocol/dpp/connector.ts'
import { curves, type DppCurve } from '../../../src/protocol/dpp/curve.ts'
import {
  announce,
  type Effect,
  type EnrolleeOptions,
  type Event,
  initiate,
  listen,
  type State,
  step,
} from '../../../src/protocol/dpp/enrollee.ts'
import { decodeFrame, dppFrame, encodeFrame, type Frame } from '../../../src/protocol/dpp/frame.ts'
import { type DppPublicKey, exportJwk, exportSpki, generateDppKey, keyId } from '../../../src/protocol/dpp/key.ts'
import { newKeyTag } from '../../../src/protocol/dpp/new-protocol-key.ts'
import { chirpHash } from '../../../src/protocol/dpp/uri.ts'
import { bytesOf, legacyObject } from './configuration.ts'
import { nonceOf, scanned } from './party.ts'

const at = Date.parse('2026-06-01T12:00:00Z')

/** The device under test, with its effects in order. */
class Device {
  readonly options: EnrolleeOptions
  state: State
  effects: Effect[]

  constructor(
    options: EnrolleeOptions,
    begin: (options: EnrolleeOptions) => { state: State; effects: readonly Effect[] },
  ) {
    this.options = options
    const { state, effects } = begin(options)
    this.state = state
    this.effects = [...effects]
  }

  tell(event: Event): this {
    const { state, effects } = step(this.state, { ...event, at, random: randomBytes(32) })
    this.state = state
    this.effects.push(...effects)
    return this
  }

  hear(message: Uint8Array): this {
    return this.tell({ type: 'received', frame: decodeFrame(message) })
  }

  /** The next thing it does, which has to be this. */
  next<T extends Effect['type']>(type: T): Effect & { type: T } {
    const effect = this.effects.shift()
    assert.equal(effect?.type, type)
    return effect as Effect & { type: T }
  }

  says(): Frame {
    return decodeFrame(this.next('send').message)
  }

  silent(): void {
    assert.deepEqual(this.effects, [])
  }

  failure() {
    assert.ok(this.state.type === 'failed', this.state.type)
    return this.state
  }
}

function deviceOptions(curve: DppCurve, over: Partial<EnrolleeOptions> = {}): EnrolleeOptions {
  const bootstrapping = generateDppKey(curve)
  return {
    bootstrapping,
    publicKey: exportSpki(bootstrapping),
    protocolKey: generateDppKey(curve),
    request: { name: 'lamp', netRole: 'sta', thirdParty: {} },
    version: 3,
    clockTrusted: true,
    ...over,
  }
}

/** A device that announces itself, and the session of a Configurator that has scanned its code. */
function chirped(curve: DppCurve = 'P-256', over: Partial<EnrolleeOptions> = {}, version = 3) {
  const device = new Device(deviceOptions(curve, over), announce)
  device.says()
  const { bootstrapping, publicKey } = device.options
  const begun = initiator.begin({
    responder: scanned(ownBootstrapping(bootstrapping, publicKey)),
    own: ownBootstrapping(generateDppKey(curve)),
    protocolKey: generateDppKey(curve),
    nonce: nonceOf(curve),
    capabilities: capability.configurator,
    version,
  })
  device.hear(sent(begun.effects))
  const answered = initiator.step(begun.state, { type: 'received', frame: device.says() })
  device.hear(sent(answered.effects))
  assert.ok(answered.state.type === 'authenticated')
  const { mutual } = device.next('authenticated')
  assert.equal(mutual, over.configurator !== undefined)
  return { device, session: answered.state.session }
}

function sent(effects: readonly { type: string }[]): Buffer {
  const [effect] = effects as readonly { type: string; message: Buffer }[]
  assert.equal(effect?.type, 'send')
  return effect?.message ?? assert.fail()
}

function asked(device: Device, session: AuthenticatedSession) {
  const frame = device.says()
  assert.ok(frame.kind === 'gas-initial-request')
  return openConfigurationRequest(session, frame.attributes)
}

function answer(session: AuthenticatedSession, message: ConfigurationResponseMessage, dialogToken = 0): Buffer {
  const attributes = sealConfigurationResponse(session, message)
  return encodeFrame({ kind: 'gas-initial-response', dialogToken, statusCode: 0, comebackDelay: 0, attributes })
}

function delayed(comebackDelay: number): Buffer {
  const empty = { dialogToken: 0, statusCode: 0, comebackDelay, attributes: new Uint8Array() }
  return encodeFrame({ kind: 'gas-initial-response', ...empty })
}

const psk = bytesOf(legacyObject({ akm: 'psk', pass: 'secret passphrase' }))

function dppObject(netAccessKey: DppPublicKey): Buffer {
  const csign = generateDppKey('P-256')
  const groups = [{ groupId: '*', netRole: 'sta' }]
  const signedConnector = signConnector({ groups, netAccessKey }, { csign, key: csign.privateKey })
  return bytesOf(legacyObject({ akm: 'dpp', signedConnector, csign: { ...exportJwk(csign), kid: keyId(csign) } }))
}

function resultOf(device: Device, session: AuthenticatedSession): number {
  const frame = device.says()
  assert.ok(frame.kind === 'dpp' && frame.type === dppFrame.configurationResult)
  return openConfigurationResult(session, frame.attributes).status
}

describe('a chirping device', () => {
  test('says who it is to those who know, again and again, and is configured on each curve', () => {
    for (const { curve } of curves) {
      const { device, session } = chirped(curve)
      const { request, enrolleeNonce } = asked(device, session)
      assert.equal(decodeConfigurationRequest(request).name, 'lamp')
      const objects = [dppObject(session.peerProtocolKey), psk]
      device.hear(answer(session, { status: dppStatus.ok, enrolleeNonce, objects }))
      const { configurations, netAccessKey } = device.next('install')
      assert.deepEqual(
        configurations.map(({ cred }) => cred.akm),
        ['dpp', 'psk'],
      )
      assert.deepEqual(netAccessKey.point, session.peerProtocolKey.point)
      device.silent()
      device.tell({ type: 'configuration-installed' })
      assert.equal(resultOf(device, session), dppStatus.ok)
      assert.equal(device.state.type, 'configured')
      device.hear(delayed(0)).silent()
    }
  })
  test('the announcement carries the chirp hash and nothing else', () => {
    const device = new Device(deviceOptions('P-256'), announce)
    const first = device.says()
    assert.ok(first.kind === 'dpp' && first.type === dppFrame.presenceAnnouncement)
    assert.equal(first.attributes.length, 36)
    assert.deepEqual(Buffer.from(first.attributes.subarray(4)), chirpHash(device.options))
    assert.deepEqual(device.tell({ type: 'announcement-lost' }).says(), first)
    assert.equal(device.tell({ type: 'timed-out' }).failure().failure.reason, 'timed-out')
  })
  test('a device that only listens says nothing first', () => {
    new Device(deviceOptions('P-256'), listen).silent()
  })
  test('is not answered by who has not its code: silence, and the end of the connection', () => {
    const device = new Device(deviceOptions('P-256'), announce)
    device.says()
    const begun = initiator.begin({
      responder: scanned(ownBootstrapping(generateDppKey('P-256'))),
      own: ownBootstrapping(generateDppKey('P-256')),
      protocolKey: generateDppKey('P-256'),
      nonce: nonceOf('P-256'),
      capabilities: capability.configurator,
      version: 3,
    })
    device.hear(sent(begun.effects)).silent()
    assert.equal(device.failure().failure.reason, 'mismatched')
  })
  test('is never made a Configurator by another Enrollee', () => {
    const device = new Device(deviceOptions('P-256'), announce)
    device.says()
    const { bootstrapping, publicKey } = device.options
    const begun = initiator.begin({
      responder: scanned(ownBootstrapping(bootstrapping, publicKey)),
      own: ownBootstrapping(generateDppKey('P-256')),
      protocolKey: generateDppKey('P-256'),
      nonce: nonceOf('P-256'),
      capabilities: capability.enrollee,
      version: 3,
    })
    const answered = initiator.step(begun.state, { type: 'received', frame: device.hear(sent(begun.effects)).says() })
    assert.equal(answered.state.type, 'failed')
    assert.equal(device.failure().failure.reason, 'not-compatible')
  })
  test('that wants to know its Configurator says so, and goes on when the code was scanned', () => {
    const configurator = ownBootstrapping(generateDppKey('P-256'))
    const device = new Device(deviceOptions('P-256', { awaitConfigurator: true }), announce)
    device.says()
    const { bootstrapping, publicKey } = device.options
    const begun = initiator.begin({
      responder: scanned(ownBootstrapping(bootstrapping, publicKey)),
      own: configurator,
      protocolKey: generateDppKey('P-256'),
      nonce: nonceOf('P-256'),
      capabilities: capability.configurator,
      version: 3,
    })
    const pending = initiator.step(begun.state, { type: 'received', frame: device.hear(sent(begun.effects)).says() })
    assert.deepEqual(pending.effects, [{ type: 'peer-pending' }])
    device.next('peer-pending')
    device.tell({ type: 'configurator-scanned', configurator: scanned(configurator) })
    const answered = initiator.step(pending.state, { type: 'received', frame: device.says() })
    assert.ok(answered.state.type === 'authenticated')
    assert.ok(device.hear(sent(answered.effects)).next('authenticated').mutual)
  })
})

describe('a device that has scanned the Configurator', () => {
  test('begins itself, with a key that nobody has to know, and goes on through RESPONSE_PENDING', () => {
    const configurator = ownBootstrapping(generateDppKey('P-384'))
    const options = { ...deviceOptions('P-384'), configurator: scanned(configurator) }
    const device = new Device(options, () => initiate(options, { at, random: randomBytes(32) }))
    const frame = device.says()
    assert.ok(frame.kind === 'dpp')
    const begun = responder.begin(
      {
        own: configurator,
        protocolKey: generateDppKey('P-384'),
        nonce: nonceOf('P-384'),
        capabilities: capability.configurator,
        version: 3,
        awaitInitiator: true,
      },
      frame.attributes,
    )
    device.hear(sent(begun.effects)).next('peer-pending')
    assert.deepEqual(device.tell({ type: 'announcement-lost' }).says(), frame)
    const own = ownBootstrapping(options.bootstrapping, options.publicKey)
    const answered = responder.step(begun.state, { type: 'initiator-scanned', initiator: scanned(own) })
    const confirm = device.hear(sent(answered.effects)).says()
    assert.equal(responder.step(answered.state, { type: 'received', frame: confirm }).state.type, 'authenticated')
    assert.ok(device.next('authenticated').mutual)
  })
  test('gives up when its time is over', () => {
    const options = { ...deviceOptions('P-256'), configurator: scanned(ownBootstrapping(generateDppKey('P-256'))) }
    const device = new Device(options, () => initiate(options, { at, random: randomBytes(32) }))
    assert.equal(device.tell({ type: 'timed-out' }).failure().failure.reason, 'timed-out')
  })
})

describe('configuration', () => {
  test('NEW_KEY_NEEDED: a key on the curve of the network, shown to be ours', () => {
    const { device, session } = chirped()
    const { enrolleeNonce } = asked(device, session)
    const newKey = generateDppKey('P-384')
    device.hear(answer(session, { status: dppStatus.newKeyNeeded, enrolleeNonce, newKey }))
    assert.equal(device.next('make-key').curve, 'P-384')
    const made = generateDppKey('P-384')
    const again = asked(device.tell({ type: 'key-made', key: made }), session)
    assert.notDeepEqual(again.enrolleeNonce, enrolleeNonce)
    assert.deepEqual(again.newKey?.point, made.point)
    const keys = { own: newKey, configurator: newKey, enrollee: made }
    assert.deepEqual(again.newKey?.tag, newKeyTag(session, again.enrolleeNonce, keys))
    const objects = [dppObject(made)]
    device.hear(answer(session, { status: dppStatus.ok, enrolleeNonce: again.enrolleeNonce, objects }))
    assert.deepEqual(device.next('install').netAccessKey.point, made.point)
  })
  test('a CSR or a key is asked for once', () => {
    const { device, session } = chirped()
    const csrAttributes = Buffer.from('MAsGCSqGSIb3DQEJBw==')
    const { enrolleeNonce } = asked(device, session)
    device.hear(answer(session, { status: dppStatus.csrNeeded, enrolleeNonce, csrAttributes }))
    const { key, password } = device.next('make-csr')
    assert.deepEqual(key.point, session.peerProtocolKey.point)
    assert.equal(password.reveal().length, 88)
    const again = asked(device.tell({ type: 'csr-made', pkcs10: Buffer.from('3000', 'hex') }), session)
    assert.ok(decodeConfigurationRequest(again.request).pkcs10)
    const { enrolleeNonce: second } = again
    device.hear(answer(session, { status: dppStatus.csrNeeded, enrolleeNonce: second, csrAttributes })).silent()
    assert.equal(device.failure().failure.status, dppStatus.csrNeeded)
  })
  test('a device that cannot make what is asked for gives up', () => {
    for (const message of [
      { status: dppStatus.csrNeeded, csrAttributes: Buffer.from('MAsGCSqGSIb3DQEJBw==') },
      { status: dppStatus.newKeyNeeded, newKey: generateDppKey('P-521') },
    ]) {
      const { device, session } = chirped()
      device.hear(answer(session, { ...message, enrolleeNonce: asked(device, session).enrolleeNonce }))
      assert.equal(device.tell({ type: 'device-failed' }).failure().failure.reason, 'incapable')
    }
  })
  test('comes back as often as it is told, within bounds', () => {
    const { device, session } = chirped()
    const { enrolleeNonce } = asked(device, session)
    device.hear(delayed(500))
    assert.equal(device.next('set-timer').milliseconds, 512)
    for (let n = 0; n < 3; n++) {
      const frame = device.tell({ type: 'timer-fired' }).says()
      assert.equal(frame.kind, 'gas-comeback-request')
      const empty = { dialogToken: 0, statusCode: 0, fragment: 0, comebackDelay: 1, attributes: new Uint8Array() }
      device.hear(encodeFrame({ kind: 'gas-comeback-response', ...empty })).next('set-timer')
    }
    device.tell({ type: 'timer-fired' }).says()
    const attributes = sealConfigurationResponse(session, { status: dppStatus.ok, enrolleeNonce, objects: [psk] })
    const whole = { dialogToken: 0, statusCode: 0, fragment: 0, comebackDelay: 0, attributes }
    device.hear(encodeFrame({ kind: 'gas-comeback-response', ...whole })).next('install')
    const slow = chirped()
    slow.device.says()
    assert.equal(slow.device.hear(delayed(65_535)).failure().failure.reason, 'timed-out')
  })
  test('enrollee_reject_config: what cannot be used is answered with CONFIG_REJECTED', () => {
    const { device, session } = chirped()
    const { enrolleeNonce } = asked(device, session)
    const objects = [dppObject(generateDppKey('P-256'))]
    device.hear(answer(session, { status: dppStatus.ok, enrolleeNonce, objects }))
    assert.equal(resultOf(device, session), dppStatus.configurationRejected)
    const { failure } = device.failure()
    assert.ok('error' in failure && failure.error?.code === 'connector-invalid')
  })
  test('network_addition_failure: what could not be stored is answered with CONFIG_REJECTED', () => {
    const { device, session } = chirped()
    const { enrolleeNonce } = asked(device, session)
    device.hear(answer(session, { status: dppStatus.ok, enrolleeNonce, objects: [psk] })).next('install')
    device.tell({ type: 'configuration-rejected', error: new OnboardingError('device-storage-failed') })
    assert.equal(resultOf(device, session), dppStatus.configurationRejected)
    assert.equal(device.failure().during, 'configuration')
  })
  test('says how connecting went, when it was asked to', () => {
    const { device, session } = chirped()
    const { enrolleeNonce } = asked(device, session)
    device.hear(answer(session, { status: dppStatus.ok, enrolleeNonce, objects: [psk], sendConnectionStatus: true }))
    device.next('install')
    device.tell({ type: 'configuration-installed' })
    assert.equal(resultOf(device, session), dppStatus.ok)
    device.next('try-connection')
    const status = { result: dppStatus.noAccessPoint, ssid: Buffer.from('home'), channelList: '81/6' }
    const frame = device.tell({ type: 'connection-tried', status }).says()
    assert.ok(frame.kind === 'dpp' && frame.type === dppFrame.connectionStatusResult)
    assert.deepEqual(openConnectionStatus(session, frame.attributes), { ...status, enrolleeNonce })
    assert.equal(device.state.type, 'configured')
  })
  test('a Configurator of version 1 hears no result', () => {
    const { device, session } = chirped('P-256', {}, 1)
    const { enrolleeNonce } = asked(device, session)
    device.hear(answer(session, { status: dppStatus.ok, enrolleeNonce, objects: [psk] })).next('install')
    device.tell({ type: 'configuration-installed' }).silent()
    assert.equal(device.state.type, 'configured')
  })
  test('a backup is only for who asked to be a Configurator', () => {
    for (const netRole of ['configurator', 'sta'] as const) {
      const { device, session } = chirped('P-256', { request: { name: 'spare', netRole, thirdParty: {} } })
      const { enrolleeNonce } = asked(device, session)
      const envelopedData = Buffer.from('3000', 'hex')
      device.hear(answer(session, { status: dppStatus.ok, enrolleeNonce, envelopedData }))
      if (netRole === 'sta') assert.equal(device.failure().failure.reason, 'rejected')
      else assert.deepEqual(device.next('install').envelopedData, envelopedData)
    }
  })
  test('without a clock an expired Connector is good, with one it is not', () => {
    for (const clockTrusted of [true, false]) {
      const { device, session } = chirped('P-256', { clockTrusted })
      const { enrolleeNonce } = asked(device, session)
      const csign = generateDppKey('P-256')
      const groups = [{ groupId: '*', netRole: 'sta' }]
      const fields = { groups, netAccessKey: session.peerProtocolKey, expiry: new Date(at - 1000) }
      const signedConnector = signConnector(fields, { csign, key: csign.privateKey })
      const cred = { akm: 'dpp', signedConnector, csign: { ...exportJwk(csign), kid: keyId(csign) } }
      device.hear(answer(session, { status: dppStatus.ok, enrolleeNonce, objects: [bytesOf(legacyObject(cred))] }))
      if (clockTrusted) assert.equal(resultOf(device, session), dppStatus.configurationRejected)
      else device.next('install')
    }
  })
})

describe('answers that end it, without a word', () => {
  const ends = (reason: string, make: (session: AuthenticatedSession, enrolleeNonce: Uint8Array) => Buffer) => {
    const { device, session } = chirped()
    device.hear(make(session, asked(device, session).enrolleeNonce)).silent()
    assert.equal(device.failure().failure.reason, reason)
  }
  test('proto_conf_resp_e_nonce_mismatch', () =>
    ends('mismatched', session =>
      answer(session, { status: dppStatus.ok, enrolleeNonce: nonceOf('P-256'), objects: [psk] }),
    ))
  test('proto_conf_resp_invalid_status', () =>
    ends('refused', (session, enrolleeNonce) => answer(session, { status: 255, enrolleeNonce })))
  test('proto_conf_resp_no_config_obj', () => {
    const { device, session } = chirped()
    const { enrolleeNonce } = asked(device, session)
    device.hear(answer(session, { status: dppStatus.ok, enrolleeNonce }))
    assert.equal(resultOf(device, session), dppStatus.configurationRejected)
  })
  test('of another exchange', () => {
    const other = chirped()
    ends('unopenable', (_, enrolleeNonce) => answer(other.session, { status: 0, enrolleeNonce, objects: [psk] }))
  })
  test('gas_errors: refused by GAS', () =>
    ends('malformed', () => {
      const refused = { dialogToken: 0, statusCode: 1, comebackDelay: 0, attributes: new Uint8Array() }
      return encodeFrame({ kind: 'gas-initial-response', ...refused })
    }))
  test('another dialog token, another kind of frame: passed over', () => {
    const { device, session } = chirped()
    const { enrolleeNonce } = asked(device, session)
    const message = { status: dppStatus.ok, enrolleeNonce, objects: [psk] }
    device.hear(answer(session, message, 7)).silent()
    device.hear(encodeFrame({ kind: 'gas-comeback-request', dialogToken: 0 })).silent()
    device.hear(answer(session, message)).next('install')
  })
  test('any frame at any time ends in a state, and nothing is thrown', () => {
    const frame = fc.record({ kind: fc.constant('dpp' as const), type: fc.nat(24), attributes: fc.uint8Array() })
    const gas = fc.record({
      kind: fc.constant('gas-initial-response' as const),
      dialogToken: fc.nat(1),
      statusCode: fc.nat(1),
      comebackDelay: fc.nat(2),
      attributes: fc.uint8Array(),
    })
    fc.assert(
      fc.property(fc.array(fc.oneof(frame, gas), { maxLength: 6 }), fc.nat(1), (frames, configuring) => {
        const device = configuring === 1 ? chirped().device : new Device(deviceOptions('P-256'), announce)
        for (const each of frames) device.tell({ type: 'received', frame: each })
        assert.ok(device.state.type !== 'configured')
      }),
      { numRuns: 60 },
    )
  })
})
