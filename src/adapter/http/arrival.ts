import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import type { Server as HttpsServer } from 'node:https'
import { type ErrorCode, errorCatalogue } from '../../domain/error.ts'
import type { Connection, Door } from './listener.ts'
import { errorText, postpone, refusal, send } from './reply.ts'

/** A request of which only the header has been read. */
export interface Arrival {
  readonly request: IncomingMessage
  readonly response: ServerResponse
  /** RFC 9110 section 10.1.1: the peer waits to hear whether its body is welcome. */
  readonly expectsContinue: boolean
}

/** Calls `serve` for each request that is worth reading on. */
export function onArrival(
  server: Server | HttpsServer,
  door: Door,
  serve: (arrival: Arrival, connection: Connection) => void,
): void {
  const arrive = (request: IncomingMessage, response: ServerResponse, expectsContinue: boolean) => {
    door.counters.requests++
    const connection = door.connectionOf(request.socket)
    connection.requests++
    // Of an answer that cannot be written any more; the connection's own listeners see to the rest.
    response.on('error', () => {})
    request.on('error', () => {})
    if (door.isCrowded()) {
      postpone(door, response, true)
    } else if (hasTwoHosts(request)) {
      // RFC 9112 section 3.2; Node takes the first of several.
      door.counters.malformed++
      send(door, response, refusal('request-malformed', { close: true }))
    } else if (Number(request.headers['content-length'] ?? 0) > door.limits.body) {
      // What was not asked for will not come.
      refuseBody(door, { request, response, expectsContinue }, expectsContinue ? 0 : door.limits.lingerTime)
    } else {
      serve({ request, response, expectsContinue }, connection)
    }
  }
  server.on('request', (request, response) => arrive(request, response, false))
  server.on('checkContinue', (request, response) => arrive(request, response, true))
}

function hasTwoHosts({ rawHeaders }: IncomingMessage): boolean {
  let hosts = 0
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const name = rawHeaders[i]!
    if (name.length === 4 && name.toLowerCase() === 'host') hosts++
  }
  return hosts > 1
}

/** Reads the whole body, within the limit. A peer that leaves in the middle of it is not heard of again. */
export function readBody(door: Door, arrival: Arrival, then: (body: Uint8Array) => void): void {
  const { request, response, expectsContinue } = arrival
  if (expectsContinue) response.writeContinue()
  let length = 0
  const chunks: Buffer[] = []
  const collect = (chunk: Buffer) => {
    length += chunk.length
    if (length <= door.limits.body) {
      chunks.push(chunk)
      return
    }
    chunks.length = 0
    request.off('data', collect)
    request.off('end', end)
    refuseBody(door, arrival, door.limits.lingerTime)
  }
  const end = () => then(chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks))
  request.on('data', collect)
  request.on('end', end)
}

/**
 * 413, whole on the wire at once, but ended only when the peer has stopped sending or had time enough to read it: octets
 * unread at a close become a reset, which takes the answer away from the peer.
 */
function refuseBody(door: Door, { request, response }: Arrival, lingerTime: number): void {
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
