import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { CodecError } from '../../../src/codec/error.ts'
import { decodeAttributes } from '../../../src/protocol/dpp/attribute.ts'
import { signConnector, verifyConnector } from '../../../src/protocol/dpp/connector.ts'
import { curves, type DppCurve } from '../../../src/protocol/dpp/curve.ts'
import {
  acceptPeerDiscovery,
  answerPeerDiscovery,
  encodePeerDiscoveryRequest,
  haveCommonGroup,
  type IntroductionOptions,
} from '../../../src/protocol/dpp/introduction.ts'
import { type DppKeyPair, generateDppKey, importScalar, keyId } from '../../../src/protocol/dpp/key.ts'
import { adding, flipped, replacing, rewritten, without } from './pkex-party.ts'
import { transcripts } from './transcript.ts'

const csign = generateDppKey('P-256')
const now = new Date('2026-11-20T00:00:00Z')

interface Terms {
  readonly by?: DppKeyPair
  readonly curve?: DppCurve
  readonly groups?: readonly { readonly groupId: string; readonly netRole: string }[]
  readonly expiry?: Date
  readonly version?: number
}

function party(netRole: string, terms: Terms = {}): IntroductionOptions {
  const { by = csign, curve = 'P-256', groups = [{ groupId: 'home', netRole }], expiry, version } = terms
  const netAccessKey = generateDppKey(curve)
  const fields = { groups, netAccessKey, ...(expiry && { expiry }), ...(version !== undefined && { version }) }
  const text = signConnector(fields, { key: by.privateKey, csign: by })
  const connector = verifyConnector(text, { csign: by })
  return { csign: { key: csign, kid: keyId(csign) }, connector, netAccessKey, at: now }
}

const attributes = (message: Uint8Array) => message.subarray(7)

function meet(station: IntroductionOptions, ap: IntroductionOptions) {
  const request = encodePeerDiscoveryRequest(station, 7)
  const { message, introduction } = answerPeerDiscovery(ap, attributes(request))
  return { request, message, introduction, station: () => acceptPeerDiscovery(station, 7, attributes(message)) }
}

/** The access point says why not, and the station takes that for a no. */
function assertRefused(station: IntroductionOptions, ap: IntroductionOptions, status: number): void {
  const met = meet(station, ap)
  assert.equal(met.introduction, undefined)
  const list = decodeAttributes(attributes(met.message))
  assert.deepEqual([list.octet('status'), list.octet('transactionId'), list.get('connector')], [status, 7, undefined])
  assert.throws(met.station, { code: 'connector-invalid' })
}

