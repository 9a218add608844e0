import assert from 'node:assert/strict'
import test from 'node:test'
import fc from 'fast-check'
import { type Codec, decode, encode } from '../../../src/codec/der/codec.ts'
import { oid } from '../../../src/codec/der/oid.ts'
import {
  bitString,
  bits,
  boolean,
  flags,
  integer,
  octetString,
  smallInteger,
} from '../../../src/codec/der/primitive.ts'
import { directoryString, ia5String, printableString, utf8String } from '../../../src/codec/der/string.ts'
import {
  any,
  choice,
  defaulted,
  element,
  explicit,
  implicit,
  octets,
  optional,
  sequence,
  sequenceOf,
  setOf,
  signed,
} from '../../../src/codec/der/structure.ts'
import { NO_EXPIRY, time } from '../../../src/codec/der/time.ts'
import { refused, total } from '../refused.ts'

const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex')
const bytes = (max: number) => fc.uint8Array({ maxLength: max })

/** What is written is read again as it was, and is the only encoding of what was read. */
function roundTrip<T>(
  codec: Codec<T>,
  values: fc.Arbitrary<T>,
  same: (a: unknown, b: unknown) => void = assert.deepEqual,
): void {
  fc.assert(
    fc.property(values, value => {
      const der = encode(codec, value)
      const read = decode(codec, der)
      same(read, value)
      assert.equal(hex(encode(codec, read)), hex(der))
    }),
    { numRuns: 300 },
  )
}

const sameBytes = (a: unknown, b: unknown) => assert.equal(hex(a as Uint8Array), hex(b as Uint8Array))

test('primitive types come back as they went in', () => {
  roundTrip(boolean, fc.boolean())
  roundTrip(smallInteger, fc.integer({ min: 0, max: 2 ** 48 - 1 }))
  roundTrip(octetString, bytes(600), sameBytes)
  roundTrip(bitString, bytes(600), sameBytes)
  roundTrip(
    integer,
    bytes(40).filter(value => value.length === 1 || (value.length > 1 && value[0] !== 0)),
    sameBytes,
  )
  const second = { min: Date.UTC(1950, 0, 1) / 1000, max: NO_EXPIRY.getTime() / 1000 }
  roundTrip(
    time,
    fc.integer(second).map(seconds => new Date(seconds * 1000)),
  )
})

test('strings come back as they went in', () => {
  roundTrip(utf8String, fc.string({ unit: 'binary', maxLength: 300 }))
  roundTrip(directoryString, fc.string({ unit: 'binary', maxLength: 300 }))
  roundTrip(ia5String, fc.string({ unit: 'binary-ascii', maxLength: 300 }))
  const letter = fc.constantFrom(..."ABCxyz019 '()+,-./:=?".split(''))
  roundTrip(printableString, fc.string({ unit: letter, maxLength: 300 }))
})

test('object identifiers come back as they went in', () => {
  const arc = fc.bigInt({ min: 0n, max: 2n ** 70n }).map(String)
  const first = fc.oneof(
    fc.tuple(fc.constantFrom('0', '1'), fc.integer({ min: 0, max: 39 }).map(String)),
    fc.tuple(fc.constant('2'), arc),
  )
  roundTrip(
    oid,
    fc.tuple(first, fc.array(arc, { maxLength: 4 })).map(([head, rest]) => [...head, ...rest].join('.')),
  )
})

test('named bits come back in the order of the bits', () => {
  const names = ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', 'i', 'j', 'k', 'l', 'm', 'n', 'o', 'p'] as const
  roundTrip(flags(names), fc.subarray([...names]))
  assert.equal(hex(encode(flags(names), ['i', 'a'])), '0303078080')
  assert.deepEqual(decode(flags(names), encode(flags(names), ['p', 'a', 'p'])), ['a', 'p'])
})

test('a record of everything comes back as it went in', () => {
  const Everything = sequence({
    version: defaulted(explicit(0, smallInteger), 0),
    name: utf8String,
    note: optional(implicit(1, ia5String)),
    flag: defaulted(boolean, true),
    list: sequenceOf(sequence({ id: oid, tags: setOf(smallInteger) })),
    inner: octets(sequence({ n: smallInteger })),
    kind: choice({ number: explicit(2, smallInteger), text: implicit(3, utf8String) }),
  })
  roundTrip(
    Everything,
    fc.record(
      {
        version: fc.nat(),
        name: fc.string({ unit: 'binary' }),
        note: fc.string({ unit: 'binary-ascii' }),
        flag: fc.boolean(),
        list: fc.array(
          fc.record(
            {
              id: fc.constantFrom('1.2.3', '2.5.4.3'),
              // Below 128 numeric order is the order of the encodings.
              tags: fc.array(fc.integer({ min: 0, max: 127 })).map(tags => tags.sort((a, b) => a - b)),
            },
            { noNullPrototype: true },
          ),
        ),
        inner: fc.record({ n: fc.nat() }, { noNullPrototype: true }),
        kind: fc.oneof(
          fc.nat().map(value => ({ type: 'number' as const, value })),
          fc.string({ unit: 'binary' }).map(value => ({ type: 'text' as const, value })),
        ),
      },
      { requiredKeys: ['version', 'name', 'flag', 'list', 'inner', 'kind'], noNullPrototype: true },
    ),
  )
})

