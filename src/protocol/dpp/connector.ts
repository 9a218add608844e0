import type { KeyObject } from 'node:crypto'
import { decodeBase64Url, encodeBase64Url } from '../../codec/base64.ts'
import { CodecError } from '../../codec/error.ts'
import { decodeJsonObject, isJsonObject, type Json, type JsonObject } from '../../codec/json.ts'
import { type ErrorDetail, OnboardingError } from '../../domain/error.ts'
import { curveProfile } from './curve.ts'
import { decodeJwk } from './jwk.ts'
import { type DppPublicKey, exportJwk, isSignedRaw, keyId, signRaw } from './key.ts'

/** Who may meet whom: equal groups, or `*` on one side (Easy Connect section 4.2.1). */
export interface ConnectorGroup {
  readonly groupId: string
  /** sta, ap, configurator; others mean nothing to us and match nobody. */
  readonly netRole: string
}

/** What a Connector says. */
export interface ConnectorFields {
  /** At least one. */
  readonly groups: readonly ConnectorGroup[]
  readonly netAccessKey: DppPublicKey
  readonly expiry?: Date
  /** From version 3 on: that of its holder. */
  readonly version?: number
}

/** A Connector that the C-sign key has signed. */
export interface Connector extends ConnectorFields {
  /** Compact JWS, as it came. */
  readonly text: string
  readonly kid: string
}

export interface ConnectorContext {
  readonly csign: DppPublicKey
  /** `kid` that came beside csign; absent: the one that the standard derives from the key. */
  readonly kid?: string
  /** Absent: nobody asks about expiry; in reconfiguration a Connector may have run out (section 6.5.2). */
  readonly at?: Date
}

const TYPE = 'dppCon'
const maxText = 0x4000
const LIMITS = { size: 0x3000, depth: 6, count: 500 }
const maxGroups = 32
const maxGroupId = 256

/** The text that gets signed: header and payload, members in the order of hostap. Throws CodecError. */
export function connectorSigningInput(fields: ConnectorFields, csign: DppPublicKey): string {
  const { groups, netAccessKey, expiry, version } = fields
  if (groups.length === 0 || groups.length > maxGroups)
    throw new CodecError('bad-value', 'a Connector has 1 to 32 groups')
  const header = { typ: TYPE, kid: keyId(csign), alg: curveProfile(csign.curve).algorithm }
  const payload = {
    groups: groups.map(({ groupId, netRole }) => ({ groupId, netRole })),
    netAccessKey: exportJwk(netAccessKey),
    ...(expiry !== undefined && { expiry: formatExpiry(expiry) }),
    ...(version !== undefined && { version }),
  }
  return [header, payload].map(part => encodeBase64Url(Buffer.from(JSON.stringify(part)))).join('.')
}

/** @param signature r | s over the ASCII of `signingInput`, each as long as the field of the C-sign key */
export function encodeConnector(signingInput: string, signature: Uint8Array): string {
  return `${signingInput}.${encodeBase64Url(signature)}`
}

/** Signs in memory. Who has the C-sign key elsewhere signs `connectorSigningInput` there. */
export function signConnector(
  fields: ConnectorFields,
  by: { readonly key: KeyObject; readonly csign: DppPublicKey },
): string {
  const input = connectorSigningInput(fields, by.csign)
  const signature = signRaw({ curve: by.csign.curve, privateKey: by.key }, Buffer.from(input))
  return encodeConnector(input, signature)
}

/**
 * Reads a Connector and verifies it with the C-sign key: everything that Easy Connect section 4.2 asks of one but that it
 * belongs to its holder, which is `requireNetAccessKey`. Throws OnboardingError `connector-invalid` (detail `rule`), or
 * `connector-expired`.
 */
export function verifyConnector(text: string, context: ConnectorContext): Connector {
  if (text.length > maxText) throw invalid('too-large')
  const [headerText, payloadText, signatureText, ...rest] = text.split('.')
  if (headerText === undefined || payloadText === undefined || signatureText === undefined || rest.length > 0)
    throw invalid('not-compact-jws')
  const { csign, kid = keyId(csign) } = context
  checkHeader(jsonOf(headerText, 'header'), csign, kid)
  checkSignature(`${headerText}.${payloadText}`, bytesOf(signatureText, 'signature'), csign)
  const fields = fieldsOf(jsonOf(payloadText, 'payload'))
  checkExpiry(fields, context.at)
  return { ...fields, text, kid }
}

/** Reads without verifying: for a Connector of which not even the Configurator is known. Throws as `verifyConnector`. */
export function readConnector(text: string): ConnectorFields & { readonly kid: string } {
  if (text.length > maxText) throw invalid('too-large')
  const [headerText, payloadText, ...rest] = text.split('.')
  if (headerText === undefined || payloadText === undefined || rest.length !== 1) throw invalid('not-compact-jws')
  const { kid } = jsonOf(headerText, 'header')
  if (typeof kid !== 'string') throw invalid('kid')
  return { ...fieldsOf(jsonOf(payloadText, 'payload')), kid }
}

