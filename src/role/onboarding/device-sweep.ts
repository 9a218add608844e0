import type { Device } from '../../domain/device.ts'
import type { Clock, Store, Tables, Tx } from '../../domain/port.ts'
import type { Revocation } from './revocation.ts'

/** How far work on many devices has come: kept with what it is about, so that after a crash it goes on there. */
export interface SweepPlace {
  readonly state: 'under-way' | 'done'
  /** Id of the last device looked at. */
  readonly after: string
  readonly checked: number
  readonly of: number
  /** Milliseconds since 1970. */
  readonly finishedAt?: number
}

/**
 * Work on all devices, or on those of one manufacturer, in groups. `Subject` is what it is about, as its record has it; `Place`
 * how far it has come, with counts of its own.
 */
export interface DeviceSweep<Subject, Place extends SweepPlace> {
  /** As it stands now; undefined when nothing is due. */
  find(tables: Tables): Promise<Subject | undefined>
  place(subject: Subject): Place
  /** Nobody has begun it anew since it was read. */
  isSame(before: Subject, now: Subject): boolean
  devices(subject: Subject): Parameters<Tables['device']['find']>[0]
  /** Those of a group that are concerned, and whether credentials of theirs will end: a new revocation list is made then. */
  look(
    tables: Tables,
    subject: Subject,
    devices: readonly Device[],
  ): Promise<{ readonly concerned: readonly Device[]; readonly revokes: boolean }>
  /** All that is done to them, in one unit of work with the new place. @returns the counts of the place */
  settle(tx: Tx, subject: Subject, concerned: readonly Device[]): Promise<Omit<Place, keyof SweepPlace>>
  keep(tx: Tx, subject: Subject, place: Place): Promise<Subject>
}

/** Devices in one transaction: bounded, so that onboarding goes on meanwhile. */
const groupSize = 100

export type SweepStep<Subject> =
  | { readonly step: 'taken'; readonly subject: Subject }
  /** Another process was faster. */
  | { readonly step: 'overtaken' }
  | { readonly step: 'nothing-due' }

/** The next group and the new place in one unit of work: what stands in the place was done, and all of it. */
export async function sweepGroup<Subject, Place extends SweepPlace>(
  {
    store,
    clock,
    revocation,
  }: { readonly store: Store; readonly clock: Clock; readonly revocation: Pick<Revocation, 'publishWith'> },
  sweep: DeviceSweep<Subject, Place>,
): Promise<SweepStep<Subject>> {
  const found = await store.read(async tables => {
    const subject = await sweep.find(tables)
    if (subject === undefined || sweep.place(subject).state === 'done') return undefined
    const { after } = sweep.place(subject)
    const devices = await tables.device.find(sweep.devices(subject), { after, limit: groupSize })
    return { subject, devices, ...(await sweep.look(tables, subject, devices)) }
  })
  if (found === undefined) return { step: 'nothing-due' }
  const { subject, devices, concerned, revokes } = found
  let taken: Subject | undefined
  const unit = async (tx: Tx) => {
    taken = undefined
    const now = await sweep.find(tx)
    if (now === undefined || !sweep.isSame(subject, now)) return
    const place = sweep.place(now)
    if (place.state === 'done' || place.after !== sweep.place(subject).after) return
    const counts = await sweep.settle(tx, now, concerned)
    taken = await sweep.keep(tx, now, { ...place, ...counts, ...advanced(place, devices, clock()) })
  }
  // A list for a group that has nothing to tell would be a number wasted.
  if (revokes) await revocation.publishWith(unit)
  else await store.transaction(unit)
  return taken === undefined ? { step: 'overtaken' } : { step: 'taken', subject: taken }
}

function advanced({ after, checked, of }: SweepPlace, devices: readonly Device[], at: number): SweepPlace {
  const ended = devices.length < groupSize
  const looked = checked + devices.length
  return {
    state: ended ? 'done' : 'under-way',
    after: devices.at(-1)?.id ?? after,
    checked: looked,
    of: Math.max(of, looked),
    ...(ended ? { finishedAt: at } : {}),
  }
}
