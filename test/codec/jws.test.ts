import assert from 'node:assert/strict'
import test from 'node:test'
import fc from 'fast-check'
import { encodeBase64Url } from '../../src/codec/base64.ts'
import type { CodecErrorCode } from '../../src/codec/error.ts'
import { decodeJws, encodeJws, encodeJwsHeader, jwsSigningInput } from '../../src/codec/jws.ts'
import { refused, total } from './refused.ts'

const text = (value: string) => encodeBase64Url(Buffer.from(value))
const entry = (protectedHeader: string, more: object = {}) => ({
  protected: text(protectedHeader),
  signature: 'AAAA',
  ...more,
})
const message = (members: object) =>
  Buffer.from(JSON.stringify({ payload: text('{}'), signatures: [entry('{"alg":"ES256"}')], ...members }))

test('General JSON Serialization, read and written', () => {
  const jws = decodeJws(message({}))
  assert.deepEqual([Buffer.from(jws.payload).toString(), jws.signatures.length], ['{}', 1])
  const [signature] = jws.signatures
  assert.deepEqual([signature?.protected, signature?.header], [{ alg: 'ES256' }, {}])
  assert.equal(jwsSigningInput(signature!.protectedText, jws.payloadText).toString(), 'eyJhbGciOiJFUzI1NiJ9.e30')
  assert.deepEqual(decodeJws(encodeJws(jws)), jws)
})

test('headers of both kinds, and members that nobody knows', () => {
  const jws = decodeJws(message({ note: 1, signatures: [entry('{"alg":"ES256"}', { header: { kid: 'a' }, more: 2 })] }))
  assert.deepEqual(jws.signatures[0]?.header, { kid: 'a' })
  assert.deepEqual(decodeJws(encodeJws(jws)), jws)
})

const wrong: Record<string, readonly [object, CodecErrorCode]> = {
  'no payload': [{ payload: undefined }, 'bad-value'],
  'payload that is no text': [{ payload: {} }, 'bad-value'],
  'payload in base64 with padding': [{ payload: 'e30=' }, 'bad-encoding'],
  'payload in base64, not base64url': [{ payload: '++++' }, 'bad-encoding'],
  flattened: [{ signatures: undefined, ...entry('{"alg":"ES256"}') }, 'bad-value'],
  'no signatures': [{ signatures: [] }, 'bad-value'],
  'signatures that are no list': [{ signatures: {} }, 'bad-value'],
  'nine signatures': [{ signatures: Array.from({ length: 9 }, () => entry('{}')) }, 'too-many'],
  'signature that is no object': [{ signatures: ['x'] }, 'bad-value'],
  'no protected header': [{ signatures: [{ header: { alg: 'ES256' }, signature: 'AAAA' }] }, 'bad-value'],
  'protected header that is no object': [{ signatures: [entry('[]')] }, 'bad-value'],
  'protected header that is no JSON': [{ signatures: [entry('{')] }, 'bad-encoding'],
  'protected header with a member twice': [{ signatures: [entry('{"alg":"ES256","alg":"none"}')] }, 'duplicate'],
  'a name in both headers': [{ signatures: [entry('{"alg":"ES256"}', { header: { alg: 'none' } })] }, 'duplicate'],
  'header that is no object': [{ signatures: [entry('{}', { header: 'x' })] }, 'bad-value'],
  'no signature value': [{ signatures: [entry('{}', { signature: undefined })] }, 'bad-value'],
  'signature value that is no base64url': [{ signatures: [entry('{}', { signature: 'A' })] }, 'bad-encoding'],
}

test('what is no JWS for us', async t => {
  for (const [name, [members, code]] of Object.entries(wrong)) {
    await t.test(name, () => refused(code, () => decodeJws(message(members))))
  }
  refused('bad-encoding', () => decodeJws(Buffer.from('eyJhbGciOiJFUzI1NiJ9.e30.AAAA')))
  refused('too-large', () => decodeJws(Buffer.alloc(0x4_0001, 0x20)))
  refused('bad-value', () => encodeJwsHeader({ alg: undefined, x: (() => 1) as never } as never))
})

test('a damaged message: a value or a CodecError', () => {
  const seed = message({})
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.nat(seed.length - 1), fc.nat(255)), { minLength: 1, maxLength: 4 }), changes => {
      const bytes = Buffer.from(seed)
      for (const [at, octet] of changes) bytes[at] = octet
      total(() => decodeJws(bytes), bytes.length)
    }),
    { numRuns: 1000 },
  )
})
