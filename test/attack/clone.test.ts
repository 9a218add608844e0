import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { clocked, day, start, TimeMachine, type Traveller } from '../time-travel/world.ts'

const minute = 60_000
const [here, elsewhere] = ['192.0.2.7', '198.51.100.66']

async function withDevice(work: (machine: TimeMachine, device: Traveller) => Promise<void>): Promise<void> {
  const machine = await TimeMachine.open()
  try {
    const device = await machine.buy(clocked)
    await device.switchOn()
    await work(machine, device)
  } finally {
    await machine.close()
  }
}

const recordOf = (machine: TimeMachine, { id }: Traveller) => machine.site.read(tables => tables.device.get(id))
const statuses = async (machine: TimeMachine, device: Traveller) =>
  (await machine.credentials(device)).map(({ status }) => status).sort()

/** One credential from two places by turns, until both are out. */
async function useInTwoPlaces(machine: TimeMachine, credential: Uint8Array): Promise<number[]> {
  const answers: number[] = []
  for (const place of [here, elsewhere, here, elsewhere]) {
    answers.push(await machine.presence(credential, place))
    machine.now += minute
  }
  return answers
}

suite('A copied network credential', () => {
  test('in use at two places by turns: both are held, and the revocation list says so', async () => {
    await withDevice(async (machine, device) => {
      const credential = (await device.credential())!
      assert.deepEqual(await useInTwoPlaces(machine, credential), [200, 200, 200, 403])
      const record = await recordOf(machine, device)
      assert.equal(record?.hold?.kind, 'clone')
      assert.equal(record?.hold?.reason, 'two-places-by-turns')
      assert.deepEqual(
        record?.hold?.places?.map(({ place }) => place),
        [here, elsewhere, here, elsewhere],
      )
      assert.deepEqual(await statuses(machine, device), ['held'])
      for (const place of [here, elsewhere]) assert.equal(await machine.presence(credential, place), 403)
      assert.equal(await machine.renewal(credential), 403, 'nor does either of them get a new one')
      assert.equal((await machine.site.verify()).integrity, 'pass')
    })
  })

  test('is not suspected because a device moves, has two families of addresses, or comes back after a while', async () => {
    await withDevice(async (machine, device) => {
      const credential = (await device.credential())!
      const journeys = [
        [here, '203.0.113.9', '203.0.113.10'],
        [here, '2001:db8::7', here, '2001:db8::7', here],
        [here, here, here, elsewhere, elsewhere],
      ]
      for (const places of journeys) {
        for (const place of places) assert.equal(await machine.presence(credential, place), 200)
        machine.now += 30 * minute
      }
      for (const place of [here, elsewhere, here, elsewhere, here]) {
        assert.equal(await machine.presence(credential, place), 200)
        machine.now += 11 * minute
      }
      assert.equal((await recordOf(machine, device))?.hold, undefined)
    })
  })

  test('shown after the genuine device has renewed it, gives the copy away', async () => {
    await withDevice(async (machine, device) => {
      const copy = (await device.credential())!
      await machine.until(start + 260 * day)
      assert.equal(device.count('renewed'), 1)
      const fresh = (await device.credential())!
      assert.equal(await machine.presence(copy, elsewhere), 403)
      assert.equal((await recordOf(machine, device))?.hold?.reason, 'replaced-credential-used')
      assert.equal(await machine.presence(fresh, here), 403, 'who is genuine is not for the network to guess')
    })
  })

  test('may still be on its way for a few minutes after a renewal', async () => {
    await withDevice(async (machine, device) => {
      const old = (await device.credential())!
      await machine.until(start + 200 * day)
      const before = device.count('renewed')
      while (device.count('renewed') === before) await machine.until(machine.now + day)
      const [revoked] = (await machine.credentials(device)).filter(({ status }) => status === 'revoked')
      machine.now = revoked!.revokedAt! + 4 * minute
      assert.equal(await machine.presence(old), 403)
      assert.equal((await recordOf(machine, device))?.hold, undefined)
    })
  })
})

