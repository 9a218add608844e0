import { Command } from 'commander'
import { CodecError } from '../../codec/error.ts'
import { decodePem } from '../../codec/pem.ts'
import type { RoleName } from '../../domain/authority.ts'
import { OnboardingError } from '../../domain/error.ts'
import type { CallerAuthorityView, CallerView } from '../api/contract/caller.ts'
import { defined } from '../defined.ts'
import { type Cli, collected, count, described, type Task } from './command.ts'
import { connect, type SiteOptions, withSite } from './connection.ts'
import { isDer, readCertificatesPem, readInputFile } from './file.ts'
import { type ListOptions, listed, listText, withLimit } from './listing.ts'
import { collectedRoles, roleHelp } from './role.ts'
import { facts, moment, table } from './table.ts'
import { anchorFacts } from './trust.ts'

interface AdmitOptions extends SiteOptions {
  readonly authority: string
  readonly party: string
  readonly role: readonly RoleName[]
  readonly days?: number
}

export function callerCommand(cli: Cli): Command {
  const caller = new Command('caller')
    .summary('who may use the API with a client certificate')
    .description('People and organizations that use the API with a client certificate, and who certifies them.')
  authorityCommands(cli, caller)
  described(withSite(caller.command('admit').argument('<identity>', 'email:…, uri:… or subject:CN=…,O=…')), {
    summary: 'let somebody call who has a certificate, or change as what',
    examples: ['caller admit email:ann@harbour.example --authority people --party ann --role auditor'],
  })
    .requiredOption('--authority <name>', 'which authority certifies that identity')
    .requiredOption('--party <name>', 'person or organization whose it is')
    .requiredOption('--role <role>', 'as what; again for each, see below', collectedRoles)
    .option('--days <count>', 'for how long; for ever when absent', count(1, 3650))
    .addHelpText('after', () => `\nRoles:\n${roleHelp()}`)
    .action(cli.run<AdmitOptions, [string]>(admit))
  described(withSite(withLimit(caller.command('list'))), {
    summary: 'list who may call with a certificate',
    examples: ['caller list'],
  }).action(
    cli.run<SiteOptions & ListOptions, []>(async task => {
      const client = await connect(task)
      const found = await listed(task.options, query => client.callerList({ query }))
      task.answer(found, () => listText(found, callersText, 'Nobody calls with a certificate.'))
    }),
  )
  described(withSite(caller.command('remove').argument('<caller>', 'id, as `mooring caller list` shows it')), {
    summary: 'end the access of a certificate',
    examples: ['caller remove 3f9a0c5b7d1e2f4a6b'],
  }).action(
    cli.run<SiteOptions, [string]>(async (task, id) => {
      const removed = await (await connect(task)).callerRemove({ params: { id } })
      task.answer(removed, () => callerText(removed))
    }),
  )
  return caller
}

