import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { painter } from '../../../src/app/cli/terminal.ts'
import { type LadderRow, ladderLines, liveLadder } from '../../../src/app/demo/ladder.ts'
import { differences, type ExpectedOutcome } from '../../../src/app/demo/outcome.ts'

const expected: ExpectedOutcome = {
  onboarded: ['a', 'b'],
  refused: [{ device: 'c', code: 'owner-mismatch' }],
}

describe('the outcome of the demonstration', () => {
  it('is as expected in whatever order', () => {
    assert.deepEqual(differences({ onboarded: ['b', 'a'], refused: expected.refused }, expected), [])
  })

  it('is not, when anything differs', () => {
    const others: ExpectedOutcome[] = [
      { onboarded: ['a'], refused: expected.refused },
      { onboarded: ['a', 'b', 'c'], refused: expected.refused },
      { onboarded: ['a', 'b', 'c'], refused: [] },
      { onboarded: ['a', 'b'], refused: [] },
      { onboarded: ['a', 'b'], refused: [{ device: 'c', code: 'device-unexpected' }] },
      { onboarded: ['a', 'b'], refused: [{ device: 'd', code: 'owner-mismatch' }] },
      { onboarded: ['a', 'b'], refused: [...expected.refused, ...expected.refused] },
      { onboarded: [], refused: [] },
    ]
    for (const other of others) assert.notDeepEqual(differences(other, expected), [], JSON.stringify(other))
  })
})

describe('the ladder', () => {
  const rows: readonly LadderRow[] = [
    { name: 'clone of F26-000002', model: 'Climate 2', rung: 'heard', refusal: 'idevid-forged' },
    { name: 'F26-000006', model: 'Climate 2', rung: 'authenticated', refusal: 'device-unexpected', waiting: true },
    { name: 'F26-000001', model: 'Climate 2', rung: 'connected', note: 'refused the evil twin first' },
    { name: 'K26-000001', model: 'Meter 7' },
  ]

  it('fits a page, one line for each device', () => {
    const lines = ladderLines(rows, painter({ write: () => true }, {}))
    assert.equal(lines.length, rows.length + 1)
    for (const line of lines) assert.ok(line.length <= 100, line)
    assert.match(lines[1] ?? '', /●.*✗.*idevid-forged/)
    assert.match(lines[2] ?? '', /waits: device-unexpected/)
    assert.equal((lines[3] ?? '').match(/●/g)?.length, 6)
  })

  it('says each change once where nobody looks on', () => {
    const written: string[] = []
    const ladder = liveLadder({ write: (text: string) => written.push(text) }, painter({ write: () => true }, {}))
    ladder.show(rows)
    ladder.show(rows)
    assert.equal(written.length, 3)
  })
})
