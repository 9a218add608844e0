import { isDeepStrictEqual } from 'node:util'
import { type StatedNoun, type Statement, statedView } from '../../domain/statement.ts'
import { columnValues, nouns, sqlName } from './schema.ts'
import type { Session } from './sql.ts'

/** Holds the current state against what events say of it, stream by stream, in memory that does not grow. */
export class StateCheck {
  readonly #session: Session
  readonly #found = new Map<StatedNoun, number>()

  constructor(session: Session) {
    this.#session = session
  }

  /** What is wrong with the records that a stream speaks of; undefined when nothing is. */
  async follow(statements: readonly Statement[]): Promise<string | undefined> {
    let wrong: string | undefined
    for (const statement of statements) wrong ??= await this.#compare(statement)
    return wrong
  }

  async #compare({ noun, key, members }: Statement): Promise<string | undefined> {
    const spec = nouns[noun]
    const columns = [spec.key, ...spec.columns].map(sqlName)
    const [row] = await this.#session.rows(
      `select ${[...columns, 'body'].join(', ')} from ${spec.table} where ${sqlName(spec.key)} = $1`,
      [key],
    )
    if (row === undefined) return members === undefined ? undefined : `${noun} ${key} is missing from the current state`
    this.#found.set(noun, (this.#found.get(noun) ?? 0) + 1)
    if (members === undefined) return `${noun} ${key} is in the current state, and was removed`
    const record = parsed(row['body'])
    if (record === undefined) return `${noun} ${key} in the current state cannot be read`
    const view = statedView(noun, record)
    const other = Object.keys(members).find(name => !isDeepStrictEqual(view[name], members[name]))
    if (other !== undefined) return `${other} of ${noun} ${key} is not what its events say`
    const values = attempt(() => columnValues(spec, record))
    const agree = values !== undefined && columns.every((name, n) => row[name] === values[n])
    return agree ? undefined : `the columns of ${noun} ${key} are not what it says itself`
  }

  /** A record that no event speaks of; to be asked when every stream was followed. */
  async stray(): Promise<string | undefined> {
    for (const noun of stated) {
      const [row] = await this.#session.rows(`select count(*) as count from ${nouns[noun].table}`)
      const more = Number(row?.['count']) - (this.#found.get(noun) ?? 0)
      if (more > 0) return `${more} of the current state of ${noun} have no events`
    }
    return undefined
  }
}

const stated = [
  'credential',
  'voucher',
  'manufacturer',
  'manifest',
  'document',
  'recall',
  'subscription',
  'issuer',
  'token',
  'caller',
  'callerAuthority',
  'safeguard',
  'confirmation',
  'unit',
  'publication',
  'feedBuyer',
  'issuedVoucher',
  'offer',
  'policy',
  'policyState',
  'bootstrappingKey',
  'configuratorKey',
  'network',
  'radiusClient',
] as const satisfies readonly StatedNoun[]

function parsed(body: unknown): Record<string, unknown> | undefined {
  const value = attempt(() => JSON.parse(body as string) as unknown)
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : undefined
}

/** Undefined where somebody wrote what we never write. */
function attempt<T>(work: () => T): T | undefined {
  try {
    return work()
  } catch {
    return undefined
  }
}
