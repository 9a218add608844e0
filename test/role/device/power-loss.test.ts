import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import fc from 'fast-check'
import { openVoucherArtifact } from '../../../src/protocol/brski/artifact.ts'
import { decodePledgeRecord } from '../../../src/protocol/brski/pledge-record.ts'
import { type DeviceModel, fjordClimate, kestrelMeter } from '../../../src/role/device/model.ts'
import type { Pledge } from '../../../src/role/device/pledge.ts'
import { Fuse } from './fuse.ts'
import { type RegistrarDouble, reply } from './registrar-double.ts'
import { origin, scene } from './scene.ts'
import { rungsOf, watch, wire } from './workbench.ts'
import type { Made } from './world.ts'

type World = Awaited<ReturnType<typeof scene>>
type Life = (pledge: Pledge) => Promise<unknown>

/** One run of the device, until it is through or its power fails at moment `at`. Answers how many moments there were. */
async function run(world: World, life: Life, at = Number.POSITIVE_INFINITY): Promise<number> {
  const { device, listeners, bench } = world
  const fuse = new Fuse(at)
  const pledge = await bench(listeners, device, {
    store: fuse.store(device.store),
    keys: fuse.keys(device.keys),
    transport: fuse.transport(wire(listeners, device.keys)),
  })
  await Promise.race([life(pledge), fuse.blown])
  return fuse.moments
}

const onboard: Life = async pledge => {
  assert.equal(rungsOf(await watch(pledge.onboard([origin]))).at(-1), 'connected')
}
const renew: Life = async pledge => {
  const progress = await watch(pledge.renew())
  assert.ok(progress.some(news => news.type === 'renewed') || rungsOf(progress).at(-1) === 'connected')
}

/** What must hold of a device that is through, whatever happened on its way. */
async function check(device: Made, registrar: RegistrarDouble): Promise<void> {
  assert.deepEqual(await device.store.list(), ['birth', 'memory'])
  const record = decodePledgeRecord((await device.store.read('memory'))!)
  assert.deepEqual(record.attempts, [], 'nothing half done')
  assert.equal(record.renewal, undefined)
  const { credential } = record
  assert.ok(credential !== undefined)
  assert.deepEqual(await device.keys.list(), ['idevid', credential.keyLabel], 'exactly one network key')
  const signer = await device.keys.open(credential.keyLabel)
  const certificate = [...registrar.issued.values()].find(
    ({ der }) => Buffer.compare(der, credential.certificate) === 0,
  )
  assert.ok(certificate !== undefined, 'the credential is one that the network issued')
  assert.ok(signer?.spkiDer.equals(certificate.spkiDer), 'and its key is here')
  noNonceTwice(registrar)
}

function noNonceTwice(registrar: RegistrarDouble): void {
  const byNonce = new Map<string, string>()
  for (const body of registrar.bodies('brski/requestvoucher')) {
    const nonce = Buffer.from(openVoucherArtifact(body, { kind: 'request' }).value.nonce!).toString('hex')
    const text = Buffer.from(body).toString('base64')
    assert.equal(byNonce.get(nonce) ?? text, text, 'one nonce, one request')
    byNonce.set(nonce, text)
  }
}

suite('Power lost at any moment of onboarding', () => {
  for (const model of [fjordClimate, kestrelMeter] satisfies DeviceModel[]) {
    test(`leaves ${model.name} able to go on, to exactly one credential`, async () => {
      const world = await scene(model)
      const moments = await run(world, onboard)
      await check(world.device, world.registrar)
      assert.ok(moments > 20, `${moments}`)
      for (let at = 0; at < moments; at++) {
        const struck = await scene(model)
        await run(struck, onboard, at)
        await run(struck, onboard)
        await check(struck.device, struck.registrar)
        assert.equal(struck.registrar.issued.size, 1, `one credential was issued (moment ${at})`)
      }
    })
  }

  test('again and again, with a registrar that asks for patience in between', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.nat(26), { maxLength: 6 }), fc.nat(3), fc.nat(2), async (moments, waits, delays) => {
        const world = await scene()
        let patience = waits
        let delay = delays
        const { faults } = world.registrar
        faults.set('/.well-known/brski/requestvoucher', ({ honest }) =>
          patience-- > 0 ? reply(202, { 'retry-after': '5' }) : honest(),
        )
        faults.set('/.well-known/est/simpleenroll', ({ honest }) =>
          delay-- > 0 ? reply(202, { 'retry-after': '5' }) : honest(),
        )
        for (const at of moments) await run(world, onboard, at)
        await run(world, onboard)
        await check(world.device, world.registrar)
        assert.equal(world.registrar.issued.size, 1)
      }),
      { numRuns: 60 },
    )
  })
})

suite('Power lost at any moment of a renewal', () => {
  test('leaves the old credential or the new one in force, and then the new one', async () => {
    const world = await scene()
    await run(world, onboard)
    const moments = await run(world, renew)
    assert.ok(moments > 15, `${moments}`)
    for (let at = 0; at < moments; at++) {
      const struck = await scene()
      await run(struck, onboard)
      await run(struck, renew, at)
      const record = decodePledgeRecord((await struck.device.store.read('memory'))!)
      assert.ok(record.credential !== undefined, 'never without a credential')
      assert.ok((await struck.device.keys.list()).includes(record.credential.keyLabel))
      await run(struck, renew)
      await check(struck.device, struck.registrar)
      assert.ok(struck.registrar.issued.size <= 3, `${struck.registrar.issued.size} at moment ${at}`)
    }
  })
})

suite('Power lost during a factory reset', () => {
  test('leaves a device that can be reset again, or onboards', async () => {
    const reset: Life = async pledge => pledge.factoryReset()
    const world = await scene()
    const birth = world.device.store.snapshot()
    await run(world, onboard)
    const moments = await run(world, reset)
    assert.deepEqual(world.device.store.snapshot(), birth)
    assert.deepEqual(await world.device.keys.list(), ['idevid'])
    for (let at = 0; at < moments; at++) {
      for (const then of [reset, onboard]) {
        const struck = await scene()
        const factory = struck.device.store.snapshot()
        await run(struck, onboard)
        await run(struck, reset, at)
        await run(struck, then)
        if (then === onboard) await check(struck.device, struck.registrar)
        else {
          assert.deepEqual(struck.device.store.snapshot(), factory)
          assert.deepEqual(await struck.device.keys.list(), ['idevid'])
        }
      }
    }
  })
})
