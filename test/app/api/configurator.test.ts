import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { keyHash, parseBootstrappingUri } from '../../../src/protocol/dpp/uri.ts'
import { openWorld, requestOf, type World } from './world.ts'

describe('the Configurator by its API', () => {
  let world: World
  before(async () => {
    world = await openWorld()
  })
  after(() => world.close())

  test('shows the code of the site, and what access points need of it', async () => {
    const shown = await world.call('dppController', {}, world.tokens.administrator)
    assert.equal(keyHash(parseBootstrappingUri(shown.uri)).toString('hex'), shown.keyHash)
    assert.deepEqual([shown.port, shown.sessions, shown.waiting], [undefined, 0, []])
    const [key] = (await world.call('dppController', {}, world.tokens.administrator)).keys
    assert.deepEqual([key?.use, key?.state, key?.source], ['bootstrapping', 'current', 'made'])
  })

  test('makes the next key, and says which came before', async () => {
    const rotate = (use: 'c-sign' | 'pp') =>
      world.call('configuratorKeyRotate', { body: { use, curve: 'P-384' } }, world.tokens.administrator)
    const first = await rotate('c-sign')
    const second = await rotate('c-sign')
    await rotate('pp')
    assert.notEqual(first.id, second.id)
    const { keys } = await world.call('dppController', {}, world.tokens.administrator)
    const states = new Map(keys.map(({ id, state }) => [id, state]))
    assert.deepEqual([states.get(first.id), states.get(second.id)], ['former', 'current'])
  })

  test('ends nothing of a device that has nothing, or that is not there', async () => {
    const { tokens } = world
    for (const name of ['dppReconfigure', 'dppRevoke'] as const) {
      const gone = requestOf(name, { params: { device: 'f'.repeat(24) } }, tokens.administrator)
      assert.equal((await world.ask(...gone)).json['code'], 'device-not-found')
    }
  })
})
