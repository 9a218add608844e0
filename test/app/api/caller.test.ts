import assert from 'node:assert/strict'
import { request } from 'node:https'
import { text } from 'node:stream/consumers'
import { after, before, describe, test } from 'node:test'
import { type ApiListener, listenHttp } from '../../../src/adapter/http/api-server.ts'
import type { TlsCredential } from '../../../src/adapter/http/tls-profile.ts'
import { encodePem } from '../../../src/codec/pem.ts'
import { decodeCertificate } from '../../../src/codec/x509/certificate.ts'
import { extendedKeyUsageOid, extensionKinds, makeExtension } from '../../../src/codec/x509/extension.ts'
import { formatName } from '../../../src/codec/x509/name.ts'
import { prepareCrl, signCrl } from '../../../src/crypto/crl.ts'
import { generateKey } from '../../../src/crypto/key.ts'
import { keySigner } from '../../../src/crypto/signer.ts'
import { registrar } from '../../adapter/http/site.ts'
import { type Certified, certify, type Entity, eku } from '../../crypto/pki.ts'
import { silentLog } from '../../store.ts'
import { openWorld, start, type World } from './world.ts'

const day = 86_400_000
const pem = (entity: Entity) => encodePem('CERTIFICATE', entity.certificate.der)
const email = (address: string) =>
  makeExtension(extensionKinds.subjectAltName, [{ type: 'rfc822Name', value: address }])
const clientAuth = eku(extendedKeyUsageOid.clientAuth)

/** A person's key and certificate, as TLS takes them. */
async function person(
  issuer: Entity | undefined,
  wanted: Omit<Certified, 'issuer' | 'signer'>,
): Promise<TlsCredential> {
  const key = generateKey('P-256')
  const terms = { ...wanted, signer: keySigner(key), ...(issuer === undefined ? {} : { issuer }) }
  const { certificate } = await certify({ extensions: [clientAuth], ...terms })
  return { key, certificateChain: [certificate.der, ...(issuer === undefined ? [] : [issuer.certificate.der])] }
}

