import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import { createMasaClient } from '../../adapter/http/masa-client.ts'
import type { Certificate } from '../../codec/x509/certificate.ts'
import type { Curve } from '../../crypto/signer.ts'
import type { Party } from '../../domain/declaration.ts'
import { domainIds } from '../../domain/ownership.ts'
import type { Clock, Log, MasaClient } from '../../domain/port.ts'
import { type DeviceModel, fjordClimate, kestrelMeter } from '../../role/device/model.ts'
import { makeUnits } from '../../role/factory/line.ts'
import { buyerCard, sellUnits, shipmentManifest } from '../../role/factory/sale.ts'
import type { RegistrarCredential } from '../../role/onboarding/masa-exchange.ts'
import { importManifest } from '../../role/supply-chain/import.ts'
import { trustManufacturer } from '../../role/supply-chain/trust.ts'
import { defined } from '../defined.ts'
import { freePort } from '../free-port.ts'
import { openManufacturerSite } from '../manufacturer.ts'
import { openSite, type Site } from '../site.ts'
import type { Demonstration } from './demonstration.ts'
import { openHousing, type VirtualDevice, virtualDevice } from './device.ts'
import type { Ledger } from './ledger.ts'
import { host, type Maker, type Network } from './party.ts'

export interface NetworkTerms {
  /** Name of its ledger in the report. */
  readonly name: string
  /** Identifier of the network. */
  readonly network: string
  readonly owner: string
  readonly curve?: Curve
  readonly credentialLifetimeDays?: number
  /** In the place of the way to the MASAs. */
  readonly masa?: (registrar: RegistrarCredential) => MasaClient
}

/** What a device has beside its birth credential. */
export interface DeviceParts {
  /** A radio, and a bootstrapping key for Wi-Fi Easy Connect. */
  readonly radio?: true
}

/** Two makers, the network that devices are bought for, and what it takes to bring in more parties. */
export interface Lab {
  readonly home: Network
  readonly makers: readonly [Maker, Maker]
  readonly ledgers: readonly Ledger[]
  readonly log: Log
  /** Of all parties and devices. */
  readonly clock: Clock
  passTime(milliseconds: number): void
  /** Opens one more network, which lives as long as the lab. It trusts both makers unless told not to. */
  openNetwork(terms: NetworkTerms, trusts?: readonly Maker[]): Promise<Network>
  /** Makes a device. Nobody owns it but its maker. */
  make(maker: Maker, parts?: DeviceParts): Promise<VirtualDevice>
  /** As `make`, and sells it to the owner of the network, whose list it is then on. */
  buy(maker: Maker, network: Network, parts?: DeviceParts): Promise<VirtualDevice>
  /** Sells devices; the manifest is for the buyer to import. */
  sell(maker: Maker, devices: readonly VirtualDevice[], buyer: Party, onboarders?: readonly Party[]): Promise<Buffer>
  /** Something to be closed with the lab. */
  keep(closing: () => Promise<void>): void
  close(): Promise<void>
}

/** Demonstrations that belong together. */
export type Scene = readonly Demonstration<Lab>[]

export interface LabOptions {
  readonly data: string
  readonly log: Log
  /** Where the record of a party is; in its data directory when absent. */
  readonly storeUrl?: (party: string) => Promise<string>
}

/** A lab of real parties on loopback: TLS, stores and keys as in the field; only the devices are virtual. */
export async function openLab(options: LabOptions): Promise<Lab> {
  const { log } = options
  let passed = 0
  const clock = () => Date.now() + passed
  const place: Place = { ...options, clock }
  const closings: (() => Promise<void>)[] = []
  const ledgers: Ledger[] = []
  const batches = new Map<string, number>()

  async function openNetwork(terms: NetworkTerms, trusts?: readonly Maker[]): Promise<Network> {
    const network = await openOneNetwork(terms, place)
    closings.push(() => network.site.close())
    ledgers.push(network)
    for (const maker of trusts ?? makers) await trust(network.site, maker)
    return network
  }
  async function make(maker: Maker, parts?: DeviceParts): Promise<VirtualDevice> {
    const number = (batches.get(maker.name) ?? 0) + 1
    batches.set(maker.name, number)
    return makeDevice(maker, { batch: `${maker.name.slice(0, 1).toUpperCase()}${number}`, number, ...parts, ...place })
  }
  const close = async (): Promise<void> => {
    for (const closing of closings.splice(0).reverse()) await closing()
  }

  const makers: Maker[] = []
  try {
    const home = await openNetwork({ name: 'site', network: 'harbour', owner: 'harbour-master' })
    for (const model of [fjordClimate, kestrelMeter]) {
      const maker = await openMaker(model, home, place)
      closings.push(() => maker.site.close())
      ledgers.push(maker)
      makers.push(maker)
      await trust(home.site, maker)
    }
    return {
      home,
      makers: [makers[0]!, makers[1]!],
      ledgers,
      log,
      clock,
      passTime(milliseconds) {
        passed += milliseconds
      },
      openNetwork,
      make,
      async buy(maker, network, parts) {
        const device = await make(maker, parts)
        const bytes = await sell(maker, [device], cardOf(network))
        const { store, clock } = network.site
        await importManifest({ bytes, store, clock, importedBy: 'playbook' })
        return device
      },
      sell,
      keep: closing => closings.push(closing),
      close,
    }
  } catch (error) {
    await close()
    throw error
  }
}

