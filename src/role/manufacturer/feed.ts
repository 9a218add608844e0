import { hash } from 'node:crypto'
import { encodeCanonicalJson } from '../../codec/json.ts'
import { extendedKeyUsageOid } from '../../codec/x509/extension.ts'
import { certificateOf } from '../../crypto/certificate-cache.ts'
import { PathError, validatePath } from '../../crypto/path.ts'
import { refusalReply } from '../../domain/endpoint.ts'
import { OnboardingError } from '../../domain/error.ts'
import { requestFailure, withCodes } from '../../domain/failure.ts'
import type { FeedBuyer } from '../../domain/feed.ts'
import type { PublicationRecord } from '../../domain/manufacture.ts'
import type { Clock, Endpoint, EndpointReply, EndpointRequest, Log, Peer, Store, Tables } from '../../domain/port.ts'
import { createRateLimit } from '../../domain/rate-limit.ts'
import { type FeedList, feedLimits, feedPath } from '../supply-chain/feed-message.ts'

/** Requests of one buyer: a list, and a file for each purchase. */
const perMinute = 240

/** A look at the record costs a commit; once an hour tells enough. */
const remembered = 3_600_000

export interface FeedOptions {
  readonly store: Store
  readonly clock: Clock
  readonly log: Log
  /** The manufacturer's own name. */
  readonly manufacturer: string
}

/** Serves each buyer what was published for it, and for all. Nobody learns of another's purchases. */
export function createFeed(options: FeedOptions): Endpoint {
  const { log, clock } = options
  const limit = createRateLimit({ perMinute, clock })
  const proven = new WeakMap<Peer, ProvenRoot>()
  return {
    methods: path => (placeIn(path) === undefined ? undefined : ['GET']),
    async handle(request) {
      const way = request.method === 'GET' ? placeIn(request.path) : undefined
      if (way === undefined) return undefined
      try {
        const root = proven.get(request.peer) ?? proveRoot(request.peer, new Date(clock()))
        proven.set(request.peer, root)
        limit(root.id)
        const buyer = await knownBuyer(options, root)
        return await (way.what === 'after' ? list(options, buyer, way.id, request) : file(options, buyer, way.id))
      } catch (error) {
        if (!(error instanceof OnboardingError)) throw error
        log.info({ code: error.code, ...error.detail, address: request.peer.address }, 'feed refused')
        return refusalReply(error)
      }
    },
  }
}

function placeIn(path: string): { readonly what: 'after' | 'file'; readonly id: string } | undefined {
  if (!path.startsWith(`${feedPath}/`)) return undefined
  const found = /^(after|file)\/(\d{12})$/.exec(path.slice(feedPath.length + 1))
  if (found === null) return undefined
  return { what: found[1] as 'after' | 'file', id: found[2]! }
}

interface ProvenRoot {
  /** SHA-256 of its SubjectPublicKeyInfo, hex. */
  readonly id: string
  readonly der: Uint8Array
}

/**
 * The root that the caller's chain ends in, of whomever. It counts for nothing until it is that of a buyer: the key of a
 * root is what its card names. Below it only a registrar (id-kp-cmcRA) speaks for the buyer: each device of its network has
 * a certificate for TLS clients, too, and what the buyer buys is none of its business.
 */
function proveRoot(peer: Peer, at: Date): ProvenRoot {
  const unknown = (rule: string) => new OnboardingError('feed-buyer-unknown', { rule })
  const chain = withCodes(requestFailure, () => peer.certificates.map(certificateOf))
  const root = chain.at(-1)
  if (root === undefined) throw unknown('no-certificate')
  try {
    const anchors = [{ name: 'buyer', certificate: root }]
    validatePath({ chain, anchors, at, purpose: [extendedKeyUsageOid.cmcRA] })
  } catch (error) {
    if (error instanceof PathError) throw unknown(error.code)
    throw error
  }
  return { id: hash('sha256', root.spkiDer), der: root.der }
}

async function knownBuyer({ store, clock }: FeedOptions, root: ProvenRoot): Promise<FeedBuyer> {
  const buyer = await store.read(tables => tables.feedBuyer.get(root.id))
  if (buyer?.status !== 'active') throw new OnboardingError('feed-buyer-unknown', { root: root.id.slice(0, 16) })
  const at = clock()
  const fresh = buyer.root !== undefined && buyer.pulledAt !== undefined && Math.abs(at - buyer.pulledAt) < remembered
  if (fresh) return buyer
  return store.transaction(async tx => {
    const current = await tx.feedBuyer.get(root.id)
    if (current?.status !== 'active') throw new OnboardingError('feed-buyer-unknown', { root: root.id.slice(0, 16) })
    const next = { ...current, root: Buffer.from(root.der).toString('base64'), pulledAt: at }
    await tx.feedBuyer.put(next)
    return next
  })
}

async function list(
  { store, manufacturer }: FeedOptions,
  { buyer }: FeedBuyer,
  after: string,
  { headers }: EndpointRequest,
): Promise<EndpointReply> {
  const found = await store.read(tables => publicationsAfter(tables, buyer, after))
  const items = found.slice(0, feedLimits.items)
  const etag = `"${items.at(-1)?.id ?? after}"`
  const common = { etag, 'cache-control': 'no-store' }
  if (items.length === 0 && headers['if-none-match'] === etag) return { status: 304, headers: common }
  const body: FeedList = {
    version: 1,
    manufacturer,
    buyer,
    items: items.map(({ id, kind, document, bytes }) => ({ id, kind, sha256: document, bytes })),
    more: found.length > items.length,
  }
  return { status: 200, headers: { ...common, 'content-type': 'application/json' }, body: encodeCanonicalJson(body) }
}

/** Its own and those for all, one more than a list takes. */
async function publicationsAfter(tables: Tables, buyer: string, after: string): Promise<PublicationRecord[]> {
  const page = { after, limit: feedLimits.items + 1 }
  const own = await tables.publication.find({ buyer }, page)
  const common = await tables.publication.find({ buyer: '' }, page)
  return [...own, ...common].sort((a, b) => (a.id < b.id ? -1 : 1)).slice(0, feedLimits.items + 1)
}

async function file({ store }: FeedOptions, { buyer }: FeedBuyer, id: string): Promise<EndpointReply> {
  const document = await store.read(async tables => {
    const publication = await tables.publication.get(id)
    // Another's is as little there as none.
    if (publication === undefined || (publication.buyer !== '' && publication.buyer !== buyer)) return undefined
    return tables.document.get(publication.document)
  })
  if (document === undefined) throw new OnboardingError('not-found', { publication: id })
  return {
    status: 200,
    headers: { 'content-type': 'application/octet-stream', 'cache-control': 'no-store' },
    body: Buffer.from(document.file, 'base64'),
  }
}
