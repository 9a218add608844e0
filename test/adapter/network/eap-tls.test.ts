import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { Duplex } from 'node:stream'
import { suite, test } from 'node:test'
import { connect, createSecureContext } from 'node:tls'
import { createEapTlsServer } from '../../../src/adapter/network/eap-tls.ts'
import type { EapTlsConversation } from '../../../src/role/authorization/eap-tls-port.ts'
import { access } from '../../interop/eap/supplicant.ts'

const pki = await access()
const lamp = await pki.device('lamp')
const { key, certificate } = pki.server
const server = createEapTlsServer({ key, certificateChain: [certificate.der] })

/** The octets of a TLS client that shows `pem`, flight by flight. */
function tlsClient(pem: { readonly certificate: string; readonly key: string }) {
  let written: Buffer[] = []
  const wire = new Duplex({
    read() {},
    write(chunk: Buffer, _encoding, done) {
      written.push(chunk)
      done()
    },
  })
  const secureContext = createSecureContext({ key: pem.key, cert: pem.certificate })
  const socket = connect({ socket: wire, secureContext, rejectUnauthorized: false })
  socket.on('error', () => {})
  return {
    async flight(): Promise<Buffer> {
      for (let turn = 0; turn < 20; turn++) await new Promise(resolve => setImmediate(resolve))
      const flight = Buffer.concat(written)
      written = []
      return flight
    },
    hear: (flight: Uint8Array) => wire.push(flight),
    close: () => socket.destroy(),
  }
}

/** Up to the end, whatever became of it. */
async function finish(conversation: EapTlsConversation, client: ReturnType<typeof tlsClient>): Promise<string> {
  try {
    for (let n = 0; n < 6; n++) {
      const turn = await conversation.feed(await client.flight())
      if (turn.kind !== 'continue') return turn.kind
      client.hear(turn.flight)
    }
    return 'endless'
  } finally {
    client.close()
    conversation.close()
  }
}

async function hello(): Promise<Buffer> {
  const client = tlsClient(lamp.pem)
  const flight = await client.flight()
  client.close()
  return flight
}

const attacks: Readonly<Record<string, (conversation: EapTlsConversation) => Promise<unknown>>> = {
  'octets that are no TLS': conversation => conversation.feed(randomBytes(0x1_0000)),
  'a record that never ends': conversation => conversation.feed(Buffer.from('16030140', 'hex')),
  'a hello of another protocol': async conversation => {
    const flight = await hello()
    flight.fill(0, 9, 11)
    return conversation.feed(flight)
  },
  'a hello, twice': async conversation => {
    const flight = await hello()
    await conversation.feed(flight)
    return conversation.feed(flight)
  },
  'a hello, and octets that are no TLS': async conversation => {
    await conversation.feed(await hello())
    return conversation.feed(randomBytes(2000))
  },
  'an alert': conversation => conversation.feed(Buffer.from('15030300020228', 'hex')),
  'words after the end': async conversation => {
    conversation.close()
    return conversation.feed(await hello())
  },
}

suite('EAP-TLS over memory', () => {
  for (const [what, attack] of Object.entries(attacks)) {
    test(`${what}: nobody is proven, and the handshakes beside it and after it succeed`, async () => {
      const [beside, attacked] = [server.open(), server.open()]
      const client = tlsClient(lamp.pem)
      const first = await beside.feed(await client.flight())
      assert.equal(first.kind, 'continue')
      const turn = (await attack(attacked)) as { readonly kind: string }
      assert.notEqual(turn.kind, 'proven')
      if (first.kind === 'continue') client.hear(first.flight)
      assert.equal(await finish(beside, client), 'proven')
      attacked.close()
      assert.equal(await finish(server.open(), tlsClient(lamp.pem)), 'proven')
    })
  }

  test('conversations that are left alone hold nothing once they are closed', async () => {
    const flight = await hello()
    let gone = 0
    const registry = new FinalizationRegistry<undefined>(() => gone++)
    for (let n = 0; n < 200; n++) {
      const conversation = server.open()
      registry.register(conversation, undefined)
      await conversation.feed(flight)
      conversation.close()
    }
    const { setFlagsFromString } = await import('node:v8')
    const { runInNewContext } = await import('node:vm')
    setFlagsFromString('--expose-gc')
    const collect = runInNewContext('gc') as () => void
    for (let n = 0; n < 50 && gone < 190; n++) {
      collect()
      await new Promise(resolve => setImmediate(resolve))
    }
    assert.ok(gone >= 190, `${gone} of 200`)
  })
})
