import { Command } from 'commander'
import { defined } from '../defined.ts'
import { type Cli, described } from './command.ts'
import { connect, type SiteOptions, withSite } from './connection.ts'
import { facts } from './table.ts'

export function siteCommand(cli: Cli): Command {
  const site = new Command('site').summary('this site itself').description('This site itself.')
  described(withSite(site.command('show')), {
    summary: 'show what the site is, and how many devices stand where',
    examples: ['site show'],
  }).action(
    cli.run<SiteOptions, []>(async task => {
      const shown = await (await connect(task)).siteShow()
      const { network, owner, version, onboardingPort, domainIds, devices } = shown
      task.answer(shown, () =>
        facts([
          ['network', network],
          ['owner', owner],
          ['version', version],
          ['onboarding port', onboardingPort],
          ...domainIds.map(id => ['domain id', id] as const),
          ...Object.entries(devices).map(([rung, count]) => [`devices ${rung}`, count] as const),
        ]),
      )
    }),
  )
  described(withSite(site.command('card')), {
    summary: 'print the card by which a manufacturer knows you as the buyer',
    text: 'Give it to the manufacturer with your order. It holds names and public keys, no secret.',
    examples: ['site card > card.json', 'site card --name "Harbour Authority" > card.json'],
  })
    .option('--name <name>', 'your name as people write it')
    .action(
      cli.run<SiteOptions & { name?: string }, []>(async task => {
        const { owner: id, domainIds, offerKey } = await (await connect(task)).siteShow()
        const card = { id, name: task.options.name ?? id, domains: domainIds, ...defined({ offerKey }) }
        task.answer(card, () => JSON.stringify(card, null, 1))
      }),
    )
  return site
}
