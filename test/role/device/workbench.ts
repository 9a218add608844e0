import { randomBytes } from 'node:crypto'
import { type Certificate, decodeCertificate } from '../../../src/codec/x509/certificate.ts'
import type { KeyStore } from '../../../src/crypto/signer.ts'
import type { Endpoint, Log } from '../../../src/domain/port.ts'
import type { Progress } from '../../../src/protocol/brski/pledge.ts'
import type { HttpReply, HttpRequest } from '../../../src/protocol/http.ts'
import { openPledge, type PledgeOptions } from '../../../src/role/device/pledge.ts'
import type { PledgeTransport, Sleep } from '../../../src/role/device/port.ts'
import { type Made, start } from './world.ts'

export const quiet: Log = { info: () => {}, warn: () => {}, error: () => {} }

/** Time that moves only when somebody sleeps. */
export class VirtualTime {
  now = start
  readonly slept: number[] = []
  readonly clock = (): number => this.now
  readonly sleep: Sleep = async milliseconds => {
    this.slept.push(milliseconds)
    this.now += milliseconds
  }
}

/** Something that listens at an origin. */
export interface Listener {
  readonly chain: readonly Uint8Array[]
  handle(request: HttpRequest, client: Certificate | undefined): Promise<HttpReply>
}

/**
 * TLS without sockets: the client must hold the key of the certificate that it shows, which is all that a handshake
 * proves; the server may show any chain whatsoever.
 */
export function wire(listeners: ReadonlyMap<string, Listener>, keys: KeyStore): PledgeTransport {
  return {
    async connect({ origin, certificates, keyLabel }) {
      const listener = listeners.get(origin)
      if (listener === undefined) throw new Error('connection refused')
      const [first] = certificates
      const client = first === undefined ? undefined : decodeCertificate(first)
      const signer = await keys.open(keyLabel)
      if (client !== undefined && !signer?.spkiDer.equals(client.spkiDer)) throw new Error('handshake failed')
      let open = true
      return {
        serverCertificates: listener.chain,
        async request(request) {
          if (!open) throw new Error('connection closed')
          return listener.handle(request, client)
        },
        close() {
          open = false
        },
      }
    },
  }
}

/** An endpoint of ours as something that listens. */
export function listenerOf(endpoint: Endpoint, chain: readonly Uint8Array[]): Listener {
  return {
    chain,
    async handle({ method, path, headers, body = new Uint8Array() }, client) {
      const certificates = client === undefined ? [] : [client.der]
      const peer = {
        address: 'wire',
        certificates,
        localCertificate: chain[0]!,
        connection: '1',
        channelBinding: () => undefined,
      }
      const answer = await endpoint.handle({ method, path, headers, body, peer })
      const { status = 404, headers: fields = {}, body: content = '' } = answer ?? {}
      return { status, headers: fields, body: typeof content === 'string' ? Buffer.from(content) : content }
    },
  }
}

export type BenchOptions = Partial<PledgeOptions> & { readonly time?: VirtualTime }

/** A device on the bench. */
export function onBench(made: Made, listeners: ReadonlyMap<string, Listener>, options: BenchOptions = {}) {
  const { time = new VirtualTime(), ...others } = options
  return openPledge({
    model: made.model,
    keys: made.keys,
    store: made.store,
    transport: wire(listeners, others.keys ?? made.keys),
    clock: time.clock,
    random: length => randomBytes(length),
    sleep: time.sleep,
    log: quiet,
    ...others,
  })
}

/** What it goes through, up to `most` messages or until `enough`. */
export async function watch(
  progress: AsyncGenerator<Progress, void, void>,
  enough: (news: Progress) => boolean = () => false,
  most = 400,
): Promise<Progress[]> {
  const all: Progress[] = []
  for await (const news of progress) {
    all.push(news)
    if (enough(news) || all.length >= most) break
  }
  return all
}

export function rungsOf(progress: readonly Progress[]): string[] {
  return progress.flatMap(news => (news.type === 'climbed' ? [news.rung] : []))
}

export function refusalsOf(progress: readonly Progress[]): string[] {
  return progress.flatMap(news => (news.type === 'refused' ? [news.code] : []))
}
