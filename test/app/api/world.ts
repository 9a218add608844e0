import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import type * as z from 'zod'
import { memoryKeyStore } from '../../../src/adapter/key/memory.ts'
import { createSecretBox } from '../../../src/adapter/key/secret-box.ts'
import type { Operation } from '../../../src/app/api/contract/operation.ts'
import { api, type Given, type OperationName, type Reply } from '../../../src/app/api/contract.ts'
import { examples } from '../../../src/app/api/example.ts'
import { type ApiOptions, type ApiServer, createApi, type From } from '../../../src/app/api/server.ts'
import type { ApiServices } from '../../../src/app/api/service.ts'
import { defined } from '../../../src/app/defined.ts'
import { Secret } from '../../../src/crypto/secret.ts'
import type { BundleName, RoleName } from '../../../src/domain/authority.ts'
import { deviceId } from '../../../src/domain/device.ts'
import { OnboardingError } from '../../../src/domain/error.ts'
import type { Log } from '../../../src/domain/port.ts'
import { createAccess } from '../../../src/role/authorization/access.ts'
import { createApproval } from '../../../src/role/authorization/approval.ts'
import { createCallerDirectory } from '../../../src/role/authorization/caller.ts'
import { createConfirmation } from '../../../src/role/authorization/confirmation.ts'
import { createRadiusClients } from '../../../src/role/authorization/radius-client.ts'
import { createHandOver } from '../../../src/role/lifecycle/hand-over.ts'
import { createLifecycle } from '../../../src/role/lifecycle/lifecycle.ts'
import { type SiteAuthority, setUpAuthority } from '../../../src/role/onboarding/authority.ts'
import { rollAuthority } from '../../../src/role/onboarding/authority-generation.ts'
import { createDeviceHolds } from '../../../src/role/onboarding/device-hold.ts'
import { createRevocation, defaultCrlValidity, type Revocation } from '../../../src/role/onboarding/revocation.ts'
import { createSiteConfigurator } from '../../../src/role/onboarding/site-configurator.ts'
import { createSiteOwnership } from '../../../src/role/ownership/site-ownership.ts'
import { testPolicyServices } from '../../policy.ts'
import { openTestStore } from '../../store.ts'

export const start = Date.parse('2026-11-20T08:00:00Z')

/** What was logged, as text that a search for secrets can read. */
export interface Lines extends Log {
  readonly lines: { readonly level: string; readonly facts: Record<string, unknown>; readonly message: string }[]
}

export function recordingLog(): Lines {
  const lines: Lines['lines'] = []
  const at = (level: string) => (facts: Readonly<Record<string, unknown>>, message: string) => {
    lines.push({ level, facts: { ...facts }, message })
  }
  return { lines, info: at('info'), warn: at('warn'), error: at('error') }
}

export interface Answer {
  readonly status: number
  readonly headers: Headers
  readonly text: string
  readonly json: Record<string, unknown>
}

/** A site without sockets: everything that the API needs, over a store of its own. */
export interface World {
  readonly services: ApiServices
  readonly server: ApiServer
  readonly log: Lines
  readonly tokens: Readonly<Record<BundleName, string>>
  /** Milliseconds. */
  readonly pass: (time: number) => void
  readonly makeToken: (
    role: RoleName,
    lifetimeDays?: number,
    party?: string,
  ) => Promise<{ readonly id: string; readonly text: string }>
  /** One request, as it stands. */
  readonly ask: (
    path: string,
    init?: RequestInit & { readonly token?: string | undefined; readonly from?: From },
  ) => Promise<Answer>
  /** A call that must succeed, and whose reply must be what the contract says and not a member more. */
  readonly call: <N extends OperationName>(
    name: N,
    given: Given<(typeof api)[N]>,
    token?: string,
  ) => Promise<Reply<(typeof api)[N]>>
  readonly close: () => Promise<void>
}

/** A Configurator that nothing reaches. */
function testConfigurator(
  { store, clock, log, revocation }: Pick<ApiServices, 'store' | 'clock' | 'log'> & { readonly revocation: Revocation },
  authority: () => SiteAuthority,
): ApiServices['configurator'] {
  return createSiteConfigurator({
    ...{ store, clock, log, revocation, authority, random: randomBytes, keys: memoryKeyStore() },
    schedule: () => () => {},
    box: createSecretBox(new Secret('a key for tests'), 'test'),
    admission: { admit: () => Promise.reject(new Error('nobody comes here')) },
    policy: { network: 'harbour-iot', owners: ['harbour'], credentialLifetimeDays: 365, retryAfterSeconds: 10 },
  })
}

/** Access points on record; none of them answers. */
function testNetworkAccess({
  store,
  clock,
  log,
}: Pick<ApiServices, 'store' | 'clock' | 'log'>): ApiServices['networkAccess'] {
  const key = new Secret('a key for tests')
  const box = createSecretBox(key, 'test')
  const clients = createRadiusClients({ store, clock, log, random: randomBytes, box })
  return { clients, watch: { disconnect: async () => false } }
}

