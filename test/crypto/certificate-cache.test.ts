import assert from 'node:assert/strict'
import { test } from 'node:test'
import { certificateOf } from '../../src/crypto/certificate-cache.ts'
import { certify } from './pki.ts'

test('the same bytes are the same object', async () => {
  const { certificate } = await certify({ subject: 'a' })
  const first = certificateOf(certificate.der)
  assert.equal(certificateOf(Buffer.from(certificate.der)), first)
  assert.equal(certificateOf(Uint8Array.from(certificate.der)), first)
  assert.deepEqual(first.der, certificate.der)
})

test('other bytes with the same end are another certificate', async () => {
  const { certificate } = await certify({ subject: 'a' })
  const first = certificateOf(certificate.der)
  const changed = Buffer.from(certificate.der)
  const at = changed.indexOf(certificate.serialNumber)
  changed[at + 1]! ^= 1
  const second = certificateOf(changed)
  assert.notEqual(second.serialHex, first.serialHex)
  assert.equal(certificateOf(certificate.der).serialHex, first.serialHex)
})

test('what the caller does to its bytes afterwards changes nothing', async () => {
  const { certificate } = await certify({ subject: 'a' })
  const mine = Buffer.from(certificate.der)
  certificateOf(mine)
  mine.fill(0, 0, 20)
  assert.deepEqual(certificateOf(certificate.der).der, certificate.der)
})

test('what is no certificate is refused each time', () => {
  for (let i = 0; i < 2; i++) assert.throws(() => certificateOf(Buffer.from('3000', 'hex')), { name: 'CodecError' })
})

test('more certificates than are kept', async () => {
  const { certificate } = await certify({ subject: 'a' })
  for (let i = 0; i < 700; i++) {
    const other = Buffer.from(certificate.der)
    other.writeUInt32BE(i + 1, other.length - 8)
    assert.deepEqual(certificateOf(other).der, other)
  }
  assert.deepEqual(certificateOf(certificate.der).der, certificate.der)
})
