import assert from 'node:assert/strict'
import { createPublicKey } from 'node:crypto'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import * as jose from 'jose'
import { CodecError } from '../../src/codec/error.ts'
import { encodeJwsHeader } from '../../src/codec/jws.ts'
import { CryptoError } from '../../src/crypto/error.ts'
import { decryptJwe, encryptJwe } from '../../src/crypto/jwe.ts'
import { generateKey } from '../../src/crypto/key.ts'

const type = 'mooring-offer+jwe'
const own = generateKey('P-256')
const to = createPublicKey(own)
const refused = (work: () => unknown) =>
  assert.throws(work, error => error instanceof CryptoError || error instanceof CodecError)

describe('JWE with ECDH-ES and A256GCM', () => {
  for (const curve of ['P-256', 'P-384', 'P-521'] as const) {
    test(`on ${curve}: what we write jose reads, and what jose writes we read`, async () => {
      const key = generateKey(curve)
      const plaintext = Buffer.from('{"secret":"…"}')
      const ours = encryptJwe(plaintext, { to: createPublicKey(key), type })
      const read = await jose.compactDecrypt(ours, key)
      assert.deepEqual(Buffer.from(read.plaintext), plaintext)
      assert.deepEqual([read.protectedHeader.alg, read.protectedHeader.enc], ['ECDH-ES', 'A256GCM'])
      const theirs = await new jose.CompactEncrypt(plaintext)
        .setProtectedHeader({ alg: 'ECDH-ES', enc: 'A256GCM', typ: type })
        .encrypt(createPublicKey(key))
      assert.deepEqual(decryptJwe(theirs, { key, type }), plaintext)
    })
  }

  test('of any length comes back as it was', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 5000 }), bytes => {
        assert.deepEqual(decryptJwe(encryptJwe(bytes, { to, type }), { key: own, type }), Buffer.from(bytes))
      }),
      { numRuns: 30 },
    )
  })

  test('is refused with another key, another type, and any character changed or left out', () => {
    const text = encryptJwe(Buffer.from('secret'), { to, type })
    refused(() => decryptJwe(text, { key: generateKey('P-256'), type }))
    refused(() => decryptJwe(text, { key: generateKey('P-384'), type }))
    refused(() => decryptJwe(text, { key: own, type: 'another' }))
    fc.assert(
      fc.property(fc.nat(text.length - 1), fc.constantFrom('A', 'a', '0', '-', '_', '.', '='), (at, character) => {
        if (text[at] === character) return
        refused(() => decryptJwe(text.slice(0, at) + character + text.slice(at + 1), { key: own, type }))
        refused(() => decryptJwe(text.slice(0, at), { key: own, type }))
      }),
    )
    fc.assert(fc.property(fc.string(), any => refused(() => decryptJwe(any, { key: own, type }))))
  })

  test('is refused when it asks for something else: other algorithms, compression, critical headers, a foreign point', async () => {
    const headers: Record<string, jose.CompactJWEHeaderParameters> = {
      'a wrapped key': { alg: 'ECDH-ES+A128KW', enc: 'A256GCM' },
      'a shorter key': { alg: 'ECDH-ES', enc: 'A128GCM' },
      CBC: { alg: 'ECDH-ES', enc: 'A256CBC-HS512' },
    }
    for (const [name, header] of Object.entries(headers)) {
      const text = await new jose.CompactEncrypt(Buffer.from('x'))
        .setProtectedHeader({ ...header, typ: type })
        .encrypt(to)
      assert.throws(() => decryptJwe(text, { key: own, type }), { code: 'unsupported-algorithm' }, name)
    }
    const [, ...rest] = encryptJwe(Buffer.from('x'), { to, type }).split('.')
    const epk = createPublicKey(generateKey('P-256')).export({ format: 'jwk' }) as Record<string, string>
    const base = { alg: 'ECDH-ES', enc: 'A256GCM', typ: type, epk }
    const zeros = Buffer.alloc(32).toString('base64url')
    for (const header of [
      { ...base, zip: 'DEF' },
      { ...base, crit: ['exp'], exp: 1 },
      { ...base, apu: 'QQ' },
      { ...base, epk: { ...epk, y: zeros } },
      { ...base, epk: { ...epk, x: 'AA' } },
      { ...base, epk: { ...epk, crv: 'P-384' } },
      { ...base, epk: 'none' },
      { ...base, alg: 'dir' },
      { enc: 'A256GCM', typ: type },
    ]) {
      refused(() => decryptJwe([encodeJwsHeader(header), ...rest].join('.'), { key: own, type }))
    }
  })
})
