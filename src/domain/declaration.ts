import { hash } from 'node:crypto'
import { decodeBase64 } from '../codec/base64.ts'
import { CodecError } from '../codec/error.ts'
import { decodeJsonObject, encodeCanonicalJson, isJsonObject, type Json, type JsonObject } from '../codec/json.ts'
import { OnboardingError } from './error.ts'
import { isMudUrl } from './intent.ts'

/** One who may onboard a device: its owner, or somebody whom the owner authorized. */
export interface Party {
  /** Short name, unique among the parties of a declaration. */
  readonly id: string
  readonly name: string
  /** Keys that this party is known by, of its registrar CA or its registrar, as `domainIds` names them. */
  readonly domains: readonly string[]
}

/** Who owns a device and who else may onboard it (white paper section 2.7). The rules of change are in `ownership.ts`. */
export interface DeviceInformationDeclaration {
  /** Counts from 1. A higher one supersedes. */
  readonly version: number
  readonly manufacturer: string
  readonly serial: string
  readonly model: string
  /** Exactly one (white paper section 4.1). */
  readonly owner: Party
  readonly authorizedOnboarders: readonly Party[]
  /** Milliseconds since 1970. */
  readonly issuedAt: number
  /** `declarationHash` of the version before; empty for the first. */
  readonly previous: string
  /** Absent until somebody else than the manufacturer keeps the MUD file. */
  readonly intent?: DeclaredIntent
}

/** Whoever has taken over to keep the MUD file of the device (white paper section 4.1, rebranding), and where it is. */
export interface DeclaredIntent {
  /** By its keys the one who alone may change it; it has no other right by this. */
  readonly keeper: Party
  readonly mudUrl: string
}

const limits = { size: 0x1_0000, depth: 5, count: 2000 }
const maxText = 200
const maxOnboarders = 64
const maxDomains = 16

const members = ['authorizedOnboarders', 'issuedAt', 'manufacturer', 'model', 'owner', 'previous', 'serial', 'version']
const partyMembers = ['domains', 'id', 'name']
const intentMembers = ['keeper', 'mudUrl']

/** RFC 8785 JSON: one text for one declaration, so that its hash is the same for everybody. */
export function encodeDeclaration(declaration: DeviceInformationDeclaration): Buffer {
  return Buffer.from(encodeCanonicalJson(declaration))
}

/** Reads what `encodeDeclaration` writes and nothing else; verifies nothing. Throws CodecError. */
export function decodeDeclaration(bytes: Uint8Array): DeviceInformationDeclaration {
  const { intent, ...rest } = decodeJsonObject(bytes, limits)
  const json = withMembers(rest, members, 'declaration')
  const { authorizedOnboarders, previous } = json
  if (!Array.isArray(authorizedOnboarders)) refuse('authorizedOnboarders is not a list')
  const declaration: DeviceInformationDeclaration = {
    version: countOf(json['version'], 'version'),
    manufacturer: textOf(json['manufacturer'], 'manufacturer'),
    serial: textOf(json['serial'], 'serial'),
    model: textOf(json['model'], 'model'),
    owner: partyOf(json['owner']),
    authorizedOnboarders: authorizedOnboarders.map(partyOf),
    issuedAt: countOf(json['issuedAt'], 'issuedAt'),
    previous: typeof previous === 'string' ? previous : refuse('previous is not a text'),
    ...(intent === undefined ? {} : { intent: declaredIntent(intent) }),
  }
  const fault = faultOf(declaration)
  if (fault !== undefined) refuse(fault)
  // Everything that JSON can say in two ways ends here: order, whitespace, escapes, numbers.
  if (Buffer.compare(encodeDeclaration(declaration), bytes) !== 0) {
    throw new CodecError('not-minimal', 'the declaration is not in its canonical form', 0)
  }
  return declaration
}

/** SHA-256 of the canonical form, hex: what the next version names as its `previous`. */
export function declarationHash(declaration: DeviceInformationDeclaration): string {
  return hash('sha256', encodeDeclaration(declaration))
}

