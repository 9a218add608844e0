import type * as Pkcs11Js from 'pkcs11js'
import type { Secret } from '../../crypto/secret.ts'
import { KeyStoreError } from './error.ts'

type Library = typeof Pkcs11Js
type Module = Pkcs11Js.PKCS11
type Handle = Pkcs11Js.Handle

export interface Pkcs11TokenOptions {
  /** The vendor's shared library. */
  readonly modulePath: string
  readonly tokenLabel: string
  readonly pin: Secret
  /** Signatures at the same time; 4 when absent. */
  readonly sessions?: number
}

/** One session, lent to one piece of work at a time, with what it needs to speak PKCS#11. */
export interface Lease {
  readonly constants: Library
  readonly module: Module
  readonly session: Handle
  /** Changes when the token was lost and found again: object handles of an earlier one mean nothing. */
  readonly connection: number
}

/** After these the token may answer again once it is looked up, opened and logged in to anew. */
const lost = new Set([
  'CKR_CRYPTOKI_NOT_INITIALIZED',
  'CKR_DEVICE_ERROR',
  'CKR_DEVICE_REMOVED',
  'CKR_KEY_HANDLE_INVALID',
  'CKR_OBJECT_HANDLE_INVALID',
  'CKR_SESSION_CLOSED',
  'CKR_SESSION_HANDLE_INVALID',
  'CKR_SLOT_ID_INVALID',
  'CKR_TOKEN_NOT_PRESENT',
  'CKR_USER_NOT_LOGGED_IN',
])

/** A token that stays usable through removal, restart and logout: `use` reconnects once before it gives up. */
export class Pkcs11Token {
  readonly #constants: Library
  readonly #module: Module
  readonly #options: Pkcs11TokenOptions
  readonly #limit: number
  readonly #waiting: (() => void)[] = []
  #free: Lease[] = []
  #open = 0
  #connection = 0
  #slot: Handle | undefined
  #refused: KeyStoreError | undefined

  private constructor(constants: Library, module: Module, options: Pkcs11TokenOptions) {
    this.#constants = constants
    this.#module = module
    this.#options = options
    this.#limit = options.sessions ?? 4
  }

  /** Loads the library and logs in. Throws KeyStoreError `module-missing`, `token-missing` or `wrong-pin`. */
  static async open(options: Pkcs11TokenOptions): Promise<Pkcs11Token> {
    const constants = await importBinding()
    const module = new constants.PKCS11()
    try {
      module.load(options.modulePath)
    } catch (cause) {
      const message = `no PKCS#11 library could be loaded from ${options.modulePath}: install the vendor's and check the path`
      throw new KeyStoreError('module-missing', message, { cause })
    }
    const token = new Pkcs11Token(constants, module, options)
    await token.use(() => undefined)
    return token
  }

  /** Lends a session to `work`, which may run a second time on a new one when the token was lost under it. */
  async use<T>(work: (lease: Lease) => T | Promise<T>): Promise<T> {
    for (let attempt = 1; ; attempt++) {
      const lease = await this.#take()
      try {
        const result = await work(lease)
        this.#giveBack(lease)
        return result
      } catch (error) {
        // An operation may still be active in the session: it is not lent again.
        this.#discard(lease)
        if (error instanceof KeyStoreError) throw error
        if (!lost.has(reasonOf(error)) || attempt === 2) throw this.#failure(error)
        this.#disconnect(lease.connection)
      }
    }
  }

  /** Closes the sessions that are not in use. The library stays initialized: others in this process may use it. */
  close(): void {
    this.#disconnect(this.#connection)
  }

  async #take(): Promise<Lease> {
    for (;;) {
      const lease = this.#free.pop()
      if (lease !== undefined) return lease
      if (this.#open < this.#limit) return this.#openSession()
      await new Promise<void>(resolve => this.#waiting.push(resolve))
    }
  }

  #giveBack(lease: Lease): void {
    if (lease.connection === this.#connection) {
      this.#free.push(lease)
      this.#waiting.shift()?.()
    } else {
      this.#discard(lease)
    }
  }

  #discard(lease: Lease): void {
    this.#open--
    try {
      this.#module.C_CloseSession(lease.session)
    } catch {
      // It is gone already, which is what we want of it.
    }
    this.#waiting.shift()?.()
  }

  #disconnect(connection: number): void {
    if (connection !== this.#connection) return
    this.#connection++
    this.#slot = undefined
    for (const lease of this.#free.splice(0)) this.#discard(lease)
  }

  #openSession(): Lease {
    // A wrong PIN must not be tried again and again: three tries lock most tokens.
    if (this.#refused !== undefined) throw this.#refused
    const { CKF_SERIAL_SESSION, CKF_RW_SESSION } = this.#constants
    let session: Handle | undefined
    try {
      this.#slot ??= this.#findSlot()
      session = this.#module.C_OpenSession(this.#slot, CKF_SERIAL_SESSION | CKF_RW_SESSION)
      // Each time, because closing an application's last session logs it out.
      this.#logIn(session)
    } catch (error) {
      this.#slot = undefined
      this.#waiting.shift()?.()
      if (session !== undefined) this.#module.C_CloseSession(session)
      throw error instanceof KeyStoreError ? error : this.#failure(error)
    }
    this.#open++
    return { constants: this.#constants, module: this.#module, session, connection: this.#connection }
  }

  #findSlot(): Handle {
    try {
      this.#module.C_Initialize({ flags: this.#constants.CKF_OS_LOCKING_OK })
    } catch (error) {
      if (reasonOf(error) !== 'CKR_CRYPTOKI_ALREADY_INITIALIZED') throw error
    }
    const { tokenLabel, modulePath } = this.#options
    const slots = this.#module.C_GetSlotList(true)
    const found = slots.filter(slot => this.#module.C_GetTokenInfo(slot).label.trim() === tokenLabel)
    if (found.length === 1) return found[0]!
    const problem = found.length === 0 ? 'no token' : `${found.length} tokens`
    const action = found.length === 0 ? 'insert or initialize it, or correct the label' : 'give each its own label'
    throw new KeyStoreError('token-missing', `${problem} named ${tokenLabel} behind ${modulePath}: ${action}`)
  }

  #logIn(session: Handle): void {
    try {
      this.#module.C_Login(session, this.#constants.CKU_USER, this.#options.pin.revealText())
    } catch (error) {
      const reason = reasonOf(error)
      if (reason === 'CKR_USER_ALREADY_LOGGED_IN') return
      if (!reason.startsWith('CKR_PIN_')) throw error
      const what =
        reason === 'CKR_PIN_LOCKED' ? 'is locked: unlock it with the SO PIN' : 'was refused: correct it and restart'
      this.#refused = new KeyStoreError('wrong-pin', `the PIN of token ${this.#options.tokenLabel} ${what}`)
      throw this.#refused
    }
  }

  #failure(cause: unknown): KeyStoreError {
    const message = `token ${this.#options.tokenLabel} failed (${reasonOf(cause)}): see its vendor's log, then try again`
    return new KeyStoreError('token-failed', message, { cause })
  }
}

async function importBinding(): Promise<Library> {
  try {
    return (await import('pkcs11js')).default
  } catch (cause) {
    const message =
      'the optional package pkcs11js is not installed: run npm install pkcs11js, or use the file key store'
    throw new KeyStoreError('module-missing', message, { cause })
  }
}

/** The binding names the PKCS#11 return value in its message. */
function reasonOf(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error)
  return /\bCKR_[A-Z0-9_]+/.exec(text)?.[0] ?? text
}
