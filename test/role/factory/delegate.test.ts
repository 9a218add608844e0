import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { encodeName } from '../../../src/codec/x509/name.ts'
import { createCsr } from '../../../src/crypto/csr.ts'
import { generateKey } from '../../../src/crypto/key.ts'
import { keySigner } from '../../../src/crypto/signer.ts'
import { openDeclaration, signDeclarationCms } from '../../../src/domain/declaration-cms.ts'
import { certifyDelegate } from '../../../src/role/factory/delegate.ts'
import { createOwnershipService } from '../../../src/role/manufacturer/ownership-service.ts'
import { silentLog } from '../../store.ts'
import { openOwnershipWorld, party, serialOf } from '../manufacturer/ownership-world.ts'

describe('a delegate of the manufacturer', () => {
  test('signs declarations that sites and devices take, once it was certified', async () => {
    const [alice, bob] = [await party('alice'), await party('bob')]
    const world = await openOwnershipWorld(alice, 1)
    const { factory } = world
    const { manufacturer, store, keys } = factory
    const clock = () => world.time.now
    const office = { manufacturer, store, keys, clock }
    const signer = keySigner(generateKey('P-256'))
    const csr = await createCsr({ subject: encodeName({ commonName: 'whatever it calls itself' }) }, signer)
    const chain = await certifyDelegate(office, { name: 'quay', csr })
    assert.deepEqual(await certifyDelegate(office, { name: 'quay', csr }), chain, 'asked again, the same')

    const service = createOwnershipService({ manufacturer, store, clock, log: silentLog, signer: { signer, chain } })
    const offer = await world.offer(alice, [serialOf(1)])
    await service.apply(offer.bytes)
    await service.apply(await world.accept(bob, offer))
    const { declaration } = await world.unit(serialOf(1))
    const trust = { anchors: manufacturer.masaAnchors, at: new Date(clock()) }
    const declared = openDeclaration(Buffer.from(declaration), trust)
    assert.equal(declared.owner.id, 'bob')
    // A device without a clock heeds it, too.
    const cms = await signDeclarationCms(declared, { signer, chain })
    assert.deepEqual(openDeclaration(cms, { anchors: manufacturer.masaAnchors }), declared)
    const late = { ...trust, at: new Date(clock() + 2 * 365 * 86_400_000) }
    assert.throws(() => openDeclaration(cms, late), { code: 'declaration-invalid' })

    const other = keySigner(generateKey('P-256'))
    const others = await createCsr({ subject: encodeName({}) }, other)
    await assert.rejects(certifyDelegate(office, { name: 'quay', csr: others }), { code: 'input-invalid' })
    await assert.rejects(certifyDelegate(office, { name: '../x', csr }), { code: 'input-invalid' })
    await assert.rejects(certifyDelegate(office, { name: 'x', csr: csr.subarray(1) }), { code: 'csr-invalid' })
    const offline = { ...keys, open: async () => undefined }
    const missing = certifyDelegate({ ...office, keys: offline }, { name: 'x', csr: others })
    await assert.rejects(missing, { code: 'issuer-key-missing' })
    assert.equal((await store.verify()).integrity, 'pass')
    await world.close()
  })
})
