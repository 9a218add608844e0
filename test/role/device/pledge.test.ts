import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { decodeCertificate } from '../../../src/codec/x509/certificate.ts'
import { openVoucherArtifact } from '../../../src/protocol/brski/artifact.ts'
import { fjordClimate, kestrelMeter } from '../../../src/role/device/model.ts'
import { reply } from './registrar-double.ts'
import { origin, scene } from './scene.ts'
import { refusalsOf, rungsOf, watch } from './workbench.ts'
import { day } from './world.ts'

const ladder = ['heard', 'authenticated', 'authorized', 'credentialed', 'connected']
const requestVoucher = '/.well-known/brski/requestvoucher'

suite('A pledge at its own network', () => {
  for (const model of [fjordClimate, kestrelMeter]) {
    test(`${model.name} climbs the whole ladder and keeps one credential`, async () => {
      const { pledge, registrar, device } = await scene(model)
      const progress = await watch(pledge.onboard([origin]))
      assert.deepEqual(refusalsOf(progress), [])
      assert.deepEqual(rungsOf(progress), ladder)
      assert.deepEqual(await device.keys.list(), ['idevid', 'ldevid-1'])
      assert.equal(registrar.issued.size, 1)
      const [issued] = registrar.issued.values()
      const signer = await device.keys.open('ldevid-1')
      assert.deepEqual(signer?.spkiDer, Buffer.from(issued!.spkiDer))
      assert.notDeepEqual(issued!.spkiDer, device.idevid.spkiDer)
      const { state, credential, rung } = pledge.status()
      assert.deepEqual({ state, rung }, { state: 'connected', rung: 'connected' })
      assert.equal(credential?.serialHex, issued!.serialHex)
    })
  }

  test('reports the voucher with its birth credential and the enrolment with its new one', async () => {
    const { pledge, registrar, device } = await scene()
    await watch(pledge.onboard([origin]))
    const [issued] = registrar.issued.values()
    assert.deepEqual(
      registrar.telemetry.map(({ path, status, client }) => ({ path, status, client: client?.serialHex })),
      [
        { path: '/.well-known/brski/voucher_status', status: true, client: device.idevid.serialHex },
        { path: '/.well-known/brski/enrollstatus', status: true, client: issued!.serialHex },
      ],
    )
  })

  test('asks as RFC 8995 section 5.2 says, with a date only when it has a clock', async () => {
    for (const model of [fjordClimate, kestrelMeter]) {
      const { pledge, registrar, device } = await scene(model)
      await watch(pledge.onboard([origin]))
      const [body] = registrar.bodies('brski/requestvoucher')
      const { value, signerCertificate } = openVoucherArtifact(body!, { kind: 'request' })
      assert.deepEqual(signerCertificate.der, device.idevid.der)
      assert.equal(value['serial-number'], device.serial)
      assert.equal(value.assertion, 'proximity')
      assert.equal(value.nonce?.length, 32)
      assert.deepEqual(Buffer.from(value['proximity-registrar-cert']!), Buffer.from(registrar.chain[0]!))
      assert.equal(value['created-on'] !== undefined, model.clockTrusted)
      const [seen] = registrar.seen
      assert.equal(seen?.path, requestVoucher)
    }
  })

  test('shows itself again after each power loss, without asking for anything', async () => {
    const { pledge, registrar, listeners, device, bench } = await scene()
    await watch(pledge.onboard([origin]))
    registrar.seen.length = 0
    const again = await bench(listeners, device)
    assert.deepEqual(rungsOf(await watch(again.onboard([]))), ['connected'])
    assert.deepEqual(
      registrar.seen.map(({ path }) => path),
      ['/.well-known/mooring/presence'],
    )
  })

  test('is content with a registrar that takes no telemetry', async () => {
    const { pledge, registrar } = await scene()
    for (const name of ['voucher_status', 'enrollstatus']) {
      registrar.faults.set(`/.well-known/brski/${name}`, () => reply(404))
    }
    assert.deepEqual(rungsOf(await watch(pledge.onboard([origin]))), ladder)
  })

  test('cannot be switched on twice', async () => {
    const { pledge } = await scene()
    const first = pledge.onboard([origin])
    await first.next()
    await assert.rejects(pledge.onboard([origin]).next(), TypeError)
    await assert.rejects(pledge.factoryReset(), TypeError)
    await first.return()
    await pledge.factoryReset()
  })
})

