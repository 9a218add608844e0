import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Attempt, onboard } from '../../lab/all-in-one/pledge.ts'
import { dial, tlsIdentity, type Wire } from '../../lab/all-in-one/wire.ts'
import { type ApiClient, createClient } from '../../src/app/api/client.ts'
import { freePort } from '../../src/app/free-port.ts'
import { type ManufacturerSite, openManufacturerSite } from '../../src/app/manufacturer.ts'
import { encodePem } from '../../src/codec/pem.ts'
import type { Certificate } from '../../src/codec/x509/certificate.ts'
import { encodeName } from '../../src/codec/x509/name.ts'
import { createCsr } from '../../src/crypto/csr.ts'
import { generateKey } from '../../src/crypto/key.ts'
import { keySigner } from '../../src/crypto/signer.ts'
import { deviceId } from '../../src/domain/device.ts'
import { makeUnits, type UnitPort } from '../../src/role/factory/line.ts'
import { sellUnits, shipmentManifest } from '../../src/role/factory/sale.ts'
import type { PostgresServer } from '../postgres.ts'
import { silentLog } from '../store.ts'
import { type Service, Shell } from './cli/process.ts'

/** One `mooring up` of a site. */
export interface SiteProcess {
  readonly service: Service
  /** Where devices reach it. */
  readonly port: number
  readonly api: ApiClient
  /** All events that it tells of, from the first, in the order in which it does. */
  readonly told: Told
}

/** A site in two processes with one data directory and one database, and a manufacturer with a MASA. */
export interface TwoProcesses {
  readonly shell: Shell
  readonly processes: readonly [SiteProcess, SiteProcess]
  readonly maker: ManufacturerSite
  readonly storeUrl: string
  /** Makes devices and sells them to the site's owner. @returns the devices, and the manifest for the site */
  make(batch: string, count: number): Promise<{ readonly attempts: readonly Attempt[]; readonly manifest: string }>
  /** The site trusts the manufacturer, by the word of one of its processes. */
  trust(by: SiteProcess): Promise<void>
  /**
   * Takes a device from where it stands to its connection, at one of the processes. Throws `Refused`.
   * @param sent called after each request
   */
  onboard(attempt: Attempt, at: SiteProcess, sent?: () => void): Promise<void>
  close(): Promise<void>
}

export const trustedAs = 'acme'
export const host = '127.0.0.1'
const owner = 'harbour'

export const deviceOf = ({ unit }: Attempt): string => deviceId(trustedAs, unit.serial)

/** A connection with the birth certificate. */
export const dialAsBorn = ({ unit }: Attempt, { port }: Pick<SiteProcess, 'port'>): Promise<Wire> =>
  dial(port, tlsIdentity(unit.key, unit.chain))

/** A connection with the network credential. */
export const dialAsMember = ({ key, certificate }: Attempt, { port }: SiteProcess): Promise<Wire> =>
  dial(port, tlsIdentity(key!, [certificate!]))

/** How a site is started: ports of its own, one name in the certificate for all processes. */
export const upArgs = (data: string, port = 0): readonly string[] => [
  ...['up', '--data', data, '--network', 'harbour-iot', '--owner', owner, '--quiet'],
  ...['--listen', host, '--host', host, '--port', String(port), '--api-port', '0', '--no-dpp'],
]

