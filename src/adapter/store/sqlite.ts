import { chmodSync, closeSync, mkdirSync, openSync, readFileSync, statfsSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { DatabaseSync, type StatementSync } from 'node:sqlite'
import { OnboardingError } from '../../domain/error.ts'
import { type Migration, migrate } from './migration.ts'
import {
  type Engine,
  type Row,
  type Session,
  SqlError,
  type SqlErrorKind,
  type SqlValue,
  type WriteSession,
} from './sql.ts'

/** One file, used by one process. */
export const sqliteLane = 'main'

/** A connection with its prepared statements. Every call runs at once, within the turn of the caller. */
export class SqliteSession implements Session {
  readonly database: DatabaseSync
  readonly #statements = new Map<string, StatementSync>()

  constructor(database: DatabaseSync) {
    this.database = database
  }

  async rows(sql: string, args: readonly SqlValue[] = []): Promise<readonly Row[]> {
    return this.select(sql, args)
  }

  /** Throws at once. */
  select(sql: string, args: readonly SqlValue[] = []): readonly Row[] {
    try {
      return this.#prepare(sql).all(...args) as Row[]
    } catch (error) {
      throw sqliteError(error, this.database)
    }
  }

  async run(sql: string, args: readonly SqlValue[] = []): Promise<number> {
    return this.execute(sql, args)
  }

  /** Throws at once. */
  execute(sql: string, args: readonly SqlValue[] = []): number {
    try {
      return this.#prepare(sql).run(...args).changes as number
    } catch (error) {
      throw sqliteError(error, this.database)
    }
  }

  #prepare(sql: string): StatementSync {
    let statement = this.#statements.get(sql)
    if (statement === undefined) {
      // To SQLite $1 is a name and ?1 a position; binding by position costs half.
      statement = this.database.prepare(sql.replace(/\$(\d+)/g, '?$1'))
      this.#statements.set(sql, statement)
    }
    return statement
  }
}

class SqliteWriter extends SqliteSession implements WriteSession {
  readonly lane = sqliteLane
  readonly exclusive = true
  readonly usable = true
  #stepped = false

  async begin(): Promise<void> {
    this.#stepped = false
    await this.run('begin immediate')
  }

  step(): void {
    if (this.#stepped) this.execute('release savepoint unit')
    this.#stepped = true
    this.execute('savepoint unit')
  }

  async undo(): Promise<void> {
    await this.run('rollback to savepoint unit')
  }

  inTransaction(): boolean {
    return this.database.isTransaction
  }

  async commit(): Promise<void> {
    await this.run('commit')
  }

  async rollback(): Promise<void> {
    if (this.database.isTransaction) await this.run('rollback')
  }

  mark(): string {
    return ''
  }

  abandon(): void {}
}

export interface OpenSqlite extends Engine {
  /** The writing connection. */
  readonly database: DatabaseSync
}

/** Opens or creates the file, with its directory, closed to others. @throws OnboardingError `store-locked`, `store-version` */
export async function openSqlite(path: string, steps?: readonly Migration[]): Promise<OpenSqlite> {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 })
  const lock = lockFile(`${path}-lock`)
  try {
    closeSync(openSync(path, 'a', 0o600))
    chmodSync(path, 0o600)
    const writer = new SqliteWriter(openDatabase(path))
    await prepareTables(writer, steps)
    return sqliteEngine(path, writer, lock)
  } catch (error) {
    lock.close()
    throw error
  }
}

async function prepareTables(writer: SqliteWriter, steps: readonly Migration[] | undefined): Promise<void> {
  try {
    await writer.begin()
    await migrate(writer, 'sqlite', steps)
    await writer.commit()
  } catch (error) {
    writer.database.close()
    throw error
  }
}

/**
 * A cache of 8 MB: at a commit SQLite looks through all of it, and what is not in it is in the system's. A longer log than
 * usual: the same pages are written again and again, and go to the file once.
 */
const pragmas =
  'pragma journal_mode = wal; pragma synchronous = full; pragma cache_size = -8000; pragma wal_autocheckpoint = 8000'

/** The process stands still in a commit: nothing else arrives meanwhile, as it does while another database commits. */
const gatherMilliseconds = 16

function openDatabase(path: string): DatabaseSync {
  const database = new DatabaseSync(path, { timeout: 2000, enableForeignKeyConstraints: true })
  try {
    database.exec(pragmas)
    return database
  } catch (error) {
    database.close()
    throw sqliteError(error, database)
  }
}

/**
 * Held for as long as the process lives, however it ends: the operating system gives it free. A file of its own, since a
 * lock on the database would shut out our own reading connection.
 */
