import type { Table, Tables } from '../../domain/port.ts'
import type { Dialect, Row } from './sql.ts'

export type Noun = keyof Tables
export type RecordOf<N extends Noun> = Tables[N] extends Table<infer T, infer _> ? T : never
type IndexOf<N extends Noun> = Tables[N] extends Table<infer _, infer I> ? I : never

/** How one noun of `Tables` lies in SQL: its key, the members that can be searched, the whole as JSON in `body`. */
export interface NounSpec {
  readonly table: string
  readonly key: string
  /** Text members with a column of their own. */
  readonly columns: readonly string[]
  /** Members that are unique together. */
  readonly unique?: readonly (readonly string[])[]
  /** What is searched for together; absent: each column by itself, but for those that begin something unique. */
  readonly index?: readonly (readonly string[])[]
  /** Each value of the first member belongs to one value of the second, for ever; several rows may carry both. */
  readonly claim?: { readonly value: string; readonly holder: string }
  /** Read all the time and seldom written to. */
  readonly settled?: true
  /** As `index`, of the rows alone that have the first member. */
  readonly sparse?: readonly (readonly string[])[]
  /** Values of a member that few rows have and that are searched for by themselves; the others are not indexed. */
  readonly rare?: { readonly member: string; readonly values: readonly string[] }
}

type Member<N extends Noun> = keyof RecordOf<N> & string

/** Checks a declaration against the port: every name is a member. */
type SpecOf<N extends Noun> = {
  readonly table: string
  readonly key: Member<N>
  readonly columns: readonly Member<N>[]
  readonly unique?: readonly (readonly Member<N>[])[]
  readonly index?: readonly (readonly Member<N>[])[]
  readonly claim?: { readonly value: Member<N>; readonly holder: Member<N> }
  readonly settled?: true
  readonly sparse?: readonly (readonly Member<N>[])[]
  readonly rare?: { readonly member: Member<N>; readonly values: readonly string[] }
}

const declared = {
  device: {
    table: 'device',
    key: 'id',
    columns: ['manufacturer', 'serial', 'lifecycle', 'rung', 'standing', 'owner', 'awaits'],
    unique: [['serial', 'manufacturer']],
  },
  credential: {
    table: 'credential',
    key: 'id',
    columns: ['device', 'status', 'serialHex', 'requestHash', 'keyHash', 'network'],
    unique: [['serialHex'], ['requestHash']],
    // A device has a handful; by key they are found through the device that claims it.
    index: [['device']],
    sparse: [['network', 'status']],
    rare: { member: 'status', values: ['revoked', 'held'] },
    // A renewal may keep its key (RFC 7030 section 4.2.2); another device with that key would be a clone.
    claim: { value: 'keyHash', holder: 'device' },
  },
  voucher: { table: 'voucher', key: 'id', columns: ['device'] },
  manufacturer: { table: 'manufacturer', key: 'name', columns: [] },
  manifest: { table: 'manifest', key: 'id', columns: ['manufacturer'] },
  document: { table: 'document', key: 'id', columns: [] },
  subscription: { table: 'subscription', key: 'manufacturer', columns: ['status'] },
  recall: {
    table: 'recall',
    key: 'id',
    columns: ['manufacturer', 'status'],
    index: [['manufacturer', 'status']],
    settled: true,
  },
  issuer: { table: 'issuer', key: 'name', columns: [] },
  token: { table: 'token', key: 'id', columns: ['hash'], unique: [['hash']] },
  callerAuthority: { table: 'caller_authority', key: 'name', columns: [] },
  safeguard: { table: 'safeguard', key: 'name', columns: [] },
  confirmation: {
    table: 'confirmation',
    key: 'id',
    columns: ['party', 'status'],
    index: [['party', 'status'], ['status']],
  },
  caller: { table: 'caller', key: 'id', columns: ['authority', 'identity'], index: [['authority', 'identity']] },
  unit: { table: 'unit', key: 'serial', columns: ['model', 'batch', 'owner', 'keyHash'], unique: [['keyHash']] },
  batch: { table: 'batch', key: 'id', columns: ['model'] },
  feedBuyer: { table: 'feed_buyer', key: 'id', columns: ['buyer'] },
  publication: { table: 'publication', key: 'id', columns: ['buyer', 'recall'] },
  issuedVoucher: {
    table: 'issued_voucher',
    key: 'id',
    columns: ['serial', 'domain', 'nonce'],
    index: [['serial', 'nonce']],
  },
  formerDeclaration: { table: 'former_declaration', key: 'id', columns: ['serial'] },
  offer: { table: 'offer', key: 'id', columns: ['manufacturer', 'seller', 'state'] },
  policy: { table: 'policy', key: 'id', columns: ['sourceHash'], unique: [['sourceHash']] },
  policyState: { table: 'policy_state', key: 'name', columns: [], settled: true },
  bootstrappingKey: {
    table: 'bootstrapping_key',
    key: 'id',
    columns: ['device', 'chirpHash', 'state'],
    unique: [['chirpHash']],
    index: [['device', 'state']],
  },
  configuratorKey: { table: 'configurator_key', key: 'id', columns: ['use', 'state'], index: [['use', 'state']] },
  network: { table: 'network', key: 'name', columns: ['status'] },
  radiusClient: { table: 'radius_client', key: 'name', columns: ['address', 'status'] },
  accessSession: {
    table: 'access_session',
    key: 'id',
    columns: ['device', 'client', 'state'],
    index: [['device', 'state'], ['client', 'state'], ['state']],
  },
  setting: { table: 'setting', key: 'name', columns: [] },
} as const satisfies { readonly [N in Noun]: SpecOf<N> }

