import assert from 'node:assert/strict'
import { hash, randomBytes } from 'node:crypto'
import { after, before, describe, it } from 'node:test'
import fc from 'fast-check'
import { decodeBase64Url, encodeBase64Url } from '../../src/codec/base64.ts'
import { decodeJws, encodeJws } from '../../src/codec/jws.ts'
import { extendedKeyUsageOid } from '../../src/codec/x509/extension.ts'
import { signJws } from '../../src/crypto/jws.ts'
import { declarationType } from '../../src/domain/declaration-jws.ts'
import { type ErrorCode, OnboardingError } from '../../src/domain/error.ts'
import { ownershipMediaType, ownershipPath } from '../../src/domain/ownership-request.ts'
import { sellUnits, withdrawUnit } from '../../src/role/factory/sale.ts'
import { createOwnershipEndpoint } from '../../src/role/manufacturer/ownership-endpoint.ts'
import { createOwnershipService } from '../../src/role/manufacturer/ownership-service.ts'
import { certify, eku } from '../crypto/pki.ts'
import { needsPostgres } from '../postgres.ts'
import {
  day,
  type OwnershipWorld,
  openOwnershipWorld,
  party,
  serialOf,
  type TestParty,
} from '../role/manufacturer/ownership-world.ts'
import { atEveryStep } from '../role/meanwhile.ts'
import { testPeer } from '../role/onboarding/neighbourhood.ts'
import { openSharedTestStore, silentLog, type TestStore } from '../store.ts'

