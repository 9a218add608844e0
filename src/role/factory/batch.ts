import { type ComponentList, componentSnapshot } from '../../domain/component.ts'
import { OnboardingError } from '../../domain/error.ts'
import { type NewEvent, streamName } from '../../domain/event.ts'
import type { BatchRecord, UnitRecord } from '../../domain/manufacture.ts'
import type { Clock, Store, Tx } from '../../domain/port.ts'
import { type BootstrappingTerms, bootstrappingText, checkBootstrappingTerms } from './bootstrapping.ts'
import type { Model } from './idevid.ts'

/** What a batch is started with, and must be resumed with. */
export interface BatchTerms {
  /** Name of the batch: 1 to 40 of `A-Z a-z 0-9 . -`. */
  readonly batch: string
  readonly model: Model
  readonly count: number
  readonly keyOrigin: UnitRecord['keyOrigin']
  /** Before the running number in serial numbers; the name of the batch when absent. No two batches share one. */
  readonly serialPrefix?: string
  /** What the units are made of, as the factory measured it. */
  readonly components?: ComponentList
  /** For Wi-Fi Easy Connect, too. */
  readonly dpp?: BootstrappingTerms
}

const maxCount = 1_000_000
const name = /^[A-Za-z0-9][A-Za-z0-9.-]{0,39}$/

/** Serial numbers follow from the batch alone, so that a line that died gives the same ones again. */
export function serialOf({ batch, serialPrefix = batch }: BatchTerms, index: number): string {
  return `${serialPrefix}-${String(index).padStart(6, '0')}`
}

/**
 * The record of the batch, begun at the first call. Throws OnboardingError `batch-differs`, `serial-prefix-taken`, or
 * `input-invalid` for terms that no certificate can carry.
 */
export async function openBatch(store: Store, clock: Clock, terms: BatchTerms): Promise<BatchRecord> {
  checkTerms(terms)
  const started = startedEvent(terms)
  const stream = streamName('batch', terms.batch)
  const record = await store.transaction(async tx => {
    const { serialPrefix = terms.batch } = terms
    const claim = { name: `serial-prefix/${serialPrefix}`, value: terms.batch }
    // Before the batch: another process may begin it in between, and what is claimed then is claimed for it.
    const claimed = await tx.setting.get(claim.name)
    const known = await tx.batch.get(terms.batch)
    if (known !== undefined) return known
    if (claimed !== undefined) throw new OnboardingError('serial-prefix-taken', { prefix: serialPrefix })
    const { batch: id, model, count } = terms
    const made = terms.components === undefined ? {} : { components: terms.components }
    const begun: BatchRecord = { id, model: model.name, count, made: 0, ...made, startedAt: clock() }
    // First: two lines that begin a batch at once conflict here, and the second finds what the first wrote.
    await tx.append(stream, 0, [started])
    await tx.setting.insert(claim)
    await tx.batch.insert(begun)
    return begun
  })
  const [first] = await store.history(stream, 0, 1)
  for (const [field, value] of Object.entries(started.body)) {
    if (first?.body[field] !== value) throw new OnboardingError('batch-differs', { batch: terms.batch, field })
  }
  return record
}

/**
 * Notes how many units of the batch a run has passed, and that the batch is finished when these are all. A run that made
 * none of them itself notes nothing before: another line, whose progress it sees, may just have finished.
 */
export async function recordProgress(
  tx: Tx,
  id: string,
  { passed, made, at }: { readonly passed: number; readonly made: number; readonly at: number },
): Promise<BatchRecord> {
  const record = await tx.batch.get(id)
  if (record === undefined) throw new OnboardingError('internal', { batch: id })
  if (record.finishedAt !== undefined) return record
  if (passed < record.count) {
    const next = { ...record, made: passed }
    if (made > 0) await tx.batch.put(next)
    return next
  }
  const finished = { ...record, made: passed, finishedAt: at }
  await tx.append(streamName('batch', id), 1, [{ kind: 'batch-finished', body: { made: passed } }])
  await tx.batch.put(finished)
  return finished
}

function startedEvent(terms: BatchTerms): NewEvent {
  const { batch, model, count, keyOrigin, serialPrefix = batch, components, dpp } = terms
  const { name: product, mudUrl = '', hardwareType = '' } = model
  const made = components === undefined ? '' : componentSnapshot(components)
  const bootstrapping = dpp === undefined ? {} : { dpp: bootstrappingText(dpp) }
  const body = {
    model: product,
    mudUrl,
    hardwareType,
    count,
    keyOrigin,
    serialPrefix,
    components: made,
    ...bootstrapping,
  }
  return { kind: 'batch-started', body }
}

function checkTerms({ batch, model, count, serialPrefix = batch, dpp }: BatchTerms): void {
  const refuse = (field: string, rule: string) => new OnboardingError('input-invalid', { field, rule })
  if (!name.test(batch)) throw refuse('batch', '1 to 40 of A-Z a-z 0-9 . -')
  if (!name.test(serialPrefix)) throw refuse('serialPrefix', '1 to 40 of A-Z a-z 0-9 . -')
  if (!Number.isSafeInteger(count) || count < 1 || count > maxCount) throw refuse('count', `1 to ${maxCount}`)
  if (!/^[^\p{C}]{1,64}$/u.test(model.name)) throw refuse('model', '1 to 64 visible characters')
  const { mudUrl, hardwareType } = model
  if (mudUrl !== undefined && (!/^[\x21-\x7e]{1,255}$/.test(mudUrl) || URL.parse(mudUrl)?.protocol !== 'https:')) {
    throw refuse('mudUrl', 'an https URL of at most 255 characters')
  }
  if (hardwareType !== undefined && !/^[012](\.\d{1,10}){1,20}$/.test(hardwareType)) {
    throw refuse('hardwareType', 'an object identifier')
  }
  if (dpp !== undefined) checkBootstrappingTerms(dpp, count)
}
