import assert from 'node:assert/strict'
import { verify } from 'node:crypto'
import { test } from 'node:test'
import { KeyStoreError } from '../../../src/adapter/key/error.ts'
import { memoryKeyStore } from '../../../src/adapter/key/memory.ts'

test('generate, open, list, remove', async () => {
  const store = memoryKeyStore()
  const signer = await store.generate('b', 'P-256')
  await store.generate('a', 'P-521')
  assert.deepEqual(await store.list(), ['a', 'b'])
  assert.equal(await store.open('b'), signer)
  assert.equal((await store.open('a'))?.algorithm, 'ES512')
  const message = Buffer.from('message')
  assert.ok(verify('sha256', message, signer.publicKey, await signer.sign(message)))
  await assert.rejects(
    store.generate('b', 'P-256'),
    (error: unknown) => error instanceof KeyStoreError && error.code === 'label-taken',
  )
  await assert.rejects(store.open('../b'), KeyStoreError)
  await store.remove('b')
  assert.equal(await store.open('b'), undefined)
  assert.deepEqual(await store.list(), ['a'])
})
