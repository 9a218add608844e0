import { randomBytes } from 'node:crypto'
import { Command } from 'commander'
import type { RoleName } from '../../domain/authority.ts'
import { OnboardingError } from '../../domain/error.ts'
import { createAccess } from '../../role/authorization/access.ts'
import type { TokenView } from '../api/contract/token.ts'
import { api } from '../api/contract.ts'
import { tokenView } from '../api/view.ts'
import { defined } from '../defined.ts'
import { type Cli, count, described, type Task } from './command.ts'
import { connect, type SiteOptions, withSite } from './connection.ts'
import { type ListOptions, listed, listText, withLimit } from './listing.ts'
import { type OfflineOptions, withOffline, withRecord } from './offline.ts'
import { collectedRoles, roleHelp } from './role.ts'
import { facts, moment, table } from './table.ts'

interface CreateOptions extends SiteOptions, OfflineOptions {
  readonly role: readonly RoleName[]
  readonly party?: string
  readonly days?: number
}

export function tokenCommand(cli: Cli): Command {
  const token = new Command('token')
    .summary('who may use the API')
    .description('Tokens: who may use the API, and as what.')
  described(withOffline(withSite(token.command('create').argument('<name>', 'of who or what will use it'))), {
    summary: 'make a token; it is shown this once',
    text: 'Whoever lost every token makes one with --offline, on the machine of the site and while it is stopped.',
    examples: [
      'token create night-shift --role operator --days 90',
      'token create harbour-office --party harbour --role device-owner --role auditor',
      'token create rescue --role administrator --offline',
    ],
  })
    .requiredOption('--role <role>', 'what it may be used for; again for each, see below', collectedRoles)
    .option('--party <name>', 'person or organization whose it is; the name of the token when absent')
    .option('--days <count>', 'how long it is good; for ever when absent', count(1, 3650))
    .addHelpText('after', () => `\nRoles:\n${roleHelp()}`)
    .action(cli.run<CreateOptions, [string]>(create))
  described(withSite(withLimit(token.command('list'))), {
    summary: 'list tokens; never the tokens themselves',
    examples: ['token list'],
  }).action(
    cli.run<SiteOptions & ListOptions, []>(async task => {
      const client = await connect(task)
      const found = await listed(task.options, query => client.tokenList({ query }))
      task.answer(found, () => listText(found, tokensText, 'There is no token.'))
    }),
  )
  described(withSite(token.command('revoke').argument('<token>', 'id, as `mooring token list` shows it')), {
    summary: 'end a token now',
    examples: ['token revoke 3f9a0c5b7d1e2f4a6b'],
  }).action(
    cli.run<SiteOptions, [string]>(async (task, id) => {
      const revoked = await (await connect(task)).tokenRevoke({ params: { id } })
      task.answer(revoked, () => tokenText(revoked))
    }),
  )
  return token
}

async function create(task: Task<CreateOptions>, name: string): Promise<void> {
  const { role, party, days, offline } = task.options
  const terms = { name, roles: [...role], ...defined({ party, lifetimeDays: days }) }
  const made =
    offline === true ? await createOffline(task, terms) : await (await connect(task)).tokenCreate({ body: terms })
  task.answer(made, () => `${tokenText(made)}\n\n    ${made.token}`)
  task.note('\nIt is shown this once. Who has it, is it: keep it like a password.')
}

function createOffline(
  task: Task<CreateOptions>,
  terms: { name: string; party?: string; roles: RoleName[]; lifetimeDays?: number },
): Promise<TokenView & { token: string }> {
  const checked = api.tokenCreate.body.safeParse(terms)
  if (!checked.success)
    throw new OnboardingError('input-invalid', { field: 'name', rule: '1 to 64 of A-Z a-z 0-9 . _ -' })
  return withRecord(task, async ({ store }) => {
    const access = createAccess({ store, clock: Date.now, random: randomBytes })
    const { token, secret } = await access.create({ ...terms, by: 'offline, at the data directory' })
    return { ...tokenView(token), token: secret.revealText() }
  })
}

function tokenText({ id, name, party, roles, createdAt, expiresAt, revokedAt }: TokenView): string {
  return facts([
    ['id', id],
    ['name', name],
    ['party', party],
    ...roles.map((role, n) => [n === 0 ? 'roles' : '', role] as const),
    ['created', moment(createdAt)],
    ['until', moment(expiresAt)],
    ['revoked', moment(revokedAt)],
  ])
}

function tokensText(tokens: readonly TokenView[]): string {
  return table(tokens, [
    { title: 'id', of: ({ id }) => id },
    { title: 'name', of: ({ name }) => name, flexible: true },
    { title: 'party', of: ({ party }) => party, flexible: true },
    { title: 'roles', of: ({ roles }) => roles.join(' '), flexible: true },
    { title: 'created', of: ({ createdAt }) => createdAt.slice(0, 10) },
    { title: 'until', of: ({ expiresAt }) => expiresAt?.slice(0, 10) ?? '' },
    { title: 'revoked', of: ({ revokedAt }) => moment(revokedAt) },
  ])
}
