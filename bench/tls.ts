/**
 * The door: server CPU for a connection by mutual TLS with one request, and for one request on a connection that stays,
 * beside node:tls doing no more than the handshake, or an answer to octets, in the same process between the same clients.
 */
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { createServer, type TLSSocket } from 'node:tls'
import { listenTls } from '../src/adapter/http/tls-endpoint.ts'
import { secureContextOptions, type TlsCredential } from '../src/adapter/http/tls-profile.ts'
import { encodePem } from '../src/codec/pem.ts'
import { decodeCertificate } from '../src/codec/x509/certificate.ts'
import { encodeName } from '../src/codec/x509/name.ts'
import { caExtensions, issueCertificate } from '../src/crypto/issue.ts'
import { generateKey } from '../src/crypto/key.ts'
import { keySigner } from '../src/crypto/signer.ts'
import type { EndpointRequest } from '../src/domain/port.ts'
import { floorOf, mandatory } from './floor.ts'
import { type Line, line, median } from './measure.ts'
import type { Task } from './tls-client.ts'

const bench = 'tls'
const rounds = 15
const answer = Buffer.alloc(1500, 8)

interface Place {
  readonly port: number
  close(): unknown
}

export async function* tlsSuite(): AsyncGenerator<Line, void, void> {
  const [server, device] = [await chainOfTwo('registrar'), await chainOfTwo('device')]
  const bare = await bareServer(server, socket => socket.end())
  const echo = await bareServer(server, answerOctets)
  const door = await openDoor(server, ({ peer }) => peer.certificate)
  const whole = await openDoor(server, ({ peer }) => [peer.certificates, peer.channelBinding()])
  const child = fork(new URL('./tls-client.ts', import.meta.url), [])
  try {
    for (const version of ['TLSv1.3', 'TLSv1.2'] as const) {
      const terms = { ...pems(device), version, concurrency: 4 }
      const connection = { ...terms, count: 150 }
      const request = { ...terms, count: 800 }
      const [floor, one, chain, octets, next] = await inTurns(child, [
        { ...connection, what: 'handshakes', port: bare.port },
        { ...connection, what: 'connections', port: door.port },
        { ...connection, what: 'connections', port: whole.port },
        { ...request, what: 'requests', port: echo.port },
        { ...request, what: 'requests', port: door.port },
      ])
      const keys = floorOf(mandatory.handshake, 300)
      const of = (metric: string, value: number, against: number) =>
        line(bench, `${version}, ${metric}`, { value, unit: 'us', floor: against })
      yield of('handshake of node:tls, beside its public-key operations', floor!, keys)
      yield of('connection with one POST, beside the handshake', one!, floor!)
      yield of('the same, asking for whole chain and channel binding', chain!, floor!)
      yield of('POST on a connection that stays, beside octets there and back', next!, octets!)
    }
  } finally {
    child.disconnect()
    for (const place of [bare, echo, door, whole]) await place.close()
  }
}

/** Server CPU of one of each, microseconds: the median over rounds in which they take turns. */
async function inTurns(child: ChildProcess, tasks: readonly Task[]): Promise<number[]> {
  const times: number[][] = tasks.map(() => [])
  for (let round = -3; round < rounds; round++) {
    for (const [which, task] of tasks.entries()) {
      const start = process.cpuUsage()
      child.send(task)
      const [outcome] = await once(child, 'message')
      if (outcome !== 'done') throw new Error(String(outcome))
      const { user, system } = process.cpuUsage(start)
      if (round >= 0) times[which]!.push((user + system) / task.count)
    }
  }
  return times.map(median)
}

async function bareServer(credential: TlsCredential, serve: (socket: TLSSocket) => void): Promise<Place> {
  const options = { ...secureContextOptions(credential), requestCert: true, rejectUnauthorized: false, noDelay: true }
  const server = createServer(options, socket => {
    socket.on('error', () => {})
    serve(socket)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return { port: (server.address() as AddressInfo).port, close: () => server.close() }
}

/** As little as can be said to be an answer: no request is looked at. */
function answerOctets(socket: TLSSocket): void {
  const octets = Buffer.concat([Buffer.from(`HTTP/1.1 200 OK\r\nContent-Length: ${answer.length}\r\n\r\n`), answer])
  socket.on('data', () => socket.write(octets))
}

function openDoor(credential: TlsCredential, look: (request: EndpointRequest) => unknown): Promise<Place> {
  const handle = async (request: EndpointRequest) => {
    look(request)
    return { status: 200, headers: { 'content-type': 'application/octet-stream' }, body: answer }
  }
  const log = { info() {}, warn() {}, error() {} }
  const limits = { requestsPerConnection: Number.POSITIVE_INFINITY, drainTime: 0 }
  return listenTls({ host: '127.0.0.1', port: 0, ...credential, endpoints: [{ handle }], log, limits })
}

/** End entity and issuing CA. */
async function chainOfTwo(name: string): Promise<TlsCredential> {
  const terms = { notBefore: new Date(0), notAfter: new Date('2100-01-01') }
  const root = keySigner(generateKey('P-256'))
  const issuer = {
    certificate: decodeCertificate(
      await issueCertificate({
        ...terms,
        subject: encodeName({ commonName: `${name} CA` }),
        spkiDer: root.spkiDer,
        issuer: { certificate: 'self', signer: root },
        extensions: caExtensions(),
      }),
    ),
    signer: root,
  }
  const key = generateKey('P-256')
  const { spkiDer } = keySigner(key)
  const leaf = await issueCertificate({
    ...terms,
    subject: encodeName({ commonName: name }),
    spkiDer,
    issuer,
    extensions: [],
  })
  return { key, certificateChain: [leaf, issuer.certificate.der] }
}

function pems({ key, certificateChain }: TlsCredential): Pick<Task, 'key' | 'cert'> {
  return {
    key: typeof key === 'string' ? key : key.export({ type: 'pkcs8', format: 'pem' }).toString(),
    cert: certificateChain.map(der => encodePem('CERTIFICATE', der)).join(''),
  }
}
