import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { CodecError } from '../../../src/codec/error.ts'
import { dppStatus } from '../../../src/protocol/dpp/attribute.ts'
import { type OwnBootstrapping, ownBootstrapping } from '../../../src/protocol/dpp/authentication.ts'
import type { AcceptedConfiguration } from '../../../src/protocol/dpp/configuration-check.ts'
import { type ConfigurationObject, encodeConfigurationObject } from '../../../src/protocol/dpp/configuration-object.ts'
import type { NetRole } from '../../../src/protocol/dpp/configuration-request.ts'
import * as configurator from '../../../src/protocol/dpp/configurator.ts'
import { type ConnectorFields, signConnector } from '../../../src/protocol/dpp/connector.ts'
import type { DppCurve } from '../../../src/protocol/dpp/curve.ts'
import * as enrollee from '../../../src/protocol/dpp/enrollee.ts'
import { decodeFrame, dppFrame } from '../../../src/protocol/dpp/frame.ts'
import { type DppKeyPair, exportSpki, generateDppKey, keyId } from '../../../src/protocol/dpp/key.ts'
import { nonceOf, scanned } from './party.ts'

/*
 * Our Configurator and our Enrollee in one process, message by message, with somebody between them who may read, hold back,
 * alter and add.
 */

export const noon = Date.parse('2026-06-01T12:00:00Z')

export type Side = 'configurator' | 'enrollee'
export type Asked = configurator.Effect & { type: 'configuration-requested' }

export interface Terms {
  readonly curve?: DppCurve
  /** Of the C-sign key. */
  readonly csign?: DppCurve
  /** Who speaks first: `enrollee` has scanned the Configurator's code, `configurator` the device's. */
  readonly initiator?: Side
  /** The Responder has scanned the Initiator's code, too. */
  readonly mutual?: boolean
  /** What each of them speaks. */
  readonly version?: Readonly<Record<Side, number>>
  readonly netRole?: NetRole
  readonly request?: Partial<enrollee.EnrolleeOptions['request']>
  readonly decide?: (asked: Asked, meeting: Meeting) => configurator.Input | undefined
  /** What is done with the networks that came; absent: they are taken. */
  readonly install?: (configurations: readonly AcceptedConfiguration[]) => enrollee.Event
  /** Bootstrapping keys; absent: new ones. */
  readonly keys?: { readonly device: OwnBootstrapping; readonly office: OwnBootstrapping }
  /** What becomes of the n-th message (from 0): the messages that arrive instead. Absent: as it is. */
  readonly between?: (message: Buffer, from: Side, index: number) => readonly Uint8Array[]
}

export interface Arrival {
  readonly from: Side
  readonly message: Buffer
  /** Of who receives it, before. */
  readonly before: configurator.State | enrollee.State
  /** What the receiver would do with any other message in its place. Throws CodecError for no frame at all. */
  readonly receive: (message: Uint8Array) => configurator.Transition | enrollee.Transition
}

/** Station `*` unless it says something else: akm dpp, signed with the key of this meeting. */
export function connectorCredential(
  csign: DppKeyPair,
  netAccessKey: ConnectorFields['netAccessKey'],
  netRole: string,
  more: Partial<ConnectorFields> = {},
) {
  const fields = { groups: [{ groupId: '*', netRole }], netAccessKey, ...more }
  const signedConnector = signConnector(fields, { key: csign.privateKey, csign })
  return { signedConnector, csign, kid: keyId(csign), ppKey: csign }
}

export class Meeting {
  readonly terms: Terms
  readonly csign: DppKeyPair
  readonly device: OwnBootstrapping
  readonly office: OwnBootstrapping
  readonly arrivals: Arrival[] = []
  readonly configuratorEffects: configurator.Effect[] = []
  readonly enrolleeEffects: enrollee.Effect[] = []
  configurator: configurator.State
  enrollee: enrollee.State
  #queue: { from: Side; message: Buffer }[] = []
  #sent = 0

  constructor(terms: Terms = {}) {
    const { curve = 'P-256', csign = 'P-256', initiator = 'configurator' } = terms
    this.terms = terms
    this.csign = generateDppKey(csign)
    this.device = terms.keys?.device ?? ownBootstrapping(generateDppKey(curve))
    this.office = terms.keys?.office ?? ownBootstrapping(generateDppKey(curve))
    const waiting = { type: 'failed', reason: 'closed' } as const
    this.configurator = waiting
    const options = this.#enrolleeOptions(curve)
    if (initiator === 'enrollee') {
      const begun = enrollee.initiate({ ...options, configurator: scanned(this.office) }, this.#moment())
      this.enrollee = begun.state
      this.#enrolleeDoes(begun)
    } else {
      this.enrollee = enrollee.listen(options).state
      this.#configuratorDoes(configurator.initiate(this.#initiatorOptions(curve)))
    }
  }

  #enrolleeOptions(curve: DppCurve): enrollee.EnrolleeOptions {
    const { mutual = false, initiator = 'configurator', netRole = 'sta', request, version } = this.terms
    const { pair } = this.device
    return {
      bootstrapping: pair,
      publicKey: exportSpki(pair),
      protocolKey: generateDppKey(curve),
      ...(mutual && initiator === 'configurator' && { configurator: scanned(this.office) }),
      request: { name: 'lamp', netRole, thirdParty: {}, ...request },
      version: version?.enrollee ?? 3,
      clockTrusted: true,
    }
  }

