import { join } from 'node:path'
import { OnboardingError } from '../../../domain/error.ts'
import { both, type Check, type Finding, fail, ok, warn } from '../check.ts'
import type { Patient } from '../patient.ts'

export const store: Check = {
  id: 'store',
  title: 'Record',
  about:
    'Fails when the record is missing, cannot be read, or was written by another version. Warns when a process holds it and ' +
    'does not answer.',
  party: both,
  needs: 'nothing',
  async run(patient) {
    const { record } = patient
    if (record instanceof Error) return unreadable(record)
    const { kind, schemaVersion, knownSchemaVersion } = await record.condition()
    if (schemaVersion > knownSchemaVersion) {
      return fail(
        `The record has schema version ${schemaVersion}, and this Mooring knows ${knownSchemaVersion}.`,
        'Run the newer version, or restore a backup made by this one.',
      )
    }
    const name = kind === 'sqlite' ? 'SQLite' : 'PostgreSQL'
    if (schemaVersion < knownSchemaVersion) {
      return ok(`${name}, schema version ${schemaVersion}; the next start brings it to ${knownSchemaVersion}.`)
    }
    return (await held(patient)) ?? ok(`${name}, schema version ${schemaVersion}, readable.`)
  },
}

function unreadable(error: Error): Finding {
  if (!(error instanceof OnboardingError)) {
    return fail('The record cannot be read.', 'Look at the evidence, or restore a backup.', [String(error)])
  }
  const { title, action } = error.entry
  const facts = Object.entries(error.detail).map(([name, value]) => `${name}: ${value}`)
  return fail(`The record cannot be read: ${title}.`, action, [error.code, ...facts])
}

/** Looked at from outside, a record that somebody holds should have somebody who answers. */
async function held({ party, data, host, running, access }: Patient): Promise<Finding | undefined> {
  if (running !== undefined || data === undefined || party !== 'site') return undefined
  const holder = await host.lockHolder(join(data, 'site.db-lock'))
  if (holder === undefined) return undefined
  return warn(
    `Process ${holder} holds the record, and the site does not answer${access === undefined ? '' : ` at ${access}`}.`,
    `Look at what process ${holder} is; end it if it hangs, and run \`mooring up\`.`,
  )
}
