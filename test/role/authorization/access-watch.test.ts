import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { after, before, suite, test } from 'node:test'
import { radiusAttribute, radiusCode } from '../../../src/codec/radius.ts'
import { Secret } from '../../../src/crypto/secret.ts'
import type { AccessSession } from '../../../src/domain/access-session.ts'
import { type RadiusAsk, watchAccess } from '../../../src/role/authorization/access-watch.ts'
import { openTestStore, silentLog } from '../../store.ts'
import { recordStranger } from './device.ts'

let now = Date.UTC(2026, 10, 20)
const clock = () => now
let opened: Awaited<ReturnType<typeof openTestStore>>
before(async () => {
  opened = await openTestStore({ clock })
})
after(() => opened.close())

const reply = (code: number, attributes: { type: number; value: Buffer }[] = []) =>
  ({ code, identifier: 0, authenticator: Buffer.alloc(16), attributes }) as const

/** A watch whose access point answers as told; it notes what it was asked. */
function watching(answer: Awaited<ReturnType<RadiusAsk>>, disconnectPort = 3799) {
  const asked: number[] = []
  const client = { name: 'gw1', status: 'active' as const, address: '192.0.2.1', box: '', disconnectPort }
  const full = { ...client, changedAt: 0, changedBy: '', version: 1, secret: new Secret('harbour-Wall-42-gulls') }
  const watch = watchAccess({
    store: opened.store,
    clock,
    random: randomBytes,
    log: silentLog,
    access: { review: async () => undefined },
    clients: { named: name => (name === 'gw1' ? full : undefined) },
    ask: async (_to, { code }) => {
      asked.push(code)
      return answer
    },
  })
  return { watch, asked }
}

/** A session of a device that is on record. */
async function session(more: Partial<AccessSession> = {}): Promise<AccessSession> {
  const serial = randomBytes(4).toString('hex')
  const { store } = opened
  const device = await recordStranger(store, serial, now)
  const made: AccessSession = {
    id: randomBytes(16).toString('hex'),
    state: 'open',
    device,
    credential: 'c1',
    client: 'gw1',
    station: '02:00:00:00:00:11',
    grantedAt: now,
    seenAt: now,
    until: now + 3_600_000,
    ...more,
  }
  await store.transaction(tx => tx.accessSession.put(made))
  return made
}
const found = ({ id }: AccessSession) => opened.store.read(tables => tables.accessSession.get(id))

suite('A session', () => {
  test('ends when the access point says that it ended it', async () => {
    const { watch, asked } = watching(reply(radiusCode.disconnectAck))
    const open = await session()
    assert.equal(await watch.disconnect(open, 'moved'), true)
    assert.deepEqual(asked, [radiusCode.disconnectRequest])
    const after = await found(open)
    assert.deepEqual([after!.state, after!.endReason, after!.endedAt], ['ended', 'moved', now])
    const history = await opened.store.history(`device/${open.device}`)
    assert.equal(history.filter(({ kind }) => kind === 'access-ended').length, 1)
    await watch.close()
  })

  test('is over, too, when the access point knows of none', async () => {
    const value = Buffer.from([0, 0, 1, 0xf7])
    const { watch } = watching(reply(radiusCode.disconnectNak, [{ type: radiusAttribute.errorCause, value }]))
    const open = await session()
    assert.equal(await watch.disconnect(open, 'moved'), false)
    assert.equal((await found(open))!.state, 'ended')
    await watch.close()
  })

  for (const [what, answer, port] of [
    ['does not answer', undefined, 3799],
    ['refuses', reply(radiusCode.disconnectNak), 3799],
    ['cannot be asked', reply(radiusCode.disconnectAck), 0],
  ] as const) {
    test(`stays on record as open when the access point ${what}: it may well go on`, async () => {
      const { watch, asked } = watching(answer, port)
      const open = await session()
      assert.equal(await watch.disconnect(open, 'moved'), false)
      assert.equal((await found(open))!.state, 'open')
      assert.equal(asked.length, port === 0 ? 0 : 1)
      await watch.close()
    })
  }

  test('of which nothing is heard after it had to authenticate again ends by itself', async () => {
    const { watch } = watching(undefined)
    const open = await session()
    now += 3_600_000 + 299_000
    await watch.expire()
    assert.equal((await found(open))!.state, 'open')
    now += 1000
    assert.ok((await watch.expire()) >= 1)
    const after = await found(open)
    assert.deepEqual([after!.state, after!.endReason], ['ended', 'it was not heard of again'])
    await watch.close()
  })
})
