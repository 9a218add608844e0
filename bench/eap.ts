/**
 * Network access: server CPU of one EAP-TLS authentication at the embedded access server of a site - path, record, decision and
 * durable session included - beside FreeRADIUS, which validates and answers, with the same supplicants (eapol_test) in turns.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { furnish, openHouse } from '../lab/all-in-one/house.ts'
import { type Attempt, honest, onboard } from '../lab/all-in-one/pledge.ts'
import { findProgram } from '../lab/wifi/requirement.ts'
import { encodePem } from '../src/codec/pem.ts'
import { Secret } from '../src/crypto/secret.ts'
import { floorOf, mandatory } from './floor.ts'
import { type Line, line, median } from './measure.ts'

const bench = 'eap'
const supplicants = 8
const again = 24
const rounds = 3
const serverName = 'gateway.home.example'
/** Of loopback, in this bench. */
const secret = 'harbour-Wall-42-gulls'

interface Contender {
  readonly port: number
  /** CPU so far, microseconds. */
  cpu(): number
}

export async function* eapSuite(): AsyncGenerator<Line, void, void> {
  const folder = mkdtempSync(join(tmpdir(), 'mooring-eap-'))
  const radius = { host: '127.0.0.1', port: 0, accountingPort: 0 }
  const house = await openHouse({ data: join(folder, 'data') }, { site: { hosts: ['127.0.0.1', serverName], radius } })
  let peer: FreeRadius | undefined
  try {
    const { masaRoot, units } = await furnish(house, 'b1', supplicants)
    // A device each: one credential at several stations would be taken for a copied one.
    const devices: Holder[] = []
    for (const unit of units) {
      const attempt: Attempt = { unit }
      await onboard(attempt, { port: house.site.port, masaRoot }, honest)
      const certificate = write(folder, `${unit.serial}.pem`, encodePem('CERTIFICATE', attempt.certificate!))
      devices.push({ certificate, key: write(folder, `${unit.serial}.key`, pkcs8(attempt.key!)) })
    }
    const client = { name: 'gw1', address: '127.0.0.1', disconnectPort: 0, secret: new Secret(secret) }
    await house.site.networkAccess.clients.add(client, 'bench')
    const { credential, authority } = house.site
    const pem = (label: string, der: Uint8Array) => encodePem(label, der)
    const root = write(folder, 'root.pem', pem('CERTIFICATE', authority.root.der))
    const files = {
      devices,
      root,
      cas: write(
        folder,
        'cas.pem',
        [authority.root, authority.issuing.certificate].map(({ der }) => pem('CERTIFICATE', der)).join(''),
      ),
      server: write(folder, 'server.pem', credential.certificateChain.map(der => pem('CERTIFICATE', der)).join('')),
      serverKey: write(
        folder,
        'server.key',
        typeof credential.key === 'string' ? credential.key : pkcs8(credential.key),
      ),
    }
    const ours: Contender = { port: house.site.networkAccess.listening!.authentication.port, cpu: ownCpu }
    peer = findProgram('freeradius') === undefined ? undefined : await startFreeRadius(folder, files)
    for (const version of ['TLSv1.3', 'TLSv1.2'] as const) yield* compare(version, { folder, files, ours, peer })
  } finally {
    await peer?.close()
    await house.close()
    rmSync(folder, { recursive: true, force: true })
  }
}

interface Files {
  readonly root: string
  readonly cas: string
  readonly server: string
  readonly serverKey: string
  readonly devices: readonly Holder[]
}

/** Files of a device: its network credential and key. */
interface Holder {
  readonly certificate: string
  readonly key: string
}

interface Terms {
  readonly folder: string
  readonly files: Files
  readonly ours: Contender
  readonly peer: Contender | undefined
}

async function* compare(version: string, { folder, files, ours, peer }: Terms): AsyncGenerator<Line, void, void> {
  const configurations = files.devices.map((device, n) =>
    write(folder, `supplicant-${version}-${n}.conf`, supplicantConfiguration(version, files.root, device)),
  )
  const taken = { ours: [] as number[], peer: [] as number[], rate: [] as number[], peerRate: [] as number[] }
  for (let round = -1; round < rounds; round++) {
    const mine = await load(ours, configurations)
    const theirs = peer && (await load(peer, configurations))
    if (round < 0) continue
    taken.ours.push(mine.cpu)
    taken.rate.push(mine.perSecond)
    if (theirs !== undefined) {
      taken.peer.push(theirs.cpu)
      taken.peerRate.push(theirs.perSecond)
    }
  }
  const floor = floorOf(mandatory.handshake, 500) / 1000
  const value = median(taken.ours)
  yield line(bench, `${version}, CPU of one authentication, beside its public-key operations`, {
    value,
    unit: 'ms',
    floor,
  })
  yield line(bench, `${version}, authentications a second, ${supplicants} supplicants on the same cores`, {
    value: median(taken.rate),
    unit: '/s',
  })
  if (peer === undefined) return
  const against = median(taken.peer)
  yield line(bench, `${version}, FreeRADIUS: CPU of one authentication`, { value: against, unit: 'ms', floor })
  yield line(bench, `${version}, FreeRADIUS: authentications a second`, { value: median(taken.peerRate), unit: '/s' })
  const bar = { most: 1 }
  yield line(bench, `${version}, CPU of one authentication, beside that of FreeRADIUS`, {
    value,
    unit: 'ms',
    floor: against,
    bar,
  })
}

