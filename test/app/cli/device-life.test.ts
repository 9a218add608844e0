import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { deviceHousing } from '../../../src/app/cli/onboard.ts'
import { type DeviceEvent, deviceId, evolveDevice } from '../../../src/domain/device.ts'
import { streamName } from '../../../src/domain/event.ts'
import type { LifecycleState } from '../../../src/domain/lifecycle.ts'
import { birthKeyLabel, birthName } from '../../../src/role/device/birth.ts'
import { fjordClimate } from '../../../src/role/device/model.ts'
import { simulatedUnit } from '../../../src/role/device/unit.ts'
import { makeUnits } from '../../../src/role/factory/line.ts'
import { openFactory } from '../../role/factory/factory.ts'
import { openWorld, type World } from '../api/world.ts'
import { atSite, mooring } from './terminal.ts'

describe('the life of a device by the CLI', () => {
  let world: World
  let site: ReturnType<typeof atSite>
  before(async () => {
    world = await openWorld()
    site = atSite(world)
  })
  after(() => world.close())

  async function place(serial: string, lifecycle: LifecycleState, owner = 'harbour'): Promise<void> {
    const body = { manufacturer: 'fjord', serial, model: '', source: 'test', owner, declarationVersion: 1, lifecycle }
    const event: DeviceEvent = { kind: 'device-expected', body }
    await world.services.store.transaction(async tx => {
      await tx.append(streamName('device', deviceId('fjord', serial)), 0, [event])
      await tx.device.insert(evolveDevice(undefined, event))
    })
  }

  /** For a person and for a script, where asking twice changes nothing. */
  async function look(...args: readonly string[]) {
    const person = await site(args)
    assert.equal(person.code, 0, person.stderr)
    for (const line of person.stdout.split('\n')) assert.ok(line.length <= 100, line)
    const script = await site([...args, '--json'])
    assert.deepEqual([script.code, script.stderr], [0, ''])
    return { text: person.stdout, json: script.json() }
  }

  test('what it says is allowed can be typed as it stands', async () => {
    await place('LC-1', 'US.COM')
    for (const event of ['execute', 'begin-maintenance', 'maintenance-done', 'disconnect-for-maintenance']) {
      const { text } = await look('device', 'allowed', 'LC-1')
      const line = text.split('\n').find(each => each.includes(` step LC-1 ${event} `) || each.endsWith(` ${event}`))
      const args = line?.trim().replace('$ mooring ', '').split(' ') ?? []
      const { code, stderr } = await site(args)
      assert.equal(code, 0, `${args.join(' ')}: ${stderr}`)
    }
    const { text, json } = await look('device', 'timeline', 'LC-1')
    assert.match(text, /T18 execute, administrator-\d+ \(token\/.*applicationInstalled \(said\)/s)
    const states = (json['items'] as { state: string }[]).map(({ state }) => state)
    assert.deepEqual(states, ['US.COM', 'US.OPR', 'US.MTC', 'US.OPR', 'US.MTD'])
  })

  test('a device is handed over in as many calls as it takes', async () => {
    await place('LC-2', 'US.OPR', '')
    const begun = await site(['device', 'hand-over', 'LC-2', '--to', 'orchard'])
    assert.match(begun.stdout, /✓ decommission .*\n {2}… wipe +The device forgets/)
    await site(['device', 'hand-over', 'LC-2', '--wiped'])
    const { text, json } = await look('device', 'hand-over', 'LC-2', '--status')
    assert.match(text, /… transfer/)
    assert.equal(json['to'], 'orchard')
    const done = await site(['device', 'hand-over', 'LC-2', '--transferred', '--json'])
    assert.equal(done.json()['state'], 'completed')
    assert.match((await site(['device', 'hand-over', 'LC-2', '--status'])).stdout, /not being handed over/)
  })

  test('and cancelled', async () => {
    await place('LC-3', 'US.OPR')
    await site(['device', 'hand-over', 'LC-3', '--to', 'orchard'])
    assert.equal((await site(['device', 'hand-over', 'LC-3', '--cancel', '--json'])).json()['state'], 'none')
    assert.match((await site(['device', 'wiped', 'LC-3'])).stdout, /LC-3 is US.DEC: .*, and wiped/)
  })

  test('refusals say what is wrong, with the code', async () => {
    await place('LC-4', 'US.OPR')
    const refused = async (...args: readonly string[]) => {
      const { code, stderr } = await site(['device', ...args])
      return `${code} ${stderr}`
    }
    assert.match(await refused('step', 'LC-4', 'explode'), /^1 .*input-invalid/s)
    assert.match(await refused('step', 'LC-4', 'connect'), /^1 .*lifecycle-transition-refused/s)
    assert.match(await refused('step', 'LC-4', 'execute', '--fact', 'nonsense'), /^2 .*One of requirementsFixed/s)
    assert.match(await refused('step', 'LC-4', 'break', '--fact', 'functional=maybe'), /^2 .*FACT=false/s)
    assert.match(await refused('step', 'LC-4', 'break', '--if-version', '7'), /^1 .*device-changed/s)
    assert.match(await refused('hand-over', 'LC-4', '--status', '--cancel'), /^1 .*input-invalid/s)
    assert.match(await refused('wiped', 'LC-4'), /^1 .*lifecycle-transition-refused/s)
    const auditor = atSite(world, world.tokens.auditor)
    assert.equal((await auditor(['device', 'step', 'LC-4', 'break'])).code, 5)
    assert.equal((await auditor(['device', 'allowed', 'LC-4'])).code, 0)
  })

  test('a simulated device resets itself to what its factory gave it [WP-LG-3]', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'mooring-reset-'))
    const factory = await openFactory({ name: 'Fjord Sensors' })
    try {
      const port = simulatedUnit(fjordClimate, serial => deviceHousing(join(directory, serial)))
      await makeUnits({ ...factory.order({ batch: 'R1', count: 1 }), port })
      const { keys, store } = await deviceHousing(join(directory, 'R1-000001'))
      await keys.generate('ldevid-1', 'P-256')
      await store.write('record', Buffer.from('what it learned'))
      const reset = await mooring(['device', 'reset', '--device', join(directory, 'R1-000001'), '--json'])
      assert.deepEqual([reset.code, reset.json()['reset']], [0, true])
      const left = await deviceHousing(join(directory, 'R1-000001'))
      assert.deepEqual(await left.keys.list(), [birthKeyLabel])
      assert.deepEqual(await left.store.list(), [birthName])
      const nowhere = await mooring(['device', 'reset', '--device', join(directory, 'R1-000002')])
      assert.match(nowhere.stderr, /data-missing/)
    } finally {
      await factory.opened.close()
      await rm(directory, { recursive: true })
    }
  })
})
