import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { needs } from '../../peer.ts'
import { needsPostgres, type PostgresServer, startPostgres } from '../../postgres.ts'
import type { StorePlace } from '../../store.ts'
import { Shell } from './process.ts'

const ports = ['--quiet', '--listen', '127.0.0.1', '--port', '0', '--api-port', '0']

describe('a site whose record is in PostgreSQL', needsPostgres(), () => {
  let directory: string
  let server: PostgresServer
  let place: StorePlace
  let shell: Shell

  before(async () => {
    directory = await mkdtemp(join(tmpdir(), 'mooring-pg-'))
    server = await startPostgres()
    place = await server.place()
    shell = new Shell(directory, { MOORING_DATA: join(directory, 'site'), MOORING_STORE: place.url })
  })
  after(async () => {
    await shell.end()
    await place.remove()
    await server.stop()
    await rm(directory, { recursive: true })
  })

  test('runs in two processes, is backed up while they run, and moves to SQLite and back', async () => {
    const first = await shell.start(['up', '--network', 'harbour-iot', ...ports])
    const second = await shell.start(['up', ...ports])
    assert.equal(second.ready['token'], undefined)
    const reach = (url: unknown) => ({ MOORING_URL: String(url), MOORING_TOKEN: String(first.ready['token']) })
    const made = await shell.run(['token', 'create', 'x', '--role', 'auditor', '--json'], reach(first.ready['url']))
    const seen = await shell.run(['token', 'list', '--json'], reach(second.ready['url']))
    const { items } = seen.json() as { items: { id: string }[] }
    assert.ok(items.some(({ id }) => id === made.json()['id']))
    await shell.do('backup', join(directory, 'backup'))
    assert.deepEqual([(await first.stop()).code, (await second.stop()).code], [0, 0])
    // A token of the one who lost all, while nobody runs; and the ledger, from its own directory.
    await shell.do('token', 'create', 'rescue', '--role', 'administrator', '--offline')
    assert.equal((await shell.do('audit', 'verify', '--offline'))['integrity'], 'pass')
    const data = join(directory, 'moved')
    const env = { MOORING_STORE: `sqlite:${join(data, 'site.db')}`, MOORING_DATA: data }
    const moved = await shell.run(['restore', join(directory, 'backup'), '--json'], env)
    assert.equal(moved.json()['integrity'], 'pass', moved.stdout)
    assert.equal((await shell.run(['backup', join(directory, 'again'), '--json'], env)).code, 0)
    const other = await server.place()
    try {
      const back = { MOORING_STORE: other.url, MOORING_DATA: join(directory, 'back') }
      const restored = await shell.run(['restore', join(directory, 'again'), '--json'], back)
      assert.equal(restored.json()['events'], moved.json()['events'], restored.stdout)
    } finally {
      await other.remove()
    }
  })
})

const binding = await import('pkcs11js').catch((error: unknown) => {
  if (process.env['MOORING_REQUIRE_PEERS'] === '1') throw error
  return undefined
})
const modulePath = '/usr/lib/softhsm/libsofthsm2.so'
const hsm = binding === undefined ? { skip: 'needs pkcs11js' } : needs('softhsm2-util', modulePath)

describe('keys in a token', hsm, () => {
  let directory: string
  let shell: Shell
  const token = ['--pkcs11-module', modulePath, '--pkcs11-token', 'authority']

  before(async () => {
    directory = await mkdtemp(join(tmpdir(), 'mooring-hsm-'))
    mkdirSync(join(directory, 'tokens'))
    const conf = join(directory, 'softhsm2.conf')
    writeFileSync(conf, `directories.tokendir = ${join(directory, 'tokens')}\nobjectstore.backend = file\n`)
    const environment = { ...process.env, SOFTHSM2_CONF: conf }
    for (const label of ['authority', 'line']) {
      const init = ['--init-token', '--free', '--label', label, '--so-pin', '4321', '--pin', '1234']
      execFileSync('softhsm2-util', init, { env: environment, stdio: 'ignore' })
    }
    shell = new Shell(directory, { SOFTHSM2_CONF: conf, MOORING_PKCS11_PIN: '1234' })
  })
  after(async () => {
    await shell.end()
    await rm(directory, { recursive: true })
  })

  test('sign for a site; those of TLS and ledger stay in its directory', async () => {
    const data = join(directory, 'site')
    const up = ['up', '--data', data, ...ports, ...token]
    const site = await shell.start(up)
    assert.equal((await site.stop()).code, 0)
    const files = (await readdir(join(data, 'keys'))).filter(name => name.endsWith('.sealed'))
    assert.deepEqual(files.sort(), ['ledger.sealed', 'offers.sealed', 'registrar-1.sealed'])
    const without = await shell.process(['up', '--data', data, ...ports, '--json'])
    assert.equal((without.json()['error'] as { code: string }).code, 'issuer-key-missing')
    const wrong = await shell.process([...up, '--json'], { MOORING_PKCS11_PIN: '9999' })
    assert.equal((wrong.json()['error'] as { code: string }).code, 'key-store-failed')
    assert.doesNotMatch(wrong.stdout + wrong.stderr, /9999|1234/)
    const half = await shell.process(['up', '--data', data, '--pkcs11-token', 'authority', '--json'])
    assert.equal((half.json()['error'] as { code: string }).code, 'input-invalid')
  })

  test('are made in the token of the line, one for each unit', async () => {
    const data = join(directory, 'factory')
    const run = async (...args: string[]) => {
      const outcome = await shell.process([...args, '--data', data, '--json'])
      assert.equal(outcome.code, 0, outcome.stdout + outcome.stderr)
      return outcome.json()
    }
    await run('factory', 'init', '--name', 'Kestrel', '--masa-url', 'masa.kestrel.example')
    const line = ['--line-module', modulePath, '--line-token', 'line', '--certificates', join(directory, 'out')]
    const made = await run('factory', 'make', '--model', 'Meter 7', '--batch', 'M7', '--count', '2', ...line)
    assert.deepEqual([made['made'], made['refused']], [2, []])
    assert.deepEqual((await readdir(join(directory, 'out'))).sort(), ['M7-000001.pem', 'M7-000002.pem', 'anchors.pem'])
    const { items } = (await run('factory', 'list')) as { items: { keyOrigin: string; keyHash: string }[] }
    assert.deepEqual(
      items.map(({ keyOrigin }) => keyOrigin),
      ['pkcs11', 'pkcs11'],
    )
    assert.notEqual(items[0]?.keyHash, items[1]?.keyHash)
    const check = await shell.process([
      'factory',
      'check',
      join(directory, 'out/M7-000001.pem'),
      '--anchor',
      join(data, 'device-root.pem'),
      '--json',
    ])
    assert.equal(check.code, 0, check.stdout)
  })
})
