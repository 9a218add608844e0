import { Command } from 'commander'
import type { Cli } from './command.ts'
import { checkCommand } from './factory-check.ts'
import { delegateCommand, revokeDelegateCommand } from './factory-delegate.ts'
import { feedCommand } from './factory-feed.ts'
import { initCommand } from './factory-init.ts'
import { intentCommand } from './factory-intent.ts'
import { stepCommand, timelineCommand } from './factory-life.ts'
import { makeCommand } from './factory-make.ts'
import { answerCommand, historyCommand } from './factory-ownership.ts'
import { recallCommand } from './factory-recall.ts'
import { labelsCommand, listCommand, manifestCommand, sellCommand } from './factory-sale.ts'

export function factoryCommand(cli: Cli): Command {
  const factory = new Command('factory')
    .summary('make devices, sell them, and write manifests')
    .description(
      'The manufacturer: birth certificates, declarations of ownership, manifests and labels. It works on a data directory ' +
        'of its own, which is not that of a site. A running `mooring masa up` holds that directory: stop it meanwhile, or let ' +
        'both use one PostgreSQL record with --store.',
    )
  initCommand(cli, factory.command('init'))
  makeCommand(cli, factory.command('make'))
  checkCommand(cli, factory.command('check'))
  sellCommand(cli, factory.command('sell'))
  manifestCommand(cli, factory.command('manifest'))
  factory.addCommand(feedCommand(cli))
  recallCommand(cli, factory.command('recall'))
  labelsCommand(cli, factory.command('labels'))
  listCommand(cli, factory.command('list'))
  answerCommand(cli, factory.command('answer'))
  historyCommand(cli, factory.command('history'))
  delegateCommand(cli, factory.command('delegate'))
  revokeDelegateCommand(cli, factory.command('revoke-delegate'))
  intentCommand(cli, factory.command('intent'))
  stepCommand(cli, factory.command('step'))
  timelineCommand(cli, factory.command('timeline'))
  return factory
}
