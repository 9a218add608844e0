import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { CodecError } from '../../src/codec/error.ts'
import { CryptoError } from '../../src/crypto/error.ts'
import { attribute } from '../../src/protocol/dpp/attribute.ts'
import { decodeFrame } from '../../src/protocol/dpp/frame.ts'
import { agreeWithSum, generateDppKey } from '../../src/protocol/dpp/key.ts'
import * as configurator from '../../src/protocol/dpp/reconfiguration-configurator.ts'
import * as enrollee from '../../src/protocol/dpp/reconfiguration-enrollee.ts'
import {
  decodeReconfigurationAnnouncement,
  sealReconfigurationResponse,
} from '../../src/protocol/dpp/reconfiguration-message.ts'
import { reconfigurationKey } from '../../src/protocol/dpp/reconfiguration-session.ts'
import { flipped, forge, replaced, shortened, without } from '../protocol/dpp/forge.ts'
import * as pkex from '../protocol/dpp/pkex-party.ts'
import * as party from '../protocol/dpp/reconfiguration-party.ts'

const { received } = party

function sentBy({ effects }: { readonly effects: readonly { readonly type: string }[] }): Buffer {
  const effect = effects.find(each => each.type === 'send') as { message: Buffer } | undefined
  return effect?.message ?? assert.fail('nothing was sent')
}

/** An honest exchange up to each message, and its key. */
function exchange(owner = party.home(), device = party.device(owner), ours = party.configurator(owner)) {
  const announced = enrollee.begin(device)
  const requested = configurator.begin(ours)
  const responded = enrollee.step(announced.state, received(sentBy(requested)))
  const identified = configurator.step(requested.state, received(sentBy(responded)))
  const allowed = configurator.step(identified.state, { type: 'allowed', replaceKey: true })
  const m = agreeWithSum(device.netAccessKey, device.protocolKey, ours.netAccessKey)
  const ke = reconfigurationKey('P-256', ours.nonce, device.nonce, m)
  const messages = { announcement: sentBy(announced), request: sentBy(requested) }
  return {
    ...{ owner, device, ours, announced, requested, responded, identified, allowed, ke },
    ...{ ...messages, response: sentBy(responded), confirm: sentBy(allowed) },
  }
}

/** The Configurator has given up, and says nothing. */
function refusedByConfigurator({ requested }: ReturnType<typeof exchange>, response: Uint8Array): void {
  const { state, effects } = configurator.step(requested.state, received(response))
  assert.equal(state.type, 'failed')
  assert.deepEqual(effects, [])
}

function* flips(message: Uint8Array): Generator<[altered: Buffer, octet: number]> {
  for (let bit = 0; bit < message.length * 8; bit++) {
    const altered = Buffer.from(message)
    altered[bit >> 3]! ^= 1 << (bit & 7)
    yield [altered, bit >> 3]
  }
}

function readable(
  message: Uint8Array,
): { readonly type: 'received'; readonly frame: ReturnType<typeof decodeFrame> } | undefined {
  try {
    return { type: 'received', frame: decodeFrame(message) }
  } catch (error) {
    assert.ok(error instanceof CodecError)
    return undefined
  }
}

describe('an altered bit', () => {
  test('of an announcement leads nowhere: to nobody, or to no point of the curve', () => {
    const { announcement, owner } = exchange()
    for (const [altered, octet] of flips(announcement.subarray(7))) {
      try {
        const heard = decodeReconfigurationAnnouncement(altered, hash =>
          Buffer.compare(hash, announcement.subarray(11, 43)) === 0 ? owner.ppKey.curve : undefined,
        )
        assert.equal(heard, undefined, `octet ${octet}`)
      } catch (error) {
        assert.ok(error instanceof CodecError || error instanceof CryptoError, String(error))
      }
    }
  })

  test('of a request is no request, or ends in a key that the Configurator has not', () => {
    const so = exchange()
    let answered = 0
    for (const [altered, octet] of flips(so.request)) {
      const input = readable(altered)
      if (input === undefined) continue
      const heard = enrollee.step(so.announced.state, input)
      if (heard.effects.length === 0) {
        assert.strictEqual(heard.state, so.announced.state, `octet ${octet}`)
        continue
      }
      answered++
      const identified = configurator.step(so.requested.state, received(sentBy(heard)))
      // The Configurator's version stands in clear, and lowering it costs a device no more than what it would not use.
      const version = so.request.indexOf(Buffer.from('1910010003', 'hex')) + 4
      if (octet === version) assert.equal(identified.state.type, 'identified')
      else assert.equal(identified.state.type, 'failed', `octet ${octet}`)
    }
    assert.ok(answered > 100, 'transaction, version and C-nonce are in clear')
  })

  test('of a response is found out', () => {
    const so = exchange()
    for (const [altered, octet] of flips(so.response)) {
      const input = readable(altered)
      if (input === undefined) continue
      const { state, effects } = configurator.step(so.requested.state, input)
      assert.deepEqual(effects, [], `octet ${octet}`)
      if (state.type !== 'failed') assert.strictEqual(state, so.requested.state)
    }
  })

  test('of a confirmation is found out', () => {
    const so = exchange()
    for (const [altered, octet] of flips(so.confirm)) {
      const input = readable(altered)
      if (input === undefined) continue
      const { state, effects } = enrollee.step(so.responded.state, input)
      assert.deepEqual(effects, [])
      if (state.type !== 'failed') assert.strictEqual(state, so.responded.state, `octet ${octet}`)
    }
  })
})

