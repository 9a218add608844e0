import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { type NetworkTerms, networkFindings } from '../../src/domain/network-definition.ts'
import { bandOf, needsRadarDetection, parseChannel, sameChannel } from '../../src/domain/operating-class.ts'

export const terms: NetworkTerms = {
  ssid64: Buffer.from('harbour').toString('base64url'),
  akm: 'dpp+sae',
  segments: [{ name: 'devices', group: 'devices' }],
  passphraseLength: 32,
  channels: ['81/6'],
  netAccessKeyCurve: 'P-256',
  cSignCurve: 'P-256',
  pmksaCaching: false,
}
const rulesOf = (change: Partial<NetworkTerms>) =>
  networkFindings({ ...terms, ...change }).map(({ severity, rule }) => `${severity} ${rule}`)
const tagged = [
  { name: 'devices', group: 'devices', vlan: 10 },
  { name: 'quarantine', group: 'quarantine', vlan: 20 },
]

describe('a network definition', () => {
  test('that every access point can run is accepted without a word', () => {
    assert.deepEqual(rulesOf({}), [])
    assert.deepEqual(rulesOf({ akm: 'dpp' }), [])
    assert.deepEqual(rulesOf({ akm: 'dot1x', dot1x: { serverName: 'radius.harbour.example' } }), [])
  })

  test('with SAE and VLANs is refused while access points cache PMKSAs, and warned of for ever', () => {
    assert.deepEqual(rulesOf({ akm: 'sae', segments: tagged, pmksaCaching: true }), ['error sae-pmksa-vlan'])
    assert.deepEqual(rulesOf({ akm: 'sae', segments: tagged }), ['warning sae-pmksa-vlan'])
    const untagged = terms.segments
    assert.deepEqual(rulesOf({ akm: 'sae', segments: untagged, pmksaCaching: true }), [])
    assert.deepEqual(rulesOf({ akm: 'psk', segments: tagged, pmksaCaching: true }), ['warning psk-only'])
  })

  test('with Connectors and several VLANs is refused: an access point takes none from a Connector', () => {
    assert.deepEqual(rulesOf({ akm: 'dpp', segments: tagged }), ['error dpp-vlan'])
    assert.deepEqual(rulesOf({ akm: 'dpp', segments: tagged.slice(0, 1) }), [])
    assert.deepEqual(rulesOf({ akm: 'dpp+sae', segments: tagged.slice(0, 1) }), ['warning dpp-vlan-bridge'])
    const [first, second] = tagged
    const any = [first!, { ...second!, vlan: 10, group: '*' }]
    assert.deepEqual(rulesOf({ akm: 'dpp', segments: any }), ['error group-of-all'])
  })

  test('is held against the bands', () => {
    assert.deepEqual(rulesOf({ akm: 'psk', channels: ['131/5'] }), ['error psk-at-6-ghz', 'warning psk-only'])
    assert.deepEqual(rulesOf({ channels: ['131/5'] }), [])
    assert.deepEqual(rulesOf({ channels: ['118/52'] }), ['warning channel-radar'])
    for (const text of ['6', '81/15', '81/', '7/1', '81/6,115/36', '999/1', '081/006/1']) {
      assert.deepEqual(rulesOf({ channels: [text] }), ['error channel-unknown'], text)
    }
  })

  test('has an SSID of 1 to 32 octets, text or not', () => {
    const ssid = (octets: Uint8Array) => rulesOf({ ssid64: Buffer.from(octets).toString('base64url') })
    assert.deepEqual(ssid(Buffer.alloc(0)), ['error ssid-length'])
    assert.deepEqual(ssid(Buffer.alloc(33, 65)), ['error ssid-length'])
    assert.deepEqual(ssid(Buffer.from([0xff, 0xfe])), ['warning ssid-octets'])
    assert.deepEqual(ssid(Buffer.from('Hafen Süd')), [])
    assert.deepEqual(rulesOf({ ssid64: 'aGFyYm91cg==' }), ['error ssid-encoding'])
  })

  test('names the RADIUS server of a dot1x network, and of no other', () => {
    assert.deepEqual(rulesOf({ akm: 'dot1x' }), ['error dot1x-server'])
    assert.deepEqual(rulesOf({ dot1x: { serverName: 'radius.example' } }), ['error dot1x-unused'])
    const server = { serverName: 'radius.example' }
    assert.deepEqual(rulesOf({ akm: 'dot1x', dot1x: server, segments: tagged }), ['warning dot1x-vlan'])
  })

  test('keeps secrets long and says what is weak', () => {
    assert.deepEqual(rulesOf({ passphraseLength: 19 }), ['error passphrase-length'])
    assert.deepEqual(rulesOf({ passphraseLength: 64 }), ['error passphrase-length'])
    assert.deepEqual(rulesOf({ akm: 'psk+sae' }), ['warning psk-beside-sae'])
    assert.deepEqual(rulesOf({ netAccessKeyCurve: 'P-384' }), ['warning curve-rare'])
  })

  test('has segments, each once', () => {
    assert.deepEqual(rulesOf({ segments: [] }), ['error segment-missing'])
    const twice = { name: 'devices', group: 'more' }
    assert.deepEqual(rulesOf({ segments: [...terms.segments, twice] }), ['error segment-twice'])
  })
})

describe('channels', () => {
  test('are those of the global operating classes', () => {
    const band = (text: string) => bandOf(parseChannel(text)!)
    assert.equal(band('81/13'), '2.4 GHz')
    assert.equal(band('115/36'), '5 GHz')
    assert.equal(band('121/144'), '5 GHz')
    assert.equal(band('131/233'), '6 GHz')
    assert.equal(band('180/2'), '60 GHz')
    for (const text of ['81/14', '115/52', '131/2', '0/0']) assert.equal(band(text), undefined, text)
    assert.ok(needsRadarDetection(parseChannel('121/100')!))
    assert.ok(!needsRadarDetection(parseChannel('115/36')!))
  })

  test('are the same in another class of their band', () => {
    const same = (one: string, other: string) => sameChannel(parseChannel(one)!, parseChannel(other)!)
    assert.ok(same('124/149', '125/149'))
    assert.ok(!same('81/1', '131/1'))
    assert.ok(!same('81/14', '81/14'), 'a channel that is none')
  })
})
