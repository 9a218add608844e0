import { createPublicKey, hash as digest, type KeyObject, verify } from 'node:crypto'
import { CodecError } from '../codec/error.ts'
import { encodeCanonicalJson } from '../codec/json.ts'
import { OnboardingError } from './error.ts'
import type { StoredEvent } from './event.ts'
import type { Checkpoint } from './port.ts'

/**
 * The ledger as bytes: enough for somebody who has only an export, a checkpoint and a public key to check it.
 *
 * An event's hash is SHA-256, in lower-case hex, of the UTF-8 of the canonical JSON (RFC 8785) of the array
 * [previous, lane, sequence, stream, version, at, kind, body]; `previous` of the first event of a lane is ''.
 */

/** An event as it lies in the ledger: its body as canonical JSON text. */
export interface LedgerEntry {
  readonly lane: string
  readonly sequence: number
  readonly stream: string
  readonly version: number
  readonly at: number
  readonly kind: string
  readonly body: string
  readonly previous: string
  readonly hash: string
}

/** The last event of a lane; sequence 0 and an empty hash before the first. */
export interface LaneHead {
  readonly lane: string
  readonly sequence: number
  readonly hash: string
}

export function emptyLane(lane: string): LaneHead {
  return { lane, sequence: 0, hash: '' }
}

/** The hash that the entry must have. */
export function entryHash(entry: Omit<LedgerEntry, 'hash'>): string {
  const { previous, lane, sequence, stream, version, at, kind, body } = entry
  const place = `${quoted(previous)},${quoted(lane)},${sequence},${quoted(stream)},${version},${at}`
  return digest('sha256', `[${place},${quoted(kind)},${body}]`)
}

/** As JSON has it. Most of ours need no escape, and to ask costs less than to look for one. */
function quoted(text: string): string {
  return /^[\w./:-]*$/.test(text) ? `"${text}"` : JSON.stringify(text)
}

/** The entry of an exported event. Throws CodecError when its body has no canonical form. */
export function ledgerEntry(event: StoredEvent): LedgerEntry {
  return { ...event, body: encodeCanonicalJson(event.body) }
}

/**
 * Checks that `entry` follows `head` and is unaltered.
 * @returns the new head of the lane
 * @throws OnboardingError `ledger-incomplete` for a gap, `ledger-altered` for anything else
 */
export function verifyEntry(head: LaneHead, entry: LedgerEntry): LaneHead {
  const { lane, sequence, hash } = entry
  if (lane !== head.lane) throw altered(entry, 'it belongs to another lane')
  if (![sequence, entry.version, entry.at].every(Number.isSafeInteger)) throw altered(entry, 'a number is not one')
  if (sequence > head.sequence + 1) {
    throw new OnboardingError('ledger-incomplete', { lane, sequence: head.sequence + 1, reason: 'it is missing' })
  }
  if (sequence !== head.sequence + 1) throw altered(entry, 'its sequence is out of order')
  if (entry.previous !== head.hash) throw altered(entry, 'it does not name the event before it')
  if (entryHash(entry) !== hash) throw altered(entry, 'it does not match its hash')
  return { lane, sequence, hash }
}

/** The bytes that the signature of a checkpoint covers. */
export function checkpointBytes(checkpoint: Omit<Checkpoint, 'signature'>): Buffer {
  const { at, lanes, previous, key } = checkpoint
  const heads = lanes.map(({ lane, sequence, hash }) => ({ lane, sequence, hash }))
  return Buffer.from(encodeCanonicalJson({ at, lanes: heads, previous, key }))
}

/** What the next checkpoint names as `previous`: SHA-256 over the canonical JSON of all members, signature included. */
export function checkpointHash(checkpoint: Checkpoint): string {
  const { at, lanes, previous, key, signature } = checkpoint
  const heads = lanes.map(({ lane, sequence, hash }) => ({ lane, sequence, hash }))
  return digest('sha256', encodeCanonicalJson({ at, lanes: heads, previous, key, signature }))
}

/**
 * The checkpoint, if one of `keys` signed it. Throws OnboardingError `ledger-altered`.
 * @param keys SubjectPublicKeyInfo, DER: a checkpoint says which key signed it, not whether that key counts
 */
export function verifyCheckpoint(checkpoint: Checkpoint, keys: readonly Uint8Array[]): Checkpoint {
  const spki = Buffer.from(checkpoint.key, 'base64')
  if (!keys.some(key => spki.equals(key)) || spki.toString('base64') !== checkpoint.key) {
    throw new OnboardingError('ledger-altered', { reason: 'a checkpoint is signed with a key that does not count' })
  }
  if (!signatureHolds(spki, checkpoint)) {
    throw new OnboardingError('ledger-altered', { reason: 'the signature of a checkpoint does not verify' })
  }
  return checkpoint
}

const digests: Readonly<Record<string, string>> = { prime256v1: 'sha256', secp384r1: 'sha384', secp521r1: 'sha512' }

function signatureHolds(spki: Buffer, checkpoint: Checkpoint): boolean {
  const key: KeyObject = createPublicKey({ key: spki, format: 'der', type: 'spki' })
  const algorithm = key.asymmetricKeyType === 'ec' ? digests[key.asymmetricKeyDetails?.namedCurve ?? ''] : null
  if (algorithm === undefined) return false
  try {
    return verify(algorithm, checkpointBytes(checkpoint), key, Buffer.from(checkpoint.signature, 'base64'))
  } catch (error) {
    if (error instanceof CodecError) return false
    throw error
  }
}

function altered(entry: LedgerEntry, reason: string): OnboardingError {
  return new OnboardingError('ledger-altered', { lane: entry.lane, sequence: entry.sequence, reason })
}