test('SET OF is written in ascending order of the encodings, whatever order is given', () => {
  const der = encode(
    setOf(octetString),
    ['02', '0101', '01', 'ff', '00'].map(text => Buffer.from(text, 'hex')),
  )
  assert.equal(hex(der), '31100401000401010401020401ff04020101')
  const kept = encode(setOf(smallInteger, { order: 'any' }), [3, 1, 2])
  assert.equal(hex(kept), '3109020103020101020102')
  assert.equal(hex(encode(implicit(0, setOf(smallInteger)), [3, 1])), 'a006020101020103')
})

test('signed keeps the bytes beside the value, also under an implicit tag', () => {
  const der = Buffer.from('3008a106020101020102', 'hex')
  const Outer = sequence({ attributes: signed(implicit(1, setOf(smallInteger))) })
  const { attributes } = decode(Outer, der)
  assert.equal(hex(attributes.der), 'a106020101020102')
  assert.deepEqual(attributes.value, [1, 2])
  assert.equal(hex(encode(Outer, { attributes })), hex(der))
  const Inner = implicit(1, signed(setOf(smallInteger)))
  const read = decode(Inner, attributes.der)
  assert.equal(hex(read.der), 'a106020101020102')
  assert.equal(hex(encode(Inner, { der: Buffer.from('3103020101', 'hex'), value: [] })), 'a103020101')
})

test('byte values are views into the input, which may be any Uint8Array', () => {
  const input = new Uint8Array([0xff, 0x04, 0x02, 1, 2, 0xff])
  const value = decode(octetString, input.subarray(1, 5))
  assert.equal(hex(value), '0102')
  input[3] = 9
  assert.equal(hex(value), '0902')
})

test('a value has as many bytes as it needs: nothing is lost when the writer grows', () => {
  for (const size of [0, 127, 128, 255, 256, 2040, 2041, 2048, 4096, 65_535, 65_536, 300_000]) {
    const content = Buffer.alloc(size, size & 0xff)
    const der = encode(sequence({ a: octetString, b: utf8String, c: boolean }), { a: content, b: 'x', c: true })
    const read = decode(sequence({ a: octetString, b: utf8String, c: boolean }), der)
    assert.ok(Buffer.compare(read.a, content) === 0)
    assert.equal(read.b, 'x')
  }
  const long = 'x'.repeat(5000)
  assert.equal(decode(utf8String, encode(utf8String, long)), long)
})

test('a codec may encode within an encode, and one that throws leaves no trace', () => {
  const Nested: Codec<string> = {
    tags: [0x04],
    write: (w, value, tag) => octetString.write(w, encode(utf8String, value), tag),
    read: r => decode(utf8String, octetString.read(r)),
  }
  const Pair = sequence({ a: utf8String, b: Nested })
  const der = encode(Pair, { a: 'a', b: 'b' })
  assert.equal(hex(der), '30080c016104030c0162')
  refused('bad-value', () => encode(Pair, { a: '\ud800', b: 'b' }))
  assert.equal(hex(encode(Pair, { a: 'a', b: 'b' })), hex(der))
})

