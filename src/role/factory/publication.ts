import { hash } from 'node:crypto'
import { streamName } from '../../domain/event.ts'
import type { PublicationRecord } from '../../domain/manufacture.ts'
import type { Clock, Tx } from '../../domain/port.ts'

/** One stream for all: its version numbers the publications. */
const stream = streamName('publication', 'all')

/**
 * Gives a signed file out: from now on it is in the feed. Part of a unit of work, and to be called before anything else
 * in it is written.
 */
export async function publish(
  tx: Tx,
  { file, ...terms }: Pick<PublicationRecord, 'kind' | 'buyer' | 'recall' | 'number'> & { readonly file: Buffer },
  clock: Clock,
): Promise<PublicationRecord> {
  const before = await tx.publication.count()
  const id = String(before + 1).padStart(12, '0')
  const record: PublicationRecord = {
    id,
    ...terms,
    document: hash('sha256', file),
    bytes: file.length,
    at: clock(),
  }
  await tx.append(stream, before, [{ kind: 'published', body: { ...record } }])
  await tx.publication.insert(record)
  await tx.document.put({ id: record.document, file: file.toString('base64') })
  return record
}
