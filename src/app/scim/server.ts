import { decodeJsonObject, type JsonObject } from '../../codec/json.ts'
import { scannedManufacturer } from '../../domain/bootstrapping.ts'
import { type Device, deviceId } from '../../domain/device.ts'
import { OnboardingError } from '../../domain/error.ts'
import type { Log, Store } from '../../domain/port.ts'
import { keyHash, parseBootstrappingUri } from '../../protocol/dpp/uri.ts'
import { provision } from '../../role/supply-chain/provision.ts'
import { defined } from '../defined.ts'
import type { WantedDpp } from './dpp.ts'
import { badRequest, ScimError, scimFailure } from './failure.ts'
import { matches, parseFilter, type Term } from './filter.ts'
import { deviceResource, isActive, projected, readPatch, readResource, type Wanted } from './resource.ts'
import { maxResults, resourceTypes, schemaResources, scimMessage, scimRoot, serviceProviderConfig } from './schema.ts'

/** Operations of the API that SCIM is another language for: who may call them may do the same here. */
export interface ScimOperations {
  /** Each checks the caller, records the reading, and throws OnboardingError. @returns who calls, for the record */
  permit(
    operation: 'deviceList' | 'deviceShow' | 'deviceExpect' | 'dppKeyAdd' | 'deviceWithdraw' | 'approvalGrant',
  ): Promise<string>
  expect(device: { readonly manufacturer: string; readonly serial: string; readonly model: string }): Promise<unknown>
  expectKey(device: {
    readonly uri: string
    readonly manufacturer?: string
    readonly serial?: string
    readonly model: string
  }): Promise<unknown>
  withdraw(id: string): Promise<unknown>
  grant(id: string): Promise<unknown>
}

export interface ScimRequest {
  readonly request: Request
  readonly id: string
  readonly operations: ScimOperations
}

const maxBody = 0x1_0000
/** Devices that a list looks through; beyond, a filter by serial number is wanted. */
const maxScanned = 200_000

/** SCIM 2.0 (RFC 7644) for devices (RFC 9944), under `/scim/v2`. Never rejects. */
export function createScim({ store, log }: { readonly store: Store; readonly log: Log }) {
  return async (asked: ScimRequest): Promise<Response> => {
    try {
      return await answer(store, asked)
    } catch (error) {
      return scimFailure(error, { id: asked.id, log })
    }
  }
}

type Visit = ScimRequest & { readonly url: URL; readonly base: string; readonly store: Store }

async function answer(store: Store, asked: ScimRequest): Promise<Response> {
  const url = new URL(asked.request.url)
  const visit: Visit = { ...asked, url, base: `${url.origin}${scimRoot}`, store }
  const [kind = '', id, ...more] = url.pathname
    .slice(scimRoot.length + 1)
    .split('/')
    .map(decoded)
  const { method } = asked.request
  if (more.length > 0) throw nothing()
  if (kind === 'Devices') return id === undefined || id === '' ? collection(visit, method) : single(visit, method, id)
  if (method !== 'GET' && method !== 'HEAD') throw notAllowed()
  // Discovery says nothing about this site, and clients need it before they have a token.
  if (kind === 'ServiceProviderConfig' && id === undefined) return json(200, serviceProviderConfig(visit.base))
  if (kind === 'Schemas') return discovery(visit, schemaResources(visit.base), id)
  if (kind === 'ResourceTypes') return discovery(visit, resourceTypes(visit.base), id)
  throw nothing()
}

function decoded(part: string): string {
  try {
    return decodeURIComponent(part)
  } catch {
    throw nothing()
  }
}

const nothing = () => new ScimError(404, undefined, 'There is nothing under that name.')
const notAllowed = () => new ScimError(405, undefined, 'Not possible here.')

function json(status: number, body: object, headers: Readonly<Record<string, string>> = {}): Response {
  return new Response(JSON.stringify(body), {
    status,
    headers: { 'content-type': 'application/scim+json', ...headers },
  })
}

function discovery({ url }: Visit, all: readonly { readonly id: string }[], id: string | undefined): Response {
  // RFC 7644 section 4: a filter here is forbidden, not ignored.
  if (url.searchParams.has('filter')) throw new ScimError(403, undefined, 'No filter here.')
  if (id === undefined) return json(200, listOf(all, { total: all.length, startIndex: 1 }))
  const found = all.find(each => each.id.toLowerCase() === id.toLowerCase())
  if (found === undefined) throw nothing()
  return json(200, found)
}

function listOf(resources: readonly object[], { total, startIndex }: { total: number; startIndex: number }) {
  return {
    schemas: [scimMessage.list],
    totalResults: total,
    startIndex,
    itemsPerPage: resources.length,
    Resources: resources,
  }
}

async function collection(visit: Visit, method: string): Promise<Response> {
  if (method === 'GET' || method === 'HEAD') return list(visit)
  if (method === 'POST') return create(visit)
  throw notAllowed()
}

