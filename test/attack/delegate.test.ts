import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { decodeJws } from '../../src/codec/jws.ts'
import { encodeName } from '../../src/codec/x509/name.ts'
import { prepareCrl, signCrl } from '../../src/crypto/crl.ts'
import { createCsr } from '../../src/crypto/csr.ts'
import { generateKey } from '../../src/crypto/key.ts'
import { keySigner } from '../../src/crypto/signer.ts'
import { decodeDeclaration } from '../../src/domain/declaration.ts'
import { openDeclaration } from '../../src/domain/declaration-cms.ts'
import { signDeclaration } from '../../src/domain/declaration-jws.ts'
import { type ErrorCode, OnboardingError } from '../../src/domain/error.ts'
import { verifyDeclarationHistory } from '../../src/domain/ownership.ts'
import { certifyDelegate, delegateIssuer } from '../../src/role/factory/delegate.ts'
import { makeUnits } from '../../src/role/factory/line.ts'
import { manifestHead, manifestUnit, sellUnits, shipmentManifest } from '../../src/role/factory/sale.ts'
import { revokeDelegate } from '../../src/role/manufacturer/delegate-revocation.ts'
import { createOwnershipService, type OwnershipService } from '../../src/role/manufacturer/ownership-service.ts'
import { importManifest } from '../../src/role/supply-chain/import.ts'
import { signManifest } from '../../src/role/supply-chain/manifest.ts'
import { openRecall, signRecall } from '../../src/role/supply-chain/recall-notice.ts'
import { listManufacturers, statementTrust, trustManufacturer } from '../../src/role/supply-chain/trust.ts'
import { type Factory, now, openFactory } from '../role/factory/factory.ts'
import { type OwnershipSite, openOwnershipSite } from '../role/ownership/site.ts'
import { silentLog } from '../store.ts'

const by = 'anna'
const clock = () => now
const serialOf = (n: number) => `B1-${String(n).padStart(6, '0')}`

