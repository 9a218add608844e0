import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { memoryKeyStore } from '../../../src/adapter/key/memory.ts'
import { decodeCertificateList } from '../../../src/codec/crl.ts'
import { encodeName } from '../../../src/codec/x509/name.ts'
import { createCsr } from '../../../src/crypto/csr.ts'
import { signJws } from '../../../src/crypto/jws.ts'
import { generateKey } from '../../../src/crypto/key.ts'
import { keySigner } from '../../../src/crypto/signer.ts'
import type { AdmissionDecision } from '../../../src/domain/admission.ts'
import { deviceId } from '../../../src/domain/device.ts'
import { OnboardingError } from '../../../src/domain/error.ts'
import type { Store } from '../../../src/domain/port.ts'
import type { RecallRecord, RecallTreatment } from '../../../src/domain/recall.ts'
import { createAdmission } from '../../../src/role/authorization/admission.ts'
import { makeUnits } from '../../../src/role/factory/line.ts'
import { issueRecall, liftRecall, type RecallOrder } from '../../../src/role/factory/recall.ts'
import { buyerCard, sellUnits, shipmentManifest } from '../../../src/role/factory/sale.ts'
import { setUpAuthority } from '../../../src/role/onboarding/authority.ts'
import { createCredentialIssuer, openCsr } from '../../../src/role/onboarding/network-credential.ts'
import { createRevocation, defaultCrlValidity, type Revocation } from '../../../src/role/onboarding/revocation.ts'
import { openFeedNotice } from '../../../src/role/supply-chain/feed-message.ts'
import { expectDevice, importManifest } from '../../../src/role/supply-chain/import.ts'
import { importRecall } from '../../../src/role/supply-chain/recall-import.ts'
import { openRecall, recallType, signRecall } from '../../../src/role/supply-chain/recall-notice.ts'
import { previewRecall } from '../../../src/role/supply-chain/recall-preview.ts'
import { runRecallWork } from '../../../src/role/supply-chain/recall-work.ts'
import { trustManufacturer } from '../../../src/role/supply-chain/trust.ts'
import { testPolicies } from '../../policy.ts'
import { openTestStore, silentLog } from '../../store.ts'
import { type Factory, now, openFactory } from '../factory/factory.ts'

const clock = () => now

interface Scene {
  readonly factory: Factory
  /** Trusted by the site as `bolt`; has sold nothing to it. */
  readonly other: Factory
  readonly site: Store
  readonly revocation: Revocation
  /** Puts the notice in force and goes through the devices. */
  readonly bring: (bytes: Uint8Array, treatment?: RecallTreatment) => Promise<RecallRecord>
  readonly admit: (serial: string) => Promise<AdmissionDecision>
  readonly enroll: (serial: string) => Promise<Buffer>
  readonly statusOf: (serial: string) => Promise<readonly string[]>
}

