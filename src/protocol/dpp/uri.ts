import { hash } from 'node:crypto'
import { decodeBase64, encodeBase64 } from '../../codec/base64.ts'
import { CodecError } from '../../codec/error.ts'
import { CryptoError } from '../../crypto/error.ts'
import { curves, type DppCurve } from './curve.ts'
import { type DppPublicKey, importSpki } from './key.ts'

/** A global operating class of 802.11 Annex E, and a channel in it. */
export interface DppChannel {
  readonly operatingClass: number
  readonly channel: number
}

/** Where a Controller listens, when its URI says so (version 3). */
export interface DppHost {
  /** IPv4 or IPv6 address, without brackets. */
  readonly address: string
  readonly port?: number
}

/** What a device shows of itself on its label, or a Configurator on its screen. Public, but whoever has it may onboard. */
export interface BootstrappingUri {
  /** SubjectPublicKeyInfo in DER, octet for octet as in the URI: the hashes are over these. */
  readonly publicKey: Uint8Array
  readonly curve: DppCurve
  /** Twelve hexadecimal digits in lower case. */
  readonly mac?: string
  readonly channels?: readonly DppChannel[]
  /** Printable ASCII without semicolon, up to the maker: serial number, model. */
  readonly information?: string
  readonly version?: number
  /** What its owner can do protocol keys on. Absent: on all curves. */
  readonly curves?: readonly DppCurve[]
  readonly host?: DppHost
}

/** Three times what a QR code for a label holds at any sensible size. */
const maxUriLength = 2048
const scheme = 'DPP:'

/**
 * Reads `DPP:…;;`. Fields in any order, the first of a name counts, unknown and empty ones are skipped. Throws CodecError, with
 * the offset of the field; also when K is missing or no key on one of the six curves.
 */
export function parseBootstrappingUri(text: string): BootstrappingUri {
  if (text.length > maxUriLength)
    throw new CodecError('too-large', `longer than ${maxUriLength} characters`, maxUriLength)
  if (!text.startsWith(scheme)) throw new CodecError('bad-encoding', 'a bootstrapping URI begins with DPP:', 0)
  const fields = new Map<string, Field>()
  let at = scheme.length
  while (at < text.length) {
    const end = text.indexOf(';', at)
    if (end < 0) throw new CodecError('truncated', 'a field that no semicolon ends', text.length)
    const [name, colon] = [text[at]!, text[at + 1]]
    if (colon === ':' && !fields.has(name)) fields.set(name, { value: text.slice(at + 2, end), at: at + 2 })
    at = end + 1
  }
  const key = fields.get('K')
  if (key === undefined) throw new CodecError('bad-value', 'no public key (K)', text.length)
  const { publicKey, curve } = read(key, parseKey)
  const optional = <T>(name: string, parse: (value: string) => T): T | undefined => {
    const field = fields.get(name)
    return field === undefined || field.value === '' ? undefined : read(field, parse)
  }
  return withoutAbsent({
    publicKey,
    curve,
    mac: optional('M', parseMac),
    channels: optional('C', parseChannels),
    information: optional('I', parseInformation),
    version: optional('V', parseVersion),
    curves: optional('B', parseCurves),
    host: optional('H', parseHost),
  })
}

interface Field {
  readonly value: string
  readonly at: number
}

function read<T>({ value, at }: Field, parse: (value: string) => T): T {
  try {
    return parse(value)
  } catch (cause) {
    if (cause instanceof CodecError) throw new CodecError(cause.code, cause.message, at)
    throw cause
  }
}

type Absent<T> = { readonly [K in keyof T]: T[K] | undefined }

function withoutAbsent(uri: Absent<Required<BootstrappingUri>>): BootstrappingUri {
  const { publicKey, curve, ...rest } = uri
  const present = Object.entries(rest).filter(([, value]) => value !== undefined)
  return { publicKey: publicKey!, curve: curve!, ...Object.fromEntries(present) }
}

function refuse(what: string): never {
  throw new CodecError('bad-value', what)
}

function parseKey(value: string): { publicKey: Uint8Array; curve: DppCurve } {
  const publicKey = decodeBase64(value)
  try {
    return { publicKey, curve: importSpki(publicKey).curve }
  } catch (cause) {
    if (!(cause instanceof CryptoError)) throw cause
    return refuse(`K: ${cause.message}`)
  }
}

function parseMac(value: string): string {
  return /^[0-9a-fA-F]{12}$/.test(value) ? value.toLowerCase() : refuse('M is not twelve hexadecimal digits')
}