/** A delegate signs for all devices of a manufacturer: what it can do after its right has ended, before its certificate does. */
describe('a delegate whose right has ended', () => {
  let factory: Factory
  let harbour: OwnershipSite
  let quay: OwnershipSite
  /** Of the delegate, over the record of the manufacturer. */
  let delegated: OwnershipService
  let delegate: Awaited<ReturnType<typeof certify>>
  /** A manifest that tells of no revocation. */
  let before1: Buffer

  const office = () => ({ ...factory, clock })
  async function certify(name: string) {
    const signer = keySigner(generateKey('P-256'))
    const csr = await createCsr({ subject: encodeName({}) }, signer)
    return { signer, chain: await certifyDelegate(office(), { name, csr }) }
  }
  const unit = async (n: number) => (await factory.store.read(tables => tables.unit.get(serialOf(n))))!
  const signerOf = ({ declaration }: { readonly declaration: string }) =>
    (decodeJws(Buffer.from(declaration)).signatures[0]!.protected['x5c'] as string[])[0]
  const refused = (code: ErrorCode, work: Promise<unknown>, rule?: string) =>
    assert.rejects(work, (error: unknown) => {
      assert.ok(error instanceof OnboardingError, String(error))
      assert.deepEqual([error.code, rule ?? error.detail['rule']], [code, error.detail['rule']], error.message)
      return true
    })
  const take = (site: OwnershipSite, bytes: Uint8Array) =>
    importManifest({ bytes, store: site.store, clock, importedBy: by })
  const ship = () => shipmentManifest(factory, { batch: 'B1' }, harbour.ownership.card())
  /** A manifest by the delegate itself. */
  async function own(crl?: string): Promise<Buffer> {
    const head = await manifestHead(factory, { id: '0'.repeat(32), issuedAt: now, buyer: harbour.ownership.card() })
    const { crl: _, ...silent } = head
    const declared = decodeDeclaration(decodeJws(Buffer.from((await unit(1)).declaration)).payload)
    const next = { ...declared, version: 9, previous: 'a'.repeat(64), owner: { ...declared.owner, name: 'Thief' } }
    const declaration = (await signDeclaration(next, delegate)).toString('utf8')
    const line = manifestUnit({ ...(await unit(1)), declaration }, undefined)
    return signManifest({ ...silent, ...(crl === undefined ? {} : { crl }) }, [line], delegate)
  }

  before(async () => {
    factory = await openFactory()
    const { manufacturer, store } = factory
    delegate = await certify('quay')
    delegated = createOwnershipService({ manufacturer, store, clock, log: silentLog, signer: delegate })
    ;[harbour, quay] = await Promise.all([
      openOwnershipSite('harbour', { clock, service: () => delegated }),
      openOwnershipSite('quay', { clock, service: () => delegated }),
    ])
    await makeUnits(factory.order({ count: 5 }))
    await sellUnits(factory, { batch: 'B1' }, { buyer: harbour.ownership.card() })
    await Promise.all([harbour.trust(manufacturer), quay.trust(manufacturer)])
    await take(harbour, await ship())
  })
  after(async () => {
    for (const { store } of [harbour, quay, factory]) {
      const verdict = await store.verify()
      assert.equal(verdict.integrity, 'pass', JSON.stringify(verdict.firstBad))
    }
    await Promise.all([harbour.close(), quay.close(), factory.opened.close()])
  })

  it('signed honestly before: its declarations stay in force, word for word, by the hand of the manufacturer', async () => {
    const theirs = [1, 2]
    for (const n of theirs) {
      const { id } = await harbour.device(serialOf(n))
      await harbour.ownership.grant({ devices: [id], onboarder: quay.ownership.card(), by })
    }
    const [old] = await Promise.all(theirs.map(unit))
    assert.equal(signerOf(old!), Buffer.from(delegate.chain[0]!.der).toString('base64'))
    before1 = await ship()
    await take(quay, before1)
    assert.equal((await quay.device(serialOf(1))).right, 'authorized-onboarder')

    assert.deepEqual(await revokeDelegate(office(), { name: 'quay', by }), { name: 'quay', resigned: 2, crl: 1 })
    const [again] = await Promise.all(theirs.map(unit))
    assert.equal(signerOf(again!), Buffer.from(factory.manufacturer.manifest.certificate.der).toString('base64'))
    const anchors = factory.manufacturer.masaAnchors
    const read = ({ declaration }: { readonly declaration: string }) =>
      openDeclaration(Buffer.from(declaration), { anchors })
    assert.deepEqual(read(again!), read(old!))
    const former = await factory.store.read(tables => tables.formerDeclaration.find({ serial: serialOf(1) }))
    verifyDeclarationHistory([...former, again!].map(read))
    // Done again it goes on, and there is nothing left to sign.
    assert.deepEqual(await revokeDelegate(office(), { name: 'quay', by }), { name: 'quay', resigned: 0, crl: 2 })
    const report = await take(harbour, await ship())
    assert.deepEqual([report.new, report.refused.length], [0, 0])
  })

  it('changes nothing any more at the manufacturer’s record', async () => {
    const { id } = await harbour.device(serialOf(3))
    const before = await unit(3)
    await refused('delegate-revoked', harbour.ownership.grant({ devices: [id], onboarder: quay.ownership.card(), by }))
    const made = await harbour.ownership.offer({ devices: [id], days: 1, by })
    await refused('delegate-revoked', quay.ownership.accept({ offer: made.file, by }))
    assert.deepEqual(await unit(3), before)
    await refused('input-invalid', certify('quay'))
    await refused('not-found', revokeDelegate(office(), { name: 'ferry', by }))
  })

  it('is believed by no site that has heard of it, whatever it signs: manifest, declaration, recall', async () => {
    await refused('manifest-invalid', take(harbour, await own()), 'revoked')
    // An older manifest with its declarations, by the manufacturer's own hand.
    await refused('manifest-invalid', take(harbour, before1), 'revoked')
    const head = { recall: 'a'.repeat(32), number: 1, manufacturer: 'Acme', issuedAt: now }
    const subject = { models: ['Sensor'], batches: [], serials: [] }
    const text = { action: 'withdraw', reason: 'vulnerability', note: 'No.', reference: '' } as const
    const recall = await signRecall({ ...head, ...subject, ...text }, delegate)
    const trust = statementTrust(await listManufacturers(harbour.store), new Date(now))
    assert.throws(() => openRecall(recall, trust), { code: 'recall-invalid' })
    assert.equal((await harbour.device(serialOf(1))).declarationVersion, 3)
  })

  it('is believed by a site that has not heard of it yet, until the next manifest of the manufacturer', async () => {
    assert.equal((await take(quay, before1)).refused.length, 0)
    await take(quay, await ship())
    await refused('manifest-invalid', take(quay, before1), 'revoked')
  })

  it('does not come back by an older list, by trusting the manufacturer anew, or by a list of its own', async () => {
    const issuer = await delegateIssuer(factory)
    const list = async (by: typeof issuer, number: bigint) => {
      const { notAfter } = by.certificate.validity
      const terms = { issuer: by, number, thisUpdate: new Date(now - 1000), nextUpdate: notAfter, revoked: [] }
      return (await signCrl(prepareCrl(terms), by.signer)).toString('base64')
    }
    // The list of before, brought by a manifest that is right otherwise.
    const head = await manifestHead(factory, { id: '1'.repeat(32), issuedAt: now, buyer: harbour.ownership.card() })
    const line = manifestUnit(await unit(4), undefined)
    const { manifest } = factory.manufacturer
    await take(harbour, await signManifest({ ...head, crl: await list(issuer, 0n) }, [line], manifest))
    await refused('manifest-invalid', take(harbour, await own()), 'revoked')
    const { deviceRoot, masaRoot, masa } = factory.manufacturer
    const terms = { name: 'acme', anchors: [deviceRoot.der], masaAnchors: [masaRoot.der], masaUrl: masa.baseUrl }
    await trustManufacturer({ store: harbour.store, clock }, { ...terms, ignoreIdevidLifetime: true }, 'test')
    await refused('manifest-invalid', take(harbour, await own()), 'revoked')
    // By the delegate's key in the name of the CA.
    const forged = await list({ ...issuer, signer: delegate.signer }, 99n).catch(() => undefined)
    if (forged !== undefined) await refused('manifest-invalid', take(harbour, await own(forged)))
  })

  it('cannot revoke others: a list that the CA did not sign is worth nothing', async () => {
    const second = await certify('ferry')
    const fake = keySigner(generateKey('P-256'))
    const { certificate } = await delegateIssuer(factory)
    const serialNumber = Buffer.from(factory.manufacturer.manifest.certificate.serialHex, 'hex')
    const prepared = prepareCrl({
      issuer: { certificate: { ...certificate, spkiDer: fake.spkiDer } as typeof certificate, signer: fake },
      number: 100n,
      thisUpdate: new Date(now - 1000),
      nextUpdate: certificate.validity.notAfter,
      revoked: [{ serialNumber, revocationDate: new Date(now), reason: 'keyCompromise' }],
    })
    const crl = (await signCrl(prepared, fake)).toString('base64')
    const head = await manifestHead(factory, { id: '2'.repeat(32), issuedAt: now, buyer: harbour.ownership.card() })
    const bytes = await signManifest({ ...head, crl }, [manifestUnit(await unit(5), undefined)], second)
    await refused('manifest-invalid', take(harbour, bytes))
    assert.equal((await take(harbour, await ship())).refused.length, 0, 'the manufacturer is heard as before')
  })
})
