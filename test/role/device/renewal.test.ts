import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { decodeEstBase64 } from '../../../src/codec/base64.ts'
import { decodeCertificationRequest } from '../../../src/codec/pkcs10.ts'
import type { Progress } from '../../../src/protocol/brski/pledge.ts'
import { fjordClimate, kestrelMeter } from '../../../src/role/device/model.ts'
import type { ConnectRequest, PledgeTransport } from '../../../src/role/device/port.ts'
import { RegistrarDouble, reply } from './registrar-double.ts'
import { origin, scene } from './scene.ts'
import { refusalsOf, rungsOf, VirtualTime, watch, wire } from './workbench.ts'
import { day, endEntity, registrarUsage, start } from './world.ts'

const reenroll = '/.well-known/est/simplereenroll'

/** A device that has its credential, for 90 days unless told otherwise. */
async function settled(model = fjordClimate, lifetimeDays = 90) {
  const world = await scene(model)
  world.registrar.lifetimeDays = lifetimeDays
  await watch(world.pledge.onboard([origin]))
  const [first] = world.registrar.issued.values()
  assert.ok(first !== undefined)
  world.registrar.seen.length = 0
  world.registrar.telemetry.length = 0
  return { ...world, first }
}

/** True once the device shows its second credential: the first thing that `live` does is to show the one it has. */
function shownAgain() {
  let times = 0
  return (news: Progress) => news.type === 'climbed' && news.rung === 'connected' && ++times === 2
}

suite('Renewal', () => {
  test('comes by itself before two thirds of the life are over or soon after, over the old credential', async () => {
    const { pledge, registrar, device, time, first } = await settled()
    const progress = await watch(pledge.live([origin], new AbortController().signal), shownAgain())
    const age = time.now - start
    assert.ok(age > 0.6 * 90 * day - day && age < 0.7 * 90 * day, `after ${age / day} days`)
    assert.deepEqual(refusalsOf(progress), [])
    const request = registrar.seen.find(({ path }) => path === reenroll)
    assert.equal(request?.client?.serialHex, first.serialHex)
    const csr = decodeCertificationRequest(decodeEstBase64(Buffer.from(request!.body).toString('latin1')))
    // RFC 7030 section 4.2.2.
    assert.deepEqual(Buffer.from(csr.subject.der), Buffer.from(first.subject.der))
    assert.notDeepEqual(Buffer.from(csr.spkiDer), Buffer.from(first.spkiDer), 'a new key each time')
    assert.equal(registrar.issued.size, 2)
    assert.deepEqual(await device.keys.list(), ['idevid', 'ldevid-2'])
    assert.equal(registrar.bodies('brski/requestvoucher').length, 0)
  })

  test('happens at different times for different devices', async () => {
    const ages = new Set<number>()
    for (let i = 0; i < 4; i++) {
      const { pledge, time } = await settled()
      await watch(pledge.live([origin], new AbortController().signal), news => news.type === 'renewed')
      ages.add(time.now - start)
    }
    assert.ok(ages.size > 1)
  })

  test('is shown and told with the new credential', async () => {
    const { pledge, registrar } = await settled()
    const progress = await watch(pledge.renew())
    assert.equal(progress.filter(news => news.type === 'renewed').length, 1)
    const [, second] = registrar.issued.values()
    assert.deepEqual(
      registrar.telemetry.map(({ path, status, client }) => [path, status, client?.serialHex]),
      [['/.well-known/brski/enrollstatus', true, second!.serialHex]],
    )
    assert.equal(pledge.status().credential?.serialHex, second!.serialHex)
  })

  test('that is refused is tried again, with the old credential in force', async () => {
    const { pledge, registrar, time } = await settled()
    let left = 3
    registrar.faults.set(reenroll, ({ honest }) => (left-- > 0 ? reply(403) : honest()))
    const began = time.now
    const progress = await watch(pledge.live([origin], new AbortController().signal), news => news.type === 'renewed')
    assert.deepEqual(refusalsOf(progress), ['registrar-refused', 'registrar-refused', 'registrar-refused'])
    assert.ok(time.now - began < 70 * day)
    assert.equal(registrar.bodies('brski/requestvoucher').length, 0)
  })

  test('that asks for patience gets the same request again', async () => {
    const { pledge, registrar } = await settled()
    let left = 2
    registrar.faults.set(reenroll, ({ honest }) => (left-- > 0 ? reply(202, { 'retry-after': '10' }) : honest()))
    await watch(pledge.live([origin], new AbortController().signal), news => news.type === 'renewed')
    assert.equal(registrar.bodies('est/simplereenroll').length, 3)
    assert.equal(registrar.distinct('est/simplereenroll'), 1)
  })

  test('that never succeeds ends in a new onboarding, once the credential has run out', async () => {
    const { pledge, registrar, time } = await settled()
    registrar.faults.set(reenroll, () => reply(500))
    const progress = await watch(
      pledge.live([origin], new AbortController().signal),
      news => news.type === 'climbed' && news.rung === 'credentialed',
      10_000,
    )
    assert.equal(progress.filter(news => news.type === 'expired').length, 1)
    assert.ok(time.now - start > 90 * day && time.now - start < 91 * day)
    assert.equal(registrar.bodies('brski/requestvoucher').length, 1)
  })
})

