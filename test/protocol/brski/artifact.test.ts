import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { before, describe, test } from 'node:test'
import fc from 'fast-check'
import { cmsOid } from '../../../src/codec/cms.ts'
import { CodecError } from '../../../src/codec/error.ts'
import { encodePem } from '../../../src/codec/pem.ts'
import { signCms } from '../../../src/crypto/cms.ts'
import { CryptoError } from '../../../src/crypto/error.ts'
import { signJws } from '../../../src/crypto/jws.ts'
import {
  countersignVoucher,
  openVoucherArtifact,
  signVoucherArtifact,
  withoutCoseCertificates,
} from '../../../src/protocol/brski/artifact.ts'
import { needs } from '../../peer.ts'
import { certificatesOf, formats, type Parties, parties, pledgeRequestValue, sealed, voucherValue } from './party.ts'

let all: Parties
before(async () => {
  all = await parties()
})

const code = (expected: string) => (error: unknown) =>
  (error instanceof CryptoError || error instanceof CodecError) && error.code === expected

for (const format of formats) {
  describe(format, () => {
    test('a request and a voucher come back as they went', async () => {
      const request = await sealed('request', pledgeRequestValue(all), [all.pledge, all.manufacturer], format)
      assert.deepEqual(plain(request.value), plain(pledgeRequestValue(all)))
      assert.deepEqual(
        request.certificates.map(({ der }) => der),
        certificatesOf(all.pledge, all.manufacturer).map(({ der }) => der),
      )
      assert.deepEqual(
        [request.kind, request.format, request.quirksUsed, request.ignoredMembers],
        ['request', format, [], []],
      )
      const voucher = await sealed('voucher', voucherValue(all), [all.masa, all.manufacturer], format)
      assert.deepEqual(plain(voucher.value), plain(voucherValue(all)))
      assert.deepEqual(voucher.signatures.length, 1)
    })

    test('the format is told from the bytes; a wrong one is refused', async () => {
      const { bytes } = await sealed('voucher', voucherValue(all), [all.masa], format)
      assert.equal(openVoucherArtifact(bytes, { kind: 'voucher' }).format, format)
      for (const other of formats.filter(name => name !== format)) {
        assert.throws(() => openVoucherArtifact(bytes, { kind: 'voucher', format: other }), { name: 'CodecError' })
      }
    })

    test('a request is no voucher, and a voucher no request', async () => {
      const request = await sealed('request', pledgeRequestValue(all), [all.pledge], format)
      assert.throws(() => openVoucherArtifact(request.bytes, { kind: 'voucher' }), code('bad-value'))
      const voucher = await sealed('voucher', voucherValue(all), [all.masa], format)
      assert.throws(() => openVoucherArtifact(voucher.bytes, { kind: 'request' }), code('bad-value'))
    })

    test('cut off anywhere', async () => {
      const { bytes } = await sealed('voucher', voucherValue(all), [all.masa], format)
      for (let length = 0; length < bytes.length; length += 13) {
        assert.throws(() => openVoucherArtifact(bytes.subarray(0, length), { kind: 'voucher' }), { name: 'CodecError' })
      }
    })

    test('damaged: the value as it was, or refused', async () => {
      const { bytes, value } = await sealed('voucher', voucherValue(all), [all.masa], format)
      const change = fc.tuple(fc.nat(bytes.length - 1), fc.integer({ min: 1, max: 255 }))
      fc.assert(
        fc.property(fc.array(change, { minLength: 1, maxLength: 3 }), changes => {
          const damaged = Buffer.from(bytes)
          for (const [at, bits] of changes) damaged[at]! ^= bits
          try {
            assert.deepEqual(plain(openVoucherArtifact(damaged, { kind: 'voucher' }).value), plain(value))
          } catch (error) {
            if (!(error instanceof CodecError || error instanceof CryptoError)) throw error
          }
        }),
        { numRuns: 300 },
      )
    })

    test('not signed with the certificate of another key', async () => {
      const { signer } = all.masa
      const wrong = signVoucherArtifact({
        format,
        kind: 'voucher',
        value: voucherValue(all),
        signer,
        certificates: certificatesOf(all.pledge),
      })
      await assert.rejects(wrong, code('key-mismatch'))
    })
  })
}

function plain(value: object): unknown {
  const entries = Object.entries(value).map(([name, item]) => [
    name,
    item instanceof Uint8Array ? Buffer.from(item).toString('hex') : item,
  ])
  return Object.fromEntries(entries)
}

const content = Buffer.from('{"ietf-voucher:voucher":{"serial-number":"1"}}')

test('CMS: the content type of vouchers or, tolerated, id-data', async () => {
  const { signer, certificate } = all.masa
  const open = async (contentType: string) =>
    openVoucherArtifact(await signCms({ content, contentType, signer, certificates: [certificate] }), {
      kind: 'voucher',
      version: 'rfc8366bis',
    })
  assert.deepEqual((await open(cmsOid.animaJsonVoucher)).quirksUsed, [])
  assert.deepEqual((await open(cmsOid.data)).quirksUsed, ['cms-id-data'])
  await assert.rejects(open('1.2.3'), code('unsupported'))
})

