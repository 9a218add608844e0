import { createHash } from 'node:crypto'
import type { BootstrappingKeyRecord } from '../../domain/bootstrapping.ts'
import { OnboardingError } from '../../domain/error.ts'
import type { Log } from '../../domain/port.ts'
import { dppStatus } from '../../protocol/dpp/attribute.ts'
import { type AuthenticatedSession, peerBootstrapping, protocolVersion } from '../../protocol/dpp/authentication.ts'
import { type Effect, type Input, type State, step, type Transition } from '../../protocol/dpp/configurator.ts'
import { challengeOnly, challengePassword, verifyEnrolleeCsr } from '../../protocol/dpp/enterprise.ts'
import { generateDppKey } from '../../protocol/dpp/key.ts'
import { parseBootstrappingUri } from '../../protocol/dpp/uri.ts'
import type { DppConnection, Schedule } from './configurator-port.ts'
import type { AdmittedEnrollee, EnrolleeAnswer, EnrolleeAttempt, EnrolleeDecisions } from './enrollee-decision.ts'
import type { EnrolleeOutcomes } from './enrollee-outcome.ts'
import { SessionConnections } from './session-connection.ts'

/** How long we wait for what comes next, milliseconds. A relay lets go of a connection after 20 s. */
export interface SessionTimes {
  /** For the answer to our Authentication Request, and for the Confirm to our Response. */
  readonly authentication: number
  /** For a person: an Enrollee that was told RESPONSE_PENDING. */
  readonly pending: number
  /** For a Configuration Request, and for the Result. */
  readonly configuration: number
  /** For the Connection Status: a station looks for an access point first. */
  readonly connection: number
}

export const sessionTimes: SessionTimes = {
  authentication: 20_000,
  pending: 60_000,
  configuration: 10_000,
  connection: 20_000,
}

export interface SessionParts {
  readonly decisions: EnrolleeDecisions
  readonly outcomes: EnrolleeOutcomes
  readonly schedule: Schedule
  readonly times: SessionTimes
  readonly log: Log
  /** The other side has proven its key, or that it knows ours. */
  readonly onAuthenticated: (session: ConfiguratorSession) => void
  /** `error`: why it came to nothing, when that is worth a record. */
  readonly onEnd: (session: ConfiguratorSession, error?: OnboardingError) => void
}

/** One onboarding: of one device, over whatever connections it comes on. */
export interface ConfiguratorSession {
  /** Of the device; undefined while the code of an Initiator has yet to be scanned. */
  readonly key: BootstrappingKeyRecord | undefined
  /** E-id of a device that asks for reconfiguration, hex. */
  readonly identity?: string
  readonly address: string
  readonly state: State['type']
  /** It has yet to be proven that there is anybody. */
  readonly halfOpen: boolean
  /** We have asked, and nobody has answered. */
  readonly asking: boolean
  /** The same device came on another connection: what was asked is asked again there, as it was. */
  attach(connection: DppConnection): void
  received(connection: DppConnection, message: Uint8Array): void
  closed(connection: DppConnection): void
  /** The code of the Initiator that waits was scanned, or somebody let it in. */
  scanned(key: BootstrappingKeyRecord): void
  end(): void
}

export interface SessionStart {
  readonly connection: DppConnection
  readonly key?: BootstrappingKeyRecord
  /** Id of the credential that a device comes back by. */
  readonly connector?: string
  /** Names the attempt, hex; what began it is in the transcript. */
  readonly attempt: string
  readonly first: readonly Uint8Array[]
  /** Nothing but a relay can be between us: its access point chirped, or it is known as one. */
  readonly relayed: boolean
  readonly begin: () => Transition
}

export function openSession(parts: SessionParts, start: SessionStart): ConfiguratorSession {
  const session = new Session(parts, start)
  session.begin(start)
  return session
}

