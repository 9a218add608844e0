/** What a stranger may cost us. Octets and milliseconds. */
export interface HttpLimits {
  /** Of a request body. */
  readonly body: number
  /** Of request line and header fields together. */
  readonly header: number
  /** Connections that are served; a quarter more are told to come back, the rest are dropped. */
  readonly connections: number
  readonly requestsPerConnection: number
  /** Whole requests that wait for their answer; more are told to come back. */
  readonly inFlight: number
  /** The same for one connection, which can send on without waiting (pipelining). */
  readonly inFlightPerConnection: number
  /** From TCP accept to the end of the TLS handshake. */
  readonly handshakeTime: number
  /** From the first octet of a request, or from the handshake, to the end of its header. */
  readonly headerTime: number
  /** From the first octet of a request to the last one of its body. */
  readonly requestTime: number
  /** Between two requests. Longer than the 60 s that a pledge waits after 202 (RFC 8995 section 5.6). */
  readonly idleTime: number
  /** Without an octet in either direction. Longer than the slowest endpoint takes. */
  readonly stallTime: number
  /** What requests under way get to finish when the listener closes. */
  readonly drainTime: number
  /** How long refused octets are still read, so that the refusal is not lost in a connection reset. */
  readonly lingerTime: number
  /** Seconds, for those who are told to come back. */
  readonly retryAfter: number
}

export const protocolLimits: HttpLimits = {
  body: 0x1_0000,
  header: 0x2000,
  connections: 4096,
  requestsPerConnection: 1000,
  inFlight: 1024,
  inFlightPerConnection: 4,
  handshakeTime: 10_000,
  headerTime: 10_000,
  requestTime: 20_000,
  idleTime: 65_000,
  stallTime: 70_000,
  drainTime: 10_000,
  lingerTime: 1000,
  retryAfter: 5,
}