/** Who tries what, and the code that stops it. Each attempt is a request that would move ownership if it were believed. */
describe('an attack on ownership', () => {
  let alice: TestParty
  let bob: TestParty
  let thief: TestParty
  let world: OwnershipWorld
  let used = 0
  const fresh = () => serialOf(++used)
  before(async () => {
    ;[alice, bob, thief] = (await Promise.all(['alice', 'bob', 'thief'].map(party))) as [
      TestParty,
      TestParty,
      TestParty,
    ]
    world = await openOwnershipWorld(alice, 60)
  })
  after(async () => {
    assert.equal((await world.factory.store.verify()).integrity, 'pass')
    await world.close()
  })

  /** The attempt is refused with this code, and nothing about the device has changed. */
  async function refused(code: ErrorCode, serial: string, bytes: Uint8Array): Promise<void> {
    const before = await world.unit(serial)
    await assert.rejects(world.service.apply(bytes), (error: unknown) => {
      assert.ok(error instanceof OnboardingError, String(error))
      assert.equal(error.code, code)
      return true
    })
    assert.deepEqual(await world.unit(serial), before)
  }

  const given = (serial: string, version = 2, more = {}) => ({
    devices: [{ serial, version, lifecycle: 'US.DEC', wiped: true, onboarded: true, ...more }],
  })

  it('by a thief who offers what is not his [WP-M6.09]', async () => {
    const serial = fresh()
    await refused('not-owner', serial, (await world.offer(thief, [serial])).bytes)
  })

  it('by a thief who accepts his own, unregistered offer', async () => {
    const serial = fresh()
    const offer = await world.offer(thief, [serial])
    const accept = await world.accept(thief, offer, { offered: offer.bytes.toString('utf8') })
    await refused('not-owner', serial, accept)
  })

  it('by a thief who knows the offer and not the secret [WP-M6.09]', async () => {
    const serial = fresh()
    const offer = await world.offer(alice, [serial])
    await world.service.apply(offer.bytes)
    const guess = { ...offer, secret: randomBytes(32).toString('hex') }
    await refused('offer-secret-wrong', serial, await world.accept(thief, guess))
  })

  it('by a thief who has the secret of an offer to somebody else', async () => {
    const serial = fresh()
    const offer = await world.offer(alice, [serial], { buyer: bob.card })
    await world.service.apply(offer.bytes)
    await refused('offer-not-yours', serial, await world.accept(thief, offer))
    await refused('offer-not-yours', serial, await world.accept(thief, offer, { buyer: bob.card }))
    const both = { ...bob.card, domains: [...bob.card.domains, ...thief.card.domains] }
    await refused('offer-not-yours', serial, await world.accept(thief, offer, { buyer: both }))
  })

  it('by a buyer who is second, or takes back what he sold', async () => {
    const serial = fresh()
    const offer = await world.offer(alice, [serial])
    await world.service.apply(offer.bytes)
    await world.service.apply(await world.accept(bob, offer))
    await refused('offer-accepted', serial, await world.accept(thief, offer))
    const onward = await world.offer(bob, [serial])
    await world.service.apply(onward.bytes)
    await world.service.apply(await world.accept(thief, onward))
    // The acceptance of before is answered as before, and moves nothing.
    const now = await world.unit(serial)
    await world.service.apply(await world.accept(bob, offer))
    assert.deepEqual(await world.unit(serial), now)
    assert.equal(now.owner, 'thief')
  })

  it('by a former owner: with a new offer, an old one, a grant, or the revocation of the offer [WP-M6.09]', async () => {
    const serial = fresh()
    const [old, offer] = [await world.offer(alice, [serial]), await world.offer(alice, [serial])]
    await world.service.apply(old.bytes)
    await world.service.apply(offer.bytes)
    await world.service.apply(await world.accept(bob, offer))
    await refused('offer-accepted', serial, await world.ask(alice, { action: 'revoke-offer', offer: offer.id }))
    await refused('declaration-stale', serial, await world.accept(thief, old))
    await refused('not-owner', serial, (await world.offer(alice, [serial])).bytes)
    const devices = [{ serial, version: 3 }]
    await refused('not-owner', serial, await world.ask(alice, { action: 'grant', devices, onboarder: alice.card }))
    await refused('not-owner', serial, await world.ask(alice, { action: 'revoke', devices, onboarder: 'bob' }))
  })

  it('by an integrator: who sells, authorizes another, keeps himself, or comes back with the old grant [WP-LE-E3, WP-R17]', async () => {
    const serial = fresh()
    const grant = await world.ask(alice, {
      action: 'grant',
      devices: [{ serial, version: 2 }],
      onboarder: bob.card,
    })
    await world.service.apply(grant)
    await refused('not-owner', serial, (await world.offer(bob, [serial])).bytes)
    const devices = [{ serial, version: 3 }]
    await refused('not-owner', serial, await world.ask(bob, { action: 'grant', devices, onboarder: thief.card }))
    await refused('not-owner', serial, await world.ask(bob, { action: 'revoke', devices, onboarder: 'bob' }))
    await world.service.apply(await world.ask(alice, { action: 'revoke', devices, onboarder: 'bob' }))
    await refused('declaration-stale', serial, grant)
    await refused('not-owner', serial, await world.ask(bob, { action: 'show', serials: [serial] }))
  })

  it('by a device of the owner’s network, a web server of it, and others that its CA has certified', async () => {
    const serial = fresh()
    const { serverAuth, clientAuth, anyExtendedKeyUsage, cmcRA } = extendedKeyUsageOid
    const device = await certify({ subject: 'LDevID', issuer: alice.root })
    const web = await certify({ subject: 'web', issuer: alice.root, extensions: [eku(serverAuth, clientAuth)] })
    const any = await certify({ subject: 'any', issuer: alice.root, extensions: [eku(anyExtendedKeyUsage)] })
    const below = await certify({ subject: 'below', issuer: device, extensions: [eku(cmcRA)] })
    const ended = await certify({
      subject: 'ended',
      issuer: alice.root,
      extensions: [eku(cmcRA)],
      notAfter: new Date(world.time.now - 1000),
    })
    for (const registrar of [device, web, any, ended]) {
      const { bytes } = await world.offer({ ...alice, registrar }, [serial])
      await refused('registrar-not-authorized', serial, bytes)
    }
    // A device that makes itself a CA: below it nothing is the owner's.
    await refused('not-owner', serial, (await world.offer({ ...alice, registrar: below }, [serial])).bytes)
    const whole = { ...alice, registrar: below, root: device }
    await refused('registrar-not-authorized', serial, (await world.offer(whole, [serial])).bytes)
  })

  it('by one who wears the owner’s names and key identifiers', async () => {
    const serial = fresh()
    const { certificate } = alice.root
    const root = await certify({ subject: Buffer.from(certificate.subject.der), ca: true })
    const registrar = await certify({
      subject: Buffer.from(alice.registrar.certificate.subject.der),
      issuer: root,
      extensions: [eku(extendedKeyUsageOid.cmcRA)],
    })
    await refused('not-owner', serial, (await world.offer({ ...alice, root, registrar }, [serial])).bytes)
    // Its own registrar, and the owner's true root beside.
    await refused('registrar-not-authorized', serial, (await world.offer({ ...alice, registrar }, [serial])).bytes)
  })

  it('by altering a signed request, in any octet of payload or signature', async () => {
    const serial = fresh()
    const { bytes } = await world.offer(alice, [serial])
    const { payloadText, signatures } = decodeJws(bytes)
    const [signature] = signatures
    await fc.assert(
      fc.asyncProperty(fc.boolean(), fc.nat(), fc.integer({ min: 1, max: 255 }), async (inPayload, where, change) => {
        const part = Uint8Array.from(inPayload ? decodeBase64Url(payloadText) : signature!.signature)
        part[where % part.length]! ^= change
        const forged = encodeJws(
          inPayload
            ? { payloadText: encodeBase64Url(part), signatures }
            : { payloadText, signatures: [{ ...signature!, signature: part }] },
        )
        await refused('ownership-request-invalid', serial, forged)
      }),
      { numRuns: 40 },
    )
  })

  it('by any octets whatsoever', async () => {
    const serial = fresh()
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 300 }), async bytes =>
        refused('ownership-request-invalid', serial, bytes),
      ),
      { numRuns: 100 },
    )
  })

  it('by another document that the owner signed, or one with a member too many or in another order', async () => {
    const serial = fresh()
    const by = { signer: alice.registrar.signer, chain: [alice.registrar.certificate, alice.root.certificate] }
    const { bytes } = await world.offer(alice, [serial])
    const { payload } = decodeJws(bytes)
    const sign = (text: Uint8Array | string, typ: string) =>
      signJws({ payload: Buffer.from(text), header: { typ }, signer: by.signer, certificates: by.chain })
    const members = JSON.parse(Buffer.from(payload).toString('utf8')) as Record<string, unknown>
    const typ = 'ownership-request+jws'
    for (const forged of [
      await sign(payload, declarationType),
      await sign(JSON.stringify({ ...members, admin: true }), typ),
      await sign(JSON.stringify(Object.fromEntries(Object.entries(members).reverse())), typ),
      await sign('[]', typ),
      await sign(JSON.stringify({ ...members, action: 'constructor' }), typ),
    ]) {
      await refused('ownership-request-invalid', serial, forged)
    }
  })

  it('by a request for another manufacturer, from the future, or an inquiry that was overheard', async () => {
    const serial = fresh()
    const wish = { action: 'grant', devices: [{ serial, version: 2 }], onboarder: bob.card } as const
    await refused('ownership-request-invalid', serial, await world.ask(alice, wish, { manufacturer: 'Other' }))
    await refused('ownership-request-invalid', serial, await world.ask(alice, wish, { at: world.time.now + day }))
    const inquiry = await world.ask(alice, { action: 'show', serials: [serial] })
    world.time.now += day
    await refused('ownership-request-invalid', serial, inquiry)
    world.time.now -= day
  })

  it('by an owner, of what may not change hands: in use, not wiped, at its end, withdrawn, twice, for ever [WP-LE-E1, WP-M6.12]', async () => {
    const serial = fresh()
    const offer = async (more: object) => (await world.offer(alice, [serial], more)).bytes
    for (const lifecycle of ['US.OPR', 'US.ONB', 'US.COM', 'US.MWC', 'EL.EOL', 'nowhere']) {
      await refused('lifecycle-transition-refused', serial, await offer(given(serial, 2, { lifecycle })))
    }
    await refused('lifecycle-guard-unmet', serial, await offer(given(serial, 2, { wiped: false })))
    await refused('lifecycle-guard-unmet', serial, await offer(given(serial, 2, { lifecycle: 'US.INS' })))
    await refused('declaration-stale', serial, await offer(given(serial, 1)))
    await refused('unit-not-found', serial, await offer(given('B1-999999')))
    const [device] = given(serial).devices
    await refused('ownership-request-invalid', serial, await offer({ devices: [device, device] }))
    await refused('ownership-request-invalid', serial, await offer({ expiresAt: world.time.now + 400 * day }))
    await refused('ownership-request-invalid', serial, await offer({ expiresAt: world.time.now - 1 }))
    const open = await world.offer(alice, [serial])
    await world.service.apply(open.bytes)
    await withdrawUnit(world.factory, serial, 'recall')
    await refused('unit-withdrawn', serial, await world.accept(bob, open))
    await refused('unit-withdrawn', serial, await offer({}))
  })

  it('by a buyer who takes the manufacturer’s name, to be sold again', async () => {
    const serial = fresh()
    const { party: maker } = world.factory.manufacturer
    const offer = await world.offer(alice, [serial])
    await world.service.apply(offer.bytes)
    const named = { ...thief.card, id: maker.id }
    await refused('ownership-request-invalid', serial, await world.accept(thief, offer, { buyer: named }))
    const grant = { action: 'grant', devices: [{ serial, version: 2 }], onboarder: named } as const
    await refused('ownership-request-invalid', serial, await world.ask(alice, grant))
    await assert.rejects(sellUnits(world.factory, { serials: [serial] }, { buyer: thief.card }), { code: 'not-owner' })
  })

  it('by a stranger who takes an offer back', async () => {
    const serial = fresh()
    const offer = await world.offer(alice, [serial], { buyer: bob.card })
    await world.service.apply(offer.bytes)
    await refused('not-owner', serial, await world.ask(bob, { action: 'revoke-offer', offer: offer.id }))
    await refused('not-owner', serial, await world.ask(thief, { action: 'revoke-offer', offer: offer.id }))
    await refused('not-owner', serial, await world.ask(thief, { action: 'show', offer: offer.id }))
    await world.service.apply(await world.accept(bob, offer))
  })

  it('by one who writes an accepted offer, or his own, into the database', async () => {
    const serial = fresh()
    const offer = await world.offer(thief, [serial])
    const forged = {
      id: offer.id,
      manufacturer: 'Acme',
      seller: 'alice',
      sellerDomains: alice.card.domains,
      serials: [serial],
      secretHash: '00'.repeat(32),
      expiresAt: world.time.now + day,
      madeAt: world.time.now,
      state: 'open',
      request: offer.bytes.toString('utf8'),
      version: 1,
    } as const
    const record = { ...forged, secretHash: hash('sha256', Buffer.from(offer.secret, 'hex')) }
    await world.factory.store.transaction(tx => tx.offer.insert(record))
    await refused('not-owner', serial, await world.accept(thief, offer))
    assert.equal((await world.factory.store.verify()).integrity, 'fail', 'and the ledger says so')
    await world.factory.store.transaction(tx => tx.offer.remove(offer.id))
  })

  it('by asking without end', async () => {
    const { manufacturer, store } = world.factory
    const clock = () => world.time.now
    const service = createOwnershipService({ manufacturer, store, clock, log: silentLog, requestsPerMinute: 3 })
    const show = () => world.ask(thief, { action: 'show', serials: [serialOf(1)] })
    for (let n = 0; n < 3; n++) await assert.rejects(service.apply(await show()), { code: 'not-owner' })
    await assert.rejects(service.apply(await show()), { code: 'rate-limited' })
    const other = await world.ask(alice, { action: 'show', serials: [serialOf(30)] })
    assert.ok((await service.apply(other)).manifest !== undefined, 'which hinders nobody else')
  })

  it('over HTTP meets the same codes, and other methods and types theirs', async () => {
    const endpoint = createOwnershipEndpoint(world.service, silentLog)
    const send = (body: Uint8Array, change: { method?: string; type?: string } = {}) =>
      endpoint.handle({
        method: change.method ?? 'POST',
        path: ownershipPath,
        headers: { 'content-type': change.type ?? ownershipMediaType.request },
        body,
        peer: testPeer([], new Uint8Array()),
      })
    const { bytes } = await world.offer(thief, [serialOf(1)])
    const reply = await send(bytes)
    assert.equal(reply?.status, 403)
    assert.match(String(reply?.body), /^not-owner: /)
    assert.equal((await send(bytes, { method: 'GET' }))?.status, 405)
    assert.equal((await send(bytes, { type: 'text/plain' }))?.status, 415)
    assert.equal((await send(Buffer.from('{}')))?.status, 400)
  })

  it('by two who accept at once: one has it, and the other is told [WP-LG-1]', async () => {
    for (let n = 0; n < 6; n++) {
      const serial = fresh()
      const offer = await world.offer(alice, [serial])
      await world.service.apply(offer.bytes)
      const accepts = await Promise.all([world.accept(bob, offer), world.accept(thief, offer)])
      const outcomes = await Promise.allSettled(accepts.map(bytes => world.service.apply(bytes)))
      assert.deepEqual(outcomes.map(({ status }) => status).sort(), ['fulfilled', 'rejected'])
      for (const outcome of outcomes)
        if (outcome.status === 'rejected') assert.equal(outcome.reason.code, 'offer-accepted')
      assert.equal((await world.unit(serial)).declarationVersion, 3)
    }
  })
})

