import assert from 'node:assert/strict'
import { hash, randomBytes } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import fc from 'fast-check'
import { memoryKeyStore } from '../../../src/adapter/key/memory.ts'
import { freePort } from '../../../src/app/free-port.ts'
import { type ManufacturerSite, openManufacturerSite } from '../../../src/app/manufacturer.ts'
import { pledgeTransport } from '../../../src/app/pledge-transport.ts'
import { openSite, type Site } from '../../../src/app/site.ts'
import { CodecError } from '../../../src/codec/error.ts'
import {
  type ComponentList,
  componentSnapshot,
  decodeComponents,
  differencesOf,
  encodeComponents,
  judgeComponents,
} from '../../../src/domain/component.ts'
import { type Device, deviceId } from '../../../src/domain/device.ts'
import { componentName, installComponents } from '../../../src/role/device/component-statement.ts'
import { fjordClimate } from '../../../src/role/device/model.ts'
import { openPledge, type Pledge } from '../../../src/role/device/pledge.ts'
import { memoryDeviceStore } from '../../../src/role/device/store.ts'
import { type Housing, simulatedUnit } from '../../../src/role/device/unit.ts'
import { makeUnits } from '../../../src/role/factory/line.ts'
import { buyerCard, sellUnits, shipmentManifest } from '../../../src/role/factory/sale.ts'
import { importManifest } from '../../../src/role/supply-chain/import.ts'
import { trustManufacturer } from '../../../src/role/supply-chain/trust.ts'
import { partyStores, silentLog } from '../../store.ts'

const part = (name: string, version: string) => ({ name, version, hash: hash('sha256', `${name} ${version}`) })
const built = decodeComponents(
  Buffer.from(
    JSON.stringify({ components: [part('bootloader', '1.4'), part('application', '2.0'), part('radio', '7')] }),
  ),
)

let maker: ManufacturerSite
let site: Site
let data: string
const housings = new Map<string, Housing>()

function housing(serial: string): Housing {
  const known = housings.get(serial) ?? { keys: memoryKeyStore(), store: memoryDeviceStore() }
  housings.set(serial, known)
  return known
}

async function make(batch: string, components: ComponentList | undefined): Promise<void> {
  const port = simulatedUnit(fjordClimate, async serial => housing(serial))
  const parts = components === undefined ? {} : { components }
  await makeUnits({
    ...maker,
    port,
    batch,
    model: { name: fjordClimate.name },
    count: 2,
    keyOrigin: 'simulated',
    ...parts,
  })
  const buyer = buyerCard({ id: site.owner, name: site.owner, certificates: [site.authority.root] })
  await sellUnits(maker, { batch }, { buyer })
  const bytes = await shipmentManifest(maker, { batch }, buyer)
  await importManifest({ bytes, store: site.store, clock: site.clock, importedBy: 'anna' })
}

async function onboarded(serial: string): Promise<Pledge> {
  const { keys, store } = housing(serial)
  const pledge = await openPledge({
    model: fjordClimate,
    keys,
    store,
    transport: pledgeTransport(keys),
    clock: Date.now,
    random: randomBytes,
    sleep: async () => {},
    log: silentLog,
  })
  for await (const _ of pledge.onboard([`https://127.0.0.1:${site.port}`]));
  assert.equal(pledge.status().state, 'connected')
  return pledge
}

async function deviceOf(serial: string): Promise<Device> {
  const device = await site.store.read(tables => tables.device.get(deviceId('fjord', serial)))
  assert.ok(device !== undefined)
  return device
}

before(async () => {
  data = await mkdtemp(join(tmpdir(), 'mooring-component-'))
  const { storeUrl } = partyStores()
  const stored = async (party: string) => (storeUrl === undefined ? {} : { storeUrl: await storeUrl(party) })
  const port = await freePort('127.0.0.1')
  maker = await openManufacturerSite({
    name: 'Fjord Sensors',
    data: join(data, 'maker'),
    ...(await stored('maker')),
    masaUrl: `https://127.0.0.1:${port}`,
    hosts: ['127.0.0.1'],
    log: silentLog,
  })
  await maker.listen({ host: '127.0.0.1', port })
  site = await openSite({
    network: 'harbour',
    owner: 'harbour',
    data: join(data, 'site'),
    ...(await stored('site')),
    host: '127.0.0.1',
    port: 0,
    log: silentLog,
  })
  const { deviceRoot, masaRoot } = maker.manufacturer
  const terms = { name: 'fjord', anchors: [deviceRoot.der], masaAnchors: [masaRoot.der], masaPrivateAddress: true }
  await trustManufacturer(site, terms, 'root')
})

after(async () => {
  const verdict = await site.store.verify()
  await site.close()
  await maker.close()
  await rm(data, { recursive: true, force: true })
  assert.equal(verdict.integrity, 'pass', JSON.stringify(verdict.firstBad))
})

