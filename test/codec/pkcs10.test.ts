import assert from 'node:assert/strict'
import { generateKeyPairSync, sign, verify } from 'node:crypto'
import test from 'node:test'
import fc from 'fast-check'
import { decode, encode } from '../../src/codec/der/codec.ts'
import { oid } from '../../src/codec/der/oid.ts'
import { utf8String } from '../../src/codec/der/string.ts'
import { any, implicit, sequence, setOf } from '../../src/codec/der/structure.ts'
import {
  Attribute,
  type CertificationRequestFields,
  decodeCertificationRequest,
  encodeCertificationRequest,
  encodeCertificationRequestInfo,
  requestAttribute,
} from '../../src/codec/pkcs10.ts'
import { ecdsaWithSHA256, signatureAlgorithm } from '../../src/codec/x509/algorithm.ts'
import { extensionKinds, makeExtension } from '../../src/codec/x509/extension.ts'
import { attributeValues, encodeName, formatName } from '../../src/codec/x509/name.ts'
import { refused, total } from './refused.ts'
import { publishedBytes } from './x509/make.ts'

const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
const spkiDer = publicKey.export({ type: 'spki', format: 'der' })
const subject = encodeName({ serialNumber: 'JADA-1' })

function request(fields: Partial<CertificationRequestFields> = {}): Buffer {
  const info = encodeCertificationRequestInfo({ subject, spkiDer, ...fields })
  return encodeCertificationRequest(info, ecdsaWithSHA256.identifier, sign('sha256', info, privateKey))
}

const names = [{ type: 'dNSName' as const, value: 'jada-1.example' }]

test('a request comes back as it went in, and its signature covers infoDer', () => {
  const read = decodeCertificationRequest(
    request({
      extensions: [
        makeExtension(extensionKinds.subjectAltName, names),
        { id: '1.2.3.4', critical: true, value: Buffer.from([1]) },
      ],
      challengePassword: 'dGxzLXVuaXF1ZQ==',
      attributes: [{ type: '1.3.6.1.4.1.99999.2', values: [encode(utf8String, 'x'), encode(utf8String, 'y')] }],
    }),
  )
  assert.equal(formatName(read.subject), 'serialNumber=JADA-1')
  assert.deepEqual(read.requested, { subjectAltName: names })
  assert.equal(read.extensions[1]?.critical, true)
  assert.equal(read.challengePassword, 'dGxzLXVuaXF1ZQ==')
  assert.equal(read.attributes.length, 3)
  assert.deepEqual(Buffer.from(read.spkiDer), spkiDer)
  assert.deepEqual(Buffer.from(read.subjectPublicKey), spkiDer.subarray(-65))
  assert.ok(verify('sha256', read.infoDer, publicKey, read.signature))
  assert.ok(Object.isFrozen(read))
})

test('a request that asks for nothing', () => {
  const read = decodeCertificationRequest(request({ extensions: [] }))
  assert.deepEqual([read.attributes, read.extensions, read.requested], [[], [], {}])
  assert.equal(read.challengePassword, undefined)
})

test('a challenge password is a PrintableString when it can be', () => {
  const value = (challengePassword: string) =>
    Buffer.from(decodeCertificationRequest(request({ challengePassword })).attributes[0]!.values[0]!).toString('hex')
  assert.equal(value('Aa+/='), '130541612b2f3d')
  assert.equal(value('a_b'), '0c03615f62')
  assert.equal(decodeCertificationRequest(request({ challengePassword: 'Größe' })).challengePassword, 'Größe')
})

