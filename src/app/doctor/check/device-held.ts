import { type Check, counted, fail, ok, site, warn } from '../check.ts'
import { everyRow } from '../patient.ts'

export const deviceHeld: Check = {
  id: 'device-held',
  title: 'Devices kept out',
  about:
    'Fails when one identity was used in two places and nobody has said yet which device is genuine; warns of devices that ' +
    'were reported lost or broken.',
  party: site,
  needs: 'record',
  async run(patient) {
    const clones: string[] = []
    const others: string[] = []
    for await (const { manufacturer, serial, hold } of everyRow(patient, 'device')) {
      if (hold === undefined) continue
      const since = new Date(hold.at).toISOString()
      const line = `${manufacturer} ${serial}: ${hold.kind}, since ${since}`
      if (hold.kind === 'clone') clones.push(`${line}: ${hold.places?.map(({ place }) => place).join(', ') ?? ''}`)
      else others.push(line)
    }
    if (clones.length > 0) {
      return fail(
        `${counted(clones.length, 'device')} with an identity that was used in two places.`,
        'Find out which one is genuine, and say so: `mooring device resolve-clone SERIAL` shows how.',
        [...clones, ...others],
      )
    }
    if (others.length === 0) return ok('None.')
    return warn(
      `${counted(others.length, 'device')} reported lost or broken.`,
      'When it is back, say so with `mooring device report SERIAL found`, or `repaired`.',
      others,
    )
  },
}
