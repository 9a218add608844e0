/** What a device proves itself with (SP 1800-36 section 1.1.1). */
export type CredentialKind = 'birth' | 'network' | 'application'

/** `planned` is written before the signature: a crash between plan and signature repeats the same certificate, never a second one. */
export type CredentialStatus = 'planned' | 'issued' | 'revoked' | 'superseded'

/** RFC 5280 section 5.3.1, the reasons that we give. */
export type RevocationReason =
  | 'unspecified'
  | 'key-compromise'
  | 'affiliation-changed'
  | 'superseded'
  | 'cessation-of-operation'
  | 'privilege-withdrawn'

export interface CredentialRecord {
  /** SHA-256 of the to-be-signed certificate, hex. */
  readonly id: string
  readonly device: string
  readonly kind: CredentialKind
  readonly status: CredentialStatus
  /** Certificate serial number, hex. Unique. */
  readonly serialHex: string
  /** SHA-256 of device id and CSR, hex. Unique: one request, one credential. */
  readonly requestHash: string
  /** SHA-256 of the SubjectPublicKeyInfo, hex. Unique among planned and issued credentials of different devices. */
  readonly keyHash: string
  /** Name of the issuing CA. */
  readonly issuer: string
  /** Milliseconds since 1970. */
  readonly notBefore: number
  readonly notAfter: number
  /** The bytes to sign, base64; kept so that a repeated request signs the same certificate. */
  readonly tbs: string
  /** DER, base64; present from `issued` on. */
  readonly certificate?: string
  readonly revokedAt?: number
  readonly revocationReason?: RevocationReason
}

/** What admission grants: the terms of the credential to be made. */
export interface CredentialPlan {
  readonly kind: 'network'
  readonly lifetimeDays: number
  /** Identifier of the network, carried in the credential and in the record. */
  readonly network: string
  readonly segment?: string
}
