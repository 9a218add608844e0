import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { extendedKeyUsageOid } from '../../src/codec/x509/extension.ts'
import type { Endpoint } from '../../src/domain/port.ts'
import { addBuyer, publishManifest } from '../../src/role/factory/feed.ts'
import { makeUnits } from '../../src/role/factory/line.ts'
import { buyerCard, sellUnits } from '../../src/role/factory/sale.ts'
import { createFeed } from '../../src/role/manufacturer/feed.ts'
import { feedPath, feedStart } from '../../src/role/supply-chain/feed-message.ts'
import { certify, type Entity, eku } from '../crypto/pki.ts'
import { type Factory, now, openFactory } from '../role/factory/factory.ts'
import { testPeer } from '../role/onboarding/neighbourhood.ts'
import { silentLog } from '../store.ts'

const { clientAuth, cmcRA } = extendedKeyUsageOid

describe('the feed of a buyer', () => {
  let factory: Factory
  let feed: Endpoint
  let root: Entity
  let issuing: Entity

  before(async () => {
    factory = await openFactory()
    const { store } = factory
    const clock = () => now
    root = await certify({ subject: 'Harbour root', ca: true })
    issuing = await certify({ subject: 'Harbour issuing', issuer: root, ca: true })
    const card = buyerCard({ id: 'harbour', name: 'Harbour', certificates: [root.certificate] })
    await addBuyer({ store, clock }, card, {}, 'acme')
    await makeUnits(factory.order({ count: 2 }))
    await sellUnits(factory, { batch: 'B1' }, { buyer: card })
    await publishManifest(factory, { batch: 'B1' }, card)
    feed = createFeed({ store, clock, log: silentLog, manufacturer: 'Acme' })
  })
  after(() => factory.opened.close())

  async function ask(leaf: Entity): Promise<number> {
    const chain = [leaf, issuing, root].map(({ certificate }) => certificate.der)
    const statuses: number[] = []
    for (const what of [`after/${feedStart}`, 'file/000000000001']) {
      const path = `${feedPath}/${what}`
      const peer = testPeer(chain, new Uint8Array())
      const reply = await feed.handle({ method: 'GET', path, headers: {}, body: new Uint8Array(), peer })
      statuses.push(reply?.status ?? 404)
    }
    assert.equal(statuses[0], statuses[1])
    return statuses[0]!
  }

  it('is for its registrar, and not for whoever got hold of one lamp of its network', async () => {
    const lamp = await certify({ subject: 'Lamp 1', issuer: issuing, extensions: [eku(clientAuth)] })
    assert.equal(await ask(lamp), 403)
    const bare = await certify({ subject: 'Lamp 2', issuer: issuing })
    assert.equal(await ask(bare), 403)
    const registrar = await certify({ subject: 'Registrar', issuer: issuing, extensions: [eku(clientAuth, cmcRA)] })
    assert.equal(await ask(registrar), 200)
  })
})