describe('a client certificate on the API', () => {
  let world: World
  let listener: ApiListener
  let people: Entity
  let alice: TlsCredential

  before(async () => {
    world = await openWorld({ failuresPerMinute: 1_000_000 })
    const fetch = (sent: Request, from: Parameters<World['server']['fetch']>[1]) => world.server.fetch(sent, from)
    listener = await listenHttp({ host: '127.0.0.1', port: 0, fetch, log: silentLog, tls: registrar })
    people = await certify({ subject: { commonName: 'Harbour people', organizationName: 'Harbour' }, ca: true })
    alice = await person(people, { subject: 'Alice', extensions: [clientAuth, email('alice@Harbour.example')] })
    await world.call('callerAuthorityTrust', { params: { name: 'harbour-people' }, body: { anchors: [pem(people)] } })
    await admit('email:alice@HARBOUR.example', ['device-owner', 'auditor'], 'alice')
  })
  after(async () => {
    await listener.close()
    await world.close()
  })

  const admit = (
    identity: string,
    roles: ('device-owner' | 'auditor' | 'device-user')[],
    party: string,
    lifetimeDays?: number,
  ) =>
    world.call('callerAdmit', {
      body: {
        authority: 'harbour-people',
        identity,
        party,
        roles,
        ...(lifetimeDays === undefined ? {} : { lifetimeDays }),
      },
    })

  interface Asked {
    readonly method?: string
    readonly body?: unknown
    readonly token?: string
  }

  function ask(path: string, as: TlsCredential | undefined, { method = 'GET', body, token }: Asked = {}) {
    const key = as?.key
    const tls =
      as === undefined || key === undefined || typeof key === 'string'
        ? {}
        : {
            key: key.export({ type: 'pkcs8', format: 'pem' }),
            cert: as.certificateChain.map(der => encodePem('CERTIFICATE', der)).join(''),
          }
    const headers = {
      ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
    }
    return new Promise<{ status: number; code: unknown; json: Record<string, unknown> }>((resolve, reject) => {
      const sent = request(
        {
          host: '127.0.0.1',
          port: listener.port,
          path,
          method,
          headers,
          agent: false,
          rejectUnauthorized: false,
          ...tls,
        },
        answer => {
          void text(answer).then(body => {
            const json = JSON.parse(body) as Record<string, unknown>
            resolve({ status: answer.statusCode ?? 0, code: json['code'], json })
          }, reject)
        },
      )
      sent.on('error', reject)
      sent.end(body === undefined ? undefined : JSON.stringify(body))
    })
  }

  const codeOf = async (as: TlsCredential | undefined, asked?: Asked) => {
    const { status, code } = await ask('/v1/devices', as, asked)
    return [status, code]
  }

  test('is its holder’s party with its roles, and no more', async () => {
    assert.equal((await ask('/v1/devices', alice)).status, 200)
    const body = { name: 'shift', roles: ['device-installer'] }
    assert.equal((await ask('/v1/tokens', alice, { method: 'POST', body })).status, 200)
    const refused = await ask('/v1/manufacturers/fjord', alice, { method: 'DELETE' })
    assert.deepEqual([refused.status, refused.code], [403, 'not-permitted'])
    assert.deepEqual(refused.json['facts'], {
      role: 'device-owner, auditor',
      needed: 'network.policy.write or network.own',
      roles: 'network-owner, network-administrator, administrator',
    })
    const higher = { name: 'shift', roles: ['administrator'] }
    assert.equal((await ask('/v1/tokens', alice, { method: 'POST', body: higher })).code, 'role-not-assignable')
    const { events } = await world.services.store.feed({}, 1000)
    const made = events.findLast(({ kind }) => kind === 'token-created')
    assert.match(made?.body['by'] as string, /^email:alice@harbour\.example \(caller\/[0-9a-f]{18}\)$/)
    assert.match(made?.body['madeBy'] as string, /^caller\//)
    // What a certified auditor looks at is on record, too.
    assert.ok(events.some(({ kind, stream }) => kind === 'record-read' && stream.startsWith('caller/')))
  })

  test('by subject and by URI', async () => {
    const robot = await person(people, { subject: { commonName: 'Robot, 1', organizationName: 'Harbour' } })
    const uri = makeExtension(extensionKinds.subjectAltName, [
      { type: 'uniformResourceIdentifier', value: 'urn:harbour:pump' },
    ])
    const pump = await person(people, { subject: 'Pump', extensions: [uri, clientAuth] })
    assert.deepEqual(await codeOf(robot), [403, 'caller-unknown'])
    await admit('subject:O=Harbour,CN=Robot\\, 1', ['auditor'], 'robot')
    await admit('uri:urn:harbour:pump', ['auditor'], 'pump')
    assert.deepEqual(await codeOf(robot), [200, undefined])
    assert.deepEqual(await codeOf(pump), [200, undefined])
  })

  test('and a token at once are nobody: whose call would it be?', async () => {
    const token = world.tokens.administrator
    assert.deepEqual(await codeOf(alice, { token }), [400, 'credential-ambiguous'])
    assert.deepEqual(await codeOf(alice, { token: 'mrg_wrong' }), [400, 'credential-ambiguous'])
    const stranger = await person(undefined, { subject: 'Mallory' })
    assert.deepEqual(await codeOf(stranger, { token }), [400, 'credential-ambiguous'])
    assert.deepEqual(await codeOf(undefined, { token }), [200, undefined])
    assert.deepEqual(await codeOf(undefined), [401, 'not-authenticated'])
  })

  test('of a foreign authority, forged, or self-made opens nothing', async () => {
    const subject = { commonName: 'Harbour people', organizationName: 'Harbour' }
    const namesake = await certify({ subject, ca: true })
    const extensions = [clientAuth, email('alice@harbour.example')]
    const forged = await person(namesake, { subject: 'Alice', extensions })
    assert.deepEqual(await codeOf(forged), [401, 'caller-untrusted'])
    // The real authority in the chain beside it changes nothing.
    const dressed = { ...forged, certificateChain: [forged.certificateChain[0]!, people.certificate.der] }
    assert.deepEqual(await codeOf(dressed), [401, 'caller-untrusted'])
    assert.deepEqual(await codeOf(await person(undefined, { subject: 'Alice', extensions })), [401, 'caller-untrusted'])
    // One device of this very site, with whatever name: its CA is not for people, and cannot be made one.
    const { root, issuing } = world.services.site
    for (const own of [root, issuing]) {
      const anchors = [encodePem('CERTIFICATE', own.der)]
      await assert.rejects(
        world.call('callerAuthorityTrust', { params: { name: 'devices' }, body: { anchors } }),
        /anchor-invalid/,
      )
    }
    // Another authority that the site trusts cannot speak for Alice: she was let in under hers.
    const other = await certify({ subject: 'Crane people', ca: true })
    await world.call('callerAuthorityTrust', { params: { name: 'crane-people' }, body: { anchors: [pem(other)] } })
    assert.deepEqual(await codeOf(await person(other, { subject: 'Alice', extensions })), [403, 'caller-unknown'])
    await assert.rejects(
      world.call('callerAuthorityTrust', { params: { name: 'twice' }, body: { anchors: [pem(people)] } }),
      /trusted-under-another-name/,
    )
  })

  test('outside its time, for another use, or of a CA opens nothing', async () => {
    const extensions = [clientAuth, email('alice@harbour.example')]
    const at = (days: number) => new Date(start + days * day)
    const past = { subject: 'Alice', extensions, notBefore: at(-9), notAfter: at(-1) }
    assert.deepEqual(await codeOf(await person(people, past)), [401, 'caller-expired'])
    const future = { subject: 'Alice', extensions, notBefore: at(1), notAfter: at(9) }
    assert.deepEqual(await codeOf(await person(people, future)), [401, 'caller-expired'])
    const server = [eku(extendedKeyUsageOid.serverAuth), email('alice@harbour.example')]
    const codes = [
      await codeOf(await person(people, { subject: 'Alice', extensions: server })),
      await codeOf(await person(people, { subject: 'Alice', extensions, ca: true })),
    ]
    for (const code of codes) assert.deepEqual(code, [401, 'caller-certificate-invalid'])
    // Below an end entity there is nobody.
    const leaf = await certify({ subject: 'Bob', issuer: people, ca: false })
    const below = await person(leaf, { subject: 'Alice', extensions })
    assert.deepEqual(await codeOf(below), [401, 'caller-certificate-invalid'])
    // Two identities of two callers: neither.
    await admit('email:bob@harbour.example', ['device-user'], 'bob')
    const both = makeExtension(extensionKinds.subjectAltName, [
      { type: 'rfc822Name', value: 'alice@harbour.example' },
      { type: 'rfc822Name', value: 'bob@harbour.example' },
    ])
    const twofold = await person(people, { subject: 'Twofold', extensions: [clientAuth, both] })
    assert.deepEqual(await codeOf(twofold), [403, 'caller-ambiguous'])
  })

  test('that was revoked opens nothing, whatever is given afterwards', async () => {
    const ca = await certify({ subject: 'Shift people', ca: true })
    const params = { name: 'shift-people' }
    const anchors = [pem(ca)]
    await world.call('callerAuthorityTrust', { params, body: { anchors } })
    const carol = await person(ca, { subject: 'Carol', extensions: [clientAuth] })
    await world.call('callerAdmit', {
      body: { authority: 'shift-people', identity: 'subject:CN=Carol', party: 'carol', roles: ['auditor'] },
    })
    const { serialNumber } = decodeCertificate(carol.certificateChain[0]!)
    const crl = async (from: number, until: number, revoked: boolean, by: Entity = ca) => {
      const issuer = { certificate: by.certificate, signer: by.signer }
      const list = revoked ? [{ serialNumber, revocationDate: new Date(start - day) }] : []
      const dates = { thisUpdate: new Date(start + from * day), nextUpdate: new Date(start + until * day) }
      return (await signCrl(prepareCrl({ issuer, number: 1n, ...dates, revoked: list }), by.signer)).toString('base64')
    }
    const give = (...crls: string[]) => world.call('callerCrlGive', { params, body: { crls } })
    await give(await crl(-3, 5, false))
    assert.deepEqual(await codeOf(carol), [200, undefined])
    const older = await crl(-4, 6, false)
    const shown = await give(await crl(-2, 5, true))
    assert.deepEqual([shown.crls.length, shown.crls[0]?.revoked], [1, 1])
    assert.deepEqual(await codeOf(carol), [401, 'caller-revoked'])
    // An older list that does not know of it; one of somebody else; one of tomorrow; one that has run out; no list at all.
    const foreign = await certify({ subject: 'Shift people', ca: true })
    for (const bad of [
      older,
      await crl(-1, 5, false, foreign),
      await crl(1, 5, false),
      await crl(-2, -1, false),
      'MIIB',
    ]) {
      await assert.rejects(give(bad), /crl-invalid/)
    }
    // Trusting the authority anew does not forget whom it revoked, nor does a while without trust.
    await world.call('callerAuthorityTrust', { params, body: { anchors } })
    assert.deepEqual(await codeOf(carol), [401, 'caller-revoked'])
    await world.call('callerAuthorityDistrust', { params })
    assert.deepEqual(await codeOf(carol), [401, 'caller-untrusted'])
    await world.call('callerAuthorityTrust', { params, body: { anchors } })
    assert.deepEqual(await codeOf(carol), [401, 'caller-revoked'])
    // Nobody can tell any more: nobody gets in.
    await give(await crl(-1, 1, false))
    assert.deepEqual(await codeOf(carol), [200, undefined])
    world.pass(2 * day)
    assert.deepEqual(await codeOf(carol), [401, 'caller-status-unknown'])
    assert.deepEqual(await codeOf(alice), [200, undefined])
  })

  test('ends with its admission, its time, its authority; and the record holds all of it', async () => {
    const dora = await person(people, { subject: 'Dora' })
    const once = await admit('subject:CN=Dora', ['auditor'], 'dora', 1)
    assert.deepEqual(await codeOf(dora), [200, undefined])
    world.pass(day)
    assert.deepEqual(await codeOf(dora), [403, 'caller-unknown'])
    assert.equal((await admit('subject:CN=Dora', ['auditor'], 'dora')).id, once.id)
    assert.deepEqual(await codeOf(dora), [200, undefined])
    assert.ok((await world.call('callerRemove', { params: { id: once.id } })).removedAt)
    assert.deepEqual(await codeOf(dora), [403, 'caller-unknown'])
    await world.call('callerAuthorityDistrust', { params: { name: 'harbour-people' } })
    assert.deepEqual(await codeOf(alice), [401, 'caller-untrusted'])
    assert.equal((await world.call('callerAuthorityList', {})).items.length, 3)
    assert.ok((await world.call('callerList', {})).items.some(({ identity }) => identity === 'subject:CN=Dora'))
    assert.deepEqual((await world.call('auditVerify', { body: {} })).firstBad, undefined)
  })

  test('of whom identities are written as people write them', async () => {
    for (const identity of [
      'alice',
      'email:alice',
      'email:a@b@c',
      'dns:a.example',
      'subject:',
      'uri:a\u0000b',
      'email:a b@c',
    ]) {
      await assert.rejects(admit(identity, ['auditor'], 'x'), /input-invalid/, identity)
    }
    await assert.rejects(
      world.call('callerAdmit', {
        body: { authority: 'nobody', identity: 'email:a@b', party: 'x', roles: ['auditor'] },
      }),
      /not-found/,
    )
    assert.equal(formatName(people.certificate.subject), 'O=Harbour,CN=Harbour people')
  })
})
