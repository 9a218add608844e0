import { randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { memoryKeyStore } from '../../adapter/key/memory.ts'
import { deviceId } from '../../domain/device.ts'
import type { Log } from '../../domain/port.ts'
import { type DeviceModel, fjordClimate, kestrelMeter, lumenLamp } from '../../role/device/model.ts'
import { openPledge, type Pledge, type PledgeOptions } from '../../role/device/pledge.ts'
import { memoryDeviceStore } from '../../role/device/store.ts'
import { type Housing, simulatedUnit } from '../../role/device/unit.ts'
import { makeUnits } from '../../role/factory/line.ts'
import { type BuyerCard, buyerCard, sellUnits, shipmentManifest } from '../../role/factory/sale.ts'
import { expectDevice, importManifest } from '../../role/supply-chain/import.ts'
import { trustManufacturer } from '../../role/supply-chain/trust.ts'
import { defined } from '../defined.ts'
import { freePort } from '../free-port.ts'
import { type ManufacturerSite, openManufacturerSite } from '../manufacturer.ts'
import { pledgeTransport } from '../pledge-transport.ts'
import { openSite, type Site } from '../site.ts'

/** Retries of a demonstration: a person waits for them. */
const impatience = { firstMs: 200, maxMs: 2000 }

/** A manufacturer of the demonstration and the units that it made. */
export interface Maker {
  readonly name: string
  /** The site's name for it. */
  readonly trustedAs: string
  readonly model: DeviceModel
  readonly site: ManufacturerSite
  readonly housings: ReadonlyMap<string, Housing>
  /** How its devices find their way into a network. */
  readonly joins: 'brski' | 'dpp'
}

/** Everything that stands before the first device is switched on. */
export interface Stage {
  readonly site: Site
  readonly makers: readonly Maker[]
  /** Where devices find the honest registrar. */
  readonly origin: string
  pledge(serial: string): Promise<Pledge>
  /** A unit's parts with everything that a pledge needs, impatient. */
  pledgeOptions(maker: Maker, housing: Housing): PledgeOptions
  /** Id of a unit at the site. */
  device(serial: string): string
  close(): Promise<void>
}

export interface StageTerms {
  readonly owner: string
  readonly network: string
  /** Units that each maker of devices with a cable makes. */
  readonly units: number
  /** Units of a third maker, which join by Easy Connect; none when absent. */
  readonly lamps?: number
  /** Sold to this owner, but on no manifest that reached the site. */
  readonly unlisted: readonly string[]
  /** Sold to somebody else, and yet put on this site's list by hand. */
  readonly foreign: readonly string[]
  readonly log: Log
  /** Where the record of a party is; in a directory that goes with the stage when absent. */
  readonly storeUrl?: (party: string) => Promise<string>
}

const host = '127.0.0.1'

/** Builds two or three factories with a MASA each and an owner's site, all on loopback, in a directory that goes with them. */
export async function buildStage(terms: StageTerms, tell: (step: string) => void): Promise<Stage> {
  const directory = mkdtempSync(join(tmpdir(), 'mooring-demo-'))
  const opened: { close(): Promise<void> }[] = []
  const close = async () => {
    for (const each of opened.splice(0).reverse()) await each.close()
    rmSync(directory, { recursive: true, force: true })
  }
  try {
    tell('site')
    const site = await openDemoSite(terms, directory)
    opened.push(site)
    const card = buyerCard({ id: terms.owner, name: terms.owner, certificates: [site.authority.root] })
    const makers: Maker[] = []
    for (const model of [fjordClimate, kestrelMeter, ...(terms.lamps === undefined ? [] : [lumenLamp])]) {
      tell(model.manufacturer)
      const maker = await openMaker(terms, directory, model)
      opened.push(maker.site)
      makers.push(maker)
      await deliver(terms, site, maker, card)
    }
    const stage = { site, makers, origin: `https://${host}:${site.port}`, close }
    return {
      ...stage,
      pledgeOptions: (maker, housing) => pledgeOptions(maker, housing, terms.log),
      pledge: serial => openDevice(makerOf(makers, serial), serial, terms.log),
      device: serial => deviceId(makerOf(makers, serial).trustedAs, serial),
    }
  } catch (error) {
    await close()
    throw error
  }
}

async function openDemoSite({ owner, network, log, lamps, storeUrl }: StageTerms, directory: string): Promise<Site> {
  return openSite({
    owner,
    network,
    data: join(directory, 'site'),
    host,
    port: 0,
    ...(lamps === undefined ? {} : { dpp: { host, port: 0 } }),
    retryAfterSeconds: 1,
    log,
    ...defined({ storeUrl: await storeUrl?.('site') }),
  })
}

async function openMaker(terms: StageTerms, directory: string, model: DeviceModel): Promise<Maker> {
  const { log } = terms
  const joins = model === lumenLamp ? 'dpp' : 'brski'
  const count = joins === 'dpp' ? (terms.lamps ?? 0) : terms.units
  const trustedAs = model.manufacturer.toLowerCase().replaceAll(' ', '-')
  // The port stands in every birth certificate, so it has to be known before the first one is made.
  const port = await freePort(host)
  const site = await openManufacturerSite({
    name: model.manufacturer,
    data: join(directory, trustedAs),
    masaUrl: `${host}:${port}`,
    log,
    ...defined({ storeUrl: await terms.storeUrl?.(trustedAs) }),
  })
  await site.listen({ host, port })
  const housings = new Map<string, Housing>()
  const housing = async (serial: string): Promise<Housing> => {
    const known = housings.get(serial) ?? { keys: memoryKeyStore(), store: memoryDeviceStore() }
    housings.set(serial, known)
    return known
  }
  const { manufacturer, store, clock } = site
  const batch = `${trustedAs.slice(0, 1).toUpperCase()}26`
  const port_ = simulatedUnit(model, housing)
  const order = { manufacturer, store, clock, port: port_, batch, model, count, keyOrigin: 'simulated' } as const
  await makeUnits(joins === 'dpp' ? { ...order, dpp: bootstrapping } : order)
  return { name: model.manufacturer, trustedAs, model, site, housings, joins }
}

/** What the labels of lamps say beside the key. */
const bootstrapping = { curve: 'P-256', version: 3, channels: ['81/6'], firstMac: '020000a10001' } as const

/** Sells, ships the manifest, and lets the site import it: what a purchase is. */
async function deliver(terms: StageTerms, site: Site, maker: Maker, card: BuyerCard): Promise<void> {
  const { manufacturer, store, clock, random } = maker.site
  const office = { manufacturer, store, clock, random }
  const by = 'demonstration'
  await trustManufacturer(
    site,
    {
      name: maker.trustedAs,
      anchors: [manufacturer.deviceRoot.der],
      masaAnchors: [manufacturer.masaRoot.der],
      masaPrivateAddress: true,
    },
    by,
  )
  const foreign = [...maker.housings.keys()].filter(serial => terms.foreign.includes(serial))
  const sold = [...maker.housings.keys()].filter(serial => !foreign.includes(serial))
  await sellUnits(office, { serials: sold }, { buyer: card })
  const listed = sold.filter(serial => !terms.unlisted.includes(serial))
  const bytes = await shipmentManifest(office, { serials: listed }, card)
  await importManifest({ bytes, store: site.store, clock: site.clock, importedBy: by })
  if (foreign.length === 0) return
  const neighbour = { id: 'neighbour', name: 'Neighbour', domains: [randomBytes(20).toString('base64')] }
  await sellUnits(office, { serials: foreign }, { buyer: neighbour })
  for (const serial of foreign) await expectDevice(site.store, { manufacturer: maker.trustedAs, serial }, by)
}

function makerOf(makers: readonly Maker[], serial: string): Maker {
  const maker = makers.find(({ housings }) => housings.has(serial))
  if (maker === undefined) throw new RangeError(`nobody made ${serial}`)
  return maker
}

async function openDevice(maker: Maker, serial: string, log: Log): Promise<Pledge> {
  const housing = maker.housings.get(serial)
  if (housing === undefined) throw new RangeError(`nobody made ${serial}`)
  return openPledge(pledgeOptions(maker, housing, log))
}

function pledgeOptions({ model }: Maker, { keys, store }: Housing, log: Log): PledgeOptions {
  return {
    model: { ...model, retry: impatience },
    keys,
    store,
    transport: pledgeTransport(keys),
    clock: Date.now,
    random: randomBytes,
    sleep: (milliseconds, signal) => delay(milliseconds, undefined, { signal, ref: false }).catch(() => undefined),
    log,
  }
}
