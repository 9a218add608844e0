/** What a database says of itself, read without changing anything. Times in milliseconds since 1970. */
export interface StoreCondition {
  readonly kind: 'sqlite' | 'postgres'
  readonly schemaVersion: number
  /** The version that this program writes. */
  readonly knownSchemaVersion: number
  /** What durability rests on, as the database names it. */
  readonly settings: Readonly<Record<string, string>>
  /** Octets of the whole database. */
  readonly bytes: number
  readonly events: number
  readonly firstEventAt?: number
  readonly lastEventAt?: number
  readonly lastCheckpoint?: { readonly number: number; readonly at: number }
  /** The end of the ledger: the last checkpoint, and every event behind it. */
  readonly end: { readonly sound: boolean; readonly events: number; readonly reason?: string }
  readonly outbox: readonly OutboxCondition[]
  readonly strays: {
    /** Devices whose stream has no event. */
    readonly devices: readonly string[]
    /** Credentials of devices that are not on record. */
    readonly credentials: readonly string[]
  }
}

/** What waits under one topic. */
export interface OutboxCondition {
  readonly topic: string
  readonly items: number
  /** Of these, how many were claimed three times or more and still are there. */
  readonly tried: number
  /** The most attempts of one item. */
  readonly attempts: number
  /** When the oldest of them was due. */
  readonly oldestDue: number
}
