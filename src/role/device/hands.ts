import { createCsr } from '../../crypto/csr.ts'
import type { KeyStore } from '../../crypto/signer.ts'
import { OnboardingError } from '../../domain/error.ts'
import type { Log } from '../../domain/port.ts'
import { signVoucherArtifact } from '../../protocol/brski/artifact.ts'
import type { Effect, Input, State } from '../../protocol/brski/pledge.ts'
import { type BirthCredential, birthKeyLabel } from './birth.ts'
import { bootstrappingKeyLabel } from './bootstrapping.ts'
import { writeMemory } from './memory.ts'
import type { DeviceModel } from './model.ts'
import type { DeviceStore, PledgeConnection, PledgeTransport, Sleep } from './port.ts'

type Bare<T> = T extends unknown ? Omit<T, 'at' | 'random'> : never

/** An input before the clock and the random generator have added theirs. */
export type Answer = Bare<Input>

interface Body {
  readonly model: DeviceModel
  readonly keys: KeyStore
  readonly store: DeviceStore
  readonly transport: PledgeTransport
  readonly sleep: Sleep
  readonly log: Log
}

/** No honest answer on these paths comes near it. */
const maxBytes = 0x4_0000

type Failed = 'connection-failed' | 'connection-lost' | 'key-failed' | 'persist-failed'

/**
 * What a pledge does things with, from one power-up to the next loss: its keys, its memory and one connection. Failures of
 * the outside are answers like others.
 */
export class Hands {
  readonly #birth: BirthCredential
  readonly #body: Body
  readonly #off: AbortSignal
  #connection: PledgeConnection | undefined

  /** @param off aborts when the power is lost: what is on the wire is cut, what is being written is finished */
  constructor(birth: BirthCredential, body: Body, off: AbortSignal) {
    this.#birth = birth
    this.#body = body
    this.#off = off
    off.addEventListener('abort', () => this.#drop())
  }

  /** The answer to the effect; undefined for one that has none, and when the power is gone. */
  async perform(effect: Effect, state: State): Promise<Answer | undefined> {
    const { keys, sleep } = this.#body
    switch (effect.type) {
      case 'connect':
        return this.#unlessCut(this.#connect(effect, state).catch(this.#failed('connection-failed')))
      case 'send':
        return this.#unlessCut(this.#send(effect).catch(this.#failed('connection-lost')))
      case 'disconnect':
        return this.#drop()
      case 'sign-request':
        return signRequest(this.#birth, this.#body, effect).catch(this.#failed('key-failed'))
      case 'make-csr':
        return makeCsr(keys, effect).catch(this.#failed('key-failed'))
      case 'persist':
        return this.#persist(effect).catch(this.#failed('persist-failed'))
      case 'keep-keys':
        await sweep(keys, effect.labels).catch(this.#failed('key-failed'))
        return undefined
      case 'set-timer':
        await sleep(effect.milliseconds, this.#off)
        return { type: 'timer-fired' }
      case 'report':
        return undefined
    }
  }

  async #connect(effect: Effect & { type: 'connect' }, state: State): Promise<Answer> {
    this.#drop()
    const { transport, model } = this.#body
    const identity = effect.credential === 'birth' ? birthIdentity(this.#birth) : networkIdentity(state)
    const connection = await transport.connect({
      origin: effect.origin,
      ...identity,
      timeoutMs: model.connectTimeoutMs,
    })
    if (this.#off.aborted) connection.close()
    else this.#connection = connection
    return { type: 'connected', chain: connection.serverCertificates }
  }

  async #send({ request }: Effect & { type: 'send' }): Promise<Answer> {
    if (this.#connection === undefined) return { type: 'connection-lost' }
    const timeoutMs = this.#body.model.requestTimeoutMs
    return { type: 'replied', reply: await this.#connection.request(request, { timeoutMs, maxBytes }) }
  }

  async #persist({ record }: Effect & { type: 'persist' }): Promise<Answer> {
    await writeMemory(this.#body, record)
    return { type: 'persisted' }
  }

  #drop(): undefined {
    this.#connection?.close()
    this.#connection = undefined
  }

  /** Nobody waits for a wire that was cut. The listener goes with the wait, since a device may run for years. */
  #unlessCut(work: Promise<Answer>): Promise<Answer | undefined> {
    const off = this.#off
    return new Promise(resolve => {
      const cut = () => resolve(undefined)
      off.addEventListener('abort', cut, { once: true })
      void work.then(answer => {
        off.removeEventListener('abort', cut)
        resolve(answer)
      })
    })
  }

  #failed(type: Failed): (error: unknown) => Answer {
    return error => {
      const reason = error instanceof Error ? error.message : 'unknown'
      this.#body.log.warn({ serial: this.#birth.serialNumber, reason }, `pledge ${type}`)
      return type === 'connection-lost' && isUnreadable(error) ? { type, unreadable: true } : { type }
    }
  }
}

/** The connection could not make sense of what came. */
function isUnreadable(error: unknown): boolean {
  return error instanceof OnboardingError && error.code === 'registrar-answer-invalid'
}

function birthIdentity({ idevid, chain }: BirthCredential) {
  return { certificates: [idevid, ...chain].map(({ der }) => der), keyLabel: birthKeyLabel }
}

function networkIdentity(state: State) {
  const credential = state.type === 'unpowered' ? undefined : state.base.record.credential
  if (credential === undefined) throw new TypeError('no network credential')
  return { certificates: [credential.certificate, ...credential.chain], keyLabel: credential.keyLabel }
}

async function signRequest(
  birth: BirthCredential,
  { keys, model }: Body,
  { value }: Effect & { type: 'sign-request' },
): Promise<Answer> {
  const signer = await keys.open(birthKeyLabel)
  if (signer === undefined) throw new TypeError('the birth key is missing')
  const certificates = [birth.idevid, ...birth.chain]
  const request = await signVoucherArtifact({ format: model.format, kind: 'request', value, signer, certificates })
  return { type: 'request-signed', request }
}

/** The key is made here and stays here; what leaves is a request signed with it. */
async function makeCsr(keys: KeyStore, { keyLabel, plan }: Effect & { type: 'make-csr' }): Promise<Answer> {
  const { curve, subject, extensions } = plan
  const signer = await keys.generate(keyLabel, curve)
  const csr = await createCsr({ subject, extensions }, signer)
  return { type: 'csr-made', csr, spki: signer.spkiDer }
}

async function sweep(keys: KeyStore, labels: readonly string[]): Promise<void> {
  for (const label of await keys.list()) {
    const made = label === birthKeyLabel || label === bootstrappingKeyLabel
    if (!made && !labels.includes(label)) await keys.remove(label)
  }
}
