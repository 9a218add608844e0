import { hash } from 'node:crypto'
import type { DeviceInformationDeclaration } from '../../domain/declaration.ts'
import { OnboardingError } from '../../domain/error.ts'
import type { LifecycleState } from '../../domain/lifecycle.ts'
import { mayTransferOwnership } from '../../domain/lifecycle.ts'
import { judgeAcceptance, type OfferRecord } from '../../domain/offer.ts'
import {
  type DeclarationChange,
  declareIntent,
  domainIds,
  grantOnboarder,
  isKeeper,
  mayOnboard,
  revokeOnboarder,
  transferOwnership,
} from '../../domain/ownership.ts'
import {
  maxOfferTime,
  type OpenedOwnershipRequest,
  type OwnershipOffer,
  type OwnershipRequest,
  openOwnershipRequest,
} from '../../domain/ownership-request.ts'
import type { Clock, Log, Store } from '../../domain/port.ts'
import { createRateLimit } from '../../domain/rate-limit.ts'
import { registrarChain } from '../../protocol/brski/masa-check.ts'
import type { Manufacturer, Office } from '../factory/manufacturer-setup.ts'
import { type AnswerSource, changeAnswer, type OwnershipAnswer, offerAnswer, unitAnswer } from './ownership-answer.ts'
import {
  applyChanges,
  type ChangeKind,
  declarationOf,
  requireVersion,
  type SignedChange,
  signChanges,
  unitOf,
  unitsOf,
} from './ownership-change.ts'
import {
  asSigned,
  closeOffer,
  type FoundOffer,
  newOffer,
  recordOffer,
  revokeOffer,
  signedOffer,
} from './ownership-offer.ts'

export interface OwnershipServiceOptions {
  readonly manufacturer: Manufacturer
  readonly store: Store
  readonly clock: Clock
  readonly log: Log
  /** Who signs declarations: the manufacturer, or a delegate that it certified (white paper section 2.7). */
  readonly signer?: Pick<Office, 'signer' | 'chain'>
  /** Requests per minute of one owner. */
  readonly requestsPerMinute?: number
}

/** Holds the declarations, and changes them for whoever is entitled to it. */
export interface OwnershipService {
  /**
   * Does what a signed request asks for, once: the same request is answered alike. Throws OnboardingError
   * `ownership-request-invalid`, `registrar-not-authorized`, `not-owner`, `declaration-stale`, `unit-not-found`,
   * `unit-withdrawn`, `lifecycle-…`, `offer-…`, `input-invalid`, `rate-limited`.
   */
  apply(bytes: Uint8Array): Promise<OwnershipAnswer>
}

/** An authenticated request: whose keys signed it. */
export interface Asked<R extends OwnershipRequest = OwnershipRequest> extends OpenedOwnershipRequest<R> {
  /** Computed ids of each key of the signer's chain. */
  readonly domains: readonly string[]
  readonly at: number
}

type Action = OwnershipRequest['action']
type Of<A extends Action> = Extract<OwnershipRequest, { action: A }>

interface Work extends Omit<OwnershipServiceOptions, 'signer'>, AnswerSource {
  readonly signer: Pick<Office, 'signer' | 'chain'>
  readonly delegate: { readonly delegate?: Uint8Array }
}

export function createOwnershipService(options: OwnershipServiceOptions): OwnershipService {
  const { clock, log, manufacturer } = options
  const limit = createRateLimit({ perMinute: options.requestsPerMinute ?? 600, clock })
  const own = options.signer?.chain[0]?.der
  const delegate = own === undefined ? {} : { delegate: own }
  const work: Work = { ...options, signer: options.signer ?? manufacturer.manifest, delegate }
  return {
    async apply(bytes) {
      const at = clock()
      const asked = authenticate(bytes, manufacturer, at)
      limit(asked.domains.at(-1) ?? '')
      const answer = await perform(work, asked)
      log.info({ action: asked.request.action, request: asked.hash }, 'ownership request granted')
      return answer
    },
  }
}

