/** Every way in which key material or a signature can be refused; callers switch on `code`. */
export type CryptoErrorCode =
  | 'bad-signature'
  | 'malformed-signature'
  | 'unsupported-algorithm'
  | 'weak-algorithm'
  | 'weak-key'
  | 'unsupported-key'
  | 'key-mismatch'
  | 'malformed-key'
  | 'malformed-request'
  | 'malformed-template'
  | 'ambiguous-anchor'
  | 'unsupported-crl'
  | 'disposed'

export class CryptoError extends Error {
  override readonly name = 'CryptoError'
  readonly code: CryptoErrorCode

  constructor(code: CryptoErrorCode, message: string, options?: ErrorOptions) {
    super(message, options)
    this.code = code
  }
}
