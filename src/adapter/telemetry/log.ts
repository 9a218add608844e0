import { destination, pino } from 'pino'
import type { Log } from '../../domain/port.ts'

export type LogLevel = 'debug' | 'info' | 'warn' | 'error' | 'silent'

/**
 * Structured log, one JSON object a line, on standard error: standard output belongs to what was asked for. Secrets carry
 * their own type and print as `[secret]`; Authorization headers are never handed to a log at all.
 * @param options.out takes each line in place of standard error
 */
export function openLog(options: {
  readonly level: LogLevel
  readonly name?: string
  readonly out?: { write(line: string): void }
}): Log {
  const { level, name = 'mooring', out } = options
  return pino(
    { level, name, base: null, timestamp: pino.stdTimeFunctions.isoTime },
    out ?? destination({ dest: 2, sync: true }),
  )
}
