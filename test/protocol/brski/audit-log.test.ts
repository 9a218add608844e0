import assert from 'node:assert/strict'
import { hash } from 'node:crypto'
import { test } from 'node:test'
import fc from 'fast-check'
import { type AuditLog, decodeAuditLog, domainId, encodeAuditLog } from '../../../src/protocol/brski/audit-log.ts'
import { refused, total } from '../../codec/refused.ts'
import { certify } from '../../crypto/pki.ts'

const event = {
  date: new Date('2026-11-20T12:00:00.5Z'),
  domainID: 'BduJhdHPpfhQLyponf48JzXSGZ8=',
  assertion: 'proximity',
} as const
const log: AuditLog = {
  version: 1,
  events: [
    { ...event, nonce: 'VOUFT-WwrEv0NuAQEHoV7Q', truncated: 2 },
    { ...event, nonce: null, assertion: 'logged' },
  ],
  truncation: { 'nonced duplicates': 1024, 'nonceless duplicates': 0, arbitrary: 3 },
}

test('what is written is read, with numbers as numbers', () => {
  const bytes = encodeAuditLog(log)
  assert.deepEqual(decodeAuditLog(bytes), { ...log, unknownMembers: [], quirksUsed: [] })
  assert.match(bytes.toString(), /"truncated":2/)
  assert.deepEqual(decodeAuditLog(encodeAuditLog({ events: [] })).events, [])
})

const first = () => ({ date: '2026-11-20T12:00:00Z', domainID: 'x', nonce: null, assertion: 'logged' })
const read = (members: unknown) => decodeAuditLog(Buffer.from(JSON.stringify(members)))

test('numbers as strings, higher versions, more members', () => {
  const decoded = read({
    version: '2',
    events: [{ ...first(), truncated: '7', more: 1 }],
    truncation: { arbitrary: '1', x: 1 },
    next: [],
  })
  assert.deepEqual(
    [decoded.version, decoded.unknownMembers, decoded.quirksUsed],
    [2, ['next'], ['audit-numbers-as-strings']],
  )
  assert.deepEqual([decoded.events[0]?.truncated, decoded.truncation], [7, { arbitrary: 1 }])
})

test('what is no audit log', () => {
  const wrong = [
    {},
    { version: 1 },
    { version: -1, events: [] },
    { version: '1.0', events: [] },
    { version: true, events: [] },
    { version: 1, events: {} },
    { version: 1, events: [1] },
    { version: 1, events: [{ ...first(), date: 0 }] },
    { version: 1, events: [{ ...first(), date: 'yesterday' }] },
    { version: 1, events: [{ ...first(), domainID: '' }] },
    { version: 1, events: [{ ...first(), nonce: 5 }] },
    { version: 1, events: [{ ...first(), nonce: undefined }] },
    { version: 1, events: [{ ...first(), assertion: 'guessed' }] },
    { version: 1, events: [{ ...first(), truncated: 'many' }] },
    { version: 1, events: [], truncation: [] },
    { version: 1, events: [], truncation: { arbitrary: -1 } },
  ]
  for (const members of wrong) refused('bad-value', () => read(members))
  refused('too-many', () => read({ version: 1, events: Array.from({ length: 4097 }, first) }))
})

test('RFC 8995 5.8.2: domainID is the SubjectKeyIdentifier, else the SHA-256 of the key', async () => {
  const { certificate } = await certify({ subject: 'Domain', ca: true })
  assert.equal(domainId(certificate), Buffer.from(certificate.subjectKeyIdentifier!).toString('base64'))
  const bare = await certify({ subject: 'Domain', ca: true, without: ['subjectKeyIdentifier'] })
  assert.equal(domainId(bare.certificate), hash('sha256', bare.certificate.spkiDer, 'base64'))
})

test('any answer whatever: a log or a CodecError', () => {
  const value = fc.oneof(fc.jsonValue(), fc.constantFrom('1', null, 'logged', '2026-11-20T12:00:00Z'))
  const events = fc.array(
    fc.dictionary(fc.constantFrom('date', 'domainID', 'nonce', 'assertion', 'truncated'), value),
    { maxLength: 4 },
  )
  fc.assert(
    fc.property(fc.oneof(events, value), value, (list, truncation) => {
      const bytes = Buffer.from(JSON.stringify({ version: 1, events: list, truncation }))
      total(() => decodeAuditLog(bytes), bytes.length)
    }),
    { numRuns: 500 },
  )
})
