import { harmless, type Io, painter } from './terminal.ts'

type Paint = ReturnType<typeof painter>

/** Where a log goes that a person watches: readable lines on a terminal. Into a file or a journal it stays JSON. */
export function watchedLog({ stderr, env }: Pick<Io, 'stderr' | 'env'>): {
  readonly out?: { write(line: string): void }
} {
  if (stderr.isTTY !== true) return {}
  const paint = painter(stderr, env)
  return { out: { write: line => void stderr.write(`${readable(line, paint)}\n`) } }
}

/** Pino's numbers. */
const levels: Readonly<Record<number, readonly [word: string, style: Parameters<Paint>[0]]>> = {
  40: ['warning', 'yellow'],
  50: ['error', 'red'],
  60: ['error', 'red'],
}

/** Time of day in UTC, what happened, and its facts. */
export function readable(line: string, paint: Paint): string {
  const { level, time, msg, name: _name, ...facts } = JSON.parse(line) as Readonly<Record<string, unknown>>
  const [word, style] = levels[Number(level)] ?? []
  const told = Object.entries(facts).map(([key, value]) => `${key}=${textOf(value)}`)
  return [
    paint('dim', textOf(time).slice(11, 19)),
    ...(word === undefined ? [] : [paint(style ?? 'dim', `${word}:`)]),
    harmless(textOf(msg)),
    paint('dim', harmless(told.join(' '))),
  ]
    .join(' ')
    .trimEnd()
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value : (JSON.stringify(value) ?? '')
}
