import { hash } from 'node:crypto'
import type { IncomingHttpHeaders, IncomingMessage } from 'node:http'
import { request as httpsRequest, type RequestOptions } from 'node:https'
import { decodeBase64 } from '../../codec/base64.ts'
import { certificateOf } from '../../crypto/certificate-cache.ts'
import { OnboardingError } from '../../domain/error.ts'
import { ownershipPath } from '../../domain/ownership-request.ts'
import type { Clock, MasaAnswer, MasaClient, MasaRequest, OwnershipClient } from '../../domain/port.ts'
import type { TrustedManufacturer } from '../../domain/site.ts'
import { type Resolve, resolveHost } from './address-guard.ts'
import { Gate } from './gate.ts'
import { MasaAgent, type MasaTerms, unreachable } from './masa-connection.ts'
import type { TlsCredential } from './tls-profile.ts'

/** Octets and milliseconds. */
export interface MasaLimits {
  /** For name, TCP and TLS together. */
  readonly connectTime: number
  /** For the answer to one request, redirects and all. Shorter than any endpoint's `stallTime`. */
  readonly totalTime: number
  /** Of an answer's body. */
  readonly body: number
  readonly header: number
  /** To one host, so that a slow manufacturer costs the others nothing. */
  readonly connectionsPerHost: number
  /** Of a connection without a request. */
  readonly idleTime: number
}

export const masaLimits: MasaLimits = {
  connectTime: 5000,
  totalTime: 15_000,
  body: 0x1_0000,
  header: 0x2000,
  connectionsPerHost: 16,
  idleTime: 30_000,
}

export interface MasaClientOptions {
  /** The registrar's; absent for MASAs that ask for no client certificate (RFC 8995 section 5.4). */
  readonly credential?: TlsCredential | undefined
  readonly clock?: Clock
  readonly limits?: Partial<MasaLimits>
  /** Names to addresses; the system's resolver when absent. */
  readonly resolve?: Resolve
}

export interface HttpsMasaClient extends MasaClient, OwnershipClient {
  setCredential(credential: TlsCredential): void
  /** Ends all connections. */
  close(): void
}

/**
 * BRSKI-MASA over HTTPS (RFC 8995 section 5.4). The server must have a path to the manufacturer's anchors and the name that
 * was asked for; it must not be at an address of ours unless the operator said so. Throws OnboardingError
 * `masa-unreachable`, `masa-untrusted`, `masa-address-refused`, `masa-answer-invalid`; any HTTP status is an answer.
 */
export function createMasaClient(options: MasaClientOptions = {}): HttpsMasaClient {
  const limits = { ...masaLimits, ...options.limits }
  const agent = new MasaAgent({
    credential: options.credential,
    clock: options.clock ?? Date.now,
    resolve: options.resolve ?? resolveHost,
    connectTime: limits.connectTime,
    timeout: limits.idleTime,
  })
  const gate = new Gate(limits.connectionsPerHost)
  const terms = termsRegister()
  // A manifest of many devices is longer than any voucher.
  const wide = { ...limits, body: Math.max(limits.body, 0x10_0000) }
  const ask = (operation: Operation, request: MasaRequest) => {
    const bounds = operation === 'ownership' ? wide : limits
    return follow({ agent, gate, limits: bounds, operation, request, terms: terms(request.manufacturer) })
  }
  return {
    requestVoucher: request => ask('requestvoucher', request),
    requestAuditLog: request => ask('requestauditlog', request),
    requestOwnership: request => ask('ownership', request),
    setCredential: credential => agent.setCredential(credential),
    close: () => agent.destroy(),
  }
}

function termsRegister(): (manufacturer: TrustedManufacturer) => MasaTerms {
  const known = new WeakMap<TrustedManufacturer, MasaTerms>()
  return manufacturer => {
    let terms = known.get(manufacturer)
    if (terms === undefined) {
      const { name, masaAnchors, anchors, masaPrivateAddress: allowNearby } = manufacturer
      const trusted = masaAnchors.length > 0 ? masaAnchors : anchors
      terms = {
        key: hash('sha256', JSON.stringify([allowNearby, trusted])),
        anchors: trusted.map(der => ({ name, certificate: certificateOf(decodeBase64(der)) })),
        allowNearby,
      }
      known.set(manufacturer, terms)
    }
    return terms
  }
}

type Operation = 'requestvoucher' | 'requestauditlog' | 'ownership'

interface Inquiry {
  readonly agent: MasaAgent
  readonly gate: Gate
  readonly limits: MasaLimits
  readonly operation: Operation
  readonly request: MasaRequest
  readonly terms: MasaTerms
}

export interface Received extends MasaAnswer {
  readonly headers: IncomingHttpHeaders
}

