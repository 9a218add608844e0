import { execFile } from 'node:child_process'
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { createMasaClient } from '../../src/adapter/http/masa-client.ts'
import { freePort } from '../../src/app/free-port.ts'
import { type ManufacturerSite, openManufacturerSite } from '../../src/app/manufacturer.ts'
import { openSite, type Site } from '../../src/app/site.ts'
import { encodePem } from '../../src/codec/pem.ts'
import { type Device, deviceId } from '../../src/domain/device.ts'
import type { StoredEvent } from '../../src/domain/event.ts'
import type { Clock } from '../../src/domain/port.ts'
import { makeUnits, type UnitPort } from '../../src/role/factory/line.ts'
import type { Manufacturer } from '../../src/role/factory/manufacturer-setup.ts'
import { buyerCard, sellUnits, shipmentManifest } from '../../src/role/factory/sale.ts'
import { importManifest } from '../../src/role/supply-chain/import.ts'
import { trustManufacturer } from '../../src/role/supply-chain/trust.ts'
import { partyStore, silentLog } from '../store.ts'

/** A manufacturer with its MASA and a site, each listening on 127.0.0.1, and a directory for the peers' files. */
export interface Lab {
  readonly directory: string
  readonly factory: ManufacturerSite
  readonly site: Site
  /** `https://127.0.0.1:port` of the registrar. */
  readonly url: string
  readonly pledge: (step: string, device: string, more?: PledgeRun) => Promise<Ran>
  /** The path of a device's directory, or of a file in it. */
  readonly file: (device: string, name?: string) => string
  readonly write: (device: string, name: string, content: string | Uint8Array) => Promise<string>
  readonly read: (device: string, name: string) => Promise<Buffer>
  /** Makes devices whose keys openssl makes, sells them to the site's owner, and has the site expect them. */
  readonly make: (batch: string, count: number) => Promise<readonly string[]>
  /** Has this site trust another manufacturer. */
  readonly trust: (name: string, manufacturer: Manufacturer) => Promise<void>
  readonly deviceOf: (serial: string) => Promise<Device | undefined>
  readonly historyOf: (serial: string) => Promise<readonly StoredEvent[]>
  readonly close: () => Promise<void>
}

export interface PledgeRun {
  readonly url?: string
  readonly env?: Readonly<Record<string, string>>
}

export interface Ran {
  readonly code: number
  readonly out: string
  readonly error: string
}

export const owner = 'owner-1'
const script = fileURLToPath(new URL('../../interop/openssl-pledge.sh', import.meta.url))
const execute = promisify(execFile)

/** Runs a program to its end; its failure is a result. */
export async function run(
  program: string,
  args: readonly string[],
  options: { readonly cwd?: string; readonly env?: NodeJS.ProcessEnv } = {},
): Promise<Ran> {
  try {
    const { stdout, stderr } = await execute(program, args, { timeout: 60_000, ...options })
    return { code: 0, out: stdout, error: stderr }
  } catch (error) {
    const { code, stdout, stderr } = error as { code?: number; stdout?: string; stderr?: string }
    if (typeof code !== 'number' || stdout === undefined) throw error
    return { code, out: stdout, error: stderr ?? '' }
  }
}

export async function openLab(options: { readonly network?: string; readonly clock?: Clock } = {}): Promise<Lab> {
  const { network = 'lab', clock = Date.now } = options
  const directory = await mkdtemp(join(tmpdir(), 'mooring-interop-'))
  // The place of the MASA stands in every birth certificate, so it is settled before the first one.
  const masaPort = await freePort('127.0.0.1')
  const factory = await openManufacturerSite({
    name: 'Acme',
    data: join(directory, 'acme'),
    masaUrl: `127.0.0.1:${masaPort}`,
    log: silentLog,
    ...(await partyStore()),
  })
  await factory.listen({ host: '127.0.0.1', port: masaPort })
  const site = await openSite({
    network,
    owner,
    data: join(directory, 'site'),
    host: '127.0.0.1',
    port: 0,
    log: silentLog,
    clock,
    masa: () => createMasaClient(),
    ...(await partyStore()),
  })
  const trust = async (name: string, { deviceRoot, masaRoot }: Manufacturer) => {
    const anchors = { anchors: [deviceRoot.der], masaAnchors: [masaRoot.der] }
    await trustManufacturer(site, { name, masaPrivateAddress: true, ...anchors }, 'test')
  }
  await trust('acme', factory.manufacturer)

  const url = `https://127.0.0.1:${site.port}`
  const file = (device: string, name = '') => join(directory, 'device', device, name)
  const pledge = (step: string, device: string, more: PledgeRun = {}) =>
    run(script, [step, file(device), more.url ?? url], { env: { ...process.env, ...more.env } })
  const historyOf = (serial: string) => site.store.history(`device/${deviceId('acme', serial)}`)
  return {
    directory,
    factory,
    site,
    url,
    file,
    pledge,
    async write(device, name, content) {
      await mkdir(file(device), { recursive: true })
      await writeFile(file(device, name), content)
      return file(device, name)
    },
    read: (device, name) => readFile(file(device, name)),
    make: (batch, count) => make({ factory, site, port: opensslUnit(file) }, batch, count),
    trust,
    deviceOf: serial => site.store.read(tables => tables.device.get(deviceId('acme', serial))),
    historyOf,
    async close() {
      await site.close()
      await factory.close()
      await rm(directory, { recursive: true })
    },
  }
}

/** A device on the line is a directory: openssl makes key and CSR in it, and the birth certificate comes into it as PEM. */
function opensslUnit(file: (device: string, name?: string) => string): UnitPort {
  return {
    async csr(serial) {
      const { code, error } = await run(script, ['key', file(serial), serial])
      if (code !== 0) throw new Error(error)
      return readFile(file(serial, 'idevid.csr'))
    },
    async install(serial, idevid, chain, anchors) {
      const pem = (list: readonly Uint8Array[]) => list.map(der => encodePem('CERTIFICATE', der)).join('')
      await writeFile(file(serial, 'idevid.crt'), pem([idevid]))
      await writeFile(file(serial, 'chain.crt'), pem(chain))
      await writeFile(file(serial, 'masa-root.crt'), pem(anchors))
    },
  }
}

async function make(
  { factory, site, port }: { factory: ManufacturerSite; site: Site; port: UnitPort },
  batch: string,
  count: number,
): Promise<readonly string[]> {
  const { manufacturer, store, clock, random } = factory
  const serials: string[] = []
  const recording: UnitPort = {
    csr: (serial, model) => port.csr(serial, model),
    async install(serial, ...rest) {
      serials.push(serial)
      await port.install(serial, ...rest)
    },
  }
  const model = { name: 'Lamp', mudUrl: 'https://acme.example/lamp.json' }
  const order = { manufacturer, store, clock, port: recording, batch, model, count, keyOrigin: 'device' } as const
  const { refused } = await makeUnits(order)
  if (refused[0] !== undefined) throw refused[0].error
  const buyer = buyerCard({ id: owner, name: 'Owner', certificates: [site.authority.root] })
  const office = { manufacturer, store, clock, random }
  await sellUnits(office, { batch }, { buyer })
  const bytes = await shipmentManifest(office, { batch }, buyer)
  await importManifest({ bytes, store: site.store, clock: site.clock, importedBy: 'test' })
  return serials.sort()
}
