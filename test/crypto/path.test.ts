import assert from 'node:assert/strict'
import { before, describe, test } from 'node:test'
import fc from 'fast-check'
import { CodecError } from '../../src/codec/error.ts'
import { type Certificate, decodeCertificate } from '../../src/codec/x509/certificate.ts'
import { extensionKinds, makeExtension, extendedKeyUsageOid as usage } from '../../src/codec/x509/extension.ts'
import { generateKey } from '../../src/crypto/key.ts'
import { PathError, type PathRequest, validatePath } from '../../src/crypto/path.ts'
import { keySigner } from '../../src/crypto/signer.ts'
import { type TrustAnchor, trustStore } from '../../src/crypto/trust.ts'
import { judge } from './oracle.ts'
import { begin, type Certified, certify, curveSigner, type Entity, eku, end, now, rsaSigner } from './pki.ts'

let root: Entity
let ca: Entity
let leaf: Entity
before(async () => {
  root = await certify({ subject: 'Root', ca: true })
  ca = await certify({ subject: 'CA', issuer: root, ca: true })
  leaf = await certify({ subject: 'leaf', issuer: ca })
})

const anchor = (entity: Entity, name = 'anchor'): TrustAnchor => ({ name, certificate: entity.certificate })
/** Leaf first; the last one is the anchor. */
const request = (...entities: Entity[]): PathRequest => ({
  chain: entities.slice(0, -1).map(({ certificate }) => certificate),
  anchors: [anchor(entities.at(-1)!)],
  at: now,
})
/** Root, CA and leaf, each with changes. */
async function chainOf(
  ofLeaf: Partial<Certified>,
  ofCa: Partial<Certified> = {},
  ofRoot: Partial<Certified> = {},
): Promise<PathRequest> {
  const top = await certify({ subject: 'Root', ca: true, ...ofRoot })
  const middle = await certify({ subject: 'CA', issuer: top, ca: true, ...ofCa })
  return request(await certify({ subject: 'leaf', issuer: middle, ...ofLeaf }), middle, top)
}

