import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import type { IssuedVoucherRecord } from '../../../src/domain/manufacture.ts'
import { decodeAuditLog, encodeAuditLog } from '../../../src/protocol/brski/audit-log.ts'
import { auditLogOf } from '../../../src/role/manufacturer/audit-log.ts'

function issued(n: number, domain: string, nonce: string | null): IssuedVoucherRecord {
  return {
    id: `${n}`,
    serial: 'S',
    domain,
    domainKey: domain,
    nonce,
    assertion: 'logged',
    pledgeRequest: '',
    declarationVersion: 1,
    loggedAt: n,
  }
}

describe('the audit log of a device', () => {
  it('tells all, oldest first', () => {
    const log = auditLogOf([issued(2, 'b', 'x'), issued(1, 'a', null)])
    assert.deepEqual(
      log.events.map(({ domainID, nonce }) => [domainID, nonce]),
      [
        ['a', null],
        ['b', 'x'],
      ],
    )
    assert.equal(log.truncation, undefined)
  })

  it('keeps the newest of each domain when it is too much, and counts what went', () => {
    const many = Array.from({ length: 1500 }, (_, n) =>
      issued(n + 1, n % 2 === 0 ? 'a' : 'b', n % 4 === 0 ? null : `${n}`),
    )
    const { events, truncation } = auditLogOf(many)
    assert.deepEqual(
      events.map(({ date, domainID, nonce }) => [date.getTime(), domainID, nonce === null]),
      [
        [1497, 'a', true],
        [1499, 'a', false],
        [1500, 'b', false],
      ],
    )
    assert.deepEqual(truncation, { 'nonced duplicates': 1024, 'nonceless duplicates': 374, arbitrary: 0 })
  })

  it('gives the oldest up when there are too many domains, and says so', () => {
    const { events, truncation } = auditLogOf(Array.from({ length: 1200 }, (_, n) => issued(n + 1, `d${n}`, 'x')))
    assert.equal(events.length, 1000)
    assert.equal(events[0]?.date.getTime(), 201)
    assert.equal(truncation?.arbitrary, 200)
  })

  it('never hides that a domain has had the device, unless it says so', () => {
    const entry = fc.record({
      n: fc.integer({ min: 1, max: 1_000_000 }),
      domain: fc.constantFrom('a', 'b', 'c'),
      nonced: fc.boolean(),
    })
    fc.assert(
      fc.property(fc.array(entry, { minLength: 1001, maxLength: 1400 }), entries => {
        const log = auditLogOf(entries.map(({ n, domain, nonced }) => issued(n, domain, nonced ? 'x' : null)))
        const read = decodeAuditLog(encodeAuditLog(log))
        const kinds = new Set(entries.map(({ domain, nonced }) => `${domain} ${nonced}`))
        assert.deepEqual(new Set(read.events.map(({ domainID, nonce }) => `${domainID} ${nonce !== null}`)), kinds)
        assert.equal(read.truncation?.arbitrary, 0)
      }),
      { numRuns: 20 },
    )
  })
})
