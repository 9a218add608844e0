import { OnboardingError } from '../../domain/error.ts'
import type { UnitRecord } from '../../domain/manufacture.ts'
import type { Store, Tables } from '../../domain/port.ts'

/** Which units: by serial number, or all of a batch. */
export type UnitSelection = { readonly serials: readonly string[] } | { readonly batch: string }

const pageSize = 1000

/**
 * The units in order of serial number, a page at a time, since a batch may be larger than memory. Throws OnboardingError
 * `unit-not-found`, `unit-withdrawn` unless these are wanted as well, and `not-found` for an unknown batch.
 */
export async function* unitPages(
  store: Store,
  selection: UnitSelection,
  { withdrawn = false }: { readonly withdrawn?: boolean } = {},
): AsyncGenerator<readonly UnitRecord[]> {
  const pages = 'batch' in selection ? ofBatch(store, selection.batch) : bySerial(store, selection.serials)
  for await (const page of pages) {
    for (const { serial, withdrawnAt } of page) {
      if (withdrawnAt !== undefined && !withdrawn) throw new OnboardingError('unit-withdrawn', { serial })
    }
    yield page
  }
}

async function* ofBatch(store: Store, batch: string): AsyncGenerator<readonly UnitRecord[]> {
  let after = ''
  for (;;) {
    const page = await store.read(tables => tables.unit.find({ batch }, { after, limit: pageSize }))
    if (page.length > 0) yield page
    else if (after === '') throw new OnboardingError('not-found', { batch })
    if (page.length < pageSize) return
    after = page.at(-1)!.serial
  }
}

async function* bySerial(store: Store, serials: readonly string[]): AsyncGenerator<readonly UnitRecord[]> {
  const wanted = [...new Set(serials)].sort()
  for (let first = 0; first < wanted.length; first += pageSize) {
    const page = wanted.slice(first, first + pageSize)
    yield await store.read(tables => Promise.all(page.map(serial => unitOf(tables, serial))))
  }
}

async function unitOf(tables: Tables, serial: string): Promise<UnitRecord> {
  const unit = await tables.unit.get(serial)
  if (unit === undefined) throw new OnboardingError('unit-not-found', { serial })
  return unit
}
