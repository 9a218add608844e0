import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { Secret } from '../../../src/crypto/secret.ts'
import { OnboardingError } from '../../../src/domain/error.ts'
import { akmSelectors, akms, decodeAkm } from '../../../src/protocol/dpp/akm.ts'
import { acceptConfigurations } from '../../../src/protocol/dpp/configuration-check.ts'
import {
  type ConfigurationObject,
  decodeConfigurationObject,
  encodeConfigurationObject,
} from '../../../src/protocol/dpp/configuration-object.ts'
import { forPeerVersion } from '../../../src/protocol/dpp/configuration-version.ts'
import { signConnector } from '../../../src/protocol/dpp/connector.ts'
import type { DppCurve } from '../../../src/protocol/dpp/curve.ts'
import { generateDppKey, keyId } from '../../../src/protocol/dpp/key.ts'
import { refused, total } from '../../codec/refused.ts'
import { bytesOf, type Loose, legacyObject, looseConnector, looseObject, type Party, party } from './configuration.ts'

const who = party()
const at = new Date('2026-06-01T12:00:00Z')
const read = (json: unknown) => decodeConfigurationObject(bytesOf(json))
const accept = (json: unknown, { net }: Party = who) => acceptConfigurations([bytesOf(json)], { netAccessKey: net, at })

/** The Enrollee's view: refused with a code, and with words that name what is wrong. */
function refusedFor(words: RegExp, call: () => unknown): void {
  assert.throws(call, error => {
    assert.ok(error instanceof OnboardingError, String(error))
    assert.match(String(error.detail['reason']), words)
    return error.code === 'configuration-invalid'
  })
}

interface Transcript {
  readonly name: string
  readonly messages: readonly { readonly clear?: { readonly config_object?: string } }[]
}

const { transcripts }: { transcripts: readonly Transcript[] } = JSON.parse(
  readFileSync(new URL('../../vector/dpp/transcript.json', import.meta.url), 'utf8'),
)
const recorded = transcripts.flatMap(({ name, messages }) =>
  messages.flatMap(({ clear }) => (clear?.config_object === undefined ? [] : [{ name, text: clear.config_object }])),
)

describe('what Debian sends', () => {
  test('every object of the recorded exchanges is there', () => assert.equal(recorded.length, 22))
  for (const { name, text } of recorded) {
    test(`is read, and written again octet for octet: ${name}`, () => {
      const object = decodeConfigurationObject(Buffer.from(text))
      const spelling = {
        ...(text.includes('506F9A02') && { akm: 'selector' as const }),
        ...(text.includes('ssid64') && { ssid: 'ssid64' as const }),
      }
      assert.equal(encodeConfigurationObject(object, spelling).toString(), text)
    })
  }
})

describe('rows of the peer suite: what is there and of what kind', () => {
  const without = (json: Loose, member: string): Loose => ({ ...json, [member]: undefined })
  const whole = looseObject(who)

  test('config_root_not_an_object', () => refusedFor(/object/, () => accept(123)))
  test('config_no_wi_fi_tech', () => refusedFor(/wi-fi_tech is missing/, () => accept(without(whole, 'wi-fi_tech'))))
  test('config_unsupported_wi_fi_tech', () =>
    refusedFor(/wi-fi_tech is not infra/, () => accept({ ...whole, 'wi-fi_tech': 'unsupported' })))
  test('config_no_discovery', () => refusedFor(/discovery is missing/, () => accept(without(whole, 'discovery'))))
  test('config_no_discovery_ssid', () => refusedFor(/ssid is missing/, () => accept({ ...whole, discovery: {} })))
  test('config_too_long_discovery_ssid', () => {
    refusedFor(/SSID of 33/, () => accept({ ...whole, discovery: { ssid: 's'.repeat(33) } }))
    // Octets count, not letters.
    refusedFor(/SSID of 34/, () => accept({ ...whole, discovery: { ssid: 'é'.repeat(17) } }))
    refusedFor(/SSID of 0/, () => accept({ ...whole, discovery: { ssid: '' } }))
    refusedFor(/SSID of 33/, () => accept({ ...whole, discovery: { ssid64: Buffer.alloc(33).toString('base64url') } }))
  })
  test('config_no_cred', () => refusedFor(/cred is missing/, () => accept(without(whole, 'cred'))))
  test('config_no_cred_akm', () =>
    refusedFor(/akm is missing/, () => accept(looseObject(who, { cred: { akm: undefined } }))))
  test('config_unsupported_cred_akm', () => {
    for (const akm of ['unsupported', '', 'dpp+', '00000000', 'dpp+dot1x', '506F9A02+000FAC01'])
      refusedFor(/akm .* is not known/, () => accept(looseObject(who, { cred: { akm } })))
  })
  test('config_no_csign', () =>
    refusedFor(/csign is missing/, () => accept(looseObject(who, { cred: { csign: undefined } }))))
  test('config_no_signed_connector', () =>
    refusedFor(/signedConnector is missing/, () => accept(looseObject(who, { cred: { signedConnector: undefined } }))))
  test('config_unexpected_signed_connector_char: in the whole object', () => {
    const signedConnector = `${looseConnector(who).slice(0, -1)}\n`
    assert.throws(() => accept(looseObject(who, { cred: { signedConnector } })), { code: 'connector-invalid' })
  })
})

