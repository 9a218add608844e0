import { once } from 'node:events'
import { mkdir } from 'node:fs/promises'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { Command } from 'commander'
import { dppPort as easyConnectPort } from '../../adapter/network/dpp-listener.ts'
import { openLog } from '../../adapter/telemetry/log.ts'
import { encodePem } from '../../codec/pem.ts'
import { hostName } from '../../codec/x509/host-name.ts'
import { attributeValues } from '../../codec/x509/name.ts'
import type { Secret } from '../../crypto/secret.ts'
import { OnboardingError } from '../../domain/error.ts'
import { siteParty } from '../../role/authorization/access.ts'
import { type ProfileName, profileNames } from '../../role/authorization/profile/profile.ts'
import { listenApi } from '../api/listen.ts'
import { defined } from '../defined.ts'
import { openSite, type Site, type SiteOptions } from '../site.ts'
import { version } from '../version.ts'
import { type AccessPointOptions, accessPointPlace, withAccessPoints } from './access-point.ts'
import {
  type Cli,
  choice,
  collected,
  count,
  described,
  type StorePlace,
  storePlace,
  type Task,
  withStore,
} from './command.ts'
import {
  dataDirectory,
  readAccessFile,
  readSiteFile,
  recordMark,
  requireRecordAt,
  requireUnclaimed,
  type SiteFile,
  writeAccessFile,
  writeSiteFile,
} from './data.ts'
import { type KeyOptions, openKeys, withKeys } from './key-option.ts'
import { anyAddress, inUrl, isLoopback } from './listen.ts'
import { watchedLog } from './watched-log.ts'

interface UpOptions extends StorePlace, KeyOptions, AccessPointOptions {
  readonly data?: string
  readonly network?: string
  readonly owner?: string
  readonly listen?: string
  readonly port: number
  readonly reusePort?: boolean
  readonly apiListen: string
  readonly apiPort: number
  readonly host?: readonly string[]
  readonly days?: number
  readonly graceDays?: number
  readonly dppPort?: number
  readonly dpp: boolean
  readonly statusPort?: number
  readonly statusUrl?: string
  readonly radiusPort?: number
  readonly radiusAccountingPort?: number
  readonly onboardingSegment?: string
  readonly profile?: ProfileName
  readonly quiet?: boolean
}

export function upCommand(cli: Cli): Command {
  return described(withAccessPoints(withKeys(withStore(new Command('up')))), {
    summary: 'run a site until interrupted',
    text:
      'The first start makes the site: its keys and certificates, its record, and a token for its first administrator, shown ' +
      'once. Later starts need no options. On the same machine and for the same user every other command finds the site ' +
      'through its data directory and needs no token. With --json one document is printed when it listens.',
    examples: [
      'up',
      'up --network harbour-iot --owner harbour --host gateway.harbour.example',
      'up --data /var/lib/mooring --store postgres://mooring@db/mooring --api-listen 0.0.0.0',
    ],
  })
    .option('--data <directory>', 'data directory; made at the first start (MOORING_DATA)')
    .option('--network <name>', 'name of the network, for good: 1 to 40 of A-Z a-z 0-9 . _ -')
    .option('--owner <id>', 'id under which manufacturers know you, for good; that of the network when absent')
    .option('--listen <address>', 'address where devices reach it; all of this machine when absent')
    .option('--port <port>', 'port where devices reach it', count(0, 65_535), 8443)
    .option('--reuse-port', 'share that port with other processes of this site, each with an --api-port of its own')
    .option('--host <name>', 'name or address in the certificate of the registrar; again for each', collected)
    .option('--api-listen <address>', 'address of the API; with TLS when it is not of this machine alone', '127.0.0.1')
    .option('--api-port <port>', 'port of the API', count(0, 65_535), 8480)
    .option('--dpp-port <port>', 'port for Wi-Fi Easy Connect; 8908, which access points expect', count(0, 65_535))
    .option('--no-dpp', 'no Wi-Fi Easy Connect')
    .option('--days <count>', 'lifetime of network credentials', count(1, 3650))
    .option('--grace-days <count>', 'how long after its end a credential may be renewed in place', count(0, 3650))
    .option(
      '--status-port <port>',
      'port for revocation lists and OCSP, plain HTTP; none when absent',
      count(1, 65_535),
    )
    .option('--status-url <url>', 'how others reach that port, http://HOST[:PORT]; stands in new credentials')
    .option(
      '--radius-port <port>',
      'UDP port where access points ask whom to let in; none when absent',
      count(0, 65_535),
    )
    .option('--radius-accounting-port <port>', 'UDP port where they report; the next one when absent', count(0, 65_535))
    .option(
      '--onboarding-segment <name>',
      'where devices go that show a birth certificate there; they stay out when absent',
    )
    .option(
      '--profile <name>',
      `policies that a new site begins with: ${profileNames.join(', ')}; home when absent`,
      choice(profileNames),
    )
    .option('--quiet', 'log warnings and errors only')
    .action(cli.run<UpOptions, []>(up))
}

