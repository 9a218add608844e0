import { Command } from 'commander'
import { CredentialView } from '../api/contract/credential.ts'
import { api } from '../api/contract.ts'
import { defined } from '../defined.ts'
import { type Cli, choice, described } from './command.ts'
import { connect, type SiteOptions, withSite } from './connection.ts'
import { deviceNamed } from './device-named.ts'
import { type ListOptions, listed, listText, withLimit } from './listing.ts'
import { facts, moment, table } from './table.ts'

const statuses = CredentialView.shape.status.options
const reasons = api.credentialRevoke.body.shape.reason.unwrap().options

type Filter = SiteOptions & ListOptions & { device?: string; status?: CredentialView['status'] }

export function credentialCommand(cli: Cli): Command {
  const credential = new Command('credential')
    .summary('network credentials of devices')
    .description('Credentials by which devices are known to the network. Their private keys are in the devices alone.')
  described(withSite(withLimit(credential.command('list'))), {
    summary: 'list credentials issued',
    examples: ['credential list --status issued', 'credential list --device CL2-000001 --json'],
  })
    .option('--device <device>', 'only those of this id or serial number')
    .option('--status <status>', `only those that are: ${statuses.join(', ')}`, choice(statuses))
    .action(
      cli.run<Filter, []>(async task => {
        const client = await connect(task)
        const { device: name, status } = task.options
        const filter = {
          ...(name === undefined ? {} : { device: (await deviceNamed(client, name)).id }),
          ...defined({ status }),
        }
        const found = await listed(task.options, page => client.credentialList({ query: { ...filter, ...page } }))
        task.answer(found, () => listText(found, credentialsText, 'No credential yet.'))
      }),
    )
  described(
    withSite(credential.command('revoke').argument('<credential>', 'id, as `mooring credential list` shows it')),
    {
      summary: 'end a credential now, and publish it in the revocation list',
      examples: ['credential revoke 5f2b6a0c4d9e8f7a6b5c4d3e2f1a0b9c8d7e6f5a4b3c2d1e0f9a8b7c6d5e4f3a'],
    },
  )
    .option('--reason <reason>', `one of ${reasons.join(', ')}`, choice(reasons))
    .action(
      cli.run<SiteOptions & { reason?: (typeof reasons)[number] }, [string]>(async (task, id) => {
        const { reason } = task.options
        const revoked = await (await connect(task)).credentialRevoke({ params: { id }, body: defined({ reason }) })
        task.answer(revoked, () => credentialText(revoked))
      }),
    )
  return credential
}

function credentialsText(credentials: readonly CredentialView[]): string {
  return table(credentials, [
    { title: 'credential', of: ({ id }) => id },
    { title: 'status', of: ({ status }) => status },
    { title: 'until', of: ({ notAfter }) => notAfter.slice(0, 10) },
    { title: 'device', of: ({ device }) => device, flexible: true },
  ])
}

function credentialText(credential: CredentialView): string {
  return facts([
    ['credential', credential.id],
    ['device', credential.device],
    ['status', credential.status],
    ['certificate serial', credential.serialHex],
    ['issuer', credential.issuer],
    ['from', moment(credential.notBefore)],
    ['until', moment(credential.notAfter)],
    ['revoked', moment(credential.revokedAt)],
    ['reason', credential.revocationReason],
  ])
}
