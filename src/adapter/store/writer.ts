import { Recent } from '../../crypto/recent.ts'
import type { StoredEvent } from '../../domain/event.ts'
import { emptyLane, type LaneHead } from '../../domain/ledger.ts'
import type { Clock, Log, Tx } from '../../domain/port.ts'
import { storeError, unavailable } from './error.ts'
import { laneHead } from './event.ts'
import { CommittedRows, KnownRows } from './known-row.ts'
import { type Engine, type Session, SqlError, type SqlErrorKind, type WriteSession } from './sql.ts'
import { type StreamPlace, Unit } from './unit.ts'

/** Units that share one commit. */
const batchSize = 64
/** Runs of one unit beside those of other processes. The run after them is alone, and its conflict is final. */
const sharedTries = 3
/** Runs of a unit that lost its transaction through no fault of its own. */
const maxTries = 10
/** A unit that waits for anything but its transaction holds up all others; after this many milliseconds it fails. */
const unitDeadline = 5000
/** Batches that use savepoints after one that had to be undone: where one unit fails, others may. */
const carefulBatches = 16
/** Streams whose place and last version are remembered. */
const maxPlaces = 8192
/** Milliseconds between two looks for a database that is away. */
const retryDelay = 100

export interface WriterOptions {
  readonly engine: Engine
  readonly clock: Clock
  readonly log: Log
  /** Called after each commit that appended events. */
  readonly committed: (events: readonly StoredEvent[]) => void
  /** Milliseconds, 5000 when absent. */
  readonly deadline?: number
}

/** A unit of work that waits for its turn, with what its caller waits for. */
interface Job {
  readonly work: (tx: Tx, session: Session) => Promise<unknown>
  readonly resolve: (value: unknown) => void
  readonly reject: (error: unknown) => void
  readonly since: number
  /** Runs so far, and how many of them ended because somebody else was first. */
  tries: number
  conflicts: number
}

/** What a job came to in this batch; told to its caller after the commit. */
interface Outcome {
  readonly job: Job
  readonly succeeded: boolean
  /** The work's result, or its error. */
  readonly value: unknown
  readonly events: readonly StoredEvent[]
  readonly places: ReadonlyMap<string, StreamPlace>
}

/** A unit has to be undone, and others are in the same transaction. */
class Spoiled extends Error {
  readonly job: Job

  constructor(job: Job) {
    super('the batch runs again, each unit in a savepoint')
    this.job = job
  }
}

/** Units in one transaction. */
interface Batch {
  readonly session: WriteSession
  readonly outcomes: Outcome[]
  readonly known: KnownRows
  /** Each unit in a savepoint. */
  readonly careful: boolean
  /** No other process writes. */
  readonly alone: boolean
}

/**
 * Group commit: one unit after the other in one transaction, one fsync for all. Units of one process never run at the
 * same time, so that the hash chain of its lane has one writer.
 *
 * Savepoints cost SQLite as much as the statements in them, and units that have written and then fail are rare. So a batch
 * runs without; when one of its units has to be undone, all of it is, and runs again with savepoints.
 */
export class Writer {
  readonly #options: WriterOptions
  readonly #deadline: number
  readonly #queue: Job[] = []
  #session: WriteSession | undefined
  #head: LaneHead = emptyLane('')
  readonly #places = new Recent<StreamPlace>(maxPlaces)
  readonly #rows = new CommittedRows()
  /** How many units may be expected to come together. */
  #company = 1
  /** Called when a unit arrives. */
  #arrived: () => void = () => {}
  /** So many batches from here on use savepoints. */
  #careful = 0
  /** Ends the unit that is running. */
  #stall: (() => void) | undefined
  /** One for all units, as making one costs as much as a statement. */
  #watch: NodeJS.Timeout | undefined
  #running = false
  #closed = false
  readonly #idle: (() => void)[] = []

  constructor(options: WriterOptions) {
    this.#options = options
    this.#deadline = options.deadline ?? unitDeadline
  }

