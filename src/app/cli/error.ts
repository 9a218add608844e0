import { Command } from 'commander'
import { errorCatalogue, isErrorCode, OnboardingError } from '../../domain/error.ts'
import { type Cli, described } from './command.ts'
import { facts, table } from './table.ts'

export function errorsCommand(cli: Cli): Command {
  return described(new Command('errors').argument('[code]', 'as a message shows it in brackets'), {
    summary: 'print the catalogue of failures, or one of them',
    examples: ['errors', 'errors owner-mismatch', 'errors --json'],
  }).action(
    cli.run<object, [string | undefined]>(async ({ answer }, code) => {
      if (code === undefined) {
        const items = Object.entries(errorCatalogue).map(([each, entry]) => ({ code: each, ...entry }))
        answer({ items }, () =>
          table(items, [
            { title: 'code', of: item => item.code },
            { title: 'title', of: ({ title }) => title, flexible: true },
            { title: 'status', of: ({ status }) => String(status), right: true },
          ]),
        )
        return
      }
      if (!isErrorCode(code)) throw new OnboardingError('not-found', { code: code.slice(0, 100) })
      const entry = errorCatalogue[code]
      answer({ code, ...entry }, () =>
        facts([
          ['code', code],
          ['title', entry.title],
          ['cause', entry.cause],
          ['action', entry.action],
          ['status', entry.status],
        ]),
      )
    }),
  )
}
