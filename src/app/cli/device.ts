import { Command } from 'commander'
import { rungs } from '../../domain/evidence.ts'
import {
  type LifecycleState,
  lifecycleStateNames,
  type SupplyChainState,
  supplyChainStates,
} from '../../domain/lifecycle-table.ts'
import type { EventView } from '../api/contract/audit.ts'
import type { DeviceView } from '../api/contract/device.ts'
import { defined } from '../defined.ts'
import { type Cli, choice, described } from './command.ts'
import { connect, type SiteOptions, withSite } from './connection.ts'
import { holdCommands } from './device-hold.ts'
import { lifeCommands } from './device-life.ts'
import { deviceNamed } from './device-named.ts'
import { enrolleeCommand } from './enrollee.ts'
import { type ListOptions, listed, listText, withLimit } from './listing.ts'
import { onboardCommand, resetCommand } from './onboard.ts'
import { facts, moment, table } from './table.ts'

type Filter = ListOptions &
  SiteOptions &
  Partial<Pick<DeviceView, 'rung' | 'standing' | 'manufacturer' | 'serial'>> & { readonly lifecycle?: LifecycleState }

const standings = ['expected', 'waiting', 'approved', 'denied', 'withdrawn'] as const

export function deviceCommand(cli: Cli): Command {
  const device = new Command('device').summary('devices of the site, and being one').description('Devices of the site.')
  listCommand(cli, device.command('list'))
  showCommand(cli, device.command('show'))
  historyCommand(cli, device.command('history'))
  expectCommand(cli, device.command('expect'))
  withdrawCommand(cli, device.command('withdraw'))
  lifeCommands(cli, device)
  holdCommands(cli, device)
  onboardCommand(cli, device.command('onboard'))
  resetCommand(cli, device.command('reset'))
  device.addCommand(enrolleeCommand(cli))
  return device
}

function listCommand(cli: Cli, command: Command): void {
  described(withSite(withLimit(command)), {
    summary: 'list devices and how far they have come',
    examples: ['device list', 'device list --standing waiting', 'device list --rung connected --json'],
  })
    .option('--rung <rung>', `only those on this rung: ${rungs.join(', ')}`, choice(rungs))
    .option('--standing <standing>', `only those of this standing: ${standings.join(', ')}`, choice(standings))
    .option('--manufacturer <name>', 'only those of this manufacturer')
    .option('--serial <serial>', 'only those with this serial number')
    .option('--lifecycle <state>', 'only those in this state of life, as US.OPR', choice(lifecycleStateNames))
    .action(
      cli.run<Filter, []>(async task => {
        const { rung, standing, manufacturer, serial, lifecycle } = task.options
        const client = await connect(task)
        const filter = defined({ rung, standing, manufacturer, serial, lifecycle })
        const found = await listed(task.options, page => client.deviceList({ query: { ...filter, ...page } }))
        task.answer(found, () => listText(found, devicesText, 'No device yet. `mooring manifest import` brings some.'))
      }),
    )
}

export function devicesText(devices: readonly DeviceView[]): string {
  return table(devices, [
    { title: 'id', of: ({ id }) => id },
    { title: 'manufacturer', of: ({ manufacturer }) => manufacturer, flexible: true },
    { title: 'serial', of: ({ serial }) => serial, flexible: true },
    { title: 'rung', of: ({ rung }) => rung },
    { title: 'standing', of: ({ standing }) => standing },
    { title: 'refusal', of: ({ refusal }) => refusal?.code ?? '', flexible: true },
  ])
}

function showCommand(cli: Cli, command: Command): void {
  described(withSite(command.argument('<device>', 'id, or serial number')), {
    summary: 'show one device',
    examples: ['device show CL2-000001'],
  }).action(
    cli.run<SiteOptions, [string]>(async (task, name) => {
      const device = await deviceNamed(await connect(task), name)
      task.answer(device, () => deviceText(device))
    }),
  )
}

function componentsText({ verdict, code, differences }: NonNullable<DeviceView['components']>): string {
  const texts = {
    match: 'as its factory built them in (its own word)',
    differ: `not what its factory built in: ${differences} differ [${code}]`,
    changed: 'changed since it first came in: an update, or not',
    'no-reference': 'stated; its factory said nothing',
    'not-stated': 'not stated yet',
    'not-declared': 'neither its factory nor the device said anything',
  }
  return texts[verdict]
}

const heldNext: Record<NonNullable<DeviceView['hold']>['kind'], string> = {
  clone: '`mooring device resolve-clone` says what was seen',
  lost: '`mooring device report ... found` takes it back',
  broken: '`mooring device report ... repaired` takes it back',
}

