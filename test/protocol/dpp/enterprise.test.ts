import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { decodeBase64 } from '../../../src/codec/base64.ts'
import { decodeCertsOnly } from '../../../src/codec/cms.ts'
import { encodeCsrAttrs } from '../../../src/codec/csrattrs.ts'
import type { JsonObject } from '../../../src/codec/json.ts'
import { requestAttribute } from '../../../src/codec/pkcs10.ts'
import { decodeCertificate } from '../../../src/codec/x509/certificate.ts'
import { encodeName } from '../../../src/codec/x509/name.ts'
import { createCsr } from '../../../src/crypto/csr.ts'
import { CryptoError, type CryptoErrorCode } from '../../../src/crypto/error.ts'
import { keySigner } from '../../../src/crypto/signer.ts'
import { decodeConfigurationRequest } from '../../../src/protocol/dpp/configuration-request.ts'
import {
  challengeAttribute,
  challengeOnly,
  challengePassword,
  decodeCsrAttributes,
  decodeEntCreds,
  encodeEntCreds,
  verifyEnrolleeCsr,
} from '../../../src/protocol/dpp/enterprise.ts'
import { type DppKeyPair, dppKeyPair, generateDppKey, importScalar } from '../../../src/protocol/dpp/key.ts'
import { refused } from '../../codec/refused.ts'
import { certify } from '../../crypto/pki.ts'
import { octets, transcripts } from './vector.ts'

const recording = transcripts.find(({ name }) => name === 'tcp_p256_dot1x') ?? assert.fail()
const clear = (member: string) => recording.messages.flatMap(message => (message.clear?.[member] as string) ?? [])
const requests = clear('config_request').map(text => decodeConfigurationRequest(Buffer.from(text)))
const pkcs10 = requests[1]?.pkcs10 ?? assert.fail()
const password = challengePassword('P-256', octets(recording.expected['bk']))
const protocolKey = importScalar('P-256', octets(recording.inputs.pI))

function refusedAs(code: CryptoErrorCode, call: () => unknown): void {
  assert.throws(call, error => error instanceof CryptoError && error.code === code)
}

describe('what Debian sends', () => {
  test('the challengePassword of the exchange', () => {
    assert.equal(password.revealText(), octets(recording.expected['challenge']).toString('base64'))
  })
  test('its request is signed by the protocol key and made for this exchange', () => {
    const { request } = verifyEnrolleeCsr(pkcs10, { password, protocolKey })
    const value = request.attributes.find(({ type }) => type === requestAttribute.challengePassword)?.values[0]
    assert.deepEqual(challengeAttribute(password).values[0], value && Buffer.from(value))
  })
  test('CSR attributes', () => {
    const [text = ''] = clear('csr_attributes')
    assert.equal(challengeOnly, text)
    assert.deepEqual(decodeCsrAttributes(Buffer.from(text)).oids, [requestAttribute.challengePassword])
    refused('bad-encoding', () => decodeCsrAttributes(Buffer.from('?')))
  })
})

describe('a request that is not of this exchange', () => {
  const made = (key: DppKeyPair, attributes = [challengeAttribute(password)]) =>
    createCsr({ subject: encodeName({ commonName: 'lamp' }), attributes }, keySigner(key.privateKey))

  test('another challengePassword, or none', async () => {
    const other = challengePassword('P-256', Buffer.alloc(32))
    refusedAs('bad-signature', () => verifyEnrolleeCsr(pkcs10, { password: other, protocolKey }))
    const none = await made(protocolKey, [])
    refusedAs('bad-signature', () => verifyEnrolleeCsr(none, { password, protocolKey }))
  })
  test('another key than the protocol key, though everything in it is right', async () => {
    const foreign = await made(generateDppKey('P-256'))
    refusedAs('key-mismatch', () => verifyEnrolleeCsr(foreign, { password, protocolKey }))
    assert.ok(verifyEnrolleeCsr(await made(protocolKey), { password, protocolKey }))
  })
  test('altered, or no request', async () => {
    const altered = Buffer.from(pkcs10)
    altered[altered.length - 1]! ^= 1
    refusedAs('bad-signature', () => verifyEnrolleeCsr(altered, { password, protocolKey }))
    refusedAs('malformed-request', () => verifyEnrolleeCsr(Buffer.from('30'), { password, protocolKey }))
  })
})

describe('entCreds', () => {
  test('the station first, in whatever order that leaves the DER', async () => {
    const root = await certify({ subject: 'CA', ca: true })
    const key = dppKeyPair(generateDppKey('P-256').privateKey)
    const leaf = await certify({
      subject: 'a station with a long name',
      issuer: root,
      signer: keySigner(key.privateKey),
    })
    for (const certBag of [
      [leaf.certificate.der, root.certificate.der],
      [root.certificate.der, leaf.certificate.der],
    ]) {
      const json = encodeEntCreds({ certBag, caCert: root.certificate.der, eapMethods: [13] })
      const { certificates } = decodeCertsOnly(decodeBase64(json['certBag'] as string))
      assert.deepEqual(
        certificates.map(der => Buffer.from(der)),
        certBag,
      )
      assert.deepEqual(
        decodeEntCreds(json).certBag.map(der => Buffer.from(der)),
        certBag,
      )
    }
  })
  test('the bag of the recording holds the leaf second, and is read', () => {
    const [object = ''] = clear('config_object')
    const { certBag, trustedEapServerName, eapMethods } = decodeEntCreds(JSON.parse(object).cred.entCreds)
    assert.deepEqual(
      certBag.map(der => decodeCertificate(der).basicConstraints?.cA ?? false),
      [true, false],
    )
    assert.deepEqual([trustedEapServerName, eapMethods], ['radius.example', [13]])
  })
  test('what is none', () => {
    const [object = ''] = clear('config_object')
    const { entCreds } = JSON.parse(object).cred
    const bent = (members: JsonObject) => () => decodeEntCreds({ ...entCreds, ...members })
    refused('bad-value', bent({ certBag: 1 }))
    refused('bad-encoding', bent({ certBag: 'x' }))
    refused('bad-encoding', bent({ caCert: '=' }))
    refused('bad-value', bent({ trustedEapServerName: '' }))
    refused('bad-value', bent({ eapMethods: ['tls'] }))
    refused('bad-value', bent({ eapMethods: Array(17).fill(13) }))
    refused('too-large', bent({ certBag: 'A'.repeat(0x8004) }))
    refused('bad-value', () => encodeEntCreds({ certBag: [] }))
  })
})

test('attributes that ask for more than the password are read', () => {
  const text = encodeCsrAttrs({ oids: [requestAttribute.challengePassword, '2.5.4.5'] }).toString('base64')
  assert.deepEqual(decodeCsrAttributes(Buffer.from(text)).oids, [requestAttribute.challengePassword, '2.5.4.5'])
})
