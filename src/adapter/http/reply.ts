import { randomUUID } from 'node:crypto'
import type { ServerResponse } from 'node:http'
import { type ErrorCode, errorCatalogue } from '../../domain/error.ts'
import type { EndpointReply } from '../../domain/port.ts'
import type { Door } from './listener.ts'

/** RFC 8995 section 5.6: UTF-8 text. */
export function errorText(code: ErrorCode, more = ''): string {
  return `${code}: ${errorCatalogue[code].title}${more}\n`
}

/** Tells the peer to come back. */
export function postpone(door: Door, response: ServerResponse, close = false): void {
  door.counters.postponed++
  send(door, response, refusal('overloaded', { close }))
}

interface Refusal {
  readonly close?: boolean
  readonly headers?: Readonly<Record<string, string>>
  readonly more?: string
}

/** What is answered where no endpoint was asked, or one threw. */
export function refusal(code: ErrorCode, { more = '', close = false, headers }: Refusal = {}): EndpointReply {
  const { status } = errorCatalogue[code]
  return { status, ...(headers === undefined ? {} : { headers }), body: errorText(code, more), close }
}

/** Once; nothing if the peer has gone. */
export function send(door: Door, response: ServerResponse, reply: EndpointReply): void {
  if (response.destroyed || response.headersSent) return
  try {
    write(door, response, reply)
  } catch (error) {
    // Only an endpoint's own header can be at fault, before anything was written.
    const id = randomUUID()
    door.log.error({ id, err: error }, 'answer could not be written')
    write(door, response, refusal('internal', { more: ` (${id})`, close: true }))
  }
}

function write(door: Door, response: ServerResponse, { status, headers, body = '', close }: EndpointReply): void {
  const fields: Record<string, string | number> = { ...headers }
  // RFC 8995 section 5.6 and RFC 7030 section 4.2.3 for 202, RFC 9110 section 15.6.4 for 503, RFC 6585 section 4 for 429.
  const later = status === 202 || status === 503 || status === 429
  if (later && !has(fields, 'retry-after')) fields['Retry-After'] = `${door.limits.retryAfter}`
  const empty = status === 204 || status === 304
  if (!empty) {
    fields['Content-Length'] = typeof body === 'string' ? Buffer.byteLength(body) : body.length
    if (typeof body === 'string' && body !== '' && !has(fields, 'content-type'))
      fields['Content-Type'] = 'text/plain; charset=utf-8'
  }
  if (close === true || isLast(door, response)) fields['Connection'] = 'close'
  response.writeHead(status, fields)
  if (empty || body.length === 0) response.end()
  else response.end(body)
}

/** @param wanted in lower case */
function has(fields: Readonly<Record<string, unknown>>, wanted: string): boolean {
  return Object.keys(fields).some(name => name.toLowerCase() === wanted)
}

/** Whether the connection ends with this answer. (Node's own maxRequestsPerSocket announces it, but leaves it to the client.) */
export function isLast(door: Door, { socket }: ServerResponse): boolean {
  if (door.isDraining()) return true
  return socket !== null && door.connectionOf(socket).requests >= door.limits.requestsPerConnection
}