test('encode refuses what has no encoding', () => {
  for (const value of [-1, 1.5, Number.NaN, 2 ** 48, Number.POSITIVE_INFINITY]) {
    refused('bad-value', () => encode(smallInteger, value))
  }
  refused('bad-value', () => encode(integer, new Uint8Array()))
  refused('bad-value', () => encode(utf8String, '\udc00'))
  refused('bad-value', () => encode(printableString, 'a_b'))
  refused('bad-value', () => encode(printableString, 'ä'))
  refused('bad-value', () => encode(ia5String, '\u0080'))
  refused('bad-value', () => encode(ia5String, 'Ā'))
  for (const text of [
    '',
    '1',
    '3.1',
    '0.40',
    '1.40',
    '1.2.',
    '.1.2',
    '1..2',
    '1.02',
    '1.-2',
    '1.2.x',
    `1.2.${2n ** 140n}`,
  ]) {
    refused('bad-value', () => encode(oid, text))
  }
  refused('bad-value', () => encode(oid, `1.2${'.16383'.repeat(40)}`))
  for (const date of [new Date(Number.NaN), new Date('1949-12-31T23:59:59Z'), new Date('+010000-01-01T00:00:00Z')]) {
    refused('bad-value', () => encode(time, date))
  }
  refused('bad-value', () => encode(bits, { bytes: Buffer.from([1]), unused: 1 }))
  refused('bad-value', () => encode(bits, { bytes: Buffer.from([]), unused: 1 }))
  refused('bad-value', () => encode(bits, { bytes: Buffer.from([0]), unused: 8 }))
  refused('bad-value', () => encode(flags(['a']) as Codec<readonly string[]>, ['b']))
  refused('bad-value', () => encode(sequenceOf(oid, { min: 1 }), []))
  refused('bad-value', () => encode(setOf(oid, { min: 1 }), []))
  refused('bad-value', () => encode(sequence({ a: oid }) as Codec<object>, {}))
  const Either = choice({ a: implicit(0, oid) })
  refused('bad-value', () => encode(Either as Codec<unknown>, { type: 'b', value: '1.2' }))
  refused('bad-value', () => encode(Either as Codec<unknown>, { type: 'toString', value: '1.2' }))
})

test('an open type is written only when it is one whole element', () => {
  for (const text of ['', '05', '0501', '050000', '0481', '048180', '04820100', '30800000']) {
    refused('bad-value', () => encode(any, Buffer.from(text, 'hex')))
  }
  refused('bad-value', () => encode(element(0x30), Buffer.from('3100', 'hex')))
  assert.equal(hex(encode(any, Buffer.from('0500', 'hex'))), '0500')
  const long = encode(octetString, Buffer.alloc(70_000))
  assert.equal(encode(any, long).length, long.length)
})

test('schemas that have no meaning cannot be made', () => {
  assert.throws(() => implicit(0, any), TypeError)
  assert.throws(() => implicit(0, time), TypeError)
  assert.throws(() => choice({ a: oid, b: oid }), TypeError)
  assert.throws(() => choice({ a: any }), TypeError)
  assert.throws(() => flags(Array.from({ length: 17 }, (_, i) => `bit ${i}`)), TypeError)
})

test('limits: size, depth and count', () => {
  const list = sequenceOf(boolean)
  const der = encode(list, new Array(10_001).fill(true))
  refused('too-many', () => decode(list, der))
  assert.equal(decode(list, der, { count: 10_001 }).length, 10_001)
  const lists = encode(sequenceOf(list), [[true, true], [true]])
  refused('too-many', () => decode(sequenceOf(list), lists, { count: 4 }))
  assert.equal(decode(sequenceOf(list), lists, { count: 5 }).length, 2)
  refused('too-deep', () => decode(sequenceOf(list), lists, { depth: 1 }))
  assert.equal(decode(sequenceOf(list), lists, { depth: 2 }).length, 2)
  refused('too-large', () => decode(octetString, Buffer.alloc(1_048_577)))
  refused('too-large', () => decode(octetString, Buffer.alloc(100), { size: 99 }))
})

test('any bytes whatever: a value that encodes to the same bytes, or a CodecError', () => {
  const Loose = sequence({
    id: optional(oid),
    flag: defaulted(boolean, false),
    when: optional(time),
    text: optional(directoryString),
    numbers: optional(implicit(0, setOf(integer))),
    rest: sequenceOf(any),
  })
  fc.assert(
    fc.property(bytes(64), input => {
      total(() => decode(Loose, input), input.length)
      total(() => assert.equal(hex(encode(any, decode(any, input))), hex(input)), input.length)
    }),
    { numRuns: 5000 },
  )
  // Bytes that look like DER get further in.
  const tag = fc.constantFrom(0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x0c, 0x13, 0x17, 0x18, 0x30, 0x31, 0xa0, 0x80)
  const tlv = fc.letrec<{ tlv: number[] }>(tie => ({
    tlv: fc
      .tuple(tag, fc.oneof(fc.array(fc.nat(255), { maxLength: 6 }), fc.array(tie('tlv'), { maxLength: 4 })))
      .map(([head, body]) => {
        const content = body.flat()
        return content.length < 128
          ? [head, content.length, ...content]
          : [head, 0x81, content.length & 0xff, ...content]
      }),
  })).tlv
  fc.assert(
    fc.property(fc.array(tlv, { maxLength: 5 }), parts => {
      const content = parts.flat().slice(0, 127)
      const input = Buffer.from([0x30, content.length, ...content])
      total(() => decode(Loose, input), input.length)
    }),
    { numRuns: 5000 },
  )
})
