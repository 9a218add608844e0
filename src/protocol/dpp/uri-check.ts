import { CodecError } from '../../codec/error.ts'
import { CryptoError } from '../../crypto/error.ts'
import {
  announcementChannels,
  bandOf,
  type Channel,
  needsRadarDetection,
  parseChannel,
  sameChannel,
} from '../../domain/operating-class.ts'
import { exportSpki, importSpki } from './key.ts'
import { type BootstrappingUri, parseBootstrappingUri } from './uri.ts'

/** One thing about a bootstrapping URI. `error`: a Configurator refuses it, or cannot find the device. */
export interface UriFinding {
  readonly severity: 'error' | 'warning' | 'note'
  /** Kebab-case name; stays the same from version to version. */
  readonly rule: string
  readonly message: string
  /** Of Easy Connect. */
  readonly section: string
}

/** What else is known about the device and the place it goes to. */
export interface UriContext {
  /** Of its radio. */
  readonly mac?: string
  readonly serial?: string
  /** Where access points listen, `81/6`; empty or absent: not known. */
  readonly channels?: readonly string[]
}

export interface CheckedUri {
  /** Absent where it cannot be read. */
  readonly uri?: BootstrappingUri
  /** Worst first. */
  readonly findings: readonly UriFinding[]
}

const order = ['error', 'warning', 'note'] as const
const newestVersion = 3
/** What a version 10 QR code with error correction M holds: more does not fit a label of 28 mm that a phone can read. */
const comfortable = 213

/** What a URI would meet in the field. Never throws on account of the URI: one that cannot be read is a finding. */
export function checkBootstrappingUri(text: string, context: UriContext = {}): CheckedUri {
  const form = [...encodingFindings(text), ...fieldFindings(text)]
  let uri: BootstrappingUri
  try {
    uri = parseBootstrappingUri(text)
  } catch (error) {
    if (!(error instanceof CodecError) && !(error instanceof CryptoError)) throw error
    // A reason that was found before says it better.
    const reason = form.some(({ severity }) => severity === 'error') ? [] : [unreadable(error)]
    return { findings: sorted([...form, ...reason]) }
  }
  return { uri, findings: sorted([...form, ...rules.flatMap(rule => rule(uri, context))]) }
}

function unreadable(error: CodecError | CryptoError): UriFinding {
  if (/K: /.test(error.message)) {
    const why = error.message.replace(/^.*K: /, '').replace(/ \(at byte \d+\)$/, '')
    return finding('error', 'key-unusable', `no Configurator can use the key: ${why}`, '5.2.1')
  }
  return finding('error', 'unreadable', `strict readers stop at this: ${error.message}`, '5.2.1')
}

function finding(severity: UriFinding['severity'], rule: string, message: string, section: string): UriFinding {
  return { severity, rule, message, section }
}

function sorted(findings: readonly UriFinding[]): UriFinding[] {
  return findings.toSorted((a, b) => order.indexOf(a.severity) - order.indexOf(b.severity))
}

function encodingFindings(text: string): UriFinding[] {
  const found: UriFinding[] = []
  if (!text.startsWith('DPP:')) found.push(finding('error', 'scheme', notDpp(text), '5.2.1'))
  if (/[^\x20-\x7e]/.test(text)) {
    found.push(
      finding('error', 'characters', 'a character that is not printable ASCII: scanners differ on it', '5.2.1'),
    )
  }
  if (text.startsWith('DPP:') && !text.endsWith(';;')) {
    found.push(finding('warning', 'end', 'it does not end with two semicolons, and may have been cut', '5.2.1'))
  }
  if (text.length > comfortable) {
    const long = `${text.length} characters make a QR code that small labels cannot carry`
    found.push(finding('warning', 'length', long, '5.2.2'))
  }
  return found
}

