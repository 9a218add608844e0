import type { Log } from '../../domain/port.ts'
import { unavailable } from './error.ts'
import { Link } from './link.ts'
import { type Migration, migrate } from './migration.ts'
import { type Engine, type Session, SqlError, type WriteSession } from './sql.ts'

/** First number of our advisory locks; the second is 0 for migration, then the number of a lane. */
const lockClass = 0x6d6f6f72

/**
 * Every writing transaction holds this lock shared. Whoever has lost against others again and again takes it for itself,
 * and so gets its turn.
 */
const sharedSql = 'select pg_advisory_xact_lock_shared($1, -1), cast(pg_current_xact_id() as text) as mark'
const aloneSql = 'select pg_advisory_xact_lock($1, -1), cast(pg_current_xact_id() as text) as mark'

const channel = 'mooring'

/** Connections for reading that are kept. */
const poolSize = 4

/** Milliseconds for which commits of this process wait for company before other processes are told. */
const announceDelay = 20

/** A notice may be lost with its connection; milliseconds after which we look without one. */
const pollInterval = 5000

/** Milliseconds for one look, longer than any statement of it may take. */
const readDeadline = 30_000

const settings = {
  writer: { lock_timeout: '200ms', statement_timeout: '4s' },
  reader: { statement_timeout: '20s' },
  survey: { statement_timeout: '0' },
}

/**
 * A database shared by any number of processes. Each writes through one connection, which owns a lane for as long as it
 * lives: the lane's lock falls with the connection, whatever becomes of the process.
 * @throws OnboardingError `store-unavailable`, `store-version`
 */
export async function openPostgres(url: string, log?: Log, steps?: readonly Migration[]): Promise<Engine> {
  const engine = new PostgresEngine(url)
  try {
    await engine.start(log, steps)
    return engine
  } catch (error) {
    await engine.close()
    throw error
  }
}

/** Looks at a database that may be of any version, without preparing it. @throws OnboardingError `store-unavailable` */
export async function surveyPostgres<T>(url: string, work: (session: Session) => Promise<T>): Promise<T> {
  const engine = new PostgresEngine(url)
  try {
    return await engine.survey(work)
  } finally {
    await engine.close()
  }
}

class PostgresWriter implements WriteSession {
  readonly lane: string
  readonly exclusive = false
  readonly #link: Link
  #mark = ''
  #stepped = false

  constructor(link: Link, lane: string) {
    this.#link = link
    this.lane = lane
  }

  get usable(): boolean {
    return this.#link.usable
  }

  rows: Session['rows'] = (sql, args) => this.#link.rows(sql, args)

  run: Session['run'] = (sql, args) => this.#link.run(sql, args)

  async begin(alone: boolean): Promise<void> {
    this.#stepped = false
    this.#link.send('begin isolation level read committed')
    if (alone) this.#link.send(`set local lock_timeout = '3s'`)
    const [row] = await this.#link.rows(alone ? aloneSql : sharedSql, [lockClass])
    this.#mark = row!['mark'] as string
  }

  step(): void {
    // One message for both.
    this.#link.send(this.#stepped ? 'release savepoint unit; savepoint unit' : 'savepoint unit')
    this.#stepped = true
  }

  async undo(): Promise<void> {
    await this.#link.run('rollback to savepoint unit')
  }

  inTransaction(): boolean {
    return this.#link.usable
  }

  mark(): string {
    return this.#mark
  }

  async commit(): Promise<void> {
    const { command } = await this.#link.ask('commit', [])
    // The answer to `commit` in a failed transaction is ROLLBACK, and no error.
    if (command !== 'COMMIT') throw new SqlError('aborted', `the database answered ${command} to a commit`)
  }

  async rollback(): Promise<void> {
    await this.#link.run('rollback')
  }

  abandon(): void {
    this.#link.lose('the connection was given up')
  }

  close(): Promise<void> {
    return this.#link.close()
  }
}

type Listener = Parameters<Engine['onAnnounce']>[0]

class PostgresEngine implements Engine {
  readonly dialect = 'postgres'
  readonly gatherMilliseconds = 0
  readonly skipLocked = ' for update skip locked'
  readonly #url: string
  readonly #idle: Link[] = []
  readonly #waiting: ((link: Link | undefined) => void)[] = []
  #links = 0
  #writer: PostgresWriter | undefined
  /** The connection that hears of other processes' commits. */
  #ear: Link | undefined
  #listening: Promise<void> = Promise.resolve()
  #poll: NodeJS.Timeout | undefined
  #announcement: NodeJS.Timeout | undefined
  /** Nouns that the announcement is about. */
  readonly #announced = new Set<string>()
  #notifying: Promise<unknown> = Promise.resolve()

  constructor(url: string) {
    this.#url = url
  }

  async start(log: Log | undefined, steps: readonly Migration[] | undefined): Promise<void> {
    const link = await this.#open(settings.survey)
    try {
      await requireServer(link, log)
      await link.run('begin')
      await link.rows('select pg_advisory_xact_lock($1, 0)', [lockClass])
      await migrate(link, 'postgres', steps)
      await link.run('commit')
    } finally {
      await link.close()
    }
  }

