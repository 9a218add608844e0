import { type Check, counted, duration, ok, site, warn } from '../check.ts'
import { day, everyRow } from '../patient.ts'

export const request: Check = {
  id: 'request',
  title: 'Requests that need a second person',
  about:
    'Warns of requests that have waited for a second person for a day, and of one that was confirmed and not done.',
  party: site,
  needs: 'record',
  async run(patient) {
    const now = patient.clock()
    const waiting: string[] = []
    for (const status of ['pending', 'confirmed'] as const) {
      for await (const each of everyRow(patient, 'confirmation', { status })) {
        const { operation, askedAs, askedAt, expiresAt } = each
        if (expiresAt < now || (status === 'pending' && askedAt > now - day)) continue
        waiting.push(`${operation} by ${askedAs}, ${status}, ${duration(now - askedAt)} old`)
      }
    }
    if (waiting.length === 0) return ok('None is waiting.')
    return warn(
      `${counted(waiting.length, 'request')} waiting.`,
      'Look at them with `mooring request list`, then `mooring request confirm` or `mooring request decline`.',
      waiting,
    )
  },
}
