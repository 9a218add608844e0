import assert from 'node:assert/strict'
import { hash, randomBytes } from 'node:crypto'
import { after, before, describe, test } from 'node:test'
import { inspect } from 'node:util'
import { createSecretBox } from '../../../src/adapter/key/secret-box.ts'
import { Secret } from '../../../src/crypto/secret.ts'
import { type CredentialRecord, revokeCredential, supersedeCredential } from '../../../src/domain/credential.ts'
import { deviceId, evolveDevice } from '../../../src/domain/device.ts'
import { streamName } from '../../../src/domain/event.ts'
import type { NetworkDefinition, NetworkTerms } from '../../../src/domain/network-definition.ts'
import type { Store } from '../../../src/domain/port.ts'
import { recordOnDevice } from '../../../src/role/onboarding/device-record.ts'
import { type ConfigurationNeed, configurationFor, macText } from '../../../src/role/onboarding/network-definition.ts'
import {
  addNetwork,
  changeNetwork,
  networkNamed,
  removeNetwork,
  termsOf,
} from '../../../src/role/onboarding/network-directory.ts'
import { accessGranted, grantAccess, secretOf } from '../../../src/role/onboarding/network-secret.ts'
import { openTestStore, type TestStore } from '../../store.ts'

const now = Date.parse('2026-11-20T08:00:00Z')
const day = 86_400_000
const terms: NetworkTerms = {
  ssid64: Buffer.from('harbour').toString('base64url'),
  akm: 'dpp',
  segments: [{ name: 'devices', group: 'devices' }],
  passphraseLength: 32,
  channels: ['81/6'],
  netAccessKeyCurve: 'P-256',
  cSignCurve: 'P-384',
  pmksaCaching: false,
}
const network = (name: string, change: Partial<NetworkTerms> = {}): NetworkDefinition => ({
  ...{ ...terms, ...change, name },
  ...{ status: 'active', changedAt: now, changedBy: 'test', version: 1 },
})
const need: ConfigurationNeed = {
  netRole: 'sta',
  plan: { segment: 'devices', lifetimeDays: 365 },
  version: 2,
  curve: 'P-256',
}

describe('what a device is configured for', () => {
  test('follows from the segment of the decision', () => {
    const networks = [
      network('a', { segments: [{ name: 'guests', group: 'guests' }] }),
      network('b', { connectorLifetimeDays: 30 }),
    ]
    const found = configurationFor(networks, need, now)
    assert.equal(found.network, 'b')
    assert.equal(found.ssid.toString(), 'harbour')
    assert.deepEqual(found.groups, [{ groupId: 'devices', netRole: 'sta' }])
    assert.deepEqual([found.cSignCurve, found.netAccessKeyCurve, found.newKeyNeeded], ['P-384', 'P-256', false])
    assert.equal(found.expiry, now + 30 * day, 'the earlier of the two ends')
    assert.deepEqual(found.access, { segment: 'devices', akm: 'dpp' })
    assert.equal(found.secretLength, undefined)
    const short = { ...need, plan: { segment: 'devices', lifetimeDays: 7 } }
    assert.equal(configurationFor(networks, short, now).expiry, now + 7 * day)
  })

  test('is nothing where no network, or more than one, could be meant', () => {
    const quarantined = { ...need, plan: { segment: 'quarantine', lifetimeDays: 1 } }
    assert.throws(() => configurationFor([network('a')], quarantined, now), { code: 'network-undefined' })
    assert.throws(() => configurationFor([], need, now), { code: 'network-undefined' })
    const unsaid = { ...need, plan: { lifetimeDays: 365 } }
    assert.equal(configurationFor([network('a')], unsaid, now).access.segment, 'devices')
    const two = [network('a'), network('b', { segments: [{ name: 'guests', group: 'guests' }] })]
    assert.throws(() => configurationFor(two, unsaid, now), { code: 'network-ambiguous' })
  })

  test('asks for a key on the curve of the network, where the device can make one', () => {
    const other = { ...need, curve: 'P-384' } as const
    assert.throws(() => configurationFor([network('a')], other, now), { code: 'network-curve-differs' })
    assert.equal(configurationFor([network('a')], { ...other, version: 3 }, now).newKeyNeeded, true)
    assert.equal(configurationFor([network('a', { akm: 'psk' })], other, now).newKeyNeeded, false)
  })

  test('has no SSID that version 1 cannot say', () => {
    const octets = [network('a', { ssid64: Buffer.from([255, 1]).toString('base64url') })]
    assert.throws(() => configurationFor(octets, { ...need, version: 1 }, now), { code: 'network-version-old' })
    assert.equal(configurationFor(octets, need, now).ssid.toString('hex'), 'ff01')
  })

  test('has a secret that an access point can find: by address, or by name', () => {
    const sae = [network('a', { akm: 'dpp+sae' })]
    const only = [network('a', { akm: 'sae' })]
    assert.throws(() => configurationFor(only, need, now), { code: 'network-address-missing' })
    assert.equal(configurationFor(sae, need, now).akm, 'dpp', 'what it can use of both')
    assert.equal(configurationFor([network('a', { akm: 'psk+sae' })], need, now).akm, 'psk')
    assert.equal(configurationFor(sae, { ...need, version: 1, mac: '020000000100' }, now).akm, 'dpp')
    const at = configurationFor(sae, { ...need, mac: '020000000100' }, now)
    assert.deepEqual(at.access, { segment: 'devices', akm: 'dpp+sae', mac: '02:00:00:00:01:00' })
    assert.equal(at.secretLength, 32)
    const named = configurationFor(sae, { ...need, version: 3, passwordIds: true }, now)
    assert.equal(named.access.mac, undefined)
    const psk = configurationFor([network('a', { akm: 'psk' })], need, now)
    assert.deepEqual(psk.access, { segment: 'devices', akm: 'psk' }, 'which can be tried')
    assert.throws(() => macText('02000000010'), TypeError)
  })

  test('is a Connector for every group of the network, for an access point', () => {
    const segments = [
      { name: 'devices', group: 'devices' },
      { name: 'cameras', group: 'cameras' },
    ]
    const found = configurationFor([network('a', { akm: 'dpp+sae', segments })], { ...need, netRole: 'ap' }, now)
    assert.equal(found.akm, 'dpp')
    assert.deepEqual(found.groups, [
      { groupId: 'devices', netRole: 'ap' },
      { groupId: 'cameras', netRole: 'ap' },
    ])
    assert.equal(found.secretLength, undefined)
    const sae = [network('a', { akm: 'sae' })]
    assert.throws(() => configurationFor(sae, { ...need, netRole: 'ap' }, now), { code: 'network-no-dpp' })
  })

  test('holds the name of the RADIUS server for dot1x', () => {
    const dot1x = { serverName: 'radius.harbour.example' }
    assert.deepEqual(configurationFor([network('a', { akm: 'dot1x', dot1x })], need, now).dot1x, dot1x)
  })
})