function authorityCommands(cli: Cli, caller: Command): void {
  described(withSite(caller.command('trust').argument('<name>', 'how this site calls the authority')), {
    summary: 'trust an authority that certifies people and organizations',
    text: 'Nobody is let in by that: `mooring caller admit` does. Name the very CA that issues the certificates.',
    examples: ['caller trust harbour-people --anchor people-ca.pem'],
  })
    .requiredOption('--anchor <file>', 'certificate of a CA, PEM or DER; again for each', collected)
    .action(
      cli.run<SiteOptions & { readonly anchor: readonly string[] }, [string]>(async (task, name) => {
        const body = { anchors: await readCertificatesPem(task.options.anchor) }
        const trusted = await (await connect(task)).callerAuthorityTrust({ params: { name }, body })
        task.answer(trusted, () => authorityText(trusted))
      }),
    )
  described(withSite(caller.command('crl').argument('<name>').argument('<file...>', 'lists, PEM or DER')), {
    summary: 'give the newest revocation lists of an authority',
    text: 'From then on its certificates count only while the list is current.',
    examples: ['caller crl harbour-people people.crl'],
  }).action(
    cli.run<SiteOptions, [string, readonly string[]]>(async (task, name, files) => {
      const crls: string[] = []
      for (const file of files) crls.push(...(await readCrls(file)))
      const known = await (await connect(task)).callerCrlGive({ params: { name }, body: { crls } })
      task.answer(known, () => authorityText(known))
    }),
  )
  described(withSite(withLimit(caller.command('authorities'))), {
    summary: 'list the authorities, with fingerprints to compare',
    examples: ['caller authorities'],
  }).action(
    cli.run<SiteOptions & ListOptions, []>(async task => {
      const client = await connect(task)
      const found = await listed(task.options, query => client.callerAuthorityList({ query }))
      const render = (items: readonly CallerAuthorityView[]) => items.map(authorityText).join('\n\n')
      task.answer(found, () => listText(found, render, 'No authority certifies callers here.'))
    }),
  )
  described(withSite(caller.command('distrust').argument('<name>', 'as `mooring caller authorities` shows it')), {
    summary: 'stop trusting an authority: its certificates open nothing any more',
    examples: ['caller distrust harbour-people'],
  }).action(
    cli.run<SiteOptions, [string]>(async (task, name) => {
      const ended = await (await connect(task)).callerAuthorityDistrust({ params: { name } })
      task.answer(ended, () => authorityText(ended))
    }),
  )
}

async function admit(task: Task<AdmitOptions>, identity: string): Promise<void> {
  const { authority, party, role, days } = task.options
  const body = { authority, identity, party, roles: [...role], ...defined({ lifetimeDays: days }) }
  const admitted = await (await connect(task)).callerAdmit({ body })
  task.answer(admitted, () => callerText(admitted))
}

/** DER, base64. Throws OnboardingError `file-unreadable`. */
async function readCrls(path: string): Promise<string[]> {
  const bytes = await readInputFile(path, 0x40_0000)
  if (isDer(bytes)) return [bytes.toString('base64')]
  try {
    const found = decodePem(bytes.toString('utf8')).filter(({ label }) => label === 'X509 CRL')
    if (found.length > 0) return found.map(block => Buffer.from(block.bytes).toString('base64'))
  } catch (cause) {
    if (!(cause instanceof CodecError)) throw cause
  }
  throw new OnboardingError('file-unreadable', { path, reason: 'no revocation list in it' })
}

function authorityText({ name, anchors, crls, addedAt, removedAt }: CallerAuthorityView): string {
  return facts([
    ['authority', name],
    ['since', moment(addedAt)],
    ['ended', moment(removedAt)],
    ...anchors.flatMap(anchorFacts('anchor')),
    ...crls.flatMap(({ issuer, issuedAt, nextUpdate, revoked }) => [
      ['CRL of', issuer] as const,
      ['  issued', `${moment(issuedAt)}, ${revoked} revoked`] as const,
      ['  next', moment(nextUpdate)] as const,
    ]),
  ])
}

function callerText({ id, authority, identity, party, roles, addedAt, expiresAt, removedAt }: CallerView): string {
  return facts([
    ['id', id],
    ['identity', identity],
    ['certified by', authority],
    ['party', party],
    ...roles.map((role, n) => [n === 0 ? 'roles' : '', role] as const),
    ['since', moment(addedAt)],
    ['until', moment(expiresAt)],
    ['ended', moment(removedAt)],
  ])
}

function callersText(callers: readonly CallerView[]): string {
  return table(callers, [
    { title: 'id', of: ({ id }) => id },
    { title: 'identity', of: ({ identity }) => identity, flexible: true },
    { title: 'authority', of: ({ authority }) => authority, flexible: true },
    { title: 'party', of: ({ party }) => party, flexible: true },
    { title: 'roles', of: ({ roles }) => roles.join(' '), flexible: true },
    { title: 'ended', of: ({ removedAt }) => moment(removedAt) },
  ])
}
