import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { Secret } from '../../../src/crypto/secret.ts'
import { dppStatus } from '../../../src/protocol/dpp/attribute.ts'
import { ownBootstrapping, peerBootstrapping } from '../../../src/protocol/dpp/authentication.ts'
import * as initiator from '../../../src/protocol/dpp/authentication-initiator.ts'
import { decodeConfigurationRequest } from '../../../src/protocol/dpp/configuration-request.ts'
import {
  announce,
  type EnrolleeOptions,
  type Event,
  initiate,
  type State,
  step,
  type Transition,
} from '../../../src/protocol/dpp/enrollee.ts'
import { beginConfiguration, stepConfiguration } from '../../../src/protocol/dpp/enrollee-configuration.ts'
import { decodeFrame } from '../../../src/protocol/dpp/frame.ts'
import { exportSpki, generateDppKey, importScalar } from '../../../src/protocol/dpp/key.ts'
import { bootstrappingKey, keyHash, parseBootstrappingUri } from '../../../src/protocol/dpp/uri.ts'
import { messageOf } from './party.ts'
import { octets, type Transcript, type TranscriptMessage, transcripts } from './vector.ts'

const at = Date.parse('2026-01-01T00:00:00Z')

/** The recorded nonce that the Enrollee's next message has in it. */
function nonceOf(message: TranscriptMessage | undefined): Buffer {
  const { I_nonce: i, R_nonce: r, E_nonce: e } = message?.clear ?? {}
  const recorded = message?.message === 'Authentication Response' ? r : (i ?? e)
  return Buffer.concat([octets((recorded as string | undefined) ?? ''), Buffer.alloc(32)]).subarray(0, 32)
}

/** Plays the device against the recording: what it says has to be what was recorded, octet for octet. */
class Replay {
  readonly #own: TranscriptMessage[]
  readonly #random: TranscriptMessage[]
  readonly #pkcs10: Uint8Array | undefined
  state: State
  readonly seen: string[] = []

