import { randomBytes } from 'node:crypto'
import { type PeerBootstrapping, peerBootstrapping } from '../../../src/protocol/dpp/authentication.ts'
import type { AcceptedConfiguration } from '../../../src/protocol/dpp/configuration-check.ts'
import type { ConfigurationRequest } from '../../../src/protocol/dpp/configuration-request.ts'
import {
  announce,
  type Event,
  initiate,
  type State,
  step,
  type Transition,
} from '../../../src/protocol/dpp/enrollee.ts'
import { decodeFrame } from '../../../src/protocol/dpp/frame.ts'
import { type DppKeyPair, generateDppKey } from '../../../src/protocol/dpp/key.ts'
import { parseBootstrappingUri } from '../../../src/protocol/dpp/uri.ts'
import type { Configurator } from '../../../src/role/onboarding/configurator.ts'
import type { DppReceiver } from '../../../src/role/onboarding/configurator-port.ts'
import type { Lamp } from './dpp-site.ts'

/** A device on a wire of memory: the machine of an Enrollee, and what it saw. */
export interface TestDevice {
  readonly state: () => State
  /** Messages from the Configurator, by connection. */
  readonly heard: Buffer[][]
  readonly sent: Buffer[]
  readonly got: AcceptedConfiguration[]
  /** The private halves of the netAccessKeys of what it got. */
  readonly netAccessKeys: DppKeyPair[]
  /** Connections that the Configurator has closed. */
  readonly closedBy: boolean[]
  /** Says again what it said first, on a new connection, as a relay does. */
  again(): void
  input(event: Event): void
  /** Lets other work happen until this holds. */
  until(condition: () => boolean): Promise<void>
  /** Sends octets on the newest connection. */
  raw(message: Uint8Array): void
  hangUp(): void
}

export interface DeviceTerms {
  readonly lamp: Lamp
  /** The code of the Configurator: then the device begins. */
  readonly configurator?: string
  readonly request?: Partial<ConfigurationRequest>
  readonly version?: number
  readonly dialogToken?: number
  readonly address?: string
  /** Leaves the Configuration Request out, and whatever follows. */
  readonly stopAt?: 'authenticated'
  /** Says nothing to what it hears, until it is told to. */
  readonly silent?: true
}

export function deviceAt(service: Configurator, terms: DeviceTerms, at: () => number): TestDevice {
  const { lamp, version = 3, address = '192.0.2.9:1000' } = terms
  const configurator: PeerBootstrapping | undefined =
    terms.configurator === undefined ? undefined : peerBootstrapping(parseBootstrappingUri(terms.configurator))
  const options = {
    bootstrapping: lamp.pair,
    publicKey: parseBootstrappingUri(lamp.uri).publicKey,
    protocolKey: generateDppKey(configurator?.key.curve ?? lamp.pair.curve),
    request: { name: 'lamp', netRole: 'sta' as const, thirdParty: {}, ...terms.request },
    version,
    dialogToken: terms.dialogToken ?? 0,
    clockTrusted: true,
  }
  const moment = () => ({ at: at(), random: Uint8Array.from(randomBytes(32)) })
  const heard: Buffer[][] = []
  const sent: Buffer[] = []
  const got: AcceptedConfiguration[] = []
  const closedBy: boolean[] = []
  const netAccessKeys: DppKeyPair[] = []
  let receiver: DppReceiver
  let state: State
  function connect(): void {
    const messages: Buffer[] = []
    const number = heard.push(messages) - 1
    closedBy[number] = false
    receiver = service.connected({
      address,
      send(message) {
        messages.push(Buffer.from(message))
        // As over TCP: what is sent arrives after this has returned.
        if (terms.silent !== true) queueMicrotask(() => run({ type: 'received', frame: decodeFrame(message) }))
      },
      close() {
        closedBy[number] = true
      },
    })
  }
  function run(event: Event): void {
    if (terms.stopAt === 'authenticated' && state.type === 'configuring') return
    apply(step(state, { ...event, ...moment() }))
  }
  function apply(transition: Transition): void {
    ;({ state } = transition)
    for (const effect of transition.effects) {
      if (effect.type === 'send') say(effect.message)
      if (effect.type === 'install') {
        got.push(...effect.configurations)
        netAccessKeys.push(effect.netAccessKey)
        queueMicrotask(() => run({ type: 'configuration-installed' }))
      }
      if (effect.type === 'make-key') queueMicrotask(() => run({ type: 'key-made', key: generateDppKey(effect.curve) }))
      if (effect.type === 'try-connection')
        queueMicrotask(() => run({ type: 'connection-tried', status: { result: 0 } }))
    }
  }
  function say(message: Buffer): void {
    if (terms.stopAt === 'authenticated' && message[0] === 10) return
    sent.push(message)
    receiver.received(message)
  }
  connect()
  const first = configurator === undefined ? announce(options) : initiate({ ...options, configurator }, moment())
  state = first.state
  apply(first)
  return {
    state: () => state,
    heard,
    sent,
    got,
    netAccessKeys,
    closedBy,
    again() {
      connect()
      say(sent[0]!)
    },
    input: run,
    async until(condition) {
      while (!condition()) await new Promise(resolve => setImmediate(resolve))
    },
    raw: message => receiver.received(message),
    hangUp: () => receiver.closed(),
  }
}