describe('building a path', () => {
  test('leaf, CA, root', () => {
    judge(request(leaf, ca, root), 'ok')
    const { path, anchor: found, leaf: first } = validatePath(request(leaf, ca, root))
    assert.deepEqual(path, [leaf.certificate, ca.certificate])
    assert.equal(found.name, 'anchor')
    assert.equal(first, leaf.certificate)
  })
  test('leaf under the root', async () => judge(request(await certify({ subject: 'leaf', issuer: root }), root), 'ok'))
  test('any order, with strangers and the root between', async () => {
    const stranger = await certify({ subject: 'Stranger', ca: true })
    const lower = await certify({ subject: 'Lower', issuer: ca, ca: true })
    const end = await certify({ subject: 'leaf', issuer: lower })
    judge(request(end, ca, root, stranger, lower, root), 'ok')
  })
  test('the CA is missing', () => judge(request(leaf, root), 'untrusted'))
  test('no anchors', () =>
    judge({ chain: [leaf.certificate, ca.certificate, root.certificate], anchors: [], at: now }, 'untrusted'))
  test('another root', async () =>
    judge(request(leaf, ca, root, await certify({ subject: 'Other', ca: true })), 'untrusted'))
  test('self-signed', async () => judge(request(await certify({ subject: 'leaf' }), root), 'untrusted'))
  test('nothing', () => judge({ chain: [], anchors: [anchor(root)], at: now }, 'untrusted', 'no openssl'))
  test('another root with the same name', async () => {
    judge(request(leaf, ca, await certify({ subject: 'Root', ca: true })), 'bad-signature')
  })
  test('two roots with the same name: the one that signed counts', async () => {
    const anchors = [anchor(await certify({ subject: 'Root', ca: true }), 'twin'), anchor(root, 'real')]
    for (const list of [anchors, anchors.toReversed(), trustStore(anchors).anchors]) {
      judge({ ...request(leaf, ca, root), anchors: list }, 'ok')
      assert.equal(validatePath({ ...request(leaf, ca, root), anchors: list }).anchor.name, 'real')
    }
  })
  test('two roots with the same name and no key identifiers', async () => {
    const bare = { ca: true, without: ['subjectKeyIdentifier', 'authorityKeyIdentifier'] } as const
    const twins = [await certify({ subject: 'Root', ...bare }), await certify({ subject: 'Root', ...bare })]
    const under = await certify({ subject: 'leaf', issuer: twins[1]!, without: ['authorityKeyIdentifier'] })
    judge({ chain: [under.certificate], anchors: twins.map(twin => anchor(twin)), at: now }, 'ok', 'openssl refuses')
  })
  test('two CAs with the same name in the chain', async () => {
    judge(request(leaf, await certify({ subject: 'CA', issuer: root, ca: true }), ca, root), 'ok')
  })
  test('a wrong key identifier is only a hint', async () => {
    const odd = await certify({ subject: 'leaf', issuer: ca, authorityKeyIdentifier: Buffer.alloc(20, 1) })
    judge(request(odd, ca, root), 'ok', 'openssl refuses')
  })
  test('cross-signed: whichever root is trusted', async () => {
    const other = await certify({ subject: 'Other', ca: true })
    const crossed = await certify({ subject: 'CA', issuer: other, ca: true, signer: ca.signer })
    judge(request(leaf, ca, crossed, root), 'ok')
    // OpenSSL takes the first CA that fits and never turns back.
    judge(request(leaf, ca, crossed, other), 'ok', 'openssl refuses')
    judge(request(leaf, crossed, ca, other), 'ok')
    judge(request(leaf, crossed, ca, root), 'ok', 'openssl refuses')
    judge(request(leaf, ca, other), 'untrusted')
  })
  test('one of two paths breaks a rule: the other one counts', async () => {
    const expired = await certify({ subject: 'CA', issuer: root, ca: true, signer: ca.signer, notAfter: begin })
    judge(request(leaf, expired, ca, root), 'ok')
    judge(request(leaf, ca, expired, root), 'ok')
  })
  test('CAs that certify each other', async () => {
    const a = keySigner(generateKey('P-256'))
    const b = await certify({ subject: 'B', issuer: await certify({ subject: 'A', ca: true, signer: a }), ca: true })
    const loop = await certify({ subject: 'A', issuer: b, ca: true, signer: a })
    const under = await certify({ subject: 'leaf', issuer: loop })
    judge(request(under, loop, b, root), 'loop')
    judge(request(under, loop, b, await certify({ subject: 'A', ca: true, signer: a })), 'ok')
  })
  test('a root that rolled its key over', async () => {
    const renewed = await certify({ subject: 'Root', issuer: root, ca: true })
    judge(request(await certify({ subject: 'leaf', issuer: renewed }), renewed, root), 'ok')
  })
})

describe('what an anchor is', () => {
  test('an intermediate', () => judge(request(leaf, ca), 'ok'))
  test('the leaf itself, pinned', () => {
    judge(request(leaf, leaf), 'ok')
    assert.deepEqual(validatePath(request(leaf, leaf)).path, [leaf.certificate])
    judge({ ...request(leaf, leaf), at: new Date('2040-01-01') }, 'expired', 'openssl refuses')
  })
  test('a pinned end entity issues nothing', async () => {
    judge(request(await certify({ subject: 'below', issuer: leaf }), leaf), 'not-a-ca')
  })
  test('another certificate for the pinned name and key is not the pinned one', async () => {
    const forged = await certify({
      subject: 'leaf',
      issuer: await certify({ subject: 'CA', ca: true }),
      signer: leaf.signer,
    })
    judge(request(forged, leaf), 'untrusted')
  })
  test('an expired root is trusted for as long as it is listed', async () => {
    judge(await chainOf({}, {}, { notAfter: new Date('2026-01-01') }), 'ok', 'openssl refuses')
  })
})