async function single(visit: Visit, method: string, id: string): Promise<Response> {
  if (method === 'GET' || method === 'HEAD') {
    await visit.operations.permit('deviceShow')
    return shown(visit, 200, await listedDevice(visit, id))
  }
  if (method === 'PUT') return replace(visit, id)
  if (method === 'PATCH') return patch(visit, id)
  if (method === 'DELETE') return remove(visit, id)
  throw notAllowed()
}

async function shown(visit: Visit, status: number, device: Device): Promise<Response> {
  const location = `${visit.base}/Devices/${device.id}`
  return json(status, projected(await resourceOf(visit, device), visit.url.searchParams), { location })
}

async function resourceOf({ store, base }: Visit, device: Device): Promise<JsonObject> {
  const { bootstrappingKey: id } = device
  const key = id === undefined ? undefined : await store.read(tables => tables.bootstrappingKey.get(id))
  return deviceResource(device, base, key)
}

/** What was removed here is not found here, though the record keeps it. */
async function listedDevice({ store }: Visit, id: string): Promise<Device> {
  const device = /^[0-9a-f]{24}$/.test(id) ? await store.read(tables => tables.device.get(id)) : undefined
  if (device === undefined || device.provisioning?.removed === true) throw nothing()
  return device
}

async function list(visit: Visit): Promise<Response> {
  await visit.operations.permit('deviceList')
  const query = visit.url.searchParams
  const startIndex = Math.max(1, wholeNumber(query, 'startIndex') ?? 1)
  const count = Math.min(maxResults, Math.max(0, wholeNumber(query, 'count') ?? 100))
  const filter = query.get('filter')
  const terms = filter === null ? [] : parseFilter(filter)
  const page: Device[] = []
  let total = 0
  for await (const device of candidates(visit.store, terms)) {
    if (device.provisioning?.removed === true || !matches(device, terms)) continue
    total++
    if (total >= startIndex && page.length < count) page.push(device)
  }
  const resources = await Promise.all(page.map(async device => projected(await resourceOf(visit, device), query)))
  return json(200, listOf(resources, { total, startIndex }))
}

function wholeNumber(query: URLSearchParams, name: string): number | undefined {
  const text = query.get(name)
  if (text === null) return undefined
  if (!/^-?\d{1,9}$/.test(text)) throw badRequest('invalidValue', `${name} is a whole number`)
  return Number(text)
}

/** In order of id. The record is searched by what it has an index for, and looked through for the rest. */
async function* candidates(store: Store, terms: readonly Term[]): AsyncGenerator<Device> {
  const textOf = (attribute: Term['attribute']) => {
    const value = terms.find(each => each.attribute === attribute)?.value
    return typeof value === 'string' ? value : undefined
  }
  const id = textOf('id')
  if (id !== undefined) {
    const device = await store.read(tables => tables.device.get(id.slice(0, 100)))
    if (device !== undefined) yield device
    return
  }
  const index = defined({ manufacturer: textOf('manufacturer'), serial: textOf('serialnumber') })
  if (Object.values(index).some(value => value.includes('\0') || !value.isWellFormed())) return
  let scanned = 0
  for (let after = ''; ; ) {
    const page = await store.read(tables => tables.device.find(index, { after, limit: 1000 }))
    yield* page
    scanned += page.length
    const last = page.at(-1)
    if (last === undefined || page.length < 1000) return
    if (scanned >= maxScanned) throw badRequest('tooMany', 'too many devices: filter by serialNumber')
    after = last.id
  }
}

/** A device that an asset system announces is expected from then on (`mooring device expect`). */
async function create(visit: Visit): Promise<Response> {
  const { operations, store } = visit
  const by = await operations.permit('deviceExpect')
  const wanted = readResource(await bodyOf(visit.request))
  const { model = '', active = true } = wanted
  const { manufacturer, serial } = identityOf(wanted)
  const id = deviceId(manufacturer, serial)
  const known = await store.read(tables => tables.device.get(id))
  if (known !== undefined && (known.provisioning?.removed !== true || known.standing === 'withdrawn')) {
    // Whoever waits was heard before it was announced: that is no conflict.
    if (known.standing !== 'waiting') throw new ScimError(409, 'uniqueness', `this device is here already, as ${id}`)
  }
  if (!active) throw badRequest('invalidValue', 'a device that may not come in need not be announced')
  if (wanted.dpp === undefined) await operations.expect({ manufacturer, serial, model })
  else await expectByKey(visit, wanted.dpp, { manufacturer, serial, model })
  return shown(visit, 201, await provision(store, id, namesOf(wanted), by))
}

