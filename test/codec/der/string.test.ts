import assert from 'node:assert/strict'
import test from 'node:test'
import fc from 'fast-check'
import { decode, encode } from '../../../src/codec/der/codec.ts'
import { octetString } from '../../../src/codec/der/primitive.ts'
import { directoryString, isPrintable, printableString } from '../../../src/codec/der/string.ts'
import { refused, total } from '../refused.ts'

/** `content` under another identifier octet. */
function tagged(tag: number, content: Buffer): Buffer {
  const der = encode(octetString, content)
  der[0] = tag
  return der
}

test('a directory string is read in all its forms', () => {
  const read = (tag: number, content: Buffer) => decode(directoryString, tagged(tag, content))
  assert.equal(read(0x0c, Buffer.from('Zürich')), 'Zürich')
  assert.equal(read(0x13, Buffer.from('Zurich')), 'Zurich')
  assert.equal(read(0x16, Buffer.from('a@b')), 'a@b')
  assert.equal(read(0x14, Buffer.from('Zürich', 'latin1')), 'Zürich')
  assert.equal(read(0x1e, Buffer.from('Zürich 𝄞', 'utf16le').swap16()), 'Zürich 𝄞')
  assert.equal(read(0x1c, Buffer.from('0000005a000000fc0001d11e', 'hex')), 'Zü𝄞')
  assert.equal(read(0x1e, Buffer.alloc(0)), '')
  // The BMPString reader must not turn the bytes of its input around.
  const der = tagged(0x1e, Buffer.from('0041', 'hex'))
  assert.equal(decode(directoryString, der), 'A')
  assert.equal(decode(directoryString, der), 'A')
})

test('a PrintableString in a name may hold any visible character, elsewhere only its own', () => {
  const der = tagged(0x13, Buffer.from('SN_1@*'))
  assert.equal(decode(directoryString, der), 'SN_1@*')
  refused('bad-value', () => decode(printableString, der))
  for (const octet of [0x00, 0x0a, 0x1f, 0x7f, 0x80, 0xff]) {
    refused('bad-value', () => decode(directoryString, tagged(0x13, Buffer.from([octet]))))
  }
})

test('what isPrintable says, printableString writes', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary-ascii', maxLength: 3 }), text => {
      assert.equal(
        total(() => encode(printableString, text), 0),
        isPrintable(text),
      )
    }),
    { numRuns: 2000 },
  )
  assert.equal(isPrintable('ä'), false)
})
