import { hash } from 'node:crypto'
import { CodecError } from '../../codec/error.ts'
import { OnboardingError } from '../../domain/error.ts'
import type { Json } from '../../domain/event.ts'
import type { FeedItem, RefusedPublication, SubscriptionRecord, SubscriptionState } from '../../domain/feed.ts'
import type { Clock, FeedClient, FeedServer, Log, OutboxItem, Random, Store } from '../../domain/port.ts'
import type { TrustedManufacturer } from '../../domain/site.ts'
import { decodeFeedList, feedLimits } from './feed-message.ts'
import { importManifest } from './import.ts'
import { manifestLimits } from './manifest.ts'
import { importRecall } from './recall-import.ts'
import { recallLimits } from './recall-notice.ts'
import { feedTopic } from './subscription.ts'

export interface FeedWork {
  readonly store: Store
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
  readonly client: Pick<FeedClient, 'get'>
  /** There is a new recall. */
  readonly onRecall: () => void
}

/** First pause after a failure, milliseconds; it doubles with each further one, up to the interval. */
const firstPause = 60_000
/** Refused publications that are kept, and tried again. */
const maxRefused = 32

/**
 * One turn of one feed: so many lists, and no further list after so many milliseconds. A feed that never ends, or is slow on
 * purpose, otherwise keeps the recalls of every other manufacturer away.
 */
const turn = { lists: 20, time: 60_000, pause: 1000 } as const

/** Pulls every feed that is due, one after the other; who has more to say goes on after the others. */
export async function runFeedWork(work: FeedWork): Promise<void> {
  for (;;) {
    const [item] = await work.store.claim(feedTopic, 1)
    if (item === undefined) return
    await work.store.settle(item.id, await outcome(work, item))
  }
}

type Order = { readonly manufacturer: string; readonly version: number; readonly once?: boolean }

async function outcome(work: FeedWork, { body }: OutboxItem): Promise<'done' | { readonly retryAt: number }> {
  const { manufacturer, version, once = false } = body as Json as Order
  const subscription = await work.store.read(tables => tables.subscription.get(manufacturer))
  // Other terms brought an order of their own.
  if (subscription?.status !== 'active' || subscription.version !== version) return 'done'
  const { failure, more = false } = await attempt(work, subscription)
  const times = failure === undefined ? 0 : (subscription.state.failure?.times ?? 0) + 1
  const pause = more ? turn.pause : jittered(pauseAfter(times, subscription.interval), work.random)
  const nextAt = work.clock() + pause
  await update(work, subscription, ({ failure: _failure, progress: _progress, ...state }) => ({
    ...state,
    pulledAt: work.clock(),
    ...(once && !more && state.nextAt !== undefined ? {} : { nextAt }),
    ...(failure === undefined ? {} : { failure: failureOf(failure, work.clock(), times) }),
  }))
  return once && !more ? 'done' : { retryAt: nextAt }
}

function pauseAfter(times: number, interval: number): number {
  return times === 0 ? interval : Math.min(interval, firstPause * 2 ** Math.min(times - 1, 16))
}

/** A tenth either way, so that the sites of a manufacturer do not come all at once. */
function jittered(pause: number, random: Random): number {
  const part = Buffer.from(random(4)).readUInt32BE() / 2 ** 32
  return Math.round(pause * (0.9 + 0.2 * part))
}

function failureOf(
  { code, detail }: OnboardingError,
  at: number,
  times: number,
): NonNullable<SubscriptionState['failure']> {
  const reason = String(detail['reason'] ?? detail['rule'] ?? detail['host'] ?? '')
  return { code, at, reason, times }
}

interface Turn {
  readonly failure?: OnboardingError
  /** There is more to read. */
  readonly more?: boolean
}

async function attempt(work: FeedWork, subscription: SubscriptionRecord): Promise<Turn> {
  try {
    return { more: await pull(work, subscription) }
  } catch (error) {
    const known = error instanceof OnboardingError ? error : new OnboardingError('internal', {}, { cause: error })
    work.log.warn(
      { manufacturer: subscription.manufacturer, code: known.code, ...known.detail, error },
      'feed not pulled',
    )
    return { failure: known }
  }
}

/**
 * What is new, as far as one turn goes. Where it stands is on record after each publication, so that a crash repeats one at
 * most. @returns whether there is more
 */
async function pull(work: FeedWork, subscription: SubscriptionRecord): Promise<boolean> {
  const { manufacturer, url } = subscription
  const trusted = await work.store.read(tables => tables.manufacturer.get(manufacturer))
  if (trusted === undefined) throw new OnboardingError('not-found', { manufacturer })
  const server = serverOf(trusted, subscription)
  const from = { work, subscription, trusted, server }
  const until = work.clock() + turn.time
  for (const { publication } of subscription.state.refused) {
    if (work.clock() <= until) await take(from, publication)
  }
  let { cursor } = subscription.state
  for (let lists = 0; ; ) {
    const options = { url: `${url}/after/${cursor}`, server, etag: `"${cursor}"`, limit: feedLimits.list }
    const answer = await work.client.get(options)
    if (answer === undefined) return false
    const list = listOf(answer.body, cursor)
    for (const item of list.items) {
      await take(from, item)
      cursor = item.id
      if (work.clock() > until) return true
    }
    if (!list.more) return false
    if (++lists === turn.lists) return true
  }
}

