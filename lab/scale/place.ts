import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { encodeName } from '../../src/codec/x509/name.ts'
import { createCsr, verifyCsr } from '../../src/crypto/csr.ts'
import { generateKey } from '../../src/crypto/key.ts'
import { keySigner } from '../../src/crypto/signer.ts'
import { type Device, type DeviceEvent, deviceId } from '../../src/domain/device.ts'
import { onboardingMoves } from '../../src/domain/lifecycle-onboarding.ts'
import type { Endpoint, EndpointReply, Store } from '../../src/domain/port.ts'
import { makeUnits, type UnitPort } from '../../src/role/factory/line.ts'
import { buyerCard, sellUnits, shipmentManifest } from '../../src/role/factory/sale.ts'
import { recordOnDevice } from '../../src/role/onboarding/device-record.ts'
import { createCredentialIssuer } from '../../src/role/onboarding/network-credential.ts'
import { presencePath } from '../../src/role/onboarding/presence.ts'
import { createSiteEndpoints } from '../../src/role/onboarding/site-endpoint.ts'
import { importManifest } from '../../src/role/supply-chain/import.ts'
import { trustManufacturer } from '../../src/role/supply-chain/trust.ts'
import type { House } from '../all-in-one/house.ts'

/** Sold: units are made and are the site's, which has heard nothing. Onboarded: each is expected, certified and connected. */
export type Stage = 'sold' | 'onboarded'

/** What lies beside the stores, for jobs and for whoever holds a job to account. */
export interface Ground {
  readonly data: string
  readonly manifest: Buffer
  readonly devices: readonly GroundDevice[]
}

export interface GroundDevice {
  readonly serial: string
  readonly id: string
  /** DER, base64; from the second stage on. */
  readonly certificate?: string
  /** A request for the next credential, made by the device, DER, base64. */
  readonly renewal?: string
}

export const trustedAs = 'acme'
export const batch = 'SC'
/** Id under which the manufacturer knows the site. */
export const owner = 'owner-1'
const atOnce = 64

const manifestFile = 'manifest.jws'
const deviceFile = 'device.json'

export function readGround(data: string): Ground {
  return {
    data,
    manifest: readFileSync(join(data, manifestFile)),
    devices: JSON.parse(readFileSync(join(data, deviceFile), 'utf8')),
  }
}

/** Runs work on all items, some at a time, so that they share commits. */
export async function each<T>(items: readonly T[], work: (item: T) => Promise<void>): Promise<void> {
  const queue = items.values()
  const worker = async () => {
    for (const item of queue) await work(item)
  }
  await Promise.all(Array.from({ length: atOnce }, worker))
}

type Progress = (done: number, of: number) => void

/** Makes `count` units and sells them to the site; their keys are the devices' own and nobody keeps them. */
export async function sell({ site, maker }: House, data: string, count: number, progress: Progress): Promise<void> {
  const { manufacturer, store, clock, random } = maker
  const port: UnitPort = {
    csr: async serial => createCsr({ subject: encodeName({ serialNumber: serial }) }, keySigner(generateKey('P-256'))),
    install: async () => {},
  }
  const model = { name: 'Lamp', mudUrl: 'https://acme.example/lamp.json' }
  const order = { manufacturer, store, clock, port, batch, model, count, keyOrigin: 'simulated' } as const
  await makeUnits(order, ({ batch: { made } }) => progress(made, count))
  const card = buyerCard({ id: owner, name: 'Owner', certificates: [site.authority.root] })
  const office = { manufacturer, store, clock, random }
  await sellUnits(office, { batch }, { buyer: card }, progress)
  const anchors = [manufacturer.deviceRoot.der]
  const masaUrl = manufacturer.masa.baseUrl
  const decision = { name: trustedAs, anchors, masaAnchors: [manufacturer.masaRoot.der], masaUrl }
  await trustManufacturer(site, decision, 'lab')
  writeFileSync(join(data, manifestFile), await shipmentManifest(office, { batch }, card))
  const devices: GroundDevice[] = []
  for (let after = ''; ; ) {
    const page = await store.read(tables => tables.unit.find({ batch }, { after, limit: 1000 }))
    for (const { serial } of page) devices.push({ serial, id: deviceId(trustedAs, serial) })
    after = page.at(-1)?.serial ?? after
    if (page.length < 1000) break
  }
  writeFileSync(join(data, deviceFile), JSON.stringify(devices))
}

