import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { CodecError } from '../../../src/codec/error.ts'
import { sealAesSiv } from '../../../src/crypto/aes-siv.ts'
import { CryptoError } from '../../../src/crypto/error.ts'
import { Secret } from '../../../src/crypto/secret.ts'
import { dppStatus, encodeAttributes } from '../../../src/protocol/dpp/attribute.ts'
import {
  decodeConnectionStatus,
  encodeConnectionStatus,
  openConfigurationRequest,
  openConfigurationResponse,
  openConfigurationResult,
  openConnectionStatus,
  type Session,
  sealConfigurationRequest,
  sealConfigurationResponse,
  sealConfigurationResult,
  sealConnectionStatus,
} from '../../../src/protocol/dpp/configuration-message.ts'
import { curves } from '../../../src/protocol/dpp/curve.ts'
import { decodeFrame, dppFrame } from '../../../src/protocol/dpp/frame.ts'
import { generateDppKey } from '../../../src/protocol/dpp/key.ts'
import { refused } from '../../codec/refused.ts'
import { octets, type TranscriptMessage, transcripts } from './vector.ts'

const text = (value: unknown) => (typeof value === 'string' ? Buffer.from(value) : undefined)
const hex = (value: unknown) => octets(value as string)

/** Opens what Debian's programs sent, holds it against what was in it, and seals it again. */
function replay(session: Session, { data, clear, status }: TranscriptMessage): string | undefined {
  const frame = decodeFrame(octets(data).subarray(4))
  if (!('attributes' in frame) || clear?.['E_nonce'] === undefined) return undefined
  const { attributes } = frame
  const nonce = hex(clear['E_nonce'])
  if (frame.kind === 'gas-initial-request') {
    const message = openConfigurationRequest(session, attributes)
    assert.deepEqual(message, { enrolleeNonce: nonce, request: text(clear['config_request']) })
    assert.deepEqual(sealConfigurationRequest(session, message), Buffer.from(attributes))
    return 'request'
  }
  if (frame.kind === 'gas-initial-response' || frame.kind === 'gas-comeback-response') {
    const message = openConfigurationResponse(session, attributes)
    assert.equal(message.status, status)
    assert.deepEqual(message.enrolleeNonce, nonce)
    assert.deepEqual(message.objects?.[0], text(clear['config_object']))
    assert.deepEqual(message.csrAttributes, text(clear['csr_attributes']))
    assert.equal(message.sendConnectionStatus, clear['send_connection_status'])
    assert.deepEqual(sealConfigurationResponse(session, message), Buffer.from(attributes))
    return 'response'
  }
  if (frame.kind !== 'dpp' || frame.type !== dppFrame.configurationResult) return undefined
  const message = openConfigurationResult(session, attributes)
  assert.deepEqual(message, { status: clear['status'], enrolleeNonce: nonce })
  assert.deepEqual(sealConfigurationResult(session, message), Buffer.from(attributes))
  return 'result'
}

describe('what Debian sends', () => {
  for (const { name, curve, expected, messages } of transcripts) {
    if (expected['ke'] === undefined) continue
    test(`is opened, and sealed again octet for octet: ${name}`, () => {
      const session = { curve, ke: new Secret(octets(expected['ke'])) }
      const found = messages.flatMap(message => replay(session, message) ?? [])
      const failed = name.endsWith('configure_failure')
      const twice = name.endsWith('dot1x') ? ['request', 'response'] : []
      assert.deepEqual(found, [...twice, 'request', 'response', ...(failed ? [] : ['result'])])
    })
  }
})

const session: Session = { curve: 'P-256', ke: new Secret(Buffer.alloc(32, 7)) }
const nonce = Buffer.alloc(16, 1)
const other: Session = { curve: 'P-256', ke: new Secret(Buffer.alloc(32, 8)) }
const response = { status: dppStatus.ok, enrolleeNonce: nonce, objects: [Buffer.from('{}'), Buffer.from('{"a":1}')] }

describe('messages that no recording has', () => {
  test('several objects, sendConnStatus, enveloped data', () => {
    const message = { ...response, envelopedData: Buffer.from('3000', 'hex'), sendConnectionStatus: true }
    assert.deepEqual(openConfigurationResponse(session, sealConfigurationResponse(session, message)), message)
  })
  test('NEW_KEY_NEEDED and its answer', () => {
    for (const { curve } of curves) {
      const newKey = generateDppKey(curve)
      const asked = sealConfigurationResponse(session, { status: dppStatus.newKeyNeeded, enrolleeNonce: nonce, newKey })
      const opened = openConfigurationResponse(session, asked)
      assert.deepEqual([opened.newKey?.curve, opened.newKey?.point], [curve, newKey.point])
    }
    const message = {
      enrolleeNonce: nonce,
      request: Buffer.from('{}'),
      newKey: { point: Buffer.alloc(96), tag: nonce },
    }
    assert.deepEqual(openConfigurationRequest(session, sealConfigurationRequest(session, message)), message)
  })
  test('connection status', () => {
    const status = { result: 2, ssid: Buffer.from('dpp-net'), channelList: '81/6' }
    assert.equal(encodeConnectionStatus(status).toString(), '{"result":2,"ssid64":"ZHBwLW5ldA","channelList":"81/6"}')
    const message = { ...status, enrolleeNonce: nonce }
    assert.deepEqual(openConnectionStatus(session, sealConnectionStatus(session, message)), message)
    assert.deepEqual(decodeConnectionStatus(Buffer.from('{"result":0}')), { result: 0 })
    for (const json of ['{}', '{"result":"0"}', '{"result":256}', '{"result":0,"ssid64":1}', '[]'])
      refused('bad-value', () => decodeConnectionStatus(Buffer.from(json)))
  })
})

