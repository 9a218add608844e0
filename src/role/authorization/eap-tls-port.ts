/** What EAP-TLS needs of a TLS implementation: a server's side over memory. Adapters implement it. */

export type TlsVersion = 'TLSv1.2' | 'TLSv1.3'

/** RFC 5216 section 2.3 and RFC 9190 section 2.3. */
export interface EapTlsKeys {
  /** 64 octets: the first half is for what the supplicant sends. */
  readonly msk: Buffer
  readonly version: TlsVersion
}

/** What TLS made of a message of the peer. */
export type TlsTurn =
  /** The handshake goes on with this flight; it may be empty. */
  | { readonly kind: 'continue'; readonly flight: Buffer }
  /** The peer has proven the key of the first of its certificates (DER, end entity first). Now `confirm`, or close. */
  | { readonly kind: 'proven'; readonly certificates: readonly Uint8Array[]; readonly resumed: boolean }
  /** TLS itself failed; the flight has the alert. */
  | { readonly kind: 'failed'; readonly flight: Buffer; readonly reason: string }

/** One handshake. */
export interface EapTlsConversation {
  feed(message: Uint8Array): Promise<TlsTurn>
  /** For a device that is let in: the last flight, and what both sides derive. */
  confirm(): Promise<{ readonly flight: Buffer; readonly keys: EapTlsKeys } | { readonly failed: string }>
  close(): void
}

export interface EapTlsServer {
  open(): EapTlsConversation
}