/** The declaration itself when it may be signed; throws OnboardingError `input-invalid` with the rule that it breaks. */
export function checkDeclaration(declaration: DeviceInformationDeclaration): DeviceInformationDeclaration {
  const fault = faultOf(declaration)
  if (fault !== undefined) throw new OnboardingError('input-invalid', { field: 'declaration', rule: fault })
  return declaration
}

/** The rule that a declaration of the right shape breaks, or undefined. */
function faultOf(declaration: DeviceInformationDeclaration): string | undefined {
  const { version, previous, owner, authorizedOnboarders, manufacturer, serial, model, issuedAt } = declaration
  if (!Number.isSafeInteger(version) || version < 1) return 'version is not a count from 1'
  if (!Number.isSafeInteger(issuedAt) || issuedAt < 0) return 'issuedAt is not a time'
  for (const [name, text] of Object.entries({ manufacturer, serial, model }))
    if (!isText(text)) return `${name} is no name`
  if (previous === '' ? version !== 1 : version === 1 || !/^[0-9a-f]{64}$/.test(previous)) {
    return 'previous is not the hash of the version before'
  }
  if (authorizedOnboarders.length > maxOnboarders) return `more than ${maxOnboarders} onboarders`
  const { intent } = declaration
  if (intent !== undefined && !isMudUrl(intent.mudUrl)) return 'mudUrl is no https URL of at most 255 characters'
  const parties = [owner, ...authorizedOnboarders]
  for (const party of [...parties, ...(intent === undefined ? [] : [intent.keeper])]) {
    const fault = partyFault(party)
    if (fault !== undefined) return fault
  }
  if (new Set(parties.map(({ id }) => id)).size !== parties.length) return 'two parties have the same id'
  // A key says who somebody is. If two had the same, an onboarder would be the owner.
  const domains = parties.flatMap(party => party.domains)
  return new Set(domains).size === domains.length ? undefined : 'a key is named twice'
}

function partyFault({ id, name, domains }: Party): string | undefined {
  if (!isText(id) || !isText(name)) return 'a party has no name'
  if (domains.length === 0 || domains.length > maxDomains) return `a party has no key, or more than ${maxDomains}`
  return domains.every(isDomainId) ? undefined : 'a key is not named by its identifier or hash in base64'
}

/** Visible text, so that nothing reads as another name than it is. */
function isText(text: string): boolean {
  return text.length > 0 && text.length <= maxText && text.isWellFormed() && !/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u.test(text)
}

/** 20 bytes of SHA-1 or 32 of SHA-256. */
function isDomainId(text: string): boolean {
  try {
    const { length } = decodeBase64(text)
    return length === 20 || length === 32
  } catch {
    return false
  }
}

function partyOf(json: Json | undefined): Party {
  const { domains, id, name } = withMembers(isJsonObject(json) ? json : {}, partyMembers, 'party')
  if (!Array.isArray(domains)) refuse('domains is not a list')
  return { id: textOf(id, 'id'), name: textOf(name, 'name'), domains: domains.map(domain => textOf(domain, 'domain')) }
}

function declaredIntent(json: Json): DeclaredIntent {
  const { keeper, mudUrl } = withMembers(isJsonObject(json) ? json : {}, intentMembers, 'intent')
  return { keeper: partyOf(keeper), mudUrl: textOf(mudUrl, 'mudUrl') }
}

function withMembers(json: JsonObject, names: readonly string[], what: string): JsonObject {
  const found = Object.keys(json)
  if (found.length === names.length && names.every(name => Object.hasOwn(json, name))) return json
  return refuse(`a ${what} has the members ${names.join(', ')} and no others`)
}

function textOf(json: Json | undefined, name: string): string {
  return typeof json === 'string' ? json : refuse(`${name} is not a text`)
}

function countOf(json: Json | undefined, name: string): number {
  return typeof json === 'number' && Number.isSafeInteger(json) ? json : refuse(`${name} is not a whole number`)
}

function refuse(why: string): never {
  throw new CodecError('bad-value', `not a device information declaration: ${why}`, 0)
}
