import { decodeJws } from '../../codec/jws.ts'
import { decodeCertificate } from '../../codec/x509/certificate.ts'
import { decodeDeclaration } from '../../domain/declaration.ts'
import { OnboardingError } from '../../domain/error.ts'
import { streamName } from '../../domain/event.ts'
import { type LifecycleFacts, possibleMoves } from '../../domain/lifecycle.ts'
import { type StepRequest, takeStep } from '../../domain/lifecycle-step.ts'
import type { LifecycleState } from '../../domain/lifecycle-table.ts'
import type { UnitRecord } from '../../domain/manufacture.ts'
import type { Store, Tx } from '../../domain/port.ts'
import { type LifeSource, readTimeline, type TimelinePage } from '../lifecycle/timeline.ts'
import type { FactoryOffice } from './sale.ts'
import { type UnitSelection, unitPages } from './unit-selection.ts'

export interface MoveReport {
  readonly moved: number
  /** Had taken this step before, and nothing since. */
  readonly unchanged: number
}

/** Units in one transaction. */
const groupSize = 100

/**
 * Takes a step of the supply chain with units: handed to an integrator, released, stored, shipped, shelved, acquired. All
 * are looked at first, so that one which cannot take it changes nothing; run again after a crash, it moves the rest. What
 * follows when a unit was acquired is in the record of its owner. Throws OnboardingError `unit-not-found`,
 * `unit-withdrawn`, and as `takeStep`.
 */
export async function moveUnits(
  office: FactoryOffice,
  selection: UnitSelection,
  step: StepRequest,
  onProgress: (done: number, of: number) => void = () => {},
): Promise<MoveReport> {
  const { store } = office
  let total = 0
  for await (const page of unitPages(store, selection)) {
    for (const unit of page) if (!hasTaken(unit, step)) decide(office, unit, step)
    total += page.length
  }
  let moved = 0
  let done = 0
  for await (const page of unitPages(store, selection)) {
    for (let first = 0; first < page.length; first += groupSize) {
      const group = page.slice(first, first + groupSize)
      moved += await store.transaction(tx => moveGroup(tx, office, group, step))
      done += group.length
      onProgress(done, total)
    }
  }
  return { moved, unchanged: done - moved }
}

async function moveGroup(tx: Tx, office: FactoryOffice, group: readonly UnitRecord[], step: StepRequest) {
  let moved = 0
  for (const { serial } of group) {
    const unit = await tx.unit.get(serial)
    if (unit === undefined) throw new OnboardingError('unit-not-found', { serial })
    if (hasTaken(unit, step)) continue
    const { move, body } = decide(office, unit, step)
    const version = await tx.append(streamName('unit', serial), unit.version, [{ kind: 'unit-moved', body }])
    await tx.unit.put({ ...unit, lifecycle: move.to, movedBy: move.transition, version })
    moved++
  }
  return moved
}

function stateOf({ lifecycle = 'SC.MFG' }: UnitRecord): LifecycleState {
  return lifecycle
}

/** The last step of the unit is this one, and where it is now the step does not lead on: it was taken before. */
function hasTaken(unit: UnitRecord, { event }: StepRequest): boolean {
  const state = stateOf(unit)
  if (unit.movedBy === undefined || possibleMoves(state).some(row => row.event === event)) return false
  return supplyChain.find(({ id }) => id === unit.movedBy)?.event === event
}

const supplyChain = (['SC.RDD', 'SC.MFG', 'SC.INT', 'SC.RBR', 'SC.TRN', 'SC.STO', 'SC.SHL'] as const).flatMap(
  possibleMoves,
)

function decide({ manufacturer, clock }: FactoryOffice, unit: UnitRecord, step: StepRequest) {
  const state = stateOf(unit)
  const { event } = step
  if (!state.startsWith('SC.')) throw new OnboardingError('lifecycle-transition-refused', { state, event })
  const subject = { noun: 'unit', name: unit.serial, state } as const
  return takeStep(subject, step, unitFacts(unit, manufacturer.party.id), clock())
}

/** What the factory's record proves of a finished unit. */
function unitFacts({ declaration, idevid, owner }: UnitRecord, maker: string): LifecycleFacts {
  const { authorizedOnboarders, intent } = decodeDeclaration(decodeJws(Buffer.from(declaration)).payload)
  const alone = owner === maker && authorizedOnboarders.length === 0
  return {
    requirementsFixed: true,
    declarationSupported: true,
    birthCredentialInstalled: true,
    // IDevIDs of the line have no end.
    birthCredentialExpired: false,
    integratorAuthorized: !alone,
    authorityReturned: alone,
    ownershipTransferred: owner !== maker,
    ...dutyFact({ idevid, keeper: intent?.keeper.id, maker }),
  }
}

/** Of a device without a MUD file nobody can see here whether another keeps its declaration. */
function dutyFact({ idevid, keeper, maker }: { idevid: string; keeper: string | undefined; maker: string }) {
  if (keeper !== undefined) return { maintenanceDutyPassed: keeper !== maker }
  const born = decodeCertificate(Buffer.from(idevid, 'base64')).mudUrl !== undefined
  return born ? { maintenanceDutyPassed: false } : {}
}

/** The life of a unit until somebody acquires it. Throws OnboardingError `unit-not-found`. */
export async function unitTimeline(
  store: Store,
  serial: string,
  page: { readonly after: number; readonly limit: number },
): Promise<TimelinePage> {
  const unit = await store.read(tables => tables.unit.get(serial))
  if (unit === undefined) throw new OnboardingError('unit-not-found', { serial })
  return readTimeline(store, unitLife(serial), page)
}

/** A unit comes on record when the line begins with it: the terms of its batch are fixed (T01). */
function unitLife(serial: string): LifeSource {
  const first = {
    state: 'SC.MFG',
    from: 'SC.RDD',
    transition: 'T01',
    event: 'start-production',
    actor: 'device-manufacturer',
    proven: { requirementsFixed: true },
  } as const
  return { stream: streamName('unit', serial), moved: 'unit-moved', first: () => first }
}
