import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { facts, moment, table, textWidth, wrapped } from '../../../src/app/cli/table.ts'
import { harmless, progressLine } from '../../../src/app/cli/terminal.ts'

describe('a table', () => {
  const columns = [
    { title: 'id', of: (row: readonly string[]) => row[0] ?? '' },
    { title: 'name', of: (row: readonly string[]) => row[1] ?? '', flexible: true },
    { title: 'note', of: (row: readonly string[]) => row[2] ?? '', flexible: true },
    { title: 'n', of: (row: readonly string[]) => row[3] ?? '', right: true },
  ]

  test('is aligned', () => {
    const text = table(
      [
        ['1', 'one', '', '7'],
        ['22', 'twenty-two', 'x', '123'],
      ],
      columns,
    )
    assert.deepEqual(text.split('\n'), [
      'ID  NAME        NOTE    N',
      '1   one                 7',
      '22  twenty-two  x     123',
    ])
  })

  test('is aligned in scripts that are drawn wide, and with accents of their own', () => {
    const rows = [
      ['1', '株式会社', '', '7'],
      ['2', 'Fjo\u0308rd', '', '8'],
    ]
    const lines = table(rows, columns).split('\n')
    assert.deepEqual(lines.map(textWidth), [21, 21, 21])
    assert.equal(textWidth('株式会社'), 8)
    assert.equal(textWidth('o\u0308'), 1)
    const cut = table([['1', '株'.repeat(80), '', '7']], columns).split('\n')
    assert.deepEqual(cut.map(textWidth), [100, 100])
  })

  test('fits 100 columns whatever is in it, and never cuts what is copied', () => {
    const cell = fc.string({ unit: 'grapheme', maxLength: 150 })
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.stringMatching(/^[0-9a-f]{0,24}$/), cell, cell, fc.nat().map(String)), { minLength: 1 }),
        rows => {
          const lines = table(rows, columns).split('\n')
          assert.equal(lines.length, rows.length + 1)
          for (const [n, line] of lines.entries()) {
            assert.ok(textWidth(line) <= 100)
            assert.doesNotMatch(line, /\p{Cc}/u)
            if (n > 0) assert.ok(line.startsWith(rows[n - 1]![0]))
          }
        },
      ),
    )
  })
})

test('facts without a value are left out, long ones go on below', () => {
  const text = facts([
    ['a', 1],
    ['long name', 'word '.repeat(30).trim()],
    ['none', undefined],
    ['empty', ''],
    ['b', false],
  ])
  const lines = text.split('\n')
  assert.deepEqual(
    lines.map(line => line.slice(0, 9).trim()),
    ['a', 'long name', '', 'b'],
  )
  assert.ok(lines.every(line => line.length <= 100))
  assert.deepEqual(wrapped('a bb ccc', 4), ['a bb', 'ccc'])
  assert.deepEqual(wrapped('x'.repeat(10), 4), ['x'.repeat(10)])
  assert.equal(moment('2026-11-20T08:00:00.000Z'), '2026-11-20 08:00:00')
})

test('text of strangers does nothing to a terminal', () => {
  assert.equal(harmless('a\u001b[2Jb\r\nc\u202ed\ud800'), 'a\ufffd[2Jb\ufffd\ufffdc\ufffdd\ufffd')
  assert.equal(harmless('Größe 装置'), 'Größe 装置')
})

test('progress is for a terminal only, and leaves nothing behind', () => {
  const written: string[] = []
  const stream = (isTTY: boolean) => ({ isTTY, write: (text: string) => written.push(text) })
  const quiet = progressLine(stream(false))
  quiet.show('1 of 2')
  quiet.end()
  assert.deepEqual(written, [])
  const line = progressLine(stream(true))
  line.show('1 of 2')
  line.end()
  line.end()
  assert.deepEqual(written, ['\r\u001b[K1 of 2', '\r\u001b[K'])
})