describe('rows of the peer suite: the JWK of the C-sign key', () => {
  const { curve } = who.csign
  const short = Buffer.alloc(31, 1).toString('base64url')
  const wrong: Readonly<Record<string, [RegExp, Loose]>> = {
    no_kty: [/kty/, { kty: undefined }],
    unexpected_kty: [/kty/, { kty: 'unknown' }],
    no_crv: [/crv/, { crv: undefined }],
    unsupported_crv: [/crv/, { crv: 'unsupported' }],
    no_x: [/without x/, { x: undefined }],
    invalid_x: [/length/, { x: short }],
    no_y: [/x and y/, { y: undefined }],
    invalid_y: [/length/, { y: short }],
    invalid_xy: [/not a point/, { x: Buffer.alloc(32, 1).toString('base64url') }],
    no_kid: [/kid is missing/, { kid: undefined }],
  }
  for (const [row, [words, csign]] of Object.entries(wrong)) {
    test(`config_jwk_error_${row}`, () => refusedFor(words, () => accept(looseObject(who, { csign }))))
  }
  test('ppKey is held to the same rules', () => {
    assert.equal(curve, 'P-256')
    refusedFor(/ppKey/, () => accept(looseObject(who, { cred: { ppKey: 1 } })))
    refusedFor(/ppKey: .*crv/, () => accept(looseObject(who, { cred: { ppKey: { kty: 'EC', crv: 'P-224' } } })))
  })
  test('a kid that is not that of the Connector', () => {
    assert.throws(() => accept(looseObject(who, { csign: { kid: 'another' } })), { code: 'connector-invalid' })
  })
})

describe('rows of the peer suite: the header of the Connector, in the whole object', () => {
  test('config_jws_error: every row of the header ends here too', () => {
    for (const header of [{ typ: undefined }, { alg: 'ES512' }, { kid: 'x' }, '1'])
      assert.throws(() => accept(looseObject(who, { connector: { header } })), { code: 'connector-invalid' })
  })
})

