import { randomBytes } from 'node:crypto'
import type { AcceptedConfiguration } from '../../../src/protocol/dpp/configuration-check.ts'
import { curveProfile } from '../../../src/protocol/dpp/curve.ts'
import {
  beginConfiguration,
  type ConfigurationState,
  type ConfigurationTransition,
  stepConfiguration,
} from '../../../src/protocol/dpp/enrollee-configuration.ts'
import { decodeFrame } from '../../../src/protocol/dpp/frame.ts'
import { type DppKeyPair, generateDppKey } from '../../../src/protocol/dpp/key.ts'
import { begin, type State, step } from '../../../src/protocol/dpp/reconfiguration-enrollee.ts'
import type { Configurator } from '../../../src/role/onboarding/configurator.ts'
import type { DppReceiver } from '../../../src/role/onboarding/configurator-port.ts'
import type { TestDevice } from './dpp-device.ts'

/** A device that was configured, and comes again with its Connector. */
export interface ReturningDevice {
  readonly state: () => State | ConfigurationState
  readonly heard: Buffer[]
  readonly got: AcceptedConfiguration[]
  readonly netAccessKeys: DppKeyPair[]
  readonly closed: () => boolean
  until(condition: () => boolean): Promise<void>
}

export function returning(
  service: Configurator,
  { got: before, netAccessKeys: keys }: Pick<TestDevice, 'got' | 'netAccessKeys'>,
  at: () => number,
  n = 0,
): ReturningDevice {
  const { connector, csign, ppKey } = {
    connector: before[n]!.connector!,
    csign: before[n]!.cred.connector!.csign,
    ppKey: before[n]!.cred.connector!.ppKey!,
  }
  const netAccessKey = keys[n]!
  const { curve } = netAccessKey
  const heard: Buffer[] = []
  const got: AcceptedConfiguration[] = []
  const netAccessKeys: DppKeyPair[] = []
  let closed = false
  let configuration: ConfigurationState | undefined
  const random = () => Uint8Array.from(randomBytes(32))
  const receiver: DppReceiver = service.connected({
    address: '192.0.2.7:2000',
    send(message) {
      heard.push(Buffer.from(message))
      queueMicrotask(() => receive(message))
    },
    close() {
      closed = true
    },
  })
  const first = begin({
    csign: { key: csign, kid: before[n]!.cred.connector!.kid },
    ppKey,
    connector: connector.text,
    netAccessKey,
    identity: generateDppKey(ppKey.curve),
    a: generateDppKey(ppKey.curve),
    protocolKey: generateDppKey(curve),
    nonce: Uint8Array.from(randomBytes(curveProfile(curve).nonceSize)),
    version: 3,
    connectionStatus: { result: 10 },
  })
  let state: State = first.state
  function receive(message: Uint8Array): void {
    const frame = decodeFrame(message)
    if (configuration !== undefined) {
      configured(stepConfiguration(configuration, { type: 'received', frame, at: at(), random: random() }))
      return
    }
    const next = step(state, { type: 'received', frame })
    state = next.state
    for (const effect of next.effects) receiver.received(effect.message)
    if (state.type !== 'authenticated') return
    const { session } = state
    const request = { name: 'lamp', netRole: 'sta' as const, thirdParty: {} }
    configured(beginConfiguration({ session, request, dialogToken: 3, clockTrusted: true }, { random: random() }))
  }
  function configured(transition: ConfigurationTransition): void {
    configuration = transition.state
    for (const effect of transition.effects) {
      if (effect.type === 'send') receiver.received(effect.message)
      if (effect.type !== 'install') continue
      got.push(...effect.configurations)
      netAccessKeys.push(effect.netAccessKey)
      queueMicrotask(() => {
        const input = { type: 'configuration-installed', at: at(), random: random() } as const
        configured(stepConfiguration(configuration!, input))
      })
    }
  }
  for (const effect of first.effects) receiver.received(effect.message)
  return {
    state: () => configuration ?? state,
    heard,
    got,
    netAccessKeys,
    closed: () => closed,
    async until(condition) {
      while (!condition()) await new Promise(resolve => setImmediate(resolve))
    },
  }
}