type Unsearchable<D extends Readonly<Record<Noun, NounSpec>>> = {
  [N in Noun]: Exclude<IndexOf<N>, D[N]['columns'][number]>
}[Noun]

/** The compiler names here an index of the port that has no column. */
type Complete<D extends Readonly<Record<Noun, NounSpec>>> = [Unsearchable<D>] extends [never]
  ? Readonly<Record<Noun, NounSpec>>
  : { readonly unsearchable: Unsearchable<D> }

export const nouns: Complete<typeof declared> = declared

export const nounNames = Object.keys(declared) as readonly Noun[]

/** A table as both databases know it. Columns are `not null`; `index` columns are completed by the key. */
export interface Shape {
  readonly name: string
  readonly columns: Readonly<Record<string, 'text' | 'integer'>>
  readonly key: readonly string[]
  readonly unique: readonly (readonly string[])[]
  readonly index: readonly (readonly string[])[]
  /** Of the rows that fulfil a condition alone; a question has to repeat it word for word. */
  readonly partial?: readonly {
    readonly name: string
    readonly unique: boolean
    readonly columns: readonly string[]
    readonly where: string
  }[]
  /** Rows lie in the order of the key: for SQLite one tree less to write. */
  readonly clustered?: boolean
}

export function sqlName(member: string): string {
  return member.replace(/[A-Z]/g, letter => `_${letter.toLowerCase()}`)
}

function shapeOf(spec: NounSpec): Shape[] {
  const columns: Record<string, 'text' | 'integer'> = { [sqlName(spec.key)]: 'text' }
  for (const member of spec.columns) columns[sqlName(member)] = 'text'
  columns['body'] = 'text'
  const unique = (spec.unique ?? []).map(members => members.map(sqlName))
  const alone = spec.columns.map(sqlName).filter(name => !unique.some(([first]) => first === name))
  const index = spec.index?.map(members => members.map(sqlName)) ?? alone.map(name => [name])
  const key = [sqlName(spec.key)]
  const shape = { name: spec.table, columns, key, unique, index, partial: partialIndexes(spec) }
  if (spec.claim === undefined) return [shape]
  const { value, holder } = spec.claim
  const claim = { [sqlName(value)]: 'text', [sqlName(holder)]: 'text' } as const
  return [
    shape,
    { name: claimTable(spec), columns: claim, key: [sqlName(value)], unique: [], index: [], clustered: true },
  ]
}

function partialIndexes({ rare, sparse = [], key }: NounSpec): NonNullable<Shape['partial']> {
  const ofFew = (rare?.values ?? []).map(value => {
    const where = rareCondition(rare!.member, value)
    return { name: value, unique: false, columns: [sqlName(key)], where }
  })
  const ofSome = sparse.map(members => {
    const columns = members.map(sqlName)
    const where = presenceCondition(members[0]!)
    return { name: columns.join('_'), unique: false, columns: [...columns, sqlName(key)], where }
  })
  return [...ofFew, ...ofSome]
}

function rareCondition(member: string, value: string): string {
  return `${sqlName(member)} = '${value}'`
}

function presenceCondition(member: string): string {
  return `${sqlName(member)} <> ''`
}

