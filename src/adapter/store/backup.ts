import { createHash, randomBytes } from 'node:crypto'
import { copyFile, link, open, rm } from 'node:fs/promises'
import { dirname } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { setImmediate } from 'node:timers/promises'
import { OnboardingError } from '../../domain/error.ts'
import type { Checkpoint, LedgerVerdict } from '../../domain/port.ts'
import { type Migration, migrate, migrations, schemaVersion } from './migration.ts'
import { type Shape, shapes } from './schema.ts'
import { type Engine, type Row, type Session, SqlError } from './sql.ts'
import { SqliteSession, sqliteError } from './sqlite.ts'
import { verifyLedger } from './verify.ts'

/**
 * One format for both databases: a SQLite file with the tables of a store, and `backup`, which says for each of them how
 * many rows it has and what their hash is. So a store can move from one database to the other.
 */

/** Rows that are copied before other work gets its turn. */
const page = 200

const createDigestSql =
  'create table backup(name text primary key, columns text not null, key text not null, ' +
  'rows integer not null, digest text not null) strict'

/** A table, its columns and its key, as a backup of any version names them. */
type Layout = Pick<Shape, 'name' | 'key'> & { readonly columns: readonly string[] }

interface Digest {
  readonly rows: number
  readonly digest: string
}

/**
 * Writes the tables that `session` shows into a new file, complete or not at all.
 * @throws OnboardingError `store-exists` when the file is there, `store-full`
 */
export async function writeBackup(session: Session, file: string): Promise<void> {
  const draft = `${file}.${randomBytes(6).toString('hex')}.draft`
  try {
    await (await open(draft, 'wx', 0o600)).close()
    await fill(draft, session)
    await syncPath(draft)
    // Unlike a rename, a link never replaces a backup that is there.
    await link(draft, file)
    await syncPath(dirname(file))
  } catch (error) {
    throw backupError(error, file)
  } finally {
    await rm(draft, { force: true })
  }
}

async function fill(draft: string, session: Session): Promise<void> {
  const database = new DatabaseSync(draft)
  try {
    // Until the link below nobody counts on the file.
    database.exec('pragma journal_mode = off; pragma synchronous = off; begin')
    const target = new SqliteSession(database)
    await migrate(target, 'sqlite')
    database.exec(createDigestSql)
    for (const { name, columns, key } of shapes) {
      const layout = { name, columns: Object.keys(columns), key }
      const { rows, digest } = await copyTable(session, layout, target)
      const values = [name, layout.columns.join(' '), key.join(' '), rows, digest]
      await target.run('insert into backup(name, columns, key, rows, digest) values($1, $2, $3, $4, $5)', values)
    }
    database.exec('commit')
  } finally {
    database.close()
  }
}

/** Reads a table in the order of its key, and writes it into `target` if there is one. */
async function copyTable(from: Session, layout: Layout, target?: Session): Promise<Digest> {
  const { name, columns, key } = layout
  const list = columns.join(', ')
  const places = columns.map((_, n) => `$${n + 1}`)
  const insert = `insert into ${name}(${list}) values(${places.join(', ')})`
  const order = `order by ${key.join(', ')} limit ${page}`
  const after = `(${key.join(', ')}) > (${key.map((_, n) => `$${n + 1}`).join(', ')})`
  const hash = createHash('sha256')
  let last: Row | undefined
  let rows = 0
  for (;;) {
    const found: readonly Row[] =
      last === undefined
        ? await from.rows(`select ${list} from ${name} ${order}`)
        : await from.rows(
            `select ${list} from ${name} where ${after} ${order}`,
            key.map(column => last![column]!),
          )
    const written: Promise<number>[] = []
    for (const row of found) {
      const values = columns.map(column => row[column]!)
      hash.update(`${JSON.stringify(values)}\n`)
      if (target !== undefined) written.push(target.run(insert, values))
    }
    await Promise.all(written)
    rows += found.length
    last = found.at(-1)
    if (found.length < page) return { rows, digest: hash.digest('hex') }
    await setImmediate()
  }
}

export interface RestoreOptions {
  /** SubjectPublicKeyInfo, DER, of the keys whose checkpoints count. */
  readonly keys: readonly Uint8Array[]
  /** A checkpoint kept elsewhere, that the backup must reach. */
  readonly anchor?: Checkpoint
}

/**
 * Fills the empty store behind `engine` from a backup. All of it or, when anything is wrong, nothing.
 * @throws OnboardingError `backup-invalid`, `store-version`, `store-exists` when the target is not empty, `ledger-altered`,
 *   `ledger-incomplete`, `store-full`
 */
