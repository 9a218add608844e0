import { OnboardingError } from '../../domain/error.ts'
import type { SubscriptionRecord } from '../../domain/feed.ts'
import type { Clock, Endpoint, EndpointReply, EndpointRequest, Log, Store, Tx } from '../../domain/port.ts'
import { createRateLimit } from '../../domain/rate-limit.ts'
import { type FeedNotice, feedNoticePath, noticeLife, openFeedNotice } from './feed-message.ts'
import { requestPull } from './subscription.ts'
import { listManufacturers, statementTrust } from './trust.ts'

export interface FeedNoticeOptions {
  readonly store: Store
  readonly clock: Clock
  readonly log: Log
  /** Ids under which manufacturers know the owner of this site. */
  readonly owners: readonly string[]
  /** There is a feed to be pulled. */
  readonly onNotice: () => void
}

/** From one address: to verify a notice costs three signatures. */
const perMinute = 30
/** Of one manufacturer within the life of a notice. */
const maxNotices = 64

/**
 * Hears from a manufacturer that there is something new. The notice is signed, for this site, and counts once; nothing in
 * it is believed but that a look is worth while.
 */
export function createFeedNotice(options: FeedNoticeOptions): Endpoint {
  const { clock, log } = options
  const limit = createRateLimit({ perMinute, clock })
  return {
    methods: path => (path === feedNoticePath ? ['POST'] : undefined),
    async handle(request) {
      if (request.path !== feedNoticePath || request.method !== 'POST') return undefined
      try {
        limit(request.peer.address.replace(/:\d+$/, ''))
        return await hear(options, request)
      } catch (error) {
        if (!(error instanceof OnboardingError)) throw error
        log.info({ code: error.code, ...error.detail, address: request.peer.address }, 'notice of a feed refused')
        const headers = { 'content-type': 'text/plain; charset=utf-8' }
        return { status: error.entry.status, headers, body: `${error.code}: ${error.entry.title}` }
      }
    },
  }
}

async function hear(
  { store, clock, owners, onNotice }: FeedNoticeOptions,
  { body }: EndpointRequest,
): Promise<EndpointReply> {
  const at = clock()
  const notice = openFeedNotice(body, statementTrust(await listManufacturers(store), new Date(at)))
  const invalid = (rule: string) => new OnboardingError('notice-invalid', { rule, manufacturer: notice.trustedAs })
  if (!owners.includes(notice.buyer)) throw invalid('for-another-buyer')
  if (Math.abs(at - notice.issuedAt) > noticeLife) throw invalid('too-old')
  await store.transaction(tx => note(tx, notice, at))
  onNotice()
  return { status: 202 }
}

async function note(tx: Tx, notice: FeedNotice & { readonly trustedAs: string }, at: number): Promise<void> {
  const known = await tx.subscription.get(notice.trustedAs)
  if (known?.status !== 'active') throw new OnboardingError('notice-invalid', { rule: 'no-subscription' })
  const heard = known.state.notices.filter(each => Math.abs(at - each.at) <= 2 * noticeLife)
  if (heard.some(({ id }) => id === notice.id)) throw new OnboardingError('notice-replayed', { notice: notice.id })
  if (heard.length >= maxNotices) throw new OnboardingError('rate-limited', { notices: heard.length })
  const notices = [...heard, { id: notice.id, at }]
  await requestPull(tx, notice.trustedAs)
  await tx.subscription.put({ ...known, state: { ...known.state, notices } } satisfies SubscriptionRecord)
}
