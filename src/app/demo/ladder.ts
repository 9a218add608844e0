import type { ErrorCode } from '../../domain/error.ts'
import { type Rung, rungs } from '../../domain/evidence.ts'

/** One line of the ladder. */
export interface LadderRow {
  readonly name: string
  readonly model: string
  /** Undefined before the device is switched on. */
  readonly rung?: Rung
  readonly waiting?: boolean
  readonly refusal?: ErrorCode
  /** What makes this one worth watching. */
  readonly note?: string
}

export interface Style {
  readonly colour: boolean
}

const paint = {
  green: (text: string) => `\u001b[32m${text}\u001b[39m`,
  red: (text: string) => `\u001b[31m${text}\u001b[39m`,
  yellow: (text: string) => `\u001b[33m${text}\u001b[39m`,
  dim: (text: string) => `\u001b[2m${text}\u001b[22m`,
} as const

export function painter({ colour }: Style) {
  return (name: keyof typeof paint, text: string): string => (colour ? paint[name](text) : text)
}

/** The ladder as text: a head line, then one line for each row; at most 100 columns. */
export function ladderLines(rows: readonly LadderRow[], style: Style): string[] {
  const colour = painter(style)
  const names = Math.max(6, ...rows.map(({ name }) => name.length))
  const models = Math.max(5, ...rows.map(({ model }) => model.length))
  const head = `  ${'device'.padEnd(names)}  ${'model'.padEnd(models)}  ${rungs.map(rung => rung.slice(0, 4)).join('  ')}`
  return [
    colour('dim', head),
    ...rows.map(row => `  ${row.name.padEnd(names)}  ${row.model.padEnd(models)}  ${steps(row, style)}`),
  ]
}

function steps(row: LadderRow, style: Style): string {
  const colour = painter(style)
  const reached = row.rung === undefined ? -1 : rungs.indexOf(row.rung)
  const cells = rungs.map((_, index) => {
    if (index <= reached) return colour('green', '●')
    if (index === reached + 1 && row.refusal !== undefined)
      return row.waiting ? colour('yellow', '◌') : colour('red', '✗')
    return colour('dim', '·')
  })
  return `${cells.join('     ')}     ${verdict(row, style)}`.trimEnd()
}

function verdict({ rung, refusal, waiting, note }: LadderRow, style: Style): string {
  const colour = painter(style)
  if (rung === 'connected' && refusal === undefined) return note === undefined ? '' : colour('dim', note)
  if (refusal !== undefined) return colour(waiting ? 'yellow' : 'red', waiting ? `waits: ${refusal}` : refusal)
  return ''
}

/** Draws the ladder again in place on a terminal; on anything else it says each change in a line. */
export function liveLadder(out: NodeJS.WriteStream, style: Style) {
  let drawn = 0
  const said = new Map<string, string>()
  const redraw = (rows: readonly LadderRow[]) => {
    const lines = ladderLines(rows, style)
    const up = drawn === 0 ? '' : `\u001b[${drawn}A`
    out.write(`${up}${lines.map(line => `\u001b[2K${line}`).join('\n')}\n`)
    drawn = lines.length
  }
  const say = (rows: readonly LadderRow[]) => {
    for (const { name, rung, refusal, waiting } of rows) {
      const now = refusal === undefined ? (rung ?? '') : `${waiting ? 'waits' : 'refused'}: ${refusal}`
      if (now === '' || said.get(name) === now) continue
      said.set(name, now)
      out.write(`${name} ${now}\n`)
    }
  }
  return { show: out.isTTY ? redraw : say }
}
