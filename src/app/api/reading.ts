import { OnboardingError } from '../../domain/error.ts'
import type { Clock, Log, Store } from '../../domain/port.ts'
import type { Caller } from '../../domain/site.ts'
import type { OperationName } from './contract.ts'

/**
 * Who looks at the record is on record. Changes tell by whom they were made; of reading, what an auditor asks for is kept,
 * once a minute and operation, as an event in a stream of its own: `token/<id>/<operation>-<minute>`. Its name makes it
 * the same event in every process. Looking on is not refused when the record cannot be written: that is when an auditor
 * is needed.
 */
export function createReadingRecord({ store, clock, log }: { store: Store; clock: Clock; log: Log }) {
  let minute = 0
  let kept = new Set<string>()
  return async ({ id, name, party, roles }: Caller, operation: OperationName): Promise<void> => {
    if (!roles.includes('auditor')) return
    const at = clock()
    const now = Math.floor(at / 60_000)
    if (now !== minute) {
      minute = now
      kept = new Set()
    }
    const stream = `${id}/${operation}-${now}`
    if (kept.has(stream)) return
    kept.add(stream)
    try {
      await store.transaction(tx =>
        tx.append(stream, 0, [{ kind: 'record-read', body: { name, party, operation, at } }]),
      )
    } catch (error) {
      // Another process was first.
      if (error instanceof OnboardingError && error.code === 'store-conflict') return
      log.warn({ caller: id, operation, error: String(error) }, 'reading could not be recorded')
    }
  }
}
