import assert from 'node:assert/strict'
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { freePort, type Service, Shell } from './process.ts'

let directory: string
let shell: Shell
let masaPort: number
let masa: Service
const sites: Record<string, Service> = {}

const file = (name: string) => join(directory, name)
const at = (site: string) => ['--data', file(site)]
const owners = ['harbour', 'quay'] as const

before(async () => {
  directory = await mkdtemp(join(tmpdir(), 'mooring-ownership-'))
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
  assert.equal(outcome.code, 1)
}

async function onboard(serial: string, site: string) {
  const origin = `https://127.0.0.1:${String(sites[site]!.ready['onboardingPort'])}`
  return shell.process([
    'device',
    'onboard',
    '--device',
    file(`devices/${serial}`),
    '--timeout',
    '20',
    '--json',
    origin,
  ])
}

describe('a device that changes hands, by command line, over TLS', () => {
  test('is made, sold to the first of two owners, and expected there', async () => {
    await shell.do('factory', 'init', '--name', 'Fjord Sensors', '--masa-url', `127.0.0.1:${masaPort}`)
    const make = ['--model', 'Climate 2', '--batch', 'CL2', '--count', '4', '--simulate', file('devices')]
    await shell.do('factory', 'make', ...make)
    const listen = ['--quiet', '--listen', '127.0.0.1', '--port', '0', '--api-port', '0']
    for (const owner of owners) {
      sites[owner] = await shell.start(['up', '--network', `${owner}-iot`, '--owner', owner, ...listen, ...at(owner)])
      const card = await shell.do('site', 'card', '--name', `The ${owner}`, ...at(owner))
      await writeFile(file(`${owner}.json`), JSON.stringify(card))
    }
    const sold = ['--batch', 'CL2', '--to', file('harbour.json')]
    await shell.do('factory', 'sell', ...sold)
    await shell.do('factory', 'manifest', ...sold, '--out', file('purchase.jws'))
    masa = await shell.start(['masa', 'up', '--listen', '127.0.0.1'])
    const roots = join(directory, 'data/mooring/factory')
    for (const owner of owners) {
      const anchors = ['--anchor', join(roots, 'device-root.pem'), '--masa-anchor', join(roots, 'masa-root.pem')]
      const masaUrl = ['--masa-url', `127.0.0.1:${masaPort}`, '--masa-private']
      await shell.do('trust', 'add', 'fjord', ...anchors, ...masaUrl, ...at(owner))
    }
    assert.equal((await shell.do('manifest', 'import', file('purchase.jws'), ...at('harbour')))['new'], 4)
    const shown = await shell.do('ownership', 'show', 'CL2-000001', ...at('harbour'))
    assert.deepEqual([shown['owner'], shown['right'], shown['declarationVersion']], ['harbour', 'owner', 2])
  })

  test('is offered by file to a named buyer and accepted; from then on its new owner has it, and its old one does not [WP-LE-E1]', async () => {
    const offer = ['ownership', 'offer', 'CL2-000001', '--buyer', file('quay.json'), '--out', file('offer.json')]
    const made = await shell.do(...offer, ...at('harbour'))
    assert.equal((await stat(file('offer.json'))).mode & 0o777, 0o600)
    assert.match(await readFile(file('offer.json'), 'utf8'), /^eyJ[A-Za-z0-9_-]+\.\./, 'encrypted to its buyer')
    await refused('offer-not-yours', ['ownership', 'accept', file('offer.json'), ...at('harbour')])
    const accepted = await shell.do('ownership', 'accept', file('offer.json'), ...at('quay'))
    assert.equal((accepted['report'] as { new: number }).new, 1)
    const { id } = made['offer'] as { id: string }
    const told = await shell.do('ownership', 'refresh', '--offer', id.slice(0, 12), ...at('harbour'))
    assert.equal((told['offer'] as { state: string }).state, 'accepted')
    const former = await onboard('CL2-000001', 'harbour')
    assert.equal(former.code, 1)
    const { refusal } = (await shell.do('device', 'show', 'CL2-000001', ...at('harbour'))) as {
      refusal: { code: string }
    }
    assert.equal(refusal.code, 'owner-mismatch')
    const { code, json, stdout, stderr } = await onboard('CL2-000001', 'quay')
    assert.equal(code, 0, stdout + stderr)
    assert.equal(json()['rung'], 'connected')
    await refused('not-owner', ['ownership', 'offer', 'CL2-000001', '--out', file('again.json'), ...at('harbour')])
    const inUse = ['ownership', 'offer', 'CL2-000001', '--out', file('again.json'), ...at('quay')]
    await refused('lifecycle-transition-refused', inUse)
  })

  test('is offered by link, and the offer taken back', async () => {
    const made = await shell.do('ownership', 'offer', 'CL2-000002', '--out', file('second.json'), ...at('harbour'))
    const { id } = made['offer'] as { id: string }
    const { secret } = JSON.parse(await readFile(file('second.json'), 'utf8')) as { secret: string }
    const open = await shell.do('ownership', 'offers', '--state', 'open', ...at('harbour'))
    assert.ok(!JSON.stringify(open).includes(secret), 'the secret is nowhere else')
    await shell.do('ownership', 'revoke-offer', id, ...at('harbour'))
    await refused('offer-revoked', ['ownership', 'accept', String(made['link']), ...at('quay')])
    await refused('offer-not-found', ['ownership', 'accept', 'mooring-offer:nothing', ...at('quay')])
  })

  test('is lent to an integrator, and taken back [WP-LE-E2, WP-LE-E3]', async () => {
    const grant = ['ownership', 'grant', 'CL2-000003', '--to', file('quay.json')]
    const granted = await shell.do(...grant, ...at('harbour'))
    assert.equal((granted['report'] as { updated: number }).updated, 1)
    const shown = await shell.do('ownership', 'show', 'CL2-000003', ...at('harbour'))
    assert.deepEqual(shown['onboarders'], ['quay'])
    await shell.do('ownership', 'revoke', 'CL2-000003', '--onboarder', 'quay', ...at('harbour'))
    await refused('ownership-request-invalid', [
      'ownership',
      'revoke',
      'CL2-000003',
      '--onboarder',
      'quay',
      ...at('harbour'),
    ])
    const { history } = await shell.do('ownership', 'history', 'CL2-000003', ...at('harbour'))
    assert.deepEqual(
      (history as { declarationVersion: number; onboarders: string[] }[]).map(each => each.onboarders),
      [[], ['quay'], []],
    )
  })

  test('changes hands by files alone, with the MASA switched off', async () => {
    assert.equal((await masa.stop()).code, 0)
    const offer = ['ownership', 'offer', 'CL2-000004', '--out', file('third.json'), '--request', file('offer.jws')]
    await shell.do(...offer, ...at('harbour'))
    await refused('masa-unreachable', ['ownership', 'accept', file('third.json'), ...at('quay')])
    await shell.do('ownership', 'accept', file('third.json'), '--request', file('accept.jws'), ...at('quay'))
    const answered = await shell.do('factory', 'answer', file('accept.jws'), '--out', file('answer.json'))
    assert.equal((answered['offer'] as { state: string }).state, 'accepted')
    await refused('ownership-request-invalid', ['factory', 'answer', file('quay.json'), '--out', file('x.json')])
    for (const owner of owners) await shell.do('ownership', 'take', file('answer.json'), ...at(owner))
    const shown = await Promise.all(owners.map(owner => shell.do('ownership', 'show', 'CL2-000004', ...at(owner))))
    assert.deepEqual(
      shown.map(({ owner, right }) => [owner, right]),
      [
        ['quay', 'none'],
        ['quay', 'owner'],
      ],
    )
    const { declarations } = await shell.do('factory', 'history', 'CL2-000004')
    assert.deepEqual(
      (declarations as { owner: string }[]).map(({ owner }) => owner),
      ['Fjord Sensors', 'harbour', 'quay'],
    )
    for (const owner of owners) {
      const verdict = await shell.do('audit', 'verify', ...at(owner))
      assert.equal(verdict['integrity'], 'pass', JSON.stringify(verdict))
    }
  })
})
