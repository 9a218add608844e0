import { createPublicKey, hash, type KeyObject } from 'node:crypto'
import { decodeBase64 } from '../../codec/base64.ts'
import { decodeJws } from '../../codec/jws.ts'
import type { Certificate } from '../../codec/x509/certificate.ts'
import { importPublicKey } from '../../crypto/key.ts'
import { ecProfile } from '../../crypto/signer.ts'
import type { Party } from '../../domain/declaration.ts'
import { OnboardingError } from '../../domain/error.ts'
import { isMudUrl } from '../../domain/intent.ts'
import type { OfferRecord } from '../../domain/offer.ts'
import { openOfferStatement } from '../../domain/offer-statement.ts'
import { domainIds } from '../../domain/ownership.ts'
import {
  type OwnershipRequest,
  secretBytes,
  secretHashOf,
  signOwnershipRequest,
} from '../../domain/ownership-request.ts'
import type { Clock, OwnershipClient, Random, Store } from '../../domain/port.ts'
import { masaBaseUrl } from '../../protocol/brski/endpoint.ts'
import type { RegistrarCredential } from '../onboarding/masa-exchange.ts'
import { type ImportReport, importManifest } from '../supply-chain/import.ts'
import { listManufacturers, statementAnchors, statementTrust } from '../supply-chain/trust.ts'
import { type ReceivedAnswer, readAnswer, sendRequest } from './exchange.ts'
import { encodeOfferFile, encodeOfferLink, type OfferDocument, readOfferDocument } from './offer-document.ts'
import {
  devicesOf,
  type OwnershipPlace,
  offeredState,
  placeOf,
  recordOutcome,
  recordOwnOffer,
  requireOwner,
} from './site-record.ts'

export interface SiteOwnershipOptions {
  readonly store: Store
  readonly clock: Clock
  readonly random: Random
  /** Id under which manufacturers know the owner of this site. */
  readonly owner: string
  /** The site's root: what declarations know the owner by. */
  readonly root: () => Pick<Certificate, 'spkiDer'>
  /** Signs requests. */
  readonly registrar: () => RegistrarCredential
  readonly client: OwnershipClient
  /** Opens offers that were encrypted to this site. */
  readonly offerKey?: KeyObject
}

/** A party as its card describes it, with the key that offers to it are encrypted to: SubjectPublicKeyInfo, base64. */
export type BuyerParty = Party & { readonly offerKey?: string }

/** How a request travels: over the network, or in a file that people carry. */
export interface Errand {
  /** Who asks, for the record. */
  readonly by: string
  /** False: only sign the request; the answer comes as a file and goes to `take`. */
  readonly send?: boolean
}

export interface Requested {
  /** The signed request, JWS. Sent twice, it is answered alike. */
  readonly request: Buffer
  readonly sent: boolean
  readonly offer?: OfferRecord
  /** Of the devices that the answer speaks of. */
  readonly report?: ImportReport
}

export interface MadeOffer extends Requested {
  readonly offer: OfferRecord
  /** For the buyer, and for nobody else: who has it can accept, unless the offer names the buyer. */
  readonly file: string
  readonly link: string
}

/** What the owner of a site, or one who becomes the owner of devices, can ask of their manufacturer. */
export interface SiteOwnership {
  /** By which declarations know this site. */
  card(): Party
  /** The same for sellers, with the key that offers to this site are encrypted to. */
  buyerCard(): BuyerParty
  /**
   * Offers devices of one manufacturer, to `buyer` or to whoever has the secret. On record before it is sent. Throws
   * OnboardingError `not-owner`, `lifecycle-…`, `device-not-found`, `input-invalid`, `not-found`, and what the
   * manufacturer or the way to it answers.
   */
  offer(
    order: Errand & { readonly devices: readonly string[]; readonly days: number; readonly buyer?: BuyerParty },
  ): Promise<MadeOffer>
  /** Until somebody has accepted. Throws OnboardingError `offer-not-found`, `offer-accepted`. */
  revokeOffer(order: Errand & { readonly offer: string }): Promise<Requested>
  /** Accepts the offer of a file or link, and expects the devices. Throws OnboardingError `offer-…`. */
  accept(order: Errand & { readonly offer: string }): Promise<Requested>
  grant(order: Errand & { readonly devices: readonly string[]; readonly onboarder: Party }): Promise<Requested>
  /** @param order `onboarder`: its id in the declaration */
  revoke(order: Errand & { readonly devices: readonly string[]; readonly onboarder: string }): Promise<Requested>
  /** Says where the MUD file of devices is, and who keeps it from now on. Throws OnboardingError `not-keeper`. */
  intend(order: Errand & IntentOrder): Promise<Requested>
  /** Fetches the newest declarations of devices that are ours, or that we may onboard. */
  refresh(order: Errand & { readonly devices: readonly string[] }): Promise<Requested>
  /** What has become of an offer of ours; accepted, the devices are not ours any more. */
  refreshOffer(order: Errand & { readonly offer: string }): Promise<Requested>
  /** The answer to a request that travelled as a file. */
  take(answer: Uint8Array, by: string): Promise<{ readonly offer?: OfferRecord; readonly report?: ImportReport }>
}

