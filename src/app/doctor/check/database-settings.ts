import { both, type Check, fail, ok } from '../check.ts'

const wanted: Readonly<Record<string, readonly string[]>> = {
  fsync: ['on'],
  full_page_writes: ['on'],
  synchronous_commit: ['on', 'remote_apply', 'remote_write', 'local'],
  journal_mode: ['wal'],
}

export const databaseSettings: Check = {
  id: 'database-settings',
  title: 'Settings of the database',
  about:
    'Fails when the database may lose what it has acknowledged: PostgreSQL with fsync, full_page_writes or ' +
    'synchronous_commit off, SQLite without its write-ahead log.',
  party: both,
  needs: 'record',
  async run({ condition }) {
    const { kind, settings } = await condition()
    const entries = Object.entries(settings).map(([name, value]) => ({ name, value }))
    const bad = entries.filter(({ name, value }) => wanted[name]?.includes(value) === false)
    const evidence = entries.map(({ name, value }) => `${name} = ${value}`)
    if (bad.length === 0) return ok('What is acknowledged is on the disk.', evidence)
    const action =
      kind === 'postgres'
        ? `Run: alter system set ${bad[0]!.name} = 'on', then restart PostgreSQL.`
        : 'Stop the site, and start it again: it sets the write-ahead log when it opens its record.'
    return fail('What is acknowledged may be lost with the machine.', action, evidence)
  },
}
