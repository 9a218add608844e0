import { randomUUID } from 'node:crypto'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import type { Socket } from 'node:net'
import { TLSSocket } from 'node:tls'
import { OnboardingError } from '../../domain/error.ts'
import { type Arrival, onArrival } from './arrival.ts'
import { type HttpLimits, protocolLimits } from './limit.ts'
import { type Door, type HttpListener, type ListenOptions, openListener, serverOptions } from './listener.ts'
import { isLast, postpone, refusal, send } from './reply.ts'
import { errorEraser, peerChain, secureContextOptions, type TlsCredential } from './tls-profile.ts'

/** For people and scripts, who send manifests and watch events. */
export const apiLimits: HttpLimits = {
  ...protocolLimits,
  body: 0x80_0000,
  requestTime: 60_000,
  inFlight: 256,
  inFlightPerConnection: 16,
}

/** The other end of a connection. */
export interface ApiPeer {
  /** `10.0.0.7:50123` */
  readonly address: string
  /**
   * What it sent in TLS, leaf first, DER; empty without TLS or without a certificate. It proved that it has the key of the first
   * one, and nothing more: no path was validated.
   */
  certificates(): readonly Uint8Array[]
}

export interface ApiListenOptions extends Omit<ListenOptions, 'limits'> {
  /** A web-standard handler, as of hono. */
  readonly fetch: (request: Request, from: ApiPeer) => Response | Promise<Response>
  /** Absent: plain HTTP, for loopback or behind a proxy. */
  readonly tls?: TlsCredential
  readonly limits?: Partial<HttpLimits>
}

export interface ApiListener extends HttpListener {
  /** For connections from now on; nothing without `tls`. */
  setCredential(credential: TlsCredential): void
}

/**
 * Carries HTTP/1.1 to a web-standard handler and its answer back, both as streams: no more is read from either side than the
 * other takes. Closing ends event streams at once. Throws OnboardingError `port-in-use`, `input-invalid`.
 */
export async function listenHttp(options: ApiListenOptions): Promise<ApiListener> {
  const { fetch, tls } = options
  const limits = { ...apiLimits, ...options.limits }
  const secure =
    tls === undefined
      ? undefined
      : createTlsServer({
          ...serverOptions(limits),
          ...secureContextOptions(tls),
          requestCert: true,
          rejectUnauthorized: false,
        })
  if (tls !== undefined) secure?.on('secureConnection', errorEraser(tls.certificateChain[0]!))
  const server = secure ?? createServer(serverOptions(limits))
  const streams = new Set<AbortController>()
  const listener = await openListener(server, { ...options, limits }, door => {
    const scheme = secure === undefined ? 'http' : 'https'
    const chainOf = chainRegister()
    let inFlight = 0
    onArrival(server, door, (arrival, connection) => {
      if (inFlight >= limits.inFlight || connection.answering >= limits.inFlightPerConnection) {
        postpone(door, arrival.response)
        return
      }
      inFlight++
      connection.answering++
      const peer = { address: connection.address, certificates: () => chainOf(arrival.request.socket) }
      const ask = async (make: () => Request) => {
        try {
          return await fetch(make(), peer)
        } finally {
          inFlight--
          connection.answering--
        }
      }
      void relay({ door, arrival, scheme, ask, streams })
    })
  })
  return {
    ...listener,
    setCredential: credential => secure?.setSecureContext(secureContextOptions(credential)),
    close() {
      const closed = listener.close()
      for (const stream of streams) stream.abort()
      return closed
    },
  }
}

/** The chain of a connection, read once and only when somebody asks: it costs OpenSSL time. */
function chainRegister(): (socket: Socket) => readonly Uint8Array[] {
  const chains = new WeakMap<Socket, readonly Uint8Array[]>()
  return socket => {
    if (!(socket instanceof TLSSocket)) return []
    const known = chains.get(socket)
    if (known !== undefined) return known
    // Gone, it would answer as if it had sent none, and the call would be somebody else's.
    if (socket.destroyed) throw new OnboardingError('not-authenticated')
    const chain = peerChain(socket)
    chains.set(socket, chain)
    return chain
  }
}