/** `81/1,6,115/36`: a channel without a class belongs to the class before it. */
function parseChannels(value: string): DppChannel[] {
  let operatingClass: number | undefined
  return value.split(',').map(item => {
    const [, prefix, channel] =
      /^(?:([0-9]{1,3})\/)?([0-9]{1,3})$/.exec(item) ?? refuse('C is not a list of class/channel')
    if (prefix !== undefined) operatingClass = octetOf(prefix)
    return { operatingClass: operatingClass ?? refuse('C begins without a class'), channel: octetOf(channel!) }
  })
}

function octetOf(digits: string): number {
  const value = Number(digits)
  return value >= 1 && value <= 255 ? value : refuse('C has a number that is not from 1 to 255')
}

const informationPattern = /^[\x20-\x3a\x3c-\x7e]+$/

function parseInformation(value: string): string {
  return informationPattern.test(value) ? value : refuse('I has a character that is not printable ASCII')
}

function parseVersion(value: string): number {
  return /^[1-9]$/.test(value) ? Number(value) : refuse('V is not a digit from 1')
}

/** Hexadecimal digits, the one for the first four curves first. Bits that no curve has are somebody's future. */
function parseCurves(value: string): DppCurve[] {
  if (!/^[0-9a-fA-F]{1,8}$/.test(value)) refuse('B is not hexadecimal digits')
  const bits = Array.from(value, digit => Number.parseInt(digit, 16))
  return curves.filter((_, n) => ((bits[n >> 2] ?? 0) >> (n & 3)) & 1).map(({ curve }) => curve)
}

function parseHost(value: string): DppHost {
  const [, bracketed, plain, port] = /^(?:\[([^\]]+)\]|([^:]+))(?::([0-9]{1,5}))?$/.exec(value) ?? []
  const address = bracketed ?? plain ?? (isIPv6(value) ? value : '')
  if (bracketed === undefined ? !isIPv4(address) && !isIPv6(address) : !isIPv6(address)) refuse('H is not an address')
  if (port === undefined) return { address }
  const number = Number(port)
  return number >= 1 && number <= 65535 ? { address, port: number } : refuse('H has a port that is none')
}

function isIPv4(text: string): boolean {
  return /^(?:(?:25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)(?:\.|$)){4}$/.test(text)
}

function isIPv6(text: string): boolean {
  return /^[0-9a-fA-F:.]+$/.test(text) && URL.canParse(`http://[${text}]/`)
}

/** The URI in the order in which others write it. Throws CodecError `bad-value` for a field that could not be read back. */
export function formatBootstrappingUri(uri: BootstrappingUri): string {
  const { publicKey, mac, channels, information, version, curves: supported, host } = uri
  const fields = [
    channels && channels.length > 0 && `C:${channels.map(formatChannel).join(',')}`,
    mac && `M:${parseMac(mac)}`,
    information && `I:${parseInformation(information)}`,
    version !== undefined && `V:${parseVersion(String(version))}`,
    supported && `B:${formatCurves(supported)}`,
    host && `H:${formatHost(host)}`,
    `K:${encodeBase64(publicKey)}`,
  ]
  const text = `${scheme}${fields.filter(Boolean).join(';')};;`
  parseBootstrappingUri(text)
  return text
}

function formatChannel({ operatingClass, channel }: DppChannel): string {
  return `${operatingClass}/${channel}`
}

function formatCurves(supported: readonly DppCurve[]): string {
  const digits = [0, 0]
  for (const [n, { curve }] of curves.entries()) if (supported.includes(curve)) digits[n >> 2]! |= 1 << (n & 3)
  return digits
    .map(digit => digit.toString(16))
    .join('')
    .replace(/0$/, '')
}

function formatHost({ address, port }: DppHost): string {
  const shown = isIPv6(address) ? `[${address}]` : address
  return port === undefined ? shown : `${shown}:${port}`
}

/** The key of a URI, ready for use. */
export function bootstrappingKey({ publicKey }: Pick<BootstrappingUri, 'publicKey'>): DppPublicKey {
  return importSpki(publicKey)
}

/** SHA-256 of the public key as in the URI: who is meant by an Authentication Request. 32 octets. */
export function keyHash({ publicKey }: Pick<BootstrappingUri, 'publicKey'>): Buffer {
  return hash('sha256', publicKey, 'buffer')
}

/** What a device calls itself in a Presence Announcement, so that only who knows its URI recognizes it. 32 octets. */
export function chirpHash({ publicKey }: Pick<BootstrappingUri, 'publicKey'>): Buffer {
  return hash('sha256', Buffer.concat([Buffer.from('chirp'), publicKey]), 'buffer')
}
