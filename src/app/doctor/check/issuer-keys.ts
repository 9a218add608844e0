import { join } from 'node:path'
import { both, type Check, counted, ok, skipped, warn } from '../check.ts'
import { everyRow } from '../patient.ts'

export const issuerKeys: Check = {
  id: 'issuer-keys',
  title: 'Keys of the authorities',
  about:
    'Warns when the key of a certificate is not in the data directory. That is as it should be for one in a PKCS#11 token or ' +
    'for a root that was taken away, and a loss otherwise.',
  party: both,
  needs: 'record',
  async run(patient) {
    const { data, host } = patient
    if (data === undefined) return skipped('The data directory is not known here.')
    const missing: string[] = []
    let count = 0
    for await (const { keyLabel } of everyRow(patient, 'issuer')) {
      count++
      if ((await host.file(join(data, 'keys', `${keyLabel}.sealed`))) === undefined) missing.push(keyLabel)
    }
    if (missing.length === 0) return ok(`${counted(count, 'key')} in their place.`)
    return warn(
      `Not in the data directory: the key of ${missing.join(', ')}.`,
      'Nothing, if it is in a token or was taken away on purpose; otherwise bring it back with `mooring restore`.',
    )
  },
}