interface Relay {
  readonly door: Door
  readonly arrival: Arrival
  readonly scheme: 'http' | 'https'
  readonly ask: (make: () => Request) => Promise<Response>
  /** Event streams that are open. */
  readonly streams: Set<AbortController>
}

async function relay({ door, arrival, scheme, ask, streams }: Relay): Promise<void> {
  const { response } = arrival
  const gone = new AbortController()
  response.once('close', () => {
    if (!response.writableFinished) gone.abort()
  })
  try {
    const answer = await ask(() => webRequest(arrival, scheme, door.limits.body, gone.signal))
    if (response.destroyed) {
      await answer.body?.cancel()
      return
    }
    await writeAnswer(door, response, answer, streams)
  } catch (error) {
    if (error instanceof OnboardingError) {
      send(door, response, refusal(error.code))
      return
    }
    if (gone.signal.aborted) return
    const id = randomUUID()
    door.log.error({ id, err: error }, 'request failed')
    // A half-written answer must not look like a whole one.
    if (response.headersSent) response.destroy()
    else send(door, response, refusal('internal', { more: ` (${id})` }))
  }
}

/** Throws OnboardingError for what the web's Request does not take. */
function webRequest(
  { request, response, expectsContinue }: Arrival,
  scheme: string,
  limit: number,
  signal: AbortSignal,
) {
  const { method = 'GET', rawHeaders } = request
  const url = URL.parse(request.url ?? '', `${scheme}://${request.headers.host ?? 'localhost'}`)
  if (url === null || !/^https?:$/.test(url.protocol))
    throw new OnboardingError('request-malformed', { field: 'target' })
  const headers = new Headers()
  try {
    for (let i = 0; i < rawHeaders.length; i += 2) headers.append(rawHeaders[i]!, rawHeaders[i + 1]!)
    if (method === 'GET' || method === 'HEAD') return new Request(url, { method, headers, signal })
    if (expectsContinue) response.writeContinue()
    const body = ReadableStream.from(bounded(request, limit)) as ReadableStream<Uint8Array>
    return new Request(url, { method, headers, signal, body, duplex: 'half' })
  } catch (cause) {
    throw new OnboardingError('method-not-allowed', { method }, { cause })
  }
}

async function* bounded(request: IncomingMessage, limit: number): AsyncGenerator<Uint8Array> {
  let length = 0
  // A handler that has read enough has still to be heard.
  for await (const chunk of request.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
    length += chunk.length
    if (length > limit) throw new OnboardingError('request-too-large', { limit })
    yield chunk
  }
}

async function writeAnswer(door: Door, response: ServerResponse, answer: Response, streams: Set<AbortController>) {
  const { status, body } = answer
  const fields = [...answer.headers].flat()
  if (isLast(door, response)) fields.push('Connection', 'close')
  if (body === null && status !== 204 && status !== 304) fields.push('Content-Length', '0')
  response.writeHead(status, fields)
  if (body === null || response.req.method === 'HEAD') {
    await body?.cancel()
    response.end()
    return
  }
  const stop = new AbortController()
  const isEventStream = answer.headers.get('content-type')?.startsWith('text/event-stream') ?? false
  if (isEventStream) streams.add(stop)
  try {
    await pump(body, response, stop.signal)
  } finally {
    streams.delete(stop)
  }
}

/** Until the body ends, the peer goes, or `stop`. A peer that does not read is dropped by the listener's `stallTime`. */
async function pump(body: ReadableStream<Uint8Array>, response: ServerResponse, stop: AbortSignal): Promise<void> {
  const reader = body.getReader()
  const end = () => {
    reader.cancel().catch(() => {})
  }
  response.once('close', end)
  stop.addEventListener('abort', end, { once: true })
  if (stop.aborted) end()
  response.flushHeaders()
  for (;;) {
    const { done, value } = await reader.read()
    if (done) break
    if (!response.write(value)) await drained(response)
  }
  response.off('close', end)
  response.end()
}

function drained(response: ServerResponse): Promise<void> {
  if (response.destroyed || !response.writableNeedDrain) return Promise.resolve()
  return new Promise(resolve => {
    const go = () => {
      response.off('drain', go)
      response.off('close', go)
      resolve()
    }
    response.on('drain', go)
    response.on('close', go)
  })
}
