/** A JSON value. Event bodies and projections are plain JSON, so that a record can be read without this program. */
export type Json = null | boolean | number | string | readonly Json[] | { readonly [member: string]: Json }

/** An event as a decision produced it, before the ledger gives it a place. `kind` is a past-tense phrase: `voucher-obtained`. */
export interface NewEvent {
  readonly kind: string
  readonly body: { readonly [member: string]: Json }
}

/**
 * An event in its place. `lane` is a hash chain with one writer (one per process); `sequence` counts from 1 in the
 * lane, `version` from 1 in the stream. `hash` = SHA-256 over previous hash, lane, sequence, stream, version, at, kind
 * and body text, hex.
 */
export interface StoredEvent extends NewEvent {
  readonly lane: string
  readonly sequence: number
  readonly stream: string
  readonly version: number
  /** Milliseconds since 1970. */
  readonly at: number
  readonly previous: string
  readonly hash: string
}

/** The stream that holds the life of one device, and so on: `noun/key`. */
export type StreamNoun =
  | 'device'
  | 'manufacturer'
  | 'manifest'
  | 'token'
  | 'caller'
  | 'callerAuthority'
  | 'safeguard'
  | 'confirmation'
  | 'action'
  | 'issuer'
  /** Of a rollover that somebody asked for, by what it made. */
  | 'authority'
  | 'site'
  | 'unit'
  | 'batch'
  | 'pledge'
  | 'policy'
  | 'domain'
  | 'refusal'
  | 'recall'
  | 'publication'
  | 'buyer'
  | 'feed'
  | 'offer'
  | 'configurator'
  | 'network'
  | 'radius-client'

export function streamName(noun: StreamNoun, key: string): string {
  return `${noun}/${key}`
}
