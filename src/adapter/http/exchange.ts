import { randomUUID } from 'node:crypto'
import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import type { Server as HttpsServer } from 'node:https'
import { type ErrorCode, errorCatalogue, OnboardingError } from '../../domain/error.ts'
import type { Endpoint, EndpointReply, EndpointRequest, Peer } from '../../domain/port.ts'
import { type Connection, type Door, errorText } from './listener.ts'

/** The peer went away before it could be asked who it is; nobody waits for the answer. */
export class ConnectionGone extends Error {
  override readonly name = 'ConnectionGone'
}

export interface Exchange {
  readonly door: Door
  readonly endpoints: readonly Endpoint[]
  /** Called at the first whole request of a connection and kept by the callee. */
  readonly peerOf: (request: IncomingMessage, connection: Connection) => Peer
}

/** Answers the requests of a server by asking each endpoint in turn. */
export function serveExchanges(server: Server | HttpsServer, exchange: Exchange): void {
  let inFlight = 0
  const { door } = exchange
  const handle = (request: IncomingMessage, response: ServerResponse, expectsContinue: boolean) => {
    door.counters.requests++
    const connection = door.connectionOf(request.socket)
    connection.requests++
    // A response that cannot be written any more; the server's own listeners see to the connection.
    response.on('error', () => {})
    if (door.isCrowded()) {
      door.counters.postponed++
      return send(door, response, refusal(door, 'overloaded', { close: true }))
    }
    // RFC 9112 section 3.2; Node takes the first of several.
    if (hasTwoHosts(request)) {
      door.counters.malformed++
      return send(door, response, refusal(door, 'request-malformed', { close: true }))
    }
    receive(door, request, response, expectsContinue, body => {
      const busy = inFlight >= door.limits.inFlight || connection.answering >= door.limits.inFlightPerConnection
      if (busy) {
        door.counters.postponed++
        return send(door, response, refusal(door, 'overloaded'))
      }
      inFlight++
      connection.answering++
      void reply(exchange, request, connection, body).then(answer => {
        inFlight--
        connection.answering--
        if (answer === undefined) response.destroy()
        else send(door, response, answer)
      })
    })
  }
  server.on('request', (request, response) => handle(request, response, false))
  // RFC 9110 section 10.1.1: the peer waits to hear whether its body is welcome.
  server.on('checkContinue', (request, response) => handle(request, response, true))
}

function hasTwoHosts({ rawHeaders }: IncomingMessage): boolean {
  let hosts = 0
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const name = rawHeaders[i]!
    if (name.length === 4 && name.toLowerCase() === 'host') hosts++
  }
  return hosts > 1
}

/** Reads the body, within the limit. A peer that leaves in the middle of it is not heard of again. */
function receive(
  door: Door,
  request: IncomingMessage,
  response: ServerResponse,
  expectsContinue: boolean,
  then: (body: Uint8Array) => void,
): void {
  const { body: limit } = door.limits
  const expected = request.headers['content-length']
  if (expected !== undefined && Number(expected) > limit) {
    // What was not asked for will not come.
    refuseBody(door, request, response, expectsContinue ? 0 : door.limits.lingerTime)
    return
  }
  if (expectsContinue) response.writeContinue()
  let length = 0
  const chunks: Buffer[] = []
  const collect = (chunk: Buffer) => {
    length += chunk.length
    if (length <= limit) {
      chunks.push(chunk)
      return
    }
    chunks.length = 0
    request.off('data', collect)
    request.off('end', end)
    refuseBody(door, request, response, door.limits.lingerTime)
  }
  const end = () => then(chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks))
  request.on('data', collect)
  request.on('end', end)
  request.on('error', () => {})
}

/**
 * 413, whole on the wire at once, but ended only when the peer has stopped sending or had time enough to read it: octets
 * unread at a close become a reset, which takes the answer away from the peer.
 */
function refuseBody(door: Door, request: IncomingMessage, response: ServerResponse, lingerTime: number): void {
  const code: ErrorCode = 'request-too-large'
  const { id: connection, address } = door.connectionOf(request.socket)
  door.log.info({ connection, address, code }, 'request refused')
  const text = errorText(code)
  response.writeHead(errorCatalogue[code].status, {
    'Content-Type': 'text/plain; charset=utf-8',
    'Content-Length': Buffer.byteLength(text),
    Connection: 'close',
  })
  response.write(text)
  const end = () => {
    clearTimeout(timer)
    response.end()
  }
  const timer = setTimeout(end, lingerTime)
  request.on('end', end)
  request.on('close', end)
  request.resume()
}

