import { OnboardingError } from '../../domain/error.ts'
import type { BatchRecord } from '../../domain/manufacture.ts'
import type { DppCurve } from '../../protocol/dpp/curve.ts'
import { type BatchTerms, openBatch, recordProgress, serialOf } from './batch.ts'
import type { BootstrappingFields } from './bootstrapping.ts'
import { certifyUnit, finishedUnit, type Line, recordFinished } from './unit.ts'

/**
 * The device's side of the line: a device under test, a directory of CSR files, a hardware token. The private key never
 * passes it. A port that throws OnboardingError refuses the one unit; any other error stops the line.
 */
export interface UnitPort {
  /** A PKCS #10 request in DER. Asked again for the same unit, it answers with the same key. */
  csr(serial: string, model: string): Promise<Uint8Array>
  /**
   * The bootstrapping URI (Wi-Fi Easy Connect) of a unit, for a key that it makes itself; asked again, the same. Absent: this
   * line has no such units.
   */
  bootstrap?(serial: string, curve: DppCurve, fields: BootstrappingFields): Promise<string>
  /**
   * Stores birth certificate, chain (up to but without the root) and the anchors by which the device knows vouchers of its
   * manufacturer; all DER. May come again with the same bytes.
   */
  install(
    serial: string,
    idevid: Uint8Array,
    chain: readonly Uint8Array[],
    anchors: readonly Uint8Array[],
  ): Promise<void>
}

export interface BatchOrder extends BatchTerms, Line {
  /** Units worked on at a time; 64 when absent. Their transactions share one commit. */
  readonly concurrency?: number
  /** Ends the line between two groups; what is made stays, and the batch can be resumed. */
  readonly signal?: AbortSignal
}

export interface UnitRefusal {
  readonly serial: string
  readonly error: OnboardingError
}

export interface BatchProgress {
  readonly batch: BatchRecord
  /** Units that this run could not make, and why; running the batch again tries them again. */
  readonly refused: readonly UnitRefusal[]
}

/**
 * Makes the units of a batch that are not made yet, each with a key of its own, a birth certificate and a declaration.
 * Killed at any moment and run again, it goes on where it stopped: exactly `count` units, one certificate for each, no
 * serial number twice. The batch is finished when `batch.finishedAt` is set.
 *
 * Throws OnboardingError `batch-differs`, `serial-prefix-taken`, `input-invalid`, `store-…`.
 */
export async function makeUnits(
  order: BatchOrder,
  onProgress: (progress: BatchProgress) => void = () => {},
): Promise<BatchProgress> {
  const steps = workBatch(order)
  for (;;) {
    const { done, value } = await steps.next()
    if (done === true) return value
    onProgress(value)
  }
}

/** As `makeUnits`, step by step: yields after each group of units. Whoever stops asking stops the line. */
export async function* workBatch(order: BatchOrder): AsyncGenerator<BatchProgress, BatchProgress> {
  const { store, clock, count, concurrency = 64 } = order
  let batch = await openBatch(store, clock, order)
  const refused: UnitRefusal[] = []
  for (let first = 1; first <= count && batch.finishedAt === undefined; first += concurrency) {
    order.signal?.throwIfAborted()
    const last = Math.min(count, first + concurrency - 1)
    const serials = Array.from({ length: last - first + 1 }, (_, i) => serialOf(order, first + i))
    // All of a group come to rest before an error ends the line: no unit is left in the hands of nobody.
    const outcomes = await Promise.allSettled(serials.map((serial, i) => certifyUnit(order, serial, first + i)))
    refused.push(...refusals(serials, outcomes))
    const certified = outcomes.flatMap(outcome => (outcome.status === 'fulfilled' ? [outcome.value] : []))
    const finished = await Promise.all(
      certified.filter(unit => unit !== undefined).map(unit => finishedUnit(order, unit)),
    )
    batch = await store.transaction(async tx => {
      const made = await recordFinished(tx, finished)
      // Each run walks the whole batch, so what it has passed and not refused is the count.
      return recordProgress(tx, batch.id, { passed: last - refused.length, made, at: clock() })
    })
    yield { batch, refused }
  }
  return { batch, refused }
}

function refusals(serials: readonly string[], outcomes: readonly PromiseSettledResult<unknown>[]): UnitRefusal[] {
  return outcomes.flatMap((outcome, i) => {
    if (outcome.status === 'fulfilled') return []
    const error: unknown = outcome.reason
    if (!(error instanceof OnboardingError) || isOurs(error)) throw error
    return [{ serial: serials[i]!, error }]
  })
}

/** What no other unit would fare better with: the record, or our own keys. */
function isOurs({ code }: OnboardingError): boolean {
  return code.startsWith('store-') || code === 'issuer-key-missing' || code === 'internal'
}
