import type { Json } from '../../domain/event.ts'
import type { Clock, OutboxItem } from '../../domain/port.ts'
import type { Engine, Row } from './sql.ts'
import type { Writer } from './writer.ts'

const dueSql = 'select 1 as due from outbox where topic = $1 and due_at <= $2 and leased_until <= $2 limit 1'

const doneSql = 'delete from outbox where id = $1'

const laterSql = 'update outbox set due_at = $2, leased_until = 0 where id = $1'

/** Work that follows a commit. Whoever claims an item has it alone until the lease ends, also against other processes. */
export class Outbox {
  readonly #engine: Engine
  readonly #writer: Writer
  readonly #clock: Clock
  readonly #lease: number
  readonly #claimSql: string

  /** @param lease milliseconds after which an item that was not settled is due again */
  constructor(engine: Engine, writer: Writer, clock: Clock, lease: number) {
    this.#engine = engine
    this.#writer = writer
    this.#clock = clock
    this.#lease = lease
    this.#claimSql =
      'update outbox set leased_until = $3, attempt = attempt + 1 where id in (' +
      'select id from outbox where topic = $1 and due_at <= $2 and leased_until <= $2 order by due_at, id limit $4' +
      `${engine.skipLocked}) returning id, topic, body, attempt, due_at`
  }

  async claim(topic: string, limit: number): Promise<readonly OutboxItem[]> {
    const now = this.#clock()
    // Most looks find nothing, and a look costs no commit.
    const due = await this.#engine.snapshot(session => session.rows(dueSql, [topic, now]))
    if (due.length === 0) return []
    const args = [topic, now, now + this.#lease, limit]
    const rows = await this.#writer.submit((_, session) => session.rows(this.#claimSql, args))
    return rows.toSorted(byDue).map(row => ({
      id: row['id'] as string,
      topic: row['topic'] as string,
      body: JSON.parse(row['body'] as string) as Json,
      attempt: row['attempt'] as number,
    }))
  }

  async settle(id: string, outcome: 'done' | { readonly retryAt: number }): Promise<void> {
    await this.#writer.submit((_, session) =>
      outcome === 'done' ? session.run(doneSql, [id]) : session.run(laterSql, [id, outcome.retryAt]),
    )
  }
}

function byDue(a: Row, b: Row): number {
  return Number(a['due_at']) - Number(b['due_at']) || (`${a['id']}` < `${b['id']}` ? -1 : 1)
}