class Session implements ConfiguratorSession {
  readonly address: string
  key: BootstrappingKeyRecord | undefined
  readonly #parts: SessionParts
  readonly #attempt: string
  readonly #connector: string | undefined
  readonly #transcript = createHash('sha256')
  readonly #connections: SessionConnections
  #state: State = { type: 'failed', reason: 'closed' }
  #relayed: boolean
  #admitted: AdmittedEnrollee | undefined
  #credentials: readonly string[] = []
  #cancel: () => void = () => {}
  #ended = false
  /** Records that have yet to be written, in order. */
  #records: Promise<void> = Promise.resolve()

  constructor(parts: SessionParts, { connection, key, connector, attempt, relayed, first }: SessionStart) {
    this.#parts = parts
    this.#connections = new SessionConnections(connection)
    this.address = connection.address
    this.key = key
    this.#attempt = attempt
    this.#connector = connector
    this.#relayed = relayed
    for (const message of first) this.#transcript.update(message)
  }

  get state(): State['type'] {
    return this.#state.type
  }

  get halfOpen(): boolean {
    return this.#state.type === 'authenticating'
  }

  get asking(): boolean {
    return this.#state.type === 'authenticating' && this.#state.party.type === 'requested'
  }

  begin({ begin }: SessionStart): void {
    this.#apply(begin())
  }

  attach(connection: DppConnection): void {
    this.#connections.add(connection)
    this.#run({ type: 'request-lost' })
  }

  received(connection: DppConnection, message: Uint8Array): void {
    if (this.#ended || !this.#connections.has(connection)) return
    const before = this.#state
    const next = step(before, { type: 'received', message })
    // Several claim to be the device; whichever knows no key of it ends its own connection, and the device goes on.
    if (before.type === 'authenticating' && this.#connections.size > 1 && isUnproven(next)) {
      this.#connections.drop(connection)
      return
    }
    this.#connections.prefer(connection)
    this.#transcript.update(message)
    // GAS over TCP has dialog token 0; a relay passes on what came over the air.
    if (message[0] === gasInitialRequest && message[1] !== 0) this.#relayed = true
    this.#apply(next)
    if (before.type === 'authenticating' && !this.halfOpen && !this.#ended) this.#connections.keep(connection)
  }

  closed(connection: DppConnection): void {
    this.#connections.forget(connection)
    if (this.#connections.size === 0) this.#run({ type: 'closed' })
  }

  scanned(key: BootstrappingKeyRecord): void {
    this.key = key
    this.#run({ type: 'initiator-scanned', initiator: peerBootstrapping(parseBootstrappingUri(key.uri)) })
  }

  end(): void {
    this.#run({ type: 'closed' })
  }

  #run(input: Input): void {
    if (!this.#ended) this.#apply(step(this.#state, input))
  }

  #apply({ state, effects }: Transition): void {
    this.#state = state
    for (const effect of effects) this.#perform(effect)
    this.#cancel()
    if (state.type === 'finished' || state.type === 'failed') this.#finish(state)
    else this.#cancel = this.#parts.schedule(this.#patience(state), () => this.#run({ type: 'timed-out' }))
  }

  #patience(state: State): number {
    const { times } = this.#parts
    if (state.type === 'connecting') return times.connection
    if (state.type !== 'authenticating') return times.configuration
    const { party } = state
    const pending = party.type === 'awaiting' || (party.type === 'requested' && party.pending)
    return pending ? times.pending : times.authentication
  }

  #perform(effect: Effect): void {
    switch (effect.type) {
      case 'send':
        this.#transcript.update(effect.message)
        this.#connections.newest?.send(effect.message)
        return
      case 'peer-pending':
        return
      case 'authenticated':
        this.#parts.onAuthenticated(this)
        return
      case 'configuration-requested':
        void this.#decide(effect)
        return
      case 'configuration-resulted':
        this.#record((key, credentials) => this.#parts.outcomes.resulted(key, credentials, effect.status))
        return
      case 'connection-reported':
        this.#record((key, credentials) => this.#parts.outcomes.connected(key, credentials, effect.status.result))
    }
  }

