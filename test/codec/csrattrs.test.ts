import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import test from 'node:test'
import fc from 'fast-check'
import {
  type CsrAttrsFields,
  csrAttribute,
  decodeCsrAttrs,
  encodeCsrAttrs,
  requestedKey,
} from '../../src/codec/csrattrs.ts'
import { encode } from '../../src/codec/der/codec.ts'
import { oid } from '../../src/codec/der/oid.ts'
import { smallInteger } from '../../src/codec/der/primitive.ts'
import { utf8String } from '../../src/codec/der/string.ts'
import { requestAttribute } from '../../src/codec/pkcs10.ts'
import { keyOid } from '../../src/codec/x509/algorithm.ts'
import { extensionKinds, extensionValue, makeExtension } from '../../src/codec/x509/extension.ts'
import { attributeType } from '../../src/codec/x509/name.ts'
import { refused, total } from './refused.ts'
import { publishedBytes } from './x509/make.ts'

const rfc9908 = (name: string) => decodeCsrAttrs(publishedBytes(`rfc9908-csrattrs/${name}.der`))
const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex')

const CHALLENGE = requestAttribute.challengePassword
const MAC_ADDRESS = '1.3.6.1.1.1.1.22'
const ECDSA_SHA384 = '1.2.840.10045.4.3.3'
const FRIENDLY_NAME = '1.2.840.113549.1.9.20'
const FAVOURITE_DRINK = '0.9.2342.19200300.100.1.5'

test('RFC 9908 5.1: a subjectAltName to be copied', () => {
  const read = rfc9908('section-5-1-acp-node-name-san')
  assert.deepEqual([read.oids, read.extensionOids, read.template, requestedKey(read)], [[], [], undefined, undefined])
  const [extension] = read.extensions
  assert.equal(extension?.critical, true)
  assert.equal(extensionValue(read.extensions, extensionKinds.subjectAltName)?.[0]?.type, 'otherName')
  assert.equal(
    hex(encodeCsrAttrs({ extensions: read.extensions })),
    hex(publishedBytes('rfc9908-csrattrs/section-5-1-acp-node-name-san.der')),
  )
})

test('RFC 9908 5.2 to 5.6: key types, attributes, hashes', () => {
  const p384 = { algorithm: keyOid.ecPublicKey, curve: keyOid.secp384r1 }
  const p521 = { algorithm: keyOid.ecPublicKey, curve: keyOid.secp521r1 }
  const corrected = rfc9908('section-5-2-rfc7030-example-corrected')
  assert.deepEqual([corrected.oids, requestedKey(corrected)], [[CHALLENGE, MAC_ADDRESS, ECDSA_SHA384], p384])
  const rsa = rfc9908('section-5-4-rsa-4096')
  assert.deepEqual(rsa.oids, [CHALLENGE, '1.2.840.113549.1.1.11'])
  assert.deepEqual(requestedKey(rsa), { algorithm: keyOid.rsaEncryption, rsaBits: 4096 })
  const serial = rfc9908('section-5-5-p384-serial-number')
  assert.deepEqual([serial.oids, requestedKey(serial)], [[CHALLENGE, attributeType.serialNumber, ECDSA_SHA384], p384])
  // The bytes printed in 5.3 are those of 5.6, a known error of the publication.
  for (const name of ['section-5-3-specific-san-as-printed', 'section-5-6-p521-attributes']) {
    const read = rfc9908(name)
    const oids = [CHALLENGE, FRIENDLY_NAME, FAVOURITE_DRINK, attributeType.serialNumber, '1.2.840.10045.4.3.4']
    assert.deepEqual([read.oids, requestedKey(read), read.extensions], [oids, p521, []])
  }
})

test('RFC 9908 3.4: a template, made by openssl from the printed dump', () => {
  const der = readFileSync(new URL('../vector/csrattrs/rfc9908-section-3-4-template.der', import.meta.url))
  const read = decodeCsrAttrs(der)
  assert.deepEqual(requestedKey(read), { algorithm: keyOid.ecPublicKey, curve: keyOid.secp256r1 })
  const subject = read.template?.subject?.map(rdn => rdn.map(({ type, value }) => [type, value && hex(value)]))
  assert.deepEqual(subject, [
    [[attributeType.commonName, undefined]],
    [[attributeType.organizationalUnitName, hex(encode(utf8String, 'myDept'))]],
    [[attributeType.organizationalUnitName, hex(encode(utf8String, 'myGroup'))]],
  ])
  const [san, usage, purpose] = read.templateExtensions
  assert.deepEqual([san?.id, san?.critical], ['2.5.29.17', false])
  assert.deepEqual([usage?.id, usage?.critical, usage?.value && hex(usage.value)], ['2.5.29.15', true, '03020388'])
  assert.deepEqual([purpose?.id, purpose?.value], ['2.5.29.37', undefined])
  assert.equal(hex(encodeCsrAttrs({ template: read.template! })), hex(der))
})

