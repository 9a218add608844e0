import assert from 'node:assert/strict'
import { hash } from 'node:crypto'
import { after, before, describe, test } from 'node:test'
import { api, type OperationName } from '../../src/app/api/contract.ts'
import { exportSpki, generateDppKey } from '../../src/protocol/dpp/key.ts'
import { formatBootstrappingUri } from '../../src/protocol/dpp/uri.ts'
import { inputOf, openWorld, requestOf, type World } from '../app/api/world.ts'

/** Whoever has the code of a device can be its network, one-way: who may look at devices must not find it there. */
describe('the code of a device that somebody scanned', () => {
  const publicKey = exportSpki(generateDppKey('P-256'))
  const uri = formatBootstrappingUri({ publicKey, curve: 'P-256', version: 2, mac: '020000000100' })
  let world: World
  let device: string
  let key: string

  before(async () => {
    world = await openWorld()
    ;({ device, key } = (await world.call('dppKeyAdd', { body: { uri } })) as { device: string; key: string })
  })
  after(() => world.close())

  function searchIn(text: string, where: string): void {
    for (const form of [
      uri,
      publicKey.toString('base64'),
      publicKey.toString('base64url'),
      publicKey.toString('hex'),
    ]) {
      assert.ok(!text.includes(form) && !text.includes(JSON.stringify(form).slice(1, -1)), `the code is in ${where}`)
    }
  }

  for (const role of ['administrator', 'auditor'] as const) {
    test(`is shown to no ${role} by any operation that looks`, async () => {
      const token = world.tokens[role]
      let seen = 0
      for (const name of Object.keys(api) as OperationName[]) {
        if (api[name].method !== 'GET') continue
        const given = { ...inputOf(name), params: { name: 'home', id: device, key } }
        const [path, init] = requestOf(name, given)
        const { text } = await world.ask(path, { ...init, token })
        if (text.includes(device)) seen++
        searchIn(text, name)
      }
      assert.ok(seen >= 4, `${seen} operations tell of the device`)
      const history = await world.ask(`/v1/devices/${device}/events`, { token })
      assert.ok(history.text.includes('bootstrapping-key-added'))
      searchIn(history.text, 'its history')
    })
  }

  test('is in no event and no log, and verification still holds what is on record against the events', async () => {
    const { store } = world.services
    searchIn(JSON.stringify((await store.feed({}, 1000)).events), 'the ledger')
    searchIn(JSON.stringify(world.log.lines), 'the log')
    assert.equal((await store.verify()).integrity, 'pass')
    const record = await store.read(tables => tables.bootstrappingKey.get(key))
    assert.equal(record?.uri, uri)
    const [added] = (await store.history(`device/${device}`)).filter(({ kind }) => kind === 'bootstrapping-key-added')
    assert.equal(added?.body['uriHash'], hash('sha256', uri))
    // Another one in its place: what is asked over the air would be another key.
    await store.transaction(tx => tx.bootstrappingKey.put({ ...record, uri: uri.replace('M:02', 'M:06') }))
    assert.equal((await store.verify()).integrity, 'fail')
    await store.transaction(tx => tx.bootstrappingKey.put(record))
    assert.equal((await store.verify()).integrity, 'pass')
  })
})
