import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { encodeCbor } from '../../../src/codec/cbor.ts'
import { decodeCborTelemetry, decodeTelemetry, encodeTelemetry } from '../../../src/protocol/brski/telemetry.ts'
import { refused, total } from '../../codec/refused.ts'

const read = (members: unknown) => decodeTelemetry(Buffer.from(JSON.stringify(members)))

test('what is written is read', () => {
  const told = { status: false, reason: 'voucher not accepted', 'reason-context': { at: 1 } }
  assert.equal(encodeTelemetry({ status: true }).toString(), '{"status":true,"version":1}')
  assert.deepEqual(decodeTelemetry(encodeTelemetry(told)), { version: 1, ...told, unknownMembers: [] })
})

test('higher versions and unknown members are let pass and named', () => {
  assert.deepEqual(read({ version: 7, status: true, mood: 'good' }), {
    version: 7,
    status: true,
    unknownMembers: ['mood'],
  })
  assert.deepEqual(read({ version: 1, status: true, Reason: 'x' }).unknownMembers, ['Reason'])
})

test('a reason is fit for a log', () => {
  const { reason } = read({ version: 1, status: false, reason: `\u001b[2Jgone\r\n\u202e${'x'.repeat(500)}\u{1f600}` })
  assert.match(reason ?? '', /^ \[2Jgone {3}x+\ufffd$/)
  assert.equal(reason?.length, 512)
})

test('what is no telemetry', () => {
  const wrong = [
    {},
    { status: true },
    { version: 1 },
    { version: 0, status: true },
    { version: 1.5, status: true },
    { version: '1', status: true },
    { version: 1, status: 'true' },
    { version: 1, status: true, reason: 1 },
    { version: 1, status: true, reason: null },
    { version: 1, status: true, 'reason-context': 'x' },
    { version: 1, status: true, 'reason-context': [] },
    [],
    'ok',
  ]
  for (const members of wrong) refused('bad-value', () => read(members))
  refused('duplicate', () => decodeTelemetry(Buffer.from('{"version":1,"status":true,"status":false}')))
  refused('too-large', () => decodeTelemetry(Buffer.alloc(0x4001, 0x20)))
})

test('CBOR', () => {
  const told = new Map<string, unknown>([
    ['version', 1],
    ['status', true],
    ['reason-context', new Map([[-1, [null, 1.5]]])],
  ])
  assert.deepEqual(decodeCborTelemetry(encodeCbor(told as never)), {
    version: 1,
    status: true,
    'reason-context': { '-1': [null, 1.5] },
    unknownMembers: [],
  })
  refused('bad-value', () => decodeCborTelemetry(encodeCbor([1])))
  refused('unsupported', () => decodeCborTelemetry(encodeCbor(new Map([['x', Buffer.of(1)]]))))
  refused('bad-value', () => decodeCborTelemetry(encodeCbor(new Map([['__proto__', 1]]))))
})

test('any bytes whatever: telemetry or a CodecError', () => {
  const members = fc.dictionary(
    fc.constantFrom('version', 'status', 'reason', 'reason-context', 'x'),
    fc.oneof(fc.jsonValue(), fc.boolean(), fc.nat(2)),
  )
  fc.assert(
    fc.property(members, value => {
      const bytes = Buffer.from(JSON.stringify(value))
      total(() => decodeTelemetry(bytes), bytes.length)
    }),
  )
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 60 }), bytes => {
      total(() => decodeTelemetry(bytes), bytes.length)
      total(() => decodeCborTelemetry(bytes), bytes.length)
    }),
  )
})
