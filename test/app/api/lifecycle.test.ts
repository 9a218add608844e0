import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { functionalRoleNames, roleNames } from '../../../src/domain/authority.ts'
import { type Device, type DeviceEvent, deviceId, evolveDevice } from '../../../src/domain/device.ts'
import { streamName } from '../../../src/domain/event.ts'
import type { LifecycleEvent, LifecycleState } from '../../../src/domain/lifecycle.ts'
import { mayStep, stepAuthorities, stepAuthority } from '../../../src/domain/lifecycle-authority.ts'
import { lifecycleTransitions } from '../../../src/domain/lifecycle-table.ts'
import { openWorld, requestOf, type World } from './world.ts'

describe('the lifecycle over the API', () => {
  let world: World
  let n = 0
  const tokens = new Map<string, string>()

  before(async () => {
    world = await openWorld()
    for (const role of roleNames) tokens.set(role, (await world.makeToken(role)).text)
  })
  after(() => world.close())

  async function place(lifecycle: LifecycleState, owner = 'harbour'): Promise<string> {
    const serial = `L-${++n}`
    const id = deviceId('fjord', serial)
    const body = { manufacturer: 'fjord', serial, model: '', source: 'test', owner, declarationVersion: 1, lifecycle }
    const event: DeviceEvent = { kind: 'device-expected', body }
    await world.services.store.transaction(async tx => {
      await tx.append(streamName('device', id), 0, [event])
      await tx.device.insert(evolveDevice(undefined, event))
    })
    return id
  }

  const ask = (name: Parameters<typeof requestOf>[0], given: Parameters<typeof requestOf>[1], role = 'administrator') =>
    world.ask(...requestOf(name, given, tokens.get(role)))

  test('says what is allowed, takes it, and shows it in the timeline', async () => {
    const id = await place('US.COM')
    const params = { id }
    const { version, steps } = await world.call('deviceAllowed', { params })
    assert.deepEqual(
      steps.map(({ event, verdict }) => [event, verdict]),
      [
        ['start-application-onboarding', 'when-said'],
        ['execute', 'when-said'],
      ],
    )
    const body = { event: 'execute', facts: { applicationInstalled: true }, reason: 'first day', version } as const
    assert.equal((await world.call('deviceStep', { params, body })).lifecycle, 'US.OPR')
    const { items } = await world.call('deviceTimeline', { params })
    assert.deepEqual(
      items.map(({ state, name }) => [state, name]),
      [
        ['US.COM', 'Commissioned'],
        ['US.OPR', 'Operational'],
      ],
    )
    assert.equal(items[1]?.reason, 'first day')
    assert.match(items[1]?.by ?? '', /^administrator-\d+ \(token\//)
    const again = await ask('deviceStep', { params, body })
    assert.deepEqual([again.status, again.json['code']], [409, 'device-changed'])
  })

  test('a record may begin before the shelf, and nowhere else', async () => {
    const trusted = { name: 'fjord', anchors: [], masaAnchors: [], quirks: [], addedAt: 0 }
    const lenience = { masaPrivateAddress: false, ignoreIdevidLifetime: false }
    await world.services.store.transaction(tx => tx.manufacturer.put({ ...trusted, ...lenience }))
    const expect = (serial: string, lifecycle?: string) =>
      ask('deviceExpect', {
        body: { manufacturer: 'fjord', serial, ...(lifecycle === undefined ? {} : { lifecycle }) },
      })
    assert.equal((await expect('E-1', 'SC.INT')).json['lifecycle'], 'SC.INT')
    assert.equal((await expect('E-1', 'SC.MFG')).json['lifecycle'], 'SC.INT', 'of a known device it changes nothing')
    assert.equal((await expect('E-2')).json['lifecycle'], 'SC.SHL')
    assert.equal((await expect('E-3', 'US.OPR')).json['code'], 'input-invalid')
    const { items } = await world.call('deviceList', { query: { lifecycle: 'SC.INT' } })
    assert.deepEqual(
      items.map(({ serial }) => serial),
      ['E-1'],
    )
  })

  test('the timeline comes in pages', async () => {
    const id = await place('US.OPR')
    const params = { id }
    for (const [event, facts] of [
      ['begin-maintenance', { maintainableConnected: true }],
      ['maintenance-done', { applicationChanged: false }],
    ] as const) {
      await world.call('deviceStep', { params, body: { event, facts } })
    }
    const first = await world.call('deviceTimeline', { params, query: { limit: 2 } })
    assert.deepEqual(
      first.items.map(({ state }) => state),
      ['US.OPR', 'US.MTC'],
    )
    assert.ok(first.items[1]?.until !== undefined, 'also the last of a page ends')
    const rest = await world.call('deviceTimeline', { params, query: { limit: 2, after: first.next ?? '' } })
    assert.deepEqual(
      rest.items.map(({ state, until }) => [state, until]),
      [['US.OPR', undefined]],
    )
    assert.equal(rest.next, undefined)
  })

  test('hands a device over step by step', async () => {
    const id = await place('US.OPR')
    const params = { id }
    const show = () => world.call('deviceHandOverShow', { params })
    assert.equal((await show()).state, 'none')
    const begun = await world.call('deviceHandOver', { params, body: { to: 'orchard' } })
    assert.deepEqual(
      begun.steps.map(({ state }) => state),
      ['done', 'waiting', 'later', 'later'],
    )
    const wiped = await world.call('deviceHandOver', { params, body: { facts: { wiped: true } } })
    assert.match(wiped.steps[2]?.words ?? '', /no ownership service/)
    assert.equal((await show()).to, 'orchard')
    assert.equal((await world.call('deviceHandOverCancel', { params })).state, 'none')
  })

  test('nor does the manager say so in a single step, beside the hand-over', async () => {
    const id = await place('US.DEC', '')
    const params = { id }
    await world.call('deviceWiped', { params, body: {} })
    const facts = { functional: true, ownershipTransferred: true }
    const body = { event: 'repurpose-new-owner', facts } as const
    const manager = await ask('deviceStep', { params, body }, 'device-manager')
    assert.deepEqual([manager.status, manager.json['code']], [403, 'not-permitted'])
    assert.deepEqual((manager.json['facts'] as Record<string, unknown>)['needed'], 'ownership.transfer')
    assert.equal((await world.call('deviceAllowed', { params })).device.lifecycle, 'US.DEC')
    assert.equal((await world.call('deviceStep', { params, body })).lifecycle, 'US.INS')
  })

  test('of a hand-over the manager of the device does the work, and the owner alone transfers', async () => {
    const id = await place('US.OPR', '')
    const params = { id }
    const states = (json: Record<string, unknown>) => json['steps'] as { state: string; words: string }[]
    const owner = await ask('deviceHandOver', { params, body: { to: 'orchard' } }, 'device-owner')
    assert.match(states(owner.json)[0]!.words, /manager/)
    await ask('deviceHandOver', { params, body: {} }, 'device-manager')
    const facts = { wiped: true, ownershipTransferred: true }
    const manager = await ask('deviceHandOver', { params, body: { facts } }, 'device-manager')
    assert.deepEqual(
      states(manager.json).map(({ state }) => state),
      ['done', 'done', 'waiting', 'later'],
    )
    assert.match(states(manager.json)[2]!.words, /owner alone/)
    const given = await ask('deviceHandOver', { params, body: { facts } }, 'device-owner')
    assert.equal(states(given.json)[2]?.state, 'done')
    assert.equal((await ask('deviceHandOver', { params, body: {} }, 'device-manager')).json['state'], 'completed')
  })

  describe('attacks', () => {
    test('every step by every role: only who has the authority for that very step [WP-LG-8, WP-LE-E4]', async () => {
      for (const { event, from } of lifecycleTransitions) {
        const id = await place(from)
        for (const role of functionalRoleNames) {
          const { status, json } = await ask('deviceStep', { params: { id }, body: { event, version: 9999 } }, role)
          // Nobody gets further than the version, which is wrong.
          if (mayStep([role], event)) assert.equal(json['code'], 'device-changed', `${event} by ${role}`)
          else assert.deepEqual([status, json['code']], [403, 'not-permitted'], `${event} by ${role}`)
        }
      }
    })

    test('what is not in the table, not a fact, not a truth, or said twice', async () => {
      const id = await place('US.OPR')
      const code = async (body: unknown) => (await ask('deviceStep', { params: { id }, body })).json['code']
      assert.equal(await code({ event: 'explode' }), 'input-invalid')
      assert.equal(await code({ event: '__proto__' }), 'input-invalid')
      assert.equal(await code({ event: 'break', actor: 'nobody' }), 'input-invalid')
      assert.equal(await code({ event: 'break', facts: { isBroken: true } }), 'input-invalid')
      assert.equal(await code({ event: 'break', facts: { functional: 'no' } }), 'input-invalid')
      assert.equal(await code({ event: 'break', reason: 'x'.repeat(201) }), 'input-invalid')
      assert.equal(await code({ event: 'connect' }), 'lifecycle-transition-refused')
      assert.equal(await code({ event: 'break' }), 'lifecycle-guard-unmet')
      assert.equal(await code({ event: 'begin-maintenance', actor: 'logistics' }), 'lifecycle-actor-refused')
      const lie = { event: 'disconnect-for-decommission', facts: { networkCredentialValid: true } }
      assert.equal(await code(lie), 'lifecycle-fact-contradicted')
      const device = (await world.services.store.read(tables => tables.device.get(id))) as Device
      assert.equal(device.version, 1, 'none of that is on record')
    })
  })

  test('each event of the table has authorities, and each step has somebody who may take it', () => {
    const events = new Set(lifecycleTransitions.map(({ event }) => event))
    assert.deepEqual(new Set(Object.keys(stepAuthority)), events)
    for (const event of events as Set<LifecycleEvent>) {
      assert.ok(
        functionalRoleNames.some(role => mayStep([role], event)),
        event,
      )
      assert.ok(stepAuthority[event].every(authority => stepAuthorities.includes(authority)))
    }
    assert.ok(!roleNames.filter(role => role === 'auditor').some(role => mayStep([role], 'break')))
  })
})
