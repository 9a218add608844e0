import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { JsonObject } from '../../../src/codec/json.ts'
import {
  type ConfigurationRequest,
  decodeConfigurationRequest,
  encodeConfigurationRequest,
} from '../../../src/protocol/dpp/configuration-request.ts'
import { refused, total } from '../../codec/refused.ts'

const plain = { name: 'lamp', 'wi-fi_tech': 'infra', netRole: 'sta' }
const read = (json: unknown) => decodeConfigurationRequest(Buffer.from(JSON.stringify(json)))

test('what hostap sends is read, and written again octet for octet', () => {
  const texts = [
    '{"name":"device-1.example","wi-fi_tech":"infra","netRole":"sta"}',
    '{"name":"device-1.example","wi-fi_tech":"infra","netRole":"ap","mudurl":"https://mud.example.com/device.json","bandSupport":[81,82,115]}',
    '{"name":"d","wi-fi_tech":"infra","netRole":"configurator","pkcs10":"MIIB","capabilities":1,"org.example":{"a":[1,null]}}',
  ]
  for (const text of texts)
    assert.equal(encodeConfigurationRequest(decodeConfigurationRequest(Buffer.from(text))).toString(), text)
})

test('its members have types, and those of others are kept', () => {
  const request: ConfigurationRequest = {
    name: 'lamp',
    netRole: 'sta',
    mudurl: 'https://mud.example/lamp',
    bandSupport: [81, 115],
    pkcs10: Buffer.from('3003020100', 'hex'),
    capabilities: 1,
    thirdParty: { 'org.example.color': 'blue' },
  }
  assert.deepEqual(decodeConfigurationRequest(encodeConfigurationRequest(request)), request)
})

test('what is no configuration request', () => {
  refused('bad-value', () => read({ ...plain, name: undefined }))
  refused('bad-value', () => read({ ...plain, name: 1 }))
  refused('too-large', () => read({ ...plain, name: 'x'.repeat(257) }))
  refused('unsupported', () => read({ ...plain, 'wi-fi_tech': undefined }))
  refused('unsupported', () => read({ ...plain, 'wi-fi_tech': 'map' }))
  refused('unsupported', () => read({ ...plain, netRole: undefined }))
  refused('unsupported', () => read({ ...plain, netRole: 'router' }))
  refused('bad-value', () => read({ ...plain, mudurl: {} }))
  refused('too-large', () => read({ ...plain, mudurl: `https://${'x'.repeat(2048)}` }))
  refused('bad-value', () => read({ ...plain, bandSupport: 81 }))
  refused('bad-value', () => read({ ...plain, bandSupport: [256] }))
  refused('too-many', () => read({ ...plain, bandSupport: Array(65).fill(81) }))
  refused('bad-encoding', () => read({ ...plain, pkcs10: 'MII' }))
  refused('too-large', () => read({ ...plain, pkcs10: 'A'.repeat(0x2004) }))
  refused('bad-value', () => read({ ...plain, capabilities: -1 }))
  refused('bad-value', () => read([plain]))
  refused('duplicate', () => decodeConfigurationRequest(Buffer.from('{"name":"a","name":"b"}')))
  refused('too-large', () => decodeConfigurationRequest(Buffer.alloc(0x4001, 0x20)))
})

test('what may not be written', () => {
  const request = { name: 'lamp', netRole: 'sta', thirdParty: {} } as const
  const withMember = (thirdParty: JsonObject) => () => encodeConfigurationRequest({ ...request, thirdParty })
  refused('duplicate', withMember({ netRole: 'configurator' }))
  refused('too-large', withMember({ 'org.example': 'x'.repeat(0x4000) }))
  refused('bad-value', () => encodeConfigurationRequest({ ...request, name: '\ud800' }))
})

test('anything is read or refused', () => {
  fc.assert(
    fc.property(
      fc.jsonValue(),
      fc.constantFrom(...Object.keys(plain), 'mudurl', 'bandSupport', 'pkcs10'),
      (json, name) => {
        const bytes = Buffer.from(JSON.stringify({ ...plain, [name]: json }))
        total(() => decodeConfigurationRequest(bytes), bytes.length)
      },
    ),
  )
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), bytes => {
      total(() => decodeConfigurationRequest(bytes), bytes.length)
    }),
  )
})
