import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { OnboardingError } from '../../../src/domain/error.ts'
import {
  connectorSigningInput,
  readConnector,
  requireNetAccessKey,
  signConnector,
  verifyConnector,
} from '../../../src/protocol/dpp/connector.ts'
import { curves, type DppCurve } from '../../../src/protocol/dpp/curve.ts'
import { exportJwk, keyId } from '../../../src/protocol/dpp/key.ts'
import { refused } from '../../codec/refused.ts'
import { type Bend, looseConnector, party } from './configuration.ts'

const at = new Date('2026-06-01T12:00:00Z')
const who = party()
const verified = (text: string) => verifyConnector(text, { csign: who.csign, at })

function refusedBy(rule: string, call: () => unknown): void {
  assert.throws(call, error => {
    assert.ok(error instanceof OnboardingError, String(error))
    assert.equal(error.code, 'connector-invalid', String(error))
    assert.equal(error.detail['rule'], rule)
    return true
  })
}

const bent = (bend: Bend) => () => verified(looseConnector(who, bend))

test('what we sign, on each of the six curves, is verified and says the same', () => {
  for (const { curve } of curves) {
    const { csign, net } = party(curve)
    const expiry = new Date('2040-01-01T00:00:00Z')
    const groups = [{ groupId: 'camera', netRole: 'sta' }]
    const text = signConnector({ groups, netAccessKey: net, expiry, version: 3 }, { csign, key: csign.privateKey })
    const connector = verifyConnector(text, { csign, at })
    assert.deepEqual(
      { ...connector, netAccessKey: connector.netAccessKey.point },
      {
        groups,
        netAccessKey: net.point,
        expiry,
        version: 3,
        text,
        kid: keyId(csign),
      },
    )
    requireNetAccessKey(connector, net)
    assert.equal(readConnector(text).kid, keyId(csign))
  }
})

test('members in the order of hostap', () => {
  const groups = [{ groupId: '*', netRole: 'sta' }]
  const [header = '', payload = ''] = connectorSigningInput({ groups, netAccessKey: who.net }, who.csign).split('.')
  const text = (part: string) => Buffer.from(part, 'base64url').toString()
  assert.equal(text(header), `{"typ":"dppCon","kid":"${keyId(who.csign)}","alg":"ES256"}`)
  assert.equal(
    text(payload),
    `{"groups":[{"groupId":"*","netRole":"sta"}],"netAccessKey":${JSON.stringify(exportJwk(who.net))}}`,
  )
})

describe('rows of the peer suite: header', () => {
  test('config_jws_error_prot_hdr_not_an_object', () => refusedBy('header', bent({ header: '1' })))
  const wrong: Readonly<Record<string, [string, object]>> = {
    no_typ: ['typ', { typ: undefined }],
    unsupported_typ: ['typ', { typ: 'unsupported' }],
    no_alg: ['alg', { alg: undefined }],
    unexpected_alg: ['alg', { alg: 'ES384' }],
    no_kid: ['kid', { kid: undefined }],
    unexpected_kid: ['kid', { kid: 'MTIzNA' }],
  }
  for (const [row, [rule, header]] of Object.entries(wrong)) {
    test(`config_jws_error_prot_hdr_${row}`, () => refusedBy(rule, bent({ header: { ...header } })))
  }

  test('no algorithm but that of the key: none, HMAC, another curve', () => {
    for (const alg of ['none', 'HS256', 'ES512', 'BS256']) refusedBy('alg', bent({ header: { alg } }))
  })
})

describe('rows of the peer suite: the text', () => {
  const whole = looseConnector(who)
  const [header = '', payload = '', signature = ''] = whole.split('.')

  test('config_signed_connector_error_no_dot_1', () => refusedBy('not-compact-jws', () => verified(header)))
  test('config_signed_connector_error_no_dot_2', () =>
    refusedBy('not-compact-jws', () => verified(`${header}.${payload}`)))
  test('config_signed_connector_error_unexpected_signature_len', () => {
    refusedBy('signature-length', bent({ signature: raw => raw.subarray(1) }))
    refusedBy('signature-length', bent({ signature: raw => Buffer.concat([raw, raw]) }))
    refusedBy('signature-length', () => verified(`${header}.${payload}.`))
  })
  test('config_signed_connector_error_invalid_signature_der', () => {
    refusedBy('signature', bent({ signature: raw => Buffer.alloc(raw.length) }))
    refusedBy('signature', bent({ signature: raw => Buffer.alloc(raw.length, 0xff) }))
  })
  test('config_unexpected_signed_connector_char', () => {
    refusedBy('signature', () => verified(`${header}.${payload}.${signature.slice(0, -1)}\n`))
    refusedBy('header', () => verified(`${header}+.${payload}.${signature}`))
    refusedBy('header', () => verified(`${header}=.${payload}.${signature}`))
  })
  test('a fourth part, and a text without end', () => {
    refusedBy('not-compact-jws', () => verified(`${whole}.`))
    refusedBy('too-large', () => verified('a'.repeat(0x4001)))
  })
  test('a bit of header, payload or signature changed', () => {
    fc.assert(
      fc.property(fc.nat(whole.length - 1), fc.constantFrom('A', 'x', '-'), (at, letter) => {
        fc.pre(whole[at] !== letter)
        assert.throws(() => verified(whole.slice(0, at) + letter + whole.slice(at + 1)), OnboardingError)
      }),
    )
  })
  test('signed by another Configurator', () => {
    refusedBy('kid', () => verified(looseConnector({ ...who, csign: party().csign })))
    const forged = looseConnector({ ...who, csign: party().csign }, { header: { kid: keyId(who.csign) } })
    refusedBy('signature', () => verified(forged))
  })
  test('anything else is refused and nothing else is thrown', () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string(),
          fc.string().map(text => `${header}.${text}.${signature}`),
        ),
        text => {
          assert.throws(() => verified(text), OnboardingError)
        },
      ),
    )
  })
})