async function up(task: Task<UpOptions>): Promise<void> {
  const { io, options } = task
  const data = dataDirectory('site', options.data, io)
  const founded = await siteFile(data, options, storePlace(options, io.env))
  const { close: closeKeys, ...keys } = await openKeys(options, io)
  try {
    const site = await open(task, data, founded, keys)
    try {
      requireName(site)
      // A site that has its record and certificates is one, and keeps its name from now on.
      await writeSiteFile(data, founded)
      await serve(task, site)
    } finally {
      await site.close()
    }
  } finally {
    closeKeys()
  }
}

/** What the site was founded with; its name stands in certificates that are out in the world. */
async function siteFile(data: string, { network, owner }: UpOptions, store: string | undefined): Promise<SiteFile> {
  const known = await readSiteFile(data)
  for (const [field, given] of Object.entries(defined({ network, owner }))) {
    const before = known?.[field as 'network' | 'owner']
    if (before !== undefined && before !== given) {
      throw new OnboardingError('input-invalid', { field, rule: `this site was founded as ${before}` })
    }
  }
  if (known?.moved !== undefined) throw new OnboardingError('site-moved', { since: known.moved, data })
  if (known !== undefined) {
    await requireRecordAt(known, { store, file: join(data, 'site.db') })
    return known
  }
  await requireUnclaimed(data, 'site')
  const name = network ?? 'home'
  if (!/^[A-Za-z0-9][A-Za-z0-9._-]{0,39}$/.test(name)) {
    throw new OnboardingError('input-invalid', { field: 'network', rule: '1 to 40 of A-Z a-z 0-9 . _ -' })
  }
  const id = owner ?? name
  if (!/^[^\p{C}]{1,100}$/u.test(id))
    throw new OnboardingError('input-invalid', { field: 'owner', rule: 'a short name' })
  return { format: 'mooring-site 1', network: name, owner: id, ...recordMark(store) }
}

/** A first start that was cut off may have left certificates in another name. */
function requireName({ network, authority }: Site): void {
  const [before = ''] = attributeValues(authority.root.subject, 'organizationName')
  if (before === network) return
  throw new OnboardingError('input-invalid', { field: 'network', rule: `this site was founded as ${before}` })
}

async function open(
  { io, options }: Task<UpOptions>,
  data: string,
  { network, owner }: SiteFile,
  keys: Pick<Parameters<typeof openSite>[0], 'passphrase' | 'authorityKeys'>,
): Promise<Site> {
  await mkdir(data, { recursive: true, mode: 0o700 })
  return openSite({
    network,
    owner,
    data,
    ...keys,
    ...defined({
      storeUrl: storePlace(options, io.env),
      credentialLifetimeDays: options.days,
      renewalGraceDays: options.graceDays,
      reusePort: options.reusePort,
      profile: options.profile,
    }),
    ...statusPlace(options),
    ...radiusPlace(options),
    ...accessPointPlace(options),
    ...dppPlace(options),
    host: options.listen ?? anyAddress(),
    port: options.port,
    hosts: options.host ?? usualHosts(options.listen),
    log: openLog({ level: options.quiet === true ? 'warn' : 'info', ...watchedLog(io) }),
  })
}

/** Where the other port is any free one, so is this. */
function dppPlace({ dpp, dppPort, port, listen }: UpOptions): Pick<SiteOptions, 'dpp'> {
  if (!dpp) return {}
  return { dpp: { host: listen ?? anyAddress(), port: dppPort ?? (port === 0 ? 0 : easyConnectPort) } }
}

/** What stands in a credential stays there for its lifetime: by a name of this machine unless told otherwise. */
function statusPlace({ statusPort: port, statusUrl, host, listen }: UpOptions): Pick<SiteOptions, 'status'> {
  if (port === undefined) {
    if (statusUrl === undefined) return {}
    throw new OnboardingError('input-invalid', { field: 'status-url', rule: 'needs --status-port' })
  }
  const url = URL.parse(statusUrl ?? `http://${inUrl(host?.[0] ?? hostname())}:${port}`)
  if (url?.protocol !== 'http:' || url.pathname !== '/' || url.username !== '' || url.search !== '') {
    throw new OnboardingError('input-invalid', { field: 'status-url', rule: 'http://HOST[:PORT]' })
  }
  return { status: { host: listen ?? anyAddress(), port, url: url.origin } }
}

