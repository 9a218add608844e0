import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { after, before, suite, test } from 'node:test'
import { createSecretBox } from '../../src/adapter/key/secret-box.ts'
import { encodeEap, encodeEapTls } from '../../src/codec/eap.ts'
import {
  attributeValue,
  decodeRadius,
  integerAttribute,
  type RadiusAttribute,
  type RadiusPacket,
  radiusAttribute,
  radiusCode,
  textAttribute,
} from '../../src/codec/radius.ts'
import { Secret } from '../../src/crypto/secret.ts'
import type { AccessSession } from '../../src/domain/access-session.ts'
import type { Log, Store, Tables } from '../../src/domain/port.ts'
import { createAccounting } from '../../src/role/authorization/access-accounting.ts'
import type { AccessRequest } from '../../src/role/authorization/access-server.ts'
import { createAccessServer } from '../../src/role/authorization/access-server.ts'
import { type RadiusAsk, watchAccess } from '../../src/role/authorization/access-watch.ts'
import type { EapTlsServer } from '../../src/role/authorization/eap-tls-port.ts'
import { createNetworkAccess } from '../../src/role/authorization/network-access.ts'
import { createRadiusClients } from '../../src/role/authorization/radius-client.ts'
import type { BirthIdentity } from '../../src/role/onboarding/device-identity.ts'
import { recordOnDevice } from '../../src/role/onboarding/device-record.ts'
import { recordStranger } from '../role/authorization/device.ts'
import { openTestStore, silentLog, type TestStore } from '../store.ts'

const start = Date.UTC(2026, 10, 20)
let now = start
const clock = () => now
let opened: TestStore
before(async () => {
  opened = await openTestStore({ clock })
})
after(() => opened.close())

const secret = new Secret('harbour-Wall-42-gulls')
const station = '02:00:00:00:00:11'

/** TLS that takes every device for one that has proven its key. */
const credulous: EapTlsServer = {
  open: () => ({
    feed: async () => ({ kind: 'proven', certificates: [], resumed: false }),
    confirm: async () => ({ flight: Buffer.from('done'), keys: { version: 'TLSv1.3', msk: randomBytes(64) } }),
    close: () => {},
  }),
}

/** Decisions about the device of `serial`, which shows its birth certificate. */
function accessOf(serial: string) {
  const identity = { manufacturer: 'acme', serial, keyHash: 'k' } as BirthIdentity['identity']
  return createNetworkAccess({
    store: opened.store,
    clock,
    random: randomBytes,
    log: silentLog,
    refusals: { record: async () => {} },
    credentials: { holder: async () => undefined },
    owners: [],
    onboarding: { segment: 'nursery', identify: async () => ({ identity }) as BirthIdentity },
  })
}

async function newcomer(): Promise<{ readonly serial: string; readonly device: string }> {
  const serial = randomBytes(4).toString('hex')
  return { serial, device: await recordStranger(opened.store, serial, now) }
}

const withdraw = (device: string) =>
  opened.store.transaction(tx => recordOnDevice(tx, device, () => [{ kind: 'device-withdrawn', body: { by: 'test' } }]))

const sessionsOf = (device: string) => opened.store.read(tables => tables.accessSession.find({ device }))

const asked: Omit<AccessRequest, 'certificates'> = {
  client: 'gw1',
  address: '192.0.2.1',
  identity: 'x',
  station,
  port: 'p1',
}

/** An access point that carries EAP of one device. */
function conversation(service: ReturnType<typeof createAccessServer>, client = 'gw1') {
  let identifier = 0
  let state: Uint8Array | undefined
  return async (type: number, data: Uint8Array, more: readonly RadiusAttribute[] = []): Promise<RadiusPacket> => {
    const eap = encodeEap({ code: 2, identifier, type, data })
    const attributes = [{ type: radiusAttribute.eapMessage, value: eap }, ...more]
    if (state !== undefined) attributes.push({ type: radiusAttribute.state, value: state })
    const packet = { code: radiusCode.accessRequest, identifier: 1, authenticator: randomBytes(16), attributes }
    const bytes = await service({ client: { id: client, secret }, address: '192.0.2.1', packet })
    if (bytes === undefined) throw new Error('no answer')
    const answer = decodeRadius(bytes)
    state = attributeValue(answer, radiusAttribute.state)
    identifier = attributeValue(answer, radiusAttribute.eapMessage)?.[1] ?? 0
    return answer
  }
}

