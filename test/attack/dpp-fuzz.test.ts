import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { CodecError } from '../../src/codec/error.ts'
import { isJsonObject, type Json } from '../../src/codec/json.ts'
import { CryptoError } from '../../src/crypto/error.ts'
import { OnboardingError } from '../../src/domain/error.ts'
import { decodeAkm } from '../../src/protocol/dpp/akm.ts'
import { type AttributeName, attribute, decodeAttributes } from '../../src/protocol/dpp/attribute.ts'
import { acceptConfigurations } from '../../src/protocol/dpp/configuration-check.ts'
import { decodeConnectionStatus } from '../../src/protocol/dpp/configuration-message.ts'
import { decodeConfigurationObject, encodeConfigurationObject } from '../../src/protocol/dpp/configuration-object.ts'
import { decodeConfigurationRequest, encodeConfigurationRequest } from '../../src/protocol/dpp/configuration-request.ts'
import * as configurator from '../../src/protocol/dpp/configurator.ts'
import { readConnector, verifyConnector } from '../../src/protocol/dpp/connector.ts'
import { decodeCsrAttributes, decodeEntCreds } from '../../src/protocol/dpp/enterprise.ts'
import { decodeFrame, encodeFrame } from '../../src/protocol/dpp/frame.ts'
import { answerPeerDiscovery } from '../../src/protocol/dpp/introduction.ts'
import {
  exportJwk,
  exportSpki,
  generateDppKey,
  importDppKey,
  importJwk,
  importSpki,
  keyId,
} from '../../src/protocol/dpp/key.ts'
import { decodeOwnershipProof } from '../../src/protocol/dpp/network-statement.ts'
import * as pkexInitiator from '../../src/protocol/dpp/pkex-initiator.ts'
import * as pkexResponder from '../../src/protocol/dpp/pkex-responder.ts'
import * as reconfigurator from '../../src/protocol/dpp/reconfiguration-configurator.ts'
import * as reconfigured from '../../src/protocol/dpp/reconfiguration-enrollee.ts'
import { decodeReconfigurationAnnouncement } from '../../src/protocol/dpp/reconfiguration-message.ts'
import { encodeRecord, RecordSplitter } from '../../src/protocol/dpp/record.ts'
import { formatBootstrappingUri, parseBootstrappingUri } from '../../src/protocol/dpp/uri.ts'
import { bytesOf, looseConnector, looseObject, party } from '../protocol/dpp/configuration.ts'
import { connectorCredential, Meeting } from '../protocol/dpp/meeting.ts'
import * as pkex from '../protocol/dpp/pkex-party.ts'
import * as reconfiguration from '../protocol/dpp/reconfiguration-party.ts'
import { messageOf, transcripts } from '../protocol/dpp/transcript.ts'
import { alterations, edited, edits, runs } from './mutation.ts'

/* Every parser of Easy Connect under octets of any kind: it reads them or says what is wrong, and throws nothing else. */

const allowed = (error: unknown) =>
  error instanceof CodecError || error instanceof CryptoError || error instanceof OnboardingError

/** Undefined when it was refused as it may be. */
function read<T>(work: () => T): T | undefined {
  try {
    return work()
  } catch (error) {
    assert.ok(allowed(error), String((error as Error).stack ?? error))
    return undefined
  }
}

const property = <T>(arbitrary: fc.Arbitrary<T>, work: (value: T) => void) =>
  fc.assert(fc.property(arbitrary, work), { numRuns: runs, endOnFailure: true })
const octets = fc.uint8Array({ maxLength: 200 })
const recorded = transcripts.flatMap(({ messages }) => messages.map(messageOf))
const attributesOf = (message: Uint8Array): Uint8Array => {
  const frame = decodeFrame(message)
  return 'attributes' in frame ? frame.attributes : new Uint8Array()
}
const who = party()
const controllerUri = transcripts.find(({ controller_uri: uri }) => uri !== undefined)!.controller_uri!