/**
 * Brings every unit onto the network, by the roles and without their protocol: what BRSKI would have recorded is recorded,
 * the certificate is issued by the site's CA, and the device shows it.
 */
export async function onboard(house: House, data: string, progress: Progress): Promise<void> {
  const { site } = house
  const { store, clock } = site
  const ground = readGround(data)
  await importManifest({ bytes: ground.manifest, store, clock, importedBy: 'lab' })
  const issuer = createCredentialIssuer({ store, clock, issuing: site.authority.issuing })
  const endpoints = endpointsOf(house)
  const plan = { kind: 'network', lifetimeDays: 365, network: site.network } as const
  const devices: GroundDevice[] = []
  await each(ground.devices, async ({ serial, id }) => {
    await admit(store, id, serial, clock())
    const csr = verifyCsr(await createCsr({ subject: encodeName({}) }, keySigner(generateKey('P-256'))))
    const certificate = await issuer.issue({ device: id, csr, plan, authorize: () => {} })
    await show(endpoints, site.authority.registrar.certificate.der, certificate)
    const subject = encodeName({ organizationName: site.network, commonName: id, serialNumber: serial })
    const renewal = await createCsr({ subject }, keySigner(generateKey('P-256')))
    devices.push({ serial, id, certificate: certificate.toString('base64'), renewal: renewal.toString('base64') })
    if (devices.length % 100 === 0) progress(devices.length, ground.devices.length)
  })
  writeFileSync(join(data, deviceFile), JSON.stringify(devices))
}

async function admit(store: Store, id: string, serial: string, at: number): Promise<void> {
  const protocol = { attempt: id, protocol: 'lab', address: 'in-process', at }
  await store.transaction(tx =>
    recordOnDevice(tx, id, (device: Device): DeviceEvent[] => [
      { kind: 'device-heard', body: { manufacturer: trustedAs, serial, ...protocol } },
      { kind: 'identity-proven', body: { certificateHash: '', keyHash: device.expectedKeyHash ?? '' } },
      { kind: 'admission-decided', body: { verdict: 'admit', reasons: [], at } },
      ...onboardingMoves(device, at),
    ]),
  )
}

/** EST and presence of the site, in this process. */
export function endpointsOf({ site }: House): readonly Endpoint[] {
  const never = async (): Promise<never> => {
    throw new Error('nobody asks for a voucher here')
  }
  const { store, clock, log, authority, policy } = site
  const masa = { requestVoucher: never, requestAuditLog: never }
  return createSiteEndpoints({ store, clock, log, authority, policy, masa, admission: { admit: never } }).list
}

/** The device connects with its credential. */
export async function show(
  endpoints: readonly Endpoint[],
  registrar: Uint8Array,
  certificate: Uint8Array,
): Promise<void> {
  const { status, body } = await send(endpoints, { registrar, certificate, method: 'GET', path: presencePath })
  if (status !== 200) throw new Error(`a device was not let in: ${status} ${String(body)}`)
}

export async function send(
  endpoints: readonly Endpoint[],
  asked: {
    readonly registrar: Uint8Array
    readonly certificate: Uint8Array
    readonly method: string
    readonly path: string
    readonly headers?: Readonly<Record<string, string>>
    readonly body?: string
  },
): Promise<EndpointReply> {
  const { registrar, certificate, method, path, headers = {}, body = '' } = asked
  const peer = {
    address: 'in-process',
    certificates: [certificate],
    localCertificate: registrar,
    connection: 'in-process',
    channelBinding: () => undefined,
  }
  for (const endpoint of endpoints) {
    const reply = await endpoint.handle({ method, path, headers, body: Buffer.from(body), peer })
    if (reply !== undefined) return reply
  }
  throw new Error(`nobody answers at ${path}`)
}
