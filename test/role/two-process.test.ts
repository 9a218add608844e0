import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { after, before, describe, test } from 'node:test'
import { decodeCertsOnly } from '../../src/codec/cms.ts'
import { decodeCertificateList } from '../../src/codec/crl.ts'
import { decodeCertificate } from '../../src/codec/x509/certificate.ts'
import { encodeName } from '../../src/codec/x509/name.ts'
import { createCsr } from '../../src/crypto/csr.ts'
import { generateKey } from '../../src/crypto/key.ts'
import { keySigner } from '../../src/crypto/signer.ts'
import { deviceId } from '../../src/domain/device.ts'
import type { Endpoint, EndpointReply, EndpointRequest, MasaClient, Store } from '../../src/domain/port.ts'
import { createAdmission } from '../../src/role/authorization/admission.ts'
import { createApproval } from '../../src/role/authorization/approval.ts'
import { makeUnits } from '../../src/role/factory/line.ts'
import { sellUnits } from '../../src/role/factory/sale.ts'
import { presencePath } from '../../src/role/onboarding/presence.ts'
import type { Revocation } from '../../src/role/onboarding/revocation.ts'
import { createSiteEndpoints } from '../../src/role/onboarding/site-endpoint.ts'
import { expectDevice } from '../../src/role/supply-chain/import.ts'
import { importRecall } from '../../src/role/supply-chain/recall-import.ts'
import { signRecall } from '../../src/role/supply-chain/recall-notice.ts'
import { runRecallWork } from '../../src/role/supply-chain/recall-work.ts'
import { testPolicies } from '../policy.ts'
import { needsPostgres } from '../postgres.ts'
import { openSharedTestStore, silentLog, type TestStore } from '../store.ts'
import { type Factory, openFactory } from './factory/factory.ts'
import { atEveryStep } from './meanwhile.ts'
import {
  buyer,
  directMasa,
  expectUnit,
  type Neighbourhood,
  openNeighbourhood,
  pledgeOf,
  testPeer,
} from './onboarding/neighbourhood.ts'

