import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { generateKeyPairSync, hash } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { before, describe, test } from 'node:test'
import fc from 'fast-check'
import * as pkijs from 'pkijs'
import {
  type CmsAttribute,
  CmsAttributes,
  cmsOid,
  decodeSignedData,
  encodeSignedData,
  type SignedData,
} from '../../src/codec/cms.ts'
import { encode } from '../../src/codec/der/codec.ts'
import { oid } from '../../src/codec/der/oid.ts'
import { octetString } from '../../src/codec/der/primitive.ts'
import { time } from '../../src/codec/der/time.ts'
import { CodecError } from '../../src/codec/error.ts'
import { encodePem } from '../../src/codec/pem.ts'
import { signCms, verifyCms } from '../../src/crypto/cms.ts'
import { CryptoError } from '../../src/crypto/error.ts'
import { generateKey } from '../../src/crypto/key.ts'
import { keySigner } from '../../src/crypto/signer.ts'
import { needs } from '../peer.ts'
import { certify, type Entity, rsaSigner } from './pki.ts'

const content = Buffer.from('{"ietf-voucher:voucher":{}}')
const contentType = cmsOid.animaJsonVoucher

let ca: Entity
let alice: Entity
let stranger: Entity
let message: Buffer
before(async () => {
  ca = await certify({ subject: 'CA', ca: true })
  alice = await certify({ subject: 'alice', issuer: ca })
  stranger = await certify({ subject: 'stranger' })
  message = await signCms({
    content,
    contentType,
    signer: alice.signer,
    certificates: [alice.certificate, ca.certificate],
  })
})

const code = (expected: string) => (error: unknown) =>
  (error instanceof CryptoError || error instanceof CodecError) && error.code === expected
const refused = (expected: string, der: Uint8Array) => assert.throws(() => verifyCms(der), code(expected))

describe('what we sign', () => {
  test('verifies, with signer and bag', () => {
    const verified = verifyCms(message)
    assert.deepEqual(Buffer.from(verified.content), content)
    assert.equal(verified.contentType, contentType)
    assert.deepEqual(verified.signerCertificate.der, alice.certificate.der)
    assert.deepEqual(
      verified.certificates.map(({ der }) => der),
      [alice.certificate.der, ca.certificate.der],
    )
    assert.deepEqual([verified.notes, verified.crls, verified.signingTime], [[], [], undefined])
  })

  test('is SignedData version 3 with the attributes in DER order', () => {
    const { signedData, sorted } = decodeSignedData(message)
    assert.deepEqual([signedData.version, sorted], [3, true])
    assert.deepEqual(
      signedData.signerInfos[0]?.signedAttrs?.value.map(({ type }) => type),
      [cmsOid.contentType, cmsOid.messageDigest],
    )
  })

  test('with id-data is version 1, with a time has it', async () => {
    const signingTime = new Date('2026-11-20T12:00:00Z')
    const timed = await signCms({
      content,
      contentType: cmsOid.data,
      signer: alice.signer,
      certificates: [alice.certificate],
      signingTime,
    })
    assert.equal(decodeSignedData(timed).signedData.version, 1)
    assert.deepEqual(verifyCms(timed).signingTime, signingTime)
  })

  test('by any curve, and by Ed25519', async () => {
    const keys = [generateKey('P-384'), generateKey('P-521'), generateKeyPairSync('ed25519').privateKey]
    for (const key of keys) {
      const { signer, certificate } = await certify({ subject: 'bob', signer: keySigner(key) })
      const der = await signCms({ content, contentType, signer, certificates: [certificate] })
      assert.deepEqual(verifyCms(der).signerCertificate.der, certificate.der)
    }
  })

  test('does not name a certificate for another key', async () => {
    const wrong = signCms({ content, contentType, signer: alice.signer, certificates: [ca.certificate] })
    await assert.rejects(wrong, code('key-mismatch'))
    await assert.rejects(
      signCms({ content, contentType, signer: alice.signer, certificates: [] }),
      code('key-mismatch'),
    )
  })

  test('does not depend on what was signed before', async () => {
    const other = await signCms({
      content: Buffer.from('x'),
      contentType,
      signer: alice.signer,
      certificates: [alice.certificate],
    })
    assert.equal(Buffer.from(verifyCms(other).content).toString(), 'x')
    assert.deepEqual(Buffer.from(verifyCms(message).content), content)
  })
})

