import { randomBytes } from 'node:crypto'
import { memoryKeyStore } from '../../../src/adapter/key/memory.ts'
import { decodeCertificate } from '../../../src/codec/x509/certificate.ts'
import { encodeName } from '../../../src/codec/x509/name.ts'
import { createCsr } from '../../../src/crypto/csr.ts'
import { generateKey } from '../../../src/crypto/key.ts'
import { type Curve, keySigner, type Signer } from '../../../src/crypto/signer.ts'
import { deviceId, evolveDevice } from '../../../src/domain/device.ts'
import { streamName } from '../../../src/domain/event.ts'
import type { Endpoint, EndpointReply, EndpointRequest, MasaClient, Peer, Store } from '../../../src/domain/port.ts'
import type { TrustedManufacturer } from '../../../src/domain/site.ts'
import { signVoucherArtifact } from '../../../src/protocol/brski/artifact.ts'
import { brskiPath } from '../../../src/protocol/brski/endpoint.ts'
import type { VoucherRequest } from '../../../src/protocol/brski/voucher.ts'
import { createAdmission } from '../../../src/role/authorization/admission.ts'
import type { PolicyPoint } from '../../../src/role/authorization/policy-point.ts'
import type { ProfileName } from '../../../src/role/authorization/profile/profile.ts'
import { createRenewalRule } from '../../../src/role/authorization/renewal.ts'
import type { UnitPort } from '../../../src/role/factory/line.ts'
import { makeUnits } from '../../../src/role/factory/line.ts'
import { type Manufacturer, setUpManufacturer } from '../../../src/role/factory/manufacturer-setup.ts'
import { buyerCard, sellUnits } from '../../../src/role/factory/sale.ts'
import { createMasa } from '../../../src/role/manufacturer/masa.ts'
import { type SiteAuthority, setUpAuthority } from '../../../src/role/onboarding/authority.ts'
import { createSiteEndpoints } from '../../../src/role/onboarding/site-endpoint.ts'
import { testPolicies } from '../../policy.ts'
import { openTestStore, silentLog } from '../../store.ts'

/** A manufacturer and a site that trusts it, joined without a network: requests are passed as values. */
export interface Neighbourhood {
  readonly now: { value: number }
  readonly manufacturer: Manufacturer
  readonly factory: Store
  readonly site: Store
  readonly authority: SiteAuthority
  readonly point: PolicyPoint
  readonly masa: Endpoint
  /** Another process of the manufacturer, over this store. */
  readonly masaOver: (store: Store) => Endpoint
  /** What the registrar asks the MASA through; replace `answer` to make it slow, silent or lying. */
  readonly masaClient: { answer: MasaClient['requestVoucher']; log: MasaClient['requestAuditLog'] }
  readonly unit: (serial: string) => TestUnit
  readonly send: (request: EndpointRequest) => Promise<EndpointReply>
  readonly close: () => Promise<void>
}

export interface TestUnit {
  readonly serial: string
  readonly signer: Signer
  readonly chain: readonly Uint8Array[]
}

export const buyer = 'owner-1'

export async function openNeighbourhood(
  options: {
    readonly curve?: Curve
    readonly units?: number
    readonly open?: typeof openTestStore
    readonly profile?: ProfileName
    readonly mayIssue?: () => void
  } = {},
): Promise<Neighbourhood> {
  const { open = openTestStore } = options
  const now = { value: Date.UTC(2026, 10, 20) }
  const clock = () => now.value
  const random = (length: number) => randomBytes(length)
  const [factory, site] = await Promise.all([open({ clock }), open({ clock })])
  const authority = await setUpAuthority({
    store: site.store,
    keys: memoryKeyStore(),
    clock,
    network: 'home',
    hosts: ['127.0.0.1'],
    curve: 'P-256',
  })
  const manufacturer = await setUpManufacturer({
    name: 'Acme',
    store: factory.store,
    keys: memoryKeyStore(),
    clock,
    random,
    masaUrl: 'https://masa.acme.example',
    curve: options.curve ?? 'P-256',
  })
  const units = await make(manufacturer, factory.store, clock, options.units ?? 3)
  const card = buyerCard({ id: buyer, name: 'Owner', certificates: [authority.root] })
  await sellUnits({ manufacturer, store: factory.store, clock }, { batch: 'B1' }, { buyer: card })
  await trust(site.store, manufacturer)
  const masaOver = (store: Store) =>
    createMasa({
      store,
      clock,
      log: silentLog,
      deviceAnchors: manufacturer.deviceAnchors,
      voucherSigner: manufacturer.voucher.signer,
      voucherChain: manufacturer.voucher.chain,
      noncelessDomains: [],
      noncelessDays: 30,
      requestsPerMinute: 1_000_000,
    })
  const masa = masaOver(factory.store)
  const masaClient = { answer: directMasa(masa), log: directMasa(masa, brskiPath.requestAuditLog) }
  const policy = { network: 'home', owners: [buyer], credentialLifetimeDays: 365, retryAfterSeconds: 5 }
  const point = testPolicies(options.profile)
  const endpoints = createSiteEndpoints({
    store: site.store,
    clock,
    log: silentLog,
    authority,
    admission: createAdmission(site.store, clock, policy, point),
    mayRenew: createRenewalRule({ point, place: { network: 'home', owners: [buyer] }, clock, log: silentLog }),
    mayIssue: () => options.mayIssue?.(),
    policy,
    masa: {
      requestVoucher: request => masaClient.answer(request),
      requestAuditLog: request => masaClient.log(request),
    },
  })
  return {
    now,
    manufacturer,
    factory: factory.store,
    site: site.store,
    authority,
    point,
    masa,
    masaOver,
    masaClient,
    unit: serial => {
      const unit = units.get(serial)
      if (unit === undefined) throw new Error(`no unit ${serial}`)
      return unit
    },
    async send(request) {
      for (const endpoint of endpoints.list) {
        const reply = await endpoint.handle(request)
        if (reply !== undefined) return reply
      }
      return { status: 404 }
    },
    async close() {
      endpoints.close()
      await Promise.all([factory.close(), site.close()])
    },
  }
}