/** A factory that sold batch B1 of three to a site, and another manufacturer that the site trusts. */
async function withScene(work: (scene: Scene) => Promise<void>): Promise<void> {
  const [factory, other] = [await openFactory(), await openFactory({ name: 'Bolt' })]
  const opened = await openTestStore({ clock })
  const { store } = opened
  try {
    const keys = memoryKeyStore()
    const authority = await setUpAuthority({
      store,
      keys,
      clock,
      network: 'home',
      hosts: ['127.0.0.1'],
      curve: 'P-256',
    })
    const buyer = buyerCard({ id: 'site-1', name: 'Site', certificates: [authority.root] })
    await makeUnits(factory.order({ count: 3 }))
    await sellUnits(factory, { batch: 'B1' }, { buyer })
    for (const [name, { manufacturer }] of [
      ['acme', factory],
      ['bolt', other],
    ] as const) {
      const { deviceRoot, masaRoot } = manufacturer
      await trustManufacturer(
        { store, clock },
        { name, anchors: [deviceRoot.der], masaAnchors: [masaRoot.der] },
        'root',
      )
    }
    const bytes = await shipmentManifest(factory, { batch: 'B1' }, buyer)
    await importManifest({ bytes, store, clock, importedBy: 'anna' })
    const revocation = createRevocation({
      store,
      clock,
      issuers: () => [authority.issuing],
      crlValidity: defaultCrlValidity,
    })
    const policy = { network: 'home', owners: ['site-1'], credentialLifetimeDays: 365, retryAfterSeconds: 5 }
    const admission = createAdmission(store, clock, policy, testPolicies())
    const issuer = createCredentialIssuer({ store, clock, issuing: authority.issuing })
    const plan = { kind: 'network', lifetimeDays: 365, network: 'home' } as const
    await work({
      factory,
      other,
      site: store,
      revocation,
      async bring(bytes, treatment = 'revoke') {
        const { recall } = await importRecall({ bytes, store, clock, importedBy: 'anna', treatment })
        await runRecallWork({ store, clock, log: silentLog, revocation })
        return (await store.read(tables => tables.recall.get(recall.id)))!
      },
      async admit(serial) {
        const unit = await factory.store.read(tables => tables.unit.get(serial))
        const identity = {
          manufacturer: 'acme',
          serial,
          certificateHash: 'c'.repeat(64),
          keyHash: unit?.keyHash ?? 'k',
        }
        const evidence = { attempt: randomBytes(4).toString('hex'), transcript: '00', address: '192.0.2.1' }
        return admission.admit({ identity, network: { id: 'home', protocol: 'brski' }, evidence })
      },
      async enroll(serial) {
        const csr = openCsr(
          await createCsr({ subject: encodeName({ commonName: serial }) }, keySigner(generateKey('P-256'))),
        )
        return issuer.issue({ device: deviceId('acme', serial), csr, plan, authorize() {} })
      },
      async statusOf(serial) {
        const device = deviceId('acme', serial)
        return (await store.read(tables => tables.credential.find({ device }))).map(({ status }) => status)
      },
    })
    const verdict = await store.verify()
    assert.equal(verdict.integrity, 'pass', JSON.stringify(verdict.firstBad))
    assert.equal((await factory.store.verify()).integrity, 'pass')
  } finally {
    await opened.close()
    await factory.opened.close()
    await other.opened.close()
  }
}

const vulnerability = { reason: 'vulnerability', note: 'Unsigned updates.', reference: 'ACME-7' } as const

const order = (terms: Partial<RecallOrder>): RecallOrder => ({ ...vulnerability, ...terms })

function refused(code: string, rule?: string) {
  return (error: unknown) => {
    assert.ok(error instanceof OnboardingError, String(error))
    assert.equal(error.code, code, error.message)
    if (rule !== undefined) assert.equal(error.detail['rule'], rule)
    return true
  }
}

const verdictOf = (decision: AdmissionDecision) => ('code' in decision ? decision.code : decision.verdict)

