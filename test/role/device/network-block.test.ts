import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { extendedKeyUsageOid } from '../../../src/codec/x509/extension.ts'
import { Secret } from '../../../src/crypto/secret.ts'
import { keySigner } from '../../../src/crypto/signer.ts'
import { OnboardingError } from '../../../src/domain/error.ts'
import type { Credential } from '../../../src/protocol/dpp/configuration-object.ts'
import { dppKeyPair, generateDppKey } from '../../../src/protocol/dpp/key.ts'
import { supplicantFiles } from '../../../src/role/device/network-block.ts'
import { certify, eku } from '../../crypto/pki.ts'
import { connectorOf, house } from './dpp-network.ts'

const netAccessKey = generateDppKey('P-256')
const pass = new Secret('secret "pass"\n\\phrase')
const home = await house('Alice')
const connector = connectorOf(home, netAccessKey)

function blocks(...creds: readonly Credential[]) {
  const networks = creds.map((cred, i) => ({ ssid: Buffer.from(`net-${i}`), cred, thirdParty: {} }))
  return supplicantFiles({ name: 'L-1', origin: 'c:8908', networks, netAccessKey }, '/var/lib/lamp')
}

/** Each line of a block as name and value. */
function lines(text: string, block = 0): Map<string, string> {
  const body = text.split('network={\n')[block + 1]?.split('\n}')[0] ?? ''
  return new Map(body.split('\n').map(line => line.trim().split(/=(.*)/s) as [string, string]))
}

async function enterprise(ca = true): Promise<Credential> {
  const key = keySigner(dppKeyPair(netAccessKey.privateKey).privateKey)
  const issuer = home.root
  const leaf = await certify({ subject: 'L-1', issuer, signer: key, extensions: [eku(extendedKeyUsageOid.clientAuth)] })
  const { der } = issuer.certificate
  return {
    akm: 'dot1x',
    entCreds: {
      // As hostap's own Controller sorts it.
      certBag: [der, leaf.certificate.der],
      ...(ca && { caCert: der }),
      trustedEapServerName: 'radius.alice',
    },
  }
}

describe('a network block', () => {
  test('for each AKM says how to authenticate, and with what [dpp: conf_file_update, config_save]', () => {
    const wanted: readonly [Credential, string, string, readonly string[]][] = [
      [{ akm: 'dpp', connector }, 'DPP', '2', ['dpp_connector', 'dpp_netaccesskey', 'dpp_csign', 'dpp_pp_key']],
      [{ akm: 'psk', pass }, 'WPA-PSK WPA-PSK-SHA256', '1', ['psk']],
      [{ akm: 'sae', pass, idpass: 'lamp' }, 'SAE', '2', ['sae_password', 'sae_password_id']],
      [{ akm: 'psk+sae', pass }, 'WPA-PSK WPA-PSK-SHA256 SAE', '1', ['psk', 'sae_password']],
      [{ akm: 'dpp+sae', pass, connector }, 'DPP SAE', '2', ['sae_password', 'dpp_connector']],
      [{ akm: 'dpp+psk+sae', pass, connector }, 'DPP WPA-PSK WPA-PSK-SHA256 SAE', '1', ['psk', 'dpp_connector']],
    ]
    for (const [cred, management, frames, members] of wanted) {
      const found = lines(blocks(cred).configuration)
      assert.equal(found.get('key_mgmt'), management)
      assert.equal(found.get('ieee80211w'), frames)
      for (const member of members) assert.ok(found.has(member), `${cred.akm} without ${member}`)
      assert.equal(found.has('dpp_connector'), cred.connector !== undefined)
    }
  })
  test('a secret never stands in it as it was said, so it cannot end the line', () => {
    const { configuration } = blocks({ akm: 'psk+sae', pass })
    const found = lines(configuration)
    assert.match(found.get('psk') ?? '', /^[0-9a-f]{64}$/)
    assert.equal(found.get('sae_password'), pass.reveal().toString('hex'))
    assert.equal(configuration.split('\n').filter(line => line.includes('phrase')).length, 0)
    const psk = new Secret(Buffer.alloc(32, 7))
    assert.equal(lines(blocks({ akm: 'psk', psk }).configuration).get('psk'), '07'.repeat(32))
  })
  test('an SSID of any octets stands in it as they are [dpp: config_save2, config_save3]', () => {
    for (const ssid of [Buffer.from([1, 2, 0x0a, 0x22]), Buffer.from('Küche "1"'), Buffer.alloc(32, 0xff)]) {
      const networks = [{ ssid, cred: { akm: 'sae', pass }, thirdParty: {} } as const]
      const { configuration } = supplicantFiles(
        { name: 'L-1', origin: 'c:8908', networks, netAccessKey },
        '/var/lib/lamp',
      )
      assert.equal(lines(configuration).get('ssid'), ssid.toString('hex'))
    }
  })
  test('the first network is the most wanted', () => {
    const { configuration } = blocks({ akm: 'psk', pass }, { akm: 'sae', pass })
    assert.deepEqual(
      [0, 1].map(i => lines(configuration, i).get('priority')),
      ['2', '1'],
    )
  })
  test('enterprise: the certificate for the key wherever it stood, files by name, an identity that means something', async () => {
    const { configuration, files } = blocks({ akm: 'psk', pass }, await enterprise())
    const found = lines(configuration, 1)
    assert.deepEqual([...files.keys()], ['network-2-ca.pem', 'network-2-certificate.pem', 'network-2-key.pem'])
    assert.equal(found.get('client_cert'), '"/var/lib/lamp/network-2-certificate.pem"')
    assert.equal(found.get('identity'), Buffer.from('L-1').toString('hex'))
    assert.equal(found.get('domain_suffix_match'), '"radius.alice"')
    assert.equal(files.get('network-2-certificate.pem')?.toString().match(/BEGIN/g)?.length, 1)
    assert.match(files.get('network-2-key.pem')?.toString() ?? '', /BEGIN PRIVATE KEY/)
  })
})

describe('what is refused', () => {
  const refused = (rule: string, cred: Credential) =>
    assert.throws(
      () => blocks(cred),
      error => error instanceof OnboardingError && error.detail['rule'] === rule,
    )
  test('enterprise without a CA for the server: any server would do', async () => {
    refused('no-caCert', await enterprise(false))
  })
  test('enterprise with a certificate for another key, with a CA for it, or not for clients', async () => {
    const { entCreds } = await enterprise()
    const { der } = home.root.certificate
    assert.ok(entCreds)
    refused('certificate-for-another-key', { akm: 'dot1x', entCreds: { ...entCreds, certBag: [der] } })
    const signer = keySigner(netAccessKey.privateKey)
    const ca = await certify({ subject: 'L-1', issuer: home.root, signer, ca: true })
    refused('certificate-is-a-ca', { akm: 'dot1x', entCreds: { ...entCreds, certBag: [ca.certificate.der] } })
    const extensions = [eku(extendedKeyUsageOid.serverAuth)]
    const server = await certify({ subject: 'L-1', issuer: home.root, signer, extensions })
    const certBag = [server.certificate.der]
    refused('certificate-not-for-clients', { akm: 'dot1x', entCreds: { ...entCreds, certBag } })
  })
  test('a name of a server that would write a line of its own', async () => {
    const { entCreds } = await enterprise()
    assert.ok(entCreds)
    for (const trustedEapServerName of ['a"\n\tphase1="x', 'a\nb', 'a\\', ''])
      refused('text', { akm: 'dot1x', entCreds: { ...entCreds, trustedEapServerName } })
  })
})