describe('lifetime', () => {
  const at = (time: Date | string): PathRequest => ({ ...request(leaf, ca, root), at: new Date(time) })
  test('the first and the last second belong to it', () => {
    judge(at(begin), 'ok')
    judge(at(end), 'ok', 'openssl refuses')
  })
  test('before, after', () => {
    judge(at('2024-12-31T23:59:59Z'), 'not-yet-valid')
    judge(at('2035-01-01T00:00:01Z'), 'expired')
  })
  test('a clock that tells no time', () => judge(at('nonsense'), 'not-yet-valid', 'no openssl'))
  test('of the leaf, of the CA', async () => {
    judge(await chainOf({ notAfter: new Date('2026-11-19') }), 'expired')
    judge(await chainOf({ notBefore: new Date('2026-11-21') }), 'not-yet-valid')
    judge(await chainOf({}, { notAfter: new Date('2026-11-19') }), 'expired')
    judge(await chainOf({}, { notBefore: new Date('2026-11-21') }), 'not-yet-valid')
  })
  test('only the lifetime of the leaf can be left out', async () => {
    const lenient = { ignoreLeafLifetime: true }
    judge({ ...(await chainOf({ notAfter: new Date('2026-11-19') })), ...lenient }, 'ok', 'openssl refuses')
    judge({ ...(await chainOf({ notBefore: new Date('2026-11-21') })), ...lenient }, 'ok', 'openssl refuses')
    judge({ ...(await chainOf({}, { notAfter: new Date('2026-11-19') })), ...lenient }, 'expired')
  })
  test('no expiry', async () => judge(await chainOf({ notAfter: new Date('9999-12-31T23:59:59Z') }), 'ok'))
})

describe('who may issue', () => {
  const keyUsage = (...bits: ('digitalSignature' | 'cRLSign' | 'keyEncipherment')[]) =>
    makeExtension(extensionKinds.keyUsage, bits)
  test('cA false, basicConstraints absent', async () => {
    judge(await chainOf({}, { ca: false }), 'not-a-ca')
    judge(await chainOf({}, { ca: undefined as unknown as boolean }), 'not-a-ca')
  })
  test('a device that issues', async () =>
    judge(request(await certify({ subject: 'x', issuer: leaf }), leaf, ca, root), 'not-a-ca'))
  test('no keyCertSign, in the CA and in the root', async () => {
    judge(await chainOf({}, { extensions: [keyUsage('digitalSignature', 'cRLSign')] }), 'key-usage')
    judge(await chainOf({}, {}, { extensions: [keyUsage('cRLSign')] }), 'key-usage')
  })
  test('no keyUsage at all allows all', async () => judge(await chainOf({}, { without: ['keyUsage'] }), 'ok'))
  test('pathLenConstraint of the root', async () => {
    judge(await chainOf({}, {}, { ca: 1 }), 'ok')
    judge(await chainOf({}, {}, { ca: 0 }), 'path-length')
  })
  test('pathLenConstraint of a CA, and the smallest counts', async () => {
    const narrow = await certify({ subject: 'Narrow', issuer: root, ca: 0 })
    const wide = await certify({ subject: 'Wide', issuer: narrow, ca: 5 })
    judge(request(await certify({ subject: 'leaf', issuer: wide }), wide, narrow, root), 'path-length')
    judge(request(await certify({ subject: 'leaf', issuer: narrow }), narrow, root), 'ok')
  })
  test('the last certificate does not count, even if it is a CA', async () => {
    const narrow = await certify({ subject: 'Narrow', issuer: root, ca: 0 })
    judge(request(await certify({ subject: 'CA too', issuer: narrow, ca: true }), narrow, root), 'ok')
  })
  test('a self-issued CA does not count', async () => {
    const narrow = await certify({ subject: 'Narrow', issuer: root, ca: 0 })
    const renewed = await certify({ subject: 'Narrow', issuer: narrow, ca: 0 })
    judge(request(await certify({ subject: 'leaf', issuer: renewed }), renewed, narrow, root), 'ok')
  })
})

