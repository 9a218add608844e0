import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { suite, test } from 'node:test'
import { eapCode, eapType, encodeEap } from '../../../src/codec/eap.ts'
import {
  attributeValue,
  decodeRadius,
  encodeRadius,
  joinedValue,
  type RadiusAttribute,
  radiusAttribute,
  radiusCode,
  splitValue,
  textAttribute,
} from '../../../src/codec/radius.ts'
import { sealRadiusQuestion, sealRadiusRequest, verifyRadiusResponse } from '../../../src/crypto/radius.ts'
import { Secret } from '../../../src/crypto/secret.ts'
import { access } from '../../interop/eap/supplicant.ts'
import { accessServer, client, sharedSecret } from './access.ts'

const pki = await access()
const secret = new Secret(sharedSecret)
const identity = encodeEap({ code: eapCode.response, identifier: 1, type: eapType.identity, data: Buffer.from('a@b') })
const eap = splitValue(radiusAttribute.eapMessage, identity)

function request(attributes: readonly RadiusAttribute[] = eap, identifier = 0) {
  return { code: radiusCode.accessRequest, identifier, authenticator: randomBytes(16), attributes }
}

/** Sends what must not be answered, then something that is, so that nobody has to wait for silence. */
async function silence(bytes: readonly Uint8Array[], more: Parameters<typeof accessServer>[1] = {}) {
  const server = await accessServer(pki, more)
  const peer = await client(server.port)
  try {
    for (const each of bytes) await peer.send(each)
    const last = request(eap, 77)
    await peer.send(sealRadiusQuestion(last, secret))
    const answer = await peer.answer()
    verifyRadiusResponse(answer, decodeRadius(answer), last, { secret })
    assert.equal(answer[0], radiusCode.accessChallenge)
    return { counters: { ...server.counters }, complaints: server.complaints }
  } finally {
    peer.close()
    await server.close()
  }
}

