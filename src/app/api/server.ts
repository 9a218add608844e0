import { type Context, Hono } from 'hono'
import { rolesWith, roleWith } from '../../domain/authority.ts'
import { OnboardingError } from '../../domain/error.ts'
import { type Caller, callerText } from '../../domain/site.ts'
import { defined } from '../defined.ts'
import { createAuthentication, createIdentify } from './authentication.ts'
import type { Operation } from './contract/operation.ts'
import { api, type Input, type OperationName } from './contract.ts'
import { decodeCursor } from './cursor.ts'
import { createEventStreams, type EventStreams, type StreamLimits } from './event-stream.ts'
import { failureProblem } from './failure.ts'
import { approvalHandlers } from './handler/approval.ts'
import { auditHandlers } from './handler/audit.ts'
import { authorityHandlers } from './handler/authority.ts'
import { callerHandlers } from './handler/caller.ts'
import { credentialHandlers } from './handler/credential.ts'
import { deviceHandlers } from './handler/device.ts'
import { doctorHandlers } from './handler/doctor.ts'
import { feedHandlers } from './handler/feed.ts'
import { lifecycleHandlers } from './handler/lifecycle.ts'
import { manifestHandlers } from './handler/manifest.ts'
import { ownershipHandlers } from './handler/ownership.ts'
import { recallHandlers } from './handler/recall.ts'
import { siteHandlers } from './handler/site.ts'
import { tokenHandlers } from './handler/token.ts'
import { trustHandlers } from './handler/trust.ts'
import { readInput } from './input.ts'
import { openapi } from './openapi.ts'
import { createReadingRecord } from './reading.ts'
import type { ApiServices, Call, Handlers } from './service.ts'

/** What is known of the connection that a request came on. */
export interface From {
  readonly address: string
  /** What the other end sent in TLS, leaf first, DER. */
  certificates?(): readonly Uint8Array[]
}

export interface ApiServer {
  /** Answers every request; never rejects. */
  fetch(request: Request, from?: From): Promise<Response>
  /** Ends the event streams, which would otherwise keep connections open. */
  close(): void
}

export interface ApiOptions {
  readonly streams?: Partial<StreamLimits>
  /** Default 20. */
  readonly failuresPerMinute?: number
}

/** What one request brings along. */
interface Visit extends Required<From> {
  readonly id: string
}

type Visited = Context<{ Bindings: Visit }>

/** The API of a site over HTTP. Who may do what is in the contract; an operation without a role there is for nobody. */
export function createApi(services: ApiServices, options: ApiOptions = {}): ApiServer {
  const { random, log } = services
  const streams = createEventStreams({ ...services, limits: options.streams ?? {} })
  const app = new Hono<{ Bindings: Visit }>()
  const serve = createService(services, options, streams)
  for (const name of Object.keys(api) as OperationName[]) {
    const { method, path } = api[name]
    app.on(method, routeOf(path), context => serve(name, context))
  }
  const document = JSON.stringify(openapi(services.site.version))
  app.get('/openapi.json', () => jsonResponse(200, document))
  for (const [path, allowed] of methodsByPath()) {
    app.all(path, () => {
      throw new OnboardingError('method-not-allowed', { allow: allowed.join(', ') })
    })
  }
  app.notFound(() => {
    throw new OnboardingError('not-found')
  })
  app.onError((error, { env: { id } }) => failureResponse(error, { id, log }))
  return {
    async fetch(request, { address, certificates = () => [] }: From = { address: 'unknown' }) {
      const id = Buffer.from(random(9)).toString('hex')
      const response = await app.fetch(request, { id, address, certificates })
      response.headers.set('x-request-id', id)
      for (const [name, value] of securityHeaders) response.headers.set(name, value)
      return response
    },
    close: () => streams.close(),
  }
}

