import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { createSecretBox } from '../../src/adapter/key/secret-box.ts'
import { writeAccessPoints } from '../../src/app/access-point.ts'
import { api, type OperationName } from '../../src/app/api/contract.ts'
import { Secret } from '../../src/crypto/secret.ts'
import { inputOf, openWorld, requestOf, type World } from '../app/api/world.ts'
import { configured } from '../role/onboarding/configured.ts'

const box = createSecretBox(Secret.random(32), 'test')

/** Everybody who may look tries to see what only a device and its access points may know. */
describe('the secret of a device', () => {
  let world: World
  let secret: string
  let device: string
  let sealed: string
  let directory: string

  before(async () => {
    directory = mkdtempSync(join(tmpdir(), 'mooring-secret-'))
    world = await openWorld()
    const { store, clock } = world.services
    const body = { name: 'home', ssid: 'Harbour', akm: 'psk+sae', segments: [{ name: 'devices' }] } as const
    await world.call('networkAdd', { body: { ...body, segments: [...body.segments] } })
    const made = await configured({ store, box, now: clock() }, 'S-1', { mac: '020000000101' })
    secret = made.secret!
    device = made.device
    const record = await store.read(tables => tables.credential.get(made.credential))
    sealed = (JSON.parse(record!.access!.box!) as { box: string }).box
    const place = { directory: join(directory, 'files') }
    await writeAccessPoints({ store, clock, log: world.log, box, place })
  })
  after(async () => {
    await world.close()
    rmSync(directory, { recursive: true })
  })

  /** In whatever spelling. */
  function searchIn(text: string, where: string): void {
    const bytes = Buffer.from(secret)
    for (const form of [secret, bytes.toString('hex'), bytes.toString('base64'), bytes.toString('base64url')]) {
      assert.ok(!text.includes(form), `the secret is in ${where}`)
    }
    assert.ok(!text.includes(sealed), `the sealed secret is in ${where}`)
  }

  for (const [role, token] of [
    ['administrator', 0],
    ['auditor', 1],
  ] as const) {
    test(`is shown to no ${role} by any operation`, async () => {
      const tokens = [world.tokens.administrator, world.tokens.auditor]
      let looked = 0
      for (const name of Object.keys(api) as OperationName[]) {
        if (api[name].method !== 'GET') continue
        const [path, init] = requestOf(name, { ...inputOf(name), params: { name: 'home', id: device, key: device } })
        const { text } = await world.ask(path, { ...init, token: tokens[token] })
        searchIn(text, name)
        looked++
      }
      assert.ok(looked > 20)
      for (const path of [
        `/v1/devices/${device}`,
        '/v1/credentials',
        '/v1/networks/home',
        '/v1/networks',
        '/v1/events',
      ]) {
        const { status, text } = await world.ask(path, { token: tokens[token] })
        assert.equal(status, 200, path)
        searchIn(text, path)
      }
    })
  }

  test('is in no log and in no event of the ledger', async () => {
    searchIn(JSON.stringify(world.log.lines), 'the log')
    const { store } = world.services
    for (let cursor = {}; ; ) {
      const page = await store.feed(cursor, 1000)
      searchIn(JSON.stringify(page.events), 'the ledger')
      if (page.events.length < 1000) break
      cursor = page.cursor
    }
  })

  test('lies in a backup as nobody without the keys can read it', async () => {
    const file = join(directory, 'backup.db')
    await world.services.store.backup(file)
    const bytes = statSync(file).isDirectory()
      ? Buffer.concat(readdirSync(file).map(name => readFileSync(join(file, name))))
      : readFileSync(file)
    assert.ok(!bytes.includes(Buffer.from(secret)))
    assert.ok(bytes.includes(Buffer.from(sealed.slice(0, 40))), 'and it is there')
  })

  test('is in the files of access points alone, which their owner alone can read', () => {
    const files = readdirSync(join(directory, 'files'))
    const holding = files.filter(name => readFileSync(join(directory, 'files', name), 'utf8').includes(secret))
    assert.deepEqual(holding, ['home.conf'])
    for (const name of files) assert.equal(statSync(join(directory, 'files', name)).mode & 0o777, 0o600)
  })

  test('cannot be put into the hands of another device by who writes to the database', async () => {
    const { store, clock } = world.services
    const other = await configured({ store, box, now: clock() }, 'S-2', { mac: '020000000102' })
    const [one, two] = await store.read(tables =>
      Promise.all([
        tables.credential.find({ device, status: 'issued' }),
        tables.credential.find({ device: other.device, status: 'issued' }),
      ]),
    )
    const swapped = { ...two[0]!, access: { ...two[0]!.access!, box: one[0]!.access!.box! } }
    await store.transaction(tx => tx.credential.put(swapped))
    const place = { directory: join(directory, randomBytes(4).toString('hex')) }
    const { networks } = await writeAccessPoints({ store, clock, log: world.log, box, place })
    assert.deepEqual(networks[0]?.left, [{ device: other.device, code: 'network-secret-missing' }])
    assert.equal((await store.verify()).integrity, 'fail')
  })
})
