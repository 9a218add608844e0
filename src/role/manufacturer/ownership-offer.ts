import type { Party } from '../../domain/declaration.ts'
import { OnboardingError } from '../../domain/error.ts'
import { streamName } from '../../domain/event.ts'
import { type OfferRecord, offeredBody } from '../../domain/offer.ts'
import {
  type OpenedOwnershipRequest,
  type OwnershipOffer,
  openOwnershipRequest,
} from '../../domain/ownership-request.ts'
import type { Tx } from '../../domain/port.ts'
import type { SignedChange } from './ownership-change.ts'

/** An offer, and whether it is still to be written down. */
export interface FoundOffer {
  readonly record: OfferRecord
  readonly isNew: boolean
}

/** The record of an offer that was checked. Its stream begins with it. */
export function newOffer(
  asked: OpenedOwnershipRequest<OwnershipOffer> & { readonly at: number },
  seller: Pick<OfferRecord, 'seller' | 'sellerDomains'>,
): OfferRecord {
  const { request, hash: id, bytes, at } = asked
  const { manufacturer, devices, secretHash, expiresAt, buyer } = request
  return {
    id,
    manufacturer,
    ...seller,
    serials: devices.map(({ serial }) => serial),
    ...(buyer === undefined ? {} : { buyer }),
    secretHash,
    expiresAt,
    madeAt: at,
    state: 'open',
    request: Buffer.from(bytes).toString('utf8'),
    version: 1,
  }
}

/**
 * The offer as its owner signed it: a record into which somebody has written another secret or buyer gives nobody a device.
 * Throws OnboardingError `offer-not-found`.
 */
export function signedOffer(record: OfferRecord): OpenedOwnershipRequest<OwnershipOffer> {
  const opened = openOwnershipRequest(Buffer.from(record.request))
  const { request } = opened
  if (request.action !== 'offer' || opened.hash !== record.id) {
    throw new OnboardingError('offer-not-found', { offer: record.id })
  }
  return { ...opened, request }
}

/** Its terms are those that were signed; what has become of it is the record's to say. */
export function asSigned(record: OfferRecord): OfferRecord {
  const { buyer: _, ...known } = record
  const { buyer, secretHash, expiresAt, devices } = signedOffer(record).request
  const serials = devices.map(({ serial }) => serial)
  return { ...known, secretHash, expiresAt, serials, ...(buyer === undefined ? {} : { buyer }) }
}

function offeredEvent(offer: OfferRecord) {
  return { kind: 'ownership-offered', body: offeredBody(offer) } as const
}

/** The offer as it is on record, made with this when there is none. */
export async function recordOffer(tx: Tx, offer: OfferRecord): Promise<OfferRecord> {
  const known = await tx.offer.get(offer.id)
  if (known !== undefined) return known
  await tx.append(streamName('offer', offer.id), 0, [offeredEvent(offer)])
  await tx.offer.insert(offer)
  return offer
}

/** For good. The caller has judged the acceptance by this very record. */
export async function closeOffer(
  tx: Tx,
  { record, isNew }: FoundOffer,
  changes: readonly SignedChange[],
  accepted: { readonly by: Party; readonly change: string },
): Promise<OfferRecord> {
  const versions = changes.map(({ next }) => next.version)
  const { id, name, domains } = accepted.by
  const body = { versions, by: id, acceptedBy: { id, name, domains }, change: accepted.change }
  const event = { kind: 'offer-accepted', body } as const
  return put(tx, { record, isNew }, event, { state: 'accepted', acceptedBy: accepted.by, versions })
}

/** Revoked again, it stays revoked. Throws OnboardingError `offer-accepted`. */
export async function revokeOffer(tx: Tx, { record }: FoundOffer): Promise<OfferRecord> {
  const current = await tx.offer.get(record.id)
  if (current?.state === 'revoked') return current
  if (current?.state === 'accepted') throw new OnboardingError('offer-accepted', { offer: record.id })
  const found = { record: current ?? record, isNew: current === undefined }
  return put(tx, found, { kind: 'offer-revoked', body: {} }, { state: 'revoked' })
}

async function put(
  tx: Tx,
  { record, isNew }: FoundOffer,
  event: Parameters<Tx['append']>[2][number],
  change: Partial<OfferRecord>,
): Promise<OfferRecord> {
  const events = isNew ? [offeredEvent(record), event] : [event]
  const version = await tx.append(streamName('offer', record.id), isNew ? 0 : record.version, events)
  const next = { ...record, ...change, version }
  if (isNew) await tx.offer.insert(next)
  else await tx.offer.put(next)
  return next
}
