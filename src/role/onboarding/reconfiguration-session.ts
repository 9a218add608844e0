import { OnboardingError } from '../../domain/error.ts'
import { dppStatus } from '../../protocol/dpp/attribute.ts'
import type { AuthenticationFailed } from '../../protocol/dpp/authentication.ts'
import { configure } from '../../protocol/dpp/configurator.ts'
import type { Connector } from '../../protocol/dpp/connector.ts'
import { decodeFrame, type Frame } from '../../protocol/dpp/frame.ts'
import {
  begin,
  type ConfiguratorOptions,
  type Input,
  type State,
  step,
  type Transition,
} from '../../protocol/dpp/reconfiguration-configurator.ts'
import { reconfigurationFailure } from '../../protocol/dpp/reconfiguration-session.ts'
import type { DppConnection } from './configurator-port.ts'
import { type ConfiguratorSession, openSession, type SessionParts } from './configurator-session.ts'
import type { ReturningHolder } from './reconfiguration.ts'
import { SessionConnections } from './session-connection.ts'

export interface ReconfigurationStart {
  readonly connection: DppConnection
  /** E-id, hex: how the device calls itself each time, seen by nobody else. */
  readonly identity: string
  readonly attempt: string
  readonly first: Uint8Array
  readonly relayed: boolean
  readonly options: ConfiguratorOptions
}

export interface ReconfigurationParts extends SessionParts {
  /** Whose Connector it is, and whether it may have another. Throws OnboardingError for who may not. */
  readonly identify: (connector: Connector, address: string) => Promise<ReturningHolder>
}

/** A device with a Connector that asks for another configuration (Easy Connect section 6.5). */
export interface ReconfigurationSession extends ConfiguratorSession {
  readonly identity: string
}

export function openReconfiguration(parts: ReconfigurationParts, start: ReconfigurationStart): ReconfigurationSession {
  const session = new Reconfiguration(parts, start)
  session.begin()
  return session
}

/** Until the device has shown its Connector it is nobody's; from then on this is an onboarding like any other. */
class Reconfiguration implements ReconfigurationSession {
  readonly identity: string
  readonly address: string
  readonly #parts: ReconfigurationParts
  readonly #start: ReconfigurationStart
  readonly #connections: SessionConnections
  #state: State = { type: 'failed', reason: 'timed-out' }
  #onboarding: ConfiguratorSession | undefined
  #cancel: () => void = () => {}
  #ended = false
  #found: ReturningHolder | undefined
  #refusal: OnboardingError | undefined

  constructor(parts: ReconfigurationParts, start: ReconfigurationStart) {
    this.#parts = parts
    this.#start = start
    this.#connections = new SessionConnections(start.connection)
    this.identity = start.identity
    this.address = start.connection.address
  }

  get key(): ConfiguratorSession['key'] {
    return this.#onboarding?.key
  }

  get state(): ConfiguratorSession['state'] {
    return this.#onboarding?.state ?? 'authenticating'
  }

  get halfOpen(): boolean {
    return this.#onboarding === undefined
  }

  get asking(): boolean {
    return this.#onboarding === undefined && this.#state.type === 'requested'
  }

  begin(): void {
    this.#apply(begin(this.#start.options))
  }

  attach(connection: DppConnection): void {
    this.#connections.add(connection)
    this.#run({ type: 'request-lost' })
  }

  received(connection: DppConnection, message: Uint8Array): void {
    if (this.#onboarding !== undefined) {
      this.#onboarding.received(connection, message)
      return
    }
    if (this.#ended || !this.#connections.has(connection)) return
    const next = this.#answered(message)
    // An announcement can be repeated by who has heard it: what follows shows who of them holds the Connector.
    if (next.state.type === 'failed' && this.#connections.size > 1) {
      this.#connections.drop(connection)
      return
    }
    if (next.state === this.#state) return
    this.#connections.prefer(connection)
    this.#apply(next)
  }

  closed(connection: DppConnection): void {
    if (this.#onboarding !== undefined) this.#onboarding.closed(connection)
    else {
      this.#connections.forget(connection)
      if (this.#connections.size === 0) this.end()
    }
  }

  scanned(): void {}

  end(): void {
    if (this.#onboarding !== undefined) this.#onboarding.end()
    else this.#finish()
  }

  #answered(message: Uint8Array): Transition {
    let frame: Frame
    try {
      frame = decodeFrame(message)
    } catch (error) {
      return { state: reconfigurationFailure(error), effects: [] }
    }
    return step(this.#state, { type: 'received', frame })
  }

  #run(input: Input): void {
    if (!this.#ended && this.#onboarding === undefined) this.#apply(step(this.#state, input))
  }

  #apply({ state, effects }: Transition): void {
    this.#state = state
    for (const effect of effects) {
      if (effect.type === 'send') this.#connections.newest?.send(effect.message)
      else void this.#identify(effect.connector)
    }
    this.#cancel()
    const { schedule, times } = this.#parts
    if (state.type === 'failed') this.#fail(state)
    else if (state.type === 'authenticated') this.#onboard(state.session)
    else this.#cancel = schedule(times.authentication, () => this.#run({ type: 'timed-out' }))
  }

  async #identify(connector: Connector): Promise<void> {
    try {
      this.#found = await this.#parts.identify(connector, this.address)
      // Each configuration is for a key of its own.
      this.#run({ type: 'allowed', replaceKey: true })
    } catch (error) {
      if (error instanceof OnboardingError && !error.code.startsWith('store-')) {
        this.#refusal = error
        this.#run({ type: 'refused', status: dppStatus.configureFailure })
        return
      }
      this.#parts.log.error({ err: error, address: this.address }, 'a reconfiguration could not be decided')
      this.end()
    }
  }

  #onboard(session: Extract<State, { type: 'authenticated' }>['session']): void {
    const { attempt, first, relayed } = this.#start
    const connection = this.#connections.newest
    // Whoever was being looked up has hung up.
    if (connection === undefined) {
      this.#finish()
      return
    }
    this.#connections.keep(connection)
    this.#onboarding = openSession(
      {
        ...this.#parts,
        onAuthenticated: () => {},
        onEnd: (_, error) => this.#parts.onEnd(this, error),
      },
      {
        connection,
        ...this.#found,
        attempt,
        first: [first],
        relayed,
        begin: () => configure(session),
      },
    )
    this.#parts.onAuthenticated(this)
  }

  #fail({ reason, status, detail }: Omit<AuthenticationFailed, 'type'>): void {
    const facts = { reason, ...(status === undefined ? {} : { status }), ...(detail === undefined ? {} : { detail }) }
    const failed = reason === 'timed-out' ? undefined : new OnboardingError('dpp-authentication-failed', facts)
    const error = this.#refusal ?? failed
    if (error !== undefined) {
      this.#parts.log.info({ code: error.code, ...error.detail, address: this.address }, 'reconfiguration refused')
    }
    this.#finish(error)
  }

  #finish(error?: OnboardingError): void {
    if (this.#ended) return
    this.#ended = true
    this.#cancel()
    this.#connections.close()
    queueMicrotask(() => this.#parts.onEnd(this, error))
  }
}