describe('a recall', () => {
  test('stops the named device and no other, with a code of its own [WP-M6.16]', () =>
    withScene(async ({ factory, site, bring, admit }) => {
      const { file } = await issueRecall(factory, order({ serials: ['B1-000001'] }))
      const recall = await bring(file)
      assert.deepEqual([recall.status, recall.work.state, recall.work.affected], ['in-force', 'done', 1])
      const decision = await admit('B1-000001')
      assert.equal(verdictOf(decision), 'device-recalled')
      assert.match(decision.reasons.at(-1)!.note, /vulnerability/)
      assert.equal(verdictOf(await admit('B1-000002')), 'admit')
      const device = await site.read(tables => tables.device.get(deviceId('acme', 'B1-000001')))
      assert.deepEqual([device?.recalls, device?.refusal?.code], [[recall.id], 'device-recalled'])
    }))

  test('of a batch and of a model hits every unit of it', () =>
    withScene(async ({ factory, bring, admit }) => {
      await bring((await issueRecall(factory, order({ batches: ['B1'] }))).file)
      for (const serial of ['B1-000001', 'B1-000002', 'B1-000003']) {
        assert.equal(verdictOf(await admit(serial)), 'device-recalled')
      }
      const { file, recall, serials } = await issueRecall(factory, order({ models: ['Sensor'] }))
      assert.equal(serials, 3)
      assert.equal((await bring(file)).work.affected, 3)
      await bring((await liftRecall(factory, order({ recall }) as RecallOrder & { recall: string })).file)
      assert.equal(verdictOf(await admit('B1-000001')), 'device-recalled', 'the other recall is in force')
    }))

  test('reaches a device that nobody had heard of, and one whose model a manifest names, by name alone', () =>
    withScene(async ({ factory, site, bring, admit }) => {
      const { manufacturer, store, random } = factory
      const head = { recall: Buffer.from(random(16)).toString('hex'), number: 1, manufacturer: 'Acme', issuedAt: now }
      const subject = { models: ['Sensor'], batches: [], serials: ['B9-000001'] }
      const file = await signRecall(
        { ...head, ...vulnerability, action: 'withdraw', ...subject },
        manufacturer.manifest,
      )
      await bring(file)
      assert.equal(verdictOf(await admit('B1-000003')), 'device-recalled')
      assert.equal(verdictOf(await admit('B9-000001')), 'device-recalled')
      await expectDevice({ store: site }.store, { manufacturer: 'acme', serial: 'B9-000002' }, 'anna')
      assert.equal(verdictOf(await admit('B9-000002')), 'admit', 'nobody said of which model it is')
      assert.equal(await store.read(tables => tables.publication.count()), 0)
    }))

  test('counts from its import on: nothing is issued, whether or not the devices were gone through', () =>
    withScene(async ({ factory, site, enroll, admit, statusOf }) => {
      await enroll('B1-000001')
      const { file } = await issueRecall(factory, order({ batches: ['B1'] }))
      await importRecall({ bytes: file, store: site, clock, importedBy: 'anna', treatment: 'revoke' })
      await assert.rejects(enroll('B1-000001'), refused('device-recalled'))
      await assert.rejects(enroll('B1-000002'), refused('device-recalled'))
      assert.equal(verdictOf(await admit('B1-000002')), 'device-recalled')
      assert.deepEqual(await statusOf('B1-000001'), ['issued'])
    }))

  test('revokes the network credentials of those that are in, and the CRL says so [WP-M6.16]', () =>
    withScene(async ({ factory, revocation, bring, enroll, statusOf, site }) => {
      for (const serial of ['B1-000001', 'B1-000001', 'B1-000002', 'B1-000003']) await enroll(serial)
      const { file } = await issueRecall(
        factory,
        order({ serials: ['B1-000001', 'B1-000002'], reason: 'key-compromise' }),
      )
      const { work } = await bring(file)
      assert.deepEqual([work.affected, work.revoked, work.checked, work.of], [2, 3, 3, 3])
      assert.deepEqual(await statusOf('B1-000001'), ['revoked', 'revoked'])
      assert.deepEqual(await statusOf('B1-000003'), ['issued'])
      const reasons = [...decodeCertificateList(await revocation.crl()).revoked.values()].map(({ reason }) => reason)
      assert.deepEqual(reasons, ['keyCompromise', 'keyCompromise', 'keyCompromise'])
      const device = await site.read(tables => tables.device.get(deviceId('acme', 'B1-000001')))
      assert.equal(device?.credential, undefined)
    }))

  test('holds credentials when the site so chooses, and they are good again once it is lifted', () =>
    withScene(async ({ factory, revocation, bring, enroll, admit, statusOf }) => {
      await enroll('B1-000001')
      const first = await issueRecall(factory, order({ serials: ['B1-000001'] }))
      assert.equal((await bring(first.file, 'hold')).work.held, 1)
      assert.deepEqual(await statusOf('B1-000001'), ['held'])
      const [entry] = decodeCertificateList(await revocation.crl()).revoked.values()
      assert.equal(entry?.reason, 'certificateHold')
      const lifted = await liftRecall(factory, { ...order({}), recall: first.recall })
      const recall = await bring(lifted.file, 'hold')
      assert.deepEqual([recall.status, recall.number, recall.work.released], ['lifted', 2, 1])
      assert.deepEqual(await statusOf('B1-000001'), ['issued'])
      assert.equal(decodeCertificateList(await revocation.crl()).revoked.size, 0)
      assert.equal(verdictOf(await admit('B1-000001')), 'admit')
    }))

  test('held under two recalls is held until both are lifted; the site may still revoke', () =>
    withScene(async ({ factory, bring, enroll, statusOf }) => {
      await enroll('B1-000001')
      await enroll('B1-000002')
      const one = await issueRecall(factory, order({ serials: ['B1-000001'] }))
      const two = await issueRecall(factory, order({ batches: ['B1'] }))
      await bring(one.file, 'hold')
      await bring(two.file, 'hold')
      await bring((await liftRecall(factory, { ...order({}), recall: one.recall })).file)
      assert.deepEqual(await statusOf('B1-000001'), ['held'])
      assert.equal((await bring(two.file, 'revoke')).work.revoked, 2)
      assert.deepEqual(await statusOf('B1-000001'), ['revoked'])
    }))

  test('that a newer notice narrows lets the others go', () =>
    withScene(async ({ factory, bring, admit }) => {
      const wide = await issueRecall(factory, order({ batches: ['B1'] }))
      await bring(wide.file)
      const narrow = await issueRecall(factory, order({ serials: ['B1-000002'], recall: wide.recall }))
      assert.equal((await bring(narrow.file)).work.affected, 2)
      assert.equal(verdictOf(await admit('B1-000001')), 'admit')
      assert.equal(verdictOf(await admit('B1-000002')), 'device-recalled')
    }))

  test('imported twice is imported once, and a preview writes nothing', () =>
    withScene(async ({ factory, site, bring, enroll }) => {
      await enroll('B1-000003')
      const { file } = await issueRecall(factory, order({ batches: ['B1'] }))
      const preview = await previewRecall({ bytes: file, store: site, clock })
      assert.deepEqual([preview.hits, preview.credentialed], [3, 1])
      assert.equal(await site.read(tables => tables.recall.count()), 0)
      const first = await bring(file)
      const again = await importRecall({ bytes: file, store: site, clock, importedBy: 'bert', treatment: 'revoke' })
      assert.deepEqual([again.changed, again.recall], [false, first])
    }))
})

