import { hash } from 'node:crypto'
import { memoryKeyStore } from '../../../src/adapter/key/memory.ts'
import { decodeCertificate } from '../../../src/codec/x509/certificate.ts'
import { encodeName } from '../../../src/codec/x509/name.ts'
import { createCsr } from '../../../src/crypto/csr.ts'
import { generateKey } from '../../../src/crypto/key.ts'
import { type KeyStore, keySigner, type Signer } from '../../../src/crypto/signer.ts'
import type { Clock, Random, Store } from '../../../src/domain/port.ts'
import type { BatchOrder, UnitPort } from '../../../src/role/factory/line.ts'
import {
  type Manufacturer,
  type ManufacturerOptions,
  setUpManufacturer,
} from '../../../src/role/factory/manufacturer-setup.ts'
import { openTestStore, type TestStore } from '../../store.ts'

export const now = Date.parse('2026-11-20T08:00:00Z')

/** Bytes that look random and are the same in each run. */
export function countingRandom(seed: string): Random {
  let drawn = 0
  return length => hash('sha512', `${seed} ${drawn++}`, 'buffer').subarray(0, length)
}

/** Devices on the line: each makes its key when it is first asked, and keeps what is installed. */
export class Bench implements UnitPort {
  readonly keys = new Map<string, Signer>()
  /** Every IDevID that was ever handed to a device, by serial. */
  readonly installed = new Map<string, Set<string>>()
  anchors: readonly Uint8Array[] = []
  asked = 0

  key(serial: string): Signer {
    const signer = this.keys.get(serial) ?? keySigner(generateKey('P-256'))
    this.keys.set(serial, signer)
    return signer
  }

  async csr(serial: string): Promise<Uint8Array> {
    this.asked++
    return createCsr({ subject: encodeName({ serialNumber: serial }) }, this.key(serial))
  }

  async install(
    serial: string,
    idevid: Uint8Array,
    _chain: readonly Uint8Array[],
    anchors: readonly Uint8Array[],
  ): Promise<void> {
    const { spkiDer } = decodeCertificate(idevid)
    if (!this.key(serial).spkiDer.equals(spkiDer)) throw new Error(`a certificate for another key came to ${serial}`)
    const seen = this.installed.get(serial) ?? new Set()
    this.installed.set(serial, seen.add(Buffer.from(idevid).toString('base64')))
    this.anchors = anchors
  }
}

export interface Factory {
  readonly opened: TestStore
  readonly store: Store
  readonly keys: KeyStore
  readonly clock: Clock
  readonly random: Random
  readonly manufacturer: Manufacturer
  readonly bench: Bench
  order(terms?: Partial<BatchOrder>): BatchOrder
}

export async function openFactory(
  options: Partial<Pick<ManufacturerOptions, 'name' | 'masaUrl' | 'hosts' | 'curve'>> = {},
  open = openTestStore,
): Promise<Factory> {
  const clock = () => now
  const opened = await open({ clock })
  const { store } = opened
  const keys = memoryKeyStore()
  const random = countingRandom(options.name ?? 'Acme')
  const setup = { name: 'Acme', masaUrl: 'masa.acme.example', ...options }
  const manufacturer = await setUpManufacturer({ ...setup, store, keys, clock, random })
  const bench = new Bench()
  return {
    opened,
    store,
    keys,
    clock,
    random,
    manufacturer,
    bench,
    order: terms => ({
      manufacturer,
      store,
      clock,
      port: bench,
      batch: 'B1',
      model: { name: 'Sensor', mudUrl: 'https://mud.acme.example/sensor.json' },
      count: 3,
      keyOrigin: 'simulated',
      ...terms,
    }),
  }
}

export async function withFactory(
  work: (factory: Factory) => Promise<void>,
  options: Parameters<typeof openFactory>[0] = {},
): Promise<void> {
  const factory = await openFactory(options)
  try {
    await work(factory)
  } finally {
    await factory.opened.close()
  }
}

export class Crash extends Error {}

/** Lets `left` steps pass and then stops everything, as a power cut does: the step is not done, or done and not told. */
export class PowerCut {
  left: number
  readonly after: boolean
  #dead = false

  constructor(left: number, after: boolean) {
    this.left = left
    this.after = after
  }

  async step<T>(work: () => Promise<T>): Promise<T> {
    if (this.#dead) throw new Crash()
    const last = this.left-- <= 0
    if (last) this.#dead = true
    if (last && !this.after) throw new Crash()
    const result = await work()
    if (last || this.#dead) throw new Crash()
    return result
  }

  store(store: Store): Store {
    return {
      ...methodsOf(store),
      transaction: work => this.step(() => store.transaction(work)),
    }
  }

  keys(keys: KeyStore): KeyStore {
    return { ...keys, generate: (label, curve) => this.step(() => keys.generate(label, curve)) }
  }

  port(port: UnitPort): UnitPort {
    return {
      csr: (serial, model) => this.step(() => port.csr(serial, model)),
      install: (serial, idevid, chain, anchors) => this.step(() => port.install(serial, idevid, chain, anchors)),
    }
  }
}

function methodsOf(store: Store): Store {
  return {
    transaction: work => store.transaction(work),
    read: work => store.read(work),
    history: (stream, after, limit) => store.history(stream, after, limit),
    feed: (cursor, limit) => store.feed(cursor, limit),
    onCommit: listener => store.onCommit(listener),
    claim: (topic, limit) => store.claim(topic, limit),
    settle: (id, outcome) => store.settle(id, outcome),
    checkpoint: () => store.checkpoint(),
    verify: anchor => store.verify(anchor),
    condition: () => store.condition(),
    backup: file => store.backup(file),
    close: () => store.close(),
  }
}
