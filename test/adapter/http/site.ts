import { once } from 'node:events'
import { connect as connectTcp, type Socket } from 'node:net'
import type { TestContext } from 'node:test'
import { type ConnectionOptions, connect, createSecureContext, type TLSSocket } from 'node:tls'
import type { HttpLimits } from '../../../src/adapter/http/limit.ts'
import { listenTls, type TlsListener } from '../../../src/adapter/http/tls-endpoint.ts'
import type { TlsCredential } from '../../../src/adapter/http/tls-profile.ts'
import { encodePem } from '../../../src/codec/pem.ts'
import { extensionKinds, makeExtension } from '../../../src/codec/x509/extension.ts'
import { hostName } from '../../../src/codec/x509/host-name.ts'
import { generateKey } from '../../../src/crypto/key.ts'
import { keySigner } from '../../../src/crypto/signer.ts'
import type { Endpoint, EndpointReply, EndpointRequest, Log } from '../../../src/domain/port.ts'
import { type Certified, certify, type Entity } from '../../crypto/pki.ts'

/** A CA with one below it. */
export interface Hierarchy {
  readonly root: Entity
  readonly issuing: Entity
}

export async function hierarchy(name: string): Promise<Hierarchy> {
  const root = await certify({ subject: `${name} root`, ca: true })
  return { root, issuing: await certify({ subject: `${name} issuing`, issuer: root, ca: 0 }) }
}

/** A key and a chain of two: end entity and issuing CA. */
export async function credential(
  { issuing }: Hierarchy,
  wanted: Omit<Certified, 'issuer' | 'signer'>,
): Promise<TlsCredential> {
  const key = generateKey('P-256')
  const { certificate } = await certify({ ...wanted, issuer: issuing, signer: keySigner(key) })
  return { key, certificateChain: [certificate.der, issuing.certificate.der] }
}

export const altNames = (...hosts: readonly string[]) =>
  makeExtension(extensionKinds.subjectAltName, hosts.map(hostName))

export const manufacturer = await hierarchy('manufacturer')
export const domain = await hierarchy('domain')
export const idevid = await credential(manufacturer, { subject: { serialNumber: 'JADA1' } })
export const registrar = await credential(domain, {
  subject: 'registrar',
  extensions: [altNames('localhost', '127.0.0.1')],
})

/** What was logged, in order. */
export function recordingLog(): Log & {
  readonly lines: { level: string; facts: Record<string, unknown>; text: string }[]
} {
  const lines: { level: string; facts: Record<string, unknown>; text: string }[] = []
  const at = (level: string) => (facts: Readonly<Record<string, unknown>>, text: string) => {
    lines.push({ level, facts: { ...facts }, text })
  }
  return { lines, info: at('info'), warn: at('warn'), error: at('error') }
}

export type Handler = (request: EndpointRequest) => EndpointReply | undefined | Promise<EndpointReply | undefined>

export function endpoint(handler: Handler): Endpoint {
  return { handle: async request => handler(request) }
}

/** Tells what it got. */
export const echo: Endpoint = {
  handle: async ({ method, path, body, headers }) =>
    path === '/echo'
      ? {
          status: 200,
          headers: { 'Content-Type': 'application/json' },
          body: JSON.stringify({ method, headers, body: Buffer.from(body).toString('latin1') }),
        }
      : undefined,
  methods: path => (path === '/echo' ? ['GET', 'POST'] : undefined),
}

/** A listener that is closed when the test ends. */
export async function site(
  t: TestContext,
  {
    endpoints = [echo],
    limits = {},
    log = recordingLog(),
  }: Partial<{ endpoints: readonly Endpoint[]; limits: Partial<HttpLimits>; log: Log }> = {},
): Promise<TlsListener> {
  const listener = await listenTls({
    host: '127.0.0.1',
    port: 0,
    endpoints,
    log,
    ...registrar,
    limits: { drainTime: 0, ...limits },
  })
  t.after(() => listener.close())
  return listener
}

export function pems({ key, certificateChain }: TlsCredential): { readonly key: string; readonly cert: string } {
  return {
    key: typeof key === 'string' ? key : key.export({ type: 'pkcs8', format: 'pem' }).toString(),
    cert: certificateChain.map(der => encodePem('CERTIFICATE', der)).join(''),
  }
}

/** A TLS client of node's own, as bare as it can be. Destroyed when the test ends. */
export async function dial(
  t: TestContext,
  port: number,
  { credential: as, ...options }: ConnectionOptions & { readonly credential?: TlsCredential } = {},
): Promise<TLSSocket> {
  const secureContext = createSecureContext({ ...(as && pems(as)), ...options })
  const socket = connect({ host: '127.0.0.1', port, rejectUnauthorized: false, secureContext, ...options })
  t.after(() => socket.destroy())
  await once(socket, 'secureConnect')
  return socket
}

export async function dialPlain(t: TestContext, port: number): Promise<Socket> {
  const socket = connectTcp({ host: '127.0.0.1', port })
  t.after(() => socket.destroy())
  await once(socket, 'connect')
  return socket
}

/** All that the peer says until it closes, however it closes. */
export async function untilClosed(socket: Socket): Promise<string> {
  let text = ''
  socket.on('data', chunk => {
    text += chunk.toString('latin1')
  })
  // A reset is one way of closing.
  socket.on('error', () => {})
  if (!socket.closed) await new Promise<void>(resolve => socket.once('close', () => resolve()))
  return text
}

/** The next whole answer with a Content-Length. */
export async function nextAnswer(socket: Socket): Promise<{ status: number; head: string; body: string }> {
  let text = ''
  for await (const [chunk] of onData(socket)) {
    text += chunk.toString('latin1')
    const end = text.indexOf('\r\n\r\n')
    if (end < 0) continue
    const head = text.slice(0, end)
    const length = Number(/content-length: (\d+)/i.exec(head)?.[1] ?? 0)
    if (text.length >= end + 4 + length) {
      return { status: Number(head.slice(9, 12)), head, body: text.slice(end + 4, end + 4 + length) }
    }
  }
  throw new Error(`closed after: ${text}`)
}

async function* onData(socket: Socket): AsyncGenerator<[Buffer]> {
  const waiting: Buffer[] = []
  let wake = () => {}
  let open = true
  const data = (chunk: Buffer) => {
    waiting.push(chunk)
    wake()
  }
  const close = () => {
    open = false
    wake()
  }
  socket.on('data', data).on('close', close)
  try {
    while (open || waiting.length > 0) {
      const chunk = waiting.shift()
      if (chunk !== undefined) yield [chunk]
      else
        await new Promise<void>(resolve => {
          wake = resolve
        })
    }
  } finally {
    socket.off('data', data).off('close', close)
  }
}

export function post(path: string, body: string, ...fields: readonly string[]): string {
  return [
    `POST ${path} HTTP/1.1`,
    'Host: registrar',
    `Content-Length: ${Buffer.byteLength(body)}`,
    ...fields,
    '',
    body,
  ].join('\r\n')
}

/** Lets nobody on until so many have come. */
export function barrier(count: number): { readonly arrive: () => Promise<void>; readonly complete: Promise<void> } {
  const { promise, resolve } = Promise.withResolvers<void>()
  let left = count
  const arrive = () => {
    if (--left === 0) resolve()
    return promise
  }
  return { arrive, complete: promise }
}
