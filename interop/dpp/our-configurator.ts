import { randomBytes } from 'node:crypto'
import { Secret } from '../../src/crypto/secret.ts'
import type { Akm } from '../../src/protocol/dpp/akm.ts'
import { dppStatus } from '../../src/protocol/dpp/attribute.ts'
import { ownBootstrapping, type PeerBootstrapping, peerBootstrapping } from '../../src/protocol/dpp/authentication.ts'
import { askedFor } from '../../src/protocol/dpp/authentication-responder.ts'
import {
  type ConfigurationObject,
  type ConfigurationSpelling,
  encodeConfigurationObject,
} from '../../src/protocol/dpp/configuration-object.ts'
import type { ConfigurationRequest } from '../../src/protocol/dpp/configuration-request.ts'
import { forPeerVersion } from '../../src/protocol/dpp/configuration-version.ts'
import * as configurator from '../../src/protocol/dpp/configurator.ts'
import { type ConnectorFields, signConnector } from '../../src/protocol/dpp/connector.ts'
import { curveProfile, type DppCurve } from '../../src/protocol/dpp/curve.ts'
import {
  challengeOnly,
  challengePassword,
  type EnterpriseCredentials,
  verifyEnrolleeCsr,
} from '../../src/protocol/dpp/enterprise.ts'
import { decodeFrame, dppFrame } from '../../src/protocol/dpp/frame.ts'
import { type DppKeyPair, type DppPublicKey, exportSpki, generateDppKey, keyId } from '../../src/protocol/dpp/key.ts'
import type { StationAuthority } from './authority.ts'
import { needsPassphrase, passphrase, serverName, ssid } from './network.ts'
import type { Wire } from './wire.ts'

export interface ConfiguratorPlan {
  /** Shown to the Enrollee: the curve of the exchange, when the Enrollee begins. */
  readonly bootstrapping: DppKeyPair
  readonly akm: Akm
  /** The Enrollee's code. To begin with it, or to recognize who begins. */
  readonly enrollee?: PeerBootstrapping
  readonly how: 'initiate' | 'respond'
  readonly csign: DppKeyPair
  readonly ppKey: DppKeyPair
  /** The Enrollee's code is known only after it was told to wait. */
  readonly scanLater?: () => Promise<PeerBootstrapping>
  readonly onPending?: () => Promise<void>
  readonly refuse?: number
  readonly connector?: Partial<ConnectorFields>
  readonly object?: Partial<ConfigurationObject>
  readonly psk?: Uint8Array
  readonly spelling?: ConfigurationSpelling
  /** How many objects, each for a network of its own. */
  readonly objects?: number
  readonly seconds?: number
}

export interface ConfiguratorOutcome {
  readonly state?: configurator.State
  readonly mutual?: boolean
  readonly request?: ConfigurationRequest
  /** Of the Configuration Result. */
  readonly result?: number
  readonly pending: boolean
}

export function newBootstrapping(curve: DppCurve): { readonly pair: DppKeyPair; readonly peer: PeerBootstrapping } {
  const pair = generateDppKey(curve)
  return { pair, peer: peerBootstrapping({ publicKey: exportSpki(pair) }) }
}

/** Mooring's Configurator on one connection, to its end. Undefined state: the first message was not for it. */
export async function runConfigurator(
  wire: Wire,
  plan: ConfiguratorPlan,
  authority: StationAuthority,
): Promise<ConfiguratorOutcome> {
  const outcome = new Outcome(wire, plan, authority)
  const begun = plan.how === 'initiate' ? initiate(plan) : await respond(wire, plan)
  if (begun === undefined) {
    wire.close()
    return outcome
  }
  await outcome.take(begun)
  while (!outcome.over) {
    const message = await wire.receive(plan.seconds ?? 8)
    if (message !== undefined) await outcome.tell({ type: 'received', message })
    else await outcome.tell({ type: wire.closed ? 'closed' : 'timed-out' })
  }
  wire.close()
  return outcome
}

function initiate({ enrollee, bootstrapping }: ConfiguratorPlan): configurator.Transition {
  if (enrollee === undefined) throw new TypeError('whom to ask?')
  const { curve } = enrollee.key
  return configurator.initiate({
    responder: enrollee,
    own: ownBootstrapping(bootstrapping),
    protocolKey: generateDppKey(curve),
    nonce: randomBytes(curveProfile(curve).nonceSize),
    version: 3,
  })
}

