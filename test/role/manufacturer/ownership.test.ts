import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { decodeJws } from '../../../src/codec/jws.ts'
import { decodeDeclaration } from '../../../src/domain/declaration.ts'
import { openDeclaration } from '../../../src/domain/declaration-cms.ts'
import { verifyDeclarationHistory } from '../../../src/domain/ownership.ts'
import { openManifest } from '../../../src/role/supply-chain/manifest.ts'
import { Crash, now, PowerCut } from '../factory/factory.ts'
import { day, type OwnershipWorld, openOwnershipWorld, party, serialOf, type TestParty } from './ownership-world.ts'

describe('the ownership service of a manufacturer', () => {
  let alice: TestParty
  let bob: TestParty
  let carol: TestParty
  let world: OwnershipWorld
  let used = 0
  const next = () => serialOf(++used)
  before(async () => {
    ;[alice, bob, carol] = (await Promise.all(['alice', 'bob', 'carol'].map(party))) as [
      TestParty,
      TestParty,
      TestParty,
    ]
    world = await openOwnershipWorld(alice, 70)
  })
  after(async () => {
    const verdict = await world.factory.store.verify()
    assert.equal(verdict.integrity, 'pass', JSON.stringify(verdict.firstBad))
    await world.close()
  })
  const open = (manifest: Buffer | undefined) =>
    openManifest(manifest ?? Buffer.alloc(0), { anchors: world.factory.manufacturer.masaAnchors, at: new Date(now) })

  it('hands a device over when the owner has offered it and the buyer has accepted [WP-LE-E1]', async () => {
    const serial = next()
    const offer = await world.offer(alice, [serial])
    const offered = await world.service.apply(offer.bytes)
    assert.deepEqual([offered.offer?.state, offered.offer?.serials, offered.manifest], ['open', [serial], undefined])
    assert.equal((await world.unit(serial)).owner, 'alice', 'an offer moves nothing')
    const answer = await world.service.apply(await world.accept(bob, offer))
    const manifest = await open(answer.manifest)
    assert.deepEqual(manifest.buyer, bob.card)
    assert.deepEqual(
      manifest.units.map(({ serial, declared }) => [serial, declared.owner, declared.version]),
      [[serial, bob.card, 3]],
    )
    const unit = await world.unit(serial)
    assert.deepEqual([unit.owner, unit.domains, unit.declarationVersion], ['bob', bob.card.domains, 3])
  })

  it('answers the same request alike, also when the answer to the first was lost', async () => {
    const serial = next()
    const offer = await world.offer(alice, [serial])
    assert.deepEqual(await world.service.apply(offer.bytes), await world.service.apply(offer.bytes))
    const accept = await world.accept(bob, offer)
    const first = await open((await world.service.apply(accept)).manifest)
    const again = await open((await world.service.apply(accept)).manifest)
    const afresh = await open((await world.service.apply(await world.accept(bob, offer))).manifest)
    assert.deepEqual(again.units, first.units)
    assert.deepEqual(afresh.units, first.units)
    assert.equal((await world.unit(serial)).declarationVersion, 3)
  })

  it('hands over a whole house at once, or nothing of it', async () => {
    const house = [next(), next(), next(), next()]
    const offer = await world.offer(alice, house, { buyer: bob.card })
    await world.service.apply(offer.bytes)
    // One of them moved on since: all of them stay.
    const moved = house[3]!
    await world.service.apply(
      await world.ask(alice, {
        action: 'grant',
        devices: [{ serial: moved, version: 2 }],
        onboarder: carol.card,
      }),
    )
    await assert.rejects(world.service.apply(await world.accept(bob, offer)), { code: 'declaration-stale' })
    for (const serial of house) assert.equal((await world.unit(serial)).owner, 'alice')
    const second = await world.offer(alice, house, { buyer: bob.card })
    await world.service.apply(await world.accept(bob, second, { offered: second.bytes.toString('utf8') }))
    for (const serial of house) {
      const { owner, authorizedOnboarders } = await world.declared(serial)
      assert.deepEqual([owner, authorizedOnboarders], [bob.card, []], 'the former owner’s onboarders go with it')
    }
  })

  it('takes an offer that it has not seen from the hands of the buyer, and one that was revoked unseen stays so', async () => {
    const serial = next()
    const offer = await world.offer(alice, [serial])
    const offered = offer.bytes.toString('utf8')
    await assert.rejects(world.service.apply(await world.accept(bob, offer)), { code: 'offer-not-found' })
    const revoke = await world.ask(alice, { action: 'revoke-offer', offer: offer.id, offered })
    assert.equal((await world.service.apply(revoke)).offer?.state, 'revoked')
    assert.equal((await world.service.apply(revoke)).offer?.state, 'revoked')
    await assert.rejects(world.service.apply(await world.accept(bob, offer, { offered })), { code: 'offer-revoked' })
    assert.equal((await world.unit(serial)).owner, 'alice')
  })

  it('makes the integrator’s round trip: granted, onboarding, revoked, and gone [WP-LE-E2, WP-LE-E3, WP-M6.10]', async () => {
    const serial = next()
    const devices = [{ serial, version: 2 }]
    const grant = await world.ask(alice, { action: 'grant', devices, onboarder: carol.card })
    const [granted] = (await open((await world.service.apply(grant)).manifest)).units
    assert.deepEqual(granted?.declared.authorizedOnboarders, [carol.card])
    const show = () => world.ask(carol, { action: 'show', serials: [serial] })
    assert.equal((await open((await world.service.apply(await show())).manifest)).units.length, 1)
    assert.deepEqual((await world.unit(serial)).domains, [...alice.card.domains, ...carol.card.domains])
    assert.deepEqual(
      (await open((await world.service.apply(grant)).manifest)).units[0]?.declared,
      granted?.declared,
      'the same request again is answered alike',
    )
    const revoke = { action: 'revoke', devices: [{ serial, version: 3 }], onboarder: 'carol' } as const
    await world.service.apply(await world.ask(alice, revoke))
    assert.deepEqual((await world.unit(serial)).domains, alice.card.domains)
    await assert.rejects(world.service.apply(await show()), { code: 'not-owner' })
    await assert.rejects(world.service.apply(grant), { code: 'declaration-stale' }, 'a replay brings nobody back')
  })

  it('tells the seller what came of the offer, and nothing of what came later', async () => {
    const serial = next()
    const offer = await world.offer(alice, [serial])
    await world.service.apply(offer.bytes)
    await world.service.apply(await world.accept(bob, offer))
    const onward = await world.offer(bob, [serial])
    await world.service.apply(onward.bytes)
    await world.service.apply(await world.accept(carol, onward))
    const inquiry = await world.ask(alice, { action: 'show', offer: offer.id })
    const [told] = (await open((await world.service.apply(inquiry)).manifest)).units
    assert.deepEqual([told?.declared.owner.id, told?.declared.version], ['bob', 3])
    assert.equal((await world.unit(serial)).owner, 'carol')
    await assert.rejects(world.service.apply(await world.ask(bob, { action: 'show', serials: [serial] })), {
      code: 'not-owner',
    })
  })

  it('keeps every version, signed, so that the chain of owners can be verified from its beginning [WP-M6.10]', async () => {
    const serial = next()
    for (const [from, to] of [
      [alice, bob],
      [bob, carol],
      [carol, alice],
    ] as const) {
      const offer = await world.offer(from, [serial])
      await world.service.apply(offer.bytes)
      await world.service.apply(await world.accept(to, offer))
    }
    const { store, manufacturer } = world.factory
    const former = await store.read(tables => tables.formerDeclaration.find({ serial }))
    const all = [...former.map(({ declaration }) => declaration), (await world.unit(serial)).declaration]
    const trust = { anchors: manufacturer.masaAnchors, at: new Date(now) }
    const history = all.map(text => openDeclaration(Buffer.from(text), trust))
    assert.deepEqual(
      history.map(({ owner }) => owner.id),
      ['Acme', 'alice', 'bob', 'carol', 'alice'],
    )
    assert.deepEqual(verifyDeclarationHistory(history), decodeDeclaration(decodeJws(Buffer.from(all.at(-1)!)).payload))
  })

  it('sells a house of fifty whole, wherever the power is cut', async () => {
    const house = Array.from({ length: 50 }, next)
    for (const after of [false, true]) {
      const [from, to] = after ? [bob, carol] : [alice, bob]
      const offer = await world.offer(from, house)
      await world.service.apply(offer.bytes)
      const accept = await world.accept(to, offer)
      const cut = new PowerCut(0, after).store(world.factory.store)
      await assert.rejects(world.over(cut).apply(accept), Crash)
      const owners = await Promise.all(house.map(async serial => (await world.unit(serial)).owner))
      assert.deepEqual(new Set(owners), new Set([after ? to.id : from.id]))
      assert.equal((await open((await world.service.apply(accept)).manifest)).units.length, 50)
      for (const serial of house) assert.equal((await world.unit(serial)).owner, to.id)
    }
  })

  it('lets an offer run out', async () => {
    const serial = next()
    const offer = await world.offer(alice, [serial])
    await world.service.apply(offer.bytes)
    world.time.now += 8 * day
    try {
      await assert.rejects(world.service.apply(await world.accept(bob, offer)), { code: 'offer-expired' })
    } finally {
      world.time.now -= 8 * day
    }
    assert.equal((await world.unit(serial)).owner, 'alice')
  })
})
