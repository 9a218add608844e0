import { harmless } from './terminal.ts'

export interface Column<T> {
  readonly title: string
  readonly of: (row: T) => string
  /** May be cut to fit; what a person copies (an id) must not be. */
  readonly flexible?: boolean
  readonly right?: boolean
}

const width = 100
const gap = '  '
const least = 6

/** Aligned columns in at most `page` columns of a terminal, for people. */
export function table<T>(rows: readonly T[], columns: readonly Column<T>[], page = width): string {
  const cells = rows.map(row => columns.map(column => harmless(column.of(row))))
  const widths = fitted(
    columns,
    page,
    columns.map(({ title }, n) => Math.max(textWidth(title), ...cells.map(line => textWidth(line[n]!)))),
  )
  const line = (texts: readonly string[]) =>
    texts
      .map((text, n) => padded(text, widths[n]!, columns[n]!.right === true))
      .join(gap)
      .trimEnd()
  return [line(columns.map(({ title }) => title.toUpperCase())), ...cells.map(line)].join('\n')
}

/** Facts of one thing, a line each; those without a value are left out. */
export function facts(entries: readonly (readonly [string, string | number | boolean | undefined])[]): string {
  const shown = entries.filter(([, value]) => value !== undefined && value !== '')
  const widest = Math.max(0, ...shown.map(([name]) => name.length))
  return shown
    .flatMap(([name, value]) =>
      wrapped(harmless(String(value)), width - widest - gap.length).map(
        (line, n) => `${(n === 0 ? name : '').padEnd(widest)}${gap}${line}`,
      ),
    )
    .join('\n')
}

/** Lines of at most so many characters, broken between words; a longer word stays whole. */
export function wrapped(text: string, columns = width): string[] {
  const lines = ['']
  for (const word of text.split(' ')) {
    const line = lines.at(-1)!
    if (line === '') lines[lines.length - 1] = word
    else if (line.length + 1 + word.length <= columns) lines[lines.length - 1] = `${line} ${word}`
    else lines.push(word)
  }
  return lines
}

/** `YYYY-MM-DD hh:mm:ss` of an RFC 3339 text, in UTC; empty for none. */
export function moment(instant: string | undefined): string {
  return instant === undefined ? '' : instant.slice(0, 19).replace('T', ' ')
}

/** Takes from the widest of the flexible columns until all fit. */
function fitted<T>(columns: readonly Column<T>[], page: number, wanted: readonly number[]): number[] {
  const widths = [...wanted]
  const total = () => widths.reduce((sum, each) => sum + each, 0) + gap.length * (widths.length - 1)
  while (total() > page) {
    let widest = -1
    for (const [n, { flexible }] of columns.entries()) {
      if (flexible === true && widths[n]! > least && (widest < 0 || widths[n]! > widths[widest]!)) widest = n
    }
    if (widest < 0) break
    widths[widest]!--
  }
  return widths
}

function padded(text: string, to: number, right: boolean): string {
  const cut = textWidth(text) > to ? `${beginning(text, to - 1)}…` : text
  const space = ' '.repeat(to - textWidth(cut))
  return right ? space + cut : cut + space
}

/** As much of it as fits. */
function beginning(text: string, columns: number): string {
  let shown = ''
  let left = columns
  for (const character of text) {
    left -= textWidth(character)
    if (left < 0) break
    shown += character
  }
  return shown
}

// What terminals draw over two columns, roughly: Unicode Standard Annex #11, East Asian Width.
const wide =
  /[\u1100-\u115f\u2e80-\u303e\u3041-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6\u{1f300}-\u{1faff}\u{20000}-\u{3fffd}]/u

/** Columns of a terminal that the text takes. */
export function textWidth(text: string): number {
  if (/^[ -~]*$/.test(text)) return text.length
  let columns = 0
  for (const character of text) if (!/\p{M}/u.test(character)) columns += wide.test(character) ? 2 : 1
  return columns
}
