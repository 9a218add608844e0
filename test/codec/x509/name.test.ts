import assert from 'node:assert/strict'
import test from 'node:test'
import fc from 'fast-check'
import { encode } from '../../../src/codec/der/codec.ts'
import { oid } from '../../../src/codec/der/oid.ts'
import { bitString } from '../../../src/codec/der/primitive.ts'
import { ia5String, printableString, utf8String } from '../../../src/codec/der/string.ts'
import { any, sequence, sequenceOf, setOf } from '../../../src/codec/der/structure.ts'
import {
  attributeType,
  attributeValues,
  decodeName,
  encodeName,
  formatName,
  type NameFields,
  nameKey,
  sameName,
} from '../../../src/codec/x509/name.ts'
import { refused, total } from '../refused.ts'

const name = (fields: NameFields) => decodeName(encodeName(fields))
const RawName = sequenceOf(setOf(sequence({ type: oid, value: any })))
const rawName = (...rdns: [type: string, value: Buffer][][]) =>
  decodeName(
    encode(
      RawName,
      rdns.map(rdn => rdn.map(([type, value]) => ({ type, value }))),
    ),
  )
const CN = attributeType.commonName

test('a name is written in the order given, each attribute in the string type of RFC 5280', () => {
  const der = encodeName({
    countryName: 'CH',
    organizationName: 'Zürich',
    serialNumber: 'A-1',
    domainComponent: ['a', 'b'],
  })
  assert.equal(
    der.toString('hex'),
    '3053310b3009060355040613024348' +
      '3110300e060355040a0c075ac3bc72696368' +
      '310c300a06035504051303412d31' +
      '3111300f060a0992268993f22c640119160161' +
      '3111300f060a0992268993f22c640119160162',
  )
  const read = decodeName(der)
  assert.equal(formatName(read), 'DC=b,DC=a,serialNumber=A-1,O=Zürich,C=CH')
  assert.deepEqual(attributeValues(read, 'domainComponent'), ['a', 'b'])
  assert.deepEqual(attributeValues(read, 'commonName'), [])
  assert.equal(encodeName({}).toString('hex'), '3000')
  assert.equal(encodeName({ commonName: undefined }).toString('hex'), '3000')
  assert.equal(formatName(decodeName(encodeName({}))), '')
})

test('text that an attribute cannot hold is refused', () => {
  refused('bad-value', () => encodeName({ serialNumber: 'a_b' }))
  refused('bad-value', () => encodeName({ serialNumber: 'x'.repeat(65) }))
  refused('bad-value', () => encodeName({ countryName: 'CHE' }))
  refused('bad-value', () => encodeName({ commonName: '' }))
  refused('bad-value', () => encodeName({ domainComponent: 'ü' }))
  refused('bad-value', () => encodeName({ organizationName: '\ud800' }))
  refused('bad-value', () => encodeName({ colour: 'red' } as NameFields))
})

test('RFC 4514: escapes, several attributes in one RDN, values that are no text', () => {
  const text = (commonName: string) => formatName(name({ commonName }))
  assert.equal(text('Before\rAfter'), 'CN=Before\\0dAfter')
  assert.equal(text('a,b+c"d\\e<f>g;h=i'), 'CN=a\\,b\\+c\\"d\\\\e\\<f\\>g\\;h=i')
  assert.equal(text('#1'), 'CN=\\#1')
  assert.equal(text('a#1'), 'CN=a#1')
  assert.equal(text(' x '), 'CN=\\ x\\ ')
  assert.equal(text(' '), 'CN=\\ ')
  assert.equal(text('  '), 'CN=\\ \\ ')
  assert.equal(text('a\0b'), 'CN=a\\00b')
  assert.equal(text('a\u202eb'), 'CN=a\\e2\\80\\aeb')
  assert.equal(text('Lučić'), 'CN=Lučić')
  const several = rawName([
    [attributeType.organizationalUnitName, encode(utf8String, 'Sales')],
    [CN, encode(printableString, 'J. Smith')],
  ])
  assert.equal(formatName(several), 'OU=Sales+CN=J. Smith')
  assert.equal(
    formatName(rawName([['1.3.6.1.4.1.1466.0', Buffer.from('04024869', 'hex')]])),
    '1.3.6.1.4.1.1466.0=#04024869',
  )
  const unique = rawName([['2.5.4.45', encode(bitString, Buffer.from([1]))]])
  assert.equal(formatName(unique), '2.5.4.45=#03020001')
  assert.deepEqual(unique.rdns[0]?.[0]?.value, undefined)
})

