import assert from 'node:assert/strict'
import { hash } from 'node:crypto'
import { after, before, describe, test } from 'node:test'
import { sealDeclarations } from '../../../src/adapter/store/sealed.ts'
import { Secret } from '../../../src/crypto/secret.ts'
import type { Store } from '../../../src/domain/port.ts'
import { makeUnits } from '../../../src/role/factory/line.ts'
import { sellUnits } from '../../../src/role/factory/sale.ts'
import { createOwnershipService } from '../../../src/role/manufacturer/ownership-service.ts'
import { type Factory, now, openFactory } from '../../role/factory/factory.ts'
import { openOwnershipWorld, party, type TestParty } from '../../role/manufacturer/ownership-world.ts'
import { silentLog } from '../../store.ts'

const [first, second, third] = ['B1-000001', 'B1-000002', 'B1-000003'] as const

describe('declarations at rest', () => {
  let factory: Factory
  let plain: Store
  let sealed: Store
  let alice: TestParty
  before(async () => {
    factory = await openFactory()
    plain = factory.store
    sealed = sealDeclarations(plain, Secret.random(32))
    alice = await party('alice')
    await makeUnits({ ...factory.order({ count: 3 }), store: sealed })
    await sellUnits({ ...factory, store: sealed }, { batch: 'B1' }, { buyer: alice.card })
  })
  after(() => factory.opened.close())

  const raw = (serial: string) => plain.read(tables => tables.unit.get(serial))

  test('are read as they were written, and lie in the tables as nobody can read them', async () => {
    const unit = await sealed.read(tables => tables.unit.get(first))
    assert.match(unit!.declaration, /^\{"payload":/)
    assert.ok(!('declarationHash' in unit!))
    const [former] = await sealed.read(tables => tables.formerDeclaration.find({ serial: first }))
    assert.match(former!.declaration, /^\{"payload":/)
    const kept = [await raw(first), ...(await plain.read(tables => tables.formerDeclaration.find({ serial: first })))]
    for (const record of kept) assert.doesNotMatch(record!.declaration, /payload|eyJ/)
    assert.equal((await plain.verify()).integrity, 'pass', 'and the ledger can be verified without the key')
  })

  test('change hands as others do', async () => {
    const bob = await party('bob')
    const world = await openOwnershipWorld(alice)
    const { manufacturer } = factory
    const clock = () => now
    const service = createOwnershipService({ manufacturer, store: sealed, clock, log: silentLog })
    const roots: object = { roots: [hash('sha256', manufacturer.masaRoot.spkiDer)] }
    const offer = await world.offer(alice, [third], roots)
    await service.apply(offer.bytes)
    await service.apply(await world.accept(bob, offer, roots))
    assert.equal((await sealed.read(tables => tables.unit.get(third)))?.owner, 'bob')
    assert.equal((await plain.verify()).integrity, 'pass')
    await world.close()
  })

  test('that somebody altered, exchanged, rolled back or wrote in the clear are refused', async () => {
    const [one, other] = [(await raw(first))!, (await raw(second))!]
    const [former] = await plain.read(tables => tables.formerDeclaration.find({ serial: first }))
    const clear = (await sealed.read(tables => tables.unit.get(first)))!.declaration
    for (const declaration of [
      other.declaration,
      former!.declaration,
      clear,
      '{}',
      '',
      one.declaration.replace(/"box":"./, '"box":"A'),
    ]) {
      if (declaration === one.declaration) continue
      await plain.transaction(tx => tx.unit.put({ ...one, declaration }))
      await assert.rejects(
        sealed.read(tables => tables.unit.get(first)),
        { code: 'ledger-altered' },
      )
    }
    await plain.transaction(tx => tx.unit.put(one))
    const strangers = sealDeclarations(plain, Secret.random(32))
    await assert.rejects(
      strangers.read(tables => tables.unit.find({ batch: 'B1' })),
      { code: 'ledger-altered' },
    )
    assert.equal((await sealed.read(tables => tables.unit.find({ batch: 'B1' }))).length, 3)
  })
})