function radiusPlace(options: UpOptions): Pick<SiteOptions, 'radius'> {
  const { radiusPort: port, radiusAccountingPort, onboardingSegment, listen } = options
  if (port === undefined) {
    const field = radiusAccountingPort === undefined ? 'onboarding-segment' : 'radius-accounting-port'
    if ((radiusAccountingPort ?? onboardingSegment) === undefined) return {}
    throw new OnboardingError('input-invalid', { field, rule: 'needs --radius-port' })
  }
  const accountingPort = radiusAccountingPort ?? (port === 0 ? 0 : port + 1)
  return { radius: { host: listen ?? anyAddress(), port, accountingPort, ...defined({ onboardingSegment }) } }
}

async function serve(task: Task<UpOptions>, site: Site): Promise<void> {
  const { io, options } = task
  const { apiListen: host, apiPort: port } = options
  const tls = isLoopback(host) ? undefined : site.credential
  const listener = await listenApi(site, { host, port, ...defined({ tls }) })
  try {
    const url = `${tls === undefined ? 'http' : 'https'}://${inUrl(apiHost(host, options))}:${listener.port}`
    await leaveAccess(site, url, tls !== undefined)
    welcome(task, site, url, (await site.firstToken())?.revealText())
    if (!io.signal.aborted) await once(io.signal, 'abort')
    task.note('\nEnding: what is under way is finished first.')
  } finally {
    await listener.close()
  }
}

/** How this machine reaches the API: by a name in the certificate when there is TLS. */
function apiHost(listen: string, options: UpOptions): string {
  if (isLoopback(listen)) return listen
  return options.host?.[0] ?? 'localhost'
}

/** The token in the data directory lets the CLI of its owner in; one that was revoked or belongs to another record is replaced. */
async function leaveAccess({ data, access, authority }: Site, url: string, tls: boolean): Promise<void> {
  // Damaged is as good as none: it is written anew.
  const known = await readAccessFile(data).catch((error: unknown) => {
    if (!(error instanceof OnboardingError) || error.code !== 'file-unreadable') throw error
    return undefined
  })
  const token = (await usable(access, known?.token)) ?? (await localToken(access)).revealText()
  const ca = tls ? encodePem('CERTIFICATE', authority.root.der) : undefined
  await writeAccessFile(data, { format: 'mooring-access 1', url, token, ...defined({ ca }) })
}

async function usable(access: Site['access'], token: string | undefined): Promise<string | undefined> {
  if (token === undefined) return undefined
  try {
    await access.authenticate(token)
    return token
  } catch (error) {
    if (error instanceof OnboardingError && error.code === 'not-authenticated') return undefined
    throw error
  }
}

async function localToken(access: Site['access']): Promise<Secret> {
  const { secret } = await access.create({
    name: 'data-directory',
    party: siteParty,
    roles: ['administrator'],
    by: 'start of the site',
  })
  return secret
}

function welcome(task: Task<UpOptions>, site: Site, url: string, token: string | undefined): void {
  const { network, owner, data, port, host, dppPort } = site
  const radius = site.networkAccess.listening?.authentication.port
  const facts = { ready: true, version, network, owner, url, listen: host, onboardingPort: port, data }
  task.answer({ ...facts, ...defined({ token, dppPort, radiusPort: radius }) }, () => {
    const lines = [
      `${task.paint('bold', `Mooring ${version}`)}  network ${network}, owner ${owner}`,
      '',
      `  Devices onboard at  https://${inUrl(task.options.host?.[0] ?? hostname())}:${port}`,
      ...(dppPort === undefined ? [] : [`  Wi-Fi Easy Connect  port ${dppPort}`]),
      `  API                 ${url}`,
      `  Data                ${data}`,
    ]
    if (radius !== undefined) lines.push(`  Access points ask   UDP port ${radius}`)
    if (token !== undefined) {
      lines.push('', '  Token of the first administrator, shown this once:', '', `      ${task.paint('bold', token)}`)
    }
    const next = token === undefined ? 'Try `mooring device list`.' : 'Next: `mooring trust add` for each manufacturer.'
    return [...lines, '', `  On this machine the CLI needs no token. ${next}`, '  Ctrl-C ends it.'].join('\n')
  })
}

/** Names that this machine is likely to be called by, as far as a certificate can carry them. */
function usualHosts(listen: string | undefined): string[] {
  const names = [hostname(), `${hostname()}.local`, 'localhost', '127.0.0.1']
  if (listen !== undefined && listen !== '::' && listen !== '0.0.0.0') names.unshift(listen)
  return [...new Set(names)].filter(name => {
    try {
      hostName(name)
      return true
    } catch {
      return false
    }
  })
}
