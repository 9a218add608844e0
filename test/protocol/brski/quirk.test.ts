import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isQuirk, quirkNames, quirks, Tolerance } from '../../../src/protocol/brski/quirk.ts'

test('a quirk is noted when it is accepted, and only then', () => {
  const tolerance = new Tolerance(['nonce-over-32'])
  assert.equal(tolerance.accepts('legacy-sids'), false)
  assert.equal(tolerance.allows('nonce-over-32'), true)
  assert.deepEqual(tolerance.used, [])
  assert.equal(tolerance.accepts('nonce-over-32'), true)
  assert.equal(tolerance.accepts('nonce-over-32'), true)
  assert.equal(tolerance.accepts('cms-id-data'), true)
  assert.deepEqual(tolerance.used, ['nonce-over-32', 'cms-id-data'])
})

test('what is on for everybody is what published vectors need', () => {
  const bare = new Tolerance()
  for (const name of quirkNames) assert.equal(bare.allows(name), quirks[name].always, name)
  assert.equal(bare.allows('cms-id-data'), true)
  assert.equal(bare.allows('request-root-ietf-voucher'), false)
})

test('names from a configuration', () => {
  assert.equal(isQuirk('cms-id-data'), true)
  for (const name of ['', 'toString', 'cms']) assert.equal(isQuirk(name), false)
})
