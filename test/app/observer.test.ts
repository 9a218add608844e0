import assert from 'node:assert/strict'
import { once } from 'node:events'
import { request } from 'node:https'
import { createServer, connect as dial, type Socket } from 'node:net'
import { after, before, describe, it } from 'node:test'
import { buildStage, type Stage } from '../../src/app/demo/stage.ts'
import { occursIn } from '../../src/app/playbook/secret-search.ts'
import { brskiPath } from '../../src/protocol/brski/endpoint.ts'
import { presencePath } from '../../src/role/onboarding/presence.ts'
import { watch } from '../role/device/workbench.ts'
import { silentLog } from '../store.ts'

/** What somebody without any credential learns of who has which devices (white paper section 6.4.20). */
describe('an observer without a credential', () => {
  const owner = 'family-jensen'
  const network = 'jensen-at-home'
  const serial = 'K26-000001'
  let stage: Stage
  let secrets: readonly (readonly [string, Buffer])[]
  before(async () => {
    const terms = { owner, network, units: 2, unlisted: [], foreign: [], log: silentLog }
    stage = await buildStage(terms, () => {})
    const maker = stage.makers.find(({ model }) => model.mudUrl !== undefined)
    const { name, mudUrl } = maker!.model
    secrets = Object.entries({ owner, serial, model: name, 'MUD URL': mudUrl! }).map(
      ([what, text]) => [what, Buffer.from(text)] as const,
    )
  })
  after(() => stage.close())

  const nothingIn = (bytes: Buffer, more: readonly (readonly [string, Buffer])[] = []) => {
    for (const [what, text] of [...secrets, ...more]) assert.ok(!occursIn(bytes, text), `it shows the ${what}`)
  }

  it('who listens to an onboarding reads neither device type nor owner, nor the name of the network [WP-M6.11]', async () => {
    const heard: Buffer[] = []
    const sockets: Socket[] = []
    const wire = createServer(near => {
      const far = dial(stage.site.port, '127.0.0.1')
      sockets.push(near, far)
      for (const [from, to] of [
        [near, far],
        [far, near],
      ] as const) {
        from.on('data', (data: Buffer) => heard.push(data))
        from.on('error', () => to.destroy())
        from.pipe(to)
      }
    })
    wire.listen(0, '127.0.0.1')
    await once(wire, 'listening')
    try {
      const { port } = wire.address() as { readonly port: number }
      const pledge = await stage.pledge(serial)
      await watch(pledge.onboard([`https://127.0.0.1:${port}`]))
      assert.equal(pledge.status().state, 'connected')
      assert.ok(heard.length > 10)
      nothingIn(Buffer.concat(heard), [['network', Buffer.from(network)]])
    } finally {
      for (const socket of sockets) socket.destroy()
      wire.close()
    }
  })

  it('who asks whatever can be asked without one is told nothing of a device or an owner [WP-M6.11]', async () => {
    const ask = async (method: 'GET' | 'POST', path: string, body = '') => {
      const sent = request({
        host: '127.0.0.1',
        port: stage.site.port,
        path,
        method,
        rejectUnauthorized: false,
        agent: false,
      })
      sent.setHeader('content-type', 'application/json')
      sent.end(body)
      const [reply] = (await once(sent, 'response')) as [import('node:http').IncomingMessage]
      const parts: Buffer[] = []
      for await (const part of reply) parts.push(part as Buffer)
      const headers = Buffer.from(reply.rawHeaders.join('\n'))
      const certificate = (reply.socket as import('node:tls').TLSSocket).getPeerCertificate(true)
      return { status: reply.statusCode, all: Buffer.concat([...parts, headers, certificate.raw]) }
    }
    const claim = JSON.stringify({ 'ietf-voucher-request:voucher': { 'serial-number': 'X' } })
    const paths = [
      ...Object.values(brskiPath),
      ...['cacerts', 'csrattrs', 'simpleenroll', 'simplereenroll'].map(name => `/.well-known/est/${name}`),
      ...[presencePath, '/crl/issuing-1.crl', '/', '/.well-known/core', '/v1/devices', '/scim/v2/Devices'],
    ]
    const seen: number[] = []
    for (const path of paths) {
      for (const method of ['GET', 'POST'] as const) {
        const { status, all } = await ask(method, path, method === 'POST' ? claim : '')
        seen.push(status ?? 0)
        nothingIn(all)
      }
    }
    assert.ok(seen.includes(200) && seen.some(status => status === 401 || status === 403), seen.join())
  })
})
