import { createCsr } from '../../crypto/csr.ts'
import type { KeyStore } from '../../crypto/signer.ts'
import { OnboardingError } from '../../domain/error.ts'
import type { Log } from '../../domain/port.ts'
import { signVoucherArtifact } from '../../protocol/brski/artifact.ts'
import type { Effect, Input, State } from '../../protocol/brski/pledge.ts'
import { type BirthCredential, birthKeyLabel } from './birth.ts'
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

/** What a pledge does things with, from one power-up to the next loss. */
export interface Hands {
  /**
   * The answer to the effect; undefined for one that has none, and when the power is gone. Failures of the outside are
   * answers, too.
   */
  perform(effect: Effect, state: State): Promise<Answer | undefined>
}

/** No honest answer on these paths comes near it. */
const maxBytes = 0x4_0000

/** @param off aborts when the power is lost: what is on the wire is cut, what is being written is finished */
export function createHands(birth: BirthCredential, body: Body, off: AbortSignal): Hands {
  const { model, keys, transport, sleep, log } = body
  let connection: PledgeConnection | undefined
  const drop = (): void => {
    connection?.close()
    connection = undefined
  }
  off.addEventListener('abort', drop)

  /** Nobody waits for a wire that was cut. The listener goes with the wait, since a device may run for years. */
  function unlessCut(work: Promise<Answer>): Promise<Answer | undefined> {
    return new Promise(resolve => {
      const cut = () => resolve(undefined)
      off.addEventListener('abort', cut, { once: true })
      void work.then(answer => {
        off.removeEventListener('abort', cut)
        resolve(answer)
      })
    })
  }

  async function connect(effect: Effect & { type: 'connect' }, state: State): Promise<Answer> {
    drop()
    const identity = effect.credential === 'birth' ? birthIdentity(birth) : networkIdentity(state)
    const request = { origin: effect.origin, ...identity, timeoutMs: model.connectTimeoutMs }
    const opened = await transport.connect(request)
    if (off.aborted) opened.close()
    else connection = opened
    return { type: 'connected', chain: opened.serverCertificates }
  }

  async function send({ request }: Effect & { type: 'send' }): Promise<Answer> {
    if (connection === undefined) return { type: 'connection-lost' }
    const reply = await connection.request(request, { timeoutMs: model.requestTimeoutMs, maxBytes })
    return { type: 'replied', reply }
  }

  const failed = (type: 'connection-failed' | 'connection-lost' | 'key-failed' | 'persist-failed') => {
    return (error: unknown): Answer => {
      const reason = error instanceof Error ? error.message : 'unknown'
      log.warn({ serial: birth.serialNumber, reason }, `pledge ${type}`)
      return type === 'connection-lost' && isUnreadable(error) ? { type, unreadable: true } : { type }
    }
  }

  return {
    async perform(effect, state) {
      switch (effect.type) {
        case 'connect':
          return unlessCut(connect(effect, state).catch(failed('connection-failed')))
        case 'send':
          return unlessCut(send(effect).catch(failed('connection-lost')))
        case 'disconnect':
          drop()
          return undefined
        case 'sign-request':
          return signRequest(birth, body, effect).catch(failed('key-failed'))
        case 'make-csr':
          return makeCsr(keys, effect).catch(failed('key-failed'))
        case 'persist':
          return writeMemory(body, effect.record)
            .then(() => ({ type: 'persisted' }) as const)
            .catch(failed('persist-failed'))
        case 'keep-keys':
          await sweep(keys, effect.labels).catch(failed('key-failed'))
          return undefined
        case 'set-timer':
          await sleep(effect.milliseconds, off)
          return { type: 'timer-fired' }
        case 'report':
          return undefined
      }
    },
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
    if (label !== birthKeyLabel && !labels.includes(label)) await keys.remove(label)
  }
}