/** Which device is meant. By its bootstrapping key alone it is one that nobody vouches for but the asset system. */
function identityOf({ manufacturer, serialNumber, dpp }: Wanted): {
  readonly manufacturer: string
  readonly serial: string
} {
  if (dpp === undefined) {
    if (manufacturer !== undefined && serialNumber !== undefined) return { manufacturer, serial: serialNumber }
    throw badRequest('invalidValue', 'manufacturer and serialNumber are needed')
  }
  if (serialNumber !== undefined && dpp.serialNumber !== undefined && serialNumber !== dpp.serialNumber) {
    throw badRequest('invalidValue', 'two serial numbers, and they differ')
  }
  const serial = serialNumber ?? dpp.serialNumber ?? keyHash(parseBootstrappingUri(dpp.uri)).toString('hex')
  return { manufacturer: manufacturer ?? scannedManufacturer, serial }
}

async function expectByKey(
  { operations }: Visit,
  { uri }: WantedDpp,
  { manufacturer, ...device }: { readonly manufacturer: string; readonly serial: string; readonly model: string },
): Promise<void> {
  await operations.permit('dppKeyAdd')
  await operations.expectKey({ uri, ...device, ...(manufacturer === scannedManufacturer ? {} : { manufacturer }) })
}

type Names = Pick<Wanted, 'displayName' | 'externalId'>

function namesOf({ displayName, externalId }: Wanted): Names {
  return defined({ displayName, externalId })
}

async function replace(visit: Visit, id: string): Promise<Response> {
  await visit.operations.permit('deviceShow')
  const device = await listedDevice(visit, id)
  const wanted = readResource(await bodyOf(visit.request))
  if (wanted.active === undefined) throw badRequest('invalidValue', 'active is required')
  const { manufacturer, serialNumber, model, dpp } = wanted
  const key = dpp === undefined ? undefined : keyHash(parseBootstrappingUri(dpp.uri)).toString('hex')
  const changed =
    (key ?? device.bootstrappingKey) !== device.bootstrappingKey ||
    (manufacturer ?? device.manufacturer) !== device.manufacturer ||
    (serialNumber ?? device.serial) !== device.serial ||
    (model ?? device.model) !== device.model
  if (changed) throw badRequest('mutability', 'who made a device, and which one it is, does not change')
  return apply(visit, device, { names: namesOf(wanted), active: wanted.active })
}

async function patch(visit: Visit, id: string): Promise<Response> {
  await visit.operations.permit('deviceShow')
  const device = await listedDevice(visit, id)
  const { removed, active, ...wanted } = readPatch(await bodyOf(visit.request))
  const { displayName, externalId } = { ...device.provisioning, ...wanted }
  const kept = (name: keyof Wanted, text: string | undefined) => (removed.includes(name) ? undefined : text)
  const names = { displayName: kept('displayName', displayName), externalId: kept('externalId', externalId) }
  return apply(visit, device, { names: defined(names), ...defined({ active }) })
}

/** All that is asked for is permitted before any of it is done. */
async function apply(
  visit: Visit,
  device: Device,
  { names, active = isActive(device) }: { readonly names: ReturnType<typeof namesOf>; readonly active?: boolean },
): Promise<Response> {
  const { operations, store } = visit
  const { id } = device
  const turns = active !== isActive(device)
  if (turns && active && device.standing === 'withdrawn') {
    throw badRequest('mutability', 'a device that was withdrawn does not come back')
  }
  const { displayName, externalId } = device.provisioning ?? {}
  const renames = names.displayName !== displayName || names.externalId !== externalId
  let by = ''
  if (renames || !turns) by = await operations.permit('deviceExpect')
  if (turns) await operations.permit(active ? 'approvalGrant' : 'deviceWithdraw')
  if (renames) await provision(store, id, names, by)
  if (turns) await (active ? operations.grant(id) : operations.withdraw(id))
  return shown(visit, 200, await listedDevice(visit, id))
}

/** Withdrawn, and not listed here any more; evidence stays. */
async function remove(visit: Visit, id: string): Promise<Response> {
  const { operations, store } = visit
  const by = await operations.permit('deviceWithdraw')
  const device = await listedDevice(visit, id)
  await operations.withdraw(id)
  await provision(store, id, { ...device.provisioning, removed: true }, by)
  return new Response(null, { status: 204 })
}

async function bodyOf(request: Request): Promise<JsonObject> {
  const type = request.headers.get('content-type') ?? ''
  if (!/^application\/(scim\+)?json\s*(;|$)/i.test(type)) {
    throw new ScimError(415, 'invalidSyntax', 'the body is application/scim+json')
  }
  const chunks: Uint8Array[] = []
  let length = 0
  for await (const chunk of request.body ?? []) {
    length += chunk.length
    if (length > maxBody) throw new OnboardingError('request-too-large', { limit: maxBody })
    chunks.push(chunk)
  }
  return decodeJsonObject(Buffer.concat(chunks), { size: maxBody, depth: 8, count: 1000 })
}
