import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import test from 'node:test'
import fc from 'fast-check'
import { type Cbor, CborTag, decodeCbor, encodeCbor } from '../../src/codec/cbor.ts'
import type { CodecErrorCode } from '../../src/codec/error.ts'
import { refused, total } from './refused.ts'

const vectors = (name: string) =>
  JSON.parse(readFileSync(new URL(`../vector/cbor/${name}.json`, import.meta.url), 'utf8'))
const read = (hex: string) => decodeCbor(Buffer.from(hex, 'hex'), { tags: [18] })

test('items that are not strict CBOR', async t => {
  for (const { name, hex, code } of vectors('refused').refused as {
    name: string
    hex: string
    code: CodecErrorCode
  }[]) {
    await t.test(name, () => refused(code, () => read(hex)))
  }
})

/** Maps as objects, to compare with JSON. */
function plain(value: Cbor): unknown {
  if (value instanceof Map) return Object.fromEntries([...value].map(([key, item]) => [key, plain(item as Cbor)]))
  return Array.isArray(value) ? value.map(plain) : value
}

test('RFC 8949 appendix A', () => {
  for (const { hex, value } of vectors('accepted').accepted) {
    assert.deepEqual(plain(read(hex)), value, hex)
    assert.equal(
      encodeCbor(read(hex)).toString('hex'),
      hex
        .replace(/^f93c00$/, '01')
        .replace(/^f9c400$/, '23')
        .replace(/^f97bff$/, '19ffe0')
        .replace(/^fa47c35000$/, '1a000186a0'),
    )
  }
})

test('integers beyond a double', () => {
  assert.equal(read('1bffffffffffffffff'), 18446744073709551615n)
  assert.equal(read('3bffffffffffffffff'), -18446744073709551616n)
  assert.equal(encodeCbor(18446744073709551615n).toString('hex'), '1bffffffffffffffff')
})

test('keys keep their type', () => {
  const map = new Map<number | string, Cbor>([
    [1, 'integer'],
    ['1', 'text'],
    [-1, null],
  ])
  assert.deepEqual(decodeCbor(encodeCbor(map)), map)
})

test('RFC 8949 4.2.1: keys in the order of their encodings', () => {
  const map = new Map<number | string, Cbor>([
    ['aa', 0],
    ['b', 0],
    [-1, 0],
    [100, 0],
    [10, 0],
  ])
  assert.equal(encodeCbor(map).toString('hex'), 'a50a00186400200061620062616100')
})

test('a tag that the caller knows', () => {
  const tagged = read('d28101')
  assert.ok(tagged instanceof CborTag)
  assert.deepEqual([tagged.tag, tagged.value], [18, [1]])
  assert.equal(encodeCbor(tagged).toString('hex'), 'd28101')
  refused('unsupported', () => decodeCbor(Buffer.from('d28101', 'hex')))
})

test('bounds', () => {
  const nested = (depth: number) => Buffer.concat([Buffer.alloc(depth, 0x81), Buffer.of(0)])
  assert.deepEqual(plain(decodeCbor(nested(2), { depth: 2 })), [[0]])
  refused('too-deep', () => decodeCbor(nested(3), { depth: 2 }))
  refused('too-deep', () => decodeCbor(nested(100_000)))
  refused('too-deep', () => decodeCbor(Buffer.alloc(1000, 0xd2), { tags: [18] }))
  refused('too-many', () => decodeCbor(Buffer.from('83000000', 'hex'), { count: 3 }))
  refused('too-large', () => decodeCbor(Buffer.from('83000000', 'hex'), { size: 3 }))
})

test('values without a CBOR form', () => {
  refused('bad-value', () => encodeCbor(Symbol('x') as unknown as Cbor))
  refused('bad-value', () => encodeCbor((() => 1) as unknown as Cbor))
})

const leaf = fc.oneof(
  fc.constantFrom(null, true, false),
  fc.maxSafeInteger(),
  fc.string({ unit: 'grapheme' }).filter(text => !text.startsWith('\ufeff')),
  fc.uint8Array({ maxLength: 20 }).map(bytes => new Uint8Array(bytes)),
)
const value = fc.letrec<{ any: Cbor }>(tie => ({
  any: fc.oneof(
    { depthSize: 'small' },
    leaf as fc.Arbitrary<Cbor>,
    fc.array(tie('any'), { maxLength: 5 }),
    fc
      .uniqueArray(fc.tuple(fc.oneof(fc.maxSafeInteger(), fc.string()), tie('any')), {
        selector: ([key]) => key,
        maxLength: 5,
      })
      .map(entries => new Map(entries)),
  ),
})).any

test('what is written is read as the same value', () => {
  fc.assert(
    fc.property(value, item => {
      const bytes = encodeCbor(item)
      assert.deepEqual(decodeCbor(bytes, { depth: 64 }), item)
      assert.deepEqual(encodeCbor(decodeCbor(bytes, { depth: 64 })), bytes)
    }),
  )
})

test('any bytes whatever: a value or a CodecError', () => {
  const head = fc.constantFrom(
    0x00,
    0x18,
    0x1b,
    0x20,
    0x41,
    0x58,
    0x61,
    0x81,
    0x82,
    0x9f,
    0xa1,
    0xa2,
    0xd2,
    0xf6,
    0xf9,
    0xfb,
    0xff,
  )
  fc.assert(
    fc.property(fc.array(fc.oneof(head, fc.nat(255)), { maxLength: 40 }), octets => {
      total(() => decodeCbor(Uint8Array.from(octets), { tags: [18] }), octets.length)
    }),
    { numRuns: 5000 },
  )
})
