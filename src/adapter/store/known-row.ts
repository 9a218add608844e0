import { Recent } from '../../crypto/recent.ts'
import { nouns } from './schema.ts'
import type { Row } from './sql.ts'

/** A row as it was last read or written. */
export interface KnownRow {
  /** Key and columns, as `columnValues` gives them. */
  readonly columns: readonly string[]
  readonly record: object
}

/** Rows that are remembered: those of devices that are being onboarded now, and of what they have in common. */
const maxRows = 1024
/** Answers about one table. */
const maxAnswers = 256

type Answers = Map<string, readonly Row[]>

/** What is known below a layer. */
interface Below {
  get(name: string): KnownRow | undefined
  answer(table: string, question: string): readonly Row[] | undefined
}

/** What is committed. */
export class CommittedRows implements Below {
  readonly rows = new Recent<KnownRow>(maxRows)
  /** By table. */
  readonly answers = new Map<string, Answers>()

  get(name: string): KnownRow | undefined {
    return this.rows.get(name)
  }

  answer(table: string, question: string): readonly Row[] | undefined {
    return this.answers.get(table)?.get(question)
  }
}

/**
 * Rows and answers that need not be asked of the database, where nobody else writes to it. They lie in layers as the writes
 * do: a unit over its batch, the batch over what is committed. What a unit or a batch knew goes with it when it is undone.
 */
export class KnownRows implements Below {
  /** Null: not known here, whatever lies below. */
  readonly #rows = new Map<string, KnownRow | null>()
  /** By table. Of a table that was written to here, what lies below does not count any more. */
  #answers: Map<string, { readonly changed: boolean; readonly list: Answers }> | undefined
  readonly #below: Below

  constructor(below: Below) {
    this.#below = below
  }

  /** @param name table and key, as `rowName` has them */
  get(name: string): KnownRow | undefined {
    const row = this.#rows.get(name)
    return row === undefined ? this.#below.get(name) : (row ?? undefined)
  }

  set(name: string, row: KnownRow): void {
    this.#rows.set(name, row)
  }

  forget(name: string): void {
    this.#rows.set(name, null)
  }

  answer(table: string, question: string): readonly Row[] | undefined {
    const own = this.#answers?.get(table)
    return own?.list.get(question) ?? (own?.changed === true ? undefined : this.#below.answer(table, question))
  }

  setAnswer(table: string, question: string, rows: readonly Row[]): void {
    this.#answers ??= new Map()
    const own = this.#answers.get(table) ?? { changed: false, list: new Map() }
    this.#answers.set(table, own)
    own.list.set(question, rows)
  }

  /** A write to the table: what was answered before does not count. */
  changed(table: string): void {
    if (!settledTables.has(table)) return
    this.#answers ??= new Map()
    this.#answers.set(table, { changed: true, list: new Map() })
  }

  /** What `above` knew counts here from now on. */
  take(above: KnownRows): void {
    for (const [name, row] of above.#rows) this.#rows.set(name, row)
    for (const [table, { changed, list }] of above.#answers ?? []) {
      if (changed) this.changed(table)
      for (const [question, rows] of list) this.setAnswer(table, question, rows)
    }
  }

  /** What is known here is committed. */
  commit(committed: CommittedRows): void {
    for (const [name, row] of this.#rows) {
      if (row === null) committed.rows.delete(name)
      else committed.rows.set(name, row)
    }
    for (const [table, { changed, list }] of this.#answers ?? []) {
      const known = committed.answers.get(table)
      const kept: Answers = changed || known === undefined || known.size > maxAnswers ? new Map() : known
      for (const [question, rows] of list) kept.set(question, rows)
      committed.answers.set(table, kept)
    }
  }
}

const settledTables: ReadonlySet<string> = new Set(
  Object.values(nouns).flatMap(({ settled, table }) => (settled === true ? [table] : [])),
)

export function rowName(table: string, key: string): string {
  return `${table} ${key}`
}
