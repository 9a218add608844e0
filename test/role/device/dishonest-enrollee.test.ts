import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { before, describe, test } from 'node:test'
import { dppStatus } from '../../../src/protocol/dpp/attribute.ts'
import { decodeOwnershipProof } from '../../../src/protocol/dpp/network-statement.ts'
import { counterfeit } from '../../../src/role/device/dishonest-enrollee.ts'
import { openEnrollee } from '../../../src/role/device/enrollee.ts'
import type { OwnershipRule } from '../../../src/role/device/enrollee-check.ts'
import type { EnrolleeTransport } from '../../../src/role/device/enrollee-port.ts'
import { createEvilConfigurator, type EvilConfigurator } from '../../../src/role/device/evil-configurator.ts'
import { fjordClimate } from '../../../src/role/device/model.ts'
import { now } from '../../crypto/pki.ts'
import { silentLog } from '../../store.ts'
import {
  connectorOf,
  type House,
  house,
  type Lamp,
  lamp,
  type Maker,
  maker,
  proofOf,
  soldTo,
  testConfigurator,
  transportTo,
} from './dpp-network.ts'

let alice: House
let fjord: Maker
let device: Lamp
before(async () => {
  alice = await house('Alice')
  fjord = await maker()
})

describe('an evil twin with a photograph of the code', () => {
  let twin: EvilConfigurator
  const meet = async (ownership: OwnershipRule, copied = false, mutual = false): Promise<string> => {
    device = await lamp(fjord)
    const proof = copied
      ? decodeOwnershipProof((await proofOf(alice, await soldTo(fjord, 'L-1', alice))) as never)
      : undefined
    const options = { random: randomBytes, photographed: [device.uri], ssid: 'home of alice' }
    twin = createEvilConfigurator({ ...options, ...(proof !== undefined && { copied: proof }) })
    const { keys, store, birth } = device
    const enrollee = await openEnrollee(birth, {
      model: fjordClimate,
      keys,
      store,
      transport: transportTo(twin.service),
      clock: () => now.getTime(),
      random: randomBytes,
      sleep: () => Promise.resolve(),
      log: silentLog,
      ownership,
    })
    const known = testConfigurator({ answer: async () => dppStatus.configureFailure }).uri
    const meeting = { address: 'twin', ...(mutual && { configurator: known, way: 'announce' as const }) }
    for await (const news of enrollee.onboard(meeting, new AbortController().signal)) {
      if (news.type === 'refused') return news.code
      if (news.type === 'climbed' && news.rung === 'credentialed') return 'taken'
    }
    return 'nothing'
  }
  const last = () => twin.deeds.at(-1)

  test('takes a device that believes whoever knows its code: nothing in one-way authentication prevents it', async () => {
    assert.equal(await meet('anybody'), 'taken')
    assert.deepEqual(twin.deeds.slice(0, 3), [
      { kind: 'heard' },
      { kind: 'authenticated', mutual: false },
      { kind: 'offered' },
    ])
  })
  test('is turned down by a device that wants its manufacturer’s word', async () => {
    assert.equal(await meet('declaration'), 'declaration-missing')
    assert.deepEqual(last(), { kind: 'turned-down', status: dppStatus.configurationRejected })
  })
  test('with copies of a genuine declaration and statement, too', async () => {
    assert.equal(await meet('declaration', true), 'declaration-invalid')
    assert.deepEqual(last(), { kind: 'turned-down', status: dppStatus.configurationRejected })
  })
  test('comes to nothing at a device that knows the code of its Configurator', async () => {
    assert.equal(await meet('anybody', false, true), 'configurator-not-authentic')
    assert.deepEqual(last(), { kind: 'heard' })
  })
  test('hears nothing of devices that it has no photograph of', async () => {
    await meet('anybody')
    const other = await lamp(fjord, 'L-2')
    const transport = transportTo(twin.service)
    const end = await counterfeit(
      'twin',
      { kind: 'forged-response' },
      { photographed: other.uri, transport, random: randomBytes, timeoutMs: 1000 },
    )
    assert.equal(end, 'ignored')
  })
})

describe('a counterfeit with a photograph of the code', () => {
  const options = (transport: EnrolleeTransport) => ({
    photographed: device.uri,
    transport,
    random: randomBytes,
    timeoutMs: 1000,
  })
  const site = (mutual = false) =>
    testConfigurator({
      answer: async ({ netAccessKey }) => ({ cred: { akm: 'dpp', connector: connectorOf(alice, netAccessKey) } }),
      scanned: [device.uri],
      mutual,
    })

  test('answers a request that it cannot open, and is dropped', async () => {
    device = await lamp(fjord)
    const { transport, requests } = site()
    assert.equal(await counterfeit('site', { kind: 'forged-response' }, options(transport)), 'dropped')
    assert.deepEqual(requests, [])
  })
  test('confirms with a tag of its own making, and is dropped', async () => {
    const { transport, requests, uri } = site(true)
    const trick = { kind: 'forged-confirm', configurator: uri } as const
    assert.equal(await counterfeit('site', trick, options(transport)), 'dropped')
    assert.deepEqual(requests, [])
  })
  test('finds nobody, or nobody who cares', async () => {
    const away = { connect: () => Promise.reject(new Error('no route')) }
    assert.equal(await counterfeit('site', { kind: 'forged-response' }, options(away)), 'unreachable')
    const { transport, uri } = testConfigurator({ answer: async () => dppStatus.configureFailure })
    assert.equal(await counterfeit('site', { kind: 'forged-response' }, options(transport)), 'ignored')
    const other = testConfigurator({ answer: async () => dppStatus.configureFailure }).uri
    assert.equal(
      await counterfeit('site', { kind: 'forged-confirm', configurator: other }, options(site().transport)),
      'ignored',
    )
    assert.ok(uri)
  })
})
