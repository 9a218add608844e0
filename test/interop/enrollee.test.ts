import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { HostapPeer } from '../../interop/dpp/peer.ts'
import { supplicantInstaller } from '../../src/adapter/device/wpa-supplicant.ts'
import { memoryKeyStore } from '../../src/adapter/key/memory.ts'
import { enrolleeTransport } from '../../src/adapter/network/dpp-connection.ts'
import { Secret } from '../../src/crypto/secret.ts'
import { generateDppKey } from '../../src/protocol/dpp/key.ts'
import { parseBootstrappingUri } from '../../src/protocol/dpp/uri.ts'
import { makeBootstrapping } from '../../src/role/device/bootstrapping.ts'
import { type EnrolleeProgress, openEnrollee } from '../../src/role/device/enrollee.ts'
import { fjordClimate } from '../../src/role/device/model.ts'
import { memoryDeviceStore } from '../../src/role/device/store.ts'
import { needs } from '../peer.ts'
import { enterpriseNetworks } from '../role/device/enterprise-network.ts'
import { silentLog } from '../store.ts'

const passphrase = 'secret "of" this-device 01'

/** What Debian calls it, and what wpa_supplicant then has to say of the block that we wrote. */
const akms = {
  dpp: { conf: 'sta-dpp', management: 'DPP' },
  psk: { conf: 'sta-psk', management: 'WPA-PSK WPA-PSK-SHA256' },
  sae: { conf: 'sta-sae', management: 'SAE' },
  'psk+sae': { conf: 'sta-psk-sae', management: 'WPA-PSK WPA-PSK-SHA256 SAE' },
  'dpp+sae': { conf: 'sta-sae-dpp', management: 'SAE DPP' },
  'dpp+psk+sae': { conf: 'sta-psk-sae-dpp', management: 'WPA-PSK WPA-PSK-SHA256 SAE DPP' },
} as const

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  server.close()
  return typeof address === 'object' && address !== null ? address.port : 0
}

describe("Mooring's Enrollee and Debian's wpa_supplicant", needs('wpa_supplicant', 'wpa_cli'), () => {
  const folder = mkdtempSync(join(tmpdir(), 'mooring-enrollee-'))
  let controller: HostapPeer
  let configurator: string
  let uri: string
  before(async () => {
    controller = await HostapPeer.wpaSupplicant(join(folder, 'controller'))
    configurator = await controller.command('DPP_CONFIGURATOR_ADD')
    const own = await controller.command('DPP_BOOTSTRAP_GEN type=qrcode')
    uri = await controller.command('DPP_BOOTSTRAP_GET_URI', own)
  })
  after(async () => {
    await controller.close()
    rmSync(folder, { recursive: true, force: true })
  })

  /** One device, from its start to its networks in a directory of its own. */
  async function onboard(name: string, conf: string, chirps: boolean): Promise<string> {
    const directory = join(folder, name)
    const [keys, store] = [memoryKeyStore(), memoryDeviceStore()]
    const text = await makeBootstrapping({ keys, store }, { curve: 'P-256' })
    const hex = (value: string) => Buffer.from(value).toString('hex')
    const secret = conf === 'sta-dpp' ? '' : `pass=${hex(passphrase)}`
    const parameters = `conf=${conf} ssid=${hex('home')} ${secret} configurator=${configurator}`
    await controller.command(`SET dpp_configurator_params ${parameters}`)
    if (chirps) await controller.command('DPP_QR_CODE', text)
    const port = await freePort()
    await controller.command(`DPP_CONTROLLER_START tcp_port=${port} role=configurator`)
    const enrollee = await openEnrollee(undefined, {
      model: fjordClimate,
      keys,
      store,
      transport: enrolleeTransport(),
      installer: supplicantInstaller(directory),
      clock: Date.now,
      random: randomBytes,
      sleep: () => Promise.resolve(),
      log: silentLog,
      ownership: 'anybody',
    })
    const off = AbortSignal.timeout(8000)
    const meeting = { address: `127.0.0.1:${port}`, ...(chirps ? {} : { configurator: parseBootstrappingUri(uri) }) }
    let last: EnrolleeProgress | undefined
    for await (const news of enrollee.onboard(meeting, off)) last = news
    await controller.command('DPP_CONTROLLER_STOP')
    assert.deepEqual(last, { type: 'climbed', rung: 'credentialed', candidate: meeting.address })
    return directory
  }

  /** What wpa_supplicant makes of a configuration of ours. */
  async function parsed(directory: string, names: readonly string[]): Promise<Record<string, string>> {
    const configuration = join(directory, 'wpa_supplicant.conf')
    assert.equal(statSync(configuration).mode & 0o777, 0o600)
    const text = readFileSync(configuration, 'utf8')
    const peer = await HostapPeer.wpaSupplicant(join(directory, 'peer'), [text])
    try {
      const values = names.map(async name => [name, await peer.command('GET_NETWORK 0', name)])
      return Object.fromEntries(await Promise.all(values))
    } finally {
      await peer.close()
    }
  }

  for (const [akm, { conf, management }] of Object.entries(akms)) {
    test(`${akm}: its Controller configures our device, its station reads our network block`, async () => {
      const directory = await onboard(akm, conf, false)
      const found = await parsed(directory, ['ssid', 'key_mgmt', 'dpp_connector', 'dpp_csign', 'dpp_pp_key'])
      assert.equal(found['ssid'], '"home"')
      assert.deepEqual(found['key_mgmt']?.split(' ').sort(), management.split(' ').sort())
      assert.match(found['dpp_connector'] ?? '', /^"eyJ/)
      if (akm !== 'sae') return
      // Passwords are never told; that it took one shows in that it took the block.
      assert.match(readFileSync(join(directory, 'wpa_supplicant.conf'), 'utf8'), /sae_password=/)
    })
  }

  test('a device that announces itself', async () => {
    const found = await parsed(await onboard('chirp', 'sta-dpp', true), ['key_mgmt'])
    assert.equal(found['key_mgmt'], 'DPP')
  })

  test('enterprise: certificates and key in files that it can read', async () => {
    const directory = join(folder, 'enterprise')
    await supplicantInstaller(directory).install(await enterpriseNetworks(generateDppKey('P-256')))
    const found = await parsed(directory, ['key_mgmt', 'eap', 'identity', 'ca_cert', 'private_key'])
    assert.deepEqual(found['key_mgmt']?.split(' ').sort(), ['WPA-EAP', 'WPA-EAP-SHA256'])
    assert.deepEqual([found['eap'], found['identity']], ['TLS', '"L-1"'])
    assert.equal(found['private_key'], `"${join(directory, 'network-1-key.pem')}"`)
  })

  test('a block with every kind of text in it is read as it was meant', async () => {
    const directory = join(folder, 'odd')
    const cred = { akm: 'psk+sae', pass: new Secret('a"b\\c\td#e'), idpass: 'x"y' } as const
    const network = { ssid: Buffer.from('0a22ff5c', 'hex'), cred, thirdParty: {} }
    const networks = { name: 'L-1', origin: 'c', networks: [network], netAccessKey: generateDppKey('P-256') }
    await supplicantInstaller(directory).install(networks)
    const found = await parsed(directory, ['ssid', 'sae_password_id'])
    assert.deepEqual(found, { ssid: '0a22ff5c', sae_password_id: '"x"y"' })
  })
})
