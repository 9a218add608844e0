import { randomBytes } from 'node:crypto'
import { memoryKeyStore } from '../../../src/adapter/key/memory.ts'
import { extendedKeyUsageOid } from '../../../src/codec/x509/extension.ts'
import { documentSigning, signDeclaration } from '../../../src/domain/declaration-jws.ts'
import { domainIds, newDeclaration, transferOwnership } from '../../../src/domain/ownership.ts'

import { ownBootstrapping, peerBootstrapping } from '../../../src/protocol/dpp/authentication.ts'
import { type Credential, encodeConfigurationObject } from '../../../src/protocol/dpp/configuration-object.ts'
import type { ConfigurationRequest } from '../../../src/protocol/dpp/configuration-request.ts'
import * as configurator from '../../../src/protocol/dpp/configurator.ts'
import { signConnector } from '../../../src/protocol/dpp/connector.ts'
import { curveProfile } from '../../../src/protocol/dpp/curve.ts'
import { challengeOnly, challengePassword, verifyEnrolleeCsr } from '../../../src/protocol/dpp/enterprise.ts'
import { decodeFrame, dppFrame } from '../../../src/protocol/dpp/frame.ts'
import { type DppKeyPair, type DppPublicKey, exportSpki, generateDppKey, keyId } from '../../../src/protocol/dpp/key.ts'
import { encodeOwnershipProof, signNetworkStatement } from '../../../src/protocol/dpp/network-statement.ts'
import { type BootstrappingUri, parseBootstrappingUri } from '../../../src/protocol/dpp/uri.ts'
import type { BirthCredential } from '../../../src/role/device/birth.ts'
import { makeBootstrapping } from '../../../src/role/device/bootstrapping.ts'
import type { EnrolleeConnection, EnrolleeTransport } from '../../../src/role/device/enrollee-port.ts'
import { memoryDeviceStore } from '../../../src/role/device/store.ts'
import type { DppService } from '../../../src/role/onboarding/configurator-port.ts'
import { certify, type Entity, eku, now } from '../../crypto/pki.ts'

/** The two ends of a connection, in memory. */
function pipe(): { readonly near: EnrolleeConnection; readonly far: Far } {
  const inbox: Uint8Array[] = []
  let closed = false
  let wake: (() => void) | undefined
  const far: Far = {
    received: () => {},
    send: message => {
      inbox.push(message)
      wake?.()
    },
    close: () => {
      closed = true
      wake?.()
    },
  }
  const near: EnrolleeConnection = {
    send: message => far.received(message),
    async receive() {
      if (inbox.length === 0 && !closed) await new Promise<void>(resolve => (wake = resolve))
      return inbox.shift()
    },
    close: far.close,
  }
  return { near, far }
}

/** The way to a Controller that is an object here. */
export function transportTo(service: DppService): EnrolleeTransport {
  return {
    async connect() {
      const { near, far } = pipe()
      const receiver = service.connected({ address: '127.0.0.1:1', send: far.send, close: far.close })
      far.received = message => receiver.received(message)
      return near
    },
  }
}

interface Far {
  received: (message: Uint8Array) => void
  readonly send: (message: Uint8Array) => void
  readonly close: () => void
}

/** What a Configurator gives to who asks: one object, or a status. */
export type Answer = (wish: {
  readonly request: ConfigurationRequest
  readonly netAccessKey: DppPublicKey
}) => Promise<{ readonly cred: Credential; readonly thirdParty?: object } | number>

export interface TestConfigurator {
  readonly transport: EnrolleeTransport
  readonly uri: BootstrappingUri
  /** What it heard last: of `dppStatus`. */
  readonly results: number[]
  readonly requests: ConfigurationRequest[]
  connections: number
}

export interface TestConfiguratorOptions {
  readonly answer: Answer
  /** Codes that it has scanned: it answers these devices, and knows them. */
  readonly scanned?: readonly BootstrappingUri[]
  /** Mutual authentication for who comes by itself. */
  readonly mutual?: boolean
  readonly csr?: boolean
  readonly newKey?: DppKeyPair
  readonly connectionStatus?: boolean
}

export const ssid = Buffer.from('home of alice')

/** Core's Configurator on a wire of memory. */
export function testConfigurator(options: TestConfiguratorOptions): TestConfigurator {
  const own = generateDppKey('P-256')
  const made: TestConfigurator = {
    uri: { publicKey: exportSpki(own), curve: 'P-256', version: 3 },
    results: [],
    requests: [],
    connections: 0,
    transport: {
      async connect() {
        made.connections++
        const { near, far } = pipe()
        serve(options, made, own, far)
        return near
      },
    },
  }
  return made
}

function serve(options: TestConfiguratorOptions, made: TestConfigurator, own: DppKeyPair, far: Far): void {
  const [scanned] = options.scanned ?? []
  let state: configurator.State | undefined
  const take = (transition: configurator.Transition): void => {
    state = transition.state
    for (const effect of transition.effects) perform(effect)
    if (state.type === 'failed' || state.type === 'finished') far.close()
  }
  const tell = (input: configurator.Input): void => {
    if (state !== undefined) take(configurator.step(state, input))
  }
  const perform = (effect: configurator.Effect): void => {
    if (effect.type === 'send') far.send(effect.message)
    if (effect.type === 'configuration-resulted') made.results.push(effect.status)
    if (effect.type === 'connection-reported') made.results.push(1000 + effect.status.result)
    if (effect.type === 'configuration-requested') void decide(options, made, effect).then(tell)
  }
  far.received = message => {
    if (state !== undefined) return tell({ type: 'received', message })
    const frame = decodeFrame(message)
    if (frame.kind !== 'dpp') return far.close()
    const { curve } = frame.type === dppFrame.authenticationRequest ? made.uri : (scanned ?? made.uri)
    const common = { protocolKey: generateDppKey(curve), nonce: randomBytes(curveProfile(curve).nonceSize), version: 3 }
    if (frame.type === dppFrame.authenticationRequest) {
      const known = options.mutual === true && scanned !== undefined ? { initiator: peerBootstrapping(scanned) } : {}
      return take(configurator.respond({ ...common, own: ownBootstrapping(own), ...known }, frame))
    }
    if (scanned === undefined) return far.close()
    const initiator = ownBootstrapping(curve === 'P-256' ? own : generateDppKey(curve))
    take(configurator.initiate({ ...common, own: initiator, responder: peerBootstrapping(scanned) }))
  }
}