test('RFC 7030 4.5.2 with object identifiers inside extensionRequest is read, though RFC 9908 calls it wrong', () => {
  const read = decodeCsrAttrs(publishedBytes('rfc7030-appendix-a/section-4-5-2-csrattrs.der'))
  assert.deepEqual(read.oids, [CHALLENGE, ECDSA_SHA384])
  assert.deepEqual([read.extensionOids, read.extensions], [[MAC_ADDRESS], []])
  assert.deepEqual(requestedKey(read), { algorithm: keyOid.ecPublicKey, curve: keyOid.secp384r1 })
})

test('RFC 7030 A.2: sets of mixed types under unknown types, a bare curve and a bare hash', () => {
  const read = decodeCsrAttrs(publishedBytes('rfc7030-appendix-a/a2-csrattrs-response.der'))
  assert.deepEqual(read.oids, [MAC_ADDRESS, CHALLENGE, '1.3.36.3.3.2.8.1.1.11', '2.16.840.1.101.3.4.2.2'])
  assert.deepEqual(
    read.attributes.map(({ type, values }) => [type, values.length]),
    [
      ['2.999.1', 1],
      ['2.999.2', 3],
    ],
  )
  assert.equal(requestedKey(read), undefined)
})

test('a complete request is not a list of attributes', () => {
  refused('bad-tag', () => decodeCsrAttrs(publishedBytes('rfc9908-csrattrs/repository-csr-template.p10.der')))
})

test('nothing asked for is an empty SEQUENCE', () => {
  assert.equal(hex(encodeCsrAttrs({})), '3000')
  assert.deepEqual(decodeCsrAttrs(Buffer.from('3000', 'hex')).attributes, [])
})

test('what a server writes is read', () => {
  const extensions = [makeExtension(extensionKinds.subjectAltName, [{ type: 'dNSName', value: 'a.example' }])]
  const key = { type: keyOid.ecPublicKey, values: [encode(oid, keyOid.secp256r1)] }
  const read = decodeCsrAttrs(encodeCsrAttrs({ oids: [CHALLENGE], attributes: [key], extensions }))
  assert.deepEqual(read.oids, [CHALLENGE])
  assert.deepEqual(
    read.attributes.map(({ type }) => type),
    [keyOid.ecPublicKey, requestAttribute.extensionRequest],
  )
  assert.deepEqual(extensionValue(read.extensions, extensionKinds.subjectAltName), [
    { type: 'dNSName', value: 'a.example' },
  ])
})

const usage = makeExtension(extensionKinds.keyUsage, ['digitalSignature'])
const template = (attributes: CsrAttrsFields['attributes'] = []) => ({
  template: { version: 0, attributes },
})

test('attributes that contradict each other', () => {
  const again = (fields: CsrAttrsFields) => () => decodeCsrAttrs(encodeCsrAttrs(fields))
  const request = { type: requestAttribute.extensionRequest, values: [Buffer.from('0500', 'hex')] }
  refused('duplicate', () => encodeCsrAttrs({ attributes: [request], extensions: [usage] }))
  refused('duplicate', () => encodeCsrAttrs({ extensions: [usage, usage] }))
  const two = { type: keyOid.ecPublicKey, values: [encode(oid, '1.2'), encode(oid, '1.3')] }
  refused('duplicate', () => requestedKey(again({ attributes: [two] })()))
  refused('bad-tag', () =>
    requestedKey(again({ attributes: [{ type: keyOid.ecPublicKey, values: [encode(smallInteger, 1)] }] })()),
  )
  refused('unsupported', again({ template: { version: 1, attributes: [] } }))
  const templates = { type: csrAttribute.extensionReqTemplate, values: [Buffer.from('300730050603551d0f', 'hex')] }
  const values = { type: requestAttribute.extensionRequest, values: [Buffer.from('300b30090603551d0f04020500', 'hex')] }
  assert.equal(again(template([templates]))().templateExtensions.length, 1)
  assert.equal(again(template([values]))().templateExtensions.length, 1)
  refused('duplicate', again(template([templates, values])))
})

test('a damaged list: a value or a CodecError', () => {
  const seed = readFileSync(new URL('../vector/csrattrs/rfc9908-section-3-4-template.der', import.meta.url))
  const other = publishedBytes('rfc9908-csrattrs/section-5-1-acp-node-name-san.der')
  for (const bytes of [seed, other]) {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.nat(bytes.length - 1), fc.nat(255)), { minLength: 1, maxLength: 3 }),
        fc.nat(bytes.length),
        (changes, end) => {
          const der = Buffer.from(bytes)
          for (const [position, octet] of changes) der[position] = octet
          total(() => requestedKey(decodeCsrAttrs(der)), der.length)
          total(() => decodeCsrAttrs(der.subarray(0, end)), end)
        },
      ),
      { numRuns: 2000 },
    )
  }
})
