import { join, resolve } from 'node:path'
import type { Command } from 'commander'
import { openFileKeyStore } from '../../adapter/key/file.ts'
import { passphraseFromEnvironment } from '../../adapter/key/master-key.ts'
import { openLog } from '../../adapter/telemetry/log.ts'
import { OnboardingError } from '../../domain/error.ts'
import { type AccessPointPlace, siteSecretBox, type Written, writeAccessPoints } from '../access-point.ts'
import { defined } from '../defined.ts'
import { sealKeyOf } from '../record.ts'
import type { SiteOptions } from '../site.ts'
import { type Cli, described, type Task } from './command.ts'
import { type OfflineOptions, withOffline, withRecord } from './offline.ts'
import { facts, table } from './table.ts'

/** Where a running site leaves what its access points have to know. */
export interface AccessPointOptions {
  readonly accessPoints?: string
  readonly accessPointReload?: string
  readonly controllerAddress?: string
}

export function withAccessPoints(command: Command): Command {
  return command
    .option('--access-points <directory>', 'keep files for hostapd there, with the secrets of devices (mode 0600)')
    .option('--access-point-reload <command>', 'run when they change, `hostapd_cli reload` say')
    .option('--controller-address <address>', 'IPv4 address where access points reach the Controller')
}

/** Throws OnboardingError `input-invalid`. */
export function accessPointPlace(options: AccessPointOptions): Pick<SiteOptions, 'accessPoints'> {
  const { accessPoints: directory, accessPointReload: reload, controllerAddress: controller } = options
  if (directory === undefined) {
    const [field] = Object.keys(defined({ 'access-point-reload': reload, 'controller-address': controller }))
    if (field !== undefined) throw new OnboardingError('input-invalid', { field, rule: 'needs --access-points' })
    return {}
  }
  return { accessPoints: placeAt(directory, { reload, controller }) }
}

function placeAt(
  directory: string,
  { reload, controller }: { readonly reload?: string | undefined; readonly controller?: string | undefined },
): AccessPointPlace {
  const path = resolve(directory)
  // It stands in lines of hostapd.conf, which ends at a line end and knows no quotes.
  if (!/^[\x21-\x7e]{1,200}$/.test(path)) {
    throw new OnboardingError('input-invalid', { field: 'directory', rule: 'a path of ASCII characters without space' })
  }
  if (controller !== undefined && !/^(\d{1,3}\.){3}\d{1,3}$/.test(controller)) {
    throw new OnboardingError('input-invalid', {
      field: 'controller-address',
      rule: 'an IPv4 address: hostapd takes no other',
    })
  }
  return { directory: path, ...defined({ reload, controller }) }
}

interface WriteOptions extends OfflineOptions {
  readonly out: string
  readonly controllerAddress?: string
}

/** `mooring network access-point` */
export function accessPointCommand(cli: Cli, command: Command): void {
  described(withOffline(command.argument('[name]', 'as `mooring network list` shows it; all when absent')), {
    summary: 'write what access points (hostapd) have to know of the devices of a network',
    text:
      'Into the directory go NAME.conf and what it names: each device with its own secret, its address and its VLAN, mode ' +
      '0600. NAME.base in it stands before our lines: interface, channel, bridge. A running site does this by itself, ' +
      'with `mooring up --access-points`; this is for one that is stopped, or whose record is in PostgreSQL.',
    examples: ['network access-point cameras --out /etc/hostapd/mooring --offline'],
  })
    .requiredOption('--out <directory>', 'made with mode 0700')
    .option('--data <directory>', 'data directory of the site (MOORING_DATA)')
    .option('--controller-address <address>', 'IPv4 address where they reach the Controller')
    .action(cli.run<WriteOptions, [string | undefined]>(write))
}

async function write(task: Task<WriteOptions>, name: string | undefined): Promise<void> {
  const { options, io } = task
  if (options.offline !== true) {
    throw new OnboardingError('input-invalid', {
      field: 'offline',
      rule: 'only at the data directory: no API shows secrets',
    })
  }
  const place = placeAt(options.out, { controller: options.controllerAddress })
  const { networks } = await withRecord(task, async ({ store, data }) => {
    const passphrase = passphraseFromEnvironment(io.env)
    const keys = await openFileKeyStore({ directory: join(data, 'keys'), ...defined({ passphrase }) })
    const box = siteSecretBox(await sealKeyOf(keys))
    const log = openLog({ level: 'error' })
    return writeAccessPoints({ store, clock: Date.now, log, box, place }, name)
  })
  if (name !== undefined && networks.length === 0) throw new OnboardingError('not-found', { network: name })
  task.answer({ directory: place.directory, networks }, () => writtenText(place.directory, networks))
}

function writtenText(directory: string, networks: readonly Written[]): string {
  const rows = table(networks, [
    { title: 'network', of: ({ network }) => network },
    { title: 'devices', of: ({ devices }) => String(devices), right: true },
    { title: 'denied', of: ({ denied }) => String(denied), right: true },
    { title: 'left out', of: ({ left }) => String(left.length), right: true },
  ])
  const left = networks.flatMap(each => each.left)
  const reasons = left.slice(0, 20).map(({ device, code }) => [device, code] as const)
  return [facts([['directory', directory]]), rows, facts(reasons)].filter(text => text !== '').join('\n\n')
}