describe('components, from the factory to the first boot', { concurrency: 1 }, () => {
  test('as built: a match, once on record', async () => {
    await make('C1', built)
    assert.equal((await deviceOf('C1-000001')).expectedComponents, componentSnapshot(built))
    await installComponents(housing('C1-000001').store, built)
    const pledge = await onboarded('C1-000001')
    assert.equal(await pledge.stateComponents(), 'match')
    assert.equal(await pledge.stateComponents(), 'match')
    const device = await deviceOf('C1-000001')
    assert.deepEqual([device.components?.verdict, device.posture], ['match', undefined])
    const history = await site.store.history(`device/${device.id}`)
    assert.equal(history.filter(({ kind }) => kind === 'components-stated').length, 1)
  })

  test('changed on the way: evidence with what differs, and suspect; never silent', async () => {
    const tampered = [
      ...built.filter(({ name }) => name !== 'application'),
      part('application', '2.0-x'),
      part('spy', '1'),
    ]
    await installComponents(housing('C1-000002').store, tampered)
    const pledge = await onboarded('C1-000002')
    assert.equal(await pledge.stateComponents(), 'differ')
    const device = await deviceOf('C1-000002')
    assert.deepEqual(
      [device.components?.verdict, device.components?.differences, device.posture],
      ['differ', 2, 'suspect'],
    )
    const stated = (await site.store.history(`device/${device.id}`)).find(({ kind }) => kind === 'components-stated')
    const found = stated?.body['differences'] as { name: string; kind: string }[]
    assert.deepEqual(
      found.map(({ name, kind }) => `${name} ${kind}`),
      ['application changed', 'spy added'],
    )
    // To state afterwards what was expected does not clear it.
    await installComponents(housing('C1-000002').store, built)
    assert.equal(await pledge.stateComponents(), 'match')
    assert.equal((await deviceOf('C1-000002')).posture, 'suspect')
  })

  test('an update later is told as a change, and accuses nobody', async () => {
    const updated = built.map(each => (each.name === 'radio' ? part('radio', '8') : each))
    await installComponents(housing('C1-000001').store, updated)
    const pledge = await onboarded('C1-000001')
    assert.equal(await pledge.stateComponents(), 'changed')
    assert.equal((await deviceOf('C1-000001')).posture, undefined)
  })

  test('what is absent is said: no list of the factory, none of the device', async () => {
    await make('C2', undefined)
    assert.equal((await deviceOf('C2-000001')).expectedComponents, undefined)
    const pledge = await onboarded('C2-000001')
    assert.equal(await pledge.stateComponents(), undefined)
    await installComponents(housing('C2-000001').store, built)
    assert.equal(await pledge.stateComponents(), 'no-reference')
    assert.equal((await deviceOf('C2-000001')).components?.verdict, 'no-reference')
  })

  test('survives a factory reset, and is not stated without a network', async () => {
    const pledge = await onboarded('C2-000002')
    await installComponents(housing('C2-000002').store, built)
    await pledge.factoryReset()
    assert.ok((await housing('C2-000002').store.read(componentName)) !== undefined)
    await assert.rejects(pledge.stateComponents(), { code: 'credential-required' })
  })
})

describe('a list of components', () => {
  test('has one snapshot, whatever its order, and no part twice', () => {
    const turned = Buffer.from(JSON.stringify({ components: [...built].reverse() }))
    assert.equal(componentSnapshot(decodeComponents(turned)), componentSnapshot(built))
    assert.deepEqual(decodeComponents(encodeComponents(built)), built)
    for (const wrong of [
      { components: [] },
      { components: [built[0], built[0]] },
      { components: [{ ...built[0], hash: 'x' }] },
      { components: [{ ...built[0], name: 'two\nlines' }] },
      { components: built, more: 1 },
      { components: Array.from({ length: 49 }, (_, n) => part(`p${n}`, '1')) },
    ]) {
      assert.throws(() => decodeComponents(Buffer.from(JSON.stringify(wrong))), CodecError)
    }
  })

  test('of arbitrary bytes: CodecError', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), bytes => {
        assert.throws(() => decodeComponents(bytes), CodecError)
      }),
    )
  })

  test('differences: changed, missing, added', () => {
    const [application, bootloader, radio] = built as [ComponentList[0], ComponentList[0], ComponentList[0]]
    const now = [{ ...application, hash: 'f'.repeat(64) }, bootloader, part('spy', '1')]
    assert.deepEqual(
      differencesOf(built, now).map(({ name, kind }) => [name, kind]),
      [
        ['application', 'changed'],
        [radio.name, 'missing'],
        ['spy', 'added'],
      ],
    )
    assert.deepEqual(differencesOf(built, built), [])
    const match = { stated: 'a', verdict: 'match', at: 0, differences: 0 } as const
    assert.equal(judgeComponents('a', 'b', { ...match, verdict: 'no-reference' }), 'differ')
    assert.equal(judgeComponents('a', 'b', match), 'changed')
    assert.equal(judgeComponents('a', 'b', { ...match, verdict: 'differ' }), 'differ')
  })
})