describe('rows of the peer suite: psk and sae', () => {
  const legacy = (cred: Loose) => () => accept(legacyObject(cred))
  const psk = 'a'.repeat(64)

  test('what a station with a passphrase gets [dpp: config_legacy]', () => {
    const [{ ssid, cred } = assert.fail()] = accept(legacyObject({ akm: 'psk', pass: 'secret passphrase' }))
    assert.deepEqual([Buffer.from(ssid).toString(), cred.akm], ['home', 'psk'])
    assert.ok(cred.pass?.equals('secret passphrase'))
    assert.equal(cred.connector, undefined)
  })
  test('config_legacy_psk_hex', () => {
    const [{ cred } = assert.fail()] = accept(legacyObject({ akm: 'psk', psk_hex: psk }))
    assert.equal(cred.psk?.reveal().toString('hex'), psk)
  })
  test('config_error_legacy_no_pass', () => refusedFor(/psk without pass/, legacy({ akm: 'psk' })))
  test('config_error_legacy_too_short_pass', () => refusedFor(/8 to 63/, legacy({ akm: 'psk', pass: '1' })))
  test('config_error_legacy_too_long_pass', () => {
    refusedFor(/8 to 63/, legacy({ akm: 'psk', pass: 'x'.repeat(64) }))
    refusedFor(/1 to 63/, legacy({ akm: 'sae', pass: 'x'.repeat(64) }))
  })
  test('config_error_legacy_psk_with_sae', () => refusedFor(/sae without pass/, legacy({ akm: 'sae', psk_hex: psk })))
  test('config_error_legacy_no_pass_for_sae', () => {
    refusedFor(/sae without pass/, legacy({ akm: 'psk+sae', psk_hex: psk }))
    refusedFor(/sae without pass/, legacy({ akm: 'sae' }))
  })
  test('config_error_legacy_invalid_psk', () => refusedFor(/psk_hex/, legacy({ akm: 'psk', psk_hex: 'q'.repeat(64) })))
  test('config_error_legacy_too_short_psk', () => refusedFor(/psk_hex/, legacy({ akm: 'psk', psk_hex: 'a' })))
  test('nothing prints a password', () => {
    const [object] = accept(legacyObject({ akm: 'sae', pass: 'secret passphrase', idpass: 'lamp' }))
    assert.doesNotMatch(JSON.stringify(object), /secret passphrase/)
  })
})

const plain = { ssid: Buffer.from('dpp-net'), thirdParty: {} }
const groups = [{ groupId: '*', netRole: 'sta' }]

function credentialOf({ csign, net }: Party, expiry?: Date) {
  const fields = { groups, netAccessKey: net, ...(expiry !== undefined && { expiry }) }
  return { signedConnector: signConnector(fields, { csign, key: csign.privateKey }), csign, kid: keyId(csign) }
}

const write = (object: ConfigurationObject) => encodeConfigurationObject(object)