export interface IntentOrder {
  readonly devices: readonly string[]
  readonly mudUrl: string
  /** Absent: who keeps it now. */
  readonly keeper?: Party
}

type Bare<T> = T extends unknown ? Omit<T, 'id' | 'manufacturer' | 'roots' | 'at'> : never
type Wish = Bare<OwnershipRequest>

const day = 86_400_000

export function createSiteOwnership(options: SiteOwnershipOptions): SiteOwnership {
  const { store, clock, random, owner } = options
  const owners = [owner]
  // By the root alone: the keys below it are renewed, and what others know us by should last.
  const party = (): Party => ({ id: owner, name: owner, domains: [...domainIds(options.root())] })
  const offerKey = options.offerKey === undefined ? {} : { offerKey: publicKeyText(options.offerKey) }
  const hex = (bytes: number) => Buffer.from(random(bytes)).toString('hex')

  function sign({ statedName, manufacturer }: OwnershipPlace, wish: Wish): Promise<Buffer> {
    const { certificate, chain, signer } = options.registrar()
    const roots = statementAnchors([manufacturer]).map(anchor => hash('sha256', anchor.certificate.spkiDer))
    const request = { ...wish, id: hex(16), manufacturer: statedName, roots, at: clock() } as OwnershipRequest
    return signOwnershipRequest(request, { signer, chain: [certificate, ...chain] })
  }

  async function run(place: OwnershipPlace, wish: Wish, errand: Errand): Promise<Requested> {
    const request = await sign(place, wish)
    return errand.send === false ? { request, sent: false } : submit(place, request, errand.by)
  }

  async function submit(place: OwnershipPlace, request: Buffer, by: string): Promise<Requested> {
    const answer = await sendRequest(options.client, place, request)
    return { request, sent: true, ...(await heed(answer, by)) }
  }

  /** Everything that decides is signed: who accepted is in the declarations, that it was taken back in the statement. */
  async function heed(answer: ReceivedAnswer, by: string) {
    const { offer, manifest } = answer
    const report =
      manifest === undefined
        ? undefined
        : await importManifest({ bytes: Buffer.from(manifest), store, clock, importedBy: by })
    const state = offer?.state ?? 'open'
    if (offer !== undefined && state === 'revoked') await requireStatement(offer.id, answer)
    const record = offer === undefined ? undefined : await store.transaction(tx => recordOutcome(tx, offer.id, state))
    return { ...(record === undefined ? {} : { offer: record }), ...(report === undefined ? {} : { report }) }
  }

  async function requireStatement(id: string, { statement }: ReceivedAnswer): Promise<void> {
    const { record, trusted } = await store.read(async tables => {
      const record = await tables.offer.get(id)
      return { record, trusted: record && (await tables.manufacturer.get(record.manufacturer)) }
    })
    // Of nobody's offer here nothing is written down.
    if (record === undefined) return
    const refused = (rule: string) => new OnboardingError('masa-answer-invalid', { rule, offer: id })
    if (statement === undefined || trusted === undefined) throw refused('unsigned')
    const trust = statementTrust([trusted], new Date(clock()))
    if (openOfferStatement(Buffer.from(statement), trust).offer !== id) throw refused('other-offer')
  }

  async function targets(ids: readonly string[]) {
    const devices = await devicesOf(store, ids)
    for (const device of devices) requireOwner(device, owners)
    const place = await placeOf(store, devices[0].manufacturer)
    return { place, devices: devices.map(({ serial, declarationVersion: version }) => ({ serial, version })) }
  }

  async function ownOffer(id: string): Promise<{ readonly record: OfferRecord; readonly place: OwnershipPlace }> {
    const record = await store.read(tables => tables.offer.get(id))
    if (record === undefined) throw new OnboardingError('offer-not-found', { offer: id })
    return { record, place: await placeOf(store, record.manufacturer) }
  }

  return {
    card: party,
    buyerCard: () => ({ ...party(), ...offerKey }),
    async offer({ devices: ids, days, buyer: card, ...errand }) {
      const { offerKey: text, ...buyer } = card ?? {}
      const to = text === undefined ? undefined : readOfferKey(text)
      const devices = await devicesOf(store, ids)
      const stated = await Promise.all(devices.map(device => offeredState(store, device, owners)))
      const place = await placeOf(store, devices[0].manufacturer)
      const secret = hex(secretBytes)
      const terms = { secretHash: secretHashOf(secret), expiresAt: clock() + days * day }
      const named = 'id' in buyer ? { buyer } : {}
      const request = await sign(place, { action: 'offer', devices: stated, ...terms, ...named })
      const id = hash('sha256', decodeJws(request).payload)
      const record: OfferRecord = {
        id,
        manufacturer: place.manufacturer.name,
        seller: owner,
        sellerDomains: party().domains,
        serials: stated.map(({ serial }) => serial),
        ...terms,
        ...named,
        madeAt: clock(),
        state: 'open',
        request: request.toString('utf8'),
        version: 1,
      }
      const offer = await store.transaction(tx => recordOwnOffer(tx, record, errand.by))
      const { statedName: manufacturer, baseUrl: masaUrl } = place
      const document: OfferDocument = { manufacturer, masaUrl, offer: id, secret, offered: record.request }
      const sent = errand.send === false ? { request, sent: false } : await submit(place, request, errand.by)
      return { offer, ...sent, file: encodeOfferFile(document, to), link: encodeOfferLink(document, to) }
    },
    async revokeOffer({ offer, ...errand }) {
      const { record, place } = await ownOffer(offer)
      return run(place, { action: 'revoke-offer', offer, offered: record.request }, errand)
    },
    async accept({ offer: text, ...errand }) {
      const { manufacturer, masaUrl, offer, secret, offered } = readOfferDocument(text, options.offerKey)
      const place = await placeNamed(store, manufacturer, masaUrl)
      const more = offered === undefined ? {} : { offered }
      return run(place, { action: 'accept', offer, secret, buyer: party(), ...more }, errand)
    },
    async grant({ devices: ids, onboarder, ...errand }) {
      const { place, devices } = await targets(ids)
      return run(place, { action: 'grant', devices, onboarder }, errand)
    },
    async revoke({ devices: ids, onboarder, ...errand }) {
      const { place, devices } = await targets(ids)
      return run(place, { action: 'revoke', devices, onboarder }, errand)
    },
    async intend({ devices: ids, mudUrl, keeper, ...errand }) {
      if (!isMudUrl(mudUrl)) {
        throw new OnboardingError('input-invalid', { field: 'mudUrl', rule: 'an https URL of at most 255 characters' })
      }
      const found = await devicesOf(store, ids)
      const devices = found.map(({ serial, declarationVersion: version }) => ({ serial, version }))
      const named = keeper === undefined ? {} : { keeper }
      return run(await placeOf(store, found[0].manufacturer), { action: 'intend', devices, mudUrl, ...named }, errand)
    },
    async refresh({ devices: ids, ...errand }) {
      const devices = await devicesOf(store, ids)
      const place = await placeOf(store, devices[0].manufacturer)
      return run(place, { action: 'show', serials: devices.map(({ serial }) => serial) }, errand)
    },
    async refreshOffer({ offer, ...errand }) {
      const { record, place } = await ownOffer(offer)
      try {
        return await run(place, { action: 'show', offer }, errand)
      } catch (error) {
        if (!(error instanceof OnboardingError) || error.code !== 'offer-not-found') throw error
        // It never got there: the same request, once more.
        return submit(place, Buffer.from(record.request), errand.by)
      }
    },
    take: async (answer, by) => heed(readAnswer(answer), by),
  }
}