describe('purpose', () => {
  const server = { purpose: [usage.serverAuth] }
  const client = { purpose: [usage.clientAuth] }
  const withUsage = (...usages: string[]) => ({ extensions: [eku(...usages)] })
  test('of the leaf', async () => {
    judge({ ...(await chainOf(withUsage(usage.serverAuth, usage.cmcRA))), ...server }, 'ok')
    judge({ ...(await chainOf(withUsage(usage.clientAuth))), ...server }, 'extended-key-usage')
    judge({ ...(await chainOf(withUsage(usage.clientAuth))), ...client }, 'ok')
    judge({ ...(await chainOf({})), ...server }, 'ok')
    judge({ ...(await chainOf(withUsage(usage.anyExtendedKeyUsage))), ...server }, 'ok', 'openssl refuses')
    judge(await chainOf(withUsage(usage.codeSigning)), 'ok')
  })
  test('of the CA and of the root above', async () => {
    judge({ ...(await chainOf({}, withUsage(usage.serverAuth))), ...server }, 'ok')
    judge({ ...(await chainOf({}, withUsage(usage.clientAuth))), ...server }, 'extended-key-usage')
    judge({ ...(await chainOf({}, {}, withUsage(usage.clientAuth))), ...server }, 'extended-key-usage')
    judge({ ...(await chainOf({}, withUsage(usage.anyExtendedKeyUsage))), ...server }, 'ok', 'openssl refuses')
  })
  test('any of several, the same one all the way', async () => {
    const either = { purpose: [usage.serverAuth, usage.clientAuth] }
    judge({ ...(await chainOf(withUsage(usage.clientAuth))), ...either }, 'ok', 'no openssl')
    const crossed = await chainOf(withUsage(usage.clientAuth), withUsage(usage.serverAuth))
    judge({ ...crossed, ...either }, 'extended-key-usage', 'no openssl')
    judge({ ...crossed, purpose: [] }, 'extended-key-usage', 'no openssl')
  })
  test('an authority must be spelled out', async () => {
    const authority = { purpose: [usage.cmcRA] }
    judge({ ...(await chainOf(withUsage(usage.cmcRA))), ...authority }, 'ok', 'no openssl')
    judge({ ...(await chainOf({})), ...authority }, 'extended-key-usage', 'no openssl')
    judge(
      { ...(await chainOf(withUsage(usage.anyExtendedKeyUsage))), ...authority },
      'extended-key-usage',
      'no openssl',
    )
  })
  test('a key usage that signs', async () => {
    const encipher = { extensions: [makeExtension(extensionKinds.keyUsage, ['keyEncipherment' as const])] }
    judge({ ...(await chainOf(encipher)), ...client }, 'key-usage')
    judge(await chainOf(encipher), 'ok')
  })
})

describe('critical extensions', () => {
  const strange = (critical: boolean) => ({
    extensions: [{ id: '1.3.6.1.4.1.99999.1', critical, value: Buffer.from('0500', 'hex') }],
  })
  test('unknown, in each certificate', async () => {
    judge(await chainOf(strange(true)), 'unknown-critical-extension')
    judge(await chainOf({}, strange(true)), 'unknown-critical-extension')
    judge(await chainOf({}, {}, strange(true)), 'unknown-critical-extension')
    judge(await chainOf(strange(false), strange(false), strange(false)), 'ok')
  })
  test('policies without and with qualifiers', async () => {
    const policies = (...qualifierIds: string[]) => {
      const policyQualifiers = qualifierIds.map(policyQualifierId => ({
        policyQualifierId,
        qualifier: Buffer.from('0500', 'hex'),
      }))
      const information = {
        policyIdentifier: '1.3.6.1.4.1.99999.2',
        ...(policyQualifiers.length > 0 && { policyQualifiers }),
      }
      return { extensions: [makeExtension(extensionKinds.certificatePolicies, [information], true)] }
    }
    judge(await chainOf(policies()), 'ok')
    judge(await chainOf(policies('1.3.6.1.4.1.99999.3')), 'unknown-critical-extension', 'no openssl')
  })
  test('policyConstraints are not processed', async () => {
    const required = { extensions: [{ id: '2.5.29.36', critical: true, value: Buffer.from('3003800100', 'hex') }] }
    judge(await chainOf({}, required), 'unknown-critical-extension', 'openssl accepts')
  })
})

