import type { Party } from '../../domain/declaration.ts'
import type { UnitRecord } from '../../domain/manufacture.ts'
import { declareIntent } from '../../domain/ownership.ts'
import type { FactoryOffice } from '../factory/sale.ts'
import { type UnitSelection, unitPages } from '../factory/unit-selection.ts'
import { applyChanges, declarationOf, signChanges } from './ownership-change.ts'

export interface IntentReport {
  readonly declared: number
  /** Had this URL and this keeper before. */
  readonly unchanged: number
}

/** Units signed for, and written down in one transaction. */
const groupSize = 64

/**
 * What the manufacturer itself declares of the MUD file of units: that somebody else keeps it from now on (white paper
 * section 4.1, rebranding), or where it is, while it keeps it. Units are looked at first, so that one which somebody else
 * keeps changes nothing; run again after a crash, it does the rest. Throws OnboardingError `not-keeper`, `input-invalid`,
 * `unit-not-found`, `unit-withdrawn`.
 */
export async function declareIntents(
  office: FactoryOffice,
  selection: UnitSelection,
  /** `keeper` absent: the manufacturer. */
  to: { readonly mudUrl: string; readonly keeper?: Party },
  onProgress: (done: number, of: number) => void = () => {},
): Promise<IntentReport> {
  const { manufacturer, store, clock } = office
  const intent = { mudUrl: to.mudUrl, keeper: to.keeper ?? manufacturer.party }
  const rule = (unit: UnitRecord) => {
    const present = declarationOf(unit)
    const change = { by: manufacturer.party.domains, version: unit.declarationVersion, at: clock() }
    return declareIntent(present, change, { ...intent, maker: manufacturer.party })
  }
  const has = (unit: UnitRecord) => {
    const { intent: known } = declarationOf(unit)
    return known?.mudUrl === intent.mudUrl && known.keeper.id === intent.keeper.id
  }
  let total = 0
  for await (const page of unitPages(store, selection)) {
    for (const unit of page) if (!has(unit)) rule(unit)
    total += page.length
  }
  let [declared, done] = [0, 0]
  for await (const page of unitPages(store, selection)) {
    for (let first = 0; first < page.length; first += groupSize) {
      const group = page.slice(first, first + groupSize)
      const open = group.filter(unit => !has(unit))
      const changes = await signChanges(open, manufacturer.manifest, (_, unit) => rule(unit))
      await store.transaction(tx => applyChanges(tx, changes, { kind: 'intent-declared' }))
      declared += open.length
      done += group.length
      onProgress(done, total)
    }
  }
  return { declared, unchanged: done - declared }
}
