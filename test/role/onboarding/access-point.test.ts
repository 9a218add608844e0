import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { after, before, describe, test } from 'node:test'
import { inspect } from 'node:util'
import { createSecretBox } from '../../../src/adapter/key/secret-box.ts'
import { Secret } from '../../../src/crypto/secret.ts'
import { revokeCredential } from '../../../src/domain/credential.ts'
import type { NetworkAkm, NetworkTerms } from '../../../src/domain/network-definition.ts'
import type { Store } from '../../../src/domain/port.ts'
import { type AccessList, accessList, accessPointFiles, derivePsk } from '../../../src/role/onboarding/access-point.ts'
import { recordOnDevice } from '../../../src/role/onboarding/device-record.ts'
import { addNetwork, networkNamed, removeNetwork } from '../../../src/role/onboarding/network-directory.ts'
import { openTestStore, type TestStore } from '../../store.ts'
import { configured } from './configured.ts'

const now = Date.parse('2026-11-20T08:00:00Z')
const day = 86_400_000
const box = createSecretBox(Secret.random(32), 'test')
const mac = (n: number) => `0200000001${String(n).padStart(2, '0')}`

function terms(akm: NetworkAkm): NetworkTerms {
  return {
    ssid64: Buffer.from('cams').toString('base64url'),
    akm,
    segments: [
      { name: 'devices', group: 'devices', vlan: 30 },
      { name: 'quarantine', group: 'quarantine', vlan: 99 },
    ],
    passphraseLength: 32,
    channels: [],
    netAccessKeyCurve: 'P-256',
    cSignCurve: 'P-256',
    pmksaCaching: false,
  }
}

let opened: TestStore
let store: Store
before(async () => {
  opened = await openTestStore({ clock: () => now })
  store = opened.store
  await addNetwork({ store, clock: () => now }, 'cameras', terms('psk+sae'), 'test')
})
after(() => opened.close())

const place = () => ({ store, box, now })
async function list(at = now): Promise<AccessList> {
  const { network } = await networkNamed(store, 'cameras')
  return store.read(tables => accessList({ tables, box, at }, network))
}
async function texts(at = now, directory = '/etc/mooring') {
  const files = await accessPointFiles(await list(at), { directory, base: 'interface=wlan0\ndriver=nl80211\n' })
  return Object.fromEntries(Object.entries(files).map(([name, text]) => [name, text.revealText()]))
}

