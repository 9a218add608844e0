import type { CredentialPlan } from '../../domain/credential.ts'
import { OnboardingError } from '../../domain/error.ts'
import {
  isText,
  type NetworkAccess,
  type NetworkAkm,
  type NetworkCurve,
  type NetworkDefinition,
  type NetworkSegment,
  needsSecret,
  usesAkm,
} from '../../domain/network-definition.ts'
import type { Tables } from '../../domain/port.ts'

/** What is known of who is to be configured, from its bootstrapping URI and from the exchange. */
export interface ConfigurationNeed {
  readonly netRole: 'sta' | 'ap'
  /** Of the admission: which segment, and for how long. */
  readonly plan: Pick<CredentialPlan, 'segment' | 'lifetimeDays'>
  /** Version of the protocol that it speaks. */
  readonly version: number
  /** Curve of its protocol key, which becomes its netAccessKey unless it can make another. */
  readonly curve: NetworkCurve
  /** 12 hex digits or with colons. */
  readonly mac?: string | undefined
  /** It can use a name for its secret: bit 0 of `capabilities`, version 3. */
  readonly passwordIds?: boolean
}

/** What goes into the configuration object, and what of it the credential keeps (`access`, without the secret). */
export interface NetworkConfiguration {
  /** Name of the definition. */
  readonly network: string
  readonly ssid: Buffer
  readonly akm: NetworkAkm
  readonly netRole: 'sta' | 'ap'
  /** For the Connector. */
  readonly groups: readonly { readonly groupId: string; readonly netRole: 'sta' | 'ap' }[]
  /** When Connector and credential end, milliseconds. */
  readonly expiry: number
  readonly cSignCurve: NetworkCurve
  readonly netAccessKeyCurve: NetworkCurve
  /** The protocol key is on another curve: ask for one on `netAccessKeyCurve` (status NEW_KEY_NEEDED, version 3). */
  readonly newKeyNeeded: boolean
  readonly access: NetworkAccess
  /** The device needs a secret of its own: `newSecret` makes it, `sealAccess` puts it into `access`. */
  readonly secretLength?: number
  readonly dot1x?: NonNullable<NetworkDefinition['dot1x']>
}

/** The networks of the site, by name. */
export async function activeNetworks(tables: Pick<Tables, 'network'>): Promise<readonly NetworkDefinition[]> {
  return tables.network.find({ status: 'active' }, { limit: 1000 })
}

/**
 * What a device is to be told, from the decision about it and the networks of the site. Pure.
 * @param now milliseconds
 * Throws OnboardingError `network-undefined`, `network-ambiguous`, `network-curve-differs`, `network-version-old`,
 * `network-address-missing`, `network-no-dpp`.
 */
export function configurationFor(
  networks: readonly NetworkDefinition[],
  need: ConfigurationNeed,
  now: number,
): NetworkConfiguration {
  const { network, segment } = placeOf(networks, need.plan.segment)
  const { netAccessKeyCurve, cSignCurve, dot1x } = network
  const ssid = Buffer.from(network.ssid64, 'base64url')
  if (need.version < 2 && !isText(ssid)) throw new OnboardingError('network-version-old', { network: network.name })
  const access = accessOf(network, segment, need)
  return {
    network: network.name,
    ssid,
    akm: access.akm,
    netRole: need.netRole,
    groups: groupsOf(network, segment, need.netRole),
    expiry: now + lifetimeOf(network, need) * 86_400_000,
    cSignCurve,
    netAccessKeyCurve,
    newKeyNeeded: needsNewKey(network, access.akm, need),
    access,
    ...(needsSecret(access.akm) ? { secretLength: network.passphraseLength } : {}),
    ...(access.akm === 'dot1x' && dot1x !== undefined ? { dot1x } : {}),
  }
}

/** The segment that the policies assign, in the network that has it; the first segment of the only network otherwise. */
function placeOf(
  networks: readonly NetworkDefinition[],
  wanted: string | undefined,
): { readonly network: NetworkDefinition; readonly segment: NetworkSegment } {
  if (wanted === undefined && networks.length > 1) {
    throw new OnboardingError('network-ambiguous', { networks: networks.map(({ name }) => name).join(', ') })
  }
  for (const network of networks) {
    const segment = network.segments.find(({ name }) => wanted === undefined || name === wanted)
    if (segment !== undefined) return { network, segment }
  }
  throw new OnboardingError('network-undefined', wanted === undefined ? {} : { segment: wanted })
}

function accessOf(network: NetworkDefinition, segment: NetworkSegment, need: ConfigurationNeed): NetworkAccess {
  if (need.netRole === 'ap') {
    // Secrets of devices reach an access point by file or by RADIUS; a Connector is all that it is told here.
    if (!usesAkm(network.akm, 'dpp')) throw new OnboardingError('network-no-dpp', { network: network.name })
    return { segment: segment.name, akm: 'dpp' }
  }
  const mac = need.mac === undefined || !isOfStation(need.mac) ? undefined : macText(need.mac)
  const akm = usableAkm(network, need, mac)
  return { segment: segment.name, akm, ...(mac === undefined ? {} : { mac }) }
}

/**
 * As much of what the network offers as this device can use. Unlike a psk, a secret of SAE cannot be tried: the access point
 * has to know whose it is before it begins, by address or by name.
 */
function usableAkm({ name, akm }: NetworkDefinition, need: ConfigurationNeed, mac: string | undefined): NetworkAkm {
  // Version 1 has one kind of credential in an object.
  if (need.version < 2 && usesAkm(akm, 'dpp')) return 'dpp'
  if (!usesAkm(akm, 'sae') || mac !== undefined || need.passwordIds === true) return akm
  if (akm === 'sae') throw new OnboardingError('network-address-missing', { network: name })
  return usesAkm(akm, 'dpp') ? 'dpp' : 'psk'
}

/** An access point serves all of a network, a device is in its segment. */
function groupsOf(
  network: NetworkDefinition,
  segment: NetworkSegment,
  netRole: 'sta' | 'ap',
): NetworkConfiguration['groups'] {
  const names = netRole === 'ap' ? network.segments.map(({ group }) => group) : [segment.group]
  return [...new Set(names)].map(groupId => ({ groupId, netRole }))
}

function lifetimeOf({ connectorLifetimeDays }: NetworkDefinition, { plan }: ConfigurationNeed): number {
  return Math.min(plan.lifetimeDays, connectorLifetimeDays ?? plan.lifetimeDays)
}

/** Introduction multiplies one's key with the other's: both have to be on one curve. */
function needsNewKey(network: NetworkDefinition, akm: NetworkAkm, need: ConfigurationNeed): boolean {
  if (!usesAkm(akm, 'dpp') || need.curve === network.netAccessKeyCurve) return false
  if (need.version >= 3) return true
  const { name, netAccessKeyCurve } = network
  throw new OnboardingError('network-curve-differs', { network: name, curve: netAccessKeyCurve, device: need.curve })
}

/**
 * Whether it can be the address of one station. hostapd takes a secret for the broadcast address as one for everybody, and before
 * those of others: one code with it would keep all of them out.
 */
function isOfStation(mac: string): boolean {
  const digits = mac.replaceAll(':', '')
  return !/^.[13579bdf]/i.test(digits) && !/^0{12}$/.test(digits)
}

/** `02:00:00:00:01:00`, as access points write it. */
export function macText(mac: string): string {
  const digits = mac.replaceAll(':', '').toLowerCase()
  if (!/^[0-9a-f]{12}$/.test(digits)) throw new TypeError('a MAC address has 12 hex digits')
  return digits.match(/../g)!.join(':')
}