/** Of the partial index that a search can use; a database sees that it can where the condition stands in the question. */
export function indexCondition(
  { rare, sparse = [] }: NounSpec,
  members: readonly string[],
  values: readonly unknown[],
): string | undefined {
  const [first] = sparse.find(([first]) => members.includes(first!)) ?? []
  if (first !== undefined) return values[members.indexOf(first)] === '' ? undefined : presenceCondition(first)
  // Together with another member there is a better index.
  if (rare === undefined || members.length !== 1 || members[0] !== rare.member) return undefined
  const value = rare.values.find(one => one === values[0])
  return value === undefined ? undefined : rareCondition(rare.member, value)
}

export function claimTable(spec: NounSpec): string {
  return `${spec.table}_${sqlName(spec.claim?.value ?? '')}`
}

/**
 * `origin` is the sequence of the first event of the stream. By it the events of streams that began together lie together:
 * their devices come together, too, and names in an order of their own would spread them over as many pages.
 */
const eventShape: Shape = {
  name: 'event',
  columns: {
    lane: 'text',
    sequence: 'integer',
    stream: 'text',
    version: 'integer',
    at: 'integer',
    kind: 'text',
    body: 'text',
    previous: 'text',
    hash: 'text',
    origin: 'integer',
  },
  key: ['lane', 'sequence'],
  unique: [['origin', 'stream', 'version']],
  index: [],
  partial: [{ name: 'stream', unique: true, columns: ['stream'], where: 'version = 1' }],
  clustered: true,
}

const checkpointShape: Shape = {
  name: 'checkpoint',
  columns: { number: 'integer', at: 'integer', lanes: 'text', previous: 'text', key: 'text', signature: 'text' },
  key: ['number'],
  unique: [],
  index: [],
}

const outboxShape: Shape = {
  name: 'outbox',
  columns: { id: 'text', topic: 'text', body: 'text', due_at: 'integer', attempt: 'integer', leased_until: 'integer' },
  key: ['id'],
  unique: [],
  index: [['topic', 'due_at']],
}

/** Every table that a backup carries. */
export const shapes: readonly Shape[] = [
  eventShape,
  checkpointShape,
  ...nounNames.flatMap(noun => shapeOf(nouns[noun])),
  outboxShape,
]

/** The statements that make all tables. The only text that differs between the databases is the names of types. */
export function createStatements(dialect: Dialect): string[] {
  return shapes.flatMap(shape => {
    const columns = Object.entries(shape.columns).map(([name, type]) => `${name} ${typeName(dialect, type)} not null`)
    const keys = [shape.key, ...shape.unique].map(
      (key, n) => `${n === 0 ? 'primary key' : 'unique'}(${key.join(', ')})`,
    )
    // Strict: SQLite would else keep a text in an integer column, and hashes cover what is read back.
    const options = dialect === 'sqlite' ? ` strict${shape.clustered === true ? ', without rowid' : ''}` : ''
    return [
      `create table ${shape.name}(${[...columns, ...keys].join(', ')})${options}`,
      ...shape.index.map(names => {
        const all = [...names, ...shape.key]
        return `create index ${shape.name}_by_${names.join('_')} on ${shape.name}(${all.join(', ')})`
      }),
      ...(shape.partial ?? []).map(({ name, unique, columns: names, where }) => {
        const place = `${shape.name}(${names.join(', ')})`
        return `create ${unique ? 'unique ' : ''}index ${shape.name}_by_${name} on ${place} where ${where}`
      }),
    ]
  })
}

function typeName(dialect: Dialect, type: 'text' | 'integer'): string {
  if (dialect === 'sqlite') return type
  // Code-point order, as SQLite has it, whatever the locale of the database.
  return type === 'text' ? 'text collate "C"' : 'bigint'
}

export interface Search {
  readonly paged: boolean
  /** Stands in the text; the last argument when undefined. */
  readonly limit: number | undefined
  /** As `indexCondition` has it. */
  readonly condition: string | undefined
}

/** The statements of one noun, made once. */
export interface NounSql {
  readonly spec: NounSpec
  readonly get: string
  readonly insert: string
  readonly put: string
  /** Body and only those columns that change: an index is not written for a value that stays. $1 is the key, $2 the body. */
  update(changed: readonly string[]): string
  readonly remove: string
  readonly claim: string | undefined
  find(filter: readonly string[], how: Search): string
  count(filter: readonly string[]): string
}

