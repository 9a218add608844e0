import { Agent, request as httpRequest, type IncomingMessage } from 'node:http'
import { isIP } from 'node:net'
import type { Duplex } from 'node:stream'
import { connect, createSecureContext, type TLSSocket } from 'node:tls'
import { type ErrorCode, OnboardingError } from '../../domain/error.ts'
import type { HttpReply, HttpRequest } from '../../protocol/http.ts'
import type { PledgeConnection, RequestLimits } from '../../role/device/port.ts'
import { clientChannelBinding, peerChain, secureContextOptions, type TlsCredential } from './tls-profile.ts'

export interface PledgeConnectOptions {
  /** Name or address, IPv6 without brackets. */
  readonly host: string
  readonly port: number
  /** Absent for a client that does not say who it is. */
  readonly credential?: TlsCredential
  /** For name, TCP and TLS together. */
  readonly timeoutMs: number
  /** Ends the connection, whether it is being opened or open. */
  readonly signal?: AbortSignal
}

export interface TlsPledgeConnection extends PledgeConnection {
  readonly protocol: 'TLSv1.2' | 'TLSv1.3'
  /** What binds a request to this connection (RFC 9266, RFC 7030 section 3.5). */
  channelBinding(): Uint8Array | undefined
}

/** Of the header of an answer. */
const maxHeader = 0x4000

/**
 * The provisional TLS connection of a pledge (RFC 8995 section 5.1): any server certificate will do, but the server has
 * proven its key, as every suite on offer signs the handshake and no session is resumed. To be trusted only after
 * `serverCertificates` are checked against a voucher. Throws OnboardingError `registrar-unreachable`, and so do its requests,
 * or `registrar-answer-invalid`.
 */
export async function connectPledge(options: PledgeConnectOptions): Promise<TlsPledgeConnection> {
  const socket = await handshake(options)
  const serverCertificates = peerChain(socket)
  if (serverCertificates.length === 0 || socket.isSessionReused()) {
    socket.destroy()
    throw new OnboardingError('registrar-unreachable', { host: options.host, reason: 'no-certificate' })
  }
  // Nobody else listens while no request is under way; the next request finds the connection gone.
  socket.on('error', () => {})
  const agent = new OneConnection(socket)
  const { host, port } = options
  return {
    serverCertificates,
    protocol: socket.getProtocol() === 'TLSv1.3' ? 'TLSv1.3' : 'TLSv1.2',
    channelBinding: () => clientChannelBinding(socket),
    request: (request, limits) => exchange({ agent, socket, host, port }, request, limits),
    close: () => {
      socket.destroy()
      agent.destroy()
    },
  }
}

function handshake({ host, port, credential, timeoutMs, signal }: PledgeConnectOptions): Promise<TLSSocket> {
  const timeout = AbortSignal.timeout(timeoutMs)
  const ended = signal === undefined ? timeout : AbortSignal.any([timeout, signal])
  return new Promise((resolve, reject) => {
    const socket = connect({
      host,
      port,
      secureContext: createSecureContext(secureContextOptions(credential)),
      // A pledge does not know the name of its registrar (cBRSKI section 6.3), which ignores it anyway.
      servername: '',
      ALPNProtocols: ['http/1.1'],
      rejectUnauthorized: false,
    })
    // The first request follows right on the handshake's last octets.
    socket.setNoDelay(true)
    const fail = (error: unknown) => {
      socket.destroy()
      reject(failure(host, error))
    }
    const abort = () => fail(ended.reason)
    if (ended.aborted) abort()
    ended.addEventListener('abort', abort, { once: true })
    socket.once('error', fail)
    socket.once('secureConnect', () => {
      ended.removeEventListener('abort', abort)
      socket.off('error', fail)
      signal?.addEventListener('abort', () => socket.destroy(), { once: true })
      resolve(socket)
    })
  })
}

/** Gives out the one connection and never opens another, which might lead to somebody else (RFC 8995 section 5). */
class OneConnection extends Agent {
  #socket: TLSSocket | undefined

  constructor(socket: TLSSocket) {
    super({ keepAlive: true, maxSockets: 1 })
    this.#socket = socket
  }

  override createConnection(_: object, opened?: (error: Error | null, socket: Duplex) => void): Duplex | undefined {
    const socket = this.#socket
    this.#socket = undefined
    if (socket !== undefined && !socket.destroyed) return socket
    opened?.(Object.assign(new Error('the connection is closed'), { code: 'ECONNRESET' }), undefined as never)
    return undefined
  }
}

interface Line {
  readonly agent: Agent
  readonly socket: TLSSocket
  readonly host: string
  readonly port: number
}

function exchange(line: Line, request: HttpRequest, limits: RequestLimits): Promise<HttpReply> {
  const { agent, socket, host, port } = line
  const { method, path, body } = request
  // Always with a length: some servers refuse a chunked request.
  const length = method === 'POST' ? { 'Content-Length': body?.length ?? 0 } : {}
  const headers = { ...request.headers, Host: hostField(host, port), ...length }
  return new Promise((resolve, reject) => {
    const signal = AbortSignal.timeout(limits.timeoutMs)
    const fail = (error: unknown) => {
      // Whatever is left of this answer must not be taken for the next one.
      socket.destroy()
      reject(failure(host, error))
    }
    const outgoing = httpRequest({ agent, method, path, headers, signal, maxHeaderSize: maxHeader })
    outgoing.on('error', fail)
    outgoing.on('response', incoming => {
      collect(incoming, limits.maxBytes).then(resolve, fail)
    })
    outgoing.end(body)
  })
}

async function collect(incoming: IncomingMessage, limit: number): Promise<HttpReply> {
  const { statusCode: status = 0 } = incoming
  const tooLarge = () => new OnboardingError('registrar-answer-invalid', { rule: 'too-large', status })
  const headers: Record<string, string> = {}
  for (const [name, value] of Object.entries(incoming.headers)) {
    if (value !== undefined) headers[name] = typeof value === 'string' ? value : value.join(', ')
  }
  if (Number(headers['content-length'] ?? 0) > limit) throw tooLarge()
  const chunks: Buffer[] = []
  let length = 0
  for await (const chunk of incoming as AsyncIterable<Buffer>) {
    length += chunk.length
    if (length > limit) throw tooLarge()
    chunks.push(chunk)
  }
  return { status, headers, body: Buffer.concat(chunks) }
}

function hostField(host: string, port: number): string {
  const name = isIP(host) === 6 ? `[${host}]` : host
  return port === 443 ? name : `${name}:${port}`
}

function failure(host: string, error: unknown): OnboardingError {
  if (error instanceof OnboardingError) return error
  const { code, name } = error as { readonly code?: unknown; readonly name?: string }
  const late = name === 'TimeoutError' || name === 'AbortError'
  const reason = late ? 'timeout' : typeof code === 'string' ? code : 'lost'
  const unreadable: ErrorCode | undefined = reason.startsWith('HPE_') ? 'registrar-answer-invalid' : undefined
  return new OnboardingError(unreadable ?? 'registrar-unreachable', { host, reason }, { cause: error })
}
