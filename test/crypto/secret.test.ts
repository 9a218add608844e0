import assert from 'node:assert/strict'
import { test } from 'node:test'
import { format, inspect } from 'node:util'
import { serialize } from 'node:v8'
import { CryptoError } from '../../src/crypto/error.ts'
import { Secret } from '../../src/crypto/secret.ts'

const text = 'correct horse battery staple'

test('no way of printing shows the secret', () => {
  const secret = new Secret(text)
  const holder = { pin: secret, list: [secret], map: new Map([['pin', secret]]) }
  // The type-aware lint refuses a Secret in a template; untyped code would not be stopped.
  const untyped = secret as unknown as string
  const hex = Buffer.from(text).toString('hex')
  const printed = [
    JSON.stringify(holder),
    String(secret),
    `${untyped}`,
    `pin ${untyped}`,
    inspect(holder, { depth: 9, showHidden: true, getters: true }),
    inspect(secret, { customInspect: false, showHidden: true, depth: 9 }),
    format('%s %o %O %j', secret, secret, secret, secret),
    Object.keys(secret).join(),
    Reflect.ownKeys(secret).join(),
    inspect(structuredClone({ ...holder, map: [secret] }), { depth: 9, showHidden: true }),
    serialize(secret).toString('latin1'),
    new Error(`failed with ${untyped}`, { cause: secret }).message,
    inspect(new Error('failed', { cause: secret })),
  ]
  for (const line of printed) {
    assert.ok(!line.includes('horse') && !line.includes(hex) && !line.includes('63 6f 72'), line)
  }
  assert.equal(JSON.stringify({ secret }), '{"secret":"[secret]"}')
})

test('reveal gives the bytes, equals compares by value', () => {
  const secret = new Secret(text)
  assert.equal(secret.revealText(), text)
  assert.ok(secret.equals(text))
  assert.ok(secret.equals(Buffer.from(text)))
  assert.ok(secret.equals(new Secret(text)))
  assert.ok(!secret.equals(`${text} `))
  assert.ok(!secret.equals(''))
  assert.equal(Secret.random(16).reveal().length, 16)
  assert.ok(!Secret.random().equals(Secret.random()))
})

test('the caller keeps no handle on the bytes, and dispose wipes them', () => {
  const own = Buffer.from(text)
  const secret = new Secret(own)
  own.fill(0)
  assert.equal(secret.revealText(), text)
  const live = secret.reveal()
  secret.dispose()
  secret.dispose()
  assert.ok(live.every(byte => byte === 0))
  assert.throws(
    () => secret.reveal(),
    (error: unknown) => error instanceof CryptoError && error.code === 'disposed',
  )
  assert.throws(() => secret.equals(text), CryptoError)
  assert.throws(() => secret.revealKey(), CryptoError)
})

test('as a key it is the same bytes, and gone with them', () => {
  const secret = Secret.random(32)
  const key = secret.revealKey()
  assert.ok(key.export().equals(secret.reveal()))
  assert.equal(secret.revealKey(), key)
  secret.dispose()
  assert.throws(() => secret.revealKey(), CryptoError)
})

test('using wipes at the end of the scope', () => {
  let live: Buffer
  {
    using secret = new Secret(text)
    live = secret.reveal()
    assert.equal(live.toString(), text)
  }
  assert.ok(live.every(byte => byte === 0))
})
