import assert from 'node:assert/strict'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { encodePem } from '../../../src/codec/pem.ts'
import { deviceId } from '../../../src/domain/device.ts'
import { makeUnits } from '../../../src/role/factory/line.ts'
import { buyerCard, sellUnits, shipmentManifest } from '../../../src/role/factory/sale.ts'
import { expectDevice } from '../../../src/role/supply-chain/import.ts'
import { trustManufacturer } from '../../../src/role/supply-chain/trust.ts'
import { type Factory, openFactory } from '../../role/factory/factory.ts'
import { openWorld, type World } from '../api/world.ts'
import { atSite, mooring } from './terminal.ts'

let world: World
let fjord: Factory
let directory: string
let site: ReturnType<typeof atSite>

before(async () => {
  world = await openWorld()
  fjord = await openFactory({ name: 'Fjord Sensors' })
  directory = await mkdtemp(join(tmpdir(), 'mooring-cli-'))
  site = atSite(world)
  const { manufacturer } = fjord
  await writeFile(join(directory, 'device-root.pem'), encodePem('CERTIFICATE', manufacturer.deviceRoot.der))
  await writeFile(join(directory, 'masa-root.der'), manufacturer.masaRoot.der)
  await makeUnits(fjord.order({ batch: 'F1', count: 3 }))
  const buyer = buyerCard({ id: 'harbour', name: 'Harbour', certificates: [world.services.site.root] })
  await sellUnits(fjord, { batch: 'F1' }, { buyer })
  await writeFile(join(directory, 'purchase.jws'), await shipmentManifest(fjord, { batch: 'F1' }, buyer))
})

after(async () => {
  await world.close()
  await fjord.opened.close()
  await rm(directory, { recursive: true })
})

const file = (name: string) => join(directory, name)

/** Runs it for a script and for a person; both must be as promised. */
async function both(...args: readonly string[]): Promise<Record<string, unknown>> {
  const person = await site(args)
  assert.equal(person.code, 0, person.stderr)
  for (const line of person.stdout.split('\n')) assert.ok(line.length <= 100, line)
  assert.doesNotMatch(person.stdout.replaceAll('\n', ''), /\p{Cc}/u)
  const script = await site([...args, '--json'])
  assert.deepEqual([script.code, script.stderr], [0, ''])
  assert.equal(script.stdout.split('\n').length, 2, 'one document, one line')
  return script.json()
}

