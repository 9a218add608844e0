import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, suite, test } from 'node:test'
import { promisify } from 'node:util'
import { createMasaClient } from '../../../src/adapter/http/masa-client.ts'
import { listenTls } from '../../../src/adapter/http/tls-endpoint.ts'
import { memoryKeyStore } from '../../../src/adapter/key/memory.ts'
import { buildStage, type Maker, type Stage } from '../../../src/app/demo/stage.ts'
import { pledgeTransport } from '../../../src/app/pledge-transport.ts'
import { encodePem } from '../../../src/codec/pem.ts'
import { decodePledgeRecord } from '../../../src/protocol/brski/pledge-record.ts'
import { type CloneTrick, openClone } from '../../../src/role/device/dishonest.ts'
import { createEvilTwin, type TwinTrick } from '../../../src/role/device/evil-twin.ts'
import { openPledge } from '../../../src/role/device/pledge.ts'
import type { PledgeTransport } from '../../../src/role/device/port.ts'
import { memoryDeviceStore } from '../../../src/role/device/store.ts'
import { listManufacturers } from '../../../src/role/supply-chain/trust.ts'
import { needs } from '../../peer.ts'
import { partyStores } from '../../store.ts'
import { Fuse } from './fuse.ts'
import { quiet, refusalsOf, rungsOf, watch } from './workbench.ts'

const run = promisify(execFile)
const ladder = ['heard', 'authenticated', 'authorized', 'credentialed', 'connected']
const [unlisted, foreign] = ['F26-000004', 'K26-000004']

const stage = await buildStage(
  {
    owner: 'harbour',
    network: 'harbour',
    units: 4,
    unlisted: [unlisted],
    foreign: [foreign],
    log: quiet,
    ...partyStores(),
  },
  () => {},
)
after(() => stage.close())

function makerOf({ makers }: Stage, serial: string): Maker {
  return makers.find(({ housings }) => housings.has(serial))!
}

/** The codes under which the site keeps strangers that it refused. */
async function strangers(): Promise<string[]> {
  const { events } = await stage.site.store.feed({}, 10_000)
  return events.filter(({ kind }) => kind === 'stranger-refused').map(({ body }) => (body as { code: string }).code)
}

suite('Over real sockets, with a real registrar and a real MASA', () => {
  for (const serial of ['F26-000001', 'K26-000001']) {
    test(`${serial} onboards, and the site agrees with it`, async () => {
      const pledge = await stage.pledge(serial)
      assert.deepEqual(rungsOf(await watch(pledge.onboard([stage.origin]))), ladder)
      const device = await stage.site.store.read(tables => tables.device.get(stage.device(serial)))
      assert.equal(device?.rung, 'connected')
      assert.equal(device?.voucher?.accepted, true)
      assert.equal(device?.voucher?.assertion, 'proximity')
      const credential = await stage.site.store.read(tables => tables.credential.get(device!.credential!))
      assert.equal(credential?.serialHex, pledge.status().credential?.serialHex)
    })

    test(`${serial} renews over its credential [WP-M6.04]`, async () => {
      const pledge = await stage.pledge(serial)
      await watch(pledge.onboard([stage.origin]))
      const before = pledge.status().credential?.serialHex
      const progress = await watch(pledge.renew())
      assert.deepEqual(refusalsOf(progress), [])
      const after = pledge.status().credential?.serialHex
      assert.notEqual(after, before)
      const issued = await stage.site.store.read(tables => tables.credential.find({ device: stage.device(serial) }))
      const inForce = issued.filter(({ status }) => status === 'issued').map(({ serialHex }) => serialHex)
      assert.equal(issued.length, 2)
      assert.deepEqual(inForce, [after], 'the network takes the old one no more')
    })
  }

  test('a device that nobody expects waits for a person, and then goes on with the same request', async () => {
    const sent: string[] = []
    const pledge = await tapped(unlisted, body => sent.push(Buffer.from(body).toString('base64')))
    let granted = false
    const progress: string[] = []
    for await (const news of pledge.onboard([stage.origin])) {
      progress.push(news.type)
      if (news.type === 'waiting' && !granted) {
        granted = true
        await stage.site.approval.grant(stage.device(unlisted), 'tester')
      }
    }
    assert.equal(pledge.status().rung, 'connected')
    assert.ok(progress.includes('waiting'))
    assert.equal(sent.length, 2)
    assert.equal(new Set(sent).size, 1)
  })

  test('a device of somebody else is refused, and its record says why', async () => {
    const pledge = await stage.pledge(foreign)
    const progress = await watch(pledge.onboard([stage.origin]), news => news.type === 'refused')
    assert.deepEqual(refusalsOf(progress), ['registrar-refused'])
    const device = await stage.site.store.read(tables => tables.device.get(stage.device(foreign)))
    assert.equal(device?.refusal?.code, 'owner-mismatch')
  })

  test('power lost now and then costs time only', async () => {
    const serial = 'F26-000002'
    const { keys, store } = makerOf(stage, serial).housings.get(serial)!
    const options = stage.pledgeOptions(makerOf(stage, serial), { keys, store })
    for (const at of [3, 7, 12, 18, 21, 25]) {
      const fuse = new Fuse(at)
      const pledge = await openPledge({
        ...options,
        store: fuse.store(store),
        keys: fuse.keys(keys),
        transport: fuse.transport(pledgeTransport(keys)),
      })
      await Promise.race([watch(pledge.onboard([stage.origin])), fuse.blown])
    }
    const pledge = await openPledge(options)
    assert.equal(rungsOf(await watch(pledge.onboard([stage.origin]))).at(-1), 'connected')
    const { credential } = decodePledgeRecord((await store.read('memory'))!)
    assert.deepEqual(await keys.list(), ['idevid', credential!.keyLabel])
    const issued = await stage.site.store.read(tables => tables.credential.find({ device: stage.device(serial) }))
    assert.equal(issued.length, 1)
  })
})

