import { z } from 'zod'
import { encodeBase64 } from '../../codec/base64.ts'
import { CodecError } from '../../codec/error.ts'
import { decodeJson, encodeCanonicalJson } from '../../codec/json.ts'

/*
 * All that a pledge must know after a power loss. It is one value, written whole: there is no moment at which half of a
 * credential is in memory, and a request is in memory before the first byte of it is on the wire.
 */

const maxAttempts = 16
const bytes = z.base64().transform(text => new Uint8Array(Buffer.from(text, 'base64')))
const moment = z.number().nonnegative()
const origin = z.string().max(300)
/** A label of the key store. */
const label = z.string().max(64)

const Enrolment = z.strictObject({
  keyLabel: label,
  csr: bytes,
  spki: bytes,
  anchors: z.array(bytes).max(12),
  intermediates: z.array(bytes).max(12),
})

const Attempt = z.strictObject({
  /** As configured or discovered; identifies the attempt. */
  candidate: origin,
  /** Where the registrar is: the candidate, or where it sent us. */
  origin,
  /** The signed voucher request. Whoever asks again sends these bytes. */
  request: bytes,
  nonce: bytes,
  /** End-entity certificate of the registrar that the request names. */
  registrar: bytes,
  startedAt: moment,
  /** Accepted: it passed every check against this request and this registrar. */
  voucher: z.exactOptional(bytes),
  enrolment: z.exactOptional(Enrolment),
})

const NetworkCredential = z.strictObject({
  keyLabel: label,
  certificate: bytes,
  /** Up to and without the anchor. */
  chain: z.array(bytes).max(12),
  anchors: z.array(bytes).min(1).max(12),
  intermediates: z.array(bytes).max(12),
  origin,
  /** End-entity certificate of the registrar that enrolled us. */
  registrar: bytes,
  obtainedAt: moment,
  /** The registrar has heard that it works (RFC 8995 section 5.9.4). */
  reported: z.boolean(),
})

const Record = z.strictObject({
  version: z.literal(1),
  /** How many keys were ever made; numbers the next label. */
  keys: z.int().nonnegative(),
  attempts: z.array(Attempt).max(maxAttempts),
  credential: z.exactOptional(NetworkCredential),
  renewal: z.exactOptional(Enrolment),
  /** Version of the newest declaration that an accepted voucher has told of. Outlives a factory reset. */
  declarationVersion: z.exactOptional(z.int().nonnegative()),
})

type Frozen<T> = T extends Uint8Array
  ? Uint8Array
  : T extends readonly (infer Item)[]
    ? readonly Frozen<Item>[]
    : T extends object
      ? { readonly [K in keyof T]: Frozen<T[K]> }
      : T

export type PledgeEnrolment = Frozen<z.output<typeof Enrolment>>
export type Attempt = Frozen<z.output<typeof Attempt>>
export type NetworkCredential = Frozen<z.output<typeof NetworkCredential>>
export type PledgeRecord = Frozen<z.output<typeof Record>>

export const emptyRecord: PledgeRecord = { version: 1, keys: 0, attempts: [] }

const LIMITS = { size: 0x10_0000, depth: 8, count: 2000 }

/** Reads what `encodePledgeRecord` wrote. Throws CodecError. */
export function decodePledgeRecord(json: Uint8Array): PledgeRecord {
  const parsed = Record.safeParse(decodeJson(json, LIMITS))
  if (parsed.success) return parsed.data
  throw new CodecError('bad-value', `not the memory of a pledge: ${parsed.error.issues[0]?.path.join('.') ?? ''}`)
}

/** Throws CodecError `too-large` for more than could be read again: what cannot be kept must not be sent. */
export function encodePledgeRecord(record: PledgeRecord): Buffer {
  const json = Buffer.from(encodeCanonicalJson(textual(record)))
  if (json.length > LIMITS.size) throw new CodecError('too-large', `${json.length} bytes of memory`)
  return json
}

function textual(value: unknown): unknown {
  if (value instanceof Uint8Array) return encodeBase64(value)
  if (Array.isArray(value)) return value.map(textual)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([name, item]) => [name, textual(item)]))
}

/** Labels of the keys that the record speaks of; any other network key is left over from an interrupted step. */
export function keyLabels(record: PledgeRecord): string[] {
  const enrolments = [...record.attempts.map(attempt => attempt.enrolment), record.renewal, record.credential]
  return enrolments.flatMap(holder => (holder === undefined ? [] : [holder.keyLabel]))
}

/** The record with `attempt` in the place of an earlier one with the same candidate. */
export function withAttempt(record: PledgeRecord, attempt: Attempt): PledgeRecord {
  const others = record.attempts.filter(({ candidate }) => candidate !== attempt.candidate)
  return { ...record, attempts: [...others.slice(1 - maxAttempts), attempt] }
}

export function withoutAttempt(record: PledgeRecord, candidate: string): PledgeRecord {
  return { ...record, attempts: record.attempts.filter(attempt => attempt.candidate !== candidate) }
}

export function withoutRenewal(record: PledgeRecord): PledgeRecord {
  const { renewal: _, ...rest } = record
  return rest
}

/** The credential takes the place of all that led to it, and of the one before. */
export function withCredential(record: PledgeRecord, credential: NetworkCredential): PledgeRecord {
  const { keys, declarationVersion: known } = record
  return { version: 1, keys, attempts: [], credential, ...(known === undefined ? {} : { declarationVersion: known }) }
}

/** The record with that version, unless it knows a newer one. */
export function withDeclaration(record: PledgeRecord, version: number | undefined): PledgeRecord {
  if (version === undefined || version <= (record.declarationVersion ?? -1)) return record
  return { ...record, declarationVersion: version }
}

/** After a credential that ran out. */
export function withoutCredential(record: PledgeRecord): PledgeRecord {
  const { credential: _, ...rest } = record
  return withoutRenewal(rest)
}

/** The key of the next enrolment; `record.keys` counts it once it is written. */
export function nextKeyLabel(record: PledgeRecord): string {
  return `ldevid-${record.keys + 1}`
}