describe('rows of the peer suite: what a Configurator makes', () => {
  const name = { 'P-256': 'prime256v1', 'P-384': 'secp384r1', 'P-521': 'secp521r1' } as const
  const three: readonly (keyof typeof name)[] = ['P-256', 'P-384', 'P-521']
  const made = (csign: DppCurve, net: DppCurve) => {
    const pair = party(csign, net)
    const bytes = write({ ...plain, cred: { akm: 'dpp', connector: credentialOf(pair) } })
    const [object] = acceptConfigurations([bytes], { netAccessKey: pair.net, at })
    assert.deepEqual(object?.connector?.netAccessKey.point, pair.net.point)
    assert.equal(object.cred.connector?.csign.curve, csign)
  }
  for (const csign of three) {
    test(`config_dpp_gen_${name[csign]}`, () => made(csign, csign))
    test(`config_dpp_override_${name[csign]}`, () => {
      // The whole object as text from elsewhere.
      const pair = party(csign)
      assert.equal(accept(looseObject(pair), pair)[0]?.cred.akm, 'dpp')
    })
    for (const net of three) test(`config_dpp_gen_${name[csign]}_${name[net]}`, () => made(csign, net))
  }
  test('config_dpp_gen_prime256v1_secp384r1_secp384r1', () => {
    // A network that wants another curve than that of the exchange: its Connector is for the new key only.
    const pair = party('P-384', 'P-384')
    const bytes = write({ ...plain, cred: { akm: 'dpp', connector: credentialOf(pair) } })
    assert.throws(() => acceptConfigurations([bytes], { netAccessKey: generateDppKey('P-256') }), {
      code: 'connector-invalid',
    })
    assert.ok(acceptConfigurations([bytes], { netAccessKey: pair.net }))
  })
  test('config_dpp_gen_expiry', () => {
    const connector = credentialOf(who, new Date('2026-06-01T12:16:40Z'))
    const bytes = write({ ...plain, cred: { akm: 'dpp', connector } })
    const [object] = acceptConfigurations([bytes], { netAccessKey: who.net, at })
    assert.equal(object?.connector?.expiry?.toISOString(), '2026-06-01T12:16:40.000Z')
  })
  test('config_dpp_gen_expired_key', () => {
    const bytes = write({ ...plain, cred: { akm: 'dpp', connector: credentialOf(who, new Date(10_000)) } })
    assert.throws(() => acceptConfigurations([bytes], { netAccessKey: who.net, at }), { code: 'connector-expired' })
  })

  const pass = () => new Secret('secret passphrase')
  const back = (object: ConfigurationObject) => decodeConfigurationObject(write(object))
  test('config_legacy_gen', () => assert.ok(back({ ...plain, cred: { akm: 'psk', pass: pass() } }).cred.pass))
  test('config_legacy_gen_psk', () => {
    const psk = new Secret(Buffer.alloc(32, 0x11))
    assert.ok(back({ ...plain, cred: { akm: 'psk', psk } }).cred.psk?.equals(psk))
  })
  const two = (first: ConfigurationObject['cred'], second: ConfigurationObject['cred']) => {
    const objects = [first, second].map((cred, i) => ({ ...plain, ssid: Buffer.from(`net-${i}`), cred }))
    const accepted = acceptConfigurations(objects.map(write), { netAccessKey: who.net, at })
    return accepted.map(({ ssid, cred }) => `${Buffer.from(ssid).toString()} ${cred.akm}`)
  }
  test('config_legacy_gen_two_conf', () =>
    assert.deepEqual(two({ akm: 'psk', pass: pass() }, { akm: 'sae', pass: pass() }), ['net-0 psk', 'net-1 sae']))
  test('config_legacy_gen_two_conf_psk', () => {
    const psk = new Secret(Buffer.alloc(32, 0x11))
    assert.deepEqual(two({ akm: 'psk', psk }, { akm: 'psk+sae', pass: pass() }), ['net-0 psk', 'net-1 psk+sae'])
  })
  test('config_legacy_gen_sta_ap_conf', () => {
    // One for the station and one for the access point: each Connector says for whom.
    const roles = (['sta', 'ap'] as const).map(netRole => {
      const fields = { groups: [{ groupId: '*', netRole }], netAccessKey: who.net }
      const signedConnector = signConnector(fields, { csign: who.csign, key: who.csign.privateKey })
      const cred = { akm: 'dpp', connector: { signedConnector, csign: who.csign, kid: keyId(who.csign) } } as const
      const [object] = acceptConfigurations([write({ ...plain, cred })], { netAccessKey: who.net, at })
      return object?.connector?.groups[0]?.netRole
    })
    assert.deepEqual(roles, ['sta', 'ap'])
  })
  test('config_override_objects', () => {
    const objects = [looseObject(who), legacyObject({ akm: 'psk', pass: 'secret passphrase' })].map(bytesOf)
    assert.equal(acceptConfigurations(objects, { netAccessKey: who.net, at }).length, 2)
    // One that is wrong spoils all, none is none, and more than ten are too many.
    const wrong = [...objects, bytesOf(legacyObject({ akm: 'psk' }))]
    for (const list of [wrong, [], Array<Buffer>(11).fill(objects[0]!)])
      assert.throws(() => acceptConfigurations(list, { netAccessKey: who.net, at }), { code: 'configuration-invalid' })
  })
  test('invalid_legacy_params', () => refused('bad-value', () => write({ ...plain, cred: { akm: 'psk' } })))
  test('invalid_legacy_params2', () => {
    const psk = new Secret(Buffer.alloc(32))
    refused('bad-value', () => write({ ...plain, cred: { akm: 'sae', psk } }))
    refused('bad-value', () => write({ ...plain, cred: { akm: 'psk', psk: new Secret('short') } }))
    refused('bad-value', () => write({ ...plain, cred: { akm: 'psk', pass: new Secret('short') } }))
  })
  test('legacy_params_failure', () => {
    refused('bad-value', () => write({ ...plain, cred: { akm: 'dpp' } }))
    refused('bad-value', () => write({ ...plain, cred: { akm: 'dot1x' } }))
    refused('bad-value', () => write({ ...plain, ssid: Buffer.alloc(33), cred: { akm: 'psk', pass: pass() } }))
    const thirdParty = { cred: {} }
    refused('duplicate', () => write({ ...plain, thirdParty, cred: { akm: 'psk', pass: pass() } }))
  })
  test('config_fragmentation: an object of more octets than one frame on air', () => {
    const thirdParty = { 'org.example.text': 'x'.repeat(20_000) }
    const object = back({ ...plain, thirdParty, cred: { akm: 'psk', pass: pass() } })
    assert.deepEqual(object.thirdParty, thirdParty)
    const more = { 'org.example.text': 'x'.repeat(70_000) }
    refused('too-large', () => write({ ...plain, thirdParty: more, cred: { akm: 'psk', pass: pass() } }))
  })
})

