import assert from 'node:assert/strict'
import { test } from 'node:test'
import { CryptoError } from '../../src/crypto/error.ts'
import { anchorsNamed, trustStore } from '../../src/crypto/trust.ts'
import { certify } from './pki.ts'

test('several anchors under one name, found by name or by subject and key', async () => {
  const old = await certify({ subject: 'Maker', ca: true })
  const rolled = await certify({ subject: 'Maker', ca: true })
  const other = await certify({ subject: 'Other', ca: true })
  const store = trustStore([
    { name: 'maker', certificate: old.certificate },
    { name: 'maker', certificate: rolled.certificate },
    { name: 'other', certificate: other.certificate },
  ])
  assert.equal(store.anchors.length, 3)
  assert.deepEqual(
    store.named('maker').map(({ certificate }) => certificate),
    [old.certificate, rolled.certificate],
  )
  assert.deepEqual(store.named('nobody'), [])
  assert.equal(store.holding(rolled.certificate)?.certificate, rolled.certificate)
  // The same CA under another certificate; then the same name with another key.
  const crossed = await certify({ subject: 'Maker', ca: true, signer: old.signer, issuer: other })
  assert.equal(store.holding(crossed.certificate)?.certificate, old.certificate)
  assert.equal(store.holding((await certify({ subject: 'Maker', ca: true })).certificate), undefined)
  for (const anchors of [store.anchors, [...store.anchors]]) {
    assert.deepEqual(
      anchorsNamed(anchors, crossed.certificate.subject).map(({ name }) => name),
      ['maker', 'maker'],
    )
    assert.deepEqual(
      anchorsNamed(anchors, crossed.certificate.issuer).map(({ name }) => name),
      ['other'],
    )
  }
})

test('one CA under two names is refused, under one name twice is not', async () => {
  const { certificate } = await certify({ subject: 'Maker', ca: true })
  const twice = (first: string, second: string) => trustStore([first, second].map(name => ({ name, certificate })))
  assert.throws(
    () => twice('a', 'b'),
    (error: unknown) => error instanceof CryptoError && error.code === 'ambiguous-anchor',
  )
  assert.equal(twice('a', 'a').named('a').length, 2)
})

test('a store does not follow the list that it was made from', async () => {
  const { certificate } = await certify({ subject: 'Maker', ca: true })
  const list = [{ name: 'a', certificate }]
  const store = trustStore(list)
  list.pop()
  assert.equal(store.anchors.length, 1)
  assert.ok(Object.isFrozen(store.anchors))
})
