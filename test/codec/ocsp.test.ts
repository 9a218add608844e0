import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { suite, test } from 'node:test'
import fc from 'fast-check'
import { decodeOcspRequest, decodeOcspResponse, encodeOcspError, encodeOcspResponseData } from '../../src/codec/ocsp.ts'
import { total } from './refused.ts'

const hex = (text: string) => Buffer.from(text.replaceAll(' ', ''), 'hex')
const wrap = (tag: number, ...parts: Buffer[]): Buffer => {
  const body = Buffer.concat(parts)
  const length =
    body.length < 128
      ? [body.length]
      : body.length < 256
        ? [0x81, body.length]
        : [0x82, body.length >> 8, body.length & 255]
  return Buffer.concat([Buffer.from([tag, ...length]), body])
}

const sha1 = hex('30 09 06 05 2b 0e 03 02 1a 05 00')
const certID = (serial = hex('02 01 05')) =>
  wrap(0x30, sha1, wrap(4, Buffer.alloc(20, 1)), wrap(4, Buffer.alloc(20, 2)), serial)
const nonceExtension = (octets: Buffer, critical = false) =>
  wrap(0x30, hex('06 09 2b 06 01 05 05 07 30 01 02'), ...(critical ? [hex('01 01 ff')] : []), wrap(4, wrap(4, octets)))
const request = (ids: Buffer[], ...extensions: Buffer[]) =>
  wrap(
    0x30,
    wrap(
      0x30,
      wrap(0x30, ...ids.map(id => wrap(0x30, id))),
      ...(extensions.length === 0 ? [] : [wrap(0xa2, wrap(0x30, ...extensions))]),
    ),
  )

suite('An OCSP request', () => {
  test('is read with and without a nonce', () => {
    const plain = decodeOcspRequest(request([certID()]))
    assert.equal(Buffer.from(plain.certificates[0]!.serialNumber).toString('hex'), '05')
    assert.equal(plain.nonce, undefined)
    const nonce = randomBytes(32)
    assert.deepEqual(Buffer.from(decodeOcspRequest(request([certID()], nonceExtension(nonce, true))).nonce!), nonce)
  })

  // RFC 9654 section 2.1: 1 to 128 octets.
  for (const [what, der] of [
    ['an empty nonce', request([certID()], nonceExtension(Buffer.alloc(0)))],
    ['a nonce that is too long', request([certID()], nonceExtension(Buffer.alloc(129)))],
    ['two nonces', request([certID()], nonceExtension(Buffer.alloc(16)), nonceExtension(Buffer.alloc(16)))],
    ['nobody to ask about', request([])],
    ['more certificates than it may have', request(Array.from({ length: 17 }, () => certID()))],
    ['a serial number that is no DER', request([certID(hex('02 02 00 05'))])],
    [
      'an unknown critical extension',
      request([certID()], wrap(0x30, hex('06 03 2a 03 04'), hex('01 01 ff'), wrap(4, hex('05 00')))),
    ],
    ['bytes after it', Buffer.concat([request([certID()]), Buffer.alloc(1)])],
    ['9 KiB', Buffer.alloc(9000)],
  ] as const) {
    test(`with ${what} is refused`, () => {
      assert.throws(() => decodeOcspRequest(der), { name: 'CodecError' })
    })
  }

  test('of any bytes is read or refused, and nothing else', () => {
    const seed = request([certID(), certID(hex('02 01 06'))], nonceExtension(Buffer.alloc(32, 7)))
    fc.assert(
      fc.property(fc.nat(seed.length - 1), fc.nat(255), fc.nat(seed.length), (at, octet, cut) => {
        const changed = Buffer.from(seed)
        changed[at] = octet
        total(() => decodeOcspRequest(changed), changed.length)
        total(() => decodeOcspRequest(changed.subarray(0, cut)), changed.length)
      }),
      { numRuns: 3000 },
    )
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), bytes => void total(() => decodeOcspRequest(bytes), bytes.length)),
    )
    fc.assert(
      fc.property(
        fc.uint8Array({ maxLength: 200 }),
        bytes => void total(() => decodeOcspResponse(bytes), bytes.length),
      ),
    )
  })
})

suite('An OCSP response', () => {
  test('of an error carries nothing', () => {
    assert.equal(encodeOcspError('unauthorized').toString('hex'), '30030a0106')
    assert.deepEqual(decodeOcspResponse(encodeOcspError('tryLater')), { status: 3 })
  })

  test('says when and why', () => {
    const [certificate] = decodeOcspRequest(request([certID()])).certificates
    const at = new Date(Date.UTC(2028, 1, 29, 1, 2, 3))
    const data = encodeOcspResponseData({
      responderKeyHash: Buffer.alloc(20, 9),
      producedAt: at,
      nextUpdate: at,
      answers: [{ certificate: certificate!, answer: { type: 'revoked', at, reason: 'certificateHold' } }],
    })
    // revoked [1], GeneralizedTime 20280229010203Z, reason [0] ENUMERATED 6
    assert.ok(data.includes(Buffer.concat([hex('a1 16 18 0f'), Buffer.from('20280229010203Z'), hex('a0 03 0a 01 06')])))
  })
})
