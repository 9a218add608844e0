import { streamName } from '../../../domain/event.ts'
import { type Check, counted, ok, site, warn } from '../check.ts'
import { day, everyRow, type ReadablePatient } from '../patient.ts'

const often = 5
/** Events of one device, and devices, that are looked at: enough to see who comes again and again. */
const bounds = { events: 300, devices: 200 }

export const deviceRefused: Check = {
  id: 'device-refused',
  title: 'Devices refused often',
  about: `Warns of devices that were refused ${often} times or more within a day: a thief, a clone, or an honest device in trouble.`,
  party: site,
  needs: 'record',
  async run(patient) {
    const found: string[] = []
    const action = new Set<string>()
    let looked = 0
    for await (const { id, manufacturer, serial, version, refusal } of everyRow(patient, 'device')) {
      if (refusal === undefined || refusal.at < patient.clock() - day || looked === bounds.devices) continue
      looked++
      const count = await refusals(patient, id, version)
      if (count < often) continue
      found.push(`${manufacturer} ${serial}: ${count} times, last ${refusal.code}`)
      action.add(refusal.code)
    }
    if (found.length === 0) return ok('None.')
    const code = [...action][0]!
    return warn(
      `${counted(found.length, 'device')} refused again and again.`,
      `\`mooring errors ${code}\` explains the code, \`mooring device history SERIAL\` shows what happened.`,
      found,
    )
  },
}

async function refusals({ record, clock }: ReadablePatient, id: string, version: number): Promise<number> {
  const events = await record.history(streamName('device', id), Math.max(0, version - bounds.events), bounds.events)
  const since = clock() - day
  return events.filter(
    ({ at, kind, body }) =>
      at >= since && (kind === 'onboarding-refused' || (kind === 'admission-decided' && body['verdict'] === 'refuse')),
  ).length
}