const presence = '/.well-known/mooring/presence'

/** Something that may stand at the address of the network, and refuses whatever it is asked. */
function refusing(double: RegistrarDouble, status: number): RegistrarDouble {
  for (const path of [presence, reenroll, '/.well-known/brski/enrollstatus', '/.well-known/est/cacerts'])
    double.faults.set(path, () => reply(status))
  return double
}

const onboardedAgain = (news: Progress) => news.type === 'climbed' && news.rung === 'credentialed'

suite('A credential that its own network does not take any more', () => {
  for (const [model, status] of [[kestrelMeter, 403] as const, [fjordClimate, 401] as const]) {
    test(`is given up by the ${model.name} after a number of refusals (${status}), each one later than the one before`, async () => {
      const { pledge, registrar, time, first } = await settled(model)
      registrar.faults.set(presence, ({ client, honest }) =>
        client?.serialHex === first.serialHex ? reply(status) : honest(),
      )
      const began = time.now
      const progress = await watch(pledge.onboard([origin]))
      assert.equal(rungsOf(progress).at(-1), 'connected')
      assert.deepEqual(
        progress.filter(news => news.type === 'disowned').map(({ denials }) => denials),
        [8],
      )
      assert.equal(refusalsOf(progress).length, 8)
      assert.ok(time.now - began > 30 * model.retry.firstMs, 'it was patient')
      assert.equal(registrar.issued.size, 2)
      assert.equal(registrar.bodies('brski/requestvoucher').length, 1)
    })
  }

  test('and is not given up for a few refusals, nor for a server that is in trouble', async () => {
    const { pledge, registrar, first } = await settled()
    let refusals = 7
    let faults = 40
    registrar.faults.set(presence, () => (refusals-- > 0 ? reply(403) : faults-- > 0 ? reply(503) : reply(200)))
    const progress = await watch(pledge.onboard([origin]))
    assert.equal(refusalsOf(progress).length, 47)
    assert.equal(progress.filter(news => news.type === 'disowned').length, 0)
    assert.equal(pledge.status().credential?.serialHex, first.serialHex)
  })

  test('at renewal is shown first: a network that says yes keeps its device until the credential has run out', async () => {
    const { pledge, registrar, time } = await settled(fjordClimate, 10)
    registrar.faults.set(reenroll, () => reply(403))
    registrar.faults.set(presence, () => reply(200))
    const progress = await watch(pledge.live([origin], new AbortController().signal), onboardedAgain, 10_000)
    assert.equal(progress.filter(news => news.type === 'disowned').length, 0)
    assert.equal(progress.filter(news => news.type === 'expired').length, 1)
    assert.ok(time.now - start > 10 * day && time.now - start < 11 * day)
    assert.ok(registrar.bodies('est/simplereenroll').length < 5 * 24 * 2, 'no more than it has to ask')
  })

  test('at renewal is given up at once by a device without a clock, when showing it is refused, too', async () => {
    const { pledge, registrar, time, first } = await settled(kestrelMeter)
    for (const path of [reenroll, presence])
      registrar.faults.set(path, ({ client, honest }) =>
        client?.serialHex === first.serialHex && time.now > start + day ? reply(403) : honest(),
      )
    const progress = await watch(pledge.live([origin], new AbortController().signal), onboardedAgain, 10_000)
    assert.equal(progress.filter(news => news.type === 'disowned').length, 1)
    assert.ok(time.now - start < 64 * day)
  })
})

