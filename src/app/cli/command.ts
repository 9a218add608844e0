import { type Command, InvalidArgumentError } from 'commander'
import { OnboardingError } from '../../domain/error.ts'
import { exitCode } from './exit.ts'
import { type Io, painter } from './terminal.ts'

/** Options that every command has. */
export interface CommonOptions {
  readonly json?: boolean
}

/** What a command's action gets. */
export interface Task<O> {
  readonly io: Io
  readonly options: O & CommonOptions
  /** The answer: one JSON document, or text for a person. */
  readonly answer: (value: unknown, text: () => string) => void
  /** A word beside the answer, for a person: on standard error, and not with --json. What strangers wrote goes through `harmless`. */
  readonly note: (text: string) => void
  readonly paint: ReturnType<typeof painter>
}

/** A running command line: where actions leave what the process ends with. */
export class Cli {
  readonly io: Io
  exitCode: number = exitCode.done
  /** The command that was found on the command line, and whether it was asked for JSON. */
  json = false
  /** What the parser had to say. */
  complaint = ''

  constructor(io: Io) {
    this.io = io
  }

  /** An action: its arguments as they stand on the command line, after the task. It may give an exit code. */
  run<O, A extends readonly unknown[]>(
    work: (task: Task<O>, ...args: A) => Promise<unknown>,
  ): (...all: unknown[]) => Promise<void> {
    return async (...all) => {
      const command = all.at(-1) as Command
      const options = command.optsWithGlobals<O & CommonOptions>()
      this.json = options.json === true
      const args = all.slice(0, -2) as unknown as A
      const code = await work(this.#task(options), ...args)
      if (typeof code === 'number') this.exitCode = code
    }
  }

  #task<O>(options: O & CommonOptions): Task<O> {
    const { io } = this
    const json = options.json === true
    return {
      io,
      options,
      paint: painter(io.stdout, io.env),
      answer(value, text) {
        if (json) io.stdout.write(`${JSON.stringify(value)}\n`)
        else io.stdout.write(`${text().trimEnd()}\n`)
      },
      note(text) {
        if (!json) io.stderr.write(`${text}\n`)
      },
    }
  }
}

/** The last words about a command: what it is for, and how it is called. Without an example it is not finished. */
export function described(
  command: Command,
  about: { readonly summary: string; readonly text?: string; readonly examples: readonly string[] },
): Command {
  const { summary, text, examples } = about
  const lines = examples.map(example => `  $ mooring ${example}`)
  return command
    .summary(summary)
    .description(text === undefined ? `${summary}.` : `${summary}.\n\n${text}`)
    .option('--json', 'answer with one JSON document')
    .addHelpText('after', `\n${examples.length === 1 ? 'Example' : 'Examples'}:\n${lines.join('\n')}`)
}

/** A whole number in bounds, for an option. */
export function count(min: number, max: number): (text: string) => number {
  return text => {
    const value = Number(text)
    if (!/^\d{1,10}$/.test(text) || value < min || value > max) {
      throw new InvalidArgumentError(`A whole number from ${min} to ${max}.`)
    }
    return value
  }
}

/** For an option that may come again. */
export function collected(value: string, before: readonly string[] = []): readonly string[] {
  return [...before, value]
}

/** One of these words, for an option. */
export function choice<W extends string>(words: readonly W[]): (text: string) => W {
  return text => {
    const word = words.find(each => each === text)
    if (word === undefined) throw new InvalidArgumentError(`One of ${words.join(', ')}.`)
    return word
  }
}

/** Where the record is, when it is not in the data directory. */
export interface StorePlace {
  readonly store?: string
}

/** Where the record was said to be. Throws OnboardingError `input-invalid`. */
export function storePlace({ store }: StorePlace, env: Io['env']): string | undefined {
  const url = store ?? env['MOORING_STORE']
  if (url === undefined || url === '') return undefined
  if (/^(sqlite:(\/\/)?|postgres(ql)?:\/\/)./.test(url)) return url
  throw new OnboardingError('input-invalid', { field: 'store', rule: 'postgres://… or sqlite:PATH' })
}

export function withStore(command: Command): Command {
  return command.option('--store <url>', 'where the record is, when not in --data: postgres://… (MOORING_STORE)')
}