/** Our own message with changes below its signature. */
async function signed(change: {
  attributes?: (attributes: CmsAttribute[]) => CmsAttribute[]
  order?: 'der' | 'any'
  data?: Partial<SignedData>
  noAttributes?: boolean
  sid?: 'subjectKeyIdentifier'
  digest?: string
}): Promise<Buffer> {
  const attributes = (change.attributes ?? (list => list))([
    { type: cmsOid.contentType, values: [encode(oid, contentType)] },
    { type: cmsOid.messageDigest, values: [encode(octetString, hash('sha256', content, 'buffer'))] },
  ])
  const der = change.order === 'any' ? joined(attributes) : encode(CmsAttributes, attributes)
  const digestAlgorithm = { algorithm: change.digest ?? '2.16.840.1.101.3.4.2.1' }
  const { issuer, serialNumber, subjectKeyIdentifier } = alice.certificate
  return encodeSignedData({
    version: 3,
    digestAlgorithms: [digestAlgorithm],
    encapContentInfo: { eContentType: contentType, eContent: content },
    certificates: [alice.certificate.der],
    signerInfos: [
      {
        version: change.sid === undefined ? 1 : 3,
        sid:
          change.sid === undefined
            ? { type: 'issuerAndSerialNumber', value: { issuer: issuer.der, serialNumber } }
            : { type: 'subjectKeyIdentifier', value: subjectKeyIdentifier! },
        digestAlgorithm,
        ...(change.noAttributes !== true && { signedAttrs: { der, value: [] } }),
        signatureAlgorithm: { algorithm: '1.2.840.10045.4.3.2' },
        signature: await alice.signer.sign(change.noAttributes === true ? content : der),
      },
    ],
    ...change.data,
  })
}

/** SET OF in the order given. */
function joined(attributes: readonly CmsAttribute[]): Buffer {
  const content = Buffer.concat(attributes.map(attribute => encode(CmsAttributes, [attribute]).subarray(2)))
  return Buffer.concat([Buffer.of(0x31, content.length), content])
}

