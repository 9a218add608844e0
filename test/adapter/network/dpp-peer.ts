import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import type { DppLimits } from '../../../src/adapter/network/dpp-limit.ts'
import { type DppListener, listenDpp } from '../../../src/adapter/network/dpp-listener.ts'
import { encodeName } from '../../../src/codec/x509/name.ts'
import { createCsr } from '../../../src/crypto/csr.ts'
import { keySigner } from '../../../src/crypto/signer.ts'
import { peerBootstrapping } from '../../../src/protocol/dpp/authentication.ts'
import type { AcceptedConfiguration } from '../../../src/protocol/dpp/configuration-check.ts'
import {
  announce,
  type EnrolleeOptions,
  type Event,
  initiate,
  type State,
  step,
  type Transition,
} from '../../../src/protocol/dpp/enrollee.ts'
import { challengeAttribute } from '../../../src/protocol/dpp/enterprise.ts'
import { decodeFrame } from '../../../src/protocol/dpp/frame.ts'
import { generateDppKey } from '../../../src/protocol/dpp/key.ts'
import { encodeRecord, RecordSplitter } from '../../../src/protocol/dpp/record.ts'
import { parseBootstrappingUri } from '../../../src/protocol/dpp/uri.ts'
import { type Gate, withGate } from '../../role/authorization/gate.ts'
import { type DppSite, dppSite, type Lamp } from '../../role/onboarding/dpp-site.ts'
import { silentLog } from '../../store.ts'

export interface Controller {
  readonly gate: Gate
  readonly site: DppSite
  readonly listener: DppListener
}

/** A site whose Controller listens on a port of the loopback interface. */
export function withController(
  work: (controller: Controller) => Promise<void>,
  limits: Partial<DppLimits> = {},
): Promise<void> {
  return withGate(async gate => {
    const site = dppSite(gate)
    const listener = await listenDpp({ host: '127.0.0.1', port: 0, service: site.service, log: silentLog, limits })
    try {
      await work({ gate, site, listener })
    } finally {
      await listener.close()
      await site.service.close()
    }
  })
}

export async function dial({ port }: Pick<DppListener, 'port'>): Promise<Socket> {
  const socket = connect({ port, host: '127.0.0.1', noDelay: true })
  await once(socket, 'connect')
  return socket
}

/** However it ends. */
export function gone(socket: Socket): Promise<void> {
  socket.on('error', () => {})
  socket.resume()
  return socket.closed ? Promise.resolve() : new Promise(resolve => socket.once('close', () => resolve()))
}

export interface TcpTerms {
  readonly lamp: Lamp
  /** The Configurator's code: then the device begins, and otherwise it chirps. */
  readonly configurator?: string
  readonly request?: Partial<EnrolleeOptions['request']>
  readonly version?: number
  /** Behind a relay: a dialog token of the air, and no word after the Configuration Result. */
  readonly relayed?: boolean
  /** Answers to `try-connection`. */
  readonly connection?: number
}

export interface TcpEnrollee {
  readonly state: State
  readonly got: readonly AcceptedConfiguration[]
  readonly heard: readonly Buffer[]
}

/** An Enrollee on a connection of its own, until that is over. */
export async function onboard(listener: Pick<DppListener, 'port'>, terms: TcpTerms): Promise<TcpEnrollee> {
  const { lamp, version = 3, relayed = false, connection = 0 } = terms
  const socket = await dial(listener)
  const configurator =
    terms.configurator === undefined ? undefined : peerBootstrapping(parseBootstrappingUri(terms.configurator))
  const options: EnrolleeOptions = {
    bootstrapping: lamp.pair,
    publicKey: parseBootstrappingUri(lamp.uri).publicKey,
    protocolKey: generateDppKey(configurator?.key.curve ?? lamp.pair.curve),
    request: { name: 'lamp', netRole: 'sta', thirdParty: {}, ...terms.request },
    version,
    dialogToken: relayed ? 0x5a : 0,
    clockTrusted: false,
  }
  const moment = () => ({ at: 0, random: Uint8Array.from(randomBytes(32)) })
  const got: AcceptedConfiguration[] = []
  const heard: Buffer[] = []
  let state: State
  const run = (event: Event) => apply(step(state, { ...event, ...moment() }))
  const apply = (transition: Transition) => {
    ;({ state } = transition)
    for (const effect of transition.effects) {
      if (effect.type === 'send') socket.write(encodeRecord(effect.message))
      if (effect.type === 'install') {
        got.push(...effect.configurations)
        run({ type: 'configuration-installed' })
      }
      if (effect.type === 'make-key') run({ type: 'key-made', key: generateDppKey(effect.curve) })
      if (effect.type === 'make-csr') {
        const attributes = [challengeAttribute(effect.password)]
        const subject = encodeName({ commonName: 'lamp' })
        void createCsr({ subject, attributes }, keySigner(effect.key.privateKey)).then(pkcs10 =>
          run({ type: 'csr-made', pkcs10 }),
        )
      }
      if (effect.type === 'try-connection') run({ type: 'connection-tried', status: { result: connection } })
    }
    if (relayed && state.type === 'configured') socket.end()
  }
  const splitter = new RecordSplitter()
  socket.on('data', chunk => {
    for (const message of splitter.push(chunk)) {
      heard.push(message)
      run({ type: 'received', frame: decodeFrame(message) })
    }
  })
  const first = configurator === undefined ? announce(options) : initiate({ ...options, configurator }, moment())
  state = first.state
  apply(first)
  await gone(socket)
  return { state, got, heard }
}
