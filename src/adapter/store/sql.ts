/**
 * What the store asks of a database, so that one SQL text serves both. Text columns compare by code point, integers
 * come as numbers, placeholders are $1, $2 and so on.
 */

export type Dialect = 'sqlite' | 'postgres'

export type SqlValue = string | number | null

export type Row = Readonly<Record<string, SqlValue>>

/** One connection, in whatever transaction it stands. Statements run in the order in which they were called. */
export interface Session {
  /** @throws SqlError */
  rows(sql: string, args?: readonly SqlValue[]): Promise<readonly Row[]>
  /**
   * Rows touched. Need not be awaited before the next call.
   * @throws SqlError
   */
  run(sql: string, args?: readonly SqlValue[]): Promise<number>
}

/** The connection that writes. It alone appends to its lane. */
export interface WriteSession extends Session {
  readonly lane: string
  /** Nobody else writes between two statements of a transaction. */
  readonly exclusive: boolean
  /** False when the connection is lost: nothing that was not committed counts, and the lane is somebody else's. */
  readonly usable: boolean
  /** As `run`, where a statement is done at once: without it a promise for each would cost as much as the statement. */
  readonly execute?: (sql: string, args: readonly SqlValue[]) => number
  /** As `rows`, likewise. */
  readonly select?: (sql: string, args: readonly SqlValue[]) => readonly Row[]
  /**
   * @param alone no other process may have a transaction open beside this one
   * @throws SqlError `conflict` when the turn does not come in time
   */
  begin(alone: boolean): Promise<void>
  /** Begins a unit: from here on `undo` leads back to here, and no longer to the unit before. Sent without waiting. */
  step(): void
  /** Undoes the unit. @throws SqlError when the transaction is gone */
  undo(): Promise<void>
  /** False when the database has ended the transaction by itself: all of it is undone. */
  inTransaction(): boolean
  /**
   * Durable when it resolves.
   * @throws SqlError; kind `lost` when it is not known whether it is durable, see `Engine.committed`
   */
  commit(): Promise<void>
  rollback(): Promise<void>
  /** Names the transaction, for `Engine.committed`. */
  mark(): string
  /** Gives the connection up, with whatever it was doing. */
  abandon(): void
}

/** One database. */
export interface Engine {
  readonly dialect: Dialect
  /** How long units that have company wait for more before they share a commit, at most. */
  readonly gatherMilliseconds: number
  /** Ends a `select` that claims rows: `for update skip locked` where there is more than one writer. */
  readonly skipLocked: string
  /** The writing session; a new one with a lane of its own when the last is not usable. Only the writer calls it. */
  writer(): Promise<WriteSession>
  /** Whether a transaction whose connection was lost during commit has been committed. Throws while that is open. */
  committed(mark: string): Promise<boolean>
  /** Runs `work` on one consistent state without writing. */
  snapshot<T>(work: (session: Session) => Promise<T>): Promise<T>
  /** As `snapshot`, for work that takes its time: on a connection of its own. */
  survey<T>(work: (session: Session) => Promise<T>): Promise<T>
  /** Tells other processes that this one has committed events to streams of these nouns. */
  announce(nouns: ReadonlySet<string>): void
  /** Calls back when another process may have committed events; `nouns` of their streams where that is known. */
  onAnnounce(listener: (nouns?: readonly string[]) => void): Promise<void>
  close(): Promise<void>
}

/**
 * `unique`: a value is taken. `conflict`: another transaction was in the way, run again. `full`: no room.
 * `lost`: the connection is gone. `aborted`: an earlier statement of the transaction failed. `damaged`: the file is not
 * what it should be. `other`: a mistake.
 */
export type SqlErrorKind = 'unique' | 'conflict' | 'full' | 'lost' | 'aborted' | 'damaged' | 'other'

export class SqlError extends Error {
  override readonly name = 'SqlError'
  readonly kind: SqlErrorKind
  /** Name of the violated constraint or of its columns, with `unique`. */
  readonly constraint: string

  constructor(kind: SqlErrorKind, message: string, constraint = '', options?: ErrorOptions) {
    super(message, options)
    this.kind = kind
    this.constraint = constraint
  }
}
