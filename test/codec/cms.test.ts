import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test from 'node:test'
import fc from 'fast-check'
import {
  cmsOid,
  decodeCertsOnly,
  decodeSignedData,
  encodeCertsOnly,
  encodeSignedData,
  type SignedData,
  signedDataVersion,
} from '../../src/codec/cms.ts'
import { needs } from '../peer.ts'
import { folder, hex } from '../protocol/brski/vector/file.ts'
import { refused, total } from './refused.ts'

const published = folder('rfc8995-appendix-c')
const rvr = published.bytes('messages/registrar-voucher-request.cms.der')
const { certificate } = published
const registrar = certificate('certs/registrar').der
const registrarCa = certificate('certs/registrar-ca').der

test('a published message is written again byte for byte', () => {
  const { signedData, sorted } = decodeSignedData(rvr)
  assert.equal(sorted, true)
  assert.deepEqual(encodeSignedData(signedData), rvr)
})

test('certs-only: sorted when written, in their own order when read', () => {
  const both = [registrar, registrarCa].toSorted((a, b) => Buffer.compare(a, b))
  const message = encodeCertsOnly({ certificates: both.toReversed() })
  assert.deepEqual(decodeCertsOnly(message).certificates.map(hex), both.map(hex))
  const { signedData, sorted } = decodeSignedData(unsorted(message, both))
  assert.equal(sorted, false)
  assert.deepEqual(signedData.certificates?.map(hex), both.toReversed().map(hex))
})

/** The two certificates of the message in the other order. */
function unsorted(message: Buffer, certificates: readonly Uint8Array[]): Buffer {
  const joined = Buffer.concat(certificates)
  const at = message.indexOf(joined)
  assert.ok(at > 0)
  return Buffer.concat([message.subarray(0, at), ...certificates.toReversed(), message.subarray(at + joined.length)])
}

test('certs-only: nothing but certificates and CRLs', () => {
  assert.deepEqual(decodeCertsOnly(encodeCertsOnly({})), { certificates: [], crls: [] })
  const crl = Buffer.from('3000', 'hex')
  assert.deepEqual(decodeCertsOnly(encodeCertsOnly({ certificates: [registrar], crls: [crl] })).crls, [crl])
  refused('bad-value', () => decodeCertsOnly(rvr))
  const bare: SignedData = {
    version: 1,
    digestAlgorithms: [],
    encapContentInfo: { eContentType: cmsOid.data },
    signerInfos: [],
  }
  refused('bad-value', () =>
    decodeCertsOnly(
      encodeSignedData({ ...bare, encapContentInfo: { eContentType: cmsOid.data, eContent: Buffer.of(1) } }),
    ),
  )
  refused('unsupported', () =>
    decodeCertsOnly(encodeSignedData({ ...bare, certificates: [Buffer.from('a100', 'hex')] })),
  )
})

test('another content type is another message', () => {
  const data = Buffer.from('300f06092a864886f70d010701a0020400', 'hex')
  assert.throws(() => decodeSignedData(data), { name: 'CodecError' })
  const enveloped = Buffer.from('300d06092a864886f70d010703a000', 'hex')
  assert.throws(() => decodeSignedData(enveloped), { name: 'CodecError' })
})

test('RFC 5652 5.1: versions', () => {
  const one = [{ version: 1 }]
  assert.equal(signedDataVersion(cmsOid.data, one), 1)
  assert.equal(signedDataVersion(cmsOid.data, []), 1)
  assert.equal(signedDataVersion(cmsOid.data, [{ version: 3 }]), 3)
  assert.equal(signedDataVersion(cmsOid.animaJsonVoucher, one), 3)
})

test('BER of indefinite length is refused', () => {
  refused('not-minimal', () => decodeSignedData(Buffer.from('308006092a864886f70d010702a0800000', 'hex')))
})

test('cut off anywhere, or with a byte more', () => {
  for (let length = 0; length < rvr.length; length += 7) {
    assert.throws(() => decodeSignedData(rvr.subarray(0, length)), { name: 'CodecError' })
  }
  refused('trailing-bytes', () => decodeSignedData(Buffer.concat([rvr, Buffer.of(0)])))
  refused('too-large', () => decodeSignedData(Buffer.alloc(0x4_0001)))
})

test('a damaged message: a value or a CodecError', () => {
  const change = fc.array(fc.tuple(fc.nat(rvr.length - 1), fc.nat(255)), { minLength: 1, maxLength: 4 })
  fc.assert(
    fc.property(change, fc.nat(rvr.length), (changes, cut) => {
      const bytes = Buffer.from(rvr)
      for (const [at, octet] of changes) bytes[at] = octet
      total(() => decodeSignedData(bytes), bytes.length)
      total(() => decodeCertsOnly(bytes.subarray(0, cut)), cut)
    }),
    { numRuns: 1000 },
  )
})

test('openssl reads our certs-only message, and we read its', needs('openssl'), () => {
  const ours = encodeCertsOnly({ certificates: [registrar, registrarCa] })
  const printed = execFileSync('openssl', ['pkcs7', '-inform', 'DER', '-print_certs'], { input: ours }).toString()
  assert.equal(printed.match(/BEGIN CERTIFICATE/g)?.length, 2)
  const directory = mkdtempSync(join(tmpdir(), 'mooring-cms-'))
  try {
    writeFileSync(join(directory, 'pem'), printed)
    const options = ['-nocrl', '-certfile', join(directory, 'pem'), '-outform', 'DER']
    const again = decodeCertsOnly(execFileSync('openssl', ['crl2pkcs7', ...options]))
    assert.equal(again.certificates.length, 2)
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
})