export async function openWorld(
  options: ApiOptions & { readonly services?: Partial<ApiServices> } = {},
): Promise<World> {
  let now = start
  const clock = () => now
  const opened = await openTestStore({ clock })
  const { store } = opened
  const log = recordingLog()
  const place = {
    store,
    keys: memoryKeyStore(),
    clock,
    network: 'harbour-iot',
    hosts: ['registrar.harbour.example'],
    curve: 'P-256',
  } as const
  let authority = await setUpAuthority(place)
  const access = createAccess({ store, clock, random: randomBytes })
  const revocation = createRevocation({
    store,
    clock,
    issuers: () => [authority.issuing],
    crlValidity: defaultCrlValidity,
  })
  const owners = ['harbour']
  const lifecycle = createLifecycle({ store, clock, revocation, owners, onboardingWindow: 3_600_000 })
  const services: ApiServices = {
    store,
    clock,
    random: randomBytes,
    log,
    access,
    confirmation: createConfirmation({ store, clock, random: randomBytes }),
    callers: createCallerDirectory({ store, clock, own: () => [authority.root, authority.issuing.certificate] }),
    approval: createApproval(store),
    revocation,
    holds: createDeviceHolds({ store, clock, revocation }),
    networkAccess: testNetworkAccess({ store, clock, log }),
    configurator: testConfigurator({ store, clock, log, revocation }, () => authority),
    lifecycle,
    handOver: createHandOver({ store, clock, lifecycle, owners }),
    recallWork: { wake() {} },
    policies: testPolicyServices({ store, clock, revocation }),
    siteAuthority: {
      current: () => authority,
      async roll(kind, by) {
        const made = await rollAuthority(place, kind, by)
        authority = await setUpAuthority(place)
        return made
      },
      graceDays: 0,
    },
    ownership: createSiteOwnership({
      store,
      clock,
      random: randomBytes,
      owner: 'harbour',
      root: () => authority.root,
      registrar: () => authority.registrar,
      client: {
        async requestOwnership() {
          throw new OnboardingError('masa-unreachable', { host: 'masa.example' })
        },
      },
    }),
    feedWork: { wake() {} },
    site: {
      network: 'harbour-iot',
      owner: 'harbour',
      version: '0.1.0',
      registrar: authority.registrar.certificate,
      issuing: authority.issuing.certificate,
      root: authority.root,
      onboardingPort: 8443,
    },
    ...options.services,
  }
  const server = createApi(services, options)
  const makeToken = async (role: RoleName, lifetimeDays?: number, party?: string) => {
    const terms = { name: `${role}-1`, roles: [role], by: 'test' }
    const made = await access.create({ ...terms, ...defined({ lifetimeDays, party }) })
    return { id: made.token.id, text: made.secret.revealText() }
  }
  const tokens = {
    administrator: (await makeToken('administrator')).text,
    operator: (await makeToken('operator')).text,
    auditor: (await makeToken('auditor')).text,
  }
  const ask: World['ask'] = async (path, { token, from = { address: '192.0.2.7:4711' }, ...init } = {}) => {
    const headers = new Headers(init.headers)
    if (token !== undefined) headers.set('authorization', `Bearer ${token}`)
    const response = await server.fetch(new Request(`http://site.test${path}`, { ...init, headers }), from)
    const text = await response.text()
    return { status: response.status, headers: response.headers, text, json: text === '' ? {} : JSON.parse(text) }
  }
  return {
    services,
    server,
    log,
    tokens,
    pass(time) {
      now += time
    },
    makeToken,
    ask,
    async call(name, given, token = tokens.administrator) {
      const answer = await ask(...requestOf(name, given as Sent, token))
      assert.equal(answer.status, 200, answer.text)
      return strictly(api[name].reply).parse(answer.json) as never
    },
    async close() {
      server.close()
      await opened.close()
    },
  }
}

export async function withWorld(
  work: (world: World) => Promise<void>,
  options: Parameters<typeof openWorld>[0] = {},
): Promise<void> {
  const world = await openWorld(options)
  try {
    await work(world)
  } finally {
    await world.close()
  }
}

/** The parts of an input, of whatever operation. */
export interface Sent {
  readonly params?: object
  readonly query?: object
  readonly body?: unknown
}

/** Path, query and body of an operation as a request. */
export function requestOf(name: OperationName, given: Sent, token?: string): Parameters<World['ask']> {
  const { method, path }: Operation = api[name]
  const params = given.params as Readonly<Record<string, string>> | undefined
  const place = path.replace(/\{(\w+)\}/g, (_, member: string) => encodeURIComponent(params?.[member] ?? ''))
  const query = new URLSearchParams(given.query as Record<string, string>).toString()
  const body =
    given.body === undefined
      ? {}
      : { body: JSON.stringify(given.body), headers: { 'content-type': 'application/json' } }
  return [query === '' ? place : `${place}?${query}`, { method, token, ...body }]
}

/** Input of the right form for each operation; whether its object exists is another question than who may ask. */
export function inputOf(name: OperationName): Sent {
  const operation: Operation = api[name]
  const params: Record<string, string> = {}
  const values = [deviceId('nobody', '1'), 'b'.repeat(18), 'a'.repeat(64), 'nobody', '1']
  for (const [member, schema] of Object.entries(operation.params?.shape ?? {})) {
    params[member] = values.find(value => (schema as z.ZodType).safeParse(value).success) ?? 'nobody'
  }
  const { body } = examples.operations[name] as { readonly body?: unknown }
  return { params, ...(operation.body === undefined ? {} : { body }) }
}

/** The schema with every object closed, so that a member that is in no contract, a hash say, shows. */
export function strictly(schema: z.ZodType): z.ZodType {
  const { def } = schema as unknown as {
    def: { type: string; shape?: Record<string, z.ZodType>; [member: string]: unknown }
  }
  const rebuild = (changes: object) => {
    const Kind = schema.constructor as new (definition: object) => z.ZodType
    return new Kind({ ...def, ...changes })
  }
  if (def.type === 'object') {
    const shape = Object.fromEntries(Object.entries(def.shape ?? {}).map(([name, each]) => [name, strictly(each)]))
    return (rebuild({ shape }) as z.ZodObject).strict()
  }
  if (def.type === 'array') return rebuild({ element: strictly(def['element'] as z.ZodType) })
  if (def.type === 'optional') return rebuild({ innerType: strictly(def['innerType'] as z.ZodType) })
  return schema
}