async function make(manufacturer: Manufacturer, store: Store, clock: () => number, count: number) {
  const signers = new Map<string, Signer>()
  const units = new Map<string, TestUnit>()
  const port: UnitPort = {
    async csr(serial) {
      const signer = signers.get(serial) ?? keySigner(generateKey('P-256'))
      signers.set(serial, signer)
      return createCsr({ subject: encodeName({ serialNumber: serial }) }, signer)
    },
    async install(serial, idevid, chain) {
      const signer = signers.get(serial)
      if (signer !== undefined) units.set(serial, { serial, signer, chain: [idevid, ...chain] })
    },
  }
  const model = { name: 'Lamp', mudUrl: 'https://acme.example/lamp.json' }
  await makeUnits({ manufacturer, store, clock, port, batch: 'B1', model, count, keyOrigin: 'device' })
  return units
}

async function trust(store: Store, manufacturer: Manufacturer): Promise<void> {
  const record: TrustedManufacturer = {
    name: 'acme',
    anchors: [Buffer.from(manufacturer.deviceRoot.der).toString('base64')],
    masaAnchors: [Buffer.from(manufacturer.masaRoot.der).toString('base64')],
    masaPrivateAddress: false,
    ignoreIdevidLifetime: false,
    quirks: [],
    addedAt: 0,
  }
  await store.transaction(async tx => {
    await tx.manufacturer.put(record)
    await tx.append(streamName('manufacturer', 'acme'), 0, [{ kind: 'manufacturer-trusted', body: { name: 'acme' } }])
  })
}

export function directMasa(masa: Endpoint, path: string = brskiPath.requestVoucher): MasaClient['requestVoucher'] {
  return async request => {
    const reply = await masa.handle({
      method: 'POST',
      path,
      headers: { 'content-type': request.contentType, accept: request.accept },
      body: request.body,
      peer: testPeer([], new Uint8Array()),
    })
    return {
      status: reply?.status ?? 404,
      contentType: reply?.headers?.['content-type'] ?? '',
      body: Buffer.from(reply?.body ?? ''),
    }
  }
}

let connections = 0

export function testPeer(certificates: readonly Uint8Array[], localCertificate: Uint8Array): Peer {
  return {
    address: '192.0.2.7:40000',
    certificates,
    localCertificate,
    connection: `test-${++connections}`,
    channelBinding: () => Buffer.from('binding'),
  }
}

/** Puts a device on the site's list, as an imported manifest does. */
export async function expectUnit(home: Neighbourhood, serial: string, owner = buyer): Promise<string> {
  const id = deviceId('acme', serial)
  await home.site.transaction(async tx => {
    const event = {
      kind: 'device-expected',
      body: { manufacturer: 'acme', serial, model: 'Lamp', source: 'test', owner, declarationVersion: 2 },
    } as const
    const known = await tx.device.get(id)
    await tx.append(streamName('device', id), known?.version ?? 0, [event])
    await tx.device.put(evolveDevice(known, event))
  })
  return id
}

/** One device on one connection: an honest pledge reduced to its messages. */
export function pledgeOf(home: Neighbourhood, unit: TestUnit, overrides: { readonly peer?: Peer } = {}) {
  const registrar = home.authority.registrar.certificate.der
  const peer = overrides.peer ?? testPeer(unit.chain, registrar)
  const request = (method: string, path: string, contentType: string, body: Uint8Array | string) =>
    home.send({ method, path, headers: { 'content-type': contentType }, body: Buffer.from(body), peer })
  return {
    peer,
    request,
    async voucherRequest(change: Partial<VoucherRequest> = {}, signer = unit.signer) {
      return signVoucherArtifact({
        format: 'voucher-cms+json',
        kind: 'request',
        value: {
          'serial-number': unit.serial,
          assertion: 'proximity',
          'created-on': new Date(home.now.value),
          nonce: randomBytes(16),
          'proximity-registrar-cert': registrar,
          ...change,
        },
        signer,
        certificates: unit.chain.map(decodeCertificate),
      })
    },
    post: (body: Uint8Array) => request('POST', brskiPath.requestVoucher, 'application/voucher-cms+json', body),
    status: (path: string, status: boolean) =>
      request('POST', path, 'application/json', JSON.stringify({ version: 1, status })),
    async enroll(key: Signer, path = '/.well-known/est/simpleenroll') {
      const csr = await createCsr({ subject: encodeName({ serialNumber: unit.serial }) }, key)
      return request('POST', path, 'application/pkcs10', csr.toString('base64'))
    },
  }
}
