import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { memoryKeyStore } from '../../src/adapter/key/memory.ts'
import { decodeCertificateList } from '../../src/codec/crl.ts'
import { encodeName } from '../../src/codec/x509/name.ts'
import { createCsr } from '../../src/crypto/csr.ts'
import { generateKey } from '../../src/crypto/key.ts'
import { keySigner } from '../../src/crypto/signer.ts'
import { deviceId } from '../../src/domain/device.ts'
import { OnboardingError } from '../../src/domain/error.ts'
import type { Endpoint, MasaClient } from '../../src/domain/port.ts'
import { createAdmission } from '../../src/role/authorization/admission.ts'
import { setUpAuthority } from '../../src/role/onboarding/authority.ts'
import { openManufacturerDirectory } from '../../src/role/onboarding/manufacturer-directory.ts'
import { createCredentialIssuer, openCsr } from '../../src/role/onboarding/network-credential.ts'
import { createRevocation } from '../../src/role/onboarding/revocation.ts'
import { createSiteEndpoints } from '../../src/role/onboarding/site-endpoint.ts'
import { expectDevice } from '../../src/role/supply-chain/import.ts'
import { distrustManufacturer, listManufacturers, trustManufacturer } from '../../src/role/supply-chain/trust.ts'
import { certify } from '../crypto/pki.ts'
import { testPolicies } from '../policy.ts'
import { needsPostgres } from '../postgres.ts'
import { buyer, type Neighbourhood, openNeighbourhood, pledgeOf } from '../role/onboarding/neighbourhood.ts'
import { openTestStoreAt, postgresPlace, silentLog, type TestStore } from '../store.ts'

const clock = () => Date.UTC(2026, 10, 20)

describe('two processes of one site, on PostgreSQL', { ...needsPostgres(), timeout: 120_000 }, () => {
  let opened: TestStore
  before(async () => {
    opened = await openTestStoreAt(await postgresPlace())
  })
  after(() => opened.close())

  it('never trust one root under two names, however close the decisions', async () => {
    const other = await opened.also()
    for (let round = 0; round < 10; round++) {
      const root = await certify({ subject: `root ${round}`, ca: true })
      const decisions = await Promise.allSettled(
        [opened.store, other].map((store, i) =>
          trustManufacturer({ store, clock }, { name: `m${round}-${i}`, anchors: [root.certificate.der] }, 'x'),
        ),
      )
      const refused = decisions
        .filter(decision => decision.status === 'rejected')
        .map(({ reason }) => reason as unknown)
      assert.equal(refused.length, 1, `round ${round}`)
      assert.ok(refused[0] instanceof OnboardingError)
      assert.equal(refused[0].code, 'anchor-invalid')
    }
    const directory = openManufacturerDirectory(opened.store)
    assert.equal((await directory.current()).anchors.length, 10)
    directory.close()
  })

  it('know of each other’s decisions', async () => {
    const other = await opened.also()
    const directory = openManufacturerDirectory(other)
    const [first] = await listManufacturers(opened.store)
    assert.ok(first !== undefined)
    assert.ok((await directory.current()).entry(first.name) !== undefined)
    const heard = new Promise<void>(resolve => {
      other.onCommit(events => {
        if (events.some(({ kind }) => kind === 'manufacturer-distrusted')) resolve()
      })
    })
    await distrustManufacturer(opened.store, first.name, 'x')
    await heard
    assert.equal((await directory.current()).entry(first.name), undefined)
    directory.close()
  })
})

