import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { decodeCertsOnly } from '../../../src/codec/cms.ts'
import { decodeCertificate } from '../../../src/codec/x509/certificate.ts'
import { createCsr } from '../../../src/crypto/csr.ts'
import { generateKey } from '../../../src/crypto/key.ts'
import { keySigner } from '../../../src/crypto/signer.ts'
import type { EndpointReply } from '../../../src/domain/port.ts'
import { brskiPath } from '../../../src/protocol/brski/endpoint.ts'
import { presencePath } from '../../../src/role/onboarding/presence.ts'
import { expectUnit, type Neighbourhood, openNeighbourhood, pledgeOf, testPeer } from './neighbourhood.ts'

function certificateIn(reply: EndpointReply) {
  assert.equal(reply.status, 200, String(reply.body))
  const [der] = decodeCertsOnly(Buffer.from(String(reply.body), 'base64')).certificates
  return decodeCertificate(der ?? new Uint8Array())
}

describe('a device shows itself with its network credential', () => {
  let home: Neighbourhood
  before(async () => {
    home = await openNeighbourhood({ units: 1 })
  })
  after(() => home.close())

  const show = (certificate: Uint8Array) => {
    const peer = testPeer([certificate], home.authority.registrar.certificate.der)
    return pledgeOf(home, home.unit('B1-000001'), { peer }).request('GET', presencePath, '', '')
  }

  it('once a day is on record, and so is the first time with each credential', async () => {
    const unit = home.unit('B1-000001')
    const id = await expectUnit(home, unit.serial)
    const connections = async () => {
      const events = await home.site.history(`device/${id}`)
      return events.filter(({ kind }) => kind === 'device-connected').map(({ body }) => body['credential'])
    }
    const pledge = pledgeOf(home, unit)
    await pledge.post(await pledge.voucherRequest())
    await pledge.status(brskiPath.voucherStatus, true)
    const first = certificateIn(await pledge.enroll(keySigner(generateKey('P-256'))))
    await show(first.der)
    await show(first.der)
    assert.equal((await connections()).length, 1, 'the second request is no event')

    home.now.value += 60_000
    const key = keySigner(generateKey('P-256'))
    const csr = await createCsr({ subject: first.subject.der }, key)
    const old = pledgeOf(home, unit, { peer: testPeer([first.der], home.authority.registrar.certificate.der) })
    const renewal = ['POST', '/.well-known/est/simplereenroll', 'application/pkcs10', csr.toString('base64')] as const
    const second = certificateIn(await old.request(...renewal))
    assert.equal((await show(second.der)).status, 200)
    await show(second.der)
    const seen = await connections()
    assert.equal(seen.length, 2)
    assert.notEqual(seen[0], seen[1], 'the new credential was shown to work')
    assert.equal((await show(first.der)).status, 403, 'and has replaced the old one')
  })
})
