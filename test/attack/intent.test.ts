import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { after, before, describe, it } from 'node:test'
import fc from 'fast-check'
import type { AdmissionRequest } from '../../src/domain/admission.ts'
import { openDeclaration } from '../../src/domain/declaration-cms.ts'
import { type Device, type DeviceEvent, evolveDevice } from '../../src/domain/device.ts'
import { OnboardingError } from '../../src/domain/error.ts'
import { judgeIntent } from '../../src/domain/intent.ts'
import { verifyDeclarationHistory } from '../../src/domain/ownership.ts'
import { enterpriseProfile } from '../../src/role/authorization/profile/enterprise.ts'
import { homeProfile } from '../../src/role/authorization/profile/home.ts'
import { makeUnits } from '../../src/role/factory/line.ts'
import { sellUnits, shipmentManifest } from '../../src/role/factory/sale.ts'
import { moveUnits } from '../../src/role/factory/unit-life.ts'
import { declareIntents } from '../../src/role/manufacturer/declared-intent.ts'
import { createOwnershipService, type OwnershipService } from '../../src/role/manufacturer/ownership-service.ts'
import { importManifest } from '../../src/role/supply-chain/import.ts'
import { everything, expected, type Gate, inside, withGate } from '../role/authorization/gate.ts'
import { type Factory, now, openFactory } from '../role/factory/factory.ts'
import { expectUnit, openNeighbourhood, pledgeOf } from '../role/onboarding/neighbourhood.ts'
import { type OwnershipSite, openOwnershipSite } from '../role/ownership/site.ts'
import { silentLog } from '../store.ts'

const url = (name: string) => `https://mud.acme.example/${name}.json`

