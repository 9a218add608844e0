import type { LifecycleMoved, StatedFacts } from '../../domain/device-life.ts'
import type { StoredEvent } from '../../domain/event.ts'
import { streamName } from '../../domain/event.ts'
import type { LifecycleState, TransitionId } from '../../domain/lifecycle.ts'
import { lifecycleTransitions } from '../../domain/lifecycle-table.ts'
import type { Store } from '../../domain/port.ts'

/** One stay in a state of life. */
export interface TimelineEntry {
  readonly state: LifecycleState
  /** Milliseconds since 1970. */
  readonly since: number
  /** Absent for the state that the device is in, and for the last of a page. */
  readonly until?: number
  /** How it came there; absent for the state in which its record begins. */
  readonly transition?: TransitionId
  readonly event?: string
  readonly from?: LifecycleState
  readonly actor?: string
  /** Who asked for the step; absent: the site took it. */
  readonly by?: string
  readonly proven: StatedFacts
  readonly said: StatedFacts
  readonly reason?: string
  /** Where it stands in the record: version in the device's stream, and hash of the event. */
  readonly version: number
  readonly hash: string
}

export interface TimelinePage {
  readonly entries: readonly TimelineEntry[]
  /** Version to go on after, when there may be more. */
  readonly next?: number
}

/** Where a life stands in the ledger. */
export interface LifeSource {
  /** Stream of the ledger. */
  readonly stream: string
  /** Kind of the events that are steps. */
  readonly moved: string
  /** The state in which the record begins, by its first event. */
  readonly first: (event: StoredEvent) => Pick<TimelineEntry, 'state'> & Partial<TimelineEntry>
}

export function deviceLife(device: string): LifeSource {
  const first = ({ body }: StoredEvent) => ({ state: (body['lifecycle'] ?? 'SC.SHL') as LifecycleState })
  return { stream: streamName('device', device), moved: 'lifecycle-moved', first }
}

/** States of a life in the order in which it went through them. */
export async function readTimeline(
  store: Store,
  source: LifeSource,
  { after, limit }: { readonly after: number; readonly limit: number },
): Promise<TimelinePage> {
  const entries: TimelineEntry[] = []
  for (let from = after; ; ) {
    const events = await store.history(source.stream, from, 1000)
    for (const event of events) {
      const entry = entryOf(event, source)
      if (entry === undefined) continue
      if (entries.length === limit) return { entries: closed(entries, entry.since), next: event.version - 1 }
      entries.push(entry)
    }
    const last = events.at(-1)
    if (last === undefined || events.length < 1000) return { entries: closed(entries) }
    from = last.version
  }
}

function entryOf(event: StoredEvent, { moved, first }: LifeSource): TimelineEntry | undefined {
  const place = { version: event.version, hash: event.hash }
  if (event.version === 1) return { since: event.at, proven: {}, said: {}, ...first(event), ...place }
  if (event.kind !== moved) return undefined
  const { transition, from, to, at, proven = {}, said = {}, ...rest } = event.body as unknown as LifecycleMoved['body']
  const name = lifecycleTransitions.find(({ id }) => id === transition)?.event
  return {
    state: to,
    since: at ?? event.at,
    transition,
    ...(name === undefined ? {} : { event: name }),
    from,
    ...{ proven, said },
    ...rest,
    ...place,
  }
}

function closed(entries: readonly TimelineEntry[], end?: number): TimelineEntry[] {
  return entries.map((entry, n) => {
    const until = entries[n + 1]?.since ?? end
    return until === undefined ? entry : { ...entry, until }
  })
}