test('RFC 7030 appendix A and the request of RFC 9908', () => {
  const enroll = decodeCertificationRequest(publishedBytes('rfc7030-appendix-a/a3-simpleenroll-request.p10.der'))
  assert.equal(formatName(enroll.subject), 'CN=demostep4 1368141352')
  assert.equal(enroll.challengePassword, '+rrCir/7+EYu50T4')
  assert.equal(signatureAlgorithm(enroll.signatureAlgorithm).name, 'sha1WithRSAEncryption')
  const keygen = decodeCertificationRequest(publishedBytes('rfc7030-appendix-a/a4-serverkeygen-request.p10.der'))
  assert.deepEqual(attributeValues(keygen.subject, 'serialNumber'), ['PID:Widget SN:10'])
  const template = decodeCertificationRequest(publishedBytes('rfc9908-csrattrs/repository-csr-template.p10.der'))
  assert.deepEqual(template.requested.basicConstraints, { cA: false })
  assert.equal(template.requested.keyUsage?.length, 4)
})

const Loose = sequence({
  version: any,
  subject: any,
  key: any,
  attributes: implicit(0, setOf(Attribute, { order: 'any' })),
})

/** A request with these attributes, whatever they are. */
function withAttributes(...attributes: Attribute[]): Buffer {
  const info = decode(Loose, decodeCertificationRequest(request()).infoDer)
  return encodeCertificationRequest(
    encode(Loose, { ...info, attributes }),
    ecdsaWithSHA256.identifier,
    new Uint8Array(1),
  )
}

test('attributes that must not be', () => {
  const attribute = (type: string, ...values: Buffer[]) => ({ type, values })
  const password = encode(utf8String, 'x')
  const { challengePassword, extensionRequest } = requestAttribute
  const read =
    (...attributes: Attribute[]) =>
    () =>
      decodeCertificationRequest(withAttributes(...attributes))
  refused('duplicate', read(attribute('1.2.3', password), attribute('1.2.3', encode(oid, '1.2'))))
  refused('duplicate', read(attribute(challengePassword, password, encode(utf8String, 'y'))))
  refused('bad-tag', read(attribute(challengePassword, encode(oid, '1.2.3'))))
  refused('bad-tag', read(attribute(extensionRequest, encode(oid, '1.2.3'))))
  refused('bad-value', read(attribute(extensionRequest, Buffer.from('3000', 'hex'))))
  const twice = Buffer.from('3012300706022a03040105300706022a03040106', 'hex')
  refused('duplicate', read(attribute(extensionRequest, twice)))
  refused('bad-value', () => withAttributes(attribute('1.2.3')))
  refused('duplicate', () => request({ challengePassword: 'x', attributes: [attribute(challengePassword, password)] }))
  const usage = makeExtension(extensionKinds.keyUsage, [])
  refused('duplicate', () => request({ extensions: [usage, usage] }))
})

test('attributes out of order are read all the same', () => {
  const one = { type: '1.2.3', values: [encode(oid, '1.2')] }
  const other = { type: requestAttribute.challengePassword, values: [encode(utf8String, 'x')] }
  const types = (...attributes: Attribute[]) =>
    decodeCertificationRequest(withAttributes(...attributes)).attributes.map(({ type }) => type)
  assert.deepEqual(types(one, other), [one.type, other.type])
  assert.deepEqual(types(other, one), [other.type, one.type])
})

test('version 2 and oversize are refused', () => {
  const der = request()
  const at = der.indexOf('020100', 0, 'hex')
  der[at + 2] = 1
  refused('unsupported', () => decodeCertificationRequest(der))
  refused('too-large', () => decodeCertificationRequest(Buffer.alloc(0x1_0001)))
})

test('a damaged request: a value or a CodecError', () => {
  const seed = request({ extensions: [makeExtension(extensionKinds.subjectAltName, names)], challengePassword: 'abc' })
  const change = fc.tuple(fc.nat(seed.length - 1), fc.nat(255))
  fc.assert(
    fc.property(fc.array(change, { minLength: 1, maxLength: 3 }), fc.nat(seed.length), (changes, end) => {
      const der = Buffer.from(seed)
      for (const [at, octet] of changes) der[at] = octet
      total(() => decodeCertificationRequest(der), der.length)
      total(() => decodeCertificationRequest(der.subarray(0, end)), end)
    }),
    { numRuns: 3000 },
  )
})
