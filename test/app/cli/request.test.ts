import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { encodePem } from '../../../src/codec/pem.ts'
import { certify } from '../../crypto/pki.ts'
import { openWorld, type World } from '../api/world.ts'
import { atSite } from './terminal.ts'

let world: World
let directory: string
let alice: ReturnType<typeof atSite>
let bob: ReturnType<typeof atSite>

before(async () => {
  world = await openWorld()
  directory = await mkdtemp(join(tmpdir(), 'mooring-request-'))
  const { certificate } = await certify({ subject: 'Fjord device root', ca: true })
  await writeFile(join(directory, 'root.pem'), encodePem('CERTIFICATE', certificate.der))
  alice = atSite(world, (await world.makeToken('administrator', undefined, 'alice')).text)
  bob = atSite(world, (await world.makeToken('administrator', undefined, 'bob')).text)
  world.pass(1000)
})

after(async () => {
  await world.close()
  await rm(directory, { recursive: true })
})

describe('four eyes by the CLI', () => {
  test('one asks, the other looks and confirms, and both are told what is', async () => {
    assert.equal((await alice(['four-eyes', 'show', '--json'])).json()['on'], false)
    assert.match((await alice(['four-eyes', 'on'])).stdout, /four eyes\s+on/)
    const trust = ['trust', 'add', 'fjord', '--anchor', join(directory, 'root.pem')]
    const asked = await alice([...trust, '--json'])
    const failure = asked.json()['error'] as { code: string; facts: { request: string } }
    assert.deepEqual([asked.code, failure.code], [1, 'confirmation-needed'])
    const { request } = failure.facts
    const person = await alice(trust)
    assert.equal(person.code, 1)
    assert.match(person.stderr, /mooring request confirm/)
    assert.ok(person.stderr.includes(request), 'who asked can tell the other what to confirm')
    const list = await bob(['request', 'list', '--status', 'pending'])
    assert.match(list.stdout, /manufacturerTrust/)
    for (const line of list.stdout.split('\n')) assert.ok(line.length <= 100, line)
    assert.match(list.stdout, /body ignoreIdevidLifetime\s+false/)
    assert.equal((await alice(['request', 'confirm', request, '--json'])).code, 1)
    const confirmed = await bob(['request', 'confirm', request])
    assert.equal(confirmed.code, 0, confirmed.stderr)
    assert.match(confirmed.stdout, /status\s+done/)
    assert.equal(((await alice(['trust', 'list', '--json'])).json()['items'] as unknown[]).length, 1)
    assert.equal(
      (await alice(['request', 'list', '--status', 'pending'])).stdout,
      'Nothing waits for a second person.\n',
    )
  })

  test('one asks, and the other declines, or it is taken back', async () => {
    const ask = async () => {
      const { json } = await alice(['trust', 'remove', 'fjord', '--json'])
      return (json()['error'] as { facts: { request: string } }).facts.request
    }
    assert.equal((await bob(['request', 'decline', await ask(), '--json'])).json()['status'], 'declined')
    assert.equal((await alice(['request', 'decline', await ask(), '--json'])).json()['status'], 'declined')
    assert.equal(((await alice(['trust', 'list', '--json'])).json()['items'] as unknown[]).length, 1)
    const off = await alice(['four-eyes', 'off', '--json'])
    assert.equal((off.json()['error'] as { code: string }).code, 'confirmation-needed')
  })
})
