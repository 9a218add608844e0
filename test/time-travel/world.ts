import { randomBytes } from 'node:crypto'
import { memoryKeyStore } from '../../src/adapter/key/memory.ts'
import { type Certificate, decodeCertificate } from '../../src/codec/x509/certificate.ts'
import { createCsr } from '../../src/crypto/csr.ts'
import { generateKey } from '../../src/crypto/key.ts'
import { type KeyStore, keySigner, type Signer } from '../../src/crypto/signer.ts'
import type { CredentialRecord } from '../../src/domain/credential.ts'
import { deviceId } from '../../src/domain/device.ts'
import type { EndpointReply, Store } from '../../src/domain/port.ts'
import type { Progress } from '../../src/protocol/brski/pledge.ts'
import { decodePledgeRecord } from '../../src/protocol/brski/pledge-record.ts'
import type { HttpReply, HttpRequest } from '../../src/protocol/http.ts'
import { createAdmission } from '../../src/role/authorization/admission.ts'
import { createApproval } from '../../src/role/authorization/approval.ts'
import { type DeviceModel, fjordClimate, kestrelMeter } from '../../src/role/device/model.ts'
import { openPledge, type Pledge } from '../../src/role/device/pledge.ts'
import type { PledgeTransport, Sleep } from '../../src/role/device/port.ts'
import { memoryDeviceStore } from '../../src/role/device/store.ts'
import { type Housing, simulatedUnit } from '../../src/role/device/unit.ts'
import { makeUnits } from '../../src/role/factory/line.ts'
import { type Manufacturer, setUpManufacturer } from '../../src/role/factory/manufacturer-setup.ts'
import { buyerCard, sellUnits, shipmentManifest } from '../../src/role/factory/sale.ts'
import { createMasa } from '../../src/role/manufacturer/masa.ts'
import { type SiteAuthority, setUpAuthority } from '../../src/role/onboarding/authority.ts'
import { type RolloverKind, rollAuthority } from '../../src/role/onboarding/authority-generation.ts'
import { presencePath } from '../../src/role/onboarding/presence.ts'
import { createSiteEndpoints } from '../../src/role/onboarding/site-endpoint.ts'
import { importManifest } from '../../src/role/supply-chain/import.ts'
import { trustManufacturer } from '../../src/role/supply-chain/trust.ts'
import { testPolicies } from '../policy.ts'
import { directMasa, testPeer } from '../role/onboarding/neighbourhood.ts'
import { openTestStore, silentLog } from '../store.ts'

export const day = 86_400_000
export const year = 365.25 * day
export const origin = 'https://registrar.example'
/** A Friday; the first leap day comes in 2028. */
export const start = Date.UTC(2026, 10, 20, 12)

interface Sleeper {
  readonly at: number
  readonly device: Traveller
  readonly wake: () => void
}

/**
 * Years in seconds: time stands still while anybody works and jumps to the next timer when all sleep. A site, its
 * manufacturer and devices, with real keys, stores and messages; only TLS is done without sockets.
 */
export class TimeMachine {
  now = start
  /** What the clock of the site is off by. */
  siteOff = 0
  authority!: SiteAuthority
  readonly devices: Traveller[] = []
  readonly site: Store
  readonly factory: Store
  readonly #sleepers: Sleeper[] = []
  readonly #siteKeys = memoryKeyStore()
  readonly #factoryKeys = memoryKeyStore()
  readonly #closings: (() => Promise<void>)[]
  readonly #grace: number
  #manufacturer!: Manufacturer
  #send!: (request: HttpRequest, client: readonly Uint8Array[], address?: string) => Promise<HttpReply>
  #batches = 0

  private constructor(site: Awaited<ReturnType<typeof openTestStore>>, factory: typeof site, grace: number) {
    this.site = site.store
    this.factory = factory.store
    this.#closings = [() => site.close(), () => factory.close()]
    this.#grace = grace
  }

