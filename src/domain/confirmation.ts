import { hash } from 'node:crypto'
import { encodeCanonicalJson } from '../codec/json.ts'
import type { RoleName } from './authority.ts'
import type { Json } from './event.ts'

/** Four eyes: what one person asks for, and another confirms. */

export type ConfirmationStatus =
  | 'pending'
  /** Somebody confirmed it, and it is being done; after a crash, confirmed again it goes on. */
  | 'confirmed'
  | 'done'
  /** It was confirmed, and could not be done. */
  | 'failed'
  | 'declined'
  | 'expired'

export interface ConfirmationRequest {
  readonly id: string
  /** Of the API. */
  readonly operation: string
  /** What is to be done, to the letter: canonical JSON (RFC 8785). */
  readonly input: string
  /** `confirmationHash` of operation and input. */
  readonly inputHash: string
  /** `token/<id>` or `caller/<id>` of who asked, and how the record names it. */
  readonly askedBy: string
  readonly askedAs: string
  readonly party: string
  readonly role: RoleName
  readonly askedAt: number
  readonly expiresAt: number
  /** Who asked has not the authority himself, and asks somebody who has it: one person decides, and does it. */
  readonly wish?: true
  readonly status: ConfirmationStatus
  /** Who confirmed or declined, as the record names it. */
  readonly decidedAs?: string
  readonly decidedParty?: string
  readonly decidedAt?: number
  /** Code of the failure. */
  readonly outcome?: string
  /** Of its stream. */
  readonly version: number
}

/** A rule that people can switch on for the whole site. */
export interface Safeguard {
  readonly name: 'four-eyes'
  readonly on: boolean
  /** Whoever was let in from then on counts as the one who let in. */
  readonly since: number
  readonly by: string
  /** Of its stream. */
  readonly version: number
}

/** An input as text that is the same for the same input. Throws CodecError for what is no JSON. */
export function confirmationInput(input: unknown): string {
  return encodeCanonicalJson(JSON.parse(JSON.stringify(input)) as Json)
}

/** SHA-256, hex: another operation or another input is another request. */
export function confirmationHash(operation: string, input: string): string {
  return hash('sha256', `${operation}\n${input}`)
}
