import { Recent } from '../../crypto/recent.ts'
import type { Device } from '../../domain/device.ts'
import { OnboardingError } from '../../domain/error.ts'
import type { Tables } from '../../domain/port.ts'
import type { RecallRecord } from '../../domain/recall.ts'
import { recalledSerials } from './recall-notice.ts'

export type Recallable = Pick<Device, 'manufacturer' | 'serial' | 'model'>

/** By the hash of the notice, so that what is kept in memory cannot become old. */
const lists = new Recent<ReadonlySet<string>>(16)

/** Recalls in force that hit a device. The record is asked each time: what was imported elsewhere counts here at once. */
export async function recallsOf(tables: Tables, device: Recallable): Promise<readonly RecallRecord[]> {
  return recallsAmong(tables, device, await recallsInForce(tables, device.manufacturer))
}

/** All of a manufacturer; mostly none. */
export async function recallsInForce(tables: Tables, manufacturer: string): Promise<readonly RecallRecord[]> {
  const found: RecallRecord[] = []
  for (let after = ''; ; ) {
    const page = await tables.recall.find({ manufacturer, status: 'in-force' }, { after })
    found.push(...page)
    const last = page.at(-1)
    if (last === undefined || page.length < 100) return found
    after = last.id
  }
}

/** For whoever has asked for them together with something else, which spares a way to the database. */
export async function recallsAmong(
  tables: Tables,
  device: Recallable,
  recalls: readonly RecallRecord[],
): Promise<readonly RecallRecord[]> {
  const hits: RecallRecord[] = []
  for (const recall of recalls) if (await isRecalledBy(tables, device, recall)) hits.push(recall)
  return hits
}

/** Whether a recall names the device, by its serial number or its model. */
export async function isRecalledBy(tables: Tables, device: Recallable, recall: RecallRecord): Promise<boolean> {
  if (recall.status !== 'in-force' || recall.manufacturer !== device.manufacturer) return false
  if (recall.models.includes(device.model)) return true
  return recall.serials > 0 && (await serialsOf(tables, recall)).has(device.serial)
}

async function serialsOf(tables: Tables, { notice }: RecallRecord): Promise<ReadonlySet<string>> {
  const known = lists.get(notice)
  if (known !== undefined) return known
  const document = await tables.document.get(notice)
  // A recall without its notice: whom it hits cannot be said, so nobody passes.
  if (document === undefined) throw new OnboardingError('internal', { missing: `notice ${notice}` })
  const set: ReadonlySet<string> = new Set(recalledSerials(Buffer.from(document.file, 'base64')))
  lists.set(notice, set)
  return set
}

/** Throws OnboardingError `device-recalled`. */
export async function checkRecall(tables: Tables, device: Recallable & Pick<Device, 'id'>): Promise<void> {
  const [recall] = await recallsOf(tables, device)
  if (recall !== undefined) throw recalled(device.id, recall)
}

function recalled(device: string, { id, reason, reference }: RecallRecord): OnboardingError {
  return new OnboardingError('device-recalled', { device, recall: id, reason, reference })
}