function lockFile(path: string): DatabaseSync {
  closeSync(openSync(path, 'a', 0o600))
  const lock = new DatabaseSync(path, { timeout: 0 })
  try {
    lock.exec('begin exclusive')
  } catch (cause) {
    lock.close()
    throw new OnboardingError('store-locked', { path, ...holderOf(path) }, { cause })
  }
  // For whoever finds it locked; the lock itself says nothing, and what it says is true only while that is held.
  writeFileSync(holderFile(path), JSON.stringify({ pid: process.pid, command: commandOf(process.argv) }), {
    mode: 0o600,
  })
  return lock
}

const holderFile = (path: string) => `${path}-holder`

/** The nouns and verbs of a command line; options may name what is nobody's business. */
function commandOf(argv: readonly string[]): string {
  const words = argv.slice(2)
  const end = words.findIndex(word => !/^[a-z][a-z-]*$/.test(word))
  return (end < 0 ? words : words.slice(0, end)).slice(0, 3).join(' ')
}

function holderOf(path: string): { readonly pid?: number; readonly command?: string } {
  try {
    const { pid, command } = JSON.parse(readFileSync(holderFile(path), 'utf8')) as Record<string, unknown>
    return {
      ...(typeof pid === 'number' ? { pid } : {}),
      ...(typeof command === 'string' && command !== '' ? { command: command.slice(0, 80) } : {}),
    }
  } catch {
    return {}
  }
}

function sqliteEngine(path: string, writer: SqliteWriter, lock: DatabaseSync): OpenSqlite {
  const reader = new SqliteSession(new DatabaseSync(path, { readOnly: true, timeout: 2000 }))
  let turn: Promise<unknown> = Promise.resolve()
  return {
    dialect: 'sqlite',
    gatherMilliseconds,
    database: writer.database,
    skipLocked: '',
    async writer() {
      return writer
    },
    async committed() {
      return false
    },
    snapshot(work) {
      // One after the other: a snapshot shared by overlapping readers would never move on.
      const run = turn.then(() => inSnapshot(reader, work))
      turn = run.catch(() => undefined)
      return run
    },
    async survey(work) {
      const session = new SqliteSession(new DatabaseSync(path, { readOnly: true, timeout: 2000 }))
      try {
        return await inSnapshot(session, work)
      } finally {
        session.database.close()
      }
    },
    announce() {},
    async onAnnounce() {},
    async close() {
      await turn
      reader.database.close()
      writer.database.close()
      lock.close()
    },
  }
}

/** Runs `work` on one moment of a file that others may be writing to, making and locking nothing. Throws `not-found`. */
export async function surveySqlite<T>(path: string, work: (session: Session) => Promise<T>): Promise<T> {
  let database: DatabaseSync
  try {
    database = new DatabaseSync(path, { readOnly: true, timeout: 2000 })
  } catch (cause) {
    throw new OnboardingError('not-found', { store: path }, { cause })
  }
  try {
    const session = new SqliteSession(database)
    // What is read belongs to one moment.
    await session.run('begin')
    return await work(session)
  } finally {
    database.close()
  }
}

async function inSnapshot<T>(reader: SqliteSession, work: (session: Session) => Promise<T>): Promise<T> {
  await reader.run('begin')
  try {
    return await work(reader)
  } finally {
    await reader.run('commit')
  }
}

/** Primary result codes of SQLite (sqlite.org/rescode.html). */
const kinds: Readonly<Record<number, SqlErrorKind>> = {
  5: 'conflict',
  6: 'conflict',
  11: 'damaged',
  13: 'full',
  26: 'damaged',
}

export function sqliteError(error: unknown, database?: DatabaseSync): unknown {
  if (error instanceof RangeError && 'code' in error && error.code === 'ERR_OUT_OF_RANGE') {
    return new SqlError('damaged', 'a number in the database is beyond what we write', '', { cause: error })
  }
  if (!(error instanceof Error) || !('errcode' in error)) return error
  const code = (error.errcode as number) & 0xff
  const { message } = error
  if (code === 19) return new SqlError('unique', message, message.replace(/^.*: /, ''), { cause: error })
  if (code === 10) return new SqlError(diskFull(database) ? 'full' : 'lost', message, '', { cause: error })
  return new SqlError(kinds[code] ?? 'other', message, '', { cause: error })
}

/** A write that fails with «disk I/O error» may mean that the shared-memory file found no room. */
function diskFull(database: DatabaseSync | undefined): boolean {
  const path = database?.isOpen === true ? database.location() : null
  if (path === null) return false
  const { bavail, bsize } = statfsSync(path)
  return bavail * bsize < 0x10_0000
}