describe('the networks of a site', () => {
  let opened: TestStore
  let store: Store
  before(async () => {
    opened = await openTestStore({ clock: () => now })
    store = opened.store
  })
  after(() => opened.close())
  const place = () => ({ store, clock: () => now })
  const device = deviceId('fjord', 'CL2-000001')
  const box = createSecretBox(Secret.random(32), 'test')

  test('are added, changed and removed, and the record says so', async () => {
    const added = await addNetwork(place(), 'home', terms, 'alice')
    assert.equal(added.network.version, 1)
    await assert.rejects(addNetwork(place(), 'home', terms, 'alice'), { code: 'network-exists' })
    await assert.rejects(addNetwork(place(), 'other', terms, 'alice'), { code: 'network-segment-taken' })
    const changed = await changeNetwork(place(), 'home', before => ({ ...termsOf(before), akm: 'dpp+sae' }), 'bob')
    assert.deepEqual([changed.network.akm, changed.network.changedBy], ['dpp+sae', 'bob'])
    await removeNetwork(place(), 'home', 'alice')
    await assert.rejects(networkNamed(store, 'home'), { code: 'not-found' })
    await addNetwork(place(), 'home', { ...terms, akm: 'psk' }, 'alice')
    const kinds = (await store.history(streamName('network', 'home'))).map(({ kind }) => kind)
    assert.deepEqual(kinds, ['network-defined', 'network-defined', 'network-removed', 'network-defined'])
    assert.equal((await store.verify()).integrity, 'pass')
  })

  test('are refused with the reason, and nothing is written', async () => {
    const escaping = { ...terms, akm: 'sae', segments: [{ name: 'cameras', group: 'cameras', vlan: 30 }] } as const
    await assert.rejects(addNetwork(place(), 'cameras', { ...escaping, pmksaCaching: true }, 'alice'), {
      code: 'network-refused',
      detail: {
        rule: 'sae-pmksa-vlan',
        reason:
          'hostapd up to 2.11 forgets the VLAN of an SAE device when it comes back (PMKSA caching): it would be ' +
          'outside its segment. Turn the caching off',
      },
    })
    assert.deepEqual(await store.history(streamName('network', 'cameras')), [])
  })

  async function onboard(): Promise<{ record: CredentialRecord; secret: Secret }> {
    const definition = (await networkNamed(store, 'home')).network
    const configuration = configurationFor([definition], { ...need, mac: '020000000100' }, now)
    const { access, secret } = grantAccess({ box, random: randomBytes }, device, configuration)
    const record: CredentialRecord = {
      ...{ id: '00'.repeat(32), device, kind: 'network', status: 'issued', serialHex: '01', requestHash: 'ab' },
      ...{ keyHash: 'cd', issuer: 'dpp', notBefore: now, notAfter: now + day, tbs: '' },
      ...{ network: configuration.network, access },
    }
    return { record, secret: secret! }
  }

  test('give each device a secret that nothing shows', async () => {
    const { record, secret } = await onboard()
    const text = secret.revealText()
    assert.match(text, /^[A-Za-z0-9_-]{32}$/)
    const other = (await onboard()).secret
    assert.notEqual(other.revealText(), text)
    for (const shown of [JSON.stringify(record), inspect(record, { depth: 9 }), String(secret)]) {
      assert.ok(!shown.includes(text))
    }
    assert.ok(secretOf(box, record)!.equals(text))
    const event = accessGranted(record.id, 'home', record.access!)
    assert.ok(!JSON.stringify(event).includes('box'))
    assert.match(event.body.secretHash!, /^[0-9a-f]{64}$/)
  })

  test('keep it bound to its device, its network and the keys of the site', async () => {
    const { record } = await onboard()
    const strangers = createSecretBox(Secret.random(32), 'test')
    const missing = { code: 'network-secret-missing' }
    assert.throws(() => secretOf(strangers, record), missing)
    assert.throws(() => secretOf(box, { ...record, device: deviceId('fjord', 'other') }), missing)
    assert.throws(() => secretOf(box, { ...record, network: 'other' }), missing)
    for (const bad of ['', '{}', 'null', '{"nonce":"AAAAAAAAAAAAAAAA","box":""}']) {
      assert.throws(() => secretOf(box, { ...record, access: { ...record.access!, box: bad } }), missing)
    }
  })

  test('lose it with the credential, however that ends', async () => {
    const { record } = await onboard()
    const revoked = revokeCredential(record, { at: now, reason: 'keyCompromise' })
    const superseded = supersedeCredential(record)
    for (const ended of [revoked, superseded]) {
      assert.equal(ended.access?.box, undefined)
      assert.equal(ended.access?.segment, 'devices')
      assert.throws(() => secretOf(box, ended), { code: 'network-secret-missing' })
    }
  })
})