/** One process of the manufacturer is held up at each step of an acceptance, while another does what goes against it. */
void describe('two processes on one PostgreSQL, at every step', { ...needsPostgres(), timeout: 240_000 }, () => {
  const opened: TestStore[] = []
  let alice: TestParty
  let bob: TestParty
  let carol: TestParty
  let world: OwnershipWorld
  let other: TestStore['store']
  let used = 0
  before(async () => {
    ;[alice, bob, carol] = (await Promise.all(['alice', 'bob', 'carol'].map(party))) as [
      TestParty,
      TestParty,
      TestParty,
    ]
    world = await openOwnershipWorld(alice, 150, async options => {
      const each = await openSharedTestStore(options)
      opened.push(each)
      return each
    })
    other = await opened[0]!.also()
  })
  after(async () => {
    const verdict = await world.factory.store.verify()
    assert.equal(verdict.integrity, 'pass', JSON.stringify(verdict.firstBad))
    await world.close()
  })

  const rivals = {
    'another acceptance': (offer: Offered) => world.accept(carol, offer),
    'the same acceptance': (offer: Offered) => world.accept(bob, offer),
    'its revocation': (offer: Offered) => world.ask(alice, { action: 'revoke-offer', offer: offer.id }),
    'a grant': ({ serials }: Offered) =>
      world.ask(alice, {
        action: 'grant',
        devices: serials.slice(1).map(serial => ({ serial, version: 2 })),
        onboarder: carol.card,
      }),
  }
  type Offered = { readonly id: string; readonly secret: string; readonly serials: readonly string[] }

  for (const [name, rival] of Object.entries(rivals)) {
    it(`an acceptance against ${name}`, async () => {
      const points = await atEveryStep(async hold => {
        const serials = [serialOf(++used), serialOf(++used)]
        const offer = { ...(await world.offer(alice, serials)), serials }
        await world.service.apply(offer.bytes)
        const against = await rival(offer)
        let faster: PromiseSettledResult<unknown> | undefined
        const held = hold(other, async () => {
          ;[faster] = await Promise.allSettled([world.service.apply(against)])
        })
        const [slower] = await Promise.allSettled([world.over(held).apply(await world.accept(bob, offer))])
        const units = await Promise.all(serials.map(serial => world.unit(serial)))
        const owners = new Set(units.map(({ owner }) => owner))
        assert.equal(owners.size, 1, 'all of them, or none')
        const [owner] = owners
        if (faster === undefined) return
        assert.equal(faster.status, 'fulfilled')
        assert.equal(slower?.status === 'fulfilled', owner === 'bob')
        if (slower?.status === 'rejected') {
          assert.ok(['offer-accepted', 'offer-revoked', 'declaration-stale'].includes(slower.reason.code))
        }
      })
      // What comes after the first write holds the lock of the offer.
      assert.equal(points, 2)
    })
  }
})
