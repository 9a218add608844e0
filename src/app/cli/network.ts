import { Command, InvalidArgumentError } from 'commander'
import { type NetworkAkm, type NetworkCurve, networkAkms, networkCurves } from '../../domain/network-definition.ts'
import type { ApiClient } from '../api/client.ts'
import type { NetworkView } from '../api/contract/network.ts'
import { defined } from '../defined.ts'
import { accessPointCommand } from './access-point.ts'
import { type Cli, choice, collected, count, described, type Task } from './command.ts'
import { connect, type SiteOptions, withSite } from './connection.ts'
import { readCertificatesPem } from './file.ts'
import { type ListOptions, listed, listText, withLimit } from './listing.ts'
import { facts, moment, table } from './table.ts'
import { harmless } from './terminal.ts'

interface Segment {
  readonly name: string
  readonly vlan?: number
  readonly group?: string
}

interface TermOptions extends SiteOptions {
  readonly ssid?: string
  readonly ssid64?: string
  readonly akm?: NetworkAkm
  readonly segment?: readonly Segment[]
  readonly channel?: readonly string[]
  readonly curve?: NetworkCurve
  readonly cSignCurve?: NetworkCurve
  readonly connectorDays?: number
  readonly passphraseLength?: number
  readonly radius?: string
  readonly radiusCa?: string
  readonly pmksaCaching?: 'on' | 'off'
}

export function networkCommand(cli: Cli): Command {
  const network = new Command('network')
    .summary('wireless networks that devices are configured for')
    .description(
      'Wireless networks of the site. Policies give a device a segment; the network that has it is what the device is ' +
        'configured for. Where it needs a secret, each device gets one of its own, and nobody ever sees it.',
    )
  addCommand(cli, network.command('add'))
  listCommand(cli, network.command('list'))
  described(withSite(network.command('show').argument('<name>', 'as `mooring network list` shows it')), {
    summary: 'show a network, what to know about it, and how many devices are on it',
    examples: ['network show cameras', 'network show cameras --json'],
  }).action(
    cli.run<SiteOptions, [string]>(async (task, name) => {
      const found = await (await connect(task)).networkShow({ params: { name } })
      task.answer(found, () => networkText(found))
    }),
  )
  changeCommand(cli, network.command('change'))
  accessPointCommand(cli, network.command('access-point'))
  described(withSite(network.command('remove').argument('<name>', 'as `mooring network list` shows it')), {
    summary: 'remove a network that no device is on',
    examples: ['network remove cameras'],
  }).action(
    cli.run<SiteOptions, [string]>(async (task, name) => {
      const removed = await (await connect(task)).networkRemove({ params: { name } })
      task.answer(removed, () => `No device is configured for ${removed.removed} any more.`)
    }),
  )
  return network
}

function addCommand(cli: Cli, command: Command): void {
  const named = withTerms(withSite(command.argument('<name>', 'how this site calls it: 1 to 64 of A-Z a-z 0-9 . _ -')))
  described(named, {
    summary: 'add a network',
    text:
      'Without more than an SSID it is for devices with Connectors (dpp) or with a secret of their own (sae), all in the ' +
      'segment `devices`. What an access point could not do, or would do dangerously, is refused with the reason.',
    examples: [
      'network add home --ssid "Harbour"',
      'network add cameras --ssid cams --akm sae --segment cameras:30 --segment quarantine:99',
      'network add office --ssid office --akm dot1x --radius radius.example --segment desks',
    ],
  }).action(
    cli.run<TermOptions, [string]>(async (task, name) => {
      const body = { name, ...(await termsOf(task.options)) }
      const added = await (await connect(task)).networkAdd({ body })
      told(task, added)
    }),
  )
}

function changeCommand(cli: Cli, command: Command): void {
  described(withTerms(withSite(command.argument('<name>', 'as `mooring network list` shows it'))), {
    summary: 'change a network; what is not named stays',
    text:
      'Access points have to be told of a change by whoever runs them. Devices learn of a new SSID, AKM or group when they ' +
      'are reconfigured; of a new VLAN the access points alone. --segment names all segments anew.',
    examples: ['network change cameras --channel 81/11', 'network change home --connector-days 30'],
  }).action(
    cli.run<TermOptions, [string]>(async (task, name) => {
      const body = await termsOf(task.options)
      const changed = await (await connect(task)).networkChange({ params: { name }, body })
      told(task, changed)
    }),
  )
}

function listCommand(cli: Cli, command: Command): void {
  described(withSite(withLimit(command)), {
    summary: 'list networks',
    examples: ['network list', 'network list --json'],
  }).action(
    cli.run<SiteOptions & ListOptions, []>(async task => {
      const client: ApiClient = await connect(task)
      const found = await listed(task.options, query => client.networkList({ query }))
      task.answer(found, () => listText(found, networksText, 'No network yet. `mooring network add` adds one.'))
    }),
  )
}

