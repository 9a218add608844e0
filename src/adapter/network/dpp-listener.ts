import { createServer, type Server, type Socket } from 'node:net'
import { CodecError } from '../../codec/error.ts'
import { placeOf } from '../../domain/device-hold.ts'
import { OnboardingError } from '../../domain/error.ts'
import type { Log } from '../../domain/port.ts'
import { encodeRecord, RecordSplitter } from '../../protocol/dpp/record.ts'
import type { DppConnection, DppReceiver, DppService } from '../../role/onboarding/configurator-port.ts'
import { type DppLimits, dppLimits } from './dpp-limit.ts'

/** The port that access points relay to. It is fixed in hostapd. */
export const dppPort = 8908

export interface DppListenOptions {
  /** `::` takes IPv4, too, where the system does. */
  readonly host: string
  /** 0: any free one. */
  readonly port: number
  readonly service: DppService
  readonly log: Log
  readonly limits?: Partial<DppLimits>
  readonly reusePort?: boolean
}

/** Since the listener opened. */
export interface DppCounters {
  connections: number
  /** Of them dropped at once, being too many, of all or of their address. */
  dropped: number
  records: number
  /** Records that are none: connections closed for it. */
  malformed: number
  /** Closed because nothing came, or nothing more. */
  timedOut: number
}

export interface DppListener {
  readonly port: number
  readonly counters: Readonly<DppCounters>
  /** Open now. */
  readonly open: () => number
  close(): Promise<void>
}

interface Door {
  readonly service: DppService
  readonly log: Log
  readonly limits: DppLimits
  readonly counters: DppCounters
  readonly sockets: Set<Socket>
  /** Connections by the host that they come from. */
  readonly places: Map<string, number>
}

/** Listens for relays and Enrollees. Throws OnboardingError `port-in-use`, `input-invalid`. */
export async function listenDpp(options: DppListenOptions): Promise<DppListener> {
  const { host, port, service, log, reusePort = false } = options
  const limits = { ...dppLimits, ...options.limits }
  const counters = { connections: 0, dropped: 0, records: 0, malformed: 0, timedOut: 0 }
  const door: Door = { service, log, limits, counters, sockets: new Set(), places: new Map() }
  // An Enrollee writes twice before it reads: what is answered must not wait for an acknowledgement.
  const server = createServer({ noDelay: true }, socket => admit(door, socket))
  await bind(server, { host, port, reusePort })
  server.on('error', error => log.error({ port, err: error }, 'listener of Easy Connect failed'))
  const address = server.address()
  const bound = typeof address === 'object' && address !== null ? address.port : port
  log.info({ host, port: bound }, 'listening for Easy Connect')
  let closed: Promise<void> | undefined
  return {
    port: bound,
    counters,
    open: () => door.sockets.size,
    close() {
      closed ??= drain(server, door)
      return closed
    },
  }
}

function admit(door: Door, socket: Socket): void {
  const { limits, counters, sockets, places } = door
  counters.connections++
  const place = placeOf(addressOf(socket))
  const ofPlace = places.get(place) ?? 0
  if (sockets.size >= limits.connections || ofPlace >= limits.connectionsOfAddress) {
    counters.dropped++
    socket.destroy()
    return
  }
  sockets.add(socket)
  places.set(place, ofPlace + 1)
  socket.once('close', () => {
    sockets.delete(socket)
    const left = (places.get(place) ?? 1) - 1
    if (left === 0) places.delete(place)
    else places.set(place, left)
  })
  serve(door, socket)
}

function serve({ service, log, limits, counters }: Door, socket: Socket): void {
  const address = addressOf(socket)
  const splitter = new RecordSplitter(limits.record)
  let over = false
  let receiver: DppReceiver | undefined
  const end = (): void => {
    over = true
    clearTimeout(total)
    clearTimeout(quiet)
  }
  const late = (): void => {
    counters.timedOut++
    socket.destroy()
  }
  const total = setTimeout(late, limits.totalTime)
  let quiet = setTimeout(late, limits.firstTime)
  const connection: DppConnection = {
    address,
    send(message) {
      if (over || !socket.writable) return
      socket.write(encodeRecord(message))
      // Who does not read what it asked for gets nothing more.
      if (socket.writableLength > limits.backlog) socket.destroy()
    },
    close() {
      end()
      socket.destroySoon()
    },
  }
  socket.on('data', chunk => {
    if (over) return
    let messages: readonly Buffer[]
    try {
      messages = splitter.push(chunk)
    } catch (error) {
      if (!(error instanceof CodecError)) throw error
      counters.malformed++
      log.info({ address, reason: error.message }, 'not a record of Easy Connect')
      socket.destroy()
      return
    }
    if (messages.length === 0) return
    clearTimeout(quiet)
    quiet = setTimeout(late, limits.idleTime)
    receiver ??= service.connected(connection)
    for (const message of messages) {
      counters.records++
      if (!over) receiver.received(message)
    }
  })
  // A relay that goes away in the middle is nothing to report; the session knows by `closed`.
  socket.on('error', () => socket.destroy())
  socket.once('close', () => {
    const wasOver = over
    end()
    if (!wasOver) receiver?.closed()
  })
}

function addressOf({ remoteAddress = '', remotePort = 0 }: Socket): string {
  const address = remoteAddress.startsWith('::ffff:') ? remoteAddress.slice(7) : remoteAddress
  return address.includes(':') ? `[${address}]:${remotePort}` : `${address}:${remotePort}`
}

async function bind(
  server: Server,
  { host, port, reusePort }: { readonly host: string; readonly port: number; readonly reusePort: boolean },
): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    const fail = (error: NodeJS.ErrnoException) => reject(bindError(error, host, port))
    server.once('error', fail)
    server.listen({ host, port, reusePort, backlog: 512 }, () => {
      server.off('error', fail)
      resolve()
    })
  })
}

function bindError(error: NodeJS.ErrnoException, host: string, port: number): Error {
  if (error.code === 'EADDRINUSE') return new OnboardingError('port-in-use', { host, port }, { cause: error })
  const field = error.code === 'EACCES' ? 'port' : 'host'
  return new OnboardingError('input-invalid', { field, host, port, reason: error.code ?? 'unknown' }, { cause: error })
}

/** No new connections; an exchange has a moment to end. */
async function drain(server: Server, { sockets, limits }: Door): Promise<void> {
  await new Promise<void>(resolve => {
    const deadline = setTimeout(() => {
      for (const socket of sockets) socket.destroy()
    }, limits.drainTime)
    // Nothing was asked there.
    for (const socket of sockets) if (socket.bytesRead === 0) socket.destroy()
    server.close(() => {
      clearTimeout(deadline)
      resolve()
    })
  })
}
