import { bandOf, needsRadarDetection, parseChannel } from './operating-class.ts'

/** Ways to authenticate to an access point, as a DPP configuration object names them (`cred.akm`). */
export const networkAkms = ['dpp', 'psk', 'sae', 'psk+sae', 'dpp+sae', 'dpp+psk+sae', 'dot1x'] as const

export type NetworkAkm = (typeof networkAkms)[number]

/** Curves of Easy Connect. */
export const networkCurves = ['P-256', 'P-384', 'P-521', 'BP-256', 'BP-384', 'BP-512'] as const

export type NetworkCurve = (typeof networkCurves)[number]

/** Part of a network that devices reach nothing else from. */
export type NetworkSegment = {
  /** As policies call it: `Segment::"devices"`. A name belongs to one network of a site. */
  readonly name: string
  /** 1 to 4094; absent: where the access point bridges to by itself. */
  readonly vlan?: number
  /** Group in Connectors (`groupId`): a device and an access point speak when they have one in common. */
  readonly group: string
}

/** A wireless network of a site: what its devices are configured for, and what its access points have to do. */
export interface NetworkDefinition {
  readonly name: string
  readonly status: 'active' | 'removed'
  /** 1 to 32 octets, base64url: an SSID is no text. */
  readonly ssid64: string
  readonly akm: NetworkAkm
  /** At least one; the first is for devices that no policy gives a segment. */
  readonly segments: readonly NetworkSegment[]
  /** Of the secret that each device gets for itself, where `akm` has psk or sae. Characters of 6 bits each. */
  readonly passphraseLength: number
  /** Connectors end after so many days, or earlier with the credential; absent: with the credential. */
  readonly connectorLifetimeDays?: number
  /** Where its access points listen, `81/6`; empty: not known. */
  readonly channels: readonly string[]
  /** Of the RADIUS server, where `akm` is dot1x. */
  readonly dot1x?: {
    /** Every device holds the server's certificate against this name. */
    readonly serverName: string
    /** Certificate that the server's chain ends in, DER base64; absent: the root of the site. */
    readonly ca?: string
  }
  /** Of all Connectors of the network: two devices whose keys are on different curves cannot meet. */
  readonly netAccessKeyCurve: NetworkCurve
  /** Of the key that signs Connectors. */
  readonly cSignCurve: NetworkCurve
  /** Access points remember who has authenticated (PMKSA caching). */
  readonly pmksaCaching: boolean
  readonly changedAt: number
  readonly changedBy: string
  /** Version of its stream. */
  readonly version: number
}

/** What an access point has to know of a device that was configured for a network. */
export type NetworkAccess = {
  /** That it was configured for. Where it is now say the policies (`Device.terms`), and its VLAN the definition. */
  readonly segment: string
  readonly akm: NetworkAkm
  /** `02:00:00:00:01:00`; absent: any address. */
  readonly mac?: string
  /** Name of the secret among those of the network (SAE password identifier). */
  readonly passwordId?: string
  /** The secret that only this device has, sealed; absent: it needs none, or its credential ended. */
  readonly box?: string
}

/** As the record of the device has it: with a hash in place of the sealed secret. */
export type NetworkAccessGrant = Omit<NetworkAccess, 'box'> & {
  readonly credential: string
  readonly network: string
  /** SHA-256 of the sealed secret, hex. */
  readonly secretHash?: string
}

/** What somebody can say of a network. */
export type NetworkTerms = Omit<NetworkDefinition, 'name' | 'status' | 'changedAt' | 'changedBy' | 'version'>

/** What an access point cannot do, or does otherwise than it seems. An error is refused. */
export interface NetworkFinding {
  readonly severity: 'error' | 'warning'
  readonly rule: string
  readonly message: string
}

export function usesAkm(akm: NetworkAkm, part: 'dpp' | 'psk' | 'sae' | 'dot1x'): boolean {
  return akm.split('+').includes(part)
}

/** Each device has a secret of its own. */
export function needsSecret(akm: NetworkAkm): boolean {
  return usesAkm(akm, 'psk') || usesAkm(akm, 'sae')
}

type Rule = (terms: NetworkTerms) => readonly NetworkFinding[]

const error = (rule: string, message: string): NetworkFinding => ({ severity: 'error', rule, message })
const warning = (rule: string, message: string): NetworkFinding => ({ severity: 'warning', rule, message })

/** What is wrong with a network, before any device meets it; errors first. */
export function networkFindings(terms: NetworkTerms): readonly NetworkFinding[] {
  const found = rules.flatMap(rule => rule(terms))
  return [...found.filter(({ severity }) => severity === 'error'), ...found.filter(each => each.severity === 'warning')]
}

const rules: readonly Rule[] = [ssid, channels, segments, vlans, secrets, certificates, curves]

function ssid({ ssid64 }: NetworkTerms): readonly NetworkFinding[] {
  const octets = Buffer.from(ssid64, 'base64url')
  // IEEE 802.11 section 9.4.2.2.
  if (octets.length < 1 || octets.length > 32) return [error('ssid-length', 'an SSID has 1 to 32 octets')]
  if (octets.toString('base64url') !== ssid64) return [error('ssid-encoding', 'ssid64 is base64url without padding')]
  if (isText(octets)) return []
  return [warning('ssid-octets', 'the SSID is no UTF-8 text: devices of version 1 cannot be configured for it')]
}

