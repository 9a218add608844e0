import assert from 'node:assert/strict'
import { test } from 'node:test'
import { encode } from '../../../src/codec/der/codec.ts'
import { extensionKinds, makeExtension } from '../../../src/codec/x509/extension.ts'
import { type GeneralName, hardwareModuleName, otherName } from '../../../src/codec/x509/general-name.ts'
import { encodeName } from '../../../src/codec/x509/name.ts'
import { deviceSerialNumber, idevidIssuer } from '../../../src/protocol/brski/idevid.ts'
import type { Quirk } from '../../../src/protocol/brski/quirk.ts'
import { type Certified, certify } from '../../crypto/pki.ts'

const missing = { code: 'idevid-serial-missing' }
const serialOf = async (
  subject: Certified['subject'],
  names: readonly GeneralName[] = [],
  quirks: readonly Quirk[] = [],
) => {
  const extensions = names.length > 0 ? [makeExtension(extensionKinds.subjectAltName, names)] : []
  return deviceSerialNumber((await certify({ subject, extensions })).certificate, quirks)
}
const hardware = (hwSerialNum: Uint8Array) => otherName(hardwareModuleName, { hwType: '1.3.6.1.4.1.9', hwSerialNum })

test('the serialNumber attribute, and not the serial number of the certificate', async () => {
  assert.equal(await serialOf({ commonName: 'x', serialNumber: 'JADA123456789' }), 'JADA123456789')
  await assert.rejects(serialOf('nobody'), missing)
})

test('the serialNumber attribute before a hardwareModuleName', async () => {
  assert.equal(await serialOf({ serialNumber: 'A1' }, [hardware(Buffer.from('B2'))]), 'A1')
})

test('a hardwareModuleName: text where it is text, else hexadecimal', async () => {
  assert.equal(await serialOf('x', [hardware(Buffer.from('SN-0042'))]), 'SN-0042')
  assert.equal(await serialOf('x', [hardware(Buffer.from('00d0e5f20002', 'hex'))]), '00D0E5F20002')
  assert.equal(await serialOf('x', [{ type: 'dNSName', value: 'a.example' }, hardware(Buffer.from('B2'))]), 'B2')
  await assert.rejects(serialOf('x', [hardware(Buffer.alloc(0))]), missing)
})

test('several to choose from are none', async () => {
  await assert.rejects(serialOf({ serialNumber: ['A1', 'A2'] }), missing)
  await assert.rejects(serialOf('x', [hardware(Buffer.from('A')), hardware(Buffer.from('B'))]), missing)
})

test('a malformed hardwareModuleName is none', async () => {
  const value = { typeId: hardwareModuleName.id, value: Buffer.from('3000', 'hex') }
  await assert.rejects(serialOf('x', [{ type: 'otherName', value }]), missing)
})

test('PID and SN in one attribute', async () => {
  // As vendors write it: not a PrintableString in the sense of encodeName's caller, but one all the same.
  const subject = encodeName({ serialNumber: 'PID:C9300-24T SN:FOC12345678' })
  assert.equal(await serialOf(subject, [], ['serial-pid-sn']), 'FOC12345678')
  assert.equal(await serialOf(subject), 'PID:C9300-24T SN:FOC12345678')
  assert.equal(await serialOf({ serialNumber: 'FOC12345678' }, [], ['serial-pid-sn']), 'FOC12345678')
})

test('idevid-issuer: the whole extension value', async () => {
  const ca = await certify({ subject: 'CA', ca: true })
  const { certificate } = await certify({ subject: 'x', issuer: ca })
  const keyIdentifier = ca.certificate.subjectKeyIdentifier!
  const expected = Buffer.concat([Buffer.from('041830168014', 'hex'), keyIdentifier])
  assert.deepEqual(idevidIssuer(certificate), expected)
  // With issuer and serial number in it, they come along (RFC 8366bis section 6.2).
  const whole = makeExtension(extensionKinds.authorityKeyIdentifier, {
    keyIdentifier,
    authorityCertSerialNumber: Buffer.of(7),
  })
  const full = await certify({ subject: 'x', issuer: ca, extensions: [whole] })
  assert.deepEqual(idevidIssuer(full.certificate).subarray(2), Buffer.from(whole.value))
  assert.equal(
    encode(extensionKinds.authorityKeyIdentifier.codec, full.certificate.authorityKeyIdentifier!).length,
    whole.value.length,
  )
})

test('idevid-issuer without the extension: the SHA-1 of the own key, in the same form', async () => {
  const { certificate } = await certify({ subject: 'x', without: ['authorityKeyIdentifier'] })
  const expected = Buffer.concat([Buffer.from('041830168014', 'hex'), certificate.subjectKeyIdentifier!])
  assert.deepEqual(idevidIssuer(certificate), expected)
})
