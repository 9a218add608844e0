import { setTimeout } from 'node:timers/promises'
import { Command } from 'commander'
import { recallLimits } from '../../role/supply-chain/recall-notice.ts'
import type { ApiClient } from '../api/client.ts'
import type { RecallPreview, RecallView } from '../api/contract/recall.ts'
import { type Cli, described, type Task } from './command.ts'
import { connect, type SiteOptions, withSite } from './connection.ts'
import { readInputFile } from './file.ts'
import { type ListOptions, listed, listText, withLimit } from './listing.ts'
import { facts, moment, table } from './table.ts'
import { progressLine } from './terminal.ts'

interface ImportOptions extends SiteOptions {
  readonly hold?: boolean
  readonly dryRun?: boolean
  readonly wait?: boolean
}

/** Between two looks at the work, milliseconds. */
const interval = 500

export function recallCommand(cli: Cli): Command {
  const recall = new Command('recall')
    .summary('what manufacturers call back')
    .description('Signed notices by which a manufacturer calls back devices, batches or whole models.')
  importCommand(cli, recall.command('import'))
  described(withSite(withLimit(recall.command('list'))), {
    summary: 'list recalls, in force and lifted',
    examples: ['recall list', 'recall list --json'],
  }).action(
    cli.run<SiteOptions & ListOptions, []>(async task => {
      const client = await connect(task)
      const found = await listed(task.options, query => client.recallList({ query }))
      task.answer(found, () => listText(found, recallsText, 'No recall is known.'))
    }),
  )
  described(withSite(recall.command('show').argument('<recall>', 'id')), {
    summary: 'show one recall, and how far the work has come',
    examples: ['recall show 8f14e45fceea167a5a36dedd'],
  }).action(
    cli.run<SiteOptions, [string]>(async (task, id) => {
      const found = await (await connect(task)).recallShow({ params: { id } })
      task.answer(found, () => recallText(found))
    }),
  )
  return recall
}

function importCommand(cli: Cli, command: Command): void {
  described(withSite(command.argument('<file>', 'as the manufacturer signed it')), {
    summary: 'put a recall in force, change it or lift it',
    text:
      'Recalled devices are stopped at once. Then the devices of the manufacturer are gone through: network credentials of ' +
      'recalled ones are revoked, or with --hold of no use until the recall is lifted. That goes on when this command is ' +
      'interrupted, and after a crash of the site; `mooring recall show` says how far it is.',
    examples: ['recall import recall.jws', 'recall import recall.jws --dry-run', 'recall import recall.jws --hold'],
  })
    .option('--hold', 'hold network credentials instead of revoking them')
    .option('--dry-run', 'verify the notice and count whom it would hit; nothing changes')
    .option('--no-wait', 'do not wait for the devices to be gone through')
    .action(cli.run<ImportOptions, [string]>(bring))
}

async function bring(task: Task<ImportOptions>, path: string): Promise<void> {
  const { options } = task
  const notice = (await readInputFile(path, recallLimits.bytes)).toString('base64')
  const client = await connect(task)
  if (options.dryRun === true) {
    const preview = await client.recallPreview({ body: { notice } })
    task.answer(preview, () => previewText(preview))
    return
  }
  const treatment = options.hold === true ? 'hold' : 'revoke'
  const { recall, changed } = await client.recallImport({ body: { notice, treatment } })
  const done = options.wait === false ? recall : await finished(task, client, recall)
  task.answer({ recall: done, changed }, () => recallText(done))
}

async function finished({ io }: Task<SiteOptions>, client: ApiClient, begun: RecallView): Promise<RecallView> {
  const progress = progressLine(io.stderr)
  let recall = begun
  try {
    while (recall.work.state === 'under-way') {
      const { checked, of, affected } = recall.work
      progress.show(`looked at ${checked} of ${of} devices, ${affected} affected`)
      await setTimeout(interval, undefined, { signal: io.signal })
      recall = await client.recallShow({ params: { id: recall.id } })
    }
    return recall
  } finally {
    progress.end()
  }
}

function previewText(preview: RecallPreview): string {
  return facts([
    ...terms(preview),
    ['would', preview.action === 'lift' ? 'let go' : 'hit'],
    ['devices here', preview.hits],
    ['with a credential', preview.credentialed],
  ])
}

function terms({
  manufacturer,
  recall,
  number,
  reason,
  note,
  reference,
  models,
  batches,
  serials,
}: RecallPreview | RecallView) {
  return [
    ['manufacturer', manufacturer],
    ['recall', `${recall}, notice ${number}`],
    ['reason', reason],
    ['note', note],
    ['reference', reference],
    ['models', models.join(', ')],
    ['batches', batches.join(', ')],
    ['serials', serials],
  ] satisfies [string, string | number][]
}

function recallText(recall: RecallView): string {
  const { id, status, treatment, importedAt, importedBy, work } = recall
  return facts([
    ['id', id],
    ['status', status],
    ...terms(recall),
    ['credentials', treatment === 'hold' ? 'held' : 'revoked'],
    ['imported', `${moment(importedAt)} by ${importedBy}`],
    ['looked at', `${work.checked} of ${work.of}${work.state === 'done' ? '' : ', under way'}`],
    ['affected', work.affected],
    ['revoked', work.revoked],
    ['held', work.held],
    ['released', work.released],
  ])
}

function recallsText(recalls: readonly RecallView[]): string {
  return table(recalls, [
    { title: 'id', of: ({ id }) => id },
    { title: 'manufacturer', of: ({ manufacturer }) => manufacturer, flexible: true },
    { title: 'status', of: ({ status }) => status },
    { title: 'reason', of: ({ reason }) => reason },
    { title: 'reference', of: ({ reference }) => reference, flexible: true },
    { title: 'affected', of: ({ work }) => String(work.affected), right: true },
    { title: 'work', of: ({ work }) => (work.state === 'done' ? 'done' : `${work.checked} of ${work.of}`) },
  ])
}
