import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import {
  type OwnershipWorld,
  openOwnershipWorld,
  party,
  serialOf,
  type TestParty,
} from '../role/manufacturer/ownership-world.ts'

describe('requests about the owner of a device', () => {
  let alice: TestParty
  let mallory: TestParty
  let genuine: OwnershipWorld
  /** Calls itself as the other does, and numbers its devices alike. */
  let namesake: OwnershipWorld

  before(async () => {
    ;[alice, mallory] = (await Promise.all(['alice', 'mallory'].map(party))) as [TestParty, TestParty]
    genuine = await openOwnershipWorld(alice)
    namesake = await openOwnershipWorld(alice)
  })
  after(async () => {
    await genuine.close()
    await namesake.close()
  })

  it('made for one manufacturer are worth nothing at another that calls itself the same', async () => {
    const serial = serialOf(1)
    const offer = await namesake.offer(alice, [serial])
    const devices = [{ serial, version: 2 }]
    const grant = await namesake.ask(alice, { action: 'grant', devices, onboarder: mallory.card })
    const accept = await genuine.accept(mallory, offer, { offered: offer.bytes.toString('utf8') })
    for (const bytes of [grant, offer.bytes, accept]) {
      await assert.rejects(genuine.service.apply(bytes), { code: 'ownership-request-invalid' })
    }
    const { owner, domains } = await genuine.unit(serial)
    assert.deepEqual([owner, domains], ['alice', alice.card.domains])
    // Where they were meant for, they count.
    await namesake.service.apply(offer.bytes)
    await namesake.service.apply(await namesake.accept(mallory, offer))
    assert.equal((await namesake.unit(serial)).owner, 'mallory')
  })

  it('are accepted as their owner signed them, whatever somebody has written into the record since', async () => {
    const serial = serialOf(2)
    const bob = await party('bob')
    const { store } = genuine.factory
    const offer = await genuine.offer(alice, [serial], { buyer: bob.card })
    await genuine.service.apply(offer.bytes)
    const theirs = await genuine.offer(mallory, [serialOf(3)])
    const stored = (await store.read(tables => tables.offer.get(offer.id)))!
    const { buyer: _, ...open } = stored
    const { secretHash } = JSON.parse(
      Buffer.from(JSON.parse(theirs.bytes.toString()).payload, 'base64url').toString(),
    ) as { secretHash: string }
    await store.transaction(tx => tx.offer.put({ ...open, secretHash }))
    const known = { id: offer.id, secret: theirs.secret }
    await assert.rejects(genuine.service.apply(await genuine.accept(mallory, known)))
    assert.equal((await genuine.unit(serial)).owner, 'alice')
    assert.equal((await store.verify()).integrity, 'fail')
    await store.transaction(tx => tx.offer.put({ ...open }))
    await assert.rejects(genuine.service.apply(await genuine.accept(mallory, offer)))
    assert.equal((await store.verify()).integrity, 'fail', 'that the buyer is gone is seen')
    await store.transaction(tx => tx.offer.put(stored))
    assert.equal((await store.verify()).integrity, 'pass')
    await genuine.service.apply(await genuine.accept(bob, offer))
    assert.equal((await genuine.unit(serial)).owner, 'bob')
  })
})
