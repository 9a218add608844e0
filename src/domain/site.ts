import type { BundleName, RoleName } from './authority.ts'

/** The records that a site keeps beside its devices. */

/** A manufacturer that the operator of this site trusts. */
export interface TrustedManufacturer {
  /** Name given by the operator; unique. */
  readonly name: string
  /** IDevID roots, DER base64; several during a rollover. Matched by key, never by name. */
  readonly anchors: readonly string[]
  /** Overrides the URL in the birth certificate. */
  readonly masaUrl?: string
  /** Anchors for the TLS certificate of the MASA and for voucher signatures, DER base64. Empty: the IDevID anchors. */
  readonly masaAnchors: readonly string[]
  /** The MASA may be at a private or loopback address. */
  readonly masaPrivateAddress: boolean
  /** Accept devices whose IDevID notAfter has passed (RFC 8995 section 2.6.2). */
  readonly ignoreIdevidLifetime: boolean
  /** Names of reader quirks switched on for this manufacturer. */
  readonly quirks: readonly string[]
  /** Newest revocation list of each CA below which its statements are signed, DER base64: of delegates, mostly none. */
  readonly statementCrls?: readonly string[]
  readonly addedAt: number
}

/** A signed list of units, as the buyer got it. */
export interface ManifestRecord {
  /** SHA-256 of the signed bytes, hex. */
  readonly id: string
  readonly manufacturer: string
  /** What the manufacturer calls itself. */
  readonly statedName?: string
  /** Snapshots of the lists of components in it; each is the key of a document. */
  readonly components?: readonly string[]
  /** Base URL of its MASA, beside which its ownership service stands. */
  readonly masaUrl?: string
  readonly devices: number
  readonly importedAt: number
  readonly importedBy: string
}

/** A voucher obtained for a device; answers a resent request with the same bytes. */
export interface VoucherRecord {
  /** SHA-256 of the pledge voucher request, hex. */
  readonly id: string
  readonly device: string
  /** Base64 of the nonce; empty for nonceless. */
  readonly nonce: string
  readonly contentType: string
  /** The voucher as the MASA signed it, base64. */
  readonly voucher: string
  readonly assertion: string
  readonly obtainedAt: number
}

/** A certification authority or signer of this party, site or manufacturer. The root signs the others and stays apart. */
export interface IssuerRecord {
  /** Its office with a generation: `root-1`, `issuing-1`; at a manufacturer also `idevid-1`, `voucher-1` ... */
  readonly name: string
  readonly certificate: string
  /** Label in the key store. */
  readonly keyLabel: string
  /** The last number taken. */
  readonly crlNumber: number
  /** Newest CRL, DER base64. */
  readonly crl?: string
  readonly crlNextUpdate?: number
  /** Number of `crl`; another one than `crlNumber` when a CRL was numbered and never made. */
  readonly crlPublished?: number
  /** A delegate whose right has ended before its certificate. */
  readonly revokedAt?: number
  /** Version of its stream; 1 when absent. */
  readonly version?: number
}

/** An API token; only its hash is kept. */
export interface AccessToken {
  readonly id: string
  readonly name: string
  /** Whose it is: the person or organization that answers for what is done with it. Absent in old records. */
  readonly party?: string
  readonly roles?: readonly RoleName[]
  /** `token/<id>` or `caller/<id>` of whoever made it; absent when the site itself did. */
  readonly madeBy?: string
  /** In place of `roles` in records from before there were several. */
  readonly role?: BundleName
  /** SHA-256 of the token, hex. */
  readonly hash: string
  readonly createdAt: number
  readonly expiresAt?: number
  readonly revokedAt?: number
}

/** A CA that certifies people and organizations. It says who they are; what they may do, the site says. */
export interface CallerAuthority {
  /** Given by the operator; unique. */
  readonly name: string
  /** DER, base64. */
  readonly anchors: readonly string[]
  /** The newest CRL of each anchor that has one, DER base64. */
  readonly crls: readonly string[]
  readonly addedAt: number
  readonly removedAt?: number
  /** Of its stream. */
  readonly version: number
}

/** Somebody who may call with a certificate. */
export interface CertificateCaller {
  readonly id: string
  /** Name of the CallerAuthority that certifies the identity; the same from another one is somebody else. */
  readonly authority: string
  /** `email:…`, `uri:…` or `subject:…`, as the certificate has it. */
  readonly identity: string
  readonly party: string
  readonly roles: readonly RoleName[]
  readonly addedAt: number
  readonly expiresAt?: number
  readonly removedAt?: number
  /** `token/<id>` or `caller/<id>` of whoever let in. */
  readonly madeBy?: string
  /** Of its stream. */
  readonly version: number
}

/** Somebody who proved to be there, with a token or a certificate. */
export interface Caller {
  /** `token/<id>` or `caller/<id>`: the stream of its record. */
  readonly id: string
  readonly name: string
  readonly party: string
  readonly roles: readonly RoleName[]
}

export function tokenCaller(token: AccessToken): Caller {
  return { id: `token/${token.id}`, name: token.name, party: tokenParty(token), roles: tokenRoles(token) }
}

export function certificateCaller({ id, identity, party, roles }: CertificateCaller): Caller {
  return { id: `caller/${id}`, name: identity, party, roles }
}

export function tokenParty({ party, name }: AccessToken): string {
  return party ?? name
}

export function tokenRoles({ roles, role }: AccessToken): readonly RoleName[] {
  return roles ?? (role === undefined ? [] : [role])
}

/** As the record names who did something. */
export function callerText({ name, id }: Caller): string {
  return `${name} (${id})`
}
