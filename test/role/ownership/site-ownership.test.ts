import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { after, before, describe, it } from 'node:test'
import fc from 'fast-check'
import type { Device } from '../../../src/domain/device.ts'
import { OnboardingError } from '../../../src/domain/error.ts'
import { violated } from '../../../src/role/authorization/invariant.ts'
import { makeUnits } from '../../../src/role/factory/line.ts'
import { sellUnits, shipmentManifest } from '../../../src/role/factory/sale.ts'
import { encodeAnswer } from '../../../src/role/manufacturer/ownership-endpoint.ts'
import { createOwnershipService, type OwnershipService } from '../../../src/role/manufacturer/ownership-service.ts'
import { recordOnDevice } from '../../../src/role/onboarding/device-record.ts'
import { readAnswer } from '../../../src/role/ownership/exchange.ts'
import { createHandOverTransfer } from '../../../src/role/ownership/hand-over.ts'
import { encodeOfferLink, readOfferDocument } from '../../../src/role/ownership/offer-document.ts'
import { createSiteOwnership } from '../../../src/role/ownership/site-ownership.ts'
import { importManifest } from '../../../src/role/supply-chain/import.ts'
import { trustManufacturer } from '../../../src/role/supply-chain/trust.ts'
import { silentLog } from '../../store.ts'
import { type Factory, now, openFactory } from '../factory/factory.ts'
import { type OwnershipSite, openOwnershipSite } from './site.ts'

const clock = () => now
const serialOf = (n: number) => `B1-${String(n).padStart(6, '0')}`
const by = 'anna'