test('JWS: typ, and a chain of one', async () => {
  const open = async (header: object, ...more: Parties['masa'][]) => {
    const certificates = certificatesOf(all.masa, ...more)
    const bytes = await signJws({ payload: content, header: { ...header }, signer: all.masa.signer, certificates })
    return openVoucherArtifact(bytes, { kind: 'voucher', version: 'rfc8366bis' })
  }
  const typ = 'voucher-jws+json'
  assert.deepEqual((await open({ typ }, all.manufacturer)).quirksUsed, [])
  assert.deepEqual((await open({ typ })).quirksUsed, ['x5c-leaf-only'])
  assert.deepEqual((await open({}, all.manufacturer)).quirksUsed, ['jws-no-typ'])
  await assert.rejects(open({ typ: 'JWT' }), code('unsupported'))
  await assert.rejects(open({ typ, crit: ['created-on'], 'created-on': 'x' }), code('unsupported'))
})

test('JWS: a countersigned voucher holds both signatures', async () => {
  const { bytes } = await sealed('voucher', voucherValue(all), [all.masa], 'voucher-jws+json')
  const { signer } = all.registrar
  const both = await countersignVoucher(bytes, { signer, certificates: certificatesOf(all.registrar, all.issuing) })
  const { signatures } = openVoucherArtifact(both, { kind: 'voucher' })
  assert.deepEqual(
    signatures.map(({ signerCertificate }) => signerCertificate.der),
    certificatesOf(all.masa, all.registrar).map(({ der }) => der),
  )
  const cms = await sealed('voucher', voucherValue(all), [all.masa])
  await assert.rejects(countersignVoucher(cms.bytes, { signer, certificates: [] }), { name: 'CodecError' })
})

test('COSE: a pledge that is known needs no certificate in its request', async () => {
  const { signer } = all.pledge
  const value = pledgeRequestValue(all)
  const bytes = await signVoucherArtifact({ format: 'voucher+cose', kind: 'request', value, signer, certificates: [] })
  assert.throws(() => openVoucherArtifact(bytes, { kind: 'request' }), code('key-mismatch'))
  const opened = openVoucherArtifact(bytes, { kind: 'request', signers: certificatesOf(all.pledge) })
  assert.equal(opened.signerCertificate, all.pledge.certificate)
  const { bytes: voucher } = await sealed('voucher', voucherValue(all), [all.masa, all.manufacturer], 'voucher+cose')
  const stripped = withoutCoseCertificates(voucher)
  assert.ok(stripped.length < voucher.length - 500)
  assert.deepEqual(
    openVoucherArtifact(stripped, { kind: 'voucher', signers: certificatesOf(all.masa) }).certificates,
    certificatesOf(all.masa),
  )
})

test('the members that RFC 8366bis adds need its version', async () => {
  const value = voucherValue(all, { 'est-domain': 'https://est.example' })
  const { signer } = all.masa
  const certificates = certificatesOf(all.masa)
  const base = { kind: 'voucher', value, signer, certificates } as const
  await assert.rejects(signVoucherArtifact({ format: 'voucher-cms+json', ...base }), code('unsupported'))
  const bytes = await signVoucherArtifact({ format: 'voucher-cms+json', ...base, version: 'rfc8366bis' })
  assert.deepEqual(openVoucherArtifact(bytes, { kind: 'voucher' }).ignoredMembers, ['est-domain'])
  const bis = openVoucherArtifact(bytes, { kind: 'voucher', version: 'rfc8366bis' })
  assert.equal(bis.value['est-domain'], 'https://est.example')
})

test('what is nothing of the kind', () => {
  const open = (bytes: Buffer) => () => openVoucherArtifact(bytes, { kind: 'voucher' })
  for (const bytes of [Buffer.alloc(0), Buffer.from('<xml/>'), Buffer.from('AAAA')])
    assert.throws(open(bytes), code('bad-tag'))
  assert.throws(open(Buffer.alloc(0x2_0001, 0x30)), code('too-large'))
})

test('openssl verifies our requests and voucher, and prints the content type', needs('openssl'), async () => {
  const pvr = await sealed('request', pledgeRequestValue(all), [all.pledge, all.manufacturer])
  const rvr = await sealed('request', pledgeRequestValue(all), [all.registrar, all.issuing, all.domain])
  const voucher = await sealed('voucher', voucherValue(all), [all.masa, all.manufacturer])
  const rows = [
    [pvr, all.manufacturer],
    [rvr, all.domain],
    [voucher, all.manufacturer],
  ] as const
  const directory = mkdtempSync(join(tmpdir(), 'mooring-artifact-'))
  try {
    for (const [{ bytes, value }, { certificate }] of rows) {
      writeFileSync(join(directory, 'message'), bytes)
      writeFileSync(join(directory, 'ca'), encodePem('CERTIFICATE', certificate.der))
      const options = ['-inform', 'DER', '-in', join(directory, 'message')]
      const anchors = ['-CAfile', join(directory, 'ca'), '-purpose', 'any', '-attime', '1795176000']
      const output = execFileSync('openssl', ['cms', '-verify', ...options, ...anchors], { stdio: 'pipe' }).toString()
      assert.equal(
        Object.values<Record<string, string>>(JSON.parse(output))[0]?.['serial-number'],
        value['serial-number'],
      )
      const parsed = execFileSync('openssl', ['cms', '-cmsout', '-print', '-noout', ...options], {
        stdio: 'pipe',
      }).toString()
      assert.match(parsed, /eContentType: .*1\.2\.840\.113549\.1\.9\.16\.1\.40/)
    }
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
})
