import { hash } from 'node:crypto'
import { encodeBase64 } from '../../codec/base64.ts'
import { CodecError } from '../../codec/error.ts'
import { decodeJsonObject, encodeCanonicalJson, isJsonObject, type Json, type JsonObject } from '../../codec/json.ts'
import type { Certificate } from '../../codec/x509/certificate.ts'
import { type Assertion, assertions, formatDate, parseDate } from './leaf.ts'
import { type Quirk, Tolerance } from './quirk.ts'

/** One voucher that the MASA issued for the device (RFC 8995 section 5.8.1). */
export interface AuditEvent {
  readonly date: Date
  /** See `domainId`. */
  readonly domainID: string
  /** Opaque text as the MASA wrote it; null: nonceless, so that domain can take the device again. */
  readonly nonce: string | null
  readonly assertion: Assertion
  /** Further events of the same domain that were dropped before this one. */
  readonly truncated?: number
}

export interface AuditLog {
  readonly version: number
  readonly events: readonly AuditEvent[]
  /** How many events were dropped, and why; counters may stick at 1024. */
  readonly truncation?: {
    readonly 'nonced duplicates'?: number
    readonly 'nonceless duplicates'?: number
    readonly arbitrary?: number
  }
}

export interface DecodedAuditLog extends AuditLog {
  readonly unknownMembers: readonly string[]
  readonly quirksUsed: readonly Quirk[]
}

const LIMITS = { size: 0x10_0000, depth: 8, count: 40_000 }
const MAX_EVENTS = 4096
const counters = ['nonced duplicates', 'nonceless duplicates', 'arbitrary'] as const

/** Reads the answer to requestauditlog. A higher version means extra members only. Throws CodecError. */
export function decodeAuditLog(bytes: Uint8Array, quirks: readonly Quirk[] = []): DecodedAuditLog {
  const tolerance = new Tolerance(quirks)
  const members = decodeJsonObject(bytes, LIMITS)
  const version = count(members['version'], 'version', tolerance)
  const { events, truncation } = members
  if (!Array.isArray(events)) throw new CodecError('bad-value', 'audit log without events')
  if (events.length > MAX_EVENTS) throw new CodecError('too-many', 'audit log with too many events')
  return {
    version,
    events: events.map(event => decodeEvent(event, tolerance)),
    ...(truncation !== undefined && { truncation: decodeTruncation(truncation, tolerance) }),
    unknownMembers: Object.keys(members).filter(name => !['version', 'events', 'truncation'].includes(name)),
    quirksUsed: tolerance.used,
  }
}

function decodeEvent(event: Json, tolerance: Tolerance): AuditEvent {
  if (!isJsonObject(event)) throw new CodecError('bad-value', 'audit log event is not an object')
  const { date, domainID, nonce, assertion, truncated } = event
  if (typeof date !== 'string') throw new CodecError('bad-value', 'audit log event without date')
  if (typeof domainID !== 'string' || domainID === '')
    throw new CodecError('bad-value', 'audit log event without domainID')
  if (nonce !== null && typeof nonce !== 'string') throw new CodecError('bad-value', 'audit log event without nonce')
  const known = assertions.find(name => name === assertion)
  if (known === undefined) throw new CodecError('bad-value', 'audit log event with an unknown assertion')
  return {
    date: parseDate(date, 'date'),
    domainID,
    nonce,
    assertion: known,
    ...(truncated !== undefined && { truncated: count(truncated, 'truncated', tolerance) }),
  }
}

function decodeTruncation(value: Json, tolerance: Tolerance): NonNullable<AuditLog['truncation']> {
  if (!isJsonObject(value)) throw new CodecError('bad-value', 'truncation is not an object')
  const present = counters.filter(name => value[name] !== undefined)
  return Object.fromEntries(present.map(name => [name, count(value[name], name, tolerance)]))
}

/** RFC 8995 section 5.8.1 says uint in its CDDL and prints strings. */
function count(value: Json | undefined, name: string, tolerance: Tolerance): number {
  if (typeof value === 'string' && /^\d{1,9}$/.test(value) && tolerance.accepts('audit-numbers-as-strings'))
    return Number(value)
  if (Number.isSafeInteger(value) && (value as number) >= 0) return value as number
  throw new CodecError('bad-value', `${name} of the audit log is not a count`)
}

/** Writes numbers as numbers, dates in UTC, version 1. */
export function encodeAuditLog({ events, truncation }: Omit<AuditLog, 'version'>): Buffer {
  const written: JsonObject[] = events.map(event => ({
    date: formatDate(event.date, 'date'),
    domainID: event.domainID,
    nonce: event.nonce,
    assertion: event.assertion,
    ...(event.truncated !== undefined && { truncated: event.truncated }),
  }))
  return Buffer.from(encodeCanonicalJson({ version: 1, events: written, truncation }))
}

/**
 * RFC 8995 section 5.8.2: the SubjectKeyIdentifier of the pinned certificate, else the SHA-256 of its
 * SubjectPublicKeyInfo; base64.
 */
export function domainId(certificate: Certificate): string {
  return encodeBase64(certificate.subjectKeyIdentifier ?? hash('sha256', certificate.spkiDer, 'buffer'))
}