  async #decide({ session, request, netAccessKey }: Requested): Promise<void> {
    const attempt = this.#attemptNow()
    try {
      if (attempt === undefined) throw new OnboardingError('bootstrapping-key-unknown')
      const answer = await this.#parts.decisions.configure(
        attempt,
        {
          mutual: session.mutual,
          request,
          version: Math.min(session.peerVersion, protocolVersion),
          protocolKey: netAccessKey,
          openCsr: pkcs10 => verifyEnrolleeCsr(pkcs10, { password: passwordOf(session), protocolKey: netAccessKey }),
        },
        this.#admitted,
      )
      const stationOnItsOwn = !this.#relayed && request.netRole === 'sta'
      this.#run(this.#inputOf(answer, stationOnItsOwn))
    } catch (error) {
      // No answer at all: the device tries again, while a refusal would be the last word for it.
      this.#parts.log.error({ err: error, address: this.address }, 'a configuration could not be made')
      this.end()
    }
  }

  #inputOf(answer: EnrolleeAnswer, connectionStatus: boolean): Input {
    switch (answer.type) {
      case 'configured':
        this.#credentials = answer.credentials
        return { type: 'configuration-granted', objects: answer.objects, connectionStatus }
      case 'csr-needed':
        this.#admitted = answer.admitted
        return { type: 'csr-needed', csrAttributes: Buffer.from(challengeOnly) }
      case 'new-key-needed':
        this.#admitted = answer.admitted
        return { type: 'new-key-needed', key: generateDppKey(answer.curve) }
      case 'refused':
        this.#parts.log.info({ code: answer.code, address: this.address, key: this.key?.id }, 'onboarding refused')
        return { type: 'configuration-refused', status: answer.status }
    }
  }

  #attemptNow(): EnrolleeAttempt | undefined {
    const { key, address } = this
    const transcript = this.#transcript.copy().digest('hex')
    const connector = this.#connector
    return key && { key, id: this.#attempt, transcript, address, ...(connector === undefined ? {} : { connector }) }
  }

  #record(write: (key: BootstrappingKeyRecord, credentials: readonly string[]) => Promise<void>): void {
    const { key } = this
    const credentials = this.#credentials
    if (key === undefined || credentials.length === 0) return
    this.#records = this.#records
      .then(() => write(key, credentials))
      .catch((error: unknown) => {
        this.#parts.log.error({ err: error, key: key.id }, 'what became of a configuration could not be recorded')
      })
  }

  #finish(state: Extract<State, { type: 'finished' | 'failed' }>): void {
    this.#ended = true
    this.#connections.close()
    const error = state.type === 'failed' ? errorOf(state, this.key) : undefined
    if (error !== undefined) {
      const { reason, detail } = state as Extract<State, { type: 'failed' }>
      this.#parts.log.info({ code: error.code, reason, detail, address: this.address }, 'onboarding failed')
    }
    // What is known of the end has to be on record before anybody is told that this is over.
    void this.#records.then(() => this.#parts.onEnd(this, error))
  }
}

/** Whoever has a key of the exchange is told, or has said so under it. */
function isUnproven({ state, effects }: Transition): boolean {
  return state.type === 'failed' && effects.length === 0 && !['refused', 'not-compatible'].includes(state.reason)
}

type Requested = Extract<Effect, { type: 'configuration-requested' }>

/** First octet of a GAS Initial Request. */
const gasInitialRequest = 10

function passwordOf({ curve, bk }: AuthenticatedSession) {
  return challengePassword(curve, bk.reveal())
}

/** A device that goes away, or is not there any more when it is asked, is nothing to write down. */
function errorOf(
  { reason, status, detail }: Extract<State, { type: 'failed' }>,
  key: BootstrappingKeyRecord | undefined,
): OnboardingError | undefined {
  if (reason === 'closed' || reason === 'timed-out') return undefined
  const facts = {
    reason,
    ...(key === undefined ? {} : { key: key.id }),
    ...(status === undefined ? {} : { status }),
    ...(detail === undefined ? {} : { detail }),
  }
  const incompatible = reason === 'not-compatible' || status === dppStatus.notCompatible
  return new OnboardingError(incompatible ? 'dpp-not-compatible' : 'dpp-authentication-failed', facts)
}