describe('what is refused', () => {
  const forged = (call: () => unknown) =>
    assert.throws(call, error => error instanceof CryptoError && error.code === 'bad-signature')

  test('another ke', () => {
    forged(() =>
      openConfigurationRequest(other, sealConfigurationRequest(session, { enrolleeNonce: nonce, request: nonce })),
    )
    forged(() => openConfigurationResponse(other, sealConfigurationResponse(session, response)))
    forged(() => openConfigurationResult(other, sealConfigurationResult(session, { status: 0, enrolleeNonce: nonce })))
  })
  test('a bit changed anywhere', () => {
    const sealed = sealConfigurationResponse(session, response)
    for (let at = 0; at < sealed.length; at++) {
      const bent = Buffer.from(sealed)
      bent[at]! ^= 1
      assert.throws(
        () => openConfigurationResponse(session, bent),
        error => error instanceof CodecError || error instanceof CryptoError,
      )
    }
  })
  test('the status of another answer', () => {
    const sealed = sealConfigurationResponse(session, { status: dppStatus.configureFailure, enrolleeNonce: nonce })
    sealed[4] = dppStatus.ok
    forged(() => openConfigurationResponse(session, sealed))
  })
  test('a result as connection status, a request as response, and the other way round', () => {
    const result = sealConfigurationResult(session, { status: 0, enrolleeNonce: nonce })
    forged(() => openConnectionStatus(session, result))
    const request = sealConfigurationRequest(session, { enrolleeNonce: nonce, request: nonce })
    refused('bad-value', () => openConfigurationResponse(session, request))
    forged(() => openConfigurationResult(session, request))
    forged(() => openConfigurationRequest(session, result))
  })
  test('a request with something missing or cut [dpp: proto_conf_req_no_e_nonce, proto_conf_req_invalid_e_nonce, proto_conf_req_no_config_attr_obj, proto_conf_req_no_wrapped_data]', () => {
    const wrapped = (list: Parameters<typeof encodeAttributes>[0]) =>
      encodeAttributes([['wrappedData', sealAesSiv(session.ke.reveal(), encodeAttributes(list))]])
    const object = ['configurationRequestObject', Buffer.from('{}')] as const
    refused('bad-value', () => openConfigurationRequest(session, wrapped([object])))
    refused('bad-value', () =>
      openConfigurationRequest(session, wrapped([['enrolleeNonce', nonce.subarray(1)], object])),
    )
    refused('bad-value', () => openConfigurationRequest(session, wrapped([['enrolleeNonce', nonce]])))
    refused('bad-value', () => openConfigurationRequest(session, encodeAttributes([['enrolleeNonce', nonce]])))
  })
  test('a response with something missing [dpp: proto_conf_resp_no_e_nonce, proto_conf_resp_no_status, proto_conf_resp_no_wrapped_data]', () => {
    const head = encodeAttributes([['status', Buffer.of(0)]])
    const wrapped = encodeAttributes([['wrappedData', sealAesSiv(session.ke.reveal(), Buffer.alloc(0), head)]])
    refused('bad-value', () => openConfigurationResponse(session, Buffer.concat([head, wrapped])))
    refused('bad-value', () => openConfigurationResponse(session, wrapped))
    refused('bad-value', () => openConfigurationResponse(session, head))
  })
  test('CSR_NEEDED without saying what in it, NEW_KEY_NEEDED without key', () => {
    for (const status of [dppStatus.csrNeeded, dppStatus.newKeyNeeded]) {
      const sealed = sealConfigurationResponse(session, { status, enrolleeNonce: nonce })
      refused('bad-value', () => openConfigurationResponse(session, sealed))
    }
  })
  test('an attribute behind wrapped data [dpp: proto_after_wrapped_data_conf_req, proto_after_wrapped_data_conf_resp]', () => {
    const extra = encodeAttributes([['status', Buffer.of(0)]])
    const request = sealConfigurationRequest(session, { enrolleeNonce: nonce, request: nonce })
    refused('bad-order', () => openConfigurationRequest(session, Buffer.concat([request, extra])))
    const sealed = sealConfigurationResponse(session, response)
    refused('bad-order', () => openConfigurationResponse(session, Buffer.concat([sealed, extra])))
  })
})