suite('Refusals of somebody else', () => {
  for (const model of [fjordClimate, kestrelMeter]) {
    test(`make the ${model.name} give up nothing, however many: a rival network, a neighbour, a stranger`, async () => {
      const { pledge, listeners, registrar, made, time, rival, first } = await settled(model)
      const neighbour = await endEntity('a neighbour', registrar.domain.issuing)
      const posing = new RegistrarDouble({ ...registrar.domain, registrar: neighbour }, made, time.clock)
      const alone = await endEntity('Harbour registrar', (await rival('Harbour', made, time)).domain.issuing, [
        registrarUsage,
      ])
      const stranger = new RegistrarDouble({ ...registrar.domain, registrar: alone }, made, time.clock)
      const attackers = [await rival('Harbour', made, time), posing, stranger].map(each => refusing(each, 403))
      for (const attacker of attackers) {
        listeners.set(origin, attacker)
        const progress = await watch(pledge.onboard([origin]), () => false, 200)
        assert.ok(progress.some(news => news.type === 'refused' && news.code === 'network-not-authorized'))
        assert.equal(progress.filter(news => news.type === 'disowned').length, 0)
        assert.deepEqual(attacker.seen, [], 'it was not even asked')
      }
      assert.equal(pledge.status().credential?.serialHex, first.serialHex)
    })
  }

  test('right after seven of its own network do not make the eighth', async () => {
    const { pledge, listeners, registrar, made, time, rival, first } = await settled()
    const impostor = refusing(await rival('Harbour', made, time), 403)
    let left = 7
    registrar.faults.set(presence, () => {
      if (--left === 0) listeners.set(origin, impostor)
      return reply(403)
    })
    const progress = await watch(pledge.onboard([origin]), () => false, 300)
    assert.equal(progress.filter(news => news.type === 'disowned').length, 0)
    assert.equal(progress.filter(news => news.type === 'refused' && news.code === 'registrar-refused').length, 7)
    assert.ok(progress.filter(news => news.type === 'refused' && news.code === 'network-not-authorized').length > 80)
    assert.equal(pledge.status().credential?.serialHex, first.serialHex)
    assert.deepEqual(impostor.seen, [])
  })
})

suite('At the address of its network', () => {
  test('another network gets nothing from the device', async () => {
    const { pledge, listeners, made, time, rival } = await settled()
    const impostor = await rival('Harbour', made, time)
    listeners.set(origin, impostor)
    const progress = await watch(pledge.onboard([origin]), news => news.type === 'resting')
    assert.deepEqual(refusalsOf(progress), ['network-not-authorized'])
    assert.deepEqual(impostor.seen, [])
  })

  test('a new certificate of the registrar is recognised by its domain', async () => {
    const { pledge, listeners, registrar, made, time } = await settled()
    const renewed = await endEntity('Harbour registrar', registrar.domain.issuing, [registrarUsage])
    listeners.set(origin, new RegistrarDouble({ ...registrar.domain, registrar: renewed }, made, time.clock))
    assert.deepEqual(rungsOf(await watch(pledge.onboard([origin]))), ['connected'])
  })

  test('another device of the domain is not taken for a registrar', async () => {
    const { pledge, listeners, registrar, made, time } = await settled()
    const neighbour = await endEntity('a neighbour', registrar.domain.issuing)
    const posing = new RegistrarDouble({ ...registrar.domain, registrar: neighbour }, made, time.clock)
    listeners.set(origin, posing)
    const progress = await watch(pledge.onboard([origin]), news => news.type === 'resting')
    assert.deepEqual(refusalsOf(progress), ['network-not-authorized'])
    assert.deepEqual(posing.seen, [])
  })
})

