import { isJsonObject, type Json, type JsonObject } from '../../codec/json.ts'
import type { BootstrappingKeyRecord } from '../../domain/bootstrapping.ts'
import type { Device } from '../../domain/device.ts'
import { dppResource, readDpp, type WantedDpp } from './dpp.ts'
import { badRequest } from './failure.ts'
import { birthSchema, deviceSchema, dppSchema, scimMessage } from './schema.ts'

/** May it come in, as far as people decided? */
export function isActive({ standing }: Device): boolean {
  return standing === 'expected' || standing === 'approved'
}

export function deviceResource(device: Device, base: string, key?: BootstrappingKeyRecord): JsonObject {
  const { id, provisioning = {}, mudUrl, manufacturer, serial: serialNumber, model, lifecycle, rung } = device
  const { displayName, externalId } = provisioning
  const optional = { externalId, displayName, mudUrl }
  return {
    schemas: [deviceSchema, birthSchema, ...(key === undefined ? [] : [dppSchema])],
    id,
    ...Object.fromEntries(Object.entries(optional).filter((each): each is [string, string] => each[1] !== undefined)),
    active: isActive(device),
    [birthSchema]: {
      manufacturer,
      serialNumber,
      model,
      lifecycle,
      rung,
      standing: device.standing,
      owner: device.owner,
    },
    ...(key === undefined ? {} : { [dppSchema]: dppResource(key) }),
    meta: { resourceType: 'Device', location: `${base}/Devices/${id}` },
  }
}

/** What a client can say of a device. */
export interface Wanted {
  readonly displayName?: string
  readonly externalId?: string
  readonly active?: boolean
  readonly manufacturer?: string
  readonly serialNumber?: string
  readonly model?: string
  readonly dpp?: WantedDpp
}

/** Those that clients may write, by lower-case name. */
const writable = { displayname: 'displayName', externalid: 'externalId', active: 'active' } as const
const birth = { manufacturer: 'manufacturer', serialnumber: 'serialNumber', model: 'model' } as const
/** Said by the service: from a client they mean nothing and are passed over (RFC 7644 section 3.3). */
const readOnly: ReadonlySet<string> = new Set(['id', 'meta', 'groups', 'mudurl'])
const birthReadOnly: ReadonlySet<string> = new Set(['lifecycle', 'rung', 'standing', 'owner'])

/** A resource as a client sends it, for POST and PUT. Unknown members are refused. Throws ScimError. */
export function readResource(body: JsonObject): Wanted {
  const { schemas } = body
  if (!Array.isArray(schemas) || !schemas.some(each => sameUrn(each, deviceSchema))) {
    throw badRequest('invalidSyntax', `schemas must have ${deviceSchema}`)
  }
  const unknown = schemas.find(each => ![deviceSchema, birthSchema, dppSchema].some(urn => sameUrn(each, urn)))
  if (unknown !== undefined) throw badRequest('invalidSyntax', `no such schema: ${String(unknown).slice(0, 100)}`)
  let wanted: Wanted = {}
  for (const [name, value] of Object.entries(body)) {
    const lower = name.toLowerCase()
    if (lower === 'schemas' || readOnly.has(lower)) continue
    if (sameUrn(name, dppSchema)) wanted = { ...wanted, dpp: readDpp(value) }
    else wanted = { ...wanted, ...(sameUrn(name, birthSchema) ? readBirth(value) : readMember(name, value)) }
  }
  return wanted
}

function sameUrn(value: Json, urn: string): boolean {
  return typeof value === 'string' && value.toLowerCase() === urn.toLowerCase()
}

function readMember(name: string, value: Json): Wanted {
  const lower = name.toLowerCase()
  if (!Object.hasOwn(writable, lower)) throw badRequest('invalidSyntax', `no such attribute: ${name.slice(0, 100)}`)
  const member = writable[lower as keyof typeof writable]
  // RFC 7643 section 2.5: null is as good as absent.
  if (value === null) return {}
  return member === 'active' ? { active: booleanOf(name, value) } : { [member]: textOf(name, value) }
}

function readBirth(value: Json): Wanted {
  if (!isJsonObject(value)) throw badRequest('invalidSyntax', `${birthSchema} is an object`)
  let wanted: Wanted = {}
  for (const [name, text] of Object.entries(value)) {
    const lower = name.toLowerCase()
    if (birthReadOnly.has(lower)) continue
    if (!Object.hasOwn(birth, lower)) throw badRequest('invalidSyntax', `no such attribute: ${name.slice(0, 100)}`)
    wanted = { ...wanted, [birth[lower as keyof typeof birth]]: textOf(name, text) }
  }
  return wanted
}

