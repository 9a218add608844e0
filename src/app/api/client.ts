import { setTimeout as delay } from 'node:timers/promises'
import * as z from 'zod'
import { isErrorCode, OnboardingError } from '../../domain/error.ts'
import { EventView } from './contract/audit.ts'
import type { Operation } from './contract/operation.ts'
import { type Api, api, type Given, type OperationName, type Reply } from './contract.ts'
import { readEventStream } from './event-source.ts'

export interface ClientOptions {
  /** Scheme, host and port of the site. */
  readonly url: string
  readonly token?: string
  /** Default: that of the platform. */
  readonly fetch?: typeof fetch
  /** Milliseconds that an answer may take; 60 000 when absent. */
  readonly timeout?: number
  /** Breaks off whatever is under way. */
  readonly signal?: AbortSignal
}

type Call<N extends OperationName> =
  Record<never, never> extends Given<Api[N]>
    ? (given?: Given<Api[N]>) => Promise<Reply<Api[N]>>
    : (given: Given<Api[N]>) => Promise<Reply<Api[N]>>

/** An event and the cursor that goes on behind it. */
export interface FollowedEvent {
  readonly event: EventView
  readonly cursor: string
}

export interface FollowOptions {
  /** Where to go on; from the first event when absent. */
  readonly cursor?: string
  readonly signal?: AbortSignal
  /** Told before each new try, with what broke the connection. */
  readonly onRetry?: (error: unknown, milliseconds: number) => void
  readonly sleep?: (milliseconds: number, signal: AbortSignal | undefined) => Promise<void>
}

/**
 * The operations of the contract as methods. They throw OnboardingError: the code of the problem that the site answered
 * with, `service-unreachable` when nobody answers, `service-answer-invalid` when it is no site that answers.
 */
export type ApiClient = { readonly [N in OperationName]: Call<N> } & {
  /**
   * Events as they happen, each once. A connection that breaks is opened again, behind the last event that came; the first
   * one, and a refusal, throw. Ends when the signal aborts.
   */
  follow(options?: FollowOptions): AsyncGenerator<FollowedEvent, void, void>
}

interface Sent {
  readonly params?: Readonly<Record<string, string>>
  readonly query?: Readonly<Record<string, string | number | undefined>>
  readonly body?: unknown
}

export function createClient(options: ClientOptions): ApiClient {
  const { timeout = 60_000, signal } = options
  const methods: Record<string, unknown> = {}
  for (const name of Object.keys(api) as OperationName[]) {
    const operation: Operation = api[name]
    methods[name] = async (given: Sent = {}) => {
      const limit = AbortSignal.timeout(timeout)
      const ended = signal === undefined ? limit : AbortSignal.any([limit, signal])
      const response = await send(options, operation, given, { signal: ended })
      const parsed = operation.reply.safeParse(await jsonOf(response))
      if (!parsed.success) throw notOurs(response, `${name}: ${z.prettifyError(parsed.error)}`)
      return parsed.data
    }
  }
  methods['follow'] = (follow: FollowOptions = {}) => followEvents(options, follow)
  return methods as unknown as ApiClient
}

async function send(
  { url, token, fetch: request = fetch }: ClientOptions,
  { method, path }: Operation,
  { params = {}, query = {}, body }: Sent,
  init: RequestInit,
): Promise<Response> {
  const target = baseOf(url) + path.replace(/\{(\w+)\}/g, (_, name: string) => encodeURIComponent(params[name] ?? ''))
  const search = new URLSearchParams()
  for (const [name, value] of Object.entries(query)) if (value !== undefined) search.set(name, String(value))
  const headers = new Headers(init.headers)
  if (token !== undefined) headers.set('authorization', `Bearer ${token}`)
  if (body !== undefined) headers.set('content-type', 'application/json')
  const response = await request(search.size === 0 ? target : `${target}?${search.toString()}`, {
    ...init,
    method,
    headers,
    // An answer that leads elsewhere would take the token along.
    redirect: 'error',
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  }).catch((cause: unknown) => {
    throw new OnboardingError('service-unreachable', { url, reason: reasonOf(cause) }, { cause })
  })
  if (!response.ok) throw await failureOf(response)
  return response
}

