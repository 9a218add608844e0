import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { after, before, describe, it } from 'node:test'
import { memoryKeyStore } from '../../src/adapter/key/memory.ts'
import { decodeCertificate } from '../../src/codec/x509/certificate.ts'
import type { KeyStore } from '../../src/crypto/signer.ts'
import { signDeclarationCms } from '../../src/domain/declaration-cms.ts'
import type { Endpoint, MasaRequest } from '../../src/domain/port.ts'
import { openVoucherArtifact, signVoucherArtifact } from '../../src/protocol/brski/artifact.ts'
import { brskiMediaType, brskiPath } from '../../src/protocol/brski/endpoint.ts'
import { idevidIssuer } from '../../src/protocol/brski/idevid.ts'
import type { Progress } from '../../src/protocol/brski/pledge.ts'
import type { VoucherRequest } from '../../src/protocol/brski/voucher.ts'
import { createAdmission } from '../../src/role/authorization/admission.ts'
import { readBirth } from '../../src/role/device/birth.ts'
import { type DeviceModel, fjordClimate, kestrelMeter } from '../../src/role/device/model.ts'
import { openPledge, type Pledge } from '../../src/role/device/pledge.ts'
import type { PledgeTransport } from '../../src/role/device/port.ts'
import { type MemoryDeviceStore, memoryDeviceStore } from '../../src/role/device/store.ts'
import { simulatedUnit } from '../../src/role/device/unit.ts'
import { makeUnits } from '../../src/role/factory/line.ts'
import { sellUnits, shipmentManifest } from '../../src/role/factory/sale.ts'
import { createMasa } from '../../src/role/manufacturer/masa.ts'
import { createOwnershipService, type OwnershipService } from '../../src/role/manufacturer/ownership-service.ts'
import { createSiteEndpoints, type SiteEndpoints } from '../../src/role/onboarding/site-endpoint.ts'
import { importManifest } from '../../src/role/supply-chain/import.ts'
import { testPolicies } from '../policy.ts'
import { type Factory, openFactory } from '../role/factory/factory.ts'
import { directMasa, testPeer } from '../role/onboarding/neighbourhood.ts'
import { type OwnershipSite, openOwnershipSite } from '../role/ownership/site.ts'
import { silentLog } from '../store.ts'

/*
 * What the device itself does about a network that has no right to it - any more, yet, or at all. MASA, registrars, vouchers
 * and pledges are the real ones; only the sockets are left out. A rogue is a registrar with a true certificate of its network
 * that asks nobody's permission and has kept every voucher that it ever got.
 */

interface Network extends OwnershipSite {
  readonly endpoints: SiteEndpoints
  readonly chain: readonly Uint8Array[]
}

interface Unit {
  readonly keys: KeyStore
  readonly store: MemoryDeviceStore
}

const [harbourOrigin, rogueOrigin] = ['https://honest.example', 'https://rogue.example']
const noncedType = brskiMediaType['voucher-cms+json']

