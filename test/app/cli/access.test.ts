import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { openWorld, type World } from '../api/world.ts'
import { atSite } from './terminal.ts'

let world: World
let directory: string
let site: ReturnType<typeof atSite>

before(async () => {
  world = await openWorld()
  directory = await mkdtemp(join(tmpdir(), 'mooring-access-'))
  site = atSite(world)
})

after(async () => {
  await world.close()
  await rm(directory, { recursive: true })
})

async function answer(args: readonly string[], code = 0): Promise<Record<string, unknown>> {
  const { code: ended, stdout, stderr } = await site([...args, '--json'])
  assert.deepEqual([ended, stderr], [code, ''], stdout)
  const json = JSON.parse(stdout) as Record<string, unknown>
  return (code === 0 ? json : json['error']) as Record<string, unknown>
}

describe('access points by the CLI', () => {
  test('get a secret that is shown once, and by nothing after that', async () => {
    const none = await site(['access', 'client', 'list'])
    assert.equal(none.stdout, 'No access point yet. `mooring access client add` adds one.\n')
    const { secret, ...made } = await answer(['access', 'client', 'add', 'gw1', '192.0.2.10'])
    assert.match(String(secret), /^[A-Za-z0-9_-]{22}$/)
    assert.deepEqual([made['name'], made['address'], made['disconnectPort']], ['gw1', '192.0.2.10', 3799])
    const listed = await site(['access', 'client', 'list', '--json'])
    assert.ok(!listed.stdout.includes(String(secret)))
    const { events } = await world.services.store.feed({}, 1000)
    assert.ok(!JSON.stringify(events).includes(String(secret)))
    assert.equal(world.services.networkAccess.clients.at('192.0.2.10')?.secret.revealText(), secret)
  })

  test('may bring a secret of their own, if it is one', async () => {
    const file = join(directory, 'secret')
    await writeFile(file, 'harbour-Wall-42-gulls\n')
    const own = ['access', 'client', 'add', 'sw1', '2001:db8::1', '--disconnect-port', '0', '--secret-file', file]
    const made = await answer(own)
    assert.deepEqual([made['secret'], made['disconnectPort']], [undefined, 0])
    for (const [text, code] of [
      ['testing123', 'radius-secret-weak'],
      ['aaaaaaaaaaaaaaaaaaaaaaaaaaa', 'radius-secret-weak'],
      ['with a blank in the middle', 'input-invalid'],
    ] as const) {
      await writeFile(file, text)
      const refused = ['access', 'client', 'add', 'sw2', '192.0.2.12', '--secret-file', file]
      assert.equal((await answer(refused, 1))['code'], code, text)
    }
  })

  test('have one name and one address each', async () => {
    const codes: unknown[] = []
    for (const args of [
      ['gw1', '192.0.2.99'],
      ['gw9', '192.0.2.10'],
      ['gw9', 'gateway.example'],
      ['gw9', '192.0.2.999'],
    ])
      codes.push((await answer(['access', 'client', 'add', ...args], 1))['code'])
    assert.deepEqual(codes, ['radius-client-exists', 'radius-address-taken', 'input-invalid', 'input-invalid'])
  })

  test('that are removed get no answer, and their address is free again', async () => {
    await answer(['access', 'client', 'remove', 'gw1'])
    assert.equal(world.services.networkAccess.clients.at('192.0.2.10'), undefined)
    assert.equal((await answer(['access', 'client', 'remove', 'gw1'], 1))['code'], 'not-found')
    await answer(['access', 'client', 'add', 'gw2', '192.0.2.10'])
    const again = await answer(['access', 'client', 'add', 'gw1', '192.0.2.13'])
    assert.equal(again['name'], 'gw1')
    const verdict = await world.services.store.verify()
    assert.equal(verdict.integrity, 'pass', JSON.stringify(verdict.firstBad))
  })
})

describe('who is on the network', () => {
  test('is nobody at first, and a session that is not there cannot be ended', async () => {
    assert.equal((await site(['access', 'session', 'list'])).stdout, 'Nobody.\n')
    const id = '0'.repeat(32)
    assert.equal((await answer(['access', 'session', 'end', id, '--reason', 'x'], 1))['code'], 'not-found')
  })

  test('stands in a list, and stays there while the access point does not say that it is gone', async () => {
    const session = {
      id: 'ab'.repeat(16),
      state: 'open' as const,
      device: 'd1',
      credential: 'c1',
      client: 'gw2',
      station: '02:00:00:00:00:11',
      ssid: 'harbour',
      segment: 'cameras',
      vlan: 30,
      grantedAt: world.services.clock(),
      seenAt: world.services.clock(),
      until: world.services.clock() + 3_600_000,
    }
    await world.services.store.transaction(tx => tx.accessSession.put(session))
    const { stdout } = await site(['access', 'session', 'list', '--state', 'open'])
    assert.match(stdout, /d1 +gw2 harbour +02:00:00:00:00:11 +cameras \(30\)/)
    assert.match((await site(['access', 'session', 'list', '--state', 'ended'])).stdout, /Nobody/)
    const ended = await answer(['access', 'session', 'end', session.id, '--reason', 'moved'])
    assert.equal(ended['ended'], false)
  })
})