function createService(services: ApiServices, options: ApiOptions, streams: EventStreams) {
  const handlers = createHandlers(services)
  const { failuresPerMinute = 20 } = options
  const authenticate = createAuthentication({ ...services, failuresPerMinute })
  const identify = createIdentify(services)
  const recordReading = createReadingRecord(services)

  async function callerOf(operation: Operation, { req, env }: Visited): Promise<Caller | undefined> {
    if (operation.authority.length === 0) return undefined
    const caller = await authenticate({ ...credentialOf(req.raw, env), address: env.address })
    if (roleWith(caller.roles, operation.authority) !== undefined) return caller
    throw notPermitted(caller, operation)
  }

  return async (name: OperationName, context: Visited): Promise<Response> => {
    const operation: Operation = api[name]
    const { req, env } = context
    const caller = await callerOf(operation, context)
    const input = await readInput(operation, req.raw, req.param())
    if (caller !== undefined) await recordReading(caller, name)
    if (name === 'eventList' && wantsStream(req.raw)) {
      const { query } = input as Input<(typeof api)['eventList']>
      return streamResponse(streams, req.header('last-event-id') ?? query.cursor, () =>
        stillPermitted(operation, credentialOf(req.raw, env)),
      )
    }
    const call: Call = { id: env.id, by: caller === undefined ? '' : callerText(caller), ...defined({ caller }) }
    // The input was validated against the schemas that its type comes from.
    const handle = handlers[name] as (input: unknown, call: Call) => Promise<unknown>
    return jsonResponse(200, JSON.stringify(await handle(input, call)))
  }

  async function stillPermitted(operation: Operation, credential: ReturnType<typeof credentialOf>): Promise<boolean> {
    try {
      const { roles } = await identify(credential)
      return roleWith(roles, operation.authority) !== undefined
    } catch (error) {
      if (error instanceof OnboardingError && error.entry.status < 500) return false
      throw error
    }
  }
}

function credentialOf(request: Request, { certificates }: Visit) {
  return { authorization: request.headers.get('authorization'), certificates: certificates() }
}

function notPermitted({ roles }: Caller, { authority }: Operation): OnboardingError {
  return new OnboardingError('not-permitted', {
    role: roles.join(', '),
    needed: authority.join(' or '),
    roles: rolesWith(authority).join(', '),
  })
}

function createHandlers(services: ApiServices): Handlers {
  return {
    ...siteHandlers(services),
    ...deviceHandlers(services),
    ...lifecycleHandlers(services),
    ...approvalHandlers(services),
    ...trustHandlers(services),
    ...manifestHandlers(services),
    ...ownershipHandlers(services),
    ...feedHandlers(services),
    ...recallHandlers(services),
    ...credentialHandlers(services),
    ...authorityHandlers(services),
    ...auditHandlers(services),
    ...tokenHandlers(services),
    ...doctorHandlers(services),
    ...callerHandlers(services),
  }
}

function routeOf(path: string): string {
  return path.replace(/\{(\w+)\}/g, ':$1')
}

function methodsByPath(): Map<string, string[]> {
  const methods = new Map<string, string[]>([['/openapi.json', ['GET']]])
  for (const { method, path } of Object.values<Operation>(api)) {
    const route = routeOf(path)
    methods.set(route, [...(methods.get(route) ?? []), method])
  }
  return methods
}

/** A HEAD has no body to stream into. */
function wantsStream({ method, headers }: Request): boolean {
  return method === 'GET' && /(^|[\s,])text\/event-stream\b/i.test(headers.get('accept') ?? '')
}

function streamResponse(
  streams: EventStreams,
  cursor: string | undefined,
  permitted: () => Promise<boolean>,
): Response {
  const body = streams.open(cursor === undefined ? {} : decodeCursor(cursor), permitted)
  // Without a word against it, some proxies gather the answer first.
  return new Response(body, { headers: { 'content-type': 'text/event-stream', 'x-accel-buffering': 'no' } })
}

/** No browser has business here but through a script that was given a token; it must not guess types, frame or cache. */
const securityHeaders: readonly (readonly [string, string])[] = [
  ['cache-control', 'no-store'],
  ['content-security-policy', "default-src 'none'; frame-ancestors 'none'"],
  ['cross-origin-resource-policy', 'same-origin'],
  ['referrer-policy', 'no-referrer'],
  ['x-content-type-options', 'nosniff'],
  ['x-frame-options', 'DENY'],
]

function jsonResponse(status: number, body: string): Response {
  return new Response(body, { status, headers: { 'content-type': 'application/json' } })
}

function failureResponse(error: unknown, request: Parameters<typeof failureProblem>[1]): Response {
  const document = failureProblem(error, request)
  const headers = new Headers({ 'content-type': 'application/problem+json' })
  const { code, status } = document
  // RFC 6750 section 3.
  if (code === 'not-authenticated') headers.set('www-authenticate', 'Bearer realm="mooring"')
  if (code === 'not-permitted') headers.set('www-authenticate', 'Bearer realm="mooring", error="insufficient_scope"')
  if (status === 429) headers.set('retry-after', '60')
  if (status === 503) headers.set('retry-after', '5')
  if (code === 'method-not-allowed') headers.set('allow', String(document.facts['allow']))
  return new Response(JSON.stringify(document), { status, headers })
}
