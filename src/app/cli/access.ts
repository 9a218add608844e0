import { Command } from 'commander'
import type { AccessSessionView, RadiusClientView } from '../api/contract/access.ts'
import { defined } from '../defined.ts'
import { type Cli, choice, count, described } from './command.ts'
import { connect, type SiteOptions, withSite } from './connection.ts'
import { readInputFile } from './file.ts'
import { type ListOptions, listed, listText, withLimit } from './listing.ts'
import { facts, moment, table } from './table.ts'

interface AddOptions extends SiteOptions {
  readonly disconnectPort?: number
  readonly secretFile?: string
}

interface SessionOptions extends SiteOptions, ListOptions {
  readonly device?: string
  readonly client?: string
  readonly state?: 'granted' | 'open' | 'ended'
}

export function accessCommand(cli: Cli): Command {
  const access = new Command('access')
    .summary('access points and switches, and who is on the network')
    .description(
      'Access points and switches that ask this site by RADIUS whom to let in (EAP-TLS with the network credential), and ' +
        'the sessions of devices there. `mooring up --radius-port 1812` listens for them.',
    )
  const client = access.command('client').summary('access points and switches that may ask')
  addCommand(cli, client.command('add'))
  described(withSite(withLimit(client.command('list'))), {
    summary: 'list access points and switches',
    examples: ['access client list'],
  }).action(
    cli.run<SiteOptions & ListOptions, []>(async task => {
      const api = await connect(task)
      const found = await listed(task.options, query => api.radiusClientList({ query }))
      task.answer(found, () =>
        listText(found, clientsText, 'No access point yet. `mooring access client add` adds one.'),
      )
    }),
  )
  described(withSite(client.command('remove').argument('<name>', 'as `mooring access client list` shows it')), {
    summary: 'answer an access point or switch no more',
    examples: ['access client remove gw1'],
  }).action(
    cli.run<SiteOptions, [string]>(async (task, name) => {
      const { removed } = await (await connect(task)).radiusClientRemove({ params: { name } })
      task.answer(
        { removed },
        () => `${removed} gets no more answers. Devices that are on it stay until it asks again.`,
      )
    }),
  )
  sessionCommands(cli, access.command('session').summary('who is on the network'))
  return access
}

function addCommand(cli: Cli, command: Command): void {
  described(
    withSite(
      command
        .argument('<name>', 'how this site calls it: 1 to 64 of A-Z a-z 0-9 . _ -')
        .argument('<address>', 'IPv4 or IPv6 address that its requests come from'),
    ),
    {
      summary: 'let an access point or switch ask',
      text:
        'Its shared secret is made here and shown once; put it into the configuration of the access point, which has to send ' +
        'a Message-Authenticator with every request.',
      examples: ['access client add gw1 192.0.2.10', 'access client add sw1 192.0.2.11 --disconnect-port 0'],
    },
  )
    .option('--disconnect-port <port>', 'UDP port where it takes Disconnect requests; 0: none', count(0, 65_535))
    .option('--secret-file <file>', 'a shared secret that it has already, in the first line')
    .action(
      cli.run<AddOptions, [string, string]>(async (task, name, address) => {
        const { disconnectPort, secretFile } = task.options
        const secret = secretFile === undefined ? undefined : await readSecret(secretFile)
        const body = { name, address, ...defined({ disconnectPort, secret }) }
        const added = await (await connect(task)).radiusClientAdd({ body })
        task.answer(added, () => {
          const text = clientText(added)
          return added.secret === undefined ? text : `${text}\n\nShared secret, shown this once:\n\n    ${added.secret}`
        })
      }),
    )
}

async function readSecret(path: string): Promise<string> {
  const [line = ''] = (await readInputFile(path, 1024)).toString('utf8').split(/\r?\n/)
  return line
}

function sessionCommands(cli: Cli, session: Command): void {
  described(withSite(withLimit(session.command('list'))), {
    summary: 'list who is on the network, and who was',
    examples: ['access session list --state open', 'access session list --device b5a1c2d3e4f5061728394a5b6c7d8e9f'],
  })
    .option('--device <id>', 'of this device only')
    .option('--client <name>', 'at this access point only')
    .option('--state <state>', 'granted, open or ended', choice(['granted', 'open', 'ended']))
    .action(
      cli.run<SessionOptions, []>(async task => {
        const { device, client, state } = task.options
        const api = await connect(task)
        const filter = defined({ device, client, state })
        const found = await listed(task.options, query => api.accessSessionList({ query: { ...query, ...filter } }))
        task.answer(found, () => listText(found, sessionsText, 'Nobody.'))
      }),
    )
  described(withSite(session.command('end').argument('<id>', 'as `mooring access session list` shows it')), {
    summary: 'have the access point end a session',
    text: 'The device may come back at once. To keep it out, end its right to be there: `mooring credential revoke`.',
    examples: ['access session end 3f2a9c0d5be84716a0c1d2e3f4051627 --reason moved'],
  })
    .requiredOption('--reason <text>', 'stands in the record')
    .action(
      cli.run<SiteOptions & { readonly reason: string }, [string]>(async (task, id) => {
        const { reason } = task.options
        const answer = await (await connect(task)).accessSessionEnd({ params: { id }, body: { reason } })
        task.answer(answer, () =>
          answer.ended
            ? `${answer.session.device} is off ${answer.session.client}.`
            : `${answer.session.client} did not say that it ended the session; look at it, or pull the plug.`,
        )
      }),
    )
}

function clientText({ name, address, disconnectPort, changedAt, changedBy }: RadiusClientView): string {
  return facts([
    ['access point', name],
    ['address', address],
    ['disconnect', disconnectPort === 0 ? 'cannot be asked to end a session' : `UDP port ${disconnectPort}`],
    ['since', `${moment(changedAt)} by ${changedBy}`],
  ])
}

function clientsText(clients: readonly RadiusClientView[]): string {
  return table(clients, [
    { title: 'access point', of: ({ name }) => name },
    { title: 'address', of: ({ address }) => address },
    { title: 'disconnect', of: ({ disconnectPort }) => (disconnectPort === 0 ? 'no' : String(disconnectPort)) },
    { title: 'since', of: ({ changedAt }) => moment(changedAt) },
  ])
}

function sessionsText(sessions: readonly AccessSessionView[]): string {
  return table(sessions, [
    { title: 'session', of: ({ id }) => id },
    { title: 'state', of: ({ state }) => state },
    { title: 'device', of: ({ device }) => device },
    { title: 'at', of: ({ client, port, ssid }) => [client, ssid, port].filter(each => each !== undefined).join(' ') },
    { title: 'station', of: ({ station = '' }) => station },
    { title: 'segment', of: ({ segment = '', vlan }) => (vlan === undefined ? segment : `${segment} (${vlan})`) },
    { title: 'since', of: ({ startedAt, grantedAt }) => moment(startedAt ?? grantedAt) },
    { title: 'ended', of: ({ endReason = '' }) => endReason, flexible: true },
  ])
}
