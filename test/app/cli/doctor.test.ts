import assert from 'node:assert/strict'
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { checks } from '../../../src/app/doctor/checks.ts'
import { testDatabase } from '../../store.ts'
import { openWorld } from '../api/world.ts'
import { recordStranger } from '../doctor/stranger.ts'
import { freePort, Shell } from './process.ts'
import { atSite } from './terminal.ts'

interface Found {
  readonly party: string
  readonly running: boolean
  readonly counts: Readonly<Record<string, number>>
  readonly checks: readonly { readonly id: string; readonly status: string; readonly finding: string }[]
}

let place: string
let shell: Shell

before(async () => {
  place = await mkdtemp(join(tmpdir(), 'mooring-doctor-'))
  shell = new Shell(place)
})

after(async () => {
  await shell.end()
  await rm(place, { recursive: true, force: true })
})

const statusOf = ({ checks: found }: Found, id: string) => found.find(each => each.id === id)?.status

describe('mooring doctor', () => {
  test('examines a site that runs, through its API, and the same site at rest, on its data directory', async () => {
    const data = join(place, 'site')
    const [port, apiPort, status] = [await freePort(), await freePort(), await freePort()]
    const up = [
      'up',
      '--data',
      data,
      '--port',
      `${port}`,
      '--no-dpp',
      '--api-port',
      `${apiPort}`,
      '--listen',
      '127.0.0.1',
      '--quiet',
    ]
    const ocsp = ['--status-port', `${status}`, '--status-url', `http://127.0.0.1:${status}`]
    const service = await shell.start([...up, ...ocsp])
    const online = await shell.run(['doctor', '--data', data, '--json'])
    const running = online.json() as unknown as Found
    assert.equal(online.stderr, '')
    assert.deepEqual([running.party, running.running], ['site', true])
    for (const id of [
      'store',
      'ledger',
      'onboarding-port',
      'crl',
      'ocsp',
      'certificates',
      'token',
      'key-files',
      'data-directory',
    ]) {
      assert.equal(statusOf(running, id), 'ok', `${id}: ${online.stdout}`)
    }
    assert.equal(statusOf(running, 'backup'), 'warn')
    await shell.do('backup', join(place, 'backup'), '--data', data)
    const beside = (await shell.run(['doctor', '--offline', '--data', data, '--json'])).json() as unknown as Found
    assert.equal(beside.running, false)
    assert.equal(statusOf(beside, 'backup'), 'ok')
    if (testDatabase() === 'sqlite' && process.platform === 'linux') assert.equal(statusOf(beside, 'store'), 'warn')
    await service.stop()
    const rest = await shell.run(['doctor', '--data', data, '--full', '--json'])
    const resting = rest.json() as unknown as Found
    assert.equal(resting.running, false)
    assert.deepEqual(
      ['store', 'ledger', 'onboarding-port'].map(id => statusOf(resting, id)),
      ['ok', 'ok', 'skipped'],
    )
    // Databases of tests forget, and say so.
    const sound = resting.checks.filter(({ id, status }) => status === 'fail' && id !== 'database-settings')
    assert.deepEqual(sound, [])
    if (testDatabase() === 'sqlite') assert.deepEqual([online.code, rest.code], [0, 0])
    assert.equal((await shell.run(['doctor', '--data', data, '--strict', '--json'])).code, 3)
  })

  test('finds what was done to a site at rest, ends with 3, and changes nothing', async () => {
    const data = join(place, 'site')
    await chmod(join(data, 'access.json'), 0o644)
    const loose = await shell.run(['doctor', '--data', data, '--json'])
    assert.equal(loose.code, 3)
    assert.equal(statusOf(loose.json() as unknown as Found, 'data-directory'), 'fail')
    await chmod(join(data, 'access.json'), 0o600)
    await shell.alter(data, "update event set kind = 'nothing-happened' where stream like 'token/%'")
    const altered = await shell.run(['doctor', '--data', data, '--full', '--json'])
    assert.equal(altered.code, 3)
    assert.equal(statusOf(altered.json() as unknown as Found, 'ledger'), 'fail')
    const text = await shell.run(['doctor', '--data', data, '--full'])
    assert.equal(text.code, 3)
    assert.match(text.stdout, /FAIL {2}Ledger: The record was altered\./)
    assert.match(text.stdout, /Next: Keep the data directory as evidence/)
    for (const line of text.stdout.split('\n')) assert.ok(line.length <= 100 || !line.includes(' '), line)
  })

  test('says so where there is no site, and tries no other than the one that was named', async () => {
    const nowhere = await shell.run(['doctor', '--data', join(place, 'nowhere'), '--json'])
    assert.equal(nowhere.code, 4)
    const port = await freePort()
    const named = await shell.run(['doctor', '--url', `http://127.0.0.1:${port}`, '--token', 'x', '--json'])
    assert.equal(named.code, 4)
    assert.equal((named.json()['error'] as { code: string }).code, 'service-unreachable')
  })

  test('examines a directory whose settings are damaged', async () => {
    const data = join(place, 'site')
    await writeFile(join(data, 'site.json'), '{', { mode: 0o600 })
    const found = (await shell.run(['doctor', '--data', data, '--json'])).json() as unknown as Found
    assert.equal(statusOf(found, 'data-directory'), 'fail')
  })

  test('examines a factory', async () => {
    const data = join(place, 'factory')
    await shell.do('factory', 'init', '--name', 'Fjord Sensors', '--masa-url', 'masa.fjord.example', '--data', data)
    const { code, stdout, json } = await shell.run(['doctor', '--data', data, '--json'])
    const found = json() as unknown as Found
    assert.equal(found.party, 'manufacturer', stdout)
    assert.deepEqual(
      found.checks.map(({ id }) => id),
      checks.filter(({ party }) => party.includes('manufacturer')).map(({ id }) => id),
    )
    for (const id of ['store', 'ledger', 'certificates', 'issuer-keys', 'clock'])
      assert.equal(statusOf(found, id), 'ok', id)
    if (testDatabase() === 'sqlite') assert.equal(code, 0, stdout)
  })
})

test('text of strangers in the record cannot move the cursor of who asks the doctor', async () => {
  const world = await openWorld()
  try {
    const hostile = '\u001b[2J\u001b]0;owned\u0007\u202eCL2\u009b31m'
    await recordStranger(world.services.store, hostile)
    const site = atSite(world)
    const person = await site(['doctor'])
    assert.match(person.stdout, /1 device waiting/)
    assert.doesNotMatch(person.stdout.replaceAll('\n', ''), /[\p{Cc}\p{Cf}\u2028\u2029]/u)
    const script = await site(['doctor', '--json'])
    assert.equal(script.stdout.split('\n').length, 2, 'one document, one line')
    assert.equal((script.json()['checks'] as unknown[]).length, checks.length)
  } finally {
    await world.close()
  }
})