describe('a site by its CLI', () => {
  test('trusts a manufacturer, takes its manifest and shows its devices', async () => {
    const trusted = await both(
      'trust',
      'add',
      'fjord',
      '--anchor',
      file('device-root.pem'),
      '--masa-anchor',
      file('masa-root.der'),
      '--masa-private',
    )
    assert.equal(trusted['masaPrivateAddress'], true)
    assert.equal(((await both('trust', 'list'))['items'] as unknown[]).length, 1)
    const report = await both('manifest', 'import', file('purchase.jws'))
    assert.deepEqual([report['new'], report['unchanged']], [0, 3])
    assert.equal(((await both('manifest', 'list'))['items'] as unknown[]).length, 1)
    const { items, more } = (await both('device', 'list')) as { items: { serial: string }[]; more: boolean }
    assert.deepEqual([items.map(({ serial }) => serial).sort(), more], [['F1-000001', 'F1-000002', 'F1-000003'], false])
    const cut = (await both('device', 'list', '--limit', '2')) as { items: unknown[]; more: boolean }
    assert.deepEqual([cut.items.length, cut.more], [2, true])
    assert.equal(((await both('device', 'list', '--limit', '3')) as { more: boolean }).more, false)
    const shown = await both('device', 'show', 'F1-000002')
    assert.equal(shown['id'], deviceId('fjord', 'F1-000002'))
    assert.deepEqual(await both('device', 'show', String(shown['id'])), shown)
    const history = (await both('device', 'history', 'F1-000002')) as { items: { kind: string }[] }
    assert.deepEqual(
      history.items.map(({ kind }) => kind),
      ['device-expected'],
    )
  })

  test('expects, grants, denies and withdraws', async () => {
    const expected = await both(
      'device',
      'expect',
      '--manufacturer',
      'fjord',
      '--serial',
      'X-1',
      '--model',
      'Climate 2',
    )
    assert.equal(expected['standing'], 'expected')
    const denied = (await both('approval', 'deny', 'X-1', 'F1-000001')) as { items: { standing: string }[] }
    assert.deepEqual(
      denied.items.map(({ standing }) => standing),
      ['denied', 'denied'],
    )
    assert.equal(((await both('approval', 'grant', 'X-1'))['items'] as { standing: string }[])[0]?.standing, 'approved')
    assert.deepEqual((await both('approval', 'list'))['items'], [])
    assert.equal((await both('device', 'withdraw', 'X-1', '--reason', 'stolen'))['standing'], 'withdrawn')
  })

  test('decides on all devices or, with one mistyped, on none', async () => {
    const { code, json } = await site(['approval', 'deny', 'F1-000003', 'nobody', '--json'])
    assert.equal(code, 1)
    assert.equal((json()['error'] as { code: string }).code, 'device-not-found')
    assert.equal((await both('device', 'show', 'F1-000003'))['standing'], 'expected')
  })

  test('makes, lists and revokes tokens, and shows a token once', async () => {
    const person = await site(['token', 'create', 'night-shift', '--role', 'operator', '--days', '30'])
    const [token] = /mrg_[A-Za-z0-9_-]{43}/.exec(person.stdout) ?? []
    assert.ok(token)
    assert.doesNotMatch(person.stderr, /mrg_/)
    const made = (await site(['token', 'create', 'day-shift', '--role', 'auditor', '--json'])).json()
    assert.match(String(made['token']), /^mrg_/)
    const list = (await both('token', 'list')) as { items: { id: string; name: string }[] }
    assert.doesNotMatch(JSON.stringify(list), /mrg_/)
    assert.equal((await atSite(world, token)(['device', 'list'])).code, 0)
    const { id } = list.items.find(({ name }) => name === 'night-shift')!
    assert.match(String((await both('token', 'revoke', id))['revokedAt']), /^2026/)
    const refused = await atSite(world, token)(['device', 'list'])
    assert.equal(refused.code, 5)
    assert.doesNotMatch(refused.stdout + refused.stderr, /mrg_/)
  })

  test('verifies its record, and against an anchor', async () => {
    assert.equal((await both('audit', 'verify'))['completeness'], 'unanchored')
    const checkpoint = await site(['audit', 'checkpoint'])
    await writeFile(file('anchor.json'), checkpoint.stdout)
    assert.equal((await both('audit', 'verify', '--anchor', file('anchor.json')))['completeness'], 'pass')
    const forged = JSON.parse(checkpoint.stdout) as { lanes: { hash: string }[] }
    forged.lanes[0]!.hash = '0'.repeat(64)
    await writeFile(file('forged.json'), JSON.stringify(forged))
    const bad = await site(['audit', 'verify', '--anchor', file('forged.json'), '--json'])
    assert.equal(bad.code, 3)
    await writeFile(file('nonsense.json'), '{}')
    assert.equal((await site(['audit', 'verify', '--anchor', file('nonsense.json')])).code, 1)
    assert.equal((await site(['audit', 'verify', '--anchor', file('absent.json')])).code, 1)
  })

  test('shows itself, and its card for manufacturers', async () => {
    assert.equal((await both('site', 'show'))['network'], 'harbour-iot')
    const card = await both('site', 'card', '--name', 'Harbour Authority')
    const { root } = world.services.site
    assert.deepEqual(card, buyerCard({ id: 'harbour', name: 'Harbour Authority', certificates: [root] }))
    assert.deepEqual(JSON.parse((await site(['site', 'card', '--name', 'Harbour Authority'])).stdout), card)
  })

  test('lists credentials and vouchers, also of one device', async () => {
    for (const noun of ['credential', 'voucher']) {
      assert.deepEqual(await both(noun, 'list', '--device', 'F1-000001'), { items: [], more: false })
    }
    assert.deepEqual(await both('credential', 'list', '--status', 'issued'), { items: [], more: false })
    const { code, json } = await site(['credential', 'revoke', 'a'.repeat(64), '--json'])
    assert.deepEqual([code, (json()['error'] as { code: string }).code], [1, 'not-found'])
  })

  test('follows events until it is interrupted', async () => {
    const stop = new AbortController()
    const seen: string[] = []
    const sink = (text: string) => {
      seen.push(text)
      if (seen.length === 3) stop.abort()
    }
    const { run } = await import('../../../src/app/cli/program.ts')
    const code = await run(
      ['audit', 'follow', '--json', '--url', 'http://localhost:1', '--token', world.tokens.operator],
      {
        stdout: { write: sink },
        stderr: { write() {} },
        env: {},
        signal: stop.signal,
        fetch: (input, init) => world.server.fetch(new Request(input as string, init)),
      },
    )
    assert.equal(code, 0)
    const events = seen.map(line => JSON.parse(line) as { event: { sequence: number }; cursor: string })
    assert.deepEqual(
      events.map(({ event }) => event.sequence),
      [1, 2, 3],
    )
  })

  test('stops trusting', async () => {
    assert.deepEqual((await site(['trust', 'remove', 'fjord', '--json'])).json(), { removed: 'fjord' })
    assert.equal((await site(['trust', 'remove', 'fjord'])).code, 1)
  })
})