  static async open({ grace = 0 } = {}): Promise<TimeMachine> {
    const clock = () => machine.siteClock()
    const [site, factory] = await Promise.all([openTestStore({ clock }), openTestStore({ clock })])
    const machine: TimeMachine = new TimeMachine(site, factory, grace)
    await machine.#found()
    return machine
  }

  readonly clock = (): number => this.now
  readonly siteClock = (): number => this.now + this.siteOff

  async close(): Promise<void> {
    for (const device of this.devices) await device.switchOff()
    for (const closing of this.#closings) await closing()
  }

  async #found(): Promise<void> {
    const { clock, siteClock } = this
    await this.upkeep()
    const authority = () => this.authority
    const policy = {
      network: 'home',
      owners: ['me'],
      credentialLifetimeDays: 365,
      retryAfterSeconds: 10,
      renewalGraceDays: this.#grace,
    }
    // The MASA of a real manufacturer is restarted now and then; this one is made anew for each request.
    const masa = directMasa({
      handle: request =>
        createMasa({
          store: this.factory,
          clock,
          log: silentLog,
          deviceAnchors: this.#manufacturer.deviceAnchors,
          voucherSigner: this.#manufacturer.voucher.signer,
          voucherChain: this.#manufacturer.voucher.chain,
          noncelessDomains: [],
          noncelessDays: 30,
          requestsPerMinute: 1_000_000,
        }).handle(request),
    })
    const endpoints = createSiteEndpoints({
      store: this.site,
      clock: siteClock,
      log: silentLog,
      get authority() {
        return authority()
      },
      admission: createAdmission(this.site, siteClock, policy, testPolicies()),
      policy,
      masa: { requestVoucher: masa, requestAuditLog: masa },
    })
    this.revocation = endpoints.revocation
    this.holds = endpoints.holds
    this.#closings.unshift(async () => endpoints.close())
    await trustManufacturer(
      { store: this.site, clock: siteClock },
      {
        name: 'acme',
        anchors: [this.#manufacturer.deviceRoot.der],
        masaAnchors: [this.#manufacturer.masaRoot.der],
        masaPrivateAddress: true,
      },
      'test',
    )
    this.#send = async ({ method, path, headers, body = new Uint8Array() }, client, address = '192.0.2.7') => {
      const peer = { ...testPeer(client, this.authority.registrar.certificate.der), address: `${address}:40000` }
      let reply: EndpointReply | undefined
      for (const endpoint of endpoints.list) reply ??= await endpoint.handle({ method, path, headers, body, peer })
      const { status = 404, headers: fields = {}, body: content = '' } = reply ?? {}
      return { status, headers: fields, body: typeof content === 'string' ? Buffer.from(content) : content }
    }
  }

  revocation!: ReturnType<typeof createSiteEndpoints>['revocation']
  holds!: ReturnType<typeof createSiteEndpoints>['holds']

  /** What runs once a day in a site, and at every start of a manufacturer. */
  async upkeep(): Promise<void> {
    this.authority = await setUpAuthority(this.#authorityOptions())
    const { clock } = this
    const keys = this.#factoryKeys
    const masaUrl = 'https://masa.acme.example'
    this.#manufacturer = await setUpManufacturer({
      ...{ name: 'Acme', store: this.factory, keys, clock, masaUrl },
      random: length => randomBytes(length),
    })
  }

  #authorityOptions() {
    const { site: store, siteClock: clock } = this
    return { store, keys: this.#siteKeys, clock, network: 'home', hosts: ['127.0.0.1'], curve: 'P-256' } as const
  }