/** Clocks of owners may be this much ahead. */
const skew = 600_000

/**
 * Whose request it is: a registrar's (id-kp-cmcRA), since every device of a domain has a certificate of it, too, and must
 * not give itself away. The keys count, not what certificates say of them.
 */
function authenticate(bytes: Uint8Array, manufacturer: Manufacturer, at: number): Asked {
  const opened = openOwnershipRequest(bytes)
  const { request } = opened
  const refused = (rule: string) => new OnboardingError('ownership-request-invalid', { rule })
  // The name is what anybody may call himself, who then could carry on what his own customers ask of him.
  const meant = rootsOf(manufacturer).some(root => request.roots.includes(root))
  if (request.manufacturer !== manufacturer.name || !meant) throw refused('other-manufacturer')
  if (request.at > at + skew) throw refused('from-the-future')
  return { ...opened, domains: provenDomains(opened, at), at }
}

/** By what a site may have come to trust this manufacturer's statements. */
function rootsOf({ masaRoot, manifest }: Manufacturer): readonly string[] {
  return [masaRoot, ...manifest.chain].map(({ spkiDer }) => hash('sha256', spkiDer))
}

function provenDomains({ chain }: OpenedOwnershipRequest, at: number): readonly string[] {
  return registrarChain(chain, new Date(at)).flatMap(domainIds)
}

function perform(work: Work, asked: Asked): Promise<OwnershipAnswer> {
  const { request } = asked
  switch (request.action) {
    case 'offer':
      return offer(work, { ...asked, request })
    case 'accept':
      return accept(work, { ...asked, request })
    case 'revoke-offer':
      return revokeOpenOffer(work, { ...asked, request })
    case 'grant':
      return changeOnboarders(work, { ...asked, request }, 'onboarder-granted')
    case 'revoke':
      return changeOnboarders(work, { ...asked, request }, 'onboarder-revoked')
    case 'intend':
      return intend(work, { ...asked, request })
    case 'show':
      return show(work, { ...asked, request })
  }
}

async function offer(work: Work, asked: Asked<OwnershipOffer>): Promise<OwnershipAnswer> {
  const known = await work.store.read(tables => tables.offer.get(asked.hash))
  if (known !== undefined) return offerAnswer(work, known)
  const seller = await checkOffer(work, asked)
  return offerAnswer(work, await work.store.transaction(tx => recordOffer(tx, newOffer(asked, seller))))
}

type Seller = Pick<OfferRecord, 'seller' | 'sellerDomains'>

/** White paper section 4.1: by the owner alone, and only what may change hands. What can be told later is told now, too. */
async function checkOffer({ store, manufacturer }: Work, asked: Asked<OwnershipOffer>): Promise<Seller> {
  const { request, domains, at } = asked
  const { devices, expiresAt, buyer } = request
  const refused = (rule: string) => new OnboardingError('ownership-request-invalid', { rule })
  if (new Set(devices.map(({ serial }) => serial)).size !== devices.length) throw refused('a device is named twice')
  if (!(expiresAt > at && expiresAt <= at + maxOfferTime)) throw refused('expiresAt is not within 90 days')
  if (buyer !== undefined) requireOwnName(manufacturer, buyer)
  const units = await unitsOf(
    store,
    devices.map(({ serial }) => serial),
  )
  const owners = units.map((unit, n) => {
    const { version, lifecycle, wiped, onboarded } = devices[n]!
    const { serial } = unit
    const { owner } = declarationOf(unit)
    const byOwner = owner.domains.some(domain => domains.includes(domain))
    const permission = mayTransferOwnership(lifecycle as LifecycleState, { byOwner, wiped, onboarded })
    if (!permission.allowed) throw new OnboardingError(permission.code, { serial, reason: permission.reason })
    requireVersion(unit, version)
    return owner
  })
  const sellerDomains = domains.filter(domain => owners.every(owner => owner.domains.includes(domain)))
  if (sellerDomains.length === 0) throw refused('the devices are known by different keys')
  return { seller: owners[0]?.id ?? '', sellerDomains }
}

