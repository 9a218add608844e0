import { Command } from 'commander'
import type { VoucherView } from '../api/contract/voucher.ts'
import { type Cli, described } from './command.ts'
import { connect, type SiteOptions, withSite } from './connection.ts'
import { deviceNamed } from './device-named.ts'
import { type ListOptions, listed, listText, withLimit } from './listing.ts'
import { moment, table } from './table.ts'

export function voucherCommand(cli: Cli): Command {
  const voucher = new Command('voucher')
    .summary("manufacturers' statements that a device is yours")
    .description("Manufacturers' signed statements that a device is yours.")
  described(withSite(withLimit(voucher.command('list'))), {
    summary: 'list vouchers obtained',
    examples: ['voucher list', 'voucher list --device CL2-000001'],
  })
    .option('--device <device>', 'only those for this id or serial number')
    .action(
      cli.run<SiteOptions & ListOptions & { device?: string }, []>(async task => {
        const client = await connect(task)
        const { device: name } = task.options
        const filter = name === undefined ? {} : { device: (await deviceNamed(client, name)).id }
        const found = await listed(task.options, page => client.voucherList({ query: { ...filter, ...page } }))
        task.answer(found, () => listText(found, vouchersText, 'No voucher yet.'))
      }),
    )
  return voucher
}

function vouchersText(vouchers: readonly VoucherView[]): string {
  return table(vouchers, [
    { title: 'device', of: ({ device }) => device },
    { title: 'assertion', of: ({ assertion }) => assertion },
    { title: 'nonce', of: ({ nonced }) => (nonced ? 'yes' : 'no') },
    { title: 'format', of: ({ contentType }) => contentType, flexible: true },
    { title: 'obtained', of: ({ obtainedAt }) => moment(obtainedAt) },
  ])
}
