import type { Party } from '../../domain/declaration.ts'
import { OnboardingError } from '../../domain/error.ts'
import type { UnitRecord } from '../../domain/manufacture.ts'
import type { OfferRecord } from '../../domain/offer.ts'
import { signOfferStatement } from '../../domain/offer-statement.ts'
import type { Clock, Store } from '../../domain/port.ts'
import type { Manufacturer } from '../factory/manufacturer-setup.ts'
import { batchComponents, formerDeclarationId, manifestHead, manifestUnit } from '../factory/sale.ts'
import { signManifest } from '../supply-chain/manifest.ts'
import { declarationOf, unitsOf } from './ownership-change.ts'

/** What a requester is told. All that decides something is in manifest and statement, which the manufacturer signed. */
export interface OwnershipAnswer {
  readonly offer?: OfferView
  /** That the offer was taken back (domain/offer-statement.ts). */
  readonly statement?: Buffer
  /** The devices with their declarations, for a site to import. */
  readonly manifest?: Buffer
}

export interface OfferView {
  readonly id: string
  readonly state: OfferRecord['state']
  readonly serials: readonly string[]
  readonly expiresAt: number
  readonly buyer?: Party
}

export interface AnswerSource {
  readonly manufacturer: Manufacturer
  readonly store: Store
  readonly clock: Clock
}

export function offerView({ id, state, serials, expiresAt, buyer, acceptedBy }: OfferRecord): OfferView {
  const named = acceptedBy ?? buyer
  return { id, state, serials, expiresAt, ...(named === undefined ? {} : { buyer: named }) }
}

export async function offerAnswer({ manufacturer }: AnswerSource, record: OfferRecord): Promise<OwnershipAnswer> {
  const offer = offerView(record)
  if (record.state !== 'revoked') return { offer }
  return { offer, statement: await signOfferStatement(record.id, manufacturer.manifest) }
}

/**
 * What came of an accepted offer: the declarations as the transfer left them. What happened later is not the former
 * owner's business, and a buyer that asks again gets the same answer.
 */
export async function changeAnswer(source: AnswerSource, record: OfferRecord, buyer: Party): Promise<OwnershipAnswer> {
  const units = await unitsOf(source.store, record.serials)
  const versions = new Map(record.serials.map((serial, n) => [serial, record.versions?.[n] ?? 0]))
  const then = await source.store.read(tables =>
    Promise.all(
      units.map(async unit => {
        const version = versions.get(unit.serial) ?? 0
        if (unit.declarationVersion === version) return unit
        const former = await tables.formerDeclaration.get(formerDeclarationId(unit.serial, version))
        if (former === undefined) throw new OnboardingError('declaration-stale', { serial: unit.serial, version })
        return { ...unit, declaration: former.declaration }
      }),
    ),
  )
  return { offer: offerView(record), manifest: await manifestOf(source, then, buyer, record.id) }
}

export async function unitAnswer(
  source: AnswerSource,
  units: readonly UnitRecord[],
  request: string,
): Promise<OwnershipAnswer> {
  const [first] = units
  if (first === undefined) throw new OnboardingError('ownership-request-invalid', { rule: 'no device' })
  return { manifest: await manifestOf(source, units, declarationOf(first).owner, request) }
}

async function manifestOf(
  { manufacturer, store, clock }: AnswerSource,
  units: readonly UnitRecord[],
  buyer: Party,
  request: string,
): Promise<Buffer> {
  const head = await manifestHead({ manufacturer, store }, { id: request.slice(0, 32), issuedAt: clock(), buyer })
  const parts = batchComponents(store)
  const made = await Promise.all(units.map(async unit => manifestUnit(unit, await parts(unit.batch))))
  return signManifest(head, made, manufacturer.manifest)
}