describe('rows of the peer suite: the payload', () => {
  test('config_connector_error_ext_sign', () => {
    // Their baseline: signed outside of the program under test, and good.
    assert.deepEqual(verified(looseConnector(who)).groups, [{ groupId: '*', netRole: 'sta' }])
  })
  const expiry: Readonly<Record<string, string>> = {
    too_short_timestamp: '1',
    invalid_timestamp: '2016*01-01T00:00:00Z',
    invalid_timestamp_date: '2016-99-01T00:00:00Z',
    invalid_time_zone: '2016-01-01T00:00:00*02:00',
    invalid_time_zone_2: '2016-01-01T00:00:00+2:00',
  }
  for (const [row, value] of Object.entries(expiry)) {
    test(`config_connector_error_${row}`, () => refusedBy('expiry', bent({ payload: { expiry: value } })))
  }

  // Each differs from the moment of the test in another part of the date.
  const past: Readonly<Record<string, string>> = {
    expired_1: '2025-06-01T12:00:00Z',
    expired_2: '2026-05-01T12:00:00Z',
    expired_3: '2026-05-31T12:00:00Z',
    expired_4: '2026-06-01T11:00:00Z',
    expired_5: '2026-06-01T11:59:59Z',
    expired_6: '2026-06-01T13:59:00+02:00',
  }
  for (const [row, value] of Object.entries(past)) {
    test(`config_connector_error_${row}`, () => {
      assert.throws(bent({ payload: { expiry: value } }), { code: 'connector-expired' })
      assert.ok(verifyConnector(looseConnector(who, { payload: { expiry: value } }), { csign: who.csign }))
    })
  }
  test('an expiry to come, in any offset; and a clock that tells no time', () => {
    for (const value of ['2026-06-01T12:00:01Z', '2026-06-01T08:00:01-04:00', '2026-06-01T14:00:01+02:00']) {
      assert.equal(verified(looseConnector(who, { payload: { expiry: value } })).expiry?.getTime(), at.getTime() + 1000)
    }
    const text = looseConnector(who, { payload: { expiry: '2040-01-01T00:00:00Z' } })
    assert.throws(() => verifyConnector(text, { csign: who.csign, at: new Date(Number.NaN) }))
    for (const value of ['2027-02-30T00:00:00Z', '2027-01-01T24:00:00Z', '2027-01-01T00:00:00+15:00', 1])
      refusedBy('expiry', bent({ payload: { expiry: value } }))
  })

  const groups: Readonly<Record<string, [string, unknown]>> = {
    no_groups: ['groups', undefined],
    empty_groups: ['groups', []],
    missing_group_id: ['groupId', [{ netRole: 'sta' }]],
    missing_net_role: ['netRole', [{ groupId: '*' }]],
  }
  for (const [row, [rule, value]] of Object.entries(groups)) {
    test(`config_connector_error_${row}`, () => refusedBy(rule, bent({ payload: { groups: value } })))
  }
  test('config_connector_error_missing_net_access_key', () =>
    refusedBy('netAccessKey', bent({ payload: { netAccessKey: undefined } })))
  test('config_connector_error_net_access_key_mismatch', () => {
    const connector = verified(looseConnector(who))
    refusedBy('netAccessKey-of-another', () => requireNetAccessKey(connector, party().net))
    refusedBy('netAccessKey-of-another', () => requireNetAccessKey(connector, party('P-384').net))
  })
  test('what is out of bounds', () => {
    const many = Array.from({ length: 33 }, () => ({ groupId: '*', netRole: 'sta' }))
    refusedBy('too-many-groups', bent({ payload: { groups: many } }))
    refusedBy('groupId', bent({ payload: { groups: [{ groupId: 'g'.repeat(257), netRole: 'sta' }] } }))
    refusedBy('groupId', bent({ payload: { groups: [1] } }))
    for (const version of [0, 256, 1.5, '3']) refusedBy('version', bent({ payload: { version } }))
    refusedBy('payload', bent({ payload: '[]' }))
    refusedBy('payload', bent({ payload: '{"groups":1,"groups":2}' }))
    refused('bad-value', () => connectorSigningInput({ groups: [], netAccessKey: who.net }, who.csign))
  })
})

test('each curve of a C-sign key with each curve of a netAccessKey', () => {
  const names: DppCurve[] = ['P-256', 'P-384', 'P-521', 'BP-256']
  for (const csign of names) {
    for (const net of names) {
      const pair = party(csign, net)
      requireNetAccessKey(verifyConnector(looseConnector(pair), { csign: pair.csign, at }), pair.net)
    }
  }
})