/** Not that of a `Buffer`, which replaces what it cannot read. */
export function isText(octets: Uint8Array): boolean {
  try {
    return !/\p{Cc}/u.test(new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(octets))
  } catch {
    return false
  }
}

function channels(terms: NetworkTerms): readonly NetworkFinding[] {
  return terms.channels.flatMap(text => {
    const channel = parseChannel(text)
    const band = channel === undefined ? undefined : bandOf(channel)
    if (channel === undefined || band === undefined) {
      return [error('channel-unknown', `${text} is no channel of an operating class; \`81/6\` is channel 6 at 2.4 GHz`)]
    }
    // IEEE 802.11-2020 section 12.12.2: no WPA2 at 6 GHz.
    if (band === '6 GHz' && usesAkm(terms.akm, 'psk')) {
      return [error('psk-at-6-ghz', `${text} is at 6 GHz, where psk is not allowed: use sae or dpp`)]
    }
    if (!needsRadarDetection(channel)) return []
    return [warning('channel-radar', `on ${text} devices must not send before they have heard an access point`)]
  })
}

function segments(terms: NetworkTerms): readonly NetworkFinding[] {
  const names = terms.segments.map(({ name }) => name)
  if (names.length === 0) return [error('segment-missing', 'a network has at least one segment')]
  const twice = names.find((name, n) => names.indexOf(name) !== n)
  if (twice !== undefined) return [error('segment-twice', `segment ${twice} is named twice`)]
  const any = terms.segments.find(({ group }) => group === '*')
  if (any === undefined || names.length === 1 || !usesAkm(terms.akm, 'dpp')) return []
  return [error('group-of-all', `group * of segment ${any.name} would let it into every other segment`)]
}

function vlans({ akm, segments, pmksaCaching }: NetworkTerms): readonly NetworkFinding[] {
  const places = new Set(segments.map(({ vlan }) => vlan))
  const tagged = segments.some(({ vlan }) => vlan !== undefined)
  const found: NetworkFinding[] = []
  if (usesAkm(akm, 'dpp') && places.size > 1) {
    const why = 'an access point takes no VLAN from a Connector, so that all devices would be in one'
    found.push(error('dpp-vlan', `${why}: give each segment a network of its own, with its own SSID`))
  }
  if (usesAkm(akm, 'dpp') && needsSecret(akm) && tagged && places.size === 1) {
    const why = 'an access point takes no VLAN from a Connector'
    found.push(warning('dpp-vlan-bridge', `${why}: put the bridge of its access points into it, whoever runs them`))
  }
  if (usesAkm(akm, 'sae') && tagged && !usesAkm(akm, 'dpp')) {
    const why = 'hostapd up to 2.11 forgets the VLAN of an SAE device when it comes back (PMKSA caching)'
    if (pmksaCaching)
      found.push(error('sae-pmksa-vlan', `${why}: it would be outside its segment. Turn the caching off`))
    else {
      const file = 'the configuration that Mooring writes has disable_pmksa_caching=1'
      found.push(warning('sae-pmksa-vlan', `${why}; ${file}: keep it, whoever writes the rest`))
    }
  }
  if (akm === 'dot1x' && tagged) {
    const how = 'Tunnel-Type 13, Tunnel-Medium-Type 6, Tunnel-Private-Group-Id'
    found.push(warning('dot1x-vlan', `the RADIUS server has to name the VLAN of each device (${how})`))
  }
  return found
}

function secrets({ akm, passphraseLength }: NetworkTerms): readonly NetworkFinding[] {
  if (!needsSecret(akm)) return []
  // 20 characters of 6 bits: what is recorded of a handshake cannot be guessed from.
  if (passphraseLength < 20 || passphraseLength > 63) {
    return [error('passphrase-length', 'a secret has 20 to 63 characters')]
  }
  if (akm === 'psk')
    return [warning('psk-only', 'psk alone protects no management frames: anybody can cut devices off')]
  if (!usesAkm(akm, 'psk')) return []
  return [warning('psk-beside-sae', 'with psk beside sae a device can be talked into the weaker of the two')]
}

function certificates({ akm, dot1x }: NetworkTerms): readonly NetworkFinding[] {
  if (akm === 'dot1x' && dot1x === undefined) {
    return [
      error('dot1x-server', 'name the RADIUS server: a device that does not check its name tells any server who it is'),
    ]
  }
  if (akm !== 'dot1x' && dot1x !== undefined) return [error('dot1x-unused', 'only a dot1x network has a RADIUS server')]
  return []
}

function curves({ akm, netAccessKeyCurve }: NetworkTerms): readonly NetworkFinding[] {
  if (!usesAkm(akm, 'dpp') || netAccessKeyCurve === 'P-256') return []
  const who = `devices whose bootstrapping key is not on ${netAccessKeyCurve}`
  return [warning('curve-rare', `${who} can only join when they speak version 3 of the protocol`)]
}
