import type { CertificateList } from '../codec/crl.ts'
import type { Certificate } from '../codec/x509/certificate.ts'
import type { TrustAnchor } from './trust.ts'

export type PathErrorCode =
  | 'untrusted'
  | 'expired'
  | 'not-yet-valid'
  | 'bad-signature'
  | 'not-a-ca'
  | 'path-length'
  | 'key-usage'
  | 'extended-key-usage'
  | 'name-constraint'
  | 'unknown-critical-extension'
  | 'revoked'
  | 'crl-stale'
  | 'weak-algorithm'
  | 'weak-key'
  | 'too-long'
  | 'loop'

/** Why a chain was refused, and at which certificate. */
export class PathError extends Error {
  override readonly name = 'PathError'
  readonly code: PathErrorCode
  /** RFC 4514 text of the subject that the refusal is about. */
  readonly subject: string

  constructor(code: PathErrorCode, message: string, subject: string) {
    super(`${message} (${subject})`)
    this.code = code
    this.subject = subject
  }
}

export interface PathRequest {
  /** Leaf first, the rest in any order and possibly with strangers in it; at most 10. */
  readonly chain: readonly Certificate[]
  readonly anchors: readonly TrustAnchor[]
  readonly at: Date
  /** Extended key usages of which the leaf needs one; absent: any use. */
  readonly purpose?: readonly string[]
  /** For renewal and for devices whose clock or whose IDevID has run out: only the leaf's own validity is not looked at. */
  readonly ignoreLeafLifetime?: boolean
  /** Absent: revocation is not looked at. Given: each must be signed by the issuer it speaks for and be current. */
  readonly crls?: readonly CertificateList[]
  /** Certificates between leaf and anchor, at most; 8 when absent. */
  readonly maxDepth?: number
}

export interface ValidatedPath {
  readonly leaf: Certificate
  /** Leaf first, up to the certificate that the anchor signed; the anchor itself is not in it unless it is the leaf. */
  readonly path: readonly Certificate[]
  readonly anchor: TrustAnchor
}

/** RFC 5280 section 6.1. Returns the first path that passes; throws PathError for the best reason why none did. */
export declare function validatePath(request: PathRequest): ValidatedPath
