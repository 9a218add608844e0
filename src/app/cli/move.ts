import { Command } from 'commander'
import { OnboardingError } from '../../domain/error.ts'
import { writeSiteBackup } from './backup.ts'
import { type Cli, described, type StorePlace, type Task, withStore } from './command.ts'
import { dataDirectory, readSiteFile, type SiteFile, writeSiteFile } from './data.ts'
import { recordOptions, withRecord } from './offline.ts'
import { facts } from './table.ts'

type MoveOptions = StorePlace & { readonly data?: string; readonly cancel?: boolean }

export function moveCommand(cli: Cli): Command {
  return described(withStore(new Command('move').argument('[directory]', 'to be made, as `mooring backup` makes it')), {
    summary: 'take a stopped site to another machine: a last backup, after which it does not start here any more',
    text:
      'Bring the directory to the other machine, and make the site from it with `mooring restore`. Devices notice nothing: ' +
      'they know the site by its root. Give the other machine the names and addresses of this one.',
    examples: ['move /mnt/safe/mooring-moves', 'move --cancel'],
  })
    .option('--data <directory>', 'data directory of the site (MOORING_DATA)')
    .option('--cancel', 'the site stays here after all, and was not started anywhere else')
    .action(cli.run<MoveOptions, [string | undefined]>(move))
}

async function move(task: Task<MoveOptions>, directory: string | undefined): Promise<void> {
  const { io, options } = task
  const data = dataDirectory('site', options.data, io)
  const site = await readSiteFile(data)
  if (site === undefined) throw new OnboardingError('data-missing', { site: data })
  if (options.cancel === true) return cancel(task, data, site)
  if (directory === undefined) throw new OnboardingError('input-invalid', { field: 'directory', rule: 'to be made' })
  if (site.moved !== undefined) throw new OnboardingError('site-moved', { since: site.moved, data })
  const { url } = await recordOptions(task)
  // Nothing may be written after the last backup: a site that runs is refused here.
  await withRecord(task, async () => {})
  await writeSiteBackup(data, url, directory)
  // Only now: a move that fails on its way leaves a site that starts.
  const moved = new Date().toISOString()
  await writeSiteFile(data, { ...site, moved })
  task.answer({ backup: directory, site: data, moved }, () =>
    facts([
      ['site', `${data}: does not start here any more`],
      ['backup', directory],
      ['next', `on the other machine: mooring restore ${directory} --data ...`],
    ]),
  )
}

async function cancel(task: Task<MoveOptions>, data: string, known: SiteFile): Promise<void> {
  const { moved: _, ...site } = known
  await writeSiteFile(data, site)
  task.answer({ site: data }, () => facts([['site', `${data}: starts here again`]]))
}