function serverOf(
  { name, masaAnchors, anchors }: TrustedManufacturer,
  { privateAddress }: SubscriptionRecord,
): FeedServer {
  return { name, anchors: masaAnchors.length > 0 ? masaAnchors : anchors, privateAddress }
}

function listOf(body: Uint8Array, cursor: string) {
  try {
    return decodeFeedList(body, cursor)
  } catch (error) {
    if (!(error instanceof CodecError)) throw error
    throw new OnboardingError('feed-answer-invalid', { rule: error.code, reason: error.message }, { cause: error })
  }
}

interface From {
  readonly work: FeedWork
  readonly subscription: SubscriptionRecord
  readonly trusted: TrustedManufacturer
  readonly server: FeedServer
}

/**
 * One publication. What is wrong with it is its own: the next one may be a recall, and is not held up by it. Only a failure
 * of the connection ends the pull.
 */
async function take(from: From, item: FeedItem): Promise<void> {
  const { work, subscription } = from
  let refused: RefusedPublication | undefined
  try {
    await bring(from, item)
  } catch (error) {
    if (!(error instanceof OnboardingError) || isPassing(error)) throw error
    refused = { publication: item, code: error.code, at: work.clock() }
    const { manufacturer } = subscription
    work.log.error(
      { manufacturer, publication: item.id, code: error.code, ...error.detail },
      'publication of a feed refused',
    )
  }
  await update(work, subscription, ({ progress: _progress, ...state }) => settled(state, item, refused))
}

function isPassing({ code }: OnboardingError): boolean {
  return /^(store|internal)/.test(code) || code === 'feed-unreachable' || code === 'feed-untrusted'
}

function settled(state: SubscriptionState, item: FeedItem, refused: RefusedPublication | undefined): SubscriptionState {
  const others = state.refused.filter(({ publication }) => publication.id !== item.id)
  const isNew = item.id > state.cursor
  // A notice that is out of date has been overtaken by a newer one: nothing is missing.
  const moot = refused?.code === 'recall-stale'
  const counts = refused === undefined ? counted(state, item) : {}
  return {
    ...state,
    ...counts,
    cursor: isNew ? item.id : state.cursor,
    refused: refused === undefined || moot ? others : [...others, refused].slice(-maxRefused),
  }
}

function counted({ manifests, recalls }: SubscriptionState, { kind }: FeedItem) {
  return kind === 'manifest' ? { manifests: manifests + 1 } : { recalls: recalls + 1 }
}

async function bring({ work, subscription, trusted, server }: From, item: FeedItem): Promise<void> {
  const { store, clock } = work
  const { url, manufacturer, treatment } = subscription
  const limit = item.kind === 'manifest' ? manifestLimits.bytes : recallLimits.bytes
  if (item.bytes > limit) throw new OnboardingError('manifest-too-large', { bytes: item.bytes, limit })
  const answer = await work.client.get({ url: `${url}/file/${item.id}`, server, limit: item.bytes })
  const bytes = answer?.body
  if (bytes === undefined || hash('sha256', bytes) !== item.sha256) {
    throw new OnboardingError('feed-answer-invalid', { rule: 'another-file', publication: item.id })
  }
  // Of this manufacturer alone: a feed does not speak for another, whoever signed that.
  const terms = { bytes, store, clock, importedBy: `feed/${manufacturer}`, manufacturers: [trusted] }
  if (item.kind === 'recall') {
    await importRecall({ ...terms, treatment })
    work.onRecall()
    return
  }
  const progress = progressOf(work, subscription, item)
  await importManifest(terms, progress)
}

/** Progress is told as it comes; it is worth no waiting. */
function progressOf(work: FeedWork, subscription: SubscriptionRecord, { id: publication }: FeedItem) {
  let writing = false
  return (done: number, of: number) => {
    if (writing || done === of) return
    writing = true
    update(work, subscription, state => ({ ...state, progress: { publication, done, of } })).then(
      () => {
        writing = false
      },
      () => {},
    )
  }
}

/** On the record as it stands, and only while the terms are the same: a notice may have come meanwhile. */
function update(
  { store }: FeedWork,
  { manufacturer, version }: SubscriptionRecord,
  change: (state: SubscriptionState) => SubscriptionState,
): Promise<void> {
  return store.transaction(async tx => {
    const current = await tx.subscription.get(manufacturer)
    if (current?.version === version) await tx.subscription.put({ ...current, state: change(current.state) })
  })
}
