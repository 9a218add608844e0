import { pbkdf2 } from 'node:crypto'
import { promisify } from 'node:util'
import { Secret } from '../../crypto/secret.ts'
import type { CredentialRecord, CredentialStatus } from '../../domain/credential.ts'
import type { Device } from '../../domain/device.ts'
import { OnboardingError } from '../../domain/error.ts'
import { type NetworkDefinition, usesAkm } from '../../domain/network-definition.ts'
import type { Tables } from '../../domain/port.ts'
import { type SecretBox, secretOf } from './network-secret.ts'
import { checkStanding, checkStay } from './standing.ts'

/** What the access points of a network have to know of its devices. */
export interface AccessList {
  readonly network: NetworkDefinition
  readonly devices: readonly AccessEntry[]
  /** MAC addresses of devices whose credential is not in force, although it has not run out: a Connector cannot be taken back. */
  readonly denied: readonly string[]
  /** Devices that are kept out, and why. */
  readonly left: readonly { readonly device: string; readonly code: string }[]
}

export interface AccessEntry {
  readonly device: string
  readonly segment: string
  readonly vlan?: number
  readonly mac?: string
  readonly passwordId?: string
  /** Absent where the network needs none. */
  readonly secret?: Secret
}

interface Options {
  readonly tables: Pick<Tables, 'credential' | 'device'>
  readonly box: Pick<SecretBox, 'open'>
  readonly at: number
}

/**
 * Who may be on the network now, each in the segment that the policies give it today. Whatever could not be told is left out:
 * no secret, a segment that the network has not, a device that may not stay.
 */
export async function accessList(options: Options, network: NetworkDefinition): Promise<AccessList> {
  const devices: AccessEntry[] = []
  const left: { device: string; code: string }[] = []
  for await (const record of credentialsOf(options, network.name, 'issued')) {
    try {
      devices.push(await entryOf(options, network, record))
    } catch (error) {
      if (!(error instanceof OnboardingError)) throw error
      left.push({ device: record.device, code: error.code })
    }
  }
  return { network, devices, left, denied: await deniedOf(options, network, devices) }
}

async function entryOf(
  { tables, box, at }: Options,
  network: NetworkDefinition,
  record: CredentialRecord,
): Promise<AccessEntry> {
  const { access, id: credential } = record
  if (access === undefined || at > record.notAfter) {
    throw new OnboardingError('credential-not-in-force', { credential, status: 'expired' })
  }
  const device = await tables.device.get(record.device)
  if (device === undefined) throw new OnboardingError('device-not-found', { device: record.device })
  // A device that got a newer credential has a newer secret.
  if (device.credential !== credential) throw new OnboardingError('credential-not-in-force', { credential })
  checkStanding(device)
  checkStay(device)
  const { vlan, name: segment } = segmentOf(network, device, access.segment)
  const secret = secretOf(box, record)
  return {
    device: device.id,
    segment,
    ...(vlan === undefined ? {} : { vlan }),
    ...(access.mac === undefined ? {} : { mac: access.mac }),
    ...(access.passwordId === undefined ? {} : { passwordId: access.passwordId }),
    ...(secret === undefined ? {} : { secret }),
  }
}

/** Policies may have moved it since it was configured: into quarantine, say. */
function segmentOf(network: NetworkDefinition, { terms }: Device, configured: string) {
  const wanted = terms?.segment ?? configured
  const segment = network.segments.find(({ name }) => name === wanted)
  if (segment === undefined) throw new OnboardingError('network-undefined', { segment: wanted, network: network.name })
  return segment
}

async function deniedOf(
  options: Options,
  network: NetworkDefinition,
  devices: readonly AccessEntry[],
): Promise<readonly string[]> {
  const present = new Set(devices.map(({ mac }) => mac))
  const denied = new Set<string>()
  for (const status of ['issued', 'held', 'revoked', 'superseded'] as const) {
    for await (const { access, notAfter } of credentialsOf(options, network.name, status)) {
      if (access?.mac !== undefined && notAfter >= options.at && !present.has(access.mac)) denied.add(access.mac)
    }
  }
  return [...denied].sort()
}

async function* credentialsOf(
  { tables }: Options,
  network: string,
  status: CredentialStatus,
): AsyncGenerator<CredentialRecord> {
  for (let after = ''; ; ) {
    const page = await tables.credential.find({ network, status }, { after, limit: 1000 })
    yield* page
    const last = page.at(-1)
    if (last === undefined || page.length < 1000) return
    after = last.id
  }
}

/** Files of one network for hostapd, by their names. They hold secrets of devices: mode 0600, never in a log. */
export type AccessPointFiles = Readonly<Record<string, Secret>>

export interface AccessPointOptions {
  /** Directory that the files will lie in, as hostapd sees it. */
  readonly directory: string
  /** What stands before: the interface, the channel, the bridge. */
  readonly base?: string
  /** Where the Controller is, for an access point that relays DPP: IPv4 address and hash of its key, hex. */
  readonly controller?: { readonly address: string; readonly keyHash: string }
  /** Where keys made of secrets are remembered; each takes a few thousand hashes. */
  readonly pskOf?: (secret: Secret, ssid: Uint8Array) => Promise<Secret>
}