/** The device with a tap on what it asks vouchers with. */
async function tapped(serial: string, see: (body: Uint8Array) => void) {
  const maker = makerOf(stage, serial)
  const housing = maker.housings.get(serial)!
  const inner = pledgeTransport(housing.keys)
  const transport: PledgeTransport = {
    async connect(request) {
      const connection = await inner.connect(request)
      return {
        serverCertificates: connection.serverCertificates,
        close: () => connection.close(),
        request(asked, limits) {
          if (asked.path.endsWith('/requestvoucher')) see(asked.body!)
          return connection.request(asked, limits)
        },
      }
    },
  }
  return openPledge({ ...stage.pledgeOptions(maker, housing), transport })
}

suite('Dishonest, over real sockets', () => {
  const cases: readonly { readonly kind: CloneTrick['kind']; readonly code: string }[] = [
    { kind: 'forged-certificate', code: 'idevid-forged' },
    { kind: 'stolen-certificate', code: 'idevid-forged' },
    { kind: 'accomplice', code: 'signature-invalid' },
  ]
  for (const { kind, code } of cases) {
    test(`a clone with the trick ${kind} is refused as ${code} [WP-M6.02]`, async () => {
      const victim = 'F26-000003'
      const maker = makerOf(stage, victim)
      const stolen = (await stage.pledge(victim)).birth
      const accomplice = maker.housings.get('F26-000002')!
      const trick: CloneTrick =
        kind === 'accomplice'
          ? { kind, birth: (await stage.pledge('F26-000002')).birth, keys: accomplice.keys }
          : { kind }
      const housing = { keys: memoryKeyStore(), store: memoryDeviceStore() }
      const transport = pledgeTransport(kind === 'accomplice' ? accomplice.keys : housing.keys)
      const before = await stage.site.store.read(tables => tables.device.get(stage.device(victim)))
      const clone = await openClone(stolen, trick, { ...stage.pledgeOptions(maker, housing), transport })
      const earlier = (await strangers()).length
      const progress = await watch(clone.onboard([stage.origin]), news => news.type === 'refused')
      assert.deepEqual(refusalsOf(progress), ['registrar-refused'])
      assert.deepEqual((await strangers()).slice(earlier), [code])
      const after = await stage.site.store.read(tables => tables.device.get(stage.device(victim)))
      assert.deepEqual(after, before, 'the genuine device has nothing of it in its record')
    })
  }

  test('an evil twin gets neither voucher nor device, whatever it offers', async () => {
    const serial = 'F26-000003'
    const keys = memoryKeyStore()
    const [manufacturer] = await listManufacturers(stage.site.store)
    const client = createMasaClient()
    const tricks: TwinTrick[] = [
      { kind: 'self-signed' },
      { kind: 'garbage' },
      { kind: 'replayed', voucher: await old() },
    ]
    const twin = await createEvilTwin({
      keys,
      clock: Date.now,
      random: randomBytes,
      imitates: stage.site.authority.registrar.certificate,
      tricks,
      masa: { client, manufacturer: manufacturer! },
      relay: { transport: pledgeTransport(keys), origin: stage.origin },
    })
    const key = await keys.tlsKey?.(twin.keyLabel)
    const { certificateChain, endpoint } = twin
    const listener = await listenTls({
      host: '127.0.0.1',
      port: 0,
      key: key!,
      certificateChain,
      endpoints: [endpoint],
      log: quiet,
    })
    try {
      const evilOrigin = `https://127.0.0.1:${listener.port}`
      const refused: string[] = []
      const pledge = await stage.pledge(serial)
      for await (const news of pledge.onboard([evilOrigin])) {
        if (news.type === 'refused') refused.push(news.code)
        if (refused.length === tricks.length) break
      }
      assert.deepEqual(refused, ['voucher-invalid', 'voucher-invalid', 'voucher-invalid'])
      assert.equal(rungsOf(await watch(pledge.onboard([evilOrigin, stage.origin]))).at(-1), 'connected')
      assert.equal(pledge.status().credential?.origin, stage.origin)
      const answers = twin.deeds.flatMap(deed => ('status' in deed ? [`${deed.kind} ${deed.status}`] : []))
      assert.deepEqual([...new Set(answers)], ['asked-masa 403', 'asked-registrar 404'])
      assert.ok(!twin.deeds.some(({ kind }) => kind === 'enrolled' || kind === 'believed'))
    } finally {
      client.close()
      await listener.close()
    }
  })

  /** A voucher that the site really got for another attempt of a device. */
  async function old(): Promise<Uint8Array> {
    const [voucher] = await stage.site.store.read(tables => tables.voucher.find({}))
    return Buffer.from(voucher!.voucher, 'base64')
  }
})

