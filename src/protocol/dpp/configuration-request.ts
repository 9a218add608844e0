import { decodeBase64, encodeBase64 } from '../../codec/base64.ts'
import { CodecError } from '../../codec/error.ts'
import { decodeJsonObject, type Json, type JsonObject } from '../../codec/json.ts'

/** What the Enrollee will be in the network (Easy Connect section 4.4). */
export const netRoles = ['sta', 'ap', 'configurator'] as const
export type NetRole = (typeof netRoles)[number]

/** DPP Configuration Request object, attribute 100E: what an Enrollee asks for. Members as in the standard. */
export interface ConfigurationRequest {
  readonly name: string
  readonly netRole: NetRole
  /** Protected by ke, so as good as the bootstrapping key. Whether it is an https URL is for its reader to say. */
  readonly mudurl?: string
  /** Operating classes. */
  readonly bandSupport?: readonly number[]
  /** DER of a PKCS #10 request. */
  readonly pkcs10?: Uint8Array
  /** Version 3. Bit 0: can use an SAE password identifier. */
  readonly capabilities?: number
  /** What others have put in beside. */
  readonly thirdParty: JsonObject
}

const LIMITS = { size: 0x4000, depth: 8, count: 500 }
const known = ['name', 'wi-fi_tech', 'netRole', 'mudurl', 'bandSupport', 'pkcs10', 'capabilities']
const maxName = 256
/** RFC 8520 section 10 keeps it in an extension of a certificate: longer ones are no MUD URL. */
const maxMudUrl = 2048
const maxBands = 64
const maxPkcs10 = 0x1000

/** Reads attribute 100E. Throws CodecError. */
export function decodeConfigurationRequest(bytes: Uint8Array): ConfigurationRequest {
  const json = decodeJsonObject(bytes, LIMITS)
  const { name, netRole, mudurl, bandSupport, pkcs10, capabilities } = json
  if (json['wi-fi_tech'] !== 'infra') throw new CodecError('unsupported', 'wi-fi_tech is not infra')
  const role = netRoles.find(each => each === netRole)
  if (role === undefined) throw new CodecError('unsupported', 'netRole is none that is known')
  return {
    name: textOf(name, 'name', maxName),
    netRole: role,
    ...(mudurl !== undefined && { mudurl: textOf(mudurl, 'mudurl', maxMudUrl) }),
    ...(bandSupport !== undefined && { bandSupport: bandsOf(bandSupport) }),
    ...(pkcs10 !== undefined && { pkcs10: pkcs10Of(pkcs10) }),
    ...(capabilities !== undefined && { capabilities: smallOf(capabilities, 'capabilities') }),
    thirdParty: thirdPartyOf(json, known),
  }
}

/** Writes attribute 100E, members in the order of hostap. Throws CodecError for what may not be written. */
export function encodeConfigurationRequest(request: ConfigurationRequest): Buffer {
  const { name, netRole, mudurl, bandSupport, pkcs10, capabilities, thirdParty } = request
  const json = {
    name: textOf(name, 'name', maxName),
    'wi-fi_tech': 'infra',
    netRole,
    ...(mudurl !== undefined && { mudurl: textOf(mudurl, 'mudurl', maxMudUrl) }),
    ...(bandSupport !== undefined && { bandSupport: bandsOf(bandSupport) }),
    ...(pkcs10 !== undefined && { pkcs10: encodeBase64(pkcs10) }),
    ...(capabilities !== undefined && { capabilities: smallOf(capabilities, 'capabilities') }),
    ...thirdPartyOf(thirdParty, []),
  }
  for (const member of known) {
    if (Object.hasOwn(thirdParty, member)) throw new CodecError('duplicate', `third-party member ${member}`)
  }
  const bytes = Buffer.from(JSON.stringify(json))
  if (bytes.length > LIMITS.size) throw new CodecError('too-large', 'configuration request larger than 16 KiB')
  return bytes
}

/** What is left when the standard's own members are taken away. */
export function thirdPartyOf(json: JsonObject, own: readonly string[]): JsonObject {
  return Object.fromEntries(Object.entries(json).filter(([member]) => !own.includes(member)))
}

function textOf(value: Json | undefined, name: string, max: number): string {
  if (typeof value !== 'string') throw new CodecError('bad-value', `${name} is not a text`)
  if (value.length > max) throw new CodecError('too-large', `${name} is longer than ${max}`)
  if (!value.isWellFormed()) throw new CodecError('bad-value', `${name} has half a surrogate pair`)
  return value
}

function bandsOf(value: Json): readonly number[] {
  if (!Array.isArray(value)) throw new CodecError('bad-value', 'bandSupport is not a list')
  if (value.length > maxBands) throw new CodecError('too-many', 'bandSupport with too many operating classes')
  return value.map(band => smallOf(band, 'bandSupport'))
}

/** An octet. */
function smallOf(value: Json, name: string): number {
  if (typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= 0xff) return value
  throw new CodecError('bad-value', `${name} is not a number below 256`)
}

function pkcs10Of(value: Json): Buffer {
  if (typeof value !== 'string') throw new CodecError('bad-value', 'pkcs10 is not a text')
  if (value.length > 2 * maxPkcs10) throw new CodecError('too-large', 'pkcs10 is too long')
  return decodeBase64(value)
}