describe('names of strangers', () => {
  test('neither steer the terminal nor break the table', async () => {
    const { manufacturer } = fjord
    await trustManufacturer(world.services, { name: 'evil', anchors: [manufacturer.deviceRoot.der] }, 'test')
    const serials = ['\u202egnp.exe', 'x'.repeat(64), '装置'.repeat(20), 'a|b  c']
    for (const serial of serials.filter(text => !/\p{C}/u.test(text))) {
      await expectDevice(
        world.services.store,
        { manufacturer: 'evil', serial, model: '\u001b[31mred\u001b]0;title\u0007' },
        'test',
      )
    }
    await both('device', 'list', '--manufacturer', 'evil')
    const shown = await site(['device', 'show', 'a|b  c'])
    assert.doesNotMatch(shown.stdout.replaceAll('\n', ''), /\p{Cc}/u)
    assert.match(shown.stdout, /\ufffd\[31mred/)
  })
})

describe('a serial number', () => {
  test('that looks like an id is found all the same; one of two manufacturers has to be told apart', async () => {
    const { manufacturer } = fjord
    const twin = await openFactory({ name: 'Twin' })
    await trustManufacturer(world.services, { name: 'evil', anchors: [manufacturer.deviceRoot.der] }, 'test')
    await trustManufacturer(world.services, { name: 'twin', anchors: [twin.manufacturer.deviceRoot.der] }, 'test')
    await twin.opened.close()
    const serial = 'abcdef012345abcdef012345'
    await expectDevice(world.services.store, { manufacturer: 'evil', serial }, 'test')
    assert.equal((await both('device', 'show', serial))['serial'], serial)
    await expectDevice(world.services.store, { manufacturer: 'twin', serial }, 'test')
    const { code, json } = await site(['--json', 'device', 'show', serial])
    assert.equal(code, 1)
    assert.match((json()['error'] as { facts: { rule: string } }).facts.rule, /\(evil\).*\(twin\)|\(twin\).*\(evil\)/)
  })
})

describe('the way to a site', () => {
  const access = { format: 'mooring-access 1', url: 'http://127.0.0.1:8480', token: `mrg_${'l'.repeat(43)}` }

  async function withAccess(name: string, mode: number, content: string): Promise<string> {
    const data = file(name)
    await mkdir(data, { mode: 0o700 })
    await writeFile(join(data, 'access.json'), content, { mode })
    return data
  }

  /** Where a command line would go, and with which token. */
  async function asked(args: readonly string[], env: Record<string, string> = {}) {
    const calls: { url: string; token: string | null }[] = []
    const send: typeof fetch = async (input, init) => {
      calls.push({ url: input as string, token: new Headers(init?.headers).get('authorization') })
      return new Response('{"items":[]}')
    }
    const outcome = await mooring(['device', 'list', '--json', ...args], { fetch: send, env })
    return { ...outcome, call: calls[0] }
  }

  test('is that of the data directory, with its token', async () => {
    const data = await withAccess('local', 0o600, JSON.stringify(access))
    for (const { call } of [await asked(['--data', data]), await asked([], { MOORING_DATA: data })]) {
      assert.deepEqual(call, { url: `${access.url}/v1/devices?limit=101`, token: `Bearer ${access.token}` })
    }
    const other = await asked(['--data', data, '--token', 'mrg_other'])
    assert.equal(other.call?.token, 'Bearer mrg_other')
  })

  test('takes the local token nowhere else', async () => {
    const data = file('local')
    const elsewhere = await asked(['--data', data, '--url', 'https://evil.example'])
    assert.deepEqual([elsewhere.code, elsewhere.call], [5, undefined])
    const viaEnv = await asked(['--data', data], { MOORING_URL: 'http://127.0.0.1:9999' })
    assert.deepEqual([viaEnv.code, viaEnv.call], [5, undefined])
    assert.doesNotMatch(elsewhere.stdout + elsewhere.stderr, /mrg_/)
  })

  test('is refused when others can read the token, or the file is damaged', async () => {
    const open = await asked(['--data', await withAccess('open', 0o644, JSON.stringify(access))])
    assert.equal((open.json()['error'] as { code: string }).code, 'key-store-failed')
    const damaged = await asked(['--data', await withAccess('damaged', 0o600, '{')])
    assert.equal((damaged.json()['error'] as { code: string }).code, 'file-unreadable')
    assert.equal(open.call, undefined)
  })

  test('that leads nowhere ends with 4', async () => {
    const none = await asked(['--data', file('none')])
    assert.equal(none.code, 4)
    const refused: typeof fetch = () => Promise.reject(new TypeError('fetch failed'))
    const env = { MOORING_URL: 'http://localhost:1', MOORING_TOKEN: 'mrg_x' }
    const dead = await mooring(['device', 'list'], { fetch: refused, env })
    assert.equal(dead.code, 4)
    assert.match(dead.stderr, /^Site does not answer \[service-unreachable\]\n/)
    assert.match(dead.stderr, /\nNext: Start it with `mooring up`/)
    assert.equal(dead.stdout, '')
  })

  test('warns before a token travels in the clear', async () => {
    const call = (url: string) =>
      mooring(['device', 'list'], {
        fetch: async () => new Response('{"items":[]}'),
        env: { MOORING_URL: url, MOORING_TOKEN: 'mrg_x' },
      })
    assert.match((await call('http://gateway.example:8480')).stderr, /in the clear/)
    assert.equal((await call('http://127.0.0.1:8480')).stderr, '')
    assert.equal((await call('https://gateway.example')).stderr, '')
  })
})

describe('colours', () => {
  const coloured = async (setting: Parameters<typeof mooring>[1]) =>
    (await mooring(['device', 'list'], setting)).stderr.includes('\u001b[')
  test('are for a terminal that wants them', async () => {
    assert.equal(await coloured({ tty: true }), true)
    assert.equal(await coloured({ tty: false }), false)
    assert.equal(await coloured({ tty: true, env: { NO_COLOR: '1' } }), false)
    assert.equal(await coloured({ tty: true, env: { NO_COLOR: '' } }), true)
    assert.equal(await coloured({ tty: true, env: { TERM: 'dumb' } }), false)
  })
})
