import { decodeCertificate } from '../../codec/x509/certificate.ts'
import type { KeyStore } from '../../crypto/signer.ts'
import type { DeviceInformationDeclaration } from '../../domain/declaration.ts'
import { openDeclaration } from '../../domain/declaration-cms.ts'
import { type ErrorCode, OnboardingError } from '../../domain/error.ts'
import type { Rung } from '../../domain/evidence.ts'
import type { Clock, Log, Random } from '../../domain/port.ts'
import {
  type Effect,
  type Input,
  type PledgeProfile,
  type Progress,
  type State,
  step,
  unpowered,
} from '../../protocol/brski/pledge.ts'
import type { NetworkCredential } from '../../protocol/brski/pledge-record.ts'
import { type BirthCredential, birthKeyLabel, birthName, readBirth } from './birth.ts'
import { bootstrappingKeyLabel, bootstrappingName } from './bootstrapping.ts'
import { componentName, stateComponents } from './component-statement.ts'
import { type Answer, Hands } from './hands.ts'
import { ownershipName, readMark, readMemory, writeMark } from './memory.ts'
import { type DeviceModel, profileOf } from './model.ts'
import type { DeviceStore, PledgeTransport, Sleep } from './port.ts'

/** Names in the device store. On real hardware this is where nobody can write back an older value. */
const keptByReset: readonly string[] = [birthName, ownershipName, componentName, bootstrappingName]
/** Labels of keys that the factory made. */
const keysKeptByReset: readonly string[] = [birthKeyLabel, bootstrappingKeyLabel]

export interface PledgeOptions {
  readonly model: DeviceModel
  readonly keys: KeyStore
  readonly store: DeviceStore
  readonly transport: PledgeTransport
  readonly clock: Clock
  readonly random: Random
  readonly sleep: Sleep
  readonly log: Log
}

/** What a device says of itself; nothing in it is secret. */
export interface PledgeStatus {
  readonly model: string
  readonly serialNumber: string
  readonly state: State['type']
  /** The highest rung of this run. */
  readonly rung: Rung
  readonly credential?: {
    readonly serialHex: string
    readonly notBefore: number
    readonly notAfter: number
    readonly origin: string
  }
  readonly refusal?: { readonly candidate: string; readonly code: ErrorCode }
}

/** A device with its birth credential, its memory and its keys. Runs the pledge machine: does its effects, tells it what happened. */
export class Pledge {
  readonly birth: BirthCredential
  readonly #options: PledgeOptions
  readonly #profile: PledgeProfile
  #state: State
  #todo: Effect[] = []
  #progress: Progress[] = []
  #rung: Rung = 'expected'
  #refusal: PledgeStatus['refusal']
  #running = false

  constructor(birth: BirthCredential, options: PledgeOptions) {
    this.birth = birth
    this.#options = options
    this.#profile = profileOf(options.model, birth)
    this.#state = unpowered(this.#profile)
  }

  /**
   * Switches the device on where these registrars can be reached, best first, and yields what it goes through, until it
   * has shown its network credential to the network (`climbed` to `connected`) or the signal aborts. Leaving the loop
   * cuts the power; the next run goes on from memory. Throws TypeError when it is on already.
   */
  async *onboard(candidates: readonly string[], signal?: AbortSignal): AsyncGenerator<Progress, void, void> {
    yield* this.#run(candidates, signal, state => state.type === 'connected')
  }

  /** As `onboard`, and stays: renews the credential when its time comes, and onboards again if it ran out meanwhile. */
  async *live(candidates: readonly string[], signal: AbortSignal): AsyncGenerator<Progress, void, void> {
    yield* this.#run(candidates, signal, () => false)
  }