suite('The RADIUS listener', () => {
  test('answers an identity with a challenge that is bound to the request', async () => {
    const { counters } = await silence([])
    assert.deepEqual([counters.received, counters.answered], [1, 1])
  })

  for (const [what, bytes, counter] of [
    ['no Message-Authenticator', encodeRadius(request()), 'unauthentic'],
    ['another secret', sealRadiusQuestion(request(), new Secret('other')), 'unauthentic'],
    ['octets that are no RADIUS', randomBytes(300).fill(255, 2, 4), 'malformed'],
    ['nothing in it', Buffer.alloc(0), 'malformed'],
    [
      'accounting on the port for authentication',
      sealRadiusRequest({ code: radiusCode.accountingRequest, identifier: 1, attributes: [] }, secret),
      'malformed',
    ],
    ['an answer', sealRadiusQuestion({ ...request(), code: radiusCode.accessAccept }, secret), 'malformed'],
  ] as const) {
    test(`gives no answer to a datagram with ${what}`, async () => {
      const { counters, complaints } = await silence([bytes])
      assert.deepEqual([counters.received, counters.answered, counters[counter]], [2, 1, 1])
      assert.ok(!JSON.stringify(complaints).includes(sharedSecret))
    })
  }

  test('gives the same answer to a request that is repeated, and works once', async () => {
    const server = await accessServer(pki)
    const peer = await client(server.port)
    try {
      const bytes = sealRadiusQuestion(request(), secret)
      await peer.send(bytes)
      const first = await peer.answer()
      await peer.send(bytes)
      await peer.send(bytes)
      assert.deepEqual([await peer.answer(), await peer.answer()], [first, first])
      assert.equal(server.counters.repeated, 2)
      assert.equal(server.service.underWay(), 1)
      // The same identifier with another authenticator is another request.
      await peer.send(sealRadiusQuestion(request(), secret))
      assert.notDeepEqual(await peer.answer(), first)
      assert.equal(server.service.underWay(), 2)
    } finally {
      peer.close()
      await server.close()
    }
  })

  test('forgets the oldest answers first, and answers all the same', async () => {
    const server = await accessServer(pki, { radius: { answers: 4 } })
    const peer = await client(server.port)
    try {
      for (let i = 0; i < 20; i++) {
        await peer.send(sealRadiusQuestion(request(eap, i), secret))
        assert.equal((await peer.answer())[1], i)
      }
    } finally {
      peer.close()
      await server.close()
    }
  })

  test('rejects a password, a State that nobody was given, and EAP that is none', async () => {
    const server = await accessServer(pki)
    const peer = await client(server.port)
    try {
      for (const attributes of [
        [textAttribute(radiusAttribute.userName, 'nemo'), { type: 2, value: Buffer.alloc(16) }],
        [...eap, { type: radiusAttribute.state, value: randomBytes(16) }],
        splitValue(radiusAttribute.eapMessage, Buffer.from([1, 2, 3])),
      ]) {
        await peer.send(sealRadiusQuestion(request(attributes), secret))
        assert.equal((await peer.answer())[0], radiusCode.accessReject)
      }
      assert.equal(server.service.underWay(), 0)
    } finally {
      peer.close()
      await server.close()
    }
  })

  test('answers Status-Server, and returns Proxy-State in its order', async () => {
    const server = await accessServer(pki)
    const peer = await client(server.port)
    try {
      const proxies = ['one', 'two'].map(text => textAttribute(radiusAttribute.proxyState, text))
      await peer.send(sealRadiusQuestion({ ...request(proxies), code: radiusCode.statusServer }, secret))
      const answer = decodeRadius(await peer.answer())
      assert.equal(answer.code, radiusCode.accessAccept)
      const returned = answer.attributes.filter(({ type }) => type === radiusAttribute.proxyState)
      assert.deepEqual(
        returned.map(({ value }) => Buffer.from(value).toString()),
        ['one', 'two'],
      )
    } finally {
      peer.close()
      await server.close()
    }
  })

  test('bounds the conversations that one client can have under way, and lets go of old ones', async () => {
    let now = 1_000_000
    const server = await accessServer(pki, { clock: () => now, limits: { perClient: 3, conversation: 30_000 } })
    const peer = await client(server.port)
    try {
      for (let i = 0; i < 3; i++) {
        await peer.send(sealRadiusQuestion(request(eap, i), secret))
        assert.equal((await peer.answer())[0], radiusCode.accessChallenge)
      }
      // The oldest, in which nothing but a name was said, makes room.
      await peer.send(sealRadiusQuestion(request(eap, 9), secret))
      assert.equal((await peer.answer())[0], radiusCode.accessChallenge)
      assert.equal(server.service.underWay(), 3)
      now += 30_001
      await peer.send(sealRadiusQuestion(request(eap, 11), secret))
      assert.equal((await peer.answer())[1], 11)
      assert.equal(server.service.underWay(), 1)
    } finally {
      peer.close()
      await server.close()
    }
  })

  test('takes an address that is in use for what it is', async () => {
    const server = await accessServer(pki)
    try {
      const { listenRadius } = await import('../../../src/adapter/network/radius-listener.ts')
      const log = { info: () => {}, warn: () => {}, error: () => {} }
      const options = { host: '127.0.0.1', port: server.port, log, codes: [1], service: async () => undefined }
      await assert.rejects(listenRadius({ ...options, client: () => undefined }), { code: 'port-in-use' })
    } finally {
      await server.close()
    }
  })

  test('keeps the conversation of one client from another', async () => {
    // Both at one address: told apart here by a lookup that alternates, as two NAT-ed access points would not be.
    const server = await accessServer(pki)
    const peer = await client(server.port)
    try {
      await peer.send(sealRadiusQuestion(request(), secret))
      const answer = decodeRadius(await peer.answer())
      const state = attributeValue(answer, radiusAttribute.state)!
      assert.ok(joinedValue(answer, radiusAttribute.eapMessage))
      const packet = decodeRadius(sealRadiusQuestion(request([...eap, { type: 24, value: state }]), secret))
      const stolen = await server.service({ client: { id: 'gw2', secret }, address: '127.0.0.1', packet })
      assert.equal(stolen, undefined)
    } finally {
      peer.close()
      await server.close()
    }
  })
})
