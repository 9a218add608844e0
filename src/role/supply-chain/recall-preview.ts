import type { Clock, Store } from '../../domain/port.ts'
import { recallId, verifyRecall } from './recall-import.ts'
import type { VerifiedRecall } from './recall-notice.ts'

export interface RecallPreview {
  readonly notice: VerifiedRecall
  /** Devices of this site that the notice names; for one that lifts, those that the recall had hit. */
  readonly hits: number
  /** Of them with a network credential. */
  readonly credentialed: number
}

/** Whom a notice would hit. Writes nothing. Throws OnboardingError as `importRecall`, but for `recall-stale`. */
export async function previewRecall(from: {
  readonly bytes: Uint8Array
  readonly store: Store
  readonly clock: Clock
}): Promise<RecallPreview> {
  const { store } = from
  const notice = await verifyRecall(from)
  const { trustedAs: manufacturer, models, action } = notice
  const id = recallId(manufacturer, notice.recall)
  const serials = new Set(notice.serials)
  let hits = 0
  let credentialed = 0
  for (let after = ''; ; ) {
    const page = await store.read(tables => tables.device.find({ manufacturer }, { after, limit: 1000 }))
    for (const { serial, model, credential, recalls = [] } of page) {
      const hit = action === 'lift' ? recalls.includes(id) : serials.has(serial) || models.includes(model)
      if (!hit) continue
      hits++
      if (credential !== undefined) credentialed++
    }
    const last = page.at(-1)
    if (last === undefined || page.length < 1000) return { notice, hits, credentialed }
    after = last.id
  }
}
