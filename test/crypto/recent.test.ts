import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Recent } from '../../src/crypto/recent.ts'

test('what is asked for stays, what is not goes', () => {
  const recent = new Recent<number>(10)
  recent.set('in use', 1)
  recent.set('forgotten', 2)
  for (let n = 0; n < 100; n++) {
    recent.set(`stranger ${n}`, n)
    if (n % 5 === 0) assert.equal(recent.get('in use'), 1)
  }
  assert.equal(recent.get('forgotten'), undefined)
  assert.equal(recent.get('stranger 99'), 99)
  assert.equal(recent.get('stranger 50'), undefined)
})

test('the last value counts', () => {
  const recent = new Recent<number>(2)
  recent.set('a', 1)
  recent.set('b', 2)
  recent.set('c', 3)
  recent.set('a', 4)
  assert.equal(recent.get('a'), 4)
})
