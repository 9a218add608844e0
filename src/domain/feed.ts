import type { ErrorCode } from './error.ts'
import type { RecallTreatment } from './recall.ts'

/** A buyer that may pull its purchases, as the manufacturer knows it. */
export interface FeedBuyer {
  /** SHA-256 of the SubjectPublicKeyInfo of the buyer's root, hex: by it the buyer is known, whatever key it shows below. */
  readonly id: string
  /** As in declarations and publications. */
  readonly buyer: string
  readonly name: string
  readonly status: 'active' | 'removed'
  /** Where it wants to hear that there is something new. */
  readonly noticeUrl?: string
  readonly noticePrivateAddress: boolean
  readonly addedAt: number
  /** The root itself, DER base64, from the buyer's first pull. */
  readonly root?: string
  readonly pulledAt?: number
  /** Version of its stream. */
  readonly version: number
}

/** What a site wants to hear from a manufacturer, and how far it has come. */
export interface SubscriptionRecord {
  /** Name of the trusted manufacturer. */
  readonly manufacturer: string
  /** `https://host[:port]/path`, without a trailing slash. */
  readonly url: string
  readonly status: 'active' | 'removed'
  /** Milliseconds between two pulls, before jitter. */
  readonly interval: number
  /** What becomes of the credentials of devices that are recalled this way. */
  readonly treatment: RecallTreatment
  readonly privateAddress: boolean
  readonly addedAt: number
  readonly addedBy: string
  /** Version of its stream. */
  readonly version: number
  readonly state: SubscriptionState
}

/** Decides nothing about trust: what it leads to is signed, and verified when it is imported. */
export interface SubscriptionState {
  /** Id of the last publication that was dealt with. */
  readonly cursor: string
  readonly manifests: number
  readonly recalls: number
  /** What could not be imported; tried again with each pull. */
  readonly refused: readonly RefusedPublication[]
  /** The item under way, and how many devices of it are done. */
  readonly progress?: { readonly publication: string; readonly done: number; readonly of: number }
  readonly pulledAt?: number
  readonly failure?: { readonly code: ErrorCode; readonly at: number; readonly reason: string; readonly times: number }
  readonly nextAt?: number
  /** Notices heard lately, so that none counts twice. */
  readonly notices: readonly { readonly id: string; readonly at: number }[]
}

export interface RefusedPublication {
  readonly publication: FeedItem
  readonly code: ErrorCode
  readonly at: number
}

/** One publication as the feed lists it. */
export interface FeedItem {
  /** Twelve digits, growing. */
  readonly id: string
  readonly kind: 'manifest' | 'recall'
  /** SHA-256 of the file, hex. */
  readonly sha256: string
  readonly bytes: number
}
