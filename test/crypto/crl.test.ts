import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { before, describe, test } from 'node:test'
import {
  type CertificateList,
  decodeCertificateList,
  encodeCertificateList,
  encodeTbsCertList,
  type TbsCertListFields,
} from '../../src/codec/crl.ts'
import { encodePem } from '../../src/codec/pem.ts'
import { type Extension, extensionKinds, makeExtension } from '../../src/codec/x509/extension.ts'
import { type CrlTemplate, prepareCrl, signCrl, verifyCrl } from '../../src/crypto/crl.ts'
import { CryptoError, type CryptoErrorCode } from '../../src/crypto/error.ts'
import { generateKey } from '../../src/crypto/key.ts'
import type { PathRequest } from '../../src/crypto/path.ts'
import { algorithmIdentifier, keySigner } from '../../src/crypto/signer.ts'
import { needs } from '../peer.ts'
import { judge } from './oracle.ts'
import { begin, certify, type Entity, end, now } from './pki.ts'

const day = 86_400_000
const thisUpdate = new Date(now.getTime() - day)
const nextUpdate = new Date(now.getTime() + day)
const refusal = (code: CryptoErrorCode) => (error: unknown) => {
  assert.ok(error instanceof CryptoError, String(error))
  assert.equal(error.code, code)
  return true
}

let root: Entity
let ca: Entity
let leaf: Entity
before(async () => {
  root = await certify({ subject: 'Root', ca: true })
  ca = await certify({ subject: 'CA', issuer: root, ca: true })
  leaf = await certify({ subject: 'leaf', issuer: ca })
})

async function crl(
  issuer: Entity,
  revoked: readonly Entity[] = [],
  change: Partial<CrlTemplate> = {},
): Promise<CertificateList> {
  const entries = revoked.map(({ certificate }) => ({
    serialNumber: certificate.serialNumber,
    revocationDate: thisUpdate,
    reason: 'keyCompromise' as const,
  }))
  const prepared = prepareCrl({ issuer, number: 7n, thisUpdate, nextUpdate, revoked: entries, ...change })
  return decodeCertificateList(await signCrl(prepared, issuer.signer))
}

/** Whatever is asked for, sense or nonsense. */
async function oddCrl(
  issuer: Entity,
  fields: Partial<TbsCertListFields>,
  signer = issuer.signer,
): Promise<CertificateList> {
  const tbs = encodeTbsCertList({
    signature: algorithmIdentifier[signer.algorithm],
    issuer: issuer.certificate.subject.der,
    thisUpdate,
    nextUpdate,
    revoked: [],
    extensions: [
      makeExtension(extensionKinds.authorityKeyIdentifier, { keyIdentifier: issuer.certificate.subjectKeyIdentifier! }),
    ],
    ...fields,
  })
  return decodeCertificateList(
    encodeCertificateList(tbs, algorithmIdentifier[signer.algorithm], await signer.sign(tbs)),
  )
}

describe('a CRL of ours', () => {
  test('reads back, and verifies with its issuer alone', async () => {
    const list = await crl(ca, [leaf])
    assert.deepEqual(list.cRLNumber, Buffer.of(7))
    assert.deepEqual(list.authorityKeyIdentifier?.keyIdentifier, ca.certificate.subjectKeyIdentifier)
    assert.equal(list.revoked.get(leaf.certificate.serialHex)?.reason, 'keyCompromise')
    assert.equal(verifyCrl(list, ca.certificate).issuer, ca.certificate)
    assert.throws(() => verifyCrl(list, root.certificate), refusal('key-mismatch'))
    const twin = await certify({ subject: 'CA', issuer: root, ca: true })
    assert.throws(() => verifyCrl(list, twin.certificate), refusal('bad-signature'))
    // Remembering the good key must not make the other one good.
    assert.throws(() => verifyCrl(list, twin.certificate), refusal('bad-signature'))
    verifyCrl(list, ca.certificate)
  })
  test('openssl reads and verifies it', needs('openssl'), async () => {
    const list = await crl(ca, [leaf])
    const directory = mkdtempSync(join(tmpdir(), 'mooring-crl-'))
    try {
      const issuer = join(directory, 'ca.pem')
      writeFileSync(issuer, encodePem('CERTIFICATE', ca.certificate.der))
      const options = ['crl', '-noout', '-text', '-CAfile', issuer]
      const shown = execFileSync('openssl', options, {
        input: encodePem('X509 CRL', list.der),
        stdio: 'pipe',
      }).toString()
      assert.match(shown, new RegExp(`Serial Number: ${leaf.certificate.serialHex.toUpperCase()}`))
      assert.match(shown, /X509v3 CRL Number:\s+7/)
      assert.match(shown, /Key Compromise/)
    } finally {
      rmSync(directory, { recursive: true })
    }
  })
  test('refused: an issuer that may not sign CRLs, another key, times and numbers that make no sense', async () => {
    const refused = async (change: Partial<CrlTemplate>, code: CryptoErrorCode) =>
      assert.rejects(crl(ca, [], change), refusal(code))
    await refused({ issuer: leaf }, 'malformed-template')
    await refused({ issuer: { ...ca, signer: keySigner(generateKey('P-256')) } }, 'key-mismatch')
    const mute = await certify({
      subject: 'x',
      ca: true,
      extensions: [makeExtension(extensionKinds.keyUsage, ['keyCertSign' as const])],
    })
    await refused({ issuer: mute }, 'malformed-template')
    await refused({ nextUpdate: thisUpdate }, 'malformed-template')
    await refused({ number: -1n }, 'malformed-template')
    await refused({ number: 1n << 159n }, 'malformed-template')
    const prepared = prepareCrl({ issuer: ca, number: 1n, thisUpdate, nextUpdate, revoked: [] })
    await assert.rejects(signCrl(prepared, root.signer), refusal('key-mismatch'))
  })
})