function booleanOf(name: string, value: Json): boolean {
  if (typeof value === 'boolean') return value
  // Some clients write it so.
  if (value === 'True' || value === 'False') return value === 'True'
  throw badRequest('invalidValue', `${name.slice(0, 100)} is true or false`)
}

function textOf(name: string, value: Json): string {
  if (typeof value === 'string' && /^[^\p{C}\p{Zl}\p{Zp}]{0,200}$/u.test(value)) return value
  throw badRequest('invalidValue', `${name.slice(0, 100)} is a text of up to 200 visible characters`)
}

const maxOperations = 32

/** RFC 7644 section 3.5.2, for the attributes that can be written. Throws ScimError. */
export function readPatch(body: JsonObject): Wanted & { readonly removed: readonly (keyof Wanted)[] } {
  const { schemas } = body
  if (!Array.isArray(schemas) || !schemas.some(each => sameUrn(each, scimMessage.patch))) {
    throw badRequest('invalidSyntax', `schemas must have ${scimMessage.patch}`)
  }
  const operations = Object.entries(body).find(([name]) => name.toLowerCase() === 'operations')?.[1]
  if (!Array.isArray(operations) || operations.length === 0 || operations.length > maxOperations) {
    throw badRequest('invalidSyntax', `Operations: 1 to ${maxOperations}`)
  }
  let wanted: Wanted = {}
  let removed: (keyof Wanted)[] = []
  for (const each of operations as readonly Json[]) {
    const change = readOperation(each)
    if ('remove' in change) {
      const { [change.remove]: _, ...rest } = wanted
      wanted = rest
      removed.push(change.remove)
    } else {
      wanted = { ...wanted, ...change.set }
      removed = removed.filter(name => !Object.hasOwn(change.set, name))
    }
  }
  return { ...wanted, removed }
}

function readOperation(each: Json): { readonly set: Wanted } | { readonly remove: 'displayName' | 'externalId' } {
  if (!isJsonObject(each)) throw badRequest('invalidSyntax', 'an operation is an object')
  const { op, path, value = null } = each
  const kind = typeof op === 'string' ? op.toLowerCase() : ''
  if (kind !== 'add' && kind !== 'replace' && kind !== 'remove') throw badRequest('invalidSyntax', 'no such operation')
  if (kind === 'remove') {
    if (path === undefined) throw badRequest('noTarget', 'what is to be removed?')
    const name = writableAt(path)
    if (name === 'active') throw badRequest('mutability', 'active is required')
    return { remove: name }
  }
  if (path !== undefined) return { set: readMember(writableAt(path), value) }
  if (!isJsonObject(value)) throw badRequest('invalidValue', 'without a path the value is an object')
  const set: Record<string, unknown> = {}
  for (const [name, member] of Object.entries(value)) Object.assign(set, readMember(writableAt(name), member))
  return { set }
}

function writableAt(path: Json): (typeof writable)[keyof typeof writable] {
  const given = typeof path === 'string' ? path.slice(0, 100) : 'a path that is no text'
  const text = typeof path === 'string' ? path.toLowerCase() : ''
  const urn = `${deviceSchema.toLowerCase()}:`
  const name = text.startsWith(urn) ? text.slice(urn.length) : text
  if (Object.hasOwn(writable, name)) return writable[name as keyof typeof writable]
  const known = readOnly.has(name) || [birthSchema, dppSchema].some(urn => text.startsWith(urn.toLowerCase()))
  if (known) throw badRequest('mutability', `${given} cannot be changed`)
  throw badRequest('invalidPath', `no such attribute: ${given}`)
}

/** RFC 7644 section 3.9, by top-level name: `schemas` and `id` are always there. */
export function projected(resource: JsonObject, query: URLSearchParams): JsonObject {
  const named = (text: string | null) => text?.split(',').map(name => name.trim().toLowerCase())
  const only = named(query.get('attributes'))
  const without = named(query.get('excludedAttributes'))
  if (only === undefined && without === undefined) return resource
  const wants = (name: string, list: readonly string[]) => {
    const lower = name.toLowerCase()
    return list.some(
      each =>
        each === lower ||
        each === `${deviceSchema.toLowerCase()}:${lower}` ||
        each.startsWith(`${lower}:`) ||
        each.startsWith(`${lower}.`),
    )
  }
  return Object.fromEntries(
    Object.entries(resource).filter(([name]) => {
      if (name === 'schemas' || name === 'id') return true
      return only === undefined ? !wants(name, without ?? []) : wants(name, only)
    }),
  )
}
