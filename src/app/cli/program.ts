import { Command, CommanderError } from 'commander'
import { OnboardingError } from '../../domain/error.ts'
import { version } from '../version.ts'
import { accessCommand } from './access.ts'
import { approvalCommand } from './approval.ts'
import { auditCommand } from './audit.ts'
import { authorityCommand } from './authority.ts'
import { backupCommand, restoreCommand } from './backup.ts'
import { callerCommand } from './caller.ts'
import { Cli } from './command.ts'
import { credentialCommand } from './credential.ts'
import { demoCommand } from './demo.ts'
import { deviceCommand } from './device.ts'
import { doctorCommand } from './doctor.ts'
import { dppCommand } from './dpp.ts'
import { errorsCommand } from './error.ts'
import { exitCode, exitCodeOf } from './exit.ts'
import { factoryCommand } from './factory.ts'
import { failureJson, failureOf, failureText } from './failure.ts'
import { feedCommand } from './feed.ts'
import { gatewayCommand } from './gateway.ts'
import { manifestCommand } from './manifest.ts'
import { masaCommand } from './masa.ts'
import { moveCommand } from './move.ts'
import { networkCommand } from './network.ts'
import { openapiCommand } from './openapi.ts'
import { ownershipCommand } from './ownership.ts'
import { policyCommand } from './policy.ts'
import { recallCommand } from './recall.ts'
import { fourEyesCommand, requestCommand } from './request.ts'
import { siteCommand } from './site.ts'
import { harmlessLines, type Io } from './terminal.ts'
import { tokenCommand } from './token.ts'
import { trustCommand } from './trust.ts'
import { upCommand } from './up.ts'
import { voucherCommand } from './voucher.ts'

/** Every command there is. */
export function createProgram(cli: Cli): Command {
  const { io } = cli
  const program = new Command('mooring')
    .description('Trusted onboarding and lifecycle for IoT devices.')
    .version(version, '--version', 'print the version')
    .option('--json', 'answer with one JSON document')
    .helpCommand(false)
    .addHelpText('after', `\n${guide}`)
  for (const make of nouns) program.addCommand(make(cli))
  for (const command of everyCommand(program)) {
    command
      .helpCommand(false)
      .exitOverride()
      .helpOption('-h, --help', 'explain the command')
      .showHelpAfterError(false)
      .configureOutput({
        writeOut: text => io.stdout.write(text),
        // Told by `run`, as every other failure.
        writeErr: text => {
          cli.complaint += text
        },
        getOutHelpWidth: () => 100,
        getErrHelpWidth: () => 100,
        getOutHasColors: () => false,
      })
  }
  return program
}

const nouns = [
  demoCommand,
  upCommand,
  siteCommand,
  trustCommand,
  manifestCommand,
  feedCommand,
  recallCommand,
  policyCommand,
  networkCommand,
  dppCommand,
  accessCommand,
  gatewayCommand,
  deviceCommand,
  ownershipCommand,
  approvalCommand,
  voucherCommand,
  credentialCommand,
  authorityCommand,
  tokenCommand,
  callerCommand,
  requestCommand,
  fourEyesCommand,
  auditCommand,
  backupCommand,
  restoreCommand,
  moveCommand,
  doctorCommand,
  factoryCommand,
  masaCommand,
  openapiCommand,
  errorsCommand,
] as const

const guide = `Exit codes:
  ${exitCode.done}    done
  ${exitCode.failed}    refused or failed; the code in brackets is explained by \`mooring errors CODE\`
  ${exitCode.usage}    the command line cannot be understood
  ${exitCode.unverified}    what was to be verified is not as it should be
  ${exitCode.unreachable}    no site answers
  ${exitCode.notPermitted}    no valid token, or one whose role does not suffice
  ${exitCode.interrupted}  interrupted before it was done

Examples:
  $ mooring demo
  $ mooring up
  $ mooring device list`

export function everyCommand(command: Command): Command[] {
  return [command, ...command.commands.flatMap(everyCommand)]
}

/** Runs one command line. @returns the exit code */
export async function run(args: readonly string[], io: Io): Promise<number> {
  const cli = new Cli(io)
  // Asked before parsing has failed or not, so that a failed one can be told in JSON, too.
  cli.json = args.includes('--json')
  try {
    await createProgram(cli).parseAsync([...args], { from: 'user' })
    return cli.exitCode
  } catch (error) {
    if (error instanceof CommanderError) return usage(error, cli)
    // What it was doing was broken off with it.
    if (io.signal.aborted) return exitCode.interrupted
    const failure = failureOf(error)
    if (cli.json) io.stdout.write(`${failureJson(failure)}\n`)
    else io.stderr.write(failureText(failure, io))
    return exitCodeOf(failure.code)
  }
}

function usage(error: CommanderError, { io, json, complaint }: Cli): number {
  if (error.exitCode === 0) return exitCode.done
  // `mooring device` alone: its help was asked for in all but words.
  const helped = error.code === 'commander.help'
  const reason = helped ? 'a command is missing' : error.message.replace(/^error: /, '')
  if (json) io.stdout.write(`${failureJson(new OnboardingError('input-invalid', { reason }))}\n`)
  else if (helped) io.stderr.write(complaint)
  else io.stderr.write(harmlessLines(`${reason}\nSee \`mooring --help\`, or --help behind any command.\n`))
  return exitCode.usage
}
