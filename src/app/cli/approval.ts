import { Command } from 'commander'
import type { DeviceView } from '../api/contract/device.ts'
import { type Cli, described } from './command.ts'
import { connect, type SiteOptions, withSite } from './connection.ts'
import { devicesText } from './device.ts'
import { deviceNamed } from './device-named.ts'
import { type ListOptions, listed, listText, withLimit } from './listing.ts'
import { moment, table } from './table.ts'

export function approvalCommand(cli: Cli): Command {
  const approval = new Command('approval')
    .summary('genuine devices that nobody expected')
    .description('Genuine devices that nobody expected: they wait until a person lets them in or turns them away.')
  described(withSite(withLimit(approval.command('list'))), {
    summary: 'list the devices that wait for a person',
    examples: ['approval list'],
  }).action(
    cli.run<SiteOptions & ListOptions, []>(async task => {
      const client = await connect(task)
      const found = await listed(task.options, query => client.approvalList({ query }))
      task.answer(found, () => listText(found, waitingText, 'No device waits.'))
    }),
  )
  decision(cli, approval.command('grant'), {
    summary: 'let devices in',
    example: 'approval grant CL2-000009',
    decide: 'approvalGrant',
  })
  decision(cli, approval.command('deny'), {
    summary: 'turn devices away, until they are granted',
    example: 'approval deny CL2-000009',
    decide: 'approvalDeny',
  })
  return approval
}

function waitingText(devices: readonly DeviceView[]): string {
  return table(devices, [
    { title: 'id', of: ({ id }) => id },
    { title: 'manufacturer', of: ({ manufacturer }) => manufacturer, flexible: true },
    { title: 'serial', of: ({ serial }) => serial, flexible: true },
    { title: 'first heard', of: ({ firstHeardAt }) => moment(firstHeardAt) },
    { title: 'last heard', of: ({ lastHeardAt }) => moment(lastHeardAt) },
  ])
}

function decision(
  cli: Cli,
  command: Command,
  about: { readonly summary: string; readonly example: string; readonly decide: 'approvalGrant' | 'approvalDeny' },
): void {
  const { summary, example, decide } = about
  described(withSite(command.argument('<device...>', 'ids, or serial numbers')), {
    summary,
    examples: [example],
  }).action(
    cli.run<SiteOptions, [readonly string[]]>(async (task, names) => {
      const client = await connect(task)
      // All are looked up before the first is decided on: a mistyped one changes nothing.
      const devices: DeviceView[] = []
      for (const name of names) devices.push(await deviceNamed(client, name))
      const items: DeviceView[] = []
      for (const { id } of devices) items.push(await client[decide]({ params: { id } }))
      task.answer({ items }, () => devicesText(items))
    }),
  )
}