describe('octets of any kind', () => {
  test('as frames: what is read is written again as it was', () => {
    property(
      fc.oneof(
        octets,
        fc.tuple(fc.constantFrom(...recorded), edits).map(([one, how]) => edited(one, how)),
      ),
      bytes => {
        const frame = read(() => decodeFrame(bytes))
        if (frame === undefined || frame.kind === 'other') return
        const again = encodeFrame(frame)
        // One octet of GAS may have any value, and gets ours.
        const at = { 'gas-initial-request': 4, 'gas-initial-response': 8, 'gas-comeback-response': 9 }[
          frame.kind as string
        ]
        const same = Buffer.from(bytes)
        if (at !== undefined) same[at] = again[at]!
        assert.deepEqual(again, same)
      },
    )
  })

  test('as attributes: each value is a view of them', () => {
    const message = fc.constantFrom(...recorded.map(attributesOf))
    property(
      fc.oneof(
        octets,
        fc.tuple(message, edits).map(([one, how]) => edited(one, how)),
      ),
      bytes => {
        const list = read(() => decodeAttributes(bytes))
        if (list === undefined) return
        let total = 0
        for (const name of Object.keys(attribute) as AttributeName[]) {
          for (const value of list.all(name)) total += value.length + 4
        }
        assert.ok(total <= bytes.length && list.beforeWrapped.length <= bytes.length)
      },
    )
  })

  test('as records, wherever TCP cuts them', () => {
    const stream = Buffer.concat(recorded.slice(0, 12).map(encodeRecord))
    property(fc.array(fc.integer({ min: 1, max: 900 }), { minLength: 1, maxLength: 60 }), cuts => {
      const splitter = new RecordSplitter()
      const messages: Buffer[] = []
      let at = 0
      for (let i = 0; at < stream.length; i++) {
        const size = cuts[i % cuts.length]!
        messages.push(...splitter.push(stream.subarray(at, at + size)))
        at += size
      }
      assert.deepEqual(messages, recorded.slice(0, 12))
    })
    property(fc.array(octets, { maxLength: 8 }), chunks => {
      const splitter = new RecordSplitter()
      read(() => chunks.map(chunk => splitter.push(chunk)))
    })
  })

  test('as keys', () => {
    const forms = curvesOf().flatMap(key => [exportSpki(key), key.privateKey.export({ type: 'sec1', format: 'der' })])
    property(
      fc.oneof(
        octets,
        fc.tuple(fc.constantFrom(...forms), edits).map(([one, how]) => edited(one, how)),
      ),
      der => {
        const key = read(() => importSpki(der))
        if (key !== undefined) assert.ok(key.point.length >= 64)
        read(() => importDppKey(der))
      },
    )
    const jwk = fc.record(
      {
        kty: fc.constantFrom('EC', 'RSA', 1),
        crv: fc.oneof(fc.constantFrom('P-256', 'BP-256', 'P-224', '__proto__', 'constructor'), fc.string()),
        x: fc.oneof(fc.constant(exportJwk(who.net).x), fc.base64String(), fc.integer()),
        y: fc.oneof(fc.constant(exportJwk(who.net).y), fc.base64String(), fc.constant(null)),
      },
      { requiredKeys: [] },
    )
    property(fc.oneof(jwk, fc.jsonValue()), value => void read(() => importJwk(value as never)))
  })
})

function curvesOf() {
  return (['P-256', 'P-384', 'P-521', 'BP-256', 'BP-384', 'BP-512'] as const).map(generateDppKey)
}