export async function readBackup(file: string, engine: Engine, options: RestoreOptions): Promise<LedgerVerdict> {
  const source = await openBackup(file)
  try {
    await requireEmpty(engine)
    return await pour(source.session, engine, options)
  } finally {
    await source.close()
  }
}

interface OpenBackup {
  readonly session: Session
  close(): Promise<void>
}

/** A backup whose every row is as it was written, brought up to the current schema. */
export async function openBackup(file: string, steps: readonly Migration[] = migrations): Promise<OpenBackup> {
  const session = readOnly(file)
  let draft: string | undefined
  try {
    const version = await checkBackup(session)
    if (version > schemaVersion(steps)) {
      throw new OnboardingError('store-version', { found: version, known: schemaVersion(steps) })
    }
    if (version === schemaVersion(steps)) {
      await requireTables(session)
      return { session, close: async () => session.database.close() }
    }
    draft = `${file}.${randomBytes(6).toString('hex')}.draft`
    await copyFile(file, draft)
    const newer = new SqliteSession(new DatabaseSync(draft))
    await migrate(newer, 'sqlite', steps)
    await requireTables(newer)
    session.database.close()
    const path = draft
    return {
      session: newer,
      async close() {
        newer.database.close()
        await rm(path, { force: true })
      },
    }
  } catch (error) {
    if (session.database.isOpen) session.database.close()
    if (draft !== undefined) await rm(draft, { force: true })
    throw error instanceof OnboardingError ? error : invalid(String(error), error)
  }
}

function readOnly(file: string): SqliteSession {
  try {
    return new SqliteSession(new DatabaseSync(file, { readOnly: true }))
  } catch (error) {
    throw invalid('it cannot be opened', error)
  }
}

/** @returns the version of its schema */
async function checkBackup(session: Session): Promise<number> {
  const tables = await session.rows('select name, columns, key, rows, digest from backup order by name')
  if (tables.length === 0) throw invalid('it names no tables')
  for (const { name, columns, key, rows, digest } of tables) {
    const layout = { name: name as string, columns: `${columns}`.split(' '), key: `${key}`.split(' ') }
    // The names come from the file, and go into SQL text.
    for (const word of [layout.name, ...layout.columns, ...layout.key]) {
      if (!/^[a-z_]+$/.test(word)) throw invalid('it names a table or column that cannot be')
    }
    const found = await copyTable(session, layout)
    if (found.rows !== rows || found.digest !== digest) throw invalid(`table ${name} is damaged`)
  }
  const [version] = await session.rows('select version from schema_version')
  if (typeof version?.['version'] !== 'number') throw invalid('it has no version')
  return version['version']
}

/** Fails on a table or column that is not there. */
async function requireTables(session: Session): Promise<void> {
  for (const { name, columns } of shapes) {
    await session.rows(`select ${Object.keys(columns).join(', ')} from ${name} limit 1`)
  }
}

async function requireEmpty(engine: Engine): Promise<void> {
  await engine.snapshot(async session => {
    for (const { name } of shapes) {
      const [row] = await session.rows(`select 1 as found from ${name} limit 1`)
      if (row !== undefined)
        throw new OnboardingError('store-exists', { table: name, reason: 'the store is not empty' })
    }
  })
}

async function pour(source: Session, engine: Engine, { keys, anchor }: RestoreOptions): Promise<LedgerVerdict> {
  const target = await engine.writer()
  await target.begin(true)
  try {
    if (engine.dialect === 'postgres') await target.run('set local statement_timeout = 0')
    for (const { name, columns, key } of shapes) {
      await copyTable(source, { name, columns: Object.keys(columns), key }, target)
    }
    const verdict = await verifyLedger(target, keys, anchor)
    requireSound(verdict)
    await target.commit()
    return verdict
  } catch (error) {
    await target.rollback().catch(() => target.abandon())
    throw error
  }
}

function requireSound({ integrity, completeness, firstBad }: LedgerVerdict): void {
  const detail = { ...firstBad }
  if (integrity === 'fail') throw new OnboardingError('ledger-altered', detail)
  if (completeness === 'fail') throw new OnboardingError('ledger-incomplete', detail)
}

function invalid(reason: string, cause?: unknown): OnboardingError {
  return new OnboardingError('backup-invalid', { reason }, { cause })
}

function backupError(error: unknown, file: string): unknown {
  const code = (error as NodeJS.ErrnoException).code
  if (code === 'EEXIST') return new OnboardingError('store-exists', { path: file }, { cause: error })
  const known = sqliteError(error)
  const full = code === 'ENOSPC' || (known instanceof SqlError && known.kind === 'full')
  return full ? new OnboardingError('store-full', { path: file }, { cause: error }) : error
}

async function syncPath(path: string): Promise<void> {
  const handle = await open(path, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}