/**
 * The manufacturer of an offer among those that the site trusts: by what its manifests call it, else, for a first purchase,
 * by the address of its MASA. A stranger's offer names nobody that we trust, and is sent nowhere; nor does one of an
 * acquaintance say where anything is sent to.
 */
async function placeNamed(store: Store, statedName: string, baseUrl: string): Promise<OwnershipPlace> {
  const all = await listManufacturers(store)
  const manifests = await store.read(tables =>
    Promise.all(all.map(({ name }) => tables.manifest.find({ manufacturer: name }, { limit: 1000 }))),
  )
  const stated = all.filter((_, n) => manifests[n]?.some(manifest => manifest.statedName === statedName))
  const host = URL.parse(baseUrl)?.host
  const known = stated.length > 0 ? stated : all.filter(({ masaUrl }) => host !== undefined && hostOf(masaUrl) === host)
  const [manufacturer, ...others] = known
  if (manufacturer === undefined || others.length > 0) {
    throw new OnboardingError('not-found', {
      manufacturer: statedName,
      reason: 'trust it first, with `mooring trust add`',
    })
  }
  if (stated.length > 0) return { ...(await placeOf(store, manufacturer.name)), statedName }
  return { manufacturer, statedName, baseUrl: masaBaseUrl(manufacturer.masaUrl ?? baseUrl) }
}

function publicKeyText(key: KeyObject): string {
  return createPublicKey(key).export({ type: 'spki', format: 'der' }).toString('base64')
}

/** Throws OnboardingError `input-invalid`. */
function readOfferKey(text: string): KeyObject {
  try {
    const key = importPublicKey(decodeBase64(text))
    ecProfile(key)
    return key
  } catch (cause) {
    throw new OnboardingError('input-invalid', { field: 'buyer', rule: 'its offerKey is an EC key' }, { cause })
  }
}

function hostOf(url: string | undefined): string | undefined {
  return url === undefined ? undefined : URL.parse(masaBaseUrl(url))?.host
}