  /** Switches on, renews the credential now, and ends when the new one has been shown to work or the first try has failed. */
  async *renew(signal?: AbortSignal): AsyncGenerator<Progress, void, void> {
    let asked = false
    yield* this.#run([], signal, state => {
      if (state.type !== 'connected') return false
      if (asked) return true
      asked = true
      this.#tell({ type: 'renewal-asked' })
      return false
    })
  }

  status(): PledgeStatus {
    const { model, serialNumber } = this.birth
    const credential = this.#credential()
    const common = { model, serialNumber, state: this.#state.type, rung: this.#rung }
    return {
      ...common,
      ...(credential === undefined ? {} : { credential: shown(credential) }),
      ...(this.#refusal === undefined ? {} : { refusal: this.#refusal }),
    }
  }

  /**
   * Shows the device a signed declaration, in JWS or CMS, over whatever channel it came: the device remembers the version
   * for good, and takes no voucher that was given by an older one. Throws OnboardingError `declaration-invalid`, also for
   * another device's, and `declaration-stale` for one older than it has heard of; TypeError while the device is on.
   */
  async heed(declaration: Uint8Array): Promise<DeviceInformationDeclaration> {
    if (this.#running) throw new TypeError('switch the device off before it is shown a declaration')
    const { store, clock, model } = this.#options
    const { anchors, serialNumber } = this.birth
    const at = model.clockTrusted ? new Date(clock()) : undefined
    const shown = openDeclaration(declaration, { anchors, ...(at === undefined ? {} : { at }) })
    const { serial, version } = shown
    if (serial !== serialNumber) throw new OnboardingError('declaration-invalid', { rule: 'other-device', serial })
    const known = (await readMark(store)) ?? 0
    if (version < known) throw new OnboardingError('declaration-stale', { serial, version, known })
    await writeMark(store, version)
    return shown
  }

  /** States what it is made of to its network. Undefined for a device without a list of its parts. Throws OnboardingError. */
  stateComponents(): ReturnType<typeof stateComponents> {
    return stateComponents(this.#options)
  }

  /**
   * Forgets every network: what is left is what the factory installed, and how new a declaration has to be. Throws
   * TypeError while the device is on.
   */
  async factoryReset(): Promise<void> {
    if (this.#running) throw new TypeError('switch the device off before a factory reset')
    const { store, keys, log } = this.#options
    // The memory first: a key without memory is swept at power-up, memory without its key would be half a credential.
    for (const name of await store.list()) if (!keptByReset.includes(name)) await store.remove(name)
    for (const label of await keys.list()) if (!keysKeptByReset.includes(label)) await keys.remove(label)
    this.#state = unpowered(this.#profile)
    this.#rung = 'expected'
    this.#refusal = undefined
    log.info({ serial: this.birth.serialNumber }, 'factory reset')
  }

  async *#run(
    candidates: readonly string[],
    signal: AbortSignal | undefined,
    until: (state: State) => boolean,
  ): AsyncGenerator<Progress, void, void> {
    if (this.#running) throw new TypeError('the device is switched on already')
    this.#running = true
    const power = new AbortController()
    const off = signal === undefined ? power.signal : AbortSignal.any([signal, power.signal])
    const hands = new Hands(this.birth, this.#options, off)
    try {
      const record = await readMemory(this.#options)
      this.#state = unpowered(this.#profile)
      this.#todo = []
      this.#tell({ type: 'power-restored', ...(record === undefined ? {} : { record }) })
      this.#tell({ type: 'candidates-found', candidates })
      for (;;) {
        for (let news = this.#progress.shift(); news !== undefined; news = this.#progress.shift())
          yield this.#note(news)
        if (off.aborted || until(this.#state)) return
        const answer = await this.#work(hands, off)
        if (answer === undefined) return
        this.#tell(answer)
      }
    } finally {
      power.abort()
      this.#running = false
    }
  }

  /** Does what is to be done, in order, up to the first effect that is answered. Undefined: there is nothing to wait for. */
  async #work(hands: Hands, off: AbortSignal): Promise<Answer | undefined> {
    for (let effect = this.#todo.shift(); effect !== undefined; effect = this.#todo.shift()) {
      const answer = await hands.perform(effect, this.#state)
      if (off.aborted) return undefined
      if (answer !== undefined) return answer
    }
    return undefined
  }

  #tell(answer: Answer): void {
    const { clock, random } = this.#options
    const input: Input = { ...answer, at: clock(), random: random(32) }
    const { state, effects } = step(this.#state, input)
    this.#state = state
    for (const effect of effects) {
      if (effect.type === 'report') this.#progress.push(effect.progress)
      // A new timer takes the place of one that nobody waits for any more.
      else this.#todo = [...this.#todo.filter(({ type }) => type !== 'set-timer'), effect]
    }
  }

  #note(progress: Progress): Progress {
    if (progress.type === 'climbed') this.#rung = progress.rung
    if (progress.type === 'refused') this.#refusal = { candidate: progress.candidate, code: progress.code }
    if (progress.type === 'climbed' && progress.rung === 'connected') this.#refusal = undefined
    const { type, ...facts } = progress
    this.#options.log.info({ serial: this.birth.serialNumber, ...facts }, `pledge ${type}`)
    return progress
  }

  #credential(): NetworkCredential | undefined {
    return this.#state.type === 'unpowered' ? undefined : this.#state.base.record.credential
  }
}

function shown({ certificate, origin }: NetworkCredential) {
  const { serialHex, validity } = decodeCertificate(certificate)
  return { serialHex, notBefore: validity.notBefore.getTime(), notAfter: validity.notAfter.getTime(), origin }
}

/** A device as the line left it, or as the last power loss did. Throws OnboardingError `idevid-missing`, `input-invalid`. */
export async function openPledge(options: PledgeOptions): Promise<Pledge> {
  return new Pledge(await readBirth(options.store), options)
}