/** A Connector is its holder's who has the private half of this key. Throws OnboardingError `connector-invalid`. */
export function requireNetAccessKey(connector: ConnectorFields, key: DppPublicKey): void {
  const { curve, point } = connector.netAccessKey
  if (curve !== key.curve || !point.equals(key.point)) throw invalid('netAccessKey-of-another')
}

/** Section 4.2.2: the algorithm follows from the key, and is never taken from the message. */
function checkHeader({ typ, alg, kid }: JsonObject, csign: DppPublicKey, expected: string): void {
  if (typ !== TYPE) throw invalid('typ')
  if (alg !== curveProfile(csign.curve).algorithm) throw invalid('alg')
  if (kid !== expected) throw invalid('kid')
}

function checkSignature(input: string, signature: Uint8Array, csign: DppPublicKey): void {
  const { coordinateSize } = curveProfile(csign.curve)
  if (signature.length !== 2 * coordinateSize) throw invalid('signature-length', { octets: signature.length })
  if (!isSignedRaw(csign, Buffer.from(input), signature)) throw invalid('signature')
}

function fieldsOf(payload: JsonObject): ConnectorFields {
  const { groups, netAccessKey, expiry, version } = payload
  if (!Array.isArray(groups) || groups.length === 0) throw invalid('groups')
  if (groups.length > maxGroups) throw invalid('too-many-groups')
  if (
    version !== undefined &&
    !(typeof version === 'number' && Number.isInteger(version) && version > 0 && version < 256)
  )
    throw invalid('version')
  return {
    groups: groups.map(groupOf),
    netAccessKey: keyOf(netAccessKey),
    ...(expiry !== undefined && { expiry: parseExpiry(expiry) }),
    ...(version !== undefined && { version: version as number }),
  }
}

function groupOf(group: Json): ConnectorGroup {
  const { groupId, netRole } = isJsonObject(group) ? group : {}
  if (typeof groupId !== 'string' || groupId.length > maxGroupId) throw invalid('groupId')
  if (typeof netRole !== 'string' || netRole.length > maxGroupId) throw invalid('netRole')
  return { groupId, netRole }
}

function keyOf(jwk: Json | undefined): DppPublicKey {
  try {
    return decodeJwk(jwk, 'netAccessKey')
  } catch (error) {
    throw named(error, 'netAccessKey')
  }
}

const EXPIRY = /^(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(Z|[+-]\d\d:\d\d)$/

/** Date and time of ISO 8601. We write UTC; peers may write another offset. */
function parseExpiry(value: Json): Date {
  const [, ...parts] = (typeof value === 'string' ? EXPIRY.exec(value) : null) ?? []
  const zone = parts.pop()
  if (zone === undefined) throw invalid('expiry')
  const [year, month, day, hour, minute, second] = parts.map(Number) as [number, number, number, number, number, number]
  const date = new Date(Date.UTC(year, month - 1, day, hour, minute, second))
  // What the calendar moves on, such as a 30th of February, comes out as another text.
  if (Number.isNaN(date.getTime()) || date.toISOString().slice(0, 19) !== (value as string).slice(0, 19))
    throw invalid('expiry')
  return new Date(date.getTime() - offsetOf(zone))
}

function offsetOf(zone: string): number {
  if (zone === 'Z') return 0
  const [hours, minutes] = [Number(zone.slice(1, 3)), Number(zone.slice(4))]
  if (hours > 14 || minutes > 59) throw invalid('expiry')
  return (zone[0] === '-' ? -1 : 1) * (hours * 60 + minutes) * 60_000
}

function formatExpiry(date: Date): string {
  const year = date.getUTCFullYear()
  if (!(year >= 1970 && year <= 9999)) throw new CodecError('bad-value', 'expiry is not a date between 1970 and 9999')
  return `${date.toISOString().slice(0, 19)}Z`
}

function checkExpiry({ expiry }: ConnectorFields, at: Date | undefined): void {
  // Turned around, so that a clock that tells no time refuses.
  if (expiry === undefined || at === undefined || at < expiry) return
  throw new OnboardingError('connector-expired', { expired: expiry.toISOString() })
}

function jsonOf(text: string, part: string): JsonObject {
  try {
    return decodeJsonObject(decodeBase64Url(text), LIMITS)
  } catch (error) {
    throw named(error, part)
  }
}

function bytesOf(text: string, part: string): Buffer {
  try {
    return decodeBase64Url(text)
  } catch (error) {
    throw named(error, part)
  }
}

function named(error: unknown, rule: string): unknown {
  if (error instanceof CodecError) return invalid(rule, { reason: error.message }, error)
  return error
}

function invalid(rule: string, detail: ErrorDetail = {}, cause?: unknown): OnboardingError {
  return new OnboardingError('connector-invalid', { rule, ...detail }, { cause })
}