async function reply(
  { door, endpoints, peerOf }: Exchange,
  message: IncomingMessage,
  connection: Connection,
  body: Uint8Array,
): Promise<EndpointReply | undefined> {
  const method = message.method === 'HEAD' ? 'GET' : (message.method ?? '')
  try {
    const path = pathOf(message.url ?? '')
    // Only set-cookie would be a list, and no request has it.
    const headers = message.headers as Readonly<Record<string, string>>
    const request: EndpointRequest = { method, path, headers, body, peer: peerOf(message, connection) }
    for (const endpoint of endpoints) {
      const answer = await endpoint.handle(request)
      if (answer !== undefined) return answer
    }
    return unknownPath(door, endpoints, path)
  } catch (error) {
    if (error instanceof ConnectionGone) return undefined
    return failure(door, connection, message, error)
  }
}

/** Origin-form or absolute-form (RFC 9112 section 3.2), without the query, which no protocol here has. */
function pathOf(target: string): string {
  if (target.startsWith('/')) {
    const query = target.indexOf('?')
    return query < 0 ? target : target.slice(0, query)
  }
  if (/^https?:\/\//i.test(target) && URL.canParse(target)) return new URL(target).pathname
  throw new OnboardingError('request-malformed', { field: 'request target' })
}

function unknownPath(door: Door, endpoints: readonly Endpoint[], path: string): EndpointReply {
  const methods = new Set(endpoints.flatMap(endpoint => endpoint.methods?.(path) ?? []))
  if (methods.size === 0) return refusal(door, 'not-found')
  if (methods.has('GET')) methods.add('HEAD')
  return refusal(door, 'method-not-allowed', { headers: { Allow: [...methods].join(', ') } })
}

function failure(door: Door, connection: Connection, request: IncomingMessage, error: unknown): EndpointReply {
  const facts = { connection: connection.id, address: connection.address, method: request.method, target: request.url }
  if (error instanceof OnboardingError && error.code !== 'internal') {
    door.log.info({ ...facts, code: error.code, ...error.detail }, 'request refused')
    return refusal(door, error.code)
  }
  const id = randomUUID()
  door.log.error({ ...facts, id, err: error }, 'request failed')
  return refusal(door, 'internal', { more: ` (${id})` })
}

interface Refusal {
  readonly close?: boolean
  readonly headers?: Readonly<Record<string, string>>
  readonly more?: string
}

function refusal(door: Door, code: ErrorCode, { more = '', close = false, headers }: Refusal = {}): EndpointReply {
  const { status } = errorCatalogue[code]
  // RFC 8995 section 5.6 and RFC 7030 section 4.2.3 for 202, RFC 9110 section 15.6.4 for 503.
  const retry = status === 202 || status === 503 || status === 429 ? { 'Retry-After': `${door.limits.retryAfter}` } : {}
  return { status, headers: { ...retry, ...headers }, body: errorText(code, more), close }
}

function send(door: Door, response: ServerResponse, reply: EndpointReply): void {
  if (response.destroyed || response.headersSent) return
  try {
    write(door, response, reply)
  } catch (error) {
    // Only an endpoint's own header can be at fault, before anything was written.
    const id = randomUUID()
    door.log.error({ id, err: error }, 'answer could not be written')
    write(door, response, refusal(door, 'internal', { more: ` (${id})`, close: true }))
  }
}

function write(door: Door, response: ServerResponse, { status, headers, body = '', close }: EndpointReply): void {
  const fields: Record<string, string | number> = { ...headers }
  const empty = status === 204 || status === 304
  if (!empty) {
    fields['Content-Length'] = typeof body === 'string' ? Buffer.byteLength(body) : body.length
    if (typeof body === 'string' && body !== '' && !hasType(fields))
      fields['Content-Type'] = 'text/plain; charset=utf-8'
  }
  // Node's own maxRequestsPerSocket announces the end, but leaves it to the client.
  const isLast =
    response.socket !== null && door.connectionOf(response.socket).requests >= door.limits.requestsPerConnection
  if (close === true || isLast || door.isDraining()) fields['Connection'] = 'close'
  response.writeHead(status, fields)
  if (empty || body.length === 0) response.end()
  else response.end(body)
}

function hasType(fields: Readonly<Record<string, unknown>>): boolean {
  return Object.keys(fields).some(name => name.toLowerCase() === 'content-type')
}
