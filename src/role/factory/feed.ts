import { OnboardingError } from '../../domain/error.ts'
import { streamName } from '../../domain/event.ts'
import type { FeedBuyer } from '../../domain/feed.ts'
import type { PublicationRecord } from '../../domain/manufacture.ts'
import type { Clock, Random, Store, Tx } from '../../domain/port.ts'
import { publish } from './publication.ts'
import { type BuyerCard, type FactoryOffice, shipmentManifest } from './sale.ts'
import type { UnitSelection } from './unit-selection.ts'

export interface FeedTerms {
  /** https URL at which the buyer hears that there is something new. */
  readonly noticeUrl?: string
  readonly noticePrivateAddress?: boolean
}

interface Office {
  readonly store: Store
  readonly clock: Clock
}

/** Topic of the outbox: buyers that are to be told. */
export const noticeTopic = 'feed-notice'

/** Lets a buyer pull. Throws OnboardingError `input-invalid` for a card without the SHA-256 of a key, or another's key. */
export async function addBuyer(
  { store, clock }: Office,
  card: BuyerCard,
  { noticeUrl, noticePrivateAddress = false }: FeedTerms,
  by: string,
): Promise<readonly FeedBuyer[]> {
  const ids = rootIds(card)
  if (noticeUrl !== undefined) requireHttps(noticeUrl)
  const terms = {
    buyer: card.id,
    name: card.name,
    status: 'active' as const,
    noticePrivateAddress,
    ...(noticeUrl === undefined ? {} : { noticeUrl }),
  }
  return store.transaction(async tx => {
    const added: FeedBuyer[] = []
    for (const id of ids) {
      const known = await tx.feedBuyer.get(id)
      if (known?.status === 'active' && known.buyer !== card.id) {
        throw new OnboardingError('input-invalid', { field: 'card', rule: `its key is that of ${known.buyer}` })
      }
      const version = await tx.append(streamName('buyer', id), known?.version ?? 0, [
        { kind: 'buyer-added', body: { ...terms, by } },
      ])
      const next: FeedBuyer = { id, ...terms, addedAt: known?.addedAt ?? clock(), ...rootOf(known), version }
      await tx.feedBuyer.put(next)
      added.push(next)
    }
    return added
  })
}

function rootOf(known: FeedBuyer | undefined): Pick<FeedBuyer, 'root'> {
  return known?.root === undefined ? {} : { root: known.root }
}

/** Ends the pulls of a buyer. What it has pulled it has. Throws OnboardingError `not-found`. */
export async function removeBuyer({ store }: Office, buyer: string, by: string): Promise<readonly FeedBuyer[]> {
  return store.transaction(async tx => {
    const active = (await tx.feedBuyer.find({ buyer })).filter(({ status }) => status === 'active')
    if (active.length === 0) throw new OnboardingError('not-found', { buyer })
    const removed: FeedBuyer[] = []
    for (const known of active) {
      const version = await tx.append(streamName('buyer', known.id), known.version, [
        { kind: 'buyer-removed', body: { by } },
      ])
      const next = { ...known, status: 'removed' as const, version }
      await tx.feedBuyer.put(next)
      removed.push(next)
    }
    return removed
  })
}

/** Puts the signed manifest of units into the feed of their buyer. Throws OnboardingError as `shipmentManifest`. */
export async function publishManifest(
  office: FactoryOffice & { readonly random: Random },
  selection: UnitSelection,
  buyer: BuyerCard,
): Promise<PublicationRecord> {
  const { store, clock } = office
  const file = await shipmentManifest(office, selection, buyer)
  return store.transaction(async tx => {
    const known = await tx.feedBuyer.find({ buyer: buyer.id })
    if (!known.some(({ status }) => status === 'active')) throw new OnboardingError('not-found', { buyer: buyer.id })
    const publication = await publish(tx, { kind: 'manifest', buyer: buyer.id, recall: '', number: 0, file }, clock)
    await enqueueNotices(tx, publication)
    return publication
  })
}

/** Whoever is concerned and wants to be told. Part of the unit of work that publishes. */
export async function enqueueNotices(tx: Tx, { buyer }: PublicationRecord): Promise<void> {
  for (let after = ''; ; ) {
    const page = await tx.feedBuyer.find(buyer === '' ? {} : { buyer }, { after, limit: 1000 })
    for (const { id, status, noticeUrl } of page) {
      if (status === 'active' && noticeUrl !== undefined) await tx.enqueue(noticeTopic, { buyer: id })
    }
    const last = page.at(-1)
    if (last === undefined || page.length < 1000) return
    after = last.id
  }
}

/** A card names each key twice (RFC 8995 section 5.8.2); by the SHA-1 of it nobody is let in. */
function rootIds({ domains }: BuyerCard): readonly string[] {
  const ids = domains.map(domain => Buffer.from(domain, 'base64')).filter(({ length }) => length === 32)
  if (ids.length > 0) return ids.map(id => id.toString('hex'))
  throw new OnboardingError('input-invalid', { field: 'card', rule: 'it names no key by its SHA-256' })
}

function requireHttps(text: string): void {
  const url = URL.parse(text)
  const good = url?.protocol === 'https:' && url.username + url.password + url.search + url.hash === ''
  if (!good || text.length > 500) {
    throw new OnboardingError('input-invalid', {
      field: 'notice',
      rule: 'an https URL without user, query or fragment',
    })
  }
}
