import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { AdmissionRequest } from '../../../src/domain/admission.ts'
import { scannedManufacturer } from '../../../src/domain/bootstrapping.ts'
import { deviceId } from '../../../src/domain/device.ts'
import { OnboardingError } from '../../../src/domain/error.ts'
import { curves, type DppCurve } from '../../../src/protocol/dpp/curve.ts'
import { exportSpki, generateDppKey } from '../../../src/protocol/dpp/key.ts'
import { formatBootstrappingUri, keyHash, parseBootstrappingUri } from '../../../src/protocol/dpp/uri.ts'
import {
  activeKey,
  bindBootstrappingKey,
  chirpingKey,
  createBootstrapping,
  declarationOf,
} from '../../../src/role/onboarding/bootstrapping.ts'
import { expected, type Gate, withGate } from '../authorization/gate.ts'

const code =
  (wanted: string) =>
  (error: unknown): boolean =>
    error instanceof OnboardingError && error.code === wanted

function newUri(curve: DppCurve = 'P-256'): string {
  return formatBootstrappingUri({ publicKey: exportSpki(generateDppKey(curve)), curve, mac: '020000000100' })
}

function ask(gate: Gate, over: { claimed?: true; mutual?: boolean; intent?: string; attempt?: string }, key: string) {
  const { claimed, mutual = false, intent, attempt = '1' } = over
  return gate.store
    .read(tables => activeKey(tables, key))
    .then(async record => {
      const device = await gate.device(record?.device ?? '')
      const { manufacturer = scannedManufacturer, serial = key } = device ?? {}
      const request: AdmissionRequest = {
        identity: {
          manufacturer,
          serial,
          certificateHash: '',
          keyHash: key,
          bootstrapping: { source: record?.source ?? 'by nobody', mutual },
        },
        network: { id: 'harbour-iot', protocol: 'dpp' },
        evidence: {
          attempt,
          transcript: attempt,
          address: '192.0.2.7:1',
          ...(claimed === undefined ? {} : { claimed }),
        },
        ...(intent === undefined ? {} : { intent }),
      }
      return gate.admission.admit(request)
    })
}

test('a scanned code makes a device that is like any other, under no name of a manufacturer', () =>
  withGate(async gate => {
    const bootstrapping = createBootstrapping(gate)
    const uri = newUri()
    const { key, device } = await bootstrapping.add({ uri, model: 'Lamp 1' }, 'somebody')
    assert.equal(key.id, keyHash(parseBootstrappingUri(uri)).toString('hex'))
    assert.deepEqual([device.manufacturer, device.serial], [scannedManufacturer, key.id])
    assert.deepEqual([device.standing, device.rung, device.bootstrappingKey], ['expected', 'expected', key.id])
    assert.equal(device.id, deviceId(scannedManufacturer, key.id))
    const again = await bootstrapping.add({ uri }, 'somebody else')
    assert.deepEqual(again.key, key, 'the same code again changes nothing')
    assert.equal(again.device.version, device.version)
    assert.deepEqual(await bootstrapping.list(), [key])
    assert.equal((await gate.store.read(tables => chirpingKey(tables, key.chirpHash)))?.id, key.id)
  }))

test('a scanned code may name a manufacturer that is trusted, and no other', () =>
  withGate(async gate => {
    const bootstrapping = createBootstrapping(gate)
    const { device } = await bootstrapping.add({ uri: newUri(), manufacturer: 'fjord', serial: 'A1' }, 'somebody')
    assert.equal(device.id, deviceId('fjord', 'A1'))
    await assert.rejects(
      bootstrapping.add({ uri: newUri(), manufacturer: 'unknown', serial: 'A1' }, 'somebody'),
      code('not-found'),
    )
    await assert.rejects(bootstrapping.add({ uri: newUri(), serial: '' }, 'somebody'), code('input-invalid'))
    for (const uri of ['', 'DPP:V:2;;', `DPP:K:${'A'.repeat(40)};;`, newUri().slice(0, -30)]) {
      await assert.rejects(bootstrapping.add({ uri }, 'somebody'), code('bootstrapping-uri-invalid'), uri)
    }
  }))

test('a key is one device’s, and a device has one key', () =>
  withGate(async gate => {
    const bootstrapping = createBootstrapping(gate)
    const [first, second] = [newUri(), newUri('P-384')]
    const { key } = await bootstrapping.add({ uri: first, manufacturer: 'fjord', serial: 'A1' }, 'somebody')
    await assert.rejects(
      bootstrapping.add({ uri: first, manufacturer: 'fjord', serial: 'A2' }, 'somebody'),
      code('bootstrapping-key-taken'),
    )
    await assert.rejects(
      bootstrapping.add({ uri: second, manufacturer: 'fjord', serial: 'A1' }, 'somebody'),
      code('device-has-bootstrapping-key'),
    )
    await bootstrapping.remove(key.id, 'somebody')
    await assert.rejects(bootstrapping.remove(key.id, 'somebody'), code('bootstrapping-key-unknown'))
    assert.equal(await gate.store.read(tables => activeKey(tables, key.id)), undefined)
    const next = await bootstrapping.add({ uri: second, manufacturer: 'fjord', serial: 'A1' }, 'somebody')
    assert.equal(next.device.bootstrappingKey, next.key.id)
    await assert.rejects(
      bootstrapping.add({ uri: first, manufacturer: 'fjord', serial: 'A3' }, 'somebody'),
      code('bootstrapping-key-taken'),
      'also after its removal: the key was in another device',
    )
  }))

