import type { ErrorCode } from '../../domain/error.ts'
import { type Rung, rungs } from '../../domain/evidence.ts'
import { columnsOf, type painter, type Stream } from '../cli/terminal.ts'

/** One line of the ladder. */
export interface LadderRow {
  readonly name: string
  readonly model: string
  /** Nobody told the site that this one would come. */
  readonly unexpected?: boolean
  /** Undefined before the device is switched on. */
  readonly rung?: Rung
  readonly waiting?: boolean
  readonly refusal?: ErrorCode
  /** The network that took it, and may not have it. */
  readonly misled?: string
  /** What makes this one worth watching. */
  readonly note?: string
}

/** Colours a word, or leaves it. */
export type Paint = ReturnType<typeof painter>

/** Text and how it is painted: length is counted before the colours are in it. */
type Segment = readonly [text: string, style?: Parameters<Paint>[0]]

/** The ladder as text: a head line, then one line for each row; each in at most so many columns. */
export function ladderLines(rows: readonly LadderRow[], paint: Paint, columns = 100): string[] {
  const names = Math.max(6, ...rows.map(({ name }) => name.length))
  const models = columns < 90 ? 0 : Math.max(5, ...rows.map(({ model }) => model.length))
  const start = (name: string, model: string) =>
    `  ${name.padEnd(names)}  ${models === 0 ? '' : `${model.padEnd(models)}  `}`
  const lines: Segment[][] = [
    [[`${start('device', 'model')}${'ladder'.padEnd(rungs.length * 2 + 1)}now`, 'dim']],
    ...rows.map(row => [[start(row.name, row.model)] as const, ...steps(row), [' '] as const, ...verdict(row)]),
  ]
  return lines.map(segments => painted(segments, paint, columns))
}

function steps(row: LadderRow): Segment[] {
  const reached = row.rung === undefined ? -1 : rungs.indexOf(row.rung)
  return rungs.map((rung, index) => {
    if (rung === 'expected' && row.unexpected === true) return ['○ ', 'dim']
    if (index <= reached) return ['● ', 'green']
    if (index > reached + 1 || row.refusal === undefined) return ['· ', 'dim']
    return row.waiting ? ['◌ ', 'yellow'] : ['✗ ', 'red']
  })
}

const widestRung = Math.max(...rungs.map(rung => rung.length))

function verdict({ rung, refusal, waiting, misled, note }: LadderRow): Segment[] {
  if (misled !== undefined) return [['misled'.padEnd(widestRung + 2), 'red'], [`took the network of the ${misled}`]]
  if (refusal !== undefined) {
    const style = waiting === true ? 'yellow' : 'red'
    return [[(waiting === true ? 'waits' : 'refused').padEnd(widestRung + 2), style], [refusal]]
  }
  if (rung === undefined) return [['off', 'dim']]
  if (rung !== 'connected') return [[rung]]
  return note === undefined
    ? [[rung, 'green']]
    : [
        [rung.padEnd(widestRung + 2), 'green'],
        [note, 'dim'],
      ]
}

function painted(segments: readonly Segment[], paint: Paint, columns: number): string {
  let left = columns
  return segments
    .map(([text, style]) => {
      const shown = Array.from(text).slice(0, left)
      left -= shown.length
      return style === undefined ? shown.join('') : paint(style, shown.join(''))
    })
    .join('')
    .trimEnd()
}

/** Draws the ladder again in place on a terminal; on anything else it says each change in a line. */
export function liveLadder(out: Stream, paint: Paint) {
  let drawn = 0
  const said = new Map<string, string>()
  const redraw = (rows: readonly LadderRow[]) => {
    const lines = ladderLines(rows, paint, columnsOf(out))
    const up = drawn === 0 ? '' : `\u001b[${drawn}A`
    // One write between the marks of a synchronized update, and lines are overwritten before their rest is erased: no
    // terminal shows half a picture, or an empty one.
    out.write(`\u001b[?2026h${up}${lines.map(line => `${line}\u001b[K`).join('\n')}\n\u001b[?2026l`)
    drawn = lines.length
  }
  const say = (rows: readonly LadderRow[]) => {
    for (const { name, rung, refusal, waiting, misled } of rows) {
      const on = misled === undefined ? (rung ?? '') : `misled: took the network of the ${misled}`
      const now = refusal === undefined ? on : `${waiting ? 'waits' : 'refused'}: ${refusal}`
      if (now === '' || said.get(name) === now) continue
      said.set(name, now)
      out.write(`${name} ${now}\n`)
    }
  }
  return {
    show(rows: readonly LadderRow[]) {
      // A cursor cannot go back to what has scrolled away.
      const fits = out.isTTY === true && (out.rows === undefined || out.rows > rows.length + 1)
      if (fits || drawn > 0) redraw(rows)
      else say(rows)
    },
  }
}