describe('what is no recall', () => {
  test('an older notice replayed: recall-stale, and the newer one stays', () =>
    withScene(async ({ factory, bring, admit }) => {
      const first = await issueRecall(factory, order({ batches: ['B1'] }))
      await bring(first.file)
      await bring((await liftRecall(factory, { ...order({}), recall: first.recall })).file)
      await assert.rejects(bring(first.file), refused('recall-stale'))
      assert.equal(verdictOf(await admit('B1-000001')), 'admit')
    }))

  test('an older one is refused where the newer one came first, too', () =>
    withScene(async ({ factory, bring }) => {
      const first = await issueRecall(factory, order({ batches: ['B1'] }))
      await bring((await liftRecall(factory, { ...order({}), recall: first.recall })).file)
      await assert.rejects(bring(first.file), refused('recall-stale'))
    }))

  test('another manufacturer: its notice does not reach these devices, nor speak in their maker’s name', () =>
    withScene(async ({ factory, other, site, bring, admit }) => {
      await makeUnits(other.order({ count: 3 }))
      const own = await issueRecall(other, order({ batches: ['B1'] }))
      assert.equal((await bring(own.file)).work.affected, 0, 'the same serial numbers, of another maker')
      assert.equal(verdictOf(await admit('B1-000001')), 'admit')
      const head = {
        recall: 'ab'.repeat(16),
        number: 1,
        manufacturer: 'Acme',
        issuedAt: now,
        action: 'withdraw',
      } as const
      const subject = { models: [], batches: [], serials: ['B1-000001'] }
      const forged = await signRecall({ ...head, ...vulnerability, ...subject }, other.manufacturer.manifest)
      await assert.rejects(bring(forged), refused('recall-foreign'))
      // Nor can it lift what another has recalled.
      const true1 = await issueRecall(factory, order({ serials: ['B1-000001'] }))
      await bring(true1.file)
      const lift = { ...head, recall: true1.recall, number: 9, action: 'lift', manufacturer: 'Bolt' } as const
      const nothing = { models: [], batches: [], serials: [] }
      await bring(await signRecall({ ...lift, ...vulnerability, ...nothing }, other.manufacturer.manifest))
      assert.equal(verdictOf(await admit('B1-000001')), 'device-recalled')
      assert.equal(await site.read(tables => tables.recall.count({ status: 'in-force' })), 2)
    }))

  test('a stranger’s notice, a manifest, or a notice by a signer of vouchers', () =>
    withScene(async ({ factory, bring }) => {
      const stranger = await openFactory({ name: 'Stranger' })
      await makeUnits(stranger.order({ count: 1 }))
      const { file } = await issueRecall(stranger, order({ batches: ['B1'] }))
      await assert.rejects(bring(file), refused('recall-invalid'))
      await stranger.opened.close()
      const manifest = await shipmentManifest(
        factory,
        { batch: 'B1' },
        buyerCard({ id: 'site-1', name: 'x', certificates: [factory.manufacturer.masaRoot] }),
      ).catch(error => error)
      await assert.rejects(bring(manifest as Buffer), refused('recall-invalid'))
      const head = {
        recall: 'ab'.repeat(16),
        number: 1,
        manufacturer: 'Acme',
        issuedAt: now,
        action: 'withdraw',
      } as const
      const subject = { models: ['Sensor'], batches: [], serials: [] }
      const voucher = await signRecall({ ...head, ...vulnerability, ...subject }, factory.manufacturer.voucher)
      await assert.rejects(bring(voucher), refused('recall-invalid'))
    }))

  test('two notices of one number contradict each other', () =>
    withScene(async ({ factory, bring }) => {
      const head = {
        recall: 'ab'.repeat(16),
        number: 1,
        manufacturer: 'Acme',
        issuedAt: now,
        action: 'withdraw',
      } as const
      const sign = (serials: string[]) =>
        signRecall({ ...head, ...vulnerability, models: [], batches: [], serials }, factory.manufacturer.manifest)
      await bring(await sign(['B1-000001']))
      await assert.rejects(bring(await sign(['B1-000002'])), refused('recall-invalid', 'contradiction'))
    }))

  test('an altered one: each byte counts', () =>
    withScene(async ({ factory, site }) => {
      const { file } = await issueRecall(factory, order({ batches: ['B1'] }))
      const anchors = factory.manufacturer.masaAnchors
      const trust = { anchors, at: new Date(now) }
      assert.equal(openRecall(file, trust).serials.length, 3)
      await fc.assert(
        fc.asyncProperty(fc.nat(file.length - 1), fc.integer({ min: 1, max: 255 }), async (at, by) => {
          const altered = Buffer.from(file)
          altered[at] = altered[at]! ^ by
          assert.throws(() => openRecall(altered, trust), refused('recall-invalid'))
        }),
        { numRuns: 400 },
      )
      for (const length of [0, 1, file.indexOf(10), file.indexOf(10) + 1, file.length - 1]) {
        assert.throws(() => openRecall(file.subarray(0, length), trust), refused('recall-invalid'))
      }
      assert.throws(() => openRecall(Buffer.alloc(9 * 0x10_0000), trust), refused('manifest-too-large'))
      assert.equal(await site.read(tables => tables.recall.count()), 0)
    }))

  test('of arbitrary bytes, whole and behind a true signature, nothing but OnboardingError comes out', () =>
    withScene(async ({ factory }) => {
      const { manifest } = factory.manufacturer
      const trust = { anchors: factory.manufacturer.masaAnchors, at: new Date(now) }
      await fc.assert(
        fc.asyncProperty(fc.uint8Array({ maxLength: 300 }), fc.jsonValue(), async (bytes, json) => {
          assert.throws(() => openRecall(bytes, trust), refused('recall-invalid'))
          const payload = Buffer.from(JSON.stringify(json))
          const header = { typ: recallType }
          const head = await signJws({ payload, header, signer: manifest.signer, certificates: manifest.chain })
          const signed = Buffer.concat([head, Buffer.from('\n'), bytes])
          assert.throws(() => openRecall(signed, trust), refused('recall-invalid'))
          assert.throws(() => openFeedNotice(bytes, trust), refused('notice-invalid'))
        }),
        { numRuns: 60 },
      )
    }))

  test('is not signed either: nothing named, a lift that names, words that disturb a terminal', () =>
    withScene(async ({ factory }) => {
      const head = { recall: 'ab'.repeat(16), number: 1, manufacturer: 'Acme', issuedAt: now } as const
      const none = { models: [], batches: [], serials: [] as string[] }
      const by = factory.manufacturer.manifest
      for (const wrong of [
        { action: 'withdraw', ...none },
        { action: 'lift', ...none, models: ['Sensor'] },
        { action: 'withdraw', ...none, serials: ['two\nlines'] },
        { action: 'withdraw', ...none, models: ['Sensor'], note: '\u001b[2J' },
      ] as const) {
        await assert.rejects(
          signRecall({ ...head, ...vulnerability, ...wrong, models: [...wrong.models] }, by),
          refused('input-invalid'),
        )
      }
      await assert.rejects(issueRecall(factory, order({ serials: ['nobody'] })), refused('unit-not-found'))
      await assert.rejects(issueRecall(factory, order({ models: ['nothing'] })), refused('not-found'))
      await assert.rejects(liftRecall(factory, { ...order({}), recall: 'ab'.repeat(16) }), refused('not-found'))
    }))
})
