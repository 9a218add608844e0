import { rungs } from '../../../domain/evidence.ts'
import { type Check, counted, duration, ok, site, warn } from '../check.ts'
import { everyRow, hour } from '../patient.ts'

/** On the way. Who waits for a person, or was turned away by one, is not stuck. */
const onTheWay = rungs.filter(rung => rung !== 'expected' && rung !== 'connected')

export const deviceStuck: Check = {
  id: 'device-stuck',
  title: 'Devices stuck in onboarding',
  about: 'Warns of devices that began to onboard, were not stopped by anybody, and have not connected for an hour.',
  party: site,
  needs: 'record',
  async run(patient) {
    const stuck: string[] = []
    for (const rung of onTheWay) {
      for await (const device of everyRow(patient, 'device', { rung })) {
        const { manufacturer, serial, standing, lastHeardAt, refusal } = device
        if (standing !== 'expected' && standing !== 'approved') continue
        const silent = patient.clock() - (lastHeardAt ?? 0)
        if (silent < hour) continue
        const why = refusal === undefined ? '' : `, refused: ${refusal.code}`
        stuck.push(`${manufacturer} ${serial}: ${rung}, silent for ${duration(silent)}${why}`)
      }
    }
    if (stuck.length === 0) return ok('None.')
    return warn(
      `${counted(stuck.length, 'device')} began to onboard and did not come to the end.`,
      'See how far it came with `mooring device history SERIAL`, look at its power and network, and switch it off and on.',
      stuck,
    )
  },
}
