import { rolesWith, roleWith } from '../../domain/authority.ts'
import type { ConfirmationRequest } from '../../domain/confirmation.ts'
import { OnboardingError } from '../../domain/error.ts'
import { type Caller, callerText } from '../../domain/site.ts'
import { standingOf } from '../../role/authorization/independence.ts'
import { defined } from '../defined.ts'
import { createActionRecord, isAction } from './action.ts'
import { createAuthentication, createIdentify, networkOf } from './authentication.ts'
import type { Operation } from './contract/operation.ts'
import { api, type OperationName } from './contract.ts'
import { knownFailure } from './failure.ts'
import { fourEyesAuthority } from './four-eyes.ts'
import { confirmationHandlers } from './handler/confirmation.ts'
import { readInput } from './input.ts'
import { createReadingRecord } from './reading.ts'
import type { ApiServices, Call, Handlers } from './service.ts'

/** A request for one operation. */
export interface Visit {
  readonly id: string
  readonly address: string
  /** What the other end sent in TLS, leaf first, DER. */
  certificates(): readonly Uint8Array[]
  readonly request: Request
  readonly params: Readonly<Record<string, string>>
}

/** One that may go on. */
export interface Admitted {
  readonly caller: Caller | undefined
  readonly input: Record<string, unknown>
}

type Own = ReturnType<typeof confirmationHandlers>

/** The way of every call: who it is, whether he may, whether a second person must; then it is done, and recorded. */
export class Dispatch {
  readonly #services: ApiServices
  readonly #handlers: Handlers
  readonly #authenticate: ReturnType<typeof createAuthentication>
  readonly #identify: ReturnType<typeof createIdentify>
  readonly #recordReading: ReturnType<typeof createReadingRecord>
  readonly #recordAction: ReturnType<typeof createActionRecord>

  constructor(services: ApiServices, failuresPerMinute: number, handlers: Omit<Handlers, keyof Own>) {
    this.#services = services
    this.#handlers = {
      ...handlers,
      ...confirmationHandlers(services, (request, call) => this.#confirmed(request, call)),
    } as Handlers
    this.#authenticate = createAuthentication({ ...services, failuresPerMinute })
    this.#identify = createIdentify(services)
    this.#recordReading = createReadingRecord(services)
    this.#recordAction = createActionRecord(services)
  }

  /** Throws OnboardingError, or CodecError for a body that is no JSON. */
  async admit(name: OperationName, visit: Visit): Promise<Admitted> {
    const operation: Operation = api[name]
    const caller = operation.authority.length === 0 ? undefined : await this.#callerOf(name, visit)
    try {
      const input = await readInput(operation, visit.request, visit.params)
      if (caller !== undefined) await this.#recordReading(caller, name)
      return { caller, input }
    } catch (error) {
      if (caller !== undefined) await this.#ended(name, visit.id, { caller }, codeOf(error))
      throw error
    }
  }

  /** For another language for the same operations, which reads its input itself: who calls, when he may. */
  async permit(name: OperationName, visit: Visit): Promise<Caller> {
    const caller = await this.#callerOf(name, visit)
    await this.#recordReading(caller, name)
    return caller
  }

  /** Throws what the operation throws, and OnboardingError `confirmation-needed`. */
  async perform(name: OperationName, id: string, admitted: Admitted): Promise<unknown> {
    try {
      await this.#requireSecond(name, admitted)
      const reply = await this.#handle(name, admitted.input, callOf(id, admitted.caller))
      await this.#ended(name, id, admitted, 'done')
      return reply
    } catch (error) {
      await this.#ended(name, id, admitted, codeOf(error))
      throw error
    }
  }

  /** Of a connection that stays: whether who opened it may still. */
  async stillPermitted(name: OperationName, visit: Pick<Visit, 'request' | 'certificates'>): Promise<boolean> {
    try {
      const { roles } = await this.#identify(credentialOf(visit))
      return roleWith(roles, api[name].authority) !== undefined
    } catch (error) {
      if (error instanceof OnboardingError && error.entry.status < 500) return false
      throw error
    }
  }

  async #callerOf(name: OperationName, visit: Visit): Promise<Caller> {
    const { authority }: Operation = api[name]
    const { id, address } = visit
    const credential = credentialOf(visit)
    let caller: Caller
    try {
      caller = await this.#authenticate({ ...credential, address })
    } catch (error) {
      // Without any credential nothing was tried.
      const tried = credential.authorization !== null || credential.certificates.length > 0
      const refusal = { id, operation: name, from: networkOf(address), outcome: codeOf(error) }
      if (tried && error instanceof OnboardingError) await this.#recordAction(refusal)
      throw error
    }
    if (roleWith(caller.roles, authority) !== undefined) return caller
    await this.#recordAction({ id, operation: name, caller, outcome: 'not-permitted' })
    throw notPermitted(caller, api[name])
  }

  async #requireSecond(name: OperationName, { caller, input }: Admitted): Promise<void> {
    const needed = fourEyesAuthority(api[name], input)
    if (needed === undefined || caller === undefined) return
    const role = roleWith(caller.roles, needed)
    // The operation itself says what is missing.
    if (role === undefined) return
    const request = await this.#services.confirmation.ask({ operation: name, input, caller, role })
    if (request === undefined) return
    const until = new Date(request.expiresAt).toISOString()
    throw new OnboardingError('confirmation-needed', { request: request.id, operation: name, until })
  }

  /** What was asked for, by who asked for it, with the word of who confirmed it. */
  async #confirmed(request: ConfirmationRequest, confirming: Call): Promise<unknown> {
    const { id, by } = confirming
    const name = request.operation as OperationName
    const input = JSON.parse(request.input) as Record<string, unknown>
    if (request.wish === true) {
      return this.#handle(name, input, { ...confirming, by: `${by}, asked by ${request.askedAs}` })
    }
    const { store, clock } = this.#services
    const standing = await store.read(tables => standingOf(tables, request.askedBy, clock()))
    const { askedBy, askedAs, party } = request
    const caller: Caller = { id: askedBy, name: askedAs, party, roles: standing?.roles ?? [] }
    return this.#handle(name, input, { id, by: `${askedAs}, confirmed by ${by}`, caller })
  }

  #handle(name: OperationName, input: Record<string, unknown>, call: Call): Promise<unknown> {
    // The input was validated against the schemas that its type comes from.
    const handle = this.#handlers[name] as (input: unknown, call: Call) => Promise<unknown>
    return handle(input, call)
  }

  async #ended(name: OperationName, id: string, { caller, input }: Partial<Admitted>, outcome: string): Promise<void> {
    const operation: Operation = api[name]
    if (caller === undefined || !isAction(operation)) return
    const role = roleWith(caller.roles, fourEyesAuthority(operation, input ?? {}) ?? operation.authority)
    await this.#recordAction({ id, operation: name, caller, role, outcome, input })
  }
}

function callOf(id: string, caller: Caller | undefined): Call {
  return { id, by: caller === undefined ? '' : callerText(caller), ...defined({ caller }) }
}

function credentialOf({ request, certificates }: Pick<Visit, 'request' | 'certificates'>) {
  return { authorization: request.headers.get('authorization'), certificates: certificates() }
}

function notPermitted({ roles }: Caller, { authority }: Operation): OnboardingError {
  return new OnboardingError('not-permitted', {
    role: roles.join(', '),
    needed: authority.join(' or '),
    roles: rolesWith(authority).join(', '),
  })
}

function codeOf(error: unknown): string {
  return knownFailure(error)?.code ?? 'internal'
}
