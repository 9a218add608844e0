import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { checks } from '../src/app/doctor/checks.ts'

/** docs/doctor.md, from what the checks say of themselves: `npm run doctor-document` writes it. */
export function doctorDocument(): string {
  const sections = checks.map(({ id, title, about, party, needs }) => {
    const whom = party.includes('manufacturer') ? 'site and factory' : 'site'
    const rests = { nothing: '', data: ', from the data directory', record: ', from the record' }[needs]
    return `### ${title}\n\n\`${id}\` (${whom}${rests}). ${about}\n`
  })
  return `${head}\n${sections.join('\n')}`
}

const head = `# Doctor

    mooring doctor
    mooring doctor --full --network
    mooring doctor --offline --data /var/lib/mooring --strict --json

says what is wrong with a site and what to do. A running site examines itself through its API; where it does not answer, its
data directory is examined from here. \`--data\` may be the directory of a factory, too. An examination reads and changes
nothing; it needs no passphrase, takes no lock, and may run beside the site.

| outcome | |
|---|---|
| \`ok\` | as it should be |
| \`warn\` | works, and somebody should look |
| \`fail\` | does not work, is not safe, or will not be restored |
| \`skipped\` | was not looked at, and says why |

The exit code is 0 when nothing fails, 3 when something does - with \`--strict\` when anything is to be looked at - and else as
for every command (docs/cli.md). \`--json\` prints every finding with its evidence, also of what is as it should be.

What \`doctor\` cannot see: whether devices reach the site through their network, whether a backup can be restored (restore one
into an empty directory), and what somebody did who holds both the keys and the record.

## Checks
`

if (import.meta.main) writeFileSync(join(import.meta.dirname, '../docs/doctor.md'), doctorDocument())