test('names are the same whatever the case, the spaces, the string type, the order within an RDN', () => {
  const same = (a: string, b: string) => {
    assert.ok(sameName(name({ commonName: a }), name({ commonName: b })), `${a} / ${b}`)
  }
  same('Example CA', 'EXAMPLE  ca')
  same('Example CA', ' Example CA ')
  same('Straße', 'STRASSE')
  same('ﬁsh', 'fish')
  same('Å', 'A\u030a')
  same('soft\u00adhyphen', 'softhyphen')
  assert.ok(sameName(rawName([[CN, encode(printableString, 'a')]]), rawName([[CN, encode(ia5String, 'A')]])))
  // Written by a CA that did not sort its SET cannot be read at all; sorted ones compare whatever their values' case.
  const ou = attributeType.organizationalUnitName
  const one = rawName([
    [CN, encode(utf8String, 'zz')],
    [ou, encode(utf8String, 'a')],
  ])
  const two = rawName([
    [CN, encode(printableString, 'ZZ')],
    [ou, encode(utf8String, 'A')],
  ])
  assert.ok(sameName(one, two))
})

test('names are not the same for less', () => {
  const different: [NameFields, NameFields][] = [
    [{ commonName: 'a' }, { commonName: 'b' }],
    [{ commonName: 'a' }, { organizationName: 'a' }],
    [{ commonName: 'a' }, { commonName: ['a', 'a'] }],
    [
      { commonName: 'a', organizationName: 'b' },
      { organizationName: 'b', commonName: 'a' },
    ],
    [{ commonName: 'a b' }, { commonName: 'ab' }],
    [{ commonName: 'a","2.5.4.3=b' }, { commonName: ['a', 'b'] }],
    [{ commonName: 'a' }, {}],
  ]
  for (const [a, b] of different) {
    assert.ok(!sameName(name(a), name(b)), JSON.stringify([a, b]))
    assert.notEqual(nameKey(name(a)), nameKey(name(b)))
  }
  const apart = rawName([[CN, encode(utf8String, 'a')]], [[CN, encode(utf8String, 'b')]])
  const together = rawName([
    [CN, encode(utf8String, 'a')],
    [CN, encode(utf8String, 'b')],
  ])
  assert.ok(!sameName(apart, together))
})

test('what is written is read, and any bytes whatever are a name or a CodecError', () => {
  const text = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 20 }).filter(value => value.length <= 64)
  fc.assert(
    fc.property(fc.array(text, { minLength: 1, maxLength: 4 }), values => {
      const read = name({ organizationName: values[0]!, commonName: values })
      assert.deepEqual(attributeValues(read, 'commonName'), values)
      assert.ok(sameName(read, name({ organizationName: values[0]!, commonName: values })))
      assert.doesNotMatch(formatName(read), /\p{Cc}/u)
    }),
  )
  const seed = encodeName({ countryName: 'AQ', organizationName: 'Manufacturer', commonName: 'x', serialNumber: '1' })
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.nat(seed.length - 1), fc.nat(255)), { maxLength: 4 }), changes => {
      const der = Buffer.from(seed)
      for (const [at, octet] of changes) der[at] = octet
      total(() => [formatName(decodeName(der)), nameKey(decodeName(der))], der.length)
    }),
    { numRuns: 3000 },
  )
})
