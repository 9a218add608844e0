import { randomUUID } from 'node:crypto'
import { type ServerResponse, STATUS_CODES } from 'node:http'
import { type ErrorCode, errorCatalogue } from '../../domain/error.ts'
import type { EndpointReply } from '../../domain/port.ts'
import type { Connection, Door } from './listener.ts'

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

function write(door: Door, response: ServerResponse, reply: EndpointReply): void {
  const { status, body = '', close } = reply
  const fields = fieldsOf(door, reply)
  if (close === true || isLast(door, response)) fields['Connection'] = 'close'
  response.writeHead(status, fields)
  if (isBodiless(status) || body.length === 0) response.end()
  else response.end(body)
}

/** RFC 9110 section 15: no content, whatever an endpoint gives. */
function isBodiless(status: number): boolean {
  return status === 204 || status === 304
}

function fieldsOf(door: Door, { status, headers, body = '' }: EndpointReply): Record<string, string | number> {
  const fields: Record<string, string | number> = { ...headers }
  // RFC 8995 section 5.6 and RFC 7030 section 4.2.3 for 202, RFC 9110 section 15.6.4 for 503, RFC 6585 section 4 for 429.
  const later = status === 202 || status === 503 || status === 429
  if (later && !has(fields, 'retry-after')) fields['Retry-After'] = `${door.limits.retryAfter}`
  if (!isBodiless(status)) {
    fields['Content-Length'] = typeof body === 'string' ? Buffer.byteLength(body) : body.length
    if (typeof body === 'string' && body !== '' && !has(fields, 'content-type'))
      fields['Content-Type'] = 'text/plain; charset=utf-8'
  }
  return fields
}

/** An answer as octets, as node:http would write it; `last` when the connection ends with it. */
export function replyOctets(
  door: Door,
  reply: EndpointReply,
  connection: Connection,
): { readonly octets: Buffer; readonly last: boolean } {
  const last = reply.close === true || door.isDraining() || connection.requests >= door.limits.requestsPerConnection
  try {
    return { octets: assembled(door, reply, last), last }
  } catch (error) {
    // As in `send`.
    const id = randomUUID()
    door.log.error({ id, err: error }, 'answer could not be written')
    return { octets: assembled(door, refusal('internal', { more: ` (${id})` }), true), last: true }
  }
}

function assembled(door: Door, reply: EndpointReply, last: boolean): Buffer {
  const { status, body = '' } = reply
  let head = `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ''}\r\n`
  for (const [name, value] of Object.entries(fieldsOf(door, reply)))
    head += `${checkedName(name)}: ${checked(value)}\r\n`
  head += `Date: ${dateNow()}\r\n`
  const seconds = Math.floor(door.limits.idleTime / 1000)
  head += last ? 'Connection: close\r\n\r\n' : `Connection: keep-alive\r\nKeep-Alive: timeout=${seconds}\r\n\r\n`
  if (isBodiless(status) || body.length === 0) return Buffer.from(head, 'latin1')
  // One write, and so one record, for both.
  if (typeof body === 'string') return Buffer.from(head + body)
  return Buffer.concat([Buffer.from(head, 'latin1'), body])
}

function checkedName(name: string): string {
  if (!/^[A-Za-z][A-Za-z0-9-]*$/.test(name)) throw new TypeError('a header name with other characters')
  return name
}

/** ASCII alone: a line break would be the next header. */
function checked(value: string | number): string | number {
  if (typeof value !== 'number' && !/^[\t\x20-\x7e]*$/.test(value))
    throw new TypeError('a header with other characters')
  return value
}

let date = { second: 0, text: '' }

/** RFC 9110 section 6.6.1; the system's clock, as node:http writes it. */
function dateNow(): string {
  const second = Math.floor(Date.now() / 1000)
  if (second !== date.second) date = { second, text: new Date(second * 1000).toUTCString() }
  return date.text
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
