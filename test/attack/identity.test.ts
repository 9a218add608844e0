import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import {
  type Certificate,
  decodeCertificate,
  encodeCertificate,
  encodeTbsCertificate,
} from '../../src/codec/x509/certificate.ts'
import { extendedKeyUsageOid } from '../../src/codec/x509/extension.ts'
import { generateKey } from '../../src/crypto/key.ts'
import { algorithmIdentifier, keySigner, type Signer } from '../../src/crypto/signer.ts'
import { deviceId } from '../../src/domain/device.ts'
import type { EndpointReply } from '../../src/domain/port.ts'
import { brskiPath } from '../../src/protocol/brski/endpoint.ts'
import { presencePath } from '../../src/role/onboarding/presence.ts'
import { trustManufacturer } from '../../src/role/supply-chain/trust.ts'
import { certify, eku } from '../crypto/pki.ts'
import {
  expectUnit,
  type Neighbourhood,
  openNeighbourhood,
  pledgeOf,
  testPeer,
} from '../role/onboarding/neighbourhood.ts'

const codeOf = (reply: EndpointReply) => String(reply.body).split(':', 1)[0]
const renewal = '/.well-known/est/simplereenroll'

describe('a certificate in the wrong office', () => {
  let home: Neighbourhood
  let ldevid: Certificate
  let key: Signer
  before(async () => {
    home = await openNeighbourhood({ units: 2 })
    const unit = home.unit('B1-000001')
    await expectUnit(home, unit.serial)
    const pledge = pledgeOf(home, unit)
    assert.equal((await pledge.post(await pledge.voucherRequest())).status, 200)
    key = keySigner(generateKey('P-256'))
    assert.equal((await pledge.enroll(key)).status, 200)
    const [record] = await home.site.read(tables => tables.credential.find({ status: 'issued' }))
    ldevid = decodeCertificate(Buffer.from(record?.certificate ?? '', 'base64'))
  })
  after(() => home.close())

  const local = () => home.authority.registrar.certificate.der
  const holding = (signer: Signer, ...chain: readonly Certificate[]) =>
    pledgeOf(home, { serial: 'B1-000001', signer, chain: chain.map(({ der }) => der) })

  async function answers(pledge: ReturnType<typeof pledgeOf>) {
    return {
      voucher: codeOf(await pledge.post(await pledge.voucherRequest())),
      enrolment: codeOf(await pledge.enroll(keySigner(generateKey('P-256')))),
      renewal: codeOf(await pledge.enroll(keySigner(generateKey('P-256')), renewal)),
      presence: codeOf(await pledge.request('GET', presencePath, '', '')),
    }
  }

  it('a network credential is no birth certificate', async () => {
    const { issuing, root } = home.authority
    const { voucher, enrolment } = await answers(holding(key, ldevid, issuing.certificate, root))
    assert.deepEqual([voucher, enrolment], ['idevid-untrusted', 'idevid-untrusted'])
    // Nor does the device of that birth certificate sign its requests with it.
    const unit = home.unit('B1-000001')
    const pledge = pledgeOf(home, unit, { peer: testPeer(unit.chain, local()) })
    const forged = holding(key, ldevid)
    assert.equal(codeOf(await pledge.post(await forged.voucherRequest())), 'signer-not-tls-client')
  })

  it('a birth certificate is no network credential, and a registrar is neither', async () => {
    const unit = home.unit('B1-000001')
    const { renewal: again, presence } = await answers(pledgeOf(home, unit))
    assert.deepEqual([again, presence], ['credential-required', 'credential-required'])
    const { registrar, issuing, root } = home.authority
    const office = await answers(holding(registrar.signer, registrar.certificate, issuing.certificate, root))
    assert.deepEqual(office, {
      voucher: 'idevid-untrusted',
      enrolment: 'idevid-untrusted',
      renewal: 'credential-not-in-force',
      presence: 'credential-not-in-force',
    })
  })

  it('what the issuing CA signed and the record does not know opens nothing', async () => {
    const issuer = { certificate: home.authority.issuing.certificate, signer: home.authority.issuing.signer }
    const { clientAuth, serverAuth } = extendedKeyUsageOid
    const unknown = await certify({ subject: 'x', issuer, extensions: [eku(clientAuth)] })
    const server = await certify({ subject: 'x', issuer, extensions: [eku(serverAuth)] })
    const ca = await certify({ subject: 'sub', issuer, ca: true })
    const below = await certify({ subject: 'x', issuer: ca, extensions: [eku(clientAuth)] })
    const all = await Promise.all(
      [unknown, server, below].map(({ signer, certificate }) =>
        holding(signer, certificate, ca.certificate).request('GET', presencePath, '', ''),
      ),
    )
    assert.deepEqual(all.map(codeOf), ['credential-not-in-force', 'credential-required', 'credential-required'])
  })

  it('another certificate with the serial number of a credential opens nothing', async () => {
    const { issuing } = home.authority
    const thief = keySigner(generateKey('P-256'))
    const signature = algorithmIdentifier[issuing.signer.algorithm]
    const tbs = encodeTbsCertificate({
      serialNumber: ldevid.serialNumber,
      signature,
      issuer: ldevid.issuer.der,
      validity: ldevid.validity,
      subject: ldevid.subject.der,
      spkiDer: thief.spkiDer,
      extensions: ldevid.extensions,
    })
    const twin = decodeCertificate(encodeCertificate(tbs, signature, await issuing.signer.sign(tbs)))
    const { renewal: again, presence } = await answers(holding(thief, twin))
    assert.deepEqual([again, presence], ['credential-not-in-force', 'credential-not-in-force'])
    assert.equal((await holding(key, ldevid).request('GET', presencePath, '', '')).status, 200)
  })

  it('a site that is also a manufacturer does not mistake its credentials for birth certificates of the other’s devices', async () => {
    const { root, issuing } = home.authority
    await trustManufacturer(
      { store: home.site, clock: () => home.now.value },
      { name: 'own', anchors: [root.der] },
      'x',
    )
    const pledge = holding(key, ldevid, issuing.certificate, root)
    const before = await home.site.read(tables => tables.device.get(deviceId('acme', 'B1-000001')))
    assert.equal((await pledge.post(await pledge.voucherRequest())).status, 202, 'a device that nobody expects')
    assert.equal(codeOf(await pledge.enroll(keySigner(generateKey('P-256')))), 'enroll-before-voucher')
    assert.equal(codeOf(await pledge.status(brskiPath.voucherStatus, false)), 'enroll-before-voucher')
    assert.deepEqual(await home.site.read(tables => tables.device.get(deviceId('acme', 'B1-000001'))), before)
    const { registrar } = home.authority
    const office = holding(registrar.signer, registrar.certificate, issuing.certificate, root)
    assert.equal(codeOf(await office.post(await office.voucherRequest())), 'idevid-serial-missing')
  })
})
