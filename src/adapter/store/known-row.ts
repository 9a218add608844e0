import type { Recent } from '../../crypto/recent.ts'

/** A row as it was last read or written. */
export interface KnownRow {
  /** Key and columns, as `columnValues` gives them. */
  readonly columns: readonly string[]
  readonly record: object
}

/**
 * Rows that need not be asked of the database, where nobody else writes to it. They lie in layers as the writes do: a unit
 * over its batch, the batch over what is committed. What a unit or a batch knew goes with it when it is undone.
 */
export class KnownRows {
  /** Null: not known here, whatever lies below. */
  readonly #rows = new Map<string, KnownRow | null>()
  readonly #below: Pick<KnownRows, 'get'>

  constructor(below: Pick<KnownRows, 'get'>) {
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

  /** What `above` knew counts here from now on. */
  take(above: KnownRows): void {
    for (const [name, row] of above.#rows) this.#rows.set(name, row)
  }

  /** What is known here is committed. */
  commit(cache: Recent<KnownRow>): void {
    for (const [name, row] of this.#rows) {
      if (row === null) cache.delete(name)
      else cache.set(name, row)
    }
  }
}

export function rowName(table: string, key: string): string {
  return `${table} ${key}`
}