  #initiatorOptions(curve: DppCurve): configurator.InitiatorOptions {
    return {
      responder: scanned(this.device),
      own: this.office,
      protocolKey: generateDppKey(curve),
      nonce: nonceOf(curve),
      version: this.terms.version?.configurator ?? 3,
    }
  }

  #responderOptions(curve: DppCurve): configurator.ResponderOptions {
    return {
      own: this.office,
      protocolKey: generateDppKey(curve),
      nonce: nonceOf(curve),
      version: this.terms.version?.configurator ?? 3,
      ...(this.terms.mutual === true && { initiator: scanned(this.device) }),
    }
  }

  #moment() {
    return { at: noon, random: randomBytes(32) }
  }

  /** Delivers until nobody has anything left to say. */
  run(): this {
    for (let next = this.#queue.shift(); next !== undefined; next = this.#queue.shift()) this.deliver(next)
    return this
  }

  deliver({ from, message }: { from: Side; message: Uint8Array }): void {
    const to = from === 'enrollee' ? 'configurator' : 'enrollee'
    const receive = to === 'enrollee' ? this.#enrolleeReceives() : this.#configuratorReceives()
    this.arrivals.push({ from, message: Buffer.from(message), before: this[to], receive })
    const transition = received(() => receive(message))
    // What cannot be read ends the connection.
    if (transition === undefined) this.end()
    else if (to === 'enrollee') this.#enrolleeDoes(transition as enrollee.Transition)
    else this.#configuratorDoes(transition as configurator.Transition)
  }

  /** The connection is gone, and both notice. */
  end(): void {
    this.#queue = []
    this.tellEnrollee({ type: 'timed-out' })
    this.tellConfigurator({ type: 'timed-out' })
  }

  #enrolleeReceives(): (message: Uint8Array) => enrollee.Transition {
    const before = this.enrollee
    const moment = this.#moment()
    return message => enrollee.step(before, { type: 'received', frame: decodeFrame(message), ...moment })
  }

  #configuratorReceives(): (message: Uint8Array) => configurator.Transition {
    const before = this.configurator
    if (this.terms.initiator !== 'enrollee' || this.arrivals.length > 0) {
      return message => configurator.step(before, { type: 'received', message })
    }
    const options = this.#responderOptions(this.terms.curve ?? 'P-256')
    return message => {
      const frame = decodeFrame(message)
      const request = frame.kind === 'dpp' && frame.type === dppFrame.authenticationRequest
      return request ? configurator.respond(options, frame) : { state: before, effects: [] }
    }
  }

  tellConfigurator(input: configurator.Input): void {
    this.#configuratorDoes(configurator.step(this.configurator, input))
  }

  tellEnrollee(event: enrollee.Event): void {
    this.#enrolleeDoes(enrollee.step(this.enrollee, { ...event, ...this.#moment() }))
  }

  #configuratorDoes({ state, effects }: configurator.Transition): void {
    this.configurator = state
    this.configuratorEffects.push(...effects)
    for (const effect of effects) {
      if (effect.type === 'send') this.#send('configurator', effect.message)
      if (effect.type === 'configuration-requested') {
        const { decide = asked => this.grant(asked) } = this.terms
        const input = decide(effect, this)
        if (input !== undefined) this.tellConfigurator(input)
      }
    }
  }

  #enrolleeDoes({ state, effects }: enrollee.Transition): void {
    this.enrollee = state
    this.enrolleeEffects.push(...effects)
    for (const effect of effects) {
      if (effect.type === 'send') this.#send('enrollee', effect.message)
      if (effect.type === 'install') {
        this.tellEnrollee(this.terms.install?.(effect.configurations) ?? { type: 'configuration-installed' })
      }
      if (effect.type === 'make-key') this.tellEnrollee({ type: 'key-made', key: generateDppKey(effect.curve) })
    }
  }

  #send(from: Side, message: Buffer): void {
    const instead = this.terms.between?.(message, from, this.#sent++) ?? [message]
    this.#queue.push(...instead.map(each => ({ from, message: Buffer.from(each) })))
  }

  /** One network with akm dpp, for whoever asks. */
  grant({ netAccessKey, request }: Asked, more: Partial<ConnectorFields> = {}): configurator.Input {
    const connector = connectorCredential(this.csign, netAccessKey, request.netRole, more)
    return this.give([{ ssid: Buffer.from('home'), cred: { akm: 'dpp', connector }, thirdParty: {} }])
  }

  give(objects: readonly ConfigurationObject[], connectionStatus = false): configurator.Input {
    return {
      type: 'configuration-granted',
      objects: objects.map(object => encodeConfigurationObject(object)),
      ...(connectionStatus && { connectionStatus }),
    }
  }

  effect<T extends configurator.Effect['type']>(type: T): Extract<configurator.Effect, { type: T }> | undefined {
    return this.configuratorEffects.find(
      (each): each is Extract<configurator.Effect, { type: T }> => each.type === type,
    )
  }

  /** What the Enrollee has taken in. */
  get installed(): Extract<enrollee.Effect, { type: 'install' }> | undefined {
    return this.enrolleeEffects.find(each => each.type === 'install')
  }

  /** Both are done, and agree on it. */
  assertConfigured(): this {
    assert.deepEqual(this.enrollee, { type: 'configured' })
    assert.deepEqual(this.configurator, { type: 'finished', outcome: 'accepted' })
    assert.equal(this.effect('configuration-resulted')?.status, dppStatus.ok)
    return this
  }

  /** Nobody has a network from it. */
  assertNothing(): this {
    assert.equal(this.installed, undefined)
    assert.notEqual(this.enrollee.type, 'configured')
    assert.ok(this.configurator.type !== 'finished' || this.configurator.outcome !== 'accepted')
    return this
  }
}

function received<T>(work: () => T): T | undefined {
  try {
    return work()
  } catch (error) {
    if (!(error instanceof CodecError)) throw error
    return undefined
  }
}
