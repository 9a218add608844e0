import { type Check, counted, fail, ok, site, warn } from '../check.ts'
import { everyRow, hour } from '../patient.ts'

export const orphan: Check = {
  id: 'orphan',
  title: 'Orphans on record',
  about:
    'Fails when a device is on record without any event, or a credential without its device: somebody wrote behind the back ' +
    'of Mooring. Warns of credentials that were planned and never issued, which a device that asks again heals.',
  party: site,
  needs: 'record',
  async run(patient) {
    const { devices, credentials } = (await patient.condition()).strays
    if (devices.length + credentials.length > 0) {
      const evidence = [
        ...devices.map(id => `device ${id} has no event`),
        ...credentials.map(id => `credential ${id} has no device`),
      ]
      return fail(
        'The record holds what nothing explains.',
        'Run `mooring audit verify`, keep the data directory as evidence, and restore a backup with `mooring restore`.',
        evidence,
      )
    }
    const planned: string[] = []
    for await (const { id, device, notBefore } of everyRow(patient, 'credential', { status: 'planned' })) {
      if (notBefore < patient.clock() - hour) planned.push(`credential ${id} of device ${device}`)
    }
    if (planned.length === 0) return ok('None.')
    return warn(
      `${counted(planned.length, 'credential')} planned and never issued.`,
      'Nothing is lost: switch the device off and on, and it asks for the same credential again.',
      planned,
    )
  },
}
