import assert from 'node:assert/strict'
import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { diffieHellman } from 'node:crypto'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { openPkcs11KeyStore } from '../../src/adapter/key/pkcs11.ts'
import { Secret } from '../../src/crypto/secret.ts'
import { generateDppKey, importSpki } from '../../src/protocol/dpp/key.ts'
import { parseBootstrappingUri } from '../../src/protocol/dpp/uri.ts'
import { keyStoreUnits } from '../../src/role/factory/key-store-port.ts'
import { freePort } from '../app/cli/process.ts'
import { needs } from '../peer.ts'

const pin = '1234-pin'
const binding = await import('pkcs11js').catch((error: unknown) => {
  if (process.env['MOORING_REQUIRE_PEERS'] === '1') throw error
  return undefined
})
const unless = (...peers: string[]) => (binding === undefined ? { skip: 'needs pkcs11js' } : needs(...peers))
const softHsm = '/usr/lib/softhsm/libsofthsm2.so'
const tpm2 = '/usr/lib/x86_64-linux-gnu/pkcs11/libtpm2_pkcs11.so'
const install = async () => {}

describe('bootstrapping keys in a PKCS#11 token', unless('softhsm2-util', softHsm), () => {
  let directory: string
  before(() => {
    directory = mkdtempSync(join(tmpdir(), 'mooring-dpp-hsm-'))
    mkdirSync(join(directory, 'tokens'))
    const conf = join(directory, 'softhsm2.conf')
    writeFileSync(conf, `directories.tokendir = ${join(directory, 'tokens')}\nlog.level = ERROR\n`)
    process.env['SOFTHSM2_CONF'] = conf
    const init = ['--init-token', '--free', '--label', 'line', '--pin', pin, '--so-pin', '5678-so-pin']
    execFileSync('softhsm2-util', init, { stdio: 'ignore' })
  })
  after(() => rmSync(directory, { recursive: true }))

  test('are made there, stay there, and can do what Easy Connect asks of them', async () => {
    using keys = await openPkcs11KeyStore({ modulePath: softHsm, tokenLabel: 'line', pin: new Secret(pin) })
    const units = keyStoreUnits({ keys, install })
    for (const curve of ['P-256', 'P-384', 'P-521'] as const) {
      const serial = `L-${curve}`
      const text = await units.bootstrap!(serial, curve, { version: 2, information: `SN=${serial}` })
      const uri = parseBootstrappingUri(text)
      assert.equal(uri.curve, curve)
      assert.equal(await units.bootstrap!(serial, curve, { version: 2, information: `SN=${serial}` }), text)
      const peer = generateDppKey(curve)
      const own = importSpki(uri.publicKey)
      assert.deepEqual(
        agreed(`${serial}.dpp`, peer.point),
        diffieHellman({ privateKey: peer.privateKey, publicKey: own.key }),
      )
    }
    await assert.rejects(units.bootstrap!('L-x', 'BP-256', { version: 2 }), { code: 'input-invalid' })
  })

  /** ECDH by the token itself, with a library of its own: x of the shared point. */
  function agreed(label: string, point: Buffer): Buffer {
    const pkcs11 = binding!.default
    const module = new pkcs11.PKCS11()
    module.load(softHsm)
    const slot = module.C_GetSlotList(true).find(each => module.C_GetTokenInfo(each).label.trim() === 'line')
    const session = module.C_OpenSession(slot!, pkcs11.CKF_SERIAL_SESSION | pkcs11.CKF_RW_SESSION)
    module.C_FindObjectsInit(session, [
      { type: pkcs11.CKA_CLASS, value: pkcs11.CKO_PRIVATE_KEY },
      { type: pkcs11.CKA_LABEL, value: label },
    ])
    const [key] = module.C_FindObjects(session, 2)
    module.C_FindObjectsFinal(session)
    const parameter = {
      type: pkcs11.CK_PARAMS_EC_DH,
      kdf: 1,
      publicData: Buffer.concat([Buffer.of(4), point]),
    }
    const secret = module.C_DeriveKey(session, { mechanism: pkcs11.CKM_ECDH1_DERIVE, parameter }, key!, [
      { type: pkcs11.CKA_CLASS, value: pkcs11.CKO_SECRET_KEY },
      { type: pkcs11.CKA_KEY_TYPE, value: pkcs11.CKK_GENERIC_SECRET },
      { type: pkcs11.CKA_VALUE_LEN, value: point.length / 2 },
      { type: pkcs11.CKA_SENSITIVE, value: false },
      { type: pkcs11.CKA_EXTRACTABLE, value: true },
    ])
    const [value] = module.C_GetAttributeValue(session, secret, [{ type: pkcs11.CKA_VALUE }])
    assert.throws(() => module.C_GetAttributeValue(session, key!, [{ type: pkcs11.CKA_VALUE }]), /SENSITIVE/)
    module.C_CloseSession(session)
    return value!.value
  }
})

describe('bootstrapping keys in a TPM', unless('swtpm', 'pkcs11-tool', tpm2), () => {
  let directory: string
  let tpm: ChildProcess
  before(async () => {
    directory = mkdtempSync(join(tmpdir(), 'mooring-dpp-tpm-'))
    for (const name of ['state', 'store']) mkdirSync(join(directory, name))
    const server = await freePort()
    // Where the TSS looks for it.
    const control = server + 1
    const at = (port: number) => `type=tcp,port=${port},bindaddr=127.0.0.1`
    const state = ['--tpmstate', `dir=${join(directory, 'state')}`, '--flags', 'not-need-init,startup-clear']
    tpm = spawn('swtpm', ['socket', '--tpm2', '--server', at(server), '--ctrl', at(control), ...state], {
      stdio: 'ignore',
    })
    await reachable(control)
    Object.assign(process.env, {
      TPM2_PKCS11_STORE: join(directory, 'store'),
      TPM2_PKCS11_TCTI: `swtpm:host=127.0.0.1,port=${server}`,
      TPM2_PKCS11_LOG_LEVEL: '0',
      TSS2_LOG: 'all+none',
    })
    const tool = (...args: string[]) => execFileSync('pkcs11-tool', ['--module', tpm2, ...args], { stdio: 'ignore' })
    tool('--slot-index', '0', '--init-token', '--label', 'device', '--so-pin', '5678-so-pin')
    const officer = ['--login', '--login-type', 'so', '--so-pin', '5678-so-pin']
    tool('--token-label', 'device', ...officer, '--init-pin', '--pin', pin)
  })
  after(async () => {
    const closed = once(tpm, 'close')
    tpm.kill()
    await closed
    rmSync(directory, { recursive: true })
  })

  test('are made there, and their URI is the same each time', async () => {
    const made: string[] = []
    for (let n = 0; n < 2; n++) {
      using keys = await openPkcs11KeyStore({ modulePath: tpm2, tokenLabel: 'device', pin: new Secret(pin) })
      made.push(await keyStoreUnits({ keys, install }).bootstrap!('T-1', 'P-256', { version: 2, mac: '020000000101' }))
    }
    assert.equal(made[0], made[1])
    assert.equal(parseBootstrappingUri(made[0]!).curve, 'P-256')
  })
})

/** Until something listens there. */
async function reachable(port: number): Promise<void> {
  for (;;) {
    const socket = connect(port, '127.0.0.1')
    const [event] = await Promise.race([
      once(socket, 'connect').then(() => ['connect']),
      once(socket, 'error').then(() => ['error']),
    ]).catch(() => ['error'])
    socket.destroy()
    if (event === 'connect') return
  }
}
