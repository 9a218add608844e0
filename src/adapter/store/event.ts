import type { Json, StoredEvent, StreamNoun } from '../../domain/event.ts'
import type { LaneHead, LedgerEntry } from '../../domain/ledger.ts'
import type { FeedCursor } from '../../domain/port.ts'
import type { Row, Session } from './sql.ts'

const columns = 'lane, sequence, stream, version, at, kind, body, previous, hash'

/** Finds the first event of stream $1, with the condition of its index. */
const firstSql = 'from event first where first.stream = $1 and first.version = 1'

export const originSql = `select first.origin ${firstSql}`

/**
 * For an event after the first, of a stream whose origin is not known. Touches no row when the version is taken, or does
 * not follow the stream's last. Answers the origin.
 */
export const appendSql =
  `insert into event(${columns}, origin) select cast($1 as text), cast($2 as bigint), cast($3 as text), ` +
  'cast($4 as bigint), cast($5 as bigint), cast($6 as text), cast($7 as text), cast($8 as text), cast($9 as text), ' +
  'before.origin from event first join event before on before.origin = first.origin and before.stream = first.stream ' +
  'and before.version = cast($4 as bigint) - 1 where first.stream = $3 and first.version = 1 ' +
  'on conflict do nothing returning origin'

/** Events that go with one statement. */
export const mostFollowing = 16

const following = new Map<number, string>()

/**
 * For the first event of a stream, or one that follows an event known to be there, and so many behind it. Touches fewer rows
 * when a version is taken.
 */
export function followSql(events: number): string {
  const known = following.get(events)
  if (known !== undefined) return known
  const row = (n: number) => `(${Array.from({ length: 10 }, (_, column) => `$${10 * n + column + 1}`).join(', ')})`
  const rows = Array.from({ length: events }, (_, n) => row(n)).join(', ')
  const sql = `insert into event(${columns}, origin) values${rows} on conflict do nothing`
  following.set(events, sql)
  return sql
}

const lanesSql =
  'with recursive known(lane) as (select min(lane) from event union all ' +
  'select (select min(e.lane) from event e where e.lane > known.lane) from known where known.lane is not null) ' +
  'select lane from known where lane is not null'

const headsSql =
  `select e.lane, e.sequence, e.hash from (${lanesSql}) l join event e on e.lane = l.lane ` +
  'and e.sequence = (select max(m.sequence) from event m where m.lane = l.lane) order by e.lane'

const headSql = 'select lane, sequence, hash from event where lane = $1 order by sequence desc limit 1'

const laneSql = `select ${columns} from event where lane = $1 and sequence > $2 order by sequence limit $3`

/** As `laneSql`, for streams of so many nouns. */
function laneOfSql(nouns: number): string {
  const ranges = Array.from({ length: nouns }, (_, n) => `stream >= $${2 * n + 4} and stream < $${2 * n + 5}`)
  return `select ${columns} from event where lane = $1 and sequence > $2 and (${ranges.join(' or ')}) order by sequence limit $3`
}

const streamSql =
  `select ${columns} from event where origin = (${originSql}) and stream = $1 and version > $2 ` +
  'order by version limit $3'

const placeSql = 'select hash from event where lane = $1 and sequence = $2'

export function entryOf(row: Row): LedgerEntry {
  return row as unknown as LedgerEntry
}

export function eventOf(row: Row): StoredEvent {
  const entry = entryOf(row)
  return { ...entry, body: JSON.parse(entry.body) as { readonly [member: string]: Json } }
}

/** Heads of all lanes, in order of their names. */
export async function laneHeads(session: Session): Promise<LaneHead[]> {
  return (await session.rows(headsSql)) as unknown as LaneHead[]
}

export async function laneHead(session: Session, lane: string): Promise<LaneHead | undefined> {
  const [row] = await session.rows(headSql, [lane])
  return row as unknown as LaneHead | undefined
}

export async function laneEntries(
  session: Session,
  lane: string,
  after: number,
  limit: number,
): Promise<readonly LedgerEntry[]> {
  return (await session.rows(laneSql, [lane, after, limit])) as unknown as LedgerEntry[]
}

/** Hash of the event in that place. */
export async function hashAt(session: Session, lane: string, sequence: number): Promise<string | undefined> {
  const [row] = await session.rows(placeSql, [lane, sequence])
  return row?.['hash'] as string | undefined
}

export async function streamEvents(
  session: Session,
  stream: string,
  after: number,
  limit: number,
): Promise<StoredEvent[]> {
  return (await session.rows(streamSql, [stream, after, limit])).map(eventOf)
}

/**
 * Events of all lanes after `cursor`, by time over the lanes and by sequence within each.
 * @param nouns of streams; absent: all
 */
export async function feedEvents(
  session: Session,
  cursor: FeedCursor,
  limit: number,
  nouns?: readonly StreamNoun[],
): Promise<{ events: StoredEvent[]; cursor: FeedCursor }> {
  if (nouns !== undefined) return feedOf(session, cursor, limit, nouns)
  const lanes = (await session.rows(lanesSql)).map(row => row['lane'] as string)
  const queues = await Promise.all(lanes.map(lane => laneEntries(session, lane, cursor[lane] ?? 0, limit)))
  return merged(queues, cursor, limit)
}

/** What is not of these nouns is passed over: the cursor stands behind it. */
async function feedOf(session: Session, cursor: FeedCursor, limit: number, nouns: readonly StreamNoun[]) {
  const heads = await laneHeads(session)
  const bounds = nouns.flatMap(noun => [`${noun}/`, `${noun}0`])
  const read = async ({ lane }: LaneHead) =>
    (await session.rows(laneOfSql(nouns.length), [lane, cursor[lane] ?? 0, limit, ...bounds])).map(entryOf)
  const feed = merged(nouns.length === 0 ? [] : await Promise.all(heads.map(read)), cursor, limit)
  if (feed.events.length === limit) return feed
  return { ...feed, cursor: { ...cursor, ...Object.fromEntries(heads.map(({ lane, sequence }) => [lane, sequence])) } }
}

function merged(
  queues: readonly (readonly LedgerEntry[])[],
  cursor: FeedCursor,
  limit: number,
): { events: StoredEvent[]; cursor: FeedCursor } {
  const next: Record<string, number> = { ...cursor }
  const events: StoredEvent[] = []
  const at = queues.map(() => 0)
  while (events.length < limit) {
    let oldest = -1
    for (let n = 0; n < queues.length; n++) {
      const entry = queues[n]![at[n]!]
      if (entry !== undefined && (oldest < 0 || entry.at < queues[oldest]![at[oldest]!]!.at)) oldest = n
    }
    if (oldest < 0) break
    const entry = queues[oldest]![at[oldest]!++]!
    next[entry.lane] = entry.sequence
    events.push({ ...entry, body: JSON.parse(entry.body) as { readonly [member: string]: Json } })
  }
  return { events, cursor: next }
}
