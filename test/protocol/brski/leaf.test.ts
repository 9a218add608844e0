import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { formatDate, parseDate } from '../../../src/protocol/brski/leaf.ts'
import { refused } from '../../codec/refused.ts'

const iso = (text: string) => parseDate(text, 'date').toISOString()

test('RFC 3339: any offset, any fraction', () => {
  const rows = {
    '2021-04-13T17:43:23.747-04:00': '2021-04-13T21:43:23.747Z',
    '2021-04-13T21:43:23Z': '2021-04-13T21:43:23.000Z',
    '2021-01-01T00:30:00+14:00': '2020-12-31T10:30:00.000Z',
    '2021-01-01T00:00:00-00:00': '2021-01-01T00:00:00.000Z',
    '2021-01-01T00:00:00.123456789Z': '2021-01-01T00:00:00.123Z',
    '2021-01-01T00:00:00.9999999Z': '2021-01-01T00:00:00.999Z',
    '2020-02-29T12:00:00Z': '2020-02-29T12:00:00.000Z',
    '2016-12-31T23:59:60Z': '2017-01-01T00:00:00.000Z',
    '0001-01-01T00:00:00Z': '0001-01-01T00:00:00.000Z',
    '9999-12-31T23:59:59Z': '9999-12-31T23:59:59.000Z',
  }
  for (const [text, expected] of Object.entries(rows)) assert.equal(iso(text), expected)
})

test('what is no date', () => {
  const wrong = [
    '',
    'now',
    '2021-4-13T00:00:00Z',
    '2021-13-01T00:00:00Z',
    '2021-00-01T00:00:00Z',
    '2021-02-29T00:00:00Z',
    '2021-01-32T00:00:00Z',
  ]
  wrong.push(
    '2021-01-01T25:00:00Z',
    '2021-01-01T00:60:00Z',
    '2021-01-01T00:00:61Z',
    '2021-01-01T00:00:00',
    '2021-01-01T00:00:00.Z',
  )
  wrong.push(
    '2021-01-01t00:00:00z',
    '2021-01-01T00:00:00+0100',
    '2021-01-01T00:00:00+01:60',
    ' 2021-01-01T00:00:00Z',
    '12021-01-01T00:00:00Z',
  )
  for (const text of wrong) refused('bad-value', () => parseDate(text, 'date'))
})

test('what is written is read', () => {
  fc.assert(
    fc.property(fc.date({ min: new Date(0), max: new Date('9999-12-31T23:59:59.999Z'), noInvalidDate: true }), date => {
      assert.deepEqual(parseDate(formatDate(date, 'date'), 'date'), date)
    }),
  )
  assert.equal(formatDate(new Date('2026-11-20T12:00:00Z'), 'date'), '2026-11-20T12:00:00Z')
  for (const date of [new Date(Number.NaN), new Date(-1), new Date('+010000-01-01T00:00:00Z')])
    refused('bad-value', () => formatDate(date, 'date'))
})

test('any text whatever: a date or a CodecError', () => {
  fc.assert(
    fc.property(fc.stringMatching(/^[0-9TZ:.+-]{0,40}$/), text => {
      try {
        assert.ok(!Number.isNaN(parseDate(text, 'date').getTime()))
      } catch (error) {
        assert.equal((error as Error).name, 'CodecError')
      }
    }),
    { numRuns: 2000 },
  )
})