  async roll(kind: RolloverKind): Promise<string> {
    const made = await rollAuthority(this.#authorityOptions(), kind, 'test')
    this.authority = await setUpAuthority(this.#authorityOptions())
    return made
  }

  /** Made, sold to the owner of the site as manufacturers know it today, and expected. Not switched on. */
  async buy(model: DeviceModel, card: readonly Certificate[] = [this.authority.root]): Promise<Traveller> {
    const { clock, factory: store } = this
    const housing: Housing = { keys: memoryKeyStore(), store: memoryDeviceStore() }
    const batch = `B${++this.#batches}`
    const manufacturer = this.#manufacturer
    const product = { ...model, manufacturer: 'Acme' }
    await makeUnits({
      ...{ manufacturer, store, clock, batch, model: product, count: 1 },
      port: simulatedUnit(product, async () => housing),
      keyOrigin: 'simulated',
    })
    const serials = [`${batch}-000001`]
    const buyer = buyerCard({ id: 'me', name: 'me', certificates: card })
    await sellUnits({ manufacturer, store, clock }, { serials }, { buyer })
    const bytes = await shipmentManifest(
      { manufacturer, store, clock, random: length => randomBytes(length) },
      { serials },
      buyer,
    )
    await importManifest({ bytes, store: this.site, clock: this.siteClock, importedBy: 'test' })
    const device = new Traveller(this, product, serials[0]!, housing)
    this.devices.push(device)
    return device
  }

  /** TLS without sockets: the client must hold the key of its certificate; the site shows its chain without the root. */
  transport(keys: KeyStore, address: () => string): PledgeTransport {
    return {
      connect: async ({ certificates, keyLabel }) => {
        const [first] = certificates
        const signer = await keys.open(keyLabel)
        if (first === undefined || !signer?.spkiDer.equals(decodeCertificate(first).spkiDer))
          throw new Error('handshake')
        const { registrar } = this.authority
        return {
          serverCertificates: [registrar.certificate.der, ...registrar.chain.slice(0, -1).map(({ der }) => der)],
          request: request => this.#send(request, certificates, address()),
          close() {},
        }
      },
    }
  }

  /** What the network says to whoever has this certificate and its key. */
  async presence(certificate: Uint8Array, address?: string): Promise<number> {
    const request = { method: 'GET', path: presencePath, headers: {} } as const
    return (await this.#send(request, [certificate], address)).status
  }

  /** A renewal with a fresh key by whoever has this certificate and its key. */
  async renewal(certificate: Uint8Array): Promise<number> {
    const client = decodeCertificate(certificate)
    const csr = await createCsr({ subject: client.subject.der }, keySigner(generateKey('P-256')))
    const body = Buffer.from(csr.toString('base64'))
    const headers = { 'content-type': 'application/pkcs10' }
    return (await this.#send({ method: 'POST', path: '/.well-known/est/simplereenroll', headers, body }, [certificate]))
      .status
  }

  async withdraw(device: Traveller): Promise<void> {
    await createApproval(this.site).withdraw(device.id, 'test')
    for (const { id, status } of await this.credentials(device)) {
      if (status === 'issued') await this.revocation.revoke(id, 'privilegeWithdrawn', 'test')
    }
  }

  credentials(device: Traveller): Promise<readonly CredentialRecord[]> {
    return this.site.read(tables => tables.credential.find({ device: device.id }, { limit: 1000 }))
  }

  async everyCredential(): Promise<readonly CredentialRecord[]> {
    return (await Promise.all(this.devices.map(device => this.credentials(device)))).flat()
  }

  sleeper(device: Traveller, milliseconds: number, wake: () => void): Sleeper {
    const sleeper = { at: Math.ceil(this.now + milliseconds), device, wake }
    this.#sleepers.push(sleeper)
    return sleeper
  }

  forget(sleeper: Sleeper): void {
    const at = this.#sleepers.indexOf(sleeper)
    if (at >= 0) this.#sleepers.splice(at, 1)
  }

  /** Lets time pass up to that moment; the site is looked after every ten days. */
  async until(moment: number): Promise<void> {
    let next = this.now
    while (this.now < moment) {
      next = Math.ceil(Math.min(next + 10 * day, moment))
      for (;;) {
        const first = this.#sleepers.reduce<Sleeper | undefined>(
          (a, b) => (a !== undefined && a.at <= b.at ? a : b),
          undefined,
        )
        if (first === undefined || first.at > next) break
        this.now = Math.max(this.now, first.at)
        this.forget(first)
        await first.device.follow(first.wake)
      }
      this.now = next
      await this.upkeep()
    }
  }
}

/** A device that lives through the years. */
export class Traveller {
  readonly serial: string
  readonly id: string
  readonly model: DeviceModel
  readonly progress: Progress[] = []
  /** What its clock is off by. */
  off = 0
  /** Where it is on the network. */
  address = '192.0.2.7'
  readonly #machine: TimeMachine
  readonly #housing: Housing
  #power: AbortController | undefined
  #life: Promise<void> = Promise.resolve()
  #settled: () => void = () => {}

  constructor(machine: TimeMachine, model: DeviceModel, serial: string, housing: Housing) {
    this.#machine = machine
    this.#housing = housing
    this.model = model
    this.serial = serial
    this.id = deviceId('acme', serial)
  }

  /** A second device with all keys and all memory of this one, as they are now. */
  async copied(address: string): Promise<Traveller> {
    const { keys, store } = this.#housing
    const own = memoryKeyStore()
    const stolen = new Map<string, Signer>()
    for (const label of await keys.list()) {
      const signer = await keys.open(label)
      if (signer !== undefined) stolen.set(label, signer)
    }
    const memory = memoryDeviceStore()
    for (const name of await store.list()) {
      const value = await store.read(name)
      if (value !== undefined) await memory.write(name, value)
    }
    const housing: Housing = {
      store: memory,
      keys: {
        ...own,
        open: async label => stolen.get(label) ?? own.open(label),
        list: async () => [...stolen.keys(), ...(await own.list())],
        async remove(label) {
          stolen.delete(label)
          await own.remove(label)
        },
      },
    }
    const clone = new Traveller(this.#machine, this.model, this.serial, housing)
    clone.address = address
    this.#machine.devices.push(clone)
    return clone
  }

  get isOn(): boolean {
    return this.#power !== undefined
  }

  readonly #sleep: Sleep = (milliseconds, signal) =>
    new Promise(resolve => {
      if (signal.aborted) return resolve()
      const done = () => {
        signal.removeEventListener('abort', cut)
        resolve()
      }
      const sleeper = this.#machine.sleeper(this, milliseconds, done)
      const cut = () => {
        this.#machine.forget(sleeper)
        resolve()
      }
      signal.addEventListener('abort', cut, { once: true })
      this.#settled()
    })

  /** Wakes it, and comes back when it sleeps again or is off. */
  async follow(wake: () => void): Promise<void> {
    const settled = new Promise<void>(resolve => {
      this.#settled = resolve
    })
    wake()
    await Promise.race([settled, this.#life])
  }

  async switchOn(): Promise<void> {
    const machine = this.#machine
    const { keys, store } = this.#housing
    const pledge: Pledge = await openPledge({
      model: this.model,
      keys,
      store,
      transport: machine.transport(keys, () => this.address),
      clock: () => machine.now + this.off,
      random: length => randomBytes(length),
      sleep: this.#sleep,
      log: silentLog,
    })
    const power = new AbortController()
    this.#power = power
    const settled = new Promise<void>(resolve => {
      this.#settled = resolve
    })
    this.#life = this.#live(pledge, power.signal)
    await Promise.race([settled, this.#life])
  }

  async #live(pledge: Pledge, signal: AbortSignal): Promise<void> {
    for await (const news of pledge.live([origin], signal)) this.progress.push(news)
  }

  async switchOff(): Promise<void> {
    this.#power?.abort()
    this.#power = undefined
    await this.#life
  }

  /** The certificate in its memory. */
  async credential(): Promise<Uint8Array | undefined> {
    const memory = await this.#housing.store.read('memory')
    return memory === undefined ? undefined : decodePledgeRecord(memory).credential?.certificate
  }

  /** How many roots of its network it knows. */
  async anchors(): Promise<number> {
    const memory = await this.#housing.store.read('memory')
    return memory === undefined ? 0 : (decodePledgeRecord(memory).credential?.anchors.length ?? 0)
  }

  count(type: Progress['type']): number {
    return this.progress.filter(news => news.type === type).length
  }
}

export const clocked = fjordClimate
export const clockless = kestrelMeter
