import assert from 'node:assert/strict'
import { once } from 'node:events'
import { existsSync, watch } from 'node:fs'
import { mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { createSecretBox } from '../../src/adapter/key/secret-box.ts'
import { keepAccessPoints, writeAccessPoints } from '../../src/app/access-point.ts'
import { Secret } from '../../src/crypto/secret.ts'
import type { NetworkTerms } from '../../src/domain/network-definition.ts'
import type { Log } from '../../src/domain/port.ts'
import { recordOnDevice } from '../../src/role/onboarding/device-record.ts'
import { addNetwork, removeNetwork } from '../../src/role/onboarding/network-directory.ts'
import { configured } from '../role/onboarding/configured.ts'
import { openTestStore, silentLog, type TestStore } from '../store.ts'
import { Shell } from './cli/process.ts'

const now = Date.parse('2026-11-20T08:00:00Z')
const clock = () => now
const box = createSecretBox(Secret.random(32), 'test')
const terms: NetworkTerms = {
  ssid64: Buffer.from('home').toString('base64url'),
  akm: 'sae',
  segments: [{ name: 'devices', group: 'devices' }],
  passphraseLength: 32,
  channels: [],
  netAccessKeyCurve: 'P-256',
  cSignCurve: 'P-256',
  pmksaCaching: false,
}

let opened: TestStore
let directory: string
before(async () => {
  opened = await openTestStore({ clock })
  directory = await mkdtemp(join(tmpdir(), 'mooring-access-point-'))
})
after(async () => {
  await opened.close()
  await rm(directory, { recursive: true })
})

/** A log that can be waited for. */
function heard() {
  const lines: string[] = []
  let wake = () => {}
  const note = (_facts: unknown, message: string) => {
    lines.push(message)
    wake()
  }
  const log: Log = { info: note, warn: note, error: note }
  const next = async (message: string) => {
    while (!lines.includes(message)) {
      await new Promise<void>(resolve => {
        wake = resolve
      })
    }
    lines.splice(lines.indexOf(message), 1)
  }
  return { log, next }
}

const files = 'access points have new files'

describe('access points of a running site', () => {
  test('know of each device as it comes and goes, and are told to look', async () => {
    const { store } = opened
    const place = { directory: join(directory, 'kept'), reload: `echo again >> ${join(directory, 'reloaded')}` }
    const { log, next } = heard()
    await addNetwork({ store, clock }, 'home', terms, 'test')
    const worker = keepAccessPoints({ store, clock, log, box, place })
    await next(files)
    const { device, secret } = await configured({ store, box, now }, 'A', { mac: '020000000101' })
    await next(files)
    const conf = join(place.directory, 'home.conf')
    assert.ok((await readFile(conf, 'utf8')).includes(`sae_password=${secret}|`))
    assert.equal((await stat(place.directory)).mode & 0o777, 0o700)
    await store.transaction(async tx => {
      await recordOnDevice(tx, device, () => [{ kind: 'device-withdrawn', body: { by: 'test' } }])
    })
    await next(files)
    await worker.close()
    assert.ok(!(await readFile(conf, 'utf8')).includes(secret!))
    assert.equal(await readFile(join(directory, 'reloaded'), 'utf8'), 'again\nagain\nagain\n')
  })

  test('are told of it when looking again fails, and the files are there', async () => {
    const { store } = opened
    const { log, next } = heard()
    const place = { directory: join(directory, 'failing'), reload: 'exit 3' }
    const worker = keepAccessPoints({ store, clock, log, box, place })
    await next('access points did not reload')
    await worker.close()
    assert.ok((await readdir(place.directory)).includes('home.conf'))
  })

  test('lose the files of a network that is gone, and keep what others put there', async () => {
    const { store } = opened
    const place = { directory: join(directory, 'gone') }
    await addNetwork({ store, clock }, 'guests', { ...terms, segments: [{ name: 'guests', group: 'guests' }] }, 'test')
    const writing = { store, clock, box, log: silentLog, place }
    await writeAccessPoints(writing)
    await writeFile(join(place.directory, 'notes.conf'), 'mine', { mode: 0o600 })
    await writeFile(join(place.directory, 'guests.base'), 'interface=wlan0', { mode: 0o600 })
    await removeNetwork({ store, clock }, 'guests', 'test')
    const { changed } = await writeAccessPoints(writing)
    assert.deepEqual([...changed].sort(), ['guests.conf', 'guests.deny'])
    assert.deepEqual((await readdir(place.directory)).sort(), ['guests.base', 'home.conf', 'home.deny', 'notes.conf'])
  })

  test('get nothing in a directory that others can look into', async () => {
    const { store } = opened
    const open = join(directory, 'open')
    await mkdir(open, { mode: 0o755 })
    const writing = { store, clock, box, log: silentLog, place: { directory: open } }
    await assert.rejects(writeAccessPoints(writing), { code: 'permissions' })
    assert.deepEqual(await readdir(open), [])
  })
})

/** Until the file is there. */
async function appeared(place: string, file: string): Promise<void> {
  const watcher = watch(place, { recursive: true })
  try {
    while (!existsSync(file)) await once(watcher, 'change')
  } finally {
    watcher.close()
  }
}

describe('the command for access points', () => {
  test('works at the data directory alone, and while the site runs the site itself does it', async () => {
    const shell = new Shell(directory)
    try {
      const data = join(directory, 'site')
      const kept = join(directory, 'by-site')
      const site = ['up', '--data', data, '--listen', '127.0.0.1', '--port', '0', '--api-port', '0']
      const places = ['--access-points', kept, '--controller-address', '192.0.2.1']
      const service = await shell.start([...site, ...places, '--dpp-port', '0'])
      await shell.do('network', 'add', 'home', '--ssid', 'Harbour', '--data', data)
      const args = ['network', 'access-point', '--out', join(directory, 'by-hand'), '--data', data]
      assert.equal((await shell.run(args)).code, 1, 'no API shows secrets')
      await appeared(directory, join(kept, 'home.conf'))
      const own = await readFile(join(kept, 'home.conf'), 'utf8')
      assert.match(own, /^dpp_controller=ipaddr=192\.0\.2\.1 pkhash=[0-9a-f]{64}$/m)
      await service.stop()
      const { networks } = (await shell.do(...args, '--offline')) as { networks: unknown[] }
      assert.deepEqual(networks, [{ network: 'home', devices: 0, denied: 0, left: [] }])
      const text = await readFile(join(directory, 'by-hand', 'home.conf'), 'utf8')
      assert.match(text, /^wpa_key_mgmt=DPP SAE$/m)
      const nowhere = await shell.run([...args, '--offline', 'nowhere'])
      assert.equal(nowhere.code, 1)
      const odd = await shell.run(['network', 'access-point', '--out', 'a b', '--data', data, '--offline'])
      assert.equal(odd.code, 1)
    } finally {
      await shell.end()
    }
  })
})