describe('a CRL that does not speak for all', () => {
  const odd = async (extension: Extension) => oddCrl(ca, { extensions: [extension] })
  test('delta, partial, indirect and unknown ones are refused', async () => {
    for (const critical of [true, false]) {
      const delta = await odd({ id: '2.5.29.27', critical, value: Buffer.from('020101', 'hex') })
      assert.throws(() => verifyCrl(delta, ca.certificate), refusal('unsupported-crl'))
      const partial = await odd({ id: '2.5.29.28', critical, value: Buffer.from('30038101ff', 'hex') })
      assert.throws(() => verifyCrl(partial, ca.certificate), refusal('unsupported-crl'))
    }
    const unknown = await odd({ id: '1.3.6.1.4.1.99999.1', critical: true, value: Buffer.from('0500', 'hex') })
    assert.throws(() => verifyCrl(unknown, ca.certificate), refusal('unsupported-crl'))
    verifyCrl(
      await odd({ id: '1.3.6.1.4.1.99999.1', critical: false, value: Buffer.from('0500', 'hex') }),
      ca.certificate,
    )
  })
})

describe('revocation on a path', () => {
  const chain = (crls: PathRequest['crls'], at = now): PathRequest => ({
    chain: [leaf.certificate, ca.certificate],
    anchors: [{ name: 'root', certificate: root.certificate }],
    at,
    crls,
  })
  test('nobody revoked', async () => judge(chain([await crl(ca), await crl(root)]), 'ok'))
  test('the leaf, the CA', async () => {
    judge(chain([await crl(ca, [leaf]), await crl(root)]), 'revoked')
    judge(chain([await crl(ca), await crl(root, [ca])]), 'revoked')
  })
  test('the serial number of the leaf, but of another CA', async () => {
    judge(chain([await crl(ca), await crl(root, [leaf])]), 'ok')
  })
  test('an issuer without a CRL is not asked about', async () => {
    judge(chain([]), 'ok', 'no openssl')
    judge(chain([await crl(ca)]), 'ok', 'openssl refuses')
    judge(chain([await crl(ca, [leaf])]), 'revoked')
  })
  test('outdated, not yet valid, without an end', async () => {
    const both = async (at: Date) => chain([await crl(ca), await crl(root)], at)
    judge(await both(new Date(nextUpdate.getTime() + 1000)), 'crl-stale')
    judge(await both(new Date(thisUpdate.getTime() - 1000)), 'crl-stale')
    judge(await both(thisUpdate), 'ok')
  })
  test('the newest one counts', async () => {
    const older = { thisUpdate: new Date(thisUpdate.getTime() - day), number: 6n }
    judge(chain([await crl(ca, [], older), await crl(ca, [leaf]), await crl(root)]), 'revoked')
    judge(chain([await crl(ca, [leaf], older), await crl(ca), await crl(root)]), 'ok')
    const outdated = { ...older, nextUpdate: thisUpdate, number: 6n }
    judge(chain([await crl(ca, [], outdated), await crl(ca), await crl(root)]), 'ok')
  })
  test('a damaged or forged CRL does not free a revoked certificate', async () => {
    const forged = await oddCrl(ca, {}, keySigner(generateKey('P-256')))
    judge(chain([forged, await crl(root)]), 'crl-stale')
    judge(chain([forged, await crl(ca, [leaf]), await crl(root)]), 'revoked', 'no openssl')
    const partial = await oddCrl(ca, {
      extensions: [{ id: '2.5.29.28', critical: true, value: Buffer.from('30038101ff', 'hex') }],
    })
    // OpenSSL knows that this one speaks for all but CAs; here nobody issues such.
    judge(chain([partial, await crl(root)]), 'crl-stale', 'openssl accepts')
  })
  test('a CA of the same name has its own list', async () => {
    const twin = await certify({ subject: 'CA', issuer: root, ca: true })
    judge(chain([await crl(twin, [leaf]), await crl(ca), await crl(root)]), 'ok', 'no openssl')
    judge(chain([await crl(twin, [leaf]), await crl(root)]), 'ok', 'openssl refuses')
  })
  test('a CA whose key usage forbids CRLs', async () => {
    const extensions = [makeExtension(extensionKinds.keyUsage, ['keyCertSign' as const])]
    const mute = await certify({ subject: 'CA', issuer: root, ca: true, extensions, notBefore: begin, notAfter: end })
    const below = await certify({ subject: 'leaf', issuer: mute })
    const request = {
      ...chain([await oddCrl(mute, {}), await crl(root)]),
      chain: [below.certificate, mute.certificate],
    }
    judge(request, 'crl-stale')
  })
})