  /** Resolves when what `work` wrote is durable. `work` gets the bare session too, for tables that are not in the port. */
  submit<T>(work: (tx: Tx, session: Session) => Promise<T>): Promise<T> {
    if (this.#closed) return Promise.reject(unavailable('the store is closed'))
    return new Promise<T>((resolve, reject) => {
      const settle = resolve as (value: unknown) => void
      this.#queue.push({ work, resolve: settle, reject, since: performance.now(), tries: 0, conflicts: 0 })
      this.#start()
      this.#arrived()
    })
  }

  /** Resolves when all units under way are settled. */
  async idle(): Promise<void> {
    if (this.#running) await new Promise<void>(resolve => this.#idle.push(resolve))
  }

  /** Refuses new units and resolves when those under way are settled. */
  async close(): Promise<void> {
    this.#closed = true
    await this.idle()
  }

  #start(): void {
    if (this.#running) return
    this.#running = true
    // Not at once: what else arrives in this turn of the event loop shares the commit.
    setImmediate(() => void this.#drain())
  }

  async #drain(): Promise<void> {
    while (this.#queue.length > 0) {
      const session = await this.#claim()
      if (session === undefined) await new Promise(resolve => setTimeout(resolve, retryDelay))
      else await this.#batch(session)
      await new Promise(resolve => setImmediate(resolve))
      await this.#gather()
    }
    this.#running = false
    clearTimeout(this.#watch)
    this.#watch = undefined
    for (const resolve of this.#idle.splice(0)) resolve()
  }

  /**
   * Under load a commit costs as much as the units in it. So those who came together last time are waited for, a
   * millisecond for each of them at most, and nobody who is alone waits for anybody.
   */
  async #gather(): Promise<void> {
    const { gatherMilliseconds } = this.#options.engine
    if (this.#company < 2 || gatherMilliseconds === 0 || this.#closed) return
    await new Promise<void>(resolve => {
      const timer = setTimeout(resolve, Math.min(this.#company, gatherMilliseconds))
      this.#arrived = () => {
        if (this.#queue.length < this.#company) return
        clearTimeout(timer)
        resolve()
      }
      this.#arrived()
    })
    this.#arrived = () => {}
    // As in #start: those expected are often the first of many, who are on their way in this very turn.
    await new Promise(resolve => setImmediate(resolve))
  }

  /** The session, with the head of its lane; undefined when the database is away, after failing what has waited too long. */
  async #claim(): Promise<WriteSession | undefined> {
    try {
      const session = await this.#options.engine.writer()
      if (session !== this.#session) {
        const head = await this.#answered(session, laneHead(session, session.lane))
        this.#head = head ?? emptyLane(session.lane)
        this.#session = session
      }
      return session
    } catch (error) {
      this.#options.log.warn({ error: String(error) }, 'the database is not available')
      this.#expire(error, this.#deadline)
      return undefined
    }
  }

  /** Gives the connection up when no answer comes: whoever waits then hears that it is lost. */
  async #answered<T>(session: WriteSession, answer: Promise<T>): Promise<T> {
    // It was there before we could wait for it.
    if (session.execute !== undefined) return answer
    const timer = setTimeout(() => session.abandon(), this.#deadline)
    try {
      return await answer
    } finally {
      clearTimeout(timer)
    }
  }

  async #batch(session: WriteSession): Promise<void> {
    const start = this.#head
    const alone = this.#queue[0]!.conflicts >= sharedTries
    const batch: Batch = { session, outcomes: [], known: new KnownRows(this.#rows), careful: this.#careful > 0, alone }
    if (!(await this.#begin(session, alone))) return
    let mark: string | undefined
    try {
      let again = true
      while (again && batch.outcomes.length < batchSize && this.#queue.length > 0) {
        again = await this.#attempt(batch, this.#queue.shift()!)
      }
      mark = session.mark()
      await this.#answered(session, session.commit())
    } catch (error) {
      this.#head = start
      if (error instanceof Spoiled) await this.#again(batch, error.job)
      else await this.#undo(session, batch.outcomes, error, mark)
      return
    }
    if (batch.careful) this.#careful--
    const { length } = batch.outcomes
    this.#company = Math.max(length, (this.#company + length) >> 1)
    batch.known.commit(this.#rows)
    this.#settle(batch.outcomes)
  }

  async #begin(session: WriteSession, alone: boolean): Promise<boolean> {
    try {
      await this.#answered(session, session.begin(alone))
      return true
    } catch (error) {
      if (session.usable) await this.#answered(session, session.rollback()).catch(() => session.abandon())
      // Whoever could not be alone has lost for good; the others wait no longer than they would for a database that is away.
      if (alone && kindOf(error) === 'conflict') this.#queue.shift()!.reject(storeError(error))
      else this.#expire(error, 2 * this.#deadline)
      return false
    }
  }

  /** Fails what has waited for so many milliseconds. */
  #expire(error: unknown, patience: number): void {
    const limit = performance.now() - patience
    for (const job of this.#queue.filter(job => job.since < limit || this.#closed)) {
      this.#queue.splice(this.#queue.indexOf(job), 1)
      job.reject(storeError(error))
    }
  }

  /**
   * Runs one job. False ends the batch: what is done so far is committed, so that whoever waits for it can go on.
   * @throws when the transaction is gone, and with it the outcomes so far
   */
  async #attempt(batch: Batch, job: Job): Promise<boolean> {
    const { session, outcomes, known, careful, alone } = batch
    const unit = new Unit(session, this.#head, { clock: this.#options.clock, places: this.#places, known })
    job.tries++
    try {
      if (careful) session.step()
      const value = await this.#timed(unit, session, job)
      await unit.finish()
      this.#head = unit.head
      if (unit.known !== undefined) known.take(unit.known)
      outcomes.push({ job, succeeded: true, value, events: unit.events, places: unit.places })
      return !alone
    } catch (thrown) {
      unit.end()
      const error = unit.failure ?? thrown
      if (unit.wrote || unit.failure !== undefined) await this.#retreat(batch, job, error)
      if (kindOf(error) === 'conflict' && !alone) {
        job.conflicts++
        this.#queue.unshift(job)
        return false
      }
      outcomes.push({ job, succeeded: false, value: storeError(error), events: [], places: new Map() })
      return !alone
    }
  }

  /** Undoes the unit of `job`. @throws when the transaction is gone, or has to be given up */
  async #retreat({ session, outcomes, careful, alone }: Batch, job: Job, error: unknown): Promise<void> {
    try {
      if (!session.usable || !session.inTransaction()) throw error
      if (careful) return await this.#answered(session, session.undo())
      if (outcomes.some(({ succeeded }) => succeeded)) throw new Spoiled(job)
      // Nothing else is in the transaction: another one takes its place.
      await this.#answered(session, session.rollback())
      await this.#answered(session, session.begin(alone))
    } catch (gone) {
      if (gone instanceof Spoiled) throw gone
      // All of the batch is undone and runs again, without the unit that met the disaster unless it was innocent.
      if (kindOf(error) === 'lost' && this.#patient(job)) this.#queue.unshift(job)
      else job.reject(storeError(error))
      throw gone
    }
  }

  async #again({ session, outcomes }: Batch, spoiled: Job): Promise<void> {
    this.#careful = carefulBatches
    this.#queue.unshift(...outcomes.map(({ job }) => job), spoiled)
    // This run was our doing and does not count.
    for (const { job } of outcomes) job.tries--
    spoiled.tries--
    await this.#answered(session, session.rollback()).catch(() => session.abandon())
  }

  async #timed(unit: Unit, session: WriteSession, job: Job): Promise<unknown> {
    this.#watch?.refresh()
    this.#watch ??= setTimeout(() => this.#stall?.(), this.#deadline)
    try {
      return await new Promise((resolve, reject) => {
        this.#stall = () => {
          unit.end()
          // A statement that is not answered cannot be taken back: only its connection can be given up.
          if (unit.waiting > 0) session.abandon()
          reject(unavailable('a unit of work took too long', { milliseconds: this.#deadline }))
        }
        job.work(unit.tx, unit).then(resolve, reject)
      })
    } finally {
      this.#stall = undefined
    }
  }

  /** After a failed commit or a lost transaction: nothing of the batch counts, unless the commit came through after all. */
  async #undo(session: WriteSession, outcomes: Outcome[], error: unknown, mark: string | undefined): Promise<void> {
    if (session.usable) await this.#answered(session, session.rollback()).catch(() => session.abandon())
    const lost = kindOf(error) === 'lost'
    if (lost && mark !== undefined) {
      const committed = await this.#committed(mark)
      if (committed === true) return this.#settle(outcomes)
      // Neither known to be there nor known not to be: running again could do it twice.
      if (committed === undefined) {
        for (const { job } of outcomes) job.reject(storeError(error))
        return
      }
    }
    // A commit that was refused would be refused again. Before the commit only one unit was at fault.
    const rerun = lost || mark === undefined
    for (const { job } of outcomes.reverse()) {
      if (rerun && this.#patient(job)) this.#queue.unshift(job)
      else job.reject(storeError(error))
    }
  }

  async #committed(mark: string): Promise<boolean | undefined> {
    const limit = performance.now() + this.#deadline
    for (;;) {
      try {
        return await this.#options.engine.committed(mark)
      } catch (error) {
        this.#options.log.warn({ error: String(error) }, 'the outcome of a commit is not known yet')
        if (performance.now() > limit) return undefined
        await new Promise(resolve => setTimeout(resolve, retryDelay))
      }
    }
  }

  /** Whether a job that lost its transaction runs again. */
  #patient(job: Job): boolean {
    return job.tries < maxTries && performance.now() - job.since < 2 * this.#deadline
  }

  #settle(outcomes: readonly Outcome[]): void {
    const events: StoredEvent[] = []
    for (const { job, succeeded, value, events: own, places } of outcomes) {
      events.push(...own)
      for (const [stream, place] of places) this.#places.set(stream, place)
      if (succeeded) job.resolve(value)
      else job.reject(value)
    }
    try {
      if (events.length > 0) this.#options.committed(events)
    } catch (error) {
      // What is committed stays so, whatever becomes of those who are told.
      this.#options.log.error({ error: String(error) }, 'what follows a commit failed')
    }
  }
}

function kindOf(error: unknown): SqlErrorKind | undefined {
  return error instanceof SqlError ? error.kind : undefined
}
