import { randomBytes } from 'node:crypto'
import { createSocket } from 'node:dgram'
import { createEapTlsServer } from '../../../src/adapter/network/eap-tls.ts'
import { listenRadius, type RadiusLimits } from '../../../src/adapter/network/radius-listener.ts'
import { radiusCode } from '../../../src/codec/radius.ts'
import { Secret } from '../../../src/crypto/secret.ts'
import {
  type AccessFailure,
  type AccessRequest,
  type AccessServerOptions,
  createAccessServer,
} from '../../../src/role/authorization/access-server.ts'
import type { access } from '../../interop/eap/supplicant.ts'

export const sharedSecret = 'testing123'

/** An embedded access server on loopback, and what it noticed. */
export async function accessServer(
  { server }: Awaited<ReturnType<typeof access>>,
  more: Partial<AccessServerOptions> & { readonly radius?: Partial<RadiusLimits> } = {},
) {
  const requests: AccessRequest[] = []
  const failures: AccessFailure[] = []
  const complaints: unknown[] = []
  const secret = new Secret(sharedSecret)
  const log = {
    info: () => {},
    warn: (fact: unknown) => complaints.push(fact),
    error: (fact: unknown) => complaints.push(fact),
  }
  const service = createAccessServer({
    tls: createEapTlsServer({ key: server.key, certificateChain: [server.certificate.der] }),
    clock: Date.now,
    random: randomBytes,
    log,
    failed: failure => failures.push(failure),
    decide: async () => ({ verdict: 'accept', attributes: [] }),
    ...more,
  })
  const listener = await listenRadius({
    host: '127.0.0.1',
    port: 0,
    log,
    service: request => service(request),
    codes: [radiusCode.accessRequest],
    client: address => (address === '127.0.0.1' ? { id: 'gw1', secret } : undefined),
    limits: more.radius ?? {},
  })
  return { ...listener, service, requests, failures, complaints, secret }
}

/** Sends datagrams from one port and collects what comes back. */
export async function client(port: number) {
  const socket = createSocket('udp4')
  const answers: Buffer[] = []
  const waiting: (() => void)[] = []
  socket.on('message', datagram => {
    answers.push(datagram)
    for (const wake of waiting.splice(0)) wake()
  })
  await new Promise<void>(resolve => socket.bind(0, '127.0.0.1', resolve))
  return {
    answers,
    send: (datagram: Uint8Array) =>
      new Promise<void>(resolve => socket.send(datagram, port, '127.0.0.1', () => resolve())),
    async answer(): Promise<Buffer> {
      while (answers.length === 0) await new Promise<void>(resolve => waiting.push(resolve))
      return answers.shift()!
    },
    close: () => socket.close(),
  }
}
