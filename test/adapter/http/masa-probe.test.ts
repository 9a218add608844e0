import assert from 'node:assert/strict'
import { once } from 'node:events'
import { type AddressInfo, createServer } from 'node:net'
import { after, before, describe, test } from 'node:test'
import { probeMasa } from '../../../src/adapter/http/masa-probe.ts'
import { listenTls, type TlsListener } from '../../../src/adapter/http/tls-endpoint.ts'
import { encodeBase64 } from '../../../src/codec/base64.ts'
import { extendedKeyUsageOid } from '../../../src/codec/x509/extension.ts'
import { OnboardingError } from '../../../src/domain/error.ts'
import type { EndpointRequest } from '../../../src/domain/port.ts'
import { eku } from '../../crypto/pki.ts'
import { silentLog } from '../../store.ts'
import * as site from './site.ts'

const maker = await site.hierarchy('maker')
const stranger = await site.hierarchy('stranger')
const terms = { name: 'maker', anchors: [encodeBase64(maker.root.certificate.der)], masaAnchors: [] }
const nearby = { ...terms, masaPrivateAddress: true }

describe('asking whether a MASA answers', () => {
  const seen: EndpointRequest[] = []
  let listener: TlsListener

  before(async () => {
    const extensions = [site.altNames('127.0.0.1'), eku(extendedKeyUsageOid.serverAuth)]
    const credential = await site.credential(maker, { subject: 'masa', extensions })
    const endpoints = [
      {
        async handle(request: EndpointRequest) {
          seen.push(request)
          return undefined
        },
      },
    ]
    listener = await listenTls({ host: '127.0.0.1', port: 0, ...credential, endpoints, log: silentLog })
  })

  after(() => listener.close())

  const url = () => `https://127.0.0.1:${listener.port}/.well-known/brski`
  const code = (wanted: string) => (error: unknown) => error instanceof OnboardingError && error.code === wanted

  test('takes any answer, asks for nothing, and tells its time', async () => {
    const { status, date } = await probeMasa(url(), nearby, Date.now)
    assert.equal(status, 404)
    assert.ok(date === undefined || date > 0)
    for (const { body, method } of seen) assert.deepEqual([body.length, method], [0, 'GET'])
  })

  test('holds it to the trusted anchors, to the address rules and to its name', async () => {
    const others = { ...nearby, anchors: [encodeBase64(stranger.root.certificate.der)] }
    await assert.rejects(probeMasa(url(), others, Date.now), code('masa-untrusted'))
    await assert.rejects(
      probeMasa(url(), { ...terms, masaPrivateAddress: false }, Date.now),
      code('masa-address-refused'),
    )
    await assert.rejects(probeMasa(url().replace('127.0.0.1', 'localhost'), nearby, Date.now), code('masa-untrusted'))
  })

  test('says that nobody answers, and that somebody answers otherwise', async () => {
    const server = createServer(socket => socket.resume().end('HTTP/1.1 200 OK\r\n\r\n'))
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    const { port } = server.address() as AddressInfo
    await assert.rejects(probeMasa(`https://127.0.0.1:${port}`, nearby, Date.now), code('masa-unreachable'))
    server.close()
    await once(server, 'close')
    await assert.rejects(probeMasa(`https://127.0.0.1:${port}`, nearby, Date.now), code('masa-unreachable'))
  })
})