describe('what we refuse', () => {
  test('changed content', () => {
    const changed = Buffer.from(message)
    changed[changed.indexOf(content)] = 0x5b
    refused('bad-signature', changed)
  })

  test('a changed signature', () => {
    const changed = Buffer.from(message)
    changed[changed.length - 1]! ^= 1
    refused('bad-signature', changed)
  })

  test('a digest of something else, well signed', async () => {
    const other = { type: cmsOid.messageDigest, values: [encode(octetString, hash('sha256', 'other', 'buffer'))] }
    refused('bad-signature', await signed({ attributes: ([first]) => [first!, other] }))
  })

  test('signed attributes of another content type', async () => {
    const other = { type: cmsOid.contentType, values: [encode(oid, cmsOid.data)] }
    refused('bad-signature', await signed({ attributes: ([, digest]) => [other, digest!] }))
  })

  test('no signed attributes', async () => refused('unsupported-algorithm', await signed({ noAttributes: true })))

  test('attributes that are missing, doubled or without their one value', async () => {
    refused('bad-value', await signed({ attributes: ([first]) => [first!] }))
    refused('bad-value', await signed({ attributes: ([, second]) => [second!] }))
    refused('duplicate', await signed({ attributes: list => [...list, list[1]!] }))
    const twice = ({ type, values }: CmsAttribute) => ({ type, values: [...values, ...values] })
    refused('duplicate', await signed({ attributes: ([first, second]) => [first!, twice(second!)] }))
  })

  test('no signer, and two', async () => {
    refused('unsupported', await signed({ data: { signerInfos: [] } }))
    const { signedData } = decodeSignedData(message)
    const [signerInfo] = signedData.signerInfos
    refused('unsupported', encodeSignedData({ ...signedData, signerInfos: [signerInfo!, signerInfo!] }))
  })

  test('no content', async () => {
    refused('unsupported', await signed({ data: { encapContentInfo: { eContentType: contentType } } }))
  })

  test('a signer that nobody knows', async () => {
    refused('key-mismatch', await signed({ data: { certificates: [ca.certificate.der] } }))
    refused('key-mismatch', await signed({ data: { certificates: [] } }))
  })

  test('a certificate with name and number of the signer, and another key', async () => {
    const twin = await certify({ subject: 'alice', issuer: ca })
    const { signedData } = decodeSignedData(message)
    const [signerInfo] = signedData.signerInfos
    const sid = {
      type: 'issuerAndSerialNumber',
      value: { issuer: twin.certificate.issuer.der, serialNumber: twin.certificate.serialNumber },
    } as const
    refused(
      'bad-signature',
      encodeSignedData({ ...signedData, certificates: [twin.certificate.der], signerInfos: [{ ...signerInfo!, sid }] }),
    )
  })

  test('digests that we do not use, or that differ from that of the signature', async () => {
    refused('unsupported-algorithm', await signed({ digest: '1.3.14.3.2.26' }))
    refused('unsupported-algorithm', await signed({ digest: '2.16.840.1.101.3.4.2.2' }))
  })

  test('too many certificates', async () => {
    const certificates = Array.from({ length: 17 }, () => alice.certificate.der)
    refused('too-many', await signed({ data: { certificates } }))
  })

  test('what is no certificate in the bag', async () => {
    refused('unsupported', await signed({ data: { certificates: [Buffer.from('a000', 'hex')] } }))
    refused('bad-tag', await signed({ data: { certificates: [Buffer.from('30020500', 'hex')] } }))
  })
})

describe('what we tolerate and name', () => {
  test('a signer named by key identifier', async () => {
    const verified = verifyCms(await signed({ sid: 'subjectKeyIdentifier' }))
    assert.deepEqual(verified.notes, [])
    assert.deepEqual(verified.signerCertificate.der, alice.certificate.der)
  })

  test('the wrong version', async () => {
    assert.deepEqual(verifyCms(await signed({ data: { version: 1 } })).notes, ['version'])
  })

  test('attributes out of order, signed as sent', async () => {
    const der = await signed({ attributes: list => list.toReversed(), order: 'any' })
    assert.deepEqual(verifyCms(der).notes, ['set-order'])
  })

  test('attributes sent out of order, signed in order', async () => {
    const sorted = await signed({})
    const attributes = decodeSignedData(sorted).signedData.signerInfos[0]!.signedAttrs!
    const reversed = joined(attributes.value.toReversed())
    const at = sorted.indexOf(attributes.der)
    const mixed = Buffer.concat([
      sorted.subarray(0, at),
      Buffer.of(0xa0),
      reversed.subarray(1),
      sorted.subarray(at + reversed.length),
    ])
    assert.deepEqual(verifyCms(mixed).notes, ['set-order'])
  })

  test('a signer whose certificate we have ourselves', async () => {
    const der = await signed({ data: { certificates: [] } })
    const verified = verifyCms(der, { signers: [stranger.certificate, alice.certificate] })
    assert.equal(verified.signerCertificate, alice.certificate)
    assert.deepEqual(verified.certificates, [alice.certificate])
  })

  test('other attributes, such as a time', async () => {
    const at = new Date('2026-01-01T00:00:00Z')
    const der = await signed({
      attributes: list => [...list, { type: cmsOid.signingTime, values: [encode(time, at)] }],
    })
    assert.deepEqual(verifyCms(der).signingTime, at)
  })
})