export const nounSql: Readonly<Record<Noun, NounSql>> = Object.fromEntries(
  nounNames.map(noun => [noun, statementsOf(nouns[noun])]),
) as Record<Noun, NounSql>

function statementsOf(spec: NounSpec): NounSql {
  const { table } = spec
  const key = sqlName(spec.key)
  const columns = spec.columns.map(sqlName)
  const all = [key, ...columns, 'body']
  const insert = `insert into ${table}(${all.join(', ')}) values(${all.map((_, n) => `$${n + 1}`).join(', ')})`
  const set = [...columns, 'body'].map(name => `${name} = excluded.${name}`).join(', ')
  const made = new Map<string, string>()
  const where = (filter: readonly string[]) =>
    filter.map((member, n) => `${column(spec, member)} = $${n + 1}${claimedBy(spec, member, `$${n + 1}`)}`)
  const cached = (name: string, make: () => string) => {
    const text = made.get(name) ?? make()
    made.set(name, text)
    return text
  }
  return {
    spec,
    get: `select body from ${table} where ${key} = $1`,
    insert: `${insert} on conflict do nothing`,
    put: `${insert} on conflict(${key}) do update set ${set}`,
    update: changed =>
      cached(`update ${changed.join()}`, () => {
        const columns = changed.map((member, n) => `, ${column(spec, member)} = $${n + 3}`)
        return `update ${table} set body = $2${columns.join('')} where ${key} = $1`
      }),
    remove: `delete from ${table} where ${key} = $1`,
    claim: claimSql(spec),
    find: (filter, { paged, limit, condition }) =>
      cached(`find ${paged} ${limit} ${condition} ${filter.join()}`, () => {
        const conditions = [...where(filter), ...(paged ? [`${key} > $${filter.length + 1}`] : [])]
        const end = `order by ${key} limit ${limit ?? `$${conditions.length + 1}`}`
        if (condition !== undefined) conditions.push(condition)
        const clause = conditions.length === 0 ? '' : ` where ${conditions.join(' and ')}`
        return `select body from ${table}${clause} ${end}`
      }),
    count: filter =>
      cached(`count ${filter.join()}`, () => {
        const clause = filter.length === 0 ? '' : ` where ${where(filter).join(' and ')}`
        return `select count(*) as count from ${table}${clause}`
      }),
  }
}

function column(spec: NounSpec, member: string): string {
  if (member !== spec.key && !spec.columns.includes(member)) {
    throw new TypeError(`${spec.table} cannot be searched by ${member}`)
  }
  return sqlName(member)
}

/** Who claims a value is found with one look, and so needs no second index. */
function claimedBy(spec: NounSpec, member: string, place: string): string {
  if (spec.claim?.value !== member) return ''
  const [value, holder] = [sqlName(member), sqlName(spec.claim.holder)]
  return ` and ${holder} = (select ${holder} from ${claimTable(spec)} where ${value} = ${place})`
}

/** Touches one row when the value is free or already with this holder, none when it is with another. */
function claimSql(spec: NounSpec): string | undefined {
  if (spec.claim === undefined) return undefined
  const table = claimTable(spec)
  const value = sqlName(spec.claim.value)
  const holder = sqlName(spec.claim.holder)
  return (
    `insert into ${table}(${value}, ${holder}) values($1, $2) on conflict(${value}) do update ` +
    `set ${holder} = excluded.${holder} where ${table}.${holder} = excluded.${holder}`
  )
}

/** Key and columns of a record. Absent and null are found as ''. */
export function columnValues(spec: NounSpec, record: object): string[] {
  const members = record as Readonly<Record<string, unknown>>
  const values = [columnText(spec, spec.key, members[spec.key])]
  for (const member of spec.columns) values.push(columnText(spec, member, members[member] ?? ''))
  return values
}

/** Key, columns and body of a record, in the order in which `insert` and `put` take them. */
export function rowValues(spec: NounSpec, record: object): string[] {
  return [...columnValues(spec, record), JSON.stringify(record)]
}

/** Text that both databases keep and compare alike. */
export function columnText(spec: { readonly table: string }, member: string, value: unknown): string {
  if (typeof value !== 'string' || value.includes('\0') || !value.isWellFormed()) {
    throw new TypeError(`${spec.table}.${member} must be text without NUL and without half a surrogate pair`)
  }
  return value
}

export function recordOf<T>(row: Row | undefined): T | undefined {
  return row === undefined ? undefined : (JSON.parse(row['body'] as string) as T)
}