  async writer(): Promise<WriteSession> {
    if (this.#writer?.usable === true) return this.#writer
    const link = await Link.open(this.#url, settings.writer)
    try {
      await link.rows(
        "select set_config('synchronous_commit', 'on', false) where current_setting('synchronous_commit') = 'off'",
      )
      this.#writer = new PostgresWriter(link, await claimLane(link))
      return this.#writer
    } catch (error) {
      await link.close()
      throw error
    }
  }

  async committed(mark: string): Promise<boolean> {
    const status = await this.#withLink(async link => {
      const [row] = await link.rows('select pg_xact_status(cast(cast($1 as text) as xid8)) as status', [mark])
      return row?.['status']
    }).catch((error: unknown) => {
      // The server has lost the number in a crash: what had it is lost too.
      if (error instanceof SqlError && error.message.includes('in the future')) return 'aborted'
      throw error
    })
    if (status === 'in progress') throw new SqlError('lost', 'the server still holds the transaction')
    return status === 'committed'
  }

  async snapshot<T>(work: (session: Session) => Promise<T>): Promise<T> {
    try {
      return await this.#withLink(link => inSnapshot(link, work))
    } catch (error) {
      // A connection that was kept may have been dead for long; reading again does no harm.
      if (!(error instanceof SqlError) || error.kind !== 'lost') throw error
      return this.#withLink(link => inSnapshot(link, work))
    }
  }

  async survey<T>(work: (session: Session) => Promise<T>): Promise<T> {
    const link = await this.#open(settings.survey)
    try {
      return await inSnapshot(link, work)
    } finally {
      await link.close()
    }
  }

  announce(nouns: ReadonlySet<string>): void {
    for (const noun of nouns) this.#announced.add(noun)
    this.#announcement ??= setTimeout(() => this.#notify(), announceDelay).unref()
  }

  async onAnnounce(listener: Listener): Promise<void> {
    this.#listening = this.#listen(listener)
    await this.#listening
    this.#poll = setInterval(() => {
      listener()
      this.#listening = this.#listening.then(() => this.#listen(listener))
    }, pollInterval).unref()
  }

  async close(): Promise<void> {
    clearInterval(this.#poll)
    if (this.#announcement !== undefined) this.#notify()
    await this.#notifying
    await this.#listening
    await this.#ear?.close()
    await this.#writer?.close()
    for (const link of this.#idle.splice(0)) await link.close()
  }

  /** Sees to it that we listen. The database may be away: the poll comes back. */
  async #listen(listener: Listener): Promise<void> {
    if (this.#ear?.usable === true) return
    try {
      this.#ear = await Link.open(this.#url, {}, notice => {
        const [lane, ...nouns] = notice.split(' ')
        if (lane !== this.#writer?.lane) listener(nouns.length > 0 ? nouns : undefined)
      })
      await this.#ear.run(`listen ${channel}`)
    } catch {
      this.#ear?.lose('it does not listen')
    }
  }

  /** Outside the commit: inside, PostgreSQL would let no other process commit meanwhile. */
  #notify(): void {
    clearTimeout(this.#announcement)
    this.#announcement = undefined
    const notice = [this.#writer?.lane ?? '', ...this.#announced].join(' ')
    this.#announced.clear()
    this.#notifying = this.#withLink(link => link.rows('select pg_notify($1, $2)', [channel, notice])).catch(
      () => undefined,
    )
  }

  async #open(wanted: Parameters<typeof Link.open>[1]): Promise<Link> {
    try {
      return await Link.open(this.#url, wanted)
    } catch (error) {
      if (error instanceof SqlError) throw unavailable(error.message)
      throw error
    }
  }

  async #withLink<T>(work: (link: Link) => Promise<T>): Promise<T> {
    const link = await this.#take()
    const timer = setTimeout(() => link.lose('the database does not answer'), readDeadline)
    try {
      return await work(link)
    } finally {
      clearTimeout(timer)
      this.#giveBack(link)
    }
  }

  async #take(): Promise<Link> {
    for (;;) {
      const link = this.#idle.pop()
      if (link?.usable === true) return link
      if (link !== undefined) {
        this.#links--
        continue
      }
      if (this.#links < poolSize) break
      const given = await new Promise<Link | undefined>(resolve => this.#waiting.push(resolve))
      if (given !== undefined) return given
    }
    this.#links++
    try {
      return await Link.open(this.#url, settings.reader)
    } catch (error) {
      this.#links--
      this.#waiting.shift()?.(undefined)
      throw error
    }
  }

  #giveBack(link: Link): void {
    const next = this.#waiting.shift()
    if (!link.usable) this.#links--
    if (next !== undefined) next(link.usable ? link : undefined)
    else if (link.usable) this.#idle.push(link)
  }
}

async function requireServer(link: Link, log?: Log): Promise<void> {
  const [found] = await link.rows(
    "select cast(current_setting('server_version_num') as integer) as version, " +
      "current_setting('server_encoding') as encoding, current_setting('fsync') as fsync",
  )
  // pg_current_xact_id and pg_xact_status for its type.
  if (Number(found?.['version']) < 130_000) throw unavailable('PostgreSQL must be of version 13 or later')
  if (found?.['encoding'] !== 'UTF8') throw unavailable('the database must have the encoding UTF8')
  if (found['fsync'] === 'off')
    log?.warn({}, 'fsync is off in PostgreSQL: what is acknowledged may be lost with its machine')
}

async function inSnapshot<T>(link: Link, work: (session: Session) => Promise<T>): Promise<T> {
  link.send('begin isolation level repeatable read read only')
  try {
    return await work(link)
  } finally {
    link.send('commit')
  }
}

/** The lowest lane that no living connection has. */
async function claimLane(link: Link): Promise<string> {
  for (let lane = 1; lane < 10_000; lane++) {
    const [row] = await link.rows('select case when pg_try_advisory_lock($1, $2) then 1 else 0 end as claimed', [
      lockClass,
      lane,
    ])
    if (row?.['claimed'] === 1) return `lane-${lane}`
  }
  throw new SqlError('lost', 'no lane is free')
}