/** What somebody scanned in place of a DPP code. */
export function notDpp(text: string): string {
  if (/^dpp:/i.test(text)) return 'the scheme is DPP in capitals'
  if (/^MT:/.test(text)) return 'a Matter code: it is for commissioning by a Matter controller'
  if (/^WIFI:/i.test(text))
    return 'the code of a network, with its password in it: it is for phones, and not of a device'
  if (/^X-HM:/i.test(text)) return 'a HomeKit code'
  if (/^Z[-W]/i.test(text) || /^90\d{50,}$/.test(text)) return 'a Z-Wave code'
  if (/^ni:\/\/\//.test(text)) return 'the label of a device for BRSKI: it names a key, and does not carry it'
  if (/^https?:/i.test(text)) return 'the address of a web page'
  return 'it does not begin with DPP:'
}

const known = 'CMIKVBH'

function fieldFindings(text: string): UriFinding[] {
  const found: UriFinding[] = []
  const names = new Set<string>()
  for (const field of text.replace(/^[^:]*:/, '').split(';')) {
    if (field === '') continue
    const name = field[1] === ':' ? field[0]! : ''
    if (!known.includes(name) || name === '') {
      found.push(finding('note', 'unknown-field', `a field that nobody reads: ${field.slice(0, 20)}`, '5.2.1'))
    } else if (names.has(name)) {
      found.push(finding('warning', 'field-twice', `${name} comes twice; the first one counts for some`, '5.2.1'))
    }
    names.add(name)
  }
  return found
}

type Rule = (uri: BootstrappingUri, context: UriContext) => UriFinding[]

const rules: readonly Rule[] = [keyFindings, macFindings, channelFindings, versionFindings, informationFindings]

function keyFindings({ publicKey, curve, curves, version = 1 }: BootstrappingUri): UriFinding[] {
  const found: UriFinding[] = []
  if (!exportSpki(importSpki(publicKey)).equals(publicKey)) {
    const hashes = 'the point is not compressed: who compresses it computes other hashes, and never meets the device'
    found.push(finding('error', 'key-uncompressed', hashes, '5.2.1'))
  }
  if (curve !== 'P-256') {
    const few = `few Configurators can do ${curve}, and a network has one curve for all its devices`
    found.push(finding('warning', 'curve', few, '3.2.3'))
  }
  if (curves !== undefined && !curves.includes(curve)) {
    found.push(finding('error', 'own-curve', `B does not have ${curve}, the curve of its own key`, '5.2.1'))
  }
  if (curves !== undefined && version < 3) {
    found.push(finding('note', 'curves-unread', 'B is read by version 3 only', '5.2.1'))
  }
  return found
}

function macFindings({ mac }: BootstrappingUri, context: UriContext): UriFinding[] {
  if (mac === undefined) {
    const why = 'without M an access point cannot tell its sae secret from others'
    return [finding('note', 'mac-missing', why, '5.2.1')]
  }
  const first = Number.parseInt(mac.slice(0, 2), 16)
  if ((first & 1) === 1)
    return [finding('error', 'mac-group', `${mac} is the address of a group, not of a device`, '5.2.1')]
  if (/^0{12}$/.test(mac)) return [finding('error', 'mac-zero', 'the MAC address was never set', '5.2.1')]
  const expected = context.mac?.replaceAll(':', '').toLowerCase()
  if (expected !== undefined && expected !== mac) {
    return [finding('error', 'mac-differs', `M is ${mac}, and the radio has ${expected}: it is never found`, '5.2.1')]
  }
  if ((first & 2) === 0) return []
  return [finding('note', 'mac-local', `${mac} is locally administered: it must not change by itself`, '5.2.1')]
}

function channelFindings({ channels }: BootstrappingUri, context: UriContext): UriFinding[] {
  if (channels === undefined) return []
  const found = channels.flatMap(channel => {
    if (bandOf(channel) === undefined) {
      return [finding('error', 'channel-unknown', `${text(channel)} is no channel of an operating class`, '5.2.1')]
    }
    if (!needsRadarDetection(channel)) return []
    const why = 'the device must not send there before it has heard an access point'
    return [finding('warning', 'channel-radar', `${text(channel)}: ${why}`, '5.2.1')]
  })
  const places = (context.channels ?? []).flatMap(each => parseChannel(each) ?? [])
  const heard =
    places.length === 0 || places.some(place => announcedOn(channels).some(each => sameChannel(each, place)))
  if (heard) return found
  const where = places.map(text).join(', ')
  const far = `nobody listens where it announces itself: access points are on ${where}`
  return [...found, finding('warning', 'channel-unheard', far, '6.2')]
}

/** Section 6.2: on the channels of its URI, and on one in each band. */
function announcedOn(channels: readonly Channel[]): readonly Channel[] {
  return [...channels, ...announcementChannels.flatMap(each => parseChannel(each) ?? [])]
}

function text({ operatingClass, channel }: Channel): string {
  return `${operatingClass}/${channel}`
}

function versionFindings({ version }: BootstrappingUri): UriFinding[] {
  if (version === undefined) {
    const old = 'without V it counts as version 1: no presence announcement, no reconfiguration, no result'
    return [finding('warning', 'version-missing', old, '5.2.1')]
  }
  if (version <= newestVersion) return []
  return [
    finding('error', 'version-unknown', `there is no version ${version}; ${newestVersion} is the newest`, '5.2.1'),
  ]
}

function informationFindings({ information }: BootstrappingUri, { serial }: UriContext): UriFinding[] {
  if (serial === undefined || information?.includes(serial) === true) return []
  const lost = `serial number ${serial} is not in I: whoever scans cannot tell which device it is`
  return [finding('note', 'serial-missing', lost, '5.2.1')]
}
