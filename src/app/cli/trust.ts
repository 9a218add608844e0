import { Command } from 'commander'
import type { ManufacturerView } from '../api/contract/trust.ts'
import type { api, Reply } from '../api/contract.ts'
import { defined } from '../defined.ts'
import { type Cli, collected, described } from './command.ts'
import { connect, type SiteOptions, withSite } from './connection.ts'
import { readCertificatesPem } from './file.ts'
import { type ListOptions, listed, listText, withLimit } from './listing.ts'
import { facts, moment } from './table.ts'
import { harmless } from './terminal.ts'

interface AddOptions extends SiteOptions {
  readonly anchor: readonly string[]
  readonly masaUrl?: string
  readonly masaAnchor?: readonly string[]
  readonly masaPrivate?: boolean
  readonly ignoreLifetime?: boolean
  readonly quirk?: readonly string[]
  readonly dryRun?: boolean
}

export function trustCommand(cli: Cli): Command {
  const trust = new Command('trust')
    .summary('manufacturers whose devices may come')
    .description('Manufacturers whose devices may come. Nobody is trusted until you say so.')
  addCommand(cli, trust.command('add'))
  described(withSite(withLimit(trust.command('list'))), {
    summary: 'list trusted manufacturers, with fingerprints to compare',
    examples: ['trust list'],
  }).action(
    cli.run<SiteOptions & ListOptions, []>(async task => {
      const client = await connect(task)
      const found = await listed(task.options, query => client.manufacturerList({ query }))
      const render = (items: readonly ManufacturerView[]) => items.map(manufacturerText).join('\n\n')
      task.answer(found, () => listText(found, render, 'No manufacturer is trusted yet. `mooring trust add` adds one.'))
    }),
  )
  described(withSite(trust.command('remove').argument('<name>', 'as `mooring trust list` shows it')), {
    summary: 'stop trusting a manufacturer; its devices stay on record',
    examples: ['trust remove fjord'],
  }).action(
    cli.run<SiteOptions, [string]>(async (task, name) => {
      const answer = await (await connect(task)).manufacturerDistrust({ params: { name } })
      task.answer(answer, () => `${answer.removed} is not trusted any more.`)
    }),
  )
  return trust
}

function addCommand(cli: Cli, command: Command): void {
  described(
    withSite(command.argument('<name>', 'how this site calls the manufacturer: 1 to 64 of A-Z a-z 0-9 . _ -')),
    {
      summary: 'trust a manufacturer, or change how',
      text: 'Compare the fingerprints that it prints with those that the manufacturer gives you by another way.',
      examples: [
        'trust add fjord --anchor device-root.pem --masa-anchor masa-root.pem',
        'trust add fjord --anchor device-root.pem --anchor device-root-2.pem --dry-run',
        'trust add lab --anchor device-root.pem --masa-url https://10.0.0.5:9443 --masa-private',
      ],
    },
  )
    .requiredOption('--anchor <file>', 'root of the birth certificates, PEM or DER; again for each', collected)
    .option('--masa-url <url>', 'address of the MASA, where that in the birth certificates is wrong')
    .option('--masa-anchor <file>', 'root of vouchers and of the MASA itself; again for each', collected)
    .option('--masa-private', 'the MASA may be at a private or local address')
    .option('--ignore-lifetime', 'take devices whose birth certificate has ended')
    .option('--dry-run', 'say what would change, and change nothing')
    .option('--quirk <name>', 'tolerate what devices of this manufacturer do wrong; again for each', collected)
    .action(
      cli.run<AddOptions, [string]>(async (task, name) => {
        const { anchor, masaAnchor = [], masaUrl, masaPrivate, ignoreLifetime, quirk } = task.options
        const body = {
          anchors: await readCertificatesPem(anchor),
          masaAnchors: await readCertificatesPem(masaAnchor),
          ...defined({ masaUrl, masaPrivateAddress: masaPrivate, ignoreIdevidLifetime: ignoreLifetime }),
          ...(quirk === undefined ? {} : { quirks: [...quirk] }),
        }
        const client = await connect(task)
        if (task.options.dryRun === true) {
          const preview = await client.manufacturerPreview({ params: { name }, body })
          task.answer(preview, () => previewText(name, preview))
          for (const { subject, message } of preview.warnings) task.note(harmless(`Note on ${subject}: ${message}.`))
          return
        }
        const answer = await client.manufacturerTrust({ params: { name }, body })
        task.answer(answer, () => manufacturerText(answer))
        for (const { subject, message } of answer.warnings) task.note(harmless(`Note on ${subject}: ${message}.`))
      }),
    )
}

function previewText(name: string, preview: Reply<(typeof api)['manufacturerPreview']>): string {
  const { known, anchors, masaAnchors, devices, onboarded, mayBeShutOut } = preview
  const change = (title: string, { added, removed, kept }: typeof anchors): [string, string][] => [
    ...added.map((subject): [string, string] => [`${title}, new`, subject]),
    ...removed.map((subject): [string, string] => [`${title}, gone`, subject]),
    ...kept.map((subject): [string, string] => [`${title}, as before`, subject]),
  ]
  return facts([
    ['manufacturer', known ? name : `${name}, trusted for the first time`],
    ...change('device root', anchors),
    ...change('MASA root', masaAnchors),
    ['devices on record', devices],
    ['onboarded', `${onboarded}: nothing changes for them`],
    ['may be shut out', mayBeShutOut === 0 ? 'none' : `${mayBeShutOut} that have yet to come in`],
    ['', 'Nothing was changed.'],
  ])
}

export function manufacturerText(manufacturer: ManufacturerView): string {
  const { name, anchors, masaUrl, masaAnchors, masaPrivateAddress, ignoreIdevidLifetime, quirks, addedAt } =
    manufacturer
  return facts([
    ['manufacturer', name],
    ['since', moment(addedAt)],
    ...anchors.flatMap(anchorFacts('device root')),
    ['MASA', masaUrl ?? 'as the birth certificate says'],
    ['', masaPrivateAddress ? 'may be at a private address' : ''],
    ...masaAnchors.flatMap(anchorFacts('MASA root')),
    ['birth certificates', ignoreIdevidLifetime ? 'taken after their end' : ''],
    ['quirks', quirks.join(', ')],
  ])
}

export function anchorFacts(title: string) {
  return ({ subject, fingerprint, notAfter }: ManufacturerView['anchors'][number]) => {
    // 32 octets with colons are wider than a line: two halves.
    const octets = fingerprint.split(':')
    return [
      [title, subject],
      ['  until', moment(notAfter)],
      ['  SHA-256', octets.slice(0, 16).join(':')],
      ['', octets.slice(16).join(':')],
    ] as const
  }
}
