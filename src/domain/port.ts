import type { AccessSession, RadiusClientRecord } from './access-session.ts'
import type { BootstrappingKeyRecord } from './bootstrapping.ts'
import type { StoreCondition } from './condition.ts'
import type { ConfiguratorKeyRecord } from './configurator-key.ts'
import type { ConfirmationRequest, Safeguard } from './confirmation.ts'
import type { CredentialRecord } from './credential.ts'
import type { Device } from './device.ts'
import type { Json, NewEvent, StoredEvent, StreamNoun } from './event.ts'
import type { FeedBuyer, SubscriptionRecord } from './feed.ts'
import type {
  BatchRecord,
  FormerDeclarationRecord,
  IssuedVoucherRecord,
  PublicationRecord,
  UnitRecord,
} from './manufacture.ts'
import type { NetworkDefinition } from './network-definition.ts'
import type { OfferRecord } from './offer.ts'
import type { PolicyState, PolicyVersion } from './policy.ts'
import type { DocumentRecord, RecallRecord } from './recall.ts'
import type {
  AccessToken,
  CallerAuthority,
  CertificateCaller,
  IssuerRecord,
  ManifestRecord,
  TrustedManufacturer,
  VoucherRecord,
} from './site.ts'

/**
 * The ports through which the roles reach the outside. Adapters implement them, `app` wires them.
 */

/** Milliseconds since 1970. Injected so that tests move time. */
export type Clock = () => number

/** `length` random bytes fit for keys and nonces. */
export type Random = (length: number) => Uint8Array

/** One noun kept as current state beside the ledger, written in the same transaction as its events. */
export interface Table<T, Index extends string = never> {
  get(key: string): Promise<T | undefined>
  /** Adds a new row; throws OnboardingError `store-exists` (detail `constraint`) when the key or a unique column is taken. */
  insert(value: T): Promise<void>
  /** Adds or replaces. A unique column that another row has fails the whole unit of work, with `store-exists`. */
  put(value: T): Promise<void>
  remove(key: string): Promise<void>
  /** Rows whose index columns equal the filter, in key order after `after`; at most `limit` (default 100, at most 1000). */
  find(
    filter: Readonly<Partial<Record<Index, string | number>>>,
    page?: { readonly after?: string; readonly limit?: number },
  ): Promise<readonly T[]>
  count(filter?: Readonly<Partial<Record<Index, string | number>>>): Promise<number>
}

/** The tables of all parties. A store belongs to one party (a site or a manufacturer); the others' tables stay empty. */
export interface Tables {
  readonly device: Table<Device, 'manufacturer' | 'serial' | 'lifecycle' | 'rung' | 'standing' | 'owner' | 'awaits'>
  readonly credential: Table<
    CredentialRecord,
    'device' | 'status' | 'serialHex' | 'requestHash' | 'keyHash' | 'network'
  >
  readonly voucher: Table<VoucherRecord, 'device'>
  readonly manufacturer: Table<TrustedManufacturer>
  readonly manifest: Table<ManifestRecord, 'manufacturer'>
  /** Signed files, by their hash. */
  readonly document: Table<DocumentRecord>
  /** By manufacturer. */
  readonly subscription: Table<SubscriptionRecord, 'status'>
  readonly recall: Table<RecallRecord, 'manufacturer' | 'status'>
  readonly issuer: Table<IssuerRecord>
  readonly token: Table<AccessToken, 'hash'>
  readonly callerAuthority: Table<CallerAuthority>
  readonly caller: Table<CertificateCaller, 'authority' | 'identity'>
  readonly safeguard: Table<Safeguard>
  readonly confirmation: Table<ConfirmationRequest, 'party' | 'status'>
  readonly unit: Table<UnitRecord, 'model' | 'batch' | 'owner'>
  readonly batch: Table<BatchRecord, 'model'>
  readonly feedBuyer: Table<FeedBuyer, 'buyer'>
  readonly publication: Table<PublicationRecord, 'buyer' | 'recall'>
  readonly issuedVoucher: Table<IssuedVoucherRecord, 'serial' | 'domain' | 'nonce'>
  readonly formerDeclaration: Table<FormerDeclarationRecord, 'serial'>
  readonly offer: Table<OfferRecord, 'manufacturer' | 'seller' | 'state'>
  readonly policy: Table<PolicyVersion, 'sourceHash'>
  readonly policyState: Table<PolicyState>
  readonly bootstrappingKey: Table<BootstrappingKeyRecord, 'device' | 'chirpHash' | 'state'>
  readonly configuratorKey: Table<ConfiguratorKeyRecord, 'use' | 'state'>
  readonly network: Table<NetworkDefinition, 'status'>
  readonly radiusClient: Table<RadiusClientRecord, 'address' | 'status'>
  readonly accessSession: Table<AccessSession, 'device' | 'client' | 'state'>
  /** Small named facts: schema marks, counters, the site's own name. */
  readonly setting: Table<Setting>
}

