import type { Server as HttpServer, ServerOptions } from 'node:http'
import type { Server as HttpsServer } from 'node:https'
import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import type { TLSSocket } from 'node:tls'
import { type ErrorCode, errorCatalogue, OnboardingError } from '../../domain/error.ts'
import type { Log } from '../../domain/port.ts'
import type { HttpLimits } from './limit.ts'
import { errorText } from './reply.ts'

export interface ListenOptions {
  readonly host: string
  /** 0: any free one. */
  readonly port: number
  readonly limits: HttpLimits
  readonly log: Log
  /** Several processes on one port; the kernel spreads connections over them. */
  readonly reusePort?: boolean
}

/** Since the listener opened. */
export interface HttpCounters {
  connections: number
  /** Of them dropped at once, being too many. */
  dropped: number
  handshakesFailed: number
  requests: number
  /** What no HTTP request could be made of, or what came too slowly. */
  malformed: number
  /** Told to come back (503). */
  postponed: number
}

export interface HttpListener {
  readonly port: number
  readonly counters: Readonly<HttpCounters>
  /** No new connections; what is under way ends, within `drainTime`. Resolves when every connection is closed. */
  close(): Promise<void>
}

/** One TCP connection, as long as it lives. */
export interface Connection {
  readonly id: string
  /** `10.0.0.7:50123` or `[fe80::1]:50123`. */
  readonly address: string
  requests: number
  /** Of them read whole and not answered yet. */
  answering: number
}

/** The state of a listener that its request handler needs. */
export interface Door {
  readonly limits: HttpLimits
  readonly log: Log
  readonly counters: HttpCounters
  readonly isDraining: () => boolean
  readonly connectionOf: (socket: Duplex) => Connection
  /** More connections are open than are served. */
  readonly isCrowded: () => boolean
}

type AnyServer = HttpServer | HttpsServer

/** The options of node:http and node:https that bound a connection in time and size. */
export function serverOptions(limits: HttpLimits): ServerOptions & { handshakeTimeout: number } {
  return {
    maxHeaderSize: limits.header,
    headersTimeout: Math.min(limits.headerTime, limits.requestTime),
    requestTimeout: limits.requestTime,
    keepAliveTimeout: limits.idleTime,
    keepAliveTimeoutBuffer: 0,
    connectionsCheckingInterval: Math.min(1000, limits.headerTime),
    handshakeTimeout: limits.handshakeTime,
    requireHostHeader: true,
    insecureHTTPParser: false,
  }
}

/**
 * Bounds `server`, whose requests `serve` attaches, and opens it. What `serve` returns closes connections that wait for a
 * request, other than those that node:http knows. Throws OnboardingError `port-in-use`, `input-invalid`. */
export async function openListener(
  server: AnyServer,
  options: ListenOptions,
  serve: (door: Door) => (() => void) | undefined,
): Promise<HttpListener> {
  const { limits, log } = options
  const counters = { connections: 0, dropped: 0, handshakesFailed: 0, requests: 0, malformed: 0, postponed: 0 }
  const sockets = new Set<Socket>()
  let draining = false
  const door: Door = {
    limits,
    log,
    counters,
    isDraining: () => draining,
    connectionOf: connectionRegister(),
    isCrowded: () => sockets.size > limits.connections,
  }
  server.timeout = limits.stallTime
  // Between the two numbers a connection is taken so that it can be told to come back; TLS knows no alert for that.
  server.maxConnections = Math.ceil(limits.connections * 1.25)
  server.on('connection', socket => {
    counters.connections++
    sockets.add(socket)
    socket.once('close', () => sockets.delete(socket))
  })
  server.on('drop', () => {
    counters.dropped++
  })
  watchFailures(server, door)
  const closeIdle = serve(door) ?? (() => {})
  const port = await bind(server, options)
  server.on('error', error => log.error({ port, err: error }, 'listener failed'))
  let closed: Promise<void> | undefined
  const close = () => {
    draining = true
    closed ??= drain(server, sockets, limits.drainTime, closeIdle)
    return closed
  }
  log.info({ host: options.host, port }, 'listening')
  return { port, counters, close }
}

function connectionRegister(): (socket: Duplex) => Connection {
  // Unique among processes that share a port and a log.
  const start = crypto.randomUUID().slice(0, 8)
  const known = new WeakMap<Duplex, Connection>()
  let number = 0
  return socket => {
    let connection = known.get(socket)
    if (connection === undefined) {
      connection = {
        id: `${start}-${(++number).toString(36)}`,
        address: addressOf(socket as Socket),
        requests: 0,
        answering: 0,
      }
      known.set(socket, connection)
    }
    return connection
  }
}