suite('A device that was copied whole', () => {
  test('is resolved by its place: the genuine one comes in with a new key, the copy never again', async () => {
    await withDevice(async (machine, device) => {
      const clone = await device.copied(elsewhere)
      await useInTwoPlaces(machine, (await device.credential())!)
      for (const each of [device, clone]) {
        await each.switchOff()
        await each.switchOn()
      }
      await machine.until(machine.now + day)
      for (const each of [device, clone]) assert.equal(await each.credential(), undefined, 'both wait outside')
      await machine.holds.resolveClone(device.id, { type: 'genuine-at', place: here, minutes: 1440 }, 'tester')
      await machine.until(machine.now + 2 * day)
      const credential = await device.credential()
      assert.ok(credential !== undefined)
      assert.equal(await machine.presence(credential, here), 200)
      assert.equal(await clone.credential(), undefined)
      assert.ok(clone.progress.some(news => news.type === 'refused' && news.code === 'registrar-refused'))
      // For ever after, and with the birth identity of the very device, too.
      await machine.until(machine.now + 30 * day)
      assert.equal(await clone.credential(), undefined)
      clone.address = here
      await machine.until(machine.now + 2 * day)
      assert.equal(await clone.credential(), undefined, 'also at the address of the genuine one, once the time is over')
      assert.deepEqual(await statuses(machine, device), ['issued', 'revoked'])
      const [revoked] = (await machine.credentials(device)).filter(({ status }) => status === 'revoked')
      assert.equal(revoked?.revocationReason, 'keyCompromise')
      assert.equal((await machine.site.verify()).integrity, 'pass')
    })
  })

  test('of which neither is genuine: both stay out', async () => {
    await withDevice(async (machine, device) => {
      const credential = (await device.credential())!
      await useInTwoPlaces(machine, credential)
      const after = await machine.holds.resolveClone(device.id, { type: 'neither' }, 'tester')
      assert.equal(after.standing, 'withdrawn')
      assert.equal(await machine.presence(credential, here), 403)
      await assert.rejects(machine.holds.resolveClone(device.id, { type: 'one-device' }, 'tester'), {
        code: 'device-not-held',
      })
    })
  })

  test('that was one device after all, goes on with what it has', async () => {
    await withDevice(async (machine, device) => {
      const credential = (await device.credential())!
      await useInTwoPlaces(machine, credential)
      await machine.holds.resolveClone(device.id, { type: 'one-device' }, 'tester')
      assert.deepEqual(await statuses(machine, device), ['issued'])
      machine.now += 15 * minute
      assert.equal(await machine.presence(credential, here), 200)
    })
  })

  test('only in its network key: the birth identity brings the genuine one back by itself', async () => {
    await withDevice(async (machine, device) => {
      const copy = (await device.credential())!
      await useInTwoPlaces(machine, copy)
      await machine.holds.resolveClone(device.id, { type: 'network-key-only' }, 'tester')
      await device.switchOff()
      await device.switchOn()
      await machine.until(machine.now + day)
      const fresh = (await device.credential())!
      assert.notDeepEqual(fresh, copy)
      assert.equal(await machine.presence(fresh, here), 200)
      assert.equal(await machine.presence(copy, elsewhere), 403)
    })
  })
})

suite('A device that somebody reports', () => {
  test('lost opens nothing until it is found, and then what it had opens again', async () => {
    await withDevice(async (machine, device) => {
      const credential = (await device.credential())!
      assert.equal(
        (await machine.holds.report(device.id, 'lost', 'tester', 'on the train')).hold?.reason,
        'on the train',
      )
      await machine.holds.report(device.id, 'lost', 'tester')
      assert.deepEqual(await statuses(machine, device), ['held'])
      assert.equal(await machine.presence(credential), 403)
      assert.equal(await machine.renewal(credential), 403)
      await assert.rejects(machine.holds.report(device.id, 'repaired', 'tester'), { code: 'device-not-held' })
      await machine.holds.report(device.id, 'found', 'tester')
      assert.equal(await machine.presence(credential), 200)
    })
  })

  test('stolen is withdrawn for good, and tries in vain', async () => {
    await withDevice(async (machine, device) => {
      const credential = (await device.credential())!
      const after = await machine.holds.report(device.id, 'stolen', 'tester', 'van broken open')
      assert.equal(after.standing, 'withdrawn')
      assert.deepEqual(await statuses(machine, device), ['revoked'])
      assert.equal(await machine.presence(credential), 403)
      await device.switchOff()
      await device.switchOn()
      await machine.until(machine.now + 2 * day)
      assert.equal(await device.credential(), undefined)
    })
  })

  test('broken loses its credential, and onboards again when it is repaired', async () => {
    await withDevice(async (machine, device) => {
      const credential = (await device.credential())!
      await machine.holds.report(device.id, 'broken', 'tester')
      assert.equal(await machine.presence(credential), 403)
      await device.switchOff()
      await device.switchOn()
      await machine.until(machine.now + day)
      assert.equal(await device.credential(), undefined)
      await machine.holds.report(device.id, 'repaired', 'tester')
      await machine.until(machine.now + day)
      assert.equal(await machine.presence((await device.credential())!), 200)
    })
  })
})
