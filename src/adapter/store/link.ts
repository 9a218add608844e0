import postgres from 'postgres'
import { type Row, type Session, SqlError, type SqlErrorKind, type SqlValue } from './sql.ts'

type Client = postgres.Sql<{ bigint: number }>

/** Server settings of a connection, in PostgreSQL's units. */
export interface LinkSettings {
  readonly lock_timeout?: string
  readonly statement_timeout?: string
}

/**
 * One connection to PostgreSQL, from its beginning to its loss. It never reconnects by itself: a statement of a
 * transaction must not end up on a connection that knows nothing of the transaction.
 */
export class Link implements Session {
  #usable = true
  #reason = 'the connection is closed'
  readonly #client: Client
  readonly #reserved: postgres.ReservedSql<{ bigint: number }>
  readonly #unanswered = new Set<(error: SqlError) => void>()

  private constructor(client: Client, reserved: postgres.ReservedSql<{ bigint: number }>) {
    this.#client = client
    this.#reserved = reserved
  }

  /**
   * @param notified is told of notifications, once the connection listens for them
   * @throws SqlError `lost`
   */
  static async open(url: string, settings: LinkSettings, notified?: (payload: string) => void): Promise<Link> {
    let link: Link | undefined
    let early = false
    const onclose = () => {
      early = true
      link?.lose('the database closed the connection')
    }
    const client = connection(url, settings, onclose, (_channel, payload) => notified?.(payload))
    try {
      // The driver, told not to fetch types, never answers a reserve() that has to connect first.
      await client.unsafe('select 1')
      link = new Link(client, await client.reserve())
      if (early) throw new SqlError('lost', 'the database closed the connection')
      return link
    } catch (error) {
      await client.end({ timeout: 0 })
      throw postgresError(error)
    }
  }

  get usable(): boolean {
    return this.#usable
  }

  async rows(sql: string, args: readonly SqlValue[] = []): Promise<readonly Row[]> {
    return (await this.ask(sql, args)) as unknown as Row[]
  }

  async run(sql: string, args: readonly SqlValue[] = []): Promise<number> {
    return (await this.ask(sql, args)).count ?? 0
  }

  send(sql: string): void {
    this.ask(sql, []).catch(() => undefined)
  }

  /** Sent at once, behind what was sent before, without waiting for its answers. */
  ask(sql: string, args: readonly SqlValue[]): Promise<postgres.RowList<postgres.Row[]>> {
    if (!this.#usable) return Promise.reject(new SqlError('lost', this.#reason))
    return new Promise((resolve, reject) => {
      this.#unanswered.add(reject)
      // Without arguments and without an answer, as `begin` is, the simple protocol is the shorter way.
      const simple = args.length === 0 && !sql.startsWith('select')
      this.#reserved.unsafe(sql, args as SqlValue[], { prepare: !simple, ...(simple ? {} : { simple }) }).then(
        rows => {
          this.#unanswered.delete(reject)
          resolve(rows)
        },
        (error: unknown) => {
          this.#unanswered.delete(reject)
          const known = postgresError(error)
          if (known instanceof SqlError && known.kind === 'lost') this.lose(known.message)
          reject(known)
        },
      )
    })
  }

  /** Gives up what is under way. */
  lose(reason: string): void {
    if (!this.#usable) return
    this.#usable = false
    this.#reason = reason
    for (const reject of this.#unanswered) reject(new SqlError('lost', reason))
    this.#unanswered.clear()
    this.#client.end({ timeout: 0 }).catch(() => undefined)
  }

  /** Waits for what is under way. */
  async close(): Promise<void> {
    if (!this.#usable) return
    this.#usable = false
    this.#reserved.release()
    await this.#client.end({ timeout: 5 })
  }
}

/** A client of one connection for `url`. Beside what the driver reads, `?host=` names a socket directory and `?user=` a role. */
function connection(
  url: string,
  settings: LinkSettings,
  onclose: () => void,
  onnotify: (channel: string, payload: string) => void,
): Client {
  const parsed = new URL(url)
  const host = parsed.searchParams.get('host')
  const user = parsed.searchParams.get('user')
  parsed.searchParams.delete('host')
  parsed.searchParams.delete('user')
  return postgres(parsed.href, {
    ...(host === null ? {} : { host }),
    ...(user === null ? {} : { user }),
    max: 1,
    max_lifetime: null,
    idle_timeout: 0,
    connect_timeout: 5,
    fetch_types: false,
    onnotice() {},
    onclose,
    // Known to the driver, not to its types. Its own listen() cannot be ended while it connects.
    ...({ onnotify } as object),
    types: { bigint: { to: 20, from: [20], parse: Number, serialize: String } },
    connection: {
      application_name: 'mooring',
      // A process that hangs, or that the network has cut off, must not keep its locks or its lane.
      idle_in_transaction_session_timeout: '10s',
      tcp_keepalives_idle: '30',
      tcp_keepalives_interval: '10',
      tcp_keepalives_count: '3',
      ...settings,
    } as Record<string, string>,
  }) as Client
}

/** SQLSTATE codes and classes (PostgreSQL appendix A), and error codes of the driver and of sockets. */
const kinds: readonly (readonly [RegExp, SqlErrorKind])[] = [
  [/^23505$/, 'unique'],
  // Serialization failure, deadlock, lock not to be had in time, statement timeout.
  [/^(40001|40P01|55P03|57014)$/, 'conflict'],
  [/^25P02$/, 'aborted'],
  [/^53100$/, 'full'],
  [/^(08...|53...|57P..|25P03|28...|3D000)$/, 'lost'],
  [/^(CONNECTION_|CONNECT_TIMEOUT|E[A-Z]+$)/, 'lost'],
  [/^XX00[12]$/, 'damaged'],
]

export function postgresError(error: unknown): unknown {
  if (!(error instanceof Error) || error instanceof SqlError) return error
  const { code, constraint_name } = error as Error & { code?: unknown; constraint_name?: string }
  if (typeof code !== 'string') return error
  const kind = kinds.find(([pattern]) => pattern.test(code))?.[1] ?? 'other'
  return new SqlError(kind, error.message, constraint_name ?? '', { cause: error })
}