/** What one process does while another one is held up at any step of the same, or of something that goes against it. */
void describe('two processes on one PostgreSQL, at every step', { ...needsPostgres(), timeout: 240_000 }, () => {
  let home: Neighbourhood
  const opened: TestStore[] = []
  /** Of the site, in the one process and in the other; and of the manufacturer. */
  let here: Store
  let other: Store
  let otherMaker: Store
  let made = 0
  before(async () => {
    home = await openNeighbourhood({
      units: 170,
      async open(options) {
        const each = await openSharedTestStore(options)
        opened.push(each)
        return each
      },
    })
    here = home.site
    const also = (store: Store) => opened.find(each => each.store === store)!.also()
    ;[otherMaker, other] = [await also(home.factory), await also(home.site)]
  })
  after(async () => {
    for (const { store } of opened) {
      const verdict = await store.verify()
      assert.equal(verdict.integrity, 'pass', JSON.stringify(verdict.firstBad))
    }
    await home.close()
  })

  /** A process of the site over this store. */
  function process(store: Store, masa: MasaClient['requestVoucher'] = request => home.masaClient.answer(request)) {
    const clock = () => home.now.value
    const policy = { network: 'home', owners: [buyer], credentialLifetimeDays: 365, retryAfterSeconds: 5 }
    const { list, revocation } = createSiteEndpoints({
      store,
      clock,
      log: silentLog,
      authority: home.authority,
      admission: createAdmission(store, clock, policy, testPolicies()),
      policy,
      masa: { requestVoucher: masa, requestAuditLog: masa },
    })
    const place: Neighbourhood = { ...home, site: store, send: request => answer(list, request) }
    return { place, revocation, approval: createApproval(store) }
  }

  /** A new unit, on the list of the site. */
  async function next(): Promise<{ readonly serial: string; readonly id: string }> {
    const serial = `B1-${String(++made).padStart(6, '0')}`
    await expectUnit(home, serial)
    return { serial, id: deviceId('acme', serial) }
  }

  const pledgeAt = (store: Store, serial: string) => pledgeOf(process(store).place, home.unit(serial))

  const kinds = async (id: string) => (await here.history(`device/${id}`)).map(({ kind }) => kind)
  const count = async (id: string, kind: string) => (await kinds(id)).filter(each => each === kind).length

  /** Takes the unit as far as its voucher. */
  async function vouched(): Promise<{ readonly serial: string; readonly id: string }> {
    const unit = await next()
    const pledge = pledgeAt(here, unit.serial)
    assert.equal((await pledge.post(await pledge.voucherRequest())).status, 200)
    return unit
  }

  /** … and to its credential. */
  async function credentialed() {
    const unit = await vouched()
    const reply = await pledgeAt(here, unit.serial).enroll(keySigner(generateKey('P-256')))
    const [credential] = await here.read(tables => tables.credential.find({ device: unit.id }))
    return { ...unit, credential: credential!, peer: testPeer([certificateIn(reply)], registrar()) }
  }

  const registrar = () => home.authority.registrar.certificate.der
  const csrFor = async () =>
    (await createCsr({ subject: encodeName({}) }, keySigner(generateKey('P-256')))).toString('base64')
  const enrol = (store: Store, serial: string, csr: string) =>
    pledgeAt(store, serial).request('POST', '/.well-known/est/simpleenroll', 'application/pkcs10', csr)

  test('one voucher request', async () => {
    const points = await atEveryStep(async hold => {
      const { serial, id } = await next()
      const request = await pledgeAt(here, serial).voucherRequest()
      let first: EndpointReply | undefined
      const held = hold(other, async () => {
        first = await pledgeAt(here, serial).post(request)
      })
      const second = await pledgeAt(held, serial).post(request)
      first ??= await pledgeAt(here, serial).post(request)
      assert.deepEqual([first.status, second.status], [200, 200], `${String(first.body)} ${String(second.body)}`)
      assert.deepEqual(second.body, first.body)
      assert.equal(await count(id, 'voucher-obtained'), 1)
      assert.equal(await count(id, 'onboarding-refused'), 0)
    })
    assert.ok(points >= 4, String(points))
  })

  test('one voucher request, by way of two processes of the manufacturer', async () => {
    await atEveryStep(async hold => {
      const { serial } = await next()
      const request = await pledgeAt(here, serial).voucherRequest()
      let first: EndpointReply | undefined
      const held = hold(otherMaker, async () => {
        first = await pledgeAt(here, serial).post(request)
      })
      const { place } = process(other, directMasa(home.masaOver(held)))
      const second = await pledgeOf(place, home.unit(serial)).post(request)
      first ??= await pledgeAt(here, serial).post(request)
      assert.deepEqual([first.status, second.status], [200, 200], `${String(first.body)} ${String(second.body)}`)
      assert.equal(await home.factory.read(tables => tables.issuedVoucher.count({ serial })), 1)
    })
  })

  test('one request for a certificate', async () => {
    const points = await atEveryStep(async hold => {
      const { serial, id } = await vouched()
      const csr = await csrFor()
      let first: EndpointReply | undefined
      const held = hold(other, async () => {
        first = await enrol(here, serial, csr)
      })
      const second = await enrol(held, serial, csr)
      first ??= await enrol(here, serial, csr)
      assert.deepEqual([first.status, second.status], [200, 200], `${String(first.body)} ${String(second.body)}`)
      assert.deepEqual(second.body, first.body)
      assert.deepEqual([await count(id, 'credential-planned'), await count(id, 'credential-issued')], [1, 1])
    })
    assert.ok(points >= 6, String(points))
  })

  test('a device that is withdrawn while it enrols gets nothing', async () => {
    await atEveryStep(async hold => {
      const { serial, id } = await vouched()
      let withdrawn = false
      const held = hold(other, async () => {
        await process(here).approval.withdraw(id, 'x')
        withdrawn = true
      })
      const { status, body } = await enrol(held, serial, await csrFor())
      if (!withdrawn) return
      assert.match(String(body), /^device-withdrawn:/, String(status))
      assert.equal(await here.read(tables => tables.credential.count({ device: id, status: 'issued' })), 0)
    })
  })

  test('a device that is recalled while it enrols has nothing in force when all is done', async () => {
    await atEveryStep(async hold => {
      const { serial, id } = await vouched()
      let recalled = false
      const held = hold(other, async () => {
        await recallUnit(here, serial)
        recalled = true
      })
      const { status, body } = await enrol(held, serial, await csrFor())
      if (!recalled) return
      if (status !== 200) assert.match(String(body), /^device-recalled:/, String(status))
      assert.equal(await here.read(tables => tables.credential.count({ device: id, status: 'issued' })), 0)
      assert.equal(await count(id, 'device-recalled'), 1)
    })
  })

  test('a recall that two processes import and work on at once hits each device once', async () => {
    await atEveryStep(async hold => {
      const { serial, id } = await credentialed()
      const bytes = await noticeFor(serial)
      const held = hold(other, () => recallUnit(here, serial, bytes))
      await recallUnit(held, serial, bytes)
      assert.deepEqual([await count(id, 'device-recalled'), await count(id, 'credential-revoked')], [1, 1])
      const found = await here.read(tables => tables.recall.find({ manufacturer: 'acme' }, { limit: 1000 }))
      const own = found.find(({ reference }) => reference === serial)
      assert.deepEqual([own?.work.state, own?.work.affected, own?.work.revoked], ['done', 1, 1])
    })
  })

  const noticeFor = (serial: string) =>
    signRecall(
      {
        ...{ recall: randomBytes(16).toString('hex'), number: 1, action: 'withdraw', manufacturer: 'Acme' },
        ...{ issuedAt: home.now.value, reason: 'defect', note: '', reference: serial },
        ...{ models: [], batches: [], serials: [serial] },
      },
      home.manufacturer.manifest,
    )

  /** Imports a recall of the unit and goes through the devices. */
  async function recallUnit(store: Store, serial: string, notice?: Buffer): Promise<void> {
    const clock = () => home.now.value
    const bytes = notice ?? (await noticeFor(serial))
    await importRecall({ bytes, store, clock, importedBy: 'x', treatment: 'revoke' })
    const { revocation } = process(store)
    await runRecallWork({ store, clock, log: silentLog, revocation })
  }

  test('a credential that is revoked while its device connects or renews is revoked', async () => {
    await atEveryStep(async hold => {
      const { serial, id, credential, peer } = await credentialed()
      const revoke = () => process(here).revocation.revoke(credential.id, 'keyCompromise', 'x')
      const { place } = process(hold(other, revoke))
      await pledgeOf(place, home.unit(serial), { peer }).request('GET', presencePath, '', '')
      const now = await here.read(tables => tables.credential.get(credential.id))
      if ((await count(id, 'credential-revoked')) === 0) return
      assert.deepEqual([now?.status, now?.revocationReason], ['revoked', 'keyCompromise'])
      assert.equal(await count(id, 'credential-revoked'), 1)
    })
    await atEveryStep(async hold => {
      const { serial, id, credential, peer } = await credentialed()
      const revoke = () => process(here).revocation.revoke(credential.id, 'keyCompromise', 'x')
      const held = pledgeOf(process(hold(other, revoke)).place, home.unit(serial), { peer })
      const csr = await createCsr({ subject: subjectOf(peer.certificates[0]!) }, keySigner(generateKey('P-256')))
      const path = '/.well-known/est/simplereenroll'
      const { status, body } = await held.request('POST', path, 'application/pkcs10', csr.toString('base64'))
      if ((await count(id, 'credential-revoked')) === 0) return assert.equal(status, 200)
      assert.match(String(body), /^credential-not-in-force:/)
      assert.equal(await here.read(tables => tables.credential.count({ device: id, status: 'issued' })), 0)
    })
  })

  test('two revocations: of one credential it is one, of two both stand in the list', async () => {
    const list = async (at: Revocation) => [...decodeCertificateList(await at.crl()).revoked.keys()]
    await atEveryStep(async hold => {
      const [one, two] = [await credentialed(), await credentialed()]
      const now = process(here).revocation
      const held = process(
        hold(other, async () => {
          await now.revoke(one.credential.id, 'keyCompromise', 'x')
          await now.revoke(two.credential.id, 'keyCompromise', 'x')
        }),
      ).revocation
      await held.revoke(one.credential.id, 'superseded', 'x')
      assert.equal(await count(one.id, 'credential-revoked'), 1)
      const revoked = (await here.read(tables => tables.credential.find({ status: 'revoked' }, { limit: 1000 })))
        .map(({ serialHex }) => serialHex)
        .toSorted()
      for (const each of [now, held]) assert.deepEqual((await list(each)).toSorted(), revoked)
    })
    const numbers = (await here.feed({}, 100_000)).events
      .filter(({ kind }) => kind === 'crl-numbered')
      .map(({ body }) => body['number'] as number)
    assert.equal(new Set(numbers).size, numbers.length)
    const record = await here.read(tables => tables.issuer.get('issuing-1'))
    assert.equal(record?.crlNumber, Math.max(...numbers))
  })

  test('a person grants what another one denies: both are on record, the later one counts', async () => {
    await atEveryStep(async hold => {
      const { serial, id } = await stranger()
      const held = process(hold(other, () => process(here).approval.deny(id, 'a'))).approval
      await held.grant(id, 'b')
      const decided = (await kinds(id)).filter(kind => kind.startsWith('admission-') && kind !== 'admission-decided')
      const standing = (await here.read(tables => tables.device.get(id)))?.standing
      assert.equal(standing, decided.at(-1) === 'admission-granted' ? 'approved' : 'denied', serial)
    })
  })

  test('a device is announced while it knocks: it is expected', async () => {
    await atEveryStep(async hold => {
      const serial = `B1-${String(++made).padStart(6, '0')}`
      const id = deviceId('acme', serial)
      let announced = false
      const announce = async (store: Store) => {
        await expectDevice(store, { manufacturer: 'acme', serial }, 'x')
        announced = true
      }
      const pledge = pledgeAt(
        hold(other, () => announce(here)),
        serial,
      )
      const { status } = await pledge.post(await pledge.voucherRequest())
      if (!announced) await announce(here)
      assert.ok(status === 200 || status === 202)
      const device = await here.read(tables => tables.device.get(id))
      assert.equal(device?.standing, 'expected')
      assert.equal(device.version, (await kinds(id)).length)
    })
  })

  /** A unit that nobody announced, and that has knocked. */
  async function stranger() {
    const serial = `B1-${String(++made).padStart(6, '0')}`
    const pledge = pledgeAt(here, serial)
    assert.equal((await pledge.post(await pledge.voucherRequest())).status, 202)
    return { serial, id: deviceId('acme', serial) }
  }
})

