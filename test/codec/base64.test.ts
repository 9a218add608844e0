import assert from 'node:assert/strict'
import test from 'node:test'
import fc from 'fast-check'
import {
  decodeBase64,
  decodeBase64Url,
  decodeEstBase64,
  encodeBase64,
  encodeBase64Url,
} from '../../src/codec/base64.ts'
import { refused, total } from './refused.ts'

const bytes = fc.uint8Array({ maxLength: 200 })

test('every byte string has one text, and comes back from it', () => {
  fc.assert(
    fc.property(bytes, value => {
      assert.deepEqual(new Uint8Array(decodeBase64(encodeBase64(value))), value)
      assert.deepEqual(new Uint8Array(decodeBase64Url(encodeBase64Url(value))), value)
      assert.doesNotMatch(encodeBase64(value), /\s/)
      assert.doesNotMatch(encodeBase64Url(value), /[^A-Za-z0-9_-]/)
    }),
  )
  // RFC 4648 10
  const vectors = {
    '': '',
    f: 'Zg==',
    fo: 'Zm8=',
    foo: 'Zm9v',
    foob: 'Zm9vYg==',
    fooba: 'Zm9vYmE=',
    foobar: 'Zm9vYmFy',
  }
  for (const [plain, text] of Object.entries(vectors)) {
    assert.equal(encodeBase64(Buffer.from(plain)), text)
    assert.equal(decodeBase64(text).toString(), plain)
  }
})

test('a text that is not the one strict text is refused', () => {
  const bad = [
    'Zg',
    'Zg=',
    'Zg===',
    'Z',
    '=',
    '====',
    'Zh==',
    'Zm9=',
    'Zm9v=',
    'Zg==Zg==',
    'Zg=a',
    'Zm 9v',
    'Zm9v\n',
    ' ',
    'Zm9-',
    'Zm9_',
    'Zm9v\0',
    'Zm9ｖ',
    'Zm9v🔑',
  ]
  for (const text of bad) refused('bad-encoding', () => decodeBase64(text))
  for (const text of ['Zg==', 'Zh', 'Z', 'Zm9+', 'Zm9/', 'Zm9v ', 'Zm9']) {
    refused('bad-encoding', () => decodeBase64Url(text))
  }
  refused('too-large', () => decodeBase64('A'.repeat(0x100_0004)))
  refused('too-large', () => decodeEstBase64(' '.repeat(0x100_0001)))
})

test('a body of EST may have white space anywhere and nothing else', () => {
  const space = fc.string({ unit: fc.constantFrom('\r', '\n', ' ', '\t'), maxLength: 3 })
  fc.assert(
    fc.property(bytes, fc.array(space, { minLength: 1, maxLength: 5 }), (value, spaces) => {
      const text = encodeBase64(value)
        .split('')
        .map((c, i) => c + spaces[i % spaces.length])
        .join('')
      assert.deepEqual(new Uint8Array(decodeEstBase64(spaces[0] + text)), value)
    }),
  )
  for (const text of ['Zm9v\f', 'Zm9v\v', 'Zm\u00a09v', 'Zm9v\ufeff', '-----', 'Zm 9', 'Zm9v\0']) {
    refused('bad-encoding', () => decodeEstBase64(text))
  }
})

test('any text whatever: bytes or a CodecError', () => {
  const text = fc.oneof(fc.string({ unit: 'binary' }), fc.string({ unit: fc.constantFrom(...'Aa0+/-_= \n'.split('')) }))
  fc.assert(
    fc.property(text, value => {
      for (const decode of [decodeBase64, decodeBase64Url, decodeEstBase64]) total(() => decode(value), value.length)
      if (total(() => decodeBase64(value), value.length)) assert.equal(encodeBase64(decodeBase64(value)), value)
    }),
    { numRuns: 2000 },
  )
})
