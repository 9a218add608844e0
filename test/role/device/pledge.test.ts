import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { fjordClimate, kestrelMeter } from '../../../src/role/device/model.ts'
import { onBench, refusalsOf, rungsOf, VirtualTime, watch } from './workbench.ts'
import { RegistrarDouble } from './registrar-double.ts'
import { domain, makeDevice, maker } from './world.ts'

const origin = 'https://registrar.example'

async function scene(model = fjordClimate) {
  const time = new VirtualTime()
  const made = await maker(model.manufacturer)
  const registrar = new RegistrarDouble(await domain('Harbour'), made, time.clock)
  const device = await makeDevice(made, model, 'FC-0001')
  const listeners = new Map([[origin, registrar]])
  return { time, made, registrar, device, listeners, pledge: await onBench(device, listeners, { time }) }
}

suite('A pledge at its own network', () => {
  for (const model of [fjordClimate, kestrelMeter]) {
    test(`${model.name} climbs the whole ladder`, async () => {
      const { pledge, registrar, device } = await scene(model)
      const progress = await watch(pledge.onboard([origin]))
      assert.deepEqual(refusalsOf(progress), [])
      assert.deepEqual(rungsOf(progress), ['heard', 'authenticated', 'authorized', 'credentialed', 'connected'])
      assert.deepEqual(await device.keys.list(), ['idevid', 'ldevid-1'])
      assert.equal(registrar.issued.size, 1)
      assert.deepEqual(
        registrar.telemetry.map(({ path, status }) => [path.split('/').at(-1), status]),
        [
          ['voucher_status', true],
          ['enrollstatus', true],
        ],
      )
    })
  }
})
