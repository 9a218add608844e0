import type { Command } from 'commander'
import { renderUnicodeCompact } from 'uqr'
import type { ConfiguratorView, EndedAccessView } from '../api/contract/configurator.ts'
import { type Cli, choice, described } from './command.ts'
import { connect, type SiteOptions, withSite } from './connection.ts'
import { facts, moment, table } from './table.ts'

const uses = ['c-sign', 'pp', 'bootstrapping'] as const
const curves = ['P-256', 'P-384', 'P-521', 'BP-256', 'BP-384', 'BP-512'] as const

/** The Configurator itself, and what it gave to devices. */
export function withConfigurator(cli: Cli, dpp: Command): void {
  described(withSite(dpp.command('controller')), {
    summary: 'show the code of this site, what access points need of it, and who waits for a person',
    text:
      'An access point enrols with the code; one that relays devices needs `dpp_controller=ipaddr=ADDRESS pkhash=HASH` and ' +
      '`dpp_configurator_connectivity=1` in its hostapd. A device that scans the code authenticates this network, too.',
    examples: ['dpp controller', 'dpp controller --json'],
  }).action(
    cli.run<SiteOptions, []>(async task => {
      const shown = await (await connect(task)).dppController()
      task.answer(shown, () => configuratorText(shown))
    }),
  )
  described(withSite(dpp.command('rotate').argument('<use>', uses.join(', '), choice(uses))), {
    summary: 'make the next key of the Configurator',
    text:
      'Connectors of two C-sign keys do not meet: after a rotation each device and each access point has to be reconfigured. A ' +
      'new bootstrapping key needs new codes and another pkhash at every access point.',
    examples: ['dpp rotate c-sign', 'dpp rotate c-sign --curve P-384'],
  })
    .option('--curve <curve>', curves.join(', '), choice(curves), 'P-256')
    .action(
      cli.run<SiteOptions & { readonly curve: (typeof curves)[number] }, [(typeof uses)[number]]>(async (task, use) => {
        const client = await connect(task)
        const made = await client.configuratorKeyRotate({ body: { use, curve: task.options.curve } })
        task.answer(made, () => `${made.id} is the ${made.use} key on ${made.curve} from now on.`)
      }),
    )
  described(withSite(dpp.command('reconfigure').argument('<device>', 'id of the device')), {
    summary: 'give a device something new for its wireless network',
    text:
      'What it has is ended. It finds no way in, announces itself with its Connector, and gets what policies and network say ' +
      'then. An access point that knows it only by its Connector goes on until that expires.',
    examples: ['dpp reconfigure 3f9a0c5b7d1e2f4a6b8c0d1e'],
  }).action(
    cli.run<SiteOptions, [string]>(async (task, device) => {
      const ended = await (await connect(task)).dppReconfigure({ params: { device } })
      task.answer(ended, () => endedText(ended))
    }),
  )
  described(withSite(dpp.command('revoke').argument('<device>', 'id of the device')), {
    summary: 'end what a device has for wireless networks',
    text:
      'Its Connector gets it nothing new any more. By its code it could still onboard again: `mooring device deny` or ' +
      '`mooring dpp remove` closes that way, too.',
    examples: ['dpp revoke 3f9a0c5b7d1e2f4a6b8c0d1e'],
  }).action(
    cli.run<SiteOptions, [string]>(async (task, device) => {
      const ended = await (await connect(task)).dppRevoke({ params: { device } })
      task.answer(ended, () => endedText(ended))
    }),
  )
}

function configuratorText({ uri, keyHash, port, sessions, waiting, keys }: ConfiguratorView): string {
  const shown = facts([
    ['code', uri],
    ['key hash', keyHash],
    ['port', port === undefined ? 'this process does not listen' : String(port)],
    ['hostapd.conf', `dpp_controller=ipaddr=ADDRESS pkhash=${keyHash}`],
    ['under way', String(sessions)],
    ...waiting.map(each => ['waiting', `${each.keyHash} at ${each.address}: scan its code to let it in`] as const),
  ])
  const made = table(keys, [
    { title: 'key', of: ({ id }) => id },
    { title: 'use', of: ({ use }) => use },
    { title: 'curve', of: ({ curve }) => curve },
    { title: 'state', of: ({ state }) => state },
    { title: 'since', of: ({ establishedAt }) => moment(establishedAt) },
  ])
  return [renderUnicodeCompact(uri), shown, '', made].join('\n')
}

function endedText({ credentials }: EndedAccessView): string {
  return credentials
    .map(({ id, form, takenUntil }) => {
      const until =
        takenUntil === undefined ? '' : `; access points that do not ask take it until ${moment(takenUntil)}`
      return `${form} ${id} is of no use any more${until}.`
    })
    .join('\n')
}