function addressOf({ remoteAddress = '', remotePort = 0 }: Socket): string {
  const address = remoteAddress.startsWith('::ffff:') ? remoteAddress.slice(7) : remoteAddress
  return address.includes(':') ? `[${address}]:${remotePort}` : `${address}:${remotePort}`
}

/** A peer's failures are an observation, never ours. */
function watchFailures(server: AnyServer, door: Door): void {
  const failed = new WeakSet<Duplex>()
  // Before node:https, which makes a clientError of it.
  server.prependListener('tlsClientError', (error: NodeJS.ErrnoException, socket: TLSSocket) => {
    failed.add(socket)
    door.counters.handshakesFailed++
    const { address } = door.connectionOf(socket)
    door.log.info({ address, code: error.code, reason: error.message.slice(0, 200) }, 'TLS handshake failed')
    socket.destroy()
  })
  server.on('clientError', (error: NodeJS.ErrnoException, socket) => {
    if (failed.has(socket)) return
    const { id, address, answering } = door.connectionOf(socket)
    const code = refusalOf(error.code ?? '')
    if (code !== undefined) {
      door.counters.malformed++
      door.log.info({ connection: id, address, code, reason: error.code }, 'request refused')
    }
    // An answer that is being made or written must not be broken by another one.
    if (code === undefined || !socket.writable || answering > 0 || socket.writableLength > 0) socket.destroy()
    else sayAndClose(socket as Socket, code, error.code === 'HPE_HEADER_OVERFLOW' ? 431 : undefined)
  })
}

/** Undefined for what is no fault of a request: the peer went away, or its TLS broke. */
function refusalOf(code: string): ErrorCode | undefined {
  if (code === 'ERR_HTTP_REQUEST_TIMEOUT') return 'request-too-slow'
  if (code === 'HPE_HEADER_OVERFLOW' || code === 'HPE_CHUNK_EXTENSIONS_OVERFLOW') return 'request-too-large'
  // Cut off in mid-request: there is nobody to tell.
  return code.startsWith('HPE_') && code !== 'HPE_INVALID_EOF_STATE' ? 'request-malformed' : undefined
}

function sayAndClose(socket: Socket, code: ErrorCode, status: number = errorCatalogue[code].status): void {
  const text = errorText(code)
  socket.write(
    `HTTP/1.1 ${status} ${errorCatalogue[code].title}\r\nConnection: close\r\n` +
      `Content-Type: text/plain; charset=utf-8\r\nContent-Length: ${Buffer.byteLength(text)}\r\n\r\n${text}`,
  )
  socket.destroySoon()
}

async function bind(server: AnyServer, { host, port, reusePort = false }: ListenOptions): Promise<number> {
  await new Promise<void>((resolve, reject) => {
    const fail = (error: NodeJS.ErrnoException) => reject(bindError(error, host, port))
    server.once('error', fail)
    server.listen({ host, port, reusePort, backlog: 1024 }, () => {
      server.off('error', fail)
      resolve()
    })
  })
  const address = server.address()
  return typeof address === 'object' && address !== null ? address.port : port
}

function bindError(error: NodeJS.ErrnoException, host: string, port: number): Error {
  if (error.code === 'EADDRINUSE') return new OnboardingError('port-in-use', { host, port }, { cause: error })
  const field = error.code === 'EACCES' ? 'port' : 'host'
  return new OnboardingError('input-invalid', { field, host, port, reason: error.code ?? 'unknown' }, { cause: error })
}

async function drain(
  server: AnyServer,
  sockets: ReadonlySet<Socket>,
  drainTime: number,
  closeIdle: () => void,
): Promise<void> {
  await new Promise<void>(resolve => {
    // A connection whose last answer promised to keep it open.
    const idle = setInterval(() => {
      server.closeIdleConnections()
      closeIdle()
    }, 20)
    const deadline = setTimeout(() => {
      server.closeAllConnections()
      // Those that are still in the handshake.
      for (const socket of sockets) socket.destroy()
    }, drainTime)
    // Nothing was asked there, and node:http would wait for its first octet.
    for (const socket of sockets) if (socket.bytesRead === 0) socket.destroy()
    server.close(() => {
      clearInterval(idle)
      clearTimeout(deadline)
      resolve()
    })
  })
}