/** Throws OnboardingError `input-invalid` for what is no address of a site. */
function baseOf(url: string): string {
  const parsed = URL.parse(url)
  if (parsed === null || !/^https?:$/.test(parsed.protocol) || parsed.search !== '' || parsed.username !== '') {
    throw new OnboardingError('input-invalid', { field: 'url', rule: 'http://… or https://…' })
  }
  return `${parsed.origin}${parsed.pathname.replace(/\/+$/, '')}`
}

/** Of a failed fetch the useful word is in its cause. */
function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return 'unknown'
  const { cause } = error
  if (cause instanceof AggregateError && cause.errors.length > 0) return reasonOf(cause.errors[0])
  if (cause instanceof Error) return 'code' in cause ? String(cause.code) : cause.message
  return 'code' in error && typeof error.code === 'string' ? error.code : error.message
}

const Problem = z.object({
  code: z.string().max(100),
  facts: z.record(z.string(), z.union([z.string(), z.number(), z.boolean()])).default({}),
  title: z.string().optional(),
  action: z.string().optional(),
})

async function failureOf(response: Response): Promise<OnboardingError> {
  const parsed = Problem.safeParse(await jsonOf(response))
  if (!parsed.success) return notOurs(response, `status ${response.status}`)
  const { code, facts, title = '' } = parsed.data
  // A newer site may know more codes than we do.
  if (!isErrorCode(code)) return notOurs(response, `${code} ${title}`.trim())
  return new OnboardingError(code, facts)
}

function notOurs({ url, status }: Response, reason: string): OnboardingError {
  return new OnboardingError('service-answer-invalid', { url, status, reason: reason.slice(0, 500) })
}

async function jsonOf(response: Response): Promise<unknown> {
  try {
    return await response.json()
  } catch (cause) {
    throw new OnboardingError('service-answer-invalid', { url: response.url, status: response.status }, { cause })
  }
}

const longestPause = 30_000

async function* followEvents(client: ClientOptions, options: FollowOptions): AsyncGenerator<FollowedEvent, void, void> {
  const { signal, onRetry = () => {} } = options
  const sleep = options.sleep ?? pause
  let { cursor } = options
  let retry = 2000
  let failures = 0
  const ended = () => signal?.aborted === true
  for (let connected = false; !ended(); ) {
    try {
      const body = await openStream(client, cursor, signal)
      connected = true
      const events = readEventStream(body, milliseconds => {
        retry = Math.min(milliseconds, longestPause)
      })
      for await (const { id, data } of events) {
        if (ended()) return
        failures = 0
        cursor = id
        yield { event: eventOf(data), cursor: id }
      }
      onRetry(undefined, retry)
    } catch (error) {
      if (ended()) return
      // Before the first success the caller has to know; and a refusal will not change by asking again.
      if (!connected || isRefusal(error)) throw error
      onRetry(error, pauseAfter(retry, failures))
    }
    await sleep(pauseAfter(retry, failures++), signal)
  }
}

function pauseAfter(retry: number, failures: number): number {
  return Math.min(longestPause, retry * 2 ** Math.min(failures, 10))
}

function isRefusal(error: unknown): boolean {
  return error instanceof OnboardingError && error.code !== 'service-unreachable' && error.entry.status < 500
}

async function openStream(
  client: ClientOptions,
  cursor: string | undefined,
  signal: AbortSignal | undefined,
): Promise<ReadableStream<Uint8Array>> {
  const headers = { accept: 'text/event-stream', ...(cursor === undefined ? {} : { 'last-event-id': cursor }) }
  const response = await send(client, api.eventList, {}, { headers, ...(signal === undefined ? {} : { signal }) })
  if (response.body === null || !response.headers.get('content-type')?.startsWith('text/event-stream')) {
    throw notOurs(response, 'no event stream')
  }
  // Whatever `fetch` it is: an abort ends the reading.
  return response.body.pipeThrough(new TransformStream(), signal === undefined ? {} : { signal })
}

function eventOf(data: string): EventView {
  try {
    return EventView.parse(JSON.parse(data))
  } catch (cause) {
    throw new OnboardingError('service-answer-invalid', { reason: 'an event cannot be read' }, { cause })
  }
}

async function pause(milliseconds: number, signal: AbortSignal | undefined): Promise<void> {
  await delay(milliseconds, undefined, signal === undefined ? {} : { signal }).catch(() => undefined)
}
