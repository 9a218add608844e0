import assert from 'node:assert/strict'
import { it } from 'node:test'
import { type DeviceEvent, deviceId } from '../../../src/domain/device.ts'
import type { TransitionId } from '../../../src/domain/lifecycle.ts'
import { lifecycleTransitions } from '../../../src/domain/lifecycle-table.ts'
import { violated } from '../../../src/role/authorization/invariant.ts'
import { makeUnits } from '../../../src/role/factory/line.ts'
import { sellUnits, shipmentManifest } from '../../../src/role/factory/sale.ts'
import { createHandOver, type HandOverStatus } from '../../../src/role/lifecycle/hand-over.ts'
import { createLifecycle } from '../../../src/role/lifecycle/lifecycle.ts'
import { createOwnershipService } from '../../../src/role/manufacturer/ownership-service.ts'
import { recordOnDevice } from '../../../src/role/onboarding/device-record.ts'
import { createRevocation, defaultCrlValidity } from '../../../src/role/onboarding/revocation.ts'
import { createHandOverTransfer } from '../../../src/role/ownership/hand-over.ts'
import { importManifest } from '../../../src/role/supply-chain/import.ts'
import { silentLog } from '../../store.ts'
import { now, openFactory } from '../factory/factory.ts'
import { openOwnershipSite } from '../ownership/site.ts'
import { refusedWith } from './scene.ts'

const clock = () => now
const by = 'anna'
const serial = 'B1-000001'
const id = deviceId('acme', serial)

function moved(transition: TransitionId): DeviceEvent {
  const { from, to } = lifecycleTransitions.find(each => each.id === transition)!
  return { kind: 'lifecycle-moved', body: { transition, from, to, actor: 'device-manager', at: now } }
}

it('a device in use is resold: decommissioned, wiped, offered, accepted, and gone from the network that it left', async () => {
  const factory = await openFactory()
  const { manufacturer, store } = factory
  const service = createOwnershipService({ manufacturer, store, clock, log: silentLog })
  const [harbour, quay] = await Promise.all([
    openOwnershipSite('harbour', { clock, service: () => service }),
    openOwnershipSite('quay', { clock, service: () => service }),
  ])
  try {
    await makeUnits(factory.order({ count: 1 }))
    const buyer = harbour.ownership.card()
    await sellUnits(factory, { batch: 'B1' }, { buyer })
    await Promise.all([harbour.trust(manufacturer), quay.trust(manufacturer)])
    const bytes = await shipmentManifest(factory, { batch: 'B1' }, buyer)
    await importManifest({ bytes, store: harbour.store, clock, importedBy: by })
    const inUse = (['T10', 'T12', 'T14', 'T18'] as const).map(moved)
    await harbour.store.transaction(tx => recordOnDevice(tx, id, () => inUse))

    const issuers = () => [harbour.authority.issuing]
    const revocation = createRevocation({ store: harbour.store, clock, issuers, crlValidity: defaultCrlValidity })
    const owners = ['harbour']
    const common = { store: harbour.store, clock, owners }
    const lifecycle = createLifecycle({ ...common, revocation, onboardingWindow: 1 })
    const ownership = createHandOverTransfer({ store: harbour.store, ownership: harbour.ownership, owners })
    const handOver = createHandOver({ ...common, lifecycle, ownership })
    const transfer = ({ steps }: HandOverStatus) => steps.find(({ step }) => step === 'transfer')?.words

    const offer = () => harbour.ownership.offer({ devices: [id], days: 7, by })
    await assert.rejects(offer(), refusedWith('lifecycle-transition-refused'), 'not while it is in use')
    await handOver.advance(id, { to: 'quay', by })
    const wiped = await handOver.advance(id, { by, facts: { wiped: true } })
    assert.match(transfer(wiped) ?? '', /Offer it to quay with `mooring ownership offer/)
    const { link } = await offer()
    assert.match(transfer(await handOver.advance(id, { by })) ?? '', /nobody has accepted yet/)
    await quay.ownership.accept({ offer: link, by: 'quentin' })
    const done = await handOver.advance(id, { by })
    assert.equal(done.state, 'completed')

    const here = await harbour.device(serial)
    assert.deepEqual([here.lifecycle, here.owner, here.right], ['US.INS', 'quay', 'none'])
    assert.equal(violated(here, { owners, recalls: [] })?.code, 'owner-mismatch')
    const step = { event: 'enter-onboarding-mode', by } as const
    await assert.rejects(lifecycle.step(id, step), refusedWith('lifecycle-guard-unmet'))
    assert.deepEqual([(await quay.device(serial)).right, (await quay.device(serial)).lifecycle], ['owner', 'SC.SHL'])
    await harbour.store.checkpoint()
    assert.equal((await harbour.store.verify()).integrity, 'pass')
  } finally {
    await Promise.all([harbour.close(), quay.close(), factory.opened.close()])
  }
})
