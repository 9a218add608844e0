import { roleWith } from '../../../domain/authority.ts'
import type { ConfirmationRequest } from '../../../domain/confirmation.ts'
import { errorCatalogue, isErrorCode, OnboardingError } from '../../../domain/error.ts'
import type { RequestView } from '../contract/confirmation.ts'
import type { Operation } from '../contract/operation.ts'
import { api, type OperationName } from '../contract.ts'
import { knownFailure } from '../failure.ts'
import { confirmingAuthority } from '../four-eyes.ts'
import { nestedInput } from '../input.ts'
import type { ApiServices, Call, Handlers } from '../service.ts'
import { instant, instants, pageView } from '../view.ts'

type Names = 'requestList' | 'requestMake' | 'requestConfirm' | 'requestDecline' | 'fourEyesShow' | 'fourEyesSet'

/** @param run does what a request asks for, without asking a third person */
export function confirmationHandlers(
  { store, clock, confirmation }: ApiServices,
  run: (request: ConfirmationRequest, confirmedBy: Call) => Promise<unknown>,
): Pick<Handlers, Names> {
  return {
    async requestList({ query: { after = '', limit, status } }, { caller }) {
      const filter = status === undefined ? {} : { status }
      const found = await store.read(tables => tables.confirmation.find(filter, { after, limit }))
      const page = pageView(found, { view: request => request, key: ({ id }) => id, limit })
      const roles = caller?.roles ?? []
      const all = roleWith(roles, ['view.access']) !== undefined
      const items = page.items.filter(
        request =>
          all || request.party === caller?.party || roleWith(roles, confirmingAuthority(request)) !== undefined,
      )
      return { ...page, items: items.map(request => requestView(request, clock())) }
    },
    async requestMake({ body: { operation, input } }, call) {
      const caller = callerOf(call)
      const known = askableOperation(operation)
      const role = roleWith(caller.roles, known.askable ?? [])
      if (role === undefined) {
        throw new OnboardingError('not-permitted', {
          role: caller.roles.join(', '),
          needed: known.askable?.join(' or ') ?? '',
        })
      }
      const checked = nestedInput(known, input)
      return requestView(await confirmation.wish({ operation, input: checked, caller, role }), clock())
    },
    async requestConfirm({ params: { id } }, call) {
      const request = await confirmation.confirm(id, callerOf(call), confirmingAuthority)
      const reply = await done(request, call)
      return { ...requestView(await confirmation.finish(id), clock()), ...(isObject(reply) ? { reply } : {}) }
    },
    requestDecline: async ({ params: { id } }, call) =>
      requestView(await confirmation.decline(id, callerOf(call), confirmingAuthority), clock()),
    async fourEyesShow() {
      const known = await confirmation.safeguard()
      return known === undefined ? { on: false } : { on: known.on, since: instant(known.since), by: known.by }
    },
    async fourEyesSet({ body: { on } }, { by }) {
      const { since, ...set } = await confirmation.set(on, by, api.fourEyesSet.authority)
      return { on: set.on, since: instant(since), by: set.by }
    },
  }

  /** What cannot be done is told to who confirmed; what failed on our side can be confirmed again. */
  async function done(request: ConfirmationRequest, call: Call): Promise<unknown> {
    try {
      return await run(request, call)
    } catch (error) {
      const code = knownFailure(error)?.code ?? 'internal'
      // What comes of the record being away is told as it is; the lease of the word runs out by itself then.
      if (errorCatalogue[code].status < 500) await confirmation.finish(request.id, code)
      else await confirmation.release(request.id).catch(() => {})
      throw error
    }
  }
}

/** The contract lets nobody in here who does not say who he is. */
function callerOf({ caller }: Call) {
  if (caller === undefined) throw new OnboardingError('not-authenticated')
  return caller
}

/** Throws OnboardingError `input-invalid` for what cannot be asked for, as what needs two people to begin with. */
function askableOperation(name: string): Operation {
  const known: Operation | undefined = Object.hasOwn(api, name) ? api[name as OperationName] : undefined
  if (known?.askable === undefined || known.fourEyes !== undefined) {
    const askable = Object.entries<Operation>(api).filter(([, each]) => each.askable !== undefined)
    throw new OnboardingError('input-invalid', { field: 'operation', rule: askable.map(([each]) => each).join(', ') })
  }
  return known
}

function requestView(request: ConfirmationRequest, at: number): RequestView {
  const { id, operation, input, inputHash, askedAs, party, role, askedAt, expiresAt, status, wish = false } = request
  const { decidedAs, decidedAt, outcome } = request
  return {
    ...{ id, operation, input: JSON.parse(input), inputHash, askedBy: askedAs, party, role, wish },
    askedAt: instant(askedAt),
    expiresAt: instant(expiresAt),
    status: status === 'pending' && expiresAt <= at ? 'expired' : status,
    ...(decidedAs === undefined ? {} : { decidedBy: decidedAs }),
    ...instants({ decidedAt }),
    ...(outcome !== undefined && isErrorCode(outcome) ? { outcome } : {}),
  }
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
