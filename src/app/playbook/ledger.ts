import type { StoredEvent } from '../../domain/event.ts'
import type { Checkpoint, FeedCursor, LedgerVerdict, Store } from '../../domain/port.ts'
import { type DemonstrationResult, type EventReference, hold, reasonOf } from './demonstration.ts'

/** The ledger of one party. */
export interface Ledger {
  readonly name: string
  readonly store: Store
}

/** What an auditor needs to hold a kept ledger against this report. */
export interface LedgerStatement extends LedgerVerdict {
  readonly name: string
  readonly checkpoint: Checkpoint
}

const page = 500

/** Reads what is written to a ledger from now on, or after `from`. */
export async function follow({ name, store }: Ledger, from?: FeedCursor) {
  let cursor: FeedCursor = from ?? {}
  const rest = async (): Promise<StoredEvent[]> => {
    const all: StoredEvent[] = []
    for (;;) {
      const { events, cursor: next } = await store.feed(cursor, page)
      cursor = next
      all.push(...events)
      if (events.length < page) return all
    }
  }
  if (from === undefined) await rest()
  const seen: StoredEvent[] = []
  return {
    /** Events since then that `wanted` accepts; it is a failure when there are none. `fact` says what they show. */
    async find(fact: string, wanted: (event: StoredEvent) => boolean): Promise<EventReference[]> {
      seen.push(...(await rest()))
      const found = seen.filter(wanted)
      hold(found.length > 0, `the ledger of ${name} says: ${fact}`)
      return found.map(event => reference(name, event))
    },
    /** It is a failure when there are any. */
    async lack(fact: string, unwanted: (event: StoredEvent) => boolean): Promise<void> {
      seen.push(...(await rest()))
      hold(!seen.some(unwanted), `the ledger of ${name} does not say: ${fact}`)
    },
  }
}

export type Follower = Awaited<ReturnType<typeof follow>>

export function reference(ledger: string, event: StoredEvent): EventReference {
  const { stream, version, kind, lane, sequence, at, hash } = event
  return { ledger, stream, version, kind, lane, sequence, at, hash }
}

/** Signs where each ledger stands, and verifies it against that. */
export async function stateLedgers(ledgers: readonly Ledger[]): Promise<LedgerStatement[]> {
  const statements: LedgerStatement[] = []
  for (const { name, store } of ledgers) {
    const checkpoint = await store.checkpoint()
    statements.push({ name, checkpoint, ...(await store.verify(checkpoint)) })
  }
  return statements
}

/** Reads every event again that a result points to. A result whose evidence is not there, or not sound, has failed. */
export async function confirmEvidence(
  results: readonly DemonstrationResult[],
  ledgers: readonly Ledger[],
  statements: readonly LedgerStatement[],
): Promise<DemonstrationResult[]> {
  const stores = new Map(ledgers.map(({ name, store }) => [name, store]))
  const sound = new Set(
    statements
      .filter(({ integrity, completeness }) => integrity === 'pass' && completeness === 'pass')
      .map(({ name }) => name),
  )
  const confirmed: DemonstrationResult[] = []
  for (const result of results) {
    if (result.outcome !== 'held') {
      confirmed.push(result)
      continue
    }
    const { capability, name, polarity, title } = result
    try {
      for (const event of result.events) await confirmEvent(event, stores, sound)
      confirmed.push(result)
    } catch (error) {
      confirmed.push({ capability, name, polarity, title, outcome: 'failed', reason: reasonOf(error) })
    }
  }
  return confirmed
}

async function confirmEvent(
  event: EventReference,
  stores: ReadonlyMap<string, Store>,
  sound: ReadonlySet<string>,
): Promise<void> {
  hold(sound.has(event.ledger), `the ledger of ${event.ledger} is whole and unaltered`)
  const [stored] = (await stores.get(event.ledger)?.history(event.stream, event.version - 1, 1)) ?? []
  const same =
    stored?.hash === event.hash &&
    stored.lane === event.lane &&
    stored.sequence === event.sequence &&
    stored.kind === event.kind
  hold(same, `${event.stream} version ${event.version} is the event that was seen`)
}