const maxHops = 3

/** RFC 8995 section 5.6: at most one redirect to another origin. The new one is held to the same terms. */
async function follow(inquiry: Inquiry): Promise<MasaAnswer> {
  const { request, operation, limits } = inquiry
  const deadline = AbortSignal.timeout(limits.totalTime)
  let url =
    operation === 'ownership'
      ? target(ownershipPath, target(request.baseUrl))
      : target(`${request.baseUrl}/${operation}`)
  let method: 'GET' | 'POST' = 'POST'
  let origins = 1
  for (let hop = 0; ; hop++) {
    const { headers, ...answer } = await sendOnce(inquiry, url, method, deadline)
    const location = locationOf(operation, answer.status, headers)
    if (location === undefined) return answer
    const next = target(location, url)
    if (next.origin !== url.origin) origins++
    if (hop === maxHops || origins > 2) throw new OnboardingError('masa-answer-invalid', { rule: 'redirect' })
    // RFC 8995 section 5.8: the audit log is somewhere else, and already made.
    if (answer.status === 201) method = 'GET'
    url = next
  }
}

/** Throws `masa-address-refused`: only https, without credentials; an odd port is no sin. */
function target(text: string, base?: URL): URL {
  const url = URL.parse(text, base?.href)
  if (url === null || url.protocol !== 'https:' || url.hostname === '' || url.username + url.password !== '') {
    throw new OnboardingError('masa-address-refused', { url: text.slice(0, 200) })
  }
  return url
}

function locationOf(operation: Operation, status: number, headers: IncomingHttpHeaders): string | undefined {
  const made = operation === 'requestauditlog' && status === 201
  const moved = status === 301 || status === 302 || status === 307 || status === 308
  return made || moved ? headers.location : undefined
}

async function sendOnce(inquiry: Inquiry, url: URL, method: 'GET' | 'POST', signal: AbortSignal): Promise<Received> {
  const attempt = () => send(inquiry, url, method, signal)
  // The server closed a kept connection just as we used it. The request is the same, so asking again does no harm.
  const work = () =>
    attempt().catch(error => {
      if (error instanceof StaleConnection) return attempt()
      throw error
    })
  try {
    return await inquiry.gate.through(url.host, signal, work)
  } catch (error) {
    throw failure(url.hostname, error)
  }
}

class StaleConnection extends Error {
  override readonly name = 'StaleConnection'
}

function send({ agent, limits, request, terms }: Inquiry, url: URL, method: 'GET' | 'POST', signal: AbortSignal) {
  const { body, contentType, accept } = request
  const headers =
    method === 'POST'
      ? { Accept: accept, 'Content-Type': contentType, 'Content-Length': body.length }
      : { Accept: accept }
  return new Promise<Received>((resolve, reject) => {
    const options: RequestOptions & { readonly terms: MasaTerms } = {
      agent,
      terms,
      method,
      headers,
      signal,
      maxHeaderSize: limits.header,
    }
    const outgoing = httpsRequest(url, options)
    let answered = false
    outgoing.on('error', (error: NodeJS.ErrnoException) => {
      const stale = outgoing.reusedSocket && !answered && error.code === 'ECONNRESET'
      reject(stale ? new StaleConnection() : error)
    })
    outgoing.on('response', incoming => {
      answered = true
      collect(incoming, limits.body).then(resolve, error => {
        outgoing.destroy()
        reject(error)
      })
    })
    outgoing.end(method === 'POST' ? body : undefined)
  })
}

/** The whole answer, or OnboardingError `masa-answer-invalid`. */
export async function collect(incoming: IncomingMessage, limit: number): Promise<Received> {
  const { statusCode: status = 0, headers } = incoming
  const invalid = (rule: string) => new OnboardingError('masa-answer-invalid', { rule, status })
  if ((headers['content-encoding'] ?? 'identity') !== 'identity') throw invalid('content-encoding')
  if (Number(headers['content-length'] ?? 0) > limit) throw invalid('too-large')
  const chunks: Buffer[] = []
  let length = 0
  for await (const chunk of incoming as AsyncIterable<Buffer>) {
    length += chunk.length
    if (length > limit) throw invalid('too-large')
    chunks.push(chunk)
  }
  return { status, headers, contentType: headers['content-type'] ?? '', body: Buffer.concat(chunks) }
}

function failure(host: string, error: unknown): OnboardingError {
  if (error instanceof OnboardingError) return error
  const { code } = error as { readonly code?: unknown }
  if (String(code).startsWith('HPE_'))
    return new OnboardingError('masa-answer-invalid', { rule: 'http' }, { cause: error })
  return unreachable(host, error)
}
