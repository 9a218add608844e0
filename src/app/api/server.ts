import { type Context, Hono } from 'hono'
import { OnboardingError } from '../../domain/error.ts'
import { scimOperations } from '../scim/operation.ts'
import { scimRoot } from '../scim/schema.ts'
import { createScim } from '../scim/server.ts'
import type { Operation } from './contract/operation.ts'
import { api, type Input, type OperationName } from './contract.ts'
import { decodeCursor } from './cursor.ts'
import { Dispatch } from './dispatch.ts'
import { createEventStreams, type EventStreams, type StreamLimits } from './event-stream.ts'
import { failureProblem } from './failure.ts'
import { accessHandlers } from './handler/access.ts'
import { approvalHandlers } from './handler/approval.ts'
import { auditHandlers } from './handler/audit.ts'
import { authorityHandlers } from './handler/authority.ts'
import { callerHandlers } from './handler/caller.ts'
import { configuratorHandlers } from './handler/configurator.ts'
import { credentialHandlers } from './handler/credential.ts'
import { deviceHandlers } from './handler/device.ts'
import { deviceHoldHandlers } from './handler/device-hold.ts'
import { doctorHandlers } from './handler/doctor.ts'
import { dppHandlers } from './handler/dpp.ts'
import { feedHandlers } from './handler/feed.ts'
import { lifecycleHandlers } from './handler/lifecycle.ts'
import { manifestHandlers } from './handler/manifest.ts'
import { networkHandlers } from './handler/network.ts'
import { ownershipHandlers } from './handler/ownership.ts'
import { policyHandlers } from './handler/policy.ts'
import { recallHandlers } from './handler/recall.ts'
import { siteHandlers } from './handler/site.ts'
import { tokenHandlers } from './handler/token.ts'
import { trustHandlers } from './handler/trust.ts'
import { openapi } from './openapi.ts'
import type { ApiServices } from './service.ts'

/** What is known of the connection that a request came on. */
export interface From {
  readonly address: string
  /** What the other end sent in TLS, leaf first, DER. */
  readonly certificates?: () => readonly Uint8Array[]
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
  const dispatch = new Dispatch(services, options.failuresPerMinute ?? 20, createHandlers(services))
  const serve = createService(dispatch, streams)
  const scim = createScim(services)
  app.all(`${scimRoot}/*`, ({ req, env }) =>
    scim({
      request: req.raw,
      id: env.id,
      operations: scimOperations(dispatch, { ...env, request: req.raw, params: {} }),
    }),
  )
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

function createService(dispatch: Dispatch, streams: EventStreams) {
  return async (name: OperationName, { req, env }: Visited): Promise<Response> => {
    const visit = { ...env, request: req.raw, params: req.param() }
    const admitted = await dispatch.admit(name, visit)
    if (name === 'eventList' && wantsStream(req.raw)) {
      const { query } = admitted.input as Input<(typeof api)['eventList']>
      const permitted = () => dispatch.stillPermitted(name, visit)
      return streamResponse(streams, req.header('last-event-id') ?? query.cursor, permitted)
    }
    return jsonResponse(200, JSON.stringify(await dispatch.perform(name, env.id, admitted)))
  }
}

/** All but those of requests that wait: they call the others. */
function createHandlers(services: ApiServices) {
  return {
    ...siteHandlers(services),
    ...deviceHandlers(services),
    ...deviceHoldHandlers(services),
    ...lifecycleHandlers(services),
    ...approvalHandlers(services),
    ...trustHandlers(services),
    ...manifestHandlers(services),
    ...ownershipHandlers(services),
    ...feedHandlers(services),
    ...recallHandlers(services),
    ...policyHandlers(services),
    ...networkHandlers(services),
    ...dppHandlers(services),
    ...configuratorHandlers(services),
    ...accessHandlers(services),
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
