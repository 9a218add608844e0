import { Command } from 'commander'
import { openapi } from '../api/openapi.ts'
import { version } from '../version.ts'
import { type Cli, described } from './command.ts'

export function openapiCommand(cli: Cli): Command {
  return described(new Command('openapi'), {
    summary: 'print the OpenAPI 3.1 document of the API',
    text: 'The same document is served at /openapi.json. No site needs to run.',
    examples: ['openapi > openapi.json'],
  }).action(
    cli.run<object, []>(async ({ answer }) => {
      const document = openapi(version)
      answer(document, () => JSON.stringify(document, null, 2))
    }),
  )
}