suite('What a device sends and keeps', () => {
  test('is read by openssl', needs('openssl'), async () => {
    const serial = 'K26-000002'
    let request: Uint8Array = new Uint8Array()
    const pledge = await tapped(serial, body => {
      request = body
    })
    await watch(pledge.onboard([stage.origin]))
    const { store } = makerOf(stage, serial).housings.get(serial)!
    const { credential } = decodePledgeRecord((await store.read('memory'))!)
    const directory = await mkdtemp(join(tmpdir(), 'mooring-pledge-'))
    try {
      const file = async (name: string, content: Uint8Array | string) => {
        await writeFile(join(directory, name), content)
        return join(directory, name)
      }
      const pems = (list: readonly Uint8Array[]) => list.map(der => encodePem('CERTIFICATE', der)).join('')
      const births = await file('births.pem', pems([makerOf(stage, serial).site.manufacturer.deviceRoot.der]))
      const signed = await file('request.der', request)
      const { stdout } = await run('openssl', [
        ...['cms', '-verify', '-inform', 'DER', '-in', signed, '-CAfile', births, '-purpose', 'any', '-binary'],
      ])
      const content = JSON.parse(stdout) as { 'ietf-voucher-request:voucher': { 'serial-number': string } }
      assert.equal(content['ietf-voucher-request:voucher']['serial-number'], serial)
      const roots = await file('roots.pem', pems(credential!.anchors))
      const between = await file('between.pem', pems(credential!.chain))
      const own = await file('own.pem', pems([credential!.certificate]))
      const verified = await run('openssl', [
        ...['verify', '-x509_strict', '-purpose', 'sslclient', '-CAfile', roots, '-untrusted', between, own],
      ])
      assert.match(verified.stdout, /: OK/)
    } finally {
      await rm(directory, { recursive: true })
    }
  })
})