/** Nobody takes the manufacturer's name: people read names, and the factory sells what is in its own. */
function requireOwnName({ party }: Manufacturer, named: { readonly id: string; readonly domains: readonly string[] }) {
  if (named.id !== party.id || named.domains.some(domain => party.domains.includes(domain))) return
  throw new OnboardingError('ownership-request-invalid', { rule: 'the name of the manufacturer', name: named.id })
}

async function accept(work: Work, asked: Asked<Of<'accept'>>): Promise<OwnershipAnswer> {
  const { request, domains, at } = asked
  requireOwnName(work.manufacturer, request.buyer)
  const found = await findOffer(work, request, at)
  if (judgeAcceptance(found.record, request, domains, at) === 'again') {
    return changeAnswer(work, found.record, request.buyer)
  }
  try {
    return await changeAnswer(work, await transfer(work, asked, found), request.buyer)
  } catch (error) {
    if (!(error instanceof OnboardingError) || error.code !== 'declaration-stale') throw error
    // Another acceptance may have been faster; then what there is to say is about the offer.
    const { record } = await findOffer(work, request, at)
    if (judgeAcceptance(record, request, domains, at) === 'now') throw error
    return changeAnswer(work, record, request.buyer)
  }
}

async function transfer(work: Work, asked: Asked<Of<'accept'>>, found: FoundOffer): Promise<OfferRecord> {
  const { request, domains, at, hash: change } = asked
  // As the owner wrote it, when the owner named the buyer.
  const buyer = found.record.buyer ?? request.buyer
  const changes = await transferOf(work, found.record, buyer, at)
  return work.store.transaction(async tx => {
    const current = await tx.offer.get(found.record.id)
    // Another acceptance, or a revocation, was faster: it has decided.
    const known = current === undefined ? undefined : asSigned(current)
    if (known !== undefined && judgeAcceptance(known, request, domains, at) === 'again') return known
    const open = { record: known ?? found.record, isNew: known === undefined }
    const closed = await closeOffer(tx, open, changes, { by: buyer, change })
    await applyChanges(tx, changes, { kind: 'ownership-transferred', change, ...work.delegate })
    return closed
  })
}

/** As it is on record, or as the buyer brings it along, signed by the owner. */
async function findOffer(
  work: Work,
  { offer: id, offered }: { readonly offer: string; readonly offered?: string | undefined },
  at: number,
): Promise<FoundOffer> {
  const record = await work.store.read(tables => tables.offer.get(id))
  if (record !== undefined) return { record: asSigned(record), isNew: false }
  if (offered === undefined) throw new OnboardingError('offer-not-found', { offer: id })
  const asked = authenticate(Buffer.from(offered), work.manufacturer, at)
  if (asked.request.action !== 'offer' || asked.hash !== id) throw new OnboardingError('offer-not-found', { offer: id })
  const offer = { ...asked, request: asked.request }
  return { record: newOffer(offer, await checkOffer(work, offer)), isNew: true }
}

/**
 * The declarations that name the buyer. The owner's signature is looked at once more, so that a record that somebody
 * wrote into the database moves nothing; its certificate counts as of the day on which the offer was made.
 */
async function transferOf(
  { store, signer }: Work,
  record: OfferRecord,
  buyer: Of<'accept'>['buyer'],
  at: number,
): Promise<readonly SignedChange[]> {
  const opened = signedOffer(record)
  const { request } = opened
  const by = provenDomains(opened, record.madeAt)
  const versions = new Map(request.devices.map(({ serial, version }) => [serial, version]))
  const units = await unitsOf(store, record.serials)
  for (const unit of units) requireVersion(unit, versions.get(unit.serial) ?? 0)
  return signChanges(units, signer, present =>
    transferOwnership(present, { by, version: versions.get(present.serial) ?? 0, at }, { owner: buyer }),
  )
}

