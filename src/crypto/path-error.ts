export type PathErrorCode =
  /** No issuer up to an anchor is known. */
  | 'untrusted'
  | 'expired'
  | 'not-yet-valid'
  /** An issuer of that name is known, and its key did not sign this: another CA of the same name, or a forgery. */
  | 'bad-signature'
  | 'not-a-ca'
  | 'path-length'
  | 'key-usage'
  | 'extended-key-usage'
  | 'name-constraint'
  | 'unknown-critical-extension'
  | 'revoked'
  /** A CRL is there and does not tell: outdated, not yet valid, partial, or not verifiable. */
  | 'crl-stale'
  /** Signed with SHA-1, or with an algorithm that we do not accept. */
  | 'weak-algorithm'
  /** Too short a key, or one of a type or on a curve that we do not accept. */
  | 'weak-key'
  /** Too many certificates, or too many possible paths through them. */
  | 'too-long'
  /** The certificates certify each other in a circle. */
  | 'loop'

/** Why a chain was refused, and at which certificate. */
export class PathError extends Error {
  override readonly name = 'PathError'
  readonly code: PathErrorCode
  /** RFC 4514 text of the subject that the refusal is about. */
  readonly subject: string

  constructor(code: PathErrorCode, message: string, subject: string, options?: ErrorOptions) {
    super(`${message} (${subject})`, options)
    this.code = code
    this.subject = subject
  }
}
