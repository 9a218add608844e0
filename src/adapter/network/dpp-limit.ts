/** Bounds of the Controller's listener. Times in milliseconds. */
export interface DppLimits {
  /** Open at once, of all peers. */
  readonly connections: number
  /** Open at once, of one address: hostapd opens 15 at most, as a relay, and lets go of them after 20 s. */
  readonly connectionsOfAddress: number
  /** Octets of a record: a configuration request may have 16 kB. */
  readonly record: number
  /** Until the first record is whole. */
  readonly firstTime: number
  /** Between two records. */
  readonly idleTime: number
  /** Of a connection in all. */
  readonly totalTime: number
  /** Octets that the peer has not taken yet. */
  readonly backlog: number
  /** For what is under way when the listener closes. */
  readonly drainTime: number
}

export const dppLimits: DppLimits = {
  connections: 1024,
  connectionsOfAddress: 64,
  record: 0x5000,
  firstTime: 5_000,
  idleTime: 60_000,
  totalTime: 120_000,
  backlog: 0x10000,
  drainTime: 2_000,
}
