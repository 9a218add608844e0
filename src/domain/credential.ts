import type { RevocationReason } from '../codec/crl.ts'
import { OnboardingError } from './error.ts'
import type { NetworkAccess } from './network-definition.ts'

/** What a device proves itself with (SP 1800-36 section 1.1.1). */
export type CredentialKind = 'birth' | 'network' | 'application'

/**
 * `planned` is written before the signature: a crash between plan and signature repeats the same certificate, never a
 * second one. `held` is of no use until released (RFC 5280 section 5.3.1, certificateHold).
 */
export type CredentialStatus = 'planned' | 'issued' | 'held' | 'revoked' | 'superseded'

/** RFC 5280 section 5.3.1. */
export type { RevocationReason } from '../codec/crl.ts'

export interface CredentialRecord {
  /** SHA-256 of `tbs`, hex. */
  readonly id: string
  readonly device: string
  readonly kind: CredentialKind
  /** What `certificate` holds; an X.509 certificate when absent. */
  readonly form?: 'connector'
  readonly status: CredentialStatus
  /** Certificate serial number, hex; that of a Connector is in the record alone. Unique. */
  readonly serialHex: string
  /** SHA-256 of device id and CSR, hex. Unique: one request, one credential. */
  readonly requestHash: string
  /** SHA-256 of the SubjectPublicKeyInfo, hex. Unique among planned and issued credentials of different devices. */
  readonly keyHash: string
  /** Name of the issuing CA, or of the C-sign key. */
  readonly issuer: string
  /** Milliseconds since 1970. */
  readonly notBefore: number
  readonly notAfter: number
  /** The bytes to sign, base64; kept so that a repeated request signs the same certificate. */
  readonly tbs: string
  /** DER or compact JWS, base64; present from `issued` on. */
  readonly certificate?: string
  readonly revokedAt?: number
  readonly revocationReason?: RevocationReason
  /** Since when, while it is held. */
  readonly heldAt?: number
  /** Name of the wireless network that the device was configured for, if it was for one. */
  readonly network?: string
  readonly access?: NetworkAccess
}

/** What admission grants: the terms of the credential to be made. */
export interface CredentialPlan {
  readonly kind: 'network'
  readonly lifetimeDays: number
  /** Identifier of the network, carried in the credential and in the record. */
  readonly network: string
  readonly segment?: string
  /** `http://host[:port]` where anybody can ask whether the credential is still good; absent: only this site is asked. */
  readonly statusUrl?: string
}

/** Whether a credential can be used, and why not. Only `valid` opens anything. */
export type CredentialCondition = CredentialStatus | 'not-yet-valid' | 'valid' | 'expired'

/** `now` in milliseconds since 1970; both ends of the lifetime belong to it (RFC 5280 section 4.1.2.5). */
export function credentialStatusAt(
  record: Pick<CredentialRecord, 'status' | 'notBefore' | 'notAfter'>,
  now: number,
): Exclude<CredentialCondition, 'issued'> {
  if (record.status !== 'issued') return record.status
  if (now < record.notBefore) return 'not-yet-valid'
  return now > record.notAfter ? 'expired' : 'valid'
}

/** After the signature. `certificate`: DER, base64. @throws OnboardingError `credential-status-refused` unless planned */
export function issueCredential(record: CredentialRecord, certificate: string): CredentialRecord {
  return { ...inStatus(record, 'planned', 'issued'), certificate }
}

/** For good. @throws OnboardingError `credential-status-refused` unless issued or held */
export function revokeCredential(
  record: CredentialRecord,
  revocation: { readonly at: number; readonly reason: RevocationReason },
): CredentialRecord {
  const { at, reason } = revocation
  const { heldAt: _, ...rest } = record.status === 'held' ? { ...record, status: 'issued' as const } : record
  return { ...withoutSecret(inStatus(rest, 'issued', 'revoked')), revokedAt: at, revocationReason: reason }
}

/** Until released. @throws OnboardingError `credential-status-refused` unless issued */
export function holdCredential(record: CredentialRecord, at: number): CredentialRecord {
  return { ...inStatus(record, 'issued', 'held'), heldAt: at }
}

/** @throws OnboardingError `credential-status-refused` unless held */
export function releaseCredential(record: CredentialRecord): CredentialRecord {
  const { heldAt: _, ...rest } = inStatus(record, 'held', 'issued')
  return rest
}

/** When another credential took its place. @throws OnboardingError `credential-status-refused` unless issued */
export function supersedeCredential(record: CredentialRecord): CredentialRecord {
  return withoutSecret(inStatus(record, 'issued', 'superseded'))
}

/** Nobody needs it any more, and nobody should find it. */
function withoutSecret(record: CredentialRecord): CredentialRecord {
  if (record.access === undefined) return record
  const { box: _, ...access } = record.access
  return { ...record, access }
}

function inStatus(record: CredentialRecord, from: CredentialStatus, to: CredentialStatus): CredentialRecord {
  const { status, id } = record
  if (status !== from) throw new OnboardingError('credential-status-refused', { credential: id, from: status, to })
  return { ...record, status: to }
}
