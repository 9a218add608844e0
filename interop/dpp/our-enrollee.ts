import { randomBytes } from 'node:crypto'
import { encodeName } from '../../src/codec/x509/name.ts'
import { createCsr } from '../../src/crypto/csr.ts'
import type { PeerBootstrapping } from '../../src/protocol/dpp/authentication.ts'
import type { AcceptedConfiguration } from '../../src/protocol/dpp/configuration-check.ts'
import type { ConfigurationRequest } from '../../src/protocol/dpp/configuration-request.ts'
import type { DppCurve } from '../../src/protocol/dpp/curve.ts'
import * as enrollee from '../../src/protocol/dpp/enrollee.ts'
import { challengeAttribute } from '../../src/protocol/dpp/enterprise.ts'
import { decodeFrame } from '../../src/protocol/dpp/frame.ts'
import { type DppKeyPair, exportSpki, generateDppKey } from '../../src/protocol/dpp/key.ts'
import { dppSigner } from './authority.ts'
import type { Wire } from './wire.ts'

export interface EnrolleePlan {
  readonly bootstrapping: DppKeyPair
  readonly curve: DppCurve
  /** The Configurator's code. Absent: the Enrollee is asked, or announces itself. */
  readonly configurator?: PeerBootstrapping
  readonly how: 'initiate' | 'announce' | 'listen'
  readonly request: Omit<ConfigurationRequest, 'pkcs10'>
  /** Whoever asks is told to wait, and this is scanned then. */
  readonly scanLater?: () => Promise<PeerBootstrapping>
  readonly onPending?: () => Promise<void>
  readonly seconds?: number
}

export interface EnrolleeOutcome {
  readonly state: enrollee.State
  readonly mutual?: boolean
  readonly configurations: readonly AcceptedConfiguration[]
  readonly netAccessKey?: DppKeyPair
  readonly pending: boolean
}

/** Mooring's Enrollee on one connection, to its end. */
export async function runEnrollee(wire: Wire, plan: EnrolleePlan): Promise<EnrolleeOutcome> {
  const { bootstrapping, curve, configurator, how, request, seconds = 8 } = plan
  const options: enrollee.EnrolleeOptions = {
    bootstrapping,
    publicKey: exportSpki(bootstrapping),
    protocolKey: generateDppKey(curve),
    ...(configurator !== undefined && { configurator }),
    ...(plan.scanLater !== undefined && { awaitConfigurator: true }),
    request,
    version: 3,
    clockTrusted: true,
  }
  const outcome = new Outcome(wire, plan)
  await outcome.take(begin(how, options))
  while (outcome.state.type !== 'configured' && outcome.state.type !== 'failed') {
    const message = await wire.receive(seconds)
    const event = message && ({ type: 'received', frame: decodeFrame(message) } as const)
    await outcome.tell(event ?? { type: 'timed-out' })
  }
  return outcome
}

function begin(how: EnrolleePlan['how'], options: enrollee.EnrolleeOptions): enrollee.Transition {
  if (how === 'announce') return enrollee.announce(options)
  const { configurator } = options
  if (how === 'listen' || configurator === undefined) return enrollee.listen(options)
  return enrollee.initiate({ ...options, configurator }, { at: Date.now(), random: randomBytes(32) })
}

class Outcome implements EnrolleeOutcome {
  readonly #wire: Wire
  readonly #plan: EnrolleePlan
  #state: enrollee.State | undefined
  mutual?: boolean
  configurations: readonly AcceptedConfiguration[] = []
  netAccessKey?: DppKeyPair
  pending = false

  constructor(wire: Wire, plan: EnrolleePlan) {
    this.#wire = wire
    this.#plan = plan
  }

  get state(): enrollee.State {
    if (this.#state === undefined) throw new Error('not begun')
    return this.#state
  }

  async tell(event: enrollee.Event): Promise<void> {
    await this.take(enrollee.step(this.state, { ...event, at: Date.now(), random: randomBytes(32) }))
  }

  async take({ state, effects }: enrollee.Transition): Promise<void> {
    this.#state = state
    for (const effect of effects) if (effect.type === 'send') this.#wire.send(effect.message)
    for (const effect of effects) await this.#perform(effect)
  }

  async #perform(effect: enrollee.Effect): Promise<void> {
    switch (effect.type) {
      case 'authenticated':
        this.mutual = effect.mutual
        return
      case 'peer-pending':
        this.pending = true
        await this.#plan.onPending?.()
        if (this.#plan.scanLater !== undefined)
          await this.tell({ type: 'configurator-scanned', configurator: await this.#plan.scanLater() })
        return
      case 'install':
        this.configurations = effect.configurations
        this.netAccessKey = effect.netAccessKey
        return await this.tell({ type: 'configuration-installed' })
      case 'make-csr':
        return await this.tell({ type: 'csr-made', pkcs10: await certificationRequest(effect) })
      case 'make-key':
        return await this.tell({ type: 'key-made', key: generateDppKey(effect.curve) })
      case 'set-timer':
        await new Promise(resolve => setTimeout(resolve, effect.milliseconds))
        return await this.tell({ type: 'timer-fired' })
      case 'try-connection':
        return await this.tell({
          type: 'connection-tried',
          status: { result: 0, ssid: Buffer.from('interop-net'), channelList: '81/6' },
        })
      default:
    }
  }
}

function certificationRequest({ key, password }: enrollee.Effect & { readonly type: 'make-csr' }): Promise<Buffer> {
  const subject = encodeName({ commonName: 'camera-77.example' })
  return createCsr({ subject, attributes: [challengeAttribute(password)] }, dppSigner(key))
}
