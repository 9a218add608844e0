import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import fc from 'fast-check'
import {
  attributeValue,
  decodeRadius,
  encodeRadius,
  integerAttribute,
  integerValue,
  joinedValue,
  radiusAttribute,
  radiusCode,
  splitRadiusStream,
  splitValue,
  textAttribute,
  vendorAttribute,
  vlanAttributes,
} from '../../src/codec/radius.ts'
import { total } from './refused.ts'

const hex = (text: string) => Buffer.from(text.replaceAll(' ', ''), 'hex')

/** RFC 2865 section 7.1: User-Name nemo, User-Password, NAS-IP-Address, NAS-Port. */
const printed = hex(
  `01000038 0f403f94 73978057 bd83d5cb 98f4227a 01066e65 6d6f0212 0dbe708d 93d413ce 3196e43f
   782a0aee 0406c0a8 01100506 00000003`.replaceAll('\n', ''),
)
const authenticator = Buffer.alloc(16, 7)

suite('A RADIUS packet', () => {
  test('of RFC 2865 section 7.1 is read and written again', () => {
    const packet = decodeRadius(printed)
    assert.equal(packet.code, radiusCode.accessRequest)
    assert.equal(packet.identifier, 0)
    assert.equal(Buffer.from(attributeValue(packet, radiusAttribute.userName)!).toString(), 'nemo')
    assert.equal(integerValue(attributeValue(packet, radiusAttribute.nasPort)!), 3)
    assert.deepEqual(encodeRadius(packet), printed)
  })

  test('ignores padding behind its length', () => {
    assert.deepEqual(decodeRadius(Buffer.concat([printed, Buffer.alloc(9)])), decodeRadius(printed))
  })

  for (const [what, bytes] of [
    ['an empty datagram', Buffer.alloc(0)],
    ['a header that is cut off', printed.subarray(0, 19)],
    ['a length below the header', Buffer.from([1, 0, 0, 19, ...authenticator, 1])],
    ['a length above what came', printed.subarray(0, 55)],
    ['a length above 4096', Buffer.concat([Buffer.from([1, 0, 0x10, 1]), Buffer.alloc(4093)])],
    ['an attribute of length 0', Buffer.from([1, 0, 0, 22, ...authenticator, 1, 0])],
    ['an attribute of length 1', Buffer.from([1, 0, 0, 22, ...authenticator, 1, 1])],
    ['an attribute beyond the end', Buffer.from([1, 0, 0, 22, ...authenticator, 1, 3])],
    ['an attribute without a length', Buffer.from([1, 0, 0, 21, ...authenticator, 1])],
    [
      '600 attributes',
      Buffer.from([1, 0, 0x04, 0xc4, ...authenticator, ...Array.from({ length: 600 }, () => [1, 2]).flat()]),
    ],
  ] as const) {
    test(`with ${what} is refused`, () => {
      assert.throws(() => decodeRadius(bytes), { name: 'CodecError' })
    })
  }

  test('is not written when it would be too large', () => {
    const attributes = splitValue(radiusAttribute.eapMessage, Buffer.alloc(4090))
    assert.throws(() => encodeRadius({ code: 1, identifier: 0, authenticator, attributes }), { code: 'too-large' })
    const large = [{ type: 1, value: Buffer.alloc(254) }]
    assert.throws(() => encodeRadius({ code: 1, identifier: 0, authenticator, attributes: large }), {
      code: 'too-large',
    })
    const short = { code: 1, identifier: 0, authenticator: Buffer.alloc(15), attributes: [] }
    assert.throws(() => encodeRadius(short), { code: 'bad-value' })
    assert.throws(() => encodeRadius({ ...short, authenticator, identifier: 256 }), { code: 'bad-value' })
  })

  test('carries an EAP message in pieces of 253, in their order', () => {
    const message = Buffer.from(Array.from({ length: 1000 }, (_, i) => i & 255))
    const attributes = splitValue(radiusAttribute.eapMessage, message)
    assert.deepEqual(
      attributes.map(({ value }) => value.length),
      [253, 253, 253, 241],
    )
    assert.deepEqual(joinedValue({ attributes }, radiusAttribute.eapMessage), message)
    assert.equal(joinedValue({ attributes }, radiusAttribute.state), undefined)
  })

  test('names a VLAN as RFC 3580 has it, and a vendor', () => {
    const octets = vlanAttributes(120).map(({ type, value }) => `${type}:${Buffer.from(value).toString('hex')}`)
    assert.deepEqual(octets, ['64:0000000d', '65:00000006', '81:313230'])
    assert.equal(Buffer.from(vendorAttribute(311, 17, hex('aabb')).value).toString('hex'), '000001371104aabb')
    assert.equal(integerValue(integerAttribute(27, 3600).value), 3600)
    assert.throws(() => integerValue(Buffer.alloc(3)), { code: 'bad-value' })
  })

  test('whatever comes, is read or refused with a CodecError', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), bytes => {
        total(() => decodeRadius(bytes), bytes.length)
      }),
      { numRuns: 3000 },
    )
  })

  test('whatever is written, is read again', () => {
    const attribute = fc.record({ type: fc.nat(255), value: fc.uint8Array({ maxLength: 253 }) })
    const packets = fc.record({
      code: fc.nat(255),
      identifier: fc.nat(255),
      authenticator: fc.uint8Array({ minLength: 16, maxLength: 16 }),
      attributes: fc.array(attribute, { maxLength: 12 }),
    })
    fc.assert(
      fc.property(packets, packet => {
        const bytes = encodeRadius(packet)
        const again = decodeRadius(bytes)
        assert.deepEqual(encodeRadius(again), bytes)
        assert.equal(again.attributes.length, packet.attributes.length)
      }),
    )
  })
})

suite('A RADIUS stream', () => {
  test('is cut at the lengths, whatever the pieces', () => {
    const other = encodeRadius({ code: 4, identifier: 9, authenticator, attributes: [textAttribute(44, 'session')] })
    const all = Buffer.concat([printed, other, printed])
    fc.assert(
      fc.property(fc.array(fc.nat(all.length), { maxLength: 8 }), cuts => {
        const places = [0, ...cuts.sort((a, b) => a - b), all.length]
        let rest: Buffer = Buffer.alloc(0)
        const found: Buffer[] = []
        for (let i = 1; i < places.length; i++) {
          const split = splitRadiusStream(Buffer.concat([rest, all.subarray(places[i - 1], places[i])]))
          found.push(...split.packets)
          rest = split.rest
        }
        assert.deepEqual(found, [printed, other, printed])
        assert.equal(rest.length, 0)
      }),
    )
  })

  test('with a length that no packet has is refused', () => {
    assert.throws(() => splitRadiusStream(hex('01000013')), { name: 'CodecError' })
    assert.throws(() => splitRadiusStream(hex('01001001')), { name: 'CodecError' })
  })
})
