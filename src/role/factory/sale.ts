import { hash } from 'node:crypto'
import { decodeJws } from '../../codec/jws.ts'
import { type Certificate, decodeCertificate } from '../../codec/x509/certificate.ts'
import type { ComponentList } from '../../domain/component.ts'
import { decodeDeclaration, type Party } from '../../domain/declaration.ts'
import { signDeclaration } from '../../domain/declaration-jws.ts'
import { OnboardingError } from '../../domain/error.ts'
import { streamName } from '../../domain/event.ts'
import type { FormerDeclarationRecord, UnitRecord } from '../../domain/manufacture.ts'
import { declaredDomains, domainIds, transferOwnership } from '../../domain/ownership.ts'
import type { Clock, Random, Store } from '../../domain/port.ts'
import { type ManifestHead, type ManifestUnit, signManifest } from '../supply-chain/manifest.ts'
import { statementIssuer } from './delegate.ts'
import type { Manufacturer } from './manufacturer-setup.ts'
import { type UnitSelection, unitPages } from './unit-selection.ts'

/** The buyer as declarations name it: an id that its sites go by, and the keys that its registrars are known by. */
export type BuyerCard = Party

/** A card from the buyer's certificates: of its root, its registrar CA or a registrar, whichever it hands out. */
export function buyerCard(buyer: {
  readonly id: string
  readonly name: string
  readonly certificates: readonly Pick<Certificate, 'spkiDer'>[]
}): BuyerCard {
  const { id, name, certificates } = buyer
  return { id, name, domains: [...new Set(certificates.flatMap(domainIds))] }
}

export interface FactoryOffice {
  readonly manufacturer: Manufacturer
  readonly store: Store
  readonly clock: Clock
}

export interface Sale {
  readonly buyer: BuyerCard
  readonly authorizedOnboarders?: readonly Party[]
}

export interface SaleReport {
  readonly sold: number
  /** Were the buyer's before. */
  readonly unchanged: number
}

const groupSize = 64

/**
 * Makes the buyer the owner in each unit's declaration. Units are looked at first, so that a shipment with a unit that
 * cannot be sold changes nothing; run again after a crash, it sells the rest. Throws OnboardingError `unit-not-found`,
 * `unit-withdrawn`, `not-owner` for a unit that was sold to somebody else, `input-invalid` for a card that cannot be used.
 */
export async function sellUnits(
  office: FactoryOffice,
  selection: UnitSelection,
  sale: Sale,
  onProgress: (done: number, of: number) => void = () => {},
): Promise<SaleReport> {
  const { manufacturer, store } = office
  let total = 0
  for await (const page of unitPages(store, selection)) {
    total += page.length
    for (const { serial, owner } of page) {
      if (owner !== manufacturer.party.id && owner !== sale.buyer.id) {
        throw new OnboardingError('not-owner', { serial, owner })
      }
    }
  }
  let sold = 0
  let done = 0
  for await (const page of unitPages(store, selection)) {
    for (let first = 0; first < page.length; first += groupSize) {
      const group = page.slice(first, first + groupSize)
      // All come to rest before an error is told: nothing is written behind the caller's back.
      const outcomes = await Promise.allSettled(group.map(unit => sellUnit(office, unit, sale)))
      for (const outcome of outcomes) {
        if (outcome.status === 'rejected') throw outcome.reason
        if (outcome.value) sold++
      }
      done += group.length
      onProgress(done, total)
    }
  }
  return { sold, unchanged: done - sold }
}

/** True when the unit changed hands. Signed first: a declaration that is not on record was seen by nobody. */
async function sellUnit(office: FactoryOffice, unit: UnitRecord, sale: Sale): Promise<boolean> {
  const { manufacturer, store, clock } = office
  if (unit.owner === sale.buyer.id) return false
  const present = decodeDeclaration(decodeJws(Buffer.from(unit.declaration)).payload)
  const change = { by: manufacturer.party.domains, version: unit.declarationVersion, at: clock() }
  const next = transferOwnership(present, change, {
    owner: sale.buyer,
    ...(sale.authorizedOnboarders === undefined ? {} : { authorizedOnboarders: sale.authorizedOnboarders }),
  })
  const declaration = (await signDeclaration(next, manufacturer.manifest)).toString('utf8')
  return store.transaction(async tx => {
    const { serial } = unit
    const current = await tx.unit.get(serial)
    if (current === undefined) throw new OnboardingError('unit-not-found', { serial })
    if (current.owner === sale.buyer.id) return false
    if (current.declarationVersion !== unit.declarationVersion) {
      throw new OnboardingError('not-owner', { serial, owner: current.owner })
    }
    const domains = declaredDomains(next)
    const declared = { declarationVersion: next.version, declarationHash: hash('sha256', declaration), domains }
    const body = { owner: next.owner.id, from: current.owner, ...declared }
    const version = await tx.append(streamName('unit', serial), current.version, [
      { kind: 'ownership-transferred', body },
    ])
    await tx.formerDeclaration.insert(formerDeclaration(current))
    const { change: _, ...unchanged } = current
    await tx.unit.put({
      ...unchanged,
      owner: next.owner.id,
      domains,
      declaration,
      declarationVersion: next.version,
      version,
    })
    return true
  })
}

