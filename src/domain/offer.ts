import { timingSafeEqual } from 'node:crypto'
import type { Party } from './declaration.ts'
import { OnboardingError } from './error.ts'
import { type OwnershipAcceptance, secretHashOf } from './ownership-request.ts'

/** An offer of devices, at the manufacturer and at the site that made it. Neither keeps the acceptance secret. */
export interface OfferRecord {
  /** Hash of the offer's payload, hex. */
  readonly id: string
  readonly manufacturer: string
  /** Id of the owner that made it, and its keys: those that the declarations of all the devices name. */
  readonly seller: string
  readonly sellerDomains: readonly string[]
  readonly serials: readonly string[]
  /** Named in the offer: nobody else can accept. */
  readonly buyer?: Party
  readonly secretHash: string
  readonly expiresAt: number
  readonly madeAt: number
  readonly state: 'open' | 'accepted' | 'revoked'
  /** Who accepted. */
  readonly acceptedBy?: Party
  /** Version of the declaration of each device afterwards, in the order of `serials`. */
  readonly versions?: readonly number[]
  /** The offer as its owner signed it, JWS. */
  readonly request: string
  /** Version of the stream `offer/<id>`. */
  readonly version: number
}

/**
 * May this acceptance close this offer? `again`: it has, and is to be answered alike.
 * @param domains ids of the keys that the signer of the acceptance has proven
 * @throws OnboardingError `offer-secret-wrong`, `offer-not-yours`, `offer-accepted`, `offer-revoked`, `offer-expired`
 */
export function judgeAcceptance(
  offer: OfferRecord,
  acceptance: OwnershipAcceptance,
  domains: readonly string[],
  at: number,
): 'now' | 'again' {
  const { id, buyer, state, expiresAt } = offer
  const refused = (code: 'offer-secret-wrong' | 'offer-not-yours' | 'offer-accepted' | 'offer-revoked') =>
    new OnboardingError(code, { offer: id })
  // First: who does not know the secret learns nothing about the offer.
  const expected = Buffer.from(offer.secretHash, 'hex')
  if (!timingSafeEqual(expected, Buffer.from(secretHashOf(acceptance.secret), 'hex')))
    throw refused('offer-secret-wrong')
  const wanted = acceptance.buyer
  if (!wanted.domains.some(domain => domains.includes(domain))) throw refused('offer-not-yours')
  if (buyer !== undefined && !sameParty(buyer, wanted)) throw refused('offer-not-yours')
  if (state === 'revoked') throw refused('offer-revoked')
  if (state === 'accepted') {
    if (offer.acceptedBy !== undefined && sameParty(offer.acceptedBy, wanted)) return 'again'
    throw refused('offer-accepted')
  }
  if (!(at <= expiresAt))
    throw new OnboardingError('offer-expired', { offer: id, expired: new Date(expiresAt).toISOString() })
  return 'now'
}

/** What the record says of an offer that is made: all that decides who may accept it. */
export function offeredBody(offer: OfferRecord) {
  const { manufacturer, seller, sellerDomains, serials, secretHash, expiresAt, madeAt, buyer } = offer
  const terms = { manufacturer, seller, sellerDomains, serials, secretHash, expiresAt, madeAt }
  return buyer === undefined ? terms : { ...terms, buyer: { id: buyer.id, name: buyer.name, domains: buyer.domains } }
}

/** By id and keys: what people call themselves may be written in several ways. */
export function sameParty(a: Party, b: Party): boolean {
  const [left, right] = [new Set(a.domains), new Set(b.domains)]
  return a.id === b.id && left.size === right.size && [...left].every(domain => right.has(domain))
}
