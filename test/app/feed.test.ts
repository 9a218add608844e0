import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { createFeedClient, type HttpsFeedClient } from '../../src/adapter/http/feed-client.ts'
import { type ManufacturerSite, openManufacturerSite } from '../../src/app/manufacturer.ts'
import { openSite, type Site } from '../../src/app/site.ts'
import { encodeName } from '../../src/codec/x509/name.ts'
import { createCsr } from '../../src/crypto/csr.ts'
import { generateKey } from '../../src/crypto/key.ts'
import { keySigner } from '../../src/crypto/signer.ts'
import { OnboardingError } from '../../src/domain/error.ts'
import type { SubscriptionRecord } from '../../src/domain/feed.ts'
import { addBuyer, publishManifest, removeBuyer } from '../../src/role/factory/feed.ts'
import { runNoticeWork } from '../../src/role/factory/feed-notice.ts'
import { makeUnits } from '../../src/role/factory/line.ts'
import { issueRecall } from '../../src/role/factory/recall.ts'
import { type BuyerCard, buyerCard, sellUnits } from '../../src/role/factory/sale.ts'
import { feedNoticePath, feedPath, signFeedNotice } from '../../src/role/supply-chain/feed-message.ts'
import { runFeedWork } from '../../src/role/supply-chain/feed-pull.ts'
import { requestPull, subscribe } from '../../src/role/supply-chain/subscription.ts'
import { trustManufacturer } from '../../src/role/supply-chain/trust.ts'
import { partyStores, silentLog } from '../store.ts'

/** A manufacturer and the sites of two buyers, joined by TLS on this machine. */
interface Street {
  readonly maker: ManufacturerSite
  readonly url: string
  readonly site: Site
  readonly neighbour: Site
  readonly card: BuyerCard
  readonly client: HttpsFeedClient
}

let street: Street
let data: string
const cardOf = (site: Site) => buyerCard({ id: site.owner, name: site.owner, certificates: [site.authority.root] })
const clientOf = (site: Site) =>
  createFeedClient({
    credential: {
      ...site.credential,
      certificateChain: [...site.credential.certificateChain, site.authority.root.der],
    },
  })

async function makeBatch(maker: ManufacturerSite, batch: string, buyer: BuyerCard): Promise<void> {
  const port = {
    csr: async (serial: string) =>
      createCsr({ subject: encodeName({ serialNumber: serial }) }, keySigner(generateKey('P-256'))),
    install: async () => {},
  }
  await makeUnits({ ...maker, port, batch, model: { name: 'Lamp' }, count: 3, keyOrigin: 'device' })
  await sellUnits(maker, { batch }, { buyer })
  await publishManifest(maker, { batch }, buyer)
}

before(async () => {
  data = await mkdtemp(join(tmpdir(), 'mooring-feed-'))
  const { storeUrl } = partyStores()
  const stored = async (party: string) => (storeUrl === undefined ? {} : { storeUrl: await storeUrl(party) })
  const maker = await openManufacturerSite({
    name: 'Acme',
    data: join(data, 'maker'),
    ...(await stored('maker')),
    masaUrl: 'https://127.0.0.1:9443',
    hosts: ['127.0.0.1'],
    log: silentLog,
  })
  const { port } = await maker.listen({ host: '127.0.0.1', port: 0 })
  const open = async (owner: string) =>
    openSite({
      network: owner,
      owner,
      data: join(data, owner),
      ...(await stored(owner)),
      host: '127.0.0.1',
      port: 0,
      log: silentLog,
    })
  const [site, neighbour] = [await open('harbour'), await open('valley')]
  const { deviceRoot, masaRoot } = maker.manufacturer
  for (const each of [site, neighbour]) {
    await trustManufacturer(each, { name: 'acme', anchors: [deviceRoot.der], masaAnchors: [masaRoot.der] }, 'root')
  }
  const client = clientOf(site)
  street = { maker, url: `https://127.0.0.1:${port}${feedPath}`, site, neighbour, card: cardOf(site), client }
})

after(async () => {
  street.client.close()
  await street.site.close()
  await street.neighbour.close()
  await street.maker.close()
  await rm(data, { recursive: true, force: true })
})

