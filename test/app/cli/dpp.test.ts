import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { exportSpki, generateDppKey } from '../../../src/protocol/dpp/key.ts'
import { formatBootstrappingUri } from '../../../src/protocol/dpp/uri.ts'
import { codesPng, greyPng } from '../../adapter/image/png.ts'
import { openWorld, type World } from '../api/world.ts'
import { atSite } from './terminal.ts'

let world: World
let site: ReturnType<typeof atSite>
const channels = [{ operatingClass: 81, channel: 11 }]
const fresh = (more: Partial<Parameters<typeof formatBootstrappingUri>[0]> = {}) => {
  const publicKey = exportSpki(generateDppKey('P-256'))
  return formatBootstrappingUri({ publicKey, curve: 'P-256', version: 2, ...more })
}

let directory: string

before(async () => {
  directory = mkdtempSync(join(tmpdir(), 'mooring-dpp-'))
  world = await openWorld()
  site = atSite(world)
})
after(async () => {
  await world.close()
  rmSync(directory, { recursive: true })
})

/** As a script has it. */
async function answer(args: readonly string[], code = 0): Promise<Record<string, unknown>> {
  const { code: ended, stdout, stderr } = await site([...args, '--json'])
  assert.deepEqual([ended, stderr], [code, ''], stdout)
  const json = JSON.parse(stdout) as Record<string, unknown>
  return (code === 0 ? json : json['error']) as Record<string, unknown>
}

describe('bootstrapping keys by the CLI', () => {
  test('expect a device, listed and shown by its id', async () => {
    assert.match((await site(['dpp', 'list'])).stdout, /No code is on record/)
    const uri = fresh({ mac: '020000000100', channels })
    const added = await answer(['dpp', 'add-uri', ` ${uri}\n`])
    assert.deepEqual(
      [added['manufacturer'], added['standing'], added['mac'], added['channels'], added['declared']],
      ['(scanned)', 'expected', '02:00:00:00:01:00', ['81/11'], false],
    )
    assert.equal(added['serial'], added['key'], 'the key names a device without a serial number')
    assert.ok(!JSON.stringify(added).includes('DPP:'), 'whoever has the URI may onboard')
    const again = await answer(['dpp', 'add-uri', uri])
    assert.equal(again['device'], added['device'])
    const shown = await site(['dpp', 'show', String(added['device'])])
    assert.match(shown.stdout, /^onboarding +expected$/m)
    for (const line of shown.stdout.split('\n')) assert.ok(line.length <= 100, line)
    const { items } = (await answer(['dpp', 'list'])) as { items: unknown[] }
    assert.equal(items.length, 1)
    assert.match((await site(['dpp', 'list'])).stdout, /02:00:00:00:01:00 +expected +expected$/m)
  })

  test('say when nobody listens where a device announces itself', async () => {
    await answer(['network', 'add', 'home', '--ssid', 'Harbour', '--channel', '115/36'])
    const added = await site(['dpp', 'add-uri', fresh({ channels })])
    assert.match(added.stderr, /nobody listens where it announces itself: access points are on 115\/36/)
    const near = await site(['dpp', 'add-uri', fresh({ channels: [{ operatingClass: 115, channel: 36 }] })])
    assert.equal(near.stderr, '')
  })

  test('are refused in plain words when they are something else', async () => {
    const { stderr } = await site(['dpp', 'add-uri', 'MT:Y.K9042C00KA0648G00'])
    assert.match(stderr, /a Matter code/)
    assert.match((await site(['dpp', 'add-uri', 'WIFI:S:home;T:WPA;P:secret;;'])).stderr, /the code of a network/)
    assert.doesNotMatch((await site(['dpp', 'add-uri', 'WIFI:S:home;T:WPA;P:secret;;'])).stderr, /secret/)
    for (const text of ['https://example.org/setup', 'DPP:V:2;;', fresh().slice(0, -6)]) {
      assert.equal((await answer(['dpp', 'add-uri', text], 1))['code'], 'bootstrapping-uri-invalid', text)
    }
  })

  test('are forgotten, and cannot come back as another device', async () => {
    const uri = fresh()
    const { device, key } = await answer(['dpp', 'add-uri', uri])
    const removed = await answer(['dpp', 'remove', String(device)])
    assert.deepEqual([removed['key'], removed['state']], [key, 'removed'])
    assert.equal((await answer(['dpp', 'remove', String(device)], 1))['code'], 'bootstrapping-key-unknown')
    assert.equal((await answer(['dpp', 'show', String(key)]))['state'], 'removed')
    const elsewhere = await answer(['dpp', 'add-uri', uri, '--serial', 'other'], 1)
    assert.equal(elsewhere['code'], 'bootstrapping-key-taken')
    assert.equal((await world.services.store.verify()).integrity, 'pass')
  })

  test('expect a device by a picture of its code', async () => {
    const uri = fresh({ mac: '020000000177' })
    const file = (name: string, texts: readonly string[]) => {
      const path = join(directory, name)
      writeFileSync(path, texts.length === 0 ? greyPng(50, 50, () => 255) : codesPng(texts))
      return path
    }
    const picture = file('label.png', [uri])
    const read = await answer(['dpp', 'scan', picture, '--dry-run'])
    assert.equal(read['uri'], uri)
    const before = ((await answer(['dpp', 'list'])) as { items: unknown[] }).items.length
    assert.equal((await answer(['dpp', 'scan', picture]))['mac'], '02:00:00:00:01:77')
    assert.equal(((await answer(['dpp', 'list'])) as { items: unknown[] }).items.length, before + 1)
    const codes = []
    for (const path of [
      file('none.png', []),
      file('matter.png', ['MT:Y.K9042C00KA0648G00']),
      file('wifi.png', ['WIFI:S:home;T:WPA;P:secret;;']),
      file('two.png', [fresh(), fresh()]),
      file('cut.png', [uri.slice(0, -20)]),
      join(directory, 'absent.png'),
    ]) {
      const { code, facts } = await answer(['dpp', 'scan', path], 1)
      assert.ok(!JSON.stringify(facts).includes('secret'))
      codes.push(code)
    }
    const invalid = 'bootstrapping-uri-invalid'
    assert.deepEqual(codes.slice(0, 4), ['code-missing', invalid, invalid, 'code-several'])
    assert.equal(codes[5], 'file-unreadable')
    const text = join(directory, 'label.txt')
    writeFileSync(text, uri)
    assert.equal((await answer(['dpp', 'scan', text], 1))['code'], 'picture-unreadable')
  })

  test('make an access point only for who writes the policy of the network', async () => {
    const onboarder = await world.makeToken('device-onboarder')
    const args = ['dpp', 'add-uri', fresh(), '--access-point']
    assert.equal((await atSite(world, onboarder.text)(args)).code, 5)
    assert.equal((await answer(args))['netRole'], 'ap')
  })

  test('are added by whoever onboards, and not by whoever looks', async () => {
    const onboarder = await world.makeToken('device-onboarder')
    assert.equal((await atSite(world, onboarder.text)(['dpp', 'add-uri', fresh()])).code, 0)
    assert.equal((await atSite(world, world.tokens.auditor)(['dpp', 'add-uri', fresh()])).code, 5)
  })
})
