import { hash } from 'node:crypto'
import { encodeCanonicalJson } from '../../codec/json.ts'
import type { Authority, RoleName } from '../../domain/authority.ts'
import { streamName } from '../../domain/event.ts'
import type { Clock, Log, Store } from '../../domain/port.ts'
import { type Caller, callerText } from '../../domain/site.ts'

/** What somebody did or tried to do. */
export interface Action {
  /** Of the request. */
  readonly id: string
  readonly operation: string
  /** Absent for one who is not known. */
  readonly caller?: Caller | undefined
  /** Host, of one who is not known. */
  readonly from?: string
  /** By which the operation is open to the caller; absent when none of them is. */
  readonly role?: RoleName | undefined
  readonly input?: unknown
  /** `done`, or the code of the failure. */
  readonly outcome: string
}

/** Failures and refusals of one caller, or of all unknown ones together, that are recorded at once, and then in a minute. */
const burst = 30
const perMinute = 6
const maxKnown = 1000

/** Looking is no action; what an auditor looks at is recorded elsewhere (reading.ts). */
export function isAction({ authority }: { readonly authority: readonly Authority[] }): boolean {
  return authority.some(name => !name.startsWith('view.'))
}

/**
 * Who did what, as which role, and how it ended: an event of its own for each action, beside those that the action itself leaves.
 * All that was done is there; of what failed or was refused so much that a flood does not fill the ledger, with the count of what
 * was left out. What was done stays done when it cannot be recorded here; the log then says so.
 */
export function createActionRecord({ store, clock, log }: { store: Store; clock: Clock; log: Log }) {
  const failures = new Map<string, { left: number; at: number; unrecorded: number }>()

  /** How many were left out before; undefined when this one is, too. */
  function roomFor(who: string): number | undefined {
    const at = clock()
    const seen = failures.get(who) ?? { left: burst, at, unrecorded: 0 }
    const left = Math.min(burst, seen.left + (Math.max(0, at - seen.at) * perMinute) / 60_000)
    failures.delete(who)
    if (failures.size >= maxKnown) failures.delete(failures.keys().next().value!)
    const room = left >= 1
    failures.set(who, { left: room ? left - 1 : left, at, unrecorded: room ? 0 : seen.unrecorded + 1 })
    return room ? seen.unrecorded : undefined
  }

  return async (action: Action): Promise<void> => {
    const { id, operation, caller, from, role, input, outcome } = action
    const unrecorded = outcome === 'done' ? 0 : roomFor(caller?.id ?? '')
    if (unrecorded === undefined) return
    const who = caller === undefined ? {} : { by: callerText(caller), party: caller.party }
    const body = {
      ...{ operation, outcome, ...who },
      ...(role === undefined ? {} : { role }),
      ...(from === undefined ? {} : { from }),
      ...(input === undefined ? {} : inputFacts(input)),
      ...(unrecorded === 0 ? {} : { unrecorded }),
    }
    try {
      await store.transaction(tx => tx.append(streamName('action', id), 0, [{ kind: 'action-taken', body }]))
    } catch (error) {
      log.error({ id, operation, outcome, error: String(error) }, 'action could not be recorded')
    }
  }
}

/** What the path names, and a hash of all that was sent: a body may hold what does not belong into a ledger. */
function inputFacts(input: unknown): { target?: string; input?: string } {
  const { params } = input as { readonly params?: Readonly<Record<string, string>> }
  const target = Object.values(params ?? {}).join(' ')
  const text = encodeCanonicalJson(JSON.parse(JSON.stringify(input)))
  return { ...(target === '' ? {} : { target }), input: hash('sha256', text) }
}