describe('a device answers nobody but its own Configurator:', () => {
  const heard = (device: enrollee.EnrolleeOptions, ours: configurator.ConfiguratorOptions) => {
    const announced = enrollee.begin(device)
    const result = enrollee.step(announced.state, received(sentBy(configurator.begin(ours))))
    return result.state === announced.state && result.effects.length === 0 ? 'nothing' : result.state.type
  }
  const owner = party.home()

  test('not the Connector of another one', () => {
    assert.equal(heard(party.device(owner), party.configurator(party.home())), 'nothing')
  })

  test('not a station or an access point that shows its own Connector', () => {
    for (const netRole of ['sta', 'ap', 'Configurator']) {
      assert.equal(heard(party.device(owner), party.configurator(owner, 'P-256', { netRole })), 'nothing')
    }
  })

  test('not a Configurator whose key is on another curve', () => {
    const other = { ...party.configurator(owner, 'P-384') }
    assert.equal(heard(party.device(owner), other), 'nothing')
  })

  test('not somebody who has copied the Connector of the Configurator: the key that follows is not theirs', () => {
    const real = party.configurator(owner)
    const thief = { ...party.configurator(owner), connector: real.connector }
    const announced = enrollee.begin(party.device(owner))
    const requested = configurator.begin(thief)
    const responded = enrollee.step(announced.state, received(sentBy(requested)))
    const { state, effects } = configurator.step(requested.state, received(sentBy(responded)))
    assert.deepEqual([state.type, effects], ['failed', []])
  })

  test('not version 1, and nothing without Connector, nonce or transaction', () => {
    const { announced, request } = exchange(owner)
    for (const change of [
      pkex.without('connector'),
      pkex.without('configuratorNonce'),
      pkex.without('transactionId'),
      pkex.without('protocolVersion'),
      pkex.replacing('protocolVersion', Buffer.of(1)),
      pkex.replacing('protocolVersion', Buffer.of(0)),
      pkex.replacing('configuratorNonce', Buffer.alloc(15)),
      pkex.replacing('connector', Buffer.from('a.b.c')),
      pkex.replacing('connector', Buffer.alloc(40_000, 0x41)),
    ]) {
      const result = enrollee.step(announced.state, received(pkex.rewritten(request, change)))
      assert.deepEqual([result.state === announced.state, result.effects], [true, []])
    }
  })
})

