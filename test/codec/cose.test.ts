import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import test from 'node:test'
import fc from 'fast-check'
import { type Cbor, CborTag, encodeCbor } from '../../src/codec/cbor.ts'
import {
  coseSigningInput,
  decodeCoseSign1,
  decodeCoseX509,
  encodeCoseHeader,
  encodeCoseSign1,
  encodeCoseX509,
} from '../../src/codec/cose.ts'
import type { CodecErrorCode } from '../../src/codec/error.ts'
import { refused, total } from './refused.ts'

const folder = new URL('../vector/cose/', import.meta.url)

test('cose-wg examples: what is signed, and the message written again', () => {
  for (const file of readdirSync(folder).filter(name => /^(ecdsa|eddsa|sign-pass-0[12])/.test(name))) {
    const { input, intermediates, output } = JSON.parse(readFileSync(new URL(file, folder), 'utf8'))
    const message = decodeCoseSign1(Buffer.from(output.cbor, 'hex'))
    const header = message.protected.size === 0 ? Buffer.alloc(0) : message.protectedBytes
    const external = Buffer.from(input.sign0.external ?? '', 'hex')
    const signed = coseSigningInput(header, message.payload!, external)
    assert.equal(signed.toString('hex').toUpperCase(), intermediates.ToBeSign_hex, file)
    assert.equal(encodeCoseSign1(message).toString('hex').toUpperCase(), output.cbor, file)
  }
})

const sign1 = (...parts: Cbor[]) => encodeCbor(new CborTag(18, parts))
const header = encodeCbor(new Map([[1, -7]]))
const bytes = Buffer.of(1, 2, 3)

const wrong: Record<string, readonly [Buffer, CodecErrorCode]> = {
  'no tag': [encodeCbor([header, new Map(), bytes, bytes]), 'bad-tag'],
  'another tag': [encodeCbor(new CborTag(98, [header, new Map(), bytes, bytes])), 'unsupported'],
  'three parts': [sign1(header, new Map(), bytes), 'bad-value'],
  'no array': [encodeCbor(new CborTag(18, new Map())), 'bad-value'],
  'protected header not wrapped in bytes': [sign1(new Map([[1, -7]]), new Map(), bytes, bytes), 'bad-value'],
  'protected header that is no map': [sign1(encodeCbor([1]), new Map(), bytes, bytes), 'bad-value'],
  'protected header with bytes after it': [
    sign1(Buffer.concat([header, bytes]), new Map(), bytes, bytes),
    'trailing-bytes',
  ],
  'protected header with a label twice': [
    sign1(Buffer.from('a201260126', 'hex'), new Map(), bytes, bytes),
    'duplicate',
  ],
  'unprotected header that is no map': [sign1(header, [], bytes, bytes), 'bad-value'],
  'a label in both headers': [sign1(header, new Map([[1, -7]]), bytes, bytes), 'duplicate'],
  'payload that is a text': [sign1(header, new Map(), 'x', bytes), 'bad-value'],
  'signature that is missing': [sign1(header, new Map(), bytes, null), 'bad-value'],
}

test('what is no COSE_Sign1 for us', async t => {
  for (const [name, [message, code]] of Object.entries(wrong)) {
    await t.test(name, () => refused(code, () => decodeCoseSign1(message)))
  }
})

test('a detached payload, and an empty header', () => {
  const message = decodeCoseSign1(sign1(Buffer.alloc(0), new Map(), null, bytes))
  assert.deepEqual([message.payload, message.protected.size, encodeCoseHeader(new Map()).length], [undefined, 0, 0])
})

test('RFC 9360: one certificate alone, several in an array', () => {
  assert.equal(encodeCoseX509([bytes]), bytes)
  for (const list of [[bytes], [bytes, header]]) assert.deepEqual(decodeCoseX509(encodeCoseX509(list)), list)
  assert.deepEqual(decodeCoseX509([bytes]), [bytes])
  assert.deepEqual(decodeCoseX509(undefined), [])
  for (const value of [[], 'x', 1, null, [1], new Map()]) refused('bad-value', () => decodeCoseX509(value as Cbor))
})

test('a damaged message: a value or a CodecError', () => {
  const seed = sign1(header, new Map<number, Cbor>([[32, [bytes, bytes]]]), bytes, Buffer.alloc(64))
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.nat(seed.length - 1), fc.nat(255)), { minLength: 1, maxLength: 4 }), changes => {
      const damaged = Buffer.from(seed)
      for (const [at, octet] of changes) damaged[at] = octet
      total(() => decodeCoseSign1(damaged), damaged.length)
    }),
    { numRuns: 1000 },
  )
})
