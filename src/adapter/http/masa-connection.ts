import { X509Certificate } from 'node:crypto'
import type { LookupAddress } from 'node:dns'
import { Agent, type AgentOptions } from 'node:https'
import { isIP, type LookupFunction } from 'node:net'
import type { Duplex } from 'node:stream'
import { connect, createSecureContext, type SecureContext, type TLSSocket } from 'node:tls'
import { CodecError } from '../../codec/error.ts'
import { extendedKeyUsageOid } from '../../codec/x509/extension.ts'
import { certificateOf } from '../../crypto/certificate-cache.ts'
import { PathError, validatePath } from '../../crypto/path.ts'
import type { TrustAnchor } from '../../crypto/trust.ts'
import { OnboardingError } from '../../domain/error.ts'
import type { Clock } from '../../domain/port.ts'
import { permittedAddresses, type Resolve } from './address-guard.ts'
import { peerChain, secureContextOptions, type TlsCredential } from './tls-profile.ts'

/** Whom a connection may lead to. Connections are shared only by requests with the same terms. */
export interface MasaTerms {
  /** Equal for equal terms. */
  readonly key: string
  readonly anchors: readonly TrustAnchor[]
  readonly allowNearby: boolean
}

export interface MasaAgentOptions extends Pick<AgentOptions, 'timeout'> {
  readonly credential?: TlsCredential | undefined
  readonly clock: Clock
  readonly resolve: Resolve
  /** Milliseconds for name, TCP and TLS together. */
  readonly connectTime: number
}

interface Destination {
  readonly host: string
  readonly port: number
  readonly terms: MasaTerms
}

type Opened = (error: Error | null, socket?: Duplex) => void

/** Hands a connection to a request only when its server is who it has to be, so that nobody else sees a voucher request. */
export class MasaAgent extends Agent {
  readonly #given: MasaAgentOptions
  #context: SecureContext
  #generation = 0

  constructor(options: MasaAgentOptions) {
    super({ keepAlive: true, maxFreeSockets: 8, timeout: options.timeout })
    this.#given = options
    this.#context = createSecureContext(secureContextOptions(options.credential))
  }

  /** For connections from now on; requests from now on do not use the old ones. */
  setCredential(credential: TlsCredential): void {
    this.#context = createSecureContext(secureContextOptions(credential))
    this.#generation++
  }

  override getName(options?: object): string {
    const { host, port, terms } = options as Destination
    return `${host}:${port}:${terms.key}:${this.#generation}`
  }

  override createConnection(options: object, opened: Opened): undefined {
    const { host, port, terms } = options as Destination
    this.#open({ host, port: Number(port), terms }).then(
      socket => opened(null, socket),
      error => opened(error),
    )
  }

  async #open({ host, port, terms }: Destination): Promise<TLSSocket> {
    const { connectTime, clock } = this.#given
    const timeout = AbortSignal.timeout(connectTime)
    const addresses = await unlessAborted(timeout, this.#addresses(host, terms))
    const socket = await handshake({ host, port, addresses, secureContext: this.#context, signal: timeout })
    try {
      verifyServer(socket, host, terms.anchors, new Date(clock()))
    } catch (error) {
      socket.destroy()
      throw error
    }
    return socket
  }

  async #addresses(host: string, { allowNearby }: MasaTerms): Promise<readonly LookupAddress[]> {
    const addresses = await permittedAddresses(host, allowNearby, this.#given.resolve).catch(error => {
      throw unreachable(host, error)
    })
    if (addresses.length === 0) throw new OnboardingError('masa-address-refused', { host })
    return addresses
  }
}

async function unlessAborted<T>(signal: AbortSignal, work: Promise<T>): Promise<T> {
  return Promise.race([
    work,
    new Promise<never>((_, reject) => signal.addEventListener('abort', () => reject(signal.reason), { once: true })),
  ])
}

interface Handshake {
  readonly host: string
  readonly port: number
  readonly addresses: readonly LookupAddress[]
  readonly secureContext: SecureContext
  readonly signal: AbortSignal
}

function handshake({ host, port, addresses, secureContext, signal }: Handshake): Promise<TLSSocket> {
  return new Promise((resolve, reject) => {
    const socket = connect({
      host,
      port,
      secureContext,
      // Only addresses that were checked; the name is not asked for again.
      lookup: lookupAmong(addresses),
      // RFC 8995 section 5.4 with RFC 9525: the name in SNI, and an address in none (RFC 6066 section 3).
      servername: isIP(host) === 0 ? withoutRootDot(host) : '',
      ALPNProtocols: ['http/1.1'],
      // Judged by verifyServer, before anything is sent.
      rejectUnauthorized: false,
    })
    // The request follows right on the handshake's last octets.
    socket.setNoDelay(true)
    const fail = (error: unknown) => {
      signal.removeEventListener('abort', abort)
      socket.destroy()
      reject(error instanceof OnboardingError ? error : unreachable(host, error))
    }
    const abort = () => fail(signal.reason)
    signal.addEventListener('abort', abort, { once: true })
    socket.once('error', fail)
    socket.once('secureConnect', () => {
      signal.removeEventListener('abort', abort)
      socket.off('error', fail)
      resolve(socket)
    })
  })
}

function lookupAmong(addresses: readonly LookupAddress[]): LookupFunction {
  return (_, { all }, found) => {
    const first = addresses[0]!
    if (all) found(null, [...addresses])
    else found(null, first.address, first.family)
  }
}

/** Throws OnboardingError `masa-untrusted`, with the detail `rule`. */
function verifyServer(socket: TLSSocket, host: string, anchors: readonly TrustAnchor[], at: Date): void {
  const refuse = (rule: string, cause?: unknown) => new OnboardingError('masa-untrusted', { host, rule }, { cause })
  const chain = peerChain(socket)
  const leaf = chain[0]
  if (leaf === undefined) throw refuse('no-certificate')
  try {
    const purpose = [extendedKeyUsageOid.serverAuth]
    validatePath({ chain: chain.map(certificateOf), anchors, at, purpose })
  } catch (error) {
    if (error instanceof PathError) throw refuse(error.code, error)
    if (error instanceof CodecError) throw refuse('malformed', error)
    throw error
  }
  if (!isFor(leaf, host)) throw refuse('host-name')
}

/** RFC 9525 section 6: by subjectAltName alone, a wildcard only as a whole left-most label. */
function isFor(leaf: Uint8Array, host: string): boolean {
  const certificate = new X509Certificate(leaf)
  if (isIP(host) !== 0) return certificate.checkIP(host) !== undefined
  const options = { subject: 'never', partialWildcards: false } as const
  return certificate.checkHost(withoutRootDot(host), options) !== undefined
}

const withoutRootDot = (host: string) => host.replace(/\.$/, '')

/** As a person may read it: which host, and the code of the system or of OpenSSL. */
export function unreachable(host: string, cause: unknown): OnboardingError {
  const { code, name } = cause as { readonly code?: unknown; readonly name?: string }
  const reason = name === 'TimeoutError' || name === 'AbortError' ? 'timeout' : typeof code === 'string' ? code : 'lost'
  return new OnboardingError('masa-unreachable', { host, reason }, { cause })
}
