/** Folder rfc7030-appendix-a. */
import assert from 'node:assert/strict'
import { createPrivateKey } from 'node:crypto'
import test from 'node:test'
import { decodeBase64 } from '../../../../src/codec/base64.ts'
import { decodeCertsOnly } from '../../../../src/codec/cms.ts'
import { decodeCsrAttrs } from '../../../../src/codec/csrattrs.ts'
import { type Certificate, decodeCertificate } from '../../../../src/codec/x509/certificate.ts'
import { attributeValues, formatName } from '../../../../src/codec/x509/name.ts'
import { verifyCsr } from '../../../../src/crypto/csr.ts'
import { publicKeyOf } from '../../../../src/crypto/key.ts'
import { PathError, validatePath } from '../../../../src/crypto/path.ts'
import { verifySignature } from '../../../../src/crypto/verify.ts'
import { anchors, folder, spkiOf } from './file.ts'

const { bytes, base64 } = folder('rfc7030-appendix-a')
const at = new Date('2013-05-09T23:30:00Z')

/** The decoded file, which the base64 listing beside it gives too. */
function pair(name: string, suffix = ''): Buffer {
  const der = bytes(`${name}${suffix}.der`)
  assert.deepEqual(base64(`${name}${suffix}.b64`), der)
  return der
}

const certificates = (name: string) => decodeCertsOnly(pair(name, '.p7')).certificates.map(decodeCertificate)
const names = ({ subject, issuer }: Certificate) => [formatName(subject), formatName(issuer)]

function signedBy(certificate: Certificate, issuer: Certificate): void {
  const { signatureAlgorithm, tbsDer, signature } = certificate
  const check = (allowSha1: boolean) =>
    verifySignature(signatureAlgorithm, publicKeyOf(issuer), tbsDer, signature, { allowSha1 })
  check(true)
  assert.throws(() => check(false), { name: 'CryptoError', code: 'weak-algorithm' })
}

const [oldWithOld, newWithOld, oldWithNew, newWithNew] = certificates('a1-cacerts-response') as [
  Certificate,
  Certificate,
  Certificate,
  Certificate,
]

test('RFC 7030 A.1: cacerts, four certificates in the order of the message', () => {
  assert.deepEqual([oldWithOld, newWithOld, oldWithNew, newWithNew].map(names), [
    ['CN=estExampleCA OwO', 'CN=estExampleCA OwO'],
    ['CN=estExampleCA NwO', 'CN=estExampleCA OwO'],
    ['CN=estExampleCA OwN', 'CN=estExampleCA NwN'],
    ['CN=estExampleCA NwN', 'CN=estExampleCA NwN'],
  ])
  signedBy(oldWithOld, oldWithOld)
  signedBy(newWithOld, oldWithOld)
  signedBy(oldWithNew, newWithNew)
  signedBy(newWithNew, newWithNew)
  assert.deepEqual(newWithOld.spkiDer, newWithNew.spkiDer)
  assert.deepEqual(oldWithNew.spkiDer, oldWithOld.spkiDer)
})

test('RFC 7030 A.1: cross certificates that are no CAs build no path', () => {
  for (const cross of [newWithOld, oldWithNew]) {
    assert.equal(cross.basicConstraints, undefined)
    assert.ok(!cross.keyUsage?.includes('keyCertSign'))
  }
  const [issued] = certificates('a3-simpleenroll-response') as [Certificate]
  assert.throws(
    () => validatePath({ chain: [issued, newWithOld], anchors: anchors(oldWithOld), at }),
    (error: unknown) => error instanceof PathError,
  )
  const year = 365 * 86_400_000
  assert.equal(newWithNew.validity.notAfter.getTime() - newWithNew.validity.notBefore.getTime(), year)
})

test('RFC 7030 A.2, 4.5.2: csrattrs with sets of mixed types, and with an identifier where an extension belongs', () => {
  const read = decodeCsrAttrs(pair('a2-csrattrs-response'))
  assert.deepEqual(
    read.attributes.map(({ type, values }) => [type, values.length]),
    [
      ['2.999.1', 1],
      ['2.999.2', 3],
    ],
  )
  // A curve and a hash, alone.
  assert.deepEqual(read.oids.slice(2), ['1.3.36.3.3.2.8.1.1.11', '2.16.840.1.101.3.4.2.2'])
  const wrong = decodeCsrAttrs(pair('section-4-5-2-csrattrs'))
  assert.deepEqual([wrong.extensionOids, wrong.extensions], [['1.3.6.1.1.1.1.22'], []])
})

test('RFC 7030 A.3: simpleenroll, request and answer', () => {
  const der = pair('a3-simpleenroll-request', '.p10')
  assert.throws(() => verifyCsr(der), { name: 'CryptoError', code: 'weak-algorithm' })
  const { request } = verifyCsr(der, { allowSha1: true })
  assert.equal(decodeBase64(request.challengePassword ?? '').length, 12)
  const issued = certificates('a3-simpleenroll-response')
  assert.equal(issued.length, 1)
  assert.deepEqual(issued[0]?.spkiDer, request.spkiDer)
  signedBy(issued[0]!, newWithNew)
})

test('RFC 7030 A.4: serverkeygen, whose answer has another key and another subject', () => {
  const { request } = verifyCsr(pair('a4-serverkeygen-request', '.p10'), { allowSha1: true })
  const [issued] = certificates('a4-serverkeygen-response-cert') as [Certificate]
  const key = createPrivateKey({ key: pair('a4-serverkeygen-response-key', '.p8'), format: 'der', type: 'pkcs8' })
  assert.deepEqual(spkiOf(key), Buffer.from(issued.spkiDer))
  assert.notDeepEqual(spkiOf(key), Buffer.from(request.spkiDer))
  assert.notDeepEqual(issued.subject.der, request.subject.der)
  assert.deepEqual(attributeValues(request.subject, 'serialNumber'), ['PID:Widget SN:10'])
  signedBy(issued, newWithNew)
})