async function revokeOpenOffer(work: Work, asked: Asked<Of<'revoke-offer'>>): Promise<OwnershipAnswer> {
  const { request, domains, at } = asked
  const found = await findOffer(work, request, at)
  if (!isSeller(found.record, domains)) throw new OnboardingError('not-owner', { offer: found.record.id })
  return offerAnswer(work, await work.store.transaction(tx => revokeOffer(tx, found)))
}

function isSeller({ sellerDomains }: OfferRecord, domains: readonly string[]): boolean {
  return sellerDomains.some(domain => domains.includes(domain))
}

async function changeOnboarders(
  work: Work,
  asked: Asked<Of<'grant'> | Of<'revoke'>>,
  kind: 'onboarder-granted' | 'onboarder-revoked',
): Promise<OwnershipAnswer> {
  const { request } = asked
  if (request.action === 'grant') requireOwnName(work.manufacturer, request.onboarder)
  return changeDevices(work, asked, kind, (present, asking) =>
    request.action === 'grant'
      ? grantOnboarder(present, asking, request.onboarder)
      : revokeOnboarder(present, asking, request.onboarder),
  )
}

/** The same change of all devices of a request, or of none. */
async function changeDevices(
  work: Work,
  asked: Asked<Of<'grant'> | Of<'revoke'> | Of<'intend'>>,
  kind: ChangeKind,
  rule: (present: DeviceInformationDeclaration, asking: DeclarationChange) => DeviceInformationDeclaration,
): Promise<OwnershipAnswer> {
  const { store, signer } = work
  const { request, domains: by, at, hash: change } = asked
  const versions = new Map(request.devices.map(({ serial, version }) => [serial, version]))
  const units = await unitsOf(store, [...versions.keys()])
  // One transaction makes all of the changes: where one of them is, the others are.
  if (units.every(unit => unit.change === change)) return unitAnswer(work, units, change)
  const changes = await signChanges(units, signer, present =>
    rule(present, { by, version: versions.get(present.serial) ?? 0, at }),
  )
  await store.transaction(async tx => {
    const [first] = changes
    const current = first === undefined ? undefined : await unitOf(tx, first.serial)
    if (current?.change !== change) await applyChanges(tx, changes, { kind, change, ...work.delegate })
  })
  return unitAnswer(work, await unitsOf(store, [...versions.keys()]), change)
}

/** By the keeper of the MUD file, whoever owns the devices by now. */
async function intend(work: Work, asked: Asked<Of<'intend'>>): Promise<OwnershipAnswer> {
  const { manufacturer } = work
  const { mudUrl, keeper } = asked.request
  if (keeper !== undefined) requireOwnName(manufacturer, keeper)
  const maker = manufacturer.party
  return changeDevices(work, asked, 'intent-declared', (present, asking) =>
    declareIntent(present, asking, { mudUrl, keeper: keeper ?? present.intent?.keeper ?? maker, maker }),
  )
}

/** To the owner and its onboarders what they have; of an offer, to its maker what came of it. */
async function show(work: Work, asked: Asked<Of<'show'>>): Promise<OwnershipAnswer> {
  const { request, domains, at, hash } = asked
  const { offer, serials = [] } = request
  // Whoever once read such a request must not go on reading with it.
  if (at - request.at > skew) throw new OnboardingError('ownership-request-invalid', { rule: 'too-old' })
  if (offer !== undefined) {
    const { record } = await findOffer(work, { offer }, at)
    const isBuyer = record.acceptedBy?.domains.some(domain => domains.includes(domain)) === true
    if (!isBuyer && !isSeller(record, domains)) throw new OnboardingError('not-owner', { offer })
    return record.acceptedBy === undefined ? offerAnswer(work, record) : changeAnswer(work, record, record.acceptedBy)
  }
  const units = await unitsOf(work.store, serials)
  for (const unit of units) {
    const declared = declarationOf(unit)
    const may = mayOnboard(declared, domains).allowed || isKeeper(declared, domains, work.manufacturer.party)
    if (!may) throw new OnboardingError('not-owner', { serial: unit.serial })
  }
  return unitAnswer(work, units, hash)
}
