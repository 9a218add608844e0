import type { IncomingMessage } from 'node:http'
import { createServer as createPlainServer } from 'node:http'
import { createServer } from 'node:https'
import { TLSSocket } from 'node:tls'
import type { Endpoint, Peer } from '../../domain/port.ts'
import { serveDirectly } from './direct-connection.ts'
import { ConnectionGone, createAnswering, serveExchanges } from './exchange.ts'
import { type HttpLimits, protocolLimits } from './limit.ts'
import { type Connection, type HttpListener, type ListenOptions, openListener, serverOptions } from './listener.ts'
import {
  errorEraser,
  peerCertificate,
  peerChain,
  secureContextOptions,
  serverChannelBinding,
  type TlsCredential,
} from './tls-profile.ts'

export interface EndpointOptions extends Omit<ListenOptions, 'limits'> {
  /** Asked in this order. */
  readonly endpoints: readonly Endpoint[]
  readonly limits?: Partial<HttpLimits>
}

export interface TlsEndpointOptions extends EndpointOptions, TlsCredential {}

export interface TlsListener extends HttpListener {
  /** For connections from now on; those that are open keep, and tell, the certificate that they were opened with. */
  setCredential(credential: TlsCredential): void
}

/**
 * HTTP/1.1 over TLS 1.2 or 1.3 for protocol endpoints. Takes any client certificate or none: TLS proves that the peer has
 * the key of `peer.certificates[0]`, and who may be let in is for the endpoint to say.
 * Throws OnboardingError `port-in-use`, `input-invalid`.
 */
export async function listenTls(options: TlsEndpointOptions): Promise<TlsListener> {
  const limits = { ...protocolLimits, ...options.limits }
  const server = createServer({
    ...serverOptions(limits),
    ...secureContextOptions(options),
    requestCert: true,
    rejectUnauthorized: false,
  })
  server.on('secureConnection', errorEraser(options.certificateChain[0]!))
  const local = localCertificates(options.certificateChain[0]!, limits)
  const listener = await openListener(server, { ...options, limits }, door => {
    const peers = new WeakMap<TLSSocket, Peer>()
    const peerOf = ({ socket }: Pick<IncomingMessage, 'socket'>, connection: Connection): Peer => {
      if (!(socket instanceof TLSSocket)) throw new TypeError('not a TLS connection')
      let peer = peers.get(socket)
      if (peer === undefined) {
        peer = tlsPeer(socket, connection, local.of(socket))
        peers.set(socket, peer)
      }
      return peer
    }
    const answering = createAnswering({ door, endpoints: options.endpoints, peerOf })
    serveExchanges(server, door, answering)
    return serveDirectly(server, door, answering)
  })
  return {
    ...listener,
    setCredential(credential) {
      server.setSecureContext(secureContextOptions(credential))
      local.change(credential.certificateChain[0]!)
    },
  }
}

/** HTTP without TLS, for what has to be had before any trust: CRLs, for one. Its peers have no certificates. */
export async function listenPlain(options: EndpointOptions): Promise<HttpListener> {
  const limits = { ...protocolLimits, ...options.limits }
  const server = createPlainServer(serverOptions(limits))
  return openListener(server, { ...options, limits }, door => {
    const peerOf = (_: unknown, connection: Connection) => plainPeer(connection)
    serveExchanges(server, door, createAnswering({ door, endpoints: options.endpoints, peerOf }))
    return undefined
  })
}

/** Our end-entity certificate on a connection. Asking OpenSSL costs 0.02 ms, so only while it can be one of two. */
function localCertificates(first: Uint8Array, limits: HttpLimits) {
  // No connection that was opened before waits longer for its first request to be whole.
  const settlingTime = limits.handshakeTime + limits.headerTime + limits.requestTime
  let current = first
  let settledAt = 0
  return {
    change(next: Uint8Array): void {
      current = next
      settledAt = performance.now() + settlingTime
    },
    of(socket: TLSSocket): Uint8Array {
      return performance.now() < settledAt ? (socket.getX509Certificate()?.raw ?? current) : current
    },
  }
}

/** What costs OpenSSL time is asked for once, and only if an endpoint wants it. */
function tlsPeer(socket: TLSSocket, { address, id }: Connection, localCertificate: Uint8Array): Peer {
  const kept = <T>(read: (socket: TLSSocket) => T): (() => T) => {
    let value: { readonly of: T } | undefined
    return () => {
      // A socket that is gone would answer as if the peer had sent nothing.
      if (value === undefined && socket.destroyed) throw new ConnectionGone()
      value ??= { of: read(socket) }
      return value.of
    }
  }
  const certificate = kept(peerCertificate)
  const certificates = kept(peerChain)
  const channelBinding = kept(serverChannelBinding)
  return {
    address,
    connection: id,
    localCertificate,
    get certificate() {
      return certificate()
    },
    get certificates() {
      return certificates()
    },
    channelBinding,
  }
}

function plainPeer({ id, address }: Connection): Peer {
  return {
    address,
    connection: id,
    certificates: [],
    localCertificate: new Uint8Array(),
    channelBinding: () => undefined,
  }
}