const hello = encodeEapTls({ start: false, more: false, fragment: Buffer.from('hello') })
const acknowledgement = encodeEapTls({ start: false, more: false, fragment: Buffer.alloc(0) })

/** A watch over sessions of gw1 and gw2; `ask` is the access points. */
function watching(ask: RadiusAsk, log: Log = silentLog) {
  const record = { status: 'active' as const, box: '', disconnectPort: 3799, changedAt: 0, changedBy: '', version: 1 }
  return watchAccess({
    store: opened.store,
    clock,
    random: randomBytes,
    log,
    access: accessOf('nobody'),
    clients: { named: name => ({ ...record, name, address: name === 'gw1' ? '192.0.2.1' : '192.0.2.2', secret }) },
    ask,
  })
}

const reply = (code: number, attributes: readonly RadiusAttribute[] = []): RadiusPacket => ({
  code,
  identifier: 0,
  authenticator: Buffer.alloc(16),
  attributes,
})
const unknownThere = reply(radiusCode.disconnectNak, [integerAttribute(radiusAttribute.errorCause, 503)])

async function report(
  attributes: readonly RadiusAttribute[],
  kind: number,
  survived: (session: AccessSession) => void = () => {},
): Promise<void> {
  const packet = {
    code: radiusCode.accountingRequest,
    identifier: 1,
    authenticator: Buffer.alloc(16),
    attributes: [integerAttribute(radiusAttribute.acctStatusType, kind), ...attributes],
  }
  const accounting = createAccounting({ store: opened.store, clock, log: silentLog, survived })
  await accounting({ client: { id: 'gw1', secret }, address: '192.0.2.1', packet })
}

const classOf = ({ id }: AccessSession) => textAttribute(radiusAttribute.class, `mooring-${id}`)

suite('A device that loses its right between the decision and the Accept', () => {
  test('is not let in', async () => {
    const { serial, device } = await newcomer()
    const access = accessOf(serial)
    const service = createAccessServer({
      tls: credulous,
      decide: request => access.decide(request),
      clock,
      random: randomBytes,
      log: silentLog,
    })
    const say = conversation(service)
    await say(1, Buffer.from('lamp'))
    assert.equal((await say(13, hello)).code, radiusCode.accessChallenge)
    await withdraw(device)
    const answer = await say(13, acknowledgement)
    assert.equal(answer.code, radiusCode.accessReject)
    assert.equal(attributeValue(answer, radiusAttribute.eapMessage)![0], 4)
    assert.equal(service.underWay(), 0)
  })

  test('is not let in either when its session was ended meanwhile', async () => {
    const { serial, device } = await newcomer()
    const answer = await accessOf(serial).decide({ ...asked, certificates: [] })
    assert.ok(answer.verdict === 'accept')
    assert.equal(await answer.stands!(), true)
    const [session] = await sessionsOf(device)
    await opened.store.transaction(tx => tx.accessSession.put({ ...session!, state: 'ended' }))
    assert.equal(await answer.stands!(), false)
  })

  test('is looked for again where the access point had not heard of it yet', async () => {
    const { serial, device } = await newcomer()
    await accessOf(serial).decide({ ...asked, certificates: [] })
    let answer = unknownThere
    let questions = 0
    const watch = watching(async () => {
      questions++
      return answer
    })
    await withdraw(device)
    await watch.retry()
    assert.ok(questions > 0)
    assert.equal((await sessionsOf(device))[0]!.state, 'granted')
    answer = reply(radiusCode.disconnectAck)
    await watch.retry()
    assert.equal((await sessionsOf(device))[0]!.state, 'ended')
    await watch.close()
  })
})

