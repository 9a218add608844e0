import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { authorityDocument } from '../../tool/authority.ts'

test('docs/authority.md is what the tables say', () => {
  const text = readFileSync(new URL('../../docs/authority.md', import.meta.url), 'utf8')
  assert.ok(text === authorityDocument(), 'docs/authority.md is not current: run `npm run authority` and commit it')
})
