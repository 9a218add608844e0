import type { OutboxCondition, StoreCondition } from '../../domain/condition.ts'
import { type LaneHead, verifyCheckpoint, verifyEntry } from '../../domain/ledger.ts'
import { type NumberedCheckpoint, newestCheckpoint } from './checkpoint.ts'
import { hashAt, laneEntries, laneHeads } from './event.ts'
import { schemaVersion } from './migration.ts'
import type { Dialect, Row, Session } from './sql.ts'

/** Strays that are named; more are as bad as these. */
const named = 20
const page = 500
/** So many claims without an end are no accident. */
const manyAttempts = 3

const strayDeviceSql =
  "select id from device where not exists(select 1 from event where stream = 'device/' || device.id and version = 1) order by id limit $1"

const strayCredentialSql =
  'select id from credential where not exists(select 1 from device where device.id = credential.device) order by id limit $1'

const outboxSql =
  'select topic, count(*) as items, sum(case when attempt >= $1 then 1 else 0 end) as tried, ' +
  'max(attempt) as attempts, min(due_at) as oldest from outbox group by topic order by topic'

const spanSql = 'select count(*) as events, min(at) as first, max(at) as last from event'

const postgresSettings = ['fsync', 'synchronous_commit', 'full_page_writes'] as const

/**
 * Looks over a database in one state of it. The ledger is checked from its last checkpoint to its end, which takes no
 * longer as it grows; `verifyLedger` checks all of it.
 * @param keys SubjectPublicKeyInfo, DER, of the keys whose checkpoints count
 */
export async function readCondition(
  session: Session,
  dialect: Dialect,
  keys: readonly Uint8Array[],
): Promise<StoreCondition> {
  const [version] = await session.rows('select version from schema_version')
  const [span] = await session.rows(spanSql)
  const last = await newestCheckpoint(session)
  const events = Number(span?.['events'])
  return {
    kind: dialect,
    schemaVersion: Number(version?.['version']),
    knownSchemaVersion: schemaVersion(),
    settings: await (dialect === 'sqlite' ? sqliteSettings(session) : serverSettings(session)),
    bytes: await databaseBytes(session, dialect),
    events,
    ...(events === 0 ? {} : { firstEventAt: Number(span!['first']), lastEventAt: Number(span!['last']) }),
    ...(last === undefined ? {} : { lastCheckpoint: { number: last.number, at: last.checkpoint.at } }),
    end: await checkEnd(session, keys, last),
    outbox: (await session.rows(outboxSql, [manyAttempts])).map(outboxOf),
    strays: { devices: await ids(session, strayDeviceSql), credentials: await ids(session, strayCredentialSql) },
  }
}

function outboxOf(row: Row): OutboxCondition {
  const number = (name: string) => Number(row[name])
  const [items, tried, attempts, oldestDue] = [number('items'), number('tried'), number('attempts'), number('oldest')]
  return { topic: row['topic'] as string, items, tried, attempts, oldestDue }
}

async function ids(session: Session, sql: string): Promise<string[]> {
  return (await session.rows(sql, [named])).map(row => row['id'] as string)
}

/** `synchronous` belongs to a connection, and every one that writes sets it; the journal belongs to the file. */
async function sqliteSettings(session: Session): Promise<Record<string, string>> {
  const [row] = await session.rows('pragma journal_mode')
  return { journal_mode: String(row?.['journal_mode']) }
}

async function serverSettings(session: Session): Promise<Record<string, string>> {
  const found: Record<string, string> = {}
  for (const name of postgresSettings) {
    const [row] = await session.rows('select current_setting($1) as value', [name])
    found[name] = String(row?.['value'])
  }
  return found
}

async function databaseBytes(session: Session, dialect: Dialect): Promise<number> {
  if (dialect === 'postgres') {
    const [row] = await session.rows('select pg_database_size(current_database()) as bytes')
    return Number(row?.['bytes'])
  }
  const [pages] = await session.rows('pragma page_count')
  const [size] = await session.rows('pragma page_size')
  return Number(pages?.['page_count']) * Number(size?.['page_size'])
}

/** Events without any checkpoint are read from the first on: there are few, or somebody took the checkpoints away. */
async function checkEnd(
  session: Session,
  keys: readonly Uint8Array[],
  last: NumberedCheckpoint | undefined,
): Promise<StoreCondition['end']> {
  let events = 0
  try {
    if (last !== undefined) verifyCheckpoint(last.checkpoint, keys)
    for (const { lane } of await laneHeads(session)) {
      const from = last?.checkpoint.lanes.find(head => head.lane === lane)
      if (from !== undefined && (await hashAt(session, lane, from.sequence)) !== from.hash) {
        return { sound: false, events, reason: `lane ${lane} is not what the last checkpoint says at ${from.sequence}` }
      }
      events += await checkBehind(session, from ?? { lane, sequence: 0, hash: '' })
    }
    const gone = await missingLane(session, last)
    return gone === undefined ? { sound: true, events } : { sound: false, events, reason: gone }
  } catch (error) {
    const { detail } = error as { readonly detail?: Readonly<Record<string, unknown>> }
    if (detail === undefined) throw error
    return { sound: false, events, reason: Object.values(detail).join(' ') }
  }
}

async function checkBehind(session: Session, from: LaneHead): Promise<number> {
  let head = from
  for (let events = 0; ; ) {
    const entries = await laneEntries(session, head.lane, head.sequence, page)
    for (const entry of entries) head = verifyEntry(head, entry)
    events += entries.length
    if (entries.length < page) return events
  }
}

async function missingLane(session: Session, last: NumberedCheckpoint | undefined): Promise<string | undefined> {
  const heads = await laneHeads(session)
  const gone = last?.checkpoint.lanes.find(each => !heads.some(({ lane }) => lane === each.lane))
  return gone === undefined ? undefined : `lane ${gone.lane} is missing, which the last checkpoint counts`
}