describe('a secret in the record', () => {
  let opened: TestStore
  before(async () => {
    opened = await openTestStore({ clock: () => now })
  })
  after(() => opened.close())

  test('that came back after its end, or was exchanged, is found by verification', async () => {
    const { store } = opened
    const device = deviceId('fjord', 'CL2-000002')
    const box = createSecretBox(Secret.random(32), 'test')
    const access = { segment: 'devices', akm: 'psk' } as const
    const granted = grantAccess({ box, random: randomBytes }, device, { network: 'home', access, secretLength: 32 })
    const tbs = Buffer.from('connector')
    const id = hash('sha256', tbs)
    const record: CredentialRecord = {
      ...{ id, device, kind: 'network', status: 'issued', serialHex: '01', requestHash: 'ab', keyHash: 'cd' },
      ...{ issuer: 'dpp', notBefore: now, notAfter: now + day, tbs: tbs.toString('base64') },
      ...{ certificate: tbs.toString('base64'), network: 'home', access: granted.access },
    }
    await store.transaction(async tx => {
      const heard = { manufacturer: 'fjord', serial: 'CL2-000002', attempt: 'a', protocol: 'dpp', address: '', at: now }
      const first = { kind: 'device-heard', body: heard } as const
      await tx.append(streamName('device', device), 0, [first])
      await tx.device.put(evolveDevice(undefined, first))
    })
    await store.transaction(async tx => {
      await recordOnDevice(tx, device, () => [
        { kind: 'credential-planned', body: { credential: id, serialHex: '01', notAfter: now + day } },
        accessGranted(id, 'home', granted.access),
        { kind: 'credential-issued', body: { credential: id, certificateHash: id, notAfter: now + day } },
      ])
      await tx.credential.insert(record)
    })
    assert.equal((await store.verify()).integrity, 'pass')
    const found = await store.read(tables => tables.credential.find({ network: 'home', status: 'issued' }))
    assert.equal(found.length, 1)
    const again = grantAccess({ box, random: randomBytes }, device, { network: 'home', access, secretLength: 32 })
    await store.transaction(tx => tx.credential.put({ ...record, access: again.access }))
    assert.equal((await store.verify()).integrity, 'fail', 'another secret')
    await store.transaction(async tx => {
      await recordOnDevice(tx, device, () => [
        { kind: 'credential-revoked', body: { credential: id, reason: 'keyCompromise', by: 'test' } },
      ])
      await tx.credential.put(revokeCredential(record, { at: now, reason: 'keyCompromise' }))
    })
    assert.equal((await store.verify()).integrity, 'pass')
    const revived = { ...revokeCredential(record, { at: now, reason: 'keyCompromise' }), access: granted.access }
    await store.transaction(tx => tx.credential.put(revived))
    assert.equal((await store.verify()).integrity, 'fail', 'a secret after its end')
  })
})
