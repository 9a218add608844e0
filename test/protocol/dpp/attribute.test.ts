import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import {
  type AttributeName,
  type AttributeValue,
  attribute,
  decodeAttributes,
  encodeAttributes,
  groupValue,
  octet,
  present,
} from '../../../src/protocol/dpp/attribute.ts'
import { refused, total } from '../../codec/refused.ts'

const hex = (text: string) => Buffer.from(text.replaceAll(' ', ''), 'hex')

describe('attributes', () => {
  const names = Object.keys(attribute) as AttributeName[]
  const plain = names.filter(name => name !== 'wrappedData')
  const value = fc.tuple(fc.constantFrom(...plain), fc.uint8Array({ maxLength: 30 }))

  test('come back as they were written, and the octets before Wrapped Data with them', () => {
    fc.assert(
      fc.property(fc.array(value, { maxLength: 20 }), fc.uint8Array({ maxLength: 30 }), (list, wrapped) => {
        const before = encodeAttributes(list)
        const bytes = encodeAttributes([...list, ['wrappedData', wrapped]])
        const decoded = decodeAttributes(bytes)
        assert.deepEqual(Buffer.from(decoded.beforeWrapped), before)
        assert.deepEqual(decoded.get('wrappedData'), Buffer.from(wrapped))
        for (const name of plain) {
          const values = list.filter(([other]) => other === name).map(([, bytes]) => Buffer.from(bytes))
          assert.deepEqual(decoded.all(name), values)
          assert.deepEqual(decoded.get(name), values[0])
        }
      }),
    )
  })

  test('the first one counts, unknown ones are skipped, and without Wrapped Data all octets are before it', () => {
    const bytes = hex('0010 0100 00  ffff 0300 616263  0010 0100 05')
    const list = decodeAttributes(bytes)
    assert.equal(list.octet('status'), 0)
    assert.equal(list.get('connector'), undefined)
    assert.deepEqual(Buffer.from(list.beforeWrapped), bytes)
  })

  test('are asked for by length', () => {
    const values: AttributeValue[] = [
      ['status', octet(7)],
      ['finiteCyclicGroup', groupValue(0x0113)],
      ['sendConnectionStatus', present],
      ['initiatorNonce', Buffer.alloc(16)],
    ]
    const list = decodeAttributes(encodeAttributes(values))
    assert.equal(list.octet('status'), 7)
    assert.equal(list.group(), 0x0113)
    assert.equal(list.need('sendConnectionStatus').length, 0)
    assert.equal(list.need('initiatorNonce', 16).length, 16)
    refused('bad-value', () => list.need('initiatorNonce', 24))
    refused('bad-value', () => list.octet('initiatorNonce'))
    refused('bad-value', () => list.octet('sendConnectionStatus'))
    refused('bad-value', () => list.need('responderNonce'))
  })

  test('are refused when cut, followed by octets, behind Wrapped Data, or too many', () => {
    refused('truncated', () => decodeAttributes(hex('0010 0200 00')))
    refused('trailing-bytes', () => decodeAttributes(hex('0010 0100 00 10')))
    refused('trailing-bytes', () => decodeAttributes(hex('0010 0100 00 101010')))
    refused('bad-order', () => decodeAttributes(hex('0410 0100 00  0010 0100 00')))
    refused('bad-order', () => decodeAttributes(hex('0410 0100 00  ffff 0000')))
    refused('bad-order', () => decodeAttributes(hex('0410 0100 00  0410 0100 00')))
    refused('too-many', () => decodeAttributes(Buffer.concat(Array(65).fill(hex('ffff 0000')))))
    assert.deepEqual(decodeAttributes(Buffer.alloc(0)).all('status'), [])
    refused('too-large', () => encodeAttributes([['connector', Buffer.alloc(65536)]]))
  })

  test('any octets are attributes or refused with an offset', () => {
    fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), bytes => void total(() => decodeAttributes(bytes), 200)))
  })
})
