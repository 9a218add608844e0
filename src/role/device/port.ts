import type { HttpReply, HttpRequest } from '../../protocol/http.ts'

/** The memory of a device that outlives its power. Names are short and made of letters. */
export interface DeviceStore {
  read(name: string): Promise<Uint8Array | undefined>
  /** After a power loss the value is the old one or the new one, whole; durable when this resolves. */
  write(name: string, value: Uint8Array): Promise<void>
  /** No error when there is none. */
  remove(name: string): Promise<void>
  list(): Promise<readonly string[]>
}

/** The way to a registrar. Whoever implements it holds the device's key store, so that no key passes through here. */
export interface PledgeTransport {
  /** Rejects when there is no connection within the time. */
  connect(request: ConnectRequest): Promise<PledgeConnection>
}

export interface ConnectRequest {
  /** `https://host[:port]`. */
  readonly origin: string
  /** The client certificate and what stands above it, DER; empty for a client that does not say who it is. */
  readonly certificates: readonly Uint8Array[]
  /** Of the key store: the key of the first certificate. */
  readonly keyLabel: string
  readonly timeoutMs: number
}

/** A TLS connection whose server has proven the key of its certificate, and nothing more. */
export interface PledgeConnection {
  /** What the server sent, its end-entity certificate first, DER. */
  readonly serverCertificates: readonly Uint8Array[]
  /** One after the other. Rejects when the connection is lost, or the answer too long or too late. */
  request(request: HttpRequest, limits: RequestLimits): Promise<HttpReply>
  close(): void
}

export interface RequestLimits {
  readonly timeoutMs: number
  readonly maxBytes: number
}

/** Resolves after that time, or at once when the signal aborts. */
export type Sleep = (milliseconds: number, signal: AbortSignal) => Promise<void>
