import type { Command } from 'commander'
import { OnboardingError } from '../../domain/error.ts'
import type { DeviceView } from '../api/contract/device.ts'
import { deviceReports } from '../api/contract/device-hold.ts'
import { defined } from '../defined.ts'
import { type Cli, count, described } from './command.ts'
import { connect, type SiteOptions, withSite } from './connection.ts'
import { deviceNamed } from './device-named.ts'
import { facts, moment, table } from './table.ts'
import { harmless } from './terminal.ts'

/** `mooring device report` and `resolve-clone`: keeping a device out, and letting it in again. */
export function holdCommands(cli: Cli, device: Command): void {
  reportCommand(cli, device.command('report'))
  resolveCommand(cli, device.command('resolve-clone'))
}

function reportCommand(cli: Cli, command: Command): void {
  described(
    withSite(command.argument('<device>', 'id, or serial number').argument('<what>', deviceReports.join(', '))),
    {
      summary: 'say that a device is lost, stolen or broken, or that it is back',
      text:
        'lost: its credentials are on hold until it is found. stolen: it is withdrawn for good, its credentials are revoked. ' +
        'broken: its credentials are revoked; repaired, it onboards again.',
      examples: ['device report CL2-000001 lost', 'device report CL2-000001 stolen --reason "van broken open"'],
    },
  )
    .option('--reason <text>', 'in words, for the record')
    .action(
      cli.run<SiteOptions & { reason?: string }, [string, string]>(async (task, name, word) => {
        const what = deviceReports.find(each => each === word)
        if (what === undefined)
          throw new OnboardingError('input-invalid', { field: 'what', rule: deviceReports.join(', ') })
        const client = await connect(task)
        const { id } = await deviceNamed(client, name)
        const { reason } = task.options
        const shown = await client.deviceReport({ params: { id }, body: { what, ...defined({ reason }) } })
        task.answer(shown, () => heldText(shown))
      }),
    )
}

interface Resolve extends SiteOptions {
  readonly genuineAt?: string
  readonly minutes?: number
  readonly networkKeyOnly?: boolean
  readonly oneDevice?: boolean
  readonly neither?: boolean
}

function resolveCommand(cli: Cli, command: Command): void {
  described(withSite(command.argument('<device>', 'id, or serial number')), {
    summary: 'say which of two devices with one identity is genuine',
    text:
      'Without an option it tells what was seen, and what to do. Go to the device that you bought, and look at its address. ' +
      'With --genuine-at the device at that address onboards again with a new key, and no other one does: its birth ' +
      'identity, of which there may be a copy, counts nowhere else and never again without you.',
    examples: ['device resolve-clone CL2-000001', 'device resolve-clone CL2-000001 --genuine-at 192.0.2.7'],
  })
    .option('--genuine-at <address>', 'the genuine device is at this address')
    .option('--minutes <count>', 'how long it may take to onboard again; a day when absent', count(1, 10_080))
    .option('--network-key-only', 'its maker says that the birth key cannot have been copied')
    .option('--one-device', 'it was one device after all: lift the hold')
    .option('--neither', 'keep both out for good')
    .action(
      cli.run<Resolve, [string]>(async (task, name) => {
        const client = await connect(task)
        const device = await deviceNamed(client, name)
        const body = resolutionOf(task.options)
        if (body === undefined) return task.answer(device, () => guideText(device))
        const shown = await client.deviceResolveClone({ params: { id: device.id }, body })
        task.answer(shown, () => heldText(shown))
      }),
    )
}

function resolutionOf({ genuineAt: place, minutes, networkKeyOnly, oneDevice, neither }: Resolve) {
  const chosen = [
    ...(place === undefined ? [] : [{ resolution: 'genuine-at', place, ...defined({ minutes }) } as const]),
    ...(networkKeyOnly === true ? [{ resolution: 'network-key-only' } as const] : []),
    ...(oneDevice === true ? [{ resolution: 'one-device' } as const] : []),
    ...(neither === true ? [{ resolution: 'neither' } as const] : []),
  ]
  if (chosen.length > 1) throw new OnboardingError('input-invalid', { field: 'resolution', rule: 'one of them' })
  return chosen[0]
}

function heldText({ id, serial, standing, rung, hold, birthBound }: DeviceView): string {
  return facts([
    ['device', `${harmless(serial)} (${id})`],
    ['standing', standing],
    ['rung', rung],
    ['held', hold === undefined ? 'no' : `${hold.kind} since ${moment(hold.at)}`],
    ['onboards from', birthBound === undefined ? undefined : `${birthBound.place} until ${moment(birthBound.until)}`],
  ])
}

function guideText(device: DeviceView): string {
  const { hold } = device
  if (hold?.kind !== 'clone') return `${heldText(device)}\nNothing to resolve: no second device was seen.`
  const places = table(hold.places ?? [], [
    { title: 'seen at', of: ({ place }) => place },
    { title: 'when', of: ({ at }) => moment(at) },
  ])
  const ways = [
    '1. Go to the device that you bought, and find its address (its own display, or the lease of your router).',
    '2. `mooring device resolve-clone DEVICE --genuine-at ADDRESS` lets that one onboard again, with a new key.',
    '   Is it none of them: `--neither`. Was it one device with two addresses: `--one-device`.',
    '3. Tell the maker: a key that should never leave a device has left it.',
  ]
  return [heldText(device), `reason  ${hold.reason ?? ''}`, '', places, '', ...ways].join('\n')
}
