import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { it } from 'node:test'
import { lifecycleTransitions, type TransitionEntry } from '../src/domain/lifecycle-table.ts'

it('docs/lifecycle.md shows the steps as the code has them', () => {
  const text = readFileSync(join(import.meta.dirname, '..', 'docs', 'lifecycle.md'), 'utf8')
  const shown = [...text.matchAll(/^\| (T\d\d) \| (.*) \| `(.*)` \| (.*) \| (.*) \| (.*) \| (.*) \|$/gm)].map(row =>
    row.slice(1, 7),
  )
  const rows: readonly TransitionEntry[] = lifecycleTransitions
  const due = rows.map(({ id, from, event, to, actors, condition }) => {
    return [id, from, event, to, actors.length === 0 ? 'anybody' : actors.join(', '), condition]
  })
  assert.deepEqual(shown, due)
})
