import { hash } from 'node:crypto'
import { decodeJws } from '../../codec/jws.ts'
import { type DeviceInformationDeclaration, decodeDeclaration } from '../../domain/declaration.ts'
import { signDeclaration } from '../../domain/declaration-jws.ts'
import { OnboardingError } from '../../domain/error.ts'
import { streamName } from '../../domain/event.ts'
import type { UnitRecord } from '../../domain/manufacture.ts'
import { declaredDomains } from '../../domain/ownership.ts'
import type { Store, Tables, Tx } from '../../domain/port.ts'
import type { Office } from '../factory/manufacturer-setup.ts'
import { formerDeclaration } from '../factory/sale.ts'
import { requireDelegate } from './delegate-revocation.ts'

/** A declaration that takes the place of the newest one, signed and seen by nobody. */
export interface SignedChange {
  readonly serial: string
  /** The version that it follows. */
  readonly from: number
  readonly next: DeviceInformationDeclaration
  /** JWS. */
  readonly declaration: string
}

export type ChangeKind = 'ownership-transferred' | 'onboarder-granted' | 'onboarder-revoked' | 'intent-declared'

export interface DeclarationTarget {
  readonly serial: string
  readonly version: number
}

export function declarationOf({ declaration }: UnitRecord): DeviceInformationDeclaration {
  return decodeDeclaration(decodeJws(Buffer.from(declaration)).payload)
}

/** Throws OnboardingError `unit-not-found`. */
export async function unitOf(tables: Pick<Tables, 'unit'>, serial: string): Promise<UnitRecord> {
  const unit = await tables.unit.get(serial)
  if (unit === undefined) throw new OnboardingError('unit-not-found', { serial })
  return unit
}

export function unitsOf(store: Store, serials: readonly string[]): Promise<readonly UnitRecord[]> {
  return store.read(tables => Promise.all(serials.map(serial => unitOf(tables, serial))))
}

/**
 * The next declaration of each unit, signed. Signed first: what is not on record was seen by nobody, so that a change
 * that comes too late has done nothing.
 */
export function signChanges(
  units: readonly UnitRecord[],
  signer: Pick<Office, 'signer' | 'chain'>,
  rule: (present: DeviceInformationDeclaration, unit: UnitRecord) => DeviceInformationDeclaration,
): Promise<readonly SignedChange[]> {
  // The rules first: nothing is signed when one of them refuses.
  const next = units.map(unit => rule(declarationOf(unit), unit))
  return Promise.all(
    next.map(async declared => ({
      serial: declared.serial,
      from: declared.version - 1,
      next: declared,
      declaration: (await signDeclaration(declared, signer)).toString('utf8'),
    })),
  )
}

/**
 * Puts all of them in force, or none. A unit that has this very change already stays as it is.
 * @throws OnboardingError `declaration-stale`, `unit-not-found`, `unit-withdrawn`, `delegate-revoked`
 */
export async function applyChanges(
  tx: Tx,
  changes: readonly SignedChange[],
  /** `change`: hash of the request that it follows from; absent when it is the manufacturer's own doing. */
  about: {
    readonly kind: ChangeKind
    readonly change?: string
    /** Certificate of the delegate that signed, DER; absent when the manufacturer did. */
    readonly delegate?: Uint8Array
  },
): Promise<void> {
  if (about.delegate !== undefined) await requireDelegate(tx, about.delegate)
  for (const change of changes) await applyChange(tx, change, about)
}

async function applyChange(
  tx: Tx,
  { serial, from, next, declaration }: SignedChange,
  { kind, change }: { readonly kind: ChangeKind; readonly change?: string },
): Promise<void> {
  const unit = await unitOf(tx, serial)
  requireVersion(unit, from)
  const domains = declaredDomains(next)
  const declared = {
    owner: next.owner.id,
    declarationVersion: next.version,
    declarationHash: hash('sha256', declaration),
    domains,
    ...(change === undefined ? {} : { change }),
  }
  const version = await tx.append(streamName('unit', serial), unit.version, [
    { kind, body: { ...declared, from: unit.owner } },
  ])
  await tx.formerDeclaration.insert(formerDeclaration(unit))
  const { declarationHash: _, ...members } = declared
  const { change: __, ...unchanged } = unit
  await tx.unit.put({ ...unchanged, ...members, declaration, version })
}

/** Throws OnboardingError `unit-withdrawn`, `declaration-stale`. */
export function requireVersion({ serial, declarationVersion, withdrawnAt }: UnitRecord, version: number): void {
  if (withdrawnAt !== undefined) throw new OnboardingError('unit-withdrawn', { serial })
  if (declarationVersion !== version) {
    throw new OnboardingError('declaration-stale', { serial, version, known: declarationVersion })
  }
}
