import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import type { OperationName } from '../../../src/app/api/contract.ts'
import { encodePem } from '../../../src/codec/pem.ts'
import type { RoleName } from '../../../src/domain/authority.ts'
import { deviceId } from '../../../src/domain/device.ts'
import { makeUnits } from '../../../src/role/factory/line.ts'
import { sellUnits, shipmentManifest } from '../../../src/role/factory/sale.ts'
import { encodeAnswer } from '../../../src/role/manufacturer/ownership-endpoint.ts'
import { createOwnershipService, type OwnershipService } from '../../../src/role/manufacturer/ownership-service.ts'
import { readAnswer } from '../../../src/role/ownership/exchange.ts'
import { importManifest } from '../../../src/role/supply-chain/import.ts'
import { type Factory, openFactory } from '../../role/factory/factory.ts'
import { type OwnershipSite, openOwnershipSite } from '../../role/ownership/site.ts'
import { silentLog } from '../../store.ts'
import { openWorld, requestOf, type Sent, type World } from './world.ts'

/**
 * The solar panel of section 5: it belongs to the solar company, hangs in the network of a household, and runs the application
 * of a third company. The household's site is `world`; the solar company has a site of its own.
 */
describe('a solar panel: three organizations in one installation', () => {
  let world: World
  let solar: OwnershipSite
  let factory: Factory
  let service: OwnershipService
  const tokens = new Map<string, string>()
  const id = deviceId('acme', 'B1-000001')

  before(async () => {
    world = await openWorld()
    const { clock, access } = world.services
    factory = await openFactory()
    const { manufacturer, store } = factory
    service = createOwnershipService({ manufacturer, store, clock, log: silentLog })
    solar = await openOwnershipSite('solar', { clock, service: () => service })
    await solar.trust(manufacturer)
    await makeUnits(factory.order({ count: 1 }))
    await sellUnits(factory, { batch: 'B1' }, { buyer: solar.ownership.card() })
    const parties: Readonly<Record<string, readonly RoleName[]>> = {
      household: ['network-owner', 'network-administrator', 'device-authorised-onboarder'],
      solar: ['device-owner', 'device-manager'],
      'sun-app': ['application-owner', 'application-manager'],
    }
    for (const [party, roles] of Object.entries(parties)) {
      tokens.set(party, (await access.create({ name: party, roles, by: 'test' })).secret.revealText())
    }
  })
  after(async () => {
    await Promise.all([world.close(), solar.close(), factory.opened.close()])
  })

  const codeOf = async (party: string, name: OperationName, given: Sent) => {
    const { status, json } = await world.ask(...requestOf(name, given, tokens.get(party)))
    return status === 200 ? 'done' : json['code']
  }
  /** What the three are answered, in the order household, solar company, application company. */
  const answers = async (name: OperationName, given: Sent) => {
    const codes: unknown[] = []
    for (const party of tokens.keys()) codes.push(await codeOf(party, name, given))
    return codes
  }

  test('the household says whom its network trusts, and nobody else does [WP-R18]', async () => {
    const { deviceRoot, masaRoot, masa } = factory.manufacturer
    const pem = ({ der }: { readonly der: Uint8Array }) => encodePem('CERTIFICATE', der)
    const body = { anchors: [pem(deviceRoot)], masaAnchors: [pem(masaRoot)], masaUrl: masa.baseUrl }
    assert.deepEqual(await answers('manufacturerTrust', { params: { name: 'acme' }, body }), [
      'done',
      'not-permitted',
      'not-permitted',
    ])
  })

  test('the solar company lets the household onboard its panel, and stays its owner [WP-R18]', async () => {
    const bytes = await shipmentManifest(factory, { batch: 'B1' }, solar.ownership.card())
    await importManifest({ bytes, store: solar.store, clock: world.services.clock, importedBy: 'solar' })
    const onboarder = world.services.ownership.card()
    const { request } = await solar.ownership.grant({ devices: [id], onboarder, by: 'solar' })
    const manifest = readAnswer(Buffer.from(encodeAnswer(await service.apply(request)))).manifest!
    const body = { manifest: Buffer.from(manifest).toString('base64') }
    assert.equal(await codeOf('sun-app', 'manifestImport', { body }), 'not-permitted')
    assert.equal(await codeOf('household', 'manifestImport', { body }), 'not-permitted')
    assert.equal(await codeOf('solar', 'manifestImport', { body }), 'done')
    const shown = await world.call('ownershipShow', { params: { id } }, tokens.get('household'))
    assert.deepEqual([shown.owner, shown.right], ['solar', 'authorized-onboarder'])
  })

  test('an authorized onboarder cannot pass that on, and moves nothing [WP-R17, WP-R18]', async () => {
    const card = solar.ownership.card()
    const onboarder = { ...card, domains: [...card.domains] }
    const grant = { body: { devices: [id], onboarder } }
    // The roles of the solar company at this site do not make the site an owner.
    assert.deepEqual(await answers('ownershipGrant', grant), ['not-permitted', 'not-owner', 'not-permitted'])
    const offer = { body: { devices: [id] } }
    assert.deepEqual(await answers('ownershipOffer', offer), ['not-permitted', 'not-owner', 'not-permitted'])
    await assert.rejects(world.call('ownershipGrant', grant), /not-owner/)
  })

  test('an authorized onboarder asks the owner, who grants it or does not [WP-R17]', async () => {
    const card = solar.ownership.card()
    const input = { body: { devices: [id], onboarder: { ...card, domains: [...card.domains] } } }
    const ask = { body: { operation: 'ownershipGrant', input } }
    assert.equal(await codeOf('sun-app', 'requestMake', ask), 'not-permitted')
    const made = await world.call('requestMake', ask, tokens.get('household'))
    assert.deepEqual([made.status, made.wish, made.party], ['pending', true, 'household'])
    const params = { id: made.id }
    // Neither he who asks, nor one without the authority; the owner is heard, and what he may at this site is asked as ever.
    assert.equal(await codeOf('household', 'requestConfirm', { params }), 'not-permitted')
    assert.equal(await codeOf('sun-app', 'requestConfirm', { params }), 'not-permitted')
    assert.equal(await codeOf('solar', 'requestConfirm', { params }), 'not-owner')
    const [shown] = (await world.call('requestList', { query: { status: 'failed' } }, tokens.get('household'))).items
    assert.deepEqual([shown?.id, shown?.outcome], [made.id, 'not-owner'])
    const other = await world.call('requestMake', ask, tokens.get('household'))
    assert.equal(await codeOf('solar', 'requestDecline', { params: { id: other.id } }), 'done')
    // Nothing else can be asked for, and nothing of a wrong form.
    for (const operation of ['fourEyesSet', 'manufacturerTrust', 'ownershipOffer', 'toString', '']) {
      assert.equal(await codeOf('household', 'requestMake', { body: { operation, input: {} } }), 'input-invalid')
    }
    const wrong = { operation: 'ownershipGrant', input: { body: { devices: [id] } } }
    assert.equal(await codeOf('household', 'requestMake', { body: wrong }), 'input-invalid')
    const params2 = { operation: 'ownershipGrant', input: { ...input, params: { id } } }
    assert.equal(await codeOf('household', 'requestMake', { body: params2 }), 'input-invalid')
  })

  test('what the owner grants so is granted, in the name of both [WP-R17]', async () => {
    const office = await openWorld({ services: { ownership: solar.ownership } })
    try {
      const { call, makeToken, services } = office
      const household = (await makeToken('device-authorised-onboarder', undefined, 'household')).text
      const owner = (await makeToken('device-owner', undefined, 'solar')).text
      const domains = [Buffer.alloc(20, 7).toString('base64')]
      const body = { devices: [id], onboarder: { id: 'fitter', name: 'Fitter', domains } }
      const made = await call('requestMake', { body: { operation: 'ownershipGrant', input: { body } } }, household)
      const done = await call('requestConfirm', { params: { id: made.id } }, owner)
      assert.equal(done.status, 'done')
      const unit = await factory.store.read(tables => tables.unit.get('B1-000001'))
      assert.ok(unit?.domains.includes(domains[0]!))
      const { events } = await services.store.feed({}, 1000)
      const taken = events
        .filter(({ kind }) => kind === 'action-taken')
        .map(({ body }) => [body['operation'], body['party']])
      assert.deepEqual(taken, [
        ['requestMake', 'household'],
        ['requestConfirm', 'solar'],
      ])
    } finally {
      await office.close()
    }
  })

  test('each takes its own steps, and none of the others [WP-R18]', async () => {
    const permitted = async (event: string) =>
      (await answers('deviceStep', { params: { id }, body: { event } })).map(code => code !== 'not-permitted')
    assert.deepEqual(await permitted('enter-onboarding-mode'), [true, true, false])
    assert.deepEqual(await permitted('execute'), [false, false, true])
    assert.deepEqual(await permitted('maintenance-done-app-changed'), [false, false, true])
    assert.deepEqual(await permitted('retire'), [false, true, false])
    assert.deepEqual(await permitted('disconnect-for-decommission'), [false, true, false])
  })

  test('each names its own people, and nobody for the others; the record says for whom [WP-R18]', async () => {
    const give = (role: RoleName) => answers('tokenCreate', { body: { name: role, roles: [role] } })
    const no = 'role-not-assignable'
    assert.deepEqual(await give('network-administrator'), ['done', no, no])
    assert.deepEqual(await give('device-manager'), [no, 'done', no])
    assert.deepEqual(await give('application-installer'), [no, 'done', 'done'])
    assert.deepEqual(await give('administrator'), [no, no, no])
    const { events } = await world.services.store.feed({}, 1000)
    const parties = events.filter(({ kind }) => kind === 'action-taken').map(({ body }) => body['party'])
    for (const party of tokens.keys()) assert.ok(parties.includes(party), party)
    assert.equal((await world.call('auditVerify', { body: {} })).firstBad, undefined)
  })
})