describe('a device that reaches two processes of its site at once', { ...needsPostgres(), timeout: 120_000 }, () => {
  let home: Neighbourhood
  let opened: TestStore
  let processes: readonly Endpoint[][]
  before(async () => {
    home = await openNeighbourhood({ units: 12 })
    opened = await openTestStoreAt(await postgresPlace())
    const stores = [opened.store, await opened.also()]
    const { deviceRoot, masaRoot } = home.manufacturer
    const decision = { name: 'acme', anchors: [deviceRoot.der], masaAnchors: [masaRoot.der] }
    await trustManufacturer({ store: opened.store, clock }, decision, 'x')
    const policy = { network: 'home', owners: [buyer], credentialLifetimeDays: 365, retryAfterSeconds: 5 }
    const ask: MasaClient['requestVoucher'] = request => home.masaClient.answer(request)
    processes = stores.map(store => [
      ...createSiteEndpoints({
        store,
        clock,
        log: silentLog,
        authority: home.authority,
        admission: createAdmission(store, clock, policy, testPolicies()),
        policy,
        masa: { requestVoucher: ask, requestAuditLog: ask },
      }).list,
    ])
  })
  after(async () => {
    assert.equal((await opened.store.verify()).integrity, 'pass')
    await opened.close()
    await home.close()
  })

  /** The same unit at each of the processes. */
  function pledges(serial: string) {
    return processes.map(list => {
      const place: Neighbourhood = {
        ...home,
        async send(request) {
          for (const endpoint of list) {
            const reply = await endpoint.handle(request)
            if (reply !== undefined) return reply
          }
          return { status: 404 }
        },
      }
      return pledgeOf(place, home.unit(serial))
    })
  }

  for (let n = 1; n <= 12; n++) {
    const serial = `B1-${String(n).padStart(6, '0')}`
    it(`is one voucher and one credential: ${serial}`, async () => {
      await expectDevice(opened.store, { manufacturer: 'acme', serial }, 'x')
      const both = pledges(serial)
      const [first] = both
      assert.ok(first !== undefined)
      const request = await first.voucherRequest()
      // Both have their answer before either writes it down.
      const honest = home.masaClient.answer
      const asked: (() => void)[] = []
      home.masaClient.answer = async given => {
        const answer = await honest(given)
        await new Promise<void>(resolve => {
          asked.push(resolve)
          if (asked.length === both.length) for (const go of asked) go()
        })
        return answer
      }
      const answers = await Promise.all(both.map(pledge => pledge.post(request)))
      home.masaClient.answer = honest
      assert.deepEqual(
        answers.map(({ status, body }) => [status, status === 200 ? 'voucher' : String(body)]),
        [
          [200, 'voucher'],
          [200, 'voucher'],
        ],
      )
      const again = await Promise.all(both.map(pledge => pledge.post(request)))
      assert.deepEqual(again[0]?.body, again[1]?.body)
      const csr = await createCsr({ subject: encodeName({ commonName: 'x' }) }, keySigner(generateKey('P-256')))
      const enrolled = await Promise.all(
        [...both, ...both].map(pledge =>
          pledge.request('POST', '/.well-known/est/simpleenroll', 'application/pkcs10', csr.toString('base64')),
        ),
      )
      assert.deepEqual(
        new Set(enrolled.map(({ status }) => status)),
        new Set([200]),
        enrolled.map(({ body }) => String(body)).join(),
      )
      assert.equal(new Set(enrolled.map(({ body }) => String(body))).size, 1)
      const device = deviceId('acme', serial)
      assert.equal(await opened.store.read(tables => tables.credential.count({ device })), 1)
      assert.equal(await opened.store.read(tables => tables.voucher.count({ device })), 1)
      const record = await opened.store.read(tables => tables.device.get(device))
      assert.equal(record?.refusal, undefined)
    })
  }
})

describe('revocations at two processes', { ...needsPostgres(), timeout: 120_000 }, () => {
  it('all stand in one CRL, and no number is taken twice', async t => {
    const opened = await openTestStoreAt(await postgresPlace())
    t.after(opened.close)
    const stores = [opened.store, await opened.also()]
    const keys = memoryKeyStore()
    const { issuing } = await setUpAuthority({
      store: opened.store,
      keys,
      clock,
      network: 'home',
      hosts: [],
      curve: 'P-256',
    })
    const root = await certify({ subject: 'root', ca: true })
    await trustManufacturer({ store: opened.store, clock }, { name: 'acme', anchors: [root.certificate.der] }, 'x')
    const issuer = createCredentialIssuer({ store: opened.store, clock, issuing })
    const plan = { kind: 'network', lifetimeDays: 30, network: 'home' } as const
    for (let n = 0; n < 20; n++) {
      const { id: device } = await expectDevice(opened.store, { manufacturer: 'acme', serial: `S${n}` }, 'x')
      const csr = await createCsr({ subject: encodeName({ commonName: 'x' }) }, keySigner(generateKey('P-256')))
      await issuer.issue({ device, csr: openCsr(csr), plan, authorize() {} })
    }
    const credentials = await opened.store.read(tables => tables.credential.find({ status: 'issued' }))
    const processes = stores.map(store =>
      createRevocation({ store, clock, issuers: () => [issuing], crlValidity: 86_400_000 }),
    )
    await Promise.all(
      credentials.flatMap(({ id }, n) => [
        processes[n % 2]!.revoke(id, 'keyCompromise', 'x'),
        processes[(n + 1) % 2]!.crl(),
      ]),
    )
    for (const each of processes) {
      const { revoked } = decodeCertificateList(await each.crl())
      assert.deepEqual([...revoked.keys()].toSorted(), credentials.map(({ serialHex }) => serialHex).toSorted())
    }
    const events = await opened.store.history('issuer/issuing-1', 0, 1000)
    const numbers = events.filter(({ kind }) => kind === 'crl-numbered').map(({ body }) => body['number'])
    assert.deepEqual(
      numbers,
      numbers.map((_, i) => i + 1),
    )
    assert.equal((await opened.store.verify()).integrity, 'pass')
  })
})