describe('texts of any kind', () => {
  test('as bootstrapping URIs: what is read can be written, and read again as the same', () => {
    const key = controllerUri.match(/K:[^;]+/)![0]
    const field = fc.oneof(
      fc.constantFrom(
        key,
        'V:2',
        'V:3',
        'M:020000000001',
        'C:81/6,115/36',
        'I:SN=1',
        'B:3f',
        'H:192.0.2.1:8908',
        'H:[2001:db8::1]',
        '',
      ),
      fc.string({ maxLength: 20 }).map(text => text.replaceAll(';', '')),
    )
    const uri = fc.array(field, { maxLength: 8 }).map(fields => `DPP:${fields.join(';')};;`)
    const mutated = edits.map(how => edited(Buffer.from(controllerUri), how).toString('latin1'))
    property(fc.oneof(uri, mutated, fc.string()), text => {
      const parsed = read(() => parseBootstrappingUri(text))
      if (parsed === undefined) return
      assert.deepEqual(parseBootstrappingUri(formatBootstrappingUri(parsed)), parsed)
    })
  })

  test('as Configuration Requests: what is read can be written, and read again as the same', () => {
    const member = fc.oneof(
      fc.jsonValue({ maxDepth: 2 }),
      fc.constantFrom('infra', 'sta', 'ap', 'configurator', 'lamp'),
    )
    const names = ['name', 'wi-fi_tech', 'netRole', 'mudurl', 'bandSupport', 'pkcs10', 'capabilities', 'x', 'toString']
    const base = { name: 'lamp', 'wi-fi_tech': 'infra', netRole: 'sta' }
    const json = fc.dictionary(fc.constantFrom(...names), member).map(changes => bytesOf({ ...base, ...changes }))
    property(
      fc.oneof(
        json,
        fc.tuple(json, edits).map(([one, how]) => edited(one, how)),
        octets,
      ),
      bytes => {
        const request = read(() => decodeConfigurationRequest(bytes))
        if (request === undefined) return
        const again = read(() => encodeConfigurationRequest(request))
        if (again !== undefined) assert.deepEqual(decodeConfigurationRequest(again), request)
      },
    )
  })

  test('as configuration objects, whose Connector the Enrollee believes only as it was signed', () => {
    const whole = bytesOf(looseObject(who))
    property(fc.oneof(edits, alterations), how => {
      const bytes = edited(whole, how)
      const object = read(() => decodeConfigurationObject(bytes))
      if (object === undefined) return
      read(() => encodeConfigurationObject(object))
      const accepted = read(() => acceptConfigurations([bytes], { netAccessKey: who.net }))
      for (const { connector } of accepted ?? []) assert.deepEqual(connector?.netAccessKey.point, who.net.point)
    })
  })

  test('as Connectors: any other text than the signed one is refused', () => {
    const text = looseConnector(who)
    property(fc.oneof(edits, alterations), how => {
      const altered = edited(Buffer.from(text), how).toString('latin1')
      const connector = read(() => verifyConnector(altered, { csign: who.csign }))
      assert.ok(connector === undefined || altered === text, altered)
      read(() => readConnector(altered))
    })
    property(fc.tuple(fc.jsonValue(), fc.jsonValue()), ([header, payload]) => {
      const bent = looseConnector(who, { header: header as never, payload: payload as never })
      read(() => verifyConnector(bent, { csign: who.csign }))
    })
  })

  test('as the small things: AKM, connection status, enterprise credentials, CSR attributes, ownership proofs', () => {
    property(
      fc.oneof(fc.string(), fc.constantFrom('dpp', 'psk+sae', '506F9A02+000FAC08')),
      text => void read(() => decodeAkm(text)),
    )
    property(fc.oneof(octets, fc.jsonValue().map(bytesOf)), bytes => {
      read(() => decodeConnectionStatus(bytes))
      read(() => decodeCsrAttributes(bytes))
    })
    property(fc.jsonValue(), value => {
      const json = value as Json
      if (isJsonObject(json)) read(() => decodeEntCreds(json))
      read(() => decodeOwnershipProof({ 'org.mooring.declaration': value as never }))
    })
  })
})

