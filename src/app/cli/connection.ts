import { getCACertificates, setDefaultCACertificates } from 'node:tls'
import type { Command } from 'commander'
import { type ClientCertificate, certificateFetch } from '../../adapter/http/certificate-fetch.ts'
import { OnboardingError } from '../../domain/error.ts'
import { type ApiClient, createClient } from '../api/client.ts'
import { defined } from '../defined.ts'
import type { Task } from './command.ts'
import { type AccessFile, dataDirectory, readAccessFile } from './data.ts'
import { readInputFile } from './file.ts'
import type { Io } from './terminal.ts'

/** Options of every command that talks to a running site. */
export interface SiteOptions {
  readonly url?: string
  readonly token?: string
  readonly data?: string
  readonly ca?: string
  readonly cert?: string
  readonly key?: string
}

export function withSite(command: Command): Command {
  return command
    .optionsGroup('Reaching the site:')
    .option('--url <url>', 'address of the site (MOORING_URL); by default the one that runs from --data')
    .option('--token <token>', 'API token; better in MOORING_TOKEN, where no process list shows it')
    .option('--data <directory>', 'data directory of the site on this machine (MOORING_DATA)')
    .option('--ca <file>', 'root certificate of the site, when --url is https')
    .option('--cert <file>', 'your client certificate in place of a token, with those above it, PEM (MOORING_CERT)')
    .option('--key <file>', 'its private key, PEM (MOORING_CERT_KEY)')
    .optionsGroup('')
}

/**
 * The way to a running site: what the command line says, else the environment, else what the site itself left in its data
 * directory. The token of the data directory goes to the address of the data directory and to no other.
 * Throws OnboardingError `service-unreachable`, `not-authenticated`, `file-unreadable`.
 */
export async function connect({ io, options, note }: Task<SiteOptions>): Promise<ApiClient> {
  const { env } = io
  const certificate = await clientCertificate(options, env)
  if (certificate !== undefined) return connectCertified(options, io, certificate)
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
  return createClient({ url, token, ...patience(io), ...defined({ fetch: io.fetch }) })
}

/** A large manifest takes its time, and a person can interrupt. */
function patience({ signal }: Io) {
  return { timeout: 600_000, signal }
}

/** The certificate and not a token: the site refuses both at once. */
async function connectCertified(options: SiteOptions, io: Io, certificate: ClientCertificate): Promise<ApiClient> {
  const local = await readAccessFile(dataDirectory('site', options.data, io))
  const url = options.url ?? io.env['MOORING_URL'] ?? local?.url
  if (url === undefined || !url.startsWith('https://')) {
    throw new OnboardingError('input-invalid', { field: 'url', rule: 'https://…: a certificate is shown in TLS only' })
  }
  await trustRoot(options, local?.url === url ? local : undefined)
  return createClient({ url, ...patience(io), fetch: io.fetch ?? certificateFetch(certificate) })
}

/** Throws OnboardingError `file-unreadable`, `input-invalid` for one file without the other. */
async function clientCertificate(options: SiteOptions, env: Io['env']): Promise<ClientCertificate | undefined> {
  // What stands on the command line counts before what stands in the environment.
  const usual = options.token === undefined
  const cert = options.cert ?? (usual ? env['MOORING_CERT'] : undefined)
  const key = options.key ?? (usual ? env['MOORING_CERT_KEY'] : undefined)
  if (cert === undefined && key === undefined) return undefined
  if (cert === undefined || key === undefined) {
    throw new OnboardingError('input-invalid', { field: 'cert', rule: 'a certificate and its key, both or none' })
  }
  if (options.token !== undefined) {
    throw new OnboardingError('input-invalid', { field: 'token', rule: 'a token or a certificate, not both' })
  }
  const [certificates, keys] = await Promise.all([cert, key].map(path => readInputFile(path)))
  return { cert: certificates!.toString('utf8'), key: keys!.toString('utf8') }
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