describe('network introduction', () => {
  test('gives both sides one PMK, on every curve, and nobody else [dpp: network_introduction, akm_sha256, akm_sha384, akm_sha512]', () => {
    for (const { curve, hashSize } of curves) {
      const [sta, ap] = [party('sta', { curve }), party('ap', { curve })]
      const met = meet(sta, ap)
      const [left, right] = [met.station(), met.introduction!]
      assert.deepEqual(left.pmk.reveal(), right.pmk.reveal())
      assert.equal(left.pmk.reveal().length, hashSize)
      assert.deepEqual([left.pmkid, left.pmkid.length], [right.pmkid, 16])
      assert.deepEqual(left.peer.netAccessKey.point, ap.netAccessKey.point)
      const other = meet(party('sta', { curve }), ap).introduction!
      assert.notDeepEqual(other.pmk.reveal(), right.pmk.reveal())
    }
  })

  test('takes the Connectors that hostap’s Configurator signed', () => {
    const { inputs, messages } = transcripts.find(({ name }) => name === 'tcp_p256_one_way')!
    const [key, netAccessKey] = ['c_sign', 'pI'].map(name => importScalar('P-256', Buffer.from(inputs[name]!, 'hex')))
    const object = (messages[4]!.clear as unknown as { config_object: string }).config_object
    const text = /"signedConnector":"([^"]+)"/.exec(object)![1]!
    const station: IntroductionOptions = {
      csign: { key: key!, kid: keyId(key!) },
      connector: verifyConnector(text, { csign: key! }),
      netAccessKey: netAccessKey!,
    }
    const fields = { groups: [{ groupId: 'any', netRole: 'ap' }], netAccessKey: generateDppKey('P-256') }
    const apText = signConnector(fields, { key: key!.privateKey, csign: key! })
    const ap = { ...station, connector: verifyConnector(apText, { csign: key! }), netAccessKey: fields.netAccessKey }
    const met = meet(station, ap)
    assert.deepEqual(met.station().pmk.reveal(), met.introduction!.pmk.reveal())
  })

  test('needs a Connector of the same Configurator [dpp: intro_mismatch]', () => {
    assertRefused(party('sta', { by: generateDppKey('P-256') }), party('ap'), 7)
  })

  test('needs one that has not run out, on either side [dpp: network_introduction_expired]', () => {
    assertRefused(party('sta', { expiry: now }), party('ap'), 7)
    assertRefused(party('sta'), party('ap', { expiry: now }), 7)
    const later = new Date(now.getTime() + 1000)
    assert.ok(meet(party('sta', { expiry: later }), party('ap')).introduction !== undefined)
  })

  test('needs keys on one curve', () => {
    assertRefused(party('sta', { curve: 'P-384' }), party('ap'), 7)
  })

  test('needs a group in common, and a station for an access point', () => {
    assertRefused(party('sta', { groups: [{ groupId: 'garage', netRole: 'sta' }] }), party('ap'), 8)
    assertRefused(party('ap'), party('ap'), 8)
    assertRefused(party('configurator'), party('ap'), 8)
    const common = (left: string, right: string) =>
      haveCommonGroup([{ groupId: left, netRole: 'sta' }], [{ groupId: right, netRole: 'ap' }])
    assert.deepEqual(
      [common('a', 'a'), common('*', 'a'), common('a', '*'), common('*', '*'), common('a', 'b'), common('a', 'A')],
      [true, true, true, true, false, false],
    )
    assert.ok(!haveCommonGroup([{ groupId: 'a', netRole: 'sta' }], [{ groupId: 'a', netRole: 'sta' }]))
  })

  test('meets nobody with our own Connector', () => {
    const ap = party('ap', {
      groups: [
        { groupId: '*', netRole: 'ap' },
        { groupId: '*', netRole: 'sta' },
      ],
    })
    assertRefused(ap, ap, 7)
  })

  test('says the version of the Connector, which nobody can lower [dpp: network_intro_version, network_intro_version_change, network_intro_version_missing_req]', () => {
    const [sta, ap] = [party('sta', { version: 3 }), party('ap', { version: 3 })]
    const { request, message, station } = meet(sta, ap)
    assert.equal(decodeAttributes(attributes(request)).octet('protocolVersion'), 3)
    assert.equal(station().peer.version, 3)
    for (const change of [replacing('protocolVersion', Buffer.of(2)), without('protocolVersion')]) {
      const refused = answerPeerDiscovery(ap, attributes(rewritten(request, change)))
      assert.equal(decodeAttributes(attributes(refused.message)).octet('status'), 8)
      assert.throws(() => acceptPeerDiscovery(sta, 7, attributes(rewritten(message, change))), {
        code: 'connector-invalid',
      })
    }
  })

  test('reads no message with something missing or wrong [dpp: proto_network_introduction, peer_intro_failures]', () => {
    const [sta, ap] = [party('sta'), party('ap')]
    const { request, message } = meet(sta, ap)
    for (const change of [
      without('transactionId'),
      without('connector'),
      replacing('transactionId', Buffer.alloc(2)),
    ]) {
      assert.throws(() => answerPeerDiscovery(ap, attributes(rewritten(request, change))), CodecError)
      assert.throws(() => acceptPeerDiscovery(sta, 7, attributes(rewritten(message, change))), CodecError)
    }
    assert.throws(() => acceptPeerDiscovery(sta, 7, attributes(rewritten(message, without('status')))), CodecError)
    assert.throws(() => acceptPeerDiscovery(sta, 8, attributes(message)), CodecError, 'of another transaction')
    for (const broken of [replacing('connector', flipped), replacing('connector', Buffer.alloc(0))]) {
      const { message: no } = answerPeerDiscovery(ap, attributes(rewritten(request, broken)))
      assert.equal(decodeAttributes(attributes(no)).octet('status'), 7)
    }
    const unknown = rewritten(request, adding(0x10ff, Buffer.alloc(3)))
    assert.ok(answerPeerDiscovery(ap, attributes(unknown)).introduction !== undefined)
  })
})