describe('AKM', () => {
  test('each name has selectors that mean it', () => {
    for (const akm of akms) {
      assert.equal(decodeAkm(akm), akm)
      assert.equal(decodeAkm(akmSelectors(akm)), akm)
      assert.equal(decodeAkm(`${akmSelectors(akm).toLowerCase()}+00000001`), akm)
    }
  })
})

describe('SSID', () => {
  const cred = { akm: 'psk', pass: new Secret('secret passphrase') } as const
  const discovery = (ssid: Buffer) => JSON.parse(write({ ...plain, ssid, cred }).toString()).discovery
  test('text as text, other octets as ssid64', () => {
    assert.deepEqual(discovery(Buffer.from('Küche')), { ssid: 'Küche' })
    assert.deepEqual(discovery(Buffer.from('ff00', 'hex')), { ssid64: '_wA' })
    assert.deepEqual(
      read({ ...legacyObject(JSON.parse('{"akm":"psk","pass":"12345678"}')), discovery: { ssid64: '_wA' } }).ssid,
      Buffer.from('ff00', 'hex'),
    )
  })
})

describe('what a peer of an older version gets', () => {
  const pass = new Secret('secret passphrase')
  const connector = { ...credentialOf(who), ppKey: who.csign }
  const object = (cred: ConfigurationObject['cred'], ssid = plain.ssid): ConfigurationObject => ({
    ...plain,
    ssid,
    cred,
  })

  test('version 1: one object, dpp instead of mixtures, no ppKey, no Connector beside a password', () => {
    const mixed = object({ akm: 'dpp+psk+sae', pass, connector })
    const [first, second] = forPeerVersion([mixed, mixed], 1)
    assert.equal(second, undefined)
    assert.deepEqual(Object.keys(first?.cred ?? {}), ['akm', 'connector'])
    assert.deepEqual([first?.cred.akm, first?.cred.connector?.ppKey], ['dpp', undefined])
    assert.equal(forPeerVersion([object({ akm: 'sae', pass, connector })], 1)[0]?.cred.connector, undefined)
  })
  test('version 2 and 3 get all of it', () => {
    const objects = [object({ akm: 'dpp+sae', pass, connector }), object({ akm: 'sae', pass, connector })]
    for (const version of [2, 3]) assert.deepEqual(forPeerVersion(objects, version), objects)
  })
  test('what it could not use is refused, not left out', () => {
    refused('unsupported', () => forPeerVersion([object({ akm: 'psk', pass }, Buffer.from('ff', 'hex'))], 1))
    refused('unsupported', () => forPeerVersion([object({ akm: 'dot1x' })], 1))
    refused('unsupported', () => forPeerVersion([object({ akm: 'sae', pass, idpass: 'lamp' })], 1))
    refused('unsupported', () => forPeerVersion([object({ akm: 'sae', pass, idpass: 'lamp' })], 2))
    refused('too-many', () => forPeerVersion(Array(11).fill(object({ akm: 'psk', pass })), 2))
  })
})

test('anything is read or refused', () => {
  const members = ['wi-fi_tech', 'discovery', 'cred', 'org.example'] as const
  const inCred = ['akm', 'pass', 'psk_hex', 'csign', 'ppKey', 'signedConnector', 'entCreds', 'idpass'] as const
  const whole = looseObject(who)
  fc.assert(
    fc.property(fc.jsonValue(), fc.constantFrom(...members), fc.constantFrom(...inCred), (json, member, inner) => {
      for (const bent of [{ ...whole, [member]: json }, looseObject(who, { cred: { [inner]: json } })]) {
        const bytes = bytesOf(bent)
        total(() => decodeConfigurationObject(bytes), bytes.length)
      }
    }),
    { numRuns: 60 },
  )
})
