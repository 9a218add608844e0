import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { stripVTControlCharacters } from 'node:util'
import { painter } from '../../../src/app/cli/terminal.ts'
import { type LadderRow, ladderLines, liveLadder } from '../../../src/app/demo/ladder.ts'
import { differences, type ExpectedOutcome } from '../../../src/app/demo/outcome.ts'

const expected: ExpectedOutcome = {
  onboarded: ['a', 'b'],
  refused: [{ device: 'c', code: 'owner-mismatch' }],
  misled: [{ device: 'm', network: 'evil twin' }],
}

describe('the outcome of the demonstration', () => {
  it('is as expected in whatever order', () => {
    assert.deepEqual(differences({ ...expected, onboarded: ['b', 'a'] }, expected), [])
  })

  it('is not, when anything differs', () => {
    const others: Partial<ExpectedOutcome>[] = [
      { misled: [] },
      { misled: [{ device: 'm', network: 'home' }] },
      { misled: [...expected.misled, { device: 'a', network: 'evil twin' }] },
      { onboarded: ['a'], refused: expected.refused },
      { onboarded: ['a', 'b', 'c'], refused: expected.refused },
      { onboarded: ['a', 'b', 'c'], refused: [] },
      { onboarded: ['a', 'b'], refused: [] },
      { onboarded: ['a', 'b'], refused: [{ device: 'c', code: 'device-unexpected' }] },
      { onboarded: ['a', 'b'], refused: [{ device: 'd', code: 'owner-mismatch' }] },
      { onboarded: ['a', 'b'], refused: [...expected.refused, ...expected.refused] },
      { onboarded: [], refused: [] },
    ]
    for (const other of others) {
      assert.notDeepEqual(differences({ ...expected, ...other }, expected), [], JSON.stringify(other))
    }
  })
})

describe('the ladder', () => {
  const rows: readonly LadderRow[] = [
    { name: 'clone of F26-000002', model: 'Climate 2', unexpected: true, rung: 'heard', refusal: 'idevid-forged' },
    { name: 'F26-000006', model: 'Climate 2', rung: 'authenticated', refusal: 'device-unexpected', waiting: true },
    { name: 'F26-000001', model: 'Climate 2', rung: 'connected', note: 'refused the evil twin first' },
    { name: 'K26-000001', model: 'Meter 7' },
  ]
  const plain = painter({ write: () => true }, {})

  /** A terminal of a size, and what is written to it. */
  function terminal(columns: number, height: number) {
    const written: string[] = []
    const stream = { write: (text: string) => written.push(text), isTTY: true, columns, rows: height }
    return { written, ladder: liveLadder(stream, plain) }
  }

  it('fits a page, one line for each device', () => {
    const lines = ladderLines(rows, plain)
    assert.equal(lines.length, rows.length + 1)
    for (const line of lines) assert.ok(line.length <= 100, line)
    assert.match(lines[1] ?? '', /○ ● ✗ · · · {2}refused +idevid-forged/)
    assert.match(lines[2] ?? '', /● ● ● ◌ · · {2}waits +device-unexpected/)
    assert.match(lines[3] ?? '', /● ● ● ● ● ● {2}connected +refused the evil twin first/)
    assert.match(lines[4] ?? '', /· · · · · · {2}off/)
  })

  it('keeps every line within a narrow terminal, where a line that wraps would break the picture', () => {
    for (const columns of [80, 60, 40, 20]) {
      for (const line of ladderLines(rows, plain, columns)) assert.ok(line.length <= columns, `${columns}: ${line}`)
    }
    assert.match(ladderLines(rows, plain, 80)[3] ?? '', /refused the evil twin first$/, 'nothing is cut at 80')
  })

  it('is counted without its colours', () => {
    const paint = painter({ write: () => true, isTTY: true }, {})
    const [, coloured = ''] = ladderLines(rows, paint)
    assert.equal(stripVTControlCharacters(coloured), ladderLines(rows, plain)[1])
  })

  it('is drawn over the one before', () => {
    const { written, ladder } = terminal(80, 24)
    const up = '\u001b[5A'
    ladder.show(rows)
    ladder.show(rows)
    assert.equal(written.length, 2)
    assert.ok(!written[0]?.includes(up))
    assert.ok(written[1]?.includes(up))
  })

  it('says each change once where nobody looks on, and where it would scroll away', () => {
    const written: string[] = []
    const pipe = liveLadder({ write: (text: string) => written.push(text) }, plain)
    const low = terminal(80, rows.length + 1)
    for (const ladder of [pipe, low.ladder]) {
      ladder.show(rows)
      ladder.show(rows)
    }
    assert.equal(written.length, 3)
    assert.deepEqual(low.written, written)
  })
})
