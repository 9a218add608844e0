import assert from 'node:assert/strict'
import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, rmSync, watch, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { curves } from '../../src/protocol/dpp/curve.ts'
import { exportSpki, generateDppKey } from '../../src/protocol/dpp/key.ts'
import { keyHash, parseBootstrappingUri } from '../../src/protocol/dpp/uri.ts'
import { checkBootstrappingUri } from '../../src/protocol/dpp/uri-check.ts'
import { composeUri } from '../../src/role/factory/bootstrapping.ts'
import { needs } from '../peer.ts'

/** OpenSSL's names, as wpa_supplicant has them. */
const names = {
  'P-256': 'prime256v1',
  'P-384': 'secp384r1',
  'P-521': 'secp521r1',
  'BP-256': 'brainpoolP256r1',
  'BP-384': 'brainpoolP384r1',
  'BP-512': 'brainpoolP512r1',
} as const

describe('URIs of the factory, read by wpa_supplicant', needs('wpa_supplicant', 'wpa_cli'), () => {
  let directory: string
  let peer: ChildProcess

  before(async () => {
    directory = mkdtempSync(join(tmpdir(), 'mooring-dpp-uri-'))
    const conf = join(directory, 'wpa.conf')
    const control = join(directory, 'control')
    writeFileSync(conf, `ctrl_interface=${control}\n`)
    peer = spawn('wpa_supplicant', ['-i', 'lo', '-D', 'wired', '-c', conf], { stdio: 'ignore' })
    await appeared(directory, join(control, 'lo'))
  })
  after(async () => {
    const closed = once(peer, 'close')
    peer.kill()
    await closed
    rmSync(directory, { recursive: true })
  })

  const ask = (...command: string[]) =>
    execFileSync('wpa_cli', ['-p', join(directory, 'control'), '-i', 'lo', ...command], { encoding: 'utf8' }).trim()

  for (const { curve } of curves) {
    test(`${curve}: the same key, address, channels, information and version`, () => {
      const fields = {
        mac: '020000000101',
        information: 'SN=CL2-000001',
        version: 2,
        channels: [
          { operatingClass: 81, channel: 6 },
          { operatingClass: 115, channel: 36 },
        ],
      }
      const text = composeUri(exportSpki(generateDppKey(curve)), fields)
      const id = ask('dpp_qr_code', text)
      assert.match(id, /^\d+$/, text)
      const said = Object.fromEntries(
        ask('dpp_bootstrap_info', id)
          .split('\n')
          .map(line => line.split(/=(.*)/).slice(0, 2))
          // Which of several it would begin with is its own business.
          .filter(([name]) => name !== 'use_freq'),
      )
      assert.deepEqual(said, {
        type: 'QRCODE',
        mac_addr: '02:00:00:00:01:01',
        info: 'SN=CL2-000001',
        num_freq: '2',
        curve: names[curve],
        pkhash: keyHash(parseBootstrappingUri(text)).toString('hex'),
        version: '2',
      })
    })
  }

  test('and what it does not take, our check speaks against', () => {
    const key = exportSpki(generateDppKey('P-256')).toString('base64')
    for (const text of [
      'DPP:V:2;K:AAAA;;',
      `DPP:C:81/99;V:2;K:${key};;`,
      `DPP:M:02000000010;V:2;K:${key};;`,
      `dpp:V:2;K:${key};;`,
      `DPP:V:2;K:${key.slice(0, -8)};;`,
      'DPP:V:2;;',
    ]) {
      const { findings } = checkBootstrappingUri(text)
      assert.ok(
        findings.some(({ severity }) => severity === 'error'),
        text,
      )
    }
  })
})

/** Until the file is there. */
async function appeared(directory: string, file: string): Promise<void> {
  const watcher = watch(directory, { recursive: true })
  try {
    while (!existsSync(file)) await once(watcher, 'change')
  } finally {
    watcher.close()
  }
}