export function deviceText(device: DeviceView): string {
  const { refusal } = device
  return facts([
    ['id', device.id],
    ['manufacturer', device.manufacturer],
    ['serial', device.serial],
    ['model', device.model],
    ['rung', device.rung],
    ['standing', device.standing],
    ['lifecycle', `${device.lifecycle}${device.since === undefined ? '' : `, since ${moment(device.since)}`}`],
    ['condition', conditionOf(device)],
    ['hand over', device.handOverTo && `to ${device.handOverTo}`],
    ['possible', device.possible.join(', ')],
    ['owner', device.owner],
    ['MUD URL', device.mudUrl],
    ['credential', device.credential],
    ['first heard', moment(device.firstHeardAt)],
    ['last heard', moment(device.lastHeardAt)],
    ['connected', moment(device.connectedAt)],
    ['held', device.hold && `${device.hold.kind}, since ${moment(device.hold.at)}: ${heldNext[device.hold.kind]}`],
    ['components', device.components && componentsText(device.components)],
    ['segment', device.segment],
    ['services', device.services?.join(', ')],
    ['posture', device.posture],
    ['may stay', device.stay && stayText(device.stay)],
    ['waits', device.awaits && 'for a person to let it in: `mooring approval grant`'],
    ['refusal', refusal && `${refusal.title} [${refusal.code}], ${moment(refusal.at)}`],
    ['next', refusal?.action],
  ])
}

function stayText({ verdict, policies, at }: NonNullable<DeviceView['stay']>): string {
  return `${verdict === 'permit' ? 'yes' : 'NO'}, by ${policies.join(', ') || 'no policy'}, ${moment(at)}`
}

function conditionOf({ broken, wipedAt }: DeviceView): string {
  return [broken ? 'beyond repair' : '', wipedAt === undefined ? '' : 'wiped'].filter(word => word !== '').join(', ')
}

function historyCommand(cli: Cli, command: Command): void {
  described(withSite(withLimit(command.argument('<device>', 'id, or serial number'))), {
    summary: 'show what happened to a device, oldest first',
    examples: ['device history CL2-000001', 'device history 8f14e45fceea167a5a36dedd --json'],
  }).action(
    cli.run<SiteOptions & ListOptions, [string]>(async (task, name) => {
      const client = await connect(task)
      const { id } = await deviceNamed(client, name)
      const found = await listed(task.options, query => client.deviceHistory({ params: { id }, query }))
      task.answer(found, () => listText(found, eventsText, 'Nothing yet.'))
    }),
  )
}

export function eventsText(events: readonly EventView[]): string {
  return table(events, [
    { title: 'at', of: ({ at }) => moment(at) },
    { title: 'event', of: ({ kind }) => kind },
    { title: 'facts', of: ({ body }) => bodyText(body), flexible: true },
  ])
}

/** Members that tell most, first; the rest in their order. */
const telling = ['verdict', 'code', 'accepted', 'enrolled', 'assertion', 'transition', 'from', 'to', 'reason', 'by']

/** The facts of an event for one line of a terminal. */
export function bodyText(body: EventView['body']): string {
  const names = Object.keys(body).filter(name => name !== 'at' && !telling.includes(name))
  return [...telling.filter(name => name in body), ...names].map(name => `${name}=${shortText(body[name])}`).join(' ')
}

/** Hashes are cut: who needs all of one has --json. */
function shortText(value: unknown): string {
  if (typeof value !== 'string') return JSON.stringify(value)
  return /^[0-9a-f]{40,}$/.test(value) ? `${value.slice(0, 12)}…` : value
}

interface ExpectOptions {
  readonly manufacturer: string
  readonly serial: string
  readonly model?: string
  readonly lifecycle?: SupplyChainState
}

const stages = supplyChainStates.filter(state => state !== 'SC.SHL').join(', ')

function expectCommand(cli: Cli, command: Command): void {
  described(withSite(command), {
    summary: 'expect one device that is on no manifest',
    examples: [
      'device expect --manufacturer fjord --serial CL2-000009',
      'device expect --manufacturer fjord --serial CL2-000010 --lifecycle SC.INT',
    ],
  })
    .requiredOption('--manufacturer <name>', 'as `mooring trust list` shows it')
    .requiredOption('--serial <serial>', 'as it stands on the label')
    .option('--model <model>', 'for the record')
    .option('--lifecycle <state>', `where its record begins, if not on the shelf: ${stages}`, choice(supplyChainStates))
    .action(
      cli.run<SiteOptions & ExpectOptions, []>(async task => {
        const { manufacturer, serial, model, lifecycle } = task.options
        const client = await connect(task)
        const device = await client.deviceExpect({ body: { manufacturer, serial, ...defined({ model, lifecycle }) } })
        task.answer(device, () => deviceText(device))
      }),
    )
}

function withdrawCommand(cli: Cli, command: Command): void {
  described(withSite(command.argument('<device>', 'id, or serial number')), {
    summary: 'withdraw a device: it is not onboarded again, and its network credential ends now',
    examples: ['device withdraw CL2-000001 --reason "stolen from the quay"'],
  })
    .option('--reason <text>', 'for the record')
    .action(
      cli.run<SiteOptions & { reason?: string }, [string]>(async (task, name) => {
        const client = await connect(task)
        const { id } = await deviceNamed(client, name)
        const { reason } = task.options
        const device = await client.deviceWithdraw({ params: { id }, body: defined({ reason }) })
        task.answer(device, () => deviceText(device))
      }),
    )
}
