import { Command } from 'commander'
import { OnboardingError } from '../../domain/error.ts'
import type { AuthorityView, RolloverView } from '../api/contract/authority.ts'
import { type Cli, described } from './command.ts'
import { connect, type SiteOptions, withSite } from './connection.ts'
import { facts, table } from './table.ts'

export function authorityCommand(cli: Cli): Command {
  const authority = new Command('authority')
    .summary('certification authority of the site')
    .description('Root, issuing CAs and registrar of the site: how long they last, and what comes after them.')
  described(withSite(authority.command('show')), {
    summary: 'show all generations, when their successors come, how renewals go, and what needs somebody',
    examples: ['authority show', 'authority show --json'],
  }).action(
    cli.run<SiteOptions, []>(async task => {
      const shown = await (await connect(task)).authorityShow()
      task.answer(shown, () => authorityText(shown))
    }),
  )
  described(withSite(authority.command('roll')), {
    summary: 'make the next issuing CA or root now, beside those of today',
    text:
      'Nothing that is good today ends by it: devices move over as they renew. Successors come by themselves in the last ' +
      'third of a life; this is for earlier. With --dry-run nothing is made, and the answer says whom it would concern.',
    examples: ['authority roll --issuing --dry-run', 'authority roll --root'],
  })
    .option('--issuing', 'an issuing CA below the root of today')
    .option('--root', 'a root, certified by the one of today, and an issuing CA below it')
    .option('--dry-run', 'say what would be, and do nothing')
    .action(
      cli.run<SiteOptions & { issuing?: boolean; root?: boolean; dryRun?: boolean }, []>(async task => {
        const { issuing = false, root = false, dryRun = false } = task.options
        if (issuing === root)
          throw new OnboardingError('input-invalid', { field: '--issuing, --root', rule: 'one of them' })
        const kind = root ? 'root' : 'issuing'
        const rolled = await (await connect(task)).authorityRoll({ body: { kind, dryRun } })
        task.answer(rolled, () => rolloverText(rolled))
      }),
    )
  return authority
}

const date = (instant: string | undefined): string => instant?.slice(0, 10) ?? ''

function authorityText({ roots, issuing, registrar, renewal, warnings }: AuthorityView): string {
  const rows = [
    ...roots.map(root => ({ what: 'root', ...root, note: '' })),
    ...issuing.map(({ inForce, issues, keyHere, ...rest }) => ({
      what: rest.name,
      ...rest,
      note: `${inForce.devices} devices${issues ? ', issues' : ''}${keyHere ? '' : ', key elsewhere'}`,
    })),
    { what: 'registrar', ...registrar, note: '' },
  ]
  const certificates = table(rows, [
    { title: '', of: ({ what }) => what },
    { title: 'from', of: ({ notBefore }) => date(notBefore) },
    { title: 'until', of: ({ notAfter }) => date(notAfter) },
    { title: 'successor', of: ({ successorDue }) => date(successorDue) },
    { title: 'in force', of: ({ note }) => note },
    { title: 'name', of: ({ subject }) => subject, flexible: true },
  ])
  const renewals = facts([
    ['credentials in force', renewal.inForce],
    ['renewed within a week', renewal.dueThisWeek],
    ['renewal overdue', renewal.overdue],
    ['ran out', renewal.expired],
    ['grace days', renewal.graceDays],
    ...warnings.map(
      ({ warning, name, at }) => ['warning', [warning, name, date(at)].filter(Boolean).join(' ')] as const,
    ),
  ])
  return `${certificates}\n${renewals}`
}

function rolloverText({ dryRun, made, affected }: RolloverView): string {
  return facts([
    ['made', dryRun ? 'nothing: a dry run' : made],
    ['devices that move over', affected.devices],
    ['credentials below the CAs until now', affected.credentials],
    ['renewed by', date(affected.renewedBy)],
    ['the last one ends', date(affected.lastEnds)],
  ])
}