describe('a Configurator believes no device', () => {
  test('with the Connector of another Configurator', () => {
    const so = exchange()
    const foreign = party.device(party.home())
    const stranger = { ...foreign, csign: so.device.csign, ppKey: so.device.ppKey }
    const announced = enrollee.begin(stranger)
    refusedByConfigurator(so, sentBy(enrollee.step(announced.state, received(so.request))))
  })

  test('with the Connector of another device', () => {
    const owner = party.home()
    const victim = party.device(owner)
    const so = exchange(owner)
    const thief = { ...party.device(owner), connector: victim.connector }
    const announced = enrollee.begin(thief)
    refusedByConfigurator(so, sentBy(enrollee.step(announced.state, received(so.request))))
  })

  test('that shows the Connector of a Configurator, ours among them', () => {
    const owner = party.home()
    const so = exchange(owner)
    const other = party.configurator(owner)
    for (const { connector, netAccessKey } of [so.ours, other]) {
      const announced = enrollee.begin({ ...party.device(owner), connector, netAccessKey })
      refusedByConfigurator(so, sentBy(enrollee.step(announced.state, received(so.request))))
    }
  })

  test('with a response of another time: same device, same Configurator', () => {
    const owner = party.home()
    const [device, ours] = [party.device(owner), party.configurator(owner)]
    const old = exchange(owner, device, ours)
    const now = exchange(owner, device, { ...ours, nonce: party.configurator(owner).nonce })
    refusedByConfigurator(now, old.response)
    const { state } = enrollee.step(now.responded.state, received(old.confirm))
    assert.equal(state.type, 'failed', 'nor does the device take an old confirmation')
  })

  test('of another transaction', () => {
    const so = exchange()
    const other = configurator.begin({ ...so.ours, transaction: 2 })
    assert.equal(configurator.step(other.state, received(so.response)).state.type, 'failed')
  })

  const broken: Readonly<Record<string, Parameters<typeof forge>[2]>> = {
    'without transaction': { outer: without('transactionId') },
    'without version': { outer: without('protocolVersion') },
    'with version 1': { outer: replaced('protocolVersion', () => Buffer.of(1)) },
    'without Connector': { outer: without('connector') },
    'without E-nonce': { outer: without('enrolleeNonce') },
    'with a short E-nonce': { outer: shortened('enrolleeNonce') },
    'without protocol key': { outer: without('responderProtocolKey') },
    'with a protocol key off the curve': { outer: flipped('responderProtocolKey') },
    'with a protocol key of zeros': { outer: replaced('responderProtocolKey', () => Buffer.alloc(64)) },
    'with a protocol key of another curve': {
      outer: replaced('responderProtocolKey', () => generateDppKey('BP-256').point),
    },
    'without wrapped data': { outer: without('wrappedData') },
    'without C-nonce': { inner: without('configuratorNonce') },
    'with a short C-nonce': { inner: shortened('configuratorNonce') },
    'with another C-nonce': { inner: flipped('configuratorNonce') },
    'without connection status': { inner: without('connectionStatus') },
    'with a connection status that is none': { inner: replaced('connectionStatus', () => Buffer.from('[]')) },
    'with an attribute behind wrapped data': { after: [[attribute.status, Buffer.of(0)]] },
  }
  for (const [what, change] of Object.entries(broken)) {
    test(`that answers ${what}`, () => {
      const so = exchange()
      refusedByConfigurator(so, forge(so.response, so.ke, change))
    })
  }

  test('whose protocol key is the opposite of its netAccessKey, so that their sum is nothing', () => {
    const so = exchange()
    const { point } = so.device.netAccessKey
    const opposite = Buffer.from(point)
    const p = 0xffffffff00000001000000000000000000000000ffffffffffffffffffffffffn
    const y = p - BigInt(`0x${point.subarray(32).toString('hex')}`)
    opposite.write(y.toString(16).padStart(64, '0'), 32, 'hex')
    const key = { ...so.device.protocolKey, point: opposite }
    const { transaction } = so.ours
    const response = sealReconfigurationResponse(
      so.ke,
      { ...so.device, transaction, enrolleeNonce: so.device.nonce, protocolKey: key },
      { configuratorNonce: so.ours.nonce, connectionStatus: { result: 10 } },
    )
    refusedByConfigurator(so, response)
  })
})

describe('a device takes no confirmation', () => {
  const inner: Readonly<Record<string, Parameters<typeof forge>[2]>> = {
    'of another transaction': { inner: replaced('transactionId', () => Buffer.of(2)) },
    'that names another version than the device’s': { inner: replaced('protocolVersion', () => Buffer.of(3)) },
    'with another C-nonce': { inner: flipped('configuratorNonce') },
    'with another E-nonce': { inner: flipped('enrolleeNonce') },
    'without flags': { inner: without('reconfigurationFlags') },
    'without transaction': { inner: without('transactionId') },
    'without status': { outer: without('status') },
    'without wrapped data': { outer: without('wrappedData') },
    'with an attribute behind wrapped data': { after: [[attribute.status, Buffer.of(0)]] },
  }
  for (const [what, change] of Object.entries(inner)) {
    test(what, () => {
      const so = exchange()
      const { state, effects } = enrollee.step(so.responded.state, received(forge(so.confirm, so.ke, change)))
      assert.deepEqual([state.type, effects], ['failed', []])
    })
  }

  test('whose refusal was turned into a yes', () => {
    const so = exchange()
    const refused = configurator.step(so.identified.state, { type: 'refused', status: 5 })
    const turned = Buffer.from(sentBy(refused))
    assert.equal(turned[11], 5)
    turned[11] = 0
    assert.equal(enrollee.step(so.responded.state, received(turned)).state.type, 'failed')
  })

  test('that is its own response, sent back', () => {
    const so = exchange()
    const echoed = Buffer.from(so.response)
    echoed[6] = 17
    assert.equal(enrollee.step(so.responded.state, received(echoed)).state.type, 'failed')
  })
})
