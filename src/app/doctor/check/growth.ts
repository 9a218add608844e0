import { join } from 'node:path'
import { both, type Check, counted, duration, ok, size, skipped, warn } from '../check.ts'
import { day } from '../patient.ts'

const horizon = 90 * day
const week = 7 * day
/** Octets of a write-ahead log that should have gone into the file. */
const largeLog = 256_000_000

export const growth: Check = {
  id: 'growth',
  title: 'Growth of the record',
  about:
    'Warns when the record, growing as it has for a week at least, fills the disk within 90 days, and when the write-ahead log of ' +
    'SQLite does not go into the file because somebody reads for ever.',
  party: both,
  needs: 'record',
  async run({ data, host, party, clock, condition }) {
    const { bytes, events, firstEventAt, kind } = await condition()
    const finding = `${size(bytes)} with ${counted(events, 'event')}`
    if (data === undefined || kind === 'postgres') return ok(`${finding}; the disk of the database is not known here.`)
    if (firstEventAt === undefined) return skipped('The record is empty.')
    const log = await host.file(join(data, `${party === 'site' ? 'site' : 'manufacturer'}.db-wal`))
    if ((log?.bytes ?? 0) > largeLog) {
      return warn(
        `The write-ahead log has ${size(log!.bytes)}.`,
        'End what keeps the record open for reading, a backup that hangs for example, or start the site again.',
      )
    }
    const { free } = await host.disk(data)
    const age = clock() - firstEventAt
    // What it began with is no growth.
    if (age < week) return ok(`${finding}; too young to say how it grows.`)
    const left = free / (bytes / age)
    if (left < horizon) {
      return warn(`${finding} fill the disk in ${duration(left)}.`, 'Move the data directory to a larger disk in time.')
    }
    return ok(`${finding}.`)
  },
}
