import type { KeyStore } from '../../../src/crypto/signer.ts'
import type { DeviceStore, PledgeConnection, PledgeTransport } from '../../../src/role/device/port.ts'

const never = new Promise<never>(() => {})

/**
 * Power that fails at one of the moments at which something passes between the device and its memory, its keys or the
 * wire: before it happens, or after it happened and before the device hears of it. From then on nothing answers.
 */
export class Fuse {
  /** How often there was such a moment. */
  moments = 0
  readonly #at: number
  readonly blown: Promise<'blown'>
  #blow: () => void = () => {}
  #dead = false
  /** A host without power answers no more: its connections end. */
  readonly #connections: PledgeConnection[] = []

  /** @param at the moment at which it blows, counted from 0; Infinity: never */
  constructor(at: number) {
    this.#at = at
    this.blown = new Promise(resolve => {
      this.#blow = () => resolve('blown')
    })
  }

  async #pass<T>(work: () => Promise<T>): Promise<T> {
    await this.#moment()
    const result = await work()
    await this.#moment()
    return result
  }

  async #moment(): Promise<void> {
    if (this.moments++ === this.#at) this.#dead = true
    if (!this.#dead) return
    this.#blow()
    for (const connection of this.#connections) connection.close()
    await never
  }

  store(store: DeviceStore): DeviceStore {
    return {
      read: name => store.read(name),
      list: () => store.list(),
      write: (name, value) => this.#pass(() => store.write(name, value)),
      remove: name => this.#pass(() => store.remove(name)),
    }
  }

  keys(keys: KeyStore): KeyStore {
    return {
      ...keys,
      generate: (label, curve) => this.#pass(() => keys.generate(label, curve)),
      remove: label => this.#pass(() => keys.remove(label)),
    }
  }

  transport(transport: PledgeTransport): PledgeTransport {
    return {
      connect: request =>
        this.#pass(async () => {
          const connection = await transport.connect(request)
          this.#connections.push(connection)
          return { ...connection, request: (ask, limits) => this.#pass(() => connection.request(ask, limits)) }
        }),
    }
  }
}