export interface Setting {
  readonly name: string
  readonly value: Json
}

/** What a transaction can do. All of it becomes durable together, or nothing does. */
export interface Tx extends Tables {
  /**
   * Appends to a stream. `expectedVersion` is the version that the decision was made on (0 for a new stream); when the
   * stream has moved on, the transaction is run again from its start.
   * @returns the new version of the stream
   */
  append(stream: string, expectedVersion: number, events: readonly NewEvent[]): Promise<number>
  /** Work that must follow the commit: claimed by one worker, at least once. */
  enqueue(topic: string, body: Json, dueAt?: number): Promise<void>
}

/** Where a reader of the feed stands: the last sequence seen of each lane. Opaque to callers beyond the store. */
export type FeedCursor = Readonly<Record<string, number>>

export interface OutboxItem {
  readonly id: string
  readonly topic: string
  readonly body: Json
  readonly attempt: number
}

/** Signed statement of how far each lane has come, so that a cut-off end shows. */
export interface Checkpoint {
  readonly at: number
  readonly lanes: readonly { readonly lane: string; readonly sequence: number; readonly hash: string }[]
  /** Hash of the checkpoint before, hex; empty for the first. */
  readonly previous: string
  /** DER SubjectPublicKeyInfo of the signing key, base64. */
  readonly key: string
  /** ECDSA signature over the canonical JSON of the members above, DER, base64. */
  readonly signature: string
}

export interface LedgerVerdict {
  /** Nothing altered: every hash, chain, signature and projection agrees. */
  readonly integrity: 'pass' | 'fail'
  /** Nothing cut off: every lane reaches what the last checkpoint, and the anchor if given, counts. */
  readonly completeness: 'pass' | 'fail' | 'unanchored'
  readonly events: number
  readonly checkpoints: number
  /** The first bad record, if any. */
  readonly firstBad?: { readonly lane: string; readonly sequence: number; readonly reason: string }
}

export interface Store {
  /**
   * Runs `work` and resolves when it is durable. `work` must touch nothing but `tx`: it may run more than once, and it
   * holds up all others, so that it fails (`store-unavailable`) when it has not ended after 5 seconds. It may go on after
   * `store-exists` from `insert`, not after any other failure of the store. Throws OnboardingError `store-conflict`,
   * `store-exists`, `store-full`, `store-unavailable`; after the last nothing was written, unless the database vanished
   * during the commit and did not come back.
   */
  transaction<T>(work: (tx: Tx) => Promise<T>): Promise<T>
  /** A consistent look without writing. */
  read<T>(work: (tables: Tables) => Promise<T>): Promise<T>
  /** Events of one stream in version order. */
  history(stream: string, afterVersion?: number, limit?: number): Promise<readonly StoredEvent[]>
  /** Events of all lanes after the cursor, oldest first, at most `limit`. */
  feed(
    cursor: FeedCursor,
    limit: number,
  ): Promise<{ readonly events: readonly StoredEvent[]; readonly cursor: FeedCursor }>
  /**
   * Calls back after each commit that appended events, of any process.
   * @param nouns of streams: only events of these are told, and only these are read from other processes
   * @returns a function that ends it
   */
  onCommit(listener: (events: readonly StoredEvent[]) => void, nouns?: readonly StreamNoun[]): () => void
  /** Claims due outbox items; each must be settled. An unsettled claim returns after its lease. */
  claim(topic: string, limit: number): Promise<readonly OutboxItem[]>
  settle(id: string, outcome: 'done' | { readonly retryAt: number }): Promise<void>
  /** Signs and stores a checkpoint over all lanes. */
  checkpoint(): Promise<Checkpoint>
  verify(anchor?: Checkpoint): Promise<LedgerVerdict>
  /** A short examination: what `mooring doctor` asks of a database. */
  condition(): Promise<StoreCondition>
  /** Writes a copy that `restore` accepts, while the store stays in use. */
  backup(file: string): Promise<void>
  close(): Promise<void>
}