function withTerms(command: Command): Command {
  return command
    .option('--ssid <text>', 'name that access points send')
    .option('--ssid64 <base64url>', 'in place of --ssid, where it is no text')
    .option('--akm <akm>', `one of ${networkAkms.join(', ')}`, choice(networkAkms))
    .option('--segment <name[:vlan[:group]]>', 'part of the network, as policies assign it; again for each', segments)
    .option('--channel <class/channel>', 'where its access points listen, 81/6; again for each', collected)
    .option('--curve <curve>', `of all keys of devices: ${networkCurves.join(', ')}`, choice(networkCurves))
    .option('--c-sign-curve <curve>', 'of the key that signs Connectors', choice(networkCurves))
    .option('--connector-days <count>', 'lifetime of Connectors; 0: that of the credential', count(0, 3650))
    .option('--passphrase-length <count>', 'characters of the secret of each device', count(20, 63))
    .option('--radius <name>', 'name in the certificate of the RADIUS server, for dot1x')
    .option('--radius-ca <file>', 'what its chain ends in, PEM or DER; the root of the site when absent')
    .option('--pmksa-caching <on|off>', 'whether access points remember who has authenticated', choice(['on', 'off']))
}

function segments(text: string, before: readonly Segment[] = []): readonly Segment[] {
  const match = /^([A-Za-z0-9][A-Za-z0-9._-]{0,63})(?::(\d{0,4})(?::([^:]{1,32}))?)?$/.exec(text)
  if (match === null) throw new InvalidArgumentError('NAME, NAME:VLAN, NAME:VLAN:GROUP or NAME::GROUP.')
  const [, name = '', vlan, group] = match
  return [
    ...before,
    { name, ...defined({ vlan: vlan === undefined || vlan === '' ? undefined : Number(vlan), group }) },
  ]
}

async function termsOf(options: TermOptions) {
  const { ssid, ssid64, akm, segment, channel, curve, cSignCurve, connectorDays, passphraseLength, radius } = options
  const { radiusCa, pmksaCaching } = options
  return defined({
    ...{ ssid, ssid64, akm, curve, cSignCurve, passphraseLength },
    segments: segment?.map(each => ({ ...each })),
    channels: channel === undefined ? undefined : [...channel],
    connectorLifetimeDays: connectorDays,
    serverName: radius,
    serverCa: radiusCa === undefined ? undefined : (await readCertificatesPem([radiusCa])).join(''),
    pmksaCaching: pmksaCaching === undefined ? undefined : pmksaCaching === 'on',
  })
}

function told(task: Task<SiteOptions>, network: NetworkView): void {
  task.answer(network, () => networkText(network))
  for (const { message } of network.findings) task.note(harmless(`Note: ${message}.`))
}

function networkText(network: NetworkView): string {
  const { name, ssid, ssid64, akm, segments, channels, server, findings } = network
  const secret = /psk|sae/.test(akm) ? `${network.passphraseLength} characters, one for each device` : ''
  const rows = facts([
    ['network', name],
    ['ssid', ssid ?? `${ssid64} (base64url)`],
    ['akm', akm],
    ['secret', secret],
    ['connectors', akm.includes('dpp') ? connectorText(network) : ''],
    ['channels', channels.join(', ')],
    ['RADIUS server', server?.name],
    ['', server === undefined ? undefined : `under ${server.ca?.subject ?? 'the root of the site'}`],
    ['PMKSA caching', network.pmksaCaching ? 'on' : 'off'],
    ['changed', `${moment(network.changedAt)} by ${network.changedBy}`],
    ...findings.map(({ rule, message }, n) => [n === 0 ? 'note' : '', `${message} [${rule}]`] as const),
  ])
  const list = table(segments, [
    { title: 'segment', of: each => each.name },
    { title: 'vlan', of: ({ vlan }) => (vlan === undefined ? '' : String(vlan)), right: true },
    { title: 'group', of: ({ group }) => group },
    { title: 'devices', of: ({ devices }) => String(devices), right: true },
  ])
  return `${rows}\n\n${list}`
}

function connectorText({ curve, cSignCurve, connectorLifetimeDays }: NetworkView): string {
  const end = connectorLifetimeDays === undefined ? 'as long as the credential' : `${connectorLifetimeDays} days`
  return `keys on ${curve}, signed on ${cSignCurve}, ${end}`
}

function networksText(networks: readonly NetworkView[]): string {
  return table(networks, [
    { title: 'network', of: ({ name }) => name },
    { title: 'ssid', of: ({ ssid, ssid64 }) => ssid ?? ssid64, flexible: true },
    { title: 'akm', of: ({ akm }) => akm },
    { title: 'segments', of: ({ segments }) => segments.map(({ name }) => name).join(', '), flexible: true },
    {
      title: 'devices',
      of: ({ segments }) => String(segments.reduce((sum, each) => sum + each.devices, 0)),
      right: true,
    },
    { title: 'notes', of: ({ findings }) => String(findings.length), right: true },
  ])
}
