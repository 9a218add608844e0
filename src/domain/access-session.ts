/** Access points, switches and gateways that ask this site whom to let in, and who is in. */

/** One that may ask, by RADIUS. */
export interface RadiusClientRecord {
  readonly name: string
  readonly status: 'active' | 'removed'
  /** IPv4 or IPv6 address that its requests come from. Unique among those that are active. */
  readonly address: string
  /** Shared secret, sealed. */
  readonly box: string
  /** UDP port where it takes Disconnect requests (RFC 5176); 0: it takes none. */
  readonly disconnectPort: number
  readonly changedAt: number
  readonly changedBy: string
  /** Of its stream. */
  readonly version: number
}

/** One stay of a device at one port or access point. */
export interface AccessSession {
  /** 32 hex digits; stands in Class, which comes back in accounting. */
  readonly id: string
  /** `granted`: let in, and not yet reported as there; `open`: reported by accounting; `ended`. */
  readonly state: 'granted' | 'open' | 'ended'
  readonly device: string
  /** Id of the credential that it showed. */
  readonly credential: string
  /** Name of the RADIUS client. */
  readonly client: string
  /** As the client says: MAC address of the device, port, network on air. */
  readonly station?: string
  readonly port?: string
  readonly ssid?: string
  /** Acct-Session-Id of the client. */
  readonly accounting?: string
  readonly segment?: string
  readonly vlan?: number
  /** Milliseconds since 1970. */
  readonly grantedAt: number
  /** Of the last authentication or report. */
  readonly seenAt: number
  /** When it has to authenticate again. */
  readonly until: number
  readonly startedAt?: number
  readonly endedAt?: number
  readonly endReason?: string
  /** Octets from and to the device, where the client counts them. */
  readonly received?: number
  readonly sent?: number
}

/** In the stream of the device. */
export type AccessEvent =
  | {
      readonly kind: 'access-granted'
      readonly body: {
        readonly session: string
        readonly credential: string
        readonly client: string
        readonly station?: string
        readonly port?: string
        readonly ssid?: string
        readonly segment?: string
        readonly vlan?: number
        readonly at: number
      }
    }
  | {
      readonly kind: 'access-refused'
      readonly body: { readonly code: string; readonly client: string; readonly port?: string; readonly at: number }
    }
  /** A stay ended: by the device, its access point, or because this site ended it. */
  | {
      readonly kind: 'access-ended'
      readonly body: { readonly session: string; readonly client: string; readonly reason: string; readonly at: number }
    }
