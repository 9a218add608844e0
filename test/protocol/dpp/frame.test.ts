import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { decodeAttributes } from '../../../src/protocol/dpp/attribute.ts'
import { decodeFrame, encodeFrame, type Frame, frameHeader } from '../../../src/protocol/dpp/frame.ts'
import { encodeRecord, RecordSplitter } from '../../../src/protocol/dpp/record.ts'
import { refused, total } from '../../codec/refused.ts'
import { octets, transcripts } from './vector.ts'

const hex = (text: string) => Buffer.from(text.replaceAll(' ', ''), 'hex')
const octet = fc.integer({ min: 0, max: 255 })
const uint16 = fc.integer({ min: 0, max: 65535 })
const attributes = fc.uint8Array({ maxLength: 60 }).map(bytes => Buffer.from(bytes))
const response = { dialogToken: octet, statusCode: uint16, comebackDelay: uint16, attributes }
const plain = { noNullPrototype: true } as const
const frames: fc.Arbitrary<Frame> = fc.oneof(
  fc.record({ kind: fc.constant('dpp' as const), type: octet, attributes }, plain),
  fc.record({ kind: fc.constant('gas-initial-request' as const), dialogToken: octet, attributes }, plain),
  fc.record({ kind: fc.constant('gas-initial-response' as const), ...response }, plain),
  fc.record({ kind: fc.constant('gas-comeback-request' as const), dialogToken: octet }, plain),
  fc.record({ kind: fc.constant('gas-comeback-response' as const), fragment: octet, ...response }, plain),
)

describe('frames', () => {
  for (const { name, messages } of transcripts) {
    test(`${name}: every recorded message is read, and written again octet for octet`, () => {
      for (const { data, message } of messages) {
        const [body, ...more] = new RecordSplitter().push(octets(data))
        assert.equal(more.length, 0)
        const frame = decodeFrame(body!)
        assert.equal(encodeRecord(encodeFrame(frame)).toString('hex'), data, message)
        if ('attributes' in frame) decodeAttributes(frame.attributes)
        if (frame.kind === 'dpp') assert.deepEqual(frameHeader(frame.type), body!.subarray(1, 7))
      }
    })
  }

  test('come back as they were written', () => {
    fc.assert(fc.property(frames, frame => assert.deepEqual(decodeFrame(encodeFrame(frame)), frame)))
  })

  test('of other actions are known as such', () => {
    assert.deepEqual(decodeFrame(hex('04')), { kind: 'other', action: 4 })
    refused('unsupported', () => encodeFrame({ kind: 'other', action: 4 }))
  })

  const limit = '6c 08 00 dd 05 506f9a1a01'
  test('a GAS query with another response limit is one of ours', () => {
    assert.equal(decodeFrame(hex(`0a 07 ${limit} 0000`)).kind, 'gas-initial-request')
  })

  const bad: Readonly<Record<string, [code: Parameters<typeof refused>[0], text: string]>> = {
    'no octet at all': ['truncated', ''],
    'another OUI': ['unsupported', '09 506f9a 1c 01 00'],
    'another crypto suite': ['unsupported', '09 506f9a1a 02 00'],
    'no frame type': ['truncated', '09 506f9a1a 01'],
    'another GAS query': ['unsupported', '0a 00 6c 02 7f 00 dd05506f9a1a 0000'],
    'a query that is cut': ['truncated', `0a 00 ${limit} 0300 0000`],
    'octets after a query': ['trailing-bytes', `0a 00 ${limit} 0100 0000`],
    'octets after a comeback request': ['trailing-bytes', '0c 00 00'],
    'a response without its status': ['truncated', '0b 00'],
  }
  for (const [name, [code, text]] of Object.entries(bad)) {
    test(`refused: ${name}`, () => refused(code, () => decodeFrame(hex(text))))
  }

  test('any octets are a frame or refused with an offset', () => {
    const any = fc.uint8Array({ maxLength: 80 })
    fc.assert(
      fc.property(any, octet, (bytes, action) => void total(() => decodeFrame(Buffer.of(action, ...bytes)), 81)),
    )
  })
})

describe('records', () => {
  test('are found wherever TCP cuts', () => {
    const messages = fc.array(fc.uint8Array({ minLength: 1, maxLength: 50 }), { maxLength: 5 })
    fc.assert(
      fc.property(messages, fc.array(fc.integer({ min: 1, max: 30 }), { minLength: 1 }), (list, sizes) => {
        const stream = Buffer.concat(list.map(encodeRecord))
        const splitter = new RecordSplitter()
        const found: Buffer[] = []
        for (let at = 0, n = 0; at < stream.length; n++) {
          const size = sizes[n % sizes.length]!
          found.push(...splitter.push(stream.subarray(at, at + size)))
          at += size
        }
        assert.deepEqual(
          found,
          list.map(bytes => Buffer.from(bytes)),
        )
      }),
    )
  })

  test('above the limit or empty are refused before anything is kept of them', () => {
    refused('too-large', () => new RecordSplitter().push(hex('00010000')))
    refused('too-large', () => new RecordSplitter().push(hex('ffffffff')))
    refused('too-large', () => new RecordSplitter(100).push(hex('00000065')))
    refused('bad-value', () => new RecordSplitter().push(hex('00000000')))
    refused('too-large', () => encodeRecord(Buffer.alloc(65536)))
    assert.deepEqual(new RecordSplitter().push(hex('0000ffff 01')), [])
  })
})