describe('messages of any kind, at any moment', () => {
  test('leave Configurator and Enrollee in a state, and give nobody a network', () => {
    const { arrivals } = new Meeting({ mutual: true }).run().assertConfigured()
    const messages = [...arrivals.map(({ message }) => message), ...recorded]
    const arrival = fc.nat(arrivals.length - 1)
    property(fc.tuple(arrival, fc.constantFrom(...messages), edits), ([index, original, how]) => {
      const { receive, message } = arrivals[index]!
      const altered = edited(original, how)
      const outcome = read(() => receive(altered))
      if (outcome === undefined || altered.equals(message)) return
      const believed = outcome.effects
        .map(({ type }) => type)
        .filter(type => /install|requested|authenticated|resulted/.test(type))
      // The dialog token and one octet of GAS are nobody's: the rest of the message was as it should be.
      if (believed.length > 0) {
        const restored = Buffer.from(altered)
        for (const at of altered[0] === 10 ? [1, 4] : [8]) restored[at] = message[at]!
        assert.deepEqual(restored, message, believed.join())
      }
    })
  })

  test('end the decision of a Configurator in nothing', () => {
    const session = new Meeting().run().effect('authenticated')?.session ?? assert.fail()
    property(fc.tuple(fc.constantFrom(...recorded), edits), ([original, how]) => {
      const { effects } = configurator.step(configurator.configure(session).state, {
        type: 'received',
        message: edited(original, how),
      })
      assert.deepEqual(effects, [])
    })
  })

  test('move neither side of PKEX without the code', () => {
    const [left, right] = [pkex.party('P-256', 'secret', 'k'), pkex.party('P-256', 'secret', 'k')]
    const { request, response, commit, requested, exchanged, revealed, reveal } = pkex.bootstrap(left, right)
    property(fc.tuple(fc.constantFrom(request, response, commit, reveal), edits), ([original, how]) => {
      const altered = edited(original, how)
      const input = read(() => pkex.received(altered, left))
      if (input === undefined) return
      for (const state of [requested.state, revealed.state]) {
        const after = pkexInitiator.step(state, input).state
        assert.ok(after.type !== 'bootstrapped' || altered.equals(reveal))
      }
      for (const state of [pkexResponder.begin(right), exchanged.state]) {
        const after = pkexResponder.step(state, input).state
        assert.ok(after.type !== 'bootstrapped' || altered.equals(commit))
      }
    })
  })

  test('move neither side of a reconfiguration, and introduce nobody', () => {
    const home = reconfiguration.home()
    const announced = reconfigured.begin(reconfiguration.device(home))
    const requested = reconfigurator.begin(reconfiguration.configurator(home))
    const [request] = requested.effects
    assert.ok(request?.type === 'send' && announced.effects[0])
    const responded = reconfigured.step(announced.state, reconfiguration.received(request.message))
    const messages = [announced.effects[0].message, request.message, responded.effects[0]!.message]
    const credential = connectorCredential(who.csign, who.net, 'ap')
    const options = {
      csign: { key: who.csign, kid: keyId(who.csign) },
      connector: verifyConnector(credential.signedConnector, { csign: who.csign }),
      netAccessKey: who.net,
    }
    property(fc.tuple(fc.constantFrom(...messages, ...recorded), edits), ([original, how]) => {
      const altered = edited(original, how)
      const input = read(() => reconfiguration.received(altered))
      if (input === undefined || input.frame.kind !== 'dpp') return
      const { attributes } = input.frame
      read(() => decodeReconfigurationAnnouncement(attributes, () => 'P-256'))
      assert.notEqual(reconfigured.step(responded.state, input).state.type, 'authenticated')
      const { state } = reconfigurator.step(requested.state, input)
      assert.ok(state.type !== 'identified' || altered.equals(messages[2]!))
      assert.equal(read(() => answerPeerDiscovery(options, attributes))?.introduction, undefined)
    })
  })
})
