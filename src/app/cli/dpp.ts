import { Command } from 'commander'
import { pictureLimits } from '../../adapter/image/picture.ts'
import { OnboardingError } from '../../domain/error.ts'
import type { ApiClient } from '../api/client.ts'
import type { BootstrappingKeyView } from '../api/contract/dpp.ts'
import { defined } from '../defined.ts'
import { type Cli, described, type Task } from './command.ts'
import { connect, type SiteOptions, withSite } from './connection.ts'
import { withConfigurator } from './dpp-configurator.ts'
import { withConfiguratorTransfer } from './dpp-key.ts'
import { readInputFile } from './file.ts'
import { type ListOptions, listed, listText, withLimit } from './listing.ts'
import { facts, moment, table } from './table.ts'
import { harmless } from './terminal.ts'

interface WhoOptions extends SiteOptions {
  readonly manufacturer?: string
  readonly serial?: string
  readonly model?: string
  readonly accessPoint?: boolean
}

export function dppCommand(cli: Cli): Command {
  const dpp = new Command('dpp')
    .summary('devices that are onboarded by their code (Wi-Fi Easy Connect)')
    .description(
      'Wi-Fi Easy Connect (DPP): a device shows a code with its bootstrapping key, and comes in once the site knows that key. ' +
        'Whoever sees the code can pretend to be a network to the device, unless the device knows its owner (mutual ' +
        'authentication, or a declaration that its manufacturer signed): treat codes like keys to the box.',
    )
  described(withWho(withSite(dpp.command('add-uri').argument('<uri>', 'DPP:…;;, quoted for the shell'))), {
    summary: 'expect a device by its bootstrapping URI',
    text: 'With --manufacturer the device is one of a manufacturer that the site trusts; else nobody vouches for it but you.',
    examples: [
      'dpp add-uri "DPP:C:81/6;M:020000000100;V:2;K:MDkwEwYHKoZIzj0C…;;"',
      'dpp add-uri "DPP:V:2;K:MDkwEwYHKoZIzj0C…;;" --manufacturer fjord --serial CL2-000001',
    ],
  }).action(
    cli.run<WhoOptions, [string]>(async (task, uri) => {
      told(task, await expect(await connect(task), uri, task.options))
    }),
  )
  scanCommand(cli, dpp.command('scan'))
  withConfiguratorTransfer(cli, dpp)
  described(withSite(withLimit(dpp.command('list'))), {
    summary: 'list bootstrapping keys, and how far their devices have come',
    examples: ['dpp list', 'dpp list --json'],
  }).action(
    cli.run<SiteOptions & ListOptions, []>(async task => {
      const client = await connect(task)
      const found = await listed(task.options, query => client.dppKeyList({ query }))
      task.answer(found, () => listText(found, keysText, 'No code is on record. `mooring dpp add-uri` adds one.'))
    }),
  )
  described(withSite(dpp.command('show').argument('<device>', 'id of the device, or the hash of its key')), {
    summary: 'show one bootstrapping key, and what could keep its device from being found',
    examples: ['dpp show 3f9a0c5b7d1e2f4a6b8c0d1e'],
  }).action(
    cli.run<SiteOptions, [string]>(async (task, named) => {
      const client = await connect(task)
      const found = await client.dppKeyShow({ params: { key: await keyOf(client, named) } })
      task.answer(found, () => keyText(found))
    }),
  )
  described(withSite(dpp.command('remove').argument('<device>', 'id of the device, or the hash of its key')), {
    summary: 'forget a bootstrapping key; its device stays on record',
    text: 'A credential that the device has already stays in force: `mooring credential revoke` ends it.',
    examples: ['dpp remove 3f9a0c5b7d1e2f4a6b8c0d1e'],
  }).action(
    cli.run<SiteOptions, [string]>(async (task, named) => {
      const client = await connect(task)
      const removed = await client.dppKeyRemove({ params: { key: await keyOf(client, named) } })
      task.answer(removed, () => keyText(removed))
    }),
  )
  withConfigurator(cli, dpp)
  return dpp
}