suite('A registrar that asks for patience', () => {
  test('gets the same bytes again, after at most a minute', async () => {
    const { pledge, registrar, time } = await scene()
    const waits = ['86400', '7', undefined, '0']
    registrar.faults.set(requestVoucher, ({ honest }) => {
      if (waits.length === 0) return honest()
      const wait = waits.shift()
      return reply(202, wait === undefined ? {} : { 'retry-after': wait })
    })
    assert.equal(rungsOf(await watch(pledge.onboard([origin]))).at(-1), 'connected')
    assert.deepEqual(time.slept.slice(0, 4), [60_000, 7_000, 60_000, 1_000])
    assert.equal(registrar.bodies('brski/requestvoucher').length, 5)
    assert.equal(registrar.distinct('brski/requestvoucher'), 1)
  })

  test('gets the same bytes also after a power loss', async () => {
    const { pledge, registrar, bench, device, listeners } = await scene()
    registrar.faults.set(requestVoucher, () => reply(202, { 'retry-after': '30' }))
    await watch(pledge.onboard([origin]), news => news.type === 'waiting')
    registrar.faults.clear()
    const again = await bench(listeners, device)
    assert.equal(rungsOf(await watch(again.onboard([origin]))).at(-1), 'connected')
    assert.equal(registrar.bodies('brski/requestvoucher').length, 2)
    assert.equal(registrar.distinct('brski/requestvoucher'), 1)
  })

  test('is given up after four days, and then asked with a new nonce', async () => {
    const { pledge, registrar, time } = await scene()
    const asked = () => registrar.bodies('brski/requestvoucher')
    registrar.faults.set(requestVoucher, () => reply(202, { 'retry-after': '60' }))
    const ages: number[] = []
    const began = time.now
    await watch(pledge.onboard([origin]), news => {
      if (news.type !== 'waiting') return false
      ages.push(time.now - began)
      // The first three days pass in one night, the last ones minute by minute.
      if (ages.length === 3) time.now = began + 4 * day - 150_000
      return asked().length === 8
    })
    const nonces = asked().map(body =>
      Buffer.from(openVoucherArtifact(body, { kind: 'request' }).value.nonce!).toString('hex'),
    )
    const last = nonces.lastIndexOf(nonces[0]!)
    assert.deepEqual(new Set(nonces).size, 2)
    assert.ok(ages[last]! <= 4 * day && ages[last + 1]! > 4 * day, `${ages.join(' ')}`)
  })

  test('with another certificate meanwhile gets a request of its own', async () => {
    const { pledge, registrar, listeners, time, made, rival } = await scene()
    registrar.faults.set(requestVoucher, () => reply(202, { 'retry-after': '5' }))
    const successor = await rival('Harbour', made, time)
    const progress = await watch(pledge.onboard([origin]), news => {
      if (news.type === 'waiting') listeners.set(origin, successor)
      return false
    })
    assert.equal(rungsOf(progress).at(-1), 'connected')
    assert.notDeepEqual(registrar.bodies('brski/requestvoucher')[0], successor.bodies('brski/requestvoucher')[0])
  })

  test('does not keep the device from others', async () => {
    const { pledge, registrar, listeners, time, made, rival } = await scene()
    const idle = await rival('Idle', made, time)
    idle.faults.set(requestVoucher, () => reply(202, { 'retry-after': '60' }))
    listeners.set('https://idle.example', idle)
    const progress = await watch(pledge.onboard(['https://idle.example', origin]))
    assert.equal(rungsOf(progress).at(-1), 'connected')
    assert.equal(registrar.issued.size, 1)
    assert.deepEqual(time.slept, [], 'no time is lost on the first one')
  })

  test('may do so in EST, too', async () => {
    const { pledge, registrar } = await scene()
    let left = 3
    registrar.faults.set('/.well-known/est/simpleenroll', ({ honest }) =>
      left-- > 0 ? reply(202, { 'retry-after': '10' }) : honest(),
    )
    assert.equal(rungsOf(await watch(pledge.onboard([origin]))).at(-1), 'connected')
    assert.equal(registrar.distinct('est/simpleenroll'), 1)
    assert.equal(registrar.bodies('brski/requestvoucher').length, 1)
    assert.equal(registrar.issued.size, 1)
  })
})

suite('A registrar that sends elsewhere', () => {
  const hop = 'https://hop.example'

  test('on its own origin is followed with the same bytes', async () => {
    const { pledge, registrar } = await scene()
    registrar.faults.set(requestVoucher, () => reply(307, { location: '/brski/v2/requestvoucher' }))
    registrar.faults.set('/brski/v2/requestvoucher', async ({ request, client }) =>
      reply(200, { 'content-type': 'application/voucher-cms+json' }, await registrar.voucher(request.body!, client)),
    )
    assert.equal(rungsOf(await watch(pledge.onboard([origin]))).at(-1), 'connected')
  })

  test('to another origin is followed once, with a request for the registrar there', async () => {
    const { pledge, registrar, listeners, time, made, rival } = await scene()
    const target = await rival('Target', made, time)
    listeners.set(hop, target)
    registrar.faults.set(requestVoucher, () => reply(307, { location: `${hop}${requestVoucher}` }))
    assert.equal(rungsOf(await watch(pledge.onboard([origin]))).at(-1), 'connected')
    assert.notDeepEqual(registrar.bodies('brski/requestvoucher')[0], target.bodies('brski/requestvoucher')[0])
    assert.equal(target.issued.size, 1)
    assert.equal(pledge.status().credential?.origin, hop)
  })

  test('in a circle is left', async () => {
    const { pledge, registrar, listeners, time, made, rival } = await scene()
    const target = await rival('Target', made, time)
    listeners.set(hop, target)
    registrar.faults.set(requestVoucher, () => reply(307, { location: `${hop}${requestVoucher}` }))
    target.faults.set(requestVoucher, () => reply(307, { location: `${origin}${requestVoucher}` }))
    const progress = await watch(pledge.onboard([origin]), news => news.type === 'resting')
    assert.deepEqual(refusalsOf(progress), ['registrar-answer-invalid'])
    assert.equal(registrar.bodies('brski/requestvoucher').length, 1)
    assert.equal(target.bodies('brski/requestvoucher').length, 1)
  })

  for (const location of ['http://plain.example/', 'https://user:secret@x.example/', 'ftp://x', '', 'https://['])
    test(`"${location}" is not followed`, async () => {
      const { pledge, registrar } = await scene()
      registrar.faults.set(requestVoucher, () => reply(302, { location }))
      const progress = await watch(pledge.onboard([origin]), news => news.type === 'resting')
      assert.deepEqual(refusalsOf(progress), ['registrar-answer-invalid'])
    })

  test('on its own origin again and again is left', async () => {
    const { pledge, registrar } = await scene()
    registrar.faults.set(requestVoucher, () => reply(307, { location: requestVoucher }))
    const progress = await watch(pledge.onboard([origin]), news => news.type === 'resting')
    assert.deepEqual(refusalsOf(progress), ['registrar-answer-invalid'])
    assert.equal(registrar.seen.length, 2)
  })
})

