import { Command } from 'commander'
import { manifestLimits } from '../../role/supply-chain/manifest.ts'
import type { ManifestReport, ManifestView } from '../api/contract/manifest.ts'
import { type Cli, described } from './command.ts'
import { connect, type SiteOptions, withSite } from './connection.ts'
import { readInputFile } from './file.ts'
import { type ListOptions, listed, listText, withLimit } from './listing.ts'
import { facts, moment, table } from './table.ts'

export function manifestCommand(cli: Cli): Command {
  const manifest = new Command('manifest')
    .summary('signed lists of what you bought')
    .description('Signed lists of what you bought: their devices are expected, and belong to whom they name.')
  described(withSite(manifest.command('import').argument('<file>', 'as the manufacturer sent it')), {
    summary: 'expect the devices of a purchase',
    text: 'Done again, for instance after an interruption, it changes only what is missing.',
    examples: ['manifest import purchase-2026-11.jws'],
  }).action(
    cli.run<SiteOptions, [string]>(async (task, path) => {
      const manifest = (await readInputFile(path, manifestLimits.bytes)).toString('base64')
      const report = await (await connect(task)).manifestImport({ body: { manifest } })
      task.answer(report, () => reportText(report))
    }),
  )
  described(withSite(withLimit(manifest.command('list'))), {
    summary: 'list imported manifests',
    examples: ['manifest list'],
  }).action(
    cli.run<SiteOptions & ListOptions, []>(async task => {
      const client = await connect(task)
      const found = await listed(task.options, query => client.manifestList({ query }))
      task.answer(found, () => listText(found, manifestsText, 'No manifest was imported yet.'))
    }),
  )
  return manifest
}

function reportText(report: ManifestReport): string {
  const { manifest, refused } = report
  const summary = facts([
    ['manifest', manifest.id],
    ['manufacturer', manifest.manufacturer],
    ['devices', manifest.devices],
    ['new', report.new],
    ['updated', report.updated],
    ['unchanged', report.unchanged],
    ['refused', refused.length],
  ])
  if (refused.length === 0) return summary
  const shown = refused.slice(0, 100)
  const rows = table(shown, [
    { title: 'refused serial', of: ({ serial }) => serial },
    { title: 'why', of: ({ code }) => code },
  ])
  return `${summary}\n\n${rows}${refused.length > shown.length ? '\n(and more: see --json)' : ''}`
}

function manifestsText(manifests: readonly ManifestView[]): string {
  return table(manifests, [
    { title: 'id', of: ({ id }) => id.slice(0, 16) },
    { title: 'manufacturer', of: ({ manufacturer }) => manufacturer, flexible: true },
    { title: 'devices', of: ({ devices }) => String(devices), right: true },
    { title: 'imported', of: ({ importedAt }) => moment(importedAt) },
    { title: 'by', of: ({ importedBy }) => importedBy, flexible: true },
  ])
}
