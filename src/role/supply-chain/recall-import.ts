import { hash } from 'node:crypto'
import { OnboardingError } from '../../domain/error.ts'
import { streamName } from '../../domain/event.ts'
import type { Clock, Store, Tables, Tx } from '../../domain/port.ts'
import type { RecallRecord, RecallTreatment } from '../../domain/recall.ts'
import type { TrustedManufacturer } from '../../domain/site.ts'
import { openRecall, type VerifiedRecall } from './recall-notice.ts'
import { listManufacturers, statementTrust } from './trust.ts'

/** Topic of the outbox: devices that have to be looked at again because of a recall. */
export const recallTopic = 'recall'

export interface RecallImport {
  /** The file as the manufacturer signed it. */
  readonly bytes: Uint8Array
  readonly store: Store
  readonly clock: Clock
  readonly importedBy: string
  readonly treatment: RecallTreatment
  /** Absent: all that the site trusts. */
  readonly manufacturers?: readonly TrustedManufacturer[]
}

/** The id of a recall at a site. */
export function recallId(manufacturer: string, recall: string): string {
  return hash('sha256', `${manufacturer}\0${recall}`, 'hex').slice(0, 24)
}

/**
 * Puts a recall in force, changes it or lifts it. From the moment this resolves no recalled device is admitted, gets a
 * credential or shows itself with one; the work that revokes or holds credentials follows (`createRecallWork`). Imported
 * again it changes nothing. Throws OnboardingError `recall-invalid`, `recall-foreign`, `recall-stale`,
 * `manifest-too-large`.
 */
export async function importRecall({
  bytes,
  store,
  clock,
  importedBy,
  treatment,
  ...trusted
}: RecallImport): Promise<{ readonly recall: RecallRecord; readonly changed: boolean }> {
  const notice = await verifyRecall({ bytes, store, clock, ...trusted })
  const file = Buffer.from(bytes).toString('base64')
  return store.transaction(async tx => {
    const id = recallId(notice.trustedAs, notice.recall)
    const known = await tx.recall.get(id)
    if (known !== undefined && !isNews(known, notice, treatment)) return { recall: known, changed: false }
    await requireTrusted(tx, notice.trustedAs)
    await requireOwnName(tx, notice)
    const terms = termsOf(notice, treatment)
    const version = await tx.append(streamName('recall', id), known?.version ?? 0, [
      { kind: 'recall-imported', body: { ...terms, batches: notice.batches, note: notice.note, by: importedBy } },
    ])
    const next: RecallRecord = {
      id,
      ...terms,
      note: notice.note,
      batches: notice.batches,
      issuedAt: notice.issuedAt,
      importedAt: clock(),
      importedBy,
      work: await newWork(tx, notice.trustedAs),
      version,
    }
    await tx.recall.put(next)
    await tx.document.put({ id: notice.hash, file })
    await tx.enqueue(recallTopic, { recall: id, version })
    return { recall: next, changed: true }
  })
}

/** Reads and verifies, and writes nothing. Throws as `importRecall`. */
export async function verifyRecall({
  bytes,
  store,
  clock,
  ...trusted
}: Pick<RecallImport, 'bytes' | 'store' | 'clock' | 'manufacturers'>): Promise<VerifiedRecall> {
  const manufacturers = trusted.manufacturers ?? (await listManufacturers(store))
  const notice = openRecall(bytes, statementTrust(manufacturers, new Date(clock())))
  await store.read(tables => requireOwnName(tables, notice))
  return notice
}

/** An older notice must not bring back what a newer one changed; two of one number contradict each other. */
function isNews(known: RecallRecord, notice: VerifiedRecall, treatment: RecallTreatment): boolean {
  const { recall, number } = notice
  if (number < known.number) throw new OnboardingError('recall-stale', { recall, number, known: known.number })
  if (number > known.number) return true
  if (notice.hash !== known.notice)
    throw new OnboardingError('recall-invalid', { rule: 'contradiction', recall, number })
  return treatment !== known.treatment && known.status === 'in-force'
}

async function requireTrusted(tx: Tx, manufacturer: string): Promise<void> {
  if ((await tx.manufacturer.get(manufacturer)) !== undefined) return
  throw new OnboardingError('recall-invalid', { rule: 'untrusted-root', manufacturer })
}

/**
 * A signature binds a notice to devices below the same name here, so a manufacturer never reaches another's. It must not
 * speak in another's name either: a person would read the wrong one.
 */
async function requireOwnName(tables: Tables, { trustedAs, manufacturer }: VerifiedRecall): Promise<void> {
  const own = await statedName(tables, trustedAs)
  const foreign = own !== undefined ? own !== manufacturer : await isTaken(tables, trustedAs, manufacturer)
  if (foreign) throw new OnboardingError('recall-foreign', { signer: trustedAs, manufacturer })
}

/** What a manufacturer calls itself in its manifests; undefined before the first one. */
async function statedName(tables: Tables, manufacturer: string): Promise<string | undefined> {
  const found = await tables.manifest.find({ manufacturer })
  return found.find(({ statedName: stated }) => stated !== undefined)?.statedName
}

async function isTaken(tables: Tables, trustedAs: string, stated: string): Promise<boolean> {
  for (let after = ''; ; ) {
    const page = await tables.manufacturer.find({}, { after })
    for (const { name } of page) {
      if (name !== trustedAs && (name === stated || (await statedName(tables, name)) === stated)) return true
    }
    const last = page.at(-1)
    if (last === undefined || page.length < 100) return false
    after = last.name
  }
}

/** What a recall decides; the ledger says the same of it. */
function termsOf(notice: VerifiedRecall, treatment: RecallTreatment) {
  const status: RecallRecord['status'] = notice.action === 'lift' ? 'lifted' : 'in-force'
  const { trustedAs: manufacturer, recall, number, reason, reference, models, serials, hash: id } = notice
  const subject = { models, serials: serials.length }
  return { manufacturer, recall, number, status, reason, reference, ...subject, notice: id, treatment }
}

async function newWork(tx: Tx, manufacturer: string): Promise<RecallRecord['work']> {
  const of = await tx.device.count({ manufacturer })
  return { state: 'under-way', after: '', checked: 0, of, affected: 0, revoked: 0, held: 0, released: 0 }
}
