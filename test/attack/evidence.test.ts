import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { generateKey } from '../../src/crypto/key.ts'
import { keySigner } from '../../src/crypto/signer.ts'
import { brskiPath } from '../../src/protocol/brski/endpoint.ts'
import { presencePath } from '../../src/role/onboarding/presence.ts'
import { certify } from '../crypto/pki.ts'
import { type Neighbourhood, openNeighbourhood, pledgeOf, testPeer } from '../role/onboarding/neighbourhood.ts'

describe('whoever is refused', () => {
  let home: Neighbourhood
  before(async () => {
    home = await openNeighbourhood({ units: 1 })
  })
  after(() => home.close())

  it('leaves evidence, at whatever door', async () => {
    const unit = home.unit('B1-000001')
    const stranger = await certify({ subject: 'stranger' })
    const pledge = pledgeOf(home, unit, {
      peer: testPeer([stranger.certificate.der], home.authority.registrar.certificate.der),
    })
    const refusals = [
      await pledge.post(await pledge.voucherRequest()),
      await pledge.status(brskiPath.voucherStatus, true),
      await pledge.status(brskiPath.enrollStatus, true),
      await pledge.enroll(keySigner(generateKey('P-256'))),
      await pledge.enroll(keySigner(generateKey('P-256')), '/.well-known/est/simplereenroll'),
      await pledge.request('GET', presencePath, '', ''),
    ]
    const codes = refusals.map(({ body }) => String(body).split(':', 1)[0])
    const { events } = await home.site.feed({}, 1000)
    const kept = events.filter(({ kind }) => kind === 'stranger-refused').map(({ body }) => body['code'])
    assert.deepEqual(kept, codes)
    assert.deepEqual(codes, [...new Array(4).fill('idevid-untrusted'), ...new Array(2).fill('credential-required')])
  })
})