/** What is kept of a declaration when a newer one takes its place. */
export function formerDeclaration({ serial, declarationVersion, declaration }: UnitRecord): FormerDeclarationRecord {
  return { id: formerDeclarationId(serial, declarationVersion), serial, declarationVersion, declaration }
}

export function formerDeclarationId(serial: string, version: number): string {
  return `${serial}/${String(version).padStart(10, '0')}`
}

/**
 * The signed list for the buyer, of units that are the buyer's. For the MASA's own use the buyer is the manufacturer.
 * Throws OnboardingError `manifest-too-large`, `not-owner`, `unit-not-found`, `unit-withdrawn`.
 */
export async function shipmentManifest(
  office: FactoryOffice & { readonly random: Random },
  selection: UnitSelection,
  buyer: BuyerCard,
): Promise<Buffer> {
  const { manufacturer, store, clock, random } = office
  const head = await manifestHead(
    { manufacturer, store },
    { id: Buffer.from(random(16)).toString('hex'), issuedAt: clock(), buyer },
  )
  return signManifest(head, soldUnits(store, selection, buyer), manufacturer.manifest)
}

export async function manifestHead(
  { manufacturer, store }: Pick<FactoryOffice, 'manufacturer' | 'store'>,
  about: Pick<ManifestHead, 'id' | 'issuedAt' | 'buyer'>,
): Promise<ManifestHead> {
  const { name, masa, deviceRoot, masaRoot } = manufacturer
  const { crl } = (await store.read(tables => tables.issuer.get(statementIssuer))) ?? {}
  return {
    ...about,
    manufacturer: name,
    masaUrl: masa.baseUrl,
    anchors: [Buffer.from(deviceRoot.der).toString('base64')],
    masaAnchors: [Buffer.from(masaRoot.der).toString('base64')],
    ...(crl === undefined ? {} : { crl }),
  }
}

async function* soldUnits(store: Store, selection: UnitSelection, buyer: BuyerCard): AsyncGenerator<ManifestUnit> {
  const parts = batchComponents(store)
  for await (const page of unitPages(store, selection)) {
    for (const unit of page) {
      const { serial, owner, batch } = unit
      if (owner !== buyer.id) throw new OnboardingError('not-owner', { serial, owner })
      yield manifestUnit(unit, await parts(batch))
    }
  }
}

/** What the units of a batch are made of; asked once for each. */
export function batchComponents(store: Store): (batch: string) => Promise<ComponentList | undefined> {
  const known = new Map<string, ComponentList | undefined>()
  return async batch => {
    if (!known.has(batch)) known.set(batch, (await store.read(tables => tables.batch.get(batch)))?.components)
    return known.get(batch)
  }
}

export function manifestUnit(
  { serial, model, keyHash, idevid, declaration, bootstrappingUri }: UnitRecord,
  components: ComponentList | undefined,
): ManifestUnit {
  const certificate = Buffer.from(idevid, 'base64')
  const { mudUrl } = decodeCertificate(certificate)
  const certificateHash = hash('sha256', certificate)
  const intent = mudUrl === undefined ? {} : { mudUrl }
  return {
    serial,
    model,
    keyHash,
    certificateHash,
    declaration,
    ...intent,
    ...(components === undefined ? {} : { components }),
    ...(bootstrappingUri === undefined ? {} : { bootstrapping: bootstrappingUri }),
  }
}

/** For good: no voucher from now on, whoever asks. */
export function withdrawUnit(
  { store, clock }: Omit<FactoryOffice, 'manufacturer'>,
  serial: string,
  by: string,
): Promise<UnitRecord> {
  return store.transaction(async tx => {
    const unit = await tx.unit.get(serial)
    if (unit === undefined) throw new OnboardingError('unit-not-found', { serial })
    if (unit.withdrawnAt !== undefined) return unit
    const version = await tx.append(streamName('unit', serial), unit.version, [
      { kind: 'unit-withdrawn', body: { by } },
    ])
    const withdrawn = { ...unit, withdrawnAt: clock(), version }
    await tx.unit.put(withdrawn)
    return withdrawn
  })
}
