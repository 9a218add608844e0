/** Folder brski-prm-23. */
import assert from 'node:assert/strict'
import test from 'node:test'
import { decodeJsonObject, type JsonObject } from '../../../../src/codec/json.ts'
import { decodeJws } from '../../../../src/codec/jws.ts'
import { decodeCertificate } from '../../../../src/codec/x509/certificate.ts'
import { verifyJws } from '../../../../src/crypto/jws.ts'
import { PathError, validatePath } from '../../../../src/crypto/path.ts'
import { openVoucherArtifact } from '../../../../src/protocol/brski/artifact.ts'
import { domainId } from '../../../../src/protocol/brski/audit-log.ts'
import { parseDate } from '../../../../src/protocol/brski/leaf.ts'
import { checkVoucher } from '../../../../src/protocol/brski/pledge-check.ts'
import type { Quirk } from '../../../../src/protocol/brski/quirk.ts'
import { anchors, compact, folder } from './file.ts'

const { bytes } = folder('brski-prm-23')
const at = new Date('2024-06-24T09:03:00Z')
const quirks: readonly Quirk[] = ['prm-request-root', 'agent-sign-cert-array']

const pvrBytes = bytes('messages/pledge-voucher-request.jws.json')
const rvrBytes = bytes('messages/registrar-voucher-request.jws.json')
const masaSigned = openVoucherArtifact(bytes('messages/voucher-masa-signed.jws.json'), { kind: 'voucher' })
const countersigned = openVoucherArtifact(bytes('messages/voucher-registrar-countersigned.jws.json'), {
  kind: 'voucher',
})
const request = (file: Buffer, allowed = quirks) =>
  openVoucherArtifact(file, { kind: 'request', version: 'rfc8366bis', quirks: allowed })
const pvr = request(pvrBytes)
const rvr = request(rvrBytes)
const agent = decodeCertificate(rvr.value['agent-sign-cert']!)
const registrar = decodeCertificate(pvr.value['agent-provided-proximity-registrar-cert']!)
const pin = decodeCertificate(countersigned.value['pinned-domain-cert']!)

test('BRSKI-PRM: requests verify under a root member that the text does not have', () => {
  for (const [file, artifact] of [
    [pvrBytes, pvr],
    [rvrBytes, rvr],
  ] as const) {
    assert.equal(decodeJws(file).signatures[0]?.protected['alg'], 'ES256')
    assert.equal(artifact.value.assertion, 'agent-proximity')
    assert.ok(artifact.quirksUsed.includes('prm-request-root'))
    assert.throws(() => request(file, []), /ietf-voucher-request:voucher is missing/)
  }
  assert.deepEqual(Buffer.from(rvr.value['prior-signed-voucher-request']!), compact(pvrBytes))
  assert.deepEqual(pvr.value.nonce, countersigned.value.nonce)
})

test('BRSKI-PRM: agent-signed-data of an agent with another CA, wrapped, 21 months older than the request', () => {
  const signed = pvr.value['agent-signed-data']!
  const { payload, signatures } = verifyJws(signed, { signers: [agent] })
  assert.equal(signatures[0]?.header['kid'], domainId(agent))
  const wrapper = decodeJsonObject(payload)
  assert.deepEqual(Object.keys(wrapper), ['ietf-voucher-request-prm:agent-signed-data'])
  const data = wrapper['ietf-voucher-request-prm:agent-signed-data'] as JsonObject
  assert.equal(data['serial-number'], pvr.value['serial-number'])
  const age = pvr.value['created-on']!.getTime() - parseDate(data['created-on'] as string, 'created-on').getTime()
  assert.equal(Math.round(age / (30.4 * 86_400_000)), 21)
  assert.throws(
    () => validatePath({ chain: [agent], anchors: anchors(pin), at }),
    (error: unknown) => error instanceof PathError && error.code === 'untrusted',
  )
  assert.equal(agent.validity.notAfter.toISOString().slice(0, 10), '2025-09-05')
  assert.throws(() => verifyJws(signed, { signers: [registrar] }), { name: 'CryptoError' })
})

test('BRSKI-PRM: agent-sign-cert as an array', () => {
  assert.ok(rvr.quirksUsed.includes('agent-sign-cert-array'))
  assert.throws(() => request(rvrBytes, ['prm-request-root']), /agent-sign-cert is not a text/)
})

test('BRSKI-PRM: voucher of the MASA, without typ, of another run', () => {
  assert.deepEqual(masaSigned.quirksUsed, ['jws-no-typ', 'x5c-leaf-only'])
  assert.equal(decodeJws(masaSigned.bytes).signatures[0]?.protected['typ'], undefined)
  assert.notDeepEqual(masaSigned.value.nonce, pvr.value.nonce)
})

test('BRSKI-PRM: countersigned voucher, both signatures good and both looked at', () => {
  const [masa, second] = countersigned.signatures
  assert.equal(countersigned.signatures.length, 2)
  assert.deepEqual(second?.signerCertificate.der, registrar.der)
  assert.ok(validatePath({ chain: [registrar], anchors: anchors(pin), at }))
  // The chains are omitted from x5c; so is the manufacturer's CA, for which its signer stands in here.
  assert.deepEqual(
    countersigned.signatures.map(({ certificates }) => certificates.length),
    [1, 1],
  )
  const context = { idevid: pvr.signerCertificate, nonce: pvr.value.nonce!, at, clockTrusted: true }
  const accepted = checkVoucher(countersigned, { ...context, anchors: anchors(masa!.signerCertificate) })
  assert.equal(accepted.voucher.assertion, 'agent-proximity')
  // The registrar's signature alone is not the manufacturer's.
  assert.throws(() => checkVoucher(countersigned, { ...context, anchors: anchors(pin) }), /rule countersignature/)
  for (const broken of [0, 1])
    assert.throws(() => openVoucherArtifact(withBrokenSignature(broken), { kind: 'voucher' }), { name: 'CryptoError' })
})

function withBrokenSignature(index: number): Buffer {
  const message = JSON.parse(Buffer.from(countersigned.bytes).toString())
  const signature: string = message.signatures[index].signature
  message.signatures[index].signature = (signature[0] === 'A' ? 'B' : 'A') + signature.slice(1)
  return Buffer.from(JSON.stringify(message))
}
