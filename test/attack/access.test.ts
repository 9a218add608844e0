import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { encodePem } from '../../src/codec/pem.ts'
import { extendedKeyUsageOid, extensionKinds, makeExtension } from '../../src/codec/x509/extension.ts'
import { openWorld, requestOf, type World } from '../app/api/world.ts'
import { certify, eku } from '../crypto/pki.ts'

const clientAuth = eku(extendedKeyUsageOid.clientAuth)
const email = (value: string) => makeExtension(extensionKinds.subjectAltName, [{ type: 'rfc822Name', value }])

describe('who may let in, against those above him', () => {
  let world: World
  let owner: string
  const people = certify({ subject: 'Harbour people', ca: true })
  const params = { name: 'harbour-people' }

  before(async () => {
    world = await openWorld()
    owner = (await world.makeToken('network-owner', undefined, 'nora')).text
    const anchors = [encodePem('CERTIFICATE', (await people).certificate.der)]
    await world.call('callerAuthorityTrust', { params, body: { anchors } })
    const body = { authority: params.name, identity: 'email:root@harbour.example', party: 'ada' }
    await world.call('callerAdmit', { body: { ...body, roles: ['administrator'] } })
  })
  after(() => world.close())

  const refused = async (...asked: Parameters<typeof requestOf>) => {
    const { status, json } = await world.ask(...requestOf(...asked))
    return [status, json['code']]
  }

  it('a network owner does not become administrator by a CA of his own in place of the one that certifies him', async () => {
    const own = await certify({ subject: 'Nora', ca: true })
    const anchors = [encodePem('CERTIFICATE', own.certificate.der)]
    const answer = await refused('callerAuthorityTrust', { params, body: { anchors } }, owner)
    const extensions = [clientAuth, email('root@harbour.example')]
    const { certificate } = await certify({ subject: 'Nora', issuer: own, extensions })
    const from = { address: '192.0.2.9:5', certificates: () => [certificate.der, own.certificate.der] }
    const { status } = await world.ask('/v1/tokens', { from })
    assert.equal(status, 401)
    assert.deepEqual(answer, [403, 'role-not-assignable'])
    // Nor after he has ended the trust, which comes back under another key.
    assert.deepEqual(await refused('callerAuthorityDistrust', { params }, owner), [403, 'role-not-assignable'])
    await world.call('callerAuthorityDistrust', { params })
    assert.deepEqual(await refused('callerAuthorityTrust', { params, body: { anchors } }, owner), [
      403,
      'role-not-assignable',
    ])
    await world.call('callerAuthorityTrust', {
      params,
      body: { anchors: [encodePem('CERTIFICATE', (await people).certificate.der)] },
    })
  })

  it('nor takes an administrator’s roles by letting him in anew as less', async () => {
    const body = { authority: params.name, identity: 'email:root@HARBOUR.example', party: 'ada' }
    const asked = { body: { ...body, roles: ['network-administrator' as const] } }
    assert.deepEqual(await refused('callerAdmit', asked, owner), [403, 'role-not-assignable'])
    const [kept] = (await world.call('callerList', {})).items
    assert.deepEqual(kept?.roles, ['administrator'])
  })

  it('an authority of his own, for whom he may let in, is his to change', async () => {
    const own = await certify({ subject: 'Shift', ca: true })
    const next = await certify({ subject: 'Shift', ca: true })
    const shift = { name: 'shift' }
    for (const { certificate } of [own, next]) {
      const body = { anchors: [encodePem('CERTIFICATE', certificate.der)] }
      await world.call('callerAuthorityTrust', { params: shift, body }, owner)
      const who = { authority: 'shift', identity: 'email:sam@harbour.example', party: 'sam' }
      await world.call('callerAdmit', { body: { ...who, roles: ['network-administrator'] } }, owner)
    }
    await world.call('callerAuthorityDistrust', { params: shift }, owner)
  })
})
