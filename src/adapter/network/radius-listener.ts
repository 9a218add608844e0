import { createSocket, type RemoteInfo, type Socket } from 'node:dgram'
import { CodecError } from '../../codec/error.ts'
import { decodeRadius, type RadiusPacket, radiusCode } from '../../codec/radius.ts'
import { CryptoError } from '../../crypto/error.ts'
import { verifyRadiusRequest } from '../../crypto/radius.ts'
import { OnboardingError } from '../../domain/error.ts'
import type { Log } from '../../domain/port.ts'
import type { RadiusClient, RadiusService } from '../../role/authorization/radius-port.ts'

export interface RadiusListenOptions {
  /** IPv4 or IPv6 address to listen on. */
  readonly host: string
  /** 0 takes a free one. */
  readonly port: number
  /** Who may ask, by the address that a datagram comes from. Nobody else gets an answer. */
  readonly client: (address: string) => RadiusClient | undefined
  readonly service: RadiusService
  /** Codes that are answered here: authentication and accounting have a port each. */
  readonly codes: readonly number[]
  readonly log: Log
  readonly limits?: Partial<RadiusLimits>
}

export interface RadiusLimits {
  /** Requests under way at once; others are dropped, and asked again by who sent them. */
  readonly atOnce: number
  /** How long the answer to a request is kept for its repetitions, milliseconds (RFC 5080 section 2.2.2). */
  readonly memory: number
  /** Answers kept at most. */
  readonly answers: number
}

export const radiusLimits: RadiusLimits = { atOnce: 512, memory: 10_000, answers: 4096 }

export interface RadiusCounters {
  received: number
  answered: number
  repeated: number
  /** From an address that is no client's. */
  unknown: number
  malformed: number
  /** Wrong secret, or no Message-Authenticator. */
  unauthentic: number
  /** More than can be under way. */
  crowded: number
}

export interface RadiusListener {
  readonly port: number
  readonly counters: Readonly<RadiusCounters>
  close(): Promise<void>
}

interface Kept {
  readonly answer: Buffer | undefined
  readonly until: number
}

/** RADIUS over UDP (RFC 2865). Throws OnboardingError `port-in-use`, `input-invalid`. */
export async function listenRadius(options: RadiusListenOptions): Promise<RadiusListener> {
  const limits = { ...radiusLimits, ...options.limits }
  const socket = createSocket(options.host.includes(':') ? 'udp6' : 'udp4')
  await bind(socket, options)
  const door = new RadiusDoor(options, limits, socket)
  socket.on('message', (datagram, from) => void door.receive(datagram, from))
  socket.on('error', error => options.log.warn({ error: error.message }, 'RADIUS socket'))
  return {
    port: socket.address().port,
    counters: door.counters,
    close: () => new Promise(resolve => socket.close(() => resolve())),
  }
}

function bind(socket: Socket, { host, port }: RadiusListenOptions): Promise<void> {
  return new Promise((resolve, reject) => {
    socket.once('error', (error: NodeJS.ErrnoException) => {
      const known = error.code === 'EADDRINUSE' || error.code === 'EACCES'
      reject(
        new OnboardingError(known ? 'port-in-use' : 'input-invalid', {
          host,
          port,
          reason: error.code ?? error.message,
        }),
      )
    })
    socket.bind({ address: host, port, exclusive: true }, () => {
      socket.removeAllListeners('error')
      resolve()
    })
  })
}

class RadiusDoor {
  readonly counters: RadiusCounters = {
    received: 0,
    answered: 0,
    repeated: 0,
    unknown: 0,
    malformed: 0,
    unauthentic: 0,
    crowded: 0,
  }
  readonly #options: RadiusListenOptions
  readonly #limits: RadiusLimits
  readonly #socket: Socket
  /** In the order of their time, the oldest first. */
  readonly #kept = new Map<string, Kept>()
  readonly #underWay = new Set<string>()
  #complained = Number.NEGATIVE_INFINITY

  constructor(options: RadiusListenOptions, limits: RadiusLimits, socket: Socket) {
    this.#options = options
    this.#limits = limits
    this.#socket = socket
  }

  async receive(datagram: Buffer, from: RemoteInfo): Promise<void> {
    this.counters.received++
    const address = plainAddress(from.address)
    const client = this.#options.client(address)
    if (client === undefined) {
      this.counters.unknown++
      return this.#complain({ code: 'radius-client-unknown', address })
    }
    const packet = this.#read(datagram, client, address)
    if (packet === undefined) return
    // RFC 2865 section 2.5 and RFC 5080 section 2.2.2: what is the same request, and gets the same answer.
    const key = `${address}|${from.port}|${packet.identifier}|${Buffer.from(packet.authenticator).toString('latin1')}`
    const now = performance.now()
    this.#forget(now)
    const kept = this.#kept.get(key)
    if (kept !== undefined || this.#underWay.has(key)) {
      this.counters.repeated++
      if (kept?.answer !== undefined) this.#send(kept.answer, from)
      return
    }
    if (this.#underWay.size >= this.#limits.atOnce) {
      this.counters.crowded++
      return this.#complain({ code: 'radius-crowded', address })
    }
    this.#underWay.add(key)
    try {
      const answer = await this.#options.service({ client, address, packet })
      this.#kept.set(key, { answer, until: performance.now() + this.#limits.memory })
      if (answer !== undefined) this.#send(answer, from)
    } catch (error) {
      // Nobody is let in by an answer that is not given; the client asks again.
      this.#options.log.error({ address, error: String(error) }, 'a RADIUS request failed')
    } finally {
      this.#underWay.delete(key)
    }
  }

  #read(datagram: Buffer, client: RadiusClient, address: string): RadiusPacket | undefined {
    try {
      const packet = decodeRadius(datagram)
      if (!this.#options.codes.includes(packet.code) && packet.code !== radiusCode.statusServer) {
        this.counters.malformed++
        return undefined
      }
      verifyRadiusRequest(datagram, packet, client.secret)
      return packet
    } catch (error) {
      if (error instanceof CodecError) {
        this.counters.malformed++
        this.#complain({ code: 'radius-malformed', address, client: client.id, reason: error.message })
      } else if (error instanceof CryptoError) {
        this.counters.unauthentic++
        this.#complain({ code: 'radius-unauthentic', address, client: client.id, reason: error.message })
      } else throw error
      return undefined
    }
  }

  #send(answer: Buffer, { port, address }: RemoteInfo): void {
    this.counters.answered++
    // The socket may be closing; who asked asks again.
    try {
      this.#socket.send(answer, port, address, () => {})
    } catch {
      this.counters.answered--
    }
  }

  #forget(now: number): void {
    for (const [key, { until }] of this.#kept) {
      if (until > now && this.#kept.size <= this.#limits.answers) return
      this.#kept.delete(key)
    }
  }

  /** Whoever can send datagrams must not fill the log: once a second is enough to see it. */
  #complain(detail: Readonly<Record<string, string>>): void {
    const now = performance.now()
    if (now - this.#complained < 1000) return
    this.#complained = now
    this.#options.log.warn({ ...detail }, 'RADIUS request dropped')
  }
}

/** An IPv4 peer of an IPv6 socket. */
function plainAddress(address: string): string {
  return address.startsWith('::ffff:') ? address.slice(7) : address
}
