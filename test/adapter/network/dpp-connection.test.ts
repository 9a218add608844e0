import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, type Server, type Socket } from 'node:net'
import { after, before, test } from 'node:test'
import { enrolleeTransport } from '../../../src/adapter/network/dpp-connection.ts'
import { OnboardingError } from '../../../src/domain/error.ts'
import { encodeRecord } from '../../../src/protocol/dpp/record.ts'

const transport = enrolleeTransport()
let server: Server
let address: string
before(async () => {
  server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const bound = server.address()
  address = `127.0.0.1:${typeof bound === 'object' ? bound?.port : 0}`
})
after(() => server.close())

async function pair() {
  const accepted = once(server, 'connection') as Promise<[Socket]>
  const connection = await transport.connect(address, 1000)
  const [socket] = await accepted
  return { connection, socket }
}

test('messages both ways, however TCP cuts them', async () => {
  const { connection, socket } = await pair()
  connection.send(Buffer.from('hello'))
  const [chunk] = (await once(socket, 'data')) as [Buffer]
  assert.deepEqual(chunk, encodeRecord(Buffer.from('hello')))
  const both = Buffer.concat([encodeRecord(Buffer.from('one')), encodeRecord(Buffer.from('two'))])
  socket.write(both.subarray(0, 9))
  const first = connection.receive(5000)
  assert.deepEqual(await first, Buffer.from('one'))
  socket.write(both.subarray(9))
  assert.deepEqual(await connection.receive(5000), Buffer.from('two'))
  connection.close()
  await once(socket, 'close')
})

test('undefined at the end, in silence, and after nonsense', async () => {
  const ended = await pair()
  ended.socket.end()
  assert.equal(await ended.connection.receive(5000), undefined)
  ended.connection.send(Buffer.from('too late'))
  ended.connection.close()
  const silent = await pair()
  assert.equal(await silent.connection.receive(5), undefined)
  silent.connection.close()
  assert.equal(await silent.connection.receive(5000), undefined)
  const nonsense = await pair()
  nonsense.socket.write(Buffer.from('ffffffff', 'hex'))
  assert.equal(await nonsense.connection.receive(5000), undefined)
  const flood = await pair()
  flood.socket.write(Buffer.concat(Array.from({ length: 20 }, () => encodeRecord(Buffer.from('x')))))
  await once(flood.socket, 'close')
})

test('nobody there, and what is no address', async () => {
  const free = createServer().listen(0, '127.0.0.1')
  await once(free, 'listening')
  const bound = free.address()
  const port = typeof bound === 'object' ? bound?.port : 0
  free.close()
  await once(free, 'close')
  await assert.rejects(transport.connect(`127.0.0.1:${port}`, 1000), { code: 'ECONNREFUSED' })
  for (const wrong of ['', 'a b', '127.0.0.1:0', '127.0.0.1:70000', '[::1', 'host:port', 'http://x']) {
    await assert.rejects(transport.connect(wrong, 1000), OnboardingError)
  }
})
