import assert from 'node:assert/strict'
import { hash } from 'node:crypto'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { freePort, type Service, Shell } from './process.ts'

let directory: string
let shell: Shell
let masaPort: number
let site: Service
let factory: string

const file = (name: string) => join(directory, name)

before(async () => {
  directory = await mkdtemp(join(tmpdir(), 'mooring-supply-'))
  shell = new Shell(directory, { XDG_DATA_HOME: join(directory, 'data') })
  masaPort = await freePort()
})

after(async () => {
  await shell.end()
  await rm(directory, { recursive: true })
})

async function refused(code: string, args: readonly string[]): Promise<void> {
  const outcome = await shell.run([...args, '--json'])
  assert.equal((outcome.json()['error'] as { code: string }).code, code, outcome.stdout)
}

const masaUp = () => shell.start(['masa', 'up', '--listen', '127.0.0.1', '--port', String(masaPort)])

describe('purchases and recalls on the command line', { concurrency: 1 }, () => {
  test('devices are made with a list of their parts, and sold into the feed of their buyer', async () => {
    const init = ['factory', 'init', '--name', 'Fjord Sensors', '--masa-url', `127.0.0.1:${masaPort}`]
    factory = String((await shell.do(...init))['factory'])
    const components = ['bootloader', 'application'].map(name => ({ name, version: '1', hash: hash('sha256', name) }))
    await writeFile(file('parts.json'), JSON.stringify({ components }))
    await writeFile(file('wrong.json'), JSON.stringify({ components: [...components, components[0]] }))
    const make = ['factory', 'make', '--model', 'Climate 2', '--batch', 'CL2', '--count', '3']
    const simulate = ['--simulate', file('devices')]
    await refused('file-unreadable', [...make, ...simulate, '--components', file('wrong.json')])
    assert.equal((await shell.do(...make, ...simulate, '--components', file('parts.json')))['made'], 3)
    await refused('batch-differs', [...make, ...simulate])
    const quiet = ['--quiet', '--listen', '127.0.0.1', '--port', '0', '--api-port', '0']
    site = await shell.start(['up', '--network', 'harbour-iot', '--owner', 'harbour', ...quiet])
    await writeFile(file('card.json'), JSON.stringify(await shell.do('site', 'card')))
    await shell.do('factory', 'sell', '--batch', 'CL2', '--to', file('card.json'))
    const publish = ['factory', 'feed', 'publish', '--batch', 'CL2', '--to', file('card.json')]
    await refused('not-found', publish)
    const added = (await shell.do('factory', 'feed', 'add', '--to', file('card.json'))) as {
      items: { buyer: string }[]
    }
    assert.deepEqual(
      added.items.map(({ buyer }) => buyer),
      ['harbour'],
    )
    assert.equal((await shell.do(...publish))['publication'], '000000000001')
  })

  test('the site pulls them, and a device that comes in states its parts [WP-M6.08]', async () => {
    const anchors = ['--anchor', join(factory, 'device-root.pem'), '--masa-anchor', join(factory, 'masa-root.pem')]
    const from = ['--from', `https://127.0.0.1:${masaPort}/.well-known/mooring/feed`]
    await refused('not-found', ['feed', 'add', 'fjord', ...from])
    await shell.do('trust', 'add', 'fjord', ...anchors, '--masa-private')
    await refused('feed-address-refused', ['feed', 'add', 'fjord', '--from', 'http://127.0.0.1/feed'])
    const masa = await masaUp()
    await shell.do('feed', 'add', 'fjord', ...from, '--private-address')
    const pulled = await shell.do('feed', 'pull', 'fjord')
    assert.deepEqual([pulled['manifests'], pulled['recalls'], pulled['failure']], [1, 0, undefined])
    const onboard = ['device', 'onboard', '--device', file('devices/CL2-000001')]
    const device = await shell.do(...onboard, `https://127.0.0.1:${String(site.ready['onboardingPort'])}`)
    assert.deepEqual([device['state'], device['components']], ['connected', 'match'])
    const shown = await shell.do('device', 'show', 'CL2-000001')
    assert.equal((shown['components'] as { verdict: string }).verdict, 'match')
    await masa.stop()
  })

  test('a recall stops them, by file and by feed, and is lifted [WP-M6.16]', async () => {
    const out = ['--reason', 'vulnerability', '--reference', 'FJ-7', '--out']
    const issued = await shell.do('factory', 'recall', '--serial', 'CL2-000001', ...out, file('recall.jws'))
    await refused('input-invalid', ['factory', 'recall', ...out, file('none.jws')])
    await refused('file-exists', ['factory', 'recall', '--serial', 'CL2-000002', ...out, file('recall.jws')])
    const preview = await shell.do('recall', 'import', file('recall.jws'), '--dry-run')
    assert.deepEqual([preview['hits'], preview['credentialed']], [1, 1])
    assert.deepEqual((await shell.do('recall', 'list'))['items'], [])
    const { recall } = (await shell.do('recall', 'import', file('recall.jws'), '--hold')) as {
      recall: { id: string; work: object }
    }
    assert.deepEqual(
      { ...recall.work, finishedAt: '' },
      { state: 'done', checked: 3, of: 3, affected: 1, revoked: 0, held: 1, released: 0, finishedAt: '' },
    )
    assert.deepEqual((await shell.do('device', 'show', 'CL2-000001'))['recalls'], [recall.id])
    assert.equal((await shell.do('recall', 'show', recall.id))['reference'], 'FJ-7')
    await shell.do('factory', 'recall', '--lift', String(issued['recall']), '--out', file('lifted.jws'))
    const masa = await masaUp()
    const pulled = await shell.do('feed', 'pull', 'fjord')
    assert.deepEqual([pulled['recalls'], pulled['refused']], [2, []])
    await refused('recall-stale', ['recall', 'import', file('recall.jws')])
    assert.equal((await shell.do('recall', 'show', recall.id))['status'], 'lifted')
    await masa.stop()
    assert.equal((await shell.do('feed', 'remove', 'fjord'))['removed'], 'fjord')
    assert.deepEqual((await shell.do('feed', 'list'))['items'], [])
    const verdict = await shell.do('audit', 'verify')
    assert.equal(verdict['integrity'], 'pass')
  })
})
