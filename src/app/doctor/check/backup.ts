import { type Check, duration, ok, site, warn } from '../check.ts'
import { lastBackup } from '../last-backup.ts'
import { day } from '../patient.ts'

const old = 7 * day

export const backup: Check = {
  id: 'backup',
  title: 'Backup',
  about: 'Warns when no backup was made from this data directory, or none for a week.',
  party: site,
  needs: 'data',
  async run({ data, host, clock }) {
    const action = 'Run `mooring backup DIRECTORY` once a day, onto another machine.'
    const last = await lastBackup(host, data)
    if (last === undefined) return warn('No backup was ever made from here.', action)
    const age = clock() - last.at
    const evidence = [`${new Date(last.at).toISOString()} ${last.directory}`]
    if (age > old) return warn(`The last backup is ${duration(age)} old.`, action, evidence)
    return ok(`The last backup is ${duration(age)} old.`, evidence)
  },
}
