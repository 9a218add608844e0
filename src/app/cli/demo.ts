import { Command } from 'commander'
import { openLog } from '../../adapter/telemetry/log.ts'
import { runDemo } from '../demo/demo.ts'
import { type Cli, described } from './command.ts'
import { exitCode } from './exit.ts'

export function demoCommand(cli: Cli): Command {
  return described(new Command('demo'), {
    summary: 'watch virtual devices onboard, and dishonest ones fail',
    text:
      'Two factories with a voucher service each and an owner’s site, in one process, on loopback, in a directory that goes\n' +
      'with it. Twelve units are switched on, a clone and an evil twin beside them. Stays up with its API until Ctrl-C.',
    examples: ['demo', 'demo --once', 'demo --once --json'],
  })
    .option('--once', 'end after the summary; fails unless the outcome is exactly the expected one')
    .option('--verbose', 'log what every party does, on standard error')
    .action(
      cli.run<{ once?: boolean; verbose?: boolean }, []>(async ({ io, options, paint, answer }) => {
        const log = openLog({ level: options.verbose === true ? 'info' : 'warn', name: 'demo' })
        const quiet = options.json === true
        const { outcome, differences, cast } = await runDemo({ out: io.stdout, paint, quiet, log })
        try {
          if (quiet) answer(outcome, () => '')
          for (const difference of quiet ? differences : []) io.stderr.write(`${difference}\n`)
          if (options.once !== true) await ended(io.signal)
        } finally {
          await cast.close()
        }
        return differences.length === 0 ? exitCode.done : exitCode.failed
      }),
    )
}

function ended(signal: AbortSignal): Promise<void> {
  return new Promise(resolve => {
    if (signal.aborted) resolve()
    else signal.addEventListener('abort', () => resolve(), { once: true })
  })
}
