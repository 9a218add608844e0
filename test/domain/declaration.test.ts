import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { decodeBase64Url, encodeBase64Url } from '../../src/codec/base64.ts'
import { type Certificate, decodeCertificate } from '../../src/codec/x509/certificate.ts'
import { extendedKeyUsageOid, extensionKinds, makeExtension } from '../../src/codec/x509/extension.ts'
import { encodeName } from '../../src/codec/x509/name.ts'
import { caExtensions, type Issuer, issueCertificate } from '../../src/crypto/issue.ts'
import { countersignJws, signJws } from '../../src/crypto/jws.ts'
import { generateKey } from '../../src/crypto/key.ts'
import { keySigner } from '../../src/crypto/signer.ts'
import { encodeDeclaration } from '../../src/domain/declaration.ts'
import { declarationType, documentSigning, signDeclaration } from '../../src/domain/declaration-jws.ts'
import { OnboardingError } from '../../src/domain/error.ts'
import { domainIds, newDeclaration, verifyDeclaration } from '../../src/domain/ownership.ts'

const at = new Date('2026-11-20T12:00:00Z')
const notBefore = new Date('2026-01-01T00:00:00Z')
const notAfter = new Date('2028-01-01T00:00:00Z')

async function entity(commonName: string, issuer?: Issuer, usage?: string): Promise<Issuer> {
  const signer = keySigner(generateKey('P-256'))
  const certificate = await issueCertificate({
    subject: encodeName({ commonName }),
    spkiDer: signer.spkiDer,
    issuer: issuer ?? { certificate: 'self', signer },
    notBefore,
    notAfter,
    extensions:
      issuer === undefined
        ? caExtensions()
        : usage === undefined
          ? []
          : [makeExtension(extensionKinds.extendedKeyUsage, [usage])],
  })
  return { certificate: decodeCertificate(certificate), signer }
}

const root = await entity('Acme root')
const office = await entity('Acme declarations', root, documentSigning)
const device = await entity('A-0001', root)
const server = await entity('masa.acme.example', root, extendedKeyUsageOid.serverAuth)
const strangerRoot = await entity('Stranger root')
const stranger = await entity('Stranger', strangerRoot, documentSigning)

const anchors = [{ name: 'Acme', certificate: root.certificate }]
const trust = { anchors, at }
const declaration = newDeclaration({
  manufacturer: 'Acme',
  serial: 'A-0001',
  model: 'lamp',
  owner: { id: 'Acme', name: 'Acme', domains: domainIds(root.certificate) },
  at: at.getTime(),
})
const by = ({ signer, certificate }: Issuer) => ({ signer, chain: [certificate] as readonly Certificate[] })
const signed = await signDeclaration(declaration, by(office))

function refused(rule: string) {
  return (error: unknown) => {
    assert.ok(error instanceof OnboardingError, String(error))
    assert.equal(error.code, 'declaration-invalid')
    assert.equal(error.detail['rule'], rule)
    return true
  }
}

describe('a signed declaration', () => {
  test('says to whoever trusts the manufacturer what was signed', () => {
    assert.deepEqual(verifyDeclaration(signed, trust), declaration)
  })

  test('is signed by one whom the manufacturer entitled to it: not by a device, nor by a server of the same root', async () => {
    const byDevice = await signDeclaration(declaration, by(device))
    assert.throws(() => verifyDeclaration(byDevice, trust), refused('key-mismatch'))
    const byServer = await signDeclaration(declaration, by(server))
    assert.throws(() => verifyDeclaration(byServer, trust), refused('extended-key-usage'))
  })

  test('of another manufacturer is not trusted, even with our root in its chain', async () => {
    const foreign = await signDeclaration(declaration, by(stranger))
    assert.throws(() => verifyDeclaration(foreign, trust), refused('untrusted'))
    const chain = [stranger.certificate, root.certificate]
    const dressed = await signDeclaration(declaration, { signer: stranger.signer, chain })
    assert.throws(() => verifyDeclaration(dressed, trust), refused('untrusted'))
    assert.throws(() => verifyDeclaration(signed, { anchors: [], at }), refused('untrusted'))
  })

  test('altered in any member is refused', () => {
    const jws = JSON.parse(signed.toString())
    const other = encodeDeclaration({ ...declaration, owner: { ...declaration.owner, id: 'mallory' } })
    const altered = Buffer.from(JSON.stringify({ ...jws, payload: encodeBase64Url(other) }))
    assert.throws(() => verifyDeclaration(altered, trust), refused('bad-signature'))
    const [signature] = jws.signatures
    const header = JSON.parse(decodeBase64Url(signature.protected).toString())
    const retyped = encodeBase64Url(Buffer.from(JSON.stringify({ ...header, typ: 'manifest+jws' })))
    const relabelled = Buffer.from(JSON.stringify({ ...jws, signatures: [{ ...signature, protected: retyped }] }))
    assert.throws(() => verifyDeclaration(relabelled, trust), refused('bad-signature'))
  })

  test('is no other document of the same signer, and no other document is one', async () => {
    const { signer, certificate } = office
    const payload = encodeDeclaration(declaration)
    const untyped = await signJws({ payload, signer, certificates: [certificate] })
    assert.throws(() => verifyDeclaration(untyped, trust), refused('bad-signature'))
    const header = { typ: declarationType }
    const nonsense = await signJws({ payload: Buffer.from('{}'), header, signer, certificates: [certificate] })
    assert.throws(() => verifyDeclaration(nonsense, trust), refused('bad-value'))
  })

  test('has one signature', async () => {
    const { signer, certificate } = office
    const header = { typ: declarationType }
    const twice = await countersignJws(signed, { header, signer, certificates: [certificate] })
    assert.throws(() => verifyDeclaration(twice, trust), refused('bad-signature'))
  })

  test('by a signer whose time is over, or has not come, is refused', () => {
    assert.throws(
      () => verifyDeclaration(signed, { anchors, at: new Date('2029-01-01T00:00:00Z') }),
      refused('expired'),
    )
    assert.throws(
      () => verifyDeclaration(signed, { anchors, at: new Date('2025-01-01T00:00:00Z') }),
      refused('not-yet-valid'),
    )
  })

  test('that cannot be read is refused as such', () => {
    assert.throws(() => verifyDeclaration(Buffer.from('not json'), trust), refused('bad-encoding'))
    assert.throws(() => verifyDeclaration(Buffer.alloc(0x5_0000, 0x20), trust), refused('too-large'))
  })
})