/** What hostapd has to be started with (hostapd.conf, wpa_psk_file, vlan_file, deny_mac_file). */
export async function accessPointFiles(list: AccessList, options: AccessPointOptions): Promise<AccessPointFiles> {
  const { network, denied } = list
  const devices = list.devices.map(device => placed(network, device))
  const { name } = network
  const path = (suffix: string) => `${options.directory}/${name}.${suffix}`
  const tagged = network.segments.some(({ vlan }) => vlan !== undefined) && !usesAkm(network.akm, 'dpp')
  const lines = [
    ...(options.base === undefined ? [] : [options.base.trimEnd()]),
    `# Network ${name}, by Mooring. It holds secrets of devices: mode 0600, and not into a backup or a repository.`,
    `ssid2=${Buffer.from(network.ssid64, 'base64url').toString('hex')}`,
    ...securityLines(network),
    ...(usesAkm(network.akm, 'psk') ? [`wpa_psk_file=${path('psk')}`] : []),
    ...(tagged ? vlanLines(network, path('vlan')) : []),
    `deny_mac_file=${path('deny')}`,
    ...(usesAkm(network.akm, 'sae') ? devices.flatMap(saeLine) : []),
    ...controllerLines(options),
  ]
  return {
    [`${name}.conf`]: textOf(lines),
    [`${name}.deny`]: textOf(denyLines(denied, devices)),
    ...(usesAkm(network.akm, 'psk')
      ? { [`${name}.psk`]: textOf(await pskLines(network, devices, options.pskOf ?? derivePsk)) }
      : {}),
    ...(tagged ? { [`${name}.vlan`]: textOf([`* ${name.slice(0, 9).replaceAll(/[^A-Za-z0-9]/g, '-')}.#`]) } : {}),
  }
}

/** hostapd turns away whom a line puts into a VLAN where there are none: with AKM DPP all are where its bridge is. */
function placed({ akm }: NetworkDefinition, { vlan, ...device }: AccessEntry): AccessEntry {
  return vlan === undefined || usesAkm(akm, 'dpp') ? device : { ...device, vlan }
}

const keyManagement = {
  dpp: ['DPP'],
  sae: ['SAE'],
  psk: ['WPA-PSK', 'WPA-PSK-SHA256'],
  dot1x: ['WPA-EAP', 'WPA-EAP-SHA256'],
} as const

function securityLines({ akm, pmksaCaching }: NetworkDefinition): string[] {
  const suites = (['dpp', 'sae', 'psk', 'dot1x'] as const).filter(suite => usesAkm(akm, suite))
  // SAE and DPP have protected management frames always, the older ones where the device can.
  const older = suites.includes('psk') || suites.includes('dot1x')
  return [
    'wpa=2',
    `wpa_key_mgmt=${suites.flatMap(suite => keyManagement[suite]).join(' ')}`,
    'rsn_pairwise=CCMP',
    `ieee80211w=${older ? 1 : 2}`,
    ...(suites.includes('sae') ? ['sae_pwe=2', ...(older ? ['sae_require_mfp=1'] : [])] : []),
    ...(suites.includes('dot1x') ? ['ieee8021x=1'] : []),
    // Network introduction leaves its key in that very cache: without it nobody gets in with a Connector.
    ...(pmksaCaching || suites.includes('dpp') ? [] : ['disable_pmksa_caching=1']),
  ]
}

function vlanLines({ akm }: NetworkDefinition, file: string): string[] {
  // 2: who is given no VLAN by the RADIUS server does not get in; secrets of devices come with theirs.
  return [`dynamic_vlan=${akm === 'dot1x' ? 2 : 1}`, `vlan_file=${file}`]
}

function controllerLines({ controller }: AccessPointOptions): string[] {
  if (controller === undefined) return []
  const { address, keyHash } = controller
  return [`dpp_controller=ipaddr=${address} pkhash=${keyHash}`, 'dpp_configurator_connectivity=1']
}

/** An address behind a minus is taken back: hostapd adds what it reads to what it has read before. */
function denyLines(denied: readonly string[], devices: readonly AccessEntry[]): string[] {
  return [...devices.flatMap(({ mac }) => (mac === undefined ? [] : [`-${mac}`])), ...denied]
}

/** `sae_password=<password>|mac=<address>|vlanid=<id>|id=<name>`; the name last, as hostapd reads it. */
function saeLine({ secret, mac, vlan, passwordId }: AccessEntry): string[] {
  if (secret === undefined || (mac === undefined && passwordId === undefined)) return []
  return [
    `sae_password=${secret.revealText()}` +
      (mac === undefined ? '' : `|mac=${mac}`) +
      (vlan === undefined ? '' : `|vlanid=${vlan}`) +
      (passwordId === undefined ? '' : `|id=${passwordId}`),
  ]
}

/** `vlanid=<id> keyid=<device> <address> <PSK>`; an address of zeros: any. */
async function pskLines(
  { ssid64 }: NetworkDefinition,
  devices: readonly AccessEntry[],
  pskOf: NonNullable<AccessPointOptions['pskOf']>,
): Promise<string[]> {
  const ssid = Buffer.from(ssid64, 'base64url')
  const lines: string[] = []
  for (const { secret, mac = '00:00:00:00:00:00', vlan, device } of devices) {
    if (secret === undefined) continue
    const key = await pskOf(secret, ssid)
    const place = vlan === undefined ? '' : `vlanid=${vlan} `
    lines.push(`${place}keyid=${device} ${mac} ${key.reveal().toString('hex')}`)
  }
  return lines
}

/** IEEE 802.11-2020 section J.4.1. The key itself: hostapd would need as long for each secret at every start. */
export async function derivePsk(secret: Secret, ssid: Uint8Array): Promise<Secret> {
  const bytes = await derive(secret.reveal(), ssid, 4096, 32, 'sha1')
  const key = new Secret(bytes)
  bytes.fill(0)
  return key
}

const derive = promisify(pbkdf2)

function textOf(lines: readonly string[]): Secret {
  return new Secret(lines.map(line => `${line}\n`).join(''))
}
