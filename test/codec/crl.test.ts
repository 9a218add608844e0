import assert from 'node:assert/strict'
import { createPublicKey, sign, verify } from 'node:crypto'
import test from 'node:test'
import fc from 'fast-check'
import {
  crlExtensionKinds,
  decodeCertificateList,
  encodeCertificateList,
  encodeTbsCertList,
  type RevocationReason,
  type TbsCertListFields,
} from '../../src/codec/crl.ts'
import { decode } from '../../src/codec/der/codec.ts'
import { any, sequence } from '../../src/codec/der/structure.ts'
import { ecdsaWithSHA256 } from '../../src/codec/x509/algorithm.ts'
import { extensionKinds, makeExtension } from '../../src/codec/x509/extension.ts'
import { formatName } from '../../src/codec/x509/name.ts'
import { refused, total } from './refused.ts'
import { party } from './x509/make.ts'

const issuer = party('CA')
const number = makeExtension(crlExtensionKinds.cRLNumber, Buffer.from('0102', 'hex'))
const authorityKey = makeExtension(extensionKinds.authorityKeyIdentifier, { keyIdentifier: Buffer.from('a1b2', 'hex') })
const at = (day: number) => new Date(Date.UTC(2026, 10, day))
const entry = (serial: string, reason?: RevocationReason) => ({
  serialNumber: Buffer.from(serial, 'hex'),
  revocationDate: at(1),
  ...(reason && { reason }),
})

function list(fields: Partial<TbsCertListFields> = {}): Buffer {
  const tbs = encodeTbsCertList({
    signature: ecdsaWithSHA256.identifier,
    issuer: issuer.name,
    thisUpdate: at(20),
    nextUpdate: at(27),
    revoked: [],
    extensions: [authorityKey, number],
    ...fields,
  })
  return encodeCertificateList(tbs, ecdsaWithSHA256.identifier, sign('sha256', tbs, issuer.privateKey))
}

test('a list comes back as it went in, and its signature covers tbsDer', () => {
  const read = decodeCertificateList(
    list({ revoked: [entry('01'), entry('00ff80', 'keyCompromise'), entry('7f', 'superseded')] }),
  )
  assert.equal(formatName(read.issuer), 'CN=CA,O=Example')
  assert.deepEqual([read.thisUpdate, read.nextUpdate], [at(20), at(27)])
  assert.deepEqual([...read.revoked.keys()], ['01', 'ff80', '7f'])
  assert.deepEqual(read.revoked.get('01')?.reason, 'unspecified')
  assert.deepEqual(read.revoked.get('ff80')?.reason, 'keyCompromise')
  assert.deepEqual(read.revoked.get('7f')?.revocationDate, at(1))
  assert.equal(Buffer.from(read.cRLNumber!).toString('hex'), '0102')
  assert.equal(Buffer.from(read.authorityKeyIdentifier!.keyIdentifier!).toString('hex'), 'a1b2')
  assert.equal(read.issuingDistributionPoint, undefined)
  assert.ok(verify('sha256', read.tbsDer, createPublicKey(issuer.privateKey), read.signature))
  assert.ok(Object.isFrozen(read))
})

test('nothing revoked: the list of entries is absent', () => {
  const der = list()
  assert.equal(decodeCertificateList(der).revoked.size, 0)
  const Tbs = sequence({ version: any, signature: any, issuer: any, thisUpdate: any, nextUpdate: any, extensions: any })
  assert.equal(decode(Tbs, decodeCertificateList(der).tbsDer).extensions[0], 0xa0)
})

test('every reason has its number', () => {
  const reasons: [RevocationReason, number][] = [
    ['keyCompromise', 1],
    ['cACompromise', 2],
    ['affiliationChanged', 3],
    ['superseded', 4],
    ['cessationOfOperation', 5],
    ['certificateHold', 6],
    ['removeFromCRL', 8],
    ['privilegeWithdrawn', 9],
    ['aACompromise', 10],
  ]
  for (const [reason, code] of reasons) {
    const read = decodeCertificateList(list({ revoked: [entry('01', reason)] })).revoked.get('01')
    assert.equal(read?.reason, reason)
    assert.equal(Buffer.from(read.extensions[0]!.value).toString('hex'), `0a01${code.toString(16).padStart(2, '0')}`)
  }
  // RFC 5280 5.3.1: the extension should be absent rather than say "unspecified".
  assert.deepEqual(
    decodeCertificateList(list({ revoked: [entry('01', 'unspecified')] })).revoked.get('01')?.extensions,
    [],
  )
})

