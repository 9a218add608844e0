import { createHmac, createSecretKey, type KeyObject, randomBytes, timingSafeEqual } from 'node:crypto'
import { inspect } from 'node:util'
import { CryptoError } from './error.ts'

const shown = '[secret]'

/** Fresh in each process: makes a comparison independent of the lengths and of where two values part. */
const compareKey = randomBytes(32)

/**
 * A PIN, passphrase, token or key that must not reach a log by accident: JSON, string conversion, inspect and
 * structured clones show nothing of it. Only `reveal` and `revealText` give it out, and a reviewer can search for them.
 */
export class Secret {
  readonly #bytes: Buffer
  #disposed = false
  #key: KeyObject | undefined

  /** Copies the bytes (text as UTF-8); the caller's own copy is the caller's to wipe. */
  constructor(value: Uint8Array | string) {
    this.#bytes = typeof value === 'string' ? Buffer.from(value, 'utf8') : Buffer.from(value)
  }

  static random(bytes = 32): Secret {
    const value = randomBytes(bytes)
    const secret = new Secret(value)
    value.fill(0)
    return secret
  }

  /** The live bytes, not a copy: `dispose` wipes them. Throws `disposed` afterwards. */
  reveal(): Buffer {
    if (this.#disposed) throw new CryptoError('disposed', 'the secret was disposed of')
    return this.#bytes
  }

  /** For node:crypto, kept: to take a key as bytes costs it more than to use the key. Throws `disposed`. */
  revealKey(): KeyObject {
    this.#key ??= createSecretKey(this.reveal())
    return this.#key
  }

  /** As a string, which the runtime may keep for as long as it likes: prefer `reveal` where an API takes bytes. */
  revealText(): string {
    return this.reveal().toString('utf8')
  }

  /** In constant time, whatever the two lengths. */
  equals(other: Secret | Uint8Array | string): boolean {
    const bytes = other instanceof Secret ? other.reveal() : other
    return timingSafeEqual(fingerprint(this.reveal()), fingerprint(bytes))
  }

  /** Overwrites the bytes. Safe to call twice. */
  dispose(): void {
    this.#bytes.fill(0)
    this.#key = undefined
    this.#disposed = true
  }

  [Symbol.dispose](): void {
    this.dispose()
  }

  toString(): string {
    return shown
  }

  toJSON(): string {
    return shown
  }

  [Symbol.toPrimitive](): string {
    return shown
  }

  [inspect.custom](): string {
    return shown
  }
}

function fingerprint(value: Uint8Array | string): Buffer {
  return createHmac('sha256', compareKey).update(value).digest()
}
