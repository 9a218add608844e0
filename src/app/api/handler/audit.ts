import { OnboardingError } from '../../../domain/error.ts'
import type { LedgerVerdict } from '../../../domain/port.ts'
import { decodeCursor, encodeCursor } from '../cursor.ts'
import type { ApiServices, Handlers } from '../service.ts'
import { eventView } from '../view.ts'

export function auditHandlers({ store }: ApiServices): Pick<Handlers, 'auditVerify' | 'auditCheckpoint' | 'eventList'> {
  let underWay: Promise<LedgerVerdict> | undefined
  return {
    async auditVerify({ body: { anchor } }) {
      // It reads every event there is: one at a time, or anybody who may look could keep the record busy.
      if (underWay !== undefined) throw new OnboardingError('overloaded', { operation: 'auditVerify' })
      underWay = store.verify(anchor)
      try {
        return { ...(await underWay) }
      } finally {
        underWay = undefined
      }
    },
    async auditCheckpoint() {
      const { lanes, ...checkpoint } = await store.checkpoint()
      return { ...checkpoint, lanes: lanes.map(head => ({ ...head })) }
    },
    async eventList({ query: { cursor, limit } }) {
      const found = await store.feed(cursor === undefined ? {} : decodeCursor(cursor), limit)
      return { items: found.events.map(eventView), cursor: encodeCursor(found.cursor) }
    },
  }
}