void describe('two processes of a manufacturer on one PostgreSQL, at every step', {
  ...needsPostgres(),
  timeout: 240_000,
}, () => {
  let factory: Factory
  let other: Store
  before(async () => {
    factory = await openFactory({}, openSharedTestStore)
    other = await factory.opened.also()
  })
  after(async () => {
    assert.equal((await factory.store.verify()).integrity, 'pass')
    await factory.opened.close()
  })

  test('two lines on one batch make each unit once, and the batch is finished', async () => {
    const points = await atEveryStep(async (hold, point) => {
      const terms = { batch: `T${point}`, count: 3 }
      const held = hold(other, () => makeUnits(factory.order({ ...terms, concurrency: 2 })))
      // One by one: a unit of work that shared its transaction with another would wait with that one's locks in hand.
      const { batch, refused } = await makeUnits({ ...factory.order({ ...terms, concurrency: 1 }), store: held })
      assert.deepEqual([batch.made, refused], [3, []])
      const record = await factory.store.read(tables => tables.batch.get(terms.batch))
      assert.ok(record?.finishedAt !== undefined)
      const units = await factory.store.read(tables => tables.unit.find({ batch: terms.batch }))
      assert.equal(units.length, 3)
      for (const { serial } of units) {
        const certificates = await factory.store.read(tables => tables.credential.find({ device: serial }))
        assert.deepEqual(
          certificates.map(({ status }) => status),
          ['issued'],
        )
        assert.equal(factory.bench.installed.get(serial)?.size, 1)
      }
      const events = (await factory.store.history(`batch/${terms.batch}`)).map(({ kind }) => kind)
      assert.deepEqual(events, ['batch-started', 'batch-finished'])
    })
    assert.ok(points > 15, String(points))
  })

  test('a unit is sold to one of two buyers', async () => {
    await atEveryStep(async (hold, point) => {
      const terms = { batch: `V${point}`, count: 1 }
      await makeUnits(factory.order(terms))
      const [a, b] = ['a', 'b'].map(id => ({
        buyer: { id, name: id, domains: [Buffer.alloc(20, id).toString('base64')] },
      }))
      let sold = false
      const held = hold(other, async () => {
        await sellUnits(factory, { batch: terms.batch }, a!)
        sold = true
      })
      const sale = sellUnits({ ...factory, store: held }, { batch: terms.batch }, b!)
      await sale.then(
        () => assert.ok(!sold),
        (error: { code: string }) => assert.deepEqual([sold, error.code], [true, 'not-owner']),
      )
      const [unit] = await factory.store.read(tables => tables.unit.find({ batch: terms.batch }))
      assert.deepEqual([unit?.owner, unit?.declarationVersion], [sold ? 'a' : 'b', 2])
    })
  })
})

async function answer(list: readonly Endpoint[], request: EndpointRequest): Promise<EndpointReply> {
  for (const endpoint of list) {
    const reply = await endpoint.handle(request)
    if (reply !== undefined) return reply
  }
  return { status: 404 }
}

function certificateIn({ status, body }: EndpointReply): Uint8Array {
  assert.equal(status, 200, String(body))
  return decodeCertsOnly(Buffer.from(String(body), 'base64')).certificates[0]!
}

const subjectOf = (der: Uint8Array) => decodeCertificate(der).subject.der
