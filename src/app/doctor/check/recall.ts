import { type Check, counted, ok, site, warn } from '../check.ts'
import { everyRow, hour } from '../patient.ts'

export const recall: Check = {
  id: 'recall',
  title: 'Recalls',
  about:
    'Warns when the devices of a manufacturer have not been gone through an hour after a recall. Recalled devices are ' +
    'stopped from its import on; what is behind is the end of their credentials.',
  party: site,
  needs: 'record',
  async run(patient) {
    const behind: string[] = []
    let inForce = 0
    for await (const { manufacturer, recall, reason, status, importedAt, work } of everyRow(patient, 'recall')) {
      if (status === 'in-force') inForce++
      if (work.state === 'done' || importedAt > patient.clock() - hour) continue
      behind.push(`${manufacturer} ${recall} (${reason}): ${work.checked} of ${work.of} devices`)
    }
    if (behind.length === 0)
      return ok(inForce === 0 ? 'None.' : `${counted(inForce, 'recall')} in force, all carried out.`)
    return warn(
      `${counted(behind.length, 'recall')} not carried out yet.`,
      patient.running === undefined
        ? 'Start the site with `mooring up`: it goes on where it was.'
        : 'Look into the log of the site for the reason; `mooring recall list` shows how far it is.',
      behind,
    )
  },
}
