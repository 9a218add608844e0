import { existsSync, readFileSync } from 'node:fs'

/** The lifecycle of the requirements, as the walk judges by: nothing in here comes from `src`. */
export interface OracleRow {
  readonly id: string
  readonly from: string
  readonly event: string
  readonly to: string
  /** In the words of the requirements; `-` for nobody's step, which anyone may report. */
  readonly actor: string
  readonly guard: string
  /** Alternatives of the condition, written down by hand beside its words. */
  readonly when: readonly Facts[]
}

export type Facts = Readonly<Record<string, boolean>>

export interface Oracle {
  readonly states: readonly string[]
  readonly rows: readonly OracleRow[]
  readonly events: readonly string[]
  readonly actors: readonly string[]
  readonly facts: readonly string[]
  readonly actorsOf: (row: OracleRow) => readonly string[]
  readonly rowsFrom: (state: string) => readonly OracleRow[]
  /** What has to come of it: the row that is taken, or the code of the refusal. */
  readonly judge: (attempt: Attempt) => OracleRow | string
}

export interface Attempt {
  readonly state: string
  readonly event: string
  readonly actor: string
  readonly facts: Facts
}

/** As the requirements abbreviate parties, and as the lifecycle names them. */
const parties: Readonly<Record<string, string>> = {
  'system integrator': 'device-system-integrator',
  integrator: 'device-system-integrator',
  manufacturer: 'device-manufacturer',
  owner: 'device-owner',
}

const copy = new URL('../../test/vector/lifecycle/table.json', import.meta.url)
const source = new URL('../../../shared/nist/requirements.json', import.meta.url)

/** @throws Error when the copy is not what the requirements say, where those are at hand */
export function openOracle(): Oracle {
  const { states, transitions: rows } = JSON.parse(readFileSync(copy, 'utf8')) as {
    states: string[]
    transitions: OracleRow[]
  }
  const difference = existsSync(source) ? differenceFrom(rows, states) : undefined
  if (difference !== undefined) throw new Error(`the copy of the lifecycle is not the requirements': ${difference}`)
  const actorsOf = ({ actor }: OracleRow) =>
    actor === '-' ? [] : actor.split(' / ').map(name => parties[name] ?? name.replaceAll(' ', '-'))
  return {
    states,
    rows,
    events: [...new Set(rows.map(({ event }) => event))],
    actors: [...new Set(rows.flatMap(actorsOf))],
    facts: [...new Set(rows.flatMap(({ when }) => when.flatMap(Object.keys)))],
    actorsOf,
    rowsFrom: state => rows.filter(({ from }) => from === state),
    judge({ state, event, actor, facts }) {
      const row = rows.find(each => each.from === state && each.event === event)
      if (row === undefined) return 'lifecycle-transition-refused'
      const actors = actorsOf(row)
      if (actors.length > 0 && !actors.includes(actor)) return 'lifecycle-actor-refused'
      const holds = row.when.some(all => Object.entries(all).every(([fact, value]) => facts[fact] === value))
      return holds ? row : 'lifecycle-guard-unmet'
    },
  }
}

function differenceFrom(rows: readonly OracleRow[], states: readonly string[]): string | undefined {
  const { lifecycle } = JSON.parse(readFileSync(source, 'utf8')) as {
    lifecycle: { states: { id: string }[]; transitions: OracleRow[] }
  }
  const named = lifecycle.states.map(({ id }) => id).join()
  if (named !== states.join()) return `states ${named}`
  const members = ['id', 'from', 'event', 'to', 'actor', 'guard'] as const
  const text = (row: OracleRow | undefined) => members.map(member => row?.[member]).join(' | ')
  const length = Math.max(rows.length, lifecycle.transitions.length)
  for (let n = 0; n < length; n++) {
    const [kept, stated] = [text(rows[n]), text(lifecycle.transitions[n])]
    if (kept !== stated) return `${kept} against ${stated}`
  }
  return undefined
}