async function decide(
  { answer, csr, newKey, connectionStatus = false }: TestConfiguratorOptions,
  made: TestConfigurator,
  { request, netAccessKey, session }: configurator.Effect & { type: 'configuration-requested' },
): Promise<configurator.Input> {
  made.requests.push(request)
  if (newKey !== undefined && netAccessKey.curve !== newKey.curve) return { type: 'new-key-needed', key: newKey }
  if (csr === true && request.pkcs10 === undefined)
    return { type: 'csr-needed', csrAttributes: Buffer.from(challengeOnly) }
  if (request.pkcs10 !== undefined) {
    const password = challengePassword(session.curve, session.bk.reveal())
    verifyEnrolleeCsr(request.pkcs10, { password, protocolKey: netAccessKey })
  }
  const given = await answer({ request, netAccessKey })
  if (typeof given === 'number') return { type: 'configuration-refused', status: given }
  const { cred, thirdParty = {} } = given
  const object = encodeConfigurationObject({ ssid, cred, thirdParty: thirdParty as never })
  return { type: 'configuration-granted', objects: [object], connectionStatus }
}

/** A network: who signs its Connectors, and its CA and registrar. */
export interface House {
  readonly root: Entity
  readonly registrar: Entity
  readonly csign: DppKeyPair
}

export async function house(name: string): Promise<House> {
  const root = await certify({ subject: `${name} CA`, ca: true })
  const registrar = await certify({
    subject: `${name} registrar`,
    issuer: root,
    extensions: [eku(extendedKeyUsageOid.cmcRA)],
  })
  return { root, registrar, csign: generateDppKey('P-256') }
}

export function connectorOf({ csign }: House, netAccessKey: DppPublicKey): NonNullable<Credential['connector']> {
  const groups = [{ groupId: 'lamp', netRole: 'sta' }]
  const signedConnector = signConnector({ groups, netAccessKey }, { csign, key: csign.privateKey })
  return { signedConnector, csign, kid: keyId(csign), ppKey: generateDppKey('P-256') }
}

/** The statement of that network on its own C-sign key. */
export function statementOf({ csign, registrar, root }: House): Promise<Buffer> {
  return signNetworkStatement(csign, {
    signer: registrar.signer,
    chain: [registrar.certificate, root.certificate],
  })
}

export interface Maker {
  readonly root: Entity
  readonly documents: Entity
}

export async function maker(): Promise<Maker> {
  const root = await certify({ subject: 'Maker root', ca: true })
  const documents = await certify({ subject: 'Maker documents', issuer: root, extensions: [eku(documentSigning)] })
  return { root, documents }
}

/** The maker's word on who owns that device. */
export async function soldTo({ root, documents }: Maker, serial: string, owner: House, later = 0): Promise<Buffer> {
  const at = now.getTime()
  const party = (id: string, { certificate }: Entity) => ({ id, name: id, domains: [domainIds(certificate)[1]] })
  const self = party('maker', root)
  let declared = newDeclaration({ manufacturer: 'Maker', serial, model: 'lamp', owner: self, at })
  declared = transferOwnership(declared, { by: self.domains, version: 1, at }, { owner: party('alice', owner.root) })
  for (let n = 0; n < later; n++) {
    const by = { by: declared.owner.domains, version: declared.version, at }
    declared = transferOwnership(declared, by, { owner: { ...declared.owner, name: `alice ${n}` } })
  }
  return signDeclaration(declared, { signer: documents.signer, chain: [documents.certificate] })
}

export async function proofOf(owner: House, declaration: Buffer): Promise<object> {
  return encodeOwnershipProof({ declaration, network: await statementOf(owner) })
}

export interface Lamp {
  readonly keys: ReturnType<typeof memoryKeyStore>
  readonly store: ReturnType<typeof memoryDeviceStore>
  readonly uri: BootstrappingUri
  readonly birth: BirthCredential
}

/** A device of that maker, with a birth credential and a bootstrapping key. */
export async function lamp(by: Maker, serial = 'L-1', curve: 'P-256' | 'P-384' = 'P-256'): Promise<Lamp> {
  const keys = memoryKeyStore()
  const store = memoryDeviceStore()
  const text = await makeBootstrapping({ keys, store }, { curve, information: `SN:${serial}` })
  const signer = await keys.generate('idevid', 'P-256')
  const idevid = await certify({ subject: { commonName: 'lamp', serialNumber: serial }, issuer: by.root, signer })
  return {
    keys,
    store,
    uri: parseBootstrappingUri(text),
    birth: {
      model: 'lamp',
      serialNumber: serial,
      idevid: idevid.certificate,
      chain: [],
      anchors: [{ name: 'Maker', certificate: by.root.certificate }],
    },
  }
}