/** The registrar's way to a manufacturer. Transport failures throw OnboardingError `masa-…`. */
export interface MasaClient {
  requestVoucher(request: MasaRequest): Promise<MasaAnswer>
  requestAuditLog(request: MasaRequest): Promise<MasaAnswer>
}

export interface MasaRequest {
  readonly manufacturer: TrustedManufacturer
  /** `https://host[:port]/.well-known/brski`, without a trailing slash. */
  readonly baseUrl: string
  readonly body: Uint8Array
  readonly contentType: string
  readonly accept: string
}

export interface MasaAnswer {
  readonly status: number
  readonly contentType: string
  readonly body: Uint8Array
}

/** The way to a manufacturer's ownership service. Throws as `MasaClient` does. */
export interface OwnershipClient {
  /** `request.baseUrl` is that of the MASA, beside which the service stands. */
  requestOwnership(request: MasaRequest): Promise<MasaAnswer>
}

/** The other party of a feed: who it has to prove to be. */
export interface FeedServer {
  readonly name: string
  /** DER, base64. */
  readonly anchors: readonly string[]
  /** It may be at a private or loopback address. */
  readonly privateAddress: boolean
}

export interface FeedAnswer {
  readonly body: Uint8Array
  readonly etag?: string
}

/** HTTPS to the other party of a feed. Throws OnboardingError `feed-…`, also for a status that is no success. */
export interface FeedClient {
  /** Undefined when nothing changed since `etag`. `limit`: octets of the answer. */
  get(request: {
    readonly url: string
    readonly server: FeedServer
    readonly etag?: string
    readonly limit: number
  }): Promise<FeedAnswer | undefined>
  post(request: {
    readonly url: string
    readonly server: FeedServer
    readonly body: Uint8Array
    readonly contentType: string
  }): Promise<void>
}

/** A request as a protocol endpoint sees it, free of any HTTP library. */
export interface EndpointRequest {
  readonly method: string
  readonly path: string
  /** Lower-case names. */
  readonly headers: Readonly<Record<string, string>>
  readonly body: Uint8Array
  readonly peer: Peer
}

/** The other end of a TLS connection: proven possession of `certificates[0]`'s key, nothing more (no path was validated). */
export interface Peer {
  /** Address and port, for the record. */
  readonly address: string
  /** The chain that the client sent, leaf first, DER. Empty when it sent none. */
  readonly certificates: readonly Uint8Array[]
  /** `certificates[0]`, where it can be had without the cost of the others (0.005 ms against 0.12). */
  readonly certificate?: Uint8Array | undefined
  /** Our own end-entity certificate on this connection, DER. */
  readonly localCertificate: Uint8Array
  /** Unique per connection. */
  readonly connection: string
  /** RFC 9266 tls-exporter, or tls-unique on TLS 1.2 (RFC 7030 section 3.5). */
  channelBinding(): Uint8Array | undefined
}

export interface EndpointReply {
  readonly status: number
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: Uint8Array | string
  /** Close the connection after this reply (RFC 8995 section 5.2). */
  readonly close?: boolean
}

/** One protocol endpoint set. Answers undefined for a path that is not its own. */
export interface Endpoint {
  handle(request: EndpointRequest): Promise<EndpointReply | undefined>
  /** Methods that a path of its own takes, so that another method gets 405 and not 404; undefined for any other path. */
  methods?(path: string): readonly string[] | undefined
}

/** Structured log. Secrets have a type that prints as `[secret]`. */
export interface Log {
  info(facts: Readonly<Record<string, unknown>>, message: string): void
  warn(facts: Readonly<Record<string, unknown>>, message: string): void
  error(facts: Readonly<Record<string, unknown>>, message: string): void
}
