import { randomBytes } from 'node:crypto'
import { encodeCanonicalJson } from '../../codec/json.ts'
import type { Recent } from '../../crypto/recent.ts'
import { OnboardingError } from '../../domain/error.ts'
import type { Json, NewEvent, StoredEvent } from '../../domain/event.ts'
import { entryHash, type LaneHead } from '../../domain/ledger.ts'
import type { Clock, Tx } from '../../domain/port.ts'
import { appendSql, followSql, mostFollowing, originSql } from './event.ts'
import { KnownRows } from './known-row.ts'
import { columnText } from './schema.ts'
import { type Row, type Session, SqlError, type SqlValue, type WriteSession } from './sql.ts'
import { type Gate, GatedTables } from './table.ts'

const enqueueSql = 'insert into outbox(id, topic, body, due_at, attempt, leased_until) values($1, $2, $3, $4, 0, 0)'

/** Where a stream lies, and how far it has come. */
export interface StreamPlace {
  readonly version: number
  /** Sequence of its first event. */
  readonly origin: number
}

/** Of streams, the last version that this process has committed. What is not in it is asked of the database. */
export type StreamPlaces = Pick<Recent<StreamPlace>, 'get'>

export interface UnitSurroundings {
  readonly clock: Clock
  readonly places: StreamPlaces
  /** Rows as the units before it left them. */
  readonly known: KnownRows
}

/** What the work of a unit is given. */
class UnitTx extends GatedTables {
  declare readonly gate: Unit

  append(...args: Parameters<Tx['append']>): ReturnType<Tx['append']> {
    return this.gate.append(...args)
  }

  enqueue(...args: Parameters<Tx['enqueue']>): ReturnType<Tx['enqueue']> {
    return this.gate.enqueue(...args)
  }
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
  /** Of the streams that this unit appended to, where their place is known. */
  readonly places = new Map<string, StreamPlace>()
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
  readonly #places: StreamPlaces

  constructor(session: WriteSession, head: LaneHead, { clock, places, known }: UnitSurroundings) {
    this.#session = session
    this.known = session.exclusive ? new KnownRows(known) : undefined
    this.#clock = clock
    this.#places = places
    this.head = head
    this.tx = new UnitTx(this) as UnitTx & Tx
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

  async append(stream: string, expectedVersion: number, events: readonly NewEvent[]): Promise<number> {
    this.#check()
    columnText({ table: 'event' }, 'stream', stream)
    if (!Number.isSafeInteger(expectedVersion) || expectedVersion < 0) {
      throw new TypeError(`${expectedVersion} is not a version`)
    }
    const at = this.#clock()
    const place = this.places.get(stream) ?? this.#places.get(stream)
    let origin = expectedVersion === 0 ? this.head.sequence + 1 : (place?.origin ?? this.#origin(stream))
    let version = expectedVersion
    const learn = (found: number | undefined) => {
      origin ??= found
      if (origin !== undefined) this.places.set(stream, { version: expectedVersion + events.length, origin })
    }
    const rows: SqlValue[][] = []
    for (const { kind, body } of events) {
      const text = encodeCanonicalJson(body)
      const { lane, sequence, hash: previous } = this.head
      const entry = { lane, sequence: sequence + 1, stream, version: version + 1, at, kind, body: text, previous }
      const hash = entryHash(entry)
      const values = [lane, entry.sequence, stream, entry.version, at, kind, text, previous, hash]
      // The event before is there when it is one of ours: nobody can take it away.
      const follows = version === 0 || version > expectedVersion || version <= (place?.version ?? 0)
      if (follows && origin !== undefined) rows.push([...values, origin])
      else this.#search(appendSql, values, learn)
      this.head = { lane, sequence: entry.sequence, hash }
      this.events.push({ ...entry, body, hash })
      version++
    }
    for (let n = 0; n < rows.length; n += mostFollowing) {
      const some = rows.slice(n, n + mostFollowing)
      this.#send(followSql(some.length), some.flat(), moved, some.length)
    }
    if (events.length > 0) learn(undefined)
    return version
  }

  /** Undefined where an answer would have to be waited for. */
  #origin(stream: string): number | undefined {
    if (this.#session.select === undefined) return undefined
    return this.#select(originSql, [stream])[0]?.['origin'] as number | undefined
  }

  /** Appends behind an event that is searched for; `learn` is told the origin of its stream. */
  #search(sql: string, args: readonly SqlValue[], learn: (origin: number | undefined) => void): void {
    this.wrote = true
    const taken = (rows: readonly Row[]) => {
      const [row] = rows
      if (row === undefined) this.#fail(moved())
      else learn(row['origin'] as number)
    }
    if (this.#session.select === undefined) this.#sent.push(this.#await(this.#session.rows(sql, args), taken))
    else taken(this.#select(sql, args))
  }

  async enqueue(topic: string, body: Json, dueAt?: number): Promise<void> {
    this.#check()
    const now = this.#clock()
    this.#send(enqueueSql, [outboxId(now), topic, JSON.stringify(body), dueAt ?? now])
  }

  #send(sql: string, args: readonly SqlValue[], untouched?: () => Error, least = 1): void {
    this.wrote = true
    const touched = (count: number) => {
      if (count < least && untouched !== undefined) this.#fail(untouched())
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

  async #await<T>(answer: Promise<T>, touched: (answer: T) => void): Promise<void> {
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
