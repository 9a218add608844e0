import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { encodePem } from '../../../src/codec/pem.ts'
import { openWorld, type World } from '../api/world.ts'
import { atSite } from './terminal.ts'

let world: World
let directory: string
let site: ReturnType<typeof atSite>

before(async () => {
  world = await openWorld()
  directory = await mkdtemp(join(tmpdir(), 'mooring-network-'))
  site = atSite(world)
  await writeFile(join(directory, 'ca.pem'), encodePem('CERTIFICATE', world.services.site.root.der))
})

after(async () => {
  await world.close()
  await rm(directory, { recursive: true })
})

/** As a script has it. */
async function answer(args: readonly string[], code = 0): Promise<Record<string, unknown>> {
  const { code: ended, stdout, stderr } = await site([...args, '--json'])
  assert.deepEqual([ended, stderr], [code, ''], stdout)
  const json = JSON.parse(stdout) as Record<string, unknown>
  return (code === 0 ? json : json['error']) as Record<string, unknown>
}

describe('wireless networks by the CLI', () => {
  test('need no more than a name for the air', async () => {
    assert.equal((await site(['network', 'list'])).stdout, 'No network yet. `mooring network add` adds one.\n')
    const { changedAt: _, changedBy: by, ...home } = await answer(['network', 'add', 'home', '--ssid', 'Harbour'])
    assert.match(String(by), /token\//)
    assert.deepEqual(home, {
      name: 'home',
      ssid: 'Harbour',
      ssid64: 'SGFyYm91cg',
      akm: 'dpp+sae',
      segments: [{ name: 'devices', group: 'devices', devices: 0 }],
      passphraseLength: 32,
      channels: [],
      curve: 'P-256',
      cSignCurve: 'P-256',
      pmksaCaching: false,
      findings: [],
    })
    const shown = await site(['network', 'show', 'home'])
    assert.match(shown.stdout, /^ssid +Harbour$/m)
    assert.match(shown.stdout, /^secret +32 characters, one for each device$/m)
    for (const line of shown.stdout.split('\n')) assert.ok(line.length <= 100, line)
  })

  test('say what to know about them, and refuse what cannot be, with the reason', async () => {
    const cameras = ['network', 'add', 'cameras', '--ssid', 'cams', '--akm', 'sae', '--segment', 'cameras:30']
    const refused = await site([...cameras, '--pmksa-caching', 'on'])
    assert.equal(refused.code, 1)
    assert.match(refused.stderr, /Network cannot be run like that/)
    assert.match(refused.stderr, /forgets the VLAN of an SAE device when it comes back/)
    const made = await site(cameras)
    assert.equal(made.code, 0, made.stderr)
    assert.match(made.stderr, /^Note: hostapd up to 2.11 forgets the VLAN/)
    const codes = []
    for (const args of [
      ['network', 'add', 'home', '--ssid', 'Harbour'],
      ['network', 'add', 'more', '--ssid', 'more'],
      ['network', 'add', 'more'],
      ['network', 'add', 'more', '--ssid', 'a', '--ssid64', 'YQ'],
      ['network', 'add', 'more', '--ssid', 'a', '--segment', 'a:0'],
      ['network', 'add', 'more', '--ssid', 'more', '--segment', 'x', '--channel', '81/99'],
      ['network', 'show', 'nowhere'],
    ]) {
      codes.push((await answer(args, 1))['code'])
    }
    assert.deepEqual(codes, [
      'network-exists',
      'network-segment-taken',
      'input-invalid',
      'input-invalid',
      'input-invalid',
      'network-refused',
      'not-found',
    ])
    for (const bad of [
      ['--segment', 'a:b'],
      ['--akm', 'wep'],
      ['--connector-days', '-1'],
      ['--pmksa-caching', 'x'],
    ]) {
      assert.equal((await site(['network', 'add', 'more', '--ssid', 'a', ...bad])).code, 2, bad.join(' '))
    }
  })

  test('are changed in what is named, and listed', async () => {
    const changed = await answer(['network', 'change', 'home', '--connector-days', '30', '--channel', '81/11'])
    assert.deepEqual([changed['connectorLifetimeDays'], changed['channels']], [30, ['81/11']])
    assert.equal(changed['ssid'], 'Harbour')
    const again = await answer(['network', 'change', 'home', '--connector-days', '0', '--ssid64', '_wE'])
    assert.deepEqual([again['connectorLifetimeDays'], again['ssid'], again['ssid64']], [undefined, undefined, '_wE'])
    const { items } = (await answer(['network', 'list'])) as { items: { name: string }[] }
    assert.deepEqual(
      items.map(({ name }) => name),
      ['cameras', 'home'],
    )
    assert.match((await site(['network', 'list'])).stdout, /^cameras +cams +sae +cameras +0 +1$/m)
  })

  test('with certificates name the server, and what its chain ends in', async () => {
    const office = ['network', 'add', 'office', '--ssid', 'office', '--akm', 'dot1x', '--segment', 'desks']
    assert.equal((await answer(office, 1))['code'], 'network-refused')
    const ca = join(directory, 'ca.pem')
    const made = await answer([...office, '--radius', 'radius.harbour.example', '--radius-ca', ca])
    const server = made['server'] as { name: string; ca: { subject: string } }
    assert.equal(server.name, 'radius.harbour.example')
    assert.match(server.ca.subject, /harbour-iot/)
    const other = await answer(['network', 'change', 'office', '--akm', 'dpp'])
    assert.equal(other['server'], undefined)
  })

  test('go when nobody is on them', async () => {
    assert.deepEqual(await answer(['network', 'remove', 'office']), { removed: 'office' })
    assert.equal((await answer(['network', 'remove', 'office'], 1))['code'], 'not-found')
    assert.equal((await world.services.store.verify()).integrity, 'pass')
  })

  test('are written by those who write policies, and seen by those who see devices', async () => {
    const auditor = atSite(world, world.tokens.auditor)
    assert.equal((await auditor(['network', 'list'])).code, 0)
    assert.equal((await auditor(['network', 'add', 'x', '--ssid', 'x'])).code, 5)
  })
})
