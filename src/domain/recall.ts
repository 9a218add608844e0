import type { RevocationReason } from '../codec/crl.ts'

/** What a manufacturer can say a recall is for. */
export const recallReasons = ['vulnerability', 'key-compromise', 'safety', 'defect', 'counterfeit', 'other'] as const

export type RecallReason = (typeof recallReasons)[number]

/** What becomes of the network credentials of recalled devices: ended for good, or of no use until the recall is lifted. */
export type RecallTreatment = 'revoke' | 'hold'

/** How far the devices of the manufacturer were gone through. Decides nothing: what is recalled is refused from the start. */
export interface RecallWork {
  readonly state: 'under-way' | 'done'
  /** Id of the last device that was looked at. */
  readonly after: string
  readonly checked: number
  /** Devices of the manufacturer when the work began. */
  readonly of: number
  /** Devices that the recall newly hit, or that it let go. */
  readonly affected: number
  /** Credentials. */
  readonly revoked: number
  readonly held: number
  readonly released: number
  readonly finishedAt?: number
}

/** A recall as this site knows it: the newest notice about it, and what was done. */
export interface RecallRecord {
  /** 24 hex digits, from the manufacturer and its number for the recall. */
  readonly id: string
  /** The site's name of the manufacturer. */
  readonly manufacturer: string
  /** The manufacturer's own name of the recall: 32 hex digits, the same in each notice about it. */
  readonly recall: string
  /** Counts the notices about it; an older one never takes the place of a newer one. */
  readonly number: number
  readonly status: 'in-force' | 'lifted'
  readonly reason: RecallReason
  /** In words, and where there is more: an advisory, a URL. */
  readonly note: string
  readonly reference: string
  /** Models and batches by name; serial numbers stand in the notice. */
  readonly models: readonly string[]
  readonly batches: readonly string[]
  readonly serials: number
  /** SHA-256 of the notice, hex: its key among the documents. */
  readonly notice: string
  readonly treatment: RecallTreatment
  readonly issuedAt: number
  readonly importedAt: number
  readonly importedBy: string
  readonly work: RecallWork
  /** Version of its stream. */
  readonly version: number
}

/** A signed file as it came or went, kept whole so that anybody can verify it again. */
export interface DocumentRecord {
  /** SHA-256 of the file, hex. */
  readonly id: string
  /** Base64. */
  readonly file: string
}

/** RFC 5280 section 5.3.1. */
export function revocationReasonOf(reason: RecallReason): RevocationReason {
  return reason === 'key-compromise' ? 'keyCompromise' : 'privilegeWithdrawn'
}