const terms = (url: string, more: object = {}) =>
  ({ manufacturer: 'acme', url, interval: 3_600_000, treatment: 'revoke', privateAddress: true, ...more }) as const

async function pull(site: Site, client = street.client): Promise<SubscriptionRecord> {
  await site.store.transaction(tx => requestPull(tx, 'acme'))
  const { store, clock } = site
  await runFeedWork({ store, clock, random: randomBytes, log: silentLog, client, onRecall() {} })
  return (await store.read(tables => tables.subscription.get('acme')))!
}

function refused(code: string, rule?: string) {
  return (error: unknown) => {
    assert.ok(error instanceof OnboardingError, String(error))
    assert.equal(error.code, code, error.message)
    if (rule !== undefined) assert.equal(error.detail['rule'], rule)
    return true
  }
}

describe('a purchase feed over TLS', { concurrency: 1 }, () => {
  test('refuses whom the manufacturer does not know', async () => {
    const { site, url } = street
    await subscribe(site, terms(url), 'anna')
    const { state } = await pull(site)
    assert.equal(state.failure?.code, 'feed-refused')
    assert.match(state.failure?.reason ?? '', /feed-buyer-unknown/)
    const nameless = createFeedClient()
    const server = { name: 'acme', anchors: anchorsOf(), privateAddress: true }
    await assert.rejects(
      nameless.get({ url: `${url}/after/000000000000`, server, limit: 1000 }),
      refused('feed-refused'),
    )
    nameless.close()
  })

  test('brings a buyer the manifests of its own purchases, and recalls, and nothing twice [WP-M6.08]', async () => {
    const { maker, site, neighbour, card } = street
    await addBuyer(maker, card, {}, 'anna')
    await addBuyer(maker, cardOf(neighbour), {}, 'anna')
    await makeBatch(maker, 'B1', card)
    await makeBatch(maker, 'B2', cardOf(neighbour))
    await issueRecall(maker, { reason: 'defect', serials: ['B1-000003', 'B2-000001'] })
    const { state } = await pull(site)
    assert.equal(state.failure, undefined)
    assert.deepEqual([state.manifests, state.recalls, state.cursor, state.refused], [1, 1, '000000000003', []])
    const devices = await site.store.read(tables => tables.device.find({}))
    assert.deepEqual(devices.map(({ serial }) => serial).sort(), ['B1-000001', 'B1-000002', 'B1-000003'])
    assert.equal(await site.store.read(tables => tables.recall.count({ status: 'in-force' })), 1)
    const again = await pull(site)
    assert.deepEqual([again.state.manifests, again.state.recalls], [1, 1])
  })

  test('has no file of another buyer, whoever asks for it', async () => {
    const { url, client } = street
    const server = { name: 'acme', anchors: anchorsOf(), privateAddress: true }
    await client.get({ url: `${url}/file/000000000001`, server, limit: 100_000 })
    await assert.rejects(
      client.get({ url: `${url}/file/000000000002`, server, limit: 100_000 }),
      refused('feed-refused'),
    )
    for (const wrong of ['after/1', 'file/../file/000000000002', 'file/00000000000x', '']) {
      await assert.rejects(client.get({ url: `${url}/${wrong}`, server, limit: 100_000 }), refused('feed-refused'))
    }
    await assert.rejects(
      client.get({ url: `${url}/file/000000000001`, server, limit: 10 }),
      refused('feed-answer-invalid', 'too-large'),
    )
  })

  test('is not asked at an address of ours, nor of a server without a path to the anchors', async () => {
    const { url, neighbour, maker } = street
    const client = clientOf(neighbour)
    await subscribe(neighbour, terms(url, { privateAddress: false }), 'anna')
    assert.equal((await pull(neighbour, client)).state.failure?.code, 'feed-address-refused')
    const twice = await pull(neighbour, client)
    assert.ok((twice.state.failure?.times ?? 0) >= 2)
    const { deviceRoot } = maker.manufacturer
    // As an operator who mistook the one root for the other.
    const mistaken = { name: 'acme', anchors: [deviceRoot.der], masaAnchors: [neighbour.authority.root.der] }
    await trustManufacturer(neighbour, mistaken, 'root')
    await subscribe(neighbour, terms(url), 'anna')
    assert.equal((await pull(neighbour, client)).state.failure?.code, 'feed-untrusted')
    for (const wrong of ['http://127.0.0.1/feed', 'https://a:b@127.0.0.1/feed', 'nowhere', `${url}?x=1`]) {
      await assert.rejects(subscribe(neighbour, terms(wrong), 'anna'), refused('feed-address-refused'))
    }
    client.close()
  })

  test('a notice from the manufacturer leads to a pull', async () => {
    const { maker, site, card, client } = street
    const noticeUrl = `https://127.0.0.1:${site.port}${feedNoticePath}`
    await addBuyer(maker, card, { noticeUrl, noticePrivateAddress: true }, 'anna')
    await makeBatch(maker, 'B3', card)
    const { store, manufacturer, clock } = maker
    const sender = createFeedClient()
    const heard = new Promise<void>(resolve => {
      const end = site.store.onCommit(() => {
        end()
        resolve()
      }, ['manifest'])
    })
    await runNoticeWork({ store, clock, random: randomBytes, log: silentLog, manufacturer, client: sender })
    // The site's own worker was woken.
    await heard
    const { state } = await pull(site, client)
    assert.equal(state.manifests, 2)
    assert.equal(state.notices.length, 1)
    sender.close()
  })

  test('a notice that is altered, old, for another, heard before or of a stranger leads to nothing', async () => {
    const { maker, site } = street
    const url = `https://127.0.0.1:${site.port}${feedNoticePath}`
    const sender = createFeedClient()
    const server = {
      name: 'harbour',
      anchors: [site.authority.root.der].map(der => Buffer.from(der).toString('base64')),
      privateAddress: true,
    }
    const post = (body: Uint8Array) => sender.post({ url, server, body, contentType: 'application/jose+json' })
    const by = maker.manufacturer.manifest
    const sign = (more: object = {}, signer: typeof by = by) =>
      signFeedNotice({ id: randomBytes(16).toString('hex'), buyer: 'harbour', issuedAt: Date.now(), ...more }, signer)
    const says = (code: string) => (error: unknown) => {
      assert.ok(error instanceof OnboardingError)
      assert.match(String(error.detail['reason']), new RegExp(`^${code}`))
      return true
    }
    const good = await sign()
    await post(good)
    await assert.rejects(post(good), says('notice-replayed'))
    await assert.rejects(post(await sign({ buyer: 'valley' })), says('notice-invalid'))
    await assert.rejects(post(await sign({ issuedAt: Date.now() - 3_600_000 })), says('notice-invalid'))
    await assert.rejects(post(await sign({ issuedAt: Date.now() + 3_600_000 })), says('notice-invalid'))
    await assert.rejects(post(await sign({}, maker.manufacturer.voucher)), says('notice-invalid'))
    await assert.rejects(post(Buffer.from('{}')), says('notice-invalid'))
    await assert.rejects(post(Buffer.alloc(20_000, 'x')), says('notice-invalid'))
    const altered = Buffer.from(good)
    altered[50] = altered[50]! ^ 1
    await assert.rejects(post(altered), says('notice-invalid'))
    for (let n = 0; n < 40; n++) await post(Buffer.from('{}')).catch(() => {})
    await assert.rejects(post(await sign()), refused('feed-unreachable'))
    sender.close()
  })

  test('ends with the buyer', async () => {
    const { maker, site } = street
    await removeBuyer(maker, 'harbour', 'anna')
    assert.equal((await pull(site)).state.failure?.code, 'feed-refused')
    await assert.rejects(removeBuyer(maker, 'harbour', 'anna'), refused('not-found'))
    const { id, name } = street.card
    await assert.rejects(addBuyer(maker, { id, name, domains: ['AAAA'] }, {}, 'anna'), refused('input-invalid'))
    const stolen = { ...street.card, id: 'thief' }
    await addBuyer(maker, street.card, {}, 'anna')
    await assert.rejects(addBuyer(maker, stolen, {}, 'anna'), refused('input-invalid'))
    for (const each of [maker.store, site.store]) {
      const verdict = await each.verify()
      assert.equal(verdict.integrity, 'pass', JSON.stringify(verdict.firstBad))
    }
  })
})

function anchorsOf(): readonly string[] {
  return [Buffer.from(street.maker.manufacturer.masaRoot.der).toString('base64')]
}
