import { randomUUID } from 'node:crypto'
import type { IncomingMessage, Server } from 'node:http'
import type { Server as HttpsServer } from 'node:https'
import { OnboardingError } from '../../domain/error.ts'
import type { Endpoint, EndpointReply, EndpointRequest, Peer } from '../../domain/port.ts'
import { onArrival, readBody } from './arrival.ts'
import type { Connection, Door } from './listener.ts'
import { postpone, refusal, send } from './reply.ts'

/** The peer went away before it could be asked who it is; nobody waits for the answer. */
export class ConnectionGone extends Error {
  override readonly name = 'ConnectionGone'
}

export interface Exchange {
  readonly door: Door
  readonly endpoints: readonly Endpoint[]
  /** Called at the first whole request of a connection and kept by the callee. */
  readonly peerOf: (request: Pick<Message, 'socket'>, connection: Connection) => Peer
}

/** What is asked of a request but its body. */
type Message = Pick<IncomingMessage, 'method' | 'url' | 'headers' | 'socket'>

/**
 * Asks the endpoints, and calls back with the answer: undefined when nobody is there to hear it. False, and nothing is
 * asked, when too much is under way.
 */
export type Answering = (
  message: Message,
  connection: Connection,
  body: Uint8Array,
  done: (answer: EndpointReply | undefined) => void,
) => boolean

/** One for all ways into a listener, so that its bounds count for them together. */
export function createAnswering(exchange: Exchange): Answering {
  const { limits } = exchange.door
  let inFlight = 0
  return (message, connection, body, done) => {
    if (inFlight >= limits.inFlight || connection.answering >= limits.inFlightPerConnection) return false
    inFlight++
    connection.answering++
    void reply(exchange, message, connection, body).then(answer => {
      inFlight--
      connection.answering--
      done(answer)
    })
    return true
  }
}

/** Answers the requests of a server by asking each endpoint in turn. */
export function serveExchanges(server: Server | HttpsServer, door: Door, answering: Answering): void {
  onArrival(server, door, (arrival, connection) => {
    const { request, response } = arrival
    readBody(door, arrival, body => {
      const taken = answering(request, connection, body, answer => {
        if (answer === undefined) response.destroy()
        else send(door, response, answer)
      })
      if (!taken) postpone(door, response)
    })
  })
}

async function reply(
  { door, endpoints, peerOf }: Exchange,
  message: Message,
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
    return unknownPath(endpoints, path)
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

function unknownPath(endpoints: readonly Endpoint[], path: string): EndpointReply {
  const methods = new Set(endpoints.flatMap(endpoint => endpoint.methods?.(path) ?? []))
  if (methods.size === 0) return refusal('not-found')
  if (methods.has('GET')) methods.add('HEAD')
  return refusal('method-not-allowed', { headers: { Allow: [...methods].join(', ') } })
}

function failure(door: Door, connection: Connection, request: Message, error: unknown): EndpointReply {
  const facts = { connection: connection.id, address: connection.address, method: request.method, target: request.url }
  if (error instanceof OnboardingError && error.code !== 'internal') {
    door.log.info({ ...facts, code: error.code, ...error.detail }, 'request refused')
    return refusal(error.code)
  }
  const id = randomUUID()
  door.log.error({ ...facts, id, err: error }, 'request failed')
  return refusal('internal', { more: ` (${id})` })
}
