import type { Server as HttpsServer } from 'node:https'
import type { TLSSocket } from 'node:tls'
import type { EndpointReply } from '../../domain/port.ts'
import type { Answering } from './exchange.ts'
import type { Connection, Door } from './listener.ts'
import { refusal, replyOctets } from './reply.ts'
import { readWholeRequest, type WholeRequest } from './whole-request.ts'

/** Milliseconds that a connection without a request is ours; node:http bounds the rest of its time. */
const firstWait = 1000

type TakeOver = (socket: TLSSocket) => void

/**
 * Answers simple requests without node:http, whose streams and parser cost a third of what a device's connection costs. What
 * is not simple, or does not come whole, is given to node:http with the rest of its connection, and every bound and refusal
 * there counts for it.
 * @returns closes connections that wait for a request
 */
export function serveDirectly(server: HttpsServer, door: Door, answering: Answering): () => void {
  const idle = new Set<DirectConnection>()
  const [ofNode] = server.listeners('secureConnection')
  if (ofNode === undefined) throw new TypeError('node:https has no listener for its connections')
  const takeOver: TakeOver = socket => void Reflect.apply(ofNode, server, [socket])
  server.removeListener('secureConnection', ofNode as TakeOver)
  server.prependListener('secureConnection', (socket: TLSSocket) => {
    new DirectConnection(socket, { door, answering, takeOver, idle })
  })
  return () => {
    for (const connection of idle) connection.close()
  }
}

interface Surroundings {
  readonly door: Door
  readonly answering: Answering
  readonly takeOver: TakeOver
  readonly idle: Set<DirectConnection>
}

class DirectConnection {
  readonly #socket: TLSSocket
  readonly #connection: Connection
  readonly #with: Surroundings
  /** Since when an answer is being made, by performance.now(). */
  #since: number | undefined
  #served = false
  /** The peer does not read: nothing more is taken from it until it has. */
  #blocked = false
  /** The last answer of the connection is written. */
  #over = false
  /** What came before the answer to what was before it. */
  #early: Buffer | undefined

  constructor(socket: TLSSocket, surroundings: Surroundings) {
    this.#socket = socket
    this.#with = surroundings
    this.#connection = surroundings.door.connectionOf(socket)
    surroundings.idle.add(this)
    socket.on('data', this.#arrived)
    socket.on('timeout', this.#late)
    socket.on('error', this.#failed)
    socket.on('end', this.#ended)
    socket.on('close', this.#gone)
    socket.setTimeout(firstWait)
  }

  close(): void {
    // An answer may still be on its way out.
    if (this.#socket.writableLength > 0) this.#socket.destroySoon()
    else this.#socket.destroy()
  }

  readonly #failed = (): void => {
    this.#socket.destroy()
  }

  /** Nobody waits for the answer, as node:http has it: a connection that is half gone must not be asked who is there. */
  readonly #ended = (): void => {
    if (this.#since !== undefined) this.#socket.destroy()
  }

  readonly #gone = (): void => {
    this.#with.idle.delete(this)
  }

  readonly #arrived = (octets: Buffer): void => {
    const { door } = this.#with
    // RFC 9112 section 9.6: nothing is asked after `Connection: close`.
    if (this.#over) return
    const mustWait = this.#since !== undefined || this.#blocked
    const request = mustWait || door.isCrowded() ? undefined : readWholeRequest(octets, door.limits)
    if (mustWait) this.#wait(octets)
    else if (request !== undefined) this.#ask(request)
    else this.#handOver(octets)
  }

  /** For the answer under way. What cannot be the beginning of another request ends it. */
  #wait(octets: Buffer): void {
    const { door } = this.#with
    const socket = this.#socket
    if (this.#early === undefined && !/^[A-Z\r\n]/.test(octets.toString('latin1', 0, 1))) {
      door.counters.malformed++
      const { id, address } = this.#connection
      door.log.info({ connection: id, address, code: 'request-malformed' }, 'request refused')
      socket.destroy()
      return
    }
    this.#early = this.#early === undefined ? octets : Buffer.concat([this.#early, octets])
    socket.pause()
  }

  #ask({ method, url, headers, body }: WholeRequest): void {
    const { door, answering, idle } = this.#with
    idle.delete(this)
    door.counters.requests++
    this.#connection.requests++
    this.#since = performance.now()
    const message = { method, url, headers, socket: this.#socket }
    const taken = answering(message, this.#connection, body, answer => this.#reply(answer))
    if (taken) return
    door.counters.postponed++
    this.#reply(refusal('overloaded'))
  }

  #reply(answer: EndpointReply | undefined): void {
    const { door, idle } = this.#with
    const socket = this.#socket
    this.#since = undefined
    if (answer === undefined) socket.destroy()
    if (socket.destroyed) return
    const { octets, last } = replyOctets(door, answer!, this.#connection)
    this.#blocked = !socket.write(octets)
    if (last) {
      this.#over = true
      socket.destroySoon()
      return
    }
    idle.add(this)
    this.#served = true
    // Each call costs as much as a header does.
    if (socket.timeout !== door.limits.idleTime) socket.setTimeout(door.limits.idleTime)
    if (this.#blocked) {
      socket.pause()
      socket.once('drain', this.#drained)
    } else if (this.#early !== undefined) this.#goOn(this.#early)
  }

  readonly #drained = (): void => {
    this.#blocked = false
    if (this.#early !== undefined) this.#goOn(this.#early)
    else this.#socket.resume()
  }

  #goOn(early: Buffer): void {
    this.#early = undefined
    this.#socket.resume()
    this.#arrived(early)
  }

  readonly #late = (): void => {
    const { limits } = this.#with.door
    const left = this.#since === undefined ? 0 : this.#since + limits.stallTime - performance.now()
    if (left > 0) this.#socket.setTimeout(Math.ceil(left))
    else if (this.#since === undefined && !this.#served) this.#handOver()
    else this.#socket.destroy()
  }

  /** From here on the connection is node:http's, which reads `octets` as if they came now. */
  #handOver(octets?: Buffer): void {
    const socket = this.#socket
    this.#with.idle.delete(this)
    socket.setTimeout(0)
    socket.off('data', this.#arrived)
    socket.off('timeout', this.#late)
    socket.off('error', this.#failed)
    socket.off('end', this.#ended)
    socket.off('close', this.#gone)
    this.#with.takeOver(socket)
    if (octets !== undefined) socket.emit('data', octets)
  }
}