suite('A clock', () => {
  test('that starts again after a power loss makes the meter renew at once, rather than too late', async () => {
    const { device, listeners, bench, registrar } = await settled(kestrelMeter)
    const time = new VirtualTime()
    time.now = 0
    const pledge = await bench(listeners, device, { time })
    await watch(pledge.live([origin], new AbortController().signal), news => news.type === 'renewed')
    assert.equal(registrar.issued.size, 2)
    assert.ok(time.now <= day)
  })

  test('years ahead refuses every voucher, until it is set right', async () => {
    const { device, listeners, bench, registrar } = await scene()
    const time = new VirtualTime()
    time.now = start + 40 * 365 * day
    registrar.faults.set('/.well-known/brski/requestvoucher', async ({ request, client }) => {
      const voucher = await registrar.voucher(request.body!, client, { 'created-on': new Date(start) })
      return reply(200, { 'content-type': 'application/voucher-cms+json' }, voucher)
    })
    const pledge = await bench(listeners, device, { time })
    const progress = await watch(pledge.onboard([origin]), news => {
      if (news.type === 'resting') time.now = start
      return false
    })
    assert.deepEqual(refusalsOf(progress), ['voucher-invalid'])
    assert.equal(rungsOf(progress).at(-1), 'connected')
    // Set back by forty years while it slept: it does not sleep them through.
    assert.ok(time.now - start < 2 * 3_600_000)
  })

  test('years off does not matter to the meter', async () => {
    const { device, listeners, bench } = await scene(kestrelMeter)
    const time = new VirtualTime()
    time.now = 1
    const pledge = await bench(listeners, device, { time })
    assert.equal(rungsOf(await watch(pledge.onboard([origin]))).at(-1), 'connected')
  })
})

suite('Switched off', () => {
  test('by a signal, a device stops where it is and goes on later', async () => {
    const { pledge, registrar } = await scene()
    registrar.faults.set('/.well-known/brski/requestvoucher', () => reply(202, { 'retry-after': '30' }))
    const power = new AbortController()
    const progress = await watch(pledge.onboard([origin], power.signal), news => {
      if (news.type === 'resting') power.abort()
      return false
    })
    assert.equal(progress.at(-1)?.type, 'resting')
    registrar.faults.clear()
    assert.equal(rungsOf(await watch(pledge.onboard([origin]))).at(-1), 'connected')
    assert.equal(registrar.distinct('brski/requestvoucher'), 1)
  })

  test('while nobody answers, a device does not keep its owner waiting', async () => {
    const { device, listeners, bench } = await scene()
    const never = new Promise<never>(() => {})
    let closed = 0
    const silent = { serverCertificates: [], request: () => never, close: () => void closed++ }
    const connected = wire(listeners, device.keys)
    for (const connect of [
      () => never,
      async (request: Parameters<typeof connected.connect>[0]) => ({
        ...silent,
        ...(await chainOf(connected, request)),
      }),
    ]) {
      const pledge = await bench(listeners, device, { transport: { connect } })
      const power = new AbortController()
      const run = pledge.onboard([origin], power.signal)
      assert.equal((await run.next()).value?.type, 'trying')
      const pending = watch(run)
      setImmediate(() => power.abort())
      await pending
    }
    assert.equal(closed, 1)
  })

  test('before it was on, it does nothing', async () => {
    const { pledge, registrar } = await scene()
    await watch(pledge.onboard([origin], AbortSignal.abort()))
    assert.deepEqual(registrar.seen, [])
  })
})

async function chainOf(transport: PledgeTransport, request: ConnectRequest) {
  const { serverCertificates } = await transport.connect(request)
  return { serverCertificates }
}

suite('A factory reset', () => {
  test('leaves what the factory installed, octet by octet, and a device that can be sold', async () => {
    const { pledge, device, listeners, made, time, rival, bench, registrar } = await scene()
    const birth = device.store.snapshot()
    await watch(pledge.onboard([origin]))
    await pledge.factoryReset()
    assert.deepEqual(device.store.snapshot(), birth)
    assert.deepEqual(await device.keys.list(), ['idevid'])
    assert.equal(pledge.status().credential, undefined)
    const buyer = await rival('Buyer', made, time)
    const there = new Map([...listeners, ['https://buyer.example', buyer] as const])
    registrar.seen.length = 0
    const again = await bench(there, device)
    assert.equal(rungsOf(await watch(again.onboard(['https://buyer.example']))).at(-1), 'connected')
    assert.deepEqual(registrar.seen, [], 'nothing reminds it of its first owner')
  })
})
