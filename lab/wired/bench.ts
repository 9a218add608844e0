import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { listenApi } from '../../src/app/api/listen.ts'
import { encodePem } from '../../src/codec/pem.ts'
import { siteParty } from '../../src/role/authorization/access.ts'
import { furnish, type House, openHouse, type Upbringing } from '../all-in-one/house.ts'
import { type Attempt, honest, onboard } from '../all-in-one/pledge.ts'
import { layCables, type NamespaceName, place, plugIn, start, within } from './namespace.ts'

const here = dirname(fileURLToPath(import.meta.url))
const cli = resolve(here, '../../src/app/cli/main.ts')
const serverName = 'gateway.home.example'
const apiPort = 8480

/** A line of a program, waited for. */
class Lines {
  readonly seen: string[] = []
  readonly child: ChildProcess
  readonly #waiting = new Set<() => void>()

  constructor(child: ChildProcess) {
    this.child = child
    for (const stream of [child.stdout, child.stderr]) {
      if (stream === null) continue
      createInterface({ input: stream }).on('line', line => {
        this.seen.push(line)
        for (const wake of this.#waiting) wake()
      })
    }
    child.on('close', () => {
      for (const wake of this.#waiting) wake()
    })
  }

  /** The first line, from `after` on, that matches. */
  async next(pattern: RegExp, { after = 0, seconds = 20 } = {}): Promise<string> {
    const deadline = performance.now() + seconds * 1000
    for (let at = after; ; at++) {
      while (at >= this.seen.length) {
        const left = deadline - performance.now()
        if (left <= 0 || this.child.exitCode !== null)
          throw new Error(
            `no line like ${pattern} of ${this.child.spawnargs.join(' ')}:\n${this.seen.slice(-20).join('\n')}`,
          )
        await new Promise<void>(wake => {
          const timer = setTimeout(done, left)
          const waiting = this.#waiting
          function done() {
            clearTimeout(timer)
            waiting.delete(done)
            wake()
          }
          waiting.add(done)
        })
      }
      if (pattern.test(this.seen[at]!)) return this.seen[at]!
    }
  }
}

/** A device at a port, up to the moment when its packets arrive. */
export interface Visit {
  readonly attempt: Attempt
  readonly device: string
  readonly credential: string
  /** Milliseconds since 1970 of each packet of the device that reached the server, and of each answer that came back. */
  readonly arrived: () => readonly number[]
  readonly answered: () => readonly number[]
  /** Seconds from the start of the supplicant to the first packet that arrived. */
  readonly entered: number
  leave(): Promise<void>
}

export interface WiredBench {
  readonly house: House
  readonly units: Upbringing
  /** Onboards a unit and brings it onto the network by 802.1X. */
  visit(unit: number): Promise<Visit>
  /** What a device that is at the port now reaches: `open`, `refused`, `silent`. */
  tries(address: string, port: number): Promise<string>
  close(): Promise<void>
}

/** Site, gateway with hostapd, server: all but the devices. `folder`: for sockets (a short path), keys and logs. */
export async function openWiredBench(folder: string, count: number): Promise<WiredBench> {
  await layCables()
  const running: Lines[] = []
  const begin = (
    name: NamespaceName,
    program: string,
    args: readonly string[],
    env: Readonly<Record<string, string>> = {},
  ) => {
    const lines = new Lines(start(name, program, args, env))
    running.push(lines)
    return lines
  }
  const radius = { host: place.site.address, port: 1812, accountingPort: 1813 }
  const site = { host: '0.0.0.0', hosts: ['127.0.0.1', place.site.address, serverName], radius }
  const house = await openHouse({ data: join(folder, 'data') }, { site })
  const units = await furnish(house, 'b1', count)
  const { made } = await house.site.networkAccess.clients.add({ name: 'gw1', address: place.gateway.address }, 'lab')
  const api = await listenApi(house.site, { host: place.site.address, port: apiPort, tls: house.site.credential })
  const root = file(folder, 'root.pem', encodePem('CERTIFICATE', house.site.authority.root.der))
  const sockets = join(folder, 'h')
  const configuration = file(folder, 'hostapd.conf', hostapdConfiguration(sockets, made!.revealText()))
  const hostapd = begin('gateway', 'hostapd', [configuration])
  await hostapd.next(/AP-ENABLED/)
  const roles = ['operator', 'auditor'] as const
  const token = await house.site.access.create({ name: 'gw1', party: siteParty, roles: [...roles], by: 'lab' })
  const options = ['--hostapd', sockets, '--interface', 'p1', '--segment', `devices=${place.server.address}/32`]
  options.push('--onboarding', `${place.site.address}:${house.site.port}`, '--ca', root)
  const reach = { MOORING_URL: `https://${place.site.address}:${apiPort}`, MOORING_TOKEN: token.secret.revealText() }
  const gateway = begin('gateway', process.execPath, [cli, 'gateway', 'gw1', ...options], reach)
  await gateway.next(/stands at/)
  const traffic = join(here, 'traffic.ts')
  const sink = begin('server', process.execPath, [traffic, 'sink', place.server.address, '7'])
  await sink.next(/^ready$/)
  return {
    house,
    units,
    tries: async (address, port) =>
      (await within('device', process.execPath, traffic, 'connect', address, String(port))).trim(),
    visit: n => visit({ house, units, folder, root, sink, hostapd, gateway }, n),
    async close() {
      for (const { child } of running.reverse()) {
        const ended = child.exitCode === null ? once(child, 'close') : undefined
        child.kill()
        await ended
      }
      await api.close()
      await house.close()
    },
  }
}

interface Stage {
  readonly house: House
  readonly units: Upbringing
  readonly folder: string
  readonly root: string
  readonly sink: Lines
  readonly hostapd: Lines
  readonly gateway: Lines
}

async function visit({ house, units, folder, root, sink, hostapd, gateway }: Stage, n: number): Promise<Visit> {
  const attempt: Attempt = { unit: units.units[n]! }
  await onboard(attempt, { port: house.site.port, masaRoot: units.masaRoot }, honest)
  const [record] = await house.site.store.read(tables => tables.device.find({ serial: attempt.unit.serial }))
  const station = `02:00:00:00:${(n >> 8).toString(16).padStart(2, '0')}:${(n & 255).toString(16).padStart(2, '0')}`
  await plugIn(station)
  const configuration = [
    'ap_scan=0',
    'network={',
    'key_mgmt=IEEE8021X',
    'eap=TLS',
    'eapol_flags=0',
    'identity="device"',
    `ca_cert="${root}"`,
    `client_cert="${file(folder, 'device.pem', encodePem('CERTIFICATE', attempt.certificate!))}"`,
    `private_key="${file(folder, 'device.key', attempt.key!.export({ type: 'pkcs8', format: 'pem' }).toString())}"`,
    `domain_suffix_match="${serverName}"`,
    'phase1="tls_disable_tlsv1_3=0"',
    '}',
  ].join('\n')
  const from = sink.seen.length
  const began = Date.now()
  const heard = hostapd.seen.length
  const supplicant = new Lines(
    start('device', 'wpa_supplicant', ['-Dwired', '-ieth0', '-c', file(folder, 'wpa.conf', configuration)]),
  )
  const source = new Lines(
    start('device', process.execPath, [join(here, 'traffic.ts'), 'source', place.server.address, '7', '5']),
  )
  const leave = async () => {
    for (const { child } of [source, supplicant]) {
      const ended = child.exitCode === null ? once(child, 'close') : undefined
      child.kill()
      await ended
    }
  }
  try {
    await hostapd.next(new RegExp(`AP-STA-CONNECTED ${station}`), { after: heard })
    const first = await sink.next(/^\d/, { after: from })
    const times = (lines: Lines, after: number) =>
      lines.seen
        .slice(after)
        .map(line => Number(line.split(' ')[0]))
        .filter(Number.isFinite)
    return {
      attempt,
      device: record!.id,
      credential: (await house.site.store.read(tables => tables.device.get(record!.id)))!.credential!,
      arrived: () => times(sink, from),
      answered: () => times(source, 0),
      entered: (Number(first.split(' ')[0]) - began) / 1000,
      leave,
    }
  } catch (error) {
    await leave()
    const told = [...supplicant.seen.slice(-8), ...gateway.seen.slice(-8)].join('\n')
    throw new Error(`${(error as Error).message}\n${told}`, { cause: error })
  }
}

function file(folder: string, name: string, text: string): string {
  mkdirSync(folder, { recursive: true })
  const path = join(folder, name)
  writeFileSync(path, text, { mode: 0o600 })
  return path
}

function hostapdConfiguration(sockets: string, secret: string): string {
  const site = place.site.address
  return [
    'interface=p1',
    'driver=wired',
    'logger_stdout=-1',
    'logger_stdout_level=2',
    `ctrl_interface=${sockets}`,
    'ieee8021x=1',
    // 0 would silently switch off authentication again by Session-Timeout.
    'eap_reauth_period=3600',
    'use_pae_group_addr=0',
    `own_ip_addr=${place.gateway.address}`,
    'nas_identifier=gw1',
    `auth_server_addr=${site}`,
    'auth_server_port=1812',
    `auth_server_shared_secret=${secret}`,
    `acct_server_addr=${site}`,
    'acct_server_port=1813',
    `acct_server_shared_secret=${secret}`,
    'radius_auth_req_attr=87:s:port1',
    // Ethernet; it would say that it is a radio.
    'radius_auth_req_attr=61:d:15',
    'radius_acct_req_attr=61:d:15',
    'radius_acct_req_attr=87:s:port1',
    'radius_das_port=3799',
    `radius_das_client=${site} ${secret}`,
    'radius_das_require_event_timestamp=1',
    'radius_das_require_message_authenticator=1',
  ].join('\n')
}