  constructor(recording: Transcript, begin: (random: Uint8Array) => Transition) {
    const own = recording.messages.filter(({ from }) => from !== 'controller')
    this.#own = [...own]
    this.#random = own.filter(({ clear }) => clear?.['I_nonce'] ?? clear?.['R_nonce'] ?? clear?.['config_request'])
    this.#pkcs10 = own.map(requestOf).find(request => request?.pkcs10 !== undefined)?.pkcs10
    const { state, effects } = begin(nonceOf(this.#random[0]))
    this.state = state
    this.#perform(effects)
  }

  #tell(event: Event): void {
    const random = nonceOf(this.#random[0])
    const { state, effects } = step(this.state, { ...event, at, random })
    this.state = state
    this.#perform(effects)
  }

  #perform(effects: Transition['effects']): void {
    for (const effect of effects) if (effect.type === 'send') this.#sent(effect.message)
    for (const effect of effects) {
      if (effect.type !== 'send') this.seen.push(effect.type)
      if (effect.type === 'install') this.#tell({ type: 'configuration-installed' })
      if (effect.type === 'make-csr') this.#tell({ type: 'csr-made', pkcs10: this.#pkcs10 ?? assert.fail() })
      if (effect.type === 'set-timer') {
        assert.equal(effect.milliseconds, 512)
        this.#tell({ type: 'timer-fired' })
      }
    }
  }

  #sent(message: Buffer): void {
    const expected = this.#own.shift() ?? assert.fail('more than was recorded')
    if (expected === this.#random[0]) this.#random.shift()
    assert.equal(message.toString('hex'), messageOf(expected.data).toString('hex'), expected.message)
    this.seen.push(expected.message.replace(/ \(.*/, ''))
  }

  receive({ data }: TranscriptMessage): void {
    this.#tell({ type: 'received', frame: decodeFrame(messageOf(data)) })
  }

  end(): void {
    assert.deepEqual(this.#own, [], 'the recording goes on')
  }
}

function requestOf({ clear }: TranscriptMessage) {
  const text = clear?.['config_request']
  return typeof text === 'string' ? decodeConfigurationRequest(Buffer.from(text)) : undefined
}

function common({
  messages,
}: Transcript): Pick<EnrolleeOptions, 'request' | 'version' | 'clockTrusted' | 'dialogToken'> {
  const recorded = messages.map(requestOf).find(request => request !== undefined)
  const { pkcs10: _, ...request } = recorded ?? { name: '', netRole: 'sta' as const, thirdParty: {} }
  const asked = messages
    .map(({ data }) => decodeFrame(messageOf(data)))
    .find(({ kind }) => kind === 'gas-initial-request')
  const dialogToken = asked?.kind === 'gas-initial-request' ? asked.dialogToken : 0
  return { request, version: 2, clockTrusted: true, dialogToken }
}

function play(recording: Transcript): Replay {
  const { curve, inputs, controller_uri: uri } = recording
  const chirps = recording.name.endsWith('_chirp')
  const bootstrapping = importScalar(curve, octets(chirps ? inputs.bR : inputs.bI))
  const protocolKey = importScalar(curve, octets(chirps ? inputs.pR : inputs.pI))
  const own = { ...common(recording), bootstrapping, publicKey: exportSpki(bootstrapping), protocolKey }
  const replay = new Replay(recording, random => {
    if (chirps) return announce(own)
    const configurator = peerBootstrapping(parseBootstrappingUri(uri ?? assert.fail()))
    return initiate({ ...own, configurator }, { at, random })
  })
  for (const message of recording.messages) if (message.from === 'controller') replay.receive(message)
  replay.end()
  return replay
}

const recordings = transcripts.filter(({ name }) => !name.endsWith('_reconfiguration'))
const known = recordings.filter(({ inputs }) => (inputs.pI ?? inputs.pR) !== undefined)

describe('the Enrollee of each recorded exchange, octet for octet', () => {
  test('all of them but two whose protocol key nobody recorded', () => {
    assert.deepEqual([recordings.length, known.length], [21, 19])
  })
  for (const recording of known) {
    test(recording.name, () => {
      const { state, seen } = play(recording)
      const last = recording.name.endsWith('_chirp') ? 'try-connection' : 'Configuration Result'
      assert.equal(seen.at(-1), last)
      assert.equal(seen.includes('peer-pending'), recording.name.endsWith('response_pending'))
      assert.equal(seen.includes('make-csr'), recording.name.endsWith('dot1x'))
      // After a chirp the Controller had asked how connecting went; a relay has no way for the answer.
      assert.equal(state.type, last === 'try-connection' ? 'configuring' : 'configured')
    })
  }
})

describe('configuration after each recorded reconfiguration, octet for octet', () => {
  const reconfigurations = transcripts.filter(({ name }) => name.endsWith('_reconfiguration'))
  test('all of them', () => assert.equal(reconfigurations.length, 3))
  for (const recording of reconfigurations) {
    test(recording.name, () => {
      const { curve, inputs, expected, messages } = recording
      const [asked, answered, told] = messages.slice(-3) as [TranscriptMessage, TranscriptMessage, TranscriptMessage]
      const ownProtocolKey = importScalar(curve, octets(inputs.pR))
      const session = { curve, ke: new Secret(octets(expected['ke'])), peerVersion: 2, ownProtocolKey }
      const options = { session, ...common(recording), dialogToken: common(recording).dialogToken ?? 0 }
      const begun = beginConfiguration(options, { random: nonceOf(asked) })
      assert.deepEqual(begun.effects, [{ type: 'send', message: messageOf(asked.data) }])
      const frame = decodeFrame(messageOf(answered.data))
      const granted = stepConfiguration(begun.state, { type: 'received', frame, at, random: Buffer.alloc(32) })
      assert.equal(granted.effects[0]?.type, 'install')
      const installed = { type: 'configuration-installed', at, random: Buffer.alloc(32) } as const
      assert.deepEqual(stepConfiguration(granted.state, installed).effects[0], {
        type: 'send',
        message: messageOf(told.data),
      })
    })
  }
})

/** Where the private key is unknown, the machine starts after the message that needed it. */
describe('the two whose protocol key nobody recorded', () => {
  const named = (name: string) => recordings.find(each => each.name === name) ?? assert.fail()
  test('tcp_p256_not_compatible', () => {
    const recording = named('tcp_p256_not_compatible')
    const [request, response] = recording.messages as [TranscriptMessage, TranscriptMessage]
    const uri = parseBootstrappingUri(recording.controller_uri ?? assert.fail())
    const own = importScalar('P-256', octets(recording.inputs.bI))
    const options: initiator.InitiatorOptions = {
      responder: { key: bootstrappingKey(uri), hash: keyHash(uri) },
      own: ownBootstrapping(own),
      protocolKey: generateDppKey('P-256'),
      nonce: octets(request.clear?.['I_nonce'] as string),
      capabilities: 1,
      version: 2,
    }
    const [m, k1] = [recording.expected['Mx'], recording.expected['k1']].map(hex => new Secret(octets(hex)))
    const state: initiator.State = {
      type: 'requested',
      options,
      m: m!,
      k1: k1!,
      request: messageOf(request.data),
      pending: false,
    }
    const received = { type: 'received', frame: decodeFrame(messageOf(response.data)) } as const
    assert.deepEqual(initiator.step(state, received), {
      state: { type: 'failed', reason: 'not-compatible', status: dppStatus.notCompatible },
      effects: [],
    })
  })
  test('tcp_p256_configure_failure', () => {
    const recording = named('tcp_p256_configure_failure')
    const [asked, answered] = recording.messages.slice(3) as [TranscriptMessage, TranscriptMessage]
    const [bk, ke] = ['bk', 'ke'].map(name => new Secret(octets(recording.expected[name])))
    const { request, dialogToken = 0 } = common(recording)
    const ownProtocolKey = generateDppKey('P-256')
    const session = { curve: 'P-256', bk: bk!, ke: ke!, peerVersion: 2, ownProtocolKey } as const
    const options = { session, request, dialogToken, clockTrusted: true }
    const { state, effects } = beginConfiguration(options, { random: nonceOf(asked) })
    assert.deepEqual(effects, [{ type: 'send', message: messageOf(asked.data) }])
    const frame = decodeFrame(messageOf(answered.data))
    assert.deepEqual(stepConfiguration(state, { type: 'received', frame, at, random: Buffer.alloc(32) }), {
      state: { type: 'failed', reason: 'refused', status: dppStatus.configureFailure },
      effects: [],
    })
  })
})