describe('a site as owner, and as one who becomes it', () => {
  let factory: Factory
  let service: OwnershipService
  let harbour: OwnershipSite
  let quay: OwnershipSite
  let used = 0
  before(async () => {
    factory = await openFactory()
    const { manufacturer, store } = factory
    service = createOwnershipService({ manufacturer, store, clock, log: silentLog })
    ;[harbour, quay] = await Promise.all([
      openOwnershipSite('harbour', { clock, service: () => service }),
      openOwnershipSite('quay', { clock, service: () => service }),
    ])
    await makeUnits(factory.order({ count: 80 }))
    const buyer = harbour.ownership.card()
    await sellUnits(factory, { batch: 'B1' }, { buyer })
    await Promise.all([harbour.trust(manufacturer), quay.trust(manufacturer)])
    const bytes = await shipmentManifest(factory, { batch: 'B1' }, buyer)
    await importManifest({ bytes, store: harbour.store, clock, importedBy: by })
  })
  after(async () => {
    for (const { store } of [harbour, quay, factory]) {
      const verdict = await store.verify()
      assert.equal(verdict.integrity, 'pass', JSON.stringify(verdict.firstBad))
    }
    await Promise.all([harbour.close(), quay.close(), factory.opened.close()])
  })

  const fresh = () => harbour.device(serialOf(++used))
  const owner = async (serial: string) => (await factory.store.read(tables => tables.unit.get(serial)))?.owner
  const code = (wanted: string) => (error: unknown) => {
    assert.ok(error instanceof OnboardingError, String(error))
    assert.equal(error.code, wanted, error.message)
    return true
  }

  /** What stands against the device at a site, whatever its policies say. */
  function verdict(site: OwnershipSite, device: Device) {
    const identity = { keyHash: device.expectedKeyHash ?? '' }
    return violated(device, { identity, owners: [site.id], recalls: [] })?.code ?? 'admit'
  }

  it('offers by link, accepts, and both know: the one refuses the device from then on, the other expects it', async () => {
    const device = await fresh()
    assert.deepEqual([device.right, verdict(harbour, device)], ['owner', 'admit'])
    const { link, offer, sent } = await harbour.ownership.offer({ devices: [device.id], days: 7, by })
    assert.deepEqual([sent, offer.state, offer.serials], [true, 'open', [device.serial]])
    const accepted = await quay.ownership.accept({ offer: link, by })
    assert.deepEqual([accepted.report?.new, accepted.report?.refused], [1, []])
    const there = await quay.device(device.serial)
    assert.deepEqual([there.owner, there.right, verdict(quay, there)], ['quay', 'owner', 'admit'])
    const told = await harbour.ownership.refreshOffer({ offer: offer.id, by })
    assert.equal(told.offer?.state, 'accepted')
    const here = await harbour.device(device.serial)
    assert.deepEqual([here.owner, here.right, verdict(harbour, here)], ['quay', 'none', 'owner-mismatch'])
    assert.equal(await owner(device.serial), 'quay')
    await assert.rejects(harbour.ownership.offer({ devices: [device.id], days: 7, by }), code('not-owner'))
  })

  it('sells a house of fifty devices at once', async () => {
    const house = await Promise.all(Array.from({ length: 50 }, fresh))
    const buyer = quay.ownership.buyerCard()
    const { file, link, offer } = await harbour.ownership.offer({
      devices: house.map(({ id }) => id),
      days: 7,
      buyer,
      by,
    })
    assert.doesNotMatch(file, /secret|Acme/, 'what is encrypted says nothing to anybody else')
    await assert.rejects(harbour.ownership.accept({ offer: file, by }), code('offer-not-yours'))
    await assert.rejects(harbour.ownership.accept({ offer: link, by }), code('offer-not-yours'))
    const { report } = await quay.ownership.accept({ offer: file, by })
    assert.equal(report?.new, 50)
    await harbour.ownership.refreshOffer({ offer: offer.id, by })
    for (const { serial } of house) {
      assert.equal(await owner(serial), 'quay')
      assert.equal((await harbour.device(serial)).right, 'none')
    }
  })

  it('does it all with files that people carry', async () => {
    const device = await fresh()
    const made = await harbour.ownership.offer({ devices: [device.id], days: 7, by, send: false })
    assert.equal(made.sent, false)
    // The manufacturer sees the offer for the first time in the hands of the buyer.
    const { request } = await quay.ownership.accept({ offer: made.file, by, send: false })
    assert.equal(await owner(device.serial), 'harbour')
    const answer = Buffer.from(encodeAnswer(await service.apply(request)))
    const taken = await quay.ownership.take(answer, by)
    assert.equal(taken.report?.new, 1)
    const forSeller = await harbour.ownership.take(answer, by)
    assert.equal(forSeller.offer?.state, 'accepted')
    assert.equal((await harbour.device(device.serial)).right, 'none')
  })

  it('loses nothing when the wire is cut before or after the manufacturer has acted', async () => {
    const device = await fresh()
    harbour.wire.cut = 'before'
    await assert.rejects(harbour.ownership.offer({ devices: [device.id], days: 7, by }), code('masa-unreachable'))
    harbour.wire.cut = 'no'
    const [waiting] = await harbour.store.read(tables => tables.offer.find({ state: 'open' }))
    assert.ok(waiting !== undefined, 'the offer is on record, and its secret was shown to nobody')
    assert.equal((await harbour.ownership.refreshOffer({ offer: waiting.id, by })).offer?.state, 'open')
    await harbour.ownership.revokeOffer({ offer: waiting.id, by })
    const { link } = await harbour.ownership.offer({ devices: [device.id], days: 7, by })
    quay.wire.cut = 'after'
    await assert.rejects(quay.ownership.accept({ offer: link, by }), code('masa-unreachable'))
    assert.equal(await owner(device.serial), 'quay')
    await assert.rejects(quay.device(device.serial))
    quay.wire.cut = 'no'
    assert.equal((await quay.ownership.accept({ offer: link, by })).report?.new, 1)
    assert.equal((await quay.device(device.serial)).right, 'owner')
  })

  it('lets an integrator in, and out again [WP-LE-E2, WP-LE-E3, WP-R17]', async () => {
    const device = await fresh()
    const grant = { devices: [device.id], onboarder: quay.ownership.card(), by }
    const { report, request } = await harbour.ownership.grant(grant)
    assert.equal(report?.updated, 1)
    const manifest = readAnswer(Buffer.from(encodeAnswer(await service.apply(request)))).manifest!
    await importManifest({ bytes: Buffer.from(manifest), store: quay.store, clock, importedBy: by })
    const there = await quay.device(device.serial)
    assert.deepEqual([there.owner, there.right, verdict(quay, there)], ['harbour', 'authorized-onboarder', 'admit'])
    for (const attempt of [
      () => quay.ownership.offer({ devices: [there.id], days: 7, by }),
      () => quay.ownership.grant({ devices: [there.id], onboarder: quay.ownership.card(), by }),
      () => quay.ownership.revoke({ devices: [there.id], onboarder: 'quay', by }),
    ]) {
      await assert.rejects(attempt, code('not-owner'))
    }
    await harbour.ownership.revoke({ devices: [device.id], onboarder: 'quay', by })
    assert.deepEqual((await factory.store.read(tables => tables.unit.get(device.serial)))?.domains, [
      ...harbour.ownership.card().domains,
    ])
    await assert.rejects(quay.ownership.refresh({ devices: [there.id], by }), code('not-owner'))
    assert.equal((await harbour.ownership.refresh({ devices: [device.id], by })).report?.refused.length, 0)
  })

  it('does not offer what is in use, or still holds something of its network [WP-LE-E1, WP-M6.12]', async () => {
    const device = await fresh()
    const lifecycle = (to: string, from: string) =>
      harbour.store.transaction(tx =>
        recordOnDevice(tx, device.id, () => [
          { kind: 'lifecycle-moved', body: { transition: 'T01', from, to, actor: 'x', at: now } } as never,
        ]),
      )
    await lifecycle('US.OPR', 'SC.SHL')
    const offer = () => harbour.ownership.offer({ devices: [device.id], days: 7, by })
    await assert.rejects(offer(), code('lifecycle-transition-refused'))
    await harbour.store.transaction(async tx => {
      const common = {
        device: device.id,
        kind: 'network',
        serialHex: 's',
        requestHash: 'r',
        keyHash: 'k',
        tbs: '',
      } as const
      const more = { id: 'c', issuer: 'issuing-1', notBefore: 0, notAfter: 1, status: 'issued' } as const
      await tx.credential.insert({ ...common, ...more })
    })
    await lifecycle('US.DEC', 'US.OPR')
    await assert.rejects(offer(), code('lifecycle-guard-unmet'))
    await harbour.store.transaction(tx =>
      recordOnDevice(tx, device.id, () => [{ kind: 'device-wiped', body: { by, at: now } }]),
    )
    const { link } = await offer()
    await quay.ownership.accept({ offer: link, by })
    assert.equal(await owner(device.serial), 'quay')
    await harbour.store.transaction(tx => tx.credential.remove('c'))
  })

  it('is a step of a guided hand-over', async () => {
    const device = await fresh()
    const port = createHandOverTransfer({ store: harbour.store, ownership: harbour.ownership, owners: ['harbour'] })
    const ask = async (to = 'quay') => port.transfer({ device: await harbour.device(device.serial), to, by })
    assert.match(JSON.stringify(await ask()), /mooring ownership offer/)
    const { link } = await harbour.ownership.offer({ devices: [device.id], days: 7, by })
    assert.match(JSON.stringify(await ask()), /nobody has accepted/)
    await quay.ownership.accept({ offer: link, by })
    assert.deepEqual(await ask(), { state: 'done' })
    assert.deepEqual(await ask(), { state: 'done' })
    assert.equal((await ask('somebody else')).state, 'waiting')
  })

  it('does not take a name for a key: a device of another who calls himself the same is not ours', async () => {
    const impostor = await openOwnershipSite('harbour', { clock, service: () => service })
    const device = await fresh()
    const { link, offer } = await harbour.ownership.offer({ devices: [device.id], days: 7, by })
    await impostor.trust(factory.manufacturer)
    await impostor.ownership.accept({ offer: link, by })
    await harbour.ownership.refreshOffer({ offer: offer.id, by })
    const here = await harbour.device(device.serial)
    assert.deepEqual([here.owner, here.right, verdict(harbour, here)], ['harbour', 'none', 'owner-mismatch'])
    await impostor.close()
  })

  it('believes no answer that says an offer was accepted, and no manifest but the manufacturer’s', async () => {
    const device = await fresh()
    const { offer } = await harbour.ownership.offer({ devices: [device.id], days: 7, by })
    const claim = { offer: { id: offer.id, state: 'accepted', serials: [device.serial], expiresAt: now } }
    await harbour.ownership.take(Buffer.from(JSON.stringify(claim)), by)
    assert.equal((await harbour.store.read(tables => tables.offer.get(offer.id)))?.state, 'open')
    const forged = Buffer.from(JSON.stringify({ ...claim, manifest: 'e30\n' }))
    await assert.rejects(harbour.ownership.take(forged, by), code('manifest-invalid'))
    assert.equal((await harbour.device(device.serial)).right, 'owner')
  })

  it('believes nobody but the manufacturer that an offer is over: whoever carries the files may write in them', async () => {
    const device = await fresh()
    const { offer, link } = await harbour.ownership.offer({ devices: [device.id], days: 7, by })
    const state = async () => (await harbour.store.read(tables => tables.offer.get(offer.id)))?.state
    const claim = (state: string, more: object = {}) =>
      Buffer.from(JSON.stringify({ offer: { id: offer.id, state, serials: [device.serial], expiresAt: now }, ...more }))
    // The request to take it back never arrives, and the courier brings an answer of his own.
    await assert.rejects(harbour.ownership.take(claim('revoked'), by), code('masa-answer-invalid'))
    assert.equal(await state(), 'open')
    // What the manufacturer signed about the device before, beside a word that it never said.
    const { request } = await harbour.ownership.refresh({ devices: [device.id], by, send: false })
    const manifest = (await service.apply(request)).manifest?.toString('utf8')
    await harbour.ownership.take(claim('accepted', { manifest }), by)
    assert.equal(await state(), 'open')
    // What it said of another offer.
    const other = await fresh()
    const { offer: second } = await harbour.ownership.offer({ devices: [other.id], days: 7, by })
    const ended = await harbour.ownership.revokeOffer({ offer: second.id, by, send: false })
    const answer = encodeAnswer(await service.apply(ended.request))
    const { statement } = JSON.parse(answer) as { statement: string }
    await assert.rejects(harbour.ownership.take(claim('revoked', { statement }), by), code('masa-answer-invalid'))
    assert.equal(await state(), 'open')
    assert.equal((await harbour.ownership.take(Buffer.from(answer), by)).offer?.state, 'revoked')
    await quay.ownership.accept({ offer: link, by })
    assert.equal((await harbour.ownership.refreshOffer({ offer: offer.id, by })).offer?.state, 'accepted')
  })

  it('takes an acceptance to the manufacturer where it says it is, and nowhere that a link says', async () => {
    const device = await fresh()
    const { link } = await harbour.ownership.offer({ devices: [device.id], days: 7, by })
    const { request } = await harbour.ownership.refresh({ devices: [device.id], by, send: false })
    const manifest = (await service.apply(request)).manifest!
    const pier = await openOwnershipSite('pier', { clock, service: () => service })
    const { deviceRoot, masaRoot, masa } = factory.manufacturer
    const decision = { name: 'acme', anchors: [deviceRoot.der], masaAnchors: [masaRoot.der] }
    await trustManufacturer({ store: pier.store, clock }, decision, 'test')
    await importManifest({ bytes: manifest, store: pier.store, clock, importedBy: by })
    const asked: string[] = []
    const ownership = createSiteOwnership({
      store: pier.store,
      clock,
      random: randomBytes,
      owner: 'pier',
      root: () => pier.authority.root,
      registrar: () => pier.authority.registrar,
      client: {
        async requestOwnership({ baseUrl }) {
          asked.push(baseUrl)
          throw new OnboardingError('masa-unreachable', { host: 'masa.acme.example' })
        },
      },
    })
    const led = encodeOfferLink({ ...readOfferDocument(link), masaUrl: 'https://printer.pier.example:9100' })
    await assert.rejects(ownership.accept({ offer: led, by }), code('masa-unreachable'))
    assert.deepEqual(asked, [masa.baseUrl])
    await pier.close()
  })

  it('reads any bytes as an answer or an offer, or refuses them with its code', async () => {
    const good = readOfferDocument(
      encodeOfferLink({
        manufacturer: 'Acme',
        masaUrl: 'https://masa.example',
        offer: '0'.repeat(64),
        secret: '1'.repeat(64),
      }),
    )
    assert.equal(good.manufacturer, 'Acme')
    fc.assert(
      fc.property(fc.string(), text => {
        assert.throws(() => readOfferDocument(text), { code: 'offer-not-found' })
        assert.throws(() => readOfferDocument(`mooring-offer:${text}`), { code: 'offer-not-found' })
      }),
    )
    fc.assert(
      fc.property(fc.oneof(fc.json(), fc.string()), text => {
        try {
          readAnswer(Buffer.from(text))
        } catch (error) {
          code('masa-answer-invalid')(error)
        }
      }),
    )
    await assert.rejects(
      quay.ownership.accept({ offer: encodeOfferLink({ ...good, manufacturer: 'Unknown' }), by }),
      code('not-found'),
    )
  })
})