suite('Retries', () => {
  test('double from the first pause of the model to an hour, half of each by chance', async () => {
    const { pledge, registrar, time } = await scene()
    registrar.faults.set(requestVoucher, () => reply(403))
    await watch(pledge.onboard([origin]), () => time.slept.length === 15)
    for (const [index, slept] of time.slept.entries()) {
      const full = Math.min(5_000 * 2 ** index, 3_600_000)
      assert.ok(slept >= full / 2 && slept <= full, `${index}: ${slept} of ${full}`)
    }
  })

  test('of the patient model begin later', async () => {
    const { pledge, registrar, time } = await scene(kestrelMeter)
    registrar.faults.set(requestVoucher, () => reply(403))
    await watch(pledge.onboard([origin]), () => time.slept.length === 1)
    assert.ok(time.slept[0]! >= 15_000 && time.slept[0]! <= 30_000)
  })

  test('wait as long as an overloaded registrar asks, but not for a day', async () => {
    const { pledge, registrar, time } = await scene()
    const waits = ['600', '86400']
    registrar.faults.set(requestVoucher, ({ honest }) => {
      const wait = waits.shift()
      return wait === undefined ? honest() : reply(503, { 'retry-after': wait })
    })
    assert.equal(rungsOf(await watch(pledge.onboard([origin]))).at(-1), 'connected')
    assert.deepEqual(time.slept, [600_000, 3_600_000])
  })

  test('take the networks in turn', async () => {
    const { pledge, listeners, registrar, time, made, rival } = await scene()
    const [second, third] = [await rival('Second', made, time), await rival('Third', made, time)]
    for (const double of [second, third, registrar]) double.faults.set(requestVoucher, () => reply(403))
    listeners.set('https://second.example', second)
    listeners.set('https://third.example', third)
    const candidates = ['https://nobody.example', 'https://second.example', 'https://third.example', origin]
    const tried = (await watch(pledge.onboard(candidates), news => news.type === 'resting')).flatMap(news =>
      news.type === 'trying' ? [news.candidate] : [],
    )
    assert.deepEqual(tried, candidates)
  })

  test('ignore candidates that are no https addresses', async () => {
    const { pledge } = await scene()
    const progress = await watch(
      pledge.onboard(['http://plain.example', 'nonsense', 'https://user:pw@x.example', `${origin}/some/path`]),
    )
    const tried = progress.flatMap(news => (news.type === 'trying' ? [news.candidate] : []))
    assert.deepEqual(tried, [origin])
  })

  test('end when there is nobody to ask', async () => {
    const { pledge } = await scene()
    assert.deepEqual(await watch(pledge.onboard([])), [])
    assert.equal(pledge.status().state, 'unprovisioned')
  })
})

test('The memory of a device that was somebody else holds no surprises', async () => {
  const { pledge, device, registrar, bench, listeners } = await scene()
  await watch(pledge.onboard([origin]))
  for (const memory of ['', '{}', 'null', '{"version":2}', '\u0000', '{"version":1,"keys":0,"attempts":[{}]}']) {
    await device.store.write('memory', Buffer.from(memory))
    const again = await bench(listeners, device)
    assert.equal(rungsOf(await watch(again.onboard([origin]))).at(-1), 'connected', memory)
    const labels = await device.keys.list()
    assert.equal(labels.length, 2, `${memory}: ${labels.join(' ')}`)
  }
  const issued = [...registrar.issued.values()].at(-1)
  const signer = await device.keys.open((await device.keys.list())[1]!)
  assert.deepEqual(signer?.spkiDer, Buffer.from(decodeCertificate(issued!.der).spkiDer))
})
