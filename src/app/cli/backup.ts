import { cp, mkdir, rm } from 'node:fs/promises'
import { basename, dirname, join, resolve } from 'node:path'
import { Command } from 'commander'
import { copyStore } from '../../adapter/store/copy.ts'
import { openStore, restoreBackup } from '../../adapter/store/open.ts'
import { openLog } from '../../adapter/telemetry/log.ts'
import { OnboardingError } from '../../domain/error.ts'
import { noteBackup } from '../doctor/last-backup.ts'
import { markRestored } from '../elsewhere.ts'
import { readAnchor } from './anchor.ts'
import { type Cli, described, type StorePlace, storePlace, type Task, withStore } from './command.ts'
import { dataDirectory, readSiteFile, recordMark, writeSiteFile } from './data.ts'
import { openLedgerKey, recordOptions } from './offline.ts'
import { facts } from './table.ts'

type BackupOptions = StorePlace & { readonly data?: string }
type RestoreOptions = BackupOptions & { readonly anchor?: string }

/** A backup is a directory like a data directory: `record.backup`, `keys/` and `site.json`. */
const recordName = 'record.backup'

export function backupCommand(cli: Cli): Command {
  return described(withStore(new Command('backup').argument('<directory>', 'to be made')), {
    summary: 'copy a site - record, keys and name - into a new directory, while it runs',
    text:
      'The backup holds the private keys of the site, sealed only if MOORING_KEY_PASSPHRASE protects them: keep it as you ' +
      'keep the site. Keys in a PKCS#11 token stay there.',
    examples: ['backup /mnt/safe/mooring-2026-11-20'],
  })
    .option('--data <directory>', 'data directory of the site (MOORING_DATA)')
    .action(cli.run<BackupOptions, [string]>(backup))
}

export function restoreCommand(cli: Cli): Command {
  return described(withStore(new Command('restore').argument('<directory>', 'as `mooring backup` made it')), {
    summary: 'make a site from a backup, all of it or nothing',
    text: 'The record is verified. The data directory must not be there yet.',
    examples: ['restore /mnt/safe/mooring-2026-11-20 --data /var/lib/mooring --anchor checkpoint.json'],
  })
    .option('--data <directory>', 'data directory to be made (MOORING_DATA)')
    .option('--anchor <file>', 'a checkpoint that was kept elsewhere, which the backup must reach')
    .action(cli.run<RestoreOptions, [string]>(restore))
}

async function backup(task: Task<BackupOptions>, directory: string): Promise<void> {
  const { data, url } = await recordOptions(task)
  await writeSiteBackup(data, url, directory)
  task.answer({ backup: directory, site: data }, () =>
    facts([
      ['backup', directory],
      ['of', data],
    ]),
  )
}

/** All of it or nothing. Throws OnboardingError `file-exists`. */
export async function writeSiteBackup(data: string, url: string, directory: string): Promise<void> {
  await makeDirectory(directory)
  try {
    // The record first: a key that it names is there by then; the other way round one could be missing.
    await copyStore(url, join(directory, recordName))
    await cp(join(data, 'keys'), join(directory, 'keys'), { recursive: true, filter: isFinished })
    await cp(join(data, 'site.json'), join(directory, 'site.json'))
  } catch (error) {
    await rm(directory, { recursive: true, force: true })
    throw error
  }
  await noteBackup(data, { at: Date.now(), directory: resolve(directory) })
}

async function restore(task: Task<RestoreOptions>, directory: string): Promise<void> {
  const { io, options } = task
  const site = await readSiteFile(directory)
  if (site === undefined) throw new OnboardingError('backup-invalid', { directory, reason: 'it has no site.json' })
  const anchor = options.anchor === undefined ? undefined : await readAnchor(options.anchor)
  const data = dataDirectory('site', options.data, io)
  const place = storePlace(options, io.env)
  await makeDirectory(data)
  try {
    await cp(join(directory, 'keys'), join(data, 'keys'), { recursive: true, filter: isNotRegistrars })
    const signer = await openLedgerKey(data, io)
    if (signer === undefined)
      throw new OnboardingError('backup-invalid', { directory, reason: 'the ledger key is missing' })
    const url = place ?? `sqlite:${join(data, 'site.db')}`
    const log = openLog({ level: 'error' })
    const verdict = await restoreBackup(join(directory, recordName), url, { signer, clock: Date.now, log }, anchor)
    const store = await openStore(url, { signer, clock: Date.now, log })
    try {
      await markRestored(store)
    } finally {
      await store.close()
    }
    // Last: a directory without it is no site.
    const { format, network, owner } = site
    await writeSiteFile(data, { format, network, owner, ...recordMark(place) })
    const { integrity, completeness, events } = verdict
    task.note('The machine from before must not go on: two records of one site know nothing of each other.')
    task.answer({ site: data, ...verdict }, () =>
      facts([
        ['site', data],
        ['network', site.network],
        ['events', events],
        ['integrity', integrity],
        ['completeness', completeness],
      ]),
    )
  } catch (error) {
    await rm(data, { recursive: true, force: true })
    throw error
  }
}

/** The restored site gets a registrar certificate of its own, by which it can be told from the machine from before. */
function isNotRegistrars(path: string): boolean {
  return !/^registrar-\d+\./.test(basename(path))
}

/** A key that is being written has another name until it is whole. */
function isFinished(path: string): boolean {
  return !path.endsWith('.draft')
}

/** Throws OnboardingError `file-exists`. */
async function makeDirectory(path: string): Promise<void> {
  try {
    await mkdir(dirname(path), { recursive: true, mode: 0o700 })
    await mkdir(path, { mode: 0o700 })
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== 'EEXIST') throw cause
    throw new OnboardingError('file-exists', { path }, { cause })
  }
}
