import type { Command } from 'commander'
import { declareIntents } from '../../role/manufacturer/declared-intent.ts'
import { defined } from '../defined.ts'
import { readCard } from './card.ts'
import { type Cli, described } from './command.ts'
import { selectionOf, withSelection } from './factory-sale.ts'
import { type FactoryOptions, inFactory } from './factory-site.ts'
import { facts } from './table.ts'
import { progressLine } from './terminal.ts'

interface IntentOptions extends FactoryOptions {
  readonly batch?: string
  readonly serial?: readonly string[]
  readonly mudUrl: string
  readonly to?: string
}

export function intentCommand(cli: Cli, command: Command): void {
  described(withSelection(command), {
    summary: 'hand the keeping of the MUD file over to a rebrander, or say where it is now',
    text:
      'It goes into the signed declaration of each unit, and from then on counts before the URL in the birth certificate. Who ' +
      'keeps it alone can change it again: for you that is over once you have named another.',
    examples: [
      'factory intent --batch CL2 --mud-url https://mud.quay.example/c2.json --to quay.json',
      'factory intent --serial CL2-000001 --mud-url https://mud.fjord.example/climate-2b.json',
    ],
  })
    .requiredOption('--mud-url <url>', 'where the MUD file is from now on, https')
    .option('--to <file>', 'card of who keeps it from now on, by `mooring site card` over there')
    .action(
      cli.run<IntentOptions, []>(async task => {
        const { io, options } = task
        const keeper = options.to === undefined ? undefined : await readCard(options.to)
        const to = { mudUrl: options.mudUrl, ...defined({ keeper }) }
        const progress = progressLine(io.stderr)
        const report = await inFactory(task, ({ site }) =>
          declareIntents(site, selectionOf(options), to, (done, of) => progress.show(`declared ${done} of ${of}`)),
        ).finally(() => progress.end())
        task.answer({ ...to, ...report, ...defined({ keeper: keeper?.id }) }, () =>
          facts([
            ['MUD file', to.mudUrl],
            ['kept by', keeper?.name],
            ['declared', report.declared],
            ['were so before', report.unchanged],
          ]),
        )
      }),
    )
}