test('a manifest binds a key with the declaration of the device, and a newer one takes its place', () =>
  withGate(async gate => {
    const id = await expected(gate.store, 'A1')
    const binding = { device: id, uri: newUri(), source: 'manifest/1', by: 'somebody', at: gate.clock() }
    const bind = (declaration: string) =>
      gate.store.transaction(tx => bindBootstrappingKey(tx, { ...binding, declaration }))
    const first = await bind('{"first":1}')
    const same = await bind('{"first":1}')
    assert.equal(same.device.version, first.device.version)
    const second = await bind('{"second":2}')
    assert.equal(await gate.store.read(tables => declarationOf(tables, second.key)), '{"second":2}')
    const scanned = await createBootstrapping(gate).add({ uri: binding.uri, manufacturer: 'fjord', serial: 'A1' }, 'me')
    assert.equal(scanned.key.declaration, second.key.declaration, 'a person who scans it takes nothing away')
  }))

test('an access point stays one however its code comes again, and no declaration is lost when a person names it', () =>
  withGate(async gate => {
    const id = await expected(gate.store, 'A7')
    const uri = newUri()
    const bootstrapping = createBootstrapping(gate)
    const manifest = { device: id, uri, source: 'manifest/1', by: 'somebody', at: gate.clock() }
    const bind = (declaration: string) =>
      gate.store.transaction(tx => bindBootstrappingKey(tx, { ...manifest, declaration }))
    const who = { uri, manufacturer: 'fjord', serial: 'A7' }
    const first = await bind('{"first":1}')
    const named = await bootstrapping.add({ ...who, netRole: 'ap' }, 'administrator')
    assert.deepEqual([named.key.netRole, named.key.declaration], ['ap', first.key.declaration])
    assert.equal(named.key.source, 'manifest/1', 'its manufacturer still vouches for the key')
    // Who may expect devices may not decide what an access point is, and neither may a manifest.
    assert.equal((await bootstrapping.add(who, 'onboarder')).key.netRole, 'ap')
    const newer = await bind('{"second":2}')
    assert.deepEqual([newer.key.netRole, newer.key.declaration === first.key.declaration], ['ap', false])
    assert.equal((await gate.store.verify()).integrity, 'pass')
    // It takes somebody who forgets it first.
    await bootstrapping.remove(newer.key.id, 'somebody')
    const again = await bootstrapping.add(who, 'onboarder')
    assert.deepEqual([again.key.netRole, again.key.declaration], ['sta', undefined])
  }))

test('a device that only named its key is told to go on, and leaves no trace', () =>
  withGate(async gate => {
    const { key, device } = await createBootstrapping(gate).add({ uri: newUri() }, 'somebody')
    assert.equal((await ask(gate, { claimed: true }, key.id)).verdict, 'admit')
    assert.equal((await gate.device(device.id))?.version, device.version)
  }))

test('evidence of one-way authentication is implicit for the network, of mutual it is a pass', () =>
  withGate(async gate => {
    const { key, device } = await createBootstrapping(gate).add({ uri: newUri() }, 'somebody')
    const evidence = async () => {
      const events = await gate.events(device.id, 'evidence-recorded')
      const items = (events.at(-1)?.body['items'] ?? []) as { step: string; result: string }[]
      return Object.fromEntries(items.map(({ step, result }) => [step, result]))
    }
    assert.equal((await ask(gate, { intent: 'https://maker.example/lamp.json' }, key.id)).verdict, 'admit')
    assert.deepEqual(await evidence(), {
      'onboarding-mode-entered': 'pass',
      introduced: 'pass',
      'device-authenticated': 'pass',
      'network-authenticated': 'implicit',
      'channel-established': 'pass',
      registered: 'pass',
      'intent-conveyed': 'pass',
    })
    const known = await gate.device(device.id)
    assert.deepEqual([known?.rung, known?.mudUrl], ['authorized', 'https://maker.example/lamp.json'])
    await ask(gate, { mutual: true, attempt: '2' }, key.id)
    assert.equal((await evidence())['network-authenticated'], 'pass')
    const [reasons] = (await gate.events(device.id, 'admission-decided')).map(({ body }) => body['reasons'])
    assert.deepEqual((reasons as unknown[])[0], {
      rule: 'manufacturer-trusted',
      holds: false,
      note: 'bootstrapping key was put on record by somebody',
    })
  }))

test('the removal of its key closes the way in, also for who is on the way', () =>
  withGate(async gate => {
    const bootstrapping = createBootstrapping(gate)
    const { key, device } = await bootstrapping.add({ uri: newUri() }, 'somebody')
    await bootstrapping.remove(key.id, 'test')
    const decision = await gate.admission.admit({
      identity: {
        manufacturer: device.manufacturer,
        serial: device.serial,
        certificateHash: '',
        keyHash: key.id,
        bootstrapping: { source: key.source, mutual: true },
      },
      network: { id: 'harbour-iot', protocol: 'dpp' },
      evidence: { attempt: '1', transcript: '1', address: '192.0.2.7:1' },
    })
    assert.equal(decision.verdict === 'refuse' && decision.code, 'bootstrapping-key-unknown')
  }))

test('keys of all six curves are on record alike', () =>
  withGate(async gate => {
    const bootstrapping = createBootstrapping(gate)
    for (const { curve } of curves) await bootstrapping.add({ uri: newUri(curve) }, 'somebody')
    assert.equal((await bootstrapping.list()).length, curves.length)
  }))