interface ScanOptions extends WhoOptions {
  readonly dryRun?: boolean
}

function scanCommand(cli: Cli, command: Command): void {
  described(withWho(withSite(command.argument('<file>', 'PNG or JPEG with the code of one device'))), {
    summary: 'expect a device by a picture of its code',
    text: 'The site decodes the picture; nothing of it is kept.',
    examples: ['dpp scan label.jpg', 'dpp scan label.png --dry-run'],
  })
    .option('--dry-run', 'say what the code holds; no device is expected by it')
    .action(
      cli.run<ScanOptions, [string]>(async (task, path) => {
        const picture = (await readInputFile(path, pictureLimits.bytes)).toString('base64')
        const client = await connect(task)
        const code = await client.dppCodeRead({ body: { picture } })
        if (task.options.dryRun === true) task.answer(code, () => codeText(code))
        else told(task, await expect(client, code.uri, task.options))
      }),
    )
}

function expect(client: ApiClient, uri: string, options: WhoOptions): Promise<BootstrappingKeyView> {
  const body = { uri, ...whoOf(options) }
  return options.accessPoint === true ? client.dppAccessPointAdd({ body }) : client.dppKeyAdd({ body })
}

function codeText({ uri, findings }: Pick<BootstrappingKeyView, 'findings'> & { readonly uri: string }): string {
  return facts([
    ['code', uri],
    ...findings.map(({ severity, message, rule }) => [severity, `${message} [${rule}]`] as const),
  ])
}

/** The key of a device; a key as it stands. */
async function keyOf(client: ApiClient, named: string): Promise<string> {
  if (!/^[0-9a-f]{24}$/.test(named)) return named
  const { items } = await client.dppKeyList({ query: { device: named } })
  if (items[0] === undefined) throw new OnboardingError('bootstrapping-key-unknown', { device: named })
  return items[0].key
}

function withWho(command: Command): Command {
  return command
    .option('--manufacturer <name>', 'as `mooring trust list` names it')
    .option('--serial <text>', 'serial number on the label')
    .option('--model <text>', 'product')
    .option('--access-point', 'it is an access point of this site, and devices shall take it for one')
}

function whoOf({ manufacturer, serial, model }: WhoOptions) {
  return defined({ manufacturer, serial, model })
}

function told(task: Task<SiteOptions>, added: BootstrappingKeyView): void {
  task.answer(added, () => keyText(added))
  for (const { severity, message } of added.findings) {
    if (severity !== 'note') task.note(harmless(`Note: ${message}.`))
  }
}

function keyText(key: BootstrappingKeyView): string {
  return facts([
    ['key', key.key],
    ['', key.state === 'removed' ? 'removed: nobody can onboard by it' : ''],
    [key.netRole === 'ap' ? 'access point' : 'device', key.device],
    ['manufacturer', key.manufacturer],
    ['serial', key.serial],
    ['model', key.model],
    ['standing', key.standing],
    ['onboarding', key.rung],
    ['curve', key.curve],
    ['version', key.version],
    ['address', key.mac],
    ['channels', key.channels.join(', ')],
    ['information', key.information],
    ['from', key.source],
    ['declaration', key.declared ? 'signed by the manufacturer; the device can verify whose it is' : 'none'],
    ['added', `${moment(key.addedAt)} by ${key.addedBy}`],
    ...key.findings.map(({ severity, message, rule }) => [severity, `${message} [${rule}]`] as const),
  ])
}

function keysText(keys: readonly BootstrappingKeyView[]): string {
  return table(keys, [
    { title: 'device', of: ({ device }) => device },
    { title: 'manufacturer', of: ({ manufacturer }) => manufacturer, flexible: true },
    { title: 'serial', of: ({ serial }) => serial, flexible: true },
    { title: 'curve', of: ({ curve }) => curve },
    { title: 'address', of: ({ mac }) => mac ?? '' },
    { title: 'standing', of: ({ standing }) => standing },
    { title: 'onboarding', of: ({ rung }) => rung },
  ])
}
