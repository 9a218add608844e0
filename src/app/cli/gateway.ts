import { once } from 'node:events'
import { Command, InvalidArgumentError } from 'commander'
import type { FenceSegment } from '../../adapter/network/fence.ts'
import { openLog } from '../../adapter/telemetry/log.ts'
import { defaultSegment } from '../../role/enforcement/gateway.ts'
import { openGateway } from '../gateway.ts'
import { type Cli, collected, described, type Task } from './command.ts'
import { connect, type SiteOptions, withSite } from './connection.ts'
import { watchedLog } from './watched-log.ts'

interface Onboarding {
  readonly address: string
  readonly port: number
}

interface GatewayOptions extends SiteOptions {
  readonly hostapd: string
  readonly interface: string
  readonly port?: readonly string[]
  readonly segment?: readonly FenceSegment[]
  readonly onboarding?: readonly Onboarding[]
  readonly table?: string
}

export function gatewayCommand(cli: Cli): Command {
  return described(withSite(new Command('gateway').argument('<name>', 'as `mooring access client list` shows it')), {
    summary: 'stand at the ports of devices until interrupted',
    text:
      'Lets a device through to its segment when hostapd has authenticated it and the site has granted it, and shuts it out, ' +
      'with its connections, as soon as either says so. Needs CAP_NET_ADMIN, nftables and a hostapd with driver=wired or an ' +
      'access point. When the site cannot be reached, who is in stays until its session ends, and nobody comes in.',
    examples: [
      'gateway gw1 --hostapd /run/hostapd --interface p1 --segment devices=10.20.0.0/16',
      'gateway gw1 --hostapd /run/hostapd --interface p1 --onboarding 10.20.0.2:8443',
    ],
  })
    .requiredOption('--hostapd <directory>', 'directory of its control sockets, `ctrl_interface`')
    .requiredOption('--interface <name>', 'interface of hostapd')
    .option('--port <name>', 'interface that devices are behind, if another; again for each', collected)
    .option(
      '--segment <name=networks>',
      `where a segment may send to, by commas; \`${defaultSegment}\` is for devices without one; again for each`,
      segments,
    )
    .option('--onboarding <address:port>', 'what anybody may reach: the registrar; again for each', onboarding)
    .option('--table <name>', 'name of the nftables table; mooring when absent')
    .action(cli.run<GatewayOptions, [string]>(stand))
}

async function stand(task: Task<GatewayOptions>, name: string): Promise<void> {
  const { io, options } = task
  const { hostapd: directory, interface: at, port = [at], segment = [], onboarding: first = [], table } = options
  const gateway = await openGateway({
    name,
    client: await connect(task),
    hostapd: { directory, interface: at },
    fence: { ports: port, segments: segment, onboarding: first, ...(table === undefined ? {} : { table }) },
    clock: Date.now,
    log: openLog({ level: 'info', ...watchedLog(io) }),
  })
  try {
    const ready = { ready: true, gateway: name, interface: at, segments: segment.map(each => each.name) }
    task.answer(ready, () => `${name} stands at ${at}. Ctrl-C ends it and leaves the ports shut.`)
    const ended = io.signal.aborted ? Promise.resolve() : once(io.signal, 'abort')
    await Promise.race([ended, gateway.lost])
    if (!io.signal.aborted) task.note('hostapd is gone; the ports are shut.')
  } finally {
    await gateway.close()
  }
}

function segments(text: string, before: readonly FenceSegment[] = []): readonly FenceSegment[] {
  const [name = '', networks] = text.split('=')
  if (networks === undefined || !/^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/.test(name))
    throw new InvalidArgumentError('NAME=NETWORK,NETWORK; NAME= for one that reaches nothing.')
  return [...before, { name, reach: networks === '' ? [] : networks.split(',') }]
}

function onboarding(text: string, before: readonly Onboarding[] = []): readonly Onboarding[] {
  const [, address, port] = /^(.+):(\d{1,5})$/.exec(text) ?? []
  if (address === undefined || port === undefined || Number(port) > 65_535)
    throw new InvalidArgumentError('ADDRESS:PORT.')
  return [...before, { address, port: Number(port) }]
}
