import { CodecError } from '../../codec/error.ts'
import { encodeName } from '../../codec/x509/name.ts'
import { createCsr } from '../../crypto/csr.ts'
import { CryptoError } from '../../crypto/error.ts'
import { keySigner } from '../../crypto/signer.ts'
import { OnboardingError } from '../../domain/error.ts'
import type { Clock, Log, Random } from '../../domain/port.ts'
import {
  type Effect,
  type EnrolleeFailed,
  type Event,
  type State,
  step,
  type Transition,
} from '../../protocol/dpp/enrollee.ts'
import { challengeAttribute } from '../../protocol/dpp/enterprise.ts'
import { decodeFrame } from '../../protocol/dpp/frame.ts'
import { generateDppKey } from '../../protocol/dpp/key.ts'
import { planCsr } from '../../protocol/est/csr-plan.ts'
import type { EnrolleeConnection } from './enrollee-port.ts'
import type { Sleep } from './port.ts'

type Install = Effect & { type: 'install' }

/** What a device does an exchange with. */
export interface ExchangeTools {
  /** Serial number: subject of a certification request. */
  readonly serialNumber: string
  readonly clock: Clock
  readonly random: Random
  readonly sleep: Sleep
  readonly log: Log
  readonly answerTimeoutMs: number
  /** While a person has to scan something. */
  readonly patienceMs: number
  /** Takes networks and stores them. Rejects with OnboardingError for those that the device does not want. */
  install(effect: Install, knownPeer: boolean): Promise<void>
  /** Tries what was installed; undefined where nobody can tell. */
  tryConnection(): Promise<(Event & { type: 'connection-tried' })['status'] | undefined>
}

export type ExchangeNews =
  /** Somebody answers. */
  | { readonly type: 'heard' }
  | { readonly type: 'pending' }
  | { readonly type: 'authenticated'; readonly mutual: boolean }
  | { readonly type: 'installed' }
  | { readonly type: 'connected' }

export type ExchangeEnd =
  | { readonly type: 'configured' }
  | { readonly type: 'failed'; readonly failed: EnrolleeFailed }
  /** The other side has gone, or says nothing. */
  | { readonly type: 'closed' }

/**
 * One connection from its first word to its last: does the machine's effects, tells it what happened, and yields what a person
 * may want to know.
 * @param begun the machine with its first effects @param knowsPeer true: the Controller's key is that of a scanned code
 */
export async function* exchange(
  begun: Transition,
  connection: EnrolleeConnection,
  tools: ExchangeTools,
  signal: AbortSignal,
): AsyncGenerator<ExchangeNews, ExchangeEnd, void> {
  const run = new Run(begun, connection, tools, signal)
  try {
    return yield* run.toItsEnd()
  } finally {
    connection.close()
  }
}

class Run {
  #state: State
  readonly #todo: Effect[]
  readonly #connection: EnrolleeConnection
  readonly #tools: ExchangeTools
  readonly #signal: AbortSignal
  readonly #initiated: boolean
  #knownPeer = false
  #pending = false
  #heard = false

  constructor(
    { state, effects }: Transition,
    connection: EnrolleeConnection,
    tools: ExchangeTools,
    signal: AbortSignal,
  ) {
    this.#state = state
    this.#todo = [...effects]
    this.#connection = connection
    this.#tools = tools
    this.#signal = signal
    this.#initiated = state.type === 'initiating'
  }

  async *toItsEnd(): AsyncGenerator<ExchangeNews, ExchangeEnd, void> {
    for (;;) {
      for (let effect = this.#todo.shift(); effect !== undefined; effect = this.#todo.shift()) {
        const { event, news } = await this.#perform(effect)
        if (event !== undefined) this.#tell(event)
        if (news !== undefined) yield news
      }
      const state = this.#state
      if (state.type === 'configured') return { type: 'configured' }
      if (state.type === 'failed') return { type: 'failed', failed: state }
      // It has what it came for, and nobody can say whether it connects.
      if (state.type === 'configuring' && state.configuration.type === 'installed') return { type: 'configured' }
      const message = this.#signal.aborted ? undefined : await this.#receive()
      if (message === undefined) return { type: 'closed' }
      if (!this.#heard) yield { type: 'heard' }
      this.#heard = true
      this.#hear(message)
    }
  }

  #receive(): Promise<Uint8Array | undefined> {
    const { answerTimeoutMs, patienceMs } = this.#tools
    return this.#connection.receive(this.#pending ? patienceMs : answerTimeoutMs)
  }