describe('a MUD URL that is not the one which the maker signed', () => {
  it('of several sources the weaker never wins, and every contradiction shows [WP-M6.13]', () => {
    const text = fc.constantFrom(undefined, url('a'), url('b'), url('c'))
    fc.assert(
      fc.property(text, text, text, text, (certificate, manifest, moved, request) => {
        const told = { certificate, manifest, request, declared: moved && { mudUrl: moved, keeper: 'Quay' } }
        const said = Object.fromEntries(Object.entries(told).filter(([, value]) => value !== undefined))
        const { verdict, mudUrl, code } = judgeIntent(said)
        const signed = [certificate, manifest, moved].filter(value => value !== undefined)
        assert.equal(mudUrl, moved ?? certificate ?? manifest ?? request)
        if (signed.length === 0) assert.equal(verdict, request === undefined ? 'none' : 'unbound')
        else {
          const born = certificate ?? manifest
          const torn = certificate !== undefined && manifest !== undefined && certificate !== manifest
          const lies = request !== undefined && request !== mudUrl && request !== born
          assert.equal(verdict, torn || lies ? 'differs' : 'bound')
        }
        assert.equal(code, verdict === 'differs' ? 'mud-url-differs' : undefined)
      }),
    )
  })

  it('in the manifest: the device of a genuine certificate is refused by the profile, with the finding as evidence [WP-M6.13]', async () => {
    const home = await openNeighbourhood({ units: 2 })
    try {
      const [good, bad] = [await expectUnit(home, 'B1-000001'), await expectUnit(home, 'B1-000002')]
      for (const [id, mudUrl] of [
        [good, 'https://acme.example/lamp.json'],
        [bad, 'https://acme.example/door-lock.json'],
      ] as const) {
        const device = (await home.site.read(tables => tables.device.get(id)))!
        await importLine(home.site, device, mudUrl)
      }
      const reply = async (serial: string) => {
        const pledge = pledgeOf(home, home.unit(serial))
        return pledge.post(await pledge.voucherRequest())
      }
      assert.equal((await reply('B1-000001')).status, 200)
      const refused = await reply('B1-000002')
      assert.deepEqual([refused.status, String(refused.body).split(':', 1)[0]], [403, 'policy-refused'])
      const device = await home.site.read(tables => tables.device.get(bad))
      assert.equal(device?.mudUrl, 'https://acme.example/lamp.json', 'the certificate is what counts')
      const events = await home.site.history(`device/${bad}`)
      const evidence = events.find(({ kind }) => kind === 'evidence-recorded')?.body['items'] as Evidence
      assert.deepEqual(
        evidence.filter(({ step }) => step === 'intent-conveyed').map(({ result, code }) => [result, code]),
        [['fail', 'mud-url-differs']],
      )
      assert.equal(await home.site.read(tables => tables.voucher.count({ device: bad })), 0)
    } finally {
      await home.close()
    }
  })

  it('said by the device itself: refused by either profile, also when a person had let it in; a policy may say otherwise [WP-M6.13]', () =>
    withGate(async gate => {
      const ask = channel(gate)
      for (const [n, profile] of [homeProfile, enterpriseProfile].entries()) {
        await gate.activate(`// ${n}\n${profile}`)
        const serial = `R${n}`
        const id = await expected(gate.store, serial, 'harbour')
        await importLine(gate.store, (await gate.device(id))!, url('meter'))
        assert.equal((await ask(serial, url('meter'))).verdict, 'admit')
        for (const lie of [url('door-lock'), url('meter').toUpperCase(), `${url('meter')}#`]) {
          gate.pass(120_000)
          const decision = await ask(serial, lie)
          assert.deepEqual([decision.verdict, 'code' in decision && decision.code], ['refuse', 'policy-refused'], lie)
          assert.equal(decision.reasons.find(({ rule }) => rule === 'intent')?.holds, false)
        }
        assert.equal((await gate.device(id))?.mudUrl, url('meter'))
        await gate.approval.grant(id, 'anna')
        assert.equal((await ask(serial, url('door-lock'))).verdict, 'refuse')
      }
      await gate.activate(everything)
      assert.equal((await ask('R0', url('door-lock'))).verdict, 'admit')
    }))

  it('bound to nothing, it is the word of the device, and policies can tell', () =>
    withGate(async gate => {
      const ask = channel(gate)
      const id = await expected(gate.store, 'U1')
      assert.equal((await ask('U1', url('any'))).verdict, 'admit')
      assert.equal((await gate.device(id))?.intent?.request, url('any'))
      await gate.activate(
        `${everything}forbid(principal, action == Action::"admit", resource) when { principal.intent == "unbound" };`,
      )
      assert.equal((await ask('U1', url('any'))).verdict, 'wait')
    }))

  it('found later, by a manifest: a device that is in goes into quarantine', () =>
    withGate(async gate => {
      await gate.activate(homeProfile)
      const id = await inside(gate.store, 'Q1')
      const { store } = gate
      await store.transaction(async tx => {
        const device = (await tx.device.get(id))!
        const body = { certificateHash: 'c'.repeat(64), keyHash: 'a'.repeat(64), mudUrl: url('meter') }
        await put(tx, device, { kind: 'identity-proven', body })
      })
      await gate.reconfirmations.start('asked')
      await gate.reconfirmations.run()
      assert.equal((await gate.device(id))?.terms?.segment, 'devices')
      await importLine(store, (await gate.device(id))!, url('door-lock'))
      await gate.reconfirmations.start('asked')
      await gate.reconfirmations.run()
      const device = await gate.device(id)
      assert.deepEqual([device?.terms?.segment, device?.stay?.verdict], ['quarantine', 'permit'])
    }))
})

