import { OnboardingError } from '../../domain/error.ts'
import type { PublicationRecord } from '../../domain/manufacture.ts'
import type { Random, Store } from '../../domain/port.ts'
import type { RecallReason } from '../../domain/recall.ts'
import { type RecallNotice, recallLimits, signRecall } from '../supply-chain/recall-notice.ts'
import { enqueueNotices } from './feed.ts'
import { publish } from './publication.ts'
import type { FactoryOffice } from './sale.ts'
import { unitPages } from './unit-selection.ts'

export interface RecallOrder {
  /** The manufacturer's name of a recall that is to be changed or lifted; absent: a new one. */
  readonly recall?: string
  readonly reason: RecallReason
  /** In words, and where there is more. */
  readonly note?: string
  readonly reference?: string
  readonly serials?: readonly string[]
  readonly batches?: readonly string[]
  readonly models?: readonly string[]
}

export interface IssuedRecall {
  readonly file: Buffer
  readonly recall: string
  readonly number: number
  /** Serial numbers in the notice. */
  readonly serials: number
  readonly publication: PublicationRecord
}

type Office = FactoryOffice & { readonly random: Random }

/**
 * A signed notice that recalls devices, and a publication for every buyer. A batch is named and its units are listed,
 * since a buyer does not know batches; of a model the units are listed too, as far as they fit, for buyers to whom nobody
 * said which model they have. A second notice about the same recall says anew what it covers. Throws OnboardingError
 * `unit-not-found`, `not-found` for a batch, model or recall that is not known, `manifest-too-large`, `input-invalid`.
 */
export async function issueRecall(office: Office, order: RecallOrder): Promise<IssuedRecall> {
  const { store } = office
  const { serials = [], batches = [], models = [] } = order
  const listed = new Set<string>()
  for (const serial of serials) {
    if ((await store.read(tables => tables.unit.get(serial))) === undefined) {
      throw new OnboardingError('unit-not-found', { serial })
    }
    listed.add(serial)
  }
  for (const batch of batches) for (const serial of await ofBatch(store, batch)) listed.add(serial)
  for (const model of models) for (const serial of await ofModel(store, model)) listed.add(serial)
  return issue(office, order, { action: 'withdraw', models: [...models], batches: [...batches], serials: [...listed] })
}

/** Ends a recall. Throws OnboardingError `not-found`. */
export function liftRecall(office: Office, order: RecallOrder & { readonly recall: string }): Promise<IssuedRecall> {
  return issue(office, order, { action: 'lift', models: [], batches: [], serials: [] })
}

async function issue(
  office: Office,
  { recall, reason, note = '', reference = '' }: RecallOrder,
  subject: Pick<RecallNotice, 'action' | 'models' | 'batches' | 'serials'>,
): Promise<IssuedRecall> {
  const { manufacturer, store, clock, random } = office
  const name = recall ?? Buffer.from(random(16)).toString('hex')
  const before = await store.read(tables => tables.publication.count({ recall: name }))
  if (recall !== undefined && before === 0) throw new OnboardingError('not-found', { recall })
  const number = before + 1
  const head = { recall: name, number, manufacturer: manufacturer.name, issuedAt: clock(), reason, note, reference }
  const file = await signRecall({ ...head, ...subject }, manufacturer.manifest)
  const publication = await store.transaction(async tx => {
    // Two notices of one number would contradict each other at every buyer.
    if ((await tx.publication.count({ recall: name })) !== before) throw new OnboardingError('store-conflict')
    const published = await publish(tx, { kind: 'recall', buyer: '', recall: name, number, file }, clock)
    await enqueueNotices(tx, published)
    return published
  })
  return { file, recall: name, number, serials: subject.serials.length, publication }
}

async function ofBatch(store: Store, batch: string): Promise<readonly string[]> {
  const serials: string[] = []
  for await (const page of unitPages(store, { batch }, { withdrawn: true })) {
    serials.push(...page.map(({ serial }) => serial))
    if (serials.length > recallLimits.serials) {
      throw new OnboardingError('manifest-too-large', { serials: serials.length, limit: recallLimits.serials })
    }
  }
  return serials
}

/** None when there are more than a notice can carry: then the name of the model has to do. */
async function ofModel(store: Store, model: string): Promise<readonly string[]> {
  const count = await store.read(tables => tables.unit.count({ model }))
  if (count === 0) throw new OnboardingError('not-found', { model })
  if (count > recallLimits.serials) return []
  const serials: string[] = []
  for (;;) {
    const after = serials.at(-1) ?? ''
    const page = await store.read(tables => tables.unit.find({ model }, { after, limit: 1000 }))
    serials.push(...page.map(({ serial }) => serial))
    if (page.length < 1000) return serials
  }
}