/** All supplicants at once, each authenticating again and again. Throws when one of them is not let in. */
async function load(server: Contender, configurations: readonly string[]): Promise<{ cpu: number; perSecond: number }> {
  const began = performance.now()
  const before = server.cpu()
  await Promise.all(configurations.map((configuration, n) => supplicant(server.port, configuration, n)))
  const count = supplicants * (again + 1)
  return { cpu: (server.cpu() - before) / 1000 / count, perSecond: count / ((performance.now() - began) / 1000) }
}

async function supplicant(port: number, configuration: string, n: number): Promise<void> {
  const options = ['-c', configuration, '-a', '127.0.0.1', '-p', String(port), '-s', secret, '-t', '120', `-r${again}`]
  const child = spawn('eapol_test', [...options, '-M', `02:00:00:00:00:${(16 + n).toString(16)}`, '-N', '32:s:gw1'], {
    stdio: ['ignore', 'ignore', 'ignore'],
  })
  const [code] = await once(child, 'close')
  if (code !== 0) throw new Error(`a supplicant was not let in (${code})`)
}

function ownCpu(): number {
  const { user, system } = process.cpuUsage()
  return user + system
}

interface FreeRadius extends Contender {
  close(): Promise<void>
}

async function startFreeRadius(folder: string, files: Files): Promise<FreeRadius> {
  const directory = join(folder, 'raddb')
  const port = 21_812
  for (const name of ['mods-enabled', 'run', 'log']) mkdirSync(join(directory, name), { recursive: true })
  write(directory, 'radiusd.conf', radiusdConfiguration(directory, port))
  write(join(directory, 'mods-enabled'), 'eap', eapConfiguration(files))
  const child: ChildProcess = spawn('freeradius', ['-f', '-d', directory, '-l', 'stdout'], {
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let said = ''
  await new Promise<void>((resolve, reject) => {
    child.stdout?.on('data', chunk => {
      said += chunk
      if (said.includes('Ready to process requests')) resolve()
    })
    child.once('close', () => reject(new Error(`FreeRADIUS did not start: ${said.slice(-500)}`)))
  })
  const hertz = 100
  return {
    port,
    cpu() {
      const fields = readFileSync(`/proc/${child.pid}/stat`, 'utf8').split(') ')[1]!.split(' ')
      return ((Number(fields[11]) + Number(fields[12])) / hertz) * 1_000_000
    },
    async close() {
      const ended = once(child, 'close')
      child.kill()
      await ended
    },
  }
}

function radiusdConfiguration(directory: string, port: number): string {
  return `
prefix = /usr
libdir = /usr/lib/freeradius
name = freeradius
confdir = ${directory}
logdir = ${directory}/log
run_dir = ${directory}/run
db_dir = ${directory}/run
pidfile = ${directory}/run/radiusd.pid
max_requests = 16384
cleanup_delay = 2
log { destination = stdout }
security { reject_delay = 0
  status_server = yes }
proxy_requests = no
thread pool { start_servers = 4
  max_servers = 16
  min_spare_servers = 2
  max_spare_servers = 8 }
modules { $INCLUDE mods-enabled/ }
client all { ipaddr = 127.0.0.1
  secret = ${secret}
  require_message_authenticator = yes }
server default {
  listen { type = auth
    ipaddr = 127.0.0.1
    port = ${port} }
  authorize { eap { ok = return } }
  authenticate { eap }
}
server inner {
  authorize {
    update reply { &Tunnel-Type := VLAN
      &Tunnel-Medium-Type := IEEE-802
      &Tunnel-Private-Group-Id := "30"
      &Session-Timeout := 3600 }
    update config { &Auth-Type := Accept }
  }
}
`
    .replace(/\{ (?=\w)/g, '{\n')
    .replace(/ \}/g, '\n}')
}

function eapConfiguration({ cas, server, serverKey }: Files): string {
  return `
eap {
  default_eap_type = tls
  timer_expire = 60
  max_sessions = 16384
  tls-config common {
    private_key_file = ${serverKey}
    certificate_file = ${server}
    ca_file = ${cas}
    fragment_size = 1024
    include_length = yes
    cipher_list = "DEFAULT"
    tls_min_version = "1.2"
    tls_max_version = "1.3"
    ecdh_curve = ""
    cache {
      enable = no
    }
  }
  tls {
    tls = common
    virtual_server = inner
  }
}
`
}

function supplicantConfiguration(version: string, root: string, { certificate, key }: Holder): string {
  return [
    'network={',
    'key_mgmt=IEEE8021X',
    'eap=TLS',
    'identity="device"',
    `ca_cert="${root}"`,
    `client_cert="${certificate}"`,
    `private_key="${key}"`,
    `domain_suffix_match="${serverName}"`,
    `phase1="tls_disable_tlsv1_3=${version === 'TLSv1.3' ? 0 : 1}"`,
    '}',
  ].join('\n')
}

function pkcs8(key: { export(options: { type: 'pkcs8'; format: 'pem' }): string | Buffer }): string {
  return key.export({ type: 'pkcs8', format: 'pem' }).toString()
}

function write(folder: string, name: string, text: string): string {
  const path = join(folder, name)
  writeFileSync(path, text, { mode: 0o600 })
  return path
}
