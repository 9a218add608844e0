import { CodecError } from '../../codec/error.ts'
import type { Random } from '../../domain/port.ts'
import { decodeAttributes, dppStatus } from '../../protocol/dpp/attribute.ts'
import { ownBootstrapping, peerBootstrapping, protocolVersion } from '../../protocol/dpp/authentication.ts'
import { encodeConfigurationObject } from '../../protocol/dpp/configuration-object.ts'
import { type Effect, initiate, type State, step, type Transition } from '../../protocol/dpp/configurator.ts'
import { signConnector } from '../../protocol/dpp/connector.ts'
import { curveProfile } from '../../protocol/dpp/curve.ts'
import { decodeFrame, dppFrame } from '../../protocol/dpp/frame.ts'
import { type DppPublicKey, generateDppKey, keyId } from '../../protocol/dpp/key.ts'
import { encodeOwnershipProof, type OwnershipProof } from '../../protocol/dpp/network-statement.ts'
import { type BootstrappingUri, chirpHash } from '../../protocol/dpp/uri.ts'
import type { DppConnection, DppReceiver, DppService } from '../onboarding/configurator-port.ts'

/*
 * An evil twin for Easy Connect: a Configurator and a network of its own making, set up by somebody who has photographed the
 * codes of other people's devices. Up to the Configuration Response it does nothing that a rightful one would not do, and
 * a device that announces itself cannot tell them apart: with one-way authentication, whoever knows the code is right.
 */

/** What it did and what came of it, oldest first. */
export type ConfiguratorDeed =
  | { readonly kind: 'heard' }
  /** It has proven that it knows the code; the device had nothing to ask for beyond that. */
  | { readonly kind: 'authenticated'; readonly mutual: boolean }
  | { readonly kind: 'offered' }
  /** A device took its network: the attack succeeded. */
  | { readonly kind: 'believed' }
  | { readonly kind: 'turned-down'; readonly status: number }

export interface EvilConfiguratorOptions {
  readonly random: Random
  /** As they were on the labels. */
  readonly photographed: readonly BootstrappingUri[]
  /** Of the network that it imitates. */
  readonly ssid: string
  /** Copies of somebody else's, if it has got hold of them. */
  readonly copied?: OwnershipProof
}

export interface EvilConfigurator {
  readonly service: DppService
  readonly deeds: readonly ConfiguratorDeed[]
}

export function createEvilConfigurator(options: EvilConfiguratorOptions): EvilConfigurator {
  const deeds: ConfiguratorDeed[] = []
  const csign = generateDppKey('P-256')
  const offer = (netAccessKey: DppPublicKey): Buffer => {
    const groups = [{ groupId: '*', netRole: 'sta' }]
    const signedConnector = signConnector({ groups, netAccessKey }, { csign, key: csign.privateKey })
    return encodeConfigurationObject({
      ssid: Buffer.from(options.ssid),
      cred: { akm: 'dpp', connector: { signedConnector, csign, kid: keyId(csign) } },
      thirdParty: options.copied === undefined ? {} : encodeOwnershipProof(options.copied),
    })
  }
  return { deeds, service: { connected: connection => new Encounter(options, connection, deeds, offer) } }
}

class Encounter implements DppReceiver {
  readonly #options: EvilConfiguratorOptions
  readonly #connection: DppConnection
  readonly #deeds: ConfiguratorDeed[]
  readonly #offer: (netAccessKey: DppPublicKey) => Buffer
  #state: State | undefined

  constructor(
    options: EvilConfiguratorOptions,
    connection: DppConnection,
    deeds: ConfiguratorDeed[],
    offer: (netAccessKey: DppPublicKey) => Buffer,
  ) {
    this.#options = options
    this.#connection = connection
    this.#deeds = deeds
    this.#offer = offer
  }

  received(message: Uint8Array): void {
    const state = this.#state
    if (state !== undefined) this.#take(step(state, { type: 'received', message }))
    else this.#meet(this.#recognised(message))
  }

  #meet(victim: BootstrappingUri | undefined): void {
    if (victim === undefined) {
      this.#connection.close()
      return
    }
    this.#deeds.push({ kind: 'heard' })
    const { curve } = victim
    const transition = initiate({
      responder: peerBootstrapping(victim),
      own: ownBootstrapping(generateDppKey(curve)),
      protocolKey: generateDppKey(curve),
      nonce: this.#options.random(curveProfile(curve).nonceSize),
      version: protocolVersion,
    })
    this.#take(transition)
  }

  closed(): void {
    this.#state = undefined
  }

  /** Who knows the code knows the announcement. */
  #recognised(message: Uint8Array): BootstrappingUri | undefined {
    try {
      const frame = decodeFrame(message)
      if (frame.kind !== 'dpp' || frame.type !== dppFrame.presenceAnnouncement) return undefined
      const chirp = decodeAttributes(frame.attributes).need('responderBootstrappingKeyHash', 32)
      return this.#options.photographed.find(uri => chirpHash(uri).equals(chirp))
    } catch (error) {
      if (error instanceof CodecError) return undefined
      throw error
    }
  }

  #take({ state, effects }: Transition): void {
    this.#state = state
    for (const effect of effects) this.#perform(effect)
    if (this.#state.type === 'failed' || this.#state.type === 'finished') this.#connection.close()
  }

  #perform(effect: Effect): void {
    if (effect.type === 'send') this.#connection.send(effect.message)
    if (effect.type === 'authenticated') this.#deeds.push({ kind: 'authenticated', mutual: effect.session.mutual })
    if (effect.type === 'configuration-resulted') {
      const { status } = effect
      this.#deeds.push(status === dppStatus.ok ? { kind: 'believed' } : { kind: 'turned-down', status })
    }
    if (effect.type !== 'configuration-requested' || this.#state === undefined) return
    this.#deeds.push({ kind: 'offered' })
    const objects = [this.#offer(effect.netAccessKey)]
    this.#take(step(this.#state, { type: 'configuration-granted', objects }))
  }
}
