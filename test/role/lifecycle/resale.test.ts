import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { type DeviceEvent, deviceId } from '../../../src/domain/device.ts'
import type { TransitionId } from '../../../src/domain/lifecycle.ts'
import { lifecycleTransitions } from '../../../src/domain/lifecycle-table.ts'
import { violated } from '../../../src/role/authorization/invariant.ts'
import { makeUnits } from '../../../src/role/factory/line.ts'
import { sellUnits, shipmentManifest } from '../../../src/role/factory/sale.ts'
import { createHandOver, type HandOverStatus } from '../../../src/role/lifecycle/hand-over.ts'
import { createLifecycle } from '../../../src/role/lifecycle/lifecycle.ts'
import { createOwnershipService, type OwnershipService } from '../../../src/role/manufacturer/ownership-service.ts'
import { recordOnDevice } from '../../../src/role/onboarding/device-record.ts'
import { createRevocation, defaultCrlValidity } from '../../../src/role/onboarding/revocation.ts'
import { createHandOverTransfer } from '../../../src/role/ownership/hand-over.ts'
import { importManifest } from '../../../src/role/supply-chain/import.ts'
import { silentLog } from '../../store.ts'
import { type Factory, now, openFactory } from '../factory/factory.ts'
import { type OwnershipSite, openOwnershipSite } from '../ownership/site.ts'
import { refusedWith } from './scene.ts'

const clock = () => now
const by = 'anna'
const serial = 'B1-000001'
const id = deviceId('acme', serial)

function moved(transition: TransitionId): DeviceEvent {
  const { from, to } = lifecycleTransitions.find(each => each.id === transition)!
  return { kind: 'lifecycle-moved', body: { transition, from, to, actor: 'device-manager', at: now } }
}

/** What a site keeps a life with. */
function keeper({ id: owner, store, authority, ownership }: OwnershipSite) {
  const owners = [owner]
  const issuers = () => [authority.issuing]
  const revocation = createRevocation({ store, clock, issuers, crlValidity: defaultCrlValidity })
  const lifecycle = createLifecycle({ store, clock, owners, revocation, onboardingWindow: 1 })
  const transfer = createHandOverTransfer({ store, ownership, owners })
  return { lifecycle, handOver: createHandOver({ store, clock, owners, lifecycle, ownership: transfer }) }
}

const transfer = ({ steps }: HandOverStatus) => steps.find(({ step }) => step === 'transfer')?.words ?? ''

describe('a device in use changes hands', () => {
  let factory: Factory
  let service: OwnershipService
  let harbour: OwnershipSite
  let quay: OwnershipSite
  before(async () => {
    factory = await openFactory()
    const { manufacturer, store } = factory
    service = createOwnershipService({ manufacturer, store, clock, log: silentLog })
    ;[harbour, quay] = await Promise.all([
      openOwnershipSite('harbour', { clock, service: () => service }),
      openOwnershipSite('quay', { clock, service: () => service }),
    ])
    await makeUnits(factory.order({ count: 1 }))
    const buyer = harbour.ownership.card()
    await sellUnits(factory, { batch: 'B1' }, { buyer })
    await Promise.all([harbour.trust(manufacturer), quay.trust(manufacturer)])
    const bytes = await shipmentManifest(factory, { batch: 'B1' }, buyer)
    await importManifest({ bytes, store: harbour.store, clock, importedBy: by })
  })
  after(() => Promise.all([harbour.close(), quay.close(), factory.opened.close()]))

  /** All of a hand-over, by the same calls whoever gives and whoever gets. @returns the kinds of what is on record of it */
  async function give(
    from: OwnershipSite,
    to: OwnershipSite,
    into: readonly TransitionId[],
  ): Promise<readonly string[]> {
    const { handOver, lifecycle } = keeper(from)
    const before = (await from.device(serial)).version
    await from.store.transaction(tx => recordOnDevice(tx, id, () => into.map(moved)))
    const offer = () => from.ownership.offer({ devices: [id], days: 7, by })
    await assert.rejects(offer(), refusedWith('lifecycle-transition-refused'), 'not while it is in use')
    await handOver.advance(id, { to: to.id, by })
    const wiped = await handOver.advance(id, { by, facts: { wiped: true } })
    assert.match(transfer(wiped), /Offer it to \w+ with `mooring ownership offer/)
    const { link } = await offer()
    assert.match(transfer(await handOver.advance(id, { by })), /nobody has accepted yet/)
    await to.ownership.accept({ offer: link, by: 'quentin' })
    assert.equal((await handOver.advance(id, { by })).state, 'completed')

    const here = await from.device(serial)
    assert.deepEqual([here.lifecycle, here.owner, here.right], ['US.INS', to.id, 'none'])
    assert.equal(violated(here, { owners: [from.id], recalls: [] })?.code, 'owner-mismatch')
    const step = { event: 'enter-onboarding-mode', by } as const
    await assert.rejects(lifecycle.step(id, step), refusedWith('lifecycle-guard-unmet'))
    const there = await to.device(serial)
    assert.equal(there.right, 'owner')
    assert.equal(violated(there, { owners: [to.id], recalls: [] }), undefined)
    const events = await from.store.history(`device/${id}`, before + into.length, 100)
    return events.map(({ kind, body }) => `${kind} ${JSON.stringify(body['transition'] ?? '')}`)
  }

  it('to a buyer, to an integrator and back: by the same steps, and gone from the network that it left [WP-LE-E1, WP-LG-5, WP-LT-T36]', async () => {
    const resale = await give(harbour, quay, ['T10', 'T12', 'T14', 'T18'])
    const integration = await give(quay, harbour, ['T10', 'T12', 'T14', 'T18'])
    // It came back into installation, where its record at the first owner was left.
    const again = await give(harbour, quay, ['T12', 'T14', 'T18'])
    assert.deepEqual(integration, resale)
    assert.deepEqual(again, resale)
    assert.deepEqual(
      resale.filter(kind => kind.startsWith('lifecycle-moved')),
      ['lifecycle-moved "T29"', 'lifecycle-moved "T36"'],
    )
    for (const { store } of [harbour, quay]) {
      await store.checkpoint()
      assert.equal((await store.verify()).integrity, 'pass')
    }
  })
})