test('issuingDistributionPoint and unknown critical extensions are kept as they are', () => {
  const idp = { id: '2.5.29.28', critical: true, value: Buffer.from('30038101ff', 'hex') }
  const read = decodeCertificateList(list({ extensions: [authorityKey, number, idp, { ...idp, id: '1.2.3' }] }))
  assert.equal(read.issuingDistributionPoint?.critical, true)
  assert.deepEqual(Buffer.from(read.issuingDistributionPoint.value), idp.value)
  assert.deepEqual(read.extensions.map(({ id, critical }) => [id, critical]).at(-1), ['1.2.3', true])
})

test('fifty thousand entries', () => {
  const revoked = Array.from({ length: 50_000 }, (_, i) =>
    entry((0x100000 + i).toString(16).padStart(8, '0'), 'keyCompromise'),
  )
  assert.equal(decodeCertificateList(list({ revoked })).revoked.size, 50_000)
})

test('lists that are wrong in one place', () => {
  refused('duplicate', () => decodeCertificateList(list({ revoked: [entry('01'), entry('0001')] })))
  refused('duplicate', () => list({ extensions: [number, number] }))
  refused('bad-value', () => list({ extensions: [] }))
  refused('bad-value', () => list({ issuer: new Uint8Array() }))
  refused('bad-value', () => list({ revoked: [entry('01', 'bored' as RevocationReason)] }))
  refused('too-large', () => decodeCertificateList(Buffer.alloc(0x40_0001)))
  const der = list({ revoked: [entry('01', 'keyCompromise')] })
  const changed = (from: string, to: string) => {
    const position = der.indexOf(from, 0, 'hex')
    assert.ok(position > 0, from)
    return Buffer.concat([der.subarray(0, position), Buffer.from(to, 'hex'), der.subarray(position + to.length / 2)])
  }
  refused('bad-value', () => decodeCertificateList(changed('0a0101', '0a0107')))
  refused('bad-value', () => decodeCertificateList(changed('0a0101', '0a010b')))
  refused('bad-tag', () => decodeCertificateList(changed('0a0101', '020101')))
  refused('unsupported', () => decodeCertificateList(changed('020101300a', '020102300a')))
  const { tbsDer, signature } = decodeCertificateList(der)
  const other = { algorithm: '1.2.840.10045.4.3.3' }
  refused('bad-value', () => decodeCertificateList(encodeCertificateList(tbsDer, other, signature)))
})

test('version 1 lists have no extensions', () => {
  const signature = '300a06082a8648ce3d040302'
  const v1 = (rest: string) => {
    const content = Buffer.from(`${signature}3000170d3236313132303030303030305a${rest}`, 'hex')
    const tbs = Buffer.concat([Buffer.from([0x30, content.length]), content])
    return encodeCertificateList(tbs, ecdsaWithSHA256.identifier, new Uint8Array(1))
  }
  const plain = decodeCertificateList(v1(''))
  assert.deepEqual([plain.nextUpdate, plain.revoked.size], [undefined, 0])
  refused('bad-value', () => decodeCertificateList(v1('a00d300b30090603551d1404020500')))
  refused('bad-value', () =>
    decodeCertificateList(v1('3020301e020101170d3236313132303030303030305a300a300806022a0304020500')),
  )
})

test('a damaged list: a value or a CodecError', () => {
  const seed = list({ revoked: [entry('01', 'keyCompromise'), entry('02')] })
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.nat(seed.length - 1), fc.nat(255)), { minLength: 1, maxLength: 3 }),
      fc.nat(seed.length),
      (changes, end) => {
        const der = Buffer.from(seed)
        for (const [position, octet] of changes) der[position] = octet
        total(() => decodeCertificateList(der), der.length)
        total(() => decodeCertificateList(der.subarray(0, end)), end)
      },
    ),
    { numRuns: 3000 },
  )
})