suite('An access point that does not answer', () => {
  const put = (session: AccessSession) => opened.store.transaction(tx => tx.accessSession.put(session))

  test('is asked again until it does, by the next process too', async () => {
    const { serial, device } = await newcomer()
    await accessOf(serial).decide({ ...asked, certificates: [] })
    await withdraw(device)
    // The process that should have seen to it is gone.
    const answers = [undefined, reply(radiusCode.disconnectAck)]
    const watch = watching(async () => answers.shift())
    await watch.retry()
    assert.equal((await sessionsOf(device))[0]!.state, 'granted')
    await watch.retry()
    assert.equal((await sessionsOf(device))[0]!.state, 'ended')
    await watch.close()
  })

  test('holds up nobody who is at another one', async () => {
    const [first, second] = [await newcomer(), await newcomer()]
    for (const { serial } of [first, second]) await accessOf(serial).decide({ ...asked, certificates: [] })
    const [session] = await sessionsOf(second.device)
    await put({ ...session!, client: 'gw2' })
    await withdraw(first.device)
    await withdraw(second.device)
    let release = () => {}
    const dead = new Promise<undefined>(resolve => {
      release = () => resolve(undefined)
    })
    let cut = () => {}
    const wasCut = new Promise<void>(resolve => {
      cut = resolve
    })
    const watch = watching(async ({ address }) => {
      if (address === '192.0.2.1') return dead
      cut()
      return reply(radiusCode.disconnectAck)
    })
    const retried = watch.retry()
    await wasCut
    release()
    await retried
    assert.equal((await sessionsOf(second.device))[0]!.state, 'ended')
    await watch.close()
  })
})

suite('Accounting', () => {
  test('that is sent again by somebody who recorded it does not make the site forget who is in', async () => {
    const at = integerAttribute(radiusAttribute.eventTimestamp, Math.floor(now / 1000))
    now += 60_000
    const { serial, device } = await newcomer()
    await accessOf(serial).decide({ ...asked, certificates: [] })
    await report([at], 7)
    assert.equal((await sessionsOf(device))[0]!.state, 'granted')
    now += 60_000
    await report([integerAttribute(radiusAttribute.eventTimestamp, Math.floor(now / 1000))], 7)
    assert.equal((await sessionsOf(device))[0]!.state, 'ended')
  })

  test('of a session that is over here has it ended there, unless somebody else is in its place', async () => {
    const { serial, device } = await newcomer()
    await accessOf(serial).decide({ ...asked, station: '02:00:00:00:00:21', certificates: [] })
    const [session] = await sessionsOf(device)
    await opened.store.transaction(tx => tx.accessSession.put({ ...session!, state: 'ended' }))
    const survivors: string[] = []
    await report([classOf(session!)], 3, ({ id }) => survivors.push(id))
    assert.deepEqual(survivors, [session!.id])
    await accessOf(serial).decide({ ...asked, station: '02:00:00:00:00:21', certificates: [] })
    await report([classOf(session!)], 3, ({ id }) => survivors.push(id))
    assert.equal(survivors.length, 1)
  })

  test('of a device under the MAC address of another one ends what that one had there', async () => {
    const [honest, thief] = [await newcomer(), await newcomer()]
    const place = { ...asked, station: '02:00:00:00:00:31', certificates: [] }
    for (const { serial } of [honest, thief]) {
      now += 1000
      await accessOf(serial).decide(place)
    }
    const [theirs] = await sessionsOf(thief.device)
    await report([classOf(theirs!)], 1)
    assert.equal((await sessionsOf(honest.device))[0]!.state, 'ended')
    assert.equal((await sessionsOf(thief.device))[0]!.state, 'open')
  })

  test('gives a session its name, and an authentication again without one is the same stay', async () => {
    const { serial, device } = await newcomer()
    const place = { ...asked, station: '02:00:00:00:00:41', certificates: [] }
    await accessOf(serial).decide(place)
    const [session] = await sessionsOf(device)
    await report([classOf(session!), textAttribute(radiusAttribute.acctSessionId, 'A1')], 1)
    await accessOf(serial).decide(place)
    assert.equal((await sessionsOf(device)).length, 1)
    await accessOf(serial).decide({ ...place, session: 'A2' })
    assert.equal((await sessionsOf(device)).length, 2)
  })

  test('leaves a session to lapse; the device that came back since is not cut off for it', async () => {
    const { serial, device } = await newcomer()
    const place = { ...asked, station: '02:00:00:00:00:51', certificates: [] }
    await accessOf(serial).decide({ ...place, session: 'B1' })
    now += 500_000
    await accessOf(serial).decide({ ...place, session: 'B2' })
    now += 450_000
    const cut: string[] = []
    const watch = watching(async (_, { attributes }) => {
      const value = attributeValue({ attributes }, radiusAttribute.callingStationId)
      cut.push(Buffer.from(value ?? []).toString())
      return reply(radiusCode.disconnectAck)
    })
    await watch.expire()
    assert.deepEqual((await sessionsOf(device)).map(({ state }) => state).sort(), ['ended', 'granted'])
    assert.ok(!cut.includes('02-00-00-00-00-51'))
    await watch.close()
  })
})

