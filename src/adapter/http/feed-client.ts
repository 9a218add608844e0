import { hash } from 'node:crypto'
import { request as httpsRequest, type RequestOptions } from 'node:https'
import { decodeBase64 } from '../../codec/base64.ts'
import { certificateOf } from '../../crypto/certificate-cache.ts'
import { type ErrorCode, OnboardingError } from '../../domain/error.ts'
import type { Clock, FeedAnswer, FeedClient, FeedServer } from '../../domain/port.ts'
import { type Resolve, resolveHost } from './address-guard.ts'
import { collect, type Received } from './masa-client.ts'
import { MasaAgent, type MasaTerms, unreachable } from './masa-connection.ts'
import type { TlsCredential } from './tls-profile.ts'

export interface FeedClientOptions {
  /** With the root at the end of its chain: the manufacturer knows a buyer by its root. */
  readonly credential?: TlsCredential | undefined
  readonly clock?: Clock
  readonly resolve?: Resolve
  /** Milliseconds. */
  readonly connectTime?: number
  /** For an answer without its body. */
  readonly answerTime?: number
}

export interface HttpsFeedClient extends FeedClient {
  setCredential(credential: TlsCredential): void
  close(): void
}

/** Octets per millisecond that a server has to reach, so that a file of 50 MB has some seven minutes and no more. */
const slowest = 128

/**
 * The feed over HTTPS, by the rules of the way to a MASA: a path to the anchors of the other party, the name that was asked
 * for, no address of ours unless the operator said so, bounded size and time, and no redirect.
 */
export function createFeedClient(options: FeedClientOptions = {}): HttpsFeedClient {
  const { connectTime = 5000, answerTime = 15_000 } = options
  const agent = new MasaAgent({
    credential: options.credential,
    clock: options.clock ?? Date.now,
    resolve: options.resolve ?? resolveHost,
    connectTime,
    timeout: 30_000,
  })
  const ask = async ({ url, server, limit, ...rest }: Asked): Promise<Received> => {
    const target = targetOf(url)
    const signal = AbortSignal.timeout(connectTime + answerTime + Math.ceil(limit / slowest))
    try {
      return await send({ agent, target, terms: termsOf(server), signal, limit, ...rest })
    } catch (error) {
      throw feedFailure(target.hostname, error)
    }
  }
  return {
    async get({ url, server, etag, limit }) {
      const headers = etag === undefined ? {} : { 'If-None-Match': etag }
      const { status, headers: answered, body } = await ask({ url, server, limit, method: 'GET', headers })
      if (status === 304 && etag !== undefined) return undefined
      if (status !== 200) throw refusal(status, body)
      const found = answered.etag
      return { body, ...(typeof found === 'string' && found.length <= 100 ? { etag: found } : {}) } satisfies FeedAnswer
    },
    async post({ url, server, body, contentType }) {
      const headers = { 'Content-Type': contentType, 'Content-Length': body.length }
      const answer = await ask({ url, server, limit: 0x2000, method: 'POST', headers, body })
      if (answer.status < 200 || answer.status > 299) throw refusal(answer.status, answer.body)
    },
    setCredential: credential => agent.setCredential(credential),
    close: () => agent.destroy(),
  }
}

interface Asked {
  readonly url: string
  readonly server: FeedServer
  readonly limit: number
  readonly method: 'GET' | 'POST'
  readonly headers: Readonly<Record<string, string | number>>
  readonly body?: Uint8Array
}

function targetOf(text: string): URL {
  const url = URL.parse(text)
  if (url === null || url.protocol !== 'https:' || url.hostname === '' || url.username + url.password !== '') {
    throw new OnboardingError('feed-address-refused', { url: text.slice(0, 200) })
  }
  return url
}

function termsOf({ name, anchors, privateAddress }: FeedServer): MasaTerms {
  return {
    key: hash('sha256', JSON.stringify([privateAddress, anchors])),
    anchors: anchors.map(der => ({ name, certificate: certificateOf(decodeBase64(der)) })),
    allowNearby: privateAddress,
  }
}

interface Sending extends Pick<Asked, 'limit' | 'method' | 'headers' | 'body'> {
  readonly agent: MasaAgent
  readonly target: URL
  readonly terms: MasaTerms
  readonly signal: AbortSignal
}

function send({ agent, target, terms, signal, limit, method, headers, body }: Sending): Promise<Received> {
  return new Promise((resolve, reject) => {
    const options: RequestOptions & { readonly terms: MasaTerms } = {
      agent,
      terms,
      method,
      headers,
      signal,
      maxHeaderSize: 0x2000,
    }
    const outgoing = httpsRequest(target, options)
    outgoing.on('error', reject)
    outgoing.on('response', incoming => {
      collect(incoming, limit).then(resolve, error => {
        outgoing.destroy()
        reject(error)
      })
    })
    outgoing.end(body)
  })
}

/** What the other party says in its own words; it is shown to people and decides nothing. */
function refusal(status: number, body: Uint8Array): OnboardingError {
  const reason = Buffer.from(body.subarray(0, 200))
    .toString('utf8')
    .replace(/[^\x20-\x7e]/g, ' ')
  const code = status === 429 || status >= 500 ? 'feed-unreachable' : 'feed-refused'
  return new OnboardingError(code, { status, reason })
}

const codes: Readonly<Partial<Record<ErrorCode, ErrorCode>>> = {
  'masa-unreachable': 'feed-unreachable',
  'masa-untrusted': 'feed-untrusted',
  'masa-address-refused': 'feed-address-refused',
  'masa-answer-invalid': 'feed-answer-invalid',
}

function feedFailure(host: string, error: unknown): OnboardingError {
  const { code } = error as { readonly code?: unknown }
  if (!(error instanceof OnboardingError) && String(code).startsWith('HPE_')) {
    return new OnboardingError('feed-answer-invalid', { host, rule: 'http' }, { cause: error })
  }
  const known = error instanceof OnboardingError ? error : unreachable(host, error)
  return new OnboardingError(codes[known.code] ?? known.code, known.detail, { cause: error })
}
