import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { HostapPeer } from '../../interop/dpp/peer.ts'
import { openSite, type Site } from '../../src/app/site.ts'
import type { NetworkAkm } from '../../src/domain/network-definition.ts'
import { addNetwork } from '../../src/role/onboarding/network-directory.ts'
import { needs } from '../peer.ts'
import { silentLog } from '../store.ts'

interface Meeting {
  readonly site: Site
  readonly peer: HostapPeer
  /** The code of the peer. */
  readonly uri: string
  /** The peer asks the site for a configuration, over TCP. */
  readonly ask: () => Promise<string>
}

/** Debian's program with a bootstrapping key, and a whole site that has a network of that kind. */
async function meet(kind: 'station' | 'access-point', akm: NetworkAkm, work: (meeting: Meeting) => Promise<void>) {
  const folder = await mkdtemp(join(tmpdir(), 'mooring-dpp-site-'))
  const host = '127.0.0.1'
  const place = { host, port: 0, dpp: { host, port: 0 }, log: silentLog }
  const site = await openSite({ network: 'home', owner: 'home', data: join(folder, 'site'), ...place })
  try {
    await addNetwork(
      site,
      'lamps',
      {
        ssid64: Buffer.from('lamps').toString('base64url'),
        akm,
        segments: [{ name: 'devices', group: 'lamps' }],
        passphraseLength: 32,
        channels: [],
        netAccessKeyCurve: 'P-256',
        cSignCurve: 'P-256',
        pmksaCaching: false,
        ...(akm === 'dot1x' ? { dot1x: { serverName: 'radius.example' } } : {}),
      },
      'test',
    )
    const at = join(folder, 'peer')
    const peer = await (kind === 'station' ? HostapPeer.wpaSupplicant(at) : HostapPeer.hostapd(at))
    try {
      const theirs = await peer.command('DPP_QR_CODE', (await site.configurator.identity()).uri)
      const own = await peer.command('DPP_BOOTSTRAP_GEN', 'type=qrcode', 'mac=020000000100')
      const uri = await peer.command('DPP_BOOTSTRAP_GET_URI', own)
      const where = [`tcp_addr=${host}`, `tcp_port=${site.dppPort}`, 'neg_freq=2437']
      const ask = () => peer.command('DPP_AUTH_INIT', `peer=${theirs}`, `own=${own}`, 'role=enrollee', ...where)
      await work({ site, peer, uri, ask })
    } finally {
      await peer.close()
    }
  } finally {
    await site.close()
    await rm(folder, { recursive: true, force: true })
  }
}

describe('a site and Debian’s hostap over TCP', needs('wpa_supplicant', 'wpa_cli', 'hostapd', 'hostapd_cli'), () => {
  for (const akm of ['dpp', 'dpp+psk+sae', 'dot1x'] as const) {
    test(`a station is configured for ${akm}, and stands in the record like any device`, () =>
      meet('station', akm, async ({ site, peer, uri, ask }) => {
        const { device } = await site.configurator.bootstrapping.add({ uri }, 'test')
        const watch = peer.watch()
        await ask()
        await watch.until(['DPP-NET-ACCESS-KEY'])
        assert.equal(watch.text('DPP-CONFOBJ-AKM'), akm)
        assert.equal(watch.text('DPP-AUTH-DIRECTION'), 'mutual=1')
        const known = await site.store.read(tables => tables.device.get(device.id))
        assert.deepEqual([known?.rung, known?.lifecycle], ['credentialed', 'US.NLO'])
        assert.equal((await site.store.verify()).integrity, 'pass')
      }))
  }

  test('an access point is enrolled, when a person has named it as one', () =>
    meet('access-point', 'dpp', async ({ site, peer, uri, ask }) => {
      await site.configurator.bootstrapping.add({ uri, netRole: 'ap' }, 'test')
      const watch = peer.watch()
      await ask()
      await watch.until(['DPP-NET-ACCESS-KEY'])
      const [, payload = ''] = (watch.text('DPP-CONNECTOR') ?? '').split('.')
      const { groups } = JSON.parse(Buffer.from(payload, 'base64url').toString()) as { groups: unknown }
      assert.deepEqual(groups, [{ groupId: 'lamps', netRole: 'ap' }])
    }))

  test('a station whose code nobody has scanned waits, and goes on when somebody does', () =>
    meet('station', 'dpp', async ({ site, peer, uri, ask }) => {
      const watch = peer.watch()
      await ask()
      await watch.until(['DPP-RESPONSE-PENDING'])
      assert.equal(site.configurator.service.waiting().length, 1)
      await site.configurator.bootstrapping.add({ uri }, 'test')
      await watch.until(['DPP-NET-ACCESS-KEY'])
    }))

  test('a station that asks to be what it is not on record for is refused', () =>
    meet('access-point', 'dpp', async ({ site, peer, uri, ask }) => {
      const { device } = await site.configurator.bootstrapping.add({ uri }, 'test')
      const watch = peer.watch()
      await ask()
      await watch.until(['DPP-CONF-FAILED', 'DPP-FAIL'])
      const known = await site.store.read(tables => tables.device.get(device.id))
      assert.equal(known?.refusal?.code, 'dpp-role-refused')
    }))
})