suite('Conversations that are begun and never go on', () => {
  const idle = () =>
    createAccessServer({
      tls: credulous,
      decide: async () => ({ verdict: 'accept', attributes: [] }),
      clock,
      random: randomBytes,
      log: silentLog,
      limits: { perClient: 8, total: 12 },
    })

  test('make room for one that does', async () => {
    const service = idle()
    for (let n = 0; n < 100; n++) await conversation(service)(1, Buffer.from(`ghost-${n}`))
    assert.equal(service.underWay(), 8)
    const say = conversation(service)
    await say(1, Buffer.from('lamp'))
    await say(13, hello)
    for (let n = 0; n < 100; n++) await conversation(service)(1, Buffer.from(`ghost-${n}`))
    assert.equal((await say(13, acknowledgement)).code, radiusCode.accessAccept)
  })

  test('at one access point take no room from another one while it has its own', async () => {
    const service = idle()
    const honest = conversation(service, 'gw2')
    await honest(1, Buffer.from('lamp'))
    for (let n = 0; n < 100; n++) await conversation(service)(1, Buffer.from(`ghost-${n}`))
    await honest(13, hello)
    assert.equal((await honest(13, acknowledgement)).code, radiusCode.accessAccept)
  })
})

test('The name of a network is compared as it is, in any script', async () => {
  const ssids: (string | undefined)[] = []
  const service = createAccessServer({
    tls: credulous,
    decide: async ({ ssid }) => {
      ssids.push(ssid)
      return { verdict: 'accept', attributes: [] }
    },
    clock,
    random: randomBytes,
    log: silentLog,
  })
  for (const name of ['Café', 'a\nb']) {
    const say = conversation(service)
    const called = [textAttribute(radiusAttribute.calledStationId, `02-00-00-00-00-01:${name}`)]
    await say(1, Buffer.from('lamp'), called)
    await say(13, hello, called)
  }
  assert.deepEqual(ssids, ['Café', undefined])
})

test('An access point that was removed is not brought back by a look that began before', async () => {
  const { store } = opened
  let hold: Promise<void> | undefined
  const slow: Store = Object.assign(Object.create(store) as Store, {
    read: async <T>(work: (tables: Tables) => Promise<T>): Promise<T> => {
      const held = hold
      hold = undefined
      const found = await store.read(work)
      await held
      return found
    },
  })
  const box = createSecretBox(Secret.random(32), 'test')
  const clients = createRadiusClients({ store: slow, clock, random: randomBytes, log: silentLog, box })
  await clients.add({ name: 'gone', address: '192.0.2.9' }, 'test')
  assert.equal(clients.at('192.0.2.9')?.id, 'gone')
  let release = () => {}
  hold = new Promise(resolve => {
    release = resolve
  })
  const before = clients.refresh()
  const removed = clients.remove('gone', 'test')
  const status = () => store.read(async tables => (await tables.radiusClient.get('gone'))?.status)
  while ((await status()) !== 'removed') await new Promise(resolve => setImmediate(resolve))
  for (let turn = 0; turn < 50; turn++) await new Promise(resolve => setImmediate(resolve))
  release()
  await Promise.all([before, removed])
  assert.equal(clients.at('192.0.2.9'), undefined)
  clients.close()
})