describe('the keeping of a MUD file', () => {
  let factory: Factory
  let service: OwnershipService
  /** A rebrander, a buyer, and one who has nothing to do with it. */
  let quay: OwnershipSite
  let harbour: OwnershipSite
  let thief: OwnershipSite
  const clock = () => now
  const by = 'anna'
  const one = { serials: ['B1-000001'] }
  before(async () => {
    factory = await openFactory()
    const { manufacturer, store } = factory
    service = createOwnershipService({ manufacturer, store, clock, log: silentLog })
    const sites = ['quay', 'harbour', 'thief'].map(id => openOwnershipSite(id, { clock, service: () => service }))
    ;[quay, harbour, thief] = (await Promise.all(sites)) as [OwnershipSite, OwnershipSite, OwnershipSite]
    await makeUnits(factory.order({ count: 4 }))
    for (const site of [quay, harbour, thief]) await site.trust(manufacturer)
  })
  after(async () => {
    for (const { store } of [quay, harbour, thief, factory]) {
      const verdict = await store.verify()
      assert.equal(verdict.integrity, 'pass', JSON.stringify(verdict.firstBad))
    }
    await Promise.all([quay.close(), harbour.close(), thief.close(), factory.opened.close()])
  })

  const ship = async (site: OwnershipSite) => {
    const bytes = await shipmentManifest(factory, { batch: 'B1' }, site.ownership.card())
    await importManifest({ bytes, store: site.store, clock, importedBy: by })
    return bytes
  }
  const step = (event: 'release' | 'arrive-rebrander' | 'rebrand-done', facts = {}) =>
    moveUnits(factory, { batch: 'B1' }, { event, facts, by: 'line-1' })
  const declared = async (serial = 'B1-000001') => {
    const { declaration } = (await factory.store.read(tables => tables.unit.get(serial)))!
    return openDeclaration(Buffer.from(declaration), { anchors: factory.manufacturer.masaAnchors }).intent
  }
  const refused = (code: string, work: Promise<unknown>) =>
    assert.rejects(work, (error: unknown) => {
      assert.ok(error instanceof OnboardingError, String(error))
      assert.equal(error.code, code, error.message)
      return true
    })
  const intend = async (
    site: OwnershipSite,
    mudUrl: string,
    more: { send?: false; keeper?: ReturnType<OwnershipSite['ownership']['card']> } = {},
  ) => {
    const { id } = await site.device('B1-000001')
    return site.ownership.intend({ devices: [id], mudUrl, by, ...more })
  }

  it('passes with a rebranding, by the maker’s signature, and nobody claims that it has [WP-LT-T06]', async () => {
    await step('release', { homologationCertified: true })
    await step('arrive-rebrander')
    await refused('lifecycle-fact-contradicted', step('rebrand-done', { maintenanceDutyPassed: true }))
    await refused('lifecycle-guard-unmet', step('rebrand-done'))
    const to = { mudUrl: 'https://mud.quay.example/sensor.json', keeper: quay.ownership.card() }
    for (const bad of [
      'http://mud.quay.example/x',
      'https://',
      'javascript:1',
      `https://mud.quay.example/${'x'.repeat(300)}`,
    ]) {
      await refused('input-invalid', declareIntents(factory, { batch: 'B1' }, { ...to, mudUrl: bad }))
    }
    assert.deepEqual(await declareIntents(factory, { batch: 'B1' }, to), { declared: 4, unchanged: 0 })
    assert.deepEqual(await declareIntents(factory, { batch: 'B1' }, to), { declared: 0, unchanged: 4 })
    await step('rebrand-done')
    assert.deepEqual(await declared(), to)
    // From then on it is not the maker's any more, and not for the want of a keeper in the order.
    await refused('not-keeper', declareIntents(factory, { batch: 'B1' }, { mudUrl: url('back') }))
    await refused(
      'not-keeper',
      declareIntents(factory, one, { mudUrl: url('back'), keeper: factory.manufacturer.party }),
    )
  })

  it('is the keeper’s alone: not the owner’s, not the thief’s, and no old request’s', async () => {
    await sellUnits(factory, { batch: 'B1' }, { buyer: harbour.ownership.card() })
    const old = await ship(harbour)
    const bought = await harbour.device('B1-000001')
    assert.equal(bought.mudUrl, 'https://mud.quay.example/sensor.json')
    assert.deepEqual(bought.intent, {
      manifest: url('sensor'),
      declared: { mudUrl: 'https://mud.quay.example/sensor.json', keeper: 'quay' },
    })
    for (const site of [quay, thief]) await importManifest({ bytes: old, store: site.store, clock, importedBy: by })
    const wide = 'https://mud.harbour.example/everything.json'
    await refused('not-keeper', intend(harbour, wide))
    await refused('not-keeper', intend(thief, wide, { keeper: thief.ownership.card() }))
    await refused('input-invalid', intend(quay, 'ftp://mud.quay.example/x'))
    assert.equal((await declared())?.mudUrl, 'https://mud.quay.example/sensor.json')
    const first = await intend(quay, 'https://mud.quay.example/two.json')
    assert.equal((await declared())?.mudUrl, 'https://mud.quay.example/two.json')
    await intend(quay, 'https://mud.quay.example/three.json')
    // The same request, again and later: nothing goes back.
    await refused('declaration-stale', service.apply(first.request))
    assert.equal((await declared())?.mudUrl, 'https://mud.quay.example/three.json')
    // Its owner hears of it, and an older manifest does not bring the older one back.
    await harbour.ownership.refresh({ devices: [bought.id], by })
    assert.equal((await harbour.device('B1-000001')).mudUrl, 'https://mud.quay.example/three.json')
    const report = await importManifest({ bytes: old, store: harbour.store, clock, importedBy: by })
    assert.deepEqual(report.refused, [{ serial: 'B1-000001', code: 'declaration-stale' }])
    assert.equal((await harbour.device('B1-000001')).mudUrl, 'https://mud.quay.example/three.json')
    assert.equal((await harbour.device('B1-000001')).right, 'owner', 'the owner is who it was')
  })

  it('stays with the keeper when the device changes hands, and passes on by the keeper’s word alone', async () => {
    const { id } = await harbour.device('B1-000001')
    const made = await harbour.ownership.offer({ devices: [id], days: 3, by })
    await thief.ownership.accept({ offer: made.file, by })
    assert.equal((await declared())?.keeper.id, 'quay')
    assert.equal((await thief.device('B1-000001')).mudUrl, 'https://mud.quay.example/three.json')
    await refused('not-keeper', intend(thief, 'https://mud.thief.example/x.json'))
    const quays = await quay.device('B1-000001')
    await quay.ownership.refresh({ devices: [quays.id], by })
    await intend(quay, 'https://mud.thief.example/y.json', { keeper: thief.ownership.card() })
    assert.equal((await declared())?.keeper.id, 'thief')
    await refused('not-keeper', intend(quay, 'https://mud.quay.example/four.json'))
    const texts = await factory.store.read(async tables => [
      ...(await tables.formerDeclaration.find({ serial: 'B1-000001' })).map(({ declaration }) => declaration),
      (await tables.unit.get('B1-000001'))!.declaration,
    ])
    const anchors = factory.manufacturer.masaAnchors
    const newest = verifyDeclarationHistory(texts.map(text => openDeclaration(Buffer.from(text), { anchors })))
    assert.equal(newest.intent?.mudUrl, 'https://mud.thief.example/y.json')
  })

  it('written into the database it counts nowhere: the declaration is what its signature says', async () => {
    const unit = (await factory.store.read(tables => tables.unit.get('B1-000003')))!
    const forged = unit.declaration.replace(/"payload":"[^"]*"/, `"payload":"${randomBytes(40).toString('base64url')}"`)
    assert.notEqual(forged, unit.declaration)
    await factory.store.transaction(tx => tx.unit.put({ ...unit, declaration: forged }))
    const verdict = await factory.store.verify()
    assert.deepEqual([verdict.integrity, /declarationHash/.test(verdict.firstBad?.reason ?? '')], ['fail', true])
    await factory.store.transaction(tx => tx.unit.put(unit))
  })
})