interface Place extends LabOptions {
  readonly clock: Clock
}

/** The owner of a network as makers know it. */
export function cardOf({ owner, site }: Network): Party {
  return buyerCard({ id: owner, name: owner, certificates: [site.authority.root] })
}

async function openOneNetwork(terms: NetworkTerms, place: Place): Promise<Network> {
  const { name, network, owner, curve, credentialLifetimeDays } = terms
  const { log, clock } = place
  const data = join(place.data, name)
  let masa: MasaClient | undefined
  const site = await openSite({
    network,
    owner,
    data,
    host,
    port: 0,
    dpp: { host, port: 0 },
    retryAfterSeconds: 1,
    log,
    clock,
    ...defined({ curve, credentialLifetimeDays, storeUrl: await place.storeUrl?.(name) }),
    masa(registrar) {
      masa = terms.masa?.(registrar) ?? createMasaClient({ clock })
      return masa
    },
  })
  if (masa === undefined) throw new TypeError('a site asks for its way to the MASA')
  return { name, site, owner, masa, data, store: site.store, origin: `https://${host}:${site.port}` }
}

async function openMaker(model: DeviceModel, home: Network, place: Place): Promise<Maker> {
  const { data, log, clock } = place
  const name = model.manufacturer.toLowerCase().replaceAll(' ', '-')
  const directory = join(data, name)
  // The place of the MASA stands in every birth certificate, so it is settled before the first one.
  const port = await freePort(host)
  const site = await openManufacturerSite({
    name: model.manufacturer,
    data: directory,
    masaUrl: `${host}:${port}`,
    noncelessDomains: domainIds(home.site.authority.root),
    log,
    clock,
    ...defined({ storeUrl: await place.storeUrl?.(name) }),
  })
  await site.listen({ host, port })
  return { name, site, model, store: site.store, data: directory }
}

async function trust(site: Site, maker: Maker): Promise<void> {
  await trustAs(site, maker, maker.site.manufacturer.masaRoot)
}

/** Believes the maker about births, and whoever is behind `masaRoot` about vouchers. */
export async function trustAs(site: Site, { name, site: maker }: Maker, masaRoot: Certificate): Promise<void> {
  const anchors = { anchors: [maker.manufacturer.deviceRoot.der], masaAnchors: [masaRoot.der] }
  await trustManufacturer(site, { name, masaPrivateAddress: true, ...anchors }, 'playbook')
}

async function makeDevice(
  maker: Maker,
  { batch, number, radio, data, log, clock }: Place & DeviceParts & { readonly batch: string; readonly number: number },
): Promise<VirtualDevice> {
  const { manufacturer, store } = maker.site
  const { model } = maker
  const serial = `${batch}-000001`
  const housing = await openHousing(model, join(data, 'device', serial))
  const order = { manufacturer, store, clock, port: housing.unit, batch, model, count: 1 } as const
  const firstMac = `02000000${number.toString(16).padStart(4, '0')}`
  const dpp = radio === undefined ? {} : { dpp: { curve: 'P-256', version: 3, channels: ['81/6'], firstMac } as const }
  const { refused } = await makeUnits({ ...order, ...dpp, keyOrigin: 'simulated' })
  if (refused[0] !== undefined) throw refused[0].error
  return virtualDevice(maker, serial, housing, { log, clock })
}

async function sell(
  { site }: Maker,
  devices: readonly VirtualDevice[],
  buyer: Party,
  onboarders?: readonly Party[],
): Promise<Buffer> {
  const serials = devices.map(({ serial }) => serial)
  const sale = { buyer, ...(onboarders === undefined ? {} : { authorizedOnboarders: onboarders }) }
  await sellUnits(site, { serials }, sale)
  return shipmentManifest({ ...site, random: randomBytes }, { serials }, buyer)
}
