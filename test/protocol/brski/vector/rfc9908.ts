/** Folder rfc9908-csrattrs. */
import assert from 'node:assert/strict'
import test from 'node:test'
import { csrAttribute, decodeCsrAttrs, requestedKey } from '../../../../src/codec/csrattrs.ts'
import { decodeCertificationRequest } from '../../../../src/codec/pkcs10.ts'
import { keyOid } from '../../../../src/codec/x509/algorithm.ts'
import { extensionKinds, extensionValue } from '../../../../src/codec/x509/extension.ts'
import { acpNodeName, otherNames } from '../../../../src/codec/x509/general-name.ts'
import { attributeValues } from '../../../../src/codec/x509/name.ts'
import { verifyCsr } from '../../../../src/crypto/csr.ts'
import { folder } from './file.ts'

const { bytes, base64, text } = folder('rfc9908-csrattrs')

const CHALLENGE = '1.2.840.113549.1.9.7'
const MAC_ADDRESS = '1.3.6.1.1.1.1.22'

function listed(name: string): Buffer {
  const der = bytes(`${name}.der`)
  assert.deepEqual(base64(`${name}.b64`), der)
  return der
}

test('RFC 9908 5.1: a critical subjectAltName with the name of an ACP node', () => {
  const { extensions } = decodeCsrAttrs(listed('section-5-1-acp-node-name-san'))
  assert.deepEqual([extensions.length, extensions[0]?.critical], [1, true])
  const names = extensionValue(extensions, extensionKinds.subjectAltName) ?? []
  assert.match(otherNames(names, acpNodeName)[0] ?? '', /^rfc8994\+.*@acp\.example\.com$/)
})

test('RFC 9908 5.2: the example of RFC 7030 put right', () => {
  const read = decodeCsrAttrs(listed('section-5-2-rfc7030-example-corrected'))
  assert.deepEqual(read.oids, [CHALLENGE, MAC_ADDRESS, '1.2.840.10045.4.3.3'])
  assert.deepEqual(requestedKey(read), { algorithm: keyOid.ecPublicKey, curve: keyOid.secp384r1 })
  assert.deepEqual(read.extensionOids, [])
})

test('RFC 9908 5.3: the bytes printed are those of 5.6, without any subjectAltName', () => {
  const printed = listed('section-5-3-specific-san-as-printed')
  assert.deepEqual(printed, listed('section-5-6-p521-attributes'))
  const read = decodeCsrAttrs(printed)
  assert.deepEqual(read.extensions, [])
  assert.deepEqual(requestedKey(read), { algorithm: keyOid.ecPublicKey, curve: keyOid.secp521r1 })
  assert.ok(read.oids.includes('1.2.840.10045.4.3.4'))
})

test('RFC 9908 5.4, 5.5: key type and size, attributes, hash', () => {
  const rsa = decodeCsrAttrs(listed('section-5-4-rsa-4096'))
  assert.deepEqual(requestedKey(rsa), { algorithm: keyOid.rsaEncryption, rsaBits: 4096 })
  assert.deepEqual(rsa.oids, [CHALLENGE, '1.2.840.113549.1.1.11'])
  const serial = decodeCsrAttrs(listed('section-5-5-p384-serial-number'))
  assert.deepEqual(requestedKey(serial), { algorithm: keyOid.ecPublicKey, curve: keyOid.secp384r1 })
  assert.ok(serial.oids.includes('2.5.4.5'))
})

test('RFC 9908 3.4: the printed dump has a placeholder where the identifiers are assigned by now', () => {
  assert.match(text('section-3-4-template.asn1-dump.txt'), /id-aa-extensionReqTemplate\s+\(1 2 840 113549 1 9 TBD3\)/)
  assert.equal(csrAttribute.certificationRequestInfoTemplate, '1.2.840.113549.1.9.16.2.61')
  assert.equal(csrAttribute.extensionReqTemplate, '1.2.840.113549.1.9.16.2.62')
})

test('RFC 9908: a complete request in the repository is not a template', () => {
  const der = bytes('repository-csr-template.p10.der')
  assert.throws(() => decodeCsrAttrs(der), { name: 'CodecError', code: 'bad-tag' })
  const request = decodeCertificationRequest(der)
  assert.deepEqual(attributeValues(request.subject, 'commonName'), ['.'])
  assert.ok(request.attributes.length > 0)
  assert.equal(verifyCsr(der).possession, 'proven')
})
