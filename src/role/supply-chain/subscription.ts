import { OnboardingError } from '../../domain/error.ts'
import { streamName } from '../../domain/event.ts'
import type { SubscriptionRecord, SubscriptionState } from '../../domain/feed.ts'
import type { Clock, Store, Tx } from '../../domain/port.ts'
import type { RecallTreatment } from '../../domain/recall.ts'
import { feedStart } from './feed-message.ts'

export interface SubscriptionTerms {
  readonly manufacturer: string
  readonly url: string
  /** Milliseconds. */
  readonly interval: number
  readonly treatment: RecallTreatment
  readonly privateAddress: boolean
}

/** Topic of the outbox: feeds that are to be pulled. */
export const feedTopic = 'feed'

/** A quarter of an hour to four weeks. */
export const intervalLimits = { least: 900_000, most: 28 * 86_400_000 } as const

const beginning: SubscriptionState = { cursor: feedStart, manifests: 0, recalls: 0, refused: [], notices: [] }

/**
 * Pulls the feed of a trusted manufacturer from now on, or on other terms; another URL is read from its beginning. Throws
 * OnboardingError `not-found` for a manufacturer that is not trusted, `feed-address-refused`, `input-invalid`.
 */
export async function subscribe(
  { store, clock }: { readonly store: Store; readonly clock: Clock },
  given: SubscriptionTerms,
  by: string,
): Promise<SubscriptionRecord> {
  const terms = { ...given, url: feedUrl(given.url) }
  if (terms.interval < intervalLimits.least || terms.interval > intervalLimits.most) {
    throw new OnboardingError('input-invalid', { field: 'interval', rule: 'a quarter of an hour to four weeks' })
  }
  const { manufacturer } = terms
  return store.transaction(async tx => {
    const known = await tx.subscription.get(manufacturer)
    if ((await tx.manufacturer.get(manufacturer)) === undefined)
      throw new OnboardingError('not-found', { manufacturer })
    const status = 'active' as const
    const version = await tx.append(streamName('feed', manufacturer), known?.version ?? 0, [
      { kind: 'feed-subscribed', body: { ...terms, status, by } },
    ])
    const state = known?.url === terms.url ? known.state : beginning
    const next = { ...terms, status, addedAt: clock(), addedBy: by, version, state }
    await tx.subscription.put(next)
    await tx.enqueue(feedTopic, { manufacturer, version })
    return next
  })
}

/** No pull from now on; what came stays. Throws OnboardingError `not-found`. */
export async function unsubscribe(store: Store, manufacturer: string, by: string): Promise<SubscriptionRecord> {
  return store.transaction(async tx => {
    const known = await activeSubscription(tx, manufacturer)
    const version = await tx.append(streamName('feed', manufacturer), known.version, [
      { kind: 'feed-unsubscribed', body: { by } },
    ])
    const next = { ...known, status: 'removed' as const, version }
    await tx.subscription.put(next)
    return next
  })
}

/** A pull beside the regular ones, as soon as somebody is free to do it. Throws OnboardingError `not-found`. */
export async function requestPull(tx: Tx, manufacturer: string): Promise<SubscriptionRecord> {
  const known = await activeSubscription(tx, manufacturer)
  await tx.enqueue(feedTopic, { manufacturer, version: known.version, once: true })
  return known
}

async function activeSubscription(tx: Tx, manufacturer: string): Promise<SubscriptionRecord> {
  const known = await tx.subscription.get(manufacturer)
  if (known?.status === 'active') return known
  throw new OnboardingError('not-found', { manufacturer })
}

/** Throws OnboardingError `feed-address-refused`. */
function feedUrl(text: string): string {
  const url = URL.parse(text)
  const bare = url !== null && url.username + url.password + url.search + url.hash === ''
  if (url?.protocol !== 'https:' || !bare || text.length > 500) {
    throw new OnboardingError('feed-address-refused', { url: text.slice(0, 200) })
  }
  return url.href.replace(/\/+$/, '')
}
