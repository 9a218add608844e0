import { type Authority, type RoleName, roleWith } from '../../domain/authority.ts'
import {
  type ConfirmationRequest,
  confirmationHash,
  confirmationInput,
  type Safeguard,
} from '../../domain/confirmation.ts'
import { OnboardingError } from '../../domain/error.ts'
import { streamName } from '../../domain/event.ts'
import type { Clock, Random, Store, Tables, Tx } from '../../domain/port.ts'
import { type Caller, callerText } from '../../domain/site.ts'
import { partiesNow, peopleBehind, standingOf } from './independence.ts'

/** Four eyes: while they are on, what is marked so needs a second person. */
export interface Confirmation {
  safeguard(): Promise<Safeguard | undefined>
  /**
   * Throws OnboardingError `confirmation-impossible` when there are no two parties of which one could ask and the other confirm.
   * @param authority of which both need one to switch it off again
   */
  set(on: boolean, by: string, authority: readonly Authority[]): Promise<Safeguard>
  /**
   * The request that now waits for a second person; undefined when four eyes are off. The same input by the same party is the
   * same request. Throws OnboardingError `too-many-requests`.
   */
  ask(question: Question): Promise<ConfirmationRequest | undefined>
  /** The request of somebody who may not do it himself, to whoever may. Throws OnboardingError `too-many-requests`. */
  wish(question: Question): Promise<ConfirmationRequest>
  /**
   * Counts the word of a second person; what was asked for is to be done next, and its end told by `finish`. Throws
   * OnboardingError `not-found`, `request-decided`, `request-expired`, `request-void`, `confirmation-not-independent`,
   * `not-permitted`.
   * @param authority what the request needs: of its input both people need one
   */
  confirm(id: string, caller: Caller, authority: AuthorityOf): Promise<ConfirmationRequest>
  /** A second person says no; or who asked takes it back. Throws as `confirm` does. */
  decline(id: string, caller: Caller, authority: AuthorityOf): Promise<ConfirmationRequest>
  finish(id: string, failure?: string): Promise<ConfirmationRequest>
  /** It could not be done for a fault of ours: it waits again, for the word of a second person. */
  release(id: string): Promise<ConfirmationRequest>
}

export interface Question {
  readonly operation: string
  readonly input: unknown
  readonly caller: Caller
  readonly role: RoleName
  readonly wish?: true
}

export type AuthorityOf = (request: ConfirmationRequest) => readonly Authority[]

/** As long as it takes to do what was confirmed. When its process has died meanwhile, the word may be given again. */
const lease = 5 * 60_000
const lifetime = 24 * 3_600_000
/** That wait for one party. */
const maxPending = 100
const switchName = 'four-eyes'

export function createConfirmation(options: {
  readonly store: Store
  readonly clock: Clock
  readonly random: Random
}): Confirmation {
  const { store, clock } = options
  return {
    safeguard: () => store.read(tables => tables.safeguard.get(switchName)),
    set: (on, by, authority) => store.transaction(tx => setSafeguard(tx, { on, by, authority, at: clock() })),
    async ask(question) {
      if ((await store.read(tables => tables.safeguard.get(switchName)))?.on !== true) return undefined
      const id = Buffer.from(options.random(9)).toString('hex')
      return store.transaction(tx => recordRequest(tx, id, question, clock()))
    },
    wish(question) {
      const id = Buffer.from(options.random(9)).toString('hex')
      return store.transaction(tx => recordRequest(tx, id, { ...question, wish: true }, clock()))
    },
    confirm: (id, caller, authority) =>
      store.transaction(async tx => {
        const at = clock()
        const request = await undecided(tx, id, at)
        await requireAuthority(tx, { request, caller, needed: authority(request), at })
        // Whose authority suffices alone decides alone; under four eyes nothing can be wished for.
        if (request.wish !== true) await requireIndependent(tx, request, caller, at)
        requireFree(request, at)
        return decide(tx, request, caller, at, 'confirmed')
      }),
    decline: (id, caller, authority) =>
      store.transaction(async tx => {
        const at = clock()
        const request = await undecided(tx, id, at)
        if (request.status === 'confirmed') throw new OnboardingError('request-decided', { status: request.status })
        if (request.party !== caller.party) requireOwn(caller, authority(request))
        return decide(tx, request, caller, at, 'declined')
      }),
    finish: (id, failure) =>
      store.transaction(async tx => {
        const request = await known(tx, id)
        const status = failure === undefined ? 'done' : 'failed'
        if (request.status !== 'confirmed') return request
        const outcome = failure === undefined ? {} : { outcome: failure }
        return change(tx, { ...request, status, ...outcome }, 'confirmation-finished', { status, ...outcome })
      }),
    release: id =>
      store.transaction(async tx => {
        const request = await known(tx, id)
        if (request.status !== 'confirmed') return request
        return change(tx, { ...request, status: 'pending' }, 'confirmation-released', { status: 'pending' })
      }),
  }
}

/** Of two who confirm at once, in whatever processes, one does it. */
function requireFree({ status, decidedAt = 0 }: ConfirmationRequest, at: number): void {
  if (status === 'confirmed' && at < decidedAt + lease) throw new OnboardingError('request-decided', { status })
}