/** Both processes start at the same moment, on nothing. */
export async function openTwoProcesses(server: PostgresServer): Promise<TwoProcesses> {
  const directory = await mkdtemp(join(tmpdir(), 'mooring-two-'))
  const shell = new Shell(directory)
  const place = await server.place()
  const masaPort = await freePort(host)
  // In files: what this is about is the site's record.
  const maker = await openManufacturerSite({
    name: 'Acme',
    data: join(directory, 'acme'),
    masaUrl: `${host}:${masaPort}`,
    log: silentLog,
  })
  await maker.listen({ host, port: masaPort })
  const start = () => shell.start(upArgs(join(directory, 'site')), { MOORING_STORE: place.url })
  const services = await Promise.all([start(), start()])
  const token = services.map(({ ready }) => ready['token']).find(text => text !== undefined)
  const processes = services.map(service => {
    const api = createClient({ url: String(service.ready['url']), token: token as string })
    return { service, port: Number(service.ready['onboardingPort']), api, told: new Told(api) }
  })
  const [first, second] = processes as [SiteProcess, SiteProcess]
  return {
    shell,
    processes: [first, second],
    maker,
    storeUrl: place.url,
    make: (batch, count) => make(maker, first, { batch, count }),
    async trust({ api }) {
      const { deviceRoot, masaRoot } = maker.manufacturer
      const anchors = { anchors: [pem(deviceRoot)], masaAnchors: [pem(masaRoot)] }
      await api.manufacturerTrust({ params: { name: trustedAs }, body: { ...anchors, masaPrivateAddress: true } })
    },
    onboard(attempt, { port }, sent = () => {}) {
      const manner = { csrAttributes: true, connects: true, checks: true }
      return onboard(attempt, { port, masaRoot: maker.manufacturer.masaRoot, sent }, manner)
    },
    async close() {
      for (const { told } of processes) await told.end()
      await shell.end()
      await maker.close()
      await place.remove()
      await rm(directory, { recursive: true })
    },
  }
}

async function make(
  { manufacturer, store, clock, random }: ManufacturerSite,
  { api }: SiteProcess,
  { batch, count }: { readonly batch: string; readonly count: number },
) {
  const attempts = new Map<string, Attempt>()
  const keys = new Map<string, ReturnType<typeof generateKey>>()
  const port: UnitPort = {
    async csr(serial) {
      const key = keys.get(serial) ?? generateKey('P-256')
      keys.set(serial, key)
      return createCsr({ subject: encodeName({ serialNumber: serial }) }, keySigner(key))
    },
    async install(serial, idevid, chain) {
      attempts.set(serial, { unit: { serial, key: keys.get(serial)!, chain: [idevid, ...chain] } })
    },
  }
  await makeUnits({ manufacturer, store, clock, port, batch, model: { name: 'Lamp' }, count, keyOrigin: 'device' })
  const { domainIds: domains } = await api.siteShow()
  const buyer = { id: owner, name: 'Harbour', domains }
  await sellUnits({ manufacturer, store, clock }, { batch }, { buyer })
  const manifest = await shipmentManifest({ manufacturer, store, clock, random }, { batch }, buyer)
  return { attempts: [...attempts.values()], manifest: base64(manifest) }
}

const pem = ({ der }: Certificate) => encodePem('CERTIFICATE', der)
const base64 = (bytes: Uint8Array) => Buffer.from(bytes).toString('base64')

/** Listens to the event stream of a process, for as long as it may, and remembers. */
export class Told {
  /** `stream version`, in order of arrival. */
  readonly events: string[] = []
  readonly #stop = new AbortController()
  readonly #waiting = new Set<() => void>()
  readonly #ended: Promise<void>

  constructor(api: ApiClient) {
    this.#ended = this.#listen(api)
  }

  async #listen(api: ApiClient): Promise<void> {
    for await (const { event } of api.follow({ signal: this.#stop.signal })) {
      this.events.push(`${event.stream} ${event.version}`)
      for (const look of this.#waiting) look()
    }
  }

  /** Resolves when `enough` holds of what was told. */
  until(enough: (events: readonly string[]) => boolean): Promise<void> {
    return new Promise((resolve, reject) => {
      const look = () => {
        if (!enough(this.events)) return
        this.#waiting.delete(look)
        resolve()
      }
      this.#waiting.add(look)
      this.#ended.then(() => reject(new Error('the event stream ended')), reject)
      look()
    })
  }

  async end(): Promise<void> {
    this.#stop.abort()
    await this.#ended
  }
}