  #hear(message: Uint8Array): void {
    try {
      this.#tell({ type: 'received', frame: decodeFrame(message) })
    } catch (error) {
      if (!(error instanceof CodecError)) throw error
      const during = this.#state.type === 'configuring' ? 'configuration' : 'authentication'
      this.#state = { type: 'failed', during, failure: { reason: 'malformed', detail: error.message } }
    }
  }

  #tell(event: Event): void {
    const { clock, random } = this.#tools
    const { state, effects } = step(this.#state, { ...event, at: clock(), random: random(32) })
    this.#state = state
    this.#todo.push(...effects)
  }

  async #perform(effect: Effect): Promise<{ readonly event?: Event; readonly news?: ExchangeNews }> {
    switch (effect.type) {
      case 'send':
        this.#connection.send(effect.message)
        return {}
      case 'set-timer':
        await this.#tools.sleep(effect.milliseconds, this.#signal)
        return { event: { type: 'timer-fired' } }
      case 'peer-pending':
        this.#pending = true
        return { news: { type: 'pending' } }
      case 'authenticated':
        // Who answers an Initiator has the key of the code that was scanned; a Responder knows it only if both had scanned.
        this.#knownPeer = this.#initiated || effect.mutual
        this.#pending = false
        return { news: { type: 'authenticated', mutual: effect.mutual } }
      case 'make-csr':
        return { event: await this.#csr(effect) }
      case 'make-key':
        return { event: { type: 'key-made', key: generateDppKey(effect.curve) } }
      case 'install':
        return this.#install(effect)
      case 'try-connection':
        return this.#tryConnection()
    }
  }

  /** Signed with the key that the certificate is for; the attributes that the network asks for, as far as there are any. */
  async #csr({ key, password, attributes }: Effect & { type: 'make-csr' }): Promise<Event> {
    const { serialNumber, log } = this.#tools
    try {
      const signer = keySigner(key.privateKey)
      const subject = encodeName({ commonName: serialNumber })
      const curve = key.curve as 'P-256' | 'P-384' | 'P-521'
      const plan = planCsr(attributes, { subject, serialNumber, curve, curves: [curve] })
      const wanted = { subject: plan.subject, extensions: plan.extensions, attributes: [challengeAttribute(password)] }
      return { type: 'csr-made', pkcs10: await createCsr(wanted, signer) }
    } catch (error) {
      if (!(error instanceof CodecError) && !(error instanceof CryptoError)) throw error
      log.warn({ reason: error.message }, 'the request that the network wants cannot be made')
      return { type: 'device-failed' }
    }
  }

  async #install(effect: Install): Promise<{ readonly event: Event; readonly news?: ExchangeNews }> {
    try {
      await this.#tools.install(effect, this.#knownPeer)
      return { event: { type: 'configuration-installed' }, news: { type: 'installed' } }
    } catch (error) {
      const coded = error instanceof OnboardingError
      if (!coded) this.#tools.log.error({ err: error }, 'networks could not be stored')
      const refusal = coded ? error : new OnboardingError('device-storage-failed', {}, { cause: error })
      return { event: { type: 'configuration-rejected', error: refusal } }
    }
  }

  async #tryConnection(): Promise<{ readonly event?: Event; readonly news?: ExchangeNews }> {
    const status = await this.#tools.tryConnection()
    if (status === undefined) return {}
    return {
      event: { type: 'connection-tried', status },
      ...(status.result === 0 && { news: { type: 'connected' } as const }),
    }
  }
}
