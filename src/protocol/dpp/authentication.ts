import { timingSafeEqual } from 'node:crypto'
import { CodecError } from '../../codec/error.ts'
import { CryptoError, type CryptoErrorCode } from '../../crypto/error.ts'
import { Secret } from '../../crypto/secret.ts'
import type { DppCurve } from './curve.ts'
import { type DppKeyPair, type DppPublicKey, exportSpki } from './key.ts'
import { type BootstrappingUri, bootstrappingKey, keyHash } from './uri.ts'

/*
 * What the two sides of an authentication have in common (Easy Connect section 6.3).
 */

/** Highest version that we speak. */
export const protocolVersion = 3

/** Bits of the capabilities: what a party offers, and in the answer what it will be. */
export const capability = { enrollee: 1, configurator: 2 } as const
export type DppRole = keyof typeof capability

/** A bootstrapping key of our own, and the hash by which others call it. */
export interface OwnBootstrapping {
  readonly pair: DppKeyPair
  readonly hash: Uint8Array
}

/** A bootstrapping key that was scanned. */
export interface PeerBootstrapping {
  readonly key: DppPublicKey
  readonly hash: Uint8Array
}

/** Ours are few, and asked for in each exchange. */
const ours = new WeakMap<DppKeyPair, OwnBootstrapping>()

/** @param publicKey as in the URI that is shown, when it was not us who made it */
export function ownBootstrapping(pair: DppKeyPair, publicKey?: Uint8Array): OwnBootstrapping {
  if (publicKey !== undefined) return { pair, hash: keyHash({ publicKey }) }
  const known = ours.get(pair) ?? { pair, hash: keyHash({ publicKey: exportSpki(pair) }) }
  ours.set(pair, known)
  return known
}

export function peerBootstrapping(uri: Pick<BootstrappingUri, 'publicKey'>): PeerBootstrapping {
  return { key: bootstrappingKey(uri), hash: keyHash(uri) }
}

/** Two parties that have proven their keys to each other, or in one-way authentication the Responder to the Initiator. */
export interface AuthenticatedSession {
  readonly curve: DppCurve
  /** What we are in the configuration that follows. */
  readonly role: DppRole
  /** False: the Initiator could have been anybody who has seen the Responder's code. */
  readonly mutual: boolean
  /** What the peer speaks, which may be more than we do. */
  readonly peerVersion: number
  /** Wraps everything that follows. */
  readonly ke: Secret
  /** Other secrets of this exchange are derived from it. */
  readonly bk: Secret
  readonly ownProtocolKey: DppKeyPair
  readonly peerProtocolKey: DppPublicKey
}

export type AuthenticationFailure =
  /** An attribute is missing, has the wrong length or the wrong value, or a point is off its curve. */
  | 'malformed'
  /** It was wrapped with another key, or altered: one of the parties has not the bootstrapping key that the other thinks. */
  | 'unopenable'
  /** It is for another key or another exchange than this one. */
  | 'mismatched'
  /** Two Enrollees, or two Configurators. */
  | 'not-compatible'
  /** The tag of the peer is wrong. */
  | 'not-authentic'
  /** The peer says so; `status` tells what it says. */
  | 'refused'
  | 'timed-out'

export interface AuthenticationFailed {
  readonly type: 'failed'
  readonly reason: AuthenticationFailure
  /** What the peer said, of `dppStatus`. */
  readonly status?: number
  /** For whoever has to find out why; no secrets in it. */
  readonly detail?: string
}

/** For what a hostile or broken peer can cause; any other error is ours and goes on. */
export function failureOf(error: unknown): AuthenticationFailed {
  if (error instanceof CodecError) return { type: 'failed', reason: 'malformed', detail: error.message }
  if (!(error instanceof CryptoError)) throw error
  return { type: 'failed', reason: reasons[error.code] ?? 'malformed', detail: error.message }
}

const reasons: Partial<Record<CryptoErrorCode, AuthenticationFailure>> = {
  'bad-signature': 'unopenable',
  'key-mismatch': 'mismatched',
}

export function failed(reason: AuthenticationFailure, detail?: string): AuthenticationFailed {
  return { type: 'failed', reason, ...(detail === undefined ? {} : { detail }) }
}

/** Takes the key out of the buffer that it came in. */
export function kept(key: Buffer): Secret {
  const secret = new Secret(key)
  key.fill(0)
  return secret
}

/** In constant time for equal lengths; lengths are no secret. */
export function sameOctets(left: Uint8Array, right: Uint8Array): boolean {
  return left.length === right.length && timingSafeEqual(left, right)
}

/** Of what both offered, the role for us that leaves the other one to the peer. Both ways open: the Responder is Enrollee. */
export function responderRole(offered: number, ours: number): DppRole | undefined {
  if (offered & capability.configurator && ours & capability.enrollee) return 'enrollee'
  if (offered & capability.enrollee && ours & capability.configurator) return 'configurator'
  return undefined
}

/** What is left for the Initiator when the Responder says what it will be; undefined when it says nothing usable. */
export function initiatorRole(theirs: number, ours: number): DppRole | undefined {
  const only = theirs & (capability.enrollee | capability.configurator)
  if (only === capability.configurator && ours & capability.enrollee) return 'enrollee'
  if (only === capability.enrollee && ours & capability.configurator) return 'configurator'
  return undefined
}
