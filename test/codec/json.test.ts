import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import test from 'node:test'
import fc from 'fast-check'
import type { CodecErrorCode } from '../../src/codec/error.ts'
import { decodeJson, decodeJsonObject, encodeCanonicalJson } from '../../src/codec/json.ts'
import { refused, total } from './refused.ts'

const vectors = (name: string) =>
  JSON.parse(readFileSync(new URL(`../vector/json/${name}.json`, import.meta.url), 'utf8'))

interface Refused {
  readonly name: string
  readonly text?: string
  readonly hex?: string
  readonly code: CodecErrorCode
}

test('texts that are no JSON, or no JSON to be relied on', async t => {
  for (const { name, text, hex, code } of vectors('refused').refused as Refused[]) {
    await t.test(name, () => {
      refused(code, () => decodeJson(hex === undefined ? Buffer.from(text!) : Buffer.from(hex, 'hex')))
      if (text !== undefined) refused(code, () => decodeJson(text))
    })
  }
})

test('RFC 8785: canonical form, of members in any order', async t => {
  for (const { name, text, canonical } of vectors('canonical').canonical as Record<string, string>[]) {
    await t.test(name!, () => {
      assert.equal(encodeCanonicalJson(decodeJson(text!)), canonical)
      assert.equal(encodeCanonicalJson(decodeJson(canonical!)), canonical)
    })
  }
})

test('a syntax error says where', () => {
  assert.throws(() => decodeJson('{"a":1 x}'), { code: 'bad-encoding', offset: 7 })
})

test('members are own properties, whatever their name', () => {
  const value = decodeJsonObject('{"constructor":1,"toString":2,"hasOwnProperty":3}')
  assert.deepEqual(Object.keys(value), ['constructor', 'toString', 'hasOwnProperty'])
  assert.equal(({} as Record<string, unknown>)['admin'], undefined)
})

test('an object is asked for', () => {
  for (const text of ['[]', 'null', '1', '"{}"']) refused('bad-value', () => decodeJsonObject(text))
})

test('bounds', () => {
  refused('too-large', () => decodeJson('[1]', { size: 2 }))
  refused('too-large', () => decodeJson(' '.repeat(0x10_0001)))
  refused('too-deep', () => decodeJson('[[[]]]', { depth: 2 }))
  assert.deepEqual(decodeJson('[[]]', { depth: 2 }), [[]])
  refused('too-deep', () => decodeJson('['.repeat(100_000) + ']'.repeat(100_000)))
  refused('too-many', () => decodeJson('[1,2,3]', { count: 3 }))
  assert.deepEqual(decodeJson('[1,2,3]', { count: 4 }), [1, 2, 3])
  refused('too-many', () => decodeJson(`[${'1,'.repeat(10_000)}1]`))
})

test('values without a JSON form', () => {
  const circle: unknown[] = []
  circle.push(circle)
  const refusals: [unknown, CodecErrorCode][] = [
    [undefined, 'bad-value'],
    [[undefined], 'bad-value'],
    [Number.NaN, 'bad-value'],
    [{ a: Number.POSITIVE_INFINITY }, 'bad-value'],
    [{ b: 1, a: 1n }, 'bad-value'],
    [() => 1, 'bad-value'],
    [{ toJSON: () => 1 }, 'bad-value'],
    [new Date(0), 'bad-value'],
    [{ b: Buffer.of(1), a: 1 }, 'bad-value'],
    [new Map(), 'bad-value'],
    ['\ud800', 'bad-value'],
    [{ '\udc00': 1 }, 'bad-value'],
    [{ b: 1, a: '\ud83d' }, 'bad-value'],
    [circle, 'too-deep'],
  ]
  for (const [value, code] of refusals) refused(code, () => encodeCanonicalJson(value))
})

test('members that are undefined are left out', () => {
  assert.equal(encodeCanonicalJson({ b: undefined, a: 1 }), '{"a":1}')
  assert.equal(encodeCanonicalJson({ c: { b: undefined }, a: undefined }), '{"c":{}}')
  assert.equal(encodeCanonicalJson(Object.assign(Object.create(null), { b: 1, a: 2 })), '{"a":2,"b":1}')
})

test('a member named __proto__ is written as any other', () => {
  assert.equal(encodeCanonicalJson(JSON.parse('{"b":1,"__proto__":{"a":1}}')), '{"__proto__":{"a":1},"b":1}')
})

const json = fc.jsonValue({ noUnicodeString: false }).filter(value => !JSON.stringify(value).includes('"__proto__"'))

test('what is written is read as the same value, and written the same again', () => {
  fc.assert(
    fc.property(json, value => {
      const text = encodeCanonicalJson(value)
      const read = decodeJson(text, { depth: 64 })
      // -0 is written as 0 (RFC 8785 3.2.2.3).
      assert.deepEqual(read, JSON.parse(JSON.stringify(value)))
      assert.equal(encodeCanonicalJson(read), text)
    }),
    { numRuns: 500 },
  )
})

test('the form does not depend on the order in which members were added', () => {
  fc.assert(
    fc.property(
      fc.dictionary(fc.string(), fc.nat(), { maxKeys: 40 }),
      fc.array(fc.nat(), { minLength: 40 }),
      (object, random) => {
        const entries = Object.entries(object).filter(([name]) => name !== '__proto__')
        const shuffled = entries.map((entry, i) => ({ entry, at: random[i]! })).toSorted((a, b) => a.at - b.at)
        const expected = `{${entries
          .toSorted(([a], [b]) => (a < b ? -1 : 1))
          .map(([name, value]) => `${JSON.stringify(name)}:${value}`)
          .join(',')}}`
        assert.equal(encodeCanonicalJson(Object.fromEntries(shuffled.map(({ entry }) => entry))), expected)
      },
    ),
  )
})

test('any bytes whatever: a value or a CodecError', () => {
  const token = fc.constantFrom(
    '{',
    '}',
    '[',
    ']',
    ':',
    ',',
    '"',
    '\\',
    '\\u',
    'a',
    '__proto__',
    '1',
    'e',
    '-',
    'true',
    'null',
    ' ',
    '"a"',
    '\ud800',
  )
  fc.assert(
    fc.property(fc.array(token, { maxLength: 30 }), tokens => {
      const text = tokens.join('')
      total(() => decodeJson(text), text.length)
    }),
    { numRuns: 3000 },
  )
  fc.assert(fc.property(fc.uint8Array({ maxLength: 100 }), bytes => void total(() => decodeJson(bytes), bytes.length)))
})