test('a damaged message: verified as it was, or refused', () => {
  const change = fc.tuple(fc.nat(message.length - 1), fc.integer({ min: 1, max: 255 }))
  fc.assert(
    fc.property(fc.array(change, { minLength: 1, maxLength: 3 }), changes => {
      const damaged = Buffer.from(message)
      for (const [at, bits] of changes) damaged[at]! ^= bits
      try {
        assert.deepEqual(Buffer.from(verifyCms(damaged).content), content)
      } catch (error) {
        if (!(error instanceof CodecError || error instanceof CryptoError)) throw error
      }
    }),
    { numRuns: 500 },
  )
})

function temporary(files: Record<string, string | Uint8Array>, work: (path: (name: string) => string) => void): void {
  const directory = mkdtempSync(join(tmpdir(), 'mooring-cms-'))
  const path = (name: string) => join(directory, name)
  try {
    for (const [name, data] of Object.entries(files)) writeFileSync(path(name), data)
    work(path)
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
}

test('openssl verifies what we sign', needs('openssl'), () => {
  temporary({ message, ca: encodePem('CERTIFICATE', ca.certificate.der) }, path => {
    const options = [
      '-inform',
      'DER',
      '-in',
      path('message'),
      '-CAfile',
      path('ca'),
      '-purpose',
      'any',
      '-attime',
      '1795176000',
    ]
    const output = execFileSync('openssl', ['cms', '-verify', ...options], { stdio: 'pipe' })
    assert.deepEqual(output, content)
    writeFileSync(path('message'), Buffer.concat([message.subarray(0, -1), Buffer.of(message.at(-1)! ^ 1)]))
    assert.throws(() => execFileSync('openssl', ['cms', '-verify', ...options], { stdio: 'pipe' }))
  })
})

test('we verify what openssl signs: EC and RSA, by number and by key identifier', needs('openssl'), async () => {
  const keys = [
    generateKeyPairSync('ec', { namedCurve: 'P-256' }),
    generateKeyPairSync('ec', { namedCurve: 'P-384' }),
    generateKeyPairSync('rsa', { modulusLength: 2048 }),
  ]
  for (const { privateKey, publicKey } of keys) {
    const rsa = privateKey.asymmetricKeyType === 'rsa'
    const spkiDer = publicKey.export({ type: 'spki', format: 'der' })
    const signer = rsa ? { ...rsaSigner(2048), publicKey, spkiDer } : keySigner(privateKey)
    const { certificate } = await certify({ subject: 'carol', issuer: ca, signer })
    const files = {
      content,
      key: privateKey.export({ type: 'pkcs8', format: 'pem' }) as string,
      certificate: encodePem('CERTIFICATE', certificate.der),
      ca: encodePem('CERTIFICATE', ca.certificate.der),
    }
    for (const more of [[], ['-keyid'], ['-md', 'sha384']]) {
      temporary(files, path => {
        const options = [
          '-nodetach',
          '-binary',
          '-outform',
          'DER',
          '-econtent_type',
          contentType,
          '-certfile',
          path('ca'),
          ...more,
        ]
        const der = execFileSync('openssl', [
          'cms',
          '-sign',
          ...options,
          '-in',
          path('content'),
          '-signer',
          path('certificate'),
          '-inkey',
          path('key'),
        ])
        const verified = verifyCms(der)
        assert.deepEqual(Buffer.from(verified.content), content)
        assert.deepEqual(verified.signerCertificate.der, certificate.der)
        assert.equal(verified.certificates.length, 2)
        assert.ok(verified.signingTime instanceof Date)
      })
    }
    temporary(files, path => {
      const bare = ['-nodetach', '-binary', '-noattr', '-outform', 'DER', '-in', path('content')]
      refused(
        'unsupported-algorithm',
        execFileSync('openssl', ['cms', '-sign', ...bare, '-signer', path('certificate'), '-inkey', path('key')]),
      )
    })
  }
})

test('pkijs verifies what we sign', async () => {
  const info = pkijs.ContentInfo.fromBER(Uint8Array.from(message).buffer)
  const data = new pkijs.SignedData({ schema: info.content })
  assert.equal(await data.verify({ signer: 0, checkChain: false }), true)
  assert.deepEqual(Buffer.from(data.encapContentInfo.eContent!.getValue()), content)
})
