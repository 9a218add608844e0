import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { exportSpki, generateDppKey } from '../../../src/protocol/dpp/key.ts'
import { formatBootstrappingUri } from '../../../src/protocol/dpp/uri.ts'
import { checkBootstrappingUri, type UriContext } from '../../../src/protocol/dpp/uri-check.ts'

const pair = generateDppKey('P-256')
const publicKey = exportSpki(pair)
const key = publicKey.toString('base64')
const good = `DPP:C:81/6,115/36;M:020000000100;I:SN=F-1;V:2;K:${key};;`

function rules(text: string, context: UriContext = {}): string[] {
  return checkBootstrappingUri(text, context).findings.map(({ severity, rule }) => `${severity} ${rule}`)
}

describe('a bootstrapping URI before it is printed', () => {
  test('that is good has nothing against it', () => {
    assert.deepEqual(rules(good), ['note mac-local'])
    assert.deepEqual(rules(good.replace('M:02', 'M:00')), [])
    assert.deepEqual(rules(good, { mac: '02:00:00:00:01:00', serial: 'F-1', channels: ['81/6'] }), ['note mac-local'])
  })

  test('of an unknown version, or of none', () => {
    assert.deepEqual(rules(`DPP:V:4;K:${key};;`), ['error version-unknown', 'note mac-missing'])
    assert.deepEqual(rules(`DPP:K:${key};;`), ['warning version-missing', 'note mac-missing'])
  })

  test('with the address of a group, of nothing, or of another radio', () => {
    const mac = (text: string, context?: UriContext) => rules(`DPP:M:${text};V:2;K:${key};;`, context)
    assert.deepEqual(mac('01005e000001'), ['error mac-group'])
    assert.deepEqual(mac('000000000000'), ['error mac-zero'])
    assert.deepEqual(mac('00aabbccddee', { mac: '00:AA:BB:CC:DD:EF' }), ['error mac-differs'])
    assert.deepEqual(mac('00aabbccddee', { mac: '00:AA:BB:CC:DD:EE' }), [])
    assert.deepEqual(mac('00aabbccdde'), ['error unreadable'])
  })

  test('with channels that are none, must not be used, or where nobody listens', () => {
    const channels = (text: string, context?: UriContext) =>
      rules(`DPP:C:${text};V:2;M:00aabbccddee;K:${key};;`, context)
    assert.deepEqual(channels('81/14'), ['error channel-unknown'])
    assert.deepEqual(channels('121/100'), ['warning channel-radar'])
    assert.deepEqual(channels('81/1', { channels: ['115/36'] }), ['warning channel-unheard'])
    assert.deepEqual(channels('81/1', { channels: ['81/6'] }), [], 'every device announces itself there, too')
    assert.deepEqual(channels('115/36', { channels: ['115/36'] }), [])
    assert.deepEqual(channels('6'), ['error unreadable'])
  })

  test('with a key that nobody can use, or that has two hashes', () => {
    const uncompressed = pair.key.export({ type: 'spki', format: 'der' }).toString('base64')
    const found = (text: string) => rules(`DPP:V:2;M:00aabbccddee;K:${text};;`)
    assert.deepEqual(found(uncompressed), ['error key-uncompressed'])
    const off = Buffer.from(publicKey)
    // y² has no root for about half of all x.
    const bad = Array.from({ length: 64 }, (_, n) => {
      off[off.length - 1] = n
      return found(off.toString('base64'))
    })
    assert.ok(bad.some(rule => rule.includes('error key-unusable')))
    assert.ok(bad.some(rule => rule.length === 0))
    assert.deepEqual(found('AAAA'), ['error key-unusable'])
    assert.deepEqual(found('not base64!'), ['error unreadable'])
    const large = exportSpki(generateDppKey('P-521'))
    const text = formatBootstrappingUri({ publicKey: large, curve: 'P-521', version: 2, mac: '00aabbccddee' })
    assert.deepEqual(rules(text), ['warning curve'])
  })

  test('with characters or an end that scanners differ on', () => {
    assert.deepEqual(rules(good.slice(0, -1)), ['warning end', 'note mac-local'])
    assert.deepEqual(rules(good.replace('SN=F-1', 'S\u00fcd')), ['error characters'])
    assert.deepEqual(rules(good.replace('I:SN=F-1', 'I:a;b')), ['note unknown-field', 'note mac-local'])
    assert.deepEqual(rules(`${good.slice(0, -1)}V:1;;`), ['warning field-twice', 'note mac-local'])
    assert.ok(rules(good.replace('SN=F-1', 'x'.repeat(200))).includes('warning length'))
    assert.deepEqual(rules(good, { serial: 'F-2' }), ['note mac-local', 'note serial-missing'])
    assert.deepEqual(rules(good.replace('DPP', 'dpp')), ['error scheme'])
  })

  test('that is another code says which', () => {
    const said = (text: string) => checkBootstrappingUri(text).findings[0]?.message ?? ''
    assert.match(said('MT:Y.K9042C00KA0648G00'), /Matter/)
    assert.match(said('WIFI:S:home;T:WPA;P:secret;;'), /network/)
    assert.match(said('ni:///sha-256;abc?sn=1&m=2'), /BRSKI/)
    assert.match(said('https://example.org'), /web page/)
  })

  test('may be anything', () => {
    fc.assert(fc.property(fc.string({ maxLength: 300 }), text => void checkBootstrappingUri(text)))
    fc.assert(fc.property(fc.string({ maxLength: 300 }), text => void checkBootstrappingUri(`DPP:${text};K:${key};;`)))
  })
})
