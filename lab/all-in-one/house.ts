import { createPrivateKey, type KeyObject } from 'node:crypto'
import { join } from 'node:path'
import { type ManufacturerSite, openManufacturerSite } from '../../src/app/manufacturer.ts'
import { openSite, type Site, type SiteOptions } from '../../src/app/site.ts'
import { type Certificate, decodeCertificate } from '../../src/codec/x509/certificate.ts'
import { encodeName } from '../../src/codec/x509/name.ts'
import { createCsr } from '../../src/crypto/csr.ts'
import { generateKey } from '../../src/crypto/key.ts'
import { keySigner } from '../../src/crypto/signer.ts'
import type { Clock, Endpoint, Log, MasaAnswer, MasaClient } from '../../src/domain/port.ts'
import { brskiPath } from '../../src/protocol/brski/endpoint.ts'
import { makeUnits, type UnitPort } from '../../src/role/factory/line.ts'
import { buyerCard, sellUnits, shipmentManifest } from '../../src/role/factory/sale.ts'
import type { RegistrarCredential } from '../../src/role/onboarding/masa-exchange.ts'
import { importManifest } from '../../src/role/supply-chain/import.ts'
import { trustManufacturer } from '../../src/role/supply-chain/trust.ts'

/** Where a house keeps what it has. */
export interface HousePlace {
  /** Keys of both parties, and their embedded stores. */
  readonly data: string
  /** `postgres://…` of the two stores; embedded ones in `data` when absent. */
  readonly stores?: { readonly site: string; readonly manufacturer: string }
}

/** A manufacturer and the site of one of its customers in one process, joined without a network: all in one. */
export interface House {
  readonly site: Site
  readonly maker: ManufacturerSite
  close(): Promise<void>
}

export const silent: Log = { info() {}, warn() {}, error() {} }

const owner = 'owner-1'
const trustedAs = 'acme'

export async function openHouse(
  place: HousePlace,
  options: {
    readonly port?: number
    readonly reusePort?: boolean
    readonly log?: Log
    readonly clock?: Clock
    /** What else the site is to be. */
    readonly site?: Partial<SiteOptions>
  } = {},
): Promise<House> {
  const { data, stores } = place
  const { port = 0, reusePort = false, log = silent, clock = Date.now } = options
  const maker = await openManufacturerSite({
    name: 'Acme',
    data: join(data, 'manufacturer'),
    ...(stores === undefined ? {} : { storeUrl: stores.manufacturer }),
    masaUrl: 'masa.acme.example',
    requestsPerMinute: Number.MAX_SAFE_INTEGER,
    log,
    clock,
  })
  try {
    const site = await openSite({
      network: 'home',
      owner,
      data: join(data, 'site'),
      ...(stores === undefined ? {} : { storeUrl: stores.site }),
      host: '127.0.0.1',
      port,
      reusePort,
      log,
      clock,
      masa: registrar => directMasa(maker.masa, registrar),
      ...options.site,
    })
    return {
      site,
      maker,
      async close() {
        await site.close()
        await maker.close()
      },
    }
  } catch (error) {
    await maker.close()
    throw error
  }
}

/** The port to the MASA of the same process. */
function directMasa(masa: Endpoint, registrar: RegistrarCredential): MasaClient {
  const certificates = [registrar.certificate, ...registrar.chain].map(({ der }) => der)
  const peer = {
    address: 'in-process',
    certificates,
    localCertificate: Buffer.alloc(0),
    connection: 'in-process',
    channelBinding: () => undefined,
  }
  const ask =
    (path: string): MasaClient['requestVoucher'] =>
    async ({ body, contentType, accept }): Promise<MasaAnswer> => {
      const headers = { 'content-type': contentType, accept }
      const reply = await masa.handle({ method: 'POST', path, headers, body, peer })
      const { status = 404, headers: answered = {}, body: answer = '' } = reply ?? {}
      return { status, contentType: answered['content-type'] ?? '', body: Buffer.from(answer) }
    }
  return { requestVoucher: ask(brskiPath.requestVoucher), requestAuditLog: ask(brskiPath.requestAuditLog) }
}

/** A unit as it left the line: birth key, IDevID and issuing CA. */
export interface Unit {
  readonly serial: string
  readonly key: KeyObject
  /** DER, IDevID first. */
  readonly chain: readonly Uint8Array[]
}

/** What every honest device of the house is born with, besides its key. */
export interface Upbringing {
  readonly masaRoot: Certificate
  readonly units: readonly Unit[]
}

/** Makes `count` units, sells them to the site's owner and has the site expect them: everything before the first power-on. */
export async function furnish({ site, maker }: House, batch: string, count: number): Promise<Upbringing> {
  const { manufacturer, store, clock, random } = maker
  const keys = new Map<string, KeyObject>()
  const units: Unit[] = []
  const port: UnitPort = {
    async csr(serial) {
      const key = keys.get(serial) ?? generateKey('P-256')
      keys.set(serial, key)
      return createCsr({ subject: encodeName({ serialNumber: serial }) }, keySigner(key))
    },
    async install(serial, idevid, chain) {
      units.push({ serial, key: keys.get(serial)!, chain: [idevid, ...chain] })
    },
  }
  const model = { name: 'Lamp', mudUrl: 'https://acme.example/lamp.json' }
  await makeUnits({ manufacturer, store, clock, port, batch, model, count, keyOrigin: 'device' })
  const office = { manufacturer, store, clock, random }
  const card = buyerCard({ id: owner, name: 'Owner', certificates: [site.authority.root] })
  const selection = { batch }
  await sellUnits(office, selection, { buyer: card })
  const decision = {
    name: trustedAs,
    anchors: [manufacturer.deviceRoot.der],
    masaAnchors: [manufacturer.masaRoot.der],
  }
  await trustManufacturer(site, decision, 'lab')
  const bytes = await shipmentManifest(office, selection, card)
  const report = await importManifest({ bytes, store: site.store, clock: site.clock, importedBy: 'lab' })
  if (report.refused.length > 0) throw new Error(`the site refused ${report.refused.length} units of the manifest`)
  return { masaRoot: manufacturer.masaRoot, units }
}

/** The same between processes. */
export interface UpbringingText {
  readonly masaRoot: string
  readonly units: readonly { readonly serial: string; readonly key: string; readonly chain: readonly string[] }[]
}

export function writeUpbringing({ masaRoot, units }: Upbringing): UpbringingText {
  return {
    masaRoot: base64(masaRoot.der),
    units: units.map(({ serial, key, chain }) => ({
      serial,
      key: key.export({ type: 'pkcs8', format: 'pem' }).toString(),
      chain: chain.map(base64),
    })),
  }
}

export function readUpbringing({ masaRoot, units }: UpbringingText): Upbringing {
  return {
    masaRoot: decodeCertificate(Buffer.from(masaRoot, 'base64')),
    units: units.map(({ serial, key, chain }) => ({
      serial,
      key: createPrivateKey(key),
      chain: chain.map(text => Buffer.from(text, 'base64')),
    })),
  }
}

const base64 = (bytes: Uint8Array) => Buffer.from(bytes).toString('base64')
