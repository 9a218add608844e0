import { decodeBase64, decodeBase64Url, encodeBase64 } from '../../codec/base64.ts'
import { type Cbor, CborTag } from '../../codec/cbor.ts'
import { Reader } from '../../codec/der/reader.ts'
import { CodecError } from '../../codec/error.ts'
import type { Json } from '../../codec/json.ts'
import type { Tolerance } from './quirk.ts'

/** RFC 8366bis section 6.2, in the order of the CBOR enumeration values. */
export const assertions = ['verified', 'logged', 'proximity', 'agent-proximity'] as const
export type Assertion = (typeof assertions)[number]

/** How one YANG type reads and writes in JSON (RFC 7951) and in CBOR (RFC 9254). Readers throw CodecError. */
export interface LeafType<T> {
  fromJson(value: Json, name: string, tolerance: Tolerance): T
  toJson(value: T, name: string): Json
  fromCbor(value: Cbor, name: string, tolerance: Tolerance): T
  toCbor(value: T, name: string): Cbor
}

export interface Leaf<T> {
  /** SID of the leaf less SID of the root; null for one without a SID, which goes by its name in CBOR, too (RFC 9254). */
  readonly delta: number | null
  readonly type: LeafType<T>
  readonly since: 'rfc8366' | 'rfc8366bis'
  /** Named by the model but without meaning here: read past and reported. */
  readonly ignored: boolean
}

function refuse(name: string, rule: string): never {
  throw new CodecError('bad-value', `${name} ${rule}`)
}

function textOf(value: Json | Cbor, name: string): string {
  return typeof value === 'string' && value !== '' ? value : refuse(name, 'is not a text')
}

const isBytes = (value: Cbor): value is Uint8Array => value instanceof Uint8Array

function base64Of(value: Json, name: string): Buffer {
  const encoded = textOf(value, name)
  try {
    return decodeBase64(encoded)
  } catch {
    return refuse(name, 'is not base64')
  }
}

function bytesLeaf(check: (bytes: Uint8Array, name: string) => Uint8Array): LeafType<Uint8Array> {
  return {
    fromJson: (value, name) => check(base64Of(value, name), name),
    toJson: (value, name) => encodeBase64(check(value, name)),
    fromCbor(value, name, tolerance) {
      if (isBytes(value)) return check(value, name)
      if (typeof value === 'string' && tolerance.accepts('legacy-sids')) return check(base64Of(value, name), name)
      return refuse(name, 'is not bytes')
    },
    toCbor: check,
  }
}

/** RFC 7951 section 6.6: base64, padded. */
export const binary = bytesLeaf((bytes, name) => (bytes.length > 0 ? bytes : refuse(name, 'is empty')))

/** One DER SEQUENCE of plausible length: a certificate, or a SubjectPublicKeyInfo. Its content is its user's to read. */
const derSequence = bytesLeaf((bytes, name) => {
  const reader = new Reader(bytes)
  reader.enter(0x30)
  return reader.end === bytes.length && bytes.length > 8 ? bytes : refuse(name, 'is not one DER structure')
})

export const certificate = derSequence
export const publicKey = derSequence

/** RFC 8366 section 5.3: 8 to 32 bytes. */
export const nonce: LeafType<Uint8Array> = {
  fromJson: (value, name, tolerance) => checkNonce(nonceOf(textOf(value, name), name, tolerance), name, tolerance),
  toJson: (value, name) => encodeBase64(checkNonce(value, name)),
  fromCbor(value, name, tolerance) {
    if (isBytes(value)) return checkNonce(value, name, tolerance)
    if (typeof value === 'string' && tolerance.accepts('legacy-sids')) return nonceOf(value, name, tolerance)
    return refuse(name, 'is not bytes')
  },
  toCbor: (value, name) => checkNonce(value, name),
}

function nonceOf(text: string, name: string, tolerance: Tolerance): Uint8Array {
  try {
    return decodeBase64(text)
  } catch {
    if (!tolerance.accepts('nonce-base64url-unpadded')) refuse(name, 'is not base64')
  }
  try {
    return decodeBase64Url(text)
  } catch {
    return refuse(name, 'is neither base64 nor base64url')
  }
}

function checkNonce(bytes: Uint8Array, name: string, tolerance?: Tolerance): Uint8Array {
  if (bytes.length >= 8 && bytes.length <= 32) return bytes
  if (bytes.length > 32 && bytes.length <= 64 && tolerance?.accepts('nonce-over-32')) return bytes
  return refuse(name, `of ${bytes.length} bytes is not 8 to 32`)
}

