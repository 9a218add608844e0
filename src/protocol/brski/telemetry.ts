import { type Cbor, decodeCbor, isCborMap } from '../../codec/cbor.ts'
import { CodecError } from '../../codec/error.ts'
import { decodeJsonObject, encodeCanonicalJson, isJsonObject, type Json, type JsonObject } from '../../codec/json.ts'

/** What a pledge reports after a voucher (voucher_status) or an enrolment (enrollstatus): RFC 8995 sections 5.7, 5.9.4. */
export interface Telemetry {
  readonly version: number
  /** True: it worked. */
  readonly status: boolean
  /** For people: at most 512 characters, without control characters. */
  readonly reason?: string
  readonly 'reason-context'?: JsonObject
}

export interface DecodedTelemetry extends Telemetry {
  /** Members beyond the standard's. To be logged, as a version above 1 is. */
  readonly unknownMembers: readonly string[]
}

const LIMITS = { size: 0x4000, depth: 8, count: 500 }
const known = new Set(['version', 'status', 'reason', 'reason-context'])

/** Reads telemetry; unknown members and higher versions are let pass. Throws CodecError. */
export function decodeTelemetry(bytes: Uint8Array): DecodedTelemetry {
  return telemetryOf(decodeJsonObject(bytes, LIMITS))
}

/** As `decodeTelemetry`, in CBOR (draft-ietf-anima-constrained-voucher). Keys of reason-context may be integers. */
export function decodeCborTelemetry(bytes: Uint8Array): DecodedTelemetry {
  const value = jsonOf(decodeCbor(bytes, LIMITS))
  if (!isJsonObject(value)) throw new CodecError('bad-value', 'telemetry is not a map', 0)
  return telemetryOf(value)
}

function telemetryOf(members: JsonObject): DecodedTelemetry {
  const { version, status, reason, 'reason-context': context } = members
  if (!Number.isSafeInteger(version) || (version as number) < 1)
    throw new CodecError('bad-value', 'telemetry without version')
  if (typeof status !== 'boolean') throw new CodecError('bad-value', 'telemetry without status')
  if (reason !== undefined && typeof reason !== 'string') throw new CodecError('bad-value', 'reason is not a text')
  if (context !== undefined && !isJsonObject(context))
    throw new CodecError('bad-value', 'reason-context is not an object')
  return {
    version: version as number,
    status,
    ...(reason !== undefined && { reason: printable(reason) }),
    ...(context !== undefined && { 'reason-context': context }),
    unknownMembers: Object.keys(members).filter(name => !known.has(name)),
  }
}

/** The text comes from a device that may be hostile, and goes to terminals and logs. */
function printable(text: string): string {
  return text
    .slice(0, 512)
    .replace(/[\p{Cc}\p{Cf}\p{Co}\u2028\u2029]/gu, ' ')
    .toWellFormed()
}

function jsonOf(value: Cbor): Json {
  if (value === null || typeof value === 'boolean' || typeof value === 'number' || typeof value === 'string')
    return value
  if (Array.isArray(value)) return value.map(jsonOf)
  if (!isCborMap(value)) throw new CodecError('unsupported', 'telemetry with a value that JSON does not have')
  return Object.fromEntries([...value].map(([name, item]) => [memberName(name), jsonOf(item)]))
}

function memberName(key: number | bigint | string): string {
  if (key === '__proto__') throw new CodecError('bad-value', 'member __proto__')
  return String(key)
}

/** Version 1, lower-case names. A reason for a failure must tell an attacker nothing (RFC 8995 section 5.7). */
export function encodeTelemetry(telemetry: Omit<Telemetry, 'version'>): Buffer {
  const { status, reason, 'reason-context': context } = telemetry
  return Buffer.from(encodeCanonicalJson({ version: 1, status, reason, 'reason-context': context }))
}
