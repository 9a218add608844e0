import { errorCatalogue } from '../../../domain/error.ts'
import type { SubscriptionRecord } from '../../../domain/feed.ts'
import { requestPull, subscribe, unsubscribe } from '../../../role/supply-chain/subscription.ts'
import type { FeedView } from '../contract/feed.ts'
import type { ApiServices, Handlers } from '../service.ts'
import { pageView } from '../view.ts'

type Names = 'feedAdd' | 'feedList' | 'feedPull' | 'feedRemove'

export function feedHandlers({ store, clock, feedWork }: ApiServices): Pick<Handlers, Names> {
  return {
    async feedAdd({ params: { name: manufacturer }, body: { intervalMinutes, ...terms } }, { by }) {
      const interval = intervalMinutes * 60_000
      const added = await subscribe({ store, clock }, { manufacturer, interval, ...terms }, by)
      feedWork.wake()
      return feedView(added)
    },
    async feedList({ query: { after = '', limit } }) {
      const found = await store.read(tables => tables.subscription.find({ status: 'active' }, { after, limit }))
      return pageView(found, { view: feedView, key: ({ manufacturer }) => manufacturer, limit })
    },
    async feedPull({ params: { name } }) {
      const feed = await store.transaction(tx => requestPull(tx, name))
      feedWork.wake()
      return feedView(feed)
    },
    async feedRemove({ params: { name } }, { by }) {
      const { manufacturer } = await unsubscribe(store, name, by)
      return { removed: manufacturer }
    },
  }
}

const instant = (at: number) => new Date(at).toISOString()

function feedView({ manufacturer, url, interval, treatment, privateAddress, ...rest }: SubscriptionRecord): FeedView {
  const { manifests, recalls, refused, progress, pulledAt, nextAt, failure } = rest.state
  return {
    ...{ manufacturer, url, intervalMinutes: Math.round(interval / 60_000), treatment, privateAddress },
    addedAt: instant(rest.addedAt),
    addedBy: rest.addedBy,
    manifests,
    recalls,
    refused: refused.map(({ publication: { id, kind }, code, at }) => ({
      publication: id,
      kind,
      code,
      at: instant(at),
    })),
    ...(progress === undefined ? {} : { progress }),
    ...(pulledAt === undefined ? {} : { pulledAt: instant(pulledAt) }),
    ...(nextAt === undefined ? {} : { nextAt: instant(nextAt) }),
    ...(failure === undefined ? {} : { failure: failureView(failure) }),
  }
}

function failureView({ code, at, reason, times }: NonNullable<SubscriptionRecord['state']['failure']>) {
  const { title, action } = errorCatalogue[code]
  return { code, title, action, reason, times, at: instant(at) }
}
