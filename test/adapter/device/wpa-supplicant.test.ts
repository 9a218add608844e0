import assert from 'node:assert/strict'
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { supplicantInstaller } from '../../../src/adapter/device/wpa-supplicant.ts'
import { KeyStoreError } from '../../../src/adapter/key/error.ts'
import { Secret } from '../../../src/crypto/secret.ts'
import { generateDppKey } from '../../../src/protocol/dpp/key.ts'
import type { StoredNetworks } from '../../../src/role/device/enrollee-memory.ts'
import { enterpriseNetworks } from '../../role/device/enterprise-network.ts'

const folder = mkdtempSync(join(tmpdir(), 'mooring-supplicant-'))
after(() => rmSync(folder, { recursive: true, force: true }))
const netAccessKey = generateDppKey('P-256')
const cred = { akm: 'psk', pass: new Secret('secret passphrase') } as const
const plain: StoredNetworks = {
  name: 'L-1',
  origin: 'c:8908',
  networks: [{ ssid: Buffer.from('home'), cred, thirdParty: {} }],
  netAccessKey,
}

test('its files are closed to others, and go when nothing names them any more', async () => {
  const directory = join(folder, 'lamp')
  const installer = supplicantInstaller(directory)
  await installer.install(await enterpriseNetworks(netAccessKey))
  const names = ['network-1-ca.pem', 'network-1-certificate.pem', 'network-1-key.pem', 'wpa_supplicant.conf']
  assert.deepEqual(readdirSync(directory).sort(), names)
  assert.deepEqual(
    names.map(name => statSync(join(directory, name)).mode & 0o777),
    [0o600, 0o600, 0o600, 0o600],
  )
  assert.equal(statSync(directory).mode & 0o777, 0o700)
  await installer.install(plain)
  assert.deepEqual(readdirSync(directory), ['wpa_supplicant.conf'])
})

test('not where others can look', async () => {
  const directory = join(folder, 'open')
  mkdirSync(directory)
  chmodSync(directory, 0o755)
  await assert.rejects(supplicantInstaller(directory).install(plain), KeyStoreError)
  assert.deepEqual(readdirSync(directory), [])
})
