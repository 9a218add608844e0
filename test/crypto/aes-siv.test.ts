import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { openAesSiv, sealAesSiv } from '../../src/crypto/aes-siv.ts'
import { CryptoError, type CryptoErrorCode } from '../../src/crypto/error.ts'

interface Vector {
  readonly name: string
  readonly key: string
  readonly associatedData: readonly string[]
  readonly sealed: string
}
interface Accepted extends Vector {
  readonly plaintext: string
}
interface Refused extends Vector {
  readonly code: CryptoErrorCode
}

const read = (name: string): unknown =>
  JSON.parse(readFileSync(new URL(`../vector/aes-siv/${name}.json`, import.meta.url), 'utf8'))
const octets = (hex: string) => Buffer.from(hex, 'hex')
const refused = (code: CryptoErrorCode, call: () => unknown) =>
  assert.throws(call, error => error instanceof CryptoError && error.code === code)

describe('AES-SIV', () => {
  for (const { name, key, associatedData, plaintext, sealed } of read('accepted') as Accepted[]) {
    test(name, () => {
      const components = associatedData.map(octets)
      assert.equal(sealAesSiv(octets(key), octets(plaintext), ...components).toString('hex'), sealed)
      assert.equal(openAesSiv(octets(key), octets(sealed), ...components).toString('hex'), plaintext)
    })
  }

  for (const { name, key, associatedData, sealed, code } of read('refused') as Refused[]) {
    test(`refuses: ${name}`, () => {
      refused(code, () => openAesSiv(octets(key), octets(sealed), ...associatedData.map(octets)))
    })
  }

  const sizes = fc.constantFrom(32, 48, 64)
  const keys = sizes.chain(size => fc.uint8Array({ minLength: size, maxLength: size }))
  const lists = fc.array(fc.uint8Array({ maxLength: 40 }), { maxLength: 3 })

  test('gives back what it sealed, also nothing, and leaves its inputs alone', () => {
    fc.assert(
      fc.property(keys, fc.uint8Array({ maxLength: 100 }), lists, (key, plaintext, components) => {
        const before = [key, plaintext, ...components].map(bytes => Buffer.from(bytes))
        const sealed = sealAesSiv(key, plaintext, ...components)
        assert.equal(sealed.length, plaintext.length + 16)
        assert.deepEqual(openAesSiv(key, sealed, ...components), Buffer.from(plaintext))
        assert.deepEqual(
          [key, plaintext, ...components].map(bytes => Buffer.from(bytes)),
          before,
        )
      }),
    )
  })

  test('refuses any one bit changed, and any other list of components', () => {
    fc.assert(
      fc.property(keys, fc.uint8Array({ maxLength: 40 }), lists, lists, fc.nat(), (key, plaintext, list, other, at) => {
        const sealed = sealAesSiv(key, plaintext, ...list)
        const altered = Buffer.from(sealed)
        altered[(at >> 3) % altered.length]! ^= 1 << (at & 7)
        refused('bad-signature', () => openAesSiv(key, altered, ...list))
        const same = list.length === other.length && list.every((bytes, n) => Buffer.from(bytes).equals(other[n]!))
        if (!same) refused('bad-signature', () => openAesSiv(key, sealed, ...other))
      }),
    )
  })
})
