export type KeyStoreErrorCode =
  | 'bad-label'
  | 'label-taken'
  | 'permissions'
  | 'passphrase-required'
  | 'passphrase-unexpected'
  | 'wrong-passphrase'
  | 'corrupt'
  | 'storage'
  | 'module-missing'
  | 'token-missing'
  | 'token-failed'
  | 'wrong-pin'
  | 'key-extractable'

/** What went wrong with a key store, in words that end with what to do next. */
export class KeyStoreError extends Error {
  override readonly name = 'KeyStoreError'
  readonly code: KeyStoreErrorCode

  constructor(code: KeyStoreErrorCode, message: string, options?: ErrorOptions) {
    super(message, options)
    this.code = code
  }
}

/** Labels become file names: nothing that a path, a shell or a log could read as something else. */
export function isLabel(text: string): boolean {
  return /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/.test(text)
}

/** Throws `bad-label`. */
export function checkLabel(text: string): void {
  if (isLabel(text)) return
  throw new KeyStoreError(
    'bad-label',
    'a key label has 1 to 64 characters of A-Z a-z 0-9 . _ - and starts with a letter or a digit: choose another one',
  )
}

export function labelTaken(text: string): KeyStoreError {
  return new KeyStoreError('label-taken', `a key named ${text} exists: remove it first or choose another label`)
}
