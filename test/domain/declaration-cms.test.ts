import assert from 'node:assert/strict'
import { before, describe, it } from 'node:test'
import fc from 'fast-check'
import { cmsOid } from '../../src/codec/cms.ts'
import { signCms } from '../../src/crypto/cms.ts'
import { encodeDeclaration } from '../../src/domain/declaration.ts'
import { openDeclaration, signDeclarationCms } from '../../src/domain/declaration-cms.ts'
import { documentSigning, signDeclaration } from '../../src/domain/declaration-jws.ts'
import { newDeclaration } from '../../src/domain/ownership.ts'
import { certify, type Entity, eku, now } from '../crypto/pki.ts'

describe('a declaration in CMS', () => {
  const owner = { id: 'alice', name: 'Alice', domains: [Buffer.alloc(32, 1).toString('base64')] }
  const at = now.getTime()
  const declared = newDeclaration({ manufacturer: 'Acme', serial: 'A-1', model: 'lamp', owner, at })
  let root: Entity
  let delegate: Entity
  before(async () => {
    root = await certify({ subject: 'Acme MASA root', ca: true })
    delegate = await certify({ subject: 'Delegate', issuer: root, extensions: [eku(documentSigning)] })
  })
  const trust = () => ({ anchors: [{ name: 'Acme', certificate: root.certificate }], at: now })
  const by = (entity: Entity) => ({ signer: entity.signer, chain: [entity.certificate] })
  const invalid = (rule: string) => (error: unknown) => {
    assert.equal((error as { code?: string }).code, 'declaration-invalid', String(error))
    assert.equal((error as { detail: { rule: string } }).detail.rule, rule)
    return true
  }

  it('says the same as in JWS, and either is read', async () => {
    const cms = await signDeclarationCms(declared, by(delegate))
    assert.deepEqual(openDeclaration(cms, trust()), declared)
    assert.deepEqual(openDeclaration(await signDeclaration(declared, by(delegate)), trust()), declared)
  })

  it('is refused, each for its own reason: not delegated, of a stranger, of another type, in other words, altered', async () => {
    const undelegated = await certify({ subject: 'Somebody', issuer: root })
    const stranger = await certify({ subject: 'Stranger', extensions: [eku(documentSigning)] })
    const cms = (entity: Entity) => signDeclarationCms(declared, by(entity))
    const [forgotten, foreign] = [await cms(undelegated), await cms(stranger)]
    assert.throws(() => openDeclaration(forgotten, trust()), invalid('key-mismatch'))
    assert.throws(() => openDeclaration(foreign, trust()), invalid('untrusted'))
    const sign = (contentType: string, content: Uint8Array) =>
      signCms({ content, contentType, signer: delegate.signer, certificates: [delegate.certificate] })
    const content = encodeDeclaration(declared)
    const typed = await sign('1.2.840.113549.1.9.16.1.40', content)
    assert.throws(() => openDeclaration(typed, trust()), invalid('bad-value'))
    const spaced = await sign(cmsOid.data, Buffer.from(`${content.toString('utf8')} `))
    assert.throws(() => openDeclaration(spaced, trust()), invalid('not-minimal'))
    const good = await cms(delegate)
    fc.assert(
      fc.property(fc.nat(good.length - 1), fc.integer({ min: 1, max: 255 }), (index, change) => {
        const bytes = Uint8Array.from(good)
        bytes[index]! ^= change
        try {
          // What is not covered by the signature may change, what it says may not.
          assert.deepEqual(openDeclaration(bytes, trust()), declared)
        } catch (error) {
          assert.equal((error as { code?: string }).code, 'declaration-invalid', String(error))
        }
      }),
    )
  })
})
