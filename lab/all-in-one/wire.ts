import type { KeyObject } from 'node:crypto'
import { connect, createSecureContext, type SecureContext, type TLSSocket } from 'node:tls'
import { peerChain } from '../../src/adapter/http/tls-profile.ts'
import { encodePem } from '../../src/codec/pem.ts'

export interface Reply {
  readonly status: number
  /** Lower-case names. */
  readonly headers: ReadonlyMap<string, string>
  readonly body: Buffer
}

/** A TLS connection that speaks just enough HTTP/1.1: a load generator must cost less than what it measures. */
export interface Wire {
  /** What the server sent, its own first, DER. */
  readonly serverChain: readonly Uint8Array[]
  /** One after the other. Rejects when the connection breaks before the answer is whole. */
  ask(method: 'GET' | 'POST', path: string, contentType?: string, body?: Uint8Array | string): Promise<Reply>
  close(): void
}

/** What a client proves itself with, ready for any number of connections. `chain`: DER, end entity first. */
export function tlsIdentity(key: KeyObject, chain: readonly Uint8Array[]): SecureContext {
  return createSecureContext({
    key: key.export({ type: 'pkcs8', format: 'pem' }),
    cert: chain.map(der => encodePem('CERTIFICATE', der)).join(''),
    // One key share, of the group that the server prefers: without it each handshake would take a second round.
    ecdhCurve: 'P-256',
  })
}

/**
 * Opens a connection of its own, without session resumption. The server's chain is for the caller to judge.
 * @param sent called when a request has been handed to the system
 */
export function dial(
  port: number,
  secureContext: SecureContext,
  { host = '127.0.0.1', sent = () => {} }: { readonly host?: string; readonly sent?: () => void } = {},
): Promise<Wire> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host, port, secureContext, rejectUnauthorized: false })
    socket.setNoDelay(true)
    socket.once('error', reject)
    socket.once('close', () => reject(new Error('the connection was closed in the handshake')))
    socket.once('secureConnect', () => resolve(open(socket, host, sent)))
  })
}

interface Waiting {
  readonly resolve: (reply: Reply) => void
  readonly reject: (error: Error) => void
}

function open(socket: TLSSocket, host: string, sent: () => void): Wire {
  let received: Buffer = Buffer.alloc(0)
  let waiting: Waiting | undefined
  const lost = () => {
    waiting?.reject(new Error('the connection was lost'))
    waiting = undefined
  }
  socket.on('error', lost)
  socket.on('close', lost)
  socket.on('data', (chunk: Buffer) => {
    received = received.length === 0 ? chunk : Buffer.concat([received, chunk])
    const reply = wholeReply(received)
    if (reply === undefined) return
    received = Buffer.alloc(0)
    const answered = waiting
    waiting = undefined
    answered?.resolve(reply)
  })
  return {
    serverChain: peerChain(socket),
    ask(method, path, contentType, body = '') {
      return new Promise((resolve, reject) => {
        if (socket.destroyed) return reject(new Error('the connection was lost'))
        waiting = { resolve, reject }
        const bytes = Buffer.from(body)
        const type = contentType === undefined ? '' : `Content-Type: ${contentType}\r\n`
        const length = method === 'POST' ? `Content-Length: ${bytes.length}\r\n` : ''
        const head = `${method} ${path} HTTP/1.1\r\nHost: ${host}\r\n${type}${length}\r\n`
        socket.write(bytes.length === 0 ? head : Buffer.concat([Buffer.from(head, 'latin1'), bytes]), sent)
      })
    },
    close: () => socket.end(),
  }
}

/** The reply at the start of `bytes`, when it is all there. Ours always say their length. */
function wholeReply(bytes: Buffer): Reply | undefined {
  const end = bytes.indexOf('\r\n\r\n')
  if (end < 0) return undefined
  const [statusLine = '', ...fields] = bytes.toString('latin1', 0, end).split('\r\n')
  const headers = new Map<string, string>()
  for (const field of fields) {
    const colon = field.indexOf(':')
    headers.set(field.slice(0, colon).toLowerCase(), field.slice(colon + 1).trim())
  }
  const body = bytes.subarray(end + 4)
  return body.length < Number(headers.get('content-length') ?? 0)
    ? undefined
    : { status: Number(statusLine.split(' ')[1]), headers, body }
}