async function setSafeguard(
  tx: Tx,
  {
    on,
    by,
    authority,
    at,
  }: { readonly on: boolean; readonly by: string; readonly authority: readonly Authority[]; readonly at: number },
): Promise<Safeguard> {
  const before = await tx.safeguard.get(switchName)
  const version = before?.version ?? 0
  if (before?.on === on) return before
  if (on) {
    const parties = await partiesNow(tx, at, roles => roleWith(roles, authority) !== undefined)
    if (parties.size < 2) throw new OnboardingError('confirmation-impossible', { parties: [...parties].join(', ') })
  }
  const next: Safeguard = { name: switchName, on, since: at, by, version: version + 1 }
  await tx.safeguard.put(next)
  const body = { on, since: at, by }
  await tx.append(streamName('safeguard', switchName), version, [{ kind: 'safeguard-set', body }])
  return next
}

async function recordRequest(
  tx: Tx,
  id: string,
  { operation, input, caller, role, wish }: Question,
  at: number,
): Promise<ConfirmationRequest> {
  const text = confirmationInput(input)
  const inputHash = confirmationHash(operation, text)
  let waiting = 0
  for (const request of await tx.confirmation.find({ party: caller.party, status: 'pending' }, { limit: 1000 })) {
    if (request.expiresAt <= at) await change(tx, { ...request, status: 'expired' }, 'confirmation-expired', {})
    else if (request.inputHash === inputHash && request.wish === wish) return request
    else waiting++
  }
  if (waiting >= maxPending) throw new OnboardingError('too-many-requests', { party: caller.party, limit: maxPending })
  const { id: askedBy, party } = caller
  const terms = { operation, inputHash, askedBy, askedAs: callerText(caller), party, role, expiresAt: at + lifetime }
  const kind = wish === true ? { wish } : {}
  const request: ConfirmationRequest = {
    id,
    ...terms,
    ...kind,
    input: text,
    askedAt: at,
    status: 'pending',
    version: 1,
  }
  await tx.confirmation.insert(request)
  await tx.append(streamName('confirmation', id), 0, [{ kind: 'confirmation-requested', body: { ...terms, ...kind } }])
  return request
}

async function known(tables: Tables, id: string): Promise<ConfirmationRequest> {
  const request = await tables.confirmation.get(id)
  if (request === undefined) throw new OnboardingError('not-found', { request: id })
  return request
}

/** Also one that was confirmed and, for a crash, not done. */
async function undecided(tables: Tables, id: string, at: number): Promise<ConfirmationRequest> {
  const request = await known(tables, id)
  const { status, expiresAt, operation, input, inputHash } = request
  if (status === 'expired' || (status === 'pending' && expiresAt <= at)) throw new OnboardingError('request-expired')
  if (status !== 'pending' && status !== 'confirmed') throw new OnboardingError('request-decided', { status })
  // Somebody changed the row: what is there is not what was asked for.
  if (confirmationHash(operation, input) !== inputHash) throw new OnboardingError('request-void', { rule: 'altered' })
  return request
}

/** Of the second person, and still of the first: who was thrown out meanwhile asks for nothing any more. */
async function requireAuthority(
  tables: Tables,
  {
    request,
    caller,
    needed,
    at,
  }: {
    readonly request: ConfirmationRequest
    readonly caller: Caller
    readonly needed: readonly Authority[]
    readonly at: number
  },
): Promise<void> {
  requireOwn(caller, needed)
  const first = await standingOf(tables, request.askedBy, at)
  const could = first !== undefined && (request.wish === true || roleWith(first.roles, needed) !== undefined)
  if (!could || first.ended) {
    throw new OnboardingError('request-void', { rule: 'access-ended', by: request.askedAs })
  }
}

function requireOwn({ roles }: Caller, needed: readonly Authority[]): void {
  if (roleWith(roles, needed) !== undefined) return
  throw new OnboardingError('not-permitted', { role: roles.join(', '), needed: needed.join(' or ') })
}

async function requireIndependent(
  tables: Tables,
  request: ConfirmationRequest,
  caller: Caller,
  at: number,
): Promise<void> {
  const since = (await tables.safeguard.get(switchName))?.since ?? 0
  const first = await peopleBehind(tables, request.askedBy, { since, at })
  const second = await peopleBehind(tables, caller.id, { since, at })
  const known = first !== undefined && second !== undefined
  if (known && !second.has(request.party) && ![...second].some(party => first.has(party))) return
  throw new OnboardingError('confirmation-not-independent', { party: request.party, by: caller.party })
}

function decide(
  tx: Tx,
  request: ConfirmationRequest,
  caller: Caller,
  at: number,
  status: 'confirmed' | 'declined',
): Promise<ConfirmationRequest> {
  const decided = { status, decidedAs: callerText(caller), decidedParty: caller.party }
  return change(tx, { ...request, ...decided, decidedAt: at }, `confirmation-${status}`, decided)
}

async function change(
  tx: Tx,
  request: ConfirmationRequest,
  kind: string,
  body: Parameters<Tx['append']>[2][number]['body'],
): Promise<ConfirmationRequest> {
  const next = { ...request, version: request.version + 1 }
  await tx.confirmation.put(next)
  await tx.append(streamName('confirmation', request.id), request.version, [{ kind, body }])
  return next
}
