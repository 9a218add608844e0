import { OnboardingError } from '../../domain/error.ts'
import type { FeedBuyer } from '../../domain/feed.ts'
import type { Clock, FeedClient, Log, Random, Store } from '../../domain/port.ts'
import { signFeedNotice } from '../supply-chain/feed-message.ts'
import { noticeTopic } from './feed.ts'
import type { Manufacturer } from './manufacturer-setup.ts'

export interface NoticeWork {
  readonly store: Store
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
  readonly manufacturer: Manufacturer
  readonly client: Pick<FeedClient, 'post'>
}

/** A buyer that does not answer pulls by itself in time: after so many attempts nobody insists. */
const attempts = 6

/** Tells each buyer that is to be told. A notice is signed anew each time, so that it is never too old. */
export async function runNoticeWork(work: NoticeWork): Promise<void> {
  const { store, clock, log } = work
  for (;;) {
    const items = await store.claim(noticeTopic, 16)
    if (items.length === 0) return
    for (const { id, body, attempt } of items) {
      try {
        await tell(work, (body as { readonly buyer: string }).buyer)
        await store.settle(id, 'done')
      } catch (error) {
        if (!(error instanceof OnboardingError)) throw error
        log.warn({ code: error.code, ...error.detail, attempt }, 'a buyer could not be told of the feed')
        await store.settle(id, attempt >= attempts ? 'done' : { retryAt: clock() + 30_000 * 2 ** attempt })
      }
    }
  }
}

async function tell({ store, clock, random, manufacturer, client }: NoticeWork, id: string): Promise<void> {
  const buyer = await store.read(tables => tables.feedBuyer.get(id))
  if (buyer?.status !== 'active' || buyer.noticeUrl === undefined) return
  const anchors = anchorsOf(buyer)
  // Whom to expect at that address is known from its first pull on.
  if (anchors === undefined) return
  const notice = { id: Buffer.from(random(16)).toString('hex'), buyer: buyer.buyer, issuedAt: clock() }
  await client.post({
    url: buyer.noticeUrl,
    server: { name: buyer.buyer, anchors, privateAddress: buyer.noticePrivateAddress },
    body: await signFeedNotice(notice, manufacturer.manifest),
    contentType: 'application/jose+json',
  })
}

function anchorsOf({ root }: FeedBuyer): readonly string[] | undefined {
  return root === undefined ? undefined : [root]
}
