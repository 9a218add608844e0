import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import test from 'node:test'
import { type Codec, decode, encode } from '../../../src/codec/der/codec.ts'
import { oid } from '../../../src/codec/der/oid.ts'
import * as primitive from '../../../src/codec/der/primitive.ts'
import * as string from '../../../src/codec/der/string.ts'
import * as structure from '../../../src/codec/der/structure.ts'
import { time } from '../../../src/codec/der/time.ts'
import { CodecError } from '../../../src/codec/error.ts'

const { smallInteger } = primitive
const nested: Codec<unknown> = structure.sequenceOf({
  tags: [0x30],
  write: (w, value) => nested.write(w, value),
  read: (r): unknown => nested.read(r),
})

/** The names that the vector files use. */
const codecs: Record<string, Codec<unknown>> = {
  ...primitive,
  flags: primitive.flags(['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', 'i']),
  oid,
  time,
  utf8String: string.utf8String,
  printableString: string.printableString,
  ia5String: string.ia5String,
  directoryString: string.directoryString,
  any: structure.any,
  element: structure.element(0x30),
  sequence: structure.sequence({
    a: structure.defaulted(primitive.boolean, false),
    n: structure.optional(smallInteger),
    o: primitive.octetString,
  }),
  sequenceOf: structure.sequenceOf(smallInteger),
  sequenceOfSome: structure.sequenceOf(smallInteger, { min: 1 }),
  setOf: structure.setOf(smallInteger),
  setOfAny: structure.setOf(smallInteger, { order: 'any' }),
  setOfSome: structure.setOf(smallInteger, { min: 1 }),
  explicit: structure.explicit(0, smallInteger),
  implicit: structure.implicit(1, smallInteger),
  implicitSequence: structure.implicit(2, structure.sequenceOf(smallInteger)),
  octets: structure.octets(smallInteger),
  choice: structure.choice({
    number: structure.explicit(1, smallInteger),
    text: structure.implicit(2, string.utf8String),
  }),
  nested,
}

interface Vector {
  name: string
  codec: string
  hex: string
}
interface VectorFile {
  accepted: (Vector & { value: unknown })[]
  refused: (Vector & { code: string; offset?: number })[]
}

/** Bytes as hexadecimal, dates as text, the rest as JSON has it. */
function plain(value: unknown): unknown {
  if (value instanceof Uint8Array) return Buffer.from(value).toString('hex')
  if (value instanceof Date) return value.toISOString()
  if (Array.isArray(value)) return value.map(plain)
  if (value === null || typeof value !== 'object') return value
  return Object.fromEntries(Object.entries(value).map(([key, member]) => [key, plain(member)]))
}

const folder = new URL('../../vector/der/', import.meta.url)

for (const file of readdirSync(folder).filter(name => name.endsWith('.json'))) {
  const { accepted, refused } = JSON.parse(readFileSync(new URL(file, folder), 'utf8')) as VectorFile
  for (const { name, codec, hex, value } of accepted) {
    test(`${file}: ${codec} accepts ${name}`, () => {
      const read = decode(codecs[codec]!, Buffer.from(hex, 'hex'))
      if (codec !== 'nested') assert.deepEqual(plain(read), value)
      assert.equal(encode(codecs[codec]!, read).toString('hex'), hex)
    })
  }
  for (const { name, codec, hex, code, offset } of refused) {
    test(`${file}: ${codec} refuses ${name}`, () => {
      assert.throws(
        () => decode(codecs[codec]!, Buffer.from(hex, 'hex')),
        error => {
          assert.ok(error instanceof CodecError, String(error))
          assert.equal(error.code, code, error.message)
          if (offset !== undefined) assert.equal(error.offset, offset, error.message)
          return true
        },
      )
    })
  }
}