describe('what an access point is told', () => {
  test('is each device with its own secret and its segment, and how to run the network', async () => {
    const { device, secret } = await configured(place(), 'A', { mac: mac(1) })
    const files = await texts()
    assert.deepEqual(Object.keys(files).sort(), ['cameras.conf', 'cameras.deny', 'cameras.psk', 'cameras.vlan'])
    const lines = files['cameras.conf']!.split('\n')
    assert.equal(lines[0], 'interface=wlan0')
    for (const wanted of [
      'ssid2=63616d73',
      'wpa_key_mgmt=SAE WPA-PSK WPA-PSK-SHA256',
      'ieee80211w=1',
      'sae_require_mfp=1',
      'disable_pmksa_caching=1',
      'dynamic_vlan=1',
      'wpa_psk_file=/etc/mooring/cameras.psk',
      'deny_mac_file=/etc/mooring/cameras.deny',
      `sae_password=${secret}|mac=02:00:00:00:01:01|vlanid=30`,
    ]) {
      assert.ok(lines.includes(wanted), wanted)
    }
    const key = await derivePsk(new Secret(secret!), Buffer.from('cams'))
    assert.equal(files['cameras.psk'], `vlanid=30 keyid=${device} 02:00:00:00:01:01 ${key.reveal().toString('hex')}\n`)
    assert.equal(files['cameras.deny'], '-02:00:00:00:01:01\n')
    const whole = await list()
    assert.ok(!inspect(whole, { depth: 9 }).includes(secret!), 'no log shows it')
    assert.ok(!JSON.stringify(whole).includes(secret!))
  })

  test('leaves the cache on where network introduction puts its key into it', async () => {
    const listed = await list()
    const files = async (akm: 'dpp' | 'dpp+sae' | 'sae') => {
      const network = { ...listed.network, akm }
      const { 'cameras.conf': conf } = await accessPointFiles({ ...listed, network }, { directory: '/etc/mooring' })
      return conf!.revealText()
    }
    assert.doesNotMatch(await files('dpp'), /disable_pmksa_caching/)
    assert.doesNotMatch(await files('dpp+sae'), /disable_pmksa_caching/)
    assert.match(await files('sae'), /disable_pmksa_caching=1/)
  })

  test('puts nobody into a VLAN where a Connector puts all into one', async () => {
    const { secret } = await configured(place(), 'V', { mac: mac(40) })
    const listed = await list()
    const network = { ...listed.network, akm: 'dpp+psk+sae' as const }
    const files = await accessPointFiles({ ...listed, network }, { directory: '/etc/mooring' })
    const text = Object.values(files)
      .map(each => each.revealText())
      .join('')
    assert.ok(text.includes(`sae_password=${secret}|mac=02:00:00:00:01:40\n`))
    assert.doesNotMatch(text, /vlan/)
  })

  test('has no line for a group address, which would be one for everybody', async () => {
    const only = {
      ...terms('sae'),
      ssid64: Buffer.from('only').toString('base64url'),
      segments: [{ name: 'only', group: 'only' }],
    }
    await addNetwork({ store, clock: () => now }, 'only', only, 'test')
    for (const address of ['ffffffffffff', '01:00:5e:00:00:01', '000000000000']) {
      await assert.rejects(
        configured(place(), `G${address}`, { mac: address, plan: { segment: 'only', lifetimeDays: 1 } }),
        {
          code: 'network-address-missing',
        },
      )
    }
  })

  test('derives keys as the standard does', async () => {
    // IEEE 802.11-2020 section J.4.2, test case 1.
    const key = await derivePsk(new Secret('password'), Buffer.from('IEEE'))
    assert.equal(key.reveal().toString('hex'), 'f42c6fc52df0ebef9ebb4b90b38a5f902e83fe1b135a70e23aed762e9710a12e')
  })

  test('follows the policies: a suspect device is in quarantine without being told', async () => {
    const { device } = await configured(place(), 'B', { mac: mac(2) })
    const stay = async (segment: string, verdict: 'permit' | 'refuse' = 'permit') =>
      store.transaction(async tx => {
        const facts = { device, serial: 'B', manufacturer: 'fjord', model: '', standing: 'expected', owner: '' }
        const more = {
          lifecycle: 'US.COM',
          posture: 'suspect',
          network: 'n',
          site: 's',
          protocol: 'dpp',
          now: 0,
        } as const
        const basis = { version: '1', policies: [], facts: { ...facts, ...more }, factsHash: '' }
        const terms = { segment, services: [], maintain: false }
        await recordOnDevice(tx, device, () => [
          { kind: 'stay-decided', body: { verdict, basis, terms, revoke: false, at: now } } as never,
        ])
      })
    await stay('quarantine')
    assert.match((await texts())['cameras.conf']!, /mac=02:00:00:00:01:02\|vlanid=99$/m)
    await stay('office')
    const elsewhere = await list()
    assert.deepEqual(elsewhere.left, [{ device, code: 'network-undefined' }], 'a segment that this network has not')
    assert.deepEqual(elsewhere.denied, ['02:00:00:00:01:02'])
    await stay('devices', 'refuse')
    assert.deepEqual((await list()).left, [{ device, code: 'policy-refused' }])
    assert.doesNotMatch((await texts())['cameras.conf']!, /01:02/)
  })

  test('ends with revocation, with withdrawal, and with the time', async () => {
    const { device, credential, secret } = await configured(place(), 'C', { mac: mac(3) })
    assert.ok((await texts())['cameras.conf']!.includes(secret!))
    await store.transaction(async tx => {
      const record = (await tx.credential.get(credential))!
      await recordOnDevice(tx, device, () => [
        { kind: 'credential-revoked', body: { credential, reason: 'keyCompromise', by: 'test' } },
      ])
      await tx.credential.put(revokeCredential(record, { at: now, reason: 'keyCompromise' }))
    })
    const files = await texts()
    for (const text of Object.values(files)) assert.ok(!text.includes(secret!))
    assert.match(files['cameras.deny']!, /^02:00:00:00:01:03$/m, 'its Connector is good until it ends')
    const withdrawn = await configured(place(), 'D', { mac: mac(4) })
    await store.transaction(async tx => {
      await recordOnDevice(tx, withdrawn.device, () => [{ kind: 'device-withdrawn', body: { by: 'test' } }])
    })
    assert.ok((await list()).left.some(each => each.device === withdrawn.device && each.code === 'device-withdrawn'))
    assert.equal((await list(now + 31 * day)).devices.length, 0)
    assert.equal((await list(now + 31 * day)).denied.length, 0, 'nothing is good any more')
    assert.equal((await store.verify()).integrity, 'pass')
  })

  test('has the newest secret of a device and none before it', async () => {
    const first = await configured(place(), 'E', { mac: mac(5) })
    const second = await configured(place(), 'E', { mac: mac(5) })
    const text = (await texts())['cameras.conf']!
    assert.ok(!text.includes(first.secret!))
    assert.ok(text.includes(second.secret!))
    assert.match((await texts())['cameras.deny']!, /^-02:00:00:00:01:05$/m)
  })

  test('has a line for any address with psk, and a name with sae', async () => {
    const { device, secret } = await configured(place(), 'F', { version: 3, passwordIds: true })
    const files = await texts()
    assert.ok(files['cameras.conf']!.includes(`sae_password=${secret}|vlanid=30|id=${device}\n`))
    assert.match(files['cameras.psk']!, new RegExp(`^vlanid=30 keyid=${device} 00:00:00:00:00:00 [0-9a-f]{64}$`, 'm'))
  })

  test('that was sealed with other keys is left out, and the rest is there', async () => {
    const strangers = createSecretBox(Secret.random(32), 'test')
    const { network } = await networkNamed(store, 'cameras')
    const found = await store.read(tables => accessList({ tables, box: strangers, at: now }, network))
    assert.equal(found.devices.length, 0)
    assert.ok(found.left.some(({ code }) => code === 'network-secret-missing'))
  })

  test('keeps a network that devices are on', async () => {
    await assert.rejects(removeNetwork({ store, clock: () => now }, 'cameras', 'test'), { code: 'network-in-use' })
  })

  test('is a Controller to relay to, where there is one', async () => {
    const controller = { address: '192.0.2.1', keyHash: randomBytes(32).toString('hex') }
    const { network } = await networkNamed(store, 'cameras')
    const dpp: AccessList = { network: { ...network, akm: 'dpp', segments: [] }, devices: [], denied: [], left: [] }
    const files = await accessPointFiles(dpp, { directory: '/d', controller })
    const text = files['cameras.conf']!.revealText()
    assert.match(text, new RegExp(`^dpp_controller=ipaddr=192.0.2.1 pkhash=${controller.keyHash}$`, 'm'))
    assert.match(text, /^wpa_key_mgmt=DPP$/m)
    assert.match(text, /^ieee80211w=2$/m)
  })
})