for (const model of [kestrelMeter, fjordClimate]) {
  describe(`${model.name}, before a network without a right`, () => {
    let factory: Factory
    let service: OwnershipService
    let masa: Endpoint
    let alice: Network
    let bob: Network
    let carol: Network
    const units = new Map<string, Unit>()
    const time = { now: Date.now() }
    const clock = () => time.now
    let used = 0

    before(async () => {
      factory = await openFactory()
      const { manufacturer, store } = factory
      service = createOwnershipService({ manufacturer, store, clock, log: silentLog })
      const nonceless: string[] = []
      masa = createMasa({
        store,
        clock,
        log: silentLog,
        deviceAnchors: manufacturer.deviceAnchors,
        voucherSigner: manufacturer.voucher.signer,
        voucherChain: manufacturer.voucher.chain,
        noncelessDomains: nonceless,
        noncelessDays: 30,
        requestsPerMinute: 1_000_000,
      })
      const port = simulatedUnit(model, async serial => {
        const unit = units.get(serial) ?? { keys: memoryKeyStore(), store: memoryDeviceStore() }
        units.set(serial, unit)
        return unit
      })
      await makeUnits(factory.order({ count: 12, port }))
      ;[alice, bob, carol] = (await Promise.all(['alice', 'bob', 'carol'].map(network))) as [Network, Network, Network]
      for (const each of [alice, bob, carol]) nonceless.push(...each.ownership.card().domains)
      const buyer = alice.ownership.card()
      await sellUnits(factory, { batch: 'B1' }, { buyer })
      const bytes = await shipmentManifest(factory, { batch: 'B1' }, buyer)
      await importManifest({ bytes, store: alice.store, clock, importedBy: 'test' })
    })
    after(async () => {
      for (const each of [alice, bob, carol]) {
        each.endpoints.close()
        await each.close()
      }
      await factory.opened.close()
    })

    async function network(id: string): Promise<Network> {
      const site = await openOwnershipSite(id, { clock, service: () => service })
      await site.trust(factory.manufacturer)
      const policy = { network: id, owners: [id], credentialLifetimeDays: 365, retryAfterSeconds: 5 }
      const { store, authority } = site
      const requestVoucher = (request: MasaRequest) => directMasa(masa)(request)
      const endpoints = createSiteEndpoints({
        store,
        clock,
        log: silentLog,
        authority,
        admission: createAdmission(store, clock, policy, testPolicies()),
        policy,
        masa: { requestVoucher, requestAuditLog: requestVoucher },
      })
      const { certificate, chain } = authority.registrar
      return { ...site, endpoints, chain: [certificate, ...chain.slice(0, -1)].map(({ der }) => der) }
    }

    /** TLS without sockets: whoever shows a certificate has its key. */
    function wire(keys: KeyStore, listeners: Readonly<Record<string, Listener>>): PledgeTransport {
      return {
        async connect({ origin, certificates, keyLabel }) {
          const listener = listeners[origin]
          if (listener === undefined) throw new Error('connection refused')
          const signer = await keys.open(keyLabel)
          assert.ok(signer?.spkiDer.equals(decodeCertificate(certificates[0]!).spkiDer))
          const peer = testPeer(certificates, listener.chain[0]!)
          return {
            serverCertificates: listener.chain,
            async request({ method, path, headers, body = new Uint8Array() }) {
              const reply = await listener.handle({ method, path, headers, body, peer })
              return { status: reply.status, headers: reply.headers ?? {}, body: Buffer.from(reply.body ?? '') }
            },
            close() {},
          }
        },
      }
    }

    interface Listener {
      readonly chain: readonly Uint8Array[]
      handle(request: Parameters<Endpoint['handle']>[0]): Promise<NonNullable<Awaited<ReturnType<Endpoint['handle']>>>>
    }

    const honest = ({ endpoints, chain }: Network): Listener => ({
      chain,
      async handle(request) {
        for (const endpoint of endpoints.list) {
          const reply = await endpoint.handle(request)
          if (reply !== undefined) return reply
        }
        return { status: 404 }
      },
    })

    /** Answers each voucher request with what it has, whether or not it fits. */
    const rogue = ({ chain }: Network, voucher: Uint8Array): Listener & { readonly believed: boolean[] } => {
      const believed: boolean[] = []
      return {
        chain,
        believed,
        async handle({ path, body }) {
          if (path === brskiPath.requestVoucher) {
            return { status: 200, headers: { 'content-type': noncedType }, body: voucher }
          }
          if (path === brskiPath.voucherStatus) {
            believed.push(JSON.parse(Buffer.from(body).toString('utf8')).status === true)
          }
          return { status: 404 }
        },
      }
    }

    const next = () => `B1-${String(++used).padStart(6, '0')}`

    function open(serial: string, listeners: Readonly<Record<string, Listener>>, as: DeviceModel = model) {
      const { keys, store } = units.get(serial)!
      const sleep = async (milliseconds: number) => {
        time.now += milliseconds
      }
      const transport = wire(keys, listeners)
      return openPledge({ model: as, keys, store, transport, clock, random: randomBytes, sleep, log: silentLog })
    }

    async function onboard(pledge: Pledge, origin: string): Promise<readonly Progress[]> {
      const seen: Progress[] = []
      for await (const news of pledge.onboard([origin])) {
        seen.push(news)
        if (news.type === 'refused' || news.type === 'waiting') break
      }
      return seen
    }

    async function comesUp(serial: string, at: Network): Promise<void> {
      const pledge = await open(serial, { [harbourOrigin]: honest(at) })
      await onboard(pledge, harbourOrigin)
      assert.equal(pledge.status().rung, 'connected', JSON.stringify(pledge.status().refusal))
      await pledge.factoryReset()
    }

    /** What the device makes of a rogue: the code of its refusal, or undefined when it believes the voucher. */
    async function judges(serial: string, by: Network, voucher: Uint8Array): Promise<string | undefined> {
      const listener = rogue(by, voucher)
      // A device that takes vouchers without a nonce would take more than one that does not.
      const pledge = await open(serial, { [rogueOrigin]: listener }, { ...model, nonceless: true })
      const progress = await onboard(pledge, rogueOrigin)
      await pledge.factoryReset()
      if (listener.believed[0] === true) return undefined
      const refusal = progress.find(each => each.type === 'refused')
      return refusal?.type === 'refused' ? refusal.code : 'nothing'
    }

    async function askNonceless(by: Network, serial: string): Promise<{ status: number; body: Buffer }> {
      const { certificate, chain, signer } = by.authority.registrar
      const { idevid } = await readBirth(units.get(serial)!.store)
      const value: VoucherRequest = {
        'serial-number': serial,
        'created-on': new Date(clock()),
        'idevid-issuer': idevidIssuer(idevid),
      }
      const certificates = [certificate, ...chain]
      const body = await signVoucherArtifact({
        format: 'voucher-cms+json',
        kind: 'request',
        value,
        signer,
        certificates,
      })
      const reply = await masa.handle({
        method: 'POST',
        path: brskiPath.requestVoucher,
        headers: { 'content-type': noncedType },
        body,
        peer: testPeer(
          certificates.map(({ der }) => der),
          new Uint8Array(),
        ),
      })
      return { status: reply?.status ?? 0, body: Buffer.from(reply?.body ?? '') }
    }

    async function kept(by: Network, serial: string): Promise<Buffer> {
      const { status, body } = await askNonceless(by, serial)
      assert.equal(status, 200, body.toString('latin1').slice(0, 200))
      return body
    }

    async function handOver(serial: string, from: Network, to: Network): Promise<void> {
      const device = await from.device(serial)
      await from.store.transaction(async tx => {
        // Decommissioned and wiped, as the lifecycle would say.
        const { entered: _, ...rest } = device
        await tx.device.put({ ...rest, lifecycle: 'US.DEC', wiped: { by: 'test', at: clock() } })
      })
      const { link } = await from.ownership.offer({ devices: [device.id], days: 7, by: 'test' })
      await to.ownership.accept({ offer: link, by: 'test' })
    }

    it('keeps a voucher for bad days good, as long as nobody else owns it', async () => {
      const serial = next()
      const voucher = await kept(alice, serial)
      await comesUp(serial, alice)
      assert.equal(await judges(serial, alice, voucher), undefined)
    })

    it('refuses its former owner, who has kept a voucher without a nonce [WP-M6.09]', async () => {
      const serial = next()
      const voucher = await kept(alice, serial)
      await comesUp(serial, alice)
      await handOver(serial, alice, bob)
      await comesUp(serial, bob)
      assert.equal(await judges(serial, alice, voucher), 'declaration-stale')
      assert.match((await askNonceless(alice, serial)).body.toString('latin1'), /^owner-mismatch/)
      const pledge = await open(serial, { [harbourOrigin]: honest(alice) })
      const [refusal] = (await onboard(pledge, harbourOrigin)).filter(({ type }) => type === 'refused')
      assert.equal(refusal?.type === 'refused' ? refusal.code : '', 'registrar-refused')
      await comesUp(serial, bob)
    })

    it('refuses the former owner before the new one has onboarded it, when it was shown the declaration [WP-M6.09]', async () => {
      const serial = next()
      const voucher = await kept(alice, serial)
      await comesUp(serial, alice)
      await handOver(serial, alice, bob)
      // Nobody has told the device yet: this is the gap, and docs/ownership.md says so.
      assert.equal(await judges(serial, alice, voucher), undefined)
      const unit = await factory.store.read(tables => tables.unit.get(serial))
      const pledge = await open(serial, {})
      assert.equal((await pledge.heed(Buffer.from(unit!.declaration))).owner.id, 'bob')
      assert.equal(await judges(serial, alice, voucher), 'declaration-stale')
      await comesUp(serial, bob)
    })

    it('refuses a thief: with the owner’s voucher, an altered one, one of another device, or one of his own [WP-M6.09]', async () => {
      const [serial, other] = [next(), next()]
      const voucher = await kept(alice, serial)
      assert.equal(await judges(serial, carol, voucher), 'network-not-authorized')
      const altered = Buffer.from(voucher)
      const at = altered.indexOf('mooring-ownership:declaration-version') + 40
      altered[at] = altered[at]! ^ 1
      assert.equal(await judges(serial, carol, altered), 'voucher-invalid')
      assert.equal(await judges(serial, alice, await kept(alice, other)), 'voucher-invalid')
      const { value } = openVoucherArtifact(voucher, { kind: 'voucher' })
      const { registrar } = carol.authority
      const own = await signVoucherArtifact({
        format: 'voucher-cms+json',
        kind: 'voucher',
        value: { ...value, 'pinned-domain-cert': carol.authority.root.der },
        signer: registrar.signer,
        certificates: [registrar.certificate, ...registrar.chain],
      })
      assert.equal(await judges(serial, carol, own), 'voucher-invalid')
      assert.match((await askNonceless(carol, serial)).body.toString('latin1'), /^owner-mismatch/)
    })

    it('refuses an integrator whose right has ended, and who can keep no voucher that outlives it [WP-LE-E3]', async () => {
      const serial = next()
      const device = await alice.device(serial)
      const grant = { devices: [device.id], onboarder: carol.ownership.card(), by: 'test' }
      const { request } = await alice.ownership.grant(grant)
      const { manifest } = await service.apply(request)
      await importManifest({ bytes: manifest!, store: carol.store, clock, importedBy: 'test' })
      assert.match((await askNonceless(carol, serial)).body.toString('latin1'), /^nonceless-not-allowed/)
      await comesUp(serial, carol)
      const [voucher] = await carol.store.read(tables => tables.voucher.find({}))
      await alice.ownership.revoke({ devices: [device.id], onboarder: 'carol', by: 'test' })
      assert.equal(await judges(serial, carol, Buffer.from(voucher!.voucher, 'base64')), 'voucher-invalid')
      const pledge = await open(serial, { [harbourOrigin]: honest(carol) })
      const [refusal] = (await onboard(pledge, harbourOrigin)).filter(({ type }) => type === 'refused')
      assert.equal(refusal?.type === 'refused' ? refusal.code : '', 'registrar-refused')
      await comesUp(serial, alice)
    })

    it('forgets no newer declaration by a factory reset, and none by damage', async () => {
      const serial = next()
      const voucher = await kept(alice, serial)
      await comesUp(serial, alice)
      const { store } = units.get(serial)!
      assert.deepEqual(await store.list(), ['birth', 'ownership'])
      await handOver(serial, alice, bob)
      await comesUp(serial, bob)
      await store.write('memory', Buffer.from('garbage'))
      assert.equal(await judges(serial, alice, voucher), 'declaration-stale')
      const unversioned = await unversionedVoucher(serial)
      assert.equal(await judges(serial, bob, unversioned), 'voucher-invalid', 'a voucher that names no version')
      await store.write('ownership', Buffer.from('garbage'))
      assert.equal(await judges(serial, bob, unversioned), 'voucher-invalid')
    })

    /** As the MASA gave them before it knew of versions. */
    async function unversionedVoucher(serial: string): Promise<Buffer> {
      const { 'mooring-ownership:declaration-version': _, ...value } = openVoucherArtifact(await kept(bob, serial), {
        kind: 'voucher',
      }).value
      const { signer, chain: certificates } = factory.manufacturer.voucher
      return signVoucherArtifact({ format: 'voucher-cms+json', kind: 'voucher', value, signer, certificates })
    }

    it('heeds a declaration over any channel, in JWS or CMS, and no forged, foreign or older one', async () => {
      const [serial, other] = [next(), next()]
      const pledge = await open(serial, {})
      const unit = await factory.store.read(tables => tables.unit.get(serial))
      const first = Buffer.from(unit!.declaration)
      const declared = await pledge.heed(first)
      const cms = await signDeclarationCms(declared, factory.manufacturer.manifest)
      assert.deepEqual(await pledge.heed(cms), declared)
      await handOver(serial, alice, bob)
      const newer = await factory.store.read(tables => tables.unit.get(serial))
      assert.equal((await pledge.heed(Buffer.from(newer!.declaration))).version, 3)
      await assert.rejects(pledge.heed(first), { code: 'declaration-stale' })
      const foreign = await factory.store.read(tables => tables.unit.get(other))
      await assert.rejects(pledge.heed(Buffer.from(foreign!.declaration)), { code: 'declaration-invalid' })
      const { certificate, chain, signer } = carol.authority.registrar
      const forged = await signDeclarationCms(
        { ...declared, version: 9, previous: '0'.repeat(64) },
        {
          signer,
          chain: [certificate, ...chain],
        },
      )
      await assert.rejects(pledge.heed(forged), { code: 'declaration-invalid' })
      // A voucher signer of the manufacturer is not entitled to say whose a device is.
      const { voucher } = factory.manufacturer
      const undelegated = await signDeclarationCms({ ...declared, version: 9, previous: '0'.repeat(64) }, voucher)
      await assert.rejects(pledge.heed(undelegated), { code: 'declaration-invalid' })
    })
  })
}