type Evidence = readonly { readonly step: string; readonly result: string; readonly code?: string }[]
type Tx = Parameters<Parameters<Gate['store']['transaction']>[0]>[0]

async function put(tx: Tx, device: Device, event: DeviceEvent): Promise<void> {
  await tx.append(`device/${device.id}`, device.version, [event])
  await tx.device.put(evolveDevice(device, event))
}

/** What a manifest adds that names the MUD URL of a device. */
function importLine(store: Gate['store'], device: Device, mudUrl: string): Promise<void> {
  const { id, manufacturer, serial, model, owner, declarationVersion } = device
  return store.transaction(async tx => {
    const body = { manufacturer, serial, model, source: 'test', owner, declarationVersion, mudUrl }
    await put(tx, (await tx.device.get(id))!, { kind: 'device-expected', body })
  })
}

/** A device that names its MUD URL itself, as protocols do whose devices have no birth certificate. */
function channel({ admission }: Gate) {
  return (serial: string, intent: string, over: Partial<AdmissionRequest> = {}) => {
    const id = randomBytes(8).toString('hex')
    return admission.admit({
      identity: { manufacturer: 'fjord', serial, certificateHash: 'c'.repeat(64), keyHash: 'a'.repeat(64) },
      network: { id: 'harbour-iot', protocol: 'dpp' },
      evidence: { attempt: id, transcript: id, address: '192.0.2.7:1' },
      intent,
      ...over,
    })
  }
}