describe('strength', () => {
  test('P-384, P-521, Ed25519 and RSA above, P-256 below', async () => {
    const { generateKeyPairSync } = await import('node:crypto')
    const above = [
      keySigner(generateKey('P-384')),
      keySigner(generateKey('P-521')),
      keySigner(generateKeyPairSync('ed25519').privateKey),
      rsaSigner(2048),
    ]
    for (const signer of above) judge(await chainOf({}, {}, { signer }), 'ok')
  })
  test('weak or strange keys, of the root and of the leaf', async () => {
    judge(await chainOf({}, {}, { signer: rsaSigner(1024) }), 'weak-key')
    judge(await chainOf({ signer: rsaSigner(1024) }), 'weak-key')
    judge(await chainOf({}, {}, { signer: curveSigner('secp256k1') }), 'weak-key', 'openssl accepts')
  })
  test('SHA-1', async () => judge(await chainOf({}, {}, { signer: rsaSigner(2048, 'sha1') }), 'weak-algorithm'))
  test('a changed byte of the signature, of the content', async () => {
    const { der } = leaf.certificate
    const changed = (at: number): Certificate => {
      const copy = Buffer.from(der)
      copy.writeUInt8(copy.readUInt8(at) ^ 1, at)
      return decodeCertificate(copy)
    }
    for (const at of [der.length - 1, der.length - 40, Buffer.from(der).indexOf('leaf')]) {
      judge({ ...request(leaf, root), chain: [changed(at), ca.certificate] }, 'bad-signature')
    }
  })
})

describe('bounds', () => {
  async function ladder(rungs: number): Promise<Entity[]> {
    const list = [root]
    for (let i = 0; i < rungs; i++) list.unshift(await certify({ subject: `CA ${i}`, issuer: list[0]!, ca: true }))
    return [await certify({ subject: 'leaf', issuer: list[0]! }), ...list]
  }
  test('8 CAs, 9 CAs, a lower limit', async () => {
    judge(request(...(await ladder(8))), 'ok')
    judge(request(...(await ladder(9))), 'too-long', 'openssl accepts')
    judge({ ...request(...(await ladder(2))), maxDepth: 2 }, 'ok')
    judge({ ...request(...(await ladder(3))), maxDepth: 2 }, 'too-long')
  })
  test('more than 10 certificates', () => {
    const chain = Array.from({ length: 11 }, () => leaf.certificate)
    judge({ ...request(leaf, root), chain }, 'too-long', 'no openssl')
  })
  test('CAs of one name that all certify each other cost a bounded number of signatures', async () => {
    const signers = Array.from({ length: 9 }, () => keySigner(generateKey('P-256')))
    const bare = { subject: 'Knot', ca: true, without: ['authorityKeyIdentifier', 'subjectKeyIdentifier'] } as const
    const first = await Promise.all(signers.map(signer => certify({ ...bare, signer })))
    const chain: Certificate[] = []
    for (const [i, signer] of signers.entries()) {
      chain.push((await certify({ ...bare, signer, issuer: first[(i + 1) % 9]! })).certificate)
    }
    judge(
      {
        chain: [(await certify({ ...bare, subject: 'leaf', issuer: first[0]! })).certificate, ...chain],
        anchors: [anchor(root)],
        at: now,
      },
      'too-long',
      'openssl refuses',
    )
  })
  test('any damage to a chain: PathError or CodecError', () => {
    const parts = [leaf, ca].map(({ certificate }) => Buffer.from(certificate.der))
    const place = fc.record({ part: fc.nat(1), at: fc.nat(2000), value: fc.nat(255) })
    fc.assert(
      fc.property(fc.array(place, { minLength: 1, maxLength: 3 }), changes => {
        const copies = parts.map(part => Buffer.from(part))
        for (const { part, at, value } of changes) copies[part]!.writeUInt8(value, at % parts[part]!.length)
        if (copies.every((copy, i) => copy.equals(parts[i]!))) return
        try {
          validatePath({ chain: copies.map(copy => decodeCertificate(copy)), anchors: [anchor(root)], at: now })
          assert.fail('accepted')
        } catch (error) {
          assert.ok(error instanceof PathError || error instanceof CodecError, String(error))
        }
      }),
      { numRuns: 500 },
    )
  })
})
