import type { ErrorCode } from '../../domain/error.ts'
import { type Rung, rungs } from '../../domain/evidence.ts'
import type { painter, Stream } from '../cli/terminal.ts'

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

/** Colours a word, or leaves it. */
export type Paint = ReturnType<typeof painter>

/** The ladder as text: a head line, then one line for each row; at most 100 columns. */
export function ladderLines(rows: readonly LadderRow[], paint: Paint): string[] {
  const names = Math.max(6, ...rows.map(({ name }) => name.length))
  const models = Math.max(5, ...rows.map(({ model }) => model.length))
  const head = `  ${'device'.padEnd(names)}  ${'model'.padEnd(models)}  ${rungs.map(rung => rung.slice(0, 4)).join('  ')}`
  return [
    paint('dim', head),
    ...rows.map(row => `  ${row.name.padEnd(names)}  ${row.model.padEnd(models)}  ${steps(row, paint)}`),
  ]
}

function steps(row: LadderRow, paint: Paint): string {
  const reached = row.rung === undefined ? -1 : rungs.indexOf(row.rung)
  const cells = rungs.map((_, index) => {
    if (index <= reached) return paint('green', '●')
    if (index === reached + 1 && row.refusal !== undefined)
      return row.waiting ? paint('yellow', '◌') : paint('red', '✗')
    return paint('dim', '·')
  })
  return `${cells.join('     ')}     ${verdict(row, paint)}`.trimEnd()
}

function verdict({ rung, refusal, waiting, note }: LadderRow, paint: Paint): string {
  if (rung === 'connected' && refusal === undefined) return note === undefined ? '' : paint('dim', note)
  if (refusal !== undefined) return paint(waiting ? 'yellow' : 'red', waiting ? `waits: ${refusal}` : refusal)
  return ''
}

/** Draws the ladder again in place on a terminal; on anything else it says each change in a line. */
export function liveLadder(out: Stream, paint: Paint) {
  let drawn = 0
  const said = new Map<string, string>()
  const redraw = (rows: readonly LadderRow[]) => {
    const lines = ladderLines(rows, paint)
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
  return { show: out.isTTY === true ? redraw : say }
}
