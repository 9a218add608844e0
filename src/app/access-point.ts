import { exec } from 'node:child_process'
import { hash } from 'node:crypto'
import { promisify } from 'node:util'
import { createSecretBox } from '../adapter/key/secret-box.ts'
import { readAccessPointBase, writeAccessPointFiles } from '../adapter/network/access-point-file.ts'
import type { Secret } from '../crypto/secret.ts'
import type { Clock, Log, Store, Tables } from '../domain/port.ts'
import {
  type AccessList,
  type AccessPointFiles,
  type AccessPointOptions,
  accessList,
  accessPointFiles,
  derivePsk,
} from '../role/onboarding/access-point.ts'
import { activeNetworks } from '../role/onboarding/network-definition.ts'
import type { SecretBox } from '../role/onboarding/network-secret.ts'
import { startWorker, type Worker } from './worker.ts'

/** What seals the secrets of devices at a site, from the key that seals whatever only this site may read. */
export function siteSecretBox(sealKey: Secret): SecretBox {
  return createSecretBox(sealKey, 'mooring network secrets 1')
}

/** Where the access points of a site find what they have to know of its devices. */
export interface AccessPointPlace {
  /** Of mode 0700, for this user or root alone. `<network>.base` in it is what stands before our lines in `<network>.conf`. */
  readonly directory: string
  /** Command line for when something changed: what makes hostapd read its files again. */
  readonly reload?: string
  /** IPv4 address of the Controller, for access points that relay DPP. */
  readonly controller?: string
}

export interface AccessPointWriting {
  /** Hash of the key that access points know the Controller by, made at first use; absent: that of the record, if there is one. */
  readonly controllerKey?: () => Promise<string>
  /** Keys of devices that were there the last time. */
  readonly psks?: PskCache
  readonly store: Store
  readonly clock: Clock
  readonly log: Log
  readonly box: SecretBox
  readonly place: AccessPointPlace
}

export interface Written {
  readonly network: string
  readonly devices: number
  readonly denied: number
  readonly left: AccessList['left']
}

/**
 * Keeps the files of every network as the record says: within a moment of each change at this process, and every 15 seconds of
 * those at others.
 */
export function keepAccessPoints(writing: AccessPointWriting): Worker {
  const { store, log, place } = writing
  const psks = new PskCache()
  const work = async () => {
    const { changed } = await writeAccessPoints({ ...writing, psks })
    psks.forgetOthers()
    if (changed.length === 0) return
    log.info({ directory: place.directory, files: changed.length }, 'access points have new files')
    if (place.reload !== undefined) await reload(place.reload, log)
  }
  const worker = startWorker({ name: 'access-points', work, every: 15_000, log })
  let soon: NodeJS.Timeout | undefined
  // Of many that come in at once, the files are written once.
  const ignore = store.onCommit(() => {
    soon ??= setTimeout(() => {
      soon = undefined
      worker.wake()
    }, 200)
  }, ['device', 'network', 'configurator'])
  return {
    wake: () => worker.wake(),
    async close() {
      ignore()
      clearTimeout(soon)
      psks.forget()
      await worker.close()
    },
  }
}

/** Writes the files of all networks, or of `only` one, and removes those of networks that are gone. */
export async function writeAccessPoints(
  { store, clock, box, place, psks, controllerKey }: AccessPointWriting,
  only?: string,
): Promise<{ readonly changed: readonly string[]; readonly networks: readonly Written[] }> {
  const at = clock()
  const { lists, gone, recorded } = await store.read(async tables => {
    const networks = (await activeNetworks(tables)).filter(({ name }) => only === undefined || name === only)
    const lists = await Promise.all(networks.map(network => accessList({ tables, box, at }, network)))
    const removed = await tables.network.find({ status: 'removed' }, { limit: 1000 })
    return { lists, gone: removed.map(({ name }) => name), recorded: await controllerKeyOf(tables) }
  })
  const address = place.controller
  const keyHash = address === undefined ? undefined : ((await controllerKey?.()) ?? recorded)
  const controller = address === undefined || keyHash === undefined ? undefined : { address, keyHash }
  const files: Record<string, Secret> = {}
  for (const list of lists) Object.assign(files, await filesOf(list, place.directory, controller, psks))
  try {
    const changed = await writeAccessPointFiles(place.directory, files, only === undefined ? gone : [])
    return { changed, networks: lists.map(summary) }
  } finally {
    for (const { devices } of lists) for (const { secret } of devices) secret?.dispose()
    for (const file of Object.values(files)) file.dispose()
  }
}

async function filesOf(
  list: AccessList,
  directory: string,
  controller: AccessPointOptions['controller'],
  psks: PskCache | undefined,
): Promise<AccessPointFiles> {
  const base = await readAccessPointBase(directory, list.network.name)
  return accessPointFiles(list, {
    directory,
    ...(base === undefined ? {} : { base }),
    ...(controller === undefined ? {} : { controller }),
    ...(psks === undefined ? {} : { pskOf: (secret: Secret, ssid: Uint8Array) => psks.keyOf(secret, ssid) }),
  })
}

/** Each key costs a millisecond and a half, and of a thousand devices one has changed. */
class PskCache {
  #keys = new Map<string, Secret>()
  #before = new Map<string, Secret>()

  async keyOf(secret: Secret, ssid: Uint8Array): Promise<Secret> {
    const name = hash('sha256', Buffer.concat([secret.reveal(), ssid]))
    const key = this.#keys.get(name) ?? this.#before.get(name) ?? (await derivePsk(secret, ssid))
    this.#keys.set(name, key)
    return key
  }

  /** Those that were not asked for since the last time. */
  forgetOthers(): void {
    for (const [name, key] of this.#before) if (!this.#keys.has(name)) key.dispose()
    this.#before = this.#keys
    this.#keys = new Map()
  }

  forget(): void {
    this.forgetOthers()
    this.forgetOthers()
  }
}

function summary({ network, devices, denied, left }: AccessList): Written {
  return { network: network.name, devices: devices.length, denied: denied.length, left }
}

/** hostapd finds its Controller by the hash of its bootstrapping key. */
async function controllerKeyOf(tables: Pick<Tables, 'configuratorKey'>): Promise<string | undefined> {
  const keys = await tables.configuratorKey.find({ use: 'bootstrapping', state: 'current' })
  const key = keys.find(({ curve }) => curve === 'P-256')
  return key && hash('sha256', Buffer.from(key.spki, 'base64'))
}

const run = promisify(exec)

/** A command of the operator's own. That it failed is told; the files are there all the same. */
async function reload(command: string, log: Log): Promise<void> {
  try {
    await run(command, { timeout: 30_000 })
  } catch (error) {
    log.error(
      { command, error: error instanceof Error ? error.message : String(error) },
      'access points did not reload',
    )
  }
}
