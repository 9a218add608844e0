import { styleText } from 'node:util'

/** One of the two ways out of a process. */
export interface Stream {
  write(text: string): unknown
  readonly isTTY?: boolean
  /** Size of the terminal, in characters; as it is now. */
  readonly columns?: number
  readonly rows?: number
}

/** Columns that may be written: those of the terminal, and never more than fit on a page. */
export function columnsOf({ isTTY, columns }: Stream): number {
  if (isTTY !== true) return page
  return columns === undefined || columns === 0 ? 80 : Math.min(columns, page)
}

const page = 100

/** What a command has of the world, so that tests can give it another one. */
export interface Io {
  readonly stdout: Stream
  readonly stderr: Stream
  readonly env: Readonly<Record<string, string | undefined>>
  /** Aborts when the process is asked to end. */
  readonly signal: AbortSignal
  readonly fetch?: typeof fetch
}

type Style = Parameters<typeof styleText>[0]

/** Colours for a person who looks on: not into a pipe, and not where NO_COLOR says no (no-color.org). */
export function painter(stream: Stream, env: Io['env']): (style: Style, text: string) => string {
  const { NO_COLOR = '', TERM = '' } = env
  if (stream.isTTY !== true || NO_COLOR !== '' || TERM === 'dumb') return (_, text) => text
  return (style, text) => styleText(style, text, { validateStream: false })
}

/**
 * Text of strangers, fit for a terminal: a serial number out of a certificate must not move the cursor, colour the screen
 * or turn the reading direction around.
 */
export function harmless(text: string): string {
  return text.toWellFormed().replace(/[\p{Cc}\p{Cf}\u2028\u2029]/gu, '\ufffd')
}

/** As `harmless`, for text of several lines. */
export function harmlessLines(text: string): string {
  return text.split('\n').map(harmless).join('\n')
}

/** One line on a terminal that is written over; nothing where nobody looks on. */
export function progressLine(stream: Stream): { show(text: string): void; end(): void } {
  if (stream.isTTY !== true) return { show() {}, end() {} }
  let shown = false
  return {
    show(text) {
      shown = true
      stream.write(`\r\u001b[K${harmless(text).slice(0, columnsOf(stream) - 1)}`)
    },
    end() {
      if (shown) stream.write('\r\u001b[K')
      shown = false
    },
  }
}
