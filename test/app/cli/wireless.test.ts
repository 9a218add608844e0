import assert from 'node:assert/strict'
import { once } from 'node:events'
import { readFileSync, watch } from 'node:fs'
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { freePort, Shell } from './process.ts'

let directory: string
let shell: Shell
const file = (name: string) => join(directory, name)

before(async () => {
  directory = await mkdtemp(join(tmpdir(), 'mooring-wireless-'))
  shell = new Shell(directory, { XDG_DATA_HOME: file('data') })
})
after(async () => {
  await shell.end()
  await rm(directory, { recursive: true })
})

/** What a file holds, once that is so. */
async function eventually(name: string, holds: (text: string) => boolean): Promise<string> {
  const watcher = watch(directory, { recursive: true })
  try {
    for (;;) {
      const text = readable(file(name))
      if (text !== undefined && holds(text)) return text
      await once(watcher, 'change')
    }
  } finally {
    watcher.close()
  }
}

function readable(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return undefined
  }
}

describe('a device of Wi-Fi Easy Connect, from its factory to its access point', () => {
  test('gets a secret that it and the access point have, and nobody else, until it is reconfigured', async () => {
    const factory = String(
      (await shell.do('factory', 'init', '--name', 'Fjord', '--masa-url', 'masa.example'))['factory'],
    )
    const make = [
      'factory',
      'make',
      '--model',
      'Climate 2',
      '--batch',
      'L1',
      '--count',
      '1',
      '--simulate',
      file('made'),
    ]
    await shell.do(...make, '--dpp', '--dpp-first-mac', '02:00:00:00:01:00')
    const dppPort = String(await freePort())
    const ports = ['--listen', '127.0.0.1', '--port', '0', '--api-port', '0', '--dpp-port', dppPort]
    const site = await shell.start(['up', '--quiet', ...ports, '--access-points', file('hostapd')])
    await shell.do('network', 'add', 'home', '--ssid', 'Harbour', '--akm', 'sae')
    await writeFile(file('card.json'), JSON.stringify(await shell.do('site', 'card')))
    const to = ['--batch', 'L1', '--to', file('card.json')]
    await shell.do('factory', 'sell', ...to)
    await shell.do('factory', 'manifest', ...to, '--out', file('purchase.jws'))
    const anchors = ['--anchor', join(factory, 'device-root.pem'), '--masa-anchor', join(factory, 'masa-root.pem')]
    await shell.do('trust', 'add', 'fjord', ...anchors)
    await shell.do('manifest', 'import', file('purchase.jws'))

    const onboard = ['device', 'enrollee', 'onboard', `127.0.0.1:${dppPort}`, '--device', file('made/L1-000001')]
    await shell.do(...onboard, '--wpa-supplicant', file('lamp'))
    const line = /^sae_password=([A-Za-z0-9_-]{32})\|mac=02:00:00:00:01:00$/m
    const written = await eventually('hostapd/home.conf', text => line.test(text))
    const secret = line.exec(written)![1]!
    const own = (await readdir(file('lamp'))).map(name => readable(join(file('lamp'), name)) ?? '')
    assert.ok(
      own.some(text => text.includes(secret) || text.includes(Buffer.from(secret).toString('hex'))),
      'the device has the same',
    )
    const { items } = (await shell.do('dpp', 'list')) as {
      items: { device: string; rung: string; declared: boolean }[]
    }
    assert.deepEqual([items[0]?.rung, items[0]?.declared], ['credentialed', true])
    const network = await shell.do('network', 'show', 'home')
    assert.equal((network['segments'] as { devices: number }[])[0]?.devices, 1)
    assert.equal((await shell.run(['network', 'remove', 'home'])).code, 1, 'a device is on it')
    for (const look of [
      ['device', 'show', 'L1-000001'],
      ['network', 'show', 'home'],
      ['credential', 'list'],
      ['dpp', 'list'],
    ]) {
      assert.ok(!JSON.stringify(await shell.do(...look)).includes(secret), look.join(' '))
    }

    await shell.do('dpp', 'reconfigure', items[0]!.device)
    await eventually('hostapd/home.deny', text => text === '02:00:00:00:01:00\n')
    await eventually('hostapd/home.conf', text => !text.includes(secret))
    await site.stop()
  })
})