const RFC3339 = /^(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(\.\d{1,18})?(Z|[+-]\d\d:\d\d)$/

/** RFC 3339 with any offset and fraction, to the millisecond below. Throws CodecError `bad-value`. */
export function parseDate(text: string, name: string): Date {
  const match = RFC3339.exec(text) ?? refuse(name, 'is not an RFC 3339 date')
  const [year, month, day, hour, minute, second] = match.slice(1, 7).map(Number) as [
    number,
    number,
    number,
    number,
    number,
    number,
  ]
  const date = new Date(0)
  date.setUTCFullYear(year, month - 1, day)
  if (date.getUTCMonth() !== month - 1 || date.getUTCDate() !== day) refuse(name, 'is not a day of the calendar')
  // 60: a leap second is the first of the next minute.
  if (hour > 23 || minute > 59 || second > 60) refuse(name, 'is not a time of day')
  date.setUTCHours(hour, minute, second, Math.floor(Number(match[7] ?? 0) * 1000))
  const zone = match[8]!
  if (zone === 'Z') return date
  const [zoneHour, zoneMinute] = [Number(zone.slice(1, 3)), Number(zone.slice(4))]
  if (zoneHour > 23 || zoneMinute > 59) refuse(name, 'has no such offset')
  const offset = (zoneHour * 60 + zoneMinute) * 60_000
  return new Date(date.getTime() + (zone[0] === '-' ? offset : -offset))
}

/** RFC 3339 in UTC; the fraction is left out when it is zero. */
export function formatDate(date: Date, name: string): string {
  if (!(date.getTime() >= 0 && date.getUTCFullYear() <= 9999)) refuse(name, 'is not a date between 1970 and 9999')
  return date.toISOString().replace('.000Z', 'Z')
}

const CBOR_EPOCH = 1

export const date: LeafType<Date> = {
  fromJson: (value, name) => parseDate(textOf(value, name), name),
  toJson: formatDate,
  fromCbor(value, name, tolerance) {
    if (!(value instanceof CborTag)) return parseDate(textOf(value, name), name)
    const seconds = value.tag === CBOR_EPOCH && tolerance.accepts('legacy-sids') ? value.value : undefined
    if (!Number.isSafeInteger(seconds) || seconds < 0 || seconds > 253402300799) return refuse(name, 'is not a date')
    return new Date(seconds * 1000)
  },
  toCbor: formatDate,
}

export const text: LeafType<string> = {
  fromJson: textOf,
  toJson: textOf,
  fromCbor(value, name, tolerance) {
    if (isBytes(value) && tolerance.accepts('legacy-sids')) return textOf(Buffer.from(value).toString('utf8'), name)
    return textOf(value, name)
  },
  toCbor: textOf,
}

export const boolean: LeafType<boolean> = {
  fromJson: (value, name) => (typeof value === 'boolean' ? value : refuse(name, 'is not a boolean')),
  toJson: value => value,
  fromCbor: (value, name) => (typeof value === 'boolean' ? value : refuse(name, 'is not a boolean')),
  toCbor: value => value,
}

export const assertion: LeafType<Assertion> = {
  fromJson: assertionOf,
  toJson: assertionOf,
  fromCbor(value, name, tolerance) {
    if (typeof value === 'number') return assertions[value] ?? refuse(name, `has no value ${value}`)
    if (typeof value === 'string' && tolerance.accepts('legacy-sids')) return assertionOf(value, name)
    return refuse(name, 'is not an enumeration value')
  },
  toCbor: value => assertions.indexOf(value),
}

function assertionOf(value: Json, name: string): Assertion {
  return assertions.find(known => known === value) ?? refuse(name, 'is none of the known values')
}

/** YANG uint32. */
export const count: LeafType<number> = {
  fromJson: countOf,
  toJson: countOf,
  fromCbor: countOf,
  toCbor: countOf,
}

function countOf(value: Json | Cbor, name: string): number {
  const fits = typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= 0xffff_ffff
  return fits ? value : refuse(name, 'is not a count')
}

/** leaf-list extensions: registered names, or SIDs as numbers in CBOR, which are kept as their digits. */
export const texts: LeafType<readonly string[]> = {
  fromJson: (value, name) =>
    Array.isArray(value) ? value.map(item => textOf(item, name)) : refuse(name, 'is not a list'),
  toJson: value => value,
  fromCbor(value, name) {
    if (!Array.isArray(value)) return refuse(name, 'is not a list')
    return value.map(item => (typeof item === 'number' || typeof item === 'bigint' ? `${item}` : textOf(item, name)))
  },
  toCbor: value => value,
}

/** agent-sign-cert: a certificate; the PRM draft prints an array of one. */
export const agentSignCertificate: LeafType<Uint8Array> = {
  ...certificate,
  fromJson(value, name, tolerance) {
    const only =
      Array.isArray(value) && value.length === 1 && tolerance.accepts('agent-sign-cert-array') ? value[0] : value
    return certificate.fromJson(only, name, tolerance)
  },
}
