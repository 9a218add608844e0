import { randomBytes } from 'node:crypto'
import { encodeCanonicalJson } from '../../codec/json.ts'
import type { Recent } from '../../crypto/recent.ts'
import { OnboardingError } from '../../domain/error.ts'
import type { Json, NewEvent, StoredEvent } from '../../domain/event.ts'
import { entryHash, type LaneHead } from '../../domain/ledger.ts'
import type { Clock, Tx } from '../../domain/port.ts'
import { appendSql, followSql } from './event.ts'
import { KnownRows } from './known-row.ts'
import { columnText } from './schema.ts'
import { type Row, type Session, SqlError, type SqlValue, type WriteSession } from './sql.ts'
import { type Gate, gatedTables } from './table.ts'

const enqueueSql = 'insert into outbox(id, topic, body, due_at, attempt, leased_until) values($1, $2, $3, $4, 0, 0)'

/** Of streams, the last version that this process has committed. What is not in it is asked of the database. */
export type StreamVersions = Pick<Recent<number>, 'get'>

export interface UnitSurroundings {
  readonly clock: Clock
  readonly versions: StreamVersions
  /** Rows as the units before it left them. */
  readonly known: KnownRows
}

/**
 * One run of a unit of work inside a batch. Writes are sent without waiting for their answers; `finish` collects them.
 * A failed statement fails the unit for good, even if the work catches the error: on PostgreSQL nothing after it counts,
 * and both databases shall behave alike.
 */
export class Unit implements Gate, Session {
  readonly tx: Tx
  readonly known: KnownRows | undefined
  readonly events: StoredEvent[] = []
  /** Head of the lane after this unit's events. */
  head: LaneHead
  failure: Error | undefined
  /** Whether anything may have to be undone. */
  wrote = false
  /** Statements that are not answered yet. */
  waiting = 0
  #ended = false
  readonly #sent: Promise<void>[] = []
  readonly #session: WriteSession
  readonly #clock: Clock
  readonly #versions: StreamVersions

  constructor(session: WriteSession, head: LaneHead, { clock, versions, known }: UnitSurroundings) {
    this.#session = session
    this.known = session.exclusive ? new KnownRows(known) : undefined
    this.#clock = clock
    this.#versions = versions
    this.head = head
    this.tx = {
      ...gatedTables(this),
      append: (stream, expectedVersion, events) => this.#append(stream, expectedVersion, events),
      enqueue: (topic, body, dueAt) => this.#enqueue(topic, body, dueAt),
    }
  }

  async rows(sql: string, args: readonly SqlValue[] = []): Promise<readonly Row[]> {
    this.#check()
    if (this.#session.select !== undefined) return this.#select(sql, args)
    this.waiting++
    try {
      return await this.#session.rows(sql, args)
    } catch (error) {
      throw this.#fail(error)
    } finally {
      this.waiting--
    }
  }

  async run(sql: string, args: readonly SqlValue[] = []): Promise<number> {
    this.#check()
    this.wrote = true
    this.waiting++
    try {
      return await this.#session.run(sql, args)
    } catch (error) {
      throw this.#fail(error)
    } finally {
      this.waiting--
    }
  }

  async post(sql: string, args: readonly SqlValue[], untouched?: () => Error): Promise<void> {
    this.#check()
    this.#send(sql, args, untouched)
  }

  exists(table: string, constraint: string): Error {
    return new OnboardingError('store-exists', { table, constraint })
  }

  /** Waits for the answers to all statements. @throws what made the unit fail */
  async finish(): Promise<void> {
    this.#ended = true
    if (this.#sent.length > 0) await Promise.all(this.#sent)
    if (this.failure !== undefined) throw this.failure
  }

  /** From now on the work reaches nothing, whatever it still tries. */
  end(): void {
    this.#ended = true
  }

  async #append(stream: string, expectedVersion: number, events: readonly NewEvent[]): Promise<number> {
    this.#check()
    columnText({ table: 'event' }, 'stream', stream)
    if (!Number.isSafeInteger(expectedVersion) || expectedVersion < 0) {
      throw new TypeError(`${expectedVersion} is not a version`)
    }
    const at = this.#clock()
    let version = expectedVersion
    for (const { kind, body } of events) {
      const text = encodeCanonicalJson(body)
      const { lane, sequence, hash: previous } = this.head
      const entry = { lane, sequence: sequence + 1, stream, version: version + 1, at, kind, body: text, previous }
      const hash = entryHash(entry)
      const place = [lane, entry.sequence, stream, entry.version, at, kind, text, previous, hash]
      // The event before is there when it is one of ours: nobody can take it away.
      const follows = version > expectedVersion || version <= (this.#versions.get(stream) ?? 0)
      this.#send(follows ? followSql : appendSql, place, moved)
      this.head = { lane, sequence: entry.sequence, hash }
      this.events.push({ ...entry, body, hash })
      version++
    }
    return version
  }

  async #enqueue(topic: string, body: Json, dueAt?: number): Promise<void> {
    this.#check()
    const now = this.#clock()
    this.#send(enqueueSql, [outboxId(now), topic, JSON.stringify(body), dueAt ?? now])
  }

  #send(sql: string, args: readonly SqlValue[], untouched?: () => Error): void {
    this.wrote = true
    const touched = (count: number) => {
      if (count === 0 && untouched !== undefined) this.#fail(untouched())
    }
    if (this.#session.execute !== undefined) this.#execute(sql, args, touched)
    else this.#sent.push(this.#await(this.#session.run(sql, args), touched))
  }

  #select(sql: string, args: readonly SqlValue[]): readonly Row[] {
    try {
      return this.#session.select!(sql, args)
    } catch (error) {
      throw this.#fail(error)
    }
  }

  #execute(sql: string, args: readonly SqlValue[], touched: (count: number) => void): void {
    try {
      touched(this.#session.execute!(sql, args))
    } catch (error) {
      this.#fail(error)
    }
  }

  async #await(answer: Promise<number>, touched: (count: number) => void): Promise<void> {
    this.waiting++
    try {
      touched(await answer)
    } catch (error) {
      this.#fail(error)
    } finally {
      this.waiting--
    }
  }

  #check(): void {
    if (this.#ended) throw new TypeError('a unit of work has ended: nothing can be read or written through it any more')
    if (this.failure !== undefined) throw this.failure
  }

  #fail(error: unknown): Error {
    // The first one: what follows may only say that the transaction is in a failed state.
    this.failure ??= error instanceof Error ? error : new Error(String(error))
    return this.failure
  }
}

function moved(): Error {
  return new SqlError('conflict', 'the stream has moved on')
}

let enqueued = 0

/** In order of time, and within a process in order of the calls. */
function outboxId(now: number): string {
  enqueued = (enqueued + 1) % 0x100_0000
  const count = enqueued.toString(16).padStart(6, '0')
  return `${now.toString(16).padStart(12, '0')}-${count}-${randomBytes(5).toString('hex')}`
}
