import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { curves, type DppCurve } from '../../../src/protocol/dpp/curve.ts'
import { exportSpki, generateDppKey, importScalar } from '../../../src/protocol/dpp/key.ts'
import {
  type BootstrappingUri,
  bootstrappingKey,
  formatBootstrappingUri,
  parseBootstrappingUri,
} from '../../../src/protocol/dpp/uri.ts'
import { refused, total } from '../../codec/refused.ts'
import { octets, transcripts } from './vector.ts'

const key = 'MDkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDIgACbp0LKq03wIVsdFFsQdTRElNPVi1pyJDo2wvE2BA1PcE='

describe('a bootstrapping URI', () => {
  for (const { name, curve, inputs, controller_uri: controller, enrollee_uri: enrollee } of transcripts) {
    if (controller === undefined || enrollee === undefined) continue
    test(`as hostap wrote it is read and written again: ${name} [dpp: qr_code_parsing, qr_code_curves, qr_code_curves_brainpool, qr_code_set_key]`, () => {
      for (const [text, scalar] of [
        [controller, inputs.bR],
        [enrollee, inputs.bI],
      ] as const) {
        const uri = parseBootstrappingUri(text)
        assert.equal(formatBootstrappingUri(uri), text)
        assert.deepEqual([uri.version, uri.curve], [2, curve])
        assert.deepEqual(bootstrappingKey(uri).point, importScalar(curve, octets(scalar)).point)
      }
    })
  }

  test('has all fields of versions 1 to 3, in any order, the first of a name counting [dpp: uri_version, uri_supported_curves]', () => {
    const uri = parseBootstrappingUri(
      `DPP:;X:whatever;H:[2001:db8::1]:8908;B:50;V:3;V:1;I:SN=4711 / blue;M:02AaBbCc0001;;C:81/1,6,115/36;K:${key};K:x;;`,
    )
    assert.deepEqual(uri, {
      publicKey: Buffer.from(key, 'base64'),
      curve: 'P-256',
      mac: '02aabbcc0001',
      channels: [
        { operatingClass: 81, channel: 1 },
        { operatingClass: 81, channel: 6 },
        { operatingClass: 115, channel: 36 },
      ],
      information: 'SN=4711 / blue',
      version: 3,
      curves: ['P-256', 'P-521'],
      host: { address: '2001:db8::1', port: 8908 },
    } satisfies BootstrappingUri)
    assert.equal(
      formatBootstrappingUri(uri),
      `DPP:C:81/1,81/6,115/36;M:02aabbcc0001;I:SN=4711 / blue;V:3;B:5;H:[2001:db8::1]:8908;K:${key};;`,
    )
  })

  test('hosts: with and without port, both families [dpp: uri_host]', () => {
    const host = (text: string) => parseBootstrappingUri(`DPP:H:${text};K:${key};;`).host
    assert.deepEqual(host('192.0.2.1'), { address: '192.0.2.1' })
    assert.deepEqual(host('192.0.2.1:8908'), { address: '192.0.2.1', port: 8908 })
    assert.deepEqual(host('[2001:db8::7]'), { address: '2001:db8::7' })
    assert.deepEqual(host('2001:db8::7'), { address: '2001:db8::7' })
  })

  test('any value is written so that it comes back', () => {
    const profile = fc.constantFrom(...curves)
    const publicKeys = new Map(curves.map(({ curve }) => [curve, exportSpki(generateDppKey(curve))]))
    const hexadecimal = fc.stringMatching(/^[0-9a-f]{12}$/)
    const octet = fc.integer({ min: 1, max: 255 })
    const plain = { noNullPrototype: true } as const
    const channel = fc.record({ operatingClass: octet, channel: octet }, plain)
    const address = fc.oneof(fc.ipV4(), fc.ipV6())
    const some = fc.subarray(curves.map(({ curve }) => curve) as DppCurve[], { minLength: 1 })
    const uris = fc
      .tuple(
        profile,
        fc.record(
          {
            mac: hexadecimal,
            channels: fc.array(channel, { minLength: 1, maxLength: 4 }),
            information: fc.stringMatching(/^[ -:<-~]{1,20}$/),
            version: fc.integer({ min: 1, max: 9 }),
            curves: some,
            host: fc.record({ address, port: fc.integer({ min: 1, max: 65535 }) }, plain),
          },
          { requiredKeys: [], ...plain },
        ),
      )
      .map(([{ curve }, rest]): BootstrappingUri => ({ publicKey: publicKeys.get(curve)!, curve, ...rest }))
    fc.assert(
      fc.property(uris, uri => assert.deepEqual(parseBootstrappingUri(formatBootstrappingUri(uri)), uri)),
      { numRuns: 300 },
    )
  })

  const bad: Readonly<Record<string, [code: Parameters<typeof refused>[0], text: string]>> = {
    'no scheme': ['bad-encoding', `K:${key};;`],
    'scheme in lower case': ['bad-encoding', `dpp:K:${key};;`],
    'nothing in it': ['bad-value', 'DPP:;;'],
    'no key': ['bad-value', 'DPP:V:2;;'],
    'an empty key': ['bad-value', 'DPP:K:;;'],
    'a key that nothing ends': ['truncated', `DPP:K:${key}`],
    'a key that is no base64': ['bad-encoding', 'DPP:K:MDkw!;;'],
    'a key without its padding': ['bad-encoding', `DPP:K:${key.slice(0, -1)};;`],
    'a key cut short': ['bad-value', `DPP:K:${key.slice(0, -4)};;`],
    'a MAC with colons': ['bad-value', `DPP:M:02:aa:bb:cc:00:01;K:${key};;`],
    'a MAC of eleven digits': ['bad-value', `DPP:M:02aabbcc000;K:${key};;`],
    'a channel without class': ['bad-value', `DPP:C:36;K:${key};;`],
    'a channel above 255': ['bad-value', `DPP:C:81/256;K:${key};;`],
    'a channel list with a gap': ['bad-value', `DPP:C:81/1,,115/36;K:${key};;`],
    'information outside ASCII': ['bad-value', `DPP:I:Lämpchen;K:${key};;`],
    'version 0': ['bad-value', `DPP:V:0;K:${key};;`],
    'version in words': ['bad-value', `DPP:V:two;K:${key};;`],
    'curves that are no digits': ['bad-value', `DPP:B:xy;K:${key};;`],
    'a host by name': ['bad-value', `DPP:H:controller.example;K:${key};;`],
    'a port of 0': ['bad-value', `DPP:H:192.0.2.1:0;K:${key};;`],
    'an octet of 256': ['bad-value', `DPP:H:192.0.2.256;K:${key};;`],
    'an IPv4 address in brackets': ['bad-value', `DPP:H:[192.0.2.1]:8908;K:${key};;`],
    'too long': ['too-large', `DPP:I:${'x'.repeat(2048)};K:${key};;`],
  }
  for (const [name, [code, text]] of Object.entries(bad)) {
    test(`refused: ${name} [dpp: qr_code_parsing_fail]`, () => refused(code, () => parseBootstrappingUri(text)))
  }

  test('is not written with what would not come back [dpp: bootstrap_gen_failures]', () => {
    const uri = parseBootstrappingUri(`DPP:K:${key};;`)
    refused('bad-value', () => formatBootstrappingUri({ ...uri, information: 'a;K:b' }))
    refused('bad-value', () => formatBootstrappingUri({ ...uri, version: 10 }))
    refused('bad-value', () => formatBootstrappingUri({ ...uri, host: { address: 'x;y' } }))
    refused('bad-value', () => formatBootstrappingUri({ ...uri, channels: [{ operatingClass: 0, channel: 1 }] }))
  })

  test('any text is a URI or refused with an offset', () => {
    const part = fc.constantFrom('DPP:', ';', 'K:', key, 'M:', 'C:', '81/1', 'H:', '[::1]', 'B:', 'V:2', ',')
    const texts = fc.oneof(
      fc.string(),
      fc.array(part, { maxLength: 12 }).map(parts => `DPP:${parts.join('')}`),
    )
    fc.assert(fc.property(texts, text => void total(() => parseBootstrappingUri(text), text.length)))
  })
})
