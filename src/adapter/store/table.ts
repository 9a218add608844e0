import type { Tables } from '../../domain/port.ts'
import { type KnownRows, rowName } from './known-row.ts'
import {
  columnText,
  columnValues,
  indexCondition,
  type NounSql,
  nounNames,
  nounSql,
  recordOf,
  rowValues,
} from './schema.ts'
import type { Row, SqlValue } from './sql.ts'

/** Through what a table reaches its rows: a unit of work, or a look without writing. */
export interface Gate {
  rows(sql: string, args: readonly SqlValue[]): Promise<readonly Row[]>
  run(sql: string, args: readonly SqlValue[]): Promise<number>
  /** Runs a statement that need not be waited for; `untouched` fails the whole unit when the statement touches no row. */
  post(sql: string, args: readonly SqlValue[], untouched?: () => Error): Promise<void>
  /** Absent where others write at the same time: what was read may have changed. */
  readonly known: KnownRows | undefined
  /** The error for a value that another row has. */
  exists(table: string, constraint: string): Error
}

type Filter = Readonly<Record<string, string | number | undefined>>

/** Limits that stand in the text: SQLite prepares a statement anew whenever one is bound. Those that our own code uses. */
const writtenLimits = [1, 100, 1000]

/** One noun's rows, as the port has them. */
class SqlTable<T extends object> {
  readonly #sql: NounSql
  readonly #gate: Gate

  constructor(sql: NounSql, gate: Gate) {
    this.#sql = sql
    this.#gate = gate
  }

  async get(key: string): Promise<T | undefined> {
    const { spec, get } = this.#sql
    const known = this.#gate.known?.get(rowName(spec.table, key))
    if (known !== undefined) return known.record as T
    const rows = await this.#ask(get, [key])
    const record = recordOf<T>(rows[0])
    if (record !== undefined && this.#gate.known !== undefined) this.#know(columnValues(spec, record), record)
    return record
  }

  async insert(value: T): Promise<void> {
    const { spec, insert } = this.#sql
    const values = rowValues(spec, value)
    this.#gate.known?.changed(spec.table)
    const [claimed, inserted] = await Promise.all([this.#claim(value), this.#gate.run(insert, values)])
    if (!claimed) {
      // Rare enough to take it back: so both went one way.
      if (inserted > 0) await this.#gate.run(this.#sql.remove, [values[0]!])
      throw this.#gate.exists(spec.table, spec.claim!.value)
    }
    if (inserted === 0) {
      throw this.#gate.exists(spec.table, await this.#taken(value))
    }
    this.#know(values, value)
  }

  async put(value: T): Promise<void> {
    const { spec, put, claim } = this.#sql
    const values = rowValues(spec, value)
    const before = this.#gate.known?.get(rowName(spec.table, values[0]!))?.columns
    const changed = spec.columns.filter((_, n) => before?.[n + 1] !== values[n + 1])
    if (claim !== undefined && (changed.includes(spec.claim!.value) || changed.includes(spec.claim!.holder))) {
      const taken = () => this.#gate.exists(spec.table, spec.claim!.value)
      await this.#gate.post(claim, claimValues(this.#sql, value), taken)
    }
    this.#know(values, value)
    this.#gate.known?.changed(spec.table)
    if (before === undefined) return this.#gate.post(put, values)
    const args = [values[0]!, values.at(-1)!, ...changed.map(member => values[spec.columns.indexOf(member) + 1]!)]
    const vanished = () => new Error(`${spec.table} ${values[0]} is not there`)
    return this.#gate.post(this.#sql.update(changed), args, vanished)
  }

  async remove(key: string): Promise<void> {
    const { table } = this.#sql.spec
    this.#gate.known?.forget(rowName(table, key))
    this.#gate.known?.changed(table)
    return this.#gate.post(this.#sql.remove, [key])
  }

  async find(filter: Filter, page: { readonly after?: string; readonly limit?: number } = {}): Promise<readonly T[]> {
    const { members, values } = conditions(filter)
    const limit = Math.max(0, Math.min(page.limit ?? 100, 1000))
    const paged = page.after !== undefined
    const written = writtenLimits.includes(limit)
    const args = [...values, ...(paged ? [page.after] : []), ...(written ? [] : [limit])]
    const condition = indexCondition(this.#sql.spec, members, values)
    const how = { paged, limit: written ? limit : undefined, condition }
    const rows = await this.#ask(this.#sql.find(members, how), args)
    return rows.map(row => recordOf<T>(row) as T)
  }

  async count(filter: Filter = {}): Promise<number> {
    const { members, values } = conditions(filter)
    const rows = await this.#gate.rows(this.#sql.count(members), values)
    return rows[0]!['count'] as number
  }

  /** Of a table that is seldom written to, the answers are remembered until it is. */
  async #ask(sql: string, args: readonly SqlValue[]): Promise<readonly Row[]> {
    const { spec } = this.#sql
    const known = spec.settled === true ? this.#gate.known : undefined
    const question = known === undefined ? '' : `${sql}\0${args.join('\0')}`
    const before = known?.answer(spec.table, question)
    if (before !== undefined) return before
    const rows = await this.#gate.rows(sql, args)
    known?.setAnswer(spec.table, question, rows)
    return rows
  }

  /** @param columns key and columns, and maybe the body */
  #know(columns: readonly string[], record: T): void {
    this.#gate.known?.set(rowName(this.#sql.spec.table, columns[0]!), { columns, record: Object.freeze(record) })
  }

  /** False when another holder has the value. */
  async #claim(value: T): Promise<boolean> {
    const { claim } = this.#sql
    return claim === undefined || (await this.#gate.run(claim, claimValues(this.#sql, value))) > 0
  }

  /** Which members of a row that was not added are taken; asked only after the fact, so that the good case is one statement. */
  async #taken(value: T): Promise<string> {
    const { spec } = this.#sql
    const record = value as Readonly<Record<string, unknown>>
    for (const members of [[spec.key], ...(spec.unique ?? [])]) {
      const values = members.map(member => columnText(spec, member, record[member]))
      const rows = await this.#gate.rows(this.#sql.count(members), values)
      if (rows[0]!['count'] !== 0) return members.join(' ')
    }
    return spec.key
  }
}

function claimValues({ spec }: NounSql, value: object): string[] {
  const record = value as Readonly<Record<string, unknown>>
  const { value: claimed, holder } = spec.claim!
  return [columnText(spec, claimed, record[claimed]), columnText(spec, holder, record[holder])]
}

function conditions(filter: Filter): { members: string[]; values: (string | number)[] } {
  const members: string[] = []
  const values: (string | number)[] = []
  for (const [member, value] of Object.entries(filter)) {
    if (value === undefined) continue
    members.push(member)
    values.push(value)
  }
  return { members, values }
}

/** The tables behind `gate`, made as they are asked for: of thirty a unit of work needs two or three. */
export class GatedTables {
  // Not private: a sealed store looks through this object, see sealed.ts.
  readonly gate: Gate

  constructor(gate: Gate) {
    this.gate = gate
  }
}

for (const noun of nounNames) {
  Object.defineProperty(GatedTables.prototype, noun, {
    get(this: GatedTables) {
      return new SqlTable(nounSql[noun], this.gate)
    },
  })
}

export function gatedTables(gate: Gate): Tables {
  return new GatedTables(gate) as GatedTables & Tables
}