async function respond(wire: Wire, plan: ConfiguratorPlan): Promise<configurator.Transition | undefined> {
  const { bootstrapping, enrollee, scanLater } = plan
  const message = await wire.receive(8)
  const frame = message && decodeFrame(message)
  if (frame?.kind !== 'dpp' || frame.type !== dppFrame.authenticationRequest) return undefined
  const own = ownBootstrapping(bootstrapping)
  const asked = askedFor(frame.attributes)
  if (Buffer.compare(asked.responderHash, own.hash) !== 0) return undefined
  const { curve } = bootstrapping
  const known = enrollee !== undefined && Buffer.compare(asked.initiatorHash, enrollee.hash) === 0
  return configurator.respond(
    {
      own,
      protocolKey: generateDppKey(curve),
      nonce: randomBytes(curveProfile(curve).nonceSize),
      version: 3,
      ...(known && { initiator: enrollee }),
      ...(scanLater !== undefined && { awaitInitiator: true }),
    },
    frame,
  )
}

class Outcome implements ConfiguratorOutcome {
  readonly #wire: Wire
  readonly #plan: ConfiguratorPlan
  readonly #authority: StationAuthority
  state?: configurator.State
  mutual?: boolean
  request?: ConfigurationRequest
  result?: number
  pending = false

  constructor(wire: Wire, plan: ConfiguratorPlan, authority: StationAuthority) {
    this.#wire = wire
    this.#plan = plan
    this.#authority = authority
  }

  get over(): boolean {
    return this.state === undefined || this.state.type === 'finished' || this.state.type === 'failed'
  }

  async tell(input: configurator.Input): Promise<void> {
    if (this.state !== undefined) await this.take(configurator.step(this.state, input))
  }

  async take({ state, effects }: configurator.Transition): Promise<void> {
    this.state = state
    for (const effect of effects) await this.#perform(effect)
    const { scanLater } = this.#plan
    if (scanLater === undefined || state.type !== 'authenticating' || state.party.type !== 'awaiting') return
    this.pending = true
    await this.tell({ type: 'initiator-scanned', initiator: await scanLater() })
  }

  async #perform(effect: configurator.Effect): Promise<void> {
    switch (effect.type) {
      case 'send':
        this.#wire.send(effect.message)
        return
      case 'peer-pending':
        this.pending = true
        return await this.#plan.onPending?.()
      case 'authenticated':
        this.mutual = effect.session.mutual
        return
      case 'configuration-requested':
        this.request = effect.request
        return await this.tell(await this.#answer(effect))
      case 'configuration-resulted':
        this.result = effect.status
        return
      default:
    }
  }

  async #answer(
    asked: configurator.Effect & { readonly type: 'configuration-requested' },
  ): Promise<configurator.Input> {
    const { session, request, netAccessKey } = asked
    const { akm, refuse } = this.#plan
    if (refuse !== undefined) return { type: 'configuration-refused', status: refuse }
    if (akm === 'dot1x' && request.pkcs10 === undefined) {
      return { type: 'csr-needed', csrAttributes: Buffer.from(challengeOnly) }
    }
    const entCreds = request.pkcs10 && (await this.#certify(asked, request.pkcs10))
    const objects = Array.from({ length: this.#plan.objects ?? 1 }, (_, index) =>
      this.#object(index, request.netRole, netAccessKey, entCreds),
    )
    const { spelling } = this.#plan
    const encoded = forPeerVersion(objects, session.peerVersion).map(each => encodeConfigurationObject(each, spelling))
    return { type: 'configuration-granted', objects: encoded }
  }

  async #certify(
    { session, netAccessKey }: configurator.Effect & { readonly type: 'configuration-requested' },
    pkcs10: Uint8Array,
  ): Promise<EnterpriseCredentials> {
    const password = challengePassword(session.curve, session.bk.reveal())
    const { request } = verifyEnrolleeCsr(pkcs10, { password, protocolKey: netAccessKey })
    const bag = await this.#authority.certify(request.spkiDer, request.subject.der)
    return { certBag: bag, caCert: this.#authority.root.der, trustedEapServerName: serverName, eapMethods: [13] }
  }

  #object(
    index: number,
    netRole: string,
    netAccessKey: DppPublicKey,
    entCreds: EnterpriseCredentials | undefined,
  ): ConfigurationObject {
    const { akm, csign, ppKey, connector, object, psk } = this.#plan
    const fields = { groups: [{ groupId: '*', netRole }], netAccessKey, ...connector }
    return {
      ssid: Buffer.from(index === 0 ? ssid : `${ssid}-${index}`),
      cred: {
        akm,
        ...(needsPassphrase(akm) && psk === undefined && { pass: new Secret(passphrase) }),
        ...(psk !== undefined && { psk: new Secret(psk) }),
        ...(entCreds !== undefined && { entCreds }),
        connector: {
          signedConnector: signConnector(fields, { key: csign.privateKey, csign }),
          csign,
          kid: keyId(csign),
          ppKey,
        },
      },
      thirdParty: {},
      ...object,
    }
  }
}

export const { configureFailure } = dppStatus
