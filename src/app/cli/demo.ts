import { Command } from 'commander'
import type { ApiListener } from '../../adapter/http/api-server.ts'
import { openLog } from '../../adapter/telemetry/log.ts'
import { listenApi } from '../api/listen.ts'
import { type DemoResult, keepWaiting, runDemo } from '../demo/demo.ts'
import { type Cli, count, described, type Task } from './command.ts'
import { exitCode } from './exit.ts'

interface DemoFlags {
  readonly once?: boolean
  readonly verbose?: boolean
  readonly apiPort: number
  readonly pace?: number
}

/** How this program is called where it runs: types are stripped in a checkout only. */
const program = import.meta.filename.endsWith('.ts') ? 'npm run -s mooring --' : 'npx mooring'

/** Milliseconds: at full speed it is over before a person has found where to look. */
const watched = 500

export function demoCommand(cli: Cli): Command {
  return described(new Command('demo'), {
    summary: 'watch virtual devices onboard, and dishonest ones fail',
    text:
      'Three factories with a voucher service each and an owner’s site, in one process, on loopback, in a directory that goes\n' +
      'with it. Twelve units with a cable and four lamps are switched on, a clone, a counterfeit and two evil twins beside\n' +
      'them. Stays up with its API until Ctrl-C, unless --once or --json.',
    examples: ['demo', 'demo --once', 'demo --once --json'],
  })
    .option('--once', 'end after the summary; fails unless the outcome is exactly the expected one')
    .option('--api-port <port>', 'port of the API on this machine; 0 takes a free one', count(0, 65_535), 0)
    .option('--pace <ms>', `rest after each step of a device; ${watched} on a terminal, 0 with --once`, count(0, 2000))
    .option('--verbose', 'log what every party does, on standard error')
    .action(
      cli.run<DemoFlags, []>(async task => {
        const { io, options, paint, answer } = task
        const log = openLog({ level: options.verbose === true ? 'info' : 'warn', name: 'demo' })
        const quiet = options.json === true
        // Who reads JSON has no use for a token that is shown to people only.
        const ends = options.once === true || quiet
        const pace = options.pace ?? (io.stdout.isTTY === true && !ends ? watched : 0)
        let api: ApiListener | undefined
        const { outcome, differences, cast } = await runDemo({
          out: io.stdout,
          paint,
          quiet,
          log,
          pace,
          signal: io.signal,
          async opened({ site }) {
            if (!ends) api = await listenApi(site, { host: '127.0.0.1', port: options.apiPort })
            return api
          },
        })
        try {
          if (quiet) answer(outcome, () => '')
          for (const difference of quiet ? differences : []) io.stderr.write(`${difference}\n`)
          if (api !== undefined) await stayUp(task, { cast, outcome }, api.port)
        } finally {
          await cast.close()
        }
        return differences.length === 0 ? exitCode.done : exitCode.failed
      }),
    )
}

async function stayUp(
  { io, paint, note }: Task<DemoFlags>,
  { cast, outcome }: Pick<DemoResult, 'cast' | 'outcome'>,
  port: number,
): Promise<void> {
  const token = (await cast.stage.site.firstToken())?.revealText() ?? ''
  note(
    [
      `\nThe API answers at http://127.0.0.1:${port} until you press Ctrl-C, and all is gone then.`,
      'Try in a second window:\n',
      `  export MOORING_URL=http://127.0.0.1:${port}`,
      `  export MOORING_TOKEN=${token}`,
      `  ${program} device list`,
      `  ${program} approval grant F26-000006   ${paint('dim', '# and watch it connect')}`,
      `  ${program} audit verify\n`,
    ].join('\n'),
  )
  await Promise.all([
    ended(io.signal),
    keepWaiting(cast, outcome, io.signal, device => note(`${device} was approved and is connected.`)),
  ])
}

function ended(signal: AbortSignal): Promise<void> {
  return new Promise(resolve => {
    if (signal.aborted) resolve()
    else signal.addEventListener('abort', () => resolve(), { once: true })
  })
}
