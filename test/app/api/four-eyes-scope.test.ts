import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { OperationName } from '../../../src/app/api/contract.ts'
import type { Tables } from '../../../src/domain/port.ts'
import { inScene, type Json } from './four-eyes-scene.ts'
import type { Sent } from './world.ts'

describe('four eyes', () => {
  test('guard what withdraws a device, by whatever name and over SCIM, and leave one person a way to stop it now', () =>
    inScene(async ({ tell, call, ask, asked, alice, bob, services }) => {
      const trusting = await asked()
      await tell('requestConfirm', { params: { id: trusting } }, bob)
      const { id } = await call('deviceExpect', { body: { manufacturer: 'fjord', serial: 'C1' } }, alice)
      const device = { params: { id } }
      const ways: readonly (readonly [OperationName, Sent])[] = [
        ['deviceWithdraw', { ...device, body: {} }],
        ['deviceReport', { ...device, body: { what: 'stolen' } }],
        ['deviceResolveClone', { ...device, body: { resolution: 'neither' } }],
        ['deviceWiped', { ...device, body: { reason: '' } }],
      ]
      for (const [name, given] of ways) assert.equal((await tell(name, given, alice))[1], 'confirmation-needed', name)
      const scim = await ask(`/scim/v2/Devices/${id}`, { method: 'DELETE', token: alice })
      assert.deepEqual([scim.status, String(scim.json['detail']).split(':', 1)[0]], [409, 'confirmation-needed'])
      const standing = async () => (await call('deviceShow', device)).standing
      assert.equal(await standing(), 'expected')
      // Alone: kept out from this moment on, and not for good.
      await call('deviceReport', { ...device, body: { what: 'lost' } }, alice)
      assert.equal((await services.store.read((tables: Tables) => tables.device.get(id)))?.hold?.kind, 'lost')
      const [, , json] = await tell('deviceReport', { ...device, body: { what: 'stolen' } }, alice)
      const request = String((json['facts'] as Json)['request'])
      assert.equal(
        (await tell('requestConfirm', { params: { id: request } }, alice))[1],
        'confirmation-not-independent',
      )
      assert.equal(await standing(), 'expected')
      assert.equal((await tell('requestConfirm', { params: { id: request } }, bob))[0], 200)
      assert.equal(await standing(), 'withdrawn')
    }))

  test('guard which policies count, and what was asked for yesterday is not done about the version of today', () =>
    inScene(async ({ tell, call, alice, bob }) => {
      const draft = async (name: string) => {
        const source = `// ${name}\npermit (principal, action == Action::"admit", resource);`
        return String((await call('policyDraft', { body: { name, source } }, alice)).version)
      }
      const active = async () => {
        const { items } = await call('policyList', {})
        return String(items.find(({ status }) => status === 'active')?.version)
      }
      const both = async (name: OperationName, given: Sent) => {
        const [, code, json] = await tell(name, given, alice)
        assert.equal(code, 'confirmation-needed')
        const id = String((json['facts'] as Json)['request'])
        return () => tell('requestConfirm', { params: { id } }, bob)
      }
      const [one, two, three] = [await draft('one'), await draft('two'), await draft('three')]
      const confirm = await both('policyActivate', { params: { version: one } })
      assert.notEqual(await active(), one, 'one person changes nothing')
      assert.equal((await confirm())[0], 200)
      await (await both('policyActivate', { params: { version: two } }))()
      const back = await both('policyRollback', { body: { from: two } })
      await (await both('policyActivate', { params: { version: three } }))()
      assert.deepEqual((await back()).slice(0, 2), [409, 'policy-changed'])
      assert.equal(await active(), three)
      await (await both('policyRollback', { body: { from: three } }))()
      assert.equal(await active(), two)
    }))
})
