import assert from 'node:assert/strict'
import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { after, before, describe, test } from 'node:test'
import { createSecretBox } from '../../src/adapter/key/secret-box.ts'
import { writeAccessPoints } from '../../src/app/access-point.ts'
import { Secret } from '../../src/crypto/secret.ts'
import { type NetworkAkm, type NetworkTerms, networkAkms } from '../../src/domain/network-definition.ts'
import { recordOnDevice } from '../../src/role/onboarding/device-record.ts'
import { addNetwork } from '../../src/role/onboarding/network-directory.ts'
import { needs } from '../peer.ts'
import { configured } from '../role/onboarding/configured.ts'
import { openTestStore, silentLog, type TestStore } from '../store.ts'

const now = Date.now()
const box = createSecretBox(Secret.random(32), 'test')
let opened: TestStore
let directory: string

before(async () => {
  opened = await openTestStore({ clock: () => now })
  directory = await mkdtemp(join(tmpdir(), 'mooring-hostapd-'))
})
after(async () => {
  await opened.close()
  await rm(directory, { recursive: true })
})

/** Starts it without a radio (driver=none), and tells what it said until it was ready or gave up. */
async function hostapd(file: string): Promise<{ readonly ready: boolean; readonly said: string }> {
  const child = spawn('hostapd', ['-dd', file], { stdio: ['ignore', 'pipe', 'pipe'] })
  const said: string[] = []
  let ready = false
  const closed = once(child, 'close')
  for await (const line of createInterface({ input: child.stdout })) {
    said.push(line)
    if (!/AP-ENABLED|Setup of interface done/.test(line)) continue
    ready = true
    child.kill()
  }
  await closed
  return { ready, said: said.join('\n') }
}

function terms(akm: NetworkAkm): NetworkTerms {
  const vlan = akm.includes('dpp') ? {} : { vlan: 30 }
  return {
    ssid64: Buffer.from([0x68, 0xff, 0x22, 0x20, 0x3d]).toString('base64url'),
    akm,
    segments: [{ name: akm, group: 'devices', ...vlan }],
    passphraseLength: 63,
    channels: [],
    netAccessKeyCurve: 'P-256',
    cSignCurve: 'P-256',
    pmksaCaching: false,
    ...(akm === 'dot1x' ? { dot1x: { serverName: 'radius.example' } } : {}),
  }
}

describe('files for access points, read by hostapd', () => {
  for (const akm of networkAkms) {
    test(`${akm}: it starts with them`, needs('hostapd'), async () => {
      const { store } = opened
      const name = akm.replaceAll('+', '-')
      await addNetwork({ store, clock: () => now }, name, terms(akm), 'test')
      for (const n of [1, 2]) {
        const plan = { segment: akm, lifetimeDays: 30 }
        await configured({ store, box, now }, `${akm}-${n}`, { plan, mac: `0200000001${n}0` })
      }
      await configured({ store, box, now }, `${akm}-3`, {
        plan: { segment: akm, lifetimeDays: 30 },
        version: 3,
        passwordIds: true,
      })
      const radius = 'auth_server_addr=127.0.0.1\nauth_server_port=9\nauth_server_shared_secret=x\n'
      const base = `interface=lo\ndriver=none\nhw_mode=g\nchannel=6\n${akm === 'dot1x' ? radius : ''}`
      await writeFile(join(directory, `${name}.base`), base, { mode: 0o600 })
      const place = { directory }
      const writing = { store, clock: () => now, log: silentLog, box, place }
      const { changed, networks } = await writeAccessPoints(writing, name)
      assert.deepEqual(
        networks.map(({ devices, left }) => [devices, left]),
        [[3, []]],
      )
      for (const file of changed) assert.equal((await stat(join(directory, file))).mode & 0o777, 0o600)
      assert.deepEqual((await writeAccessPoints(writing, name)).changed, [], 'the same is not written again')
      const { ready, said } = await hostapd(join(directory, `${name}.conf`))
      assert.ok(ready, said.split('\n').slice(-12).join('\n'))
      assert.doesNotMatch(said, /^Line \d+:|Unrecognized|Invalid/m)
    })
  }

  test('who is kept out and comes back, without a restart', needs('hostapd', 'hostapd_cli'), async () => {
    const { store } = opened
    const open = { ...terms('psk'), segments: [{ name: 'again', group: 'again' }] }
    await addNetwork({ store, clock: () => now }, 'again', open, 'test')
    const plan = { segment: 'again', lifetimeDays: 30 }
    const need = { plan, mac: '020000000199' }
    const { device } = await configured({ store, box, now }, 'again', need)
    const control = join(directory, 'control')
    const base = `interface=lo\ndriver=none\nhw_mode=g\nchannel=6\nctrl_interface=${control}\n`
    await writeFile(join(directory, 'again.base'), base, { mode: 0o600 })
    const write = () =>
      writeAccessPoints({ store, clock: () => now, log: silentLog, box, place: { directory } }, 'again')
    await write()
    const child = spawn('hostapd', [join(directory, 'again.conf')], { stdio: ['ignore', 'pipe', 'ignore'] })
    const closed = once(child, 'close')
    try {
      for await (const line of createInterface({ input: child.stdout })) if (line.includes('AP-ENABLED')) break
      const ask = (...command: string[]) =>
        execFileSync('hostapd_cli', ['-p', control, '-i', 'lo', ...command], { encoding: 'utf8' }).trim()
      const reload = () => {
        assert.equal(ask('set', 'deny_mac_file', join(directory, 'again.deny')), 'OK')
        assert.equal(ask('reload_wpa_psk'), 'OK')
        return ask('deny_acl', 'SHOW')
      }
      assert.equal(reload(), '')
      await store.transaction(async tx => {
        const events = [{ kind: 'device-withdrawn', body: { by: 'test' } }] as const
        await recordOnDevice(tx, device, () => events)
      })
      await write()
      assert.match(reload(), /^02:00:00:00:01:99/)
      await store.transaction(async tx => {
        const record = (await tx.device.get(device))!
        await tx.device.put({ ...record, standing: 'approved' })
      })
      await write()
      assert.equal(reload(), '')
    } finally {
      child.kill()
      await closed
    }
  })

  test('and it does not take what is wrong with them', needs('hostapd'), async () => {
    const bad = join(directory, 'bad.conf')
    const psk = join(directory, 'bad.psk')
    const lines = ['interface=lo', 'driver=none', 'ssid=x', 'wpa=2', 'wpa_key_mgmt=WPA-PSK', `wpa_psk_file=${psk}`]
    await writeFile(bad, `${lines.join('\n')}\n`)
    await writeFile(psk, 'vlan=30 02:00:00:00:01:00 0123456789\n')
    const { ready, said } = await hostapd(bad)
    assert.equal(ready, false)
    assert.match(said, /Unrecognized 'vlan=30'/)
  })
})
