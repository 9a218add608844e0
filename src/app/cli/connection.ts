import { getCACertificates, setDefaultCACertificates } from 'node:tls'
import type { Command } from 'commander'
import { OnboardingError } from '../../domain/error.ts'
import { type ApiClient, createClient } from '../api/client.ts'
import { defined } from '../defined.ts'
import type { Task } from './command.ts'
import { type AccessFile, dataDirectory, readAccessFile } from './data.ts'
import { readInputFile } from './file.ts'

/** Options of every command that talks to a running site. */
export interface SiteOptions {
  readonly url?: string
  readonly token?: string
  readonly data?: string
  readonly ca?: string
}

export function withSite(command: Command): Command {
  return command
    .optionsGroup('Reaching the site:')
    .option('--url <url>', 'address of the site (MOORING_URL); by default the one that runs from --data')
    .option('--token <token>', 'API token; better in MOORING_TOKEN, where no process list shows it')
    .option('--data <directory>', 'data directory of the site on this machine (MOORING_DATA)')
    .option('--ca <file>', 'root certificate of the site, when --url is https')
    .optionsGroup('')
}

/**
 * The way to a running site: what the command line says, else the environment, else what the site itself left in its data
 * directory. The token of the data directory goes to the address of the data directory and to no other.
 * Throws OnboardingError `service-unreachable`, `not-authenticated`, `file-unreadable`.
 */
export async function connect({ io, options, note }: Task<SiteOptions>): Promise<ApiClient> {
  const { env } = io
  const given = { url: options.url ?? env['MOORING_URL'], token: options.token ?? env['MOORING_TOKEN'] }
  const whole = given.url !== undefined && given.token !== undefined
  const data = dataDirectory('site', options.data, io)
  const local = whole ? undefined : await readAccessFile(data)
  const url = given.url ?? local?.url
  if (url === undefined)
    throw new OnboardingError('service-unreachable', { data, reason: 'no site has run from there' })
  const own = local?.url === url ? local : undefined
  const token = given.token ?? own?.token
  if (token === undefined) throw new OnboardingError('not-authenticated', { url })
  await trustRoot(options, own)
  if (isInClear(url)) note(`The token travels to ${url} in the clear. Use https.`)
  // A large manifest takes its time, and a person can interrupt.
  const patience = { timeout: 600_000, signal: io.signal }
  return createClient({ url, token, ...patience, ...defined({ fetch: io.fetch }) })
}

/** Besides the roots that the system trusts. It counts for this process alone. */
async function trustRoot({ ca }: SiteOptions, local: AccessFile | undefined): Promise<void> {
  const pem = ca === undefined ? local?.ca : (await readInputFile(ca)).toString('utf8')
  if (pem !== undefined) setDefaultCACertificates([...getCACertificates('default'), pem])
}

function isInClear(url: string): boolean {
  const { protocol, hostname } = URL.parse(url) ?? {}
  return protocol === 'http:' && !/^(localhost|127\.\d+\.\d+\.\d+|\[::1\])$/.test(hostname ?? '')
}
