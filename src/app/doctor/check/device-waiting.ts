import { type Check, counted, duration, ok, site, warn } from '../check.ts'
import { everyRow } from '../patient.ts'

export const deviceWaiting: Check = {
  id: 'device-waiting',
  title: 'Devices that wait for a word',
  about: 'Warns when devices that nobody expected, or for which a policy wants a person, wait for approval or refusal.',
  party: site,
  needs: 'record',
  async run(patient) {
    const waiting: string[] = []
    for await (const { manufacturer, serial, firstHeardAt } of everyRow(patient, 'device', { awaits: 'person' })) {
      const since = firstHeardAt === undefined ? '' : `, first heard ${duration(patient.clock() - firstHeardAt)} ago`
      waiting.push(`${manufacturer} ${serial}${since}`)
    }
    if (waiting.length === 0) return ok('Nobody waits.')
    return warn(
      `${counted(waiting.length, 'device')} waiting for approval.`,
      'Look at them with `mooring approval list`, then `mooring approval grant` or `mooring approval deny`.',
      waiting,
    )
  },
}
